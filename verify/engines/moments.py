"""Expectations decided exactly: both sides are expanded to polynomials, and every random monomial is replaced by its moment.

Why finitely many sizes decide all: a side is a sum over letters, at most t of a size s, of terms whose moments depend only on which
letters are equal. The coefficient of a monomial in the other matrices is therefore a polynomial in s, once the at most b
denominators are cleared: a sum over patterns of equal letters of so many choices of the letters that the monomial does not show. Its
degree is at most t + a + b, a that of the scalars; two sides that agree at s = 1..t+a+b+1, all sizes together, agree for all s.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import sympy
from flint import fmpq, fmpq_mpoly

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.sizes import at, letters_of
from almostlinear.theorems.statement import Expectation

from ..backends.arrays import NotExact
from ..backends.interpreter import Interpreter
from ..backends.polynomial import Polynomials
from ..evidence import REFUTED, Evidence
from ..problems import Problem, size_names, to_json
from ..task import Task
from .witness import small_entries

ENGINE = "moments"
MOST_TERMS = {"quick": 60_000, "ci": 200_000, "thorough": 400_000}
"""Largest number of monomials that are expanded at one size, estimated before it is done."""
SHORT = 5
"""Where not all sizes that decide can be expanded, only those with so many times fewer monomials are."""
WITNESSES = 40
"""Integer values tried to show in numbers that two polynomials differ."""
LINEAR = ("define", "transpose", "row", "col", "entry", "diag")
LEAVES = ("symbol", "ones", "eye", "unit")


# -- moments -----------------------------------------------------------------------------------------------------------
@cache
def moment(law: str, power: int) -> fmpq:
    """E[x^power] of one entry."""
    if power % 2:
        return fmpq(0)
    if law == "normal":
        return fmpq(math.prod(range(1, power, 2)))
    return fmpq(1, power + 1) if law == "uniform" else fmpq(1)


def onehot_moment(places: list[tuple[int, int]], columns: int) -> fmpq:
    """E of a product of entries (row, column) of a matrix with uniform one-hot rows."""
    chosen: dict[int, int] = {}
    for row, column in places:
        if chosen.setdefault(row, column) != column:
            return fmpq(0)
    return fmpq(1, columns ** len(chosen))


class Moments(Polynomials):
    """Polynomials at numbers for sizes; a symbol with a value in the problem is that value, the others are variables."""

    def scalar_symbol(self, name: str, power: int) -> Any:
        if name in self.sizes:
            return self.number(Fraction(self.sizes[name]) ** power)
        return super().scalar_symbol(name, power)

    def load(self, name: str, shape: tuple[int, int], domain: str) -> Any:
        if name not in self.problem.values:
            return super().load(name, shape, domain)
        return self.each(lambda x: self.number(Fraction(x)), self.problem.matrix(name, shape))

    def recip1(self, a: Any) -> Any:
        return self.each(self._one_over, a)

    def _one_over(self, x: Any) -> Any:
        if x == 0:
            raise ZeroDivisionError("1/0")
        return self.ring.constant(1 / x.leading_coefficient()) if x.is_constant() else self.variable("recip", str(x))


def expected(
    value: fmpq_mpoly, backend: Moments, laws: Mapping[str, str], columns: Mapping[str, int]
) -> dict[Any, fmpq]:
    """E of a polynomial, as coefficients by the monomial in the variables that are not random."""
    law_of = {k: laws[key[1]] for k, key in enumerate(backend.variables) if key[0] == "entry" and key[1] in laws}
    places = list(backend.variables)
    found: dict[Any, fmpq] = {}
    for powers, coefficient in value.to_dict().items():
        rest: list[tuple[int, int]] = []
        hot: dict[str, list[tuple[int, int]]] = {}
        for k, power in enumerate(powers):
            if not power:
                continue
            law = law_of.get(k)
            if law is None:
                rest.append((k, int(power)))
            elif law == "onehot":
                hot.setdefault(places[k][1], []).append(places[k][2])
            elif (factor := moment(law, int(power))) == 0:
                coefficient = fmpq(0)
                break
            elif factor != 1:
                coefficient = coefficient * factor
        for name, where in hot.items() if coefficient else ():
            coefficient = coefficient * onehot_moment(where, columns[name])
        if coefficient:
            key = tuple(rest)
            found[key] = found.get(key, fmpq(0)) + coefficient
    return {rest: c for rest, c in found.items() if c != 0}


def sides(claim: Expectation, problem: Problem) -> tuple[list[dict[Any, fmpq]], list[dict[Any, fmpq]]]:
    """E[left] and right, entry by entry."""
    symbols = {node for f in claim.formulas() for node in f.symbols().values()}
    room = 16 + sum(at(s.shape[0], problem.sizes) * at(s.shape[1], problem.sizes) for s in symbols)
    backend = Moments(problem, room + sum(1 for f in claim.formulas() for node in f.walk() if node.op == "recip"))
    evaluate = Interpreter(backend)
    laws = {node.data[0]: law for node, law in claim.random}
    columns = {node.data[0]: at(node.shape[1], problem.sizes) for node, _ in claim.random}
    left, right = (
        [expected(x, backend, laws, columns) for x in evaluate(side).ravel()] for side in (claim.left, claim.right)
    )
    return left, right


# -- which sizes decide all ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Letters:
    """Of one formula: summed letters and the degree of its scalars together, and denominators, by size."""

    above: Counter[str]
    below: Counter[str]

    def __add__(self, other: Letters) -> Letters:
        return Letters(self.above + other.above, self.below + other.below)

    def __or__(self, other: Letters) -> Letters:
        return Letters(self.above | other.above, self.below | other.below)


NONE = Letters(Counter(), Counter())


class Unclear(ValueError):
    """A formula for which finitely many sizes are not known to decide all."""


def _count(node: Formula, args: list[Letters], onehot: set[Formula]) -> Letters:
    if node.op in LEAVES:
        return Letters(Counter(), Counter(letters_of(node.shape[1]))) if node in onehot else NONE
    if node.op in LINEAR:
        return args[0]
    if node.op == "add":
        return args[0] | args[1]
    if node.op in ("hadamard", "times"):
        return args[0] + args[1]
    if node.op == "matmul":
        return args[0] + args[1] + Letters(Counter(letters_of(node.args[0].shape[1])), Counter())
    if node.op == "sum":
        return args[0] + Letters(Counter(letters_of(node.data[0].size)), Counter())
    if node.op == "stack":
        return args[0]
    if node.op == "scale":
        return args[0] + _scalar(node.data[0])
    raise Unclear(node.op)


def _scalar(value: sympy.Expr) -> Letters:
    """Degrees of numerator and denominator in each size; the denominator must be a monomial."""
    numerator, denominator = sympy.fraction(sympy.together(value))
    names = sorted((s for s in value.free_symbols if s.is_integer), key=str)
    if denominator.free_symbols and len(sympy.Add.make_args(sympy.expand(denominator))) > 1:
        raise Unclear(f"the denominator {denominator}")
    if not (numerator.is_polynomial(*names) and denominator.is_polynomial(*names)):
        raise Unclear(f"the scalar {value}")
    above = Counter({s.name: int(sympy.degree(numerator, s)) for s in names if numerator.has(s)})
    return Letters(above, Counter({s.name: int(sympy.degree(denominator, s)) for s in names if denominator.has(s)}))


def deciding(claim: Expectation) -> dict[str, int]:
    """For every size the number up to which all values are tried.

    Raises:
        Unclear: if an operation or a shape is not covered by the argument above.
    """
    onehot = {node for node, law in claim.random if law == "onehot"}
    counted = []
    for side in claim.formulas():
        known: dict[Formula, Letters] = {}
        for node in side.walk():
            if any(not (x.is_Symbol or x.is_Integer) for x in node.shape):
                raise Unclear(f"the shape {node.shape[0]} x {node.shape[1]}")
            known[node] = _count(node, [known[a] for a in node.args], onehot)
        outer = Counter(letters_of(side.shape[0])) + Counter(letters_of(side.shape[1]))
        counted.append(known[side] + Letters(outer, Counter()))
    both = counted[0] | counted[1]
    return {name: both.above[name] + both.below[name] + 1 for name in sizes_of(claim)}


def sizes_of(claim: Expectation) -> list[str]:
    """The sizes that a claim speaks of."""
    scalars = {
        s.name
        for f in claim.formulas()
        for n in f.walk()
        if n.op == "scale"
        for s in n.data[0].free_symbols
        if s.is_integer
    }
    shapes = {s.name for f in claim.formulas() for n in f.walk() for e in n.shape for s in e.free_symbols}
    names = set(size_names({n for f in claim.formulas() for n in f.symbols().values()})) | scalars | shapes
    return sorted(name for name in names if not name.isdigit())


def grid(upto: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """All sizes up to these, the smallest first."""
    names = list(upto)
    values = itertools.product(*(range(1, upto[name] + 1) for name in names))
    return (dict(zip(names, v, strict=True)) for v in sorted(values, key=lambda v: (sum(v), v)))


def terms(a: Formula, sizes: dict[str, int]) -> int:
    """At least as many as the monomials of the largest entry, before like ones are collected."""
    known: dict[Formula, int] = {}
    for node in a.walk():
        args = [known[x] for x in node.args]
        if node.op == "matmul":
            known[node] = at(node.args[0].shape[1], sizes) * args[0] * args[1]
        elif node.op == "sum":
            known[node] = at(node.data[0].size, sizes) * args[0]
        elif node.op == "add":
            known[node] = args[0] + args[1]
        else:
            known[node] = math.prod(args)
    return known[a]


# -- the engine ----------------------------------------------------------------------------------------------------------
def examine(task: Task) -> Evidence | None:
    """``proved`` where the sizes tried decide all, ``proved-at-size``, ``refuted`` with a witness, or None."""
    claim = task.claim
    if not isinstance(claim, Expectation):
        return None
    try:
        upto, complete = deciding(claim), True
    except Unclear:
        upto, complete = dict.fromkeys(sizes_of(claim), 3), False
    most, costs = MOST_TERMS[task.profile.name], [(sizes, _cost(claim, sizes)) for sizes in grid(upto)]
    if max(cost for _, cost in costs) > most:
        complete, most = False, most // SHORT
    done = [sizes for sizes, cost in costs if cost <= most]
    for sizes in done:
        left, right = sides(claim, Problem(sizes))
        if left != right:
            return _refuted(task, claim, sizes)
    if not done:
        return None
    detail: dict[str, Any] = {"sizes": done[-1], "all sizes": complete, "sizes tried": len(done)}
    if not complete:
        detail["every size tried"] = [", ".join(f"{k} = {v}" for k, v in sizes.items()) for sizes in done]
    strength = "proved" if complete else "proved-at-size"
    return task.found(ENGINE, strength, "exact", ("python-flint", "sympy"), tried=len(done), detail=detail)


def _cost(claim: Expectation, sizes: dict[str, int]) -> int:
    """Monomials of both sides, entries together."""
    entries = at(claim.left.shape[0], sizes) * at(claim.left.shape[1], sizes)
    return entries * max(terms(side, sizes) for side in claim.formulas())


def _refuted(task: Task, claim: Expectation, sizes: dict[str, int]) -> Evidence | None:
    """A refutation with integers for the matrices that are not random, or None if none tried shows a difference."""
    random = {node.data[0] for node, _ in claim.random}
    symbols = {n.data[0]: n for f in claim.formulas() for n in f.symbols().values() if n.data[0] not in random}
    for k in range(WITNESSES):
        rng = np.random.default_rng([task.seed, k])
        values = {
            name: _integers(node, (at(node.shape[0], sizes), at(node.shape[1], sizes)), k, rng)
            for name, node in sorted(symbols.items())
        }
        problem = Problem(sizes, values)
        try:
            found = recheck(claim, problem)
        except (ZeroDivisionError, NotExact):
            continue
        if found is not None:
            witness = {
                "schema": 1, "statement": task.statement.id, "part": claim.part, "reading": claim.reading,
                **to_json(problem), "claimed": found[0], "actual": found[1], "arithmetic": "exact",
            }  # fmt: skip
            made = json.loads(json.dumps(witness))
            return task.found(
                ENGINE,
                REFUTED,
                "exact",
                ("python-flint",),
                tried=k + 1,
                seed=task.seed,
                detail={"sizes": sizes},
                witness=made,
            )
    return None


def _integers(node: Formula, shape: tuple[int, int], attempt: int, rng: np.random.Generator) -> Any:
    """Entries in {-1, 0, 1}, and in later attempts of reals up to 4: a polynomial may vanish on the smaller ones."""
    if node.data[1] == "real" and attempt >= WITNESSES // 2:
        return rng.integers(-4, 5, shape).astype(object)
    return small_entries(node.data[1], shape, attempt / WITNESSES, rng)


def recheck(claim: Expectation, problem: Problem) -> tuple[str, str] | None:
    """(claimed, actual) of the first entry that differs at a problem, exactly, else None."""
    for actual, claimed in zip(*sides(claim, problem), strict=True):
        if actual != claimed:
            return str(claimed.get((), fmpq(0))), str(actual.get((), fmpq(0)))
    return None
