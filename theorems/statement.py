"""Statements: an id, where it was published, its hypotheses, its claims and what it uses.

A claim belongs to a part of the statement and to one reading of it; where the text admits several readings, each is a
claim of its own, and the part fails only if all of its readings do. Nobody types a verdict: it is computed elsewhere.
Hypotheses are data: what a statement assumes must follow, wherever another one uses it, from what that one assumes and from what
the statements that it uses conclude.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal

from .claims import (
    AS_PRINTED,
    CLAIMS,
    Assumption,
    Asymptotic,
    Bound,
    Claim,
    Condition,
    Cost,
    Expectation,
    Factors,
    Holds,
    Identity,
    Probability,
    Rank,
    StatementError,
    Within,
    assumption_content,
    error_of,
    time_of,
)
from .formula import Formula, ShapeError

__all__ = [
    "AS_PRINTED", "CLAIMS", "KINDS", "Assumption", "Asymptotic", "Bound", "Claim", "Condition", "Cost", "Expectation", "Factors", "Holds",
    "Identity", "Kind", "Origin", "Probability", "Rank", "Statement", "StatementError", "Within", "error_of", "time_of",
]  # fmt: skip

Kind = Literal[
    "identity", "norm-bound", "error-bound", "rank", "cost", "induction", "algorithm", "definition", "remark",
    "probability",
]  # fmt: skip
Origin = Literal["published", "repair", "own"]
KINDS: tuple[str, ...] = Kind.__args__  # type: ignore[attr-defined]


def _loose_loss(node: Formula, under: bool) -> bool:
    """Whether a loss stands where its value, not its derivative, matters."""
    if node.op == "loss":
        return not under
    if node.op in ("grad", "jvp"):
        return _loose_loss(node.args[0], True) or any(_loose_loss(a, False) for a in node.args[1:])
    linear = node.op in ("define", "scale", "add", "sum")
    return any(_loose_loss(a, under and linear) for a in node.args)


@dataclass(frozen=True)
class Statement:
    """A published statement, a repair of one, or one's own.

    Attributes:
        id: the paper's label, such as ``D.17``; ids of other papers carry the paper, such as ``AS24:D.1``.
        title: a few words.
        source: paper and label.
        kind: one of KINDS.
        claims: what is claimed; empty for definitions and pure remarks.
        shows: formulas that a definition introduces.
        hypotheses: the assumptions in words, as published.
        assumes: the printed hypotheses as data: quantities within growth classes, and facts.
        granted: what is not printed but taken from the setting of the theorems that use it, as data.
        concludes: what it establishes for the statements that use it.
        uses: ids of the statements that it builds on.
        repairs: the id of the published statement that this one corrects.
        notes: misprints and what was made of them.
    """

    id: str
    title: str
    source: str
    kind: Kind
    claims: tuple[Claim, ...] = ()
    shows: tuple[Formula, ...] = ()
    hypotheses: tuple[str, ...] = ()
    assumes: tuple[Assumption, ...] = ()
    granted: tuple[Assumption, ...] = ()
    concludes: tuple[Assumption, ...] = ()
    uses: tuple[str, ...] = ()
    origin: Origin = "published"
    repairs: str | None = None
    notes: tuple[str, ...] = ()
    module: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise StatementError(f"{self.id}: unknown kind {self.kind!r}; use one of {', '.join(KINDS)}")
        if not self.claims and self.kind not in ("definition", "remark"):
            raise StatementError(f"{self.id}: a {self.kind} needs at least one claim")
        for claim in self.claims:
            if isinstance(claim, Identity) and claim.left.shape != claim.right.shape:
                left, right = (" x ".join(map(str, f.shape)) for f in claim.formulas())
                raise ShapeError(f"{self.id}, part {claim.part}: the left side is {left} and the right side {right}")
        self._check_symbols()
        unused = {u for c in self.claims if isinstance(c, Asymptotic) for u in c.relies_on} - set(self.uses)
        if unused:
            raise StatementError(f"{self.id}: a claim relies on {min(unused)}, which is not among its uses")
        labels = [(c.part, c.reading) for c in self.claims]
        if len(set(labels)) < len(labels):
            raise StatementError(
                f'{self.id}: two claims have the same part and reading; give each its own: part="1", part="2"'
            )

    def _check_symbols(self) -> None:
        """One matrix a name, conditions on indices that occur, and a loss only under a derivative."""
        seen: dict[str, Formula] = {}
        for claim in self.claims:
            for side in claim.formulas():
                for node in (below for below in side.walk() if below.op == "symbol"):
                    if seen.setdefault(node.data[0], node) is not node:
                        raise StatementError(
                            f"{self.id}: two matrices are named {node.data[0]!r}; give each its own name"
                        )
                if _loose_loss(side, False):
                    raise StatementError(
                        f"{self.id}: a loss is known by its derivative alone; use it under grad or jvp"
                    )
            unknown = [c for c in claim.where if not {c.left, c.right} <= set(claim.free)]
            if unknown:
                raise StatementError(f"{self.id}: the condition {unknown[0]} speaks of an index that the claim lacks")

    @property
    def assumed(self) -> tuple[Assumption, ...]:
        """All hypotheses as data, printed and granted."""
        return (*self.assumes, *self.granted)

    def formulas(self) -> tuple[Formula, ...]:
        return self.shows + tuple(f for c in self.claims for f in c.formulas())

    def sources(self) -> set[str]:
        """Ids of the other statements whose definitions stand in this one's formulas."""
        return set().union(*(f.sources() for f in self.formulas())) - {self.id}

    @property
    def content_hash(self) -> str:
        """A hash of what is claimed: formulas, hypotheses and constants (not the title)."""
        parts = [
            self.id, self.kind, [c.content() for c in self.claims], [f.digest for f in self.shows],
            list(self.hypotheses), self.repairs,
        ]  # fmt: skip
        if self.assumed or self.concludes:
            parts.append([[assumption_content(a) for a in listed] for listed in (self.assumed, self.concludes)])
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
