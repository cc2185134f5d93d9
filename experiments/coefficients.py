"""Polynomials that may stand for exp on [-b, b], as power coefficients from the constant up: Taylor, minimax and fitted.

``impl`` runs Taylor coefficients; the others cost the same features, so that their error alone is of interest, and it is measured with the
n x n matrix (``polynomial_attention``).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.polynomial import chebyshev, polynomial
from torch import Tensor

KINDS = ("taylor", "minimax", "fitted")
GRID, ROUNDS = 2000, 60


def coefficients(kind: str, degree: int, bound: float, scores: Tensor | None = None) -> tuple[float, ...]:
    """Of ``degree`` on [-bound, bound].

    taylor: 1/j!. minimax: the least largest relative error, by Lawson's reweighted least squares. fitted: least squares of the relative
    error over ``scores`` (a sample). Raises ValueError for an unknown kind, and where scores are needed and missing.
    """
    if kind == "taylor":
        return tuple(1 / math.factorial(j) for j in range(degree + 1))
    if kind == "minimax":
        x = bound * np.cos(np.pi * (np.arange(GRID) + 0.5) / GRID)
        weights = np.full(GRID, 1 / GRID)
        best, least = None, math.inf
        for _ in range(ROUNDS):
            fit, error = _least_squares(x, weights, degree, bound)
            if error.max() < least:
                best, least = fit, error.max()
            weights = weights * error
            weights /= weights.sum()
        assert best is not None
        return best
    if kind == "fitted":
        if scores is None:
            raise ValueError("fitted coefficients need a sample of scores")
        x = scores.detach().double().flatten().numpy()
        return _least_squares(x, np.full(len(x), 1 / len(x)), degree, bound)[0]
    raise ValueError(f"coefficients of kind {kind!r} are not known; use {', '.join(KINDS)}")


def _least_squares(
    x: np.ndarray, weights: np.ndarray, degree: int, bound: float
) -> tuple[tuple[float, ...], np.ndarray]:
    """Weighted least squares of p(x)/e^x - 1 in Chebyshev polynomials on [-bound, bound]; |p/e^x - 1| at x."""
    basis = chebyshev.chebvander(x / bound, degree) * np.exp(-x)[:, None]
    root = np.sqrt(weights)[:, None]
    found = np.linalg.lstsq(basis * root, root[:, 0], rcond=None)[0]
    powers = chebyshev.cheb2poly(found) / bound ** np.arange(degree + 1)
    return tuple(float(c) for c in powers), np.abs(basis @ found - 1)


def relative_error(found: tuple[float, ...], bound: float) -> float:
    """max |p(x)/e^x - 1| over a grid of [-bound, bound]."""
    x = np.linspace(-bound, bound, 20 * GRID + 1)
    return float(np.abs(polynomial.polyval(x, found) / np.exp(x) - 1).max())


def shifted(query: Tensor, key: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Scores (q - mean q).(k - mean k) scale, and the logarithmic weights of keys that make up for the shift (impl/shifts.py)."""
    q0, k0 = query.mean(-2, keepdim=True), key.mean(-2, keepdim=True)
    return scale * (query - q0) @ (key - k0).mT, scale * q0 @ (key - k0).mT


def polynomial_attention(
    query: Tensor, key: Tensor, value: Tensor, *, scale: float, is_causal: bool, kind: str, degree: int, shift: bool
) -> Tensor:
    """Attention with a polynomial for exp, written out with the n x n matrix; differentiable, its coefficients held fixed."""
    scores, logs = shifted(query, key, scale) if shift else (scale * query @ key.mT, torch.zeros_like(key[..., :1]).mT)
    mask = (
        torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
        if is_causal
        else torch.ones(scores.shape[-2:], dtype=torch.bool)
    )
    seen = scores.detach()[..., mask]
    bound = max(float(scores.detach().abs().max()), 1e-6)
    kernel, x = torch.zeros_like(scores), scores
    for c in reversed(coefficients(kind, degree, bound, seen.flatten()[:: max(1, seen.numel() // GRID)])):
        kernel = kernel * x + c
    kernel = (kernel * (logs - logs.detach().amax(-1, keepdim=True)).exp()) * mask
    return kernel @ value / kernel.sum(-1, keepdim=True)
