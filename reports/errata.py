"""The errata: published statements that do not hold as printed, printed arguments with a gap, misprints and readings.

Each list is in the order of the paper. Nothing is typed here: all of it comes from the rows of `almostlinear status --json` and from
the statements. `referee` turns the lists into sentences.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from almostlinear.theorems.display import claim_latex, claim_plain
from almostlinear.theorems.registry import ARXIV, Registry
from almostlinear.theorems.statement import AS_PRINTED, Claim, Statement

from .documents import enumeration, sentence

Row = dict[str, Any]
FAILED = ("refuted", "gap")
UNDECIDED = ("open", "stated")


@dataclass(frozen=True)
class Printed:
    """A claim as printed: the readings that are written alike, and the verdict of each."""

    part: str
    claims: tuple[Claim, ...]
    verdicts: tuple[str, ...]

    @property
    def readings(self) -> list[str]:
        return [c.reading for c in self.claims if c.reading != AS_PRINTED]


def printed(made: Statement, row: Row, step: bool = False) -> list[Printed]:
    """The claims of a statement, or the steps of its printed proof, with their verdicts."""
    verdicts = {(c["part"], c["reading"]): c["verdict"] for c in row["claims"]}
    found: dict[tuple[str, str], list[Claim]] = {}
    for claim in (c for c in made.claims if c.step == step):
        found.setdefault((claim.part, claim_latex(claim)), []).append(claim)
    return [
        Printed(part, tuple(alike), tuple(verdicts.get((c.part, c.reading), "open") for c in alike))
        for (part, _), alike in found.items()
    ]


@dataclass(frozen=True)
class Erratum:
    """A published statement, its verdicts, its repairs and the published statements that build on it.

    Attributes:
        built_on_it: ids and verdicts.
        lemmas: ids of the statements whose names are written out, for the reader knows those of definitions.
    """

    made: Statement
    row: Row
    repairs: tuple[tuple[Statement, Row], ...]
    built_on_it: tuple[tuple[str, str], ...]
    lemmas: frozenset[str]

    @property
    def label(self) -> str:
        """As the paper has it: Lemma D.1."""
        return self.made.source.removeprefix(ARXIV).strip().replace("Algorithm Alg.", "Algorithm ") or self.made.id

    def parts(self, step: bool = False) -> dict[str, list[Printed]]:
        """What is printed, by part."""
        found: dict[str, list[Printed]] = {}
        for each in printed(self.made, self.row, step):
            found.setdefault(each.part, []).append(each)
        return found

    def failing(self, step: bool = False) -> dict[str, list[Printed]]:
        """The parts of which every reading fails."""
        return {
            part: listed for part, listed in self.parts(step).items() if all(v in FAILED for v in _verdicts(listed))
        }

    def standing(self) -> dict[str, str]:
        """The other parts, each with the verdict of a reading that does not fail."""
        others = {part: _verdicts(listed) for part, listed in self.parts().items() if part not in self.failing()}
        return {part: next(v for v in verdicts if v not in FAILED) for part, verdicts in others.items()}

    def divided(self) -> dict[str, list[Printed]]:
        """The parts that hold in some readings and fail in others."""
        return {
            part: listed
            for part, listed in self.parts().items()
            if {v in FAILED for v in _verdicts(listed) if v not in UNDECIDED} == {True, False}
        }

    def misprints(self) -> list[str]:
        return list(dict.fromkeys(c.typo for c in self.made.claims if c.typo))

    def witness(self, part: str) -> dict[str, Any] | None:
        """The witness against a part."""
        chosen = self.row["witness"] or {}
        if chosen.get("part") == part:
            return chosen
        records = [r for r in self.row["evidence"] if r.get("part") == part and r.get("strength") == "refuted"]
        return next((r["witness"] for r in records if r.get("witness")), None)


def _verdicts(listed: list[Printed]) -> list[str]:
    return [verdict for each in listed for verdict in each.verdicts]


@dataclass(frozen=True)
class Errata:
    """All published statements, in the order of the paper."""

    statements: tuple[Erratum, ...]

    @property
    def wrong(self) -> list[Erratum]:
        """Those that are false as printed or lack a hypothesis."""
        return [e for e in self.statements if e.row["verdict"] in FAILED]

    @property
    def arguments(self) -> list[Erratum]:
        """Those that do not fail although their printed argument has a gap."""
        return [e for e in self.statements if e.row["verdict"] not in FAILED and e.row["gap"]]

    @property
    def misprints(self) -> list[Erratum]:
        """Those with a misprint, or that hold in some of their readings only."""
        return [e for e in self.statements if e.misprints() or (e.row["verdict"] not in FAILED and e.divided())]

    @property
    def claiming(self) -> list[Erratum]:
        """Those that claim something."""
        return [e for e in self.statements if e.made.claims]


def errata(rows: list[Row], registry: Registry) -> Errata:
    """What the rows of `almostlinear status --json` say of the published statements."""
    row = {r["id"]: r for r in rows}
    repairs: dict[str, list[tuple[Statement, Row]]] = {}
    for made in registry:
        if made.repairs and made.id in row:
            repairs.setdefault(made.repairs, []).append((made, row[made.id]))
    published = paper_order(made for made in registry if made.origin == "published" and made.id in row)
    place = {made.id: k for k, made in enumerate(published)}
    lemmas = frozenset(made.id for made in registry if made.kind not in ("definition", "remark"))
    used = {made.id: registry.uses(made.id) for made in registry}
    above: dict[str, set[str]] = {made.id: {made.id} for made in published}
    grew = True
    while grew:  # as Registry.descendants, for all statements at once
        before = sum(map(len, above.values()))
        for reached in above.values():
            reached |= {name for name, uses in used.items() if name not in reached and not reached.isdisjoint(uses)}
        grew = sum(map(len, above.values())) > before
    found = []
    for made in published:
        below = sorted(above[made.id] & set(place) - {made.id}, key=place.__getitem__)
        built = tuple((name, row[name]["verdict"]) for name in below)
        found.append(Erratum(made, row[made.id], tuple(repairs.get(made.id, ())), built, lemmas))
    return Errata(tuple(found))


# -- why an argument fails ---------------------------------------------------------------------------------------
_RESTS = re.compile(r"the printed argument relies on (\S+), which is (refuted|gap)")


def rests_on_failure(text: str) -> bool:
    """Whether an entry of ``gap`` says that a statement which is relied on fails, and nothing more."""
    return _RESTS.fullmatch(text) is not None


def reasons(gap: Iterable[str]) -> list[str]:
    """The entries of ``gap`` as sentences, what is relied on in one; refuted steps, which are shown as formulas, are left out."""
    failing: dict[str, list[str]] = {}
    others = []
    for text in gap:
        if rests := _RESTS.fullmatch(text):
            failing.setdefault(rests[2], []).append(rests[1])
        elif not text.startswith("the printed step"):
            others.append(sentence(text))
    words = {"refuted": ("is false", "are false"), "gap": ("does not follow as printed", "do not follow as printed")}
    on = [
        f"{enumeration(names)}, which {words[kind][len(names) > 1]}"
        for kind, names in sorted(failing.items(), reverse=True)
    ]
    return [*([f"The printed argument relies on {', and on '.join(on)}."] if on else []), *others]


def paper_order(statements: Iterable[Statement]) -> list[Statement]:
    """Main text, then the appendices; an id such as Alg.2 stays behind the statement that it is defined after."""
    place: dict[str, tuple[Any, int]] = {}
    number: list[tuple[bool, int, str]] = []
    listed = list(statements)
    for k, made in enumerate(listed):
        if re.match(r"\d|[A-Z]\.", made.id):
            pieces = [piece for piece in re.split(r"(\d+)", made.id) if piece]
            number = [(not piece.isdigit(), int(piece) if piece.isdigit() else 0, piece) for piece in pieces]
        place[made.id] = (number, k)
    return sorted(listed, key=lambda made: place[made.id])


def to_json(found: Errata) -> dict[str, Any]:
    """The lists as plain data."""
    return {
        "wrong": [_entry(e) for e in found.wrong],
        "arguments": [_entry(e) for e in found.arguments],
        "misprints": [
            {"id": e.made.id, "label": e.label, "misprints": e.misprints(), "readings": _printed_json(e.divided())}
            for e in found.misprints
        ],
    }


def _entry(e: Erratum) -> dict[str, Any]:
    failing = {**e.failing(), **e.failing(step=True)}
    return {
        "id": e.made.id, "label": e.label, "title": e.made.title, "verdict": e.row["verdict"],
        "printed": _printed_json(failing), "gap": list(e.row["gap"]),
        "witnesses": {part: witness for part in failing if (witness := e.witness(part))},
        "repairs": [
            {"id": made.id, "verdict": row["verdict"], "true": _printed_json({p.part: [p] for p in printed(made, row)})}
            for made, row in e.repairs
        ],
        "built_on_it": [name for name, _ in e.built_on_it],
    }  # fmt: skip


def _printed_json(parts: dict[str, list[Printed]]) -> list[dict[str, Any]]:
    return [
        {"part": part, "reading": c.reading, "verdict": verdict, "plain": claim_plain(c), "latex": claim_latex(c)}
        for part, listed in parts.items()
        for each in listed
        for c, verdict in zip(each.claims, each.verdicts, strict=True)
    ]
