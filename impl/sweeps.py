"""Attention through features, p(S_ij) = phi(x_i).phi(y_j) of the shifted scores S = tau (q - q0).(k - k0), forward and backward:

    s_i = sum_j p(S_ij) w_j v_j / D_i,   D_i = sum_j p(S_ij) w_j,   u_i = [g_i, -<g_i, s_i>] / D_i,   z_j = w_j sum_i p(S_ij) u_i,
    dq_i = tau sum_j p'(S_ij) <u_i, w_j [v_j, 1]> (k_j - k0),   dv_j = z_j without its last entry,   c_j = <z_j, [v_j, 1]>,
    dk_j = tau (sum_i p'(S_ij) <u_i, w_j [v_j, 1]> (q_i - q0) + c_j q0),   the gradient by log w_j is c_j,

and what the means q0, k0 pass on: for monomials the exact gradient of the approximant. Forward one sweep over keys and one over queries,
backward one over queries and one over keys (after another over keys where their moments were not kept); causal.py has those under a mask.
Source: Definition C.10, Lemma C.13, theory/chain.md section 1.
"""

from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from . import causal, kernels
from .gradients import Gradients, finish, store_by_value
from .moments import Features, contract
from .operands import Operands
from .selection import Choice
from .shifts import Shifted, inverse_normaliser
from .streaming import spans


class Forward(NamedTuple):
    """Output (..., n, e), inverse normaliser (..., n, 1), and the keys' moments where they serve the backward pass too."""

    out: Tensor
    inverse: Tensor
    moments: Tensor | None


def forward(inputs: Shifted, choice: Choice, features: Features) -> Forward:
    """Attention by the kernel of ``features``, a group of the batch at a time."""
    groups = _groups(inputs, choice)
    if len(groups) == 1:
        return _forward_group(inputs, choice, features)
    found = [_forward_group(inputs.part(span), choice, features.part(span)) for span in groups]
    moments = (
        None if found[0].moments is None else torch.cat([part.moments for part in found if part.moments is not None])
    )
    return Forward(torch.cat([part.out for part in found]), torch.cat([part.inverse for part in found]), moments)


def _groups(inputs: Shifted, choice: Choice) -> list[slice]:
    return spans(inputs.query.shape[0], choice.group) if inputs.query.ndim > 2 else [slice(None)]


def _forward_group(inputs: Shifted, choice: Choice, features: Features) -> Forward:
    *batch, n, _ = inputs.query.shape
    fused = _fused(inputs, choice)
    operands = Operands(
        inputs, choice.row_scale, choice.column_scale, 0 if fused else choice.block, basis=features.basis
    )
    out, normaliser = inputs.query.new_empty(*batch, n, inputs.value.shape[-1]), inputs.query.new_empty(*batch, n, 1)
    sweep: Iterator[tuple[slice, Tensor]]
    if fused:
        moments, whole = _programs().forward(operands, choice.degree, choice.chunk)
        sweep = iter([(slice(0, n), whole)])
    elif inputs.is_causal:
        moments, sweep = None, causal.forward(operands, features, choice.chunk)
    else:
        moments = key_moments(operands, features, choice.chunk, slopes=False)
        sweep = by_moments(operands, features, choice.chunk, moments)
    for span, part in sweep:
        rows = operands.rows(part, span.stop - span.start)
        out[..., span, :], normaliser[..., span, :] = rows[..., :-1], rows[..., -1:]
    inverse = inverse_normaliser(normaliser, inputs, f"of {choice}")
    return Forward(out.mul_(inverse), inverse, moments)


def backward(
    inputs: Shifted,
    choice: Choice,
    features: Features,
    out: Tensor,
    inverse: Tensor,
    upstream: Tensor,
    moments: Tensor | None = None,
) -> Gradients:
    """Gradients from what ``forward`` returned and the gradient by the output; ``moments`` of the keys are made again if not given."""
    groups = _groups(inputs, choice)
    if len(groups) == 1:
        return _backward_group(inputs, choice, features, out, inverse, upstream, moments)
    found = []
    for span in groups:
        kept = None if moments is None else moments[span]
        part = inputs.part(span), choice, features.part(span)
        found.append(_backward_group(*part, out[span], inverse[span], upstream[span], kept))
    return Gradients(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _backward_group(
    inputs: Shifted,
    choice: Choice,
    features: Features,
    out: Tensor,
    inverse: Tensor,
    upstream: Tensor,
    moments: Tensor | None,
) -> Gradients:
    fused = _fused(inputs, choice)
    block = 0 if fused else choice.block
    operands = Operands(inputs, choice.row_scale, choice.column_scale, block, out, inverse, upstream, features.basis)
    query, key, value = (x.new_empty(x.shape) for x in inputs[:3])
    made = Gradients(query, key, value, key.new_empty(*key.shape[:-1], 1))
    if fused:
        _programs().backward(operands, choice.degree, choice.chunk, moments, made)
    elif inputs.is_causal:
        causal.backward(operands, features, choice.chunk, made)
    else:
        if moments is None:
            moments = key_moments(operands, features, choice.chunk, slopes=True)
        _backward(operands, features, choice.chunk, moments, made)
    return finish(inputs, made)


def _fused(inputs: Shifted, choice: Choice) -> bool:
    return choice.backend == "monomials" and kernels.serve(inputs, choice.degree)


def _programs() -> ModuleType:
    """Imported when first needed: Triton takes its time, and is not there without a GPU."""
    from .kernels import attention

    return attention


def by_moments(operands: Operands, features: Features, chunk: int, moments: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Sums by query, chunk by chunk, from the moments of all keys."""
    table = features.values(moments, operands.width)
    for span in spans(operands.inputs.query.shape[-2], chunk):
        yield span, table @ features.features(operands.query(span))


def _backward(operands: Operands, features: Features, chunk: int, moments: Tensor, made: Gradients) -> None:
    by_key(operands, features, chunk, by_query(operands, features, chunk, moments, made), made)


def by_query(operands: Operands, features: Features, chunk: int, moments: Tensor, made: Gradients) -> Tensor:
    """dq by the moments of all keys; returns the moments of these queries."""
    wide, total = features.slopes(moments, operands.width), None
    for span in spans(operands.inputs.query.shape[-2], chunk):
        x, u = operands.query(span), operands.u(span)
        phi = features.features(x)
        dq = contract(features.slope_products(wide, phi), u)
        made.query[..., span, :] = operands.outward(dq.mul_(operands.row_scale).mT)
        total = _added(total, features.moments(x, u, phi, slopes=True))
    assert total is not None
    return total


def by_key(operands: Operands, features: Features, chunk: int, moments: Tensor, made: Gradients) -> None:
    """dk, dv and the gradient by log w by the moments of all queries."""
    wide, table = features.slopes(moments, operands.width), features.values(moments, operands.width)
    for span in spans(operands.inputs.key.shape[-2], chunk):
        w, phi = operands.value(span), features.features(operands.key(span))
        dk = contract(features.slope_products(wide, phi), w)
        made.key[..., span, :] = operands.outward(dk.mul_(operands.column_scale).mT)
        store_by_value(made, span, (table @ phi).mT, w.mT, operands.weight(span))


def key_moments(operands: Operands, features: Features, chunk: int, *, slopes: bool) -> Tensor:
    """Moments of these keys, (..., e, k)."""
    total = None
    for span in spans(operands.inputs.key.shape[-2], chunk):
        y = operands.key(span)
        total = _added(total, features.moments(y, operands.value(span), features.features(y), slopes=slopes))
    assert total is not None
    return total


def _added(total: Tensor | None, part: Tensor) -> Tensor:
    return part if total is None else total.add_(part)
