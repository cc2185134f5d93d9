"""Algorithm 1 for all layers: with a degree whose error is below rounding it is autograd through exact attention, for every kind of model
and loss; with a coarse one it is off by what the l1 chain of m layers allows, and the error falls with the degree."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from almostlinear.impl.algorithm_attention import algorithm1_attention
from almostlinear.impl.algorithm_layers import AttentionLayer, multi_gradient
from almostlinear.impl.errors import DegreeError, InputError
from almostlinear.impl.losses import L2, CrossEntropy, WeightedSum

F64 = torch.float64


class Dense(nn.Module):
    """phi(z W_g) (Lemma 5.4)."""

    def __init__(self, d, make):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(d, d, dtype=F64, generator=make) / d)

    def forward(self, z):
        return torch.tanh(z @ self.weight)


def norm(d):
    return nn.LayerNorm(d, dtype=F64, eps=0.25)


MAPS = {
    "dense": lambda d, make: Dense(d, make),
    "mlp": lambda d, make: nn.Sequential(nn.Linear(d, 2 * d, dtype=F64), nn.GELU(), nn.Linear(2 * d, d, dtype=F64)),
    "norm": lambda d, make: norm(d),
    "dropout": lambda d, make: nn.Sequential(Dense(d, make), nn.Dropout(0.3)),
    "identity": lambda d, make: nn.Identity(),
}
LOSSES = {
    "l2": lambda y, labels: L2(y),
    "sum": lambda y, labels: WeightedSum(y),
    "cross entropy": lambda y, labels: CrossEntropy(labels),
    "any": lambda y, labels: lambda t: (t * y).tanh().logsumexp((-2, -1)).sum(),
}


def model(*batch, n, d, heads, layers, seed, g="dense", size=0.5):
    torch.manual_seed(seed)
    make = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, dtype=F64, generator=make)

    x = size * draw(*batch, n, d)
    first = Dense(d, make)
    weights = [
        AttentionLayer(*(draw(heads, d, d // heads) / math.sqrt(d) for _ in range(3)), MAPS[g](d, make))
        for _ in range(layers)
    ]
    return x, first, weights, draw(*batch, n, d), torch.randint(d, (*batch, n), generator=make)


def exact(x, first, layers, loss, residual, is_causal, scale=None):
    """Loss, and gradients by every weight and by x, from autograd through exact attention."""
    x = x.clone().requires_grad_()
    weights = [tuple(w.clone().requires_grad_() for w in layer[:3]) for layer in layers]
    t = first(x)
    for (q, k, v), layer in zip(weights, layers, strict=True):
        q, k, v = (t.unsqueeze(-3) @ w for w in (q, k, v))
        a = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=is_causal, scale=scale)
        z = a.transpose(-3, -2).flatten(-2)
        z = t + z if residual else z
        t = layer.after(z) + z if residual else layer.after(z)
    value = loss(t)
    groups = [(x,), tuple(first.parameters())]
    groups += [(*w, *layer.after.parameters()) for w, layer in zip(weights, layers, strict=True)]
    found = iter(torch.autograd.grad(value, [p for group in groups for p in group]))
    return value.detach(), [tuple(next(found) for _ in group) for group in groups]


def gradients(found):
    return [(found.input,), found.first, *((g.query, g.key, g.value, *g.after) for g in found.layers)]


def differences(ours, theirs):
    scale = max(float(t.abs().max()) for group in theirs for t in group)
    pairs = ((a, b) for one, other in zip(ours, theirs, strict=True) for a, b in zip(one, other, strict=True))
    return max(float((a - b).abs().max()) for a, b in pairs) / max(scale, 1e-6)


@settings(derandomize=True, max_examples=60, deadline=None, database=None)
@given(
    batch=st.sampled_from([(), (2,), (2, 1)]),
    n=st.integers(1, 13),
    width=st.integers(1, 3),
    heads=st.integers(1, 3),
    layers=st.integers(1, 4),
    g=st.sampled_from(sorted(set(MAPS) - {"dropout"})),
    loss=st.sampled_from(sorted(LOSSES)),
    residual=st.booleans(),
    is_causal=st.booleans(),
    forward=st.sampled_from(["approximate", "exact"]),
    chunk=st.sampled_from([None, 1, 5]),
    seed=st.integers(0, 2**31),
)
def test_at_a_high_degree_it_is_autograd(
    batch, n, width, heads, layers, g, loss, residual, is_causal, forward, chunk, seed
):
    sizes = dict(n=n, d=width * heads, heads=heads, layers=layers, seed=seed, g=g)
    x, first, weights, y, labels = model(*batch, **sizes)
    loss = LOSSES[loss](y, labels)
    found = multi_gradient(
        x,
        first,
        weights,
        loss,
        residual=residual,
        is_causal=is_causal,
        forward=forward,
        chunk=chunk,
        eps=1e-13,
        scale=0.05,
    )
    value, theirs = exact(x, first, weights, loss, residual, is_causal, 0.05)
    assert abs(float(found.loss - value)) <= 1e-10 * (1 + abs(float(value)))
    assert differences(gradients(found), theirs) <= 1e-9


def test_dropout_keeps_its_mask_between_forward_and_backward():
    x, first, weights, y, _ = model(n=9, d=4, heads=2, layers=2, seed=1, g="dropout")
    torch.manual_seed(5)
    found = multi_gradient(x, first, weights, L2(y), eps=1e-13)
    torch.manual_seed(5)
    _, theirs = exact(x, first, weights, L2(y), True, False)
    assert differences(gradients(found), theirs) <= 1e-9
    torch.manual_seed(6)
    _, others = exact(x, first, weights, L2(y), True, False)
    assert differences(gradients(found), others) > 1e-3


@pytest.mark.parametrize("is_causal", [False, True])
def test_error_falls_with_the_degree(is_causal):
    x, first, weights, y, _ = model(2, n=30, d=6, heads=2, layers=3, seed=2, g="mlp", size=1.0)
    _, theirs = exact(x, first, weights, L2(y), True, is_causal)
    errors = []
    for degree in (2, 4, 6, 8):
        found = multi_gradient(x, first, weights, L2(y), degree=degree, is_causal=is_causal, chunk=8)
        errors.append(differences(gradients(found), theirs))
    assert errors[0] > 1e-6 and all(b < a / 3 for a, b in itertools.pairwise(errors)), errors


def test_gradients_of_heads_agree_with_the_gradient_by_their_product():
    x, first, weights, y, _ = model(n=11, d=6, heads=3, layers=1, seed=3)
    (layer,), (found,) = weights, multi_gradient(x, first, weights, L2(y), degree=4).layers
    torch.testing.assert_close(found.query, found.weight @ layer.key, rtol=0, atol=1e-13)
    torch.testing.assert_close(found.key, found.weight.mT @ layer.query, rtol=0, atol=1e-13)
    assert found.weight.shape == (3, 6, 6) and found.plan.rank == math.comb(2 + 4, 4)


def test_it_is_the_backward_pass_of_algorithm1_attention():
    """The same lines, whether the last factors are applied by MultiGrad or by autograd."""
    x, first, weights, y, _ = model(2, n=17, d=4, heads=2, layers=3, seed=4)
    options = dict(degree=3, scale=0.5, is_causal=True, chunk=4)
    found = multi_gradient(x, first, weights, L2(y), **options)
    leaves = [w.requires_grad_() for layer in weights for w in layer[:3]]
    t = first(x)
    for layer in weights:
        q, k, v = (t.unsqueeze(-3) @ w for w in layer[:3])
        z = t + algorithm1_attention(q, k, v, **options).transpose(-3, -2).flatten(-2)
        t = z + layer.after(z)
    theirs = torch.autograd.grad(L2(y)(t), leaves)
    ours = [w for layer in found.layers for w in (layer.query, layer.key, layer.value)]
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12 * float(b.abs().max()))


def test_float32_and_frozen_maps():
    x, first, weights, y, _ = model(n=25, d=4, heads=2, layers=2, seed=6)
    _, theirs = exact(x, first, weights, L2(y), True, False)
    first.float()
    for layer in weights:
        layer.after.float().requires_grad_(False)
    single = [AttentionLayer(*(w.float() for w in layer[:3]), layer.after) for layer in weights]
    found = multi_gradient(x.float(), first, single, L2(y.float()), eps=1e-7)
    assert found.input.dtype == torch.float32
    assert differences([(found.input,), *((g.query, g.key, g.value) for g in found.layers)],
                       [theirs[0], *(group[:3] for group in theirs[2:])]) <= 1e-5  # fmt: skip
    assert all(not g.any() for layer in found.layers for g in layer.after)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (dict(layers=[]), InputError, "number of layers"),
        (dict(forward="fast"), InputError, "forward"),
        (dict(degree=2, scale=0.0), InputError, "in layer 1, scale"),
        (dict(degree=1, scale=50.0), DegreeError, "in layer 1, the kernel error of the odd degree 1"),
        (dict(entry_bound=1e-3), InputError, "the largest entry of x"),
        (dict(loss=lambda t: t), InputError, "the result of the loss"),
    ],
)
def test_what_cannot_be_served_is_said(change, error, words):
    x, first, weights, y, _ = model(n=5, d=4, heads=2, layers=2, seed=7)
    arguments = dict(layers=weights, loss=L2(y)) | change
    with pytest.raises(error, match=words):
        multi_gradient(x, first, **arguments)


def test_shapes_are_checked_by_layer():
    x, first, weights, y, _ = model(n=5, d=4, heads=2, layers=2, seed=8)
    for part, words in ((weights[1]._replace(key=weights[1].key[:1]), "key of layer 2"),
                        (weights[1]._replace(query=weights[1].query[..., :1]), "query of layer 2"),
                        (weights[1]._replace(value=weights[1].value.float()), "value of layer 2")):  # fmt: skip
        with pytest.raises(InputError, match=words):
            multi_gradient(x, first, [weights[0], part], L2(y))
    wide = weights[0]._replace(after=nn.Linear(4, 5, dtype=F64))
    with pytest.raises(InputError, match="the result of g"):
        multi_gradient(x, first, [wide], L2(y))
    with pytest.raises(InputError, match="NaN or infinite"):
        multi_gradient(x * math.nan, first, weights, L2(y))
