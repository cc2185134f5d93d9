"""Sizes and index variables: n tokens, d features, and the letters i0, j0 that run over them.

A size is a positive integer SymPy expression; an index is a named letter with the size of its range. Ranges are
1-based, as in the paper: an index of size n takes the values 1..n.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import sympy

n = sympy.Symbol("n", integer=True, positive=True)
d = sympy.Symbol("d", integer=True, positive=True)


def size(name: str) -> sympy.Symbol:
    """A size symbol: a positive integer, equal to every other one of the same name."""
    return sympy.Symbol(name, integer=True, positive=True)


@dataclass(frozen=True)
class Index:
    """A letter that runs over 1..size."""

    name: str
    size: sympy.Expr

    @property
    def letters(self) -> tuple[Index, ...]:
        return (self,)


@dataclass(frozen=True)
class Pair:
    """The index (major - 1) * minor.size + minor of a range of size major.size * minor.size."""

    major: Index
    minor: Index

    @property
    def size(self) -> sympy.Expr:
        return self.major.size * self.minor.size

    @property
    def letters(self) -> tuple[Index, ...]:
        return (self.major, self.minor)


AnyIndex = Index | Pair


def tokens(names: str, count: sympy.Expr = n) -> tuple[Index, ...]:
    """Index letters over [n]: ``i0, i1 = tokens("i0 i1")``."""
    return tuple(Index(name, count) for name in names.split())


def features(names: str, count: sympy.Expr = d) -> tuple[Index, ...]:
    """Index letters over [d]."""
    return tuple(Index(name, count) for name in names.split())


def letters_of(extent: sympy.Expr) -> Counter[str]:
    """The letters that an index of this range stands for: ``n*d**2`` is one token and two feature letters."""
    counted: Counter[str] = Counter()
    for base, power in sympy.sympify(extent).as_powers_dict().items():
        if not (power.is_Integer and power > 0) or (base.is_Number and not base.is_Integer):
            raise ValueError(f"the size {extent} is not a product of positive powers of sizes")
        if base.is_Symbol:
            counted[base.name] += int(power)
        elif base != 1:
            counted[str(base)] += int(power)
    return counted


def at(extent: sympy.Expr, sizes: dict[str, int]) -> int:
    """The value of a size at given numbers.

    Raises:
        KeyError: if a size symbol has no value.
    """
    value = sympy.sympify(extent)
    if value.is_Integer:
        return int(value)
    if value.is_Symbol and value.name in sizes:
        return sizes[value.name]
    missing = [symbol.name for symbol in value.free_symbols if symbol.name not in sizes]
    if missing:
        raise KeyError(f"no value for size {', '.join(sorted(missing))}")
    found = value.subs({symbol: sizes[symbol.name] for symbol in value.free_symbols})
    if not found.is_Integer:
        raise ValueError(f"the size {value} is {found} at {sizes}, not an integer")
    return int(found)
