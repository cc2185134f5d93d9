"""What a statement says, ready to be shown: its claims as MathML, and what the names in them stand for.

Names that a lemma introduces (C_1 of Lemma D.1) are written out below its claim; names of definitions link.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from almostlinear.theorems import Formula, Statement
from almostlinear.theorems.display import claim_parts, layout
from almostlinear.theorems.statement import AS_PRINTED

from ..mathml import flow, mathml


@dataclass
class Reading:
    """One reading of a part, with its verdict."""

    words: str
    verdict: str
    argument: str


@dataclass
class Part:
    """A formula that is claimed, with the readings that are written alike and the names that stand in it."""

    name: str
    math: str
    condition: str
    step: bool = False
    bodies: list[str] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)

    @property
    def worded(self) -> bool:
        """Whether the readings need words: not where the text is read in one way."""
        return any(r.words != AS_PRINTED for r in self.readings)

    @property
    def refuted(self) -> bool:
        return bool(self.readings) and all(r.verdict in ("refuted", "gap") for r in self.readings)


@dataclass
class Names:
    """What stands in formulas: bodies to write out, and (name, ids of its definitions) to link."""

    bodies: list[str]
    defined: list[tuple[str, list[str]]]


def parts(made: Statement, claims: list[dict[str, Any]], definitions: frozenset[str]) -> list[Part]:
    """The statement's claims with the verdicts of ``claims``, by part and reading."""
    verdicts = {(str(c.get("part", "1")), c.get("reading", "")): c for c in claims}
    found: dict[tuple[str, str, bool], Part] = {}
    for claim in made.claims:
        relation, condition = claim_parts(claim)
        math = flow(relation)
        words = mathml(condition) if condition is not None else ""
        part = found.setdefault((claim.part, math, claim.step), Part(claim.part, math, words, claim.step))
        new = names(made, definitions, claim.formulas(), deep=False).bodies
        part.bodies += [body for body in new if body not in part.bodies]
        seen = verdicts.get((claim.part, claim.reading), {})
        reading = Reading(claim.reading, seen.get("verdict", "stated"), seen.get("argument", "ok"))
        part.readings.append(reading)
    if len(found) == 1:
        next(iter(found.values())).name = ""
    return list(found.values())


def shown(made: Statement) -> list[str]:
    """The formulas that a definition introduces."""
    return [flow(layout(f, expand=1)) for f in made.shows]


def misprints(made: Statement) -> list[str]:
    return list(dict.fromkeys(claim.typo for claim in made.claims if claim.typo))


def names(
    made: Statement, definitions: frozenset[str], only: Iterable[Formula] | None = None, deep: bool = True
) -> Names:
    """The names in ``made`` (or in the formulas ``only``); ``definitions``: ids of definitions and remarks.

    With ``deep`` also the names in the bodies that are written out. An own statement's names are its file's, which is not shown, so
    that their bodies are.
    """
    waiting = list(only if only is not None else [f for c in made.claims for f in c.formulas()])
    waiting += [] if only is not None else [f.args[0] if f.op == "define" else f for f in made.shows]
    written: dict[Formula, None] = {}
    defined: dict[str, dict[str, None]] = {}
    done = {f for f in made.shows if f.op == "define"}
    while waiting:
        for node in named(waiting.pop(0)):
            if node in done:
                continue
            done.add(node)
            source = node.data[1]
            elsewhere = source in definitions or (not source and made.origin != "own")
            if source != made.id and elsewhere:
                defined.setdefault(mathml(layout(node)), {})[source] = None
            else:
                written[node] = None
                waiting += [node.args[0]] if deep else []
    bodies = list(dict.fromkeys(flow(layout(node, expand=1)) for node in written))
    return Names(bodies, [(name, [s for s in sources if s]) for name, sources in defined.items()])


def named(formula: Formula) -> list[Formula]:
    """The named formulas that are seen in a formula, not those inside them, from left to right."""
    if formula.op == "define":
        return [formula]
    return list(dict.fromkeys(node for a in formula.args for node in named(a)))
