"""operations.py: the formulas are linear in n and equal what torch counts."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from almostlinear.impl import algorithm1, count_attention, count_operations, feature_count, low_rank_attention, sweeps
from almostlinear.impl.moments import Monomials
from almostlinear.impl.operations import Passes
from almostlinear.impl.selection import choose
from almostlinear.impl.shifts import shift

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


def counted_passes(n, m, d, e, degree, is_causal):
    """Multiply-adds of the two passes, and the block, as almost_linear_attention makes them."""
    q, k, v, g = torch.rand(n, d), torch.rand(m, d), torch.rand(m, e), torch.rand(n, e)
    forward, (choice, made) = counted(lambda: run_forward(q, k, v, degree, is_causal))

    def backward():
        again, features = shift(q, k, v, None, 0.3, is_causal), Monomials(d, degree, q)
        return sweeps.backward(again, choice, features, made.out, made.inverse, g, made.moments)

    return Passes(forward, counted(backward)[0]), choice


def run_forward(q, k, v, degree, is_causal):
    inputs = shift(q, k, v, None, 0.3, is_causal)
    choice, _ = choose(inputs, degree, 1e-3, "monomials", 0)
    return choice, sweeps.forward(inputs, choice, Monomials(q.shape[-1], degree, q))


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(("d", "e", "degree"), [(3, 3, 2), (2, 4, 3), (8, 8, 3), (4, 1, 1)])
def test_attention_takes_exactly_a_n_operations(d, e, degree, is_causal):
    step = 256  # a multiple of every block
    sizes = [step * i for i in (1, 2, 5, 20, 37)]
    passes = []
    for n in sizes:
        found, choice = counted_passes(n, n, d, e, degree, is_causal)
        ranks = choice.rank, feature_count(d, degree - 1)
        assert found == count_attention(n, d, *ranks, width=e, block=choice.block)
        passes.append(found)
    for index in range(2):
        slope, rest = divmod(passes[0][index], sizes[0])
        assert rest == 0 and [p[index] for p in passes] == [slope * n for n in sizes]


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(("n", "m"), [(1, 1), (33, 33), (100, 7)])
def test_any_number_of_tokens(n, m, is_causal):
    m = n if is_causal else m
    found, choice = counted_passes(n, m, 3, 2, 2, is_causal)
    assert found == count_attention(n, 3, choice.rank, feature_count(3, 1), width=2, keys=m, block=choice.block)
