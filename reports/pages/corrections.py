"""The errata page: what is printed and what is true side by side, arguments with a gap, misprints.

A formula that would fill a page is left to the page of its statement.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..errata import reasons
from .cards import Card
from .formulas import Part
from .overview import FAILING

LONG = (12_000, 9_000, 7_000, 5_000, 3_000, 1_000, 0)
"""Characters of MathML above which what a cell of the table shows is cut: the first of them that keeps the page small is taken."""
MOST = 300_000
"""Characters of all cells."""


def context(cards: dict[str, Card]) -> dict[str, Any]:
    """What errata.html needs."""
    published = [card for card in cards.values() if card.origin == "published"]
    failing = [card for card in published if card.fails]
    for room in LONG:
        rows = [_row(c, cards, room) for c in failing]
        if sum(row["length"] for row in rows) <= MOST:
            break
    groups = [
        (verdict, title, [row for row in rows if row["card"].verdict == verdict]) for verdict, title in FAILING.items()
    ]
    return {
        "groups": [group for group in groups if group[2]],
        "arguments": [(c, c.why) for c in published if c.gap and not c.fails],
        "misprints": [c for c in published if c.misprints],
    }


def _row(card: Card, cards: dict[str, Card], room: int) -> dict[str, Any]:
    """What is printed and what is true, for the parts that fail; for a gap what is missing, with its instance."""
    wrong = [part for part in card.parts if part.refuted] or card.parts
    names = {part.name for part in wrong}
    parts, left_out, length = _short(wrong, room)
    true = []
    for repair in (cards[name] for name in card.repaired_by):
        matched = [part for part in repair.parts if part.name in names]
        chosen = matched if names == {part.name for part in matched} else repair.parts
        shown, cut, more = _short(chosen, room)
        true.append((repair, shown, cut))
        length += more
    missing = reasons(card.gap) if card.verdict == "gap" else []
    return {"card": card, "parts": parts, "left_out": left_out, "repairs": true, "missing": missing, "length": length}


def _short(parts: list[Part], room: int) -> tuple[list[Part], str, int]:
    """The parts that there is room for, what there is none for, and the length of what is kept.

    Where no part has room with the names that it writes out, the shortest that has room without them is kept.
    """
    kept: list[Part] = []
    seen: set[str] = set()
    length = 0
    for part in parts:
        new = len(part.math) + sum(len(body) for body in part.bodies if body not in seen)
        if length + new <= room:
            kept.append(part)
            seen.update(part.bodies)
            length += new
    bare = min(parts, key=lambda part: len(part.math), default=None)
    if not kept and bare and len(bare.math) <= room:
        names = "what its names stand for" if bare.bodies else ""
        others = f"{len(parts) - 1} more" if len(parts) > 1 else ""
        return [replace(bare, bodies=[])], " and ".join(filter(None, (names, others))), len(bare.math)
    left = len(parts) - len(kept)
    return kept, f"{left} more" if left else "", length
