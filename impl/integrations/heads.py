"""What almost-linear attention guarantees for every head of a model of Hugging Face transformers on a text: the range of its scores after
exact shifts, the degree and rank that eps asks for there, the certificate, and what the adaptive backend reaches with at most half as many
features (pivots, or monomials in a measured subspace) as there are tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from ..certify import certify
from ..errors import DegreeError, InputError
from ..features import feature_count
from ..functional import arguments
from ..polynomial import DEFAULT_MAX_DEGREE, degree_for, kernel_error, softmax_error
from ..selection import almost_linear_choice
from ..shifts import Shifted, shift
from .huggingface import check_arguments, first_queries, seen_by

CAPTURING = "almost_linear_heads"
LADDER = (1.0, 10.0, 100.0, 1000.0)
"""Multiples of eps that the adaptive backend is tried at, until one is met; an l1 error of 2 says nothing."""


@dataclass(frozen=True)
class Adaptive:
    """``rank`` features certify ``row_error`` <= ``eps`` of every row of weights."""

    eps: float
    rank: int
    row_error: float


@dataclass(frozen=True)
class Head:
    """One head on one text of ``tokens``, of ``d`` features.

    ``range_given`` and ``range_shifted`` bound |scores| before and after exact shifts. ``degree`` is the least whose Taylor polynomial
    guarantees eps on that range (None: none up to 64), ``rank`` its features. ``served`` is the largest range on which a polynomial with
    fewer features than tokens guarantees eps, ``excess`` = range_shifted / served. ``guaranteed``: the certificate for these tensors
    holds, with ``backend`` and ``certified_rank`` features, for ``row_error``; ``saves``: these are fewer than the tokens.
    ``adaptive``: what half as many features as tokens certify, at the smallest multiple of eps; None: nothing. ``adaptive_needs``: the
    features that eps takes; None: more than there are queries and keys.
    """

    layer: int
    head: int
    tokens: int
    d: int
    is_causal: bool
    range_given: float
    range_shifted: float
    served: float
    excess: float
    degree: int | None
    rank: int | None
    guaranteed: bool
    saves: bool
    backend: str | None
    certified_rank: int | None
    row_error: float | None
    adaptive: Adaptive | None
    adaptive_needs: int | None
    verdict: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def certify_heads(
    model: Any, input_ids: Tensor, eps: float = 1e-3, on_head: Callable[[Head], None] = lambda head: None
) -> list[Head]:
    """Run ``model`` (of transformers) on ``input_ids`` (1, n) with exact attention and certify each head on what it is given there.

    Args:
        model: whose attention goes through ``AttentionInterface``; it is put in evaluation mode, and keeps its attention otherwise.
        eps: l1 error allowed to every row of weights.
        on_head: called with each head when it is known.

    Raises:
        InputError: for attention that is not supported (see ``huggingface.register``), or where none was seen.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    found: list[Head] = []

    def attend(
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        dropout: float = 0.0,
        scaling: float | None = None,
        is_causal: bool | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        check_arguments(module, 0.0, kwargs)
        causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
        seen, causal, exact = seen_by(mask, query.shape[-2], key.shape[-2], causal)
        if seen is not None or exact:
            raise InputError("the mask of certify_heads", "padding or a cache", "none", "pass one text without padding")
        groups = query.shape[1] // key.shape[1]
        layer = getattr(module, "layer_idx", None)
        layer = 1 + max((h.layer for h in found), default=-1) if layer is None else int(layer)
        for h in range(query.shape[1]):
            q, k, v = (x[:, i].float() for x, i in ((query, h), (key, h // groups), (value, h // groups)))
            found.append(_head(layer, h, q, k, v, causal, scaling, eps))
            on_head(found[-1])
        out = scaled_dot_product_attention(query, key, value, is_causal=causal, scale=scaling, enable_gqa=groups > 1)
        return out.transpose(1, 2).contiguous(), None

    if input_ids.ndim != 2 or input_ids.shape[0] != 1 or input_ids.shape[1] < 2:
        raise InputError("the shape of input_ids", tuple(input_ids.shape), "(1, n) with n >= 2", "pass one text")
    AttentionInterface.register(CAPTURING, attend)
    AttentionMaskInterface.register(CAPTURING, first_queries)
    before = model.config._attn_implementation
    model.eval().set_attn_implementation(CAPTURING)
    try:
        with torch.no_grad():
            model(input_ids=input_ids, **({"use_cache": False} if hasattr(model.config, "use_cache") else {}))
    finally:
        model.set_attn_implementation(before)
    if not found:
        raise InputError(
            "the attention of this model", "its own", "one that asks AttentionInterface", "use a newer version of it"
        )
    return found


def _head(
    layer: int, head: int, query: Tensor, key: Tensor, value: Tensor, causal: bool, scale: float | None, eps: float
) -> Head:
    n, d = query.shape[-2:]
    known = certify(query, key, value, is_causal=causal, scale=scale, eps=eps)
    try:
        degree = degree_for(eps, known.range_shifted)
    except DegreeError:
        degree = None
    rank = None if degree is None else feature_count(d, degree)
    served = served_range(eps, d, n)
    saves = known.rank is not None and known.rank < n
    excess = known.range_shifted / served
    return Head(
        layer,
        head,
        n,
        d,
        causal,
        known.range_given,
        known.range_shifted,
        served,
        excess,
        degree,
        rank,
        known.guaranteed,
        saves,
        known.backend if known.guaranteed else None,
        known.rank if known.guaranteed else None,
        known.row_error if known.guaranteed else None,
        *reached(query, key, value, causal, scale, eps),
        _verdict(known.guaranteed, saves, excess),
    )


def _verdict(guaranteed: bool, saves: bool, excess: float) -> str:
    if guaranteed and saves:
        return "guaranteed"
    if guaranteed:
        return "guaranteed, with no fewer features than tokens"
    return f"outside the regime, {excess:.3g} times the range served"


@lru_cache(maxsize=64)
def served_range(eps: float, d: int, most: int) -> float:
    """The largest b on which a Taylor polynomial with fewer than ``most`` features of d variables guarantees ``eps``, rounded down."""
    degree = 0
    while degree < DEFAULT_MAX_DEGREE and feature_count(d, degree + 1) < most:
        degree += 1
    low, high = 0.0, 128.0
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if softmax_error(kernel_error(degree, middle)) <= eps else (low, middle)
    return low


def reached(
    query: Tensor, key: Tensor, value: Tensor, causal: bool, scale: float | None, eps: float
) -> tuple[Adaptive | None, int | None]:
    """What half as many features as tokens certify, at the smallest multiple of eps, and the features that eps itself takes."""
    query, key, value, _, scale, _ = arguments(query, key, value, None, 0.0, scale, False)
    with torch.no_grad():
        inputs = shift(query, key, value, None, scale, causal)
        half, best = min(query.shape[-2], key.shape[-2]) // 2, None
        for step in (eps * factor for factor in LADDER if eps * factor < 2):
            best = _adaptive(inputs, step, half)
            if best is not None:
                break
        if best is not None and best.eps == eps:
            return best, best.rank
        whole = _adaptive(inputs, eps, query.shape[-2] + key.shape[-2])
    return best, None if whole is None else whole.rank


def _adaptive(inputs: Shifted, eps: float, most: int) -> Adaptive | None:
    try:
        choice, _ = almost_linear_choice(inputs, None, eps, "adaptive", most)
    except DegreeError:
        return None
    return Adaptive(eps, choice.rank, choice.row_error)
