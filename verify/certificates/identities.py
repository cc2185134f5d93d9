"""Transcripts of identities: at small sizes both sides are expanded again by the checker, at larger ones evaluated modulo a prime.

Only formulas without indices and derivatives, which the checker can evaluate. A transcript covers its sizes; that these cover all sizes
is the argument of `engines.expansion`, which no transcript holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from almostlinear.theorems.statement import Identity

from .. import checker
from ..contract import contracted
from ..extent import extent
from ..steps import CannotState, Letters, letters_in

EVALUATED = frozenset({"symbol", "ones", "eye", "scale", "exp", "recip", "func", *checker.ENTRIES})
SMALL, LARGEST = 2, 4
"""Sizes of an expansion, and the largest of a point modulo the prime."""
MOST_TERMS = 2000
"""Most terms of the argument of a function in an expansion."""


def transcripts(claim: Identity, name: str) -> list[dict[str, Any]]:
    """An expansion, where it is small, and values at a point; empty if the sides differ or the checker cannot evaluate them."""
    if not all(node.op in EVALUATED for side in claim.formulas() for node in side.walk()):
        return []
    letters = Letters()
    try:
        left, right = letters.node(claim.left), letters.node(claim.right)
    except CannotState:
        return []
    factors = [node[2] for node in letters.nodes if node[0] == "scale"]
    names = {x for node in letters.nodes for s in node[3] for x in letters_in(s)}
    names |= {x for factor in factors for x in letters_in(factor[0]) if x not in factor[1:]}
    needed = extent(contracted(claim)).sizes
    fields = {"nodes": letters.nodes, "left": left, "right": right}
    small = {x: SMALL for x in sorted(names)}
    large = {x: min(LARGEST, needed.get(x, SMALL)) for x in sorted(names)}
    found = (
        _expansion({"kind": "expansion", "step": f"{name}, expanded", **fields, "sizes": small}),
        _point({"kind": "finite-field", "step": f"{name}, modulo 2^61 - 1", **fields, "sizes": large}),
    )
    return [made for made in found if made is not None]


class _Bounded(checker.Entries):
    """Stops before an expansion grows large."""

    def function(self, op: str, x: Any) -> Any:
        checker.require(len(x) <= MOST_TERMS, "too many terms")
        return super().function(op, x)


def _expansion(made: dict[str, Any]) -> dict[str, Any] | None:
    try:
        found = checker.evaluate(made["nodes"], made["sizes"], _Bounded())
    except (checker.Rejected, KeyError):
        return None
    return made if found[made["left"]] == found[made["right"]] else None


class _Drawn(checker.Residues):
    """Entries and values of functions drawn from a hash of their names; what was drawn is recorded."""

    def __init__(self) -> None:
        self.points: dict[str, dict[tuple[int, int], int]] = {}
        self.functions: dict[tuple[str, int], int] = {}

    def free(self, name: str, i: int, j: int) -> int:
        return self.points.setdefault(name, {}).setdefault((i, j), _residue(name, i, j))

    def function(self, op: str, x: int) -> int:
        if op == "recip":
            return super().function(op, x)
        return self.functions.setdefault((op, x % checker.PRIME), _residue(op, x % checker.PRIME))


def _residue(*key: Any) -> int:
    return int.from_bytes(hashlib.sha256(repr(key).encode()).digest()[:16], "big") % checker.PRIME


def _point(made: dict[str, Any]) -> dict[str, Any] | None:
    drawn = _Drawn()
    try:
        found = checker.evaluate(made["nodes"], made["sizes"], drawn)
    except (checker.Rejected, KeyError, ValueError):
        return None
    left, right = ([[x % checker.PRIME for x in row] for row in found[made[side]]] for side in ("left", "right"))
    functions = [[op, x, y] for (op, x), y in sorted(drawn.functions.items())]
    return {**made, "points": _listed(drawn.points), "functions": functions, "values": left} if left == right else None


def _listed(points: Mapping[str, Mapping[tuple[int, int], int]]) -> dict[str, list[list[int]]]:
    """Matrices as lists of rows."""
    made = {}
    for name, entries in sorted(points.items()):
        rows, columns = (1 + max(where[k] for where in entries) for k in (0, 1))
        made[name] = [[entries.get((i, j), 0) for j in range(columns)] for i in range(rows)]
    return made
