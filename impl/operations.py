"""How many operations a call takes, as exact integers: linear in n, k d^2 a token for Algorithm 1 and k e for
attention (n^{1+o(1)} of Theorem 1.4, with the o(1) written out). Derived from the formulas, not measured; the
tests count the real ones.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from .algorithm1 import TABLES
from .features import feature_count
from .streaming import Mask, spans

Work = Literal["forward", "backward", "repaired", "printed"]


class Operations(NamedTuple):
    """Multiply-adds of matrix products, and multiplications entry by entry for monomials and row-wise
    Kronecker products.
    """

    products: int
    entrywise: int


class TermSize(NamedTuple):
    """Sizes of one streamed product: degree of its polynomial, columns p of the operand, m of left and right
    (0: none).
    """

    degree: int
    operand: int
    left: int = 0
    right: int = 0


def count_operations(
    n: int,
    d: int,
    degree: int,
    *,
    width: int | None = None,
    work: Work = "forward",
    is_causal: bool = False,
    chunk: int = 1,
) -> Operations:
    """Operations of one head with n queries and keys of d features and values of ``width`` e (default d).

    ``work``: "forward" (``low_rank_attention``), "backward" (its gradient, the forward pass excluded), or one
    whole call of ``algorithm1`` by its ``formulas``. ``chunk`` matters under a mask only, where it costs n
    chunk (d + m + p) for the blocks.
    """
    e = d if width is None else width
    lower = max(degree - 1, 0)
    seen: Mask = "causal" if is_causal else "none"
    seeing: Mask = "anticausal" if is_causal else "none"
    forward = _sweep(n, d, [TermSize(degree, e + 1)], seen, chunk)
    if work == "forward":
        return forward
    if work == "backward":
        by_query = _sweep(n, d, [TermSize(lower, d, e + 1, e + 1)], seen, chunk)
        by_key = _sweep(n, d, [TermSize(lower, d, e + 1, e + 1), TermSize(degree, e)], seeing, chunk)
        return _sum([by_query, by_key])
    widths = {"1": 0, "K": 1, "h": e, "G": e, "X": d}
    parts = [forward]
    for matrix in ("f", "f^T"):
        terms = [
            TermSize(degree, widths[line.operand], widths[line.left], widths[line.right])
            for line in TABLES[work]
            if line.matrix == matrix
        ]
        if terms:
            parts.append(_sweep(n, d, terms, seen if matrix == "f" else seeing, chunk))
    # X W, h = X W_V; the last factor of each line; X^T (p_1 X - p_2 X) and X^T (f G).
    last = sum(widths[line.operand] for line in TABLES[work]) * d
    parts.append(Operations(n * (d * d + d * e + last + d * d + d * e), 0))
    return _sum(parts)


def _sweep(n: int, d: int, terms: Sequence[TermSize], mask: Mask, chunk: int) -> Operations:
    """One pass of ``streaming.kernel_products``: moments absorbed and emitted, and the masked blocks."""
    lengths = [s.stop - s.start for s in spans(n, chunk)]
    if mask == "anticausal":
        lengths.reverse()
    # Under a mask the first chunk finds no state to read, and nobody reads what the last would add.
    absorbing, emitting = (n, n) if mask == "none" else (n - lengths[-1], n - lengths[0])
    # Each monomial of degree two or more is one product of two that are there.
    entrywise = (absorbing + emitting) * max(feature_count(d, max(t.degree for t in terms)) - d - 1, 0)
    products = 0
    for t in terms:
        absorbed, emitted = max(t.right, 1) * t.operand, max(t.left, 1) * t.operand
        products += feature_count(d, t.degree) * (absorbing * absorbed + emitting * emitted)
        entrywise += (absorbing * absorbed if t.right else 0) + (emitting * emitted if t.left else 0)
    if mask != "none":
        pairs = sum(length**2 for length in lengths)
        products += pairs * (d + sum(t.operand + (t.left if t.left and t.right else 0) for t in terms))
    return Operations(products, entrywise)


def _sum(parts: Sequence[Operations]) -> Operations:
    return Operations(sum(p.products for p in parts), sum(p.entrywise for p in parts))


class Passes(NamedTuple):
    """Multiply-adds of matrix products in a forward pass and in the backward pass after it."""

    forward: int
    backward: int


def count_attention(
    n: int, d: int, rank: int, lower_rank: int, *, width: int | None = None, keys: int | None = None, block: int = 0
) -> Passes:
    """Of one head of ``almost_linear_attention`` by monomials: exactly a n + b with a, b free of n (b = 0), for n queries and ``keys``
    (default n) of d features, values of ``width`` e (default d), ``rank`` k of the degree and ``lower_rank`` k' of one degree less.

    ``block``: of a causal mask, 0 without; it counts tokens of blocks that are not full. The keys' moments are kept for the backward pass
    without a mask (operator.STATE says up to which size), and made again with one. Searching for the degree is not counted.
    """
    e = (d if width is None else width) + 1
    m = n if keys is None else keys
    values, wide = rank * e, lower_rank * d * e
    if not block:
        return Passes(n * values + m * (values + d), n * (values + wide) + m * (values + wide + 2 * d))
    full = -(-n // block) * block
    forward = full * (2 * values + block * (d + e)) + n * d
    backward = full * (3 * values + 2 * wide + block * (3 * d + 2 * e)) + 2 * n * d
    return Passes(forward, backward)
