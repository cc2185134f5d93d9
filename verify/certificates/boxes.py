"""Box certificates: functions of chain 2 that are nonnegative on a box, shown by branch and bound in ball arithmetic.

A box is halved across its longest side until the function, evaluated on each piece, is surely of its sign; the pieces are the certificate,
which the stand-alone checker evaluates again. Coq proves the same facts by its own interval arithmetic (`coq.boxes`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from flint import arb, ctx

from .. import checker
from ..coq.boxes import POINTS, around, ball
from ..real_numbers import FUNCTIONS
from . import write

FILE = "boxes.json"
PRECISION = 64
MOST_BOXES = 20_000
WITHIN_REACH = 5
"""Degrees 1 to 5: plain ball evaluation would take more boxes than MOST_BOXES to come within SLACK of J_6(1)."""
Box = tuple[tuple[Fraction, Fraction], ...]


class NotShown(ValueError):
    """A function whose sign is not decided within the budget of boxes; the message names it and the box."""


@dataclass(frozen=True)
class Fact:
    """``function`` (an expression of the checker) is >= 0, or > 0, on a box."""

    says: str
    function: str
    variables: tuple[str, ...]
    domain: Box
    strict: bool = False


def facts() -> Iterator[Fact]:
    """Of chain.md 2: the relative error and the sign of T_g, the errors of normalised weights, and the logistic slope."""
    for g, b in POINTS[:WITHIN_REACH]:
        _, high = around(FUNCTIONS["J"](ball(b), arb(g)))
        for sign, word in (("-", "above"), ("+", "below")):
            says = f"T_{g}(x) e^-x - 1 on [-{b}, {b}], from {word}: at most J_{g}({b}) as enclosed"
            yield Fact(says, f"{high} {sign} (T(x, {g})*exp(-x) - 1)", ("x",), ((-b, b),))
    whole = (Fraction(-4), Fraction(4))
    for k in (1, 2):
        yield Fact(f"T_{2 * k} > 0 on [-4, 4]", f"T(x, {2 * k})", ("x",), (whole,), strict=True)
    share = (Fraction(1, 100), Fraction(99, 100))
    yield Fact("eps_1 <= eta/(1 - eta) on [1/100, 99/100]", "x/(1 - x) - 2*x/(1 + sqrt(1 - x**2))", ("x",), (share,))
    yield Fact("tanh(y) <= y on [1/10, 8]", "y - tanh(y)", ("y",), ((Fraction(1, 10), Fraction(8)),))
    moved = "2*p*(exp(t) - 1)*(1 - p)/(1 + p*(exp(t) - 1))"
    moved = "2*p*(1 - p)*(exp(t) - 1)/(1 - p + p*exp(t))"
    inner = ((Fraction(1, 20), Fraction(19, 20)), (Fraction(3, 2), Fraction(4)))
    yield Fact(
        "weights p, 1 - p move by at most t/2 in l1 when a score moves by t", f"t/2 - {moved}", ("p", "t"), inner
    )


def certificate(fact: Fact) -> dict[str, Any]:
    """The boxes of a fact.

    Raises:
        NotShown: if more than MOST_BOXES would be needed, or the function is surely of the other sign on a box.
    """
    done: list[Box] = []
    waiting = [fact.domain]
    with ctx.workprec(PRECISION):
        while waiting:
            box = waiting.pop()
            names = {v: ball(low).union(ball(high)) for v, (low, high) in zip(fact.variables, box, strict=True)}
            found = arb(0) + checker.value(fact.function, names, checker.FUNCTIONS)
            if found > 0 or (not fact.strict and found >= 0):
                done.append(box)
                continue
            if found < 0 or len(done) + len(waiting) > MOST_BOXES:
                where = ", ".join(f"{v} in [{a}, {b}]" for v, (a, b) in zip(fact.variables, box, strict=True))
                raise NotShown(f"{fact.says}: for {where} it is within {found}")
            waiting += halves(box)
    return {
        "kind": "box",
        "step": fact.says,
        "function": fact.function,
        "variables": list(fact.variables),
        "inequality": "> 0" if fact.strict else ">= 0",
        "domain": [[str(a), str(b)] for a, b in fact.domain],
        "precision": PRECISION,
        "boxes": [[[str(a), str(b)] for a, b in box] for box in done],
    }


def halves(box: Box) -> list[Box]:
    """The box cut across its longest side."""
    k = max(range(len(box)), key=lambda i: box[i][1] - box[i][0])
    low, high = box[k]
    middle = (low + high) / 2
    return [(*box[:k], part, *box[k + 1 :]) for part in ((low, middle), (middle, high))]


def document() -> dict[str, Any]:
    """The certificates of all facts, accepted by the checker."""
    made = write.document("bounds on boxes", [certificate(fact) for fact in facts()])
    checker.check(made)
    return made
