"""The one product that everything here is made of, over chunks of tokens and never with an n x n or n x k
matrix in memory:

    Y_i = sum_{j seen by i} p(<row_i, column_j>) <left_i, right_j> operand_j,     p a polynomial.

With p = T_g and no left, right it is the numerator and normaliser of attention; with left, right = h, G it is
the paper's row-wise Kronecker product, (U (/) h)((V (/) G)^T X) (Fact C.2), whose Kronecker factor is moved
to the narrow side, the same multiplications: (V (/) G)^T X = V^T (G (/) X), a k x d d state. Causal masks are
prefix states (Algorithm 2, Lemma I.6) between chunks and the masked block of the same polynomial inside a
chunk, so the result is exactly the polynomial's everywhere; the transpose runs backwards.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .features import feature_weights, monomials
from .polynomial import evaluate

Rows = Callable[[slice], Tensor]
"""Hands out rows ``span`` of an (..., n, m) matrix that need not exist: X[..., span, :], or a product made
when asked for.
"""

Mask = Literal["none", "causal", "anticausal"]
"""Which columns j a row i sees: all, j <= i, or j >= i (the transpose of causal)."""


class Term(NamedTuple):
    """One product: polynomial ``coefficients``, ``operand`` (n, p), and ``left``, ``right`` (n, m); None is a
    column of ones.
    """

    coefficients: Sequence[float]
    operand: Rows
    left: Rows | None = None
    right: Rows | None = None


class Points(NamedTuple):
    """The two sides whose inner products are the scores: ``rows`` (n_r, d), ``columns`` (n_c, d)."""

    rows: Rows
    columns: Rows
    row_count: int
    column_count: int

    def transposed(self) -> "Points":
        """The same scores with rows and columns exchanged."""
        return Points(self.columns, self.rows, self.column_count, self.row_count)


class _Chunk(NamedTuple):
    """One term's factors on one chunk, tokens last: (..., p, c) and (..., m, c)."""

    operand: Tensor
    right: Tensor | None


def rows_of(x: Tensor, scale: float = 1.0) -> Rows:
    """Rows of a tensor that is there, times ``scale``."""
    if scale == 1.0:
        return lambda span: x[..., span, :]
    return lambda span: x[..., span, :] * scale


def spans(count: int, chunk: int) -> list[slice]:
    """The consecutive pieces of ``range(count)``, ``chunk`` long but for the last."""
    return [slice(start, min(start + chunk, count)) for start in range(0, count, chunk)]


def kernel_products(
    points: Points, terms: Sequence[Term], *, chunk: int, mask: Mask = "none"
) -> Iterator[tuple[slice, list[Tensor]]]:
    """Yield ``(span, [Y rows span of each term])`` chunk by chunk (last chunk first for "anticausal"), each Y
    (..., c, p).

    Memory O(chunk (k + m p) + k m p), times batch; time O(n k m p) and O(n chunk (d + m + p)) more under a
    mask. A mask needs as many rows as columns.
    """
    moments = _Moments(terms)
    if mask == "none":
        for span in spans(points.column_count, chunk):
            moments.absorb(_load(points.columns, span), [_load_chunk(t, span) for t in terms])
        for span in spans(points.row_count, chunk):
            lefts = [_load_left(t, span) for t in terms]
            yield span, [y.mT for y in moments.emit(_load(points.rows, span), lefts)]
        return
    order = spans(points.row_count, chunk)
    if mask == "anticausal":
        order.reverse()
    for span in order:
        rows, columns = _load(points.rows, span), _load(points.columns, span)
        pieces, lefts = [_load_chunk(t, span) for t in terms], [_load_left(t, span) for t in terms]
        inside = _block_products(rows, columns, terms, pieces, lefts, mask)
        if moments.states:
            inside = [y + z for y, z in zip(moments.emit(rows, lefts), inside, strict=True)]
        if span != order[-1]:
            moments.absorb(columns, pieces)
        yield span, [y.mT for y in inside]


class _Moments:
    """sum_j w_a y_j^a (right_j (x) operand_j) over the columns seen so far: one (..., k, m p) state a term."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self.terms = terms
        self.states: list[Tensor] = []
        self.degree = max(len(t.coefficients) - 1 for t in terms)
        self.weights: list[Tensor] = []

    def absorb(self, columns: Tensor, pieces: Sequence[_Chunk]) -> None:
        """Add the columns (..., d, c) of one chunk. Sums stay in the dtype of the input."""
        if not self.weights:
            d = columns.shape[-2]
            self.weights = [feature_weights(d, t.coefficients).to(columns).unsqueeze(-1) for t in self.terms]
        phi = monomials(columns, self.degree)
        updates = [
            w * (phi[..., : len(w), :] @ kronecker(piece.right, piece.operand).mT)
            for w, piece in zip(self.weights, pieces, strict=True)
        ]
        self.states = [s + u for s, u in zip(self.states, updates, strict=True)] if self.states else updates

    def emit(self, rows: Tensor, lefts: Sequence[Tensor | None]) -> list[Tensor]:
        """Each term's product for the rows (..., d, c) of one chunk, tokens last: (..., p, c)."""
        phi = monomials(rows, self.degree)
        return [
            contract(left, state.mT @ phi[..., : state.shape[-2], :])
            for left, state in zip(lefts, self.states, strict=True)
        ]


def kronecker(right: Tensor | None, operand: Tensor) -> Tensor:
    """right (/) operand, tokens last: (..., m, c), (..., p, c) -> (..., m p, c); the operand alone where
    right is None.
    """
    if right is None:
        return operand
    return (right.unsqueeze(-2) * operand.unsqueeze(-3)).flatten(-3, -2)


def contract(left: Tensor | None, products: Tensor) -> Tensor:
    """sum_l left_l products_{l,.}, tokens last: (..., m, c), (..., m p, c) -> (..., p, c): the other half of
    ``kronecker``.
    """
    if left is None:
        return products
    m = left.shape[-2]
    if m == 1:
        return left * products
    return (products.unflatten(-2, (m, -1)) * left.unsqueeze(-2)).sum(-3)


def mask_block(block: Tensor, mask: Mask) -> Tensor:
    """Zero what a row does not see in a square (..., row, column) block on the diagonal. The diagonal is
    seen.
    """
    return block.tril() if mask == "causal" else block.triu()


def _block_products(
    rows: Tensor,
    columns: Tensor,
    terms: Sequence[Term],
    pieces: Sequence[_Chunk],
    lefts: Sequence[Tensor | None],
    mask: Mask,
) -> list[Tensor]:
    """The part of each product inside one chunk, from its c x c block of scores, tokens last."""
    scores = rows.mT @ columns
    kernels = {tuple(t.coefficients): mask_block(evaluate(t.coefficients, scores), mask) for t in terms}
    results = []
    for term, piece, left in zip(terms, pieces, lefts, strict=True):
        block = kernels[tuple(term.coefficients)]
        results.append(piece.operand @ _weigh(block, left, piece.right).mT)
    return results


def _weigh(block: Tensor, left: Tensor | None, right: Tensor | None) -> Tensor:
    """block * (left right^T) for factors with tokens last."""
    if left is not None and right is not None:
        return block * (left.mT @ right)
    if left is not None:
        return block * left.mT
    return block if right is None else block * right


def _load(rows: Rows, span: slice) -> Tensor:
    return rows(span).mT.contiguous()


def _load_chunk(term: Term, span: slice) -> _Chunk:
    return _Chunk(_load(term.operand, span), None if term.right is None else _load(term.right, span))


def _load_left(term: Term, span: slice) -> Tensor | None:
    return None if term.left is None else _load(term.left, span)


def exact_precision(device: torch.device) -> torch.autocast:
    """A context in which autocast does not narrow the moments: they stay in the dtype of the input."""
    return torch.autocast(device.type, enabled=False)
