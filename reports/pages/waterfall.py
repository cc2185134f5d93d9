"""Where along a chain of bounds the slack is lost: for each statement what its loosest bound leaves, at best and typically.

At best is the largest observed / bound of everything that was drawn or searched; typically, the median of what was drawn.

A step is measured on its own statement's instances: bounds before it are taken as they are stated. Steps therefore say where to look, and
their product bounds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from math import log10
from typing import Any

from ..plots import decade, few
from .cards import Card
from .closeness import BOUND

LEAST_STEPS, MOST_CHAINS = 3, 6
NOTHING_LOST = 0.995
"""A best ratio from which on a bound counts as attained."""
WIDTH, NAMES, RIGHT, ROW, TOP = 760, 190, 640, 22, 34
SHORT = 60
"""Characters of a ratio of constants."""
LARGEST = 6.0
"""log10 of the largest slack that is told apart."""


@dataclass(frozen=True)
class Step:
    """A statement of a chain: its loosest bound, what the closest and the middle instance leave, and stated / derived."""

    id: str
    title: str
    claim: str
    best: float
    typical: float
    instances: int
    constant: str


@dataclass(frozen=True)
class Chain:
    """The steps to one statement, what builds on nothing else first, and their drawing."""

    id: str
    title: str
    steps: tuple[Step, ...]
    lost: tuple[Step, ...]
    svg: str


def chains(cards: dict[str, Card]) -> list[Chain]:
    """The chains that end in a statement on which no other bound builds, the longest first."""
    steps = {name: step for name, card in cards.items() if (step := _step(card))}
    below = {name: _below(name, cards) for name in steps}
    ends = [name for name in steps if not any(name in others for other, others in below.items() if other != name)]
    found = []
    for end in ends:
        inside = [name for name in below[end] if name in steps]
        ordered = sorted(
            [*inside, end], key=lambda name: (len([x for x in below[name] if x in steps]), list(cards).index(name))
        )
        if len(ordered) >= LEAST_STEPS:
            listed = tuple(steps[name] for name in ordered)
            lost = tuple(sorted((s for s in listed if s.best < NOTHING_LOST), key=lambda s: s.best))
            found.append(Chain(end, cards[end].title, listed, lost, drawn(listed)))
    return sorted(found, key=lambda chain: -len(chain.steps))[:MOST_CHAINS]


def _step(card: Card) -> Step | None:
    """The loosest bound of a statement that was measured; None where there is none."""
    drawn = {f.claim: f for f in sorted(card.figures, key=lambda f: f.best) if f.limit == BOUND and f.best > 0}
    best = {claim: max(f.best, card.closest.get(claim, 0.0)) for claim, f in drawn.items()}
    if not best:
        return None
    loosest = min(drawn.values(), key=lambda f: (best[f.claim], f.typical))
    constant = next((c.ratio for c in card.constants if c.claim == loosest.claim and c.ratio not in ("", "1")), "")
    return Step(
        card.id, card.title, loosest.claim, best[loosest.claim], loosest.typical, loosest.decided, constant[:SHORT]
    )


def _below(name: str, cards: dict[str, Card]) -> set[str]:
    """What a statement builds on, directly or not."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        more = {used for used in cards[waiting.pop()].uses if used in cards and used != name} - found
        found |= more
        waiting += more
    return found


def drawn(steps: Iterable[Step]) -> str:
    """A row for each step: a full bar of what is lost at best, from where the one before it ended, and a thin one of the typical loss."""
    listed = list(steps)
    at, places = 0.0, []
    for step in listed:
        places.append(at)
        at += _lost(step.best)
    top = max(1.0, at, *(place + _lost(step.typical) for place, step in zip(places, listed, strict=True)))

    def x(value: float) -> int:
        return round(NAMES + (RIGHT - NAMES) * min(value, top) / top)

    bottom = TOP + ROW * len(listed)
    powers = range(int(top) + 1)
    grid = "".join(f"M{x(k)} {TOP - 6}V{bottom}" for k in powers)
    ticks = "".join(f'<text x="{x(k)}" y="{TOP - 12}">{decade(k)}</text>' for k in powers)
    rows = ""
    for k, (step, place) in enumerate(zip(listed, places, strict=True)):
        y, end = TOP + ROW * k + ROW // 2, place + _lost(step.best)
        name = f"{step.id} {step.claim}".strip()
        rows += f'<text x="{NAMES - 8}" y="{y + 4}" text-anchor="end">{escape(name if len(name) < 30 else name[:29] + "…")}</text>'
        rows += f'<path class="typical" d="M{x(place)} {y}H{x(place + _lost(step.typical))}"/>'
        rows += f'<path class="{"kept" if step.best >= NOTHING_LOST else "lost"}" d="M{x(place)} {y - 6}V{y + 6}H{x(end)}V{y - 6}z"/>'
        if k + 1 < len(listed):
            rows += f'<path class="next" d="M{x(end)} {y + 6}v{ROW - 12}"/>'
        word = "attained" if step.best >= NOTHING_LOST else f"× {few(1 / step.best)}"
        rows += f'<text x="{RIGHT + 10}" y="{y + 4}">{word}</text>'
    told = "; ".join(f"{s.id}: at best {few(1 / s.best)}, typically {few(1 / max(s.typical, 1e-99))}" for s in listed)
    return (
        f'<svg class="plot waterfall" role="img" width="{WIDTH}" height="{bottom + 12}" viewBox="0 0 {WIDTH} {bottom + 12}">'
        f"<title>slack along the chain to {escape(listed[-1].id if listed else '')}</title><desc>{escape(told)}</desc>"
        f'<path class="grid" d="{grid}"/><g text-anchor="middle">{ticks}</g>'
        f'<text class="name" x="{NAMES - 8}" y="{TOP - 12}" text-anchor="end">bound / observed</text>{rows}</svg>'
    )


def _lost(ratio: float) -> float:
    return min(LARGEST, max(0.0, -log10(ratio))) if ratio > 0 else LARGEST


def context(cards: dict[str, Card]) -> dict[str, Any] | None:
    """What waterfall.html needs; None where no chain was measured."""
    found = chains(cards)
    return {"chains": found} if found else None
