"""Predicted cost of a forward and a backward pass, by which backend="auto" chooses. The unit is 1/40 of a nanosecond of one CPU core in
float32, fitted to what was measured with torch 2.14 and AVX-512 at d = 8 and 16; elsewhere the ratios are within a factor of two or so.
Only comparisons depend on it, never a result.
"""

from typing import NamedTuple

PRODUCT = 0.6
"""A multiply-add of a long product, in which the features are at hand."""
ENTRY = 40
"""An entry made on its own: a monomial, a Kronecker product; an exponential takes two."""
PAIR = 180
"""A pair of exact attention, beside its products."""
CALL = 300_000
"""One step of a sweep: the calls that it consists of."""


class Sizes(NamedTuple):
    """One call: ``batch`` elements of n queries and m keys, d features, values of e columns."""

    batch: int
    n: int
    m: int
    d: int
    e: int
    is_causal: bool


def exact(s: Sizes) -> float:
    """Two products forward, five backward."""
    pairs = s.batch * s.n * s.m * (0.5 if s.is_causal else 1.0)
    return pairs * (2 * (s.d + s.e) + PAIR) + CALL


def monomials(s: Sizes, rank: int, lower_rank: int, chunk: int) -> float:
    """Keys and queries make and read moments; the gradient reads the wide ones."""
    wide = s.d * (s.e + 1)
    token = PRODUCT * (2.5 * rank * (s.e + 1) + lower_rank * wide) + ENTRY * (2.5 * rank + 2 * wide)
    return _total(s, token, chunk, steps=s.d / 4 + 4)


def adaptive(s: Sizes, rank: int, chunk: int) -> float:
    """Exponentials at the pivots, the triangular factor, wide states made and read; and once more to measure, in binary64."""
    wide = s.d * (s.e + 1)
    made = PRODUCT * rank * (s.d + rank) + 2 * ENTRY * rank
    token = 4 * made + PRODUCT * 2 * rank * (wide + s.e + 1) + 4 * ENTRY * wide
    return _total(s, token, chunk, steps=6) + adaptive_search(s, rank)


def subspace_search(s: Sizes) -> float:
    """Directions of a sample, and what they leave out of all tokens."""
    return 8 * CALL + s.batch * (s.n + s.m) * s.d * (PRODUCT * s.d + ENTRY / 10)


def adaptive_search(s: Sizes, rank: int) -> float:
    """Pivots of a sample."""
    return rank * CALL + s.batch * 1200 * rank * (rank + s.d + 2 * ENTRY)


def _total(s: Sizes, token: float, chunk: int, steps: float) -> float:
    if s.is_causal:
        token *= 1.5
    sweeps = 2 * (s.n + s.m) / chunk + 4
    return s.batch * (s.n + s.m) * token + sweeps * steps * CALL
