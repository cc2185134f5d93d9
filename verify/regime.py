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
