"""What a call of ``almost_linear_attention`` does, decided from the measured range after exact shifts, eps and predicted cost, and said as
small plain data.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from . import adaptive, cost, kernels, polynomial, tail
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

    ``backend``: "monomials", "adaptive" or "exact". ``degree`` of the polynomial (0 for the others), ``bound`` >= max|S| after exact
    shifts, ``rank`` features, ``row_error``: l1 error of every row of weights in exact arithmetic (0 for exact attention, infinite:
    nothing is guaranteed) for the ``eps`` asked. ``row_scale * column_scale`` is the scale; ``chunk`` tokens are held at a time, in
    causal blocks of ``block`` (0: none). They are of ``group`` elements of the first batch dimension. ``reason``: why this one.
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

    def __str__(self) -> str:
        what = f"degree {self.degree}" if self.backend == "monomials" else f"{self.rank} pivots"
        return f"{what} on scores up to {self.bound:.4g}"


def choose(inputs: Shifted, degree: int | None, eps: float, backend: str, most: int) -> tuple[Choice, Tensor | None]:
    """The cheapest backend that meets eps or the one asked for, and its pivots (at most ``most``) where it is adaptive.

    Raises InputError for NaN and inf, DegreeError where the backend asked for cannot meet eps.
    """
    check_finite(inputs)
    decision = _Decision(inputs, eps, most)
    if degree is not None:
        if backend not in ("auto", "monomials"):
            raise InputError(
                "degree", degree, f"left out for backend={backend!r}", "use backend='monomials', or give eps alone"
            )
        polynomial.check_positive(degree, decision.bound)
        return decision.monomials(degree, decision.a_priori(degree), "the degree was given"), None
    if backend == "exact":
        return decision.exact("it was asked for"), None
    if backend == "monomials":
        return decision.monomials(*decision.degree(), "it was asked for"), None
    if backend == "adaptive":
        return decision.adaptive("it was asked for")
    return decision.cheapest()


def almost_linear_choice(
    inputs: Shifted, degree: int | None, eps: float, backend: str, most: int
) -> tuple[Choice, Tensor | None]:
    """``choose`` without exact attention: with "auto" the cheaper of the two, or the only one that meets eps. Raises DegreeError."""
    choice, pivots = choose(inputs, degree, eps, backend, most)
    if choice.backend != "exact":
        return choice, pivots
    decision = _Decision(inputs, eps, min(most, inputs.query.shape[-2] // 2, inputs.key.shape[-2] // 2))
    try:
        return decision.monomials(*decision.degree(), "exact attention is left out"), None
    except DegreeError as none:
        try:
            return decision.adaptive("no degree meets eps within the features allowed")
        except DegreeError:
            raise none from None


class _Decision:
    """The measured range of one call and what each backend would make of it."""

    def __init__(self, inputs: Shifted, eps: float, most: int) -> None:
        self.inputs, self.eps, self.most = inputs, eps, most
        queries, keys = inputs.query_sizes(), inputs.key_sizes()
        self.bound = bound_between(queries, keys, inputs.scale)
        self.scales = balance_of(queries.largest, keys.largest, inputs.scale)
        self.longest = keys.twos * abs(self.scales[1])
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
        most = polynomial.degree_for(self.eps, self.bound)
        if most < 2:
            return most, self.a_priori(most)
        errors = tail.largest_row_errors(self._operands(), self.longest, self.bound, most)
        errors = [error if g % 2 == 0 or self.a_priori(g) < math.inf else math.inf for g, error in enumerate(errors)]
        degree = next(g for g, error in enumerate(errors) if error <= self.eps)
        return degree, errors[degree]

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

    def adaptive(self, reason: str) -> tuple[Choice, Tensor]:
        found = None
        if self.bound <= MAX_RANGE:
            found = adaptive.select(self._operands(), self.bound, self.eps, self.most)
        if found is None:
            raise DegreeError(
                f"the number of pivots that certify eps = {self.eps:.3g} on scores up to {self.bound:.4g}",
                f"more than {self.most}",
                f"at most {self.most}",
                "allow a larger eps, shrink the scores, or use backend='auto'",
            )
        rank = found.pivots.shape[-2]
        chunks = chunk_sizes(self.inputs, max(rank, self.d), rank)
        choice = Choice("adaptive", 0, self.bound, rank, found.row_error, self.eps, *self.scales, *chunks, reason)
        return choice, found.pivots

    def cheapest(self) -> tuple[Choice, Tensor | None]:
        costs = {"exact": cost.exact(self.sizes)}
        degree, error = self._degree()
        if degree is not None:
            rank, lower = feature_count(self.d, degree), feature_count(self.d, max(degree - 1, 0))
            costs["monomials"] = cost.monomials(self.sizes, rank, lower, chunk_sizes(self.inputs, rank, lower)[0])
        pivots = self._adaptive_rank(min(costs.values()))
        if pivots is not None:
            chunk, *_ = chunk_sizes(self.inputs, max(pivots, self.d), pivots)
            costs["adaptive"] = cost.adaptive(self.sizes, pivots, chunk) / WORTHWHILE
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
            return self.monomials(degree, error, reason), None
        return self.exact(reason if degree is not None else "no degree meets eps on this range"), None

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

    def _adaptive_rank(self, best: float) -> int | None:
        """The rank that a sample needs, where looking for it costs little beside the ``best`` cost and could pay."""
        if self.bound > MAX_RANGE:
            return None
        most = self.most
        while most and cost.adaptive_search(self.sizes, most) > best / 10:
            most //= 2
        return adaptive.predicted_rank(self._operands(), self.eps, most) if most else None

    def _operands(self) -> Operands:
        return Operands(self.inputs, *self.scales)


def chunk_sizes(inputs: Shifted, rank: int, lower_rank: int) -> tuple[int, int, int]:
    """Tokens of a chunk, whose features fill CHUNK_BYTES at most; of a causal block (0: none), where the pairs inside blocks cost about
    what their moments do; and elements of the first batch dimension at a time, fewer where chunks would be short.
    """
    *batch, n, d = inputs.query.shape
    e, m = inputs.value.shape[-1] + 1, inputs.key.shape[-2]
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


def check_finite(inputs: Shifted) -> None:
    """Raise NonFiniteError for the first of query, key, value with NaN or inf."""
    for name, x in _tensors(inputs):
        finite_largest(name, x)


def _tensors(inputs: Shifted) -> Iterator[tuple[str, Tensor]]:
    yield from (("query", inputs.query), ("key", inputs.key), ("value", inputs.value))
