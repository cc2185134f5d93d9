"""Operations of a formula, counted exactly as it is bracketed: one addition, multiplication, division, exp or comparison each.

Every distinct subformula is computed once for each value of its free indices; symbols and what is given cost nothing. Products with
a diagonal matrix scale rows or columns; a product with the causal mask on the left is running sums (Algorithm 2); rows, columns,
entries and transposes move data only. Counts are polynomials in the sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import sympy

from almostlinear.theorems.formula import Formula


class NotCounted(ValueError):
    """A formula with an operation that has no count: a derivative or a loss is not an algorithm."""


def operations(lines: Iterable[Formula], given: Iterable[Formula] = ()) -> sympy.Expr:
    """The operations of computing the lines, one after the other, from the symbols and what is given.

    Raises:
        NotCounted: if an operation has no count.
    """
    counted = (_own(node) * sympy.prod([index.size for index in node.free]) for node in reached(lines, given))
    return sympy.expand(sum(counted, sympy.Integer(0)))


def reached(lines: Iterable[Formula], given: Iterable[Formula] = ()) -> list[Formula]:
    """The distinct subformulas that are computed; a sign under a sum is none."""
    done: set[Formula] = set(given)
    found, waiting = [], list(lines)
    while waiting:
        node = waiting.pop()
        if node in done:
            continue
        done.add(node)
        found.append(node)
        waiting.extend(_without_sign(a) if node.op == "add" else a for a in node.args)
    return found


def _without_sign(node: Formula) -> Formula:
    """A of -A: a difference costs what a sum does."""
    return node.args[0] if node.op == "scale" and node.data[0] == -1 else node


def _own(node: Formula) -> sympy.Expr:
    if node.op not in COUNTS:
        raise NotCounted(f"{node.op} has no operation count")
    return sympy.sympify(COUNTS[node.op](node))


def _entries(node: Formula) -> sympy.Expr:
    return node.shape[0] * node.shape[1]


def bare(node: Formula) -> Formula:
    """Without names; the transpose of ones or of a diagonal matrix is one."""
    while node.op == "define":
        node = node.args[0]
    if node.op == "transpose" and bare(node.args[0]).op in ("ones", "diag"):
        return bare(node.args[0])
    return node


def _product(node: Formula) -> sympy.Expr:
    left, right = (bare(a) for a in node.args)
    if "diag" in (left.op, right.op) or (left.op == "symbol" and left.data[1] == "causal"):
        return _entries(node)
    length = node.args[0].shape[1]
    if left.op == "ones" or right.op == "ones":
        return _entries(node) * (length - 1)
    return _entries(node) * (2 * length - 1)


def _nothing(node: Formula) -> sympy.Expr:
    return sympy.Integer(0)


COUNTS: dict[str, Callable[[Formula], sympy.Expr]] = {
    **dict.fromkeys(
        ("symbol", "ones", "eye", "unit", "transpose", "row", "col", "entry", "block", "define", "stack", "diag"), _nothing
    ),
    **dict.fromkeys(
        ("scale", "add", "hadamard", "times", "exp", "recip", "func", "absolute", "kron", "rowkron"), _entries
    ),
    "matmul": _product,
    "taylor": lambda node: 2 * node.data[0] * _entries(node),
    "sum": lambda node: (node.data[0].size - 1) * _entries(node),
}  # fmt: skip
