"""almost_linear_attention against torch's scaled_dot_product_attention in float64: masks, heads, shapes, dtypes, and what it refuses."""

import math

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention as sdpa

from almostlinear.impl import DegreeError, InputError, almost_linear_attention
from almostlinear.impl.operator import attention, attention_backward

F64 = torch.float64
BACKENDS = ("monomials", "adaptive", "exact", "auto")


def draw(*shape, seed=0, size=1.0, dtype=F64):
    return ((torch.rand(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * size).to(dtype)


def inputs(*batch, n=17, m=None, d=4, e=5, size=0.7, dtype=F64):
    m = n if m is None else m
    shapes = ((n, d), (m, d), (m, e))
    return [draw(*batch, *shape, seed=i, size=size, dtype=dtype) for i, shape in enumerate(shapes)]


def masks(batch, m):
    seen = torch.rand(*batch, 1, m, generator=torch.Generator().manual_seed(9)) > 0.3
    seen[..., 0] = True
    return {"none": None, "bool": seen, "additive": draw(*batch, 1, m, seed=8)}


def dense_mask(mask, n, m, is_causal):
    full = torch.zeros(n, m, dtype=F64)
    if mask is not None:
        full = full.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else full + mask
    return full.masked_fill(torch.ones(n, m, dtype=torch.bool).triu(1), -math.inf) if is_causal else full


def largest(found, expected):
    return max((a - b).abs().max().item() for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mask", ["none", "bool", "additive"])
@pytest.mark.parametrize(
    ("n", "m", "is_causal"), [(17, 23, False), (17, 17, True), (17, 23, True), (23, 17, True), (150, 150, True)]
)
def test_values_and_gradients_are_those_of_softmax_attention(n, m, is_causal, mask, backend):
    q, k, v = (x.requires_grad_() for x in inputs(2, 3, n=n, m=m))
    chosen = masks((2, 1), m)[mask]
    leaves = [q, k, v]
    if mask == "additive":
        leaves.append(chosen.requires_grad_())
    eps = 1e-6 if n < 100 else 1e-3
    found = almost_linear_attention(q, k, v, chosen, is_causal=is_causal, eps=eps, backend=backend)
    exact = sdpa(q, k, v, dense_mask(chosen, n, m, is_causal))
    assert (found - exact).abs().max() <= eps * v.abs().max()
    upstream = draw(*exact.shape, seed=5)
    assert (
        largest(torch.autograd.grad(found, leaves, upstream), torch.autograd.grad(exact, leaves, upstream)) <= 10 * eps
    )


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("mask", ["none", "bool", "additive"])
@pytest.mark.parametrize(("n", "d", "e", "degree"), [(1, 1, 1, 2), (7, 2, 3, 3), (9, 3, 1, 0), (40, 2, 2, 1)])
def test_the_gradient_is_that_of_the_approximant(n, d, e, degree, mask, is_causal):
    """Central differences at a coarse degree: what the means pass on is part of it."""
    chosen = masks((2,), n)[mask]
    leaves = [x.requires_grad_() for x in inputs(2, n=n, d=d, e=e)]
    if mask == "additive":
        leaves.append(chosen.requires_grad_())

    def f(q, k, v, m=chosen):
        return almost_linear_attention(q, k, v, m, is_causal=is_causal, scale=0.5, degree=degree)

    assert torch.autograd.gradcheck(f, leaves, fast_mode=n > 10)


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("backend", ["monomials", "adaptive", "exact"])
def test_the_operator_passes_opcheck(backend, is_causal):
    q, k, v = (x.requires_grad_() for x in inputs(2, n=11))
    bias = draw(2, 11, seed=4).requires_grad_()
    for b in (None, bias):
        torch.library.opcheck(attention, (q, k, v, b, is_causal, 0.5, -1, 1e-4, backend))
    out, inverse, record, state = attention(q, k, v, bias, is_causal, 0.5, -1, 1e-4, backend)
    kept = [x.detach() for x in (q, k, v, bias, out, inverse, record, state)]
    torch.library.opcheck(attention_backward, (torch.ones_like(out), *kept, is_causal, 0.5))


def test_compiles_into_one_graph_with_its_gradient():
    q, k, v = (x.requires_grad_() for x in inputs(2, 2, n=11, dtype=torch.float32))

    def loss(q, k, v):
        return almost_linear_attention(2 * q, k, v, is_causal=True, degree=4).square().sum()

    torch.testing.assert_close(torch.compile(loss, fullgraph=True, backend="aot_eager")(q, k, v), loss(q, k, v))
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for a, b in zip(
        torch.autograd.grad(compiled(q, k, v), (q, k, v)), torch.autograd.grad(loss(q, k, v), (q, k, v)), strict=True
    ):
        torch.testing.assert_close(a, b)


def test_vmap_and_the_gradient_through_it():
    q, k, v = inputs(3, n=9)
    leaves = [q.requires_grad_(), k[0].clone().requires_grad_(), v.requires_grad_()]
    batched = torch.vmap(lambda q, k, v: almost_linear_attention(q, k, v, degree=6), in_dims=(0, None, 2), out_dims=1)
    found = batched(leaves[0], leaves[1], leaves[2].movedim(0, 2))
    expected = torch.stack([almost_linear_attention(q[i], leaves[1], v[i], degree=6) for i in range(3)], 1)
    upstream = draw(*expected.shape, seed=3)
    torch.testing.assert_close(found, expected)
    both = (torch.autograd.grad(x, leaves, upstream) for x in (found, expected))
    assert largest(*both) <= 1e-12


def test_differentiable_once():
    q, k, v = (x.requires_grad_() for x in inputs(n=5))
    (first,) = torch.autograd.grad(almost_linear_attention(q, k, v, degree=3).sum(), q, create_graph=True)
    with pytest.raises(RuntimeError, match="no autograd formula"):
        first.sum().backward()


def test_heads_in_groups():
    q, (k, v) = draw(2, 6, 13, 4), (draw(2, 2, 13, 4, seed=1), draw(2, 2, 13, 3, seed=2))
    for is_causal in (False, True):
        found = almost_linear_attention(q, k, v, is_causal=is_causal, enable_gqa=True, eps=1e-8)
        torch.testing.assert_close(found, sdpa(q, k, v, is_causal=is_causal, enable_gqa=True), rtol=0, atol=1e-8)


def test_layouts_and_broadcasting():
    packed = draw(2, 17, 3, 4, 5)  # batch, tokens, q/k/v, heads, width
    q, k, v = (packed[:, :, i].transpose(1, 2) for i in range(3))
    torch.testing.assert_close(almost_linear_attention(q, k, v, eps=1e-9), sdpa(q, k, v), rtol=0, atol=1e-8)
    one = almost_linear_attention(q, k[:, :1], v[:1, :1], eps=1e-9)
    torch.testing.assert_close(one, sdpa(q, k[:, :1].expand_as(k), v[:1, :1].expand_as(v)), rtol=0, atol=1e-8)


def test_padded_batches_are_the_shorter_sequences():
    q, k, v = inputs(2, n=12)
    lengths = torch.tensor([12, 7])
    seen = (torch.arange(12) < lengths[:, None]).unsqueeze(-2)
    k[1, 7:], v[1, 7:] = 1e6, -1e6  # whatever the padding holds
    for is_causal in (False, True):
        found = almost_linear_attention(q, k, v, seen, is_causal=is_causal, eps=1e-8)
        short = sdpa(q[1, :7], k[1, :7], v[1, :7], is_causal=is_causal)
        torch.testing.assert_close(found[1, :7], short, rtol=0, atol=1e-8)


@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_that_see_nothing_are_zero_as_in_torch(backend):
    q, k, v = (x.requires_grad_() for x in inputs(2, n=6))
    seen = torch.ones(2, 1, 6, dtype=torch.bool)
    seen[1] = False
    found = almost_linear_attention(q, k, v, seen, backend=backend, eps=1e-6)
    assert not found[1].any() and torch.equal(found[1], sdpa(q, k, v, seen)[1])
    assert all(g.isfinite().all() and not g[1].any() for g in torch.autograd.grad(found.sum(), (q, k, v)))
    lowest = torch.zeros(6, dtype=F64)
    lowest[:2] = torch.finfo(F64).min  # padding on the left
    causal = almost_linear_attention(q, k, v, lowest, is_causal=True, backend=backend, eps=1e-6)
    assert not causal[:, :2].any() and causal[:, 2:].isfinite().all()


@pytest.mark.parametrize(("n", "m"), [(0, 4), (4, 0), (0, 0)])
def test_empty_sequences(n, m):
    q, k, v = (x.requires_grad_() for x in inputs(2, n=n, m=m))
    found = almost_linear_attention(q, k, v)
    assert torch.equal(found, sdpa(q, k, v))
    found.sum().backward()
    assert all(x.grad.shape == x.shape and not x.grad.any() for x in (q, k, v))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("n", "d", "e"), [(1, 1, 1), (1, 4, 2), (8, 1, 1), (8, 0, 2)])
def test_smallest_sizes(n, d, e, backend):
    q, k, v = inputs(n=n, d=d, e=e)
    found = almost_linear_attention(q, k, v, eps=1e-7, backend=backend, scale=1.0)
    torch.testing.assert_close(found, sdpa(q, k, v, scale=1.0), rtol=0, atol=1e-7)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize(
    ("q_size", "k_size"), [(1e18, 1e-18), (1e-18, 1e18), (1e-30, 1e-10), (0.0, 1.0), (1.0, 0.0), (1e15, 0.0)]
)
@pytest.mark.parametrize("backend", ["monomials", "adaptive", "auto"])
def test_huge_and_tiny_scales(q_size, k_size, dtype, backend):
    q, k, v = inputs(n=9, dtype=dtype)
    q, k = q * q_size, k * k_size
    found = almost_linear_attention(q, k, v, eps=1e-5, backend=backend)
    torch.testing.assert_close(found.double(), sdpa(q.double(), k.double(), v.double()), rtol=0, atol=2e-5)


def test_far_outside_the_regime_auto_is_exact_and_monomials_refuse():
    q, k, v = inputs(n=40, size=30.0)
    torch.testing.assert_close(almost_linear_attention(q, k, v), sdpa(q, k, v), rtol=0, atol=1e-12)
    with pytest.raises(DegreeError, match="shrink the scores"):
        almost_linear_attention(q, k, v, backend="monomials")


def test_exact_shifts_take_a_common_offset_away():
    """Scores near 400 with a spread of 1: softmax sees the spread alone."""
    q, k, v = inputs(n=50, d=4, size=0.5)
    q, k = q + 10, k + 10
    found = almost_linear_attention(q, k, v, degree=6, scale=1.0)
    torch.testing.assert_close(found, sdpa(q, k, v, scale=1.0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_dtypes_are_computed_in_float32(dtype):
    q, k, v = inputs(2, n=30, dtype=dtype)
    found = almost_linear_attention(q, k, v, eps=1e-6)
    assert found.dtype == dtype
    exact = sdpa(q.double(), k.double(), v.double())
    assert (found.double() - exact).abs().max() <= torch.finfo(dtype).eps * exact.abs().max()


def test_autocast_gives_the_dtype_of_torch_and_narrows_nothing_else():
    q, k, v = (x.requires_grad_() for x in inputs(2, n=30, dtype=torch.float32))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = almost_linear_attention(q, k, v.bfloat16(), eps=1e-6)
        assert found.dtype == sdpa(q, k, v).dtype == torch.bfloat16
    found.sum().backward()
    assert q.grad.dtype == torch.float32
    exact = almost_linear_attention(q, k, v.bfloat16().float(), eps=1e-6)
    assert torch.equal(found, exact.bfloat16())


BAD = [
    (dict(dropout_p=0.1), "dropout_p is 0.1"),
    (dict(attn_mask=torch.ones(6, 6, dtype=torch.bool).tril()), "shape of attn_mask is (6, 6)"),
    (dict(attn_mask=torch.ones(1, 5, dtype=torch.bool)), "shape of attn_mask is (1, 5)"),
    (dict(attn_mask=torch.ones(1, 6, dtype=torch.int64)), "dtype of attn_mask is torch.int64"),
    (dict(degree=-1), "degree is -1"),
    (dict(degree=3, backend="adaptive"), "degree is 3, but must be left out"),
    (dict(eps=0.0), "eps is 0.0"),
    (dict(backend="fast"), "backend is 'fast'"),
    (dict(scale=math.nan), "scale is nan"),
    (dict(key=torch.rand(6, 3)), "width of key is 3"),
    (dict(value=torch.rand(5, 2)), "tokens of value is 5"),
    (dict(value=torch.rand(6, 2).double()), "dtype of value is torch.float64"),
    (dict(key=torch.rand(2, 6, 2), value=torch.rand(3, 6, 2)), "leading dimensions of key and value is (2,) and (3,)"),
    (dict(query=torch.rand(3, 6, 2), key=torch.rand(2, 6, 2), enable_gqa=True), "heads that divide"),
    (dict(query=torch.rand(6)), "dimensions of query is 1"),
    (dict(degree=1, scale=40.0), "kernel error of the odd degree 1"),
    (dict(query=torch.ones(6, 2, dtype=torch.int64)), "dtype of query is torch.int64"),
]


@pytest.mark.parametrize(("changes", "words"), BAD, ids=[words for _, words in BAD])
def test_what_is_not_served_is_said(changes, words):
    arguments = {name: draw(6, 2, seed=i, dtype=torch.float32) for i, name in enumerate(("query", "key", "value"))}
    with pytest.raises(InputError) as caught:
        almost_linear_attention(**arguments | changes)
    assert words in str(caught.value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["query", "key", "value"])
def test_nan_and_inf_are_refused_and_counted(name, bad):
    arguments = {n: draw(6, 2, dtype=torch.float32) for n in ("query", "key", "value")}
    arguments[name][3, 1] = bad
    with pytest.raises(InputError, match=f"entries of {name} that are NaN or infinite is 1"):
        almost_linear_attention(**arguments)


def test_what_was_picked_is_logged(caplog):
    q, k, v = inputs(n=20)
    with caplog.at_level("DEBUG", logger="almostlinear.impl.operator"):
        almost_linear_attention(q, k, v)
    assert "almost_linear_attention: exact" in caplog.text and "monomials" in caplog.text
