"""The paper's Algorithm 1 (ALTGrad) for all layers, with the repaired formulas: MultiGrad over SingleGrad.

    T_0 = g_0(X),   Z_i = sig T_{i-1} + Attn_i(T_{i-1}),   T_i = sig Z_i + g_i(Z_i),   sig = 1 with residual connections (J.1, J.2), else 0

Line 27 takes dL/dT_m from the loss. Then for i = m..1 SingleGrad: G_i = dL/dZ_i by g_i's own pullback (line 13, Lemma 5.4; with
residuals J.3 adds dL/dT_i), lines 14-22 for each head of K.1 as in ``algorithm1`` with features of X W_Q and X W_K, and

    dL/dT_{i-1} = sum over heads (D_6 + D_7 + D_8 + D_2 + D_4)  [+ G_i],    dL/dW_Q = (dL/dW) W_K,    dL/dW_K = (dL/dW)^T W_Q.

The g_i are any differentiable maps; Definition 1.3 asks that they take time linear in n. Time O(m n k d^2), k = binom(d_h + g, g);
memory O(m n d), the states that every backward pass keeps, and k d d_h a layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Unpack

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from .algorithm1 import single_gradient
from .attention import attend
from .errors import InputError
from .losses import Loss, loss_gradient
from .plan import Plan, PlanOptions, make_plan
from .rounding import gamma
from .score_range import score_bound
from .streaming import exact_precision
from .validation import check_shape, check_tensors

Forward = Literal["approximate", "exact"]


class AttentionLayer(NamedTuple):
    """Layer i: W_Q, W_K, W_V of h heads, each (h, d, d_h) with h d_h = d, and g_i, a module of rows (..., n, d)."""

    query: Tensor
    key: Tensor
    value: Tensor
    after: nn.Module


class LayerGradients(NamedTuple):
    """Gradients of the loss in one layer, summed over the batch but for ``input`` and ``attended``.

    ``input`` dL/dT_{i-1} and ``attended`` dL/dZ_i (..., n, d); ``weight`` dL/dW by head (h, d, d); ``query``, ``key``, ``value``
    (h, d, d_h); ``after`` by each parameter of g_i, in their order. ``plan``: degree, range and rank that the layer took.
    """

    input: Tensor
    attended: Tensor
    weight: Tensor
    query: Tensor
    key: Tensor
    value: Tensor
    after: tuple[Tensor, ...]
    plan: Plan


class ModelGradients(NamedTuple):
    """What MultiGrad returns.

    ``loss`` L; ``states`` T_0..T_m and ``attended`` Z_1..Z_m, (..., n, d); ``output`` dL/dT_m; ``input`` dL/dX, which prompt tuning
    takes (Remark B.5); ``first`` by each parameter of g_0; ``layers``, the first one first.
    """

    loss: Tensor
    states: tuple[Tensor, ...]
    attended: tuple[Tensor, ...]
    output: Tensor
    input: Tensor
    first: tuple[Tensor, ...]
    layers: tuple[LayerGradients, ...]


class _Map:
    """g at one point: its value, and its pullback to the point and to its parameters."""

    def __init__(self, g: nn.Module, z: Tensor) -> None:
        self.parameters = tuple(g.parameters())
        with torch.enable_grad():
            self.point = z.detach().requires_grad_()
            self.value = g(self.point)
        check_shape("the result of g", self.value, tuple(z.shape), "g maps rows of d features to rows of d features")

    def pull(self, upstream: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The gradients by the point and by the parameters; zeros where the value does not depend on one."""
        wanted = (self.point, *(p for p in self.parameters if p.requires_grad))
        if not self.value.requires_grad:
            return torch.zeros_like(self.point), tuple(torch.zeros_like(p) for p in self.parameters)
        found = iter(torch.autograd.grad(self.value, wanted, upstream, allow_unused=True, materialize_grads=True))
        by_point = next(found)
        return by_point, tuple(next(found) if p.requires_grad else torch.zeros_like(p) for p in self.parameters)


def multi_gradient(
    x: Tensor,
    first: nn.Module,
    layers: Sequence[AttentionLayer],
    loss: Loss,
    *,
    residual: bool = True,
    forward: Forward = "approximate",
    **options: Unpack[PlanOptions],
) -> ModelGradients:
    """MultiGrad: the loss of the model and all of its gradients, those by the input included.

    ``x`` X (..., n, d); ``first`` g_0; ``layers`` as above, all of one width; ``loss`` any differentiable one of T_m. ``residual``: sig.
    ``forward``: with attention weights f~ ("approximate") or exact ones, which take time n^2. ``options`` as for ``algorithm1``: each
    layer measures its own range, and ``degree`` or the smallest degree that meets ``eps`` holds for its heads. ``scale`` tau is
    1/sqrt(d_h) by default (1/d_h in K.1).

    Raises InputError (shapes, dtypes, devices, NaN or infinite entries, no layers) and DegreeError, naming the layer.
    """
    if forward not in ("approximate", "exact"):
        raise InputError("forward", repr(forward), "'approximate' or 'exact'", "choose one of the two")
    _check(x, layers, options.pop("entry_bound", None))
    with torch.no_grad(), exact_precision(x.device):
        g_0 = _Map(first, x)
        states, attended, maps = [g_0.value.detach()], [], []
        for number, layer in enumerate(layers, 1):
            z = _attention(states[-1], layer, forward, number, options)
            z = z + states[-1] if residual else z
            maps.append(_Map(layer.after, z))
            value = maps[-1].value.detach()
            attended.append(z)
            states.append(value + z if residual else value)
        total, output = loss_gradient(loss, states[-1])
        upstream, found = output, list[LayerGradients]()
        for number in range(len(layers), 0, -1):
            before = states[number - 1]
            gradients = _single_gradient(before, layers[number - 1], maps.pop(), upstream, residual, number, options)
            found.append(gradients)
            upstream = gradients.input
        by_x, by_first = g_0.pull(upstream)
    return ModelGradients(total, tuple(states), tuple(attended), output, by_x, by_first, tuple(reversed(found)))


def _single_gradient(
    x: Tensor, layer: AttentionLayer, g: _Map, upstream: Tensor, residual: bool, number: int, options: PlanOptions
) -> LayerGradients:
    """SingleGrad(dL/dT_i): lines 13-22, every head at once."""
    through, by_after = g.pull(upstream)
    into = through + upstream if residual else through
    heads = layer.query.shape[0]
    per_head = x.unsqueeze(-3).expand(*x.shape[:-2], heads, *x.shape[-2:])
    plan = _plan(x, layer, number, options)
    weight = layer.query @ layer.key.mT
    by_head = into.unflatten(-1, (heads, -1)).transpose(-3, -2).contiguous()
    query, key = per_head @ layer.query, per_head @ layer.key
    dx, dw, dv = single_gradient(per_head, query, key, weight, layer.value, by_head, plan)
    before = dx.sum(-3)
    dw, dv = (t.reshape(-1, *t.shape[-3:]).sum(0) for t in (dw, dv))
    return LayerGradients(
        input=before + into if residual else before,
        attended=into,
        weight=dw,
        query=dw @ layer.key,
        key=dw.mT @ layer.query,
        value=dv,
        after=by_after,
        plan=plan,
    )


def _attention(x: Tensor, layer: AttentionLayer, forward: Forward, number: int, options: PlanOptions) -> Tensor:
    """Attn_i(x), heads side by side (K.1)."""
    query, key, value = (x.unsqueeze(-3) @ w for w in layer[:3])
    if forward == "exact":
        out = scaled_dot_product_attention(
            query, key, value, is_causal=options.get("is_causal", False), scale=options.get("scale")
        )
    else:
        out, _ = attend(query, key, value, _plan(x, layer, number, options))
    return out.transpose(-3, -2).flatten(-2)


def _plan(x: Tensor, layer: AttentionLayer, number: int, options: PlanOptions) -> Plan:
    """Degree and chunk of a layer, from the range of the scores of all of its heads."""
    per_head = x.unsqueeze(-3)
    # X W_Q and X W_K are rounded before their range is measured: the exact scores may lie this much outside it.
    sizes = per_head.abs() @ layer.query.abs(), per_head.abs() @ layer.key.abs()
    slack = gamma(2 * x.shape[-1] + 2, x.dtype) * score_bound(*sizes, 1.0)
    try:
        return make_plan(per_head @ layer.query, per_head @ layer.key, layer.value.shape[-1], slack=slack, **options)
    except InputError as error:
        raise type(error)(f"in layer {number}, {error.quantity}", error.value, error.limit, error.advice) from None


def _check(x: Tensor, layers: Sequence[AttentionLayer], entry_bound: float | None) -> None:
    if not layers:
        raise InputError("the number of layers", 0, "at least 1", "pass one AttentionLayer for each layer")
    check_tensors(entry_bound, x=x)
    d = x.shape[-1]
    for number, layer in enumerate(layers, 1):
        weights = {"query": layer.query, "key": layer.key, "value": layer.value}
        named = {f"{name} of layer {number}": w for name, w in weights.items()}
        check_tensors(None, x=x, **named)
        shape = tuple(layer.query.shape)
        if len(shape) != 3 or shape[1] != d or shape[0] * shape[2] != d:
            raise InputError(
                f"the shape of query of layer {number}",
                shape,
                f"(h, {d}, {d} / h)",
                "give each of h heads d / h columns",
            )
        for name, w in named.items():
            check_shape(name, w, shape, "query, key and value have one shape")
