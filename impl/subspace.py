"""A subspace near which all shifted tokens lie, so that features of few variables serve: x stands for B^T x, B (d, p) with orthonormal
columns, and gradients come back as B (B^T ...).

With E = I - B B^T, nu = |I - B^T B| and rho what rounding moves B^T x by, relative to |x|, scores move by at most

    delta = tau (|E q| |E k| + nu (1 + nu) |q| |k| + (2 rho + rho^2) |q| |k|),

for x^T E y = (E x)^T (E y) + x^T B (I - B^T B) B^T y, which moves rows of weights by at most e^{2 delta} - 1 in l1; rows.py has what E k
and E q change in gradients. All of it is measured on all tokens; where rounding moves B^T x differently from one evaluation to the
next, roundoff.py counts that.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .polynomial import OUTWARD
from .rounding import gamma
from .score_range import PIECE, Sizes
from .shifts import Shifted
from .streaming import spans

SAMPLE = 512
SHARE = 1 / 8
"""Of eps: how far tokens may be from the subspace, relative to the longest of their side."""
LEAST_SAVING = 1 / 4
"""Of the d directions: a subspace of more is not worth the way there and back."""


class Subspace(NamedTuple):
    """``basis`` (..., d, p). ``query_off`` and ``key_off``: the largest |x - B x^| of shifted tokens, x^ as computed; ``moved`` delta;
    ``stretch`` >= |x^| / |x|; ``bound`` >= |x^| |y^|, scaled. All rounded up, for the whole batch.
    """

    basis: Tensor
    query_off: float
    key_off: float
    moved: float
    stretch: float
    bound: float

    @property
    def row_error(self) -> float:
        """What the rows of weights are moved in l1."""
        return math.expm1(2 * min(self.moved, 300.0)) * OUTWARD


def find(inputs: Shifted, queries: Sizes, keys: Sizes, eps: float) -> Subspace | None:
    """The smallest subspace, by a sample, that serves all tokens within SHARE of ``eps``; None where that saves little."""
    near, d = SHARE * min(eps, 1.0), inputs.query.shape[-1]
    points = _sample(inputs, queries, keys)
    _, directions = torch.linalg.eigh(points.mT @ points)
    left_out = (points @ directions).square().cumsum(-1).amax(-2)
    # Half as far: the sample does not hold the worst token.
    dropped = int((left_out <= (near / 2) ** 2).sum(-1).min())
    if dropped < max(1, LEAST_SAVING * d):
        return None
    found = measure(inputs, queries, keys, directions[..., min(dropped, d - 1) :].to(inputs.query))
    served = found.query_off <= near * queries.twos.min().item() and found.key_off <= near * keys.twos.min().item()
    return found if served else None


def measure(inputs: Shifted, queries: Sizes, keys: Sizes, basis: Tensor) -> Subspace:
    """What ``basis`` leaves out, on all tokens, in O((n + m) d p)."""
    d, p = basis.shape[-2:]
    precise = basis.double()
    identity = torch.eye(p, dtype=torch.float64, device=basis.device)
    nu = (identity - precise.mT @ precise).norm(dim=(-2, -1)).max().item() + 4 * d * p * torch.finfo(torch.float64).eps
    rho = turned(basis) * (1 + nu)
    query_off = _off(inputs.query, inputs.query_centre, None, basis) + 4 * rho * queries.twos.max().item()
    key_off = _off(inputs.key, inputs.key_centre, inputs.keep, basis) + 4 * rho * keys.twos.max().item()
    tau, product = abs(inputs.scale), (queries.twos * keys.twos).max().item()
    moved = tau * (query_off * key_off + (nu * (1 + nu) + 2 * rho + rho**2) * product) * OUTWARD
    stretch = (1 + nu + rho) * OUTWARD
    return Subspace(basis, query_off * OUTWARD, key_off * OUTWARD, moved, stretch, tau * product * stretch**2 * OUTWARD)


def turned(basis: Tensor) -> float:
    """rho: how far rounding moves B^T x, or B (B^T x), relative to |x|: |B| has the Frobenius norm sqrt p."""
    d, p = basis.shape[-2:]
    return gamma(d + p + 8, basis.dtype) * math.sqrt(p) * OUTWARD


def _off(x: Tensor, centre: Tensor, keep: Tensor | None, basis: Tensor) -> float:
    """The largest |x - B B^T x|, rounded up but for what rounding moves the products by."""
    largest = 0.0
    for span in spans(x.shape[-2], PIECE):
        piece = x[..., span, :] - centre
        piece = piece if keep is None else piece * keep[..., span, :]
        largest = max(largest, (piece - (piece @ basis) @ basis.mT).square().sum(-1).max().item())
    d, info = basis.shape[-2], torch.finfo(x.dtype)
    return (math.sqrt(largest) + math.sqrt(d * info.tiny)) * (1 + 2 * (d + 5) * info.eps)


def sample(inputs: Shifted) -> Shifted:
    """SAMPLE queries and keys at equal distances, which all see each other."""
    query, key = (_places(x) for x in (inputs.query, inputs.key))
    keep = None if inputs.keep is None else inputs.keep[..., key, :]
    return inputs._replace(
        query=inputs.query[..., query, :],
        key=inputs.key[..., key, :],
        value=inputs.value[..., key, :],
        log_weights=inputs.log_weights[..., key, :],
        keep=keep,
        is_causal=False,
    )


def _sample(inputs: Shifted, queries: Sizes, keys: Sizes) -> Tensor:
    """Shifted queries and keys of ``sample``, (..., s, d), binary64, the longest of each side at most 1."""
    few, least = sample(inputs), torch.finfo(inputs.query.dtype).tiny
    query, key = few.query - few.query_centre, few.key - few.key_centre
    key = key if few.keep is None else key * few.keep
    parts = [x.double() / side.twos.clamp_min(least)[..., None, None] for x, side in ((query, queries), (key, keys))]
    return torch.cat(parts, -2)


def _places(x: Tensor) -> Tensor:
    return torch.linspace(0, x.shape[-2] - 1, min(x.shape[-2], SAMPLE), device=x.device).long()
