"""Planted mistakes in the implementation leave their certificate; the degree chosen for eps keeps its promise."""

import importlib
import math

import pytest
import torch

from almostlinear import impl
from almostlinear.impl import attention, plan, polynomial, streaming
from almostlinear.theorems import load
from almostlinear.verify.engines.implementation import _campaign, printed_against_repaired

algorithm1 = importlib.import_module("almostlinear.impl.algorithm1")  # the package exports a function of that name
CLAIMS = load()["Alg.1r"].claims
COUNT = 4


def _lower_degree(patch):
    rule = polynomial.taylor_coefficients
    patch.setattr(plan.polynomial, "taylor_coefficients", lambda g: (*rule(g)[:-1], 0.0))


def _last_coefficient_doubled(patch):
    rule = polynomial.taylor_coefficients
    patch.setattr(plan.polynomial, "taylor_coefficients", lambda g: (*rule(g)[:-1], 2 * rule(g)[-1]))


def _factorial_wrong(patch):
    rule = streaming.feature_weights

    def weights(d, coefficients):
        made = rule(d, coefficients).clone()
        made[-1] *= 2
        return made

    patch.setattr(streaming, "feature_weights", weights)


def _normaliser_over_the_wrong_axis(patch):
    rule = attention.invert
    patch.setattr(attention, "invert", lambda normaliser, made: rule(normaliser.flip(-2), made))


def _causal_off_by_one(patch):
    patch.setattr(streaming, "mask_block", lambda b, mask: b.tril(1) if mask == "causal" else b.triu(-1))


def _diag_k_omitted(patch):
    lines = tuple(line._replace(left="1", right="1") for line in algorithm1.REPAIRED)
    changed = tuple(n if o.name in ("D_2", "D_6") else o for o, n in zip(algorithm1.REPAIRED, lines, strict=True))
    patch.setitem(algorithm1.TABLES, "repaired", changed)


def _float32_moments(patch):
    rule = streaming.kronecker
    patch.setattr(streaming, "kronecker", lambda right, operand: rule(right, operand).float().to(operand.dtype))


MISTAKES = {
    "degree one lower": (_lower_degree, "output"),
    "last coefficient doubled": (_last_coefficient_doubled, "output"),
    "a weight's factorial wrong": (_factorial_wrong, "output"),
    "normaliser over the wrong axis": (_normaliser_over_the_wrong_axis, "output"),
    "causal off by one": (_causal_off_by_one, "output"),
    "diag(K) omitted": (_diag_k_omitted, "dL/dX"),
    "float32 moments": (_float32_moments, "output"),
}


def test_the_implementation_stays_within_its_certificate():
    found = _campaign.__wrapped__(COUNT, 0, CLAIMS)
    assert all(tally.bad is None and tally.tried >= 20 for tally in found.values())


@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_caught(monkeypatch, name):
    plant, part = MISTAKES[name]
    plant(monkeypatch)
    assert _campaign.__wrapped__(COUNT, 0, CLAIMS)[part].bad is not None


def test_the_degree_chosen_for_eps_keeps_its_promise():
    """300 drawn float64 layers: |impl - dense| <= eps |v| + the rounding bounds of both (64 n u |v| for dense)."""
    generator = torch.Generator().manual_seed(0)

    def draw(low, high):
        return float(torch.rand((), generator=generator)) * (high - low) + low

    for k in range(300):
        n, d = (1, 7, 40, 130)[k % 4], (1, 2, 4)[k % 3]
        eps, causal, batch = 10 ** draw(-8, -2), k % 2 == 1, ((), (2,), (2, 3))[k % 3]
        q, key, v = (torch.rand((*batch, n, d), generator=generator, dtype=torch.float64) * 2 - 1 for _ in range(3))
        scale = draw(0.1, 1.5) / d
        if k % 5 == 0:
            q = q.mT.contiguous().mT
        made = impl.plan_attention(q, key, v, eps=eps, scale=scale, is_causal=causal)
        found = impl.low_rank_attention(q, key, v, eps=eps, scale=scale, is_causal=causal)
        exact = impl.dense_attention(q, key, v, scale=scale, is_causal=causal)
        value = float(v.abs().max())
        limit = eps * value + impl.forward_rounding(made, n, d, torch.float64, value) + 64 * n * 2.0**-53 * value
        error = float((found - exact).abs().max())
        assert math.isfinite(error) and error <= limit, (k, n, d, eps, causal)


def test_the_printed_algorithm_is_off_where_its_formulas_are_refuted():
    """dX and dWV as printed are wrong (E.11, G.3), dW is right (F.4); as repaired all agree with the exact formulas."""
    for row in printed_against_repaired(6, 0):
        assert row["printed dX"] > 0.05 and row["printed dWV"] > 0.05 and row["printed dW"] < 1e-6
        assert max(row["repaired dX"], row["repaired dW"], row["repaired dWV"]) < 1e-6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_certificate_holds_on_cuda():
    found = _campaign.__wrapped__(COUNT, 0, CLAIMS, "cuda")
    assert all(tally.bad is None and tally.tried >= 20 for tally in found.values())
