"""The cells of test_kernels.py on a CUDA device, compiled; skipped without one."""

import pytest
import torch

from almostlinear.impl import almost_linear_attention
from almostlinear.impl.kernels import DEGREES

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is there")

SIZES = [(degree, d) for d, most in DEGREES.items() for degree in range(2, most + 1)]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("degree", "d"), SIZES)
def test_every_cell_is_within_what_rounding_may_do(degree, d, dtype, causal):
    from tests.kernels.cells import Cell, compare

    found = compare(Cell(degree, d, dtype=dtype, causal=causal, n=391, m=391, e=d, batch=2), "cuda")
    assert all(compared.ratio <= 1 for compared in found.values()), found


@pytest.mark.parametrize("causal", [False, True])
def test_attention_takes_the_kernels_and_is_within_its_certificate(causal):
    from tests.kernels.cells import Cell, attend

    found = attend(Cell(3, 16, causal=causal, n=1000, m=1000, e=16, batch=2), True, "cuda")
    assert found.calls
    assert all(error <= bound for error, bound in zip(found.errors, found.bounds, strict=True)), found


def test_equal_calls_give_equal_bits():
    q, k, v = (torch.rand(2, 4, 3000, 16, device="cuda") - 0.5 for _ in range(3))
    first, second = (almost_linear_attention(q, k, v, is_causal=True, degree=3) for _ in range(2))
    assert torch.equal(first, second)
