"""What is decided before the first token is read: the degree (from the measured range of the scores and eps,
or given and checked), the chunk, the scaling. A plan is small plain data; looking at one tells what a call
will do and what it guarantees.
"""

import math
from dataclasses import dataclass
from typing import TypedDict, Unpack

from torch import Tensor

from . import polynomial
from .errors import DegreeError
from .features import feature_count
from .score_range import balance, score_bound
from .streaming import Mask
from .validation import check_attention, check_count, check_positive_number

DEFAULT_EPS = 1e-3
MAX_FEATURES = 1 << 18
SMALLEST_CHUNK, CAUSAL_CHUNK, LARGEST_CHUNK = 64, 256, 2048
CHUNK_BYTES = 1 << 24


@dataclass(frozen=True)
class Plan:
    """A decided computation.

    ``bound`` >= max|S| is the measured range, ``degree`` the polynomial's, ``coefficients`` its Taylor
    coefficients, ``rank`` = k its number of features, ``row_scale * column_scale`` = ``scale``, ``chunk`` the
    tokens held at a time. ``row_error`` bounds the l1 error of every row of attention weights in exact
    arithmetic (infinite: nothing is guaranteed).
    """

    degree: int
    coefficients: tuple[float, ...]
    bound: float
    scale: float
    row_scale: float
    column_scale: float
    is_causal: bool
    chunk: int
    rank: int

    @property
    def row_error(self) -> float:
        """eps1(J_degree(bound)), chain.md (2.5)."""
        return polynomial.softmax_error(polynomial.kernel_error(self.degree, self.bound))

    @property
    def mask(self) -> Mask:
        """What queries see of keys."""
        return "causal" if self.is_causal else "none"

    @property
    def transposed_mask(self) -> Mask:
        """What keys see of queries."""
        return "anticausal" if self.is_causal else "none"


class PlanOptions(TypedDict, total=False):
    """What may be asked for: see ``low_rank_attention`` for the meaning of each."""

    degree: int | None
    eps: float | None
    scale: float | None
    is_causal: bool
    chunk: int | None
    max_degree: int
    entry_bound: float | None


def plan_attention(query: Tensor, key: Tensor, value: Tensor, **options: Unpack[PlanOptions]) -> Plan:
    """The plan that ``low_rank_attention`` follows for the same arguments; raises what it raises."""
    check_attention(query, key, value, options.get("is_causal", False), options.pop("entry_bound", None))
    return make_plan(query, key, value.shape[-1], **options)


def make_plan(rows: Tensor, columns: Tensor, width: int, *, slack: float = 0.0, **options: Unpack[PlanOptions]) -> Plan:
    """The plan for scores scale <rows_i, columns_j>, rows known within ``slack`` a score, and values of
    ``width``.
    """
    scale, chunk = options.get("scale"), options.get("chunk")
    max_degree = options.get("max_degree", polynomial.DEFAULT_MAX_DEGREE)
    is_causal = options.get("is_causal", False)
    if scale is None:
        scale = 1 / math.sqrt(rows.shape[-1])
    check_positive_number("scale", scale)
    check_count("max_degree", max_degree, 0, 128)  # 170! is the last that binary64 holds
    bound = score_bound(rows, columns, scale) + scale * slack
    degree = choose_degree(bound, rows.shape[-1], options.get("degree"), options.get("eps"), max_degree)
    rank = feature_count(rows.shape[-1], degree)
    if chunk is None:
        chunk = default_chunk(rows, rank, width, is_causal)
    check_count("chunk", chunk, 1)
    row_scale, column_scale = balance(rows, columns, scale)
    return Plan(
        degree=degree,
        coefficients=polynomial.taylor_coefficients(degree),
        bound=bound,
        scale=scale,
        row_scale=row_scale,
        column_scale=column_scale,
        is_causal=is_causal,
        chunk=min(chunk, max(rows.shape[-2], columns.shape[-2])),
        rank=rank,
    )


def choose_degree(bound: float, d: int, degree: int | None, eps: float | None, max_degree: int) -> int:
    """The given degree if it keeps its promise, else the smallest that meets eps (DEFAULT_EPS where neither
    is given).
    """
    if eps is not None:
        check_positive_number("eps", eps)
    if degree is None:
        degree = polynomial.degree_for(DEFAULT_EPS if eps is None else eps, bound, max_degree=max_degree)
    else:
        check_count("degree", degree, 0, max_degree)
        polynomial.check_positive(degree, bound)
        error = polynomial.softmax_error(polynomial.kernel_error(degree, bound))
        if eps is not None and not error <= eps:
            raise DegreeError(
                f"the row error of degree {degree} on scores up to {bound:.4g}",
                f"{error:.3g}",
                f"at most eps = {eps:.3g}",
                "raise the degree, or leave it out to have it chosen",
            )
    checked_rank(d, degree, "use exact attention")
    return degree


def checked_rank(d: int, degree: int, otherwise: str) -> int:
    """The number of features; raises DegreeError, with what to do ``otherwise``, where there would be more than MAX_FEATURES."""
    rank = feature_count(d, degree)
    if rank > MAX_FEATURES:
        raise DegreeError(
            f"the number of features of degree {degree} in {d} dimensions",
            rank,
            f"at most {MAX_FEATURES}",
            f"shrink the scores, allow a larger eps, or {otherwise}: this is outside the regime",
        )
    return rank


def default_chunk(rows: Tensor, rank: int, width: int, is_causal: bool) -> int:
    """Tokens at a time: as many as make long vectors, fewer where features and Kronecker products would fill
    16 MB, and fewer under a mask, where the block of a chunk costs its square.
    """
    batch = rows[..., 0, 0].numel()
    token_bytes = (rank + width * rows.shape[-1]) * batch * rows.element_size()
    most = CAUSAL_CHUNK if is_causal else LARGEST_CHUNK
    return max(SMALLEST_CHUNK, min(most, CHUNK_BYTES // token_bytes))
