"""All that the site shows of each statement, and in which order and under which headings statements stand."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from almostlinear.theorems import Statement

from ..errata import reasons
from . import closeness, derivation, formulas, records

LONGEST_NAME = 80
Sections = list[tuple[str, list["Card"]]]


@dataclass
class Card:
    """All that the site shows of one statement; ``file`` is the name of its page."""

    id: str
    file: str
    title: str
    kind: str
    origin: str
    verdict: str
    stale: bool
    source: str
    repairs: str | None
    error: str = ""
    repaired_by: list[str] = field(default_factory=list)
    hypotheses: list[str] = field(default_factory=list)
    assumes: list[str] = field(default_factory=list)
    granted: list[str] = field(default_factory=list)
    concludes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    gap: list[str] = field(default_factory=list)
    uses: list[str] = field(default_factory=list)
    used_by: list[str] = field(default_factory=list)
    basis: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    parts: list[formulas.Part] = field(default_factory=list)
    steps: list[formulas.Part] = field(default_factory=list)
    names: formulas.Names = field(default_factory=lambda: formulas.Names([], []))
    misprints: list[str] = field(default_factory=list)
    witness: dict[str, Any] | None = None
    tightness: dict[str, str] = field(default_factory=dict)
    best: float | None = None
    constants: list[derivation.Constant] = field(default_factory=list)
    proofs: list[derivation.Proof] = field(default_factory=list)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    suggestions: list[tuple[str, bool]] = field(default_factory=list)
    figures: list[closeness.Figure] = field(default_factory=list)
    closest: dict[str, float] = field(default_factory=dict)

    @property
    def many(self) -> bool:
        """Whether verdicts of single claims say more than the statement's."""
        return sum(len(part.readings) for part in [*self.parts, *self.steps]) > 1

    @property
    def why(self) -> list[str]:
        """The entries of ``gap`` as sentences."""
        return reasons(self.gap) or self.gap

    @property
    def fails(self) -> bool:
        """Whether it is published and does not hold as printed."""
        return self.origin == "published" and self.verdict in ("refuted", "gap")


def cards(statements: list[dict[str, Any]], registry: Iterable[Statement]) -> dict[str, Card]:
    """A card for each status, in the order of the paper, each statement followed by its repairs."""
    made = {s.id: s for s in registry}
    definitions = frozenset(s.id for s in made.values() if s.kind in ("definition", "remark"))
    found = {s["id"]: _card(s, made.get(s["id"]), definitions) for s in statements}
    taken: set[str] = set()
    for card in found.values():
        card.file = file_name(card.id, taken)
        for used in card.uses:
            if used in found:
                found[used].used_by.append(card.id)
        if card.repairs in found:
            found[card.repairs].repaired_by.append(card.id)
    return {card.id: card for _, group in sections(found) for card in group}


def file_name(name: str, taken: set[str]) -> str:
    """The name of a statement's page: letters, digits, dots and hyphens, of bounded length, unlike any in ``taken``.

    File systems that ignore case are thought of; a name that had to be changed carries a hash.
    """
    safe = re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip(".")
    if not safe or safe != name or len(safe) > LONGEST_NAME or safe.lower() in taken:
        safe = f"{safe[:LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")
    taken.add(safe.lower())
    return f"{safe}.html"


def _card(status: dict[str, Any], made: Statement | None, definitions: frozenset[str]) -> Card:
    name = str(status["id"])
    parted = made is None or len({claim.part for claim in made.claims}) > 1
    evidence = list(status.get("evidence") or ())
    tightness = status.get("tightness") or {}
    card = Card(
        id=name, file="", title=str(status.get("title", "")), kind=status.get("kind", ""),
        origin=status.get("origin", "own"), verdict=status.get("verdict", "open"),
        stale=bool(status.get("stale")), source=status.get("source") or "", error=str(status.get("error") or ""),
        repairs=status.get("repairs"), gap=list(status.get("gap") or ()), uses=list(status.get("uses") or ()),
        basis=list(status.get("basis") or ()), witness=records.witness(status.get("witness"), parted=parted),
        tightness={k: records.in_words(v) for k, v in tightness.items()},
        best=tightness["best"] if isinstance(tightness.get("best"), (int, float)) else None,
        proofs=derivation.proofs(evidence, parted),
        evidence=[records.evidence(e, parted=parted) for e in evidence],
        suggestions=records.suggestions(evidence),
        figures=closeness.figures(evidence, parted),
        closest=closeness.closest(evidence, parted),
    )  # fmt: skip
    if made is not None:
        _describe(card, made, status.get("claims") or [], definitions)
        card.constants = derivation.constants(made, status.get("claims") or [], evidence, parted)
    return card


def _describe(card: Card, made: Statement, claims: list[dict[str, Any]], definitions: frozenset[str]) -> None:
    """What the statement itself says: hypotheses, formulas and names."""
    card.hypotheses, card.notes = list(made.hypotheses), list(made.notes)
    card.assumes, card.granted, card.concludes = (
        [str(a) for a in listed] for listed in (made.assumes, made.granted, made.concludes)
    )
    card.shown = formulas.shown(made)
    parts = formulas.parts(made, claims, definitions)
    card.parts, card.steps = [p for p in parts if not p.step], [p for p in parts if p.step]
    card.names = formulas.names(made, definitions)
    card.misprints = formulas.misprints(made)


# -- order and headings --------------------------------------------------------------------------------------------------
def _section(card: Card, published: set[str]) -> tuple[int, str]:
    """The heading that a statement stands under, and whether that comes after the paper's own."""
    if card.origin == "own":
        return 2, "Own statements"
    completes = any(card.id.startswith(f"{name}.") for name in published)
    if card.origin == "repair" and not card.repairs and not completes:
        return 1, "Repaired theory"
    if ":" in card.id:
        return 1, f"Statements of {card.id.split(':')[0]}"
    return 0, f"Appendix {card.id[0]}" if re.match(r"[A-Z]\.", card.id) else "Main text"


def sections(found: dict[str, Card]) -> Sections:
    """The paper's statements by section, each followed by its repairs; then all others."""
    published = {card.id for card in found.values() if card.origin == "published"}
    place = {card.id: (_section(card, published), _natural(card.id)) for card in found.values()}
    headed: dict[str, list[Card]] = {}
    placed: set[str] = set()
    for card in sorted(found.values(), key=lambda c: (place[c.id][0][0], place[c.id][1])):
        for each in (card, *(found[r] for r in card.repaired_by)):
            if each.id not in placed:
                placed.add(each.id)
                headed.setdefault(place[card.id][0][1], []).append(each)
    return list(headed.items())


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Orders D.2 before D.10, and digits before letters."""
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name) if part]
