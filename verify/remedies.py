"""What would have to change for a rank below n, one quantity at a time and all others as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import comb
from typing import Any

from flint import arb

from .backends.ball import precision
from .depth import meets, rounded_down, rounded_up
from .plan import BITS, LARGEST, ROUNDING_SHARE, Solution, figures, solve, whole
from .plan_inputs import BadPlan, Inputs, ball

MOST_LAYERS = 10**9


def largest_degree(n: int, width: int) -> int:
    """The largest g with binom(width + g, g) < n; -1 where there is none."""
    if n <= 1:
        return -1
    low, high = 0, 1
    while comb(width + high, high) < n:
        low, high = high, 2 * high
        if high > LARGEST:
            return low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if comb(width + middle, middle) < n else (low, middle)
    return low


def least_n(given: Inputs) -> int:
    """The least number of tokens from n on with a rank below it.

    n <- rank + 1 never passes one, since the rank grows with n.
    """
    n = given.n
    while not (found := solve(replace(given, n=n))).possible:
        n = found.rank + 1
    return n


def largest_range(found: Solution) -> Fraction | None:
    """The largest range of the scores, to three digits, rounded down, that a rank below n admits; all else as it is."""
    g = largest_degree(found.given.n, found.given.width)
    if g < 0:
        return None
    unit = Fraction(1)
    with precision(BITS):
        while not meets(ball(unit), g, found.L):
            unit /= 10
        while meets(ball(10 * unit), g, found.L):
            unit *= 10
        step = unit / 100
        return step * _last(lambda j: meets(ball(j * step), g, found.L), 100, 1000)


def least_error(found: Solution) -> Fraction | None:
    """The least error that a rank below n admits, to three digits, rounded up."""
    g = largest_degree(found.given.n, found.given.width)
    if g < 0:
        return None
    with precision(BITS):
        step = Fraction(1, 1000)  # of L
        if not meets(found.b, g, ball(step)):
            return None
        low = 1
        while meets(found.b, g, ball(2 * low * step)):
            low *= 2
        eta = (-ball(_last(lambda j: meets(found.b, g, ball(j * step)), low, 2 * low) * step)).exp()
        error = eta / (1 - eta) * found.factors.by_output[found.factors.decisive] / ball(1 - ROUNDING_SHARE)
        unit = Fraction(10) ** (rounded_down(error.log() / arb(10).log()) - 2)
        return unit * rounded_up(error / ball(unit))


def _last(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The last integer in [low, high) at which something holds that holds at low and, once false, stays so."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def most(change: Callable[[int], Inputs], end: int) -> int | None:
    """The largest count below ``end`` for which the changed inputs have a rank below n, which grows with it; None if 1 has none."""

    def holds(count: int) -> bool:
        return solve(change(count)).possible

    return _last(holds, 1, end) if end > 1 and holds(1) else None


def deepest(given: Inputs) -> int | None:
    """The largest number of layers with a rank below n, where the one given has one; None for any that can be planned."""
    end = 2 * given.layers
    try:
        while solve(replace(given, layers=end)).possible:
            end *= 2
            if end > MOST_LAYERS:
                return None
    except BadPlan:
        return None
    return _last(lambda m: solve(replace(given, layers=m)).possible, given.layers, end)


def three(value: Fraction) -> str:
    """A decimal number of three digits."""
    return ball(value).str(3, radius=False)


# -- the answer ----------------------------------------------------------------------------------------------------------
def changes(found: Solution) -> dict[str, str]:
    """For each quantity the value that alone would give a rank below n, or that none does."""
    given = found.given
    none = "no value is enough"
    scores, error = largest_range(found), least_error(found)
    width = most(lambda k: replace(given, d=k * given.heads), given.width)
    layers = most(lambda m: replace(given, layers=m), given.layers)
    try:
        tokens = f"n >= {whole(least_n(given))}"
    except BadPlan:
        tokens = none
    return {
        "n": tokens,
        "score range": none if scores is None else f"b <= {three(scores)}",
        "d": none if width is None else f"d <= {width * given.heads}",
        "error": none if error is None else f"error >= {three(error)}",
        "layers": none if layers is None else f"layers <= {layers}",
    }


def answer(found: Solution, changed: dict[str, str] | None, fewer: bool) -> str:
    """In one sentence: possible, or not and what would have to change."""
    n, rank = found.given.n, whole(found.rank)
    if changed is None:
        slow = "" if fewer else "; but Algorithm 1 then takes more operations than the exact gradients"
        return f"possible: the rank {rank} of f~ is below n = {n}{slow}"
    listed = "; or ".join(text for text in changed.values() if not text.startswith("no ")) or "nothing alone is enough"
    over = "exceeds" if found.rank > n else "equals"
    return f"not possible below rank n: rank {rank} {over} n = {n}; what would have to change, each alone: {listed}"


def plan(given: Inputs) -> dict[str, Any]:
    """`figures` with the answer; where the rank is not below n, also what would have to change, else how deep the model may be."""
    found = solve(given)
    made = figures(found)
    fewer = made["operations"]["fewer than dense"]
    if found.possible:
        return {**made, "answer": answer(found, None, fewer), "deepest": deepest(given)}
    changed = changes(found)
    return {**made, "answer": answer(found, changed, fewer), "changes": changed}
