"""``almost_linear_attention`` and ``certify`` against ball arithmetic: the guaranteed errors are never below the true ones.

The reference is softmax attention and its gradients, and the weights of the shifted polynomial, in balls, from the exact values of the
floating-point inputs; nothing of it comes from impl. Planted mistakes are found.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, replace
from math import factorial
from typing import NamedTuple

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from flint import arb
from hypothesis import HealthCheck, assume, given, settings

from almostlinear import impl
from almostlinear.verify.backends.ball import DEFAULT_BITS, precision
from almostlinear.verify.real_numbers import FUNCTIONS

EXAMPLES = {"quick": 60, "ci": 400, "thorough": 2000}
PARTS = ("output", "dQ", "dK", "dV")
CAUSAL_TOKENS = 70
"""More than a block, inside which a causal mask is applied exactly."""


class Case(NamedTuple):
    """Tensors (n, d), (m, d), (m, e), the gradient by the output (n, e), and how they are attended."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    upstream: torch.Tensor
    scale: float
    is_causal: bool


DRAWN = {
    "n": st.integers(1, 9),
    "m": st.integers(1, 9),
    "d": st.integers(1, 3),
    "e": st.integers(1, 2),
    "family": st.sampled_from(["uniform", "corners", "away", "line"]),
    "limit": st.sampled_from([0.1, 0.5, 1.0, 2.0]),
    "eps": st.sampled_from([1e-1, 1e-2, 1e-4, 1e-6]),
    "backend": st.sampled_from(["monomials", "adaptive"]),
    "dtype": st.sampled_from([torch.float64, torch.float32]),
    "causal": st.sampled_from([False, False, False, True]),
    "seed": st.integers(0, 2**31),
}


def case(one) -> Case:
    """The tensors of a drawn description: scores of the shifted ones reach ``limit``."""
    rng = np.random.default_rng(one["seed"])
    n, m = (CAUSAL_TOKENS + one["n"],) * 2 if one["causal"] else (one["n"], one["m"])
    q, k = (rng.uniform(-1, 1, (rows, one["d"])) for rows in (n, m))
    if one["family"] == "corners":
        q, k = np.sign(q), np.sign(k)
    if one["family"] == "line":
        q, k = q[:, :1] * np.ones(one["d"]), k[:, :1] * np.ones(one["d"])
    if one["family"] == "away":
        q, k = q + 1.5, k - 0.5
    largest = np.abs((q - q.mean(0)) @ (k - k.mean(0)).T).max()
    scale = one["limit"] / largest if largest > 1e-6 else 0.25
    tensors = (q, k, rng.uniform(-1, 1, (m, one["e"])), rng.uniform(-1, 1, (n, one["e"])))
    query, key, value, upstream = (torch.tensor(x, dtype=one["dtype"]) for x in tensors)
    return Case(query, key, value, upstream, scale, one["causal"])


# -- the reference -------------------------------------------------------------------------------------------------------
def balls(x: torch.Tensor) -> np.ndarray:
    """The exact values of a tensor."""
    return np.array([[arb(float(entry)) for entry in row] for row in x.tolist()], dtype=object).reshape(x.shape)


def normalised(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum(1, keepdims=True)


def mask(of: Case) -> np.ndarray:
    n, m = of.query.shape[0], of.key.shape[0]
    return np.tri(n, dtype=int) if of.is_causal else np.ones((n, m), dtype=int)


def exact(of: Case) -> tuple[np.ndarray, ...]:
    """Weights, output and the gradients by query, key and value of softmax attention."""
    q, k, v, g = map(balls, of[:4])
    scale = arb(of.scale)
    f = normalised(np.vectorize(lambda s: s.exp(), otypes=[object])(q @ k.T * scale) * mask(of))
    p = f * (g @ v.T)
    p = (p - f * p.sum(1, keepdims=True)) * scale
    return f, f @ v, p @ k, p.T @ q, f.T @ g


def polynomial_weights(of: Case, degree: int) -> np.ndarray:
    """Those of T_g on the scores of query and key less their means; exp(q_mean . k) stays as it is."""
    q, k = map(balls, of[:2])
    scale = arb(of.scale)
    q_mean = q.sum(0, keepdims=True) / arb(len(q))
    moved = k - k.sum(0, keepdims=True) / arb(len(k))
    scores, by_key = (q - q_mean) @ moved.T * scale, q_mean @ moved.T * scale
    taylor = sum((scores**j / arb(factorial(j)) for j in range(1, degree + 1)), start=scores * 0 + 1)
    return normalised(taylor * np.vectorize(lambda s: s.exp(), otypes=[object])(by_key) * mask(of))


def largest(x: np.ndarray) -> arb:
    found = arb(0)
    for entry in x.ravel():
        found = found.max(abs(entry))
    return found


def row_l1(x: np.ndarray) -> arb:
    return largest(np.array([sum(map(abs, row), arb(0)) for row in x], dtype=object))


# -- judging -------------------------------------------------------------------------------------------------------------
def run(of: Case, **asked) -> tuple[torch.Tensor, ...]:
    """impl's output and gradients."""
    query, key, value = (x.clone().requires_grad_() for x in of[:3])
    out = impl.almost_linear_attention(query, key, value, scale=of.scale, is_causal=of.is_causal, **asked)
    return (out.detach(), *torch.autograd.grad(out, (query, key, value), of.upstream))


def certificate(of: Case, **asked):
    return impl.certify(*of[:4], scale=of.scale, is_causal=of.is_causal, **asked)


def faults(of: Case, found, computed) -> list[str]:
    """What exceeds its guarantee, in balls; empty if nothing surely does."""
    with precision(DEFAULT_BITS):
        f, *true = exact(of)
        bounds = [arb(a) + arb(b) for a, b in zip(astuple(found.truncation), astuple(found.rounding), strict=True)]
        parts = zip(PARTS, map(balls, computed), true, bounds, strict=True)
        made = [name for name, mine, theirs, bound in parts if largest(mine - theirs) > bound]
        if found.backend == "monomials":
            # A causal block is exact in impl, so that the polynomial's own rows are what is bounded where there is none.
            if not of.is_causal and row_l1(polynomial_weights(of, found.degree) - f) > arb(found.row_error) * (1 + OWN):
                made.append("rows")
            if (
                found.row_error
                > float((2 * FUNCTIONS["J"](arb(found.range_shifted), arb(found.degree))).upper()) * 1.01
            ):
                made.append("rows beyond the bound of the theory")
        return made


OWN = arb("1e-6")
"""The means are exact here and rounded there, which moves scores by less than this, relatively."""


def judged(one, change=lambda found: found, spoil=lambda computed: computed) -> tuple[list[str], float] | None:
    """Faults and bound / error of the output of a drawn case; None where nothing is guaranteed."""
    of, asked = case(one), {"eps": one["eps"], "backend": one["backend"]}
    found = certificate(of, **asked)
    if not found.guaranteed:
        return None
    computed = spoil(run(of, **asked))
    with precision(DEFAULT_BITS):
        error = float(largest(balls(computed[0]) - exact(of)[1]).mid())
    return faults(of, change(found), computed), (found.truncation.output + found.rounding.output) / max(error, 1e-300)


def drawing(count: int):
    return settings(max_examples=count, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def test_guarantees_are_never_below_the_true_errors(request):
    """Over shapes, families, ranges, eps, backends, precisions and masks."""
    seen: Counter[str] = Counter()
    looseness = []

    @drawing(EXAMPLES[request.config.getoption("--profile")])
    @given(st.fixed_dictionaries(DRAWN))
    def each(one):
        seen["drawn"] += 1
        found = judged(one)
        assume(found is not None)
        assert found is not None
        seen["guaranteed"] += 1
        assert not found[0], (one, found[0])
        looseness.append(found[1])

    each()
    assert seen["guaranteed"] >= 0.8 * seen["drawn"], seen
    assert sorted(looseness)[len(looseness) // 2] <= 1e3


def eighth(errors):
    return type(errors)(*(x / 8 for x in astuple(errors)))


MISTAKES = {
    "an eighth of the truncation and of the rounding": (
        lambda c: replace(c, truncation=eighth(c.truncation), rounding=eighth(c.rounding)), lambda made: made,
    ),
    "a tenth of the row error": (lambda c: replace(c, row_error=c.row_error / 10), lambda made: made),
    "the output scaled": (lambda c: c, lambda made: (made[0] * 1.01, *made[1:])),
    "dQ of the other sign": (lambda c: c, lambda made: (made[0], -made[1], *made[2:])),
    "dV of other tokens": (lambda c: c, lambda made: (*made[:3], made[3].flip(0))),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_planted_mistakes_are_found(name):
    change, spoil = MISTAKES[name]
    one = {"n": 6, "m": 6, "d": 1, "e": 2, "eps": 1e-4, "backend": "monomials", "dtype": torch.float64, "causal": False}
    made = [
        judged({**one, "family": family, "limit": limit, "seed": seed}, change, spoil)
        for family in ("corners", "uniform") for limit in (0.5, 1.0) for seed in (1, 2)
    ]  # fmt: skip
    assert any(found is not None and found[0] for found in made)
