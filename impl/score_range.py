"""How large the scores S = scale q k^T can be, measured from the tokens in O(n d) without forming S: b >=
max|S| decides the polynomial's degree (theory/chain.md section 2). The least of four bounds on |<q_i, k_j>|,
each of which also bounds <|q_i|, |k_j|> (rounding.py needs that): |q|_2 |k|_2, |q|_1 |k|_inf, |q|_inf |k|_1,
and sum_c max_i|q_ic| max_j|k_jc|.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

PIECE = 1 << 14
"""Rows measured at a time: the absolute values are a copy."""


class Sizes(NamedTuple):
    """Norms of rows, the largest of each batch element, rounded up in binary64: ``columns`` max_i|x_ic| (..., d), ``ones`` and ``twos``
    max_i |x_i|_1 and |x_i|_2 (...).
    """

    columns: Tensor
    ones: Tensor
    twos: Tensor

    @property
    def largest(self) -> float:
        return self.columns.max().item()


def largest_entry(x: Tensor) -> float:
    """max|x|, without a copy of ``x``; NaN or inf where there is one."""
    low, high = torch.aminmax(x)
    return torch.maximum(low.abs(), high.abs()).item()


def sizes(x: Tensor, centre: Tensor | None = None, keep: Tensor | None = None) -> Sizes:
    """Of the rows of ``x`` (..., n, d) less ``centre`` (..., 1, d), those with ``keep`` (..., n, 1) 0 left out."""
    d = x.shape[-1]
    # Squares below the smallest normal number vanish; this is what they can have amounted to in a row norm.
    lost = math.sqrt(d * torch.finfo(x.dtype).tiny)
    # Each entry is off by a relative unit after the shift, each norm by d + 3.
    up = 1 + 2 * (d + 5) * torch.finfo(x.dtype).eps
    found = []
    for start in range(0, x.shape[-2], PIECE):
        span = slice(start, start + PIECE)
        piece = x[..., span, :] if centre is None else x[..., span, :] - centre
        piece = (piece if keep is None else piece * keep[..., span, :]).abs()
        twos = piece.square().sum(-1).amax(-1).double().sqrt()
        found.append((piece.amax(-2).double(), piece.sum(-1).amax(-1).double(), twos))
    columns, ones, twos = (torch.stack(parts).amax(0) for parts in zip(*found, strict=True))
    return Sizes(columns * up, ones * up, (twos + lost) * up)


def bound_between(q: Sizes, k: Sizes, scale: float = 1.0) -> float:
    """Upper bound on max |scale <q_i, k_j>| over all pairs and the whole batch."""
    q_inf, k_inf = q.columns.amax(-1), k.columns.amax(-1)
    bounds = torch.stack([q.twos * k.twos, q.ones * k_inf, q_inf * k.ones, (q.columns * k.columns).sum(-1)])
    # A few roundings of binary64 in each.
    return (
        abs(scale) * bounds.amin(0).max().item() * (1 + 4 * (q.columns.shape[-1] + 4) * torch.finfo(torch.float64).eps)
    )


def score_bound(query: Tensor, key: Tensor, scale: float = 1.0) -> float:
    """Upper bound on max |scale <q_i, k_j>| over all pairs and the whole batch, rounding of the measurement
    included.

    ``query`` (..., n, d), ``key`` (..., m, d), finite, equal leading dimensions.
    """
    return bound_between(sizes(query), sizes(key), scale)


def balance(query: Tensor, key: Tensor, scale: float) -> tuple[float, float]:
    """Factors (a, b) with a b = scale and a max|q| ~ b max|k|: no monomial overflows while the scores are
    moderate.

    ``a`` is a power of two: multiplying or dividing by it is exact.
    """
    return balance_of(largest_entry(query), largest_entry(key), scale)


def balance_of(query_largest: float, key_largest: float, scale: float) -> tuple[float, float]:
    """``balance`` from the largest entries; ``scale`` may be zero or negative. Where a side is zero, the other is brought to 1."""
    if scale == 0:
        return 1.0, scale
    if query_largest == 0 and key_largest == 0:
        exponent = math.log2(abs(scale)) / 2
    elif query_largest == 0:
        exponent = math.log2(abs(scale)) + math.log2(key_largest)
    elif key_largest == 0:
        exponent = -math.log2(query_largest)
    else:
        exponent = (math.log2(key_largest) - math.log2(query_largest) + math.log2(abs(scale))) / 2
    a = 2.0 ** round(exponent)
    return a, scale / a
