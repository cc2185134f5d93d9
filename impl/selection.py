"""What a call of ``almost_linear_attention`` does, decided from the measured range after exact shifts, eps and predicted cost, and said as
small plain data.
"""

import bisect
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from . import adaptive, cost, kernels, polynomial, subspace, tail
from .errors import DegreeError, InputError
from .features import feature_count
from .operands import Operands
from .plan import MAX_FEATURES
from .score_range import balance_of, bound_between
from .shifts import Shifted
from .validation import finite_largest

BACKENDS = ("auto", "monomials", "adaptive", "exact")
LARGEST_CHUNK, WANTED_CHUNK, SMALLEST_CHUNK, CHUNK_BYTES = 4096, 1024, 64, 1 << 23
LARGEST_BLOCK = 256
WORTHWHILE = 0.7
"""The adaptive backend has to be predicted this much cheaper: the prediction is from a sample, and it may have to begin again."""
MAX_RANGE = 200.0
"""Scores beyond which exp overflows some state: adaptive features are not tried."""


@dataclass(frozen=True)
class Choice:
    """A decided computation.

    ``backend``: "monomials", "adaptive" or "exact". ``degree`` of the polynomial (0 where there is none), ``bound`` >= max|S| after exact
    shifts, ``rank`` features, ``row_error``: l1 error of every row of weights in exact arithmetic (0 for exact attention, infinite:
    nothing is guaranteed) for the ``eps`` asked. ``row_scale * column_scale`` is the scale; ``chunk`` tokens are held at a time, in
    causal blocks of ``block`` (0: none). They are of ``group`` elements of the first batch dimension. ``reason``: why this one. The
    adaptive backend uses pivots (``by_pivots``, ``degree`` 0) or monomials, in ``directions`` coordinates of a subspace (0: in all).
    """

    backend: str
    degree: int
    bound: float
    rank: int
    row_error: float
    eps: float
    row_scale: float
    column_scale: float
    chunk: int
    block: int
    group: int
    reason: str
    directions: int = 0
    by_pivots: bool = False

    def __str__(self) -> str:
        return f"{self.what} on scores up to {self.bound:.4g}"

    @property
    def what(self) -> str:
        """The features, in words."""
        made = f"{self.rank} pivots" if self.by_pivots else f"degree {self.degree}"
        return f"{made} in {self.directions} directions" if self.directions else made


class Kept(NamedTuple):
    """What the features need beside a choice: ``pivots`` (..., r, p), and the ``basis`` (..., d, p) of a subspace, or None."""

    pivots: Tensor | None = None
    basis: Tensor | None = None


def choose(inputs: Shifted, degree: int | None, eps: float, backend: str, most: int) -> tuple[Choice, Kept]:
    """The cheapest backend that meets eps or the one asked for, and what it made of the data (at most ``most`` pivots).

    Raises InputError for NaN and inf, DegreeError where the backend asked for cannot meet eps or numbers would underflow.
    """
    check_finite(inputs)
    decision = _Decision(inputs, eps, most)
    if degree is not None and backend not in ("auto", "monomials"):
        raise InputError(
            "degree", degree, f"left out for backend={backend!r}", "use backend='monomials', or give eps alone"
        )
    refused = decision.unserved if degree is None else unserved(inputs, decision.bound, promised=False)
    if refused is not None:
        if degree is None and backend in ("auto", "exact"):
            return decision.exact("the range of numbers is too small for anything else"), Kept()
        raise refused
    if degree is not None:
        polynomial.check_positive(degree, decision.bound)
        return decision.monomials(degree, decision.a_priori(degree), "the degree was given"), Kept()
    if backend == "exact":
        return decision.exact("it was asked for"), Kept()
    if backend == "monomials":
        return decision.monomials(*decision.degree(), "it was asked for"), Kept()
    if backend == "adaptive":
        return decision.adaptive("it was asked for")
    return decision.cheapest()


def almost_linear_choice(
    inputs: Shifted, degree: int | None, eps: float, backend: str, most: int
) -> tuple[Choice, Kept]:
    """``choose`` without exact attention: with "auto" the cheaper of the two, or the only one that meets eps. Raises DegreeError."""
    choice, kept = choose(inputs, degree, eps, backend, most)
    if choice.backend != "exact":
        return choice, kept
    decision = _Decision(inputs, eps, min(most, inputs.query.shape[-2] // 2, inputs.key.shape[-2] // 2))
    if decision.unserved is not None:
        raise decision.unserved
    try:
        return decision.monomials(*decision.degree(), "exact attention is left out"), Kept()
    except DegreeError as none:
        try:
            return decision.adaptive("no degree meets eps within the features allowed")
        except DegreeError:
            raise none from None


class _Decision:
    """The measured range of one call and what each backend would make of it."""

    def __init__(self, inputs: Shifted, eps: float, most: int) -> None:
        self.inputs, self.eps, self.most = inputs, eps, most
        self.queries, self.keys = inputs.query_sizes(), inputs.key_sizes()
        self.bound = bound_between(self.queries, self.keys, inputs.scale)
        self.unserved = unserved(inputs, self.bound)
        self.scales = (1.0, inputs.scale)
        if math.isfinite(self.bound):
            self.scales = balance_of(self.queries.largest, self.keys.largest, inputs.scale)
        self.longest = self.keys.twos * abs(self.scales[1])
        *batch, n, self.d = inputs.query.shape
        e = inputs.value.shape[-1]
        self.sizes = cost.Sizes(math.prod(batch), n, inputs.key.shape[-2], self.d, e, inputs.is_causal)

    def exact(self, reason: str) -> Choice:
        return Choice("exact", 0, self.bound, 0, 0.0, self.eps, *self.scales, 1, 0, 1, reason)

    def a_priori(self, degree: int) -> float:
        """eps1(J_g(b)), without looking at the tokens again."""
        return polynomial.softmax_error(polynomial.kernel_error(degree, self.bound))

    def degree(self) -> tuple[int, float]:
        """The least degree that meets eps, and the error of the worst row: measured, but never above what the range alone guarantees.

        Raises DegreeError where there is none.
        """
        return least_degree(Operands(self.inputs, *self.scales), self.longest, self.bound, self.eps)

    def monomials(self, degree: int, error: float, reason: str) -> Choice:
        rank = feature_count(self.d, degree)
        if rank > MAX_FEATURES:
            raise DegreeError(
                f"the number of features of degree {degree} in {self.d} dimensions",
                rank,
                f"at most {MAX_FEATURES}",
                "shrink the scores, allow a larger eps, or use exact attention: this is outside the regime",
            )
        if kernels.serve(self.inputs, degree):
            chunks = kernels.token_chunks(self.inputs, degree)
        else:
            chunks = chunk_sizes(self.inputs, rank, feature_count(self.d, max(degree - 1, 0)))
        return Choice("monomials", degree, self.bound, rank, error, self.eps, *self.scales, *chunks, reason)

    def adaptive(self, reason: str) -> tuple[Choice, Kept]:
        """Pivots, where a sample says that they are cheaper than monomials in a subspace, else those, else more pivots.

        Raises DegreeError where neither is certified.
        """
        expected = self.expected_monomials
        most = self.most if expected is None else self._fewer_pivots(expected)
        for find in (
            lambda: self._pivots(most, reason),
            lambda: self._few(reason),
            lambda: self._pivots(self.most, reason),
        ):
            found = find()
            if found is not None:
                return found
            if expected is None:
                break
        raise DegreeError(
            f"the number of pivots that certify eps = {self.eps:.3g} on scores up to {self.bound:.4g}",
            f"more than {self.most}",
            f"at most {self.most}",
            "allow a larger eps, shrink the scores, or use backend='auto'",
        )

    def _pivots(self, most: int, reason: str) -> tuple[Choice, Kept] | None:
        near = self.near
        bound, spent = (self.bound, 0.0) if near is None else (near.bound, near.row_error)
        if not most or bound > MAX_RANGE:
            return None
        found = adaptive.select(self._operands(), bound, self.eps, most, spent)
        if found is None:
            return None
        rank, p = found.pivots.shape[-2:]
        chunks = chunk_sizes(self.inputs, max(rank, p), rank, p)
        directions = 0 if near is None else p
        choice = Choice(
            "adaptive", 0, bound, rank, found.row_error, self.eps, *self.scales, *chunks, reason, directions, True
        )
        return choice, Kept(found.pivots, None if near is None else near.basis)

    def _few(self, reason: str) -> tuple[Choice, Kept] | None:
        """Monomials in the subspace, measured on all tokens."""
        near, few = self.near, self._monomials_within(self.inputs)
        if near is None or few is None:
            return None
        p = few.directions
        rank, lower = feature_count(p, few.degree), feature_count(p, max(few.degree - 1, 0))
        chunks = chunk_sizes(self.inputs, rank, lower, p)
        error = few.error + near.row_error
        choice = Choice("adaptive", few.degree, near.bound, rank, error, self.eps, *self.scales, *chunks, reason, p)
        return choice, Kept(None, near.basis)

    @cached_property
    def near(self) -> subspace.Subspace | None:
        """The subspace in which the adaptive backend works; None for all coordinates."""
        found = subspace.find(self.inputs, self.queries, self.keys, self.eps)
        return found if found is not None and found.row_error <= self.eps / 2 and found.bound <= MAX_RANGE else None

    @cached_property
    def expected_monomials(self) -> "_Few | None":
        """The monomials that serve a sample in the subspace; None where there is no subspace, or they are too many."""
        return self._monomials_within(subspace.sample(self.inputs))

    def _monomials_within(self, inputs: Shifted) -> "_Few | None":
        """Those that serve the tokens of ``inputs`` in the subspace."""
        near = self.near
        if near is None:
            return None
        operands = Operands(inputs, *self.scales, basis=near.basis)
        eps, p = self.eps - near.row_error, near.basis.shape[-1]
        try:
            if feature_count(p, max(polynomial.degree_for(eps, near.bound) // 2, 1)) > MAX_FEATURES:
                return None
            degree, error = least_degree(operands, self.longest * near.stretch, near.bound, eps)
        except DegreeError:
            return None
        rank, lower = feature_count(p, degree), feature_count(p, max(degree - 1, 0))
        # More than half of the tokens are no low rank.
        if rank > min(MAX_FEATURES, self.sizes.n // 2, self.sizes.m // 2):
            return None
        chunk, *_ = chunk_sizes(self.inputs, rank, lower, p)
        return _Few(degree, p, error, cost.monomials(self.sizes._replace(d=p), rank, lower, chunk))

    def _fewer_pivots(self, few: "_Few") -> int:
        """The most pivots that are predicted to be cheaper than monomials in the subspace."""
        return bisect.bisect_left(range(1, self.most + 1), few.cost, key=self._pivots_cost)

    def _pivots_cost(self, pivots: int) -> float:
        p = self.d if self.near is None else self.near.basis.shape[-1]
        chunk, *_ = chunk_sizes(self.inputs, max(pivots, p), pivots, p)
        return cost.adaptive(self.sizes._replace(d=p), pivots, chunk)

    def cheapest(self) -> tuple[Choice, Kept]:
        costs = {"exact": cost.exact(self.sizes)}
        degree, error = self._degree()
        if degree is not None:
            rank, lower = feature_count(self.d, degree), feature_count(self.d, max(degree - 1, 0))
            costs["monomials"] = cost.monomials(self.sizes, rank, lower, chunk_sizes(self.inputs, rank, lower)[0])
        adapted = self._adaptive_cost(min(costs.values()))
        if adapted is not None:
            costs["adaptive"] = adapted / WORTHWHILE
        best = min(costs, key=lambda name: costs[name])
        reason = "predicted ms of one CPU core: " + ", ".join(
            f"{name} {c / 4e7:.3g}" for name, c in sorted(costs.items())
        )
        if best == "adaptive":
            try:
                return self.adaptive(reason)
            except DegreeError:
                del costs["adaptive"]
                best = min(costs, key=lambda name: costs[name])
        if best == "monomials" and degree is not None:
            return self.monomials(degree, error, reason), Kept()
        return self.exact(reason if degree is not None else "no degree meets eps on this range"), Kept()

    def _degree(self) -> tuple[int | None, float]:
        """The degree for eps and its error; None where there is none or exact attention is sure to be cheaper."""
        try:
            # A range that asks for many degrees more than fit is not worth measuring.
            if feature_count(self.d, max(polynomial.degree_for(self.eps, self.bound) // 2, 1)) > MAX_FEATURES:
                return None, math.inf
            degree, error = self.degree()
        except DegreeError:
            return None, math.inf
        return (degree, error) if feature_count(self.d, degree) <= MAX_FEATURES else (None, math.inf)

    def _adaptive_cost(self, best: float) -> float | None:
        """Predicted for the monomials that serve in a subspace or the rank that a sample needs, where looking for them costs little beside
        the ``best`` cost and could pay.
        """
        if self.bound > MAX_RANGE or cost.subspace_search(self.sizes) > best / 10:
            return None
        few = self.expected_monomials
        most = self.most if few is None else self._fewer_pivots(few)
        while most and cost.adaptive_search(self.sizes, most) > best / 10:
            most //= 2
        pivots = adaptive.predicted_rank(self._operands(), self.eps, most) if most else None
        if pivots is not None:
            return self._pivots_cost(pivots)
        return None if few is None else few.cost

    def _operands(self) -> Operands:
        """Of the adaptive backend."""
        return Operands(self.inputs, *self.scales, basis=None if self.near is None else self.near.basis)


class _Few(NamedTuple):
    """Monomials of ``degree`` in ``directions`` coordinates, the ``error`` of the worst row and the predicted ``cost``."""

    degree: int
    directions: int
    error: float
    cost: float


def least_degree(operands: Operands, longest: Tensor, bound: float, eps: float) -> tuple[int, float]:
    """The least degree that meets eps, and the error of the worst row: measured, but never above what the range alone guarantees.
    ``longest`` (...) the 2-norm of the longest key, scaled; ``bound`` >= max|S|.

    Raises DegreeError where there is none.
    """

    def a_priori(degree: int) -> float:
        return polynomial.softmax_error(polynomial.kernel_error(degree, bound))

    most = polynomial.degree_for(eps, bound)
    if most < 2:
        return most, a_priori(most)
    errors = tail.largest_row_errors(operands, longest, bound, most, eps=eps)
    errors = [error if g % 2 == 0 or a_priori(g) < math.inf else math.inf for g, error in enumerate(errors)]
    degree = next(g for g, error in enumerate(errors) if error <= eps)
    return degree, errors[degree]


def chunk_sizes(inputs: Shifted, rank: int, lower_rank: int, directions: int = 0) -> tuple[int, int, int]:
    """Tokens of a chunk, whose features fill CHUNK_BYTES at most; of a causal block (0: none), where the pairs inside blocks cost about
    what their moments do; and elements of the first batch dimension at a time, fewer where chunks would be short. ``directions``: that
    queries and keys have, 0 for all coordinates.
    """
    *batch, n, d = inputs.query.shape
    d, e, m = directions or d, inputs.value.shape[-1] + 1, inputs.key.shape[-2]
    lead = batch[0] if batch else 1
    element_bytes = max(rank, e * d) * math.prod(batch) // lead * inputs.query.element_size()
    group = max(1, min(lead, CHUNK_BYTES // (element_bytes * min(WANTED_CHUNK, n, m))))
    chunk = min(LARGEST_CHUNK, CHUNK_BYTES // (element_bytes * group), max(n, m))
    if not inputs.is_causal:
        # No power of two: rows of features would fall on the same lines of the cache.
        return max(SMALLEST_CHUNK, chunk // 64 * 64) + 16, 0, group
    wide = e * d * max(lower_rank, 1)
    block = max(adaptive.SMALLEST_BLOCK, min(LARGEST_BLOCK, 2 ** round(math.log2(wide) / 2)))
    return max(1, chunk // block) * block, block, group


def unserved(inputs: Shifted, bound: float, *, promised: bool = True) -> DegreeError | None:
    """Why no features serve: scores that are no numbers, or a row whose every key has a weight so small that its sums would underflow;
    with the smallest e^s beside it where an error is ``promised``.
    """
    if not math.isfinite(bound):
        return DegreeError("a bound on the scores", bound, "finite", "shrink queries and keys, or use float64")
    smallest = inputs.smallest_weight()
    # Half of the exponents are left to the features, and what underflows is then below any rounding.
    lowest = min(math.log(torch.finfo(inputs.query.dtype).tiny) / 2 + (bound if promised else 0.0), 0.0)
    if smallest >= lowest:
        return None
    return DegreeError(
        "the logarithm of the largest weight that a row sees, the largest of all being 1,",
        f"{smallest:.4g}",
        f"at least {lowest:.4g} on scores up to {bound:.4g}",
        "shrink the spread of attn_mask or of the keys under a causal mask, or use float64 or exact attention",
    )


def check_finite(inputs: Shifted) -> None:
    """Raise NonFiniteError for the first of query, key, value with NaN or inf."""
    for name, x in _tensors(inputs):
        finite_largest(name, x)


def _tensors(inputs: Shifted) -> Iterator[tuple[str, Tensor]]:
    yield from (("query", inputs.query), ("key", inputs.key), ("value", inputs.value))
