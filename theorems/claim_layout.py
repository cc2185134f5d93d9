"""The layout of claims, of growth classes and of the conditions under which a claim is made.

    Identity     X = G                                   Bound     |A| ≤ n |B|
    Rank         rank(A) ≤ k1 k2                         Cost      operations(U (Vᵀ X)) = O(n k1 d)
    Asymptotic   n |f~ - f| |h| = 1/poly(n)              Factors   there are U, V with n^(o(1)) columns and |U Vᵀ - f| ≤ 1/poly(n)

A cost speaks of the order in which products are taken, so its products show their brackets.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy

from .asymptotics import INFINITE, NEGLIGIBLE, POLY, POLYLOG, UNBOUNDED, Growth
from .claims import Asymptotic, Bound, Claim, Cost, Expectation, Factors, Identity, Probability, Rank
from .formula import symbol
from .layout import Node, call, expression, fence, grouped, index, index_range, joined, layout
from .sizes import Index, size

__all__ = ["claim_layout", "claim_parts", "growth_layout"]

_WIDTH = size("k")
STEP = "step of the printed proof"
_N: Node = ("id", "n")
_LOG_N: Node = ("row", ("up", "log"), ("op", "juxt"), _N)


def claim_layout(claim: Claim) -> Node:
    """The relation and its conditions on one line."""
    relation, condition = claim_parts(claim)
    return relation if condition is None else ("row", relation, ("quad",), condition)


def claim_parts(claim: Claim) -> tuple[Node, Node | None]:
    """The relation that is claimed, and for which indices or under which conditions (None: without)."""
    nodes: list[Node] = []
    for words, piece in _conditions(claim):
        nodes += [("text", f" {words} " if nodes else f"{words} "), piece]
    if claim.step:
        nodes.append(("text", f"; {STEP}" if nodes else STEP))
    return _RELATIONS[type(claim)](claim), ("row", *nodes) if nodes else None


# -- what is claimed ---------------------------------------------------------------------------------------
def _sympy(e: Any) -> Node:
    return expression(e)[1]


def _identity(claim: Identity) -> Node:
    return ("row", layout(claim.left), ("op", "="), layout(claim.right))


def _bound(claim: Bound) -> Node:
    return ("row", _sympy(claim.left), ("op", "≤"), _sympy(claim.right))


def _rank(claim: Rank) -> Node:
    return ("row", call("rank", layout(claim.formula)), ("op", "≤"), _sympy(claim.at_most))


def _cost(claim: Cost) -> Node:
    counted = call("operations", joined("; ", [layout(grouped(line), expand=1) for line in claim.lines]))
    if isinstance(claim.at_most, Growth):
        return ("row", counted, ("op", "="), growth_layout(claim.at_most))
    if claim.constant:
        return ("row", counted, ("op", "≤"), _sympy(claim.at_most))
    return ("row", counted, ("op", "="), call("O", _sympy(claim.at_most)))


def _asymptotic(claim: Asymptotic) -> Node:
    return ("row", _sympy(claim.expression), ("op", "="), growth_layout(claim.growth))


def _factors(claim: Factors) -> Node:
    rows, columns = claim.target.shape
    u, v = symbol("U", rows, _WIDTH), symbol("V", columns, _WIDTH)
    error = fence(layout(u @ v.T - claim.target), "|", "|")
    width, class_ = growth_layout(claim.width), growth_layout(claim.error)
    pair = joined(", ", [layout(u), layout(v)])
    there_are: Node = ("row", ("text", "there are "), pair, ("text", " with "), width, ("text", " columns and "))
    return ("row", *there_are[1:], error, ("op", "≤"), class_)


def _probability(claim: Probability) -> Node:
    return ("row", call("P", _bound(claim.event)), ("op", "≥"), _sympy(claim.at_least))


def _expectation(claim: Expectation) -> Node:
    return ("row", call("E", layout(claim.left)), ("op", "="), layout(claim.right))


_RELATIONS: dict[type, Callable[[Any], Node]] = {
    Identity: _identity, Bound: _bound, Rank: _rank, Cost: _cost, Asymptotic: _asymptotic, Factors: _factors,
    Probability: _probability, Expectation: _expectation,
}  # fmt: skip


# -- for what, under which conditions ----------------------------------------------------------------------
def _conditions(claim: Claim) -> list[tuple[str, Node]]:
    found = []
    ranges: dict[Any, list[Index]] = {}
    for letter in sorted({i for f in claim.formulas() for i in f.free}, key=lambda i: i.name):
        ranges.setdefault(letter.size, []).append(letter)
    if ranges:
        found.append(("for all", joined(", ", [index_range(letters) for letters in ranges.values()])))
    words, listed = _given(claim)
    if listed:
        found.append((words, joined(", ", listed)))
    return found


def _given(claim: Claim) -> tuple[str, list[Node]]:
    if isinstance(claim, Bound):
        return "if", [_sympy(g) for g in claim.given]
    if isinstance(claim, Cost):
        return "given", [layout(f) for f in claim.given]
    if isinstance(claim, Asymptotic):
        return "by", [("text", name) for name in claim.relies_on]
    if isinstance(claim, Probability | Expectation):
        return "over", [("row", layout(node), ("text", f" ({law})")) for node, law in claim.random]
    signs = {"==": "=", "!=": "≠"}
    return "with", [("row", index(c.left), ("op", signs[c.relation]), index(c.right)) for c in claim.where]


# -- growth classes ----------------------------------------------------------------------------------------
_WORDS: dict[Growth, Node] = {
    NEGLIGIBLE: ("row", ("num", "1"), ("op", "/"), call("poly", _N)),
    POLYLOG: call("polylog", _N),
    POLY: call("poly", _N),
    UNBOUNDED: ("text", "unbounded"),
}


def growth_layout(growth: Growth) -> Node:
    """A growth class as it is written: O(log n), n^{1+o(1)}, 1/poly(n)."""
    if growth in _WORDS:
        return _WORDS[growth]
    factors: list[Node] = []
    if growth.power or growth.sub:
        exponents = [_number(growth.power)] if growth.power else []
        exponents += [call("o", ("num", "1"))] if growth.sub else []
        factors.append(_N if growth.power == 1 and not growth.sub else ("sup", _N, joined("+", exponents)))
    if growth.log and not growth.sub:
        factors.append(_log_power(growth.log))
    inside = joined("juxt", factors) if factors else ("num", "1")
    return inside if growth.sub else call("o" if growth.little else "O", inside)


def _number(value: Fraction | float) -> Node:
    return _sympy(sympy.Rational(str(value)))


def _log_power(power: Fraction | float) -> Node:
    if power == INFINITE:
        return _WORDS[POLYLOG]
    if power == Fraction(1, 2):
        return ("sqrt", _LOG_N)
    return _LOG_N if power == 1 else ("sup", fence(_LOG_N), _number(power))
