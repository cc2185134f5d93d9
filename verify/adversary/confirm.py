"""Confirmation in ball arithmetic of what a search in floats found: whether the claim fails there, and how close it comes for sure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from flint import arb

from ..backends.ball import DEFAULT_BITS, Balls, precision
from ..backends.interpreter import Interpreter
from ..engines.enclosure import closest
from ..extent import all_values
from ..problems import Problem
from ..real_numbers import Answer, Evaluator
from .space import Space

DIGITS = 40
"""Binary digits of a constant that is completed."""


@dataclass(frozen=True)
class Confirmed:
    """A problem with the answer of balls on it, and a lower bound on observed / bound."""

    problem: Problem
    answer: Answer
    ratio: float


def completed(space: Space, problem: Problem) -> Problem | None:
    """The problem with the smallest constants that the given relations allow, rounded up; None if there are none."""
    constants = dict(problem.constants)
    for name, expressions in space.least.items():
        with precision(DEFAULT_BITS):
            evaluate = Interpreter(Balls(replace(problem, constants=constants)))
            values = [
                Evaluator(evaluate, environment)(e)
                for environment in all_values(space.claim, problem.sizes)
                for e in expressions
            ]
            largest = max((value.abs_upper() for value in values), default=arb(0))
            if not largest.is_finite():
                return None
            constants[name] = rounded_up(arb(largest))
    return replace(problem, constants=constants)


def rounded_up(value: arb) -> Fraction:
    """A positive dyadic number of few digits that is at least ``value``."""
    if not value > 0:
        return Fraction(1, 2**100)
    man, exp = value.upper().man_exp()
    numerator, power = int(man), int(exp)
    excess = max(0, numerator.bit_length() - DIGITS)
    numerator, power = -(-numerator >> excess), power + excess
    return Fraction(numerator) * Fraction(2) ** power


def confirm(space: Space, problem: Problem) -> Confirmed | None:
    """What balls say of a problem; None if it does not surely meet the hypotheses."""
    found = completed(space, problem)
    if found is None:
        return None
    answer, ratio = closest(space.claim, found)
    return None if answer is None else Confirmed(found, answer, ratio)
