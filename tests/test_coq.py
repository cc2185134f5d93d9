"""What Coq compiles: rules, claims, steps and boxes, without admitted lemmas or strange axioms; and that altered ones do not compile."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import sympy

from almostlinear.theorems import load, maxnorm, n, norms, ones, symbol
from almostlinear.theorems.norms import top
from almostlinear.theorems.statement import Bound
from almostlinear.verify.coq import boxes, build, claims, rules, steps
from almostlinear.verify.coq.translate import NotTranslated, name_of, natural, real, statement
from almostlinear.verify.engines import kernel
from almostlinear.verify.ledger import Ledger
from almostlinear.verify.status import statuses

REGISTRY = load()
NO_PROOF = re.compile(r"\b(Admitted|admit|Axiom|Axioms|Parameter|Parameters|Conjecture|give_up|Abort)\b")

needs_coq = pytest.mark.skipif(not build.is_available(), reason="coqc is not installed (make coq is optional)")


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Everything, compiled once: about a minute."""
    folder = tmp_path_factory.mktemp("coq")
    return folder, build.run(REGISTRY, folder)


def claim_of(id: str, part: str) -> Bound:
    return next(c for c in REGISTRY[id].claims if c.part == part)


# -- what compiles -----------------------------------------------------------------------------------------------------
@needs_coq
def test_everything_compiles_in_time(built):
    _, result = built
    assert not result.failed
    counts = {name: len(listed) for name, listed in result.compiled.items()}
    assert counts["Steps"] >= 40 and counts["Boxes"] >= 8 and counts["Claims"] >= 17
    assert counts["Rules"] == len(list(rules.theorems()))
    assert result.seconds <= 300


@needs_coq
def test_the_axioms_are_those_of_the_real_numbers(built):
    _, result = built
    assert set(result.axioms) == {"Rules", "Claims", "Steps", "Boxes", "library"}
    assert result.strange_axioms() == {}
    for name in ("Rules", "Claims", "Steps", "library"):
        assert result.axioms[name] and set(result.axioms[name]) <= set(build.ALLOWED)
    assert any(a.startswith("PrimFloat.") for a in result.axioms["Boxes"]), "Interval computes with machine floats"


@needs_coq
def test_nothing_is_admitted(built):
    folder, _ = built
    files = list(folder.glob("*.v"))
    assert len(files) == len(build.LIBRARY) + 4 + 1
    assert not [f.name for f in files if NO_PROOF.search(f.read_text(encoding="utf-8"))]


def test_the_files_by_hand_admit_nothing():
    for name in build.LIBRARY:
        text = Path(build.__file__).with_name(f"{name}.v").read_text(encoding="utf-8")
        assert not NO_PROOF.search(text) and len(re.findall(r"\bQed\.", text)) >= 5


@needs_coq
def test_claims_without_a_theorem_are_listed_with_the_reason(built):
    _, result = built
    assert {name.split(",")[0] for name in result.left_out} == {"T.4"}
    assert all("no counterpart in Coq" in why for why in result.left_out.values())
    shown = build.table(result)
    assert {row["compiled"] for row in shown["rows"] if row["what"].startswith("T.4")} == {0}
    assert sum(row["compiled"] for row in shown["rows"]) == sum(map(len, result.compiled.values()))


def test_every_rule_of_the_norm_calculus_has_a_theorem():
    """As many as the table has, and one for each norm that follows from another."""
    made = [t.name for t in rules.theorems()]
    assert len(set(made)) == len(made)
    for op, by_norm in norms.RULES.items():
        for kind, listed in by_norm.items():
            for _, kinds, _ in listed:
                assert f"rule_{op}_{kind}__{'_'.join(kinds)}" in made
    for kind in norms.KINDS:
        for other in set(norms.KINDS) - {kind}:
            row_and_column = {kind, other} == {"row", "col"}
            assert (f"rule_{kind}_from_{other}" in made) is not row_and_column
    assert {"rule_normalised_max", "rule_normalised_row", "rule_normalised_sum", "rule_bounded_max"} <= set(made)


# -- what does not -----------------------------------------------------------------------------------------------------
def compile_one(folder: Path, head: str, text: str) -> str | None:
    return build.compile_text(folder, "One", f"{head}\n{text}\n")


def steps_of(*ids: str) -> list[dict]:
    listed = [REGISTRY[id] for id in ids]
    return [c for made in build.documents(listed) for c in made["certificates"] if c["kind"] in steps.KINDS]


def theorem_of(step: dict) -> str:
    return f"Theorem step :\n  {steps.proposition(step)}.\nProof.\n{steps.script(step)}\nQed."


@needs_coq
def test_a_corrupted_step_does_not_compile(built):
    """One number of the conclusion, of a multiplier, or one hypothesis altered."""
    folder, _ = built
    found = [s for s in steps_of("C.15r", "E.7r") if s["kind"] == "handelman" and s["hypotheses"]]
    assert len(found) >= 5
    for step in found[:3]:
        left, right = step["conclusion"].split("<=")
        multiplier, used = step["terms"][0]
        altered = [
            {**step, "conclusion": f"2*({left}) <= {right}"},
            {**step, "terms": [[f"2*({multiplier}) + 1", used], *step["terms"][1:]]},
            {**step, "hypotheses": [f"{h} + 1" for h in step["hypotheses"]]},
        ]
        assert compile_one(folder, steps.HEAD, theorem_of(step)) is None
        for corrupted in altered:
            assert compile_one(folder, steps.HEAD, theorem_of(corrupted)) is not None


ALTERED_RULES = (
    ("matmul", "max", ("max", "max"), lambda a, x, y: x * y),
    ("matmul", "row", ("row", "max"), lambda a, x, y: x * y),
    ("hadamard", "sum", ("max", "max"), lambda a, x, y: x * y),
    ("add", "max", ("max", "max"), lambda a, x, y: x),
    ("rowkron", "col", ("col", "col"), lambda a, x, y: x * y / 2),
)


@needs_coq
@pytest.mark.parametrize(("op", "kind", "kinds", "combine"), ALTERED_RULES)
def test_a_false_rule_does_not_compile(built, op, kind, kinds, combine, monkeypatch):
    monkeypatch.setattr(norms, "RULES", {op: {kind: (("false", kinds, combine),)}})
    false = next(rules.theorems())
    assert compile_one(built[0], rules.HEAD, false.text) is not None


ALTERED_CLAIMS = {
    "half of J": ("T.1", "1 supremum", lambda c: replace(c, right=c.right / 2)),
    "a degree more": ("T.1", "2 upper", lambda c: replace(c, right=c.right.replace(sympy.factorial, lambda a: sympy.factorial(a + 1)))),
    "e^b dropped": ("T.1", "3 looser", lambda c: replace(c, right=c.right.replace(sympy.exp, lambda a: sympy.Integer(1)))),
    "odd": ("T.2", "1 even", lambda c: replace(c, left=top(c.left.formula * 2), right=sympy.Integer(-2))),
    "J <= 2": ("T.2", "2 odd, if", lambda c: replace(c, given=(c.given[0].lts <= 2,))),
    "e^{-2L}": ("T.3", "1", lambda c: replace(c, right=c.right**2)),
    "half an entry": ("S.1", "2 largest entry", lambda c: replace(c, right=c.right / 2)),
    "half a row": ("S.1", "3 row l1", lambda c: replace(c, right=c.right / 2)),
    "without eta <= 1": ("S.1", "4 relative", lambda c: replace(c, given=(c.given[0].lts <= 2,))),
    "osc/8": ("S.2", "1", lambda c: replace(c, right=c.right.replace(sympy.tanh, lambda a: sympy.tanh(a / 2)))),
    "half a norm": ("S.2", "2", lambda c: replace(c, right=c.right / 2)),
}  # fmt: skip


@needs_coq
@pytest.mark.parametrize("name", ALTERED_CLAIMS)
def test_an_altered_claim_does_not_compile(built, name):
    id, part, alter = ALTERED_CLAIMS[name]
    altered = claims.theorem(id, alter(claim_of(id, part)))
    assert altered.text != claims.theorem(id, claim_of(id, part)).text
    assert compile_one(built[0], claims.HEAD, altered.text) is not None


@needs_coq
def test_a_box_with_another_number_does_not_compile(built):
    made = next(boxes.theorems())
    high = re.findall(r"\((\d+) / (\d+)\)", made.text)[2]
    assert compile_one(built[0], boxes.HEAD, made.text) is None
    lowered = made.text.replace(f"({high[0]} / {high[1]})", f"({int(high[0]) * 9 // 10} / {high[1]})")
    assert compile_one(built[0], boxes.HEAD, lowered) is not None


@needs_coq
def test_what_does_not_compile_is_listed_and_the_rest_is_kept(tmp_path):
    good = claims.Theorem("good", "a sum", "Theorem good : 1 + 1 = 2.\nProof. lra. Qed.")
    bad = claims.Theorem("bad", "a false sum", "Theorem bad :\n  1 + 1 = 3.\nProof. lra. Qed.")
    also = claims.Theorem("also", "another", "Theorem also : 2 + 1 = 3.\nProof. lra. Qed.")
    result = build.build(tmp_path, [build.File("Claims", steps.HEAD, (good, bad, also))])
    assert result.compiled == {"Claims": ["good", "also"]} and list(result.failed) == ["bad"]
    assert "line" in result.failed["bad"] and build.load(tmp_path) == result
    assert any(row["what"] == "a false sum" and row["compiled"] == 0 for row in build.table(result)["rows"])


@needs_coq
def test_an_axiom_of_ones_own_is_found_and_nothing_is_recorded(tmp_path):
    text = "Axiom easy : 1 = 2.\nTheorem claimed : 1 = 2.\nProof. exact easy. Qed."
    result = build.build(tmp_path, [build.File("Claims", steps.HEAD, (claims.Theorem("claimed", "nonsense", text),))])
    assert result.strange_axioms() == {"Claims": ["easy"]} or result.strange_axioms() == {"Claims": ["Claims.easy"]}
    assert list(kernel.records(REGISTRY, result)) == []


# -- evidence ----------------------------------------------------------------------------------------------------------
def result_of(*names: str) -> build.Result:
    return build.Result(compiled={"Claims": list(names)}, axioms={"Claims": list(build.ALLOWED)}, coq="8.16.1")


def test_a_compiled_claim_is_recorded_with_the_basis_kernel():
    theorem = claims.theorem("S.2", claim_of("S.2", "2"))
    (record,) = kernel.records(REGISTRY, result_of(theorem.name))
    assert (record.statement, record.part, record.strength, record.basis) == ("S.2", "2", "proved", "kernel")
    with Ledger(None) as ledger:
        ledger.append([record])
        (found,) = (s for s in statuses(REGISTRY, ledger) if s.statement.id == "S.2")
    verdicts = {c.part: (c.verdict, c.basis) for c in found.claims}
    assert verdicts == {"1": ("open", ()), "2": ("proved", ("kernel",))}


def test_what_did_not_compile_or_rests_on_more_is_not_recorded():
    assert list(kernel.records(REGISTRY, result_of("another"))) == []
    theorem = claims.theorem("S.2", claim_of("S.2", "2"))
    strange = replace(result_of(theorem.name), axioms={"Claims": ["Claims.easy"]})
    assert list(kernel.records(REGISTRY, strange)) == []


# -- translation -------------------------------------------------------------------------------------------------------
def test_a_claim_as_a_proposition():
    text = " ".join(statement(claim_of("S.2", "2")).split())
    assert text == (
        "forall n : nat, forall w : matrix, forall z : matrix, (0 < n)%nat -> "
        "(2 * (tanh (((1 / 4) * (norm_top n 1 (add w (scale (- 1) z)))) + ((1 / 4) * (norm_top n 1 (add z (scale (- 1) w))))))) "
        "<= norm_max n 1 (add z (scale (- 1) w))"
    )


def test_hypotheses_and_domains_are_part_of_it():
    text = statement(claim_of("S.1", "2 largest entry"))
    for part in ("mask n M ->", "unit_entries n n E ->", "0 < eta ->", "eta <= 1 ->", "(0 < n)%nat ->"):
        assert part in text
    assert "is_degree b L degree_0 ->" in statement(claim_of("T.3", "1"))


def test_a_letter_hides_no_definition():
    assert name_of("ones") != "ones" and name_of("J") != "J"
    hidden = Bound(maxnorm(symbol("ones", n) + ones(n)), sympy.Integer(0))
    assert "forall ones_ : matrix" in statement(hidden) and "(add ones_ ones)" in statement(hidden)


def test_numbers():
    x, g = sympy.Symbol("x", nonnegative=True), sympy.Symbol("g", integer=True, positive=True)
    assert real(sympy.Rational(-3, 4)) == "((- 3) / 4)"
    assert real(x ** (g + 1)) == "x ^ (1 + g)" and real(1 / x**2) == "/ (x ^ 2)"
    assert real(sympy.sqrt(x)) == "sqrt x" and real(g) == "INR g"
    with pytest.raises(NotTranslated):
        real(sympy.zeta(x))
    with pytest.raises(NotTranslated):
        natural(g - 1)
    with pytest.raises(NotTranslated):
        statement(claim_of("T.4", "1 lower"))
