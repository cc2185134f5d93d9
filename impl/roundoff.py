"""Rounding of ``almost_linear_attention``: |computed - exact arithmetic of the same approximant|, entry by entry, from measured rows.

As in rounding.py, a sum in which no path passes more than M roundings is off by gamma_M times the same sum of absolute values. Here
that sum is at most kappa_i sum_j w_j |z_j|, kappa_i = e^{b_i} for monomials and the product of the largest |phi| of both sides for
pivots, whose features are compared with those of binary64 on all tokens. The normaliser of row i is at least D_i - Delta_i, so rho_i =
kappa_i W_i/(D_i - Delta_i). Shifts and weights move a kernel by a relative

    delta = 2 u tau |q| |k'| + gamma_{d+10} tau |q0| |k'| + 4 u max |log w| + 4 u,     e = gamma_M + expm1(delta)

and, for pivots, what the features are off. In a subspace (subspace.py) B^T x differs by rho |x| from one evaluation to the next, which
moves scores by tau (4 rho + 2 rho^2) |q| |k| more, and gradients pass through B: |k|_2 stands for |k|, |q|_2 for |q|.

1. Output: |v| [(1 + rho_i e)(1 + e_D)(1 + u)^2 - 1], e_D = rho_i e/(1 - rho_i e).
2. u_i and its products with [v_j, 1] are at most 2 |G_i|_1 |v|/D~_i; all further factors compound to E_i. So
   |err dQ| <= max + mean over i of tau |k'| H_i E_i, and what q0 passes on, tau (|k| + |k0|) mean H_i E_i, H_i = 2 |G_i|_1 |v| rho_i;
   |err dK| <= 2 tau (|q'| + |q0|) sum_i (max_j w_j / W_i) H_i E_i,   |err dV| <= sum_i (max_j w_j / W_i) |G_i| rho_i E_i.
3. Gradients of a tensor that stands for several (broadcast, or shared by a group of heads) are sums of theirs, one rounding each.
(delta: a mask adds |mask_j| <= |log w_j| + 2 tau |q0| |k'|, its largest entry taken off.) Assumes round to nearest (no TF32), no underflow
or overflow; in the dtype of the computation, before a cast to a narrower result.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .adaptive import PIECE, PivotFeatures
from .operands import Operands
from .polynomial import OUTWARD
from .rounding import gamma, unit_roundoff
from .rows import Rows
from .selection import Choice
from .shifts import Shifted
from .streaming import spans
from .subspace import Subspace, turned

Copies = tuple[int, int, int]


class FeatureErrors(NamedTuple):
    """``size`` kappa, and ``off``: how far the products of features are off, relative to it."""

    size: float
    off: float


def errors(
    inputs: Shifted,
    choice: Choice,
    rows: Rows,
    upstream: Tensor | None,
    made: FeatureErrors | None,
    near: Subspace | None = None,
    copies: Copies = (1, 1, 1),
) -> tuple[float, ...]:
    """Bounds on (output,) or on (output, dQ, dK, dV); ``made`` for pivots, None for monomials; ``near`` where a subspace serves;
    ``copies``: how many of ``inputs`` each query, key and value as it was given stands for.
    """
    dtype, (n, d), m = inputs.query.dtype, inputs.query.shape[-2:], inputs.key.shape[-2]
    e, u = inputs.value.shape[-1], unit_roundoff(dtype)
    path = gamma(path_length(choice, max(n, m), d, e), dtype)
    kernel = path + math.expm1(min(moved(inputs, near), 700.0))
    kappa = rows.norm.exp()
    if made is not None:
        kappa, kernel = torch.full_like(kappa, max(made.size, math.exp(choice.bound))), kernel + made.off
    gap = rows.least - rows.off
    rho = torch.where(gap > 0, kappa / gap, math.inf).masked_fill(rows.total == 0, 0)
    inverse = torch.where(rho * kernel < 1, rho * kernel / (1 - rho * kernel), math.inf)
    output = _compound((rho * kernel, 1), (inverse, 1), (torch.full_like(rho, u), 2))
    largest = _largest_value(inputs)
    forward = (largest * output.amax(-1)).max().item() * OUTWARD
    if upstream is None:
        return (forward,)
    further = gamma(2 * e + n + m + 32 + (0 if near is None else 2 * d + 8), dtype)
    compound = _compound(
        (torch.full_like(rho, kernel), 1), (output, 1), (inverse, 1), (torch.full_like(rho, further), 1)
    )
    g = upstream.double().abs()
    h = 2 * g.sum(-1) * largest.unsqueeze(-1) * rho * compound
    found = _gradients(inputs, rows, h, g.amax(-1) * rho * compound, near)
    # A gradient is at most its bound here over the error of one kernel sum, which is in it.
    return forward, *(
        x * count * (1 + gamma(count, dtype) * (1 + 1 / path)) if count > 1 else x
        for x, count in zip(found, copies, strict=True)
    )


def _gradients(
    inputs: Shifted, rows: Rows, h: Tensor, by_value: Tensor, near: Subspace | None
) -> tuple[float, float, float]:
    tau, queries, keys = abs(inputs.scale), inputs.query_sizes(), inputs.key_sizes()
    q, k = queries.columns.amax(-1), keys.columns.amax(-1)
    if near is not None:
        q, k = queries.twos * near.stretch**2, keys.twos * near.stretch**2
    q0, k0 = (x.double().abs().amax((-2, -1)) for x in (inputs.query_centre, inputs.key_centre))
    weight = inputs.log_weights.double().exp().amax((-2, -1)).unsqueeze(-1)
    share = torch.where(rows.total > 0, weight / rows.total, 0)
    found = (
        tau * (k * (h.amax(-1) + h.mean(-1)) + (k + 2 * k0) * h.mean(-1)),
        2 * tau * (q + q0) * (share * h).sum(-1),
        (share * by_value).sum(-1),
    )
    query, key, value = (torch.nan_to_num(x, nan=math.inf).max().item() * OUTWARD for x in found)
    return query, key, value


def path_length(choice: Choice, count: int, d: int, e: int) -> int:
    """M: most roundings from an input of a kernel sum over ``count`` tokens to its value.

    Two to shift and scale each coordinate of each factor, one to multiply it, two for a weight, one for w_j, d for a score, two
    for a Horner step, the sums over a chunk, over chunks or blocks, over features and over columns, each with its product.
    """
    chunk = min(choice.chunk, count)
    steps = math.ceil(count / (choice.block or chunk)) + math.ceil(count / chunk)
    kernel = 6 * choice.degree
    pairwise = (max(choice.degree, 1) * (d + 6) + 4) if choice.block else 0
    return max(kernel, pairwise) + 16 + (chunk + 1) + steps + (choice.rank + 1) + d + 2 * (e + 2)


def moved(inputs: Shifted, near: Subspace | None = None) -> float:
    """delta: how far rounding in shifts and weights moves a kernel, relative."""
    u, d = unit_roundoff(inputs.query.dtype), inputs.query.shape[-1]
    key = inputs.key_sizes().twos
    centre = inputs.query_centre.double().norm(dim=-1).squeeze(-1)
    whole = inputs.query_sizes().twos + centre
    logs = inputs.log_weights.masked_fill(inputs.log_weights == -math.inf, 0).abs().max().item()
    scores = (abs(inputs.scale) * (2 * u * whole * key + gamma(d + 10, inputs.query.dtype) * centre * key)).max().item()
    if near is not None:
        rho = 2 * turned(near.basis) * near.stretch
        scores += abs(inputs.scale) * (2 * rho + rho**2) * (inputs.query_sizes().twos * key).max().item()
    return scores + 4 * u * logs + 4 * u


def feature_errors(operands: Operands, features: PivotFeatures, precise: PivotFeatures) -> FeatureErrors:
    """Features as they are computed against those in binary64, on all tokens."""
    inputs = operands.inputs
    sides = (
        (operands.query, inputs.query.shape[-2], inputs.query_sizes().twos, operands.row_scale),
        (operands.key, inputs.key.shape[-2], inputs.key_sizes().twos, operands.column_scale),
    )
    lost = gamma(2 * (precise.rank + precise.d + 8), torch.float64) * precise.inverse.norm(dim=(-2, -1)).unsqueeze(-1)
    size, off = 1.0, 1.0
    for load, count, twos, scale in sides:
        largest, difference = 0.0, 0.0
        for span in spans(count, PIECE):
            x = load(span)
            kernel = (precise.pivots @ x.double()).exp()
            computed, exact = features.features(x).double(), precise.inverse @ kernel
            largest = max(largest, computed.norm(dim=-2).max().item())
            difference = max(difference, ((computed - exact).norm(dim=-2) + lost * kernel.norm(dim=-2)).max().item())
        difference += _turned(operands.basis, twos.max().item() * abs(scale))
        size *= largest
        off *= 1 + difference / largest
    return FeatureErrors(size, (off - 1) * OUTWARD)


def _turned(basis: Tensor | None, longest: float) -> float:
    """How far features of tokens x with |x| <= ``longest`` are moved as B^T x is rounded anew, in the 2-norm: they are a projection of
    exp(x .), whose derivative along h has the squared norm e^{|x|^2} (|h|^2 + <h, x>^2).
    """
    if basis is None:
        return 0.0
    away = 2 * turned(basis) * longest
    longest += away
    return away * math.sqrt(1 + longest**2) * math.exp(min(longest**2, 700.0) / 2) * OUTWARD


def _largest_value(inputs: Shifted) -> Tensor:
    value = inputs.value if inputs.keep is None else inputs.value * inputs.keep
    return value.double().abs().amax((-2, -1))


def _compound(*errors: tuple[Tensor, int]) -> Tensor:
    """prod (1 + e)^times - 1, without cancelling."""
    return torch.stack([times * torch.log1p(e) for e, times in errors]).sum(0).expm1() * OUTWARD
