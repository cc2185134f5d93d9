"""Planted mistakes: true formulas, each with one error of the kind that papers have, every one refuted with seed 0.

Each witness is exact, at most 3 x 3, and replays; the true formulas themselves are proved. Mutants are written out, so that a
reader sees what is planted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction

import pytest

from almostlinear.theorems import Condition, Formula, Identity, Pair, d, diag, func, inner, ones, rowkron, rows, unit
from almostlinear.theorems.notation import W_K, W_Q, W_V, G, W, W_g, X, g_T, i0, i1, j0, j1
from almostlinear.theorems.paper.c_preliminaries import (
    U1,
    U2,
    V1,
    V2,
    f,
    f_scaled,
    h,
    loss_gradient,
    p,
    q,
    s,
    scaled,
    x,
    y,
    z,
)
from almostlinear.theorems.paper.d_matrix_view import B6, D4, K, ds_entry, z2, z4, z6, z7
from almostlinear.theorems.paper.f_gradient_w import A_j0, k, l
from almostlinear.theorems.paper.f_gradient_w import i0 as feature
from almostlinear.theorems.paper.f_gradient_w import j0 as token
from almostlinear.theorems.paper.h_multilayer import attn
from almostlinear.theorems.repaired.one_layer import tau, with_tau
from almostlinear.verify import check
from almostlinear.verify.engines import expansion, finite_field, witness
from almostlinear.verify.replay import replay
from almostlinear.verify.task import PROFILES, Task
from tests.helpers import alone, claim_of, own

# -- true formulas -------------------------------------------------------------------------------------------------------
GHT = G @ h.T
P = f * GHT - diag(K) @ f
K_h = rows(i0, inner(G.row(i0), h.row(i0)))
VALUE_TERM = f.T @ G @ W_V.T


def dx(P_first=P, P_second=P, first=W.T, second=W, value=VALUE_TERM) -> Formula:
    """dL/dX = tau (P X W^T + P^T X W) + f^T G W_V^T, with any piece replaced."""
    return (P_first @ X @ first + P_second.T @ X @ second) * tau + value


def dx_scaled(factor, value_factor=1) -> Formula:
    """The same for f with 1/d, with the factor given."""
    inside = (P @ X @ W.T + P.T @ X @ W) * factor
    return scaled(inside + VALUE_TERM * value_factor)


def entry(f_at=f[i0, i1], w_x=inner(W.col(j1), X.row(i0)), centre=h[i1, j0], mean=s[i0, j0], weight=None) -> Formula:
    """ds_{i0,j0}/dX_{i1,j1} for i0 != i1, with any piece replaced."""
    weight = W_V[j1, j0] if weight is None else weight
    return f_at * centre * w_x - mean * f_at * w_x + f_at * weight


P1, P2 = f * q, diag((f * q) @ ones(f.shape[0])) @ f
OTHER = (Condition(i0, "!=", i1),)
F_J0, H_I0 = f.row(token), h.col(feature)
STEP = A_j0.T @ (diag(F_J0) - F_J0 @ F_J0.T) @ H_I0
SLOPE = func("phi", attn @ W_g, 1)

TRUE = {
    "dX": Identity(with_tau(loss_gradient(X)), with_tau(dx())),
    "dX with 1/d": Identity(scaled(loss_gradient(X)), dx_scaled(1 / d)),
    "dW": Identity(loss_gradient(W), X.T @ (P1 - P2) @ X),
    "dW with 1/d": Identity(scaled(loss_gradient(W)), scaled(X.T @ (P1 - P2) @ X) * (1 / d)),
    "dW_V": Identity(loss_gradient(W_V), (f @ X).T @ G),
    "ds": Identity(ds_entry, entry(), where=OTHER),
    "z_6": Identity(z6, f @ diag(K)),
    "z_7": Identity(z7, f * (h @ G.T)),
    "z_2": Identity(z2, diag(K) @ f),
    "z_4": Identity(z4, f * (G @ h.T)),
    "D_4": Identity(D4, z4 @ X @ W),
    "B_6": Identity(B6, -(s[i0, j0] * (f.col(i0) @ (W @ X.row(i0)).T))),
    "ds in W": claim_of("F.4", "step 1"),
    "p": Identity(p, P1 - P2),
    "G_i": claim_of("H.2"),
    "dW_Q": claim_of("C.3-note"),
    "dW_K": claim_of("C.3-note.K"),
    "low rank": claim_of("C.2"),
    "C.1": Identity(inner(x * y, z), x.T @ diag(y) @ z),
}


@dataclass(frozen=True)
class Mutant:
    """A mistake in the right side (or the reading) of a true formula."""

    of: str
    mistake: str
    right: Formula
    left: Formula | None = None
    where: tuple[Condition, ...] | None = None

    @property
    def claim(self) -> Identity:
        true = TRUE[self.of]
        return Identity(self.left or true.left, self.right, where=true.where if self.where is None else self.where)

    def __str__(self) -> str:
        return f"{self.of}: {self.mistake}"


def of_dx(mistake: str, **pieces: Formula) -> Mutant:
    return Mutant("dX", mistake, with_tau(dx(**pieces)))


PLUS = f * GHT + diag(K) @ f
OTHER_SIDE = f * GHT - f @ diag(K)
WITH_H = f * GHT - diag(K_h) @ f
Q_TURNED = f * (h @ G.T) - diag(K) @ f
F_TURNED = f.T * GHT - diag(K) @ f
ALL_F_TURNED = f.T * GHT - diag(K) @ f.T
dW = TRUE["dW_Q"].right.args[0]

MUTANTS = (
    # the gradient in X
    of_dx("W for W^T", first=W),
    of_dx("W^T for W", second=W.T),
    of_dx("both transposes swapped", first=W, second=W.T),
    of_dx("W_V for W_V^T", value=f.T @ G @ W_V),
    of_dx("f for f^T in the value term", value=f @ G @ W_V.T),
    of_dx("sign of the value term", value=-VALUE_TERM),
    of_dx("sign of diag(K) f", P_first=PLUS, P_second=PLUS),
    of_dx("sign of diag(K) f in one term", P_first=PLUS),
    of_dx("diag(K) on the other side", P_first=OTHER_SIDE, P_second=OTHER_SIDE),
    of_dx("diag(K) on the other side in one term", P_second=OTHER_SIDE),
    of_dx("h for s in K", P_first=WITH_H, P_second=WITH_H),
    of_dx("q transposed", P_first=Q_TURNED, P_second=Q_TURNED),
    of_dx("f^T for f beside q", P_first=F_TURNED, P_second=F_TURNED),
    of_dx("f^T for f in P", P_first=ALL_F_TURNED, P_second=ALL_F_TURNED),
    of_dx("P^T for P", P_first=P.T, P_second=P.T),
    of_dx("P for P^T in the second term", P_second=P.T),
    of_dx("diag(K) f dropped", P_first=f * GHT, P_second=f * GHT),
    of_dx("f dropped beside q", P_first=GHT - diag(K) @ f, P_second=GHT - diag(K) @ f),
    Mutant("dX", "the value term dropped", with_tau((P @ X @ W.T + P.T @ X @ W) * tau)),
    Mutant("dX", "the second term dropped", with_tau((P @ X @ W.T) * tau + VALUE_TERM)),
    Mutant("dX", "tau dropped", with_tau(P @ X @ W.T + P.T @ X @ W + VALUE_TERM)),
    Mutant("dX", "tau dropped in one term", with_tau((P @ X @ W.T) * tau + P.T @ X @ W + VALUE_TERM)),
    Mutant("dX", "tau on the value term too", with_tau((P @ X @ W.T + P.T @ X @ W + VALUE_TERM) * tau)),
    Mutant("dX with 1/d", "1/d dropped", dx_scaled(1)),
    Mutant("dX with 1/d", "1/d twice", dx_scaled(1 / d**2)),
    Mutant("dX with 1/d", "1/d on the value term too", dx_scaled(1 / d, 1 / d)),
    Mutant("dX with 1/d", "d for 1/d", dx_scaled(d)),
    # the gradient in W
    Mutant("dW", "p transposed", X.T @ (P1 - P2).T @ X),
    Mutant("dW", "p_1 + p_2", X.T @ (P1 + P2) @ X),
    Mutant("dW", "p_2 dropped", X.T @ P1 @ X),
    Mutant("dW", "q transposed", X.T @ (f * q.T - P2) @ X),
    Mutant("dW", "f^T for f in p_1", X.T @ (f.T * q - P2) @ X),
    Mutant("dW", "diag on the other side", X.T @ (P1 - f @ diag(P1 @ ones(f.shape[0]))) @ X),
    Mutant("dW", "column sums for row sums", X.T @ (P1 - diag(P1.T @ ones(f.shape[0])) @ f) @ X),
    Mutant("dW", "1/d put in", (X.T @ (P1 - P2) @ X) * (1 / d)),
    Mutant("dW with 1/d", "1/d dropped", scaled(X.T @ (P1 - P2) @ X)),
    Mutant("dW with 1/d", "f without 1/d", (X.T @ (P1 - P2) @ X) * (1 / d)),
    # the gradient in W_V
    Mutant("dW_V", "f for f^T", X.T @ f @ G),
    Mutant("dW_V", "f dropped", X.T @ G),
    Mutant("dW_V", "sign", -((f @ X).T @ G)),
    Mutant("dW_V", "f with 1/d", (f_scaled @ X).T @ G),
    Mutant("dW_V", "h for X", (f @ h).T @ G),
    # the derivative of an entry
    Mutant("ds", "i0 and i1 swapped in f", entry(f_at=f[i1, i0])),
    Mutant("ds", "row of W for column", entry(w_x=inner(W.row(j1), X.row(i0)))),
    Mutant("ds", "x_{i1} for x_{i0}", entry(w_x=inner(W.col(j1), X.row(i1)))),
    Mutant("ds", "h_{i0} for h_{i1}", entry(centre=h[i0, j0])),
    Mutant("ds", "h for s", entry(mean=h[i0, j0])),
    Mutant("ds", "s_{i1} for s_{i0}", entry(mean=s[i1, j0])),
    Mutant("ds", "W_V transposed", entry(weight=W_V[j0, j1])),
    Mutant("ds", "the case i0 = i1 forgotten", entry(), where=()),
    Mutant("ds", "the wrong case", entry(), where=(Condition(i0, "==", i1),)),
    # matrix views
    Mutant("z_6", "diag(K) on the other side", diag(K) @ f),
    Mutant("z_6", "f transposed", f.T @ diag(K)),
    Mutant("z_7", "G h^T for h G^T", f * (G @ h.T)),
    Mutant("z_2", "diag(K) on the other side", f @ diag(K)),
    Mutant("z_2", "sign", -(diag(K) @ f)),
    Mutant("z_4", "h G^T for G h^T", f * (h @ G.T)),
    Mutant("z_4", "s for h", f * (G @ s.T)),
    Mutant("D_4", "W^T for W", z4 @ X @ W.T),
    Mutant("B_6", "row of f for column", -(s[i0, j0] * (f.row(i0) @ (W @ X.row(i0)).T))),
    Mutant("B_6", "s_{i1} for s_{i0}", -(s[i1, j0] * (f.col(i0) @ (W @ X.row(i0)).T))),
    Mutant("p", "q transposed", f * q.T - P2),
    Mutant("p", "sign", P2 - P1),
    # tensor trick, other layers, facts
    Mutant("ds in W", "k and l swapped", STEP[Pair(l, k)]),
    Mutant("ds in W", "the outer product dropped", (A_j0.T @ diag(F_J0) @ H_I0)[Pair(k, l)]),
    Mutant("ds in W", "plus for minus", (A_j0.T @ (diag(F_J0) + F_J0 @ F_J0.T) @ H_I0)[Pair(k, l)]),
    Mutant("ds in W", "column of f for row",
           (A_j0.T @ (diag(f.col(token)) - f.col(token) @ f.col(token).T) @ H_I0)[Pair(k, l)]),
    Mutant("G_i", "W_g for W_g^T", (g_T * SLOPE) @ W_g),
    Mutant("G_i", "phi for phi'", (g_T * func("phi", attn @ W_g)) @ W_g.T),
    Mutant("G_i", "phi' after W_g^T", (g_T @ W_g.T) * SLOPE),
    Mutant("G_i", "phi' at Attn", (g_T * func("phi", attn, 1)) @ W_g.T),
    Mutant("dW_Q", "dW transposed", dW.T @ W_K),
    Mutant("dW_Q", "W_Q for W_K", dW @ W_Q),
    Mutant("dW_Q", "on the other side", W_K @ dW),
    Mutant("dW_K", "dW not transposed", dW @ W_Q),
    Mutant("low rank", "order of the second pair", rowkron(U1, U2) @ rowkron(V2, V1).T),
    Mutant("C.1", "y squared", x.T @ diag(y * y) @ z),
    Mutant("C.1", "a unit vector for ones", (x * y * z).T @ unit(i0)),
)  # fmt: skip


def prove(claim):
    task = Task(own("mutant.1", claim), claim, "", PROFILES["quick"], 0)
    return task, [e for e in (expansion.examine(task), finite_field.examine(task)) if e is not None]


def test_there_are_enough_and_each_is_its_own():
    assert len(MUTANTS) >= 24
    assert len({str(m) for m in MUTANTS}) == len(MUTANTS)
    assert len({(m.claim.left, m.claim.right, m.claim.where) for m in MUTANTS}) == len(MUTANTS)
    assert {m.of for m in MUTANTS} == set(TRUE)


@pytest.mark.parametrize("name", TRUE)
def test_the_true_formula_is_proved(name):
    task, proofs = prove(TRUE[name])
    assert {(e.engine, e.strength) for e in proofs} >= {("expansion", "proved")}
    assert witness.smallest(task.claim, 20, seed=0) is None


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_the_mutant_is_refuted(mutant):
    task, proofs = prove(mutant.claim)
    assert not proofs, f"proved: {proofs}"
    found = witness.examine(task)
    assert found is not None and found.strength == "refuted" and found.basis == "exact"
    data = json.loads(json.dumps(found.witness))
    sizes = {name: size for name, size in data.items() if isinstance(size, int) and name != "schema"}
    assert sizes and all(1 <= size <= 3 for size in sizes.values()), sizes
    assert all(len(rows) <= 9 for rows in data["inputs"].values())
    assert data["claimed"] != data["actual"] and data["arithmetic"] == "exact"
    assert all(abs(Fraction(x)) <= 60 for rows in data["inputs"].values() for row in rows for x in row)
    again = replay(data, alone(task.statement))
    assert again.found is not None and again.agrees


@pytest.mark.parametrize("mutant", [MUTANTS[0], MUTANTS[37], MUTANTS[42]], ids=str)
def test_check_says_so(mutant):
    from almostlinear.theorems.registry import registry
    from tests.helpers import scratch_registry

    with scratch_registry():
        made = registry.add(own("mutant.1", mutant.claim))
        result = check(made)
        assert result.verdict == "refuted" and result.witness["n"] <= 3 and result.witness["d"] <= 3
        again = check(made)
        assert again.witness == result.witness, "the same seed finds the same witness"
        assert "refuted" in repr(result) and result.witness["claimed"] in repr(result)
        assert result._repr_latex_().startswith("$")
