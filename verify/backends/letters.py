"""Index letters and degrees: what a formula's monomials can touch, whatever n and d are.

Write an entry of a formula as a polynomial in its free symbols (entries, exp(S_ij), 1/alpha_i, phi, phi'). Each monomial comes from
an assignment of values to index letters: the entry's own row and column, the free indices and one letter for each inner
index of a product or sum. Recorded for every node are

    letters   how many inner letters of each size a monomial needs at most,
    inside    the size at which two arguments of exp, 1/x, ... are equal only if they are so at every size,
    touched   which of row, column and free indices surely stand in a symbol of every monomial,
    lost      whether an inner letter may stand in no symbol (then coefficients depend on n),
    degree    the total degree, and how much of it is reciprocals.

If nothing is lost, setting to zero every symbol that touches a token outside a set A turns the polynomial for n tokens
into that for |A| tokens, with the same coefficients. So an identity whose monomials have at most t token letters holds for
every n if it holds for n = t; likewise for features and every other size. This is the step from sizes to all sizes.

It takes that exp(S_ij) and exp(S_kl) are one symbol at t only if they are at n: a monomial of S_ij - S_kl touches the letters
of both entries and the inner ones of one, so t must be at least their number (at d = 1, S and S^T would be equal). And it
takes that no argument is zero, for exp(0) touches nothing: `vanished` of the backends tells of that.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import sympy

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.sizes import AnyIndex, Index, letters_of

from .arrays import NotExact
from .interpreter import OPERATIONS, Environment, Interpreter

ROW, COLUMN = "row", "column"


@dataclass(frozen=True)
class Letters:
    """The record of one node; see the module's docstring. ``diagonal`` means zero unless row = column."""

    letters: Counter
    touched: frozenset
    lost: bool = False
    diagonal: bool = False
    degree: int = 0
    reciprocals: int = 0
    inside: Counter = field(default_factory=Counter)

    def with_touched(self, touched: Any) -> Letters:
        return replace(self, touched=frozenset(touched))


def _either(a: Letters, b: Letters) -> Letters:
    """The record of a sum: each monomial comes from one of the two."""
    return Letters(
        a.letters | b.letters,
        a.touched & b.touched,
        a.lost or b.lost,
        a.diagonal and b.diagonal,
        max(a.degree, b.degree),
        max(a.reciprocals, b.reciprocals),
        a.inside | b.inside,
    )


def _both(a: Letters, b: Letters, touched: Any) -> Letters:
    """The record of a product of two entries."""
    return Letters(
        a.letters + b.letters,
        frozenset(touched),
        a.lost or b.lost,
        False,
        a.degree + b.degree,
        a.reciprocals + b.reciprocals,
        a.inside | b.inside,
    )


class LetterCount:
    """The backend of these records; index sums and stacked rows are bound symbolically, not unrolled."""

    def range_of(self, index: Index) -> tuple[Index]:
        return (index,)

    def symbol(self, node: Formula, environment: Environment) -> Letters:
        return Letters(Counter(), frozenset({ROW, COLUMN}), degree=1)

    def ones(self, node: Formula, environment: Environment) -> Letters:
        return Letters(
            Counter(), frozenset(x for x, size in ((ROW, node.shape[0]), (COLUMN, node.shape[1])) if size == 1)
        )

    def eye(self, node: Formula, environment: Environment) -> Letters:
        return Letters(Counter(), frozenset(), diagonal=True)

    def unit(self, node: Formula, environment: Environment) -> Letters:
        """Zero unless the row is i: a product over the row has no letter of its own."""
        return Letters(Counter(), frozenset({COLUMN}), diagonal=True)

    def scale(self, node: Formula, environment: Environment, a: Letters) -> Letters:
        return replace(a, degree=a.degree + _scalar_degree(node.data[0]))

    def add(self, node: Formula, environment: Environment, a: Letters, b: Letters) -> Letters:
        return _either(a, b)

    def matmul(self, node: Formula, environment: Environment, a: Letters, b: Letters) -> Letters:
        touched = {x for x in a.touched if x != COLUMN} | {x for x in b.touched if x != ROW}
        if a.diagonal and ROW not in a.touched and ROW in b.touched:
            touched |= {ROW} if node.args[0].op == "eye" else set()
        made = replace(_both(a, b, touched), diagonal=a.diagonal and b.diagonal)
        if a.diagonal or b.diagonal:
            return made
        inner = letters_of(node.args[0].shape[1])
        lost = bool(inner) and COLUMN not in a.touched and ROW not in b.touched
        return replace(made, letters=made.letters + inner, lost=made.lost or lost)

    def transpose(self, node: Formula, environment: Environment, a: Letters) -> Letters:
        swap = {ROW: COLUMN, COLUMN: ROW}
        return a.with_touched(swap.get(x, x) for x in a.touched)

    def hadamard(self, node: Formula, environment: Environment, a: Letters, b: Letters) -> Letters:
        return replace(_both(a, b, a.touched | b.touched), diagonal=a.diagonal or b.diagonal)

    def times(self, node: Formula, environment: Environment, a: Letters, b: Letters) -> Letters:
        factor, matrix = (a, b) if node.args[0].is_scalar else (b, a)
        return replace(self.hadamard(node, environment, matrix, _inside(factor)), diagonal=matrix.diagonal)

    def _atom(self, node: Formula, a: Letters, reciprocal: bool = False) -> Letters:
        own = letters_of(node.shape[0]) + letters_of(node.shape[1])
        for index in node.free:
            own = own + letters_of(index.size)
        inside: Counter = Counter(a.inside | (own + own + a.letters))
        return Letters(Counter(), a.touched, a.lost, False, max(1, a.degree), int(reciprocal), inside)

    def exp(self, node: Formula, environment: Environment, a: Letters) -> Letters:
        return self._atom(node, a)

    func = absolute = exp

    def taylor(self, node: Formula, environment: Environment, a: Letters) -> Letters:
        """A degree that depends on a size speaks for that size alone."""
        return replace(self._atom(node, a), lost=a.lost or bool(node.data[0].free_symbols))

    def recip(self, node: Formula, environment: Environment, a: Letters) -> Letters:
        return self._atom(node, a, reciprocal=True)

    def diag(self, node: Formula, environment: Environment, a: Letters) -> Letters:
        touched = _inside(a, {ROW}).touched
        return replace(a, touched=touched | ({ROW, COLUMN} if ROW in a.touched else set()), diagonal=True)

    def kron(self, node: Formula, environment: Environment, a: Letters, b: Letters) -> Letters:
        ends = {x for x in (ROW, COLUMN) if x in a.touched and x in b.touched}
        return _both(a, b, ends | _inside(a).touched | _inside(b).touched)

    def rowkron(self, node: Formula, environment: Environment, a: Letters, b: Letters) -> Letters:
        ends = {ROW} & (a.touched | b.touched) | {COLUMN} & a.touched & b.touched
        return _both(a, b, ends | _inside(a).touched | _inside(b).touched)

    def row(self, node: Formula, environment: Environment, a: Letters) -> Letters:
        return self._slice(a, {ROW: node.data[0], COLUMN: ROW}, {COLUMN})

    def col(self, node: Formula, environment: Environment, a: Letters) -> Letters:
        return self._slice(a, {COLUMN: node.data[0], ROW: ROW}, {COLUMN})

    def entry(self, node: Formula, environment: Environment, a: Letters) -> Letters:
        return self._slice(a, {ROW: node.data[0], COLUMN: node.data[1]}, {ROW, COLUMN})

    def block(self, node: Formula, environment: Environment, a: Letters) -> Letters:
        return replace(a, touched=a.touched | ({node.data[0]} if ROW in a.touched else set()), diagonal=False)

    def _slice(self, a: Letters, moved: dict[str, AnyIndex | str], gained: set[str]) -> Letters:
        touched: set[Any] = {x for x in a.touched if x not in (ROW, COLUMN)} | gained
        for side, index in moved.items():
            if side in a.touched:
                touched |= {index} if isinstance(index, str) else set(index.letters)
        return replace(a, touched=frozenset(touched), diagonal=False)

    def sum(self, node: Formula, environment: Environment, values: list[Letters]) -> Letters:
        (a,), index = values, node.data[0]
        made = replace(a, letters=a.letters + letters_of(index.size), lost=a.lost or index not in a.touched)
        return replace(made.with_touched(x for x in a.touched if x != index), diagonal=False)

    def stack(self, node: Formula, environment: Environment, values: list[Letters]) -> Letters:
        (a,), index = values, node.data[0]
        touched: set[Any] = {x for x in a.touched if x not in (ROW, COLUMN, index)}
        touched |= {COLUMN} if ROW in a.touched else set()
        touched |= {ROW} if index in a.touched else set()
        return replace(a.with_touched(touched), diagonal=False)

    def loss(self, node: Formula, environment: Environment, y: Letters, upstream: Letters) -> Letters:
        return self.entry_sum_of(node, self.hadamard(node, environment, y, upstream))

    def entry_sum_of(self, node: Formula, a: Letters) -> Letters:
        """The record of the sum of all entries of a matrix of the shape of the node's first argument."""
        shape = node.args[0].shape
        inner = letters_of(shape[0]) + letters_of(shape[1])
        untouched = [x for x, size in ((ROW, shape[0]), (COLUMN, shape[1])) if x not in a.touched and size != 1]
        touched = _inside(a).touched | {ROW, COLUMN}
        return replace(a, letters=a.letters + inner, touched=touched, lost=a.lost or bool(untouched), diagonal=False)

    def gradient(self, interpreter: Interpreter, node: Formula, environment: Environment) -> Letters:
        """The record of <grad, V> without V: its row and column are no longer surely touched."""
        change = self._change(interpreter, node.args[0], node.args[1], None, environment)
        return replace(change, touched=_inside(change).touched, diagonal=False)

    def directional(self, interpreter: Interpreter, node: Formula, environment: Environment) -> Letters:
        body, variable, direction = node.args
        return self._change(interpreter, body, variable, direction, environment)

    def _change(
        self,
        interpreter: Interpreter,
        body: Formula,
        variable: Formula,
        direction: Formula | None,
        environment: Environment,
    ) -> Letters:
        made = interpreter.__dict__.setdefault("_duals", {})
        if (variable, direction) not in made:
            moved = interpreter(variable if direction is None else direction, environment)
            made[variable, direction] = Interpreter(LetterChange(interpreter, variable, moved))
        value, change = made[variable, direction](body, environment)
        return change if change is not None else Letters(Counter(), value.touched)


def _inside(a: Letters, beside: set[str] | None = None) -> Letters:
    """The record without its own row and column letters."""
    return a.with_touched(x for x in a.touched if x not in (ROW, COLUMN))


def _scalar_degree(expression: Any) -> int:
    """The degree of a rational scalar: of its numerator and its denominator together."""
    return sum(_degree(part) for part in expression.as_numer_denom())


def _degree(part: Any) -> int:
    symbols = sorted(part.free_symbols, key=str)
    try:
        return int(sympy.Poly(part, *symbols).total_degree()) if symbols else 0
    except sympy.PolynomialError:
        raise NotExact(f"the scalar {part} is not a rational function; let a symbol such as tau stand for it") from None


class LetterChange:
    """The records of dual numbers: (value, change), by the rules of `dual.DualBackend`."""

    def __init__(self, base: Interpreter, variable: Formula, moved: Letters) -> None:
        self.points, self.base, self.variable, self.moved = base, base.backend, variable, moved

    def range_of(self, index: Index) -> tuple[Index]:
        return (index,)

    def __getattr__(self, op: str) -> Any:
        if op in ("ones", "eye", "unit"):
            return lambda node, environment: (getattr(self.base, op)(node, environment), None)
        if op in ("scale", "transpose", "row", "col", "entry", "block", "diag"):
            return lambda node, environment, a: tuple(
                None if x is None else getattr(self.base, op)(node, environment, x) for x in a
            )
        if op in ("matmul", "hadamard", "times", "kron", "rowkron"):
            return self._bilinear
        if op in OPERATIONS:
            raise NotImplementedError(f"no rule differentiates {op!r}")
        if op in ("gradient", "directional"):
            raise NotImplementedError("a derivative of a derivative has no rule; write the inner derivative out")
        raise AttributeError(op)

    def symbol(self, node: Formula, environment: Environment) -> tuple:
        value = self.base.symbol(node, environment)
        return value, self.moved if node is self.variable else None

    def _bilinear(self, node: Formula, environment: Environment, a: tuple, b: tuple) -> tuple:
        rule = getattr(self.base, node.op)
        left = None if a[1] is None else rule(node, environment, a[1], b[0])
        right = None if b[1] is None else rule(node, environment, a[0], b[1])
        return rule(node, environment, a[0], b[0]), _any(left, right)

    def add(self, node: Formula, environment: Environment, a: tuple, b: tuple) -> tuple:
        return _either(a[0], b[0]), _any(a[1], b[1])

    def _of_atom(self, node: Formula, environment: Environment, a: tuple, power: int) -> tuple:
        value = getattr(self.base, node.op)(node, environment, a[0])
        change = a[1]
        for _ in range(power if change is not None else 0):
            change = self.base.hadamard(node, environment, change, value)
        return value, change

    def exp(self, node: Formula, environment: Environment, a: tuple) -> tuple:
        return self._of_atom(node, environment, a, 1)

    func = taylor = exp

    def recip(self, node: Formula, environment: Environment, a: tuple) -> tuple:
        return self._of_atom(node, environment, a, 2)

    def loss(self, node: Formula, environment: Environment, y: tuple, upstream: tuple) -> tuple:
        value = self.base.loss(node, environment, y[0], upstream[0])
        return value, None if y[1] is None else self.base.loss(node, environment, y[1], upstream[0])

    def sum(self, node: Formula, environment: Environment, values: list[tuple]) -> tuple:
        return self._bound(node, environment, values)

    stack = sum

    def _bound(self, node: Formula, environment: Environment, values: list[tuple]) -> tuple:
        ((value, change),) = values
        rule = getattr(self.base, node.op)
        return rule(node, environment, [value]), None if change is None else rule(node, environment, [change])


def _any(left: Letters | None, right: Letters | None) -> Letters | None:
    if left is None or right is None:
        return right if left is None else left
    return _either(left, right)
