"""attention.py against the exact softmax attention: error <= eps max|v| + the certified rounding, over drawn
problems.
"""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from almostlinear.impl import (
    InputError,
    dense_attention,
    forward_rounding,
    low_rank_attention,
    low_rank_attention_backward,
    plan_attention,
)
from almostlinear.impl.dense import attention_weights
from almostlinear.impl.polynomial import evaluate

F64 = torch.float64


def draw(*shape, seed, entry_bound=1.0):
    return (torch.rand(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * entry_bound


def dense_rounding(n, d, bound, value_bound):
    """What softmax attention itself loses in float64: score, exponential, sums (generous, all far below any
    eps here).
    """
    return (2 * n + 4 * (d + 4) * (bound + 1) + 20) * 2.0**-53 * value_bound


@settings(derandomize=True, max_examples=300, deadline=None, database=None)
@given(
    n=st.integers(1, 40),
    d=st.integers(1, 4),
    e=st.integers(1, 4),
    batch=st.sampled_from([(), (2,), (2, 3)]),
    entry_bound=st.sampled_from([1e-6, 0.3, 1.0]),
    eps=st.sampled_from([0.3, 1e-2, 1e-5, 1e-9, 1e-12]),
    chunk=st.sampled_from([None, 1, 5, 16]),
    is_causal=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_error_is_within_eps_and_rounding(n, d, e, batch, entry_bound, eps, chunk, is_causal, seed):
    q, k = (draw(*batch, n, d, seed=seed + i, entry_bound=entry_bound) for i in range(2))
    v = draw(*batch, n, e, seed=seed + 2, entry_bound=3.0)
    options = dict(eps=eps, is_causal=is_causal, chunk=chunk)
    plan = plan_attention(q, k, v, **options)
    error = (low_rank_attention(q, k, v, **options) - dense_attention(q, k, v, is_causal=is_causal)).abs().max().item()
    value_bound = v.abs().max().item()
    rounding = forward_rounding(plan, n, d, F64, value_bound)
    assert plan.row_error <= eps
    assert error <= plan.row_error * value_bound + rounding + dense_rounding(n, d, plan.bound, value_bound)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("degree", [0, 1, 2, 3, 4])
def test_is_exactly_the_polynomial_for_every_pair(degree, is_causal):
    q, k, v = (draw(2, 23, 3, seed=i, entry_bound=0.6) for i in range(3))
    weights = evaluate(
        plan_attention(q, k, v, degree=degree, is_causal=is_causal).coefficients, q @ k.mT / math.sqrt(3)
    )
    weights = weights.tril() if is_causal else weights
    expected = weights @ v / weights.sum(-1, keepdim=True)
    out = low_rank_attention(q, k, v, degree=degree, is_causal=is_causal, chunk=4)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(
    ("batch", "n", "d", "e", "degree"), [((), 1, 1, 1, 2), ((), 7, 2, 3, 3), ((2, 2), 5, 2, 1, 4), ((), 6, 3, 2, 0)]
)
def test_gradcheck(batch, n, d, e, degree, is_causal):
    inputs = [draw(*batch, n, w, seed=i, entry_bound=0.8).requires_grad_() for i, w in enumerate((d, d, e))]

    def f(q, k, v):
        return low_rank_attention(q, k, v, degree=degree, scale=0.7, is_causal=is_causal, chunk=3)

    assert torch.autograd.gradcheck(f, inputs)


@pytest.mark.parametrize("is_causal", [False, True])
def test_gradients_approach_those_of_softmax(is_causal):
    inputs = [draw(2, 33, 4, seed=i).requires_grad_() for i in range(3)]
    upstream = draw(2, 33, 4, seed=3)
    exact = torch.autograd.grad(dense_attention(*inputs, is_causal=is_causal), inputs, upstream)
    ours = low_rank_attention_backward(*(x.detach() for x in inputs), upstream, eps=1e-13, is_causal=is_causal, chunk=8)
    by_autograd = torch.autograd.grad(
        low_rank_attention(*inputs, eps=1e-13, is_causal=is_causal, chunk=8), inputs, upstream
    )
    for a, b, c in zip(exact, ours, by_autograd, strict=True):
        torch.testing.assert_close(b, a, rtol=0, atol=1e-12)
        assert torch.equal(b, c)


def test_more_keys_than_queries():
    q, k, v = draw(9, 3, seed=0), draw(31, 3, seed=1), draw(31, 2, seed=2)
    torch.testing.assert_close(
        low_rank_attention(q, k, v, eps=1e-12, chunk=5), dense_attention(q, k, v), rtol=0, atol=1e-11
    )
    upstream = draw(9, 2, seed=3)
    grads = low_rank_attention_backward(q, k, v, upstream, eps=1e-12)
    assert [g.shape for g in grads] == [q.shape, k.shape, v.shape]


def test_non_contiguous_and_heads_as_in_a_transformer():
    packed = draw(2, 17, 3, 4, 5, seed=0)  # batch, tokens, q/k/v, heads, width
    q, k, v = (packed[:, :, i].transpose(1, 2) for i in range(3))
    assert not q.is_contiguous()
    out = low_rank_attention(q, k, v, eps=1e-12, is_causal=True)
    torch.testing.assert_close(out, dense_attention(q, k, v, is_causal=True), rtol=0, atol=1e-11)
    expanded = v[:, :1].expand(-1, 4, -1, -1)
    torch.testing.assert_close(
        low_rank_attention(q, k, expanded, degree=4), low_rank_attention(q, k, expanded.contiguous(), degree=4)
    )


def test_equals_torch_sdpa():
    q, k, v = (draw(2, 3, 20, 4, seed=i).float() for i in range(3))
    for is_causal in (False, True):
        expected = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=is_causal)
        torch.testing.assert_close(dense_attention(q, k, v, is_causal=is_causal), expected)
        torch.testing.assert_close(low_rank_attention(q, k, v, eps=1e-6, is_causal=is_causal), expected)


def test_unbalanced_entries_do_not_overflow():
    q, k, v = draw(12, 3, seed=0).float() * 1e18, draw(12, 3, seed=1).float() * 1e-18, draw(12, 2, seed=2).float()
    torch.testing.assert_close(low_rank_attention(q, k, v, eps=1e-6), dense_attention(q, k, v), rtol=0, atol=1e-5)


def test_autocast_does_not_narrow_anything():
    q, k, v = (draw(30, 3, seed=i).float().requires_grad_() for i in range(3))
    plain = low_rank_attention(q, k, v, degree=5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        narrowed = low_rank_attention(q, k, v, degree=5)
        assert torch.equal(low_rank_attention_backward(q, k, v, v, degree=5).query, torch.autograd.grad(plain, q, v)[0])
    assert torch.equal(plain, narrowed)


def test_zero_queries_average():
    v = draw(10, 2, seed=0)
    out = low_rank_attention(torch.zeros(10, 3, dtype=F64), draw(10, 3, seed=1), v)
    torch.testing.assert_close(out, v.mean(0).expand(10, 2))


def test_differentiable_once():
    q = draw(4, 2, seed=0).requires_grad_()
    (first,) = torch.autograd.grad(low_rank_attention(q, q, q, degree=2).sum(), q, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.autograd.grad(first.sum(), q)


def test_weights_of_dense_attention_see_the_past_only():
    f = attention_weights(draw(5, 2, seed=0), draw(5, 2, seed=1), True)
    assert torch.equal(f, f.tril())
    torch.testing.assert_close(f.sum(-1), torch.ones(5, dtype=F64))


def test_backward_checks_its_upstream():
    q = draw(4, 2, seed=0)
    with pytest.raises(InputError, match="shape of upstream"):
        low_rank_attention_backward(q, q, q, draw(4, 3, seed=1), degree=2)


def test_error_fields():
    with pytest.raises(InputError) as caught:
        low_rank_attention(*(draw(4, 2, seed=0) for _ in range(3)), degree=-1)
    assert (caught.value.quantity, caught.value.value) == ("degree", "-1")
