"""Which calls the fused kernels take, and how they cut tokens into parts: functions of shapes alone, so equal calls give equal bits."""

import importlib.util
import math
from functools import lru_cache
from typing import NamedTuple

import torch

from ..features import feature_count
from ..shifts import Shifted

DEGREES = {4: 4, 8: 4, 16: 4, 32: 3, 64: 2}
"""The highest degree served, by the next of these widths."""
LARGEST_VALUE = 64
SMALLEST_SIDE = 16
"""Of a tile that ``tl.dot`` takes."""


class Tile(NamedTuple):
    """Tokens and features that one step multiplies, and the warps that do it."""

    tokens: int
    features: int
    warps: int


# Large ones that the assembler fits into registers for capability 9.0: compiled, not timed.
MOMENT_TILE = Tile(32, 64, 8)
VALUE_TILES = {16: Tile(64, 32, 8), 32: Tile(32, 64, 8), 64: Tile(16, 64, 4)}
SLOPE_TILES = {16: Tile(32, 64, 4), 32: Tile(32, 64, 8), 64: Tile(16, 32, 4)}
"""By the wider of a padded key and a padded value."""
TOKENS = 64
"""Parts and blocks are multiples of this, and so of every tile."""
PROGRAMS = 528
"""Programs wanted at a time: four for each of the 132 multiprocessors of an H100, also enough for smaller devices."""
SMALLEST_PART = 256
STATE_BYTES = 1 << 28
"""Causal states held at a time."""
SMALLEST_BLOCK, LARGEST_BLOCK = 64, 256
CAPABILITY = (8, 0)


def serve(inputs: Shifted, degree: int) -> bool:
    """Whether the kernels compute this call: a CUDA device of capability 8.0, Triton there, float32, a size of ``DEGREES``."""
    return takes(inputs.query.shape[-1], degree, inputs.value.shape[-1], inputs.query.dtype) and usable(
        inputs.query.device
    )


def takes(d: int, degree: int, e: int, dtype: torch.dtype) -> bool:
    """Whether there is a kernel for these sizes."""
    most = next((degrees for width, degrees in DEGREES.items() if d <= width), 0)
    return 1 <= degree <= most and 1 <= e <= LARGEST_VALUE and dtype == torch.float32


@lru_cache(maxsize=16)
def usable(device: torch.device) -> bool:
    """Whether kernels run on the device."""
    if device.type != "cuda" or torch.version.cuda is None or importlib.util.find_spec("triton") is None:
        return False
    return torch.cuda.get_device_capability(device) >= CAPABILITY


def token_chunks(inputs: Shifted, degree: int) -> tuple[int, int, int]:
    """Tokens of a part, of a causal block (0: none), and elements of the first batch dimension at a time."""
    *batch, n, d = inputs.query.shape
    lead, tokens = (batch[0] if batch else 1), max(n, inputs.key.shape[-2])
    e = inputs.value.shape[-1]
    if not inputs.is_causal:
        return part_length(tokens, feature_count(d, degree), math.prod(batch)), 0, lead
    one = math.prod(batch) // lead * feature_count(d, degree) * (e + 1) * 4
    block = causal_block(d, degree, e)
    while block < tokens and math.ceil(tokens / block) * one > STATE_BYTES:
        block *= 2
    return block, block, max(1, min(lead, STATE_BYTES // (math.ceil(tokens / block) * one)))


def part_length(tokens: int, rank: int, batch: int) -> int:
    """Tokens whose moments one program sums: as many parts as give enough programs, none shorter than SMALLEST_PART."""
    wanted = math.ceil(PROGRAMS / (math.ceil(rank / MOMENT_TILE.features) * batch))
    parts = max(1, min(wanted, math.ceil(tokens / SMALLEST_PART)))
    return math.ceil(tokens / parts / TOKENS) * TOKENS


def causal_block(d: int, degree: int, e: int) -> int:
    """Tokens of a block, where its pairs cost about what the wide states do; a multiple of TOKENS."""
    wide = (e + 1) * d * feature_count(d, degree - 1)
    return max(SMALLEST_BLOCK, min(LARGEST_BLOCK, 2 ** round(math.log2(wide) / 2)))


def padded(width: int) -> int:
    """The power of two that a tile of ``width`` columns takes."""
    return max(SMALLEST_SIDE, 1 << (width - 1).bit_length())


def value_tile(d: int, e: int) -> Tile:
    """Of the program ``values``."""
    return VALUE_TILES[max(padded(d), padded(e))]


def slope_tile(d: int, e: int) -> Tile:
    """Of the program ``slopes``."""
    return SLOPE_TILES[max(padded(d), padded(e))]
