"""Points that meet the hypotheses of a step, and points at which its conclusion, tightened, fails: rational, sizes integers.

Letters that hypotheses bound from above take the largest value that these allow, the others small values; what is found is evaluated
exactly. Where no such point does, z3 looks for a model with small sizes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flint import fmpq

from .. import checker, smt
from ..steps import SIZE, Step, letters_in

FREE = (fmpq(1), fmpq(2), fmpq(1, 2), fmpq(1, 8), fmpq(8), fmpq(0))
FACTORS = ("999/1000", "9/10", "1/2", "1/10", "1/1000")
"""Tightening factors of a conclusion left <= right: left <= factor * right is to fail."""
MOST_POINTS = 96
SIZES = (1, 2, 3)

Point = dict[str, fmpq]


@dataclass(frozen=True)
class Twin:
    """A tightened conclusion, left <= factor * right - less, and a point that refutes it."""

    factor: str
    less: str
    point: Point


def points(step: Step) -> Iterator[Point]:
    """Points that meet the hypotheses, from a few values of the free letters."""
    names = dict(step.variables)
    bounded = _upper_bounds(step, names)
    free = [name for name in names if name not in bounded]
    for values in itertools.islice(_choices(free, names), MOST_POINTS):
        point = dict(zip(free, values, strict=True))
        for name in bounded:
            if not _place(name, bounded, point, names, set()):
                break
        else:
            if meets(step, point):
                yield point


def _choices(free: list[str], domains: Mapping[str, str]) -> Iterator[tuple[fmpq, ...]]:
    """All ones first, then one letter changed at a time, then everything."""
    values = {name: [x for x in FREE if domains[name] != SIZE or (x.q == 1 and x >= 1)] for name in free}
    for each in range(len(FREE)):
        yield tuple(values[name][min(each, len(values[name]) - 1)] for name in free)
    for changed in free:
        for x in values[changed][1:]:
            yield tuple(x if name == changed else fmpq(1) for name in free)
    yield from itertools.product(*values.values())


def _upper_bounds(step: Step, domains: Mapping[str, str]) -> dict[str, list[str]]:
    """The right sides of the hypotheses that have a letter alone on the left, sizes apart."""
    found: dict[str, list[str]] = {}
    for h in step.hypotheses:
        left, right = (side.strip() for side in h.text.split("<="))
        if left in domains and domains[left] != SIZE:
            found.setdefault(left, []).append(right)
    return found


def _place(
    name: str, bounded: Mapping[str, list[str]], point: Point, domains: Mapping[str, str], open_: set[str]
) -> bool:
    """Give a bounded letter the least of its bounds; False where the bounds run in a circle."""
    if name in point:
        return True
    if name in open_:
        return False
    for right in bounded[name]:
        for other in letters_in(right):
            if other not in point and not _place(other, bounded, point, domains, open_ | {name}):
                return False
    point[name] = min(checker.value(right, point) for right in bounded[name])
    return True


def meets(step: Step, point: Point) -> bool:
    """Whether a point is in the domains and meets all hypotheses."""
    try:
        checker.meets(text_of(point), [h.text for h in step.hypotheses], dict(step.variables), "point")
    except checker.Rejected:
        return False
    return True


def text_of(point: Point) -> dict[str, str]:
    return {name: str(x) for name, x in sorted(point.items())}


def refuted(step: Step) -> bool:
    """Whether the conclusion fails at one of the points."""
    return any(left > right for left, right in (_sides(step, point) for point in points(step)))


def witness_and_twin(step: Step) -> tuple[Point, Twin] | None:
    """A point that meets the hypotheses and one that refutes the tightest twin; by z3 where small points do not."""
    return _witness_and_twin(step.bare)


@lru_cache(maxsize=4096)
def _witness_and_twin(step: Step) -> tuple[Point, Twin] | None:
    witness: Point | None = None
    best: Twin | None = None
    shifted: Twin | None = None
    for point in points(step):
        witness = witness or point
        found = _refuted_at(step, point)
        shifted = shifted or _refuted_by_one(step, point)
        if found is not None and (best is None or FACTORS.index(found.factor) < FACTORS.index(best.factor)):
            best = found
        if best is not None and best.factor == FACTORS[0]:
            break
    best = best or shifted
    if witness is None or best is None:
        witness, best = _by_solver(step, witness, best)
    return None if witness is None or best is None else (witness, best)


def _sides(step: Step, point: Mapping[str, Any]) -> tuple[fmpq, fmpq]:
    left, right = (fmpq(0) + checker.value(side, point) for side in step.conclusion.split("<="))
    return left, right


def _refuted_at(step: Step, point: Point) -> Twin | None:
    """The tightest twin that fails at a point."""
    left, right = _sides(step, point)
    for factor in FACTORS:
        if right > 0 and left > checker.number(factor) * right:
            return Twin(factor, "0", point)
    return None


def _refuted_by_one(step: Step, point: Point) -> Twin | None:
    """left <= right - 1, where it fails at a point."""
    left, right = _sides(step, point)
    return Twin("1", "1", point) if left > right - 1 else None


def _by_solver(step: Step, witness: Point | None, best: Twin | None) -> tuple[Point | None, Twin | None]:
    """Models of z3 for sizes 1, 2, 3."""
    variables, hypotheses = step.variables, tuple(h.text for h in step.hypotheses)
    left, right = (side.strip() for side in step.conclusion.split("<="))
    for size in SIZES:
        fixed = tuple((name, size) for name, domain in variables if domain == SIZE)
        witness = witness or _model(smt.Query(variables, hypotheses, fixed))
        for factor in FACTORS:
            if best is None:
                twin = (*hypotheses, f"{factor} * ({right}) < {left}", f"0 < {right}")
                found = _model(smt.Query(variables, twin, fixed))
                best = Twin(factor, "0", found) if found is not None else None
        if best is None:
            found = _model(smt.Query(variables, (*hypotheses, f"({right}) - 1 < {left}"), fixed))
            best = Twin("1", "1", found) if found is not None else None
    return witness, best


def _model(query: smt.Query) -> Point | None:
    found = smt.shared("z3").ask(query)
    return {name: checker.number(x) for name, x in found.model.items()} if found.answer == "sat" else None
