"""Why a verdict stands: the arguments that engines recorded, and each bound's printed constant beside the derived one.

What an engine writes is plain data: ``rules`` of norms, ``proof`` and ``argument`` of the analysis, ``derived`` bounds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from almostlinear.theorems import Bound, Statement
from almostlinear.theorems.layout import expression

from ..mathml import flow
from .records import claim_words, in_words

MOST = 40
"""Steps of one argument that are shown."""


@dataclass(frozen=True)
class Step:
    """A step of an argument: what it says, what was checked of it by machine, and whether only words carry it."""

    says: str
    checked: str = ""
    kind: str = ""
    trusted: bool = False


@dataclass(frozen=True)
class Proof:
    """What one engine recorded of how it came to a claim's verdict."""

    claim: str
    engine: str
    strength: str
    basis: str
    relies_on: tuple[str, ...]
    steps: tuple[Step, ...]
    left_out: int


@dataclass(frozen=True)
class Constant:
    """A bound as printed, as the norm rules derive it, their ratio, and the largest observed / bound."""

    claim: str
    verdict: str
    published: str
    derived: str
    ratio: str
    observed: float | None


def proofs(evidence: Iterable[dict[str, Any]], parted: bool) -> list[Proof]:
    """The recorded arguments, those with steps."""
    made = []
    for record in evidence:
        steps = _steps(record)
        if steps:
            relied = record.get("relies_on") or ()
            made.append(Proof(
                claim_words(record, parted), str(record.get("engine", "")), str(record.get("strength", "")),
                str(record.get("basis", "")), tuple(map(str, relied if isinstance(relied, (list, tuple)) else ())),
                tuple(steps[:MOST]), max(0, len(steps) - MOST),
            ))  # fmt: skip
    return made


def _steps(record: dict[str, Any]) -> list[Step]:
    detail = record.get("detail")
    if not isinstance(detail, dict):
        return []
    found = [Step(in_words(words), kind="words", trusted=True) for words in _listed(detail.get("argument"))]
    for step in _listed(detail.get("proof")):
        if isinstance(step, dict):
            says, checked, kind = (in_words(step.get(key)) for key in ("says", "checked", "kind"))
            found.append(Step(says, checked, kind))
    found += [Step(in_words(rule), kind="rule") for rule in _listed(detail.get("rules"))]
    if detail.get("right - derived") is not None:
        left = _powers(detail["right - derived"])
        found.append(Step("what is stated less what is derived is nonnegative", left, "difference"))
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def constants(
    made: Statement, claims: list[dict[str, Any]], evidence: list[dict[str, Any]], parted: bool
) -> list[Constant]:
    """One row for each bound that was derived or measured: as published, as derived, as observed."""
    status = {(str(c.get("part", "1")), c.get("reading", "")): c for c in claims}
    found = []
    for claim in (c for c in made.claims if isinstance(c, Bound)):
        key = {"part": claim.part, "reading": claim.reading}
        known = status.get((claim.part, claim.reading), {})
        constant = known.get("constant") or {}
        observed = [_best(r) for r in evidence if r.get("part") == claim.part and r.get("reading") == claim.reading]
        best = max((b for b in observed if b is not None), default=None)
        if constant or best is not None:
            found.append(Constant(
                claim_words(key, parted), str(known.get("verdict", "stated")), flow(expression(claim.right)[1]),
                _powers(constant.get("derived")), _powers(constant.get("claimed / derived")), best,
            ))  # fmt: skip
    return found


def _powers(text: Any) -> str:
    """A SymPy expression as it is read aloud: powers raised, products by dots."""
    return in_words(text).replace("**", "^").replace("*", "·")


def _best(record: dict[str, Any]) -> float | None:
    detail = record.get("detail")
    tightness = detail.get("tightness") if isinstance(detail, dict) else None
    best = tightness.get("best") if isinstance(tightness, dict) else None
    return float(best) if isinstance(best, (int, float)) and not isinstance(best, bool) else None
