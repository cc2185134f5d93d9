"""Exact attention and its closed-form gradient, a block of queries at a time: for what lies outside the regime, and short sequences.

f_i = softmax of the scores of row i,  s_i = sum_j f_ij v_j,  P_ij = f_ij <g_i, v_j - s_i>,
dq_i = tau sum_j P_ij k_j,  dk_j = tau sum_i P_ij q_i,  dv_j = sum_i f_ij g_i,  and sum_i P_ij by the logarithmic weight of key j.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from .gradients import Gradients
from .shifts import Shifted
from .streaming import spans

BLOCK_BYTES = 1 << 22


def forward(inputs: Shifted, bias: Tensor | None) -> Tensor:
    """torch's own, where it takes the mask; (..., n, e)."""
    query, key, value = inputs.query, inputs.key, inputs.value
    if bias is None or not inputs.is_causal:
        mask = None if bias is None else bias.unsqueeze(-2).expand(*bias.shape[:-1], query.shape[-2], -1)
        # Its fast kernels want four dimensions.
        q, k, v = (x.reshape(1, -1, *x.shape[-2:]) for x in (query, key, value))
        m = None if mask is None else mask.reshape(1, -1, *mask.shape[-2:])
        found = scaled_dot_product_attention(q, k, v, attn_mask=m, is_causal=inputs.is_causal, scale=inputs.scale)
        return found.reshape(*query.shape[:-1], -1).clone(memory_format=torch.contiguous_format)
    out = query.new_empty(*query.shape[:-1], value.shape[-1])
    for span in _blocks(inputs):
        out[..., span, :] = _weights(inputs, bias, span) @ value
    return out


def backward(inputs: Shifted, bias: Tensor | None, out: Tensor, upstream: Tensor) -> Gradients:
    """Gradients from the output and the gradient by it."""
    query, key, value = inputs.query, inputs.key, inputs.value
    by_query = query.new_empty(query.shape)
    by_key, by_value = key.new_zeros(key.shape), value.new_zeros(value.shape)
    by_log = key.new_zeros(*key.shape[:-1], 1)
    for span in _blocks(inputs):
        f, g = _weights(inputs, bias, span), upstream[..., span, :]
        by_value += f.mT @ g
        p = f.mul_((g @ value.mT).sub_((g * out[..., span, :]).sum(-1, keepdim=True)))
        by_query[..., span, :] = (p @ key).mul_(inputs.scale)
        by_key.add_(p.mT @ query[..., span, :], alpha=inputs.scale)
        by_log += p.sum(-2).unsqueeze(-1)
    return Gradients(by_query, by_key, by_value, by_log)


def _blocks(inputs: Shifted) -> list[slice]:
    row_bytes = math.prod(inputs.key.shape[:-1]) * inputs.key.element_size()
    return spans(inputs.query.shape[-2], max(1, BLOCK_BYTES // row_bytes))


def _weights(inputs: Shifted, bias: Tensor | None, span: slice) -> Tensor:
    """f for a block of queries; rows that see padding alone are 0."""
    scores = (inputs.query[..., span, :] * inputs.scale) @ inputs.key.mT
    if bias is not None:
        scores += bias.unsqueeze(-2)
    if inputs.is_causal:
        rows = torch.arange(span.start, span.stop, device=scores.device)
        columns = torch.arange(scores.shape[-1], device=scores.device)
        scores.masked_fill_(columns > rows.unsqueeze(-1), -math.inf)
    f = scores.softmax(-1)
    return f if bias is None else f.masked_fill_(scores.amax(-1, keepdim=True) == -math.inf, 0)
