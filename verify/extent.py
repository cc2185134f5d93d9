"""How large n, d and other sizes must be for one size to speak for all, and which index values to try there.

By the argument in `backends.letters`, an identity whose monomials have at most t letters of a size, none of them lost, holds for every
value of that size if it holds at t. Index values need be tried up to renaming only: i0 = 1, i1 = 1 and i0 = 1, i1 = 2 stand
for all pairs, since a formula has no distinguished token or feature.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import sympy

from almostlinear.theorems.sizes import Index, Pair, at, letters_of
from almostlinear.theorems.statement import Bound, Identity

from .backends.interpreter import Environment, Interpreter
from .backends.letters import LetterCount, Letters
from .problems import size_names


@dataclass(frozen=True)
class Extent:
    """Sizes at which the identity decides all sizes; ``complete`` is False if some letter is lost."""

    sizes: dict[str, int]
    complete: bool
    degree: int
    reciprocals: int


def extent(claim: Identity) -> Extent:
    """The extent of a scalar identity (see `contract.contracted`)."""
    counter = Interpreter(LetterCount())
    symbolic: Environment = {i: i for i in claim.free}
    sides: list[Letters] = [counter(side, symbolic) for side in claim.formulas()]
    letters = sides[0].letters | sides[1].letters
    for index in claim.free:
        letters = letters + letters_of(index.size)
    symbols = {node for side in claim.formulas() for node in side.symbols().values()}
    letters = letters | sides[0].inside | sides[1].inside
    plain = _size_symbols(claim)
    names = set(size_names(symbols)) | set(letters) | plain
    compound = [name for name in letters if name not in plain and not name.isdigit()]
    return Extent(
        {name: max(1, letters.get(name, 0)) for name in sorted(names)},
        not any(side.lost for side in sides) and not compound and _read_in_one_order(claim) and _plain(claim),
        max(side.degree for side in sides),
        max(side.reciprocals for side in sides),
    )


def _plain(claim: Identity) -> bool:
    """Whether every free index runs over one size: representatives speak of those alone."""
    return all(sympy.sympify(index.size).is_Symbol for index in claim.free)


def _read_in_one_order(claim: Identity) -> bool:
    """Whether every range of size k1 k2 is read as pairs in one order: (k1, k2) and (k2, k1) agree at k1 = 1 or k2 = 1 alone."""
    splits: dict[sympy.Expr, set[tuple[sympy.Expr, sympy.Expr]]] = {}
    for node in (below for side in claim.formulas() for below in side.walk()):
        found = [(x.major.size, x.minor.size) for x in node.data if isinstance(x, Pair)]
        if node.op == "kron":
            found += list(zip(node.args[0].shape, node.args[1].shape, strict=True))
        if node.op == "rowkron":
            found.append((node.args[1].shape[1], node.args[0].shape[1]))
        if node.op == "block":
            found.append((node.data[0].size, node.data[1]))
        for major, minor in found:
            if sympy.sympify(major * minor).free_symbols and 1 not in (major, minor):
                splits.setdefault(sympy.expand(major * minor), set()).add((major, minor))
    return all(len(orders) == 1 for orders in splits.values())


def _size_symbols(claim: Identity) -> set[str]:
    found: set[str] = set()
    for side in claim.formulas():
        for node in side.walk():
            for extent_of in node.shape:
                found |= {s.name for s in sympy.sympify(extent_of).free_symbols}
    return found


def representatives(claim: Identity, sizes: dict[str, int]) -> Iterator[Environment]:
    """Index values that meet the claim's conditions, one for each pattern of equal and distinct letters.

    Where an index runs over a product of sizes or a number, all values: there tokens and features are distinguished.
    """
    if not _plain(claim):
        yield from all_values(claim, sizes)
        return
    groups: dict[str, list[Index]] = {}
    for index in claim.free:
        groups.setdefault(str(index.size), []).append(index)
    patterns = [list(_patterns(len(group), sizes.get(name, len(group)))) for name, group in groups.items()]
    for chosen in itertools.product(*patterns):
        values = {
            i: v
            for group, pattern in zip(groups.values(), chosen, strict=True)
            for i, v in zip(group, pattern, strict=True)
        }
        if all(condition.holds(values) for condition in claim.where):
            yield values


def _patterns(length: int, largest: int) -> Iterator[tuple[int, ...]]:
    """Restricted growth strings: each value is at most one more than the largest before it."""
    if length == 0:
        yield ()
        return
    for start in _patterns(length - 1, largest):
        for value in range(1, min(largest, max(start, default=0) + 1) + 1):
            yield (*start, value)


def all_values(claim: Identity | Bound, sizes: dict[str, int]) -> Iterator[Environment]:
    """Every assignment of the claim's free indices that meets its conditions."""
    ranges = [range(1, at(i.size, sizes) + 1) for i in claim.free]
    for values in itertools.product(*ranges):
        found = dict(zip(claim.free, values, strict=True))
        if all(condition.holds(found) for condition in claim.where):
            yield found
