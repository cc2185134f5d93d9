"""Models of m layers drawn by Hypothesis: impl's Algorithm 1 step by step within rounding certificates, and as a whole within the theorem
of m layers (m.4, m.5); the transformer the same; planted mistakes are found in the step where they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import hypothesis.strategies as st
import numpy as np
import pytest
from flint import arb
from hypothesis import HealthCheck, assume, given, settings

from almostlinear import impl
from almostlinear.theorems import load
from almostlinear.theorems.statement import Bound
from almostlinear.verify.approximant import eps_2, judge_approximant
from almostlinear.verify.backends.ball import DEFAULT_BITS, precision
from almostlinear.verify.examples import drawing
from almostlinear.verify.implemented import drawn, judge, run_implementation, run_transformer
from almostlinear.verify.models import LOSSES, MAPS, PHI, Setting, exact
from almostlinear.verify.real_numbers import Answer
from almostlinear.verify.recurrences import Theory
from almostlinear.verify.rounding_steps import steps

CLAIMS = {claim.part: claim for claim in load()["m.5"].claims if isinstance(claim, Bound)}
EXAMPLES = {"quick": 70, "ci": 500, "thorough": 3000}
FAMILIES = ("uniform", "corners", "positive", "scores", "curved")
DTYPES = ("float64", "float32")


@cache
def theory(heads, g, phi, loss):
    return Theory(CLAIMS, heads, g, phi, loss)


@st.composite
def model_settings(draw):
    heads, width = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    d = heads * width
    g, loss = draw(st.sampled_from(MAPS)), draw(st.sampled_from(LOSSES))
    if d == 1:  # LayerNorm and softmax of one feature are constant
        g, loss = g.replace("norm", "dense"), "l2"
    n, layers, phi = draw(st.integers(1, 7)), draw(st.integers(1, 4)), draw(st.sampled_from(sorted(PHI)))
    residual, causal, exact_forward = (draw(st.booleans()) for _ in range(3))
    return Setting(n, d, heads, layers, residual, causal, exact_forward, g, phi, loss)


DRAWN = {
    "setting": model_settings(),
    "family": st.sampled_from(FAMILIES),
    "degree": st.integers(1, 9),
    "limit": st.sampled_from([0.25, 0.5, 1.0, 2.0]),
    "dtype": st.sampled_from(DTYPES),
    "chunk": st.sampled_from([None, 1, 2, 3]),
    "seed": st.integers(0, 2**31),
}


def judged(drawn_one, device, spoil=lambda made: made, implement=run_implementation, judging=judge):
    """The judgement on one drawn model, None where the degree is refused or says nothing."""
    setting, degree, dtype = (drawn_one[k] for k in ("setting", "degree", "dtype"))
    values = drawn(setting, drawn_one["family"], drawn_one["seed"], drawn_one["limit"], dtype)
    try:
        made = implement(setting, values, degree, dtype, device, chunk=drawn_one["chunk"])
        return judging(
            setting, values, spoil(made), degree, dtype, theory(setting.heads, setting.g, setting.phi, setting.loss)
        )
    except (impl.DegreeError, ValueError) as error:
        if isinstance(error, impl.InputError) and not isinstance(error, impl.DegreeError):
            raise
        return None


def test_algorithm_1_for_all_layers(request):
    """Over layers, heads, masks, residuals, maps g_i, losses, degrees, precisions, on the device that was asked for."""
    profile, device = request.config.getoption("--profile"), request.config.getoption("--device")
    seen: Counter[str] = Counter()

    @settings(max_examples=EXAMPLES[profile], deadline=None, **drawing(), suppress_health_check=list(HealthCheck))
    @given(st.fixed_dictionaries(DRAWN))
    def each(one):
        found = judged(one, device)
        seen["drawn"] += 1
        assume(found is not None)
        seen["decided"] += not found.undecided
        seen["tried"] += 1
        assert not found.faults, (one, found.faults)

    each()
    assert seen["tried"] >= seen["drawn"] / 2 and seen["decided"] >= 0.85 * seen["tried"], seen


def transformer(setting, values, degree, dtype, device, chunk):
    return run_transformer(setting, values, degree, dtype, device, "algorithm1")


def almost_linear(setting, values, degree, dtype, device, chunk):
    return run_transformer(setting, values, degree, dtype, device, "almost_linear")


@pytest.mark.parametrize("attention", [transformer, almost_linear], ids=["algorithm1", "almost_linear"])
def test_the_transformer(request, attention):
    """``AlmostLinearTransformer`` with autograd through all of it, Algorithm 1 or the approximant's own gradient in its attention."""
    device = request.config.getoption("--device")
    judging = judge if attention is transformer else judge_approximant
    seen: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES[request.config.getoption("--profile")] // 3,
        deadline=None,
        **drawing(),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.fixed_dictionaries(DRAWN))
    def each(one):
        one = {**one, "setting": replace(one["setting"], g="mlp", exact_forward=False), "limit": one["limit"] / 2}
        found = judged(one, device, implement=attention, judging=judging)
        assume(found is not None)
        seen["tried"] += 1
        assert not of_transformer(found.faults), (one, found.faults)

    each()
    assert seen["tried"] >= 10


def of_transformer(faults):
    """dL/dW is the exact model's, which is no step of the transformer."""
    return [fault for fault in faults if fault[0] != "dW"]


# -- mistakes ------------------------------------------------------------------------------------------------------------
def example(**changed):
    setting = Setting(5, 4, 2, 3, True, True, False, "dense", "tanh", "l2")
    one = {
        "setting": setting,
        "family": "uniform",
        "degree": 5,
        "limit": 1.0,
        "dtype": "float64",
        "chunk": 2,
        "seed": 3,
    }
    kinds = {k: v for k, v in changed.items() if k not in one}
    return {**one, **{k: v for k, v in changed.items() if k in one}, "setting": replace(setting, **kinds)}


PLAIN = [example(), example(causal=False, g="mlp"), example(exact_forward=True, residual=False, loss="cross entropy")]
OUTPUTS = {
    "T": ("T", 2), "Z": ("Z", 1), "gradient_T": ("dT", 1), "gradient_Z": ("dZ", 1), "dW": ("dW", 1), "dW_V": ("dW_V", 1),
    "dW_Q": ("dW_Q", 1), "dW_K": ("dW_K", 1), "dW_g": ("dW_g", 1),
}  # fmt: skip


@pytest.mark.parametrize("one", PLAIN, ids=["causal", "full", "plain"])
@pytest.mark.parametrize("name", OUTPUTS)
def test_one_number_off_by_a_thousandth_is_found_in_its_step(one, name):
    assert not judged(one, "cpu").faults

    def spoil(made):
        listed = getattr(made, name)
        place = OUTPUTS[name][1]
        spoilt = listed[place].mid.copy()
        spoilt.flat[np.abs(spoilt).argmax()] *= 1 + 1e-3
        listed[place] = exact(spoilt)
        if name == "Z":
            made.into_g[place] = listed[place]
        return made

    found = judged(one, "cpu", spoil)
    assert found.steps[OUTPUTS[name]] is Answer.NO, found.faults


@pytest.mark.parametrize("one", PLAIN, ids=["causal", "full", "plain"])
def test_another_degree_or_mask_is_found(one):
    def lower(setting, values, degree, dtype, device, **options):
        return run_implementation(setting, values, degree - 1, dtype, device, **options)

    def unmasked(setting, values, *rest, **options):
        return run_implementation(replace(setting, causal=not setting.causal), values, *rest, **options)

    for mistake in (lower, unmasked):
        faults = judged(one, "cpu", implement=mistake).faults
        where = {name for name, _ in faults if isinstance(name, str)}
        assert {"dT", "dW", "dW_V"} <= where, (mistake.__name__, faults)


@pytest.mark.parametrize("seed", range(3))
def test_outputs_beyond_the_theorem_are_found(seed):
    """Twice what was returned, with the steps as they were: the recurrences themselves refute."""
    one, of = example(), theory(2, "dense", "tanh", "l2")
    setting, values = one["setting"], drawn(one["setting"], "uniform", seed, 0.25, "float64")
    made = run_implementation(setting, values, 9, "float64", "cpu")
    taken = steps(setting, values, made, 9, "float64")
    assert not judge(setting, values, made, 9, "float64", of, taken).faults
    for name in ("T", "gradient_T", "dW", "dW_V", "dW_Q", "dW_K", "dW_g"):
        setattr(made, name, [exact(2 * x.mid) for x in getattr(made, name)])
    made.dX, made.dW_g0 = exact(2 * made.dX.mid), exact(2 * made.dW_g0.mid)
    doubled = judge(setting, values, made, 9, "float64", of, taken).outputs
    assert all(answer is Answer.NO for answer in doubled.values()), doubled


@pytest.mark.parametrize("causal", [True, False])
def test_the_transformer_at_another_degree_mask_or_scale_is_found(causal):
    """The bounds of the approximant are tight enough to tell degree 2 from 6, a mask from none, and a scale from its half."""
    one = example(causal=causal, g="mlp", degree=6, limit=0.5)
    assert not of_transformer(judged(one, "cpu", implement=almost_linear, judging=judge_approximant).faults)

    def lower(setting, values, degree, *rest, **options):
        return almost_linear(setting, values, 2, *rest, **options)

    def unmasked(setting, *rest, **options):
        return almost_linear(replace(setting, causal=not setting.causal), *rest, **options)

    def scaled(setting, values, *rest, **options):
        return almost_linear(setting, {**values, "tau": values["tau"] / 2}, *rest, **options)

    for mistake, where in ((lower, {"Z"}), (unmasked, {"Z", "dT"}), (scaled, {"Z", "dT"})):
        faults = of_transformer(judged(one, "cpu", implement=mistake, judging=judge_approximant).faults)
        assert where <= {fault[0] for fault in faults if isinstance(fault, tuple)}, (mistake.__name__, faults)


def test_eps_2_by_hand():
    """At g = 1, b = 1/4: J_1 = 1 - (1 - b) e^b, J_0 = e^b - 1."""
    with precision(DEFAULT_BITS):
        b = arb(1) / 4
        kernel, slope = 1 - (1 - b) * b.exp(), b.exp() - 1
        row = 2 * kernel / (1 + (1 - kernel * kernel).sqrt())
        relative = (1 + slope) / (1 - kernel) - 1
        assert abs(eps_2(b, 1) - (4 * relative + 2 * (1 + relative) * row + 2 * row)) < 1e-40
        assert not eps_2(arb(3), 1).is_finite()
