"""How large the scores S = scale q k^T can be, measured from the tokens in O(n d) without forming S: b >=
max|S| decides the polynomial's degree (theory/chain.md section 2). The least of four bounds on |<q_i, k_j>|,
each of which also bounds <|q_i|, |k_j|> (rounding.py needs that): |q|_2 |k|_2, |q|_1 |k|_inf, |q|_inf |k|_1,
and sum_c max_i|q_ic| max_j|k_jc|.
"""

import math

import torch
from torch import Tensor

PIECE = 1 << 14
"""Rows measured at a time: the absolute values are a copy."""


def largest_entry(x: Tensor) -> float:
    """max|x|, without a copy of ``x``; NaN or inf where there is one."""
    low, high = torch.aminmax(x)
    return torch.maximum(low.abs(), high.abs()).item()


def score_bound(query: Tensor, key: Tensor, scale: float = 1.0) -> float:
    """Upper bound on max |scale <q_i, k_j>| over all pairs and the whole batch, rounding of the measurement
    included.

    ``query`` (..., n, d), ``key`` (..., m, d), finite, equal leading dimensions.
    """
    d = query.shape[-1]
    # Squares below the smallest normal number vanish; this is what they can have amounted to in a row norm.
    lost = math.sqrt(d * torch.finfo(query.dtype).tiny)
    q, k = _largest_by_column(query), _largest_by_column(key)
    (q1, q2), (k1, k2) = _largest_row_norms(query), _largest_row_norms(key)
    q_inf, k_inf = q.amax(-1), k.amax(-1)
    bounds = torch.stack([(q2 + lost) * (k2 + lost), q1 * k_inf, q_inf * k1, (q * k).sum(-1)])
    # Each norm is off by a relative (d + 3) units at most, each bound is a product of two.
    up = 1 + 4 * (d + 4) * torch.finfo(query.dtype).eps
    return abs(scale) * bounds.amin(0).max().item() * up


def _largest_by_column(x: Tensor) -> Tensor:
    """max_i |x_ic|: (..., n, d) -> (..., d), binary64."""
    low, high = torch.aminmax(x, dim=-2)
    return torch.maximum(low.abs(), high.abs()).double()


def _largest_row_norms(x: Tensor) -> tuple[Tensor, Tensor]:
    """max_i |x_i|_1 and max_i |x_i|_2: (..., n, d) -> (...), binary64."""
    ones, twos = [], []
    for piece in x.split(PIECE, dim=-2):
        ones.append(piece.abs().sum(-1).amax(-1))
        twos.append(piece.square().sum(-1).amax(-1))
    return torch.stack(ones).amax(0).double(), torch.stack(twos).amax(0).double().sqrt()


def balance(query: Tensor, key: Tensor, scale: float) -> tuple[float, float]:
    """Factors (a, b) with a b = scale and a max|q| ~ b max|k|: no monomial overflows while the scores are
    moderate.

    ``a`` is a power of two: multiplying or dividing by it is exact.
    """
    q, k = largest_entry(query), largest_entry(key)
    if q == 0 or k == 0:
        return 1.0, scale
    a = 2.0 ** round((math.log2(k) - math.log2(q) + math.log2(scale)) / 2)
    return a, scale / a
