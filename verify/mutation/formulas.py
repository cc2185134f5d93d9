"""Planted mistakes in formulas: at every place of the tree, what a slip of the pen makes of the node that stands there.

A place is an edge of the tree: an argument of one node, or the root. Whoever uses that node sees the mistake. A mistake that makes shapes
clash yields the message of the refusal instead of a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from operator import mul

import sympy

from almostlinear.theorems.formula import Formula, ShapeError, func, rebuilt, taylor
from almostlinear.theorems.sizes import AnyIndex, Index, Pair, d, n

Mistake = tuple[str, Callable[[], Formula]]
"""The operator's name, and what builds the node that takes the place."""
PLAIN = ("diag", "eye", "ones")
"""Operations that are their own transposes, or commute."""
HALF = sympy.Rational(1, 2)


@dataclass(frozen=True)
class Planted:
    """One mistake in a formula: its operator and the formula, or why it cannot be."""

    operator: str
    formula: Formula | None
    refused: str = ""


def mutants(root: Formula) -> Iterator[Planted]:
    """Every mistake at every place of a formula."""
    letters = frozenset(i for node in root.walk() for x in node.data if isinstance(x, (Index, Pair)) for i in x.letters)
    for operator, build in mistakes(root, letters):
        yield _planted(operator, build)
    for parent in root.walk():
        for k, argument in enumerate(parent.args):
            if parent.op in ("grad", "jvp") and k > 0:
                continue
            for operator, build in mistakes(argument, letters):
                yield _planted(operator, partial(_with_argument, root, parent, k, build))


def _planted(operator: str, build: Callable[[], Formula]) -> Planted:
    try:
        return Planted(operator, build())
    except (ShapeError, ValueError) as error:
        return Planted(operator, None, str(error))


def _with_argument(root: Formula, parent: Formula, k: int, build: Callable[[], Formula]) -> Formula:
    """The root with another k-th argument of one node, wherever that node stands."""
    changed = rebuilt(parent, (*parent.args[:k], build(), *parent.args[k + 1 :]))
    return root.rebuild(lambda node: changed if node is parent else None)


def mistakes(a: Formula, letters: frozenset[Index] = frozenset()) -> Iterator[Mistake]:
    """What may stand in place of a node by mistake; ``letters`` are the indices that another one may be confused with."""
    yield from _transposed(a)
    yield from _RULES.get(a.op, lambda a: iter(()))(a)
    yield from _indices(a, letters)


def _is_square(a: Formula) -> bool:
    return a.shape[0] == a.shape[1] and not a.is_scalar


def _transposed(a: Formula) -> Iterator[Mistake]:
    if a.op == "transpose":
        yield "transpose dropped", lambda: a.args[0]
    elif _is_square(a) and a.op not in PLAIN:
        yield "transposed", lambda: a.T


def _add(a: Formula) -> Iterator[Mistake]:
    first, second = a.args
    yield "term dropped", lambda: first
    yield "term dropped", lambda: second
    yield "sign", lambda: first - second
    yield "constant halved", lambda: first + second.scaled(HALF)
    yield "constant halved", lambda: first.scaled(HALF) + second


def _scale(a: Formula) -> Iterator[Mistake]:
    (inside,), (factor,) = a.args, a.data
    yield ("sign" if factor == -1 else "factor dropped"), lambda: inside
    if factor != -1:
        yield "constant halved", lambda: inside.scaled(factor * HALF)
    for letter in sorted(factor.free_symbols, key=str):
        yield "exponent", partial(inside.scaled, factor * letter)
        yield "exponent", partial(inside.scaled, factor / letter)
    if factor.free_symbols & {n, d}:
        yield "n for d", lambda: inside.scaled(exchanged(factor))


def exchanged(expression: sympy.Expr) -> sympy.Expr:
    """n for d and d for n."""
    return sympy.sympify(expression).subs({n: d, d: n}, simultaneous=True)


def _matmul(a: Formula) -> Iterator[Mistake]:
    left, right = a.args
    diagonal = "diag" in (left.op, right.op)
    if _is_square(left):
        yield "factor dropped", lambda: right
    if _is_square(right):
        yield "factor dropped", lambda: left
    if _is_square(left) and _is_square(right) and not (left.op in PLAIN and right.op in PLAIN):
        yield ("diagonal on the other side" if diagonal else "order of a product"), lambda: right @ left
        yield "entrywise for matrix product", lambda: left * right
    elif left.shape == right.shape:
        yield "entrywise for matrix product", lambda: left * right
    else:
        yield "order of a product", lambda: right @ left


def _hadamard(a: Formula) -> Iterator[Mistake]:
    left, right = a.args
    yield "factor dropped", lambda: left
    yield "factor dropped", lambda: right
    if _is_square(left):
        yield "matrix for entrywise product", lambda: left @ right
        for k, mask in enumerate(a.args):
            if mask.op == "symbol" and mask.data[1] in ("mask", "causal"):
                yield "mask on the wrong side", partial(mul, a.args[1 - k], mask.T)


def _times(a: Formula) -> Iterator[Mistake]:
    scalar, matrix = a.args
    if not matrix.is_scalar:
        yield "factor dropped", lambda: matrix
        return
    yield "factor dropped", lambda: matrix
    yield "factor dropped", lambda: scalar


def _row(a: Formula) -> Iterator[Mistake]:
    (matrix,), (index,) = a.args, a.data
    yield "row and column", lambda: matrix.col(index) if a.op == "row" else matrix.row(index)


def _entry(a: Formula) -> Iterator[Mistake]:
    (matrix,), (i, j) = a.args, a.data
    yield "indices swapped", lambda: matrix[j, i]


def _indices(a: Formula, letters: frozenset[Index]) -> Iterator[Mistake]:
    """Another letter of the same range."""
    if a.op not in ("row", "col", "entry", "unit"):
        return
    for k, index in enumerate(a.data):
        if not isinstance(index, Index):
            continue
        for other in sorted(letters - {index}, key=lambda i: i.name):
            if other.size == index.size and (a.op == "unit" or other not in a.args[0].free):
                yield "another index", partial(_at, a, (*a.data[:k], other, *a.data[k + 1 :]))


def _at(a: Formula, data: tuple[AnyIndex, ...]) -> Formula:
    if a.op == "unit":
        return Formula("unit", (), data, (data[0].size, 1))
    return a.args[0][data] if a.op == "entry" else getattr(a.args[0], a.op)(*data)


def _func(a: Formula) -> Iterator[Mistake]:
    name, order = a.data
    other = 0 if order else 1
    yield "order of a derivative", lambda: func(name, a.args[0], other)


def _taylor(a: Formula) -> Iterator[Mistake]:
    (degree,) = a.data
    yield "degree", lambda: taylor(a.args[0], degree + 1)
    yield "degree", lambda: taylor(a.args[0], degree - 1)


def _inside(name: str) -> Callable[[Formula], Iterator[Mistake]]:
    def rule(a: Formula) -> Iterator[Mistake]:
        yield name, lambda: a.args[0]

    return rule


def _ones(a: Formula) -> Iterator[Mistake]:
    if {n, d} & set(a.shape):
        yield "n for d", lambda: Formula("ones", (), (), (exchanged(a.shape[0]), exchanged(a.shape[1])))


def _kron(a: Formula) -> Iterator[Mistake]:
    yield "order of a product", lambda: rebuilt(a, (a.args[1], a.args[0]))


_RULES: dict[str, Callable[[Formula], Iterator[Mistake]]] = {
    "add": _add, "scale": _scale, "matmul": _matmul, "hadamard": _hadamard, "times": _times, "row": _row, "col": _row,
    "entry": _entry, "func": _func, "taylor": _taylor, "exp": _inside("exp dropped"), "recip": _inside("reciprocal dropped"),
    "absolute": _inside("absolute value dropped"), "ones": _ones, "kron": _kron, "rowkron": _kron,
}  # fmt: skip
