"""The first page: verdicts counted, the errata in a line each, what depends on what, and every statement in a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..svg import GraphNode, dependency_graph, legend
from ..verdicts import ORIGINS, VERDICTS
from .cards import Card, sections

_COUNTED = (("Published", ("published",)), ("Repairs", ("repair",)), ("Own", ("own",)))
FAILING = {"refuted": "False as printed", "gap": "True only with more than the text gives"}
PROVED = ("proved", "proved-at-size")
STANDS = ("proved", "proved-at-size", "enclosed", "searched", "sampled")


@dataclass(frozen=True)
class Headline:
    """How many published statements claim something, and what became of them; whether none was examined."""

    claiming: int
    standing: int
    proved: int
    refuted: int
    gap: int
    others: int
    repaired: int
    repaired_proved: int
    unseen: bool


def context(cards: dict[str, Card], run: dict[str, Any]) -> dict[str, Any]:
    """What index.html needs."""
    shown = [key for key in VERDICTS if any(c.verdict == key for c in cards.values())]
    origins = {key: shape for key, shape in ORIGINS.items() if any(c.origin == key for c in cards.values())}
    return {
        "run": run_line(run),
        "counts": [(label, counts(cards.values(), origins)) for label, origins in _COUNTED],
        "headline": headline(cards),
        "own": [card for card in cards.values() if card.origin == "own"],
        "failing": [
            (verdict, title, listed)
            for verdict, title in FAILING.items()
            if (listed := [card for card in cards.values() if card.fails and card.verdict == verdict])
        ],
        "graph": dependency_graph(nodes(cards.values())),
        "legend": legend(shown, origins),
        "sections": sections(cards),
        "verdicts": VERDICTS,
        "origins": origins,
        "shown": shown,
    }


def nodes(listed: Iterable[Card], root: str = "") -> list[GraphNode]:
    return [
        GraphNode(c.id, c.title, f"{root}statements/{c.file}", c.verdict, c.origin, c.kind, tuple(c.uses))
        for c in listed
    ]


def counts(listed: Iterable[Card], origins: tuple[str, ...]) -> dict[str, int]:
    verdicts = [c.verdict for c in listed if c.origin in origins]
    return {key: verdicts.count(key) for key in VERDICTS if key in verdicts}


def headline(cards: dict[str, Card]) -> Headline | None:
    """None where no published statement claims anything."""
    claiming = [c for c in cards.values() if c.origin == "published" and (c.parts or c.verdict != "stated")]
    verdicts = [c.verdict for c in claiming]
    failing = [c for c in claiming if c.fails]
    repaired = [c for c in failing if any(cards[r].verdict in STANDS for r in c.repaired_by)]
    sure = [c for c in repaired if any(cards[r].verdict in PROVED for r in c.repaired_by)]
    standing, proved = (sum(v in among for v in verdicts) for among in (STANDS, PROVED))
    refuted, gap = verdicts.count("refuted"), verdicts.count("gap")
    others = len(claiming) - standing - refuted - gap
    unseen = not any(c.evidence for c in claiming)
    numbers = (len(claiming), standing, proved, refuted, gap, others, len(repaired), len(sure))
    return Headline(*numbers, unseen) if claiming else None


def run_line(run: dict[str, Any]) -> list[str]:
    """Date, seed, profile, versions and effort of the run, each a few words."""
    given = {key: value for key, value in run.items() if value not in (None, "", {})}
    named = (("date", "run"), ("seed", "seed"), ("profile", "profile"))
    line = [f"{word} {given[key]}" for key, word in named if key in given]
    line += [f"{name} {version}" for name, version in given.get("versions", {}).items()]
    if given.get("instances"):
        line.append(f"{given['instances']:,} instances")
    if given.get("seconds"):
        line.append(f"{given['seconds']:.0f} s")
    return line
