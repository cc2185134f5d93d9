"""algorithm1.py: repaired, it is the exact gradient within chain.md 3(B); printed, it is the formulas of the
page, which differ.
"""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from almostlinear.impl import algorithm1, dense_attention, dense_gradients, gradient_rounding, layer_norms, plan_layer
from almostlinear.impl.polynomial import evaluate

F64 = torch.float64


def layer(*batch, n, d, e, seed, entry_bound=1.0):
    make = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.rand(*shape, dtype=F64, generator=make) * 2 - 1

    return entry_bound * draw(*batch, n, d), draw(d, d) / d, draw(d, e), draw(*batch, n, e)


def approximate_weights(x, weight, plan):
    """f~ itself, n x n, from the polynomial."""
    kernel = evaluate(plan.coefficients, plan.scale * (x @ weight @ x.mT))
    kernel = kernel.tril() if plan.is_causal else kernel
    return kernel / kernel.sum(-1, keepdim=True)


@pytest.mark.parametrize("is_causal", [False, True])
def test_dense_gradients_are_those_of_autograd(is_causal):
    x, w, wv, g = layer(n=9, d=3, e=2, seed=0)
    leaves = [t.requires_grad_() for t in (x, w, wv)]
    out = dense_attention(x @ w, x, x @ wv, scale=0.7, is_causal=is_causal)
    expected = torch.autograd.grad(out, leaves, g)
    for ours, theirs in zip(dense_gradients(x, w, wv, g, scale=0.7, is_causal=is_causal), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-13)


@settings(derandomize=True, max_examples=150, deadline=None, database=None)
@given(
    n=st.integers(1, 30),
    d=st.integers(1, 5),
    e=st.integers(1, 4),
    batch=st.sampled_from([(), (3,)]),
    scale=st.sampled_from([1.0, 0.25, 1.7]),
    eps=st.sampled_from([0.1, 1e-4, 1e-8, 1e-12]),
    chunk=st.sampled_from([None, 1, 7]),
    is_causal=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_repaired_is_within_the_l1_chain_and_rounding(n, d, e, batch, scale, eps, chunk, is_causal, seed):
    x, w, wv, g = layer(*batch, n=n, d=d, e=e, seed=seed)
    options = dict(scale=scale, eps=eps, chunk=chunk, is_causal=is_causal)
    ours = algorithm1(x, w, wv, g, **options)
    exact = dense_gradients(x, w, wv, g, scale=scale, is_causal=is_causal)
    plan = plan_layer(x, w, wv, g, **options)
    rounding = gradient_rounding(plan, layer_norms(x, w, wv, g), n, d, F64, width=e)

    # chain.md 3(B), a constant for the batch; twice the rounding, for the dense side has its own.
    h = (x @ wv).abs().max()
    r = max((x @ w).abs().sum(-1).max(), (x @ w.mT).abs().sum(-1).max())
    alpha = wv.abs().sum(0).max() + 4 * scale * h * r
    alpha = max(alpha, wv.abs().sum(1).max() + 4 * scale * h * r)
    total, eps1, entry = g.abs().sum((-2, -1)).max(), plan.row_error, x.abs().max()
    bounds = [alpha * eps1 * total, 2 * scale * entry**2 * h * eps1 * total, entry * eps1 * total]
    counts = [n * d, 1, 1]
    for a, b, bound, count, slack in zip(ours, exact, bounds, counts, rounding, strict=True):
        error = (a - b).abs()
        largest = error.sum((-2, -1)).max() if count > 1 else error.max()
        assert largest <= bound + 2 * count * slack


@pytest.mark.parametrize("is_causal", [False, True])
def test_printed_is_what_the_page_says(is_causal):
    x, w, wv, g = layer(2, n=14, d=3, e=3, seed=5)
    options = dict(degree=3, scale=0.8, is_causal=is_causal)
    f = approximate_weights(x, w, plan_layer(x, w, wv, g, **options))
    h = x @ wv
    k = (g * (f @ h)).sum(-1, keepdim=True)
    z6, z7, z2, z4 = f * k.mT, f * (h @ g.mT), k * f, f * (g @ h.mT)
    d6, d7, d8, d2, d4 = -z6 @ x @ w.mT, z7 @ x @ w.mT, f @ g @ wv.mT, -z2 @ x @ w, z4 @ x @ w
    expected = (d6 + d7 + d8 + d2 + d4, x.mT @ (z4 - z2) @ x, x.mT @ f @ g)
    ours = algorithm1(x, w, wv, g, formulas="printed", chunk=4, **options)
    exact = dense_gradients(x, w, wv, g, scale=0.8, is_causal=is_causal)
    for a, b, true in zip(ours, expected, exact, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-13)
        assert (a - true).abs().max() > 0.05 * true.abs().max()


def test_the_printed_gradient_by_w_is_true_at_scale_one():
    x, w, wv, g = layer(n=14, d=3, e=3, seed=6)
    printed = algorithm1(x, w, wv, g, formulas="printed", eps=1e-12)
    torch.testing.assert_close(printed.dW, dense_gradients(x, w, wv, g).dW, rtol=0, atol=1e-11)


@pytest.mark.parametrize("is_causal", [False, True])
def test_error_falls_with_the_degree(is_causal):
    x, w, wv, g = layer(n=40, d=4, e=4, seed=7)
    exact = dense_gradients(x, w, wv, g, is_causal=is_causal)
    errors = []
    for degree in (2, 4, 6, 8, 10):
        ours = algorithm1(x, w, wv, g, degree=degree, is_causal=is_causal, chunk=16)
        errors.append(max((a - b).abs().max().item() for a, b in zip(ours, exact, strict=True)))
    assert all(b < a / 4 for a, b in itertools.pairwise(errors))
    assert errors[-1] < 1e-7


def test_chunks_batches_and_strides_do_not_matter():
    x, w, wv, g = layer(2, 2, n=21, d=3, e=2, seed=8)
    for is_causal in (False, True):
        whole = algorithm1(x, w, wv, g, degree=3, is_causal=is_causal)
        strided = x.transpose(0, -1).contiguous().transpose(0, -1)
        pieces = algorithm1(strided, w.mT.contiguous().mT, wv, g, degree=3, is_causal=is_causal, chunk=2)
        for a, b in zip(whole, pieces, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-13)
        one = algorithm1(x[1, 0], w, wv, g[1, 0], degree=3, is_causal=is_causal)
        for a, b in zip(whole, one, strict=True):
            torch.testing.assert_close(a[1, 0], b, rtol=0, atol=1e-13)


def test_float32():
    x, w, wv, g = (t.float() for t in layer(n=60, d=4, e=4, seed=9))
    ours = algorithm1(x, w, wv, g, eps=1e-6)
    assert ours.dX.dtype == torch.float32
    for a, b in zip(ours, dense_gradients(x, w, wv, g), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-5)
