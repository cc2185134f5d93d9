"""Where trained heads stand: the range of their scores, unscaled, and the degree and rank that the theory asks of them.

b = max |scale q k^T| before and after centring queries and keys (exact for softmax up to column weights). The regime of bounded
entries asks b <= sqrt(ln n). The degree is that of statement T.3, J_g(b) <= e^{-L}, evaluated in balls; the rank of degree-g
features is binom(d + g, g), of use only below n.
"""

from __future__ import annotations

from math import comb, log, sqrt
from typing import Any

import numpy as np
from flint import arb

from .backends.ball import DEFAULT_BITS, precision
from .problems import HEAD_WIDTH, real_head, real_heads
from .real_numbers import FUNCTIONS, Answer, at_most

TARGET = 0.01
LARGEST_DEGREE = 400
WIDTHS, RANGES, TARGETS = (4, 8, 16), (0.5, 1.0, 2.0), (1e-2, 1e-4)
"""Widths d, score ranges b and relative kernel errors eps of `ranks`."""


def needed_degree(b: float, target: float = TARGET) -> int | None:
    """The least degree g with J_g(b) surely at most the target; None beyond LARGEST_DEGREE."""
    error = FUNCTIONS["J"]
    with precision(4 * DEFAULT_BITS):
        for g in range(LARGEST_DEGREE + 1):
            if at_most(error(arb(b), arb(g)), arb(target)) is Answer.YES:
                return g
    return None


def heads() -> list[dict[str, Any]]:
    """One row for each captured head."""
    rows = []
    for name in real_heads():
        found = real_head(name)
        q, k = found["q"], found["k"]
        n = len(q)
        raw = float(np.max(np.abs(found["scale"] * q @ k.T)))
        centred = float(np.max(np.abs(found["scale"] * (q - q.mean(0)) @ (k - k.mean(0)).T)))
        g = needed_degree(centred)
        rank = None if g is None else comb(HEAD_WIDTH + g, g)
        inside = raw <= sqrt(log(n)) and rank is not None and rank < n
        rows.append({
            "head": name, "n": n, "max |score|": round(raw, 2), "centred": round(centred, 2), "sqrt(ln n)": round(sqrt(log(n)), 2),
            "degree": g, "rank": rank, "regime": "inside" if inside else "outside the regime",
        })  # fmt: skip
    return rows


def table() -> dict[str, Any]:
    """The heads as a table of the report."""
    note = f"activations of a trained model, unscaled; degree for a relative kernel error of {TARGET:g} once centred, rank binom(32 + g, g)"
    return {"title": "Trained heads and the bounded-entry regime", "note": note, "rows": heads()}


def ranks() -> list[dict[str, Any]]:
    """One row for each d, range b and target eps: the least degree with J_g(b) <= eps, and binom(d + g, g) features.

    The rank does not depend on n: it is below n from n = rank + 1 on.
    """
    rows = []
    for b in RANGES:
        for target in TARGETS:
            g = needed_degree(b, target)
            if g is not None:
                rows += [{"d": d, "b": b, "eps": target, "degree": g, "rank": comb(d + g, g)} for d in WIDTHS]
    return sorted(rows, key=lambda row: (row["d"], row["b"], -row["eps"]))


def rank_figure() -> dict[str, Any]:
    """`ranks` as a figure of the report."""
    note = (
        "Computed from the theory, not measured: for scores within [-b, b] the least degree g whose relative kernel error J_g(b), "
        "evaluated in balls, is at most ε; the features of that degree then have rank binom(d + g, g), whatever n."
    )
    return {"kind": "rank", "title": "The rank of the features against n", "note": note, "rows": ranks()}
