"""Ranks, costs, growth and factors: decided rightly, refuted with a witness that replays, and no verdict from a wrong reason."""

import itertools
from fractions import Fraction

import pytest
import sympy

from almostlinear.theorems import load
from almostlinear.theorems.asymptotics import (
    ALMOST_LINEAR,
    CONSTANT,
    LOG,
    LOG_N,
    NAMED,
    NEGLIGIBLE,
    POLY,
    POLYLOG,
    REPRESENTATIVE,
    SUBLOG,
    SUBPOLY,
    SUBROOT,
    UNBOUNDED,
    Growth,
    NoGrowth,
    growth_of,
)
from almostlinear.theorems.formula import causal_rows, diag, exp, ones, recip, rowkron, symbol, taylor
from almostlinear.theorems.norms import maxnorm
from almostlinear.theorems.notation import W_V, G, W, X
from almostlinear.theorems.paper.c_preliminaries import f, h
from almostlinear.theorems.registry import Registry
from almostlinear.theorems.sizes import d, n, size
from almostlinear.theorems.statement import (
    Asymptotic,
    Bound,
    Cost,
    Factors,
    Holds,
    Identity,
    Rank,
    Statement,
    StatementError,
    Within,
)
from almostlinear.verify.campaign import run
from almostlinear.verify.discharge import between, conclusions, undischarged
from almostlinear.verify.engines.factors import excess
from almostlinear.verify.ledger import Ledger
from almostlinear.verify.operations import operations
from almostlinear.verify.replay import replay
from almostlinear.verify.status import statuses

k, l, g, m = size("k"), size("l"), size("g"), size("m")
U, V, Y, Z = symbol("U", n, k), symbol("V", n, k), symbol("Y", n, l), symbol("Z", n, l)
M = causal_rows(n)


def judged(*claims, **fields):
    """The status of a statement with these claims, among statements of its own registry."""
    registry = Registry()
    for other in fields.pop("others", ()):
        registry.add(other)
    made = registry.add(Statement("own.1", "own", "here", fields.pop("kind", "cost"), claims=claims, **fields))
    load()
    with Ledger(None) as ledger:
        run(registry, ledger, registry)
        return next(s for s in statuses(registry, ledger) if s.statement is made), registry


def verdict(*claims, **fields):
    return judged(*claims, **fields)[0].verdict


# -- growth ------------------------------------------------------------------------------------------------------------
def test_the_classes_are_a_chain():
    chain = [NEGLIGIBLE, *NAMED, UNBOUNDED]
    assert all(a < b for a, b in itertools.pairwise(chain))
    assert len({str(c) for c in chain}) == len(chain)


@pytest.mark.parametrize("growth", NAMED, ids=str)
def test_a_representative_is_in_its_class_and_in_no_smaller_one(growth):
    found = growth_of(REPRESENTATIVE[growth], {})
    assert found <= growth
    assert not any(found <= smaller for smaller in NAMED if smaller < growth)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (n * d**2 * k, ALMOST_LINEAR), (d**3, Growth(log=Fraction(3))), (n**2 * d, Growth(power=Fraction(2), log=Fraction(1))),
        (sympy.sqrt(d), Growth(log=Fraction(1, 2))), (sympy.exp(sympy.sqrt(LOG_N)), SUBPOLY), (sympy.exp(d), POLY),
        (sympy.Integer(2) ** d, POLY), (sympy.Integer(2) ** m, UNBOUNDED), (maxnorm(X) ** m, UNBOUNDED),
        (n ** sympy.Integer(-3), Growth(power=Fraction(-3))), (sympy.Max(n, d), Growth(power=Fraction(1))),
        (maxnorm(X @ W), POLY), (sympy.binomial(d + g, g), SUBPOLY), (sympy.binomial(2 * d, d), POLY),
        (sympy.Symbol("e") * n**5, NEGLIGIBLE), (sympy.Integer(7), CONSTANT),
    ],
)  # fmt: skip
def test_growth_of(expression, expected):
    facts = {
        d: LOG, k: SUBPOLY, m: SUBPOLY, g: SUBLOG, maxnorm(X): POLY, maxnorm(W): POLY, sympy.Symbol("e"): NEGLIGIBLE,
    }  # fmt: skip
    assert growth_of(expression, facts) == expected


def test_growth_of_what_is_not_known():
    with pytest.raises(NoGrowth) as found:
        growth_of(d * maxnorm(X @ W_V), {d: LOG, maxnorm(X): POLY})
    assert found.value.quantity == maxnorm(W_V)
    with pytest.raises(NoGrowth, match="may be small"):
        growth_of(1 / maxnorm(X), {maxnorm(X): POLY})


def test_growth_claims():
    P, e = sympy.Symbol("P", positive=True), sympy.Symbol("e", positive=True)
    assumes = (Within(P, POLY), Within(m, SUBPOLY), Within(e, NEGLIGIBLE))
    assert verdict(Asymptotic(P * e * n**4, NEGLIGIBLE), assumes=assumes) == "proved"
    found, _ = judged(Asymptotic(P**m * e, NEGLIGIBLE), assumes=assumes)
    assert found.verdict == "gap" and "m in O(1)" in found.gap[0]
    assert verdict(Asymptotic(P, SUBPOLY), assumes=assumes) == "gap"
    assert verdict(Asymptotic(e * P, UNBOUNDED), assumes=assumes) == "proved"
    assert verdict(Asymptotic(sympy.gamma(P), POLY), assumes=assumes) == "open"


# -- costs -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "given", "expected"),
    [
        (X @ W, (), n * d * (2 * d - 1)), ((U @ V.T) @ X, (), n * n * (2 * k - 1) + n * d * (2 * n - 1)),
        (U @ (V.T @ X), (), k * d * (2 * n - 1) + n * d * (2 * k - 1)), (X + X * X, (), 2 * n * d),
        (diag(h @ ones(d)) @ X, (h,), n * (d - 1) + n * d), (M @ X, (), n * d), (rowkron(U, Y), (), n * k * l),
        (X.T, (), sympy.Integer(0)), (taylor(X, g), (), 2 * g * n * d), (recip(X), (), n * d), (h, (h,), sympy.Integer(0)),
    ],
)  # fmt: skip
def test_operations(line, given, expected):
    assert sympy.expand(operations([line], given) - expected) == 0


def test_shared_work_is_counted_once():
    product = X @ W
    assert operations([product + product]) == sympy.expand(n * d * (2 * d - 1) + n * d)


def test_costs():
    facts = (Within(d, LOG), Within(k, SUBPOLY))
    linear, quadratic = U @ ((V.T @ X) @ W.T), (U @ V.T) @ X
    assert verdict(Cost((linear,), ALMOST_LINEAR), assumes=facts) == "proved"
    assert verdict(Cost((quadratic,), ALMOST_LINEAR), assumes=facts) == "refuted"
    assert verdict(Cost((linear,), ALMOST_LINEAR), assumes=(Within(d, POLY), Within(k, SUBPOLY))) == "gap"
    assert verdict(Cost((U @ (V.T @ X),), n * d * k)) == "proved"
    assert verdict(Cost((quadratic,), n * d * k)) == "refuted"
    assert verdict(Cost((X + X * X,), 2 * n * d, constant=True)) == "proved"
    assert verdict(Cost((X + X * X,), 2 * n * d - 1, constant=True)) == "refuted"


# -- ranks -------------------------------------------------------------------------------------------------------------
def test_ranks():
    product = (U @ V.T) * (Y @ Z.T)
    assert verdict(Rank(product, k * l), kind="rank") == "proved"
    assert verdict(Rank(product, k + l), kind="rank") == "refuted"
    assert verdict(Rank(U @ V.T + Y @ Z.T, k + l), kind="rank") == "proved"
    assert verdict(Rank(U @ V.T + Y @ Z.T, k), kind="rank") == "refuted"
    scores = X @ W @ X.T
    assert verdict(Rank(taylor(scores, g), sympy.binomial(d + g, g)), kind="rank") == "proved"
    assert verdict(Rank(taylor(scores, g), sympy.binomial(2 * (d + g), 2 * g)), kind="rank") == "proved"
    assert verdict(Rank(taylor(scores, g), d + g), kind="rank") == "refuted"
    assert verdict(Rank(exp(scores), d), kind="rank") == "refuted"


# -- factors -----------------------------------------------------------------------------------------------------------
SMALL = (Within(maxnorm(X @ W), SUBROOT), Within(maxnorm(X), SUBROOT))


def test_factors_of_unscaled_attention_do_not_exist():
    found, _ = judged(Factors(f, SUBPOLY, NEGLIGIBLE), assumes=SMALL, kind="rank")
    assert found.verdict == "refuted"
    assert found.witness["|B^-1|_row"] == "5/3"
    assert [size["rank"] for size in found.witness["sizes"]] == [2, 4, 8]


def test_factors_are_not_refuted_where_the_family_is_not_inside():
    small = (*SMALL, Within(d, CONSTANT))
    assert verdict(Factors(f, SUBPOLY, NEGLIGIBLE), assumes=small, kind="rank") == "open"
    assert verdict(Factors(f, SUBPOLY, NEGLIGIBLE), assumes=(Holds("anything else"),), kind="rank") == "open"
    assert verdict(Factors(f, POLY, NEGLIGIBLE), assumes=SMALL, kind="rank") == "open"


def test_the_scale_of_as23_is_not_refuted():
    u = exp((X @ W @ X.T) * (1 / d))
    assert excess(Factors(diag(recip(u @ ones(n))) @ u, SUBPOLY, NEGLIGIBLE)) is None


@pytest.mark.parametrize(
    ("claim", "fields"),
    [
        (Factors(f, SUBPOLY, NEGLIGIBLE), {"assumes": SMALL}), (Rank((U @ V.T) * (Y @ Z.T), k + l), {}),
        (Cost(((U @ V.T) @ X,), n * d * k), {}), (Cost((X + X * X,), n * d, constant=True), {}),
    ],
)  # fmt: skip
def test_witnesses_replay(claim, fields):
    found, registry = judged(claim, kind="rank", **fields)
    record = next(e for e in found.evidence if e.strength == "refuted")
    again = replay(dict(record.witness), registry)
    assert again.found is not None
    assert again.found.actual == record.witness["actual"]


# -- discharge ---------------------------------------------------------------------------------------------------------
SAME = (Identity(X, X),)


def lemma(name, *, assumes=(), concludes=(), uses=(), claims=None):
    """A statement that shows what it concludes."""
    if claims is None:
        shown = [Asymptotic(a.quantity, a.growth, part=str(a)) for a in concludes if isinstance(a, Within)]
        claims = (*SAME, *shown)
    return Statement(name, name, "here", "identity", claims=claims, assumes=assumes, concludes=concludes, uses=uses)


def lacking(made, *others):
    registry = Registry()
    for each in (*others, made):
        registry.add(each)
    return [str(x) for x in undischarged(made, registry)]


def test_hypotheses_follow_from_what_is_assumed_concluded_and_derived():
    small = lemma("B", assumes=(Within(maxnorm(X @ W), POLY),))
    assert not lacking(
        lemma("A", uses=("B",), assumes=(Within(maxnorm(X), POLY), Within(maxnorm(W), POLY), Within(d, LOG))), small
    )
    assert lacking(lemma("A", uses=("B",), assumes=(Within(maxnorm(X), POLY),)), small)
    strong = lemma("B", assumes=(Within(maxnorm(X @ W), SUBROOT),))
    (text,) = lacking(lemma("A", uses=("B",), assumes=(Within(maxnorm(X @ W), POLY),)), strong)
    assert text.startswith(
        "hypothesis of B not implied: |X W| in o(sqrt(log n)); known is poly(n), for instance |X W| = "
    )
    giver = lemma("C", concludes=(Within(maxnorm(X @ W), CONSTANT),))
    assert not lacking(lemma("A", uses=("B", "C")), strong, giver)
    conditional = lemma("C", assumes=(Holds("the moon is full"),), concludes=(Within(maxnorm(X @ W), CONSTANT),))
    assert len(lacking(lemma("A", uses=("B", "C")), strong, conditional)) == 2


def test_an_instance_lies_between():
    for known in NAMED[1:]:
        for needed in NAMED:
            if needed < known:
                found = growth_of(between(known, needed), {})
                assert found <= known and not found <= needed
    with pytest.raises(ValueError, match="contained"):
        between(CONSTANT, POLYLOG)


def test_a_conclusion_counts_only_where_its_hypotheses_follow():
    bounded = Within(maxnorm(f), CONSTANT)
    sound = lemma("B", assumes=(Within(d, LOG),), concludes=(bounded,))
    claim = Asymptotic(n * maxnorm(f), POLY, relies_on="B")
    assert verdict(claim, uses=("B",), assumes=(Within(d, LOG),), others=(sound,)) == "proved"
    found, _ = judged(claim, uses=("B",), others=(sound,))
    assert found.verdict == "gap" and found.claims[0].argument == "gap"
    false = lemma("B", concludes=(bounded,), claims=(Identity(X + X, X),))
    found, _ = judged(claim, uses=("B",), others=(false,))
    assert found.verdict == "gap" and found.gap == ("the printed argument relies on B, which is refuted",)


def test_a_conclusion_that_no_claim_shows_is_none():
    z = sympy.Symbol("z", positive=True)
    axiom = lemma("B", concludes=(Within(z, NEGLIGIBLE),), claims=SAME)
    assert conclusions(axiom) == ()
    found, _ = judged(Asymptotic(n**9 * z, NEGLIGIBLE, relies_on="B"), uses=("B",), others=(axiom,))
    assert found.verdict == "gap" and "z in 1/poly(n)" in found.gap[0]


def test_what_a_refuted_statement_concludes_discharges_nothing():
    x = sympy.Symbol("x", positive=True)
    false = lemma("B", concludes=(Within(x, CONSTANT),), claims=(Identity(X + X, X), Asymptotic(x, CONSTANT, part="2")))
    middle = lemma("C", assumes=(Within(x, CONSTANT),), concludes=(Within(x, CONSTANT),))
    found, _ = judged(Asymptotic(x, CONSTANT, relies_on="C"), uses=("B", "C"), others=(false, middle))
    assert found.verdict == "gap" and any("hypothesis of C not implied" in text for text in found.gap)


def test_relying_on_what_is_not_used_is_refused():
    with pytest.raises(StatementError, match="relies on B, which is not among its uses"):
        judged(Asymptotic(n, POLY, relies_on="B"))


# -- steps -------------------------------------------------------------------------------------------------------------
def test_a_false_step_is_a_gap_of_the_argument_and_not_of_the_statement():
    true, false = Identity(X + X, X * 2, part="1"), Identity(X * X, X, part="2", step=True)
    found, _ = judged(true, false, kind="identity")
    assert found.verdict == "proved" and found.witness is None
    assert found.gap == ("the printed step '2' is refuted",)
    assert {c.argument for c in found.claims} == {"gap"}


# -- via ---------------------------------------------------------------------------------------------------------------
def test_via_proves_only_what_is_the_same_matrix():
    gap, weight = U @ V.T - f, symbol("w", n)
    left, right = U @ V.T @ diag(weight) - f @ diag(weight), n * maxnorm(gap) * maxnorm(diag(weight))
    assert verdict(Bound(maxnorm(left), right, via=gap @ diag(weight)), kind="norm-bound") == "proved"
    wrong = Bound(maxnorm(left + left), right / n, via=gap @ diag(weight))
    assert verdict(wrong, kind="norm-bound") != "proved"
    with pytest.raises(StatementError, match="via"):
        Bound(maxnorm(left), right, via=G)


# -- weights -----------------------------------------------------------------------------------------------------------
def test_a_proof_by_a_lemma_relies_on_it_and_no_lemma_proves_itself():
    from almostlinear.verify.engines import norms
    from almostlinear.verify.evidence import Evidence, Overclaim
    from almostlinear.verify.task import PROFILES, Task

    registry = load()
    made = registry["C.13r"]
    claim = next(c for c in made.claims if c.part == "error")
    record = norms.examine(Task(made, claim, "h", PROFILES["quick"], 0))
    assert record is not None and record.relies_on == ("S.1", "T.1")
    for own in registry["S.1"].claims:
        assert norms.examine(Task(registry["S.1"], own, "h", PROFILES["quick"], 0)) is None
    with pytest.raises(Overclaim, match="relies on what it proves"):
        Evidence("S.1", "1", "", "norms", "proved", "exact", "h", "c", tried=1, relies_on=("S.1",))


@pytest.mark.parametrize("given", [(), "half"])
def test_the_rule_of_weights_needs_its_hypothesis_and_its_constant(given):
    from dataclasses import replace

    from almostlinear.verify.engines import norms
    from almostlinear.verify.task import PROFILES, Task

    made = load()["Alg.1r"]
    claim = next(c for c in made.claims if c.part == "output")
    altered = replace(claim, given=()) if given == () else replace(claim, right=claim.right / 2)
    assert norms.examine(Task(made, claim, "h", PROFILES["quick"], 0)) is not None
    assert norms.examine(Task(made, altered, "h", PROFILES["quick"], 0)) is None


# -- what a review broke once ------------------------------------------------------------------------------------------
def test_factors_need_the_unscaled_kernel_and_known_hypotheses():
    scores = (Within(maxnorm(X @ W @ X.T), CONSTANT), Within(d, LOG))
    assert verdict(Factors(f, SUBPOLY, NEGLIGIBLE), assumes=scores, kind="rank") == "open"
    scale = 1 - (1 - 1 / d) * (1 - 2 / d) * (1 - 3 / d)
    u = exp((X @ W @ X.T) * scale)
    assert verdict(Factors(diag(recip(u @ ones(n))) @ u, SUBPOLY, NEGLIGIBLE), assumes=SMALL, kind="rank") == "open"


@pytest.mark.parametrize(
    ("expression", "growth", "facts"),
    [
        (-sympy.log(sympy.Symbol("e", positive=True)), CONSTANT, {sympy.Symbol("e", positive=True): NEGLIGIBLE}),
        (sympy.log(1 / (n + 1)), CONSTANT, {}),
        (m * sympy.log(sympy.Symbol("rho", positive=True)), LOG, {m: LOG, sympy.Symbol("rho", positive=True): CONSTANT}),
        (sympy.Symbol("R", positive=True) ** (-g), SUBPOLY, {g: SUBLOG, sympy.Symbol("R", positive=True): CONSTANT}),
    ],
)  # fmt: skip
def test_no_class_without_a_lower_bound(expression, growth, facts):
    with pytest.raises(NoGrowth):
        growth_of(expression, facts)
    assumes = tuple(Within(q, c) for q, c in facts.items())
    assert verdict(Asymptotic(expression, growth), assumes=assumes) == "open"


def test_costs_are_not_refuted_outside_the_hypotheses():
    assert verdict(Cost((X @ W,), n**2), assumes=(Within(d, LOG),)) == "proved"
    assert verdict(Cost((X @ W,), n * d), assumes=(Within(d, CONSTANT),)) == "proved"
    assert verdict(Cost((X @ W,), n * d), assumes=(Within(d, NEGLIGIBLE),)) == "proved"
    assert verdict(Cost((X @ W,), n * d)) == "refuted"
    assert verdict(Cost((X - X * X,), 2 * n * d, constant=True)) == "proved"
    assert verdict(Cost((ones(n).T @ X,), n * d, constant=True)) == "proved"
    assert verdict(Cost((X @ W,), n * d * sympy.log(n))) == "open"


def test_costs_are_refuted_by_families_inside_the_hypotheses():
    """d = O(log n) admits d = log n, where n d^2 is not O(n d); n = k together need no hypothesis."""
    found, registry = judged(Cost((X @ W,), n * d), assumes=(Within(d, LOG),))
    assert found.verdict == "refuted" and "d grows slower" in found.witness["family"]
    assert replay(found.witness, registry).agrees
    assert verdict(Cost((U @ V.T,), n**2 + k * d), assumes=(Within(d, LOG),)) == "refuted"
    assert verdict(Cost((U @ V.T,), n**2 * k)) == "proved"
    assert verdict(Cost((X.T @ X,), d * n**2), assumes=(Within(d, LOG),)) == "proved"
    assert verdict(Cost((X.T @ X,), d * n**2)) == "refuted"
    assert verdict(Cost((X + X,), 2 * n**2, constant=True)) == "refuted"  # n = 1, d = 3


def test_any_mask_is_no_running_sum():
    any_mask = symbol("M", n, n, domain="mask")
    assert verdict(Cost((any_mask @ X,), n * d)) == "refuted"
    assert verdict(Cost((M @ X,), n * d)) == "proved"


def test_ranks_are_observed_within_domains():
    Y, P = symbol("Y", n, d, domain="onehot"), symbol("P", n, d, domain="positive")
    assert verdict(Rank(Y * Y - Y, sympy.Integer(0)), kind="rank") == "enclosed"
    assert verdict(Rank(P - P, sympy.Integer(0)), kind="rank") == "enclosed"


def test_no_gap_where_the_class_is_not_left():
    assert verdict(Asymptotic(d / (d + 1), CONSTANT), assumes=(Within(d, LOG),)) == "open"
    assert verdict(Asymptotic(sympy.log(d) ** 2, LOG), assumes=(Within(d, LOG),)) == "open"
    halfway = (Within(d, Growth(power=Fraction(1))),)
    assert verdict(Asymptotic(d, SUBPOLY), assumes=halfway) == "gap"
