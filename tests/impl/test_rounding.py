"""rounding.py: the bounds hold against the same polynomial in higher precision, and are not astronomically
loose.
"""

import math

import mpmath
import pytest
import torch

from almostlinear.impl import (
    algorithm1,
    forward_rounding,
    gradient_rounding,
    layer_norms,
    low_rank_attention,
    plan_attention,
    plan_layer,
    unit_roundoff,
)
from almostlinear.impl.algorithm1 import TABLES
from almostlinear.impl.polynomial import evaluate
from almostlinear.impl.rounding import gamma

# How many times the observed error a bound may be: it counts every rounding as the worst, sums of n gradients
# as aligned.
LOOSEST = 3e4
LOOSEST_GRADIENT = 1e7


def draw(*shape, seed, entry_bound=1.0):
    """float32 numbers, so that the float64 computation starts from the same ones."""
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * entry_bound


def reference_weights(scores, plan):
    kernel = evaluate(plan.coefficients, scores)
    kernel = kernel.tril() if plan.is_causal else kernel
    return kernel / kernel.sum(-1, keepdim=True)


CASES = [
    (1, 1, 2, False),
    (50, 3, 3, False),
    (50, 3, 3, True),
    (700, 8, 3, False),
    (700, 8, 3, True),
    (300, 4, 6, True),
]


@pytest.mark.parametrize(("n", "d", "degree", "is_causal"), CASES)
def test_forward(n, d, degree, is_causal):
    q, k, v = (draw(n, d, seed=i) for i in range(3))
    options = dict(degree=degree, scale=1 / d, is_causal=is_causal)
    plan = plan_attention(q, k, v, **options)
    exact = reference_weights(q.double() @ k.double().mT / d, plan) @ v.double()
    error = (low_rank_attention(q, k, v, **options).double() - exact).abs().max().item()
    bound = forward_rounding(plan, n, d, torch.float32, v.abs().max().item())
    assert error <= bound
    if n > 1:
        assert bound <= LOOSEST * error


@pytest.mark.parametrize("formulas", ["repaired", "printed"])
@pytest.mark.parametrize(("n", "d", "degree", "is_causal"), CASES)
def test_gradients(n, d, degree, is_causal, formulas):
    x, w, wv, g = draw(n, d, seed=0), draw(d, d, seed=1) / d, draw(d, d, seed=2), draw(n, d, seed=3)
    options = dict(degree=degree, scale=0.5, is_causal=is_causal)
    ours = algorithm1(x, w, wv, g, formulas=formulas, **options)
    plan = plan_layer(x, w, wv, g, **options)
    exact = dense_table(*(t.double() for t in (x, w, wv, g)), plan, formulas)
    bounds = gradient_rounding(plan, layer_norms(x, w, wv, g), n, d, torch.float32, formulas=formulas)
    for a, b, bound in zip(ours, exact, bounds, strict=True):
        error = (a.double() - b).abs().max().item()
        assert error <= bound
        if n > 1:
            assert bound <= LOOSEST_GRADIENT * error


def dense_table(x, w, wv, g, plan, formulas):
    """The lines of the table with the n x n matrix f~ of the polynomial."""
    h, f = x @ wv, reference_weights(plan.scale * (x @ w @ x.mT), plan)
    one = torch.ones(len(x), 1, dtype=x.dtype)
    named = {"1": one, "K": (g * (f @ h)).sum(-1, keepdim=True), "h": h, "G": g, "X": x}
    factors = {"W": w, "W^T": w.mT, "W_V^T": wv.mT}
    products, total = {}, torch.zeros_like(x)
    for line in TABLES[formulas]:
        matrix = (f if line.matrix == "f" else f.mT) * _outer(named, line)
        products[line.name] = matrix @ named[line.operand]
        total += line.sign * (plan.scale if line.scaled else 1) * products[line.name] @ factors[line.factor]
    tau = plan.scale if formulas == "repaired" else 1
    return total, tau * x.mT @ (products["D_4"] - products["D_2"]), x.mT @ products["D_8"]


def _outer(named, line):
    left, right = named[line.left], named[line.right]
    return left @ right.mT


@pytest.mark.parametrize("is_causal", [False, True])
def test_forward_in_float64_against_many_digits(is_causal):
    n, d, degree = 12, 2, 5
    q, k, v = (draw(n, d, seed=i).double() for i in range(3))
    options = dict(degree=degree, scale=0.3, is_causal=is_causal, chunk=5)
    plan = plan_attention(q, k, v, **options)
    out = low_rank_attention(q, k, v, **options)
    bound = forward_rounding(plan, n, d, torch.float64, v.abs().max().item())
    worst = 0.0
    with mpmath.workdps(40):
        for i in range(n):
            seen = range(i + 1) if is_causal else range(n)
            scores = [
                mpmath.mpf(0.3) * sum(mpmath.mpf(a) * b for a, b in zip(q[i].tolist(), k[j].tolist(), strict=True))
                for j in seen
            ]
            kernel = [mpmath.fsum(s**p / mpmath.factorial(p) for p in range(degree + 1)) for s in scores]
            for c in range(d):
                exact = mpmath.fsum(t * v[j, c].item() for t, j in zip(kernel, seen, strict=True)) / mpmath.fsum(kernel)
                worst = max(worst, float(abs(exact - out[i, c].item())))
    assert 0 < worst <= bound <= LOOSEST * worst


def test_no_bound_where_nothing_is_known():
    q, k, v = (draw(20, 2, seed=i, entry_bound=5.0) for i in range(3))
    plan = plan_attention(q, k, v, degree=2)
    assert plan.row_error == math.inf
    assert forward_rounding(plan, 20, 2, torch.float32, 1.0) == math.inf


def test_gamma():
    assert unit_roundoff(torch.float64) == 2.0**-53
    assert unit_roundoff(torch.float32) == 2.0**-24
    assert gamma(100, torch.float64) >= 100 * 2.0**-53
    assert gamma(1 << 24, torch.float32) == math.inf
