"""A-priori bounds on what rounding does: |computed - exact arithmetic of the same degree-g approximant|,
entry by entry, for attention and for Algorithm 1, from u (unit roundoff), n, d, the plan (degree, range b,
chunk, mask) and norms of the input.

Derivation. A sum of products in which no path from an input to the result passes more than M roundings is off
by at most gamma_M = M u/(1 - M u) times the same sum of absolute values, whatever the order of additions
(Higham, ch. 3).
1. Kernel sums sum_j T_g(S_ij) z_j, as streaming.py makes them, pass at most M = max(features, block)
   roundings (``path_length``), and their absolute value is at most T_g(b) sum_j |z_j|: score_range.py bounds
   <|q_i|, |k_j|> too. If q = X W is itself rounded, scores move by delta <= gamma_d tau max <|X_i||W|,
   |X_j|>, kernels by delta T_g(b). So e_T = gamma_M + delta, relative to T_g(b).
2. The normaliser is at least n T_g(-b) >= n (1 - J_g(b)) e^{-b}. With rho = T_g(b)/((1 - J_g(b)) e^{-b}) its
   relative error is at most rho e_T, that of its inverse e_D = rho e_T/(1 - rho e_T).
3. Output: |s^ - s| <= |v| [(1 + rho e_T)(1 + e_D)(1 + u)^2 - 1]: f is row-stochastic, so |s| <= |v|.
4. Rows of f^ are off by at most eps_r = (1 + rho e_T)(1 + e_D)(1 + gamma_E) - 1 in l1 (rows of f sum to 1), E
   further roundings included; columns by C eps_c, eps_c = (1 + e_T)(1 + e_D)(1 + gamma_E) - 1, where columns
   of f sum to at most C = rho l (l = 1; 1 + ln n under a causal mask, whose row i is normalised by i terms).
   With Q >= max <|G_i|, |h_j|> (so |K| <= Q, and K^ is off by Q eps_r), R = max(|X||W|, |X||W^T|), H =
   |X||W_V|:
       |err dX| <= tau Q R [3 eps_r + eps_r^2 + C (2 eps_c + eps_r + eps_c eps_r)] + C eps_c |G||W_V^T|
       |err dW| <= tau |X|^2 H |G|_1 (3 eps_r + eps_r^2),        |err dWV| <= |X| (max column l1 of G) eps_r.
   As printed, C eps_c becomes eps_r in dX and eps_r becomes C eps_c in dWV (what is transposed), and tau is
   1.
Assumes round to nearest (no TF32), no underflow or overflow. Infinite where J_g(b) >= 1 (rho unknown)
or rho e_T >= 1.
"""

import math
import sys
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .plan import Plan
from .polynomial import OUTWARD, kernel_error
from .score_range import score_bound
from .validation import check_layer


class GradientBounds(NamedTuple):
    """Bounds on the largest absolute error of each entry of dX, dW, dWV."""

    dX: float
    dW: float
    dWV: float


@dataclass(frozen=True)
class LayerNorms:
    """Norms of a layer's input, over the whole batch, rounded up.

    ``entry`` max|X|; ``product`` max of |X||W| and |X||W^T|; ``value`` max of |X||W_V|; ``score`` max
    <|X_i||W|, |X_j|> (no scale); ``weighted`` Q; ``upstream_column`` max column l1 of G;
    ``upstream_total`` |G|_1; ``upstream_back`` max of |G||W_V^T|.
    """

    entry: float
    product: float
    value: float
    score: float
    weighted: float
    upstream_column: float
    upstream_total: float
    upstream_back: float


def unit_roundoff(dtype: torch.dtype) -> float:
    """u = 2^-53 for float64, 2^-24 for float32."""
    return torch.finfo(dtype).eps / 2


def gamma(count: int, dtype: torch.dtype) -> float:
    """gamma_count = count u/(1 - count u); infinite where count u >= 1."""
    x = count * unit_roundoff(dtype)
    return x / (1 - x) * OUTWARD if x < 1 else math.inf


def path_length(plan: Plan, n: int, d: int, width: int) -> int:
    """M: most roundings from an input of a kernel sum over ``n`` columns to its value; ``width`` = m, columns
    of left and right.

    Features: 2 a side to scale each of g coordinates and g to multiply them (6g), 2g + 4 for a weight and 1
    to apply it, 2 for the Kronecker products; sums over the chunk (c), over chunks (n/c), features (k), m and
    prefix-plus-block, each with its product. Block: d + 4 a score and 2 a Horner step (g times), weight and
    operand as before.
    """
    g, c = plan.degree, min(plan.chunk, n)
    features = 8 * g + 5 + 2 + width + (c + 1) + math.ceil(n / c) + (plan.rank + 1) + 1
    block = g * (d + 6) + 2 + width + 1 + (c + 1) + 1
    return max(features, block) if plan.is_causal else features


def forward_rounding(plan: Plan, n: int, d: int, dtype: torch.dtype, value_bound: float) -> float:
    """Bound on the rounding error of each entry of ``low_rank_attention``'s output, for n keys and max|value|
    = ``value_bound``.
    """
    rho, kernel, inverse = _kernel_errors(plan, gamma(path_length(plan, n, d, 1), dtype))
    u = unit_roundoff(dtype)
    return value_bound * _compound((rho * kernel, 1), (inverse, 1), (u, 2))


def gradient_rounding(
    plan: Plan,
    norms: LayerNorms,
    n: int,
    d: int,
    dtype: torch.dtype,
    *,
    width: int | None = None,
    formulas: Literal["repaired", "printed"] = "repaired",
) -> GradientBounds:
    """Bounds on the rounding error of each entry of ``algorithm1``'s results, by either table, for n tokens.

    ``plan`` from ``plan_layer``, ``norms`` from ``layer_norms``; value_weight is (d, width), width = d by
    default. Valid for every batch element. Some 10^4 to 10^6 times what is seen: each rounding counts as the
    worst.
    """
    e = d if width is None else width
    printed = formulas == "printed"
    tau = 1.0 if printed else plan.scale
    moved = gamma(d, dtype) * plan.scale * norms.score
    rho, kernel, inverse = _kernel_errors(plan, gamma(path_length(plan, n, d, max(d, e)), dtype) + moved)
    column = rho * (1 + math.log(n) if plan.is_causal else 1.0)

    def errors(further: int) -> tuple[float, float]:
        """eps_r and C eps_c with E = ``further``."""
        shared = [(inverse, 1), (gamma(further, dtype), 1)]
        return _compound((rho * kernel, 1), *shared), column * _compound((kernel, 1), *shared)

    local = 3 * d + 2 * e + 16  # h, the dot product K, the last factor, D^{-1}, sign, tau, five terms
    row, moved_back = errors(local)
    row_sum, moved_back_sum = errors(local + min(plan.chunk, n) + math.ceil(n / plan.chunk))
    across, sums = (row, 1.0) if printed else (moved_back, column)
    terms = (3 * row + row**2) + (2 * across + sums * row + across * row)
    return GradientBounds(
        dX=tau * norms.weighted * norms.product * terms + across * norms.upstream_back,
        dW=tau * norms.entry**2 * norms.value * norms.upstream_total * (3 * row_sum + row_sum**2),
        dWV=norms.entry * norms.upstream_column * (moved_back_sum if printed else row_sum),
    )


def layer_norms(x: Tensor, weight: Tensor, value_weight: Tensor, upstream: Tensor) -> LayerNorms:
    """Measure the norms that ``gradient_rounding`` needs, in O(n d^2). Shapes as ``algorithm1``."""
    check_layer(x, weight, value_weight, upstream, None)
    ax, aw, av, ag = (t.detach().double().abs() for t in (x, weight, value_weight, upstream))
    # Binary64 sums of nonnegative numbers: off by less than this, relative.
    up = 1 + 4 * (x.shape[-2] + x.shape[-1]) * sys.float_info.epsilon
    xw = ax @ aw
    return LayerNorms(
        entry=ax.max().item(),
        product=max(xw.max().item(), (ax @ aw.mT).max().item()) * up,
        value=(ax @ av).max().item() * up,
        score=(xw.amax(-2) * ax.amax(-2)).sum(-1).max().item() * up,
        weighted=score_bound(ag, ax @ av) * up,
        upstream_column=ag.sum(-2).max().item() * up,
        upstream_total=ag.sum((-2, -1)).max().item() * up,
        upstream_back=(ag @ av.mT).max().item() * up,
    )


def _kernel_errors(plan: Plan, kernel: float) -> tuple[float, float, float]:
    """(rho, e_T, e_D) of the derivation, from e_T."""
    eta = kernel_error(plan.degree, plan.bound)
    if not eta < 1 or not kernel < math.inf:
        return math.inf, math.inf, math.inf
    largest = sum(c * plan.bound**j for j, c in enumerate(plan.coefficients))
    rho = largest * math.exp(plan.bound) / (1 - eta) * OUTWARD
    if not rho * kernel < 1:
        return rho, kernel, math.inf
    return rho, kernel, rho * kernel / (1 - rho * kernel) * OUTWARD


def _compound(*errors: tuple[float, int]) -> float:
    """prod (1 + e)^times - 1, without cancelling; infinite where an error is."""
    if not all(e < math.inf for e, _ in errors):
        return math.inf
    return math.expm1(sum(times * math.log1p(e) for e, times in errors)) * OUTWARD
