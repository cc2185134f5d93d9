"""Binomial limits against tables and coverage, sequences at every look, and claims about probabilities from end to end."""

from fractions import Fraction

import numpy as np
import pytest
import sympy

from almostlinear.theorems import Bound, d, inner, load, maxnorm, n, symbol, top
from almostlinear.theorems.claims import Probability
from almostlinear.theorems.display import claim_plain
from almostlinear.theorems.statement import StatementError
from almostlinear.verify.backends.ball import precision
from almostlinear.verify.confidence import (
    SUITE_ERROR,
    Sequence,
    Support,
    at_least,
    at_most,
    judge,
    lower_limit,
    share,
    upper_limit,
)
from almostlinear.verify.engines import probability
from almostlinear.verify.task import PROFILES, Task
from tests.helpers import own

ERROR = Fraction(1, 40)

# Two-sided 95 % limits of Clopper and Pearson: successes, trials, lower, upper.
TABLE = [
    (0, 10, 0.0, 0.30849711),
    (1, 10, 0.00252858, 0.44501612),
    (5, 10, 0.18708603, 0.81291397),
    (95, 100, 0.88716509, 0.98356813),
]


@pytest.mark.parametrize(("successes", "trials", "lower", "upper"), TABLE)
def test_limits_are_those_of_the_table(successes, trials, lower, upper):
    assert float(lower_limit(successes, trials, ERROR)) == pytest.approx(lower, abs=1e-7)
    assert float(upper_limit(successes, trials, ERROR)) == pytest.approx(upper, abs=1e-7)


def test_all_successes_have_a_closed_form():
    """p^N = error."""
    assert float(lower_limit(50, 50, ERROR)) == pytest.approx(float(ERROR) ** (1 / 50), abs=1e-8)
    assert lower_limit(0, 50, ERROR) == 0 and upper_limit(50, 50, ERROR) == 1


@pytest.mark.parametrize("p", [Fraction(1, 10), Fraction(1, 2), Fraction(97, 100)])
def test_the_lower_limit_covers_exactly(p):
    """Over all outcomes of 40 trials, summed exactly: the limit exceeds p with probability at most the error."""
    wrong = [k for k in range(41) if lower_limit(k, 40, ERROR) > p]
    assert not wrong or float(at_least(min(wrong), 40, p).upper()) <= float(ERROR)


def test_a_limit_of_half_the_confidence_would_not_cover():
    """The coverage above can fail: limits for four times the error do."""
    p = Fraction(1, 2)
    wrong = [k for k in range(41) if lower_limit(k, 40, 4 * ERROR) > p]
    assert float(at_least(min(wrong), 40, p).lower()) > float(ERROR)


def test_tails_add_to_one():
    for k in (1, 7, 20):
        with precision(192):
            whole = at_most(k - 1, 20, Fraction(3, 7)) + at_least(k, 20, Fraction(3, 7))
            assert whole.contains(1) and whole.rad() < 1e-40


@pytest.mark.parametrize(
    ("successes", "wanted"), [(1000, Support.SUPPORTED), (900, Support.UNDECIDED), (700, Support.CONTRADICTED)]
)
def test_a_claim_is_judged_by_both_sides(successes, wanted):
    assert judge(successes, 1000, Fraction(9, 10), Fraction(1, 1000)) is wanted


@pytest.mark.parametrize(
    "arguments", [(5, 4, ERROR), (-1, 4, ERROR), (0, 0, ERROR), (1, 4, Fraction(0)), (1, 4, Fraction(2))]
)
def test_what_are_no_trials_is_said(arguments):
    with pytest.raises(ValueError, match="expected"):
        lower_limit(*arguments)


def test_the_error_of_the_suite_is_shared_out():
    assert 20 * share(20) == SUITE_ERROR
    with pytest.raises(ValueError, match="at least one"):
        share(0)


def test_a_sequence_is_wrong_at_any_look_as_rarely_as_it_says():
    """300 sequences of 300 fair trials, looked at after each: at an error of 1/20, about 15 may exclude the truth at some time."""
    rng, excluded = np.random.default_rng(0), 0
    half = Fraction(1, 2)
    for _ in range(300):
        made = Sequence(Fraction(1, 20))
        for success in rng.random(300) < 0.5:
            made = made.after(bool(success))
            if made.trials % 5 == 0 and made.excludes(half):
                excluded += 1
                break
    assert excluded <= 24, "more than 0.99 of such runs allow"


def test_a_sequence_finds_out():
    made = Sequence(Fraction(1, 1000))
    for k in range(2000):
        made = made.after(k % 10 != 0)
    answers = [made.judge(Fraction(q, 100)) for q in (80, 90, 95)]
    assert answers == [Support.SUPPORTED, Support.UNDECIDED, Support.CONTRADICTED]


# -- claims ------------------------------------------------------------------------------------------------------------------
A, x, s = symbol("A", n, d), symbol("x", d), symbol("s", n)
LARGE = Bound(top(inner(s, s)), 3 * n)


CHEBYSHEV = Probability(LARGE, 1 - 1 / (2 * n), ((s, "normal"),))


def examined(claim, profile="quick", seed=0):
    made = own("probable", claim, kind="probability")
    return probability.examine(Task(made, claim, "0", PROFILES[profile], seed))


def test_a_true_claim_is_searched_with_its_confidence():
    """|s|^2 has mean n and variance 2n: Chebyshev gives P(|s|^2 <= 3n) >= 1 - 1/(2n)."""
    record = examined(CHEBYSHEV, "ci")
    assert (record.strength, record.basis) == ("searched", "statistics")
    assert 1 - SUITE_ERROR <= record.detail["confidence"] < 1


def test_a_false_claim_is_contradicted_and_not_refuted():
    record = examined(Probability(Bound(maxnorm(s), sympy.Integer(1)), sympy.Rational(9, 10), ((s, "normal"),)))
    assert record.strength == "stated" and record.detail["contradicted"]


def test_what_the_trials_cannot_tell_is_sampled():
    """400 trials that all succeed do not show 1 - 1/32 at an error of a millionth; 4,000 do."""
    record = examined(CHEBYSHEV)
    assert record.strength == "sampled" and record.detail["least lower limit"] < 1 - 1 / 32


def test_a_sharp_claim_fails_where_it_says_too_much():
    """P(|x|_max <= 1/2) is 1/2 for one uniform entry: 0.4 is supported, 0.6 contradicted."""
    t = symbol("t", 1)
    event = Bound(maxnorm(t), sympy.Rational(1, 2))
    low, high = (
        examined(Probability(event, q, ((t, "uniform"),)), "ci") for q in (sympy.Rational(2, 5), sympy.Rational(3, 5))
    )
    assert low.strength == "searched" and high.strength == "stated"


def test_other_matrices_are_adversarial_and_the_seed_counts():
    claim = Probability(Bound(maxnorm(A @ x), 4 * d * maxnorm(x)), sympy.Rational(1, 2), ((A, "sign"),))
    first, again, other = examined(claim), examined(claim), examined(claim, seed=1)
    assert first.to_json() == again.to_json() and first.seed != other.seed
    assert first.detail["least share held"] == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"random": ()}, "at least one random"),
        ({"random": ((s, "cauchy"),)}, "use one of"),
        ({"random": ((A, "sign"),)}, "no matrix of reals"),
        ({"at_least": 1 - maxnorm(s)}, "sizes and constants"),
    ],
)
def test_what_cannot_be_a_probability_is_said(change, says):
    with pytest.raises(StatementError, match=says):
        Probability(**{"event": LARGE, "at_least": sympy.Rational(1, 2), "random": ((s, "normal"),), **change})


def test_its_content_tells_laws_and_constants_apart():
    made = [Probability(LARGE, sympy.Rational(q, 10), ((s, law),)) for q in (5, 6) for law in ("normal", "sign")]
    assert len({str(claim.content()) for claim in made}) == 4


def test_it_is_shown():
    assert "P(" in claim_plain(Probability(LARGE, sympy.Rational(1, 2), ((s, "normal"),)))


def test_no_more_claims_than_share_the_error():
    assert sum(isinstance(c, Probability) for made in load() for c in made.claims) <= probability.MOST_CLAIMS
