"""The gradients that every backend makes, and what they have in common after its sweeps."""

from typing import NamedTuple

import torch
from torch import Tensor

from .shifts import Shifted, mean_back


class Gradients(NamedTuple):
    """By query, key, value, in their shapes, and by the logarithmic weights of keys (..., m, 1)."""

    query: Tensor
    key: Tensor
    value: Tensor
    log_weights: Tensor


def finish(inputs: Shifted, made: Gradients) -> Gradients:
    """``made`` holds, in place, dq, dk without c_j q0, z without its last entry, and c: add what weights and means pass on."""
    made.key.addcmul_(made.log_weights, inputs.scale * inputs.query_centre)
    mean_back(made.key, inputs.keep)
    mean_back(made.query, None)
    through_weights = made.log_weights.mT @ inputs.key - made.log_weights.sum(-2, keepdim=True) * inputs.key_centre
    made.query.add_(through_weights, alpha=inputs.scale / inputs.query.shape[-2])
    return made


def store_by_value(made: Gradients, span: slice, sums: Tensor, w: Tensor, weight: Tensor) -> None:
    """dv and c from sum_i p u_i and w_j [v_j, 1], both (..., c, e + 1)."""
    made.log_weights[..., span, :] = (sums * w).sum(-1, keepdim=True)
    torch.mul(sums[..., :-1], weight, out=made.value[..., span, :])
