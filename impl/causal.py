"""The sweeps of sweeps.py where query i sees keys j <= i: blocks of tokens, within a block the polynomial pair by pair, between blocks
prefix (forward, dq) and suffix (dk, dv) sums of the blocks' moments (Algorithm 2, Lemmas I.6 to I.8). All blocks of a chunk are one batch:
x is (..., blocks, d, block), moments (..., blocks, e, k).
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from .gradients import Gradients, store_by_value
from .moments import Features, contract
from .operands import Operands
from .streaming import spans


def forward(
    operands: Operands, features: Features, chunk: int, before: Tensor | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """Sums by query, chunk by chunk; ``before`` (..., 1, e, k): moments of keys that stand before all of these."""
    for span in spans(operands.inputs.query.shape[-2], chunk):
        x, y, w = operands.query(span), operands.key(span), operands.value(span)
        inside = w @ features.kernel(x.mT @ y).tril_().mT
        sums, before = prefix(features.moments(y, w, features.features(y), slopes=False), before)
        yield span, inside.add_(features.values(sums, operands.width) @ features.features(x))


def backward(operands: Operands, features: Features, chunk: int, made: Gradients) -> None:
    """Chunk by chunk dq and what blocks add to dk and dv inside themselves; then, from the last chunk, what later blocks add."""
    by_query(operands, features, chunk, made)
    by_key(operands, features, chunk, made)


def by_query(operands: Operands, features: Features, chunk: int, made: Gradients, before: Tensor | None = None) -> None:
    """dq, and what blocks add to dk and dv inside themselves; ``before`` as in ``forward``."""
    for span in spans(operands.inputs.query.shape[-2], chunk):
        before = _by_query(operands, features, span, made, before)


def by_key(operands: Operands, features: Features, chunk: int, made: Gradients, after: Tensor | None = None) -> None:
    """What later blocks add to dk and dv; ``after`` (..., 1, e, k): moments of queries that stand behind all of these."""
    for span in reversed(spans(operands.inputs.query.shape[-2], chunk)):
        after = _by_key(operands, features, span, made, after)


def _by_query(operands: Operands, features: Features, span: slice, made: Gradients, before: Tensor | None) -> Tensor:
    count = span.stop - span.start
    x, y, w, u = operands.query(span), operands.key(span), operands.value(span), operands.u(span)
    scores = x.mT @ y
    slopes = features.slope_kernel(scores).tril_().mul_(u.mT @ w)
    sums, total = prefix(features.moments(y, w, features.features(y), slopes=True), before)
    wide = features.slopes(sums, operands.width)
    dq = contract(features.slope_products(wide, features.features(x)), u).add_(y @ slopes.mT)
    made.query[..., span, :] = operands.outward(operands.rows(dq.mul_(operands.row_scale), count))
    made.key[..., span, :] = operands.outward(operands.rows(x @ slopes, count))
    inside = operands.rows(u @ features.kernel(scores).tril_(), count)
    made.value[..., span, :], made.log_weights[..., span, :] = inside[..., :-1], inside[..., -1:]
    return total


def _by_key(operands: Operands, features: Features, span: slice, made: Gradients, after: Tensor | None) -> Tensor:
    count, e = span.stop - span.start, operands.width
    x, y, w, u = operands.query(span), operands.key(span), operands.value(span), operands.u(span)
    sums, total = prefix(features.moments(x, u, features.features(x), slopes=True), after, reverse=True)
    phi = features.features(y)
    dk = contract(features.slope_products(features.slopes(sums, e), phi), w)
    made.key[..., span, :] += operands.outward(operands.rows(dk, count))
    made.key[..., span, :] *= operands.column_scale
    later = operands.rows(features.values(sums, e) @ phi, count)
    all_u = torch.cat([made.value[..., span, :], made.log_weights[..., span, :]], -1).add_(later)
    store_by_value(made, span, all_u, operands.rows(w, count), operands.weight(span))
    return total


def prefix(parts: Tensor, before: Tensor | None, *, reverse: bool = False) -> tuple[Tensor, Tensor]:
    """Sums of the blocks before each (after each, if ``reverse``), started from ``before``, and the sum of all of them."""
    if reverse:
        sums, total = prefix(parts.flip(-3), before)
        return sums.flip(-3), total
    first = torch.zeros_like(parts[..., :1, :, :]) if before is None else before
    sums = torch.cat([first, parts], -3).cumsum(-3)
    return sums[..., :-1, :, :], sums[..., -1:, :, :]
