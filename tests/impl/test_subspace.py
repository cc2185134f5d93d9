"""subspace.py: what it says of scores, tokens and gradients holds for every pair and entry, and what lies outside is noticed."""

import math
from dataclasses import astuple, replace

import pytest
import torch

from almostlinear.impl import almost_linear_attention, certify, rows, selection, subspace
from almostlinear.impl.operands import Operands
from almostlinear.impl.selection import choose
from almostlinear.impl.shifts import shift

F64 = torch.float64
OWN_ROUNDING = 1e-12


def tokens(n=300, d=8, p=2, away=0.0, dtype=F64, heads=2, seed=0, bound=1.0):
    """Queries, keys, values, an upstream gradient; each head near its own subspace of ``p`` directions, ``away`` of the longest outside."""
    make = torch.Generator().manual_seed(seed)

    def uniform(*shape):
        return torch.rand(*shape, generator=make, dtype=F64) * 2 - 1

    basis = torch.linalg.qr(uniform(heads, d, d))[0]
    rates = torch.cat([torch.ones(p, dtype=F64), torch.full((d - p,), away, dtype=F64)])
    q, k = (uniform(heads, n, d) * rates @ basis.mT for _ in range(2))
    q, k = (x * math.sqrt(bound) / x.norm(dim=-1).max() for x in (q, k))
    return [x.to(dtype) for x in (q, k, uniform(heads, n, 3), uniform(heads, n, 3))]


def found_for(q, k, v, eps=1e-2):
    inputs = shift(q, k, v, None, 1.0, False)
    return inputs, subspace.find(inputs, inputs.query_sizes(), inputs.key_sizes(), eps)


@pytest.mark.parametrize("dtype", [F64, torch.float32])
@pytest.mark.parametrize("away", [0.0, 2e-4])
def test_scores_and_tokens_move_no_further_than_said(dtype, away):
    inputs, near = found_for(*tokens(away=away, dtype=dtype)[:3])
    assert near.basis.shape[-1] == 2
    seen = Operands(inputs, 1.0, 1.0, basis=near.basis)
    every = slice(0, 300)
    x, y = inputs.query.double() - inputs.query_centre.double(), inputs.key.double() - inputs.key_centre.double()
    x_, y_ = seen.query(every).mT.double(), seen.key(every).mT.double()
    moved = (x @ y.mT - x_ @ y_.mT).abs().max().item()
    # The centres are rounded in the dtype of the inputs, which is counted as rounding (roundoff.moved).
    own = 8 * torch.finfo(dtype).eps
    assert moved <= near.moved + own
    assert (x - x_ @ near.basis.double().mT).norm(dim=-1).max() <= near.query_off + own
    assert (y - y_ @ near.basis.double().mT).norm(dim=-1).max() <= near.key_off + own
    assert (x_ @ y_.mT).abs().max() <= near.bound
    if away and dtype == F64:
        assert moved > near.moved / 20


def test_a_token_outside_that_the_sample_lacks_is_noticed():
    q, k, v, _ = tokens(n=3000)
    k[1, 1234] = torch.linspace(0.1, 0.2, 8)
    assert found_for(q, k, v)[1] is None
    q, k, v, _ = tokens(n=3000)
    assert found_for(q, k, v)[1] is not None


def test_no_subspace_where_it_saves_little():
    assert found_for(*tokens(p=7)[:3])[1] is None
    assert found_for(*tokens(away=0.1)[:3])[1] is None


def ratios(dtype, is_causal, eps, away, mask=None, seed=0):
    """(guaranteed, observed) of output, dQ, dK, dV, and the certificate."""
    q, k, v, upstream = tokens(150, 6, 2, away, dtype, seed=seed)
    options = {"scale": 1.0, "is_causal": is_causal, "attn_mask": mask}
    found = certify(q, k, v, upstream, eps=eps, backend="adaptive", **options)
    leaves = [x.clone().requires_grad_() for x in (q, k, v)]
    out = almost_linear_attention(*leaves, eps=eps, backend="adaptive", **options)
    computed = (out.detach(), *torch.autograd.grad(out, leaves, upstream))
    leaves = [x.double().requires_grad_() for x in (q, k, v)]
    scores = leaves[0] @ leaves[1].mT
    if is_causal:
        scores = scores.masked_fill(torch.ones(150, 150, dtype=torch.bool).triu(1), -math.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    out = scores.softmax(-1) @ leaves[2]
    exact = (out.detach(), *torch.autograd.grad(out, leaves, upstream.double()))
    bounds = [a + b for a, b in zip(astuple(found.truncation), astuple(found.rounding), strict=True)]
    errors = [(a.double() - b).abs().max().item() for a, b in zip(computed, exact, strict=True)]
    return [(b + OWN_ROUNDING, e) for b, e in zip(bounds, errors, strict=True)], found


@pytest.mark.parametrize("dtype", [F64, torch.float32])
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("away", [0.0, 2e-4])
@pytest.mark.parametrize("pivots", [False, True])
def test_certificates_hold_within_a_subspace(dtype, is_causal, away, pivots, monkeypatch):
    if pivots:
        monkeypatch.setattr(selection._Decision, "_fewer_pivots", lambda self, few: self.most)
    for seed in range(3):
        found, certificate = ratios(dtype, is_causal, 1e-2, away, seed=seed)
        assert certificate.guaranteed and "directions" in certificate.verdict
        assert (certificate.degree == 0) == pivots
        assert all(error <= bound for bound, error in found), found
        assert found[0][0] <= 0.1 and found[0][1] > 0


@pytest.mark.parametrize("away", [0.0, 2e-4])
def test_rows_of_weights_are_within_what_is_said(away):
    q, k, v, _ = tokens(150, 6, 2, away)
    inputs = shift(q, k, v, None, 1.0, False)
    choice, kept = choose(inputs, None, 1e-2, "adaptive", 256)
    assert choice.degree and choice.directions == 2
    seen, every = Operands(inputs, choice.row_scale, choice.column_scale, basis=kept.basis), slice(0, 150)
    scores = seen.query(every).mT @ seen.key(every)
    kernel = sum(scores**j / math.factorial(j) for j in range(choice.degree + 1)) * seen.weight(every).mT
    found, exact = kernel / kernel.sum(-1, keepdim=True), (q @ k.mT).softmax(-1)
    error = (found - exact).abs().sum(-1).max().item()
    assert error <= choice.row_error <= 1e-2
    assert error > choice.row_error / 20


def test_certificates_hold_with_padding():
    mask = torch.arange(150) % 5 != 0
    found, certificate = ratios(F64, False, 1e-2, 2e-4, mask=mask)
    assert "directions" in certificate.verdict
    assert all(error <= bound for bound, error in found), found


def test_what_lies_outside_has_to_be_counted(monkeypatch):
    """Without its share the bounds of gradients are found to be too small: an eps far above what the polynomial leaves."""
    honest, _ = ratios(F64, False, 0.5, 1e-2)
    assert all(error <= bound for bound, error in honest)
    inner = rows.errors
    monkeypatch.setattr(rows, "within", lambda found, near: found)
    monkeypatch.setattr(rows, "errors", lambda inputs, found, upstream, near: inner(inputs, found, upstream))
    monkeypatch.setattr(rows, "of_monomials", exact_rows(rows.of_monomials))
    careless, _ = ratios(F64, False, 0.5, 1e-2)
    assert any(error > bound for bound, error in careless[1:])


def exact_rows(of_monomials):
    """Rows of a polynomial of a far higher degree, so that nothing else fills the bounds."""
    return lambda operands, choice, stretch: of_monomials(operands, replace(choice, degree=30), stretch)


def test_the_state_holds_what_the_backward_pass_needs():
    """Many heads leave room for a basis and the pivots alone: moments are made again."""
    q, k, v, upstream = tokens(n=64, heads=300)
    choice, kept = choose(shift(q, k, v, None, 1.0, False), None, 1e-3, "adaptive", 256)
    assert choice.directions == 2 and kept.basis.shape == (300, 8, 2)
    gradients = []
    for size in (300, 1):
        parts = []
        for start in range(0, 300, size):
            leaves = [x[start : start + size].clone().requires_grad_() for x in (q, k, v)]
            out = almost_linear_attention(*leaves, scale=1.0, eps=1e-3, backend="adaptive")
            parts.append(torch.autograd.grad(out, leaves, upstream[start : start + size]))
        gradients.append([torch.cat(x) for x in zip(*parts, strict=True)])
    for together, alone in zip(*gradients, strict=True):
        assert (together - alone).abs().max() <= 2e-3 * alone.abs().max()
