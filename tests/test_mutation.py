"""Mutants: true claims with one planted mistake are refuted, and planted mistakes in impl leave their certificates.

`python -m almostlinear.verify.mutation` examines more than a thousand; here are those that fit into two minutes. The survivors of the last
such run are kept with their reasons in verify/mutation/survivors.json, and the subset is drawn from the others.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter

import pytest
import sympy

from almostlinear.theorems import Bound, Identity, d, load, maxnorm, n, symbol
from almostlinear.theorems.claims import Rank
from almostlinear.verify.evidence import GAP, REFUTED
from almostlinear.verify.mutation import expressions, formulas, source
from almostlinear.verify.mutation.claims import LOST, mutants
from almostlinear.verify.mutation.judge import SURVIVED, judge, judge_all, relation
from almostlinear.verify.mutation.population import GROWTH, known_survivors, population, true_claims
from almostlinear.verify.mutation.report import Summary

SUBSET = 125
IMPL = 60
X, W, A = symbol("X", n, d), symbol("W", d, d), symbol("A", n, n)


@pytest.fixture(scope="module")
def made():
    return population(load())


# -- the subset --------------------------------------------------------------------------------------------------------
def test_the_subset_is_killed(made):
    chosen = [m for m in made.sample(SUBSET, 0, without=known_survivors()) if m.kind != GROWTH]
    found = list(judge_all(chosen, limit=60))
    mistakes = [j for j in found if j.verdict != "proved"]
    assert len({(j.kind, j.operator) for j in found}) >= 40 and len({j.of for j in found}) >= 40
    assert not [(j.of, j.part, j.operator, j.place, j.why) for j in mistakes if not j.killed]
    assert len(mistakes) >= 100
    assert all(j.verdict == REFUTED or j.kind == "Cost" for j in mistakes)


def test_a_true_claim_put_among_the_mutants_survives(made):
    """The negative control: what is no mistake is not killed."""
    registry = load()
    true = [m for m in made.mutants if m.of in ("C.1", "D.10", "E.1") and m.kind == "Identity"][:3]
    for one in true:
        claim = next(c for c in registry[one.of].claims if (c.part, c.reading) == (one.part, one.reading))
        unchanged = type(one)(one.of, one.part, one.reading, one.kind, "none", "nowhere", claim)
        assert judge(unchanged, registry).verdict == "proved"


def test_growth_claims_without_a_hypothesis_name_it(made):
    lost = [m for m in made.sample(1300, 0, without=known_survivors()) if (m.kind, m.operator) == (GROWTH, LOST)]
    found = [judge(m, load()) for m in lost]
    assert len(found) >= 20 and not [j for j in found if j.verdict == SURVIVED]
    assert sum(j.verdict == GAP for j in found) >= len(found) / 3


def test_survivors_are_listed_with_a_reason():
    assert all(one["why"] and one["claim"] and one["mistake"] for one in known_survivors().values())


# -- the mutator -------------------------------------------------------------------------------------------------------
def test_every_operator_plants_something(made):
    found = Counter((m.kind, m.operator) for m in made.mutants)
    assert len(made.mutants) >= 10_000 and len(found) >= 50
    names = {operator for _, operator in found}
    # "max for min" finds no maximum in the claims: test_mistakes_of_an_expression has it.
    assert names >= {
        "transposed", "transpose dropped", "factor dropped", "term dropped", "exponent", "n for d", LOST,
        "mask on the wrong side", "degree", "constant halved", "sign", "another index", "diagonal on the other side",
    }  # fmt: skip
    assert sum(made.refused.values()) >= 100, "clashes of shapes are refused, and counted apart"


def test_no_mutant_is_the_claim_itself_or_another_mutant():
    statement, claim = next((s, c) for s, c in true_claims(load()) if s.id == "E.11r")
    found = [m for m in mutants(statement, claim) if m.changed is not None]
    assert len({m.digest for m in found}) == len(found) >= 50
    assert all(m.changed.content() != claim.content() for m in found)


def test_mistakes_of_a_formula():
    assert {p.operator for p in formulas.mutants(X @ W)} >= {"transposed", "factor dropped", "order of a product"}
    clash = [p for p in formulas.mutants(X @ W) if p.formula is None]
    assert clash and all("shapes" in p.refused for p in clash)
    assert A.T in {p.formula for p in formulas.mutants(A)}
    assert {p.formula for p in formulas.mutants((A + A.T) @ X)} >= {A @ X, A.T @ X, (A + A) @ X}


def test_mistakes_of_an_expression():
    a, b = maxnorm(X), maxnorm(W)
    found = {e for _, e in expressions.mutants(2 * n * a + sympy.Max(a, b) ** 2)}
    assert found >= {
        n * a + sympy.Max(a, b) ** 2 / 2,
        2 * n * a,
        2 * d * a + sympy.Max(a, b) ** 2,
        2 * n * a + sympy.Min(a, b) ** 2,
    }
    assert found >= {2 * n * a + sympy.Max(a, b) ** 3, 2 * n + sympy.Max(a, b) ** 2}


def test_what_a_proved_mutant_is():
    left = maxnorm(X @ W)
    tight, loose = Bound(left, d * maxnorm(X) * maxnorm(W)), Bound(left, 2 * d * maxnorm(X) * maxnorm(W))
    assert relation(tight, loose, "constant halved") == "weaker and true"
    assert relation(loose, tight, "constant halved").startswith("stronger")
    assert relation(tight, tight, "constant halved").startswith("equivalent")
    assert relation(Identity(A, A), Identity(A, A.T.T), "transposed").startswith("equivalent")
    assert relation(Rank(A, n), Rank(A, n + d), "constant") == "weaker and true"
    assert relation(tight, tight, LOST).startswith("stronger and true: the hypothesis")


def test_figures_leave_out_what_is_proved_and_what_is_refused(made):
    one = judge(made.sample(1, 0, ("Identity",))[0], load())
    listed = [type(one)(**{**one.to_json(), "verdict": v}) for v in (REFUTED, REFUTED, SURVIVED, "proved", "refused")]
    figures = Summary(listed).figures()
    assert figures["mutants"] == 4 and figures["killed of those not proved"] == round(2 / 3, 4)


# -- impl --------------------------------------------------------------------------------------------------------------
def test_mutants_of_the_implementation_are_killed(tmp_path):
    """In a process of its own, since impl must not be imported before it is changed."""
    out = tmp_path / "impl.json"
    command = [sys.executable, "-m", "almostlinear.verify.mutation", "--impl", "--count", str(IMPL), "--least", "0.8"]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    found = json.loads(out.read_text())["judgements"]
    assert len(found) == IMPL and len({j["of"] for j in found}) >= 5
    by_certificate = [
        j for j in found if j["verdict"] == REFUTED and ("|impl - poly|" in j["why"] or "Setting(" in j["why"])
    ]
    assert len(by_certificate) >= IMPL / 4


def test_a_mistake_in_source_is_one_node():
    text = (
        "def f(x, k: int = 2):\n    '''0'''\n    if k < 1:\n        raise ValueError(3)\n    return -x.mT @ (x + 1)\n"
    )
    planter = source.Planter()
    planter.visit(ast.parse(text))
    found = ["Lt becomes LtE", "1 becomes 2", "USub dropped", "transpose dropped", "Add becomes Sub", "1 becomes 2"]
    assert [m for _, m in planter.found] == found
    for k in range(len(planter.found)):
        changed = ast.unparse(source.Planter(k).visit(ast.parse(text)))
        assert (
            changed != ast.unparse(ast.parse(text))
            and "int=2" in changed.replace(" ", "")
            and "ValueError(3)" in changed
        )


def test_an_imported_module_cannot_be_changed():
    import almostlinear.impl.features

    assert almostlinear.impl.features
    with pytest.raises(RuntimeError, match="fresh process"):
        source.install(source.SourceMutant("features", 0, 1, "any"))
