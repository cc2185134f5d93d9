"""The theory of m layers on 2,000 models; planted mistakes, in the recurrences and in the algorithm, are caught."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import sympy

from almostlinear.theorems import Bound, load
from almostlinear.theorems.repaired import errors_l1, layer_steps, layers
from almostlinear.verify import models
from almostlinear.verify.drawn_models import COMBINATIONS, EXAMPLE, FAMILIES, batch, combination_name, describe, read
from almostlinear.verify.engines import chain, enclosure
from almostlinear.verify.evidence import REFUTED
from almostlinear.verify.models import RULES, T, minus, row_sums
from almostlinear.verify.problems import BadProblem
from almostlinear.verify.real_numbers import Answer
from almostlinear.verify.recurrences import Theory, compiled
from almostlinear.verify.task import PROFILES, Task

REGISTRY = load()
CLAIMS = {name: REGISTRY[name].claims for name in chain.EXACT_FORWARD}
EACH = 130


@pytest.fixture(scope="module")
def tallies():
    found = {}
    for name, claims in CLAIMS.items():
        found |= chain.campaign(name, claims, EACH, 0)
    return found


def test_two_thousand_models_never_exceed_a_bound(tallies):
    """2,000 and more are decided for each output, of 2,080; what stays undecided has gradients that vanish or values that overflow."""
    assert len(tallies) == 16
    decided: dict[str, int] = {}
    for name, by_part in tallies.items():
        for part, tally in by_part.items():
            assert tally.bad is None, (name, part)
            decided[part] = decided.get(part, 0) + len(tally.models)
    assert all(decided[part] >= 2000 for part in ("dL/dX", "dL/dW", "dL/dW_V", "dL/dW_g"))


def test_tightness_is_reported_for_every_combination(tallies):
    """And the deepest of the constructed models still come close: observed / bound at five layers."""
    for name, by_part in tallies.items():
        row = by_part["dL/dX"].row(name)
        assert row["combination"] == name and row["models"] >= 100 and row[chain.RATIOS[0]] >= 0.3
        assert read(row["instance"]).texts == (row["instance"],)
    deep = [
        row[6] for name, by_part in tallies.items() if "residual" in name
        for row in by_part["dL/dX"].scatter.rows if row[4] == 5
    ]  # fmt: skip
    assert max(deep) >= 0.9


# -- planted mistakes ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class WithoutP(layer_steps.Head):
    """alpha without the term of P~, which holds that of K~."""

    @property
    def alpha(self):
        return self.om


@dataclass(frozen=True)
class WithoutScores(layer_steps.Head):
    """Lam without the dependence of the weights on X."""

    @property
    def Lam(self):
        return self.om


def without(name, step):
    return SimpleNamespace(**{**vars(layer_steps), name: step})


def _without_eps_dW(head, R_X, dz, total, a, eps):
    return layer_steps.error_of_dW(head, R_X, dz, total, a, 0)


STEPS = {
    "eps_1 H forward": ("m.5", "T_m", without("error_of_Z", lambda layer, a, eps: layer.lam * a)),
    "lam forward": ("m.5", "T_m", without("error_of_Z", lambda layer, a, eps: a + eps * layer.H)),
    "Lam of scores": ("m.5", "T_m", without("Head", WithoutScores)),
    "mu backward": ("m.4", "dL/dX", without("error_of_dZ", lambda layer, e, az, gam: e + layer.bend * az * gam)),
    "bend": ("m.5", "dL/dX", without("error_of_dZ", lambda layer, e, az, gam: layer.mu * e)),
    "alpha": ("m.4", "dL/dX", without("error_of_dT", lambda layer, dz, total, a, eps: layer.lam * dz)),
    "alpha of K~ and P~": ("m.4", "dL/dX", without("Head", WithoutP)),
    "eps_1 in dL/dW": ("m.4", "dL/dW", without("error_of_dW", _without_eps_dW)),
    "eps_1 in dL/dW_V": ("m.4", "dL/dW_V", without("error_of_dWV", lambda head, R, dz, total, a, eps: R * dz + a * total)),
    "a in dL/dW_V": (
        "m.5", "dL/dW_V",
        without("error_of_dWV", lambda head, R, dz, total, a, eps: R * dz + head.of_weights(a, eps) * R * total),
    ),
    "dz in dL/dW_V": (
        "m.4", "dL/dW_V",
        without("error_of_dWV", lambda head, R, dz, total, a, eps: (a + head.of_weights(a, eps) * R) * total),
    ),
    "az in dL/dW_g": (
        "m.5", "dL/dW_g",
        without("error_of_dWg", lambda R, L1, L2, og, e, az, gam: R * L1 * e + gam * R * L2 * og * az),
    ),
}  # fmt: skip


def caught(statement, part, count, **planted):
    """Whether a bound is exceeded in some combination, in the order of `COMBINATIONS`, the last ones first."""
    for combination in reversed(COMBINATIONS):
        found = chain.campaign(statement, CLAIMS[statement], count, 0, **planted, combinations=(combination,))
        if any(by_part[part].bad is not None for by_part in found.values()):
            return True
    return False


@pytest.mark.parametrize("name", STEPS)
def test_a_recurrence_with_a_term_dropped_is_exceeded(name):
    statement, part, steps = STEPS[name]
    assert caught(statement, part, 42, steps=steps)


MOVED = replace(read(EXAMPLE).setting, d=1, layers=3, residual=True, exact_forward=False)
"""Models whose last layer depends on an input that the layers before have moved."""


def exceeded(statement, setting, family, count, steps=layer_steps, claims=None):
    """How many of the instances exceed a bound on dL/dX."""
    by_part = {claim.part: claim for claim in claims or CLAIMS[statement]}
    theory = Theory(by_part, setting.heads, setting.g, setting.phi, setting.loss, steps)
    drawn = batch(setting, family, 5, list(range(count)))
    return sum(outcome["dL/dX"].answer is Answer.NO for outcome in chain.outcomes_of(theory, drawn))


def test_without_beta_the_recurrence_is_exceeded():
    steps = without("error_of_dT", lambda layer, dz, total, a, eps: layer.lam * dz + total * layer.alpha * eps)
    assert exceeded("m.5", MOVED, "moved", 100, steps) > 0 == exceeded("m.5", MOVED, "moved", 100)


def test_rho_to_the_power_of_one_layer_less_is_exceeded():
    """2 j eps_1 rho^{j-1} gam_m in place of 2 j eps_1 rho^j gam_m."""
    (claim,) = (c for c in CLAIMS["m.4"] if c.part == "dL/dX")
    rho = next(factor for factor in sympy.Mul.make_args(claim.right) if factor.is_Add)
    short = replace(claim, right=claim.right / rho)
    others = [c for c in CLAIMS["m.4"] if c.part != "dL/dX"]
    setting = replace(read(EXAMPLE).setting, d=1)
    assert exceeded("m.4", setting, "aligned", 60, claims=[short, *others]) > 0
    assert exceeded("m.4", setting, "aligned", 60) == 0


@pytest.mark.parametrize("kept", ["weights", "inputs"])
def test_half_of_beta_is_refuted_in_one_layer(kept):
    """Statement m.2 is sharper than the recurrences: it needs both terms of beta."""
    (claim,) = (c for c in REGISTRY["m.2"].claims if c.part == "moved input")
    head = layers.head
    by_w = 2 * head.tau * head.H * head.w
    by_scores = head.beta - by_w
    assert sympy.expand(claim.right - (by_scores + by_w) * layers.a * layers.l1norm(layers.G)) == 0
    half = (by_scores if kept == "weights" else by_w) * layers.a * layers.l1norm(layers.G)
    tally = enclosure._try_bound(replace(claim, right=half), 30, 0)
    assert tally.violation is not None


RULE = {
    "f^T for f in dL/dW_V": ("dL/dW_V", RULES._replace(dW_V=lambda f, x, g: T(T(f) @ x) @ g)),
    "f for f^T in dL/dX": (
        "dL/dX", RULES._replace(dX=lambda p, f, x, w, w_v, g, tau: models.dX(p, T(f), x, w, w_v, g, tau)),
    ),
    "diag(K) f omitted": ("dL/dX", RULES._replace(core=lambda f, h, g: f * (g @ T(h)))),
    "f diag(K) for diag(K) f": (
        "dL/dX", RULES._replace(core=lambda f, h, g: minus(f * (g @ T(h)), f * T(row_sums(g * (f @ h))))),
    ),
    "W for W^T": ("dL/dX", RULES._replace(dX=lambda p, f, x, w, w_v, g, tau: models.dX(p, f, x, T(w), w_v, g, tau))),
    "scale forgotten in dL/dW": ("dL/dW", RULES._replace(dW=lambda p, x, tau: T(x) @ p @ x)),
}  # fmt: skip


@pytest.mark.parametrize("name", RULE)
@pytest.mark.parametrize("statement", CLAIMS)
def test_a_mistake_in_the_algorithm_is_caught(statement, name):
    part, rules = RULE[name]
    assert caught(statement, part, 14, rules=rules)


# -- records -------------------------------------------------------------------------------------------------------------------
def task(statement, part):
    (claim,) = (c for c in CLAIMS[statement] if c.part == part)
    return Task(REGISTRY[statement], claim, "hash", replace(PROFILES["quick"], bounds=1), 0)


def test_evidence_has_a_row_for_each_combination():
    record = chain.examine(task("m.5", "dL/dX"))
    assert (record.strength, record.basis, record.engine) == ("enclosed", "ball", "chain")
    assert len(record.detail["combinations"]) == 8 and record.tried == sum(
        r["models"] for r in record.detail["combinations"]
    )
    best = record.detail["tightness"]["best"]
    assert best == pytest.approx(max(row[6] for row in record.detail["points"]["rows"]), rel=1e-2)
    assert best == pytest.approx(max(row[chain.RATIOS[0]] for row in record.detail["combinations"]), rel=1e-2)
    assert chain.examine(replace(task("m.5", "dL/dX"), statement=REGISTRY["m.1"])) is None


def test_a_violation_is_a_refutation_that_can_be_replayed(monkeypatch):
    wrong = without("error_of_dT", lambda layer, dz, total, a, eps: layer.lam * dz)
    monkeypatch.setattr(chain, "_campaign", lambda *args: chain.campaign(*args, steps=wrong))
    record = chain.examine(task("m.4", "dL/dX"))
    assert record.strength == REFUTED and record.basis == "ball"
    witness = record.witness
    outcome = chain.replay(witness["instance"], CLAIMS["m.4"])["dL/dX"]
    assert outcome.answer is Answer.YES
    values = read(witness["instance"]).values
    assert [[str(float(sympy.Rational(x))) for x in row] for row in witness["inputs"]["X"]] == values["X"][0].astype(
        str
    ).tolist()
    assert {"W_Q_1_1", "W_V_1_1", "W_g_1", "E_1_1", "eta", "tau"} <= set(witness["inputs"])


def test_texts_draw_the_same_instance_again():
    for combination in COMBINATIONS[::5]:
        drawn, _ = next(chain.batches(combination, 21, 3))
        for t in (0, len(drawn.texts) - 1):
            again = read(drawn.texts[t])
            assert again.setting == drawn.setting and combination_name(again.setting) == combination_name(drawn.setting)
            assert all((again.instance_values[k][0] == v[t]).all() for k, v in drawn.instance_values.items())
            assert (again.error.E[0] == drawn.error.E[t]).all() and again.eta[0] == drawn.eta[t]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("family=uniform;family=odd", "unknown 'odd'; use one of aligned"),
        ("heads=1;heads=3", "heads must divide d"),
        ("n=2;n=0", "sizes must be within 1..64"),
        ("models;;model;", "such as 'models;exact forward"),
    ],
)
def test_a_text_of_no_model_is_refused(change, message):
    with pytest.raises(BadProblem, match=message):
        read(EXAMPLE.replace(*change.split(";;" if ";;" in change else ";", 1)))


def test_the_kernel_error_is_within_its_bound_and_families_differ():
    setting = read(EXAMPLE).setting
    for family in FAMILIES:
        drawn = batch(setting, family, 1, [0, 1])
        assert (abs(drawn.error.E) <= 1).all() and (drawn.eta < 1).all() and (drawn.eta > 0).all()
        assert describe(setting, family, 1, 1, "away") in drawn.texts


# -- the recurrences themselves --------------------------------------------------------------------------------------------------
def test_constants_are_those_of_the_one_layer_theory():
    e = errors_l1
    head = layer_steps.Head(e.tau, e.H, e.r, e.r_t, e.om, sympy.Integer(0))
    assert sympy.expand(head.Lam - e.Lam) == 0 and sympy.expand(head.alpha - e.Lam) == 0


def test_two_maps_in_turn():
    """An MLP is phi(z W_g), then W_2: L1 og og_2, and its derivative changes by L2 og^2 og_2."""
    L1, L2, og, og_2 = sympy.symbols("L1 L2 og og_2")
    mlp = layer_steps.dense(L1, L2, og).then(layer_steps.linear(og_2))
    assert (mlp.lipschitz, mlp.bend) == (L1 * og * og_2, L2 * og**2 * og_2)
    placed = layer_steps.POSITION.then(layer_steps.dense(L1, L2, og))
    assert placed == layer_steps.dense(L1, L2, og)


def test_a_float_in_a_recurrence_is_refused():
    x = sympy.Symbol("x")
    with pytest.raises(ValueError, match="float"):
        compiled([0.5 * x])
    third = compiled([x / 3])({"x": 1})[0]
    assert abs(third * 3 - 1) < 1e-15 and not third.is_exact()


@pytest.mark.parametrize("name", [f"m.{k}" for k in range(1, 8)])
def test_every_statement_is_of_kinds_that_are_judged(name):
    made = REGISTRY[name]
    assert made.origin == "repair" and made.source == "theory of m layers"
    assert all(isinstance(claim, Bound) for claim in made.claims) and made.claims
