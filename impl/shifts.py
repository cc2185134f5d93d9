"""Exact shifts: softmax(tau q.k) does not change when

    q.k  becomes  (q - q0).(k - k0)   and key j gets the weight   w_j = exp(tau q0.(k_j - k0) + bias_j),

for exp(tau q_i.k0) is a factor of row i. With q0, k0 the means, the scores that a polynomial has to serve lie in a far smaller range.
Logarithmic weights of keys (masks) join them; a factor common to all weights cancels.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .errors import DegreeError, NonFiniteError
from .score_range import PIECE, Sizes, sizes
from .streaming import spans


class Shifted(NamedTuple):
    """Attention with its shifts: ``query`` (..., n, d), ``key`` (..., m, d), ``value`` (..., m, e) as given, ``query_centre``,
    ``key_centre`` (..., 1, d), ``log_weights`` (..., m, 1) with largest 0, ``keep`` (..., m, 1), 0 for padding, or None.
    """

    query: Tensor
    key: Tensor
    value: Tensor
    query_centre: Tensor
    key_centre: Tensor
    log_weights: Tensor
    keep: Tensor | None
    scale: float
    is_causal: bool

    def part(self, span: slice) -> "Shifted":
        """Some of the first batch dimension."""
        keep = None if self.keep is None else self.keep[span]
        query, key, value, query_centre, key_centre, log_weights = (x[span] for x in self[:6])
        return Shifted(query, key, value, query_centre, key_centre, log_weights, keep, self.scale, self.is_causal)

    def query_sizes(self) -> Sizes:
        """Norms of the shifted queries."""
        return sizes(self.query, self.query_centre)

    def smallest_weight(self) -> float:
        """The logarithm of the largest weight that a row sees, of the row where it is least; rows that see padding alone left out."""
        if not self.is_causal:  # the largest of all is 1
            return 0.0
        seen = self.log_weights.cummax(-2).values
        return seen.masked_fill(seen == -math.inf, 0).min().item()

    def key_sizes(self) -> Sizes:
        """Norms of the shifted keys that are no padding."""
        return sizes(self.key, self.key_centre, self.keep)


def shift(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float, is_causal: bool) -> Shifted:
    """The means of queries and of keys that are no padding, and what they leave as weights. ``bias`` (..., m) or None.

    Raises NonFiniteError for a bias that is NaN or +inf.
    """
    if bias is not None and not (bias < math.inf).all():
        count = int((~(bias < math.inf)).sum())
        raise NonFiniteError("the number of entries of attn_mask that are NaN or +inf", count, "0", "-inf is padding")
    keep = None if bias is None else (bias > -math.inf).to(key.dtype).unsqueeze(-1)
    query_centre = query.mean(-2, keepdim=True)
    key_centre = (
        key.mean(-2, keepdim=True) if keep is None else (keep.mT @ key) / keep.sum(-2, keepdim=True).clamp_min(1)
    )
    logs = log_weights(key, bias, query_centre, key_centre, scale)
    largest = logs.amax(-2, keepdim=True)
    logs -= torch.where(largest > -math.inf, largest, 0)
    return Shifted(query, key, value, query_centre, key_centre, logs, keep, scale, is_causal)


def log_weights(key: Tensor, bias: Tensor | None, query_centre: Tensor, key_centre: Tensor, scale: float) -> Tensor:
    """tau q0.(k_j - k0) + bias_j, (..., m, 1)."""
    # Of the shifted keys, which the features see: what the shift rounds away then changes both alike.
    parts = [(key[..., span, :] - key_centre) @ query_centre.mT for span in spans(key.shape[-2], PIECE)]
    logs = torch.cat(parts, -2).mul_(scale)
    return logs if bias is None else logs.add_(bias.unsqueeze(-1))


def inverse_normaliser(normaliser: Tensor, inputs: Shifted, what: str) -> Tensor:
    """1/normaliser, in place, 0 for rows that see padding alone; raises DegreeError where another is not positive."""
    if inputs.keep is None:
        hidden = None
    elif inputs.is_causal:
        hidden = inputs.keep.cumsum(-2) == 0
    else:
        hidden = (inputs.keep.sum(-2, keepdim=True) == 0).expand_as(normaliser)
    if hidden is not None:
        normaliser.masked_fill_(hidden, 1)
    return inverse_of(normaliser, hidden, normaliser.min().item(), what)


def inverse_of(normaliser: Tensor, hidden: Tensor | None, smallest: float, what: str) -> Tensor:
    """1/normaliser, in place, 0 where ``hidden``; raises DegreeError where the ``smallest`` of the others is no positive normal number."""
    if not smallest >= torch.finfo(normaliser.dtype).tiny:
        raise DegreeError(
            f"the smallest normaliser {what}",
            f"{smallest:.3g}",
            "above 0, and is not because of rounding, underflow or overflow",
            "shrink the scores or the spread of attn_mask, use a higher degree, float64 or exact attention",
        )
    inverse = normaliser.reciprocal_()
    return inverse if hidden is None else inverse.masked_fill_(hidden, 0)


def mean_back(gradient: Tensor, keep: Tensor | None) -> Tensor:
    """Subtract in place what the mean takes away: the gradient by x of a function of x - mean(x), given that by x - mean(x)."""
    total = gradient.sum(-2, keepdim=True)
    if keep is None:
        return gradient.sub_(total / gradient.shape[-2])
    return gradient.sub_(keep * (total / keep.sum(-2, keepdim=True).clamp_min(1)))
