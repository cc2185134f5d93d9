"""Layers drawn by Hypothesis: the implementation within its certificate and the theory's bound, decided in balls; planted mistakes not."""

import hypothesis.strategies as st
import numpy as np
import pytest
from flint import arb
from hypothesis import HealthCheck, assume, given, settings

from almostlinear import impl
from almostlinear.theorems import Bound, load
from almostlinear.theorems.functions import J
from almostlinear.theorems.norms import maxnorm
from almostlinear.theorems.repaired.algorithm import OUTPUTS, S, g, h
from almostlinear.theorems.repaired.kernel import eps_1, eta
from almostlinear.verify.backends.ball import DEFAULT_BITS, Balls, precision
from almostlinear.verify.backends.interpreter import Interpreter
from almostlinear.verify.engines.enclosure import satisfies
from almostlinear.verify.engines.implementation import decide, layer_arguments, run_implementation
from almostlinear.verify.examples import drawing
from almostlinear.verify.layers import BOUNDS, DTYPES, RANGES, layer
from almostlinear.verify.problems import FAMILIES, HEAD_WIDTH, real_attention, real_head, real_heads
from almostlinear.verify.real_numbers import NORM_OF, Answer, Evaluator, at_most
from almostlinear.verify.regime import heads, needed_degree

CLAIMS = {claim.part: claim for claim in load()["Alg.1r"].claims if isinstance(claim, Bound)}
DEGREES = range(1, 9)

DRAWN = {
    "family": st.sampled_from(sorted(FAMILIES)),
    "n": st.integers(1, 12),
    "d": st.integers(1, 4),
    "bound": st.sampled_from(BOUNDS),
    "limit": st.sampled_from(RANGES),
    "full": st.booleans(),
    "dtype": st.sampled_from(DTYPES),
    "seed": st.integers(0, 2**31),
}
DRAWING = settings(max_examples=200, deadline=None, **drawing(), suppress_health_check=[HealthCheck.filter_too_much])


def drawn_layer(drawn, degree):
    sizes = {"n": drawn["n"], "d": drawn["d"], "g": degree}
    return layer(drawn["family"], sizes, *(drawn[k] for k in ("bound", "limit", "full", "dtype", "seed")))


def faults(problem, dtype, returned, parts=tuple(OUTPUTS)):
    """The outputs that are not surely within their bound and their certificate, with both answers."""
    outcomes = decide(problem, dtype, returned, CLAIMS)
    answers = {part: (outcomes[part].within, outcomes[part].certified) for part in parts}
    return {part: found for part, found in answers.items() if found != (Answer.YES, Answer.YES)}


# -- what is drawn -------------------------------------------------------------------------------------------------------
@DRAWING
@given(st.fixed_dictionaries(DRAWN), st.sampled_from(DEGREES))
def test_a_given_degree(drawn, degree):
    problem = drawn_layer(drawn, degree)
    assume(satisfies(CLAIMS["output"], problem))  # J_g(|S|) <= 1, else the claim says nothing
    try:
        returned = run_implementation(problem, drawn["dtype"])
    except impl.DegreeError:
        assume(False)
    assert not faults(problem, drawn["dtype"], returned), problem.text


@DRAWING
@given(st.fixed_dictionaries(DRAWN), st.sampled_from([1e-1, 1e-2, 1e-3, 1e-5, 1e-8]))
def test_a_degree_chosen_for_eps(drawn, eps):
    """The degree meets eps by the theory's own formula, and the output is within eps max|X W_V| plus the certificate."""
    problem = drawn_layer(drawn, 1)
    x, w, w_v, upstream, options = layer_arguments(problem, drawn["dtype"])
    options = {**options, "degree": None, "eps": eps}
    planned = {
        "output": impl.plan_attention(x @ w, x, x @ w_v, **options).degree,
        "gradients": impl.plan_layer(x, w, w_v, upstream, **options).degree,
    }
    returned = run_implementation(problem, drawn["dtype"], degree=None, eps=eps)
    for which, degree in planned.items():
        problem.sizes["g"] = degree
        parts = tuple(part for part in OUTPUTS if (part == "output") == (which == "output"))
        assert not faults(problem, drawn["dtype"], returned, parts), (problem.text, degree)
        with precision(DEFAULT_BITS):
            value = Evaluator(Interpreter(Balls(problem)))
            row_error, largest = value(eps_1.subs(eta, J(maxnorm(S), g))), value(maxnorm(h))
            assert at_most(row_error, arb(eps)) is Answer.YES, (problem.text, degree)
            if which == "output":
                outcome = decide(problem, drawn["dtype"], returned, CLAIMS)["output"]
                assert at_most(outcome.total, eps * largest + outcome.certificate) is Answer.YES, problem.text


# -- mistakes ------------------------------------------------------------------------------------------------------------
PLAIN = [
    layer(family, {"n": 7, "d": 3, "g": 5}, 1.0, 1.0, full, "float64", 11)
    for family in ("uniform", "corners", "real")
    for full in (False, True)
]


@pytest.mark.parametrize("problem", PLAIN, ids=lambda problem: problem.text)
@pytest.mark.parametrize("part", OUTPUTS)
def test_one_coefficient_off_by_a_thousandth_is_caught(problem, part):
    returned = run_implementation(problem, "float64")
    assert not faults(problem, "float64", returned)
    spoilt = returned[part].copy()
    spoilt.flat[np.abs(spoilt).argmax()] *= 1 + 1e-3
    found = faults(problem, "float64", {**returned, part: spoilt})
    assert set(found) == {part} and found[part][1] is Answer.NO


@pytest.mark.parametrize("problem", PLAIN, ids=lambda problem: problem.text)
def test_another_mask_is_caught(problem):
    other = np.tri(7) if np.all(problem.values["M"] == 1) else np.tri(7, k=1)
    shifted = {**problem.values, "M": other}
    found = faults(
        type(problem)(problem.sizes, shifted, constants=problem.constants),
        "float64",
        run_implementation(problem, "float64"),
    )
    assert set(found) == set(OUTPUTS) and all(certified is Answer.NO for _, certified in found.values())


def test_an_error_beyond_the_bound_is_caught():
    problem = PLAIN[0]
    returned = {part: 2 * value for part, value in run_implementation(problem, "float64").items()}
    assert all(found == (Answer.NO, Answer.NO) for found in faults(problem, "float64", returned).values())


# -- trained heads, as they are ------------------------------------------------------------------------------------------
def test_raw_heads_are_reported_outside_the_regime():
    """The largest score is that of a plain product, the degree is least for the centred one, the rank is not below n."""
    rows = {row["head"]: row for row in heads()}
    assert set(rows) == set(real_heads())
    for name, row in rows.items():
        found = real_head(name)
        largest = float(NORM_OF["max"](Balls.each(arb, (found["scale"] * found["q"] @ found["k"].T).astype(object))))
        assert abs(row["max |score|"] - largest) <= 0.005 and largest > row["sqrt(ln n)"]
        assert row["regime"] == "outside the regime"
        assert row["degree"] is None or row["rank"] >= row["n"]
        assert row["degree"] is None or abs(row["degree"] - needed_degree(row["centred"])) <= 1


@pytest.mark.parametrize("head", real_heads())
def test_raw_heads_are_outside_the_hypotheses(head):
    """At the degrees that are tried J_g(|S|) > 1 on the unscaled head, so that the engine counts it as outside."""
    problem = real_attention(head, 16, HEAD_WIDTH)
    problem.values["M"] = np.tri(16)
    assert not any(satisfies(CLAIMS["output"], _at(problem, degree)) for degree in DEGREES)
    rescaled = layer("real", {"n": 12, "d": 6, "g": 3}, 1.0, 1.0, False, "float64", real_heads().index(head))
    assert satisfies(CLAIMS["output"], rescaled) and "rescaled to |S| <= 1" in rescaled.text


def _at(problem, degree):
    problem.sizes["g"] = degree
    return problem
