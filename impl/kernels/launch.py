"""Calls of the programs: tensors in, tensors out. Tokens come last: x, y (batch, d, n), z and ``left`` (batch, e + 1, n), any strides and
any of float32, float16, bfloat16; moments (parts, batch, e + 1, k) in float32.
"""

import math
from typing import Literal, NamedTuple

import torch
import triton
from torch import Tensor

from . import programs
from .serving import MOMENT_TILE, Tile, padded, slope_tile, value_tile
from .tables import tables

Precision = Literal["ieee", "tf32", "tf32x3"]
"""Of products of float32 tiles. "ieee" rounds as the certificates assume; the others are faster on tensor cores."""
PREFIX_BLOCK = 1024


class Seen(NamedTuple):
    """The pairs inside causal blocks: tokens y (batch, d, n) and z (batch, e + 1, n) that a row sees where j <= i, or j >= i."""

    y: Tensor
    z: Tensor
    block: int
    reverse: bool = False


def moments(y: Tensor, z: Tensor, degree: int, part_length: int, precision: Precision = "ieee") -> Tensor:
    """sum_j y_j^a z_j over each part of ``part_length`` tokens: (parts, batch, e + 1, k)."""
    (batch, d, n), e = y.shape, z.shape[-2] - 1
    table = tables(d, degree, y.device)
    parts = math.ceil(n / part_length)
    out = y.new_empty(parts, batch, e + 1, table.rank, dtype=torch.float32)
    with torch.cuda.device_of(y):
        programs.moments[(math.ceil(table.rank / MOMENT_TILE.features), parts, batch)](
            y, z, out, table.slots, n, d, e, table.rank, table.rank, part_length, *y.stride(), *z.stride(), *out.stride(),
            DEGREE=degree, E=padded(e), PRECISION=precision, **_options(MOMENT_TILE),
        )  # fmt: skip
    return out


def prefix(states: Tensor, *, reverse: bool = False) -> Tensor:
    """``states`` (parts, ...), contiguous: in place, each part becomes the sum of those before it, or after it."""
    length = states[0].numel()
    with torch.cuda.device_of(states):
        programs.prefix[(triton.cdiv(length, PREFIX_BLOCK),)](
            states, states.shape[0], length, length, REVERSE=reverse, BLOCK=PREFIX_BLOCK
        )
    return states


def values(x: Tensor, states: Tensor, degree: int, seen: Seen | None = None, precision: Precision = "ieee") -> Tensor:
    """sum_a w_a x^a M_a with the states of each token's block (of the only one, if ``seen`` is None), and pairs: (batch, e + 1, n)."""
    (batch, d, n), e = x.shape, states.shape[-2] - 1
    table = tables(d, degree, x.device)
    out = x.new_empty(batch, e + 1, n, dtype=torch.float32)
    tile = value_tile(d, e)
    y, z, block, mask = _pairs(x, states, seen)
    with torch.cuda.device_of(x):
        programs.values[(math.ceil(n / tile.tokens), batch)](
            x, states, y, z, out, table.slots, table.weights, n, d, e, table.rank, table.rank, block,
            *x.stride(), *states.stride(), *y.stride(), *z.stride(), *out.stride(),
            DEGREE=degree, MASK=mask, D=padded(d), E=padded(e), PRECISION=precision, **_options(tile),
        )  # fmt: skip
    return out


def slopes(
    x: Tensor, left: Tensor, states: Tensor, degree: int, seen: Seen | None = None, precision: Precision = "ieee"
) -> Tensor:
    """sum_j p'(x.y_j) <left, z_j> y_j from the raw moments of y and z, as ``values``: (batch, d, n)."""
    (batch, d, n), e = x.shape, states.shape[-2] - 1
    table = tables(d, degree, x.device)
    out = x.new_empty(batch, d, n, dtype=torch.float32)
    tile = slope_tile(d, e)
    y, z, block, mask = _pairs(x, states, seen)
    with torch.cuda.device_of(x):
        programs.slopes[(math.ceil(n / tile.tokens), batch)](
            x, left, states, y, z, out, table.slots, table.weights, table.raised, n, d, e, table.lower_rank, table.rank, block,
            *x.stride(), *left.stride(), *states.stride(), *y.stride(), *z.stride(), *out.stride(),
            DEGREE=degree, MASK=mask, D=padded(d), E=padded(e), PRECISION=precision, **_options(tile),
        )  # fmt: skip
    return out


def _pairs(x: Tensor, states: Tensor, seen: Seen | None) -> tuple[Tensor, Tensor, int, int]:
    """Operands inside blocks, their length, and the mask; where no pair is looked at, tensors that are not read."""
    if seen is None:
        return x, states[0], x.shape[-1], programs.NONE.value
    return seen.y, seen.z, seen.block, (programs.ANTICAUSAL if seen.reverse else programs.CAUSAL).value


def _options(tile: Tile) -> dict[str, int]:
    """No software pipeline: its stages would hold gathered entries in shared memory, more than there is."""
    return {"TOKENS": tile.tokens, "FEATURES": tile.features, "num_warps": tile.warps, "num_stages": 1}
