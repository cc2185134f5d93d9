"""What is watched while a model trains: the certificate of its attention, its gradient beside the exact one, and named signs of failure.

A *check* is made every so many steps, before the step: the certificate says, for every layer on the batch at hand and on the validation
text, whether each row of attention weights is within PROMISED of softmax attention's in l1; the exact gradient of the same weights and
batch is set beside the one that training takes.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from almostlinear import impl
from almostlinear.impl.models import AlmostLinearTransformer

from .cells import number

PROMISED = 1e-2
"""l1 error of a row of attention weights up to which a run counts as guaranteed."""
DEPARTED = 1e-2
"""Relative difference of the validation loss from the exact run's at which a loss has departed."""
SENSITIVE = DEPARTED / 100
"""Relative difference of the validation loss that a nudge of a millionth may have made: beyond, training magnifies any error."""
EXPLODING, VANISHING = 30.0, 1e-3
"""Gradient norm over its median so far."""
FLIPPED = 0.02
"""Share of gradient entries of the other sign than the exact gradient's, weighted by their size."""
Check = dict[str, Any]


def certificate(model: AlmostLinearTransformer, batches: Sequence[Tensor]) -> Check:
    """The worst layer's range (after exact shifts), largest score, row error and verdict; ``guaranteed`` None for exact attention."""
    config, found = model.config, list[impl.Certificate]()
    largest = [0.0]
    options: dict[str, Any] = {"degree": config.degree} if config.backend != "adaptive" else {"backend": "adaptive"}

    def look(attention: Any, given: tuple[Tensor, ...]) -> None:
        query, key, value = attention.heads(given[0])
        largest[0] = max(largest[0], float((config.score_scale * query @ key.mT).abs().max()))
        if config.attention == "almost_linear":
            kind: dict[str, Any] = {"is_causal": config.is_causal, "scale": config.score_scale, "eps": PROMISED}
            found.append(impl.certify(query, key, value, **{"backend": "monomials", **options}, **kind))

    hooks = [layer.attention.register_forward_pre_hook(look) for layer in model.blocks]
    try:
        with torch.no_grad():
            for tokens in batches:
                # A layer that refuses its input has been looked at: the certificate says so.
                with contextlib.suppress(impl.DegreeError):
                    model(tokens)
    finally:
        for hook in hooks:
            hook.remove()
    if not found:
        return {"largest_score": largest[0], "guaranteed": None}
    worst = max(found, key=row_error)
    return {
        "largest_score": largest[0], "range": max(c.range_shifted for c in found), "row_error": row_error(worst),
        "guaranteed": all(c.guaranteed for c in found), "rank": worst.rank,
    }  # fmt: skip


def row_error(found: impl.Certificate) -> float:
    """Infinite where none could be guaranteed."""
    return math.inf if found.row_error is None else found.row_error


def exact(model: AlmostLinearTransformer) -> AlmostLinearTransformer:
    """The same weights on softmax attention; hooks of layers come along."""
    return model if model.config.attention == "exact" else model.with_attention("exact")


def gradient(model: torch.nn.Module, loss: Callable[[torch.nn.Module], Tensor]) -> Tensor:
    """The gradient of ``loss(model)`` by all parameters, side by side."""
    wanted = [p for p in model.parameters() if p.requires_grad]
    found = torch.autograd.grad(loss(model), wanted, allow_unused=True, materialize_grads=True)
    return torch.cat([g.flatten() for g in found])


def beside(found: Tensor, true: Tensor) -> Check:
    """Relative error, cosine, and the share of |true| that lies in entries of the other sign."""
    found, true = found.double(), true.double()
    size = float(true.norm())
    flipped = float(true.abs()[found * true < 0].sum() / true.abs().sum().clamp_min(1e-300))
    cosine = float(found @ true / (found.norm() * true.norm()).clamp_min(1e-300))
    return {"gradient_error": float((found - true).norm()) / max(size, 1e-300), "cosine": cosine, "flipped": flipped}


def signatures(checks: Sequence[Check], norms: Sequence[float], losses: Sequence[float]) -> list[dict[str, Any]]:
    """Signs of failure by name, each with the first step at which it showed, the earliest first.

    range beyond the regime: the certificate stopped guaranteeing. exploding / vanishing gradients: the norm left
    [VANISHING, EXPLODING] times its median so far. sign flips: more than FLIPPED. loss not finite.
    """
    found = []
    for name, at in (
        ("range beyond the regime", next((c["step"] for c in checks if c.get("guaranteed") is False), None)),
        ("sign flips", next((c["step"] for c in checks if number(c.get("flipped")) > FLIPPED), None)),
        ("exploding gradients", _left(norms, lambda x, middle: not x <= EXPLODING * middle)),
        ("vanishing gradients", _left(norms, lambda x, middle: x < VANISHING * middle)),
        ("loss not finite", next((k for k, x in enumerate(losses) if not math.isfinite(x)), None)),
    ):
        if at is not None:
            found.append({"sign": name, "step": at})
    return sorted(found, key=lambda one: one["step"])


def _left(norms: Sequence[float], bad: Callable[[float, float], bool]) -> int | None:
    """The first step after ten whose norm is bad beside the median of those before it."""
    for k in range(10, len(norms)):
        if bad(norms[k], sorted(norms[:k])[k // 2]):
            return k
    return None
