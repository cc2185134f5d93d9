"""Proof steps: generated from derivations, certified, each with a point that meets its hypotheses and a tightened twin that fails."""

from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction

import pytest
import sympy

from almostlinear.theorems import load
from almostlinear.theorems.formula import symbol
from almostlinear.theorems.norms import Derivation, l1norm, maxnorm
from almostlinear.theorems.sizes import d, n, size
from almostlinear.theorems.statement import Bound
from almostlinear.verify import checker, smt
from almostlinear.verify import steps as proof_steps
from almostlinear.verify.certificates import boxes, collect, points, search, write
from almostlinear.verify.engines import norms
from almostlinear.verify.engines import steps as engine
from almostlinear.verify.steps import CannotState, Hypothesis, Letters, Step, argument, pattern
from almostlinear.verify.task import PROFILES, Task

AT_LEAST, SECONDS = 60, 20.0
A, B = symbol("A", n, d), symbol("B", d, n)


def step_of(variables: dict[str, str], hypotheses: tuple[str, ...], conclusion: str) -> Step:
    stated = tuple(Hypothesis(h, (("given", k),)) for k, h in enumerate(hypotheses))
    return Step("1", "a test", stated, conclusion, tuple(sorted(variables.items())))


def bounds(*ids: str):
    registry = load()
    for made in (registry[id] for id in ids) if ids else registry:
        for claim in made.claims:
            if isinstance(claim, Bound) and made.origin == "repair":
                yield made, claim, [registry[u] for u in made.uses if u in registry]


@pytest.fixture(scope="module")
def certified():
    """Every bound of the repaired theory that has a certificate."""
    found = {(made.id, claim.part): collect.certified(made, claim, used) for made, claim, used in bounds()}
    return {key: made for key, made in found.items() if made is not None}


def all_steps(certified) -> dict[tuple, Step]:
    return {(s.conclusion, *(h.text for h in s.hypotheses)): s for made in certified.values() for s in made.steps}


# -- the theory --------------------------------------------------------------------------------------------------------
def test_many_steps_are_generated_and_certified(certified):
    distinct = all_steps(certified)
    assert len(distinct) >= AT_LEAST
    assert len({pattern(step) for step in distinct.values()}) >= AT_LEAST
    documents = [made.document for made in certified.values()]
    counted: dict[str, int] = {}
    for document in documents:
        for kind, count in checker.check(document).items():
            counted[kind] = counted.get(kind, 0) + count
    assert counted["handelman"] >= AT_LEAST and counted["shifted-polynomial"] >= 1
    assert counted["expansion"] >= 10 and counted["finite-field"] >= 10
    assert "unchecked" not in counted


def test_steps_are_certified_in_time(certified):
    distinct = list(all_steps(certified).values())
    search._search.cache_clear()
    points._witness_and_twin.cache_clear()
    begun = time.perf_counter()
    made = [write.certificate(step) for step in distinct]
    assert time.perf_counter() - begun < SECONDS
    assert all(c["witness"] is not None and c["twin"]["point"] is not None for c in made)


def test_small_points_suffice(certified, monkeypatch):
    """No step of the theory needs a solver: not for its certificate, its witness or its twin."""
    monkeypatch.setattr(smt, "shared", lambda name: pytest.fail("a solver was asked"))
    search._search.cache_clear()
    points._witness_and_twin.cache_clear()
    for step in all_steps(certified).values():
        write.certificate(step)


def test_twins_are_tight(certified):
    factors = [c["twin"]["factor"] for made in certified.values() for c in made.document["certificates"] if "twin" in c]
    assert sum(factor == points.FACTORS[0] for factor in factors) >= 0.9 * len(factors)


def test_the_end_to_end_bounds_are_among_them(certified):
    assert {"E.11r.errors", "F.5r", "G.4r", "H.3r", "H.4r", "J.5r", "5.1r", "5.2r", "5.3r"} <= {
        id for id, _ in certified
    }
    assert ("H.4r", "recurrence") in certified
    assert "Alg.1r" in certified["5.1r", "1"].relies_on


@pytest.mark.parametrize("id", ["C.15r", "E.7r", "E.11r.errors", "F.5r", "I.8r"])
def test_what_the_norm_rules_prove_is_certified(id, certified):
    for made, claim, used in bounds(id):
        task = Task(made, claim, "", PROFILES["quick"], 0, "cpu", tuple(used))
        assert norms.examine(task) is not None and (id, claim.part) in certified


# -- what is not proved ------------------------------------------------------------------------------------------------
def product() -> Derivation:
    leaves = tuple(Derivation(x, maxnorm(x), "given") for x in (A, B))
    return Derivation(A @ B, d * maxnorm(A) * maxnorm(B), "|A B| <= (inner size) |A| |B|", leaves)


def doubled(bound: sympy.Expr) -> Derivation:
    return Derivation(A @ B + A @ B, bound, "|A + B| <= |A| + |B|", (product(), product()))


def certify(claim: Bound, derivation: Derivation) -> list:
    return [write.certificate(step) for step in argument(claim, (derivation,)).steps]


def test_a_sound_derivation_is_certified():
    bound = 2 * d * maxnorm(A) * maxnorm(B)
    (made,) = certify(Bound(maxnorm(A @ B + A @ B), bound), doubled(bound))
    assert made["kind"] == "handelman" and made["twin"]["factor"] == "999/1000"


def test_a_bound_that_a_rule_does_not_give_is_not_certified():
    low = sympy.Rational(3, 2) * d * maxnorm(A) * maxnorm(B)
    with pytest.raises(write.NotCertified, match="step 1"):
        certify(Bound(maxnorm(A @ B + A @ B), low), doubled(low))


def test_a_claim_below_the_derived_bound_is_not_certified():
    with pytest.raises(write.NotCertified):
        certify(Bound(maxnorm(A @ B + A @ B), d * maxnorm(A) * maxnorm(B)), doubled(2 * d * maxnorm(A) * maxnorm(B)))


def test_a_rule_that_the_checker_lacks_is_not_stated():
    leaves = (Derivation(A, l1norm(A), "given", norm="sum"), Derivation(B, maxnorm(B), "given"))
    wrong = Derivation(A @ B, l1norm(A) * maxnorm(B), "|A B|_1 <= |A|_1 |B|", leaves, norm="sum")
    with pytest.raises(CannotState, match="no norm rule"):
        argument(Bound(l1norm(A @ B), l1norm(A) * maxnorm(B)), (wrong,))


def test_a_claim_that_is_its_own_hypothesis_is_not_stated():
    left, right = maxnorm(A @ B), d * maxnorm(A)
    with pytest.raises(CannotState, match="among the hypotheses"):
        argument(Bound(left, right, given=(sympy.LessThan(left, right),)), ())


def test_a_published_bound_that_is_too_small_has_no_certificate():
    registry = load()
    made = registry["C.18"]
    claim = next(c for c in made.claims if isinstance(c, Bound) and c.part == "1")
    assert collect.certified(made, claim) is None


def test_a_lemma_is_never_used_for_itself(monkeypatch):
    registry = load()
    made = registry["C.13r"]
    claim = next(c for c in made.claims if isinstance(c, Bound))
    assert all(relies_on for _, relies_on in collect.arguments(made, claim))
    assert list(collect.arguments(registry["S.1"], claim)) == []


# -- searches ----------------------------------------------------------------------------------------------------------
XY = {"x": "nonnegative", "y": "nonnegative"}


@pytest.mark.parametrize(
    ("variables", "hypotheses", "conclusion", "kind"),
    [
        ({"n": "size", "x": "nonnegative"}, (), "x <= n**2*x", "shifted-polynomial"),
        (XY, ("x <= 1", "y <= 1"), "x*y <= 1", "handelman"),
        (XY, ("x <= 1", "y <= 1"), "x + y <= 1 + x*y", "handelman"),
        (XY, ("1 <= x", "1 <= y"), "x + y <= 1 + x*y", "handelman"),
        ({"x": "nonnegative", "r": "real"}, ("2*r <= 1",), "2*x*r <= x", "handelman"),
    ],
)
def test_search_finds_a_certificate(variables, hypotheses, conclusion, kind):
    made = write.certificate(step_of(variables, hypotheses, conclusion))
    assert made["kind"] == kind
    checker.check(write.document("test", [made]))


def test_a_product_of_hypotheses_is_used_where_it_is_needed():
    made = write.certificate(step_of(XY, ("x <= 1", "y <= 1"), "x + y <= 1 + x*y"))
    assert [0, 1] in [used for _, used in made["terms"]]


@pytest.mark.parametrize(
    ("variables", "hypotheses", "conclusion"),
    [
        ({"n": "size"}, (), "2 <= n"),
        (XY, ("x <= 1",), "x*y <= 1"),
        (XY, ("x <= 1", "y <= 1"), "1 + x*y <= x + y"),
        ({"x": "nonnegative", "r": "real"}, ("r <= 1",), "r*r <= 1"),
    ],
)
def test_search_finds_nothing_for_what_is_false(variables, hypotheses, conclusion):
    assert search.search(step_of(variables, hypotheses, conclusion)) is None


def test_a_solver_finds_points_where_small_ones_do_not():
    """x y is about 100 on a thin strip, which no small value meets."""
    step = step_of(XY, ("x*y <= 101", "100 <= x*y", "x <= 13", "y <= 9"), "x + y <= 23")
    assert not list(points.points(step))
    witness, twin = points.witness_and_twin(step)
    assert points.meets(step, witness) and points.meets(step, twin.point)


def test_a_linear_program_that_is_too_large_is_not_tried():
    """x + y <= 1 + x y again, among so many letters that the monomials cannot be listed."""
    rest = " + ".join(f"z{k}" for k in range(40))
    letters = {**XY, **{f"z{k}": "nonnegative" for k in range(40)}}
    begun = time.perf_counter()
    assert search.search(step_of(letters, ("x <= 1", "y <= 1"), f"x + y <= 1 + x*y + {rest}")) is None
    assert time.perf_counter() - begun < 10


# -- letters and patterns ----------------------------------------------------------------------------------------------
def test_letters_of_powers_and_functions():
    letters, j = Letters(), size("j")
    rho, eps = sympy.Symbol("rho", positive=True), sympy.Symbol("eps", positive=True)
    assert letters.text(rho ** (j + 1) * eps) == "c0*eps*rho" and letters.words["c0"] == "rho**j"
    assert letters.text(rho ** (2 * j)) == "c0**2"
    assert letters.domain == {"rho": "nonnegative", "c0": "nonnegative", "eps": "nonnegative"}
    assert letters.text(n / d) == "c1*n" and letters.domain["c1"] == "nonnegative"
    assert letters.text(sympy.log(eps)) == "c2" and letters.domain["c2"] == "real"


def test_a_maximum_is_known_to_be_at_least_its_parts():
    a, b = maxnorm(A), maxnorm(B)
    derivation = Derivation(A.T, a, "|A^T| = |A|", (Derivation(A, a, "given"),))
    made = argument(Bound(maxnorm(A.T), sympy.Max(a, b)), (derivation,))
    document = write.of_argument("test", made)
    assert checker.check(document) == {"handelman": len(made.steps)}
    with pytest.raises(write.NotCertified):
        write.of_argument("test", argument(Bound(maxnorm(A.T), sympy.Min(a, b)), (derivation,)))


def test_a_norm_with_a_sign_has_no_letter():
    from almostlinear.theorems.norms import top

    with pytest.raises(CannotState):
        Letters().text(top(A))


def test_patterns_do_not_depend_on_names():
    one = step_of({"n": "size", **XY}, ("x <= n*y",), "x <= n*y + y")
    other = step_of({"d": "size", "v": "nonnegative", "a": "nonnegative"}, ("v <= d*a",), "v <= d*a + a")
    different = step_of({"n": "size", **XY}, ("x <= n*y",), "x <= n*y + 2*y")
    roles = step_of({"n": "nonnegative", **XY}, ("x <= n*y",), "x <= n*y + y")
    assert pattern(one) == pattern(other)
    assert len({pattern(one), pattern(different), pattern(roles)}) == 3


# -- the engine --------------------------------------------------------------------------------------------------------
def task_of(id: str, part: str) -> Task:
    registry = load()
    made = registry[id]
    claim = next(c for c in made.claims if isinstance(c, Bound) and c.part == part)
    return Task(made, claim, registry.hashes()[id], PROFILES["quick"], 0, "cpu", tuple(registry[u] for u in made.uses))


def test_the_engine_names_the_file_that_is_written(tmp_path):
    record = engine.examine(task_of("E.7r", "constant"))
    assert (record.strength, record.basis, record.relies_on) == ("proved", "certificate", ())
    paths = collect.write_all(tmp_path, [load()["E.7r"]], solvers=())
    (path,) = (p for p in paths if p.name == record.detail["certificate"])
    assert checker.read(path)["sha256"] == record.detail["sha256"]
    assert record.tried == record.detail["steps"] >= 5
    assert checker.main([str(p) for p in paths]) == 0


def test_the_engine_relies_on_what_it_cites():
    record = engine.examine(task_of("5.2r", "1"))
    assert record.strength == "proved" and "Alg.1r" in record.relies_on


def test_the_engine_says_nothing_of_other_claims():
    task = task_of("E.7r", "constant")
    other = next(c for c in task.statement.claims if not isinstance(c, Bound))
    assert engine.examine(replace(task, claim=other)) is None
    too_small = replace(task.claim, right=task.claim.right / 2)
    assert engine.examine(replace(task, claim=too_small)) is None


def test_another_matrix_is_not_taken_for_the_claimed_one():
    task = task_of("E.7r", "constant")
    assert engine.examine(replace(task, claim=replace(task.claim, via=task.claim.via * 2))) is None


def test_a_solver_alone_is_worth_its_word(monkeypatch):
    """Without a certificate, `unsat` for every step that lacks one encloses the claim; a false step gets nothing."""
    monkeypatch.setattr(collect, "search", lambda step: None)
    monkeypatch.setattr(collect, "certified", lambda *ignored: None)
    task = task_of("E.1r", "constant")
    record = engine.examine(task)
    assert (record.strength, record.basis) == ("enclosed", "smt-unchecked")
    assert record.tried == len(record.detail["unsat, not checked"]) >= 1
    assert engine.examine(replace(task, claim=replace(task.claim, right=task.claim.right / 2))) is None


def test_second_opinions_agree():
    made = collect.certified(*next((m, c, u) for m, c, u in bounds("E.7r")))
    document = collect.second_opinions([made.document])
    found = {(c["step"].split(":")[0], c["answer"]) for c in document["certificates"]}
    assert found == {("hypotheses", "sat"), ("twin", "sat"), ("step", "unsat")}
    assert {c["solver"] for c in document["certificates"]} == set(smt.SOLVERS)
    counted = checker.check(document)
    assert counted["unchecked"] * 2 == counted["smt"] > 0


def test_statements_of_steps_leave_out_what_is_not_used():
    step = step_of({**XY, "z": "nonnegative"}, ("x <= y", "y <= z"), "2*x <= 2*y")
    assert proof_steps.without(step, [1]).variables == (("x", "nonnegative"), ("y", "nonnegative"))


# -- boxes -------------------------------------------------------------------------------------------------------------
def test_facts_on_boxes_are_shown_and_accepted(tmp_path):
    made = boxes.document()
    assert checker.check(made) == {"box": len(list(boxes.facts()))}
    assert len(made["certificates"]) >= 10 and sum(len(step["boxes"]) for step in made["certificates"]) > 1000


def test_a_false_fact_on_a_box_is_not_shown():
    tangent = boxes.Fact("exp below its tangent", "1 + x - exp(x)", ("x",), ((Fraction(1, 2), Fraction(1)),))
    with pytest.raises(boxes.NotShown, match="exp below its tangent: for x in "):
        boxes.certificate(tangent)
    touching = boxes.Fact("a square may vanish", "x*x - 2*x + 1", ("x",), ((Fraction(0), Fraction(3)),), strict=True)
    with pytest.raises(boxes.NotShown):
        boxes.certificate(touching)


def test_all_certificates_have_the_boxes_among_them(tmp_path):
    paths = collect.write_all(tmp_path, [load()["E.7r"]], solvers=(), with_boxes=True)
    assert boxes.FILE in {path.name for path in paths} and checker.main([str(path) for path in paths]) == 0
