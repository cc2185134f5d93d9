"""The one page of the site: verdicts counted, errata, what depends on what, a card for each statement."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from almostlinear.theorems import Statement

from .. import plots
from ..errata import reasons
from ..svg import GraphNode, dependency_graph, legend
from ..verdicts import ORIGINS, VERDICTS
from . import closeness, formulas, records


@dataclass
class Card:
    """All that the page shows of one statement."""

    id: str
    anchor: str
    title: str
    kind: str
    origin: str
    verdict: str
    stale: bool
    source: str
    repairs: str | None
    repaired_by: list[str] = field(default_factory=list)
    hypotheses: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    gap: list[str] = field(default_factory=list)
    uses: list[str] = field(default_factory=list)
    used_by: list[str] = field(default_factory=list)
    basis: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    parts: list[formulas.Part] = field(default_factory=list)
    names: formulas.Names = field(default_factory=lambda: formulas.Names([], []))
    misprints: list[str] = field(default_factory=list)
    witness: dict[str, Any] | None = None
    tightness: dict[str, str] = field(default_factory=dict)
    evidence: list[dict[str, Any]] = field(default_factory=list)
    suggestions: list[tuple[str, bool]] = field(default_factory=list)
    figures: list[closeness.Figure] = field(default_factory=list)

    @property
    def many(self) -> bool:
        """Whether verdicts of single claims say more than the statement's."""
        return sum(len(part.readings) for part in self.parts) > 1


def anchor(name: str) -> str:
    """A statement's place on the page; different ids have different ones."""
    return "s-" + re.sub(r"[^A-Za-z0-9.-]", lambda m: f"_{ord(m[0]):x}_", name)


def context(statements: list[dict[str, Any]], registry: Iterable[Statement], run: dict[str, Any]) -> dict[str, Any]:
    """What the template needs; see `almostlinear.reports.build` for the arguments."""
    made = {s.id: s for s in registry}
    definitions = frozenset(s.id for s in made.values() if s.kind in ("definition", "remark"))
    cards = {s["id"]: _card(s, made.get(s["id"]), definitions) for s in statements}
    for card in cards.values():
        for used in card.uses:
            if used in cards:
                cards[used].used_by.append(card.id)
        if card.repairs in cards:
            cards[card.repairs].repaired_by.append(card.id)
    nodes = [
        GraphNode(c.id, c.title, f"#{c.anchor}", c.verdict, c.origin, c.kind, tuple(c.uses)) for c in cards.values()
    ]
    sections = _sections(cards)
    return {
        "run": _run_line(run),
        "tables": [table for table in run.get("tables", ()) if table.get("rows")],
        "counts": [(label, _counts(cards.values(), origins)) for label, origins in _COUNTED],
        "errata": [_erratum(c, cards) for _, group in sections for c in group if _is_erratum(c)],
        "misprints": [c for c in cards.values() if c.misprints],
        "frames": plots.frames() if any(card.figures for card in cards.values()) else "",
        "tightness": closeness.overview((card.id, card.figures) for card in cards.values()),
        "ranks": [
            closeness.rank_figure(f) for f in run.get("figures", ()) if f.get("kind") == "rank" and f.get("rows")
        ],
        "graph": dependency_graph(nodes),
        "legend": legend(key for key in VERDICTS if any(c.verdict == key for c in cards.values())),
        "sections": sections,
        "cards": cards,
        "verdicts": VERDICTS,
        "origins": ORIGINS,
    }


_COUNTED = (("Published", ("published",)), ("Repairs", ("repair",)), ("Own", ("own",)))


def _counts(cards: Iterable[Card], origins: tuple[str, ...]) -> dict[str, int]:
    listed = [c.verdict for c in cards if c.origin in origins]
    return {key: listed.count(key) for key in VERDICTS if key in listed}


def _card(status: dict[str, Any], made: Statement | None, definitions: frozenset[str]) -> Card:
    name = str(status["id"])
    parted = made is None or len({claim.part for claim in made.claims}) > 1
    card = Card(
        id=name, anchor=anchor(name), title=str(status.get("title", "")), kind=status.get("kind", ""),
        origin=status.get("origin", "own"), verdict=status.get("verdict", "open"),
        stale=bool(status.get("stale")), source=status.get("source") or "",
        repairs=status.get("repairs"), gap=list(status.get("gap") or ()), uses=list(status.get("uses") or ()),
        basis=list(status.get("basis") or ()), witness=records.witness(status.get("witness"), parted=parted),
        tightness={k: records.in_words(v) for k, v in (status.get("tightness") or {}).items()},
        evidence=[records.evidence(e, parted=parted) for e in status.get("evidence") or ()],
        suggestions=records.suggestions(status.get("evidence") or ()),
        figures=closeness.figures(status.get("evidence") or (), parted),
    )  # fmt: skip
    if made is not None:
        card.hypotheses, card.notes = list(made.hypotheses), list(made.notes)
        card.shown = formulas.shown(made)
        card.parts = formulas.parts(made, status.get("claims") or [], definitions)
        card.names = formulas.names(made, definitions)
        card.misprints = formulas.misprints(made)
    return card


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


def _sections(cards: dict[str, Card]) -> list[tuple[str, list[Card]]]:
    """The paper's statements by section, each followed by its repairs; then all others."""
    published = {card.id for card in cards.values() if card.origin == "published"}
    place = {card.id: (_section(card, published), _natural(card.id)) for card in cards.values()}
    found: dict[str, list[Card]] = {}
    placed: set[str] = set()
    for card in sorted(cards.values(), key=lambda c: (place[c.id][0][0], place[c.id][1])):
        for each in (card, *(cards[r] for r in card.repaired_by)):
            if each.id not in placed:
                placed.add(each.id)
                found.setdefault(place[card.id][0][1], []).append(each)
    return list(found.items())


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Orders D.2 before D.10, and digits before letters."""
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name) if part]


def _is_erratum(card: Card) -> bool:
    return card.origin == "published" and card.verdict in ("refuted", "gap")


def _erratum(card: Card, cards: dict[str, Card]) -> dict[str, Any]:
    """What is printed and what is true, for the parts that fail; for a gap what is missing, with its instance."""
    wrong = [part for part in card.parts if part.refuted] or card.parts
    names = {part.name for part in wrong}
    true = []
    for repair in (cards[name] for name in card.repaired_by):
        matched = [part for part in repair.parts if part.name in names]
        true.append((repair, matched if names == {part.name for part in matched} else repair.parts))
    return {
        "card": card,
        "parts": wrong,
        "repairs": true,
        "missing": reasons(card.gap) if card.verdict == "gap" else [],
    }


def _run_line(run: dict[str, Any]) -> list[str]:
    given = {key: value for key, value in run.items() if value not in (None, "", {})}
    named = (("date", "run"), ("seed", "seed"), ("profile", "profile"))
    line = [f"{word} {given[key]}" for key, word in named if key in given]
    line += [f"{name} {version}" for name, version in given.get("versions", {}).items()]
    if "instances" in given:
        line.append(f"{given['instances']:,} instances")
    if "seconds" in given:
        line.append(f"{given['seconds']:.0f} s")
    return line
