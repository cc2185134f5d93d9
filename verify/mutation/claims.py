"""Planted mistakes in whole claims: in their formulas, in their bounds, in what they assume."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import sympy

from almostlinear.theorems.asymptotics import NAMED, NEGLIGIBLE, Growth
from almostlinear.theorems.claims import Asymptotic, Bound, Claim, Condition, Cost, Identity, Rank, StatementError
from almostlinear.theorems.formula import Formula, ShapeError, rebuilt, symbol
from almostlinear.theorems.norms import Norm
from almostlinear.theorems.statement import Statement

from . import expressions, formulas

LOST = "lost hypothesis"
ASSUMED = ("mask", "causal", "positive", "unit", "onehot")
"""Domains of symbols that are hypotheses."""


@dataclass(frozen=True)
class Mutant:
    """A true claim with one mistake.

    Attributes:
        of, part, reading: the true claim.
        place: the side that the mistake is in.
        changed: the claim as it is now, or the whole statement where its hypotheses changed; None where the mistake was refused.
        refused: why.
    """

    of: str
    part: str
    reading: str
    kind: str
    operator: str
    place: str
    changed: Claim | Statement | None
    refused: str = ""

    @property
    def name(self) -> str:
        return f"{self.of} [{self.part}]: {self.operator}, {self.place}"

    @property
    def digest(self) -> str:
        """A hash of the claim as it is now, and of the hypotheses where they changed."""
        changed = self.changed
        content = changed.content_hash if isinstance(changed, Statement) else str(changed and changed.content())
        return hashlib.sha256("|".join([self.of, self.part, self.reading, content]).encode()).hexdigest()[:12]

    def within(self, made: Statement) -> tuple[Statement, Claim]:
        """The statement with the mistake in it, and the claim.

        Raises:
            ShapeError: or StatementError, if there is no such statement.
        """
        label = (self.part, self.reading)
        whole = self.changed
        if not isinstance(whole, Statement):
            assert whole is not None
            claims = tuple(whole if (c.part, c.reading) == label else c for c in made.claims)
            whole = replace(made, claims=claims)
        return whole, next(c for c in whole.claims if (c.part, c.reading) == label)


Raw = tuple[str, str, Claim | Statement | None, str]
"""Operator, place, and the claim (or the statement, where its hypotheses changed), or None and why it was refused."""


def mutants(made: Statement, claim: Claim) -> Iterator[Mutant]:
    """Every mistake in one claim, each once; those that leave it as it is are no mistakes."""
    seen: set[Any] = {replace(claim, typo="")}
    for operator, place, found, refused in _RULES[type(claim).__name__](made, claim):
        key = found.content_hash if isinstance(found, Statement) else found
        if found is None or key not in seen:
            seen.add(key)
            yield Mutant(made.id, claim.part, claim.reading, type(claim).__name__, operator, place, found, refused)


def _built(operator: str, place: str, build: Callable[[], Claim]) -> Raw:
    try:
        return operator, place, build(), ""
    except (ShapeError, StatementError, ValueError, TypeError) as error:
        return operator, place, None, str(error)


# -- identities ------------------------------------------------------------------------------------------------------------
def _identity(made: Statement, claim: Identity) -> Iterator[Raw]:
    for place in ("right", "left"):
        side: Formula = getattr(claim, place)
        for found in formulas.mutants(side):
            if found.formula is None:
                yield found.operator, place, None, found.refused
            else:
                yield _built(found.operator, place, partial(replace, claim, typo="", **{place: found.formula}))
    yield "constant halved", "right", replace(claim, right=claim.right.scaled(formulas.HALF)), ""
    yield "sign", "right", replace(claim, right=-claim.right), ""
    for k, condition in enumerate(claim.where):
        others = (*claim.where[:k], *claim.where[k + 1 :])
        yield LOST, "where", replace(claim, where=others), ""
        turned = Condition(condition.left, "!=" if condition.relation == "==" else "==", condition.right)
        yield "the wrong case", "where", replace(claim, where=(*others, turned)), ""
    for name, node in _symbols(claim).items():
        if node.data[1] in ASSUMED:
            free = symbol(f"any {name}", *node.shape)
            sides = [side.rebuild(partial(_instead, node, free)) for side in claim.formulas()]
            yield LOST, f"{name} is {node.data[1]}", replace(claim, left=sides[0], right=sides[1]), ""


def _instead(old: Formula, new: Formula, node: Formula) -> Formula | None:
    return new if node is old else None


def _symbols(claim: Claim) -> dict[str, Formula]:
    return {name: node for f in claim.formulas() for name, node in f.symbols().items()}


# -- bounds ----------------------------------------------------------------------------------------------------------------
def _bound(made: Statement, claim: Bound) -> Iterator[Raw]:
    """Mistakes in the right side, in a hypothesis, and in one of two matrices whose difference is bounded."""
    for operator, found in expressions.mutants(claim.right):
        if _has_values(found):
            yield _built(operator, "right", partial(replace, claim, right=found, typo=""))
        else:
            yield operator, "right", None, f"{found} is no real number at some sizes"
    for norm in sorted((x for x in claim.left.free_symbols if isinstance(x, Norm)), key=lambda x: (x.name, x.norm)):
        for planted in _of_difference(norm.formula):
            if planted.formula is None:
                yield planted.operator, "left", None, planted.refused
                continue
            new = expressions.with_formula(norm, planted.formula)
            yield _built(planted.operator, "left", partial(_with_left, claim, claim.left.subs(norm, new)))
    for k, relation in enumerate(claim.given):
        others = (*claim.given[:k], *claim.given[k + 1 :])
        if all(_has_value_without(e, relation) for e in (claim.right, *(x.lts for x in others))):
            yield LOST, f"given {relation}", replace(claim, given=others), ""
        else:
            yield LOST, f"given {relation}", None, f"{claim.right} has no value without {relation}"


def _of_difference(a: Formula) -> Iterator[formulas.Planted]:
    """Mistakes in one of the two matrices of a difference."""
    while a.op == "define":
        a = a.args[0]
    if a.op != "add" or not any(term.op == "scale" and term.data == (-1,) for term in a.args):
        return
    for k, term in enumerate(a.args):
        for planted in formulas.mutants(term):
            if planted.formula is None:
                yield planted
            elif planted.formula.shape != term.shape:
                yield formulas.Planted(planted.operator, None, "the shapes of the difference clash")
            else:
                args = (*a.args[:k], planted.formula, *a.args[k + 1 :])
                yield formulas.Planted(planted.operator, rebuilt(a, args))


def _has_values(e: sympy.Expr) -> bool:
    """Whether an expression is a real number at small sizes: not a factorial below zero, nor a root that vanished under its sign."""
    sizes = [s for s in e.free_symbols if s.is_integer]
    return not any(e.subs(dict.fromkeys(sizes, k)).has(sympy.I, sympy.zoo, sympy.nan, sympy.oo) for k in (1, 2, 3))


def _has_value_without(right: sympy.Expr, relation: sympy.core.relational.Relational) -> bool:
    """Whether a bound is a real number where its hypothesis fails."""
    beyond = right.subs(relation.lts, relation.gts + 1)
    return not beyond.has(sympy.I, sympy.zoo, sympy.nan)


def _with_left(claim: Bound, left: sympy.Expr) -> Bound:
    return replace(claim, left=left, typo="", via=None)


# -- ranks, costs, growth ------------------------------------------------------------------------------------------------
def _rank(made: Statement, claim: Rank) -> Iterator[Raw]:
    yield "constant", "at most", replace(claim, at_most=claim.at_most - 1), ""
    for operator, found in expressions.mutants(claim.at_most):
        yield operator, "at most", replace(claim, at_most=found), ""


def _cost(made: Statement, claim: Cost) -> Iterator[Raw]:
    """Mistakes in the bound, in what is at hand and in the order of products; constants of an O(.) mean nothing."""
    if isinstance(claim.at_most, Growth):
        yield "smaller class", "at most", replace(claim, at_most=_smaller(claim.at_most)), ""
        yield from _assumptions(made, claim)
    else:
        found = [*expressions.mutants(claim.at_most)]
        found += [("exponent", sympy.expand(claim.at_most / s)) for s in sorted(claim.at_most.free_symbols, key=str)]
        for operator, bound in found:
            meant = claim.constant or operator not in ("constant halved", "sign")
            if meant and bound.is_polynomial(*bound.free_symbols):
                yield operator, "at most", replace(claim, at_most=bound), ""
    for k in range(len(claim.given)):
        yield LOST, "at hand", replace(claim, given=(*claim.given[:k], *claim.given[k + 1 :])), ""
    for k, line in enumerate(claim.lines):
        for turned in _bracketed(line):
            lines = (*claim.lines[:k], turned, *claim.lines[k + 1 :])
            yield "order of evaluation", "lines", replace(claim, lines=lines), ""


def _bracketed(line: Formula) -> Iterator[Formula]:
    """(A B) C for A (B C), and the other way round, at every place."""
    for node in line.walk():
        if node.op != "matmul":
            continue
        a, b = node.args
        turned = []
        if a.op == "matmul":
            turned.append(a.args[0] @ (a.args[1] @ b))
        if b.op == "matmul":
            turned.append((a @ b.args[0]) @ b.args[1])
        for new in turned:
            yield line.rebuild(partial(_instead, node, new))


def _smaller(growth: Growth) -> Growth:
    return max((c for c in (NEGLIGIBLE, *NAMED) if c < growth), default=NEGLIGIBLE)


def _growth(made: Statement, claim: Asymptotic) -> Iterator[Raw]:
    yield "smaller class", "growth", replace(claim, growth=_smaller(claim.growth)), ""
    for size in sorted((s for s in claim.expression.free_symbols if s.is_integer), key=str):
        yield "exponent", "expression", replace(claim, expression=claim.expression * size), ""
    for used in claim.relies_on:
        others = tuple(x for x in claim.relies_on if x != used)
        yield LOST, f"relies on {used}", replace(claim, relies_on=others), ""
    for k in range(len(claim.granting)):
        yield LOST, "granted", replace(claim, granting=(*claim.granting[:k], *claim.granting[k + 1 :])), ""
    yield from _assumptions(made, claim)


def _assumptions(made: Statement, claim: Claim) -> Iterator[Raw]:
    """The statement without one of its hypotheses."""
    for field in ("assumes", "granted"):
        listed = getattr(made, field)
        for k in range(len(listed)):
            fewer: dict[str, Any] = {field: (*listed[:k], *listed[k + 1 :])}
            lacking = replace(made, **fewer)
            yield LOST, str(listed[k]), lacking, ""


_RULES: dict[str, Callable[[Statement, Any], Iterator[Raw]]] = {
    "Identity": _identity,
    "Bound": _bound,
    "Rank": _rank,
    "Cost": _cost,
    "Asymptotic": _growth,
    "Factors": lambda *_: iter(()),
    "Probability": lambda *_: iter(()),
    "Expectation": lambda *_: iter(()),
}
