"""Inputs of the benchmarks: queries, keys, values and the upstream gradient, (1, heads, n, d) each, from a seed.

spread     iid uniform entries in [-s, s], s = sqrt(b sqrt(d) / d), so that max |scores| is at most b (scale 1/sqrt(d)); typical
           scores are far below
filled     rows of one length whose scores fill [-b, b]: aligned and opposite pairs are among them
authors    the published benchmark: q, k ~ N(0, 1/d), v ~ N(0, 1), scale 1
flat       spread inputs of intrinsic dimension r < d, in a random basis
decaying   coordinates shrink by a constant factor each, in a random basis
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Inputs(NamedTuple):
    """Tensors of one precision on one device."""

    query: Tensor
    key: Tensor
    value: Tensor
    upstream: Tensor
    scale: float

    def each(self, change: Callable[[Tensor], Tensor]) -> Inputs:
        """With ``change`` made to all four tensors."""
        return Inputs(change(self.query), change(self.key), change(self.value), change(self.upstream), self.scale)

    def to(self, target: torch.dtype | torch.device) -> Inputs:
        return self.each(lambda x: x.to(target))


def inputs(kind: str, n: int, d: int, *, bound: float = 1.0, heads: int = 1, seed: int = 0, rank: int = 4) -> Inputs:
    """Inputs of ``kind`` in float32; max |scores| <= ``bound`` but for "authors".

    Raises ValueError for an unknown kind.
    """
    make = torch.Generator().manual_seed(seed)
    shape, scale = (1, heads, n, d), 1 / math.sqrt(d)

    def uniform(*sizes: int) -> Tensor:
        return torch.rand(*sizes, generator=make) * 2 - 1

    def normal(*sizes: int) -> Tensor:
        return torch.randn(*sizes, generator=make)

    side = math.sqrt(bound / (scale * d))
    if kind == "spread":
        query, key = side * uniform(*shape), side * uniform(*shape)
    elif kind == "filled":
        query, key = (math.sqrt(bound / scale) * _filled(normal(*shape), make) for _ in range(2))
    elif kind == "authors":
        query, key, scale = normal(*shape) / math.sqrt(d), normal(*shape) / math.sqrt(d), 1.0
    elif kind in ("flat", "decaying"):
        basis = torch.linalg.qr(normal(d, d)).Q
        rates = torch.tensor([float(c < rank) if kind == "flat" else 0.5**c for c in range(d)])
        length = math.sqrt(bound / scale)
        query, key = (uniform(*shape) * rates @ basis for _ in range(2))
        query, key = (length * x / x.norm(dim=-1).max() for x in (query, key))
    else:
        raise ValueError(f"inputs of kind {kind!r} are not known; use spread, filled, authors, flat or decaying")
    value = normal(*shape) if kind == "authors" else uniform(*shape)
    return Inputs(query, key, value, uniform(*shape), scale)


def _filled(directions: Tensor, make: torch.Generator) -> Tensor:
    """Unit rows around one axis and its opposite, at angles drawn so that products of two of them fill [-1, 1]."""
    axis = torch.zeros(directions.shape[-1])
    axis[0] = 1
    across = torch.nn.functional.normalize(directions * (1 - axis), dim=-1)
    along = torch.rand(*directions.shape[:-1], 1, generator=make) * 2 - 1
    along = along.sign() * along.abs().sqrt()
    return along * axis + (1 - along**2).clamp_min(0).sqrt() * across
