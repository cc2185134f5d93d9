"""Layers on which an implementation of attention and its gradients is tried: one from explicit parameters, or many of every family.

A layer has X (n x d), W, W_V (d x d), the upstream gradient G, a mask M, the scale tau and a degree g; its matrices are numbers
that the precision represents. Scores S = tau X W X^T are brought into a range by powers of two, which is exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from almostlinear.theorems.repaired.algorithm import OUTPUTS

from .problems import FAMILIES, Problem, describe, draw, real_attention, real_heads

DTYPES = ("float64", "float32")
BOUNDS = (1.0, 0.5, 0.25)
RANGES = (0.5, 1.0, 2.0)
HEAD_FEATURES = 2
"""Features taken of a trained head: its layer has d = 6."""
SYMBOLS = {node for pair in OUTPUTS.values() for side in pair for node in side.symbols().values()}


def layer(family: str, sizes: dict[str, int], bound: float, limit: float, full: bool, dtype: str, seed: int) -> Problem:
    """One layer; equal arguments give equal numbers.

    Args:
        family: of problems.FAMILIES. A trained head (``real``) is far outside the regime: it is rescaled to |S| <= 1 whatever the
            limit and the bound, which its text says, and has d = 6.
        sizes: n tokens (at most 16 of a trained head), d features, the degree g.
        bound: of the entries, before the family scales them.
        limit: the scale tau is the power of two that puts |S| into (limit/2, limit], or 1 where |S| is smaller.
        full: whether all tokens see each other; else the mask is causal.
        dtype: float32 or float64.
    """
    if family == "real":
        return _rescaled_head(real_heads()[seed % len(real_heads())], sizes["n"], sizes["g"], full, dtype)
    found = _rounded(draw(SYMBOLS, describe(family, sizes, bound, seed, full)), dtype)
    power = _halvings(float(np.max(np.abs(scores(found)))), limit)
    return replace(
        found, constants={**found.constants, "tau": Fraction(1, 2**power)}, text=f"{found.text};|S| <= {limit:g}"
    )


def layers(count: int, seed: int) -> Iterator[tuple[str, Problem, str]]:
    """``count`` layers of every family, in both precisions, with both masks: (family, problem, dtype)."""
    for family in FAMILIES:
        for k in range(count):
            rng = np.random.default_rng([seed, 31, k, len(family)])
            low, high = (4, 9) if family == "real" else (1, 13)
            sizes = {
                name: int(rng.integers(*span)) for name, span in {"g": (2, 7), "n": (low, high), "d": (1, 5)}.items()
            }
            dtype, full, limit = DTYPES[k % 2], k % 4 >= 2, float(rng.choice(RANGES))
            drawn = int(rng.integers(2**31)) if family == "real" else seed + k
            yield family, layer(family, sizes, BOUNDS[k % 3], limit, full, dtype, drawn), dtype


def scores(problem: Problem) -> np.ndarray:
    """X W X^T in float64, without the scale."""
    x, w = problem.values["X"], problem.values["W"]
    return x @ w @ x.T


def _halvings(largest: float, limit: float) -> int:
    return 0 if largest <= limit else int(np.ceil(np.log2(largest / limit)))


def _rounded(problem: Problem, dtype: str) -> Problem:
    """The problem with matrices that the precision represents."""
    return replace(
        problem, values={k: np.asarray(v, dtype=dtype).astype(np.float64) for k, v in problem.values.items()}
    )


def _rescaled_head(head: str, count: int, degree: int, full: bool, dtype: str) -> Problem:
    found = real_attention(head, count, HEAD_FEATURES)
    values = dict(found.values)
    values["W"] = values["W"] * 2.0 ** -_halvings(float(np.max(np.abs(scores(found)))), 1.0)
    values["M"] = np.ones((count, count)) if full else np.tri(count)
    text = f"{found.text};degree={degree}{';mask=full' if full else ''};rescaled to |S| <= 1"
    return _rounded(replace(found, values=values, sizes={**found.sizes, "g": degree}, text=text), dtype)
