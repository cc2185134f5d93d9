"""What the Taylor polynomial leaves out of each row, measured. With R_g(s) = e^s - T_g(s) and |s_ij| <= b_i <= b,

    |R_g(s)| <= c_g |s|^{g+1},  c_g = sum_m b^m/(g+1+m)!,   so   sum_j w_j |R_g(s_ij)| <= c_g b_i^{g-1} sum_j w_j s_ij^2  =: Delta_i,

and D_i >= W_i exp(mean of s_ij) by Jensen; row i of the weights is off by at most 2 Delta_i/(D_i - Delta_i) in l1. The sums over keys come
from monomials of degree 2: O((n + m) d^2). Typical scores lie far below the largest, so this is far below eps1(J_g(b)) of polynomial.py,
which serves only to end the search and where it is the smaller.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from .causal import prefix
from .moments import Monomials
from .operands import Operands
from .polynomial import OUTWARD, kernel_error, softmax_error
from .rounding import gamma
from .streaming import spans

CHUNK, BLOCK = 2048, 64
MOST = 700.0
"""Largest b of which e^b is a number."""


class RowMoments(NamedTuple):
    """For some queries, (..., c) and binary64: ``total`` W_i of the weights seen, ``mean`` and ``square`` the weighted means of s_ij and
    s_ij^2 (lower and upper bound), ``norm`` b_i >= |s_ij|.
    """

    total: Tensor
    mean: Tensor
    square: Tensor
    norm: Tensor


def row_moments(
    operands: Operands, longest: Tensor, bound: float, elsewhere: Tensor | None = None, keys: int = 0
) -> Iterator[tuple[slice, RowMoments]]:
    """Chunk by chunk of the queries; ``longest`` (...) the 2-norm of the longest key, scaled; ``bound`` >= max|S|.

    ``elsewhere`` (..., 1, k): moments (``key_moments``) of ``keys`` further keys that all these queries see.
    """
    inputs = operands.inputs
    operands = replace(operands, block=BLOCK if inputs.is_causal else 0)
    features = Monomials(operands.d, 2, inputs.query)
    length = CHUNK + math.ceil((inputs.key.shape[-2] + keys) / CHUNK) + features.weights.shape[0] + 2 * operands.d + 32
    lost = gamma(2 * length, inputs.query.dtype)
    tiny, count = torch.finfo(inputs.query.dtype).tiny, inputs.key.shape[-2] + keys
    for span, sums, x in _sums(operands, features, elsewhere):
        total, first, second = operands.rows(sums, span.stop - span.start).double().unbind(-1)
        size = operands.rows(x, span.stop - span.start).double().norm(dim=-1)
        norm = (size * longest.unsqueeze(-1) * (1 + 1e-6)).clamp_max(bound)
        weight = torch.where(total > 0, total, 1)
        # What vanishes below the normal numbers: of each factor, and of each product with a weight.
        under, reach = 4 * tiny * (1 + count / weight), 1 + size + longest.unsqueeze(-1)
        mean = (first / weight - 2 * lost * norm - under * math.sqrt(operands.d) * reach).clamp_min(-bound)
        above = 2 * lost * norm**2 + under * operands.d * reach**2
        square = torch.minimum((second / weight + above) * (1 + 2 * lost), norm**2)
        yield span, RowMoments(total, mean, square, norm)


def tails(rows: RowMoments, degree: int, bound: float) -> Tensor:
    """Delta_i / W_i of one degree, (..., c); degree -1 is the polynomial 0."""
    if degree < 0:
        return torch.full_like(rows.norm, math.exp(bound) * OUTWARD if bound <= MOST else math.inf)
    power = rows.square.sqrt() if degree == 0 else rows.norm ** (degree - 1) * rows.square
    return power * (remainder_factor(degree, bound) * OUTWARD)


def row_errors(rows: RowMoments, degree: int, bound: float) -> Tensor:
    """l1 error of each row of weights, (..., c); 0 for rows that see nothing."""
    delta, least = tails(rows, degree, bound), rows.mean.exp()
    measured = torch.where(delta < least, 2 * delta / (least - delta) * OUTWARD, math.inf)
    return measured.clamp_max(softmax_error(kernel_error(degree, bound))).masked_fill(rows.total == 0, 0)


def largest_row_errors(
    operands: Operands,
    longest: Tensor,
    bound: float,
    most: int,
    elsewhere: Tensor | None = None,
    keys: int = 0,
    eps: float = math.inf,
) -> list[float]:
    """The worst row's error for each degree 0, ..., ``most``, or some error above ``eps`` where it is above; arguments as of
    ``row_moments``.
    """
    worst = [0.0] * (most + 1)
    for _, rows in row_moments(operands, longest, bound, elsewhere, keys):
        for degree in (g for g in range(most + 1) if worst[g] <= eps):
            worst[degree] = max(worst[degree], row_errors(rows, degree, bound).max().item())
    return worst


def remainder_factor(degree: int, bound: float) -> float:
    """c_g = sum_m b^m/(g+1+m)!, rounded up; infinite for b > MOST."""
    if bound > MOST:
        return math.inf
    term = 1 / math.factorial(degree + 1)
    total, m = term, 0
    while term > 1e-18 * total or m < 2 * bound:
        m += 1
        term *= bound / (degree + 1 + m)
        total += term
    return total * OUTWARD


def key_moments(operands: Operands) -> Tensor:
    """sum_j w_j y_j^a for |a| <= 2 over the keys: (..., 1, k)."""
    features = Monomials(operands.d, 2, operands.inputs.query)
    total = torch.zeros((), dtype=features.weights.dtype, device=features.weights.device)
    for span in spans(operands.inputs.key.shape[-2], CHUNK):
        total = total + operands.arrange(operands.weight(span)) @ features.features(operands.key(span)).mT
    return total


def _sums(operands: Operands, features: Monomials, elsewhere: Tensor | None) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """sum_j w_j (1, s_ij, s_ij^2), tokens last, and the queries that they are of."""
    inputs = operands.inputs
    k, d = features.weights.shape[0], operands.d
    by_degree = features.weights.new_zeros(3, k)
    by_degree[0, 0], by_degree[1, 1 : d + 1], by_degree[2, d + 1 :] = 1, 1, 2 * features.weights[d + 1 :]
    if inputs.is_causal:
        before = None if elsewhere is None else elsewhere.unsqueeze(-3)
        yield from _causal_sums(operands, features, by_degree, before)
        return
    total = key_moments(operands) if elsewhere is None else key_moments(operands) + elsewhere
    for span in spans(inputs.query.shape[-2], CHUNK):
        x = operands.query(span)
        yield span, (total * by_degree) @ features.features(x), x


def _causal_sums(
    operands: Operands, features: Monomials, by_degree: Tensor, before: Tensor | None
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    for span in spans(operands.inputs.query.shape[-2], CHUNK):
        x, y, w = operands.query(span), operands.key(span), operands.arrange(operands.weight(span))
        sums, before = prefix(w @ features.features(y).mT, before)
        scores = x.mT @ y
        inside = [(scores**power).tril_() @ w.mT for power in range(3)]
        yield span, (sums * by_degree) @ features.features(x) + torch.cat(inside, -1).mT, x
