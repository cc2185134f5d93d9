"""Norms of formulas as SymPy symbols, and upper bounds that follow from a formula's structure.

``maxnorm(A)`` is the nonnegative symbol |A| = max_ij |A_ij|; ``l1norm`` sums all |A_ij|, ``rownorm`` and ``colnorm`` take the largest
sum over a row or column, and ``top`` is the largest entry with its sign. `upper_bound` derives a bound on |A| that holds for all sizes
by the rules below; each is an elementary inequality:

    |A + B| <= |A| + |B|      |c A| <= |c| |A|        |A B| <= (inner size) |A| |B|
    |A * B| <= |A| |B|        |A^T| = |A|             |diag(1/(u 1)) u| <= 1 for u >= 0 (row-stochastic)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sympy

from .formula import Formula

NORMS = ("max", "sum", "row", "col", "top")


class Norm(sympy.Symbol):
    """A SymPy symbol that stands for a norm of a formula; ``norm`` is one of NORMS."""

    norm: str
    formula: Formula

    def __new__(cls, kind: str, formula: Formula, label: str):
        # Not Symbol.__new__: its cache would give two norms of one label the same object.
        made = sympy.Symbol.__xnew__(cls, label, **({"real": True} if kind == "top" else {"nonnegative": True}))
        made.norm, made.formula = kind, formula
        return made

    def __getnewargs_ex__(self):
        return ((self.norm, self.formula, self.name), {})

    def _hashable_content(self):
        return (*super()._hashable_content(), self.norm, self.formula.digest)


def _norm(kind: str, a: Formula, label: str) -> Norm:
    from .display import plain

    return Norm(kind, a, label.format(plain(a)))


def maxnorm(a: Formula) -> Norm:
    """|a|: the largest absolute value of an entry."""
    return _norm("max", a, "|{}|")


def l1norm(a: Formula) -> Norm:
    """|a|_1: the sum of the absolute values of all entries."""
    return _norm("sum", a, "|{}|_1")


def rownorm(a: Formula) -> Norm:
    """|a|_row: the largest sum of absolute values over a row."""
    return _norm("row", a, "|{}|_row")


def colnorm(a: Formula) -> Norm:
    """|a|_col: the largest sum of absolute values over a column."""
    return _norm("col", a, "|{}|_col")


def top(a: Formula) -> Norm:
    """max a: the largest entry, with its sign."""
    return _norm("top", a, "max {}")


@dataclass(frozen=True)
class Derivation:
    """A bound on |formula| with the rule that gave it and the bounds that it used."""

    formula: Formula
    bound: sympy.Expr
    rule: str
    premises: tuple[Derivation, ...] = ()

    def rules(self) -> list[str]:
        """The rules used, innermost first, each once."""
        return list(dict.fromkeys([*(r for p in self.premises for r in p.rules()), self.rule]))


def upper_bound(a: Formula, known: Mapping[Formula, Norm] | None = None) -> Derivation:
    """A bound on |a| in the norms of its symbols and of the ``known`` formulas, valid for all sizes.

    Raises:
        ValueError: if an operation has no rule (exp of an unbounded argument, derivatives, index sums).
    """
    known = known or {}
    if a in known:
        return Derivation(a, known[a], "given")
    if _is_row_stochastic(a):
        return Derivation(a, sympy.Integer(1), "row-stochastic: entries are nonnegative and rows sum to one")
    if a.op == "define":
        inside = upper_bound(a.args[0], known)
        return Derivation(a, inside.bound, f"definition of {a.data[0]}", (inside,))
    if a.op == "symbol":
        return Derivation(a, maxnorm(a), "symbol")
    if a.op in ("ones", "eye", "unit"):
        return Derivation(a, sympy.Integer(1), f"entries of {a.op} are 0 or 1")
    if a.op in _RULES:
        rule, combine = _RULES[a.op]
        premises = tuple(upper_bound(x, known) for x in a.args)
        return Derivation(a, combine(a, *(p.bound for p in premises)), rule, premises)
    raise ValueError(f"no rule bounds the operation {a.op!r}")


_RULES: dict[str, tuple[str, Callable[..., sympy.Expr]]] = {
    "add": ("|A + B| <= |A| + |B|", lambda a, x, y: x + y),
    "scale": ("|c A| <= |c| |A|", lambda a, x: sympy.Abs(a.data[0]) * x),
    "matmul": ("|A B| <= (inner size) |A| |B|", lambda a, x, y: a.args[0].shape[1] * x * y),
    "hadamard": ("|A * B| <= |A| |B|", lambda a, x, y: x * y),
    "times": ("|c A| <= |c| |A|", lambda a, x, y: x * y),
    "kron": ("|A (x) B| = |A| |B|", lambda a, x, y: x * y),
    "rowkron": ("|A (/) B| <= |A| |B|", lambda a, x, y: x * y),
    "transpose": ("|A^T| = |A|", lambda a, x: x),
    "diag": ("|diag(v)| = |v|", lambda a, x: x),
    "row": ("a row is part of the matrix", lambda a, x: x),
    "col": ("a column is part of the matrix", lambda a, x: x),
    "entry": ("an entry is part of the matrix", lambda a, x: x),
    "block": ("a block is part of the matrix", lambda a, x: x),
}


def _bare(a: Formula) -> Formula:
    while a.op == "define":
        a = a.args[0]
    return a


def _is_row_stochastic(a: Formula) -> bool:
    """Whether ``a`` is diag(1/(u 1)) u with nonnegative u, by its form."""
    a = _bare(a)
    if a.op != "matmul":
        return False
    scale, u = _bare(a.args[0]), _bare(a.args[1])
    if scale.op != "diag" or not _is_nonnegative(u):
        return False
    inverse = _bare(scale.args[0])
    if inverse.op != "recip":
        return False
    sums = _bare(inverse.args[0])
    return sums.op == "matmul" and _bare(sums.args[0]) is u and _bare(sums.args[1]).op == "ones"


def _is_nonnegative(a: Formula) -> bool:
    a = _bare(a)
    if a.op in ("hadamard", "matmul", "add", "transpose"):
        return all(_is_nonnegative(x) for x in a.args)
    mask_or_onehot = a.op == "symbol" and a.data[1] in ("mask", "onehot", "positive")
    return a.op in ("exp", "ones", "eye", "unit") or mask_or_onehot
