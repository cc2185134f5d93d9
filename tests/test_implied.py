"""Mutants that follow from the true claim, and ranks between binomials: what is said to follow does, and nothing else is said to."""

import itertools
from math import comb

import pytest
import sympy
from flint import arb

from almostlinear.theorems import (
    Bound,
    absolute,
    d,
    diag,
    exp,
    l1norm,
    maxnorm,
    n,
    ones,
    recip,
    rownorm,
    symbol,
    taylor,
    top,
)
from almostlinear.theorems.functions import BesselTail, J, T
from almostlinear.theorems.sizes import size
from almostlinear.verify.backends.ball import precision
from almostlinear.verify.engines.rank import implies
from almostlinear.verify.mutation.implied import OUTRIGHT, implied
from almostlinear.verify.real_numbers import FUNCTIONS
from almostlinear.verify.task import PROFILES, Task
from tests.helpers import own

A, S = symbol("A", n, n), symbol("S", n, n)
g = size("g")
x, b, eta = maxnorm(S), sympy.Symbol("b", nonnegative=True), sympy.Symbol("eta", positive=True)


def why(right, mutant, *, left=None, mutant_left=None, given=(), mutant_given=None):
    true = Bound(left if left is not None else maxnorm(A), right, given=given)
    made = own("of a test", true)
    now = given if mutant_given is None else mutant_given
    new = Bound(mutant_left if mutant_left is not None else true.left, mutant, given=now)
    return implied(Task(made, true, "", PROFILES["quick"], 0), new)


WEAKER = {
    "more": (n * x, n**2 * x),
    "another norm": (n * x, n * rownorm(S)),
    "all entries": (rownorm(S), l1norm(S)),
    "under exp": (sympy.exp(maxnorm(S)), sympy.exp(l1norm(S))),
    "a lower degree subtracted": (sympy.exp(x) - T(x, g), sympy.exp(x) - T(x, g - 1)),
    "a longer tail": (2 * BesselTail(b, g), 2 * BesselTail(b, g - 1)),
    "a smaller denominator": (x * eta / (1 + sympy.sqrt(1 - eta**2)), x * eta / sympy.sqrt(1 - eta**2)),
    "a higher power of the root": (x * eta / (1 + sympy.sqrt(1 - eta**2)), x * eta / (1 + sympy.sqrt(1 - eta**2) ** 3)),
    "a value in the root": (J(x, g) / (1 + sympy.sqrt(1 - J(x, g) ** 2)), J(x, g) / sympy.sqrt(1 - J(x, g) ** 2)),
}


@pytest.mark.parametrize("name", WEAKER)
def test_a_weaker_bound_follows_and_the_stronger_one_does_not(name):
    right, weaker = WEAKER[name]
    assert why(right, weaker) == "weaker and true: it follows from the true claim"
    assert why(weaker, right) == ""


def test_the_smaller_of_two_roots_where_its_size_is_given():
    right, weaker = (x * eta / (1 + sympy.sqrt(1 - eta**k)) for k in (2, 1))
    assert why(right, weaker, given=(eta <= 1,)).startswith("weaker") and why(weaker, right, given=(eta <= 1,)) == ""
    assert why(right, weaker) == "", "beyond 1 it is the other way round"


def test_sums_of_nonnegative_matrices_by_their_factors():
    f = diag(recip(exp(S) @ ones(n))) @ exp(S)
    gap = absolute(A - f)
    most, given = gap * (1 - eta) - f * (2 * eta), (eta <= 1,)
    looser = (gap * (sympy.Rational(1, 2) - eta) - f * (2 * eta), gap * (1 - eta) - f * (3 * eta))
    for other in looser:
        assert "entry by entry" in why(0, 0, left=top(most), mutant_left=top(other), given=given)
        assert why(0, 0, left=top(other), mutant_left=top(most), given=given) == ""
    assert "entry by entry" in why(0, 0, left=top(most), given=given, mutant_given=())
    other = gap * (1 - eta) + f * (eta - 2)
    assert why(0, 0, left=top(other), given=given, mutant_given=()) == "", "beyond 1 the second factor may be positive"


def test_equal_left_sides_are_proved_equal():
    symmetric = A + A.T
    assert "proved equal" in why(n, n, left=maxnorm(symmetric), mutant_left=maxnorm(symmetric.T))
    assert why(n, n, left=maxnorm(A + A), mutant_left=maxnorm(symmetric)) == ""
    assert why(n, n, left=maxnorm(symmetric), mutant_left=rownorm(symmetric.T)) == ""


def test_a_left_side_that_vanishes_needs_no_other_claim():
    assert why(n, n, mutant_left=maxnorm(A @ S - A @ S)).startswith(OUTRIGHT)
    assert why(n, n, mutant_left=maxnorm(A @ S - S @ A)) == ""


SMALL = (J(x, g) <= 1,)


def weights(degree):
    return J(x, degree) / (1 + sympy.sqrt(1 - J(x, degree) ** 2))


def test_a_lower_degree_of_the_kernel_error_is_weaker_where_it_is_small():
    assert "weaker" in why(n * J(x, g), n * J(x, g - 1), given=SMALL)
    assert "weaker" in why(weights(g), weights(g - 1), given=SMALL)
    assert why(n * J(x, g), n * J(x, g - 1)) == why(n * J(x, g), n * J(x, g + 1), given=SMALL) == ""
    assert why(weights(g), weights(g + 1), given=SMALL) == ""


def test_the_kernel_error_falls_with_the_degree_where_it_is_small():
    with precision(512):
        for degree, k in itertools.product(range(2, 12), range(2, 200)):
            before, here, after = (FUNCTIONS["J"](arb(k) / 20, arb(degree + step)) for step in (-1, 0, 1))
            assert here > 1 or after <= here <= before


def test_one_degree_more_on_the_left_is_the_claim_of_one_degree_more():
    def error(degree):
        return maxnorm(taylor(S, degree) - exp(S))

    assert "weaker" in why(sympy.exp(x) - T(x, g), sympy.exp(x) - T(x, g), left=error(g), mutant_left=error(g + 1))
    assert "weaker" in why(weights(g), weights(g), left=error(g), mutant_left=error(g + 1), given=SMALL)
    bounded = (weights(g) <= eta, J(x, g) <= 1)
    assert "weaker" in why(n * eta, n * eta, left=error(g), mutant_left=error(g + 1), given=bounded)
    assert why(n * eta, n * eta, left=error(g), mutant_left=error(g + 1), given=bounded, mutant_given=SMALL) == ""
    assert why(weights(g), weights(g), left=error(g), mutant_left=error(g - 1), given=SMALL) == ""
    assert why(weights(g), weights(g + 2), left=error(g), mutant_left=error(g + 1), given=SMALL) == ""


# -- binomials -----------------------------------------------------------------------------------------------------------
RANKS = {
    "itself": (sympy.binomial(d + g, g), True),
    "of twice both": (sympy.binomial(2 * d + 2 * g, 2 * g), True),
    "one less than of twice both": (sympy.binomial(2 * d + 2 * g, 2 * g) - 1, True),
    "half of twice both": (sympy.binomial(2 * d + 2 * g, 2 * g) / 2, True),
    "half of one more in d": (sympy.binomial(d + 1 + g, g) / 2, False),
    "one less": (sympy.binomial(d + g, g) - 1, False),
    "of one degree less": (sympy.binomial(d + g - 1, g - 1), False),
    "of two features": (sympy.binomial(2 + g, g), False),
    "a third": (sympy.binomial(2 * d + 2 * g, 2 * g) / 3, False),
}


@pytest.mark.parametrize("name", RANKS)
def test_ranks_are_compared_by_pascals_rule(name):
    claimed, holds = RANKS[name]
    assert implies(sympy.binomial(d + g, g), claimed) == holds
    if holds:
        for p, q in itertools.product(range(1, 5), repeat=2):
            assert comb(p + q, q) <= claimed.subs({d: p, g: q})
