"""Features from the data: pivoted Cholesky on the exponential kernel, which is positive definite on queries and keys together. With pivots
z_1, ..., z_r among the tokens and L L^T = exp(z z^T),

    phi(x) = L^{-1} exp(z x),   |exp(x.y) - phi(x).phi(y)| <= sqrt(R(x) R(y)),   R(x) = exp(|x|^2) - |phi(x)|^2 >= 0,

for every pair, by Cauchy and Schwarz for the residual kernel. With Delta_i = sqrt R(q_i) sum_j w_j sqrt R(k_j) and D_i >= W exp(q_i.k^), k^
the weighted mean of the keys (Jensen), row i of the weights is off by at most 2 Delta_i / (D_i - Delta_i) in l1. Measured on all tokens;
pivots come from a sample, which takes in the tokens where the bound is worst until it is met. The rank follows the data: low-dimensional
tokens and decaying spectra need far fewer features than all monomials.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .operands import Operands
from .polynomial import OUTWARD
from .rounding import gamma
from .streaming import spans

SAMPLE, EXTREME, ROUNDS, PIECE = 512, 64, 3, 2048
SMALLEST_BLOCK = 32
"""Of tokens under a causal mask."""
SMALLEST = torch.finfo(torch.float64).tiny
RIDGE, MARGIN = 0.01, 4
"""The sample is served to eps / MARGIN: it does not hold the worst token."""


Load = Callable[[slice | Tensor], Tensor]
"""A chunk of tokens, or the tokens at some places, tokens last."""


class PivotFeatures:
    """phi for one set of pivots (..., r, d) that serve eps, by the interface of ``moments.Moments``: exp is its own derivative, so the
    gradient is that of the paper with f~ in place of f, from states r x d x e.
    """

    def __init__(self, pivots: Tensor, eps: float, like: Tensor, basis: Tensor | None = None) -> None:
        self.basis = basis
        points = pivots.double()
        self.rank, self.d = points.shape[-2:]
        kernel = torch.exp(points @ points.mT)
        # A small multiple of the identity keeps L^{-1} within what ``like`` can hold; R stays a residual, and is measured with it.
        sizes = kernel.diagonal(dim1=-2, dim2=-1)
        ridge = max(RIDGE * eps, 4 * torch.finfo(like.dtype).eps) * sizes.amin(-1)
        ridge = ridge + 4 * self.rank * torch.finfo(torch.float64).eps * sizes.amax(
            -1
        )  # more than the factor's own rounding
        identity = torch.eye(self.rank, dtype=torch.float64, device=points.device).expand_as(kernel)
        lower = torch.linalg.cholesky(kernel + ridge[..., None, None] * identity)
        self.inverse = torch.linalg.solve_triangular(lower, identity, upper=False).to(like)
        self.pivots = pivots.to(like)

    def part(self, span: slice) -> "PivotFeatures":
        """The features of some of the first batch dimension."""
        made = copy.copy(self)
        made.pivots, made.inverse = self.pivots[span], self.inverse[span]
        made.basis = None if self.basis is None else self.basis[span]
        return made

    def features(self, x: Tensor) -> Tensor:
        """phi of (..., d, c) or (..., blocks, d, c): (..., r, c)."""
        pivots, inverse = self.pivots, self.inverse
        if x.ndim > pivots.ndim:
            pivots, inverse = pivots.unsqueeze(-3), inverse.unsqueeze(-3)
        return inverse @ (pivots @ x).exp_()

    def moments(self, x: Tensor, z: Tensor, features: Tensor, *, slopes: bool) -> Tensor:
        """Sums of z_j phi_j^T and, below them, of (y_j (x) z_j) phi_j^T: (..., e, r) or (..., e + d e, r)."""
        operand = torch.cat([z, (x.unsqueeze(-2) * z.unsqueeze(-3)).flatten(-3, -2)], -2) if slopes else z
        return operand @ features.mT

    def values(self, moments: Tensor, e: int) -> Tensor:
        """What features are multiplied with for sum_j exp(x.y_j) z_j: (..., e, r)."""
        return moments[..., :e, :]

    def slopes(self, moments: Tensor, e: int) -> Tensor:
        """What features are multiplied with for sum_j exp(x.y_j) y_j z_j: (..., d e, r)."""
        return moments[..., e:, :]

    def slope_products(self, wide: Tensor, features: Tensor) -> Tensor:
        """sum_j exp(x.y_j) y_j z_j for each token x: (..., d, e, c)."""
        return (wide @ features).unflatten(-2, (self.d, -1))

    def kernel(self, scores: Tensor) -> Tensor:
        return scores.exp()

    slope_kernel = kernel


@dataclass(frozen=True)
class Certificate:
    """Pivots (..., r, d) in the scaled coordinates, the l1 error of the worst row of weights over all tokens, and the tokens (..., s, d)
    where the residual is largest.
    """

    pivots: Tensor
    row_error: float
    worst: Tensor


def select(operands: Operands, bound: float, eps: float, most: int, spent: float = 0.0) -> Certificate | None:
    """Pivots that meet eps, of which ``spent`` is used elsewhere, on all tokens, or None where ``most`` do not. ``bound`` >= max|S|."""
    sample = _sample(operands)
    for stricter in range(ROUNDS):
        pivots = pivoted_cholesky(sample, eps / MARGIN**stricter, most)
        if pivots is None:
            return None
        made = measure(operands, pivots, bound, eps, spent)
        if made.row_error <= eps:
            return made
        sample = torch.cat([sample, made.worst], -2)
    return None


def predicted_rank(operands: Operands, eps: float, most: int) -> int | None:
    """The rank that a sample needs; None for more than ``most``."""
    pivots = pivoted_cholesky(_sample(operands), eps, most)
    return None if pivots is None else pivots.shape[-2]


def pivoted_cholesky(points: Tensor, eps: float, most: int) -> Tensor | None:
    """The points (..., s, d) at which the residual is largest, one after the other, until 2 max sqrt R mean sqrt R <= eps / MARGIN on
    them, as (..., r, d); None if that takes more than ``most``. Binary64.
    """
    residual = points.square().sum(-1).exp()
    rows = points.new_empty(*points.shape[:-1], 0)
    chosen: list[Tensor] = []
    floor = residual.amax(-1, keepdim=True) * torch.finfo(torch.float64).eps
    while bool((2 * residual.amax(-1).sqrt() * residual.sqrt().mean(-1) > eps / MARGIN).any()):
        if len(chosen) == min(most, points.shape[-2]):
            return None
        largest, place = residual.max(-1, keepdim=True)
        place = place.unsqueeze(-1)
        pivot = torch.take_along_dim(points, place, -2)
        column = torch.exp(points @ pivot.mT) - rows @ torch.take_along_dim(rows, place, -2).mT
        # An element of the batch that is served already goes on with pivots that hardly matter.
        row = column / torch.maximum(largest, floor).sqrt().unsqueeze(-1)
        rows, residual = torch.cat([rows, row], -1), (residual - row.squeeze(-1).square()).clamp_min(0)
        chosen.append(pivot)
    return torch.cat(chosen, -2) if chosen else points[..., :1, :]


class Residuals(NamedTuple):
    """Binary64: ``query`` R(q_i) and ``key`` R(k_j), (..., n) and (..., m), and by row (or one for all) ``delta`` = Delta_i, ``least``
    <= D_i and ``total`` W_i.
    """

    query: Tensor
    key: Tensor
    delta: Tensor
    least: Tensor
    total: Tensor

    def row_errors(self) -> Tensor:
        """2 Delta_i / (D_i - Delta_i), (..., n); 0 for rows that see nothing."""
        errors = torch.where(self.delta < self.least, 2 * self.delta / (self.least - self.delta) * OUTWARD, math.inf)
        return errors.masked_fill(self.total == 0, 0)


def measure(operands: Operands, pivots: Tensor, bound: float, eps: float, spent: float = 0.0) -> Certificate:
    """The certificate of ``pivots`` on all tokens, in binary64: O((n + m) r^2)."""
    found = residuals(operands, pivots, bound, eps)
    worst = torch.cat([_worst(operands.query, found.query), _worst(operands.key, found.key)], -2)
    return Certificate(pivots, found.row_errors().max().item() + spent, worst)


def residuals(operands: Operands, pivots: Tensor, bound: float, eps: float) -> Residuals:
    """What ``pivots`` leave, token by token and row by row."""
    inputs, features = operands.inputs, PivotFeatures(pivots, eps, pivots.double())
    weights = inputs.log_weights.squeeze(-1).double().exp()
    by_key = _residuals(operands.key, inputs.key.shape[-2], features)
    by_query = _residuals(operands.query, inputs.query.shape[-2], features)
    spread = weights * by_key.sqrt()
    if inputs.is_causal:
        # Inside blocks the kernel is exact, so a row errs on earlier blocks alone; blocks are multiples of the smallest.
        rows = torch.arange(weights.shape[-1], device=weights.device)
        earlier = rows // SMALLEST_BLOCK * SMALLEST_BLOCK
        spread = torch.nn.functional.pad(spread.cumsum(-1), (1, 0)).index_select(-1, earlier)
        total = weights.cumsum(-1)
        least = total * math.exp(-bound)
    else:
        total, spread = weights.sum(-1, keepdim=True), spread.sum(-1, keepdim=True)
        mean = torch.zeros_like(pivots[..., :1, :], dtype=torch.float64)
        for span in spans(inputs.key.shape[-2], PIECE):
            mean += weights[..., None, span] @ operands.key(span).mT.double()
        mean /= total.unsqueeze(-1).clamp_min(SMALLEST)
        parts = [mean @ operands.query(span).double() for span in spans(inputs.query.shape[-2], PIECE)]
        least = total * torch.cat(parts, -1).squeeze(-2).exp()
    return Residuals(by_query, by_key, by_query.sqrt() * spread, least, total)


def _residuals(load: Load, count: int, features: PivotFeatures) -> Tensor:
    """R, (..., n), with what rounding can hide of it: phi is off by gamma |L^{-1}| exp(z x), the ridge outweighs the factor's own
    rounding.
    """
    found = []
    length = 2 * (features.rank + features.d + 8)
    lost = 2 * gamma(length, torch.float64) * features.inverse.norm(dim=(-2, -1)).unsqueeze(-1)
    for span in spans(count, PIECE):
        x = load(span).double()
        whole = x.square().sum(-2).exp()
        kernel = (features.pivots @ x).exp_()
        hidden = lost * whole.sqrt() * kernel.square().sum(-2).sqrt()
        found.append((whole - (features.inverse @ kernel).square().sum(-2)).clamp_min(0) + hidden)
    return torch.cat(found, -1)


def _sample(operands: Operands) -> Tensor:
    """Queries and keys at equal distances, and the longest of both: (..., s, d), binary64."""
    parts = []
    for load, count in (
        (operands.query, operands.inputs.query.shape[-2]),
        (operands.key, operands.inputs.key.shape[-2]),
    ):
        squares = torch.cat([load(span).square().sum(-2) for span in spans(count, PIECE)], -1)
        places = torch.linspace(0, count - 1, min(count, SAMPLE), device=squares.device).long()
        parts += [_worst(load, squares), load(places).mT.double()]
    return torch.cat(parts, -2)


def _worst(load: Load, sizes: Tensor) -> Tensor:
    """The tokens with the largest ``sizes`` (..., n): (..., s, d), binary64."""
    places = sizes.topk(min(EXTREME, sizes.shape[-1]), -1).indices
    tokens = load(slice(0, sizes.shape[-1])).mT
    return torch.take_along_dim(tokens, places.unsqueeze(-1), -2).double()
