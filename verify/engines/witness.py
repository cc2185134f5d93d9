"""Witnesses: small integer problems on which a claim fails, found by trying the smallest sizes first, checked exactly.

A matrix under exp is measured in units of ln 2, so that exp gives powers of two and both sides are polynomials in ln 2 over the
rationals. Where no unit makes the claim exact, a violation is shown by balls instead: strict, at rational inputs.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, lcm
from typing import Any

import numpy as np
from flint import arb

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.sizes import at
from almostlinear.theorems.statement import Bound, Identity, Rank

from ..backends.arrays import NotExact
from ..backends.ball import DEFAULT_BITS, Balls, precision
from ..backends.interpreter import Environment, Interpreter
from ..backends.rational import LN2, Rationals, as_ball, as_text
from ..evidence import REFUTED, Evidence
from ..extent import all_values
from ..instances import claim_sizes, instances, symbols_of
from ..problems import Problem, size_names, to_json
from ..real_numbers import Answer, Evaluator, at_most
from ..shrink import shrink
from ..task import Task
from .enclosure import ExactAsBalls, decide_bound, satisfies

ENGINE = "witness"
LARGEST = 3


@dataclass(frozen=True)
class Violation:
    """Where a claim fails: the problem, the index values, the entry, both sides there and their relative gap, in (0, 1]."""

    problem: Problem
    environment: Environment
    entry: tuple[int, int]
    claimed: str
    actual: str
    exact: bool
    margin: float = 1.0

    def to_json(self, statement: str, part: str, reading: str) -> dict[str, Any]:
        """The witness as a JSON object, as `replay` reads it."""
        made = {"schema": 1, "statement": statement, "part": part, "reading": reading, **to_json(self.problem)}
        if self.environment:
            made["index"] = {i.name: v for i, v in sorted(self.environment.items(), key=lambda pair: pair[0].name)}
        return made | {
            "entry": list(self.entry),
            "claimed": self.claimed,
            "actual": self.actual,
            "arithmetic": "exact" if self.exact else "balls, strict",
        }


# -- deciding one problem ----------------------------------------------------------------------------------------------
def violation(claim: Identity | Bound, problem: Problem) -> Violation | None:
    """The first place where the claim surely fails on a problem, exactly where the numbers admit it, else by balls."""
    try:
        return _exact_violation(claim, problem)
    except (NotExact, ZeroDivisionError, OverflowError):
        return _ball_violation(claim, problem)


def _exact_violation(claim: Identity | Bound, problem: Problem) -> Violation | None:
    evaluate = Interpreter(Rationals(problem))
    if isinstance(claim, Bound):
        return _bound_violation(claim, problem, evaluate)
    for environment in all_values(claim, problem.sizes):
        left, right = evaluate(claim.left, environment), evaluate(claim.right, environment)
        for where in np.ndindex(left.shape):
            if left[where] != right[where]:
                texts = as_text(right[where]), as_text(left[where])
                sides = as_ball(left[where]), as_ball(right[where])
                return Violation(problem, environment, _one_based(where), *texts, exact=True, margin=_margin(*sides))
    return None


def _ball_violation(claim: Identity | Bound, problem: Problem) -> Violation | None:
    with precision(DEFAULT_BITS):
        evaluate = Interpreter(Balls(problem))
        if isinstance(claim, Bound):
            return _bound_violation(claim, problem, evaluate)
        for environment in all_values(claim, problem.sizes):
            left, right = evaluate(claim.left, environment), evaluate(claim.right, environment)
            for where in np.ndindex(left.shape):
                gap = left[where] - right[where]
                if gap.is_finite() and not gap.contains(0):
                    texts = _digits(right[where]), _digits(left[where])
                    margin = _margin(left[where], right[where])
                    return Violation(problem, environment, _one_based(where), *texts, exact=False, margin=margin)
    return None


def _bound_violation(claim: Bound, problem: Problem, evaluate: Interpreter) -> Violation | None:
    with precision(DEFAULT_BITS):
        exact = isinstance(evaluate.backend, Rationals)
        norms = ExactAsBalls(evaluate.backend) if exact else evaluate
        for environment in all_values(claim, problem.sizes):
            value = Evaluator(norms, environment)
            if not all(at_most(value(g.lts), value(g.gts)) is Answer.YES for g in claim.given):
                continue
            left, right = value(claim.left), value(claim.right)
            if at_most(left, right) is Answer.NO:
                return Violation(
                    problem, environment, (1, 1), _digits(right), _digits(left), exact, _margin(left, right)
                )
    return None


def _margin(left: arb, right: arb) -> float:
    """|left - right| relative to the larger side."""
    return min(1.0, float((abs(left - right) / abs(left).max(abs(right))).mid()))


def _digits(value: arb) -> str:
    whole = value.mid().unique_fmpz() if value.is_integer() else None
    return str(whole) if whole is not None else value.str(20, radius=False)


def _one_based(where: tuple[int, ...]) -> tuple[int, int]:
    return where[0] + 1, where[1] + 1


# -- searching -----------------------------------------------------------------------------------------------------------
def small_problems(claim: Identity | Bound | Rank, count: int, seed: int) -> Iterator[Problem]:
    """Problems with entries in {-1, 0, 1}, the smallest sizes first, ``count`` of each size."""
    named = symbols_of(claim)
    names = sorted(set(size_names(named)) | claim_sizes(claim))
    shapes = sorted(
        itertools.product(range(1, LARGEST + 1), repeat=len(names)), key=lambda t: (sum(t), max(t, default=0), t)
    )
    for shape in shapes:
        sizes = dict(zip(names, shape, strict=True))
        rng = np.random.default_rng([seed, *shape])
        for _ in range(count if names else 1):
            yield _small(named, sizes, rng)


def _small(named: list[Formula], sizes: dict[str, int], rng: Any) -> Problem:
    values = {}
    dense = rng.random()
    for node in sorted(named, key=lambda s: s.data[0]):
        shape = at(node.shape[0], sizes), at(node.shape[1], sizes)
        values[node.data[0]] = small_entries(node.data[1], shape, dense, rng)
    constants = {"tau": Fraction(1 + int(3 * dense)), "c": Fraction(1), "eta": Fraction(1, 2), "eps": Fraction(1, 2)}
    constants |= {"b": Fraction(1), "L": Fraction(1), "s": Fraction(0)}
    return Problem(sizes, values, constants=constants, functions={"phi": "power:2"})


def small_entries(domain: str, shape: tuple[int, int], dense: float, rng: Any) -> Any:
    """Entries in {-1, 0, 1} within a domain; ``dense`` in [0, 1] says how few are zero."""
    if domain in ("mask", "causal"):
        return np.tri(*shape, dtype=int).astype(object)
    if domain == "onehot":
        return np.eye(shape[1], dtype=int)[rng.integers(shape[1], size=shape[0])].astype(object)
    if domain == "positive":
        return rng.integers(1, 3, shape).astype(object)
    if domain == "unit":
        return rng.choice([-1, 1], shape).astype(object)
    drawn = rng.choice([-1, 1], shape) * (rng.random(shape) < 0.3 + 0.7 * dense)
    return drawn.astype(object)


def carriers(claim: Identity | Bound | Rank) -> list[str | None]:
    """Symbols that may carry the unit ln 2: those under an exp; None if there is no exp."""
    under: set[str] = set()
    for side in claim.formulas():
        for node in side.walk():
            if node.op == "exp":
                under |= {name for name, symbol in node.symbols().items() if symbol.data[1] in ("real", "positive")}
    return [*sorted(under)] if under else [None]


def in_units(problem: Problem, carrier: str | None) -> Problem:
    """The problem with one matrix in multiples of ln 2, by all its sizes so that 1/d leaves integers."""
    if carrier is None:
        return problem
    whole = lcm(*problem.sizes.values())
    values = {**problem.values, carrier: problem.values[carrier] * whole}
    return replace(problem, values=values, units={carrier: LN2})


def smallest(claim: Identity | Bound, count: int, seed: int) -> Violation | None:
    """The first violation among the small problems, then shrunk."""
    for problem in small_problems(claim, count, seed):
        for carrier in carriers(claim):
            found = _try_exact(claim, in_units(problem, carrier))
            if found is not None:
                return _shrunk(claim, found, _try_exact)
    return None


def _try_exact(claim: Identity | Bound, problem: Problem) -> Violation | None:
    try:
        return _exact_violation(claim, problem)
    except (NotExact, ZeroDivisionError, OverflowError):
        return None


def from_instances(claim: Identity | Bound, count: int, seed: int) -> Violation | None:
    """A violation on the drawn families, shown by balls and shrunk, for claims that no unit makes exact."""
    for _, problem in instances(claim, count, seed):
        if isinstance(claim, Bound) and (
            not satisfies(claim, problem) or decide_bound(claim, problem)[0] is not Answer.NO
        ):
            continue
        found = violation(claim, problem)
        if found is not None:
            return _shrunk(claim, found, violation)
    return None


def _shrunk(claim: Identity | Bound, found: Violation, fails: Callable[[Any, Problem], Violation | None]) -> Violation:
    """The violation made smaller, as ``fails`` decides candidates, without becoming a near miss."""

    def margin(candidate: Problem) -> float | None:
        again = fails(claim, candidate)
        return None if again is None else again.margin

    small = shrink(found.problem, symbols_of(claim), margin)
    again = violation(claim, _trimmed(claim, small))
    return again if again is not None else found


def _trimmed(claim: Identity | Bound, problem: Problem) -> Problem:
    """Without constants and functions that the claim does not mention."""
    used = {node.data[0] for side in claim.formulas() for node in side.walk() if node.op == "func"}
    scalars = {
        s.name
        for side in claim.formulas()
        for node in side.walk()
        if node.op == "scale"
        for s in node.data[0].free_symbols
    }
    if isinstance(claim, Bound):
        relations = (claim.left, claim.right, *claim.given)
        scalars |= {s.name for e in relations for s in e.free_symbols}
    return replace(
        problem,
        constants={k: v for k, v in problem.constants.items() if k in scalars},
        functions={k: v for k, v in problem.functions.items() if k in used},
    )


def of_violation(task: Task, problem: Problem) -> Evidence | None:
    """``refuted`` by a drawn problem, shrunk."""
    claim = task.claim
    if not isinstance(claim, (Identity, Bound)):
        return None
    found = violation(claim, problem)
    if found is None:
        return None
    return _refuted(task, _shrunk(claim, found, violation))


def examine(task: Task) -> Evidence | None:
    """``refuted`` with the smallest witness found, or None."""
    claim = task.claim
    if not isinstance(claim, (Identity, Bound)):
        return None
    found = smallest(claim, task.profile.search, task.seed)
    if found is None:
        found = from_instances(claim, task.profile.balls, task.seed)
    return None if found is None else _refuted(task, found)


def _refuted(task: Task, found: Violation) -> Evidence:
    witness = found.to_json(task.statement.id, task.claim.part, task.claim.reading)
    return task.found(
        ENGINE,
        REFUTED,
        "exact" if found.exact else "ball",
        ("python-flint",),
        tried=1,
        seed=task.seed,
        detail={"sizes": found.problem.sizes, **_too_small(task.claim, found)},
        witness=json.loads(json.dumps(witness)),
    )


def _too_small(claim: Any, found: Violation) -> dict[str, str]:
    """How far a violated bound is too small; nothing of other claims."""
    if not isinstance(claim, Bound):
        return {}
    with precision(DEFAULT_BITS):
        claimed, actual = arb(found.claimed), arb(found.actual)
        if not (claimed >= 0 and actual > 0):  # no factor mends a negative bound
            return {}
        share = claimed / actual
        at_most = ceil(float(share.upper()) * (1 + 1e-12) * 10**4) / 10**4
    return {
        "derived": f"none: the claimed bound is too small, {found.claimed} where the left side is {found.actual}",
        "claimed / derived": f"at most {at_most}",
    }
