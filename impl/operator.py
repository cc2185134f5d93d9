"""The operators ``almostlinear::attention`` and ``almostlinear::attention_backward``: opaque to torch.compile, differentiable once, with
shapes that do not depend on data. A record of what was decided travels from the first to the second.
"""

import logging
import math
from typing import Any

import torch
from torch import Tensor

from . import exact, sweeps
from .adaptive import PivotFeatures
from .gradients import Gradients
from .moments import Features, Monomials
from .selection import BACKENDS, Choice, Kept, choose
from .shifts import Shifted, shift
from .streaming import exact_precision

RECORD = 16
NUMBERS: dict[str, type] = {
    "degree": int,
    "bound": float,
    "rank": int,
    "row_error": float,
    "eps": float,
    "row_scale": float,
    "column_scale": float,
    "chunk": int,
    "block": int,
    "group": int,
    "directions": int,
    "by_pivots": bool,
}
"""Fields of a choice that the record holds, after its backend."""
MOST_PIVOTS = 256
STATE, STATES = 1 << 15, 1 << 22
"""Numbers kept for the backward pass by one element of the batch (more where a basis and pivots need it), and by all of them: a basis,
and pivots or the keys' moments.
"""

log = logging.getLogger(__name__)


@torch.library.custom_op("almostlinear::attention", mutates_args=())
def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    is_causal: bool,
    scale: float,
    degree: int,
    eps: float,
    backend: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Output (..., n, e), inverse normaliser (..., n, 1), the record and the state; ``degree`` -1 to have it chosen."""
    state = _state(key)
    with torch.no_grad(), exact_precision(query.device):
        inputs = shift(query, key, value, bias, scale, is_causal)
        choice, kept = choose(inputs, None if degree < 0 else degree, eps, backend, most_pivots(key))
        log.debug("almost_linear_attention: %s, %s; %s", choice.backend, choice, choice.reason)
        if choice.backend == "exact":
            inverse = query.new_zeros(*query.shape[:-1], 1)
            return exact.forward(inputs, bias), inverse, _record(choice), state
        made = sweeps.forward(inputs, choice, _features(inputs, choice, kept))
        _keep_all(state, kept.basis, made.moments if kept.pivots is None else kept.pivots)
    return made.out, made.inverse, _record(choice), state


@attention.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, *_: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    shape = query.shape[:-1]
    record = torch.empty(RECORD, dtype=torch.float64)
    return query.new_empty(*shape, value.shape[-1]), query.new_empty(*shape, 1), record, _state(key)


@torch.library.custom_op("almostlinear::attention_backward", mutates_args=())
def attention_backward(
    upstream: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    bias: Tensor | None,
    out: Tensor,
    inverse: Tensor,
    record: Tensor,
    state: Tensor,
    is_causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients by query, key, value and by the logarithmic weights of keys (..., m)."""
    with torch.no_grad(), exact_precision(query.device):
        inputs, choice = shift(query, key, value, bias, scale, is_causal), _choice(record)
        if choice.backend == "exact":
            found = exact.backward(inputs, bias, out, upstream)
        else:
            found = _backward(inputs, choice, out, inverse, upstream, state)
    return found.query, found.key, found.value, found.log_weights.squeeze(-1)


@attention_backward.register_fake
def _(upstream: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    by_query, by_key, by_value = (x.new_empty(x.shape) for x in (query, key, value))
    return by_query, by_key, by_value, key.new_empty(key.shape[:-1])


def _backward(
    inputs: Shifted, choice: Choice, out: Tensor, inverse: Tensor, upstream: Tensor, state: Tensor
) -> Gradients:
    d, e, p = inputs.query.shape[-1], inputs.value.shape[-1] + 1, choice.directions
    pivots, moments, basis, rest = None, None, None, state
    if p:
        basis, rest = _kept(state, d, p), state[..., d * p :]
    if choice.by_pivots:
        pivots = _kept(rest, choice.rank, p or d)
    elif not inputs.is_causal and e * choice.rank <= rest.shape[-1]:
        moments = _kept(rest, e, choice.rank)
    features = _features(inputs, choice, Kept(pivots, basis))
    return sweeps.backward(inputs, choice, features, out, inverse, upstream, moments)


def _features(inputs: Shifted, choice: Choice, kept: Kept) -> Features:
    if kept.pivots is not None:
        return PivotFeatures(kept.pivots, choice.eps, inputs.query, kept.basis)
    return Monomials(choice.directions or inputs.query.shape[-1], choice.degree, inputs.query, kept.basis)


def _state(key: Tensor) -> Tensor:
    """Room for what the backward pass needs; none where the batch is so large that it would count."""
    batch, d = key.shape[:-2], key.shape[-1]
    needed = (most_pivots(key) + d) * d
    return key.new_zeros(*batch, max(needed, STATE) if math.prod(batch) * STATE <= STATES else needed)


def most_pivots(key: Tensor) -> int:
    """Pivots that the adaptive backend may use."""
    return MOST_PIVOTS


def _keep_all(state: Tensor, *tensors: Tensor | None) -> None:
    """Write matrices one after the other, those that there are and that there is room for."""
    begin = 0
    for x in tensors:
        size = 0 if x is None else math.prod(x.shape[-2:])
        if x is not None and begin + size <= state.shape[-1]:
            state[..., begin : begin + size] = x.flatten(-2)
            begin += size


def _kept(state: Tensor, rows: int, columns: int) -> Tensor:
    return state[..., : rows * columns].unflatten(-1, (rows, columns))


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor, Tensor]) -> None:
    query, key, value, bias, ctx.is_causal, ctx.scale, *_ = inputs
    ctx.save_for_backward(query, key, value, bias, *output)
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, upstream: Tensor | None, *_: Any) -> tuple[Any, ...]:
    query, key, value, bias, *kept = ctx.saved_tensors
    if upstream is None:
        return (None,) * 9
    found = attention_backward(upstream, query, key, value, bias, *kept, ctx.is_causal, ctx.scale)
    *gradients, by_bias = found
    return *gradients, None if bias is None else by_bias, None, None, None, None, None


def _leading(size: int, x: Tensor | None, place: int | None) -> Tensor | None:
    """``x`` with the mapped dimension first, repeated where it has none."""
    if x is None:
        return None
    return x.unsqueeze(0).expand(size, *x.shape) if place is None else x.movedim(place, 0)


@attention.register_vmap
def _(info: Any, places: tuple[Any, ...], *arguments: Any) -> tuple[Any, tuple[Any, ...]]:
    tensors = [_leading(info.batch_size, x, place) for x, place in zip(arguments[:4], places[:4], strict=True)]
    return attention(*tensors, *arguments[4:]), (0, 0, None, 0)


@attention_backward.register_vmap
def _(info: Any, places: tuple[Any, ...], *arguments: Any) -> tuple[Any, tuple[Any, ...]]:
    given = [_leading(info.batch_size, x, place) for x, place in zip(arguments[:9], places[:9], strict=True)]
    given[7] = arguments[7]  # the record, one for all
    return attention_backward(*given, *arguments[9:]), (0, 0, 0, 0)


torch.library.register_autograd("almostlinear::attention", _differentiate, setup_context=_keep)


def _record(choice: Choice) -> Tensor:
    """``choice`` as numbers, in the order of its fields."""
    numbers = [float(BACKENDS.index(choice.backend)), *(float(getattr(choice, name)) for name in NUMBERS)]
    return torch.tensor(numbers + [0.0] * (RECORD - len(numbers)), dtype=torch.float64)


def _choice(record: Tensor) -> Choice:
    backend, *numbers = record.tolist()
    found = {name: kind(number) for (name, kind), number in zip(NUMBERS.items(), numbers, strict=False)}
    return Choice(BACKENDS[int(backend)], **found, reason="")
