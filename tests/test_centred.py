"""Weighted values less their mean: what S.3 and S.4 say is proved and attained; nothing of another form or below their constant is."""

from dataclasses import replace

import numpy as np
import pytest
import sympy

from almostlinear.theorems import Bound, d, diag, exp, l1norm, load, maxnorm, n, ones, recip, rownorm, symbol
from almostlinear.theorems.norms import derivations
from almostlinear.theorems.notation import G, i0
from almostlinear.theorems.repaired import kernel
from almostlinear.verify.engines import analysis, norms
from almostlinear.verify.task import PROFILES, Task

REGISTRY = load()
CLAIMS = [(id, claim) for id in ("S.3", "S.4") for claim in REGISTRY[id].claims]
S, V, other = kernel.S, kernel.V, symbol("V'", n, d)
f, centred = kernel.f, kernel.centred


def proved(engine, claim, id="S.3"):
    found = engine.examine(Task(REGISTRY[id], claim, "hash", PROFILES["quick"], 0))
    return found is not None and found.strength == "proved"


@pytest.mark.parametrize(("id", "claim"), CLAIMS, ids=lambda x: getattr(x, "part", x))
def test_no_smaller_constant_is_proved(id, claim):
    assert proved(analysis, claim, id)
    assert proved(analysis, replace(claim, right=claim.right * sympy.Rational(101, 100)), id)
    assert not proved(analysis, replace(claim, right=claim.right * sympy.Rational(99, 100)), id)


def test_eta_at_most_one_is_needed():
    for part in ("2 error", "3 size with an error"):
        (claim,) = (c for _, c in CLAIMS if c.part == part)
        assert not proved(analysis, replace(claim, given=()))


def with_values(weights, means, g=G, v=V, k_v=V, k_g=G):
    """f * (G V^T) - diag((G * f' V') 1) f'' with any parts."""
    k = (k_g * (means @ k_v)) @ ones(d)
    return weights * (g @ v.T) - diag(k) @ f


uniform = diag(recip(exp(S * 0) @ ones(n))) @ exp(S * 0)
BESIDE = {
    "other weights in the mean": with_values(f, uniform),
    "other weights in the product": with_values(uniform, f),
    "other values in the mean": with_values(f, f, k_v=other),
    "another gradient in the mean": with_values(f, f, k_g=G * 2),
    "any matrix for weights": with_values(S, S),
}


@pytest.mark.parametrize("name", BESIDE)
def test_what_is_of_another_form_has_no_such_bound(name):
    node = BESIDE[name].row(i0)
    row = l1norm(G.row(i0))
    assert not proved(analysis, Bound(l1norm(node), row * maxnorm(V)))
    assert not any(x.error is not None and not x.premises for x in derivations(node, "sum", [row, maxnorm(V)]))


def test_a_row_of_another_index_is_not_bounded():
    from almostlinear.theorems.notation import i1

    claim = Bound(l1norm(centred(f).row(i0)), l1norm(G.row(i1)) * maxnorm(V))
    assert not proved(analysis, claim) and not proved(norms, claim)


def test_the_rule_cites_what_says_it():
    moved = centred(kernel.f_moved) - centred(f)
    (found,) = derivations(moved, "sum", [l1norm(G), maxnorm(V), maxnorm(kernel.D)])
    assert found.error.lemmas == ("S.4",)
    plain, more = (diag(recip(exp(x) @ ones(n))) @ exp(x) for x in (S, S + kernel.D))
    (found,) = derivations(centred(more) - centred(plain), "sum", [l1norm(G), maxnorm(V), maxnorm(kernel.D)])
    assert found.error.lemmas == ("S.4",)
    (found,) = derivations(more - plain, "row", [maxnorm(kernel.D)])
    assert found.error.lemmas == ("S.2",)


def test_a_norm_that_is_given_stands_beside_a_lemma():
    gap = kernel.f_approx - f
    assert {str(x.bound) for x in derivations(gap, "row", [rownorm(gap)])} == {"eps_1", str(rownorm(gap))}


@pytest.mark.parametrize("eta", [0.1, 0.6, 0.99])
def test_the_constant_is_attained(eta):
    """Where a part of share (1 - t)/2 grows to (1 + t)/2 and values cancel in each part, in floats."""
    t = eta / (1 + np.sqrt(1 - eta**2))
    a, q, E = (np.array(x) for x in ([1 - t, 1 - t, 1 + t, 1 + t], [1.0, -1, 1, -1], [1, 1, -1, -1]))
    exact, near = (w / w.sum() for w in (a, a * (1 + eta * E)))
    changed = (near * q - (near @ q) * near) - (exact * q - (exact @ q) * exact)
    assert np.abs(changed).sum() == pytest.approx(2 * t, rel=1e-12)
