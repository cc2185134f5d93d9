"""What Algorithm 1, repaired, takes as the implementation runs it: operations as a n + b, and numbers held at once, in exact integers.

Derived from the algorithm, without running or importing it: k = binom(d + g, g) features of d coordinates, values of e columns, tokens
in chunks of c. Let A tokens be absorbed into moments and E read them; without a mask A = E = n. Of the chunks of a causal sweep the first
reads nothing and the last is not absorbed, and each pair inside a chunk of c tokens is evaluated. Three sweeps:

    forward  [h, 1] by f;      D_2 and D_4 by f;      D_6, D_7 and D_8 by f^T (backwards in time).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

SMALLEST_CHUNK, CAUSAL_CHUNK, LARGEST_CHUNK = 64, 256, 2048
CHUNK_BYTES = 1 << 24
MOST_FEATURES, MOST_DEGREE = 1 << 18, 128
"""Beyond these the implementation refuses."""
MEASURED_AT_ONCE = 1 << 14
"""Rows of which the largest norms are taken at a time."""


@dataclass(frozen=True)
class Linear:
    """a n + b for n of one residue modulo the chunk (of any n without a mask)."""

    a: int
    b: int

    def at(self, n: int) -> int:
        return self.a * n + self.b

    def __add__(self, other: Linear) -> Linear:
        return Linear(self.a + other.a, self.b + other.b)

    def times(self, count: int) -> Linear:
        return Linear(count * self.a, count * self.b)


@dataclass(frozen=True)
class Layer:
    """Sizes of one head of one layer: n tokens, d features, degree g, values of e columns, a causal mask or none."""

    n: int
    d: int
    degree: int
    values: int
    causal: bool

    @property
    def features(self) -> int:
        """k = binom(d + g, g)."""
        return comb(self.d + self.degree, self.degree)

    @property
    def runs(self) -> bool:
        """Whether the implementation takes so many features and such a degree."""
        return self.features <= MOST_FEATURES and self.degree <= MOST_DEGREE

    def chunk(self, bytes_each: int = 8) -> int:
        """Tokens held at a time by default."""
        token_bytes = (self.features + self.values * self.d) * bytes_each
        most = CAUSAL_CHUNK if self.causal else LARGEST_CHUNK
        return min(self.n, max(SMALLEST_CHUNK, min(most, CHUNK_BYTES // token_bytes)))

    def last_chunk(self, chunk: int) -> int:
        """Tokens of the last chunk: 1..chunk."""
        return (self.n - 1) % chunk + 1


@dataclass(frozen=True)
class Operations:
    """Multiply-adds of matrix products, and multiplications entry by entry."""

    products: Linear
    entrywise: Linear

    @property
    def both(self) -> Linear:
        return self.products + self.entrywise

    def times(self, count: int) -> Operations:
        return Operations(self.products.times(count), self.entrywise.times(count))


def operations(layer: Layer, chunk: int | None = None) -> Operations:
    """Of one call: one head of one layer, the forward pass of its attention included."""
    d, e, k = layer.d, layer.values, layer.features
    c = min(layer.chunk() if chunk is None else chunk, layer.n)
    last = layer.last_chunk(c)
    # A + E of each sweep; what reads D_2 and what absorbs D_6 (backwards, the last chunk comes first).
    both = Linear(2, -(c + last)) if layer.causal else Linear(2, 0)
    reading = absorbing = Linear(1, -c) if layer.causal else Linear(1, 0)
    # c tokens in every chunk but the last: c (n - last) + last^2 pairs.
    pairs = Linear(c, last**2 - c * last) if layer.causal else Linear(0, 0)
    sums = (e + 1) + (d + e * d) + (d + e * d + e)
    inside = (d + e + 1) + (d + d + d + e) + (d + d + d + e + e)
    local = d * d + d * e + (4 * d + e) * d + d * d + d * e
    monomials = max(k - d - 1, 0)
    return Operations(
        products=both.times(k * sums) + pairs.times(inside) + Linear(local, 0),
        entrywise=both.times(3 * monomials + 2 * e * d) + reading.times(d) + absorbing.times(d),
    )


def dense_operations(n: int, d: int, values: int) -> int:
    """Multiply-adds of the exact gradients of one head with the n x n matrix: S, f h, G h^T, P X, P^T X and f^T G, and what is local."""
    return n * n * (3 * d + 3 * values) + n * (4 * d * d + 3 * d * values)


def memory(layer: Layer, chunk: int | None = None) -> int:
    """Numbers held at once beside inputs and results, at most, by one call; heads and layers come one after the other.

    Four times the moments of the last sweep (the moments, what is added to them, their sum and a product) and the features of a chunk
    (two are held, an allocator keeps freed ones), its Kronecker products and the blocks of a mask, the weights of the features, and
    X W, h, s, K and the normaliser.
    """
    n, d, e, k = layer.n, layer.d, layer.values, layer.features
    c = min(layer.chunk() if chunk is None else chunk, n)
    moments = k * (d + e * d + e)
    of_chunk = c * (4 * k + 3 * (2 * e * d + 2 * d + 2 * e)) + (4 * c * c if layer.causal else 0)
    weights = k * (3 * d + 6)
    tokens = n * (2 * d + 3 * e + 4) + 4 * d * min(n, MEASURED_AT_ONCE)
    return 4 * moments + of_chunk + weights + tokens
