"""score_range.py: the measured range is never below the largest score, and the scaling keeps the scores."""

import pytest
import torch

from almostlinear.impl import score_bound
from almostlinear.impl.score_range import balance

F64 = torch.float64


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("magnitude", [1e-30, 1e-3, 1.0, 1e15])
@pytest.mark.parametrize("d", [1, 3, 16])
def test_never_below_the_largest_score(d, magnitude, dtype):
    make = torch.Generator().manual_seed(d)
    for _ in range(20):
        q = torch.randn(2, 30, d, dtype=dtype, generator=make) * magnitude
        k = torch.randn(2, 25, d, dtype=dtype, generator=make) / magnitude
        # Also of the absolute values, which the rounding bounds need.
        largest = 0.3 * (q.double().abs() @ k.double().abs().mT).max().item()
        bound = score_bound(q, k, 0.3)
        assert largest <= bound <= 6 * largest


@pytest.mark.parametrize(
    ("query", "key", "expected"),
    [
        ([[3.0, 4.0]], [[3.0, 4.0]], 25.0),  # Cauchy-Schwarz
        ([[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0]], 1.0),  # l1 by largest entry
        ([[2.0, 0.0]], [[0.0, 5.0]], 0.0),  # column by column
        ([[0.0, 0.0]], [[1.0, 1.0]], 0.0),
    ],
)
def test_each_bound_is_the_least_somewhere(query, key, expected):
    for dtype in (torch.float32, F64):
        bound = score_bound(torch.tensor(query, dtype=dtype), torch.tensor(key, dtype=dtype))
        assert expected <= bound <= expected * (1 + 1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.3, 1e-20, 1e20])
def test_balance(scale):
    q, k = torch.full((2, 2), 1e18, dtype=F64), torch.full((2, 2), 1e-10, dtype=F64)
    a, b = balance(q, k, scale)
    assert a * b == scale
    assert 0.25 <= a * 1e18 / (b * 1e-10) <= 4
    a, b = balance(torch.zeros(2, 2), k, scale)
    assert a * b == scale and 0.5 <= b * 1e-10 <= 2
