"""Automatic repair: a proved right side for every refuted published identity, and none where the true term is out of reach."""

import pytest

from almostlinear.theorems import Identity, load
from almostlinear.theorems.notation import W_V, G, W, X
from almostlinear.theorems.paper.c_preliminaries import loss_gradient
from almostlinear.verify.contract import contracted
from almostlinear.verify.engines.expansion import difference_is_zero
from almostlinear.verify.engines.repair import suggest
from almostlinear.verify.extent import extent

CASES = [(name, claim) for name in ("D.1", "D.8", "E.11", "G.3") for claim in load()[name].claims]


@pytest.mark.parametrize(("name", "claim"), CASES, ids=[f"{n}-{c.part}-{c.reading[-9:]}" for n, c in CASES])
def test_a_refuted_identity_is_repaired(name, claim):
    found = suggest(claim)
    assert found is not None and found.terms
    assert not difference_is_zero(claim, extent(contracted(claim)).sizes)[0]
    assert difference_is_zero(found.repaired, extent(contracted(found.repaired)).sizes)[0]


def test_nothing_is_suggested_without_the_true_term():
    assert suggest(Identity(loss_gradient(X), G @ W_V.T @ W)) is None
