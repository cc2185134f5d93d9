"""The dense reference of m-layer models: its gradients are those of automatic differentiation, its enclosures enclose, its constants hold;
and on drawn models of all 16 combinations no bound of the theory is exceeded."""

import itertools
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
import sympy
import torch
from flint import arb, ctx

from almostlinear.theorems import load
from almostlinear.verify import models
from almostlinear.verify.drawn_models import COMBINATIONS, FAMILIES, PATTERNS, batch
from almostlinear.verify.engines import chain
from almostlinear.verify.models import FLOOR, LOSSES, MAPS, NORMS, PHI, RULES, MidRad, Setting, norm, root, run

REGISTRY = load()
PHI_TORCH: dict[str, Callable[..., torch.Tensor]] = {"tanh": torch.tanh, "silu": torch.nn.functional.silu}
OF_LAYER = {"W_Q": "dW_Q", "W_K": "dW_K", "W_V": "dW_V", "W_g": "dW_g"}


def torch_loss(setting, values, k):
    """The loss of model k and its variables, written with torch alone."""
    v = {name: torch.tensor(value[k], requires_grad=True) for name, value in values.items()}
    phi = PHI_TORCH[setting.phi]
    mask = torch.ones(setting.n, setting.n).tril() if setting.causal else torch.ones(setting.n, setting.n)
    t = phi(v["X"] @ v["W_g0"])
    for i in range(setting.layers):
        heads = []
        for q, key, value in zip(v["W_Q"][i], v["W_K"][i], v["W_V"][i], strict=True):
            scores = ((t @ q) @ (t @ key).T * v["tau"]).masked_fill(mask == 0, -math.inf)
            heads.append(torch.softmax(scores, -1) @ (t @ value))
        z = torch.cat(heads, -1)
        z = z + t if setting.residual else z
        if setting.g == "norm":
            c = z - z.mean(-1, keepdim=True)
            g = c / torch.sqrt((c * c).mean(-1, keepdim=True) + float(FLOOR) ** 2)
        else:
            into = z + v["place"][i] if setting.g == "position" else z
            g = phi(into @ v["W_g"][i])
            g = g * v["keep"][i] if setting.g == "dropout" else g @ v["W_2"][i] if setting.g == "mlp" else g
        t = z + g if setting.residual else g
    if setting.loss == "sum":
        return (v["target"] * t).sum(), v
    if setting.loss == "l2":
        return ((t - v["target"]) ** 2).sum(), v
    return -(v["target"] * torch.log_softmax(t, -1)).sum(), v


def off(setting, values, found, k):
    """The largest difference from automatic differentiation beyond the enclosure's radius, relative to the largest gradient.

    What is left is torch's own rounding.
    """
    value, v = torch_loss(setting, values, k)
    value.backward()
    pairs = [(found.dX, v["X"].grad), (found.dW_g0, v["W_g0"].grad)]
    for name, listed in OF_LAYER.items():
        if name != "W_g" or setting.g != "norm":
            pairs += [(made, v[name].grad[i]) for i, made in enumerate(getattr(found, listed))]
    scale = max(float(g.abs().max()) for _, g in pairs)
    return max(float(np.max(np.abs(made.mid[k] - g.numpy()) - made.rad[k])) for made, g in pairs) / scale


KINDS = [
    (residual, causal, heads, *kinds)
    for (residual, causal, heads), kinds in zip(
        itertools.islice(itertools.cycle(itertools.product((False, True), (False, True), (1, 2))), 30),
        itertools.product(MAPS, PHI, LOSSES),
        strict=True,
    )
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_exact_gradients_are_those_of_automatic_differentiation(kind):
    residual, causal, heads, g, phi, loss = kind
    setting = Setting(4, 4, heads, 3, residual, causal, True, g, phi, loss)
    values = batch(setting, "uniform", 3, [0, 1]).values
    assert max(off(setting, values, run(setting, values), k) for k in (0, 1)) < 1e-12


def test_a_wrong_gradient_is_seen_by_that_comparison():
    setting = Setting(4, 4, 2, 2, True, True, True)
    values = batch(setting, "uniform", 3, [0]).values
    wrong = RULES._replace(dW_V=lambda f, x, g: models.T(models.T(f) @ x) @ g)
    assert off(setting, values, run(setting, values, rules=wrong), 0) > 1e-3


# -- enclosures and constants --------------------------------------------------------------------------------------------
def test_norm_ends_hold_the_exact_norm():
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, (20, 3, 4)) * 2.0 ** rng.integers(-30, 30, (20, 3, 4))
    exact = [[[abs(Fraction(x)) for x in row] for row in matrix] for matrix in a]
    sums = {
        "max": lambda m: max(max(row) for row in m), "sum": lambda m: sum(sum(row) for row in m),
        "row": lambda m: max(sum(row) for row in m), "col": lambda m: max(sum(c) for c in zip(*m, strict=True)),
    }  # fmt: skip
    assert set(sums) == set(NORMS)
    for kind, of in sums.items():
        low, high = norm(models.exact(a), kind)
        for k, matrix in enumerate(exact):
            assert Fraction(low[k]) <= of(matrix) <= Fraction(high[k]) <= of(matrix) * (1 + Fraction(1, 10**13))
    wide = MidRad(np.full((1, 2, 2), 3.0), np.full((1, 2, 2), 4.0))
    assert norm(wide, "max")[0][0] == 0 and norm(wide, "max")[1][0] >= 7


def test_the_root_encloses():
    rng = np.random.default_rng(1)
    mid, share = rng.uniform(0.01, 100, 200), rng.uniform(0, 0.9, 200)
    found = root(MidRad(mid, mid * share))
    with ctx.workprec(200):
        for k in range(200):
            for end in (arb(mid[k]) - arb(mid[k] * share[k]), arb(mid[k]), arb(mid[k]) + arb(mid[k] * share[k])):
                assert abs(end.sqrt() - arb(found.mid[k])) <= arb(found.rad[k])
    assert np.isinf(root(MidRad(np.array([1.0]), np.array([1.0]))).rad[0])


def silu_slopes(x):
    """phi' and phi'' of x / (1 + e^{-x}) in balls."""
    half = (x / 2).tanh()
    s, cosh = (1 + half) / 2, (x / 2).cosh()
    return s * (1 + x * (1 - s)), (2 - x * half) / (4 * cosh * cosh)


def holds(claim, low, high, depth=40):
    """Whether a claim on balls holds on all of an interval, by bisection."""
    if claim(arb((low + high) / 2, (high - low) / 2)):
        return True
    middle = (low + high) / 2
    return depth > 0 and holds(claim, low, middle, depth - 1) and holds(claim, middle, high, depth - 1)


def test_the_slope_of_silu_is_at_most_its_constant():
    """And phi'' >= -1/2. Beyond 40, e^{-|x|} |x| < 1e-15 leaves phi' within 1e-15 of 0 or 1, and phi'' of 0."""
    L1, L2 = (Fraction(str(x)) for x in (PHI["silu"].L1, PHI["silu"].L2))
    with ctx.workprec(64):
        limit = arb(L1.numerator) / L1.denominator
        assert holds(lambda x: abs(silu_slopes(x)[0]) <= limit, -40.0, 40.0)
        assert holds(lambda x: silu_slopes(x)[1] >= -arb(L2.numerator) / L2.denominator, -40.0, 40.0)
        assert not holds(lambda x: abs(silu_slopes(x)[0]) <= limit - arb("1e-3"), 2.0, 3.0)


def test_slopes_are_exactly_bounded():
    """tanh' = 1 - t^2 and tanh'' = -2t(1-t^2), t = tanh; silu'' = (2 - x tanh(x/2))/(4 cosh^2(x/2)), which is at most 2/4.

    4 sqrt(3)/9 - 2t(1-t^2) = 2(t - 1/sqrt 3)^2 (t + 2/sqrt 3) >= 0 for t >= 0; the other sign by symmetry.
    """
    t, x = sympy.symbols("t x", real=True)
    root3 = sympy.sqrt(3)
    gap = PHI["tanh"].L2 - 2 * t * (1 - t**2) - 2 * (t - 1 / root3) ** 2 * (t + 2 / root3)
    assert sympy.simplify(sympy.expand(gap)) == 0
    assert PHI["tanh"].L1 == 1 and sympy.simplify(sympy.diff(sympy.tanh(x), x) - 1 + sympy.tanh(x) ** 2) == 0
    form = (2 - x * sympy.tanh(x / 2)) / (4 * sympy.cosh(x / 2) ** 2)
    assert sympy.simplify((sympy.diff(x / (1 + sympy.exp(-x)), x, 2) - form).rewrite(sympy.exp)) == 0
    assert 2 * PHI["silu"].L2 == 1


@pytest.mark.parametrize("phi", PHI)
def test_values_are_enclosed_far_out_too(phi):
    x = np.array([[-2000.0, -310.0, -299.0, -1e-9, 0.0, 3.0, 300.5, 1e5]])
    found = PHI[phi].value(models.exact(x))
    with ctx.workprec(120):
        for k, at in enumerate(arb(float(value)) for value in x[0]):
            true = at.tanh() if phi == "tanh" else at / (1 + (-at).exp())
            assert abs(true - arb(found.mid[0, k])) <= arb(found.rad[0, k]) <= 1e-15 * (1 + abs(at))


@pytest.mark.parametrize("phi", PHI)
def test_slopes_are_derivatives_of_values(phi):
    x, step = np.linspace(-5, 5, 101).reshape(1, -1), 1e-6
    up, down = (PHI[phi].value(models.exact(x + by)).mid for by in (step, -step))
    assert np.max(np.abs((up - down) / (2 * step) - PHI[phi].slope(models.exact(x)).mid)) < 1e-8


# -- the theory on models ----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def tallies(request):
    """The campaigns of m.4 and m.5, as deep as the profile says."""
    from almostlinear.verify.task import PROFILES, Task

    profile, seed = PROFILES[request.config.getoption("--profile")], request.config.getoption("--seed")
    made: chain.Tallies = {}
    for name in chain.EXACT_FORWARD:
        claims = REGISTRY[name].claims
        count = chain.models_each(Task(REGISTRY[name], claims[0], "", profile, seed))
        made |= chain._campaign(name, claims, count, seed)
    return made


def test_all_sixteen_combinations_hold(tallies):
    assert len(tallies) == len(COMBINATIONS) == 16
    for name, by_part in tallies.items():
        for part, tally in by_part.items():
            assert tally.bad is None, (name, part, tally.bad and tally.bad[0].texts[tally.bad[1]])
            assert len(tally.models) >= len(FAMILIES), (name, part)
            assert tally.undecided <= tally.instances // 5, (name, part)


def test_every_family_and_pattern_is_tried(tallies):
    for by_part in tallies.values():
        texts = by_part["dL/dX"].scatter.texts
        assert {row[0] for row in by_part["dL/dX"].scatter.rows} == set(FAMILIES)
        assert all(any(text.endswith(f"errors={pattern}") for text in texts) for pattern in PATTERNS)


def test_the_bounds_are_nearly_attained(tallies):
    """Observed / bound of dL/dX, through all layers; models have two layers or more. Without residuals errors are mixed away."""
    best = {name: by_part["dL/dX"].recurrence[0] for name, by_part in tallies.items()}
    assert all(ratio >= 0.3 for ratio in best.values()), best
    assert all(ratio >= 0.8 for name, ratio in best.items() if "residual" in name), best
