"""Claims decided on drawn instances in ball arithmetic, family by family, activations of a trained model among them.

An identity is violated where the ball of left - right excludes zero, and consistent where it holds zero within 2^-64 of the
sides' size; a bound is decided by comparing balls, or exactly where the ends meet. Precision is doubled while an answer is open, and
while the radii are not small beside the margin that was decided.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flint import arb

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.statement import Bound, Identity

from ..backends.arrays import NotExact
from ..backends.ball import DEFAULT_BITS, Balls, precision
from ..backends.interpreter import Environment, Interpreter
from ..backends.rational import Rationals, as_ball
from ..contract import contracted, pointwise
from ..evidence import Evidence
from ..extent import all_values
from ..instances import instances, is_masked, symbols_of
from ..problems import FAMILIES, Problem
from ..real_numbers import Answer, Evaluator, at_most
from ..scatter import Scatter, place_of
from ..task import Task

ENGINE = "enclosure"
AGREES = arb(2) ** -64
FINE = arb("1e-6")
"""Radii of a decided bound are at most this share of |right - left|, or precision is doubled."""
DOUBLINGS = 3
MOST_ROUNDS = 6
ENOUGH = 0.85
"""Share of the drawn instances of a bound that must be decided before the rounds end."""


class Violated(Exception):
    """A drawn problem on which a claim surely fails."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.text)
        self.problem = problem


@dataclass
class Tally:
    """What happened on the instances: counts, the closest call and the first violation."""

    decided: int = 0
    undecided: int = 0
    outside: int = 0
    degenerate: int = 0
    trivial: int = 0
    worst: float = 0.0
    instance: str = ""
    families: list[str] = field(default_factory=list)
    scatter: Scatter = field(default_factory=Scatter)
    violation: Problem | None = None

    def detail(self) -> dict[str, Any]:
        made: dict[str, Any] = {"families": self.families, "undecided": self.undecided, "trivial": self.trivial}
        made |= {"points": self.scatter.detail()} if self.worst > 0 and self.scatter.rows else {}
        made |= {"degenerate": self.degenerate} if self.degenerate else {}
        return made | ({"outside the hypotheses": self.outside} if self.outside else {})


# -- identities ------------------------------------------------------------------------------------------------------
def residual(claim: Identity, problem: Problem, environment: Environment, bits: int) -> tuple[Answer, float]:
    """Whether left = right at a point, and an upper bound on |left - right| relative to the sides."""
    with precision(bits):
        evaluate = Interpreter(Balls(problem))
        left, right = evaluate(claim.left, environment), evaluate(claim.right, environment)
        scale, largest = arb(0), arb(0)
        for a, b in zip(left.ravel(), right.ravel(), strict=True):
            gap = a - b
            if not gap.is_finite():
                return Answer.UNKNOWN, float("inf")
            if not gap.contains(0):
                return Answer.NO, 1.0
            scale, largest = scale.max(abs(a).max(abs(b))), largest.max(abs(gap))
        size, error = arb(scale.abs_upper()), arb(largest.abs_upper())
        if error <= AGREES * size or error == 0:
            return Answer.YES, float(error / size) if size > 0 else 0.0
        return Answer.UNKNOWN, float("inf")


def decide_identity(claim: Identity, problem: Problem, environment: Environment) -> tuple[Answer, float]:
    """`residual` at rising precision."""
    answer, error = Answer.UNKNOWN, float("inf")
    for doubling in range(DOUBLINGS + 1):
        answer, error = residual(claim, problem, environment, DEFAULT_BITS << doubling)
        if answer is not Answer.UNKNOWN:
            break
    return answer, error


def _try_identity(claim: Identity, count: int, seed: int) -> Tally:
    scalar = contracted(claim)
    flat = pointwise(scalar)
    tally = Tally()
    for family, problem in instances(scalar, count, seed):
        for environment in some_values(scalar, problem, seed):
            answer, error = decide_identity(flat, problem, environment)
            if answer is Answer.NO:
                tally.violation = problem
                return tally
            if answer is Answer.UNKNOWN:
                tally.undecided += 1
                continue
            tally.decided += 1
            tally.families = sorted({*tally.families, family})
            if error == 0:
                tally.trivial += 1
            if error > tally.worst:
                tally.worst, tally.instance = error, problem.text
    return tally


def some_values(claim: Identity, problem: Problem, seed: int, most: int = 4) -> list[Environment]:
    """All index values if they are few, else some of them."""
    found = list(itertools.islice(all_values(claim, problem.sizes), 5000))
    if len(found) <= most:
        return found
    rng = np.random.default_rng([seed, len(found)])
    return [found[k] for k in sorted(rng.choice(len(found), most, replace=False))]


# -- bounds ------------------------------------------------------------------------------------------------------------
def decide_bound(claim: Bound, problem: Problem) -> tuple[Answer, float]:
    """Whether left <= right on a problem, for all values of its free indices, and the largest left / right."""
    worst, ratio = Answer.YES, 0.0
    points: Points = {}
    for environment in all_values(claim, problem.sizes):
        answer, quotient = _decide_bound_at(claim, problem, environment, points)
        ratio = max(ratio, quotient)
        if answer is Answer.NO:
            return answer, ratio
        if answer is Answer.UNKNOWN:
            worst = answer
    return worst, ratio


Points = dict[int, Interpreter]
"""Interpreters of one problem by their precision: what was evaluated is not evaluated again."""


def _point(problem: Problem, bits: int, points: Points) -> Interpreter:
    if bits not in points:
        points[bits] = Interpreter(Balls(problem))
    return points[bits]


def _decide_bound_at(claim: Bound, problem: Problem, environment: Environment, points: Points) -> tuple[Answer, float]:
    answer, left, right = compared(claim, problem, environment, points)
    with precision(DEFAULT_BITS << DOUBLINGS):
        return answer, float((left / right).mid()) if right > 0 else 0.0


def compared(
    claim: Bound, problem: Problem, environment: Environment, points: Points | None = None
) -> tuple[Answer, arb, arb]:
    """Whether left <= right at a point, and both sides, at a precision at which the answer does not hang on the last digits."""
    known: Points = {} if points is None else points
    answer, left, right = Answer.UNKNOWN, arb("nan"), arb("nan")
    for doubling in range(DOUBLINGS + 1):
        bits = DEFAULT_BITS << doubling
        with precision(bits):
            value = Evaluator(_point(problem, bits, known), environment)
            left, right = value(claim.left), value(claim.right)
            answer = at_most(left, right)
            if answer is not Answer.UNKNOWN and is_fine(left, right):
                return answer, left, right
    if answer is Answer.UNKNOWN:
        answer = _exactly(claim, problem, environment)
    return answer, left, right


def is_fine(left: arb, right: arb) -> bool:
    """Whether the radii of the sides are small beside what is between them."""
    return bool(arb(left.rad()) + arb(right.rad()) <= FINE * abs(right - left))


def closest(claim: Bound, problem: Problem) -> tuple[Answer | None, float]:
    """The worst answer over all index values, and a lower bound on the largest left / right (0 where right is not surely positive).

    The answer is None where the problem does not surely meet the given relations.
    """
    if not satisfies(claim, problem):
        return None, 0.0
    points: Points = {}
    found = [compared(claim, problem, environment, points) for environment in all_values(claim, problem.sizes)]
    answers = [answer for answer, _, _ in found]
    worst = next((a for a in (Answer.NO, Answer.UNKNOWN) if a in answers), Answer.YES)
    with precision(DEFAULT_BITS << DOUBLINGS):
        return worst, max((below(left / right) for _, left, right in found if right > 0), default=0.0)


def below(value: arb) -> float:
    """The largest float that is surely at most ``value``; minus infinity for no number."""
    if not value.is_finite():
        return float("-inf")
    made = float(value.lower())
    while not arb(made) <= value.lower():
        made = float(np.nextafter(made, -np.inf))
    return made


def _exactly(claim: Bound, problem: Problem, environment: Environment) -> Answer:
    """The comparison in exact arithmetic, where the numbers admit it: it decides equality."""
    try:
        value = Evaluator(ExactAsBalls(Rationals(problem)), environment)
        left, right = value(claim.left), value(claim.right)
    except (NotExact, ZeroDivisionError):
        return Answer.UNKNOWN
    return Answer.YES if left.is_exact() and right.is_exact() and left == right else at_most(left, right)


class ExactAsBalls(Interpreter):
    """Evaluates exactly and hands out balls, for comparisons; exact where a value is a dyadic rational."""

    def __init__(self, backend: Rationals) -> None:
        super().__init__(backend)
        self._exact = Interpreter(backend)

    def __call__(self, formula: Formula, environment: Environment | None = None) -> Any:
        return Balls.each(as_ball, self._exact(formula, environment))


def satisfies(claim: Bound, problem: Problem) -> bool:
    """Whether the problem surely meets the claim's given relations, for all index values."""
    with precision(DEFAULT_BITS):
        evaluate = Interpreter(Balls(problem))
        for environment in all_values(claim, problem.sizes):
            value = Evaluator(evaluate, environment)
            if not all(at_most(value(g.lts), value(g.gts)) is Answer.YES for g in claim.given):
                return False
    return True


def _try_bound(claim: Bound, count: int, seed: int) -> Tally:
    """Rounds of ``count`` problems of every family until as many are decided; a bound that is often attained takes more."""
    tally = Tally()
    for round_ in range(MOST_ROUNDS):
        for family, problem in instances(claim, count, seed + 7919 * round_):
            _count_bound(tally, claim, family, problem)
            if tally.violation is not None:
                return tally
        if tally.decided >= count * len(FAMILIES) * ENOUGH:
            break
    return tally


def _count_bound(tally: Tally, claim: Bound, family: str, problem: Problem) -> None:
    if not satisfies(claim, problem):
        tally.outside += 1
        return
    answer, ratio = decide_bound(claim, problem)
    if answer is Answer.NO:
        tally.violation = problem
    elif answer is Answer.UNKNOWN:
        tally.undecided += 1
    else:
        tally.decided += 1
        tally.degenerate += is_degenerate(problem)
        tally.families = sorted({*tally.families, family})
        tally.scatter.add(place_of(family, problem, is_masked(symbols_of(claim))), (ratio,), problem.text)
        if ratio > tally.worst:
            tally.worst, tally.instance = ratio, problem.text


def is_degenerate(problem: Problem) -> bool:
    """Whether a problem has one token or feature, or a matrix of zeros: such instances are blind to many mistakes."""
    single = any(problem.sizes.get(name) == 1 for name in ("n", "d"))
    return single or any(not np.any(np.asarray(value, dtype=float)) for value in problem.values.values())


def examine(task: Task) -> Evidence | None:
    """``enclosed`` on the drawn instances; None if none is decided, or degenerate ones alone.

    Raises:
        Violated: if the claim surely fails on one.
    """
    claim = task.claim
    if not isinstance(claim, (Identity, Bound)):
        return None
    if isinstance(claim, Identity):
        tally = _try_identity(claim, task.profile.balls, task.seed)
    else:
        tally = _try_bound(claim, task.profile.bounds, task.seed)
    if tally.violation is not None:
        raise Violated(tally.violation)
    if tally.decided == tally.degenerate:
        return None
    detail = tally.detail()
    if isinstance(claim, Bound) and tally.worst > 0:
        detail["tightness"] = {"best": tally.worst, "instance": tally.instance}
    if isinstance(claim, Identity):
        detail["residual"] = tally.worst
    return task.found(ENGINE, "enclosed", "ball", ("python-flint",), tried=tally.decided, seed=task.seed, detail=detail)
