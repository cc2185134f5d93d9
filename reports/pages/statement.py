"""The page of one statement: beside its card, what stands around it in the graph and in the order of the paper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import plots
from ..svg import dependency_graph
from ..verdicts import ORIGINS
from .cards import Card, Sections
from .overview import nodes

MOST = 40
"""Neighbours up to which the neighbourhood is drawn."""


def contexts(cards: dict[str, Card], sections: Sections) -> Iterator[tuple[Card, dict[str, Any]]]:
    """What statement.html needs, for each statement."""
    heading = {card.id: name for name, group in sections for card in group}
    order = list(cards.values())
    frames = plots.frames()
    for k, card in enumerate(order):
        around = _around(card, cards)
        yield (
            card,
            {
                "card": card,
                "section": heading[card.id],
                "before": order[k - 1] if k else None,
                "after": order[k + 1] if k + 1 < len(order) else None,
                "repairs": [cards[name] for name in card.repaired_by],
                "original": cards.get(card.repairs or ""),
                "frames": frames if card.figures else "",
                "graph": dependency_graph(nodes(around, "../")) if 1 < len(around) <= MOST else "",
                "origins": ORIGINS,
            },
        )


def _around(card: Card, cards: dict[str, Card]) -> list[Card]:
    """The statement, what it uses and what uses it."""
    names = dict.fromkeys([*card.uses, card.id, *card.used_by])
    return [cards[name] for name in names if name in cards]
