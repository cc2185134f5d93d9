"""certify: what almost_linear_attention returns is within the bounds every time, the bounds say something, and outside the regime
nothing is guaranteed."""

import math
import random
from dataclasses import astuple, replace

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention as sdpa

from almostlinear.impl import DegreeError, InputError, almost_linear_attention, certify
from almostlinear.impl import tail as tails
from almostlinear.impl.polynomial import kernel_error
from almostlinear.impl.shifts import shift

F64 = torch.float64
CONFIGURATIONS = 500
LOOSEST_MEDIAN = 1e3
OWN_ROUNDING = 1e-13
"""Of the float64 reference, relative to its largest entry."""


def uniform(make, *shape):
    return torch.rand(*shape, generator=make, dtype=F64) * 2 - 1


def drawn(seed):
    """Tensors with max|S| = b in [0.1, 2] before an offset, a mask, and options."""
    choose, make = random.Random(seed), torch.Generator().manual_seed(seed)
    n, d, e, heads = (
        choose.choice([1, 2, 7, 33, 90]),
        choose.choice([1, 2, 4, 8]),
        choose.choice([1, 3, 8]),
        choose.choice([1, 3]),
    )
    dtype, is_causal = choose.choice([torch.float32, F64]), choose.random() < 0.4
    m = n if is_causal else choose.choice([1, n, 2 * n + 1])
    grouped = heads == 3 and choose.random() < 0.3
    q, k = uniform(make, 2, heads, n, d), uniform(make, 2, 1 if grouped else heads, m, d)
    if choose.random() < 0.3:  # the corners fill the range
        q, k = q.sign(), k.sign()
    q *= choose.uniform(0.1, 2) / max((q @ k.mT).abs().max().item(), 1e-9)
    if choose.random() < 0.5:
        q, k = q + choose.uniform(-2, 2), k + choose.uniform(-2, 2)
    v, upstream = uniform(make, *k.shape[:-1], e), uniform(make, 2, heads, n, e)
    mask = choose.choice([None, uniform(make, 2, 1, 1, m) > -0.4, uniform(make, 2, 1, 1, m).to(dtype)])
    options = {"attn_mask": mask, "is_causal": is_causal, "scale": 1.0, "enable_gqa": grouped}
    return [x.to(dtype) for x in (q, k, v)], upstream.to(dtype), options, choose


def exact(tensors, upstream, options):
    q, k, v = (x.detach().double().requires_grad_() for x in tensors)
    full, mask = torch.zeros(q.shape[-2], k.shape[-2], dtype=F64), options["attn_mask"]
    if mask is not None:
        full = full.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else full + mask.double()
    if options["is_causal"]:
        full = full.masked_fill(torch.ones(full.shape[-2:], dtype=torch.bool).triu(1), -math.inf)
    out = sdpa(q, k, v, full, scale=1.0, enable_gqa=options["enable_gqa"])
    return out.detach(), *torch.autograd.grad(out, (q, k, v), upstream.double())


def repeated(tensors, options):
    """Heads of a group as certify and the operator see them: gradients are then by head."""
    q, k, v = tensors
    if options["enable_gqa"]:
        k, v = (x.repeat_interleave(q.shape[-3] // x.shape[-3], -3) for x in (k, v))
    return (q, k, v), options | {"enable_gqa": False}


def ratios(tensors, upstream, options, asked):
    """(guaranteed, observed) of output, dQ, dK, dV; the reference's own rounding is granted."""
    tensors, options = repeated(tensors, options)
    found = certify(*tensors, upstream, **options, **asked)
    if found.truncation is None:
        raise DegreeError("the verdict", found.verdict, "guaranteed", "draw another")
    leaves = [x.clone().requires_grad_() for x in tensors]
    out = almost_linear_attention(*leaves, **options, **asked)
    computed = (out.detach(), *torch.autograd.grad(out, leaves, upstream))
    parts = []
    for a, b, truncation, rounding in zip(
        computed, exact(tensors, upstream, options), astuple(found.truncation), astuple(found.rounding), strict=True
    ):
        observed = (a.double() - b).abs().max().item()
        assert math.isfinite(observed)
        parts.append((truncation + rounding + OWN_ROUNDING * (1 + b.abs().max().item()), observed))
    return parts


def test_500_drawn_configurations_stay_within_their_bounds_which_say_something():
    looseness, refused = [], 0
    for seed in range(CONFIGURATIONS):
        tensors, upstream, options, choose = drawn(seed)
        degree = choose.randint(2, 6)
        try:
            parts = ratios(tensors, upstream, options, {"degree": degree, "backend": "monomials"})
        except DegreeError:  # J_g(b) >= 1 at an odd degree
            refused += 1
            continue
        for part, (bound, observed) in zip(("output", "dQ", "dK", "dV"), parts, strict=True):
            assert observed <= bound, (seed, degree, part, observed, bound)
            if observed > 1e-13:
                looseness.append(bound / observed)
    looseness.sort()
    assert refused <= CONFIGURATIONS // 10 and len(looseness) > 2 * CONFIGURATIONS
    assert looseness[len(looseness) // 2] <= LOOSEST_MEDIAN


def test_the_adaptive_backend_stays_within_its_bounds():
    served = 0
    for seed in range(80):
        tensors, upstream, options, choose = drawn(seed)
        try:
            parts = ratios(tensors, upstream, options, {"eps": 10 ** choose.uniform(-4, -1), "backend": "adaptive"})
        except DegreeError:
            continue
        served += 1
        assert all(observed <= bound for bound, observed in parts), (seed, parts)
    assert served >= 60


MISTAKES = {
    "the remainder of one degree more": (
        "remainder_factor",
        lambda rule: lambda degree, bound: rule(degree + 1, bound),
    ),
    "the bound of one degree more": ("tails", lambda rule: lambda rows, degree, bound: rule(rows, degree + 1, bound)),
    "a thirtieth of the square": (
        "tails",
        lambda rule: lambda rows, *rest: rule(rows._replace(square=rows.square / 30), *rest),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_in_the_bound_is_caught(monkeypatch, name):
    where, plant = MISTAKES[name]
    monkeypatch.setattr(tails, where, plant(getattr(tails, where)))
    monkeypatch.setattr(tails, "softmax_error", lambda eta: math.inf)
    with pytest.raises(AssertionError):
        test_500_drawn_configurations_stay_within_their_bounds_which_say_something()


def family(name, n, d, seed):
    make = torch.Generator().manual_seed(seed)
    draw = {
        "uniform": lambda: uniform(make, n, d),
        "normal": lambda: torch.randn(n, d, generator=make, dtype=F64) / 3,
        "corners": lambda: uniform(make, n, d).sign(),
        "positive": lambda: uniform(make, n, d) + 2,
        "decaying": lambda: uniform(make, n, d) * 0.5 ** torch.arange(d),
        "plane": lambda: uniform(make, n, 2) @ uniform(make, 2, d),
    }[name]
    return draw().float(), draw().float(), uniform(make, n, d).float()


FAMILIES = ("uniform", "normal", "corners", "positive", "decaying", "plane")


def corpus(limits, widths, n=256):
    """All families, each with its shifted scores scaled to reach a limit."""
    for name in FAMILIES:
        for seed, (limit, d) in enumerate((limit, d) for limit in limits for d in widths):
            q, k, v = family(name, n, d, seed)
            centred = (q - q.mean(0)) @ (k - k.mean(0)).mT
            yield q, k, v, limit / centred.abs().max().item()


@pytest.mark.parametrize("eps", [1e-2, 1e-3])
def test_inside_the_regime_the_error_is_guaranteed(eps):
    found = [certify(q, k, v, scale=scale, eps=eps) for q, k, v, scale in corpus((0.3, 1.0), (2, 4, 8))]
    good = [c for c in found if c.guaranteed]
    assert len(good) >= 0.95 * len(found)
    assert all(c.row_error <= eps and c.verdict.startswith("guaranteed: ") for c in good)


def test_outside_the_regime_nothing_is():
    found = [certify(q, k, v, scale=scale) for q, k, v, scale in corpus((30.0, 300.0), (16, 64))]
    outside = [c for c in found if not c.guaranteed]
    assert len(outside) == len(found)
    assert all(c.verdict.startswith("not guaranteed: ") and c.truncation is None for c in outside)


def test_a_degree_that_does_not_meet_eps_is_not_guaranteed():
    q, k, v = family("corners", 64, 4, 0)
    found = certify(q, k, v, degree=2, eps=1e-4)
    assert not found.guaranteed and found.row_error > 1e-4 and "row error of degree 2" in found.verdict


def test_ranges_before_and_after_the_shifts():
    q, k, v = family("positive", 100, 4, 0)
    found = certify(q, k, v, scale=0.5)
    shifted = 0.5 * ((q - q.mean(0)) @ (k - k.mean(0)).mT).abs().max().item()
    assert found.range_given >= 0.5 * (q @ k.mT).abs().max().item() > 5 * shifted
    assert shifted <= found.range_shifted <= 3 * shifted


def test_measured_rows_are_far_below_what_the_range_alone_guarantees():
    q, k, v = family("uniform", 400, 8, 1)
    found = certify(q, k, v, degree=4)
    assert found.row_error < 2 * kernel_error(4, found.range_shifted) / 10


def test_row_errors_bound_the_weights_themselves():
    """Row by row against the n x n weights."""
    q, k, v = (x.double() for x in family("normal", 60, 3, 2))
    for degree in (1, 2, 3, 5):
        inputs = shift(q, k, v, None, 0.3, False)
        scores = 0.3 * (q - inputs.query_centre) @ (k - inputs.key_centre).mT
        poly = sum(scores**j / math.factorial(j) for j in range(degree + 1)) * inputs.log_weights.exp().mT
        observed = (poly / poly.sum(-1, keepdim=True) - (0.3 * q @ k.mT).softmax(-1)).abs().sum(-1).max().item()
        found = certify(q, k, v, degree=degree, scale=0.3, eps=1.0).row_error
        assert observed <= found <= 200 * observed


def test_what_cannot_be_served_is_said():
    q, k, v = family("uniform", 10, 2, 0)
    with pytest.raises(InputError, match="backend is 'exact'"):
        certify(q, k, v, backend="exact")
    with pytest.raises(InputError, match="shape of upstream"):
        certify(q, k, v, v[:5])
    with pytest.raises(InputError, match="keys under a causal mask"):
        certify(q, k[:5], v[:5], is_causal=True)
    spoilt = q.clone()
    spoilt[0, 0] = math.nan
    with pytest.raises(InputError, match="NaN"):
        certify(spoilt, k, v)


def test_plain_data():
    q, k, v = family("uniform", 10, 2, 0)
    found = certify(q, k, v)
    assert found.to_json()["rank"] == found.rank and found.to_json()["truncation"]["key"] is None
    assert replace(found, row_error=math.inf).to_json()["row_error"] == "inf"
