"""The step from one size to all sizes: extents are large enough, and what holds at small sizes alone is never "proved".

The lies below hold at n = 1, n <= 2 or d = 1 and fail at larger sizes. Each must be refuted or stay below "proved"; a planted
off-by-one in the counting of letters makes one of them "proved", so they would notice it.
"""

from __future__ import annotations

from collections import Counter

import pytest
import sympy

from almostlinear.theorems import (
    Condition,
    Identity,
    Index,
    Pair,
    absolute,
    block,
    d,
    diag,
    entries,
    exp,
    eye,
    func,
    grad,
    inner,
    jvp,
    kron,
    load,
    n,
    ones,
    recip,
    rowkron,
    rows,
    scalar,
    symbol,
    taylor,
    tokens,
    total,
    unit,
)
from almostlinear.theorems.sizes import letters_of
from almostlinear.verify.backends.interpreter import Interpreter
from almostlinear.verify.backends.letters import LetterChange, LetterCount
from almostlinear.verify.backends.polynomial import Polynomials
from almostlinear.verify.contract import contracted
from almostlinear.verify.engines import expansion, finite_field
from almostlinear.verify.extent import all_values, extent, representatives
from almostlinear.verify.problems import Problem
from almostlinear.verify.task import PROFILES, Task
from tests.helpers import W, X, claim_of, i, j, k, l, own, v


def strengths(claim):
    """What the proving engines say of a claim."""
    task = Task(own("z", claim), claim, "", PROFILES["quick"], 0)
    return {e.engine: e.strength for e in (expansion.examine(task), finite_field.examine(task)) if e is not None}


def newton(vector, size):
    """p1^3 + 2 p3 = 3 p1 p2 for power sums: true iff the vector has at most two entries."""
    p1, p2, p3 = ones(size).T @ vector, vector.T @ vector, (vector * vector).T @ vector
    return p1 * p1 * p1 + p3 * 2, (p1 * p2) * 3


# -- extents of known claims -----------------------------------------------------------------------------------------------
S = X @ W @ X.T
KNOWN = {
    "x^T y": (Identity(v.T @ v, inner(v, v)), {"n": 1}),
    "an entry of a product": (Identity((X @ W)[i, k], X.row(i).T @ W.col(k)), {"d": 2, "n": 1}),
    "a matrix, against a direction": (Identity(X @ W, X @ W), {"d": 2, "n": 1}),
    "power sums": (Identity(*newton(v, n)), {"n": 3}),
    "X^T X X^T": (Identity(X.T @ X @ X.T, X.T @ (X @ X.T)), {"d": 2, "n": 2}),
    "exp of scores: two entries and two inner features": (Identity(exp(S)[i, j], exp(S)[i, j]), {"d": 2, "n": 4}),
    "exp of power sums": (Identity(exp(newton(v, n)[0]), exp(newton(v, n)[1])), {"n": 3}),
    "nested functions": (Identity(exp(recip(X @ X.T)[i, j]), exp(recip(X @ X.T)[i, j])), {"d": 1, "n": 4}),
    "Kronecker product": (Identity(kron(v, v).T @ kron(v, v), (v.T @ v) * (v.T @ v)), {"n": 2}),
    "trace": (Identity(total(i, S[i, i]), total(i, S[i, i])), {"d": 2, "n": 1}),
    "derivative": (Identity(grad(v.T @ v, v), v * 2), {"n": 1}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_extent(name):
    claim, sizes = KNOWN[name]
    found = extent(contracted(claim))
    assert found.sizes == sizes and found.complete


@pytest.mark.parametrize("name", ["D.17", "E.11r", "G.3r", "F.4", "H.2", "C.4", "D.1r"])
def test_extents_of_the_paper_are_complete_and_moderate(name):
    for claim in (c for c in load()[name].claims if isinstance(c, Identity)):
        found = extent(contracted(claim))
        assert found.complete
        assert 2 <= found.sizes["d"] <= 6 and 2 <= found.sizes["n"] <= 4, found


def test_degrees_and_reciprocals():
    claim = Identity((recip(exp(S) @ ones(n)))[i] * exp(S)[i, j], scalar(1))
    found = extent(claim)
    assert found.reciprocals == 1
    assert found.degree >= 3, "not below the degree of an argument, which decides whether random arguments collide"


def test_letters_of_sizes():
    m = sympy.Symbol("m", integer=True, positive=True)
    assert letters_of(n * d**2) == Counter({"d": 2, "n": 1})
    assert letters_of(sympy.Integer(1)) == Counter()
    assert letters_of(n**3 * m) == Counter({"n": 3, "m": 1})


# -- claims that hold at small sizes alone ------------------------------------------------------------------------------------
m = symbol("m", n + 1)
wide = symbol("b", d + 1)
A, B = newton(v, n)
ALPHA = exp(S) @ ones(n)
SMALL_ONLY = {
    "Newton, n <= 2": Identity(A, B),
    "Newton along features": Identity(*newton(symbol("y", d), d)),
    "Newton over n d entries": Identity(*newton(kron(v, symbol("y", d)), n * d)),
    "Newton over n + 1 entries": Identity(*newton(m, n + 1)),
    "Newton over d + 1 entries": Identity(*newton(wide, d + 1)),
    "Newton over 2 n entries": Identity(*newton(symbol("t", 2 * n), 2 * n)),
    "Newton under exp": Identity(exp(A), exp(B)),
    "Newton under 1/x": Identity(recip(A), recip(B)),
    "Newton under phi": Identity(func("phi", A), func("phi", B)),
    "Newton under phi'": Identity(func("phi", A, 1), func("phi", B, 1)),
    "Newton under T_2": Identity(taylor(A, 2), taylor(B, 2)),
    "Newton under |.|": Identity(absolute(A), absolute(B)),
    "Newton under exp of exp": Identity(exp(exp(A)), exp(exp(B))),
    "Newton under exp, with letters beside": Identity(v * exp(A), v * exp(B)),
    "the derivative of Newton's exp": Identity(grad(exp(A), v), grad(exp(B), v)),
    "rank one": Identity((v.T @ v) * (v.T @ v), (v * v).T @ (v * v)),
    "scores are symmetric, d = 1": Identity(S, S.T),
    "exp of scores is symmetric, d = 1": Identity(exp(S), exp(S).T),
    "row sums are column sums, d = 1": Identity(ALPHA, exp(S).T @ ones(n)),
    "an entry of exp, d = 1": Identity(exp(S)[i, j], exp(S)[j, i]),
    "attention is symmetric, d = 1": Identity(
        diag(recip(ALPHA)) @ exp(S) @ v, diag(recip(exp(S).T @ ones(n))) @ exp(S) @ v
    ),
    "phi of scores, d = 1": Identity(func("phi", X @ W)[i, k], func("phi", X @ W.T)[i, k]),
    "derivative of exp, d = 1": Identity(grad(inner(exp(X @ W), X), W), grad(inner(exp(X @ W.T), X), W)),
}
CONSTANTS = {
    "1^T 1 = 1": Identity(ones(n).T @ ones(n), scalar(1)),
    "1^T 1 = 2": Identity(ones(n).T @ ones(n), scalar(2)),
    "1^T 1 = 3": Identity(ones(n).T @ ones(n), scalar(3)),
    "the trace of I": Identity(total(i, eye(n)[i, i]), scalar(1)),
    "the sum of I": Identity(ones(n).T @ eye(n) @ ones(n), scalar(2)),
    "the sum of I * J": Identity(ones(n).T @ (eye(n) * ones(n, n)) @ ones(n), scalar(1)),
    "the sum of diag(1)": Identity(inner(diag(ones(n)), ones(n, n)), scalar(1)),
    "diag(1) diag(1)": Identity(ones(n).T @ diag(ones(n)) @ diag(ones(n)) @ ones(n), scalar(1)),
    "diag(1)^T": Identity(ones(n).T @ diag(ones(n)).T @ ones(n), scalar(1)),
    "an index nowhere": Identity(total(i, v.T @ v), v.T @ v),
    "an index in a unit vector": Identity(total(i, unit(i).T @ unit(i)), scalar(1)),
    "e_i stacked": Identity(ones(n).T @ rows(i, unit(i)) @ ones(n), scalar(1)),
    "e_j stacked": Identity(ones(n).T @ rows(i, unit(j)) @ ones(n), scalar(1)),
    "ones from entries": Identity(ones(n).T @ entries(i, j, scalar(1)) @ ones(n), scalar(1)),
    "a block of I (x) I": Identity(ones(n).T @ block(kron(eye(n), eye(n)), i, n) @ ones(n * n), scalar(1)),
    "I (/) I": Identity(ones(n).T @ rowkron(eye(n), eye(n)) @ ones(n * n), scalar(1)),
    "factors beside": Identity((ones(n).T @ unit(i)) * (ones(n).T @ ones(n)), scalar(1)),
    "exp of 1^T 1": Identity(exp(ones(n).T @ ones(n)), exp(scalar(1))),
    "exp of a lost letter": Identity(exp(total(i, v.T @ v)), exp(v.T @ v)),
    "the sum of a gradient": Identity(ones(n).T @ grad(ones(n).T @ v, v), scalar(1)),
    "a gradient squared": Identity(inner(grad(ones(n).T @ v, v), grad(ones(n).T @ v, v)), scalar(1)),
    "the derivative along 1": Identity(jvp(v, v, ones(n)).T @ ones(n), scalar(1)),
    "the derivative along 1, of a sum": Identity(jvp(ones(n).T @ v, v, ones(n)), scalar(1)),
    "derivatives along e_i": Identity(total(i, jvp(v[i], v, unit(i))), scalar(1)),
    "derivatives along e_k e_l^T": Identity(total(i, k, jvp(X[i, k], X, unit(i) @ unit(k).T)), scalar(1)),
    "a degree that is a size": Identity(taylor(v, n), taylor(v, 1)),
    "exp of zero": Identity(ones(n).T @ exp(v - v), exp(v.T @ v - v.T @ v)),
    "exp of zero times v": Identity(ones(n).T @ exp(v * 0), exp(scalar(0))),
    "exp of a diagonal": Identity(
        ones(n).T @ exp(diag(v)) @ ones(n), ones(n).T @ exp(v) + exp(v.T @ v - v.T @ v) * 2
    ),
}  # fmt: skip
Q, y = symbol("Q", n, n), symbol("y", d)
ORDERS = {
    "columns of (/) in the other order": Identity(rowkron(X, Q) @ rowkron(Q, X).T, (X @ X.T) * (Q @ Q.T)),
    "(x) in the other order": Identity(kron(v, y).T @ kron(y, v), (v.T @ v) * (y.T @ y)),
    "an entry at the other pair": Identity(kron(v, y)[Pair(k, i)], v[i] * y[k]),
    "blocks of the other height": Identity(block(kron(v, y), k, n), v * y[k]),
}
LIES = {**SMALL_ONLY, **CONSTANTS, **ORDERS}


@pytest.mark.parametrize("name", LIES)
def test_a_claim_of_small_sizes_is_not_proved(name):
    assert "proved" not in strengths(LIES[name]).values()


@pytest.mark.parametrize("name", CONSTANTS)
def test_lost_letters_are_noticed(name):
    """Such a claim is incomplete, or a function of zero shows at the extent; one of both keeps it from being proved."""
    claim = CONSTANTS[name]
    needed = extent(contracted(claim))
    sizes = {s: max(2, count) for s, count in needed.sizes.items()}
    assert not needed.complete or expansion.compare(claim, sizes)[2] or not expansion.compare(claim, needed.sizes)[0]


@pytest.mark.parametrize("name", ["1^T 1 = 2", "the sum of I"])
def test_such_a_claim_is_proved_at_its_size_at_most(name):
    assert strengths(CONSTANTS[name])["expansion"] == "proved-at-size"


def test_functions_of_different_names_are_different():
    assert strengths(Identity(func("phi", X), func("psi", X))) == {}
    assert strengths(Identity(func("phi", X), func("phi", X, 1))) == {}
    assert set(strengths(Identity(func("psi", X @ W), func("psi", X @ W))).values()) == {"proved"}


TRUE = {
    "trace is cyclic": Identity(total(i, (X @ W @ X.T)[i, i]), total(k, (W @ X.T @ X)[k, k])),
    "Kronecker mixed product": Identity(kron(v, X.T) @ X, kron(v, X.T @ X)),
    "exp under transposition": Identity(exp(S).T, exp(S.T)),
    "exp of equal scores": Identity(exp(S), exp(X @ (W @ X.T))),
    "softmax derivative": Identity(
        grad(inner(diag(recip(exp(X) @ ones(d))) @ exp(X), X * 0 + symbol("G", n, d)), X),
        (lambda f, g: f * g - f * ((f * g) @ ones(d, d)))(diag(recip(exp(X) @ ones(d))) @ exp(X), symbol("G", n, d)),
    ),
    "the derivative along a direction": Identity(jvp(v.T @ v, v, symbol("y", n)), (symbol("y", n).T @ v) * 2),
    "identity and unit vectors": Identity(unit(i).T @ X @ unit(k), X[i, k]),
    "eye": Identity(eye(n) @ X, X),
    "e_i sums": Identity(unit(i).T @ ones(n), scalar(1)),
}  # fmt: skip


@pytest.mark.parametrize("name", TRUE)
def test_true_claims_are_proved_for_all_sizes(name):
    assert strengths(TRUE[name]).get("expansion") == "proved"


@pytest.mark.parametrize("name", TRUE)
@pytest.mark.parametrize("more", [1, 2])
def test_a_proof_at_the_extent_agrees_with_expansion_at_larger_sizes(name, more):
    needed = extent(contracted(TRUE[name])).sizes
    assert expansion.difference_is_zero(TRUE[name], {s: count + more for s, count in needed.items()})[0]


@pytest.mark.parametrize(
    ("name", "part"), [("D.17", "z_6"), ("D.12", "1"), ("G.3r", "1"), ("D.10", "1"), ("H.2", "closed form")]
)
def test_proofs_of_the_paper_agree_with_expansion_at_larger_sizes(name, part):
    claim = claim_of(name, part)
    needed = extent(contracted(claim)).sizes
    for grown in needed:
        sizes = {**needed, grown: needed[grown] + 1}
        scalar_claim = contracted(claim)
        evaluate = Interpreter(Polynomials(Problem(sizes), capacity=512))
        from almostlinear.verify.contract import pointwise

        flat = pointwise(scalar_claim)
        for environment in representatives(scalar_claim, sizes):
            assert (evaluate(flat.left, environment) - evaluate(flat.right, environment))[0, 0] == 0


@pytest.mark.parametrize("name", ["Newton, n <= 2", "exp of scores is symmetric, d = 1", "rank one", "1^T 1 = 2"])
def test_the_lies_do_hold_at_a_small_size(name):
    """Else they would test nothing."""
    claim = LIES[name]
    needed = extent(contracted(claim)).sizes
    equal = [expansion.difference_is_zero(claim, {**needed, size: count})[0] for size in needed for count in (1, 2)]
    assert any(equal)


# -- planted mistakes in the counting -------------------------------------------------------------------------------------------
def no_letter_for_products(monkeypatch):
    rule = LetterCount.matmul

    def matmul(self, node, environment, a, b):
        from dataclasses import replace

        return replace(rule(self, node, environment, a, b), letters=a.letters + b.letters)

    monkeypatch.setattr(LetterCount, "matmul", matmul)


def one_letter_less_in_sums(monkeypatch):
    rule = LetterCount.sum

    def total_(self, node, environment, values):
        from dataclasses import replace

        return replace(rule(self, node, environment, values), letters=values[0].letters)

    monkeypatch.setattr(LetterCount, "sum", total_)


def functions_forget_their_arguments(monkeypatch):
    from dataclasses import replace

    rule = LetterCount._atom
    monkeypatch.setattr(LetterCount, "_atom", lambda *a, **kw: replace(rule(*a, **kw), inside=Counter()))


def nothing_is_lost(monkeypatch):
    from dataclasses import replace

    for name in ("matmul", "sum", "loss"):
        rule = getattr(LetterCount, name)
        monkeypatch.setattr(LetterCount, name, lambda *a, rule=rule: replace(rule(*a), lost=False))


def directions_are_free(monkeypatch):
    start = LetterChange.__init__

    def init(self, base, variable, moved):
        start(self, base, variable, base(variable))

    monkeypatch.setattr(LetterChange, "__init__", init)


PLANTED = {
    no_letter_for_products: "Newton, n <= 2",
    functions_forget_their_arguments: "Newton under exp",
    nothing_is_lost: "1^T 1 = 1",
    directions_are_free: "the derivative along 1, of a sum",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda f: f.__name__)
def test_a_planted_mistake_in_the_counting_is_noticed(monkeypatch, plant):
    plant(monkeypatch)
    assert strengths(LIES[PLANTED[plant]]).get("expansion") == "proved", "the lie above would not notice this mistake"


def test_sums_count_their_index(monkeypatch):
    claim = Identity(total(i, j, v[i] * v[j]), total(i, v[i] * v[i]))
    assert "proved" not in strengths(claim).values()
    one_letter_less_in_sums(monkeypatch)
    assert strengths(claim).get("expansion") == "proved"


# -- index values -----------------------------------------------------------------------------------------------------------------
a1, a2, a3 = (Index(name, n) for name in "abc")


@pytest.mark.parametrize(
    ("free", "size", "count"),
    [((a1,), 3, 1), ((a1, a2), 3, 2), ((a1, a2, a3), 3, 5), ((a1, a2, a3), 2, 4), ((a1, a2), 1, 1), ((), 3, 1)],
    ids=str,
)
def test_one_value_for_each_pattern(free, size, count):
    """Bell numbers, cut off where the size has fewer values."""
    body = scalar(1)
    for index in free:
        body = body * v[index]
    found = list(representatives(Identity(body, body), {"n": size}))
    assert len(found) == count and len({tuple(sorted((i.name, x) for i, x in e.items())) for e in found}) == count
    assert all(1 <= x <= size for e in found for x in e.values())


def test_patterns_of_tokens_and_features_are_independent_and_meet_conditions():
    body = X[i, k] * X[j, l]
    claim = Identity(body, body)
    assert len(list(representatives(claim, {"n": 4, "d": 4}))) == 4
    equal = Identity(body, body, where=(Condition(i, "==", j),))
    other = Identity(body, body, where=(Condition(i, "!=", j), Condition(k, "==", l)))
    assert [(e[i], e[j]) for e in representatives(equal, {"n": 4, "d": 4})] == [(1, 1), (1, 1)]
    assert [(e[i], e[j], e[k], e[l]) for e in representatives(other, {"n": 4, "d": 4})] == [(1, 2, 1, 1)]
    assert len(list(all_values(claim, {"n": 3, "d": 2}))) == 36
    assert len(list(all_values(equal, {"n": 3, "d": 2}))) == 12
    assert not list(representatives(other, {"n": 1, "d": 4}))


def test_every_assignment_has_its_pattern_among_the_representatives():
    body = X[i, k] * X[j, k]
    claim = Identity(body, body)
    sizes = {"n": 3, "d": 2}
    patterns = {e[i] == e[j] for e in representatives(claim, sizes)}
    assert patterns == {e[i] == e[j] for e in all_values(claim, sizes)}


def test_a_claim_that_differs_at_one_pattern_alone_is_not_proved():
    """X_ik X_jk = X_ik X_jl holds for k = l only."""
    claim = Identity(X[i, k] * X[j, k], X[i, k] * X[j, l])
    assert strengths(claim) == {}
    same = Identity(claim.left, claim.right, where=(Condition(k, "==", l),))
    assert strengths(same).get("expansion") == "proved"


def test_tokens_letters_keep_their_names():
    assert [t.name for t in tokens("i0 i1")] == ["i0", "i1"]
