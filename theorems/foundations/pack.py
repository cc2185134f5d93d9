"""The registry of the foundations, and what their modules share."""

from collections.abc import Callable
from typing import Any

import sympy

from ..formula import Formula, eye, inner, ones, symbol, total
from ..registry import Registry, statement
from ..sizes import Index, d, n, size
from ..statement import Statement

FOUNDATIONS = Registry()
m, k, r = size("m"), size("k"), size("r")


def fact(id: str, title: str, source: str, **fields: Any) -> Callable[[Callable[[], Any]], Statement]:
    """A statement of the foundations with the textbook or paper that it stands in."""
    return statement(id, title, into=FOUNDATIONS, source=source, **fields)


def square(a: Formula) -> Formula:
    """|a|_F^2."""
    return inner(a, a)


def trace(a: Formula) -> Formula:
    """The sum of the diagonal."""
    return inner(eye(a.shape[0]), a)


def fourth(a: Formula) -> Formula:
    """The sum of the fourth powers of the entries."""
    return square(a * a)


__all__ = [
    "FOUNDATIONS", "Formula", "Index", "d", "eye", "fact", "fourth", "inner", "k", "m", "n", "ones", "r", "square", "symbol", "sympy",
    "total", "trace",
]  # fmt: skip
