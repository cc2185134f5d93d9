"""Exact attention with the n x n matrix in memory, and the closed-form gradients of one layer, for users to
compare with at small n: s = f h, f = row softmax of tau X W X^T, h = X W_V, and with P = f*(G h^T) - diag(K)
f, K = (G*s)1,

    dL/dX = tau (P X W^T + P^T X W) + f^T G W_V^T,   dL/dW = tau X^T P X,   dL/dW_V = (f X)^T G.

Source: theory/chain.md section 1. (Not the oracle of the suite: verify/ evaluates the statements of
theorems/.)
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .validation import check_attention, check_layer, check_positive_number


class Gradients(NamedTuple):
    """Gradients of a loss by a layer's input (..., n, d), by W = W_Q W_K^T (..., d, d) and by W_V (..., d,
    e).

    Leading dimensions are those of the input: the gradients by the weights are per batch element, sum them
    for shared weights.
    """

    dX: Tensor
    dW: Tensor
    dWV: Tensor


def dense_attention(
    query: Tensor, key: Tensor, value: Tensor, *, scale: float | None = None, is_causal: bool = False
) -> Tensor:
    """softmax(scale query key^T) value, causal or not; equals
    ``torch.nn.functional.scaled_dot_product_attention``.

    ``query`` (..., n, d), ``key`` (..., m, d), ``value`` (..., m, e); ``scale`` defaults to 1/sqrt(d). Raises
    InputError.
    """
    check_attention(query, key, value, is_causal, None)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    check_positive_number("scale", scale)
    return attention_weights(scale * query, key, is_causal) @ value


def attention_weights(query: Tensor, key: Tensor, is_causal: bool) -> Tensor:
    """f: row softmax of query key^T, rows seeing keys j <= i only where causal."""
    scores = query @ key.mT
    if is_causal:
        hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(hidden, -torch.inf)
    return scores.softmax(-1)


def dense_gradients(
    x: Tensor, weight: Tensor, value_weight: Tensor, upstream: Tensor, *, scale: float = 1.0, is_causal: bool = False
) -> Gradients:
    """The exact gradients of one layer, given ``upstream`` G = dL/ds.

    ``x`` (..., n, d), ``weight`` (d, d), ``value_weight`` (d, e), ``upstream`` (..., n, e), ``scale`` tau.
    Raises InputError.
    """
    check_layer(x, weight, value_weight, upstream, None)
    check_positive_number("scale", scale)
    with torch.no_grad():
        h = x @ value_weight
        f = attention_weights(scale * (x @ weight), x, is_causal)
        k = (upstream * (f @ h)).sum(-1, keepdim=True)
        p = f * (upstream @ h.mT - k)
        back = f.mT @ upstream
        return Gradients(
            dX=scale * (p @ x @ weight.mT + p.mT @ x @ weight) + back @ value_weight.mT,
            dW=scale * x.mT @ p @ x,
            dWV=x.mT @ back,
        )
