"""Shrinking: from a problem that violates a claim to one with fewer tokens, fewer features, more zeros and smaller numbers.

Greedy passes, each keeping a change only if the violation stays as clear: drop half of the tokens or features, then single ones, set a
matrix or an entry to zero, replace an entry by a smaller integer. The result is a local minimum: no single such change will do. As clear
means that both sides differ by CLEAR of the larger one, or by what they differed by at first if that was less: a witness that is checked
by hand must not be a near miss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from math import gcd, lcm
from typing import Any

import numpy as np
import sympy

from almostlinear.theorems.formula import Formula

from .problems import Problem

MOST_CALLS = 4000
CLEAR = 1 / 8
"""Relative gap between the sides that shrinking keeps."""


def shrink(
    problem: Problem,
    symbols: Iterable[Formula],
    margin: Callable[[Problem], float | None],
    most_calls: int = MOST_CALLS,
) -> Problem:
    """The smallest problem reached.

    Args:
        problem: one that violates.
        symbols: its named matrices, whose shapes say which axis belongs to which size.
        margin: of a candidate, the relative gap between the sides where it violates, in (0, 1]; None or 0 where it does not.
        most_calls: of ``margin``, at most.
    """
    named = {node.data[0]: node for node in symbols}
    calls, clear = 0, 0.0

    def gap(candidate: Problem) -> float | None:
        nonlocal calls
        calls += 1
        return margin(candidate) if calls <= most_calls else None

    def holds(candidate: Problem) -> bool:
        found = gap(candidate)
        return bool(found) and found is not None and found >= clear

    clear = min(CLEAR, gap(problem) or 0.0)
    improved = True
    while improved and calls < most_calls:
        improved = False
        for candidates in (_halved, _dropped, _emptied, _rescaled, _zeroed, _smaller):
            step = _first(problem, candidates(problem, named), holds)
            while step is not None:
                problem, improved = step, True
                step = _first(problem, candidates(problem, named), holds)
    return replace(problem, text="")


def _first(problem: Problem, candidates: Iterator[Problem], holds: Callable[[Problem], bool]) -> Problem | None:
    """The first candidate that differs from the problem and still violates."""
    return next((c for c in candidates if not _equal(c, problem) and holds(c)), None)


def _equal(a: Problem, b: Problem) -> bool:
    return a.sizes == b.sizes and all(np.array_equal(v, b.values[k]) for k, v in a.values.items())


def _halved(problem: Problem, named: dict[str, Formula]) -> Iterator[Problem]:
    """The problem without the first or the second half of a size."""
    for size, count in problem.sizes.items():
        if count >= 4 and _droppable(size, named):
            for half in (range(count // 2), range(count // 2, count)):
                yield _less(problem, named, size, list(half))


def _less(problem: Problem, named: dict[str, Formula], size: str, without: list[int]) -> Problem:
    values = {name: _without(value, named.get(name), size, without) for name, value in problem.values.items()}
    return replace(problem, sizes={**problem.sizes, size: problem.sizes[size] - len(without)}, values=values)


def _dropped(problem: Problem, named: dict[str, Formula]) -> Iterator[Problem]:
    """The problem without one token, or without one feature, and so on for every size."""
    for size, count in problem.sizes.items():
        if count == 1 or not _droppable(size, named):
            continue
        for k in range(count):
            yield _less(problem, named, size, [k])


def _droppable(size: str, named: dict[str, Formula]) -> bool:
    """Whether the size stands alone in every shape that it stands in."""
    extents = [sympy.sympify(e) for node in named.values() for e in node.shape]
    return all(e.is_Symbol for e in extents if size in {s.name for s in e.free_symbols})


def _without(value: Any, node: Formula | None, size: str, k: list[int]) -> Any:
    if node is None:
        return value
    for axis in (0, 1):
        if str(node.shape[axis]) == size:
            value = np.delete(value, k, axis)
    return value


def _emptied(problem: Problem, named: dict[str, Formula]) -> Iterator[Problem]:
    """The problem with a whole matrix of reals set to zero."""
    for name, value in problem.values.items():
        if name in named and named[name].data[1] == "real" and np.any(value != 0):
            yield replace(problem, values={**problem.values, name: np.zeros(value.shape, dtype=int).astype(object)})


def _rescaled(problem: Problem, named: dict[str, Formula]) -> Iterator[Problem]:
    """A whole matrix of reals by its signs, or in the smallest integers of the same proportions: entry by entry might end in between."""
    for name, value in problem.values.items():
        if name not in named or named[name].data[1] != "real" or not np.any(value != 0):
            continue
        entries = [Fraction(x) for x in np.ravel(value)]
        whole = lcm(*(x.denominator for x in entries))
        common = gcd(*(int(x * whole) for x in entries))
        for made in ([(x > 0) - (x < 0) for x in entries], [int(x * whole) // common for x in entries]):
            yield replace(problem, values={**problem.values, name: np.array(made, dtype=object).reshape(value.shape)})


def _zeroed(problem: Problem, named: dict[str, Formula]) -> Iterator[Problem]:
    yield from _changed(problem, named, lambda x: [0] if x != 0 else [])


def _smaller(problem: Problem, named: dict[str, Formula]) -> Iterator[Problem]:
    """Entries as simpler numbers: 1, -1, the integer part, then halves."""

    def simpler(x: Fraction) -> list[Fraction | int]:
        candidates: list[Fraction | int] = [1, -1, int(x), Fraction(round(2 * x), 2), Fraction(round(8 * x), 8)]
        return [c for c in candidates if c != 0 and _cost(Fraction(c)) < _cost(x)]

    yield _unsigned(problem, named)
    yield from _changed(problem, named, simpler)


def _unsigned(problem: Problem, named: dict[str, Formula]) -> Problem:
    """All signs dropped at once."""
    real = {name for name in problem.values if name in named and named[name].data[1] == "real"}
    return replace(problem, values={k: abs(v) if k in real else v for k, v in problem.values.items()})


def _cost(x: Fraction) -> tuple[int, int, bool]:
    return abs(x.denominator), abs(x.numerator), x < 0


def _changed(
    problem: Problem, named: dict[str, Formula], options: Callable[[Fraction], list[Any]]
) -> Iterator[Problem]:
    for name, value in problem.values.items():
        node = named.get(name)
        if node is not None and node.data[1] != "real":
            continue
        for where in np.ndindex(value.shape):
            for option in options(Fraction(value[where])):
                changed = value.astype(object)
                changed[where] = Fraction(option)
                yield replace(problem, values={**problem.values, name: changed})
