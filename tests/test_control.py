"""The verdicts of the suite against the control set of tests/control: what is recorded as proved holds there on every instance,
and what is recorded as refuted fails there."""

from __future__ import annotations

import ast
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from almostlinear.theorems import load
from almostlinear.theorems.statement import Bound, Identity
from tests import control
from tests.control import appendix_c, appendix_d, main_text
from tests.control.comparison import CLEAR, FAILS, HOLDS, TRUE_VERDICTS, at_most, disagreement, equal, examine
from tests.control.instances import Layer, biggest, gradient
from tests.control.table import TABLE

BASELINE = Path(__file__).parents[1] / "verify" / "baseline.json"
COMPARED = (*TRUE_VERDICTS, "refuted")
NOT_COVERED: dict[tuple[str, str, str], str] = {}
"""Published identities and bounds that have no control, with the reason."""


@pytest.fixture(scope="module")
def verdicts():
    """The recorded verdict of every claim, by (statement, part, reading)."""
    found = json.loads(BASELINE.read_text(encoding="utf-8"))["statements"]
    return {
        (statement, *claim.split(" | ", 1)): verdict
        for statement, record in found.items()
        for claim, verdict in record["claims"].items()
    }


def _name(key):
    return " ".join(part for part in key if part != "as printed")


@pytest.mark.parametrize("key", TABLE, ids=_name)
def test_verdict_agrees_with_the_control(key, verdicts):
    assert key in verdicts, f"the baseline has no claim {key}; was the part or the reading renamed?"
    assert not (found := disagreement(verdicts[key], TABLE[key])), f"{key}: {found}"


@pytest.mark.parametrize("key", TABLE, ids=_name)
def test_control_is_decided(key):
    """A control holds or fails clearly, on ten instances or more, so of two opposite verdicts it contradicts one."""
    found = examine(TABLE[key])
    assert found.outcome in (HOLDS, FAILS) and found.decided >= 10
    assert (disagreement("proved", TABLE[key]) is None) != (disagreement("refuted", TABLE[key]) is None)


def test_published_identities_and_bounds_are_covered(verdicts):
    compared = {
        (made.id, claim.part, claim.reading)
        for made in load()
        for claim in made.claims
        if made.origin == "published" and isinstance(claim, (Identity, Bound))
    }
    compared = {key for key in compared if verdicts.get(key) in COMPARED}
    assert compared - set(TABLE) - set(NOT_COVERED) == set()
    assert set(NOT_COVERED) <= compared - set(TABLE)


def test_a_verdict_of_another_kind_is_not_agreed_with():
    assert "'gap'" in disagreement("gap", appendix_c.c_2)


def test_the_constant_of_c_16_needs_the_repaired_factors():
    """diag(r~) multiplies columns in the printed U_4 V_4^T; the printed constant is that of diag(r~) f~."""
    assert examine(appendix_c.c_16_printed).outcome == FAILS
    assert examine(appendix_c.c_16_rows).outcome == HOLDS


def test_line_19_needs_the_factors_of_p():
    """U_3, V_3 of Lemma C.15 are factors of p_1; line 19 of Algorithm 1 is right with factors of p = p_1 - p_2."""
    assert examine(main_text.line_19_with_p_1).outcome == FAILS


# Controls that are wrong on purpose.
def g_3_transposed(draw):
    layer = Layer(draw)
    yield equal(layer.dL_dW_V(), layer.X.T @ layer.f.T @ layer.G)


def d_17_z_7_transposed(draw):
    layer = Layer(draw)
    yield equal(appendix_d.z_7(layer), layer.f * (layer.h @ layer.G.T).T)


def c_14_without_n(draw):
    layer = Layer(draw)
    U, V = draw.factors(layer.f)
    yield at_most(biggest(U @ V.T @ layer.h - layer.s), biggest(U @ V.T - layer.f) * biggest(layer.h))


def c_18_of_every_size(draw):
    layer = Layer(draw)
    yield at_most(biggest(layer.h), draw.n * draw.d * biggest(layer.X) * biggest(layer.W_V))


@pytest.mark.parametrize(
    ("key", "wrong"),
    [
        (("G.3", "1", "f by Definitions C.6-C.8 (no 1/d)"), g_3_transposed),
        (("D.17", "z_7", "as printed"), d_17_z_7_transposed),
        (("F.4", "closed form", "f by Definitions C.6-C.8 (no 1/d)"), main_text.line_19_with_p_1),
        (("C.14", "constant", "as printed"), c_14_without_n),
        (("C.18", "1", "as printed"), c_18_of_every_size),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_wrong_control_is_noticed(key, wrong, verdicts):
    assert disagreement(verdicts[key], TABLE[key]) is None
    assert f"the verdict is {verdicts[key]}" in disagreement(verdicts[key], wrong)


def test_control_with_nothing_to_look_at_proves_nothing():
    assert "unclear" in disagreement("proved", lambda draw: [])


def test_small_difference_is_neither_equality_nor_refutation():
    control_between = partial(lambda draw, gap: [gap], gap=CLEAR / 10)
    assert disagreement("proved", control_between) and disagreement("refuted", control_between)


def test_gradient_by_complex_step():
    """d (x^3 y) / d(x, y) = (3 x^2 y, x^3)."""
    found = gradient(lambda z: np.array([z[0] ** 3 * z[1]]), np.array([2.0, 5.0]))
    np.testing.assert_allclose(found, [[60.0, 8.0]], rtol=1e-15)


@pytest.mark.parametrize("path", sorted(Path(control.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_control_set_is_independent(path):
    """It imports NumPy, the standard library and itself: nothing that judges, or is judged."""
    allowed = {"numpy", "collections", "dataclasses", "functools", "math", "__future__"}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert {name.name for name in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1 or node.module.split(".")[0] in allowed
