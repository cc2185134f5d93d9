"""Shrinking: from a problem that violates a claim to one with fewer tokens, fewer features, more zeros and smaller numbers.

Greedy passes, each keeping a change only if the violation stays: drop a token or feature, set an entry to zero, replace it by a smaller
integer. The result is a local minimum: no single such change keeps the violation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from almostlinear.theorems.formula import Formula

from .problems import Problem

MOST_CALLS = 4000


def shrink(
    problem: Problem, symbols: Iterable[Formula], violates: Callable[[Problem], bool], most_calls: int = MOST_CALLS
) -> Problem:
    """The smallest problem reached.

    Args:
        problem: one that violates.
        symbols: its named matrices, whose shapes say which axis belongs to which size.
        violates: decides a candidate; errors count as "does not violate".
        most_calls: of ``violates``, at most.
    """
    named = {node.data[0]: node for node in symbols}
    calls = 0

    def holds(candidate: Problem) -> bool:
        nonlocal calls
        calls += 1
        return calls <= most_calls and violates(candidate)

    improved = True
    while improved and calls < most_calls:
        improved = False
        for candidates in (_dropped, _zeroed, _smaller):
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


def _dropped(problem: Problem, named: dict[str, Formula]) -> Iterator[Problem]:
    """The problem without one token, or without one feature, and so on for every size."""
    for size, count in problem.sizes.items():
        if count == 1 or not _droppable(size, named):
            continue
        for k in range(count):
            values = {name: _without(value, named.get(name), size, k) for name, value in problem.values.items()}
            yield replace(problem, sizes={**problem.sizes, size: count - 1}, values=values)


def _droppable(size: str, named: dict[str, Formula]) -> bool:
    """Whether the size stands alone in every shape that it stands in."""
    extents = [sympy.sympify(e) for node in named.values() for e in node.shape]
    return all(e.is_Symbol for e in extents if size in {s.name for s in e.free_symbols})


def _without(value: Any, node: Formula | None, size: str, k: int) -> Any:
    if node is None:
        return value
    for axis in (0, 1):
        if str(node.shape[axis]) == size:
            value = np.delete(value, k, axis)
    return value


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
