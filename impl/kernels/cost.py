"""What the programs do, counted from their own loops: exact integers, without running anything. One head; d, e as in launch.py.

A tile of a product counts whole, padding included, as the hardware multiplies it; an entry that a mask leaves out is not loaded.
"""

import math
from typing import NamedTuple

from ..features import feature_count
from .serving import MOMENT_TILE, Tile, padded, slope_tile, value_tile


class Work(NamedTuple):
    """Of one program, all its instances together.

    ``dots`` calls of tl.dot and their ``multiply_adds``; ``products``: further multiplications, entry by entry of a tile, each with at
    most one addition; ``gathered``: entries loaded to make features, from the first-level cache; ``loaded``: further loads; ``stored``;
    ``device``: entries of 4 bytes between chip and device memory, were each array read or written once.
    """

    dots: int = 0
    multiply_adds: int = 0
    products: int = 0
    gathered: int = 0
    loaded: int = 0
    stored: int = 0
    device: int = 0

    def plus(self, other: "Work") -> "Work":
        """Both, one after the other."""
        return Work(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, count: int) -> "Work":
        """The same ``count`` times."""
        return Work(*(count * a for a in self))


def moments(n: int, d: int, e: int, degree: int, part_length: int) -> Work:
    """The program ``moments``."""
    tile, rank = MOMENT_TILE, feature_count(d, degree)
    columns = math.ceil(rank / tile.features)
    lengths = [min(part_length, n - start) for start in range(0, n, part_length)]
    steps = sum(math.ceil(length / tile.tokens) for length in lengths)
    entries = columns * steps * tile.tokens * tile.features
    stored = len(lengths) * rank * (e + 1)
    return Work(
        dots=columns * steps,
        multiply_adds=entries * padded(e),
        products=entries * (degree + 1),
        gathered=n * total_degree(d, degree),
        loaded=steps * degree * rank + columns * n * (e + 1),
        stored=stored,
        device=n * (d + e + 1) + stored,
    )


def prefix(parts: int, d: int, e: int, degree: int) -> Work:
    """The program ``prefix``."""
    size = parts * feature_count(d, degree) * (e + 1)
    return Work(loaded=size, stored=size, device=2 * size)


def values(n: int, d: int, e: int, degree: int, block: int = 0, reverse: bool = False) -> Work:
    """The program ``values``; ``block`` 0 where no pair is looked at."""
    tile, rank = value_tile(d, e), feature_count(d, degree)
    rows, columns = math.ceil(n / tile.tokens), math.ceil(rank / tile.features)
    entries = rows * columns * tile.tokens * tile.features
    work = Work(
        dots=rows * columns,
        multiply_adds=entries * padded(e),
        products=entries * (degree + 2),
        gathered=n * total_degree(d, degree),
        loaded=rows * rank * (degree + 1 + e + 1),
        stored=n * (e + 1),
        device=n * (d + e + 1) + (math.ceil(n / block) if block else 1) * rank * (e + 1),
    )
    tile_widths = [padded(d), padded(e)]
    return work.plus(inside_blocks(n, d, e, block, tile, reverse, tile_widths, 2 * degree + 1, d + e + 1))


def slopes(n: int, d: int, e: int, degree: int, block: int = 0, reverse: bool = False) -> Work:
    """The program ``slopes``."""
    tile, lower = slope_tile(d, e), feature_count(d, degree - 1)
    rows, columns = math.ceil(n / tile.tokens), math.ceil(lower / tile.features)
    entries = rows * columns * tile.tokens * tile.features
    state = feature_count(d, degree) * (e + 1)
    work = Work(
        dots=rows * columns * d,
        multiply_adds=entries * d * padded(e),
        products=entries * (degree + 2 * d),
        gathered=n * total_degree(d, degree - 1),
        loaded=n * (e + 1) + rows * lower * (degree + d * (e + 2)),
        stored=n * d,
        device=n * (d + e + 1 + d) + (math.ceil(n / block) if block else 1) * state,
    )
    tile_widths = [padded(d), padded(d), padded(e)]
    return work.plus(inside_blocks(n, d, e, block, tile, reverse, tile_widths, 2 * degree, 2 * d + e + 1))


def inside_blocks(
    n: int, d: int, e: int, block: int, tile: Tile, reverse: bool, inner: list[int], products: int, loaded: int
) -> Work:
    """Pairs of tokens inside a block, none for block 0: a dot for each of the ``inner`` widths, ``products`` a pair, ``loaded`` a token."""
    if not block:
        return Work()
    steps, seen = pairs_inside(n, block, tile, reverse)
    area = steps * tile.tokens**2
    return Work(
        dots=len(inner) * steps,
        multiply_adds=area * sum(inner),
        products=area * products,
        loaded=n * d + seen * loaded,
        device=n * (d + e + 1),
    )


def total_degree(d: int, degree: int) -> int:
    """sum |a| over |a| <= degree: the factors of all monomials."""
    return sum(j * math.comb(d + j - 1, j) for j in range(degree + 1))


def pairs_inside(n: int, block: int, tile: Tile, reverse: bool) -> tuple[int, int]:
    """Tiles of pairs inside blocks, and the column tokens that they load."""
    steps = seen = 0
    for begin in range(0, n, block):
        stop = min(begin + block, n)
        for first in range(begin, stop, tile.tokens):
            low, high = (first, stop) if reverse else (begin, min(first + tile.tokens, stop))
            steps += math.ceil((high - low) / tile.tokens)
            seen += high - low
    return steps, seen


def attention(n: int, d: int, e: int, degree: int, part_length: int, causal: bool) -> dict[str, list[tuple[str, Work]]]:
    """The programs of a forward and of a backward pass as attention.py calls them, n queries and keys, moments of keys kept."""
    parts, block = math.ceil(n / part_length), part_length if causal else 0
    made = ("moments", moments(n, d, e, degree, part_length))
    size = feature_count(d, degree) * (e + 1)
    summed = ("prefix", prefix(parts, d, e, degree)) if causal else ("sum", Work(device=(parts + 1) * size))
    again = [made, summed] if causal else []
    return {
        "forward": [made, summed, ("values", values(n, d, e, degree, block))],
        "backward": [
            *again,
            ("slopes", slopes(n, d, e, degree, block)),
            made,
            summed,
            ("slopes", slopes(n, d, e, degree, block, causal)),
            ("values", values(n, d, e, degree, block, causal)),
        ],
    }
