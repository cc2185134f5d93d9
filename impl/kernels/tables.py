"""Index tables that the programs read: which variables a monomial multiplies, its weight, and where x^a x_c stands."""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from ..features import exponents, feature_count, feature_weights
from ..moments import raised_positions
from ..polynomial import taylor_coefficients


class Tables(NamedTuple):
    """``slots`` (degree, k): variable s of each monomial, d where it has fewer; ``weights`` (k,) w_a = 1/a!; ``raised`` (k', d)."""

    slots: Tensor
    weights: Tensor
    raised: Tensor
    rank: int
    lower_rank: int


@lru_cache(maxsize=64)
def tables(d: int, degree: int, device: torch.device) -> Tables:
    """Of T_degree in d variables, in the order of features.py: lower degrees first, so tables of degree - 1 are their beginnings."""
    passed = exponents(d, degree).cumsum(-1)
    slots = torch.stack([(passed <= s).sum(-1) for s in range(degree)])
    weights = feature_weights(d, taylor_coefficients(degree))
    lower = feature_count(d, degree - 1)
    raised = raised_positions(d, degree).view(lower, d)
    return Tables(
        slots.to(device, torch.int32).contiguous(),
        weights.to(device, torch.float32),
        raised.to(device, torch.int32).contiguous(),
        feature_count(d, degree),
        lower,
    )
