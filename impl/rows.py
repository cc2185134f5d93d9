"""Truncation: how far what is computed in exact arithmetic is from softmax attention and its gradients, from measured rows.

With eps_i, eps'_i the l1 errors of row i of f~ = p(S) w / D~ and of p'(S) w / D~ (tail.py, adaptive.py), G the upstream gradient,
range_c the spread of column c of the values, omega_i = sum_c |G_ic| range_c >= |<G_i, v_j - s_i>|, primes for what is shifted,

    a_i = (eps'_i (1 + eps_i/2) + eps_i/2) omega_i >= |P'_i - P_i|_1,   b_i the same with eps_i for eps'_i >= |P~_i - P_i|_1,
    |err O_ic| <= eps_i range_c / 2,   |err dQ| <= tau |k'| (max_i a_i + mean_i (a_i + b_i)),
    |err dK| <= tau |q'| (A + sum_i a_i / m) + tau |q0| (B + sum_i b_i / m),   |err dV_jc| <= sum_i |f~_ij - f_ij| |G_ic|.

A >= sum_i |P'_ij - P_ij| is the lesser of sum_i a_i and, as kernel and normaliser of a row are off by delta_ij and Delta_i,

    sum_i omega_i ((1 + eps_i/2) delta_ij w_j / (D_i - Delta_i) + (Delta_i / (D_i - Delta_i) (1 + eps_i/2) + eps_i/2) f_ij),

f_ij <= w_j e^{b_i} / D_i; B and the bound on dV likewise. Derived from theory/chain.md (2.5) and 3(B), with the rows' own errors.
Where tokens are seen in a subspace (subspace.py), scores are off by delta in every kernel, and what is summed to gradients by E k and
E q more: |E k| times |P'_i|_1 <= omega_i + a_i for dQ, |E q| times sum_i |P'_ij| <= A + sum_i omega_i f_ij for dK.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from . import tail
from .adaptive import Residuals
from .operands import Operands
from .polynomial import OUTWARD
from .selection import Choice
from .shifts import Shifted
from .subspace import Subspace


class Rows(NamedTuple):
    """By row, (..., n) and binary64: ``error`` eps_i, ``slope_error`` eps'_i, ``norm`` b_i, ``least`` and ``off``: D_i and Delta_i over
    W_i, ``total`` W_i. ``kernel_off`` and ``slope_off``: what bounds delta_ij/w_j of p and p' for every i, or its two factors.
    ``positive``: whether all weights surely are, so that no row is off by more than 2.
    """

    error: Tensor
    slope_error: Tensor
    norm: Tensor
    least: Tensor
    off: Tensor
    total: Tensor
    kernel_off: tuple[Tensor, Tensor]
    slope_off: tuple[Tensor, Tensor]
    positive: bool = False


def of_monomials(operands: Operands, choice: Choice, stretch: float = 1.0) -> Rows:
    """Rows of T_g, in O((n + m) d^2); keys as they are seen are at most ``stretch`` times as long as keys."""
    degree, bound = choice.degree, choice.bound
    longest = operands.inputs.key_sizes().twos * abs(operands.column_scale) * stretch
    parts = []
    for _, r in tail.row_moments(operands, longest, bound):
        off, slope_off, least = tail.tails(r, degree, bound), tail.tails(r, degree - 1, bound), r.mean.exp()
        error = tail.row_errors(r, degree, bound)
        slope = torch.where(off < least, (slope_off + off) / (least - off) * OUTWARD, math.inf).masked_fill(
            r.total == 0, 0
        )
        parts.append(torch.stack([error, slope, r.norm, least, off, r.total], -1))
    error, slope, norm, least, off, total = torch.cat(parts, -2).unbind(-1)
    one = torch.ones((), dtype=torch.float64, device=norm.device)
    return Rows(
        error,
        slope,
        norm,
        least,
        off,
        total,
        (_kernel_off(norm, degree, bound), one),
        (_kernel_off(norm, degree - 1, bound), one),
        positive=True,
    )


def _kernel_off(norm: Tensor, degree: int, bound: float) -> Tensor:
    """|R_g(s_ij)| at most, by row."""
    if degree < 0:
        return norm.exp() * OUTWARD
    return norm ** (degree + 1) * (tail.remainder_factor(degree, bound) * OUTWARD)


def of_pivots(operands: Operands, pivots: Tensor, choice: Choice, found: Residuals) -> Rows:
    """Rows of a kernel with residual R: |delta_ij| <= sqrt(R(q_i) R(k_j)) w_j; exp is its own derivative."""
    total = found.total.expand_as(found.query)
    weight = torch.where(total > 0, total, 1)
    error = found.row_errors()
    norm = torch.full_like(error, choice.bound)
    factors = (found.query.sqrt(), found.key.sqrt())
    return Rows(error, error, norm, found.least / weight, found.delta / weight, total, factors, factors)


def within(rows: Rows, near: Subspace) -> Rows:
    """The same rows against those of all coordinates."""
    moved = math.expm1(near.moved) * OUTWARD
    kernel = rows.norm.exp() * moved

    def off(factors: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        # (a + c)(b + c) >= a b + c^2 for factors >= 0.
        root = kernel.amax(-1, keepdim=True).sqrt()
        return factors[0] + root, factors[1] + root

    return Rows(
        rows.error + near.row_error,
        rows.slope_error + near.row_error,
        rows.norm + near.moved,
        rows.least * math.exp(-near.moved) / OUTWARD,
        rows.off + kernel,
        rows.total,
        off(rows.kernel_off),
        off(rows.slope_off),
        rows.positive,
    )


def errors(inputs: Shifted, rows: Rows, upstream: Tensor | None, near: Subspace | None = None) -> tuple[float, ...]:
    """Bounds on (output,) or on (output, dQ, dK, dV)."""
    spread = _spread(inputs)
    half = (rows.error.clamp_max(2) if rows.positive else rows.error) / 2
    output = torch.nan_to_num(half.amax(-1, keepdim=True) * spread, nan=math.inf).max().item() * OUTWARD
    if upstream is None:
        return (output,)
    g = upstream.double().abs()
    omega = (g * spread.unsqueeze(-2)).sum(-1)
    a = (rows.slope_error * (1 + half) + half) * omega
    b = (rows.error * (1 + half) + half) * omega
    tau = abs(inputs.scale)
    q, k = inputs.query_sizes().columns.amax(-1), inputs.key_sizes().columns.amax(-1)
    q0 = inputs.query_centre.double().abs().amax((-2, -1))
    kept = inputs.key.shape[-2] if inputs.keep is None else inputs.keep.double().sum((-2, -1)).clamp_min(1)
    by_query = tau * k * (a.amax(-1) + (a + b).mean(-1))
    columns = [
        _column(inputs, rows, omega, off, total, half) for off, total in ((rows.slope_off, a), (rows.kernel_off, b))
    ]
    by_key = tau * (q * (columns[0] + a.sum(-1) / kept) + q0 * (columns[1] + b.sum(-1) / kept))
    if near is not None:
        whole = omega + a
        shares = torch.minimum(omega.sum(-1), _share(inputs, rows, omega))
        by_query = by_query + tau * near.key_off * (whole.amax(-1) + whole.mean(-1))
        by_key = by_key + tau * near.query_off * (columns[0] + shares + whole.sum(-1) / kept)
    by_value = _column(inputs, rows, g.amax(-1), rows.kernel_off, rows.error * g.amax(-1), torch.zeros_like(half))
    found = (torch.nan_to_num(x, nan=math.inf) for x in (by_query, by_key, by_value))
    return output, *(x.max().item() * OUTWARD for x in found)


def _column(
    inputs: Shifted, rows: Rows, omega: Tensor, off: tuple[Tensor, Tensor], total: Tensor, half: Tensor
) -> Tensor:
    """The lesser of the sum of all rows' errors and what one column can have of them, (...)."""
    row_factor, key_factor = off
    weights = inputs.log_weights.squeeze(-1).double().exp()
    kernel = (weights * key_factor).amax(-1)
    seen = torch.where(rows.total > 0, rows.total, math.inf)
    gap = (rows.least - rows.off).clamp_min(0)
    by_kernel = (omega * (1 + half) * row_factor / (gap * seen)).sum(-1) * kernel
    share = rows.norm.exp() / (rows.least * seen)
    by_normaliser = (omega * (rows.off / gap * (1 + half) + half) * share).sum(-1) * weights.amax(-1)
    column = torch.nan_to_num(by_kernel + by_normaliser, nan=math.inf, posinf=math.inf)
    return torch.minimum(total.sum(-1), column) * OUTWARD


def _share(inputs: Shifted, rows: Rows, omega: Tensor) -> Tensor:
    """sum_i omega_i f_ij at most, for every j, (...)."""
    seen = torch.where(rows.total > 0, rows.total, math.inf)
    largest = inputs.log_weights.double().exp().amax((-2, -1))
    found = (omega * rows.norm.exp() / (rows.least * seen)).sum(-1) * largest
    return torch.nan_to_num(found, nan=math.inf, posinf=math.inf) * OUTWARD


def _spread(inputs: Shifted) -> Tensor:
    """max_j v_jc - min_j v_jc over keys that are no padding, (..., e)."""
    value = inputs.value.double()
    if inputs.keep is None:
        return value.amax(-2) - value.amin(-2)
    hidden = inputs.keep == 0
    spread = value.masked_fill(hidden, -math.inf).amax(-2) - value.masked_fill(hidden, math.inf).amin(-2)
    return spread.clamp_min(0)
