"""Confidence in claims about probabilities: exact binomial limits, and limits that hold at every number of trials at once.

k successes in N independent trials with probability p. Clopper and Pearson's one-sided limits (1934): the lower limit is the p with
P(Bin(N, p) >= k) = error, the upper limit that with P(Bin(N, p) <= k) = error. Tails are summed in balls and limits rounded outwards to
dyadic rationals, so that the stated error is never exceeded. A confidence sequence may be looked at after every trial: by Ville's
inequality, with the uniform mixture, p stays within {k! (N-k)!/((N+1)! p^k (1-p)^{N-k}) < 1/error} for all N at once, but for that
error. The error of a whole suite is shared out among its claims (union bound).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from flint import arb, fmpq

from .backends.ball import precision

BITS = 192
DIGITS = 30
"""Binary digits of a limit."""
SUITE_ERROR = Fraction(1, 1000)
"""Chance that any statement about a probability is judged wrongly in one run of the suite, at most."""


class Support(Enum):
    """What trials say of a claim p >= q; the value is what a reader sees."""

    SUPPORTED = "the probability is at least so large, at the stated confidence"
    CONTRADICTED = "the probability is smaller, at the stated confidence"
    UNDECIDED = "the trials are too few to tell"


def share(claims: int, total: Fraction = SUITE_ERROR) -> Fraction:
    """The error of one claim of so many, by the union bound.

    Raises:
        ValueError: if there is no claim, or the total is no probability.
    """
    if claims < 1 or not 0 < total < 1:
        raise ValueError(f"{claims} claims share an error of {total}: at least one claim, and an error within (0, 1)")
    return total / claims


def _ball(value: Fraction) -> arb:
    return arb(fmpq(value.numerator, value.denominator))


def _check(successes: int, trials: int, error: Fraction) -> None:
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} successes in {trials} trials: expected 0 <= successes <= trials, trials >= 1")
    if not 0 < error < 1:
        raise ValueError(f"an error of {error}: expected a number within (0, 1)")


def at_least(successes: int, trials: int, p: Fraction) -> arb:
    """P(Bin(trials, p) >= successes), enclosed."""
    return _tail(successes, trials + 1, trials, p)


def at_most(successes: int, trials: int, p: Fraction) -> arb:
    """P(Bin(trials, p) <= successes), enclosed."""
    return _tail(0, successes + 1, trials, p)


def _tail(start: int, stop: int, trials: int, p: Fraction) -> arb:
    """The sum of binom(N, j) p^j (1-p)^(N-j) over start <= j < stop: term by term, all of one sign."""
    if start == 0 and stop == trials + 1:
        return arb(1)
    with precision(BITS):
        if p in (0, 1):
            return arb(int(start <= (trials if p else 0) < stop))
        odds = _ball(p / (1 - p))
        term = arb(trials + 1).gamma() / (arb(start + 1).gamma() * arb(trials - start + 1).gamma())
        term *= _ball(p) ** start * _ball(1 - p) ** (trials - start)
        total = arb(0)
        for j in range(start, stop):
            total += term
            term = term * odds * (trials - j) / (j + 1)
        return total


def lower_limit(successes: int, trials: int, error: Fraction) -> Fraction:
    """A number below the success probability, but for a chance of ``error``: Clopper and Pearson's, rounded down."""
    _check(successes, trials, error)
    if successes == 0:
        return Fraction(0)
    return _largest(lambda p: at_least(successes, trials, p) <= _ball(error))


def upper_limit(successes: int, trials: int, error: Fraction) -> Fraction:
    """A number above the success probability, but for a chance of ``error``: Clopper and Pearson's, rounded up."""
    return 1 - lower_limit(trials - successes, trials, error)


def _largest(surely: Callable[[Fraction], bool]) -> Fraction:
    """The largest dyadic p of DIGITS digits with ``surely(p)``, which holds up to some p."""
    low, high = 0, 1 << DIGITS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if surely(Fraction(middle, 1 << DIGITS)) else (low, middle)
    return Fraction(low, 1 << DIGITS)


def judge(successes: int, trials: int, q: Fraction, error: Fraction) -> Support:
    """What the trials say of p >= q: two one-sided tests, each with half of the error."""
    _check(successes, trials, error)
    half = error / 2
    if q <= 0 or lower_limit(successes, trials, half) >= q:
        return Support.SUPPORTED
    if q > 1 or at_most(successes, trials, q) <= _ball(half):
        return Support.CONTRADICTED
    return Support.UNDECIDED


@dataclass(frozen=True)
class Sequence:
    """Trials so far, and the error of all looks at them together."""

    error: Fraction
    successes: int = 0
    trials: int = 0

    def after(self, success: bool) -> Sequence:
        """One more trial."""
        return Sequence(self.error, self.successes + success, self.trials + 1)

    def excludes(self, p: Fraction) -> bool:
        """Whether p is surely outside the sequence now."""
        failures = self.trials - self.successes
        if p in (0, 1):
            return (self.successes if p == 0 else failures) > 0
        with precision(BITS):
            evidence = (
                arb(self.successes + 1).lgamma()
                + arb(failures + 1).lgamma()
                - arb(self.trials + 2).lgamma()
                - self.successes * _ball(p).log()
                - failures * _ball(1 - p).log()
            )
            return bool(evidence >= -_ball(self.error).log())

    def judge(self, q: Fraction) -> Support:
        """What the trials say of p >= q, whenever one looks."""
        if self.trials and self.excludes(q):
            return Support.SUPPORTED if Fraction(self.successes, self.trials) > q else Support.CONTRADICTED
        return Support.UNDECIDED
