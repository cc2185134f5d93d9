"""Proofs of the analysis facts: every claim of T.1 to T.4 and S.1 to S.4 is proved, no altered one is, and a wrong step raises."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import sympy
from flint import acb, arb, fmpq, fmpq_mat

from almostlinear.theorems import absolute, d, exp, load, maxnorm, n, ones, symbol, taylor
from almostlinear.theorems.functions import Alternation, BesselTail, Chebyshev, Degree, J, T
from almostlinear.theorems.norms import top
from almostlinear.theorems.repaired import kernel
from almostlinear.theorems.sizes import size
from almostlinear.theorems.statement import Bound
from almostlinear.verify import analysis, analysis_facts, analysis_rows
from almostlinear.verify.analysis import NotProved, Proof
from almostlinear.verify.backends.ball import precision
from almostlinear.verify.engines import analysis as engine
from almostlinear.verify.engines import rank
from almostlinear.verify.engines.enclosure import Answer, decide_bound, satisfies
from almostlinear.verify.instances import instances
from almostlinear.verify.nonnegative import certificate, is_zero
from almostlinear.verify.real_numbers import FUNCTIONS
from almostlinear.verify.real_numbers import taylor as taylor_ball
from almostlinear.verify.task import PROFILES, Task

REGISTRY = load()
STATEMENTS = ("T.1", "T.2", "T.3", "T.4", "S.1", "S.2", "S.3", "S.4")
CLAIMS = [(id, claim.part) for id in STATEMENTS for claim in REGISTRY[id].claims]
half = sympy.Rational(1, 2)
b, v = sympy.Symbol("b", positive=True), sympy.Symbol("v", nonnegative=True)
x = symbol("x", n)
g, k = size("g"), size("k")


def claim_of(id: str, part: str) -> Bound:
    return next(c for c in REGISTRY[id].claims if c.part == part)


# -- what holds --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("id", "part"), [*CLAIMS, ("C.13r", "error"), ("depth.3", "rho^m"), ("depth.5", "rank at most (1 + g)^d")]
)
def test_a_claim_is_proved(id, part):
    claim = claim_of(id, part)
    record = engine.examine(Task(REGISTRY[id], claim, "hash", PROFILES["quick"], 0))
    assert record is not None and record.strength == "proved" and record.basis == "certificate"
    assert record.detail["steps"] == len(record.detail["proof"]) > 0, "a proof of words alone is none"
    assert all(step["kind"] in ("identity", "certificate", "monotone", "induction") for step in record.detail["proof"])
    assert all(isinstance(words, str) for words in record.detail["argument"])


def test_what_is_trusted_in_words_is_listed_with_its_claims():
    wanted = [("S.2", c) for c in REGISTRY["S.2"].claims] + [("T.1", claim_of("T.1", "2 upper"))]
    tasks = [Task(REGISTRY[id], claim, "hash", PROFILES["quick"], 0) for id, claim in wanted]
    records = [record for task in tasks if (record := engine.examine(task)) is not None]
    shown = engine.trusted([*records, *records])
    words = {row["trusted"]: row["claims"] for row in shown["rows"]}
    assert words[analysis_rows.PART_OF_A_ROW] == "S.2 1" and len(words) >= 5
    assert any(claims == "S.2 2, T.1 2 upper" for claims in words.values()), "the mean value theorem is trusted by both"
    assert engine.trusted([replace(r, engine="another") for r in records])["rows"] == []


def test_a_weaker_claim_follows():
    """What is certified is the inequality, not one printed form of it."""
    for id, part in (
        ("T.1", "1 supremum"),
        ("T.1", "2 upper"),
        ("S.1", "2 largest entry"),
        ("S.2", "1"),
        ("T.4", "3 upper"),
    ):
        claim = claim_of(id, part)
        assert engine.prove(replace(claim, right=claim.right * 2)) is not None


# -- what does not -----------------------------------------------------------------------------------------------------
def _right(change):
    return lambda claim: replace(claim, right=change(claim.right))


def _left(change):
    return lambda claim: replace(claim, left=change(claim.left))


def _swap(old, new):
    return _right(lambda e: e.subs(old, new) if not callable(old) else e.replace(old, new))


def _shifted_factorial(e):
    return e.replace(sympy.factorial, lambda a: sympy.factorial(a + 1))


def _given(*relations):
    return lambda claim: replace(claim, given=relations)


def _eta(change):
    eta = sympy.Symbol("eta", positive=True)
    return _right(lambda e: e.subs(eta, change(eta)))


NEAR = maxnorm(x)
ALTERED = {
    "relative error: half of J": ("T.1", "1 supremum", _right(lambda e: e / 2)),
    "relative error: a degree more": ("T.1", "1 supremum", _right(lambda e: J(NEAR, g + 1))),
    "relative error: J at half the range": ("T.1", "1 supremum", _right(lambda e: J(NEAR / 2, g))),
    "upper bound: e^b dropped": ("T.1", "2 upper", _right(lambda e: e * sympy.exp(-NEAR))),
    "upper bound: g + 1 for g + 2": ("T.1", "2 upper", _swap(g + 2, g + 1)),
    "upper bound: (g + 2)! for (g + 1)!": ("T.1", "2 upper", _right(_shifted_factorial)),
    "looser: the other way round": ("T.1", "3 looser", lambda c: replace(c, left=c.right, right=c.left)),
    "lower bound: b^g for b^{g+1}": ("T.1", "4 lower", _left(lambda e: e / NEAR)),
    "lower bound: g + b for g + 1 + b": ("T.1", "4 lower", _left(lambda e: e.subs(g + 1 + NEAR, g + NEAR))),
    "absolute error: 1 for e^b": ("T.1", "5 absolute", _right(lambda e: 1 - T(NEAR, g))),
    "absolute error: a degree more": ("T.1", "5 absolute", _right(lambda e: sympy.exp(NEAR) - T(NEAR, g + 1))),
    "odd polynomials are positive": (
        "T.2", "1 even", _left(lambda e: top(-taylor(x, 2 * k + 1)))
    ),
    "even polynomials are at least 1": ("T.2", "1 even", _right(lambda e: e - 1)),
    "odd, if J <= 2": ("T.2", "2 odd, if", _given(J(NEAR, 2 * k + 1) <= 2)),
    "odd, with J of a higher degree": ("T.2", "2 odd, if", _given(J(NEAR, 2 * k + 3) <= 1)),
    "odd, without a hypothesis": ("T.2", "2 odd, if", _given()),
    "odd, only if 1/2 <= J": ("T.2", "3 odd, only if", _given(half <= J(NEAR, 2 * k + 1))),
    "degree: e^{-2L}": ("T.3", "1", _right(lambda e: e**2)),
    "degree: one less": ("T.3", "1", _left(lambda e: J(e.args[0], e.args[1] - 1))),
    "degree: L/2": ("T.3", "1", _left(lambda e: J(e.args[0], Degree(*(a / (1 + i) for i, a in enumerate(e.args[1].args)))))),
    "best: twice as large": ("T.4", "1 lower", _left(lambda e: 2 * e)),
    "best: (b/2)^g for (b/2)^{g+1}": ("T.4", "1 lower", _left(lambda e: 2 * e / b)),
    "cut: half of the tail": ("T.4", "2 absolute error of the cut expansion", _right(lambda e: e / 4)),
    "cut: tail of a degree more": (
        "T.4", "2 absolute error of the cut expansion", _right(lambda e: 2 * BesselTail(b, g + 1))
    ),
    "cut: outside of the range": ("T.4", "2 absolute error of the cut expansion", _given()),
    "tail: e^b dropped": ("T.4", "3 upper", _right(lambda e: e * sympy.exp(-b))),
    "tail: (g + 2)! for (g + 1)!": ("T.4", "3 upper", _right(_shifted_factorial)),
    "rows: eta for 2 eta": ("S.1", "1 entrywise", lambda c: _entrywise(1, 1)),
    "rows: without eta |1 - 2f|": ("S.1", "1 entrywise", lambda c: _entrywise(2, 0)),
    "rows: half of eta |1 - 2f|": ("S.1", "1 entrywise", lambda c: _entrywise(2, half)),
    "rows: half of the largest entry": ("S.1", "2 largest entry", _right(lambda e: e / 2)),
    "rows: sqrt(1 - eta) for sqrt(1 - eta^2)": (
        "S.1", "2 largest entry", _right(lambda e: e.replace(lambda p: p.is_Pow and p.exp == half, lambda p: 1 + p))
    ),
    "rows: without a limit on eta": ("S.1", "2 largest entry", _given()),
    "rows: the l1 norm as small as an entry": ("S.1", "3 row l1", _right(lambda e: e / 2)),
    "rows: eta/2 in the bound": ("S.1", "3 row l1", _eta(lambda eta: eta / 2)),
    "rows: half of the relative error": ("S.1", "4 relative", lambda c: _relative(1)),
    "simpler: eta/(1 + eta)": ("S.1", "5 simpler", _eta(lambda eta: eta / (1 + 2 * eta))),
    "softmax: osc/8": ("S.2", "1", _right(lambda e: e.replace(sympy.tanh, lambda a: sympy.tanh(a / 2)))),
    "softmax: tanh for 2 tanh": ("S.2", "1", _right(lambda e: e / 2)),
    "oscillation: half of the norm": ("S.2", "2", _right(lambda e: e / 2)),
    "power: one factor less": ("depth.3", "rho^m", _right(lambda e: sympy.exp(sympy.log(e).expand(force=True) / 2))),
    "power: two terms": ("depth.3", "rho^m", _right(lambda e: 1 + sympy.expand(sympy.log(e), force=True))),
    "rank: a factor less": ("depth.5", "rank at most (1 + g)^d", _right(lambda e: e / e.args[0])),
    "rank: a smaller factor": ("depth.5", "rank at most (1 + g)^d", _right(lambda e: (e.args[0] - half) ** e.args[1])),
}  # fmt: skip


NEVER_DRAWN = ("cut: outside of the range", "rows: without a limit on eta")
"""Altered hypotheses that the drawn instances meet anyway."""


def _entrywise(constant, share):
    """S.1, part 1, with ``constant`` eta for 2 eta and ``share`` eta |1 - 2f| for eta |1 - 2f|."""
    gap = absolute(kernel.f_approx - kernel.f)
    room = ones(n, n) - absolute(ones(n, n) - kernel.f * 2) * (share * kernel.eta)
    inside = kernel.f * (ones(n, n) - kernel.f)
    return Bound(top(gap * room - inside * (constant * kernel.eta)), sympy.Integer(0), given=kernel.ONE)


def _relative(constant):
    """S.1, part 4, with ``constant`` eta for 2 eta."""
    gap = absolute(kernel.f_approx - kernel.f)
    return Bound(top(gap * (1 - kernel.eta) - kernel.f * (constant * kernel.eta)), sympy.Integer(0), given=kernel.ONE)


@pytest.mark.parametrize("name", ALTERED)
def test_an_altered_claim_is_not_proved(name):
    id, part, alter = ALTERED[name]
    altered = alter(claim_of(id, part))
    assert altered.content() != claim_of(id, part).content()
    assert engine.prove(altered) is None


@pytest.mark.parametrize("name", [x for x in ALTERED if x not in NEVER_DRAWN])
def test_an_altered_claim_is_false(name):
    """The alterations are no stronger truths: an instance violates each."""
    id, part, alter = ALTERED[name]
    altered = alter(claim_of(id, part))
    drawn = (problem for seed in range(6) for _, problem in instances(altered, 20, 1000 * seed))
    assert any(satisfies(altered, p) and decide_bound(altered, p)[0] is Answer.NO for p in drawn)


def test_the_altered_claims_are_the_claims_of_kernel_py_altered():
    """The two that are written anew here are the registered ones where the constants are."""
    for made, part in ((_entrywise(2, 1), "1 entrywise"), (_relative(2), "4 relative")):
        assert made.left.formula is claim_of("S.1", part).left.formula


def test_claims_of_other_forms_are_left_alone():
    X, Y = symbol("X", n, d), symbol("Y", n, d)
    strange = [
        Bound(maxnorm(X @ Y.T), d * maxnorm(X) * maxnorm(Y)),
        Bound(maxnorm(exp(x)), sympy.exp(maxnorm(x)) - 1),
        Bound(maxnorm(taylor(x, g - 2) * exp(-x) - ones(n)), J(maxnorm(x), g - 2)),
        Bound(T(-b, g), sympy.Integer(0)),
        Bound(J(-v, g), sympy.Integer(0)),
        Bound(v, sympy.log(1 + v)),
        Bound(sympy.sqrt(v), v),
        Bound(Alternation(b, g), BesselTail(b, g)),
        Bound(abs(sympy.exp(v) - Chebyshev(v, b, g)), 2 * BesselTail(b, g)),
        Bound(J(b, sympy.ceiling(b) - 1), sympy.exp(-b)),
    ]
    assert [engine.prove(claim) for claim in strange] == [None] * len(strange)


# -- steps -------------------------------------------------------------------------------------------------------------
def test_an_identity_that_does_not_hold_raises():
    proof = Proof()
    proof.identity("b^{g+1} = b b^g", b ** (g + 1), b * b**g)
    with pytest.raises(NotProved, match="is not"):
        proof.identity("(g + 1)! = g g!", sympy.factorial(g + 1), g * sympy.factorial(g))
    assert len(proof.steps) == 1, "a failed step leaves no trace"


@pytest.mark.parametrize(
    "false",
    [
        v - 1,
        sympy.exp(v) - 2,
        g - 2,
        v**2 - v,
        sympy.Symbol("r", real=True),
        1 / (v - 1) ** 2,
        sympy.exp(-v) - 1,
        T(v, g),
    ],
)
def test_what_is_not_surely_nonnegative_has_no_certificate(false):
    assert certificate(false) is None


@pytest.mark.parametrize(
    "true",
    [v, sympy.exp(v) - 1, g - 1, (v - 1) ** 2, sympy.factorial(g + 1) - g * sympy.factorial(g), sympy.Integer(0)],
)
def test_what_is_nonnegative_by_its_form_has_one(true):
    assert certificate(true) is not None


def test_equal_powers_and_factorials_are_recognised():
    assert is_zero((b / 2) ** (g + 1) - b ** (g + 1) / 2**g / 2)
    assert is_zero(sympy.factorial(g + 2) - (g + 2) * (g + 1) * sympy.factorial(g))
    assert not is_zero((b / 2) ** g - b**g / 2)


@pytest.mark.parametrize(
    "function", [v - sympy.exp(v), J(v, g) - v ** (g + 1), sympy.tanh(v) - v, T(v, g) - sympy.exp(v), T(-v, g), v - 1]
)
def test_a_function_that_falls_below_zero_is_not_proved(function):
    with pytest.raises(NotProved):
        Proof().nonnegative("false", function, v)


def test_the_induction_on_the_degree_needs_its_base():
    Proof().by_degree("e^v >= T_g(v)", sympy.exp(v) - T(v, g), v)
    with pytest.raises(NotProved):
        Proof().by_degree("e^v - 1 >= T_g(v)", sympy.exp(v) - 1 - T(v, g), v)
    with pytest.raises(NotProved):
        Proof().by_degree("T_g(-v) >= 0", T(-v, g), v)


def test_words_alone_are_no_proof(monkeypatch):
    def words(claim):
        proof = Proof()
        proof.argument("it is well known")
        return proof

    monkeypatch.setattr(engine, "WAYS", (words,))
    assert engine.prove(claim_of("T.1", "1 supremum")) is None


# -- what the proofs trust, against ball arithmetic --------------------------------------------------------------------
def test_the_rules_for_derivatives_agree_with_balls():
    """T_g' = T_g - x^g/g! and J_g(b) = int_0^b v^g e^v/g! dv."""
    with precision(128):
        for degree, at in itertools.product((0, 1, 2, 5), (fmpq(1, 3), fmpq(7, 4))):
            point, step = arb(at), arb(2) ** -40
            slope = (taylor_ball(point + step, degree) - taylor_ball(point - step, degree)) / (2 * step)
            rule = taylor_ball(point, degree) - point**degree / arb(degree + 1).gamma()
            assert abs(slope - rule) < arb(10) ** -18
            fact = acb(degree + 1).gamma()
            area = acb.integral(lambda u, _, k=degree, f=fact: u**k * u.exp() / f, 0, acb(point)).real
            assert (area - FUNCTIONS["J"](point, arb(degree))).contains(0)


def test_the_degree_formula_is_that_of_the_evaluator():
    written = analysis_facts.degree_of(b, sympy.Symbol("L", positive=True))
    for numbers in ((fmpq(1, 2), 3), (fmpq(2), 10), (fmpq(7, 3), 1)):
        ball = FUNCTIONS["Degree"](arb(numbers[0]), arb(numbers[1]))
        exact = written.subs({b: sympy.Rational(str(numbers[0])), sympy.Symbol("L", positive=True): numbers[1]})
        assert ball == int(exact)


def test_the_bounds_on_tails_and_alternations_hold_in_balls():
    """sum_{k > g} I_k(b) <= e^b (b/2)^{g+1}/(g+1)! and Alternation >= e^{-2b} b^N/(2^{N-1} N!), N = g + 1."""
    for degree, width in itertools.product((1, 2, 4, 7), (arb("0.25"), arb(1), arb(3))):
        factorial = arb(degree + 2).gamma()
        tail = width.exp() * (width / 2) ** (degree + 1) / factorial
        assert FUNCTIONS["BesselTail"](width, arb(degree)) <= tail
        low = (-2 * width).exp() * width ** (degree + 1) / (arb(2) ** degree * factorial)
        assert FUNCTIONS["Alternation"](width, arb(degree)) >= low


def test_the_weights_of_a_divided_difference_are_checked():
    proof = Proof()
    for count in range(1, 13):
        analysis_facts._weights_at(proof, count)
    assert [s.checked.split(" = ")[0] for s in proof.steps] == [str(2 ** (c - 1)) for c in range(1, 13)]


def test_a_row_reduces_to_one_entry_and_the_rest():
    """An entry of f~ in a row of four is that of the case with e' the weighted mean of the others, as rational functions."""
    a, e, eta = sympy.symbols("a:4", positive=True), sympy.symbols("e:4", real=True), sympy.Symbol("eta", positive=True)
    near = [w * (1 + eta * x) for w, x in zip(a, e, strict=True)]
    exact, approximate = a[0] / sum(a), near[0] / sum(near)
    mean = sum(w * x for w, x in zip(a[1:], e[1:], strict=True)) / sum(a[1:])
    case = exact * (1 + eta * e[0]) / (exact * (1 + eta * e[0]) + (1 - exact) * (1 + eta * mean))
    assert sympy.cancel(case - approximate) == 0


def test_the_cases_cover_all_values():
    """Every F in [0, 1] and e, e' in [-1, 1] is reached by one of the four."""
    rng = np.random.default_rng(0)
    eta = sympy.Rational(1, 3)
    cases = list(analysis_rows.cases(eta))
    for _ in range(20):
        F, e, other = (
            sympy.Rational(int(rng.integers(0, 9)), 8),
            *(sympy.Rational(int(rng.integers(-8, 9)), 8) for _ in "ee"),
        )
        case = cases[2 * int(bool(e < other)) + int(bool(half < F))]
        high, low = (e, other) if e >= other else (other, e)
        small = min(F, 1 - F)
        letters = {
            analysis_rows.ALPHA: (1 - high) / 2, analysis_rows.BETA: (high - low) / 2, analysis_rows.GAMMA: (1 + low) / 2,
            analysis_rows.PHI: 2 * small, analysis_rows.PSI: 1 - 2 * small,
        }  # fmt: skip
        assert case.exact.subs(letters) == F
        expected = F * (1 + eta * e) / (F * (1 + eta * e) + (1 - F) * (1 + eta * other))
        assert case.near.subs(letters) == expected


def test_parities_of_both_kinds_are_tried():
    both = analysis.signs((-v) ** g)
    assert len(both) == 2 and {sign((-v) ** g) for sign in both} == {v**g, -(v**g)}


# -- the rank of T_g of inner products ---------------------------------------------------------------------------------
GENERIC = [(width, degree) for width in (1, 2, 3) for degree in (1, 2, 3)] + [(4, 2), (2, 5), (5, 2)]


@pytest.mark.parametrize(("width", "degree"), GENERIC)
def test_the_rank_is_attained_at_a_rational_point(width, degree):
    """rank T_g(<q_i, k_j>) = binom(d + g, g) at points with n = binom(d + g, g); generic points have at least that rank."""
    count = int(sympy.binomial(width + degree, degree))
    rng = np.random.default_rng([width, degree])
    q, k = rng.integers(-99, 100, (2, count, width))
    rows = [[_taylor_of(fmpq(int(s)), degree) for s in row] for row in q @ k.T]
    assert fmpq_mat(rows).rank() == count


def _taylor_of(s: fmpq, degree: int) -> fmpq:
    value, term = fmpq(1), fmpq(1)
    for j in range(1, degree + 1):
        term = term * s / j
        value += term
    return value


def test_the_rank_is_at_most_that_by_structure():
    q, k = symbol("Q", n, d), symbol("K", n, d)
    assert sympy.binomial(d + g, g) in rank.bounds(taylor(q @ k.T, g))


def test_points_of_a_subspace_have_a_smaller_rank():
    """The rank is generic, not universal: with one column of Q zero it is that of d - 1."""
    rng = np.random.default_rng(0)
    q, k = rng.integers(-9, 10, (2, 10, 3))
    q[:, 0] = 0
    rows = [[_taylor_of(fmpq(int(s)), 2) for s in row] for row in q @ k.T]
    assert fmpq_mat(rows).rank() == sympy.binomial(4, 2)
