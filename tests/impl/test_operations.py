"""operations.py: the formulas are linear in n and equal what torch counts."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from almostlinear.impl import algorithm1, count_operations, low_rank_attention

CHUNK = 16


def counted(f):
    with FlopCounterMode(display=False) as counter:
        result = f()
    assert counter.get_total_flops() % 2 == 0  # a multiply-add is two
    return counter.get_total_flops() // 2, result


def real_counts(work, n, d, e, degree, is_causal):
    """Multiply-adds of the matrix products of one call."""
    x, w, wv, g = torch.rand(n, d) / d, torch.rand(d, d), torch.rand(d, e), torch.rand(n, e)
    options = dict(degree=degree, is_causal=is_causal, chunk=CHUNK)
    if work in ("repaired", "printed"):
        return counted(lambda: algorithm1(x, w / 9, wv, g, formulas=work, **options))[0]
    leaves = [t.requires_grad_() for t in (x, x.clone().detach(), g.clone())]
    forward, out = counted(lambda: low_rank_attention(*leaves, **options))
    return forward if work == "forward" else counted(lambda: out.backward(g))[0]


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("work", ["forward", "backward", "repaired", "printed"])
@pytest.mark.parametrize(("d", "e", "degree"), [(3, 3, 2), (2, 4, 3), (4, 1, 1)])
def test_linear_in_n_and_equal_to_the_formula(work, d, e, degree, is_causal):
    sizes = [m * CHUNK for m in (2, 3, 5, 8)]
    real = [real_counts(work, n, d, e, degree, is_causal) for n in sizes]
    formula = [count_operations(n, d, degree, width=e, work=work, is_causal=is_causal, chunk=CHUNK) for n in sizes]
    assert real == [f.products for f in formula]
    slope = (real[1] - real[0]) // CHUNK
    assert all(b - a == slope * (n - m) for a, b, m, n in zip(real, real[1:], sizes, sizes[1:], strict=False))
    entrywise = [f.entrywise for f in formula]
    slope = (entrywise[1] - entrywise[0]) // CHUNK
    assert all(b - a == slope * (n - m) for a, b, m, n in zip(entrywise, entrywise[1:], sizes, sizes[1:], strict=False))


@pytest.mark.parametrize("n", [1, 15, 17, 33])
@pytest.mark.parametrize("is_causal", [False, True])
def test_a_last_chunk_that_is_not_full(n, is_causal):
    for work in ("forward", "repaired"):
        formula = count_operations(n, 3, 2, work=work, is_causal=is_causal, chunk=CHUNK)
        assert real_counts(work, n, 3, 3, 2, is_causal) == formula.products
