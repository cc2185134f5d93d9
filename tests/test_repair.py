"""Automatic repair: a proved right side for every refuted published identity, and none where the true term is out of reach."""

from __future__ import annotations

from dataclasses import replace

import pytest

from almostlinear.theorems import Identity, d, diag, inner, load, n, ones, rows
from almostlinear.theorems.notation import W_V, G, W, X, i0
from almostlinear.theorems.paper.c_preliminaries import f, h, loss_gradient, scaled
from almostlinear.theorems.paper.d_matrix_view import K
from almostlinear.theorems.repaired.one_layer import with_tau
from almostlinear.verify.contract import contracted
from almostlinear.verify.engines import expansion, repair
from almostlinear.verify.engines.repair import suggest, terms, variants
from almostlinear.verify.extent import extent
from almostlinear.verify.task import PROFILES, Task
from tests.helpers import REFUTED_IDENTITIES, own

CASES = [(name, c) for name in REFUTED_IDENTITIES for c in load()[name].claims if isinstance(c, Identity)]


def equal(claim):
    """Whether the expansion proves the claim for all sizes."""
    needed = extent(contracted(claim))
    zero, tried, vanished = expansion.compare(claim, needed.sizes)
    return zero and tried > 0 and needed.complete and not vanished


def test_every_part_and_reading_is_among_the_cases():
    assert len(CASES) == 12 and {name for name, _ in CASES} == set(REFUTED_IDENTITIES)
    assert len({claim.reading for _, claim in CASES}) == 2


@pytest.mark.parametrize(("name", "claim"), CASES, ids=[f"{n}-{c.part}-{c.reading[-9:]}" for n, c in CASES])
def test_a_refuted_identity_is_repaired(name, claim):
    found = suggest(claim)
    assert found is not None and found.terms
    assert not equal(claim)
    assert equal(found.repaired)
    assert found.repaired.left is claim.left and found.repaired.where == claim.where
    assert len(found.terms) <= 12 and found.candidates <= repair.MOST_CANDIDATES


@pytest.mark.parametrize("name", ["E.11", "G.3"])
def test_the_suggestion_does_not_depend_on_the_seed(name):
    claim = load()[name].claims[0]
    found = {suggest(claim, seed).repaired.right.digest for seed in (0, 1, 2)}
    assert len(found) == 1


def test_the_repair_of_g_3_is_the_known_one():
    found = suggest(load()["G.3"].claims[0])
    assert [c for c, _ in found.terms] == [1]
    assert equal(Identity(found.repaired.right, (f @ X).T @ G))


def test_the_repair_of_e_11_equals_the_registered_one():
    claim = load()["E.11"].claims[0]
    P = f * (G @ h.T) - diag(K) @ f
    assert equal(Identity(suggest(claim).repaired.right, P @ X @ W.T + P.T @ X @ W + f.T @ G @ W_V.T))


def test_a_true_identity_is_its_own_repair():
    claim = load()["D.17"].claims[0]
    found = suggest(claim)
    assert found is not None and len(found.terms) == 1 and equal(found.repaired)


OUT_OF_REACH = {
    "no term of it": Identity(loss_gradient(X), G @ W_V.T @ W),
    "one term missing": Identity(loss_gradient(X), f.T @ G @ W_V.T),
    "another matrix is needed": Identity(loss_gradient(W_V), X.T @ f @ h),
    "another product is needed": Identity(loss_gradient(W), X.T @ (f * (G @ h.T)) @ X),
    "K with h for s": Identity(
        with_tau(loss_gradient(X)), with_tau((f * (G @ h.T) - diag(rows(i0, inner(G.row(i0), h.row(i0)))) @ f) @ X @ W.T)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OUT_OF_REACH)
def test_nothing_is_suggested_without_the_true_terms(name):
    assert suggest(OUT_OF_REACH[name]) is None


def test_only_small_coefficients_are_suggested():
    assert [c for c, _ in suggest(Identity(X * 7, X)).terms] == [7]
    assert [str(c) for c, _ in suggest(Identity(X * 2, X * 3)).terms] == ["2"]
    assert suggest(Identity(X * 12345, X)) is None


def test_a_missing_factor_of_the_claim_is_put_in():
    claim = Identity(scaled(loss_gradient(W)), scaled(load()["F.4"].claims[-2].right))
    found = suggest(claim)
    assert found is not None and equal(found.repaired)
    assert equal(Identity(found.repaired.right, claim.right * (1 / d))) or equal(claim)


def test_terms_and_variants():
    assert terms(X - f @ X * 2) == [X, f @ X]
    assert set(variants(X @ W)) == {X @ W, X @ W.T}
    assert set(variants(f @ X @ W)) == {f @ X @ W, f.T @ X @ W, f @ X @ W.T, f.T @ X @ W.T}


def test_evidence_of_a_repair_says_nothing_of_the_claim():
    made = load()["G.3"]
    task = Task(made, made.claims[0], "h", PROFILES["quick"], 0)
    found = repair.examine(task)
    assert found.strength == "stated" and found.basis == "encoding" and found.witness is None
    assert found.detail["suggestion proved"] is True and "fᵀ" in found.detail["suggested"]


def test_a_bound_has_no_repair():
    made = load()["C.18"]
    assert repair.examine(Task(made, made.claims[0], "h", PROFILES["quick"], 0)) is None


def test_a_suggestion_that_holds_at_one_size_alone_is_not_proved():
    """1^T 1 = n is 2 at the points that are tried."""
    claim = Identity((ones(n).T @ ones(n)) * X, X)
    found = repair.examine(Task(own("z", claim), claim, "h", PROFILES["quick"], 0))
    assert found is None or found.detail["suggestion proved"] is False


def test_a_wrong_suggestion_would_not_count_as_proved(monkeypatch):
    """The suggestion comes from random points; what counts is the expansion."""
    claim = Identity(X @ W, X @ W.T)
    wrong = repair.Repair(claim, ((1, X @ W.T),), 1)
    monkeypatch.setattr(repair, "suggest", lambda claim, seed=0: wrong)
    found = repair.examine(Task(own("z", claim), claim, "h", PROFILES["quick"], 0))
    assert found.detail["suggestion proved"] is False
    assert replace(claim, right=wrong.repaired.right) == claim
