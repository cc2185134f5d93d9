"""The sweeps of sweeps.py and causal.py as calls of the fused programs, all tokens at once: states of each part of the tokens, then every
token from the states; under a causal mask from those of earlier blocks and the pairs of its own.
"""

from torch import Tensor

from ..gradients import Gradients, store_by_value
from ..operands import Operands
from .launch import Seen, moments, prefix, slopes, values

ALL = slice(None)


def forward(operands: Operands, degree: int, chunk: int) -> tuple[Tensor | None, Tensor]:
    """Moments of the keys (..., e + 1, k), where one state serves every query, and numerators over normalisers (..., e + 1, n)."""
    shape = operands.inputs.query.shape[:-2]
    x, y, w = (_flat(part(ALL)) for part in (operands.query, operands.key, operands.value))
    states = moments(y, w, degree, chunk)
    if operands.inputs.is_causal:
        sums = values(x, prefix(states), degree, Seen(y, w, chunk))
        return None, sums.view(*shape, *sums.shape[1:])
    total = states.sum(0)
    sums = values(x, total.unsqueeze(0), degree)
    return total.view(*shape, *total.shape[1:]), sums.view(*shape, *sums.shape[1:])


def backward(operands: Operands, degree: int, chunk: int, kept: Tensor | None, made: Gradients) -> None:
    """Fill ``made`` but for what ``finish`` adds; ``kept`` are the moments that ``forward`` returned, if they are still there."""
    x, y, w, u = (_flat(part(ALL)) for part in (operands.query, operands.key, operands.value, operands.u))
    if operands.inputs.is_causal:
        dq = slopes(x, u, prefix(moments(y, w, degree, chunk)), degree, Seen(y, w, chunk))
        by_query, seen = prefix(moments(x, u, degree, chunk), reverse=True), Seen(x, u, chunk, reverse=True)
    else:
        by_key = moments(y, w, degree, chunk).sum(0) if kept is None else _flat(kept)
        dq = slopes(x, u, by_key.unsqueeze(0), degree)
        by_query, seen = moments(x, u, degree, chunk).sum(0, keepdim=True), None
    made.query.copy_(dq.mT.mul_(operands.row_scale).reshape(made.query.shape))
    dk = slopes(y, w, by_query, degree, seen)
    made.key.copy_(dk.mT.mul_(operands.column_scale).reshape(made.key.shape))
    sums = values(y, by_query, degree, seen).mT
    store_by_value(
        made, ALL, sums.reshape(*made.key.shape[:-2], *sums.shape[1:]), operands.value(ALL).mT, operands.weight(ALL)
    )


def _flat(x: Tensor) -> Tensor:
    """One batch dimension."""
    return x.reshape(-1, *x.shape[-2:])
