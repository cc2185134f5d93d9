"""What is guaranteed for the tensors at hand: ranges, the degree and rank that eps needs, and bounds on the errors of the output and of the
gradients, truncation by theory and rounding apart (rows.py, roundoff.py).
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from . import adaptive, roundoff, rows, subspace
from .adaptive import PivotFeatures
from .errors import DegreeError, InputError
from .functional import arguments, check_options
from .operands import Operands
from .operator import MOST_PIVOTS
from .plan import DEFAULT_EPS
from .score_range import bound_between, largest_entry, sizes
from .selection import Choice, Kept, almost_linear_choice, unserved
from .shifts import Shifted, shift
from .streaming import exact_precision
from .validation import check_shape


@dataclass(frozen=True)
class Errors:
    """Bounds on the largest absolute error of an entry; None without an upstream gradient."""

    output: float
    query: float | None = None
    key: float | None = None
    value: float | None = None


@dataclass(frozen=True)
class Certificate:
    """What ``certify`` found.

    ``guaranteed``: in exact arithmetic every row of weights is within ``eps`` of softmax attention's in l1. ``verdict`` says so, or "not
    guaranteed: ..." and why. ``largest_entry`` of query and key, ``range_given`` >= max|S| of the tensors as they are, ``range_shifted``
    after exact shifts, which decides. ``backend``, ``degree`` (0 for pivots), ``rank`` and ``row_error`` where one was found.
    ``truncation`` and ``rounding`` bound the errors of output and gradients (by query, key and value as given: one that is broadcast or
    shared by a group of heads has the sum of theirs). Their sum holds for what ``almost_linear_attention`` returns with this ``backend``
    in ``dtype``, where no number underflows; where "auto" turns to exact attention instead, its rounding is torch's.
    """

    guaranteed: bool
    verdict: str
    eps: float
    n: int
    m: int
    d: int
    dtype: str
    largest_entry: float
    range_given: float
    range_shifted: float
    backend: str | None = None
    degree: int | None = None
    rank: int | None = None
    row_error: float | None = None
    truncation: Errors | None = None
    rounding: Errors | None = None

    def to_json(self) -> dict[str, object]:
        """Plain data; infinite bounds as strings."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def certify(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    upstream: Tensor | None = None,
    *,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    degree: int | None = None,
    eps: float | None = None,
    backend: str = "auto",
) -> Certificate:
    """What ``almost_linear_attention`` guarantees for these tensors, of the monomials or of the adaptive backend (exact attention needs no
    certificate): for ``degree``, or for the least that meets ``eps`` (1e-3 by default).

    Arguments as there; n = m under ``is_causal``. ``upstream`` (..., n, e), the gradient by the output, to have bounds on gradients.
    Raises InputError for what cannot be served, never for what cannot be guaranteed.
    """
    check_options(degree, eps, backend)
    if backend == "exact":
        raise InputError(
            "backend", "'exact'", "auto, monomials or adaptive", "exact attention has no truncation to certify"
        )
    eps = DEFAULT_EPS if eps is None else eps
    given = query, key, value
    query, key, value, bias, scale, _ = arguments(query, key, value, attn_mask, 0.0, scale, enable_gqa)
    if not query.numel() or not key.numel() or not value.numel():
        raise InputError("the shape of query", tuple(query.shape), "without a zero", "there is nothing to certify")
    if is_causal and query.shape[-2] != key.shape[-2]:
        raise InputError(
            "the number of keys under a causal mask",
            key.shape[-2],
            f"{query.shape[-2]}",
            "cut the keys that no query sees",
        )
    if upstream is not None:
        check_shape("upstream", upstream, (*query.shape[:-1], value.shape[-1]), "it is the gradient by the output")
        upstream = upstream.to(query.dtype)
    with torch.no_grad(), exact_precision(query.device):
        inputs = shift(query, key, value, bias, scale, is_causal)
        known = _known(inputs, eps)
        try:
            choice, kept = almost_linear_choice(inputs, degree, eps, backend, MOST_PIVOTS)
        except DegreeError as error:
            return Certificate(False, f"not guaranteed: {error}", **known)
        refused = unserved(inputs, choice.bound)
        if refused is not None:
            return Certificate(False, f"not guaranteed: {refused}", **known)
        by_query, by_key, by_value = (math.prod(query.shape[:-2]) // math.prod(x.shape[:-2]) for x in given)
        return _certificate(inputs, choice, kept, eps, upstream, (by_query, by_key, by_value), known)


def _known(inputs: Shifted, eps: float) -> dict[str, Any]:
    query, key = inputs.query, inputs.key
    given = bound_between(sizes(query), sizes(key, keep=inputs.keep), inputs.scale)
    return {
        "eps": eps,
        "n": query.shape[-2],
        "m": key.shape[-2],
        "d": query.shape[-1],
        "dtype": str(query.dtype).removeprefix("torch."),
        "largest_entry": max(largest_entry(query), largest_entry(key)),
        "range_given": given,
        "range_shifted": bound_between(inputs.query_sizes(), inputs.key_sizes(), inputs.scale),
    }


def _certificate(
    inputs: Shifted,
    choice: Choice,
    kept: Kept,
    eps: float,
    upstream: Tensor | None,
    copies: roundoff.Copies,
    known: dict[str, Any],
) -> Certificate:
    pivots, near = kept.pivots, None
    operands = Operands(inputs, choice.row_scale, choice.column_scale, basis=kept.basis)
    if kept.basis is not None:
        near = subspace.measure(inputs, inputs.query_sizes(), inputs.key_sizes(), kept.basis)
    if pivots is None:
        found, made = rows.of_monomials(operands, choice, 1.0 if near is None else near.stretch), None
    else:
        found = rows.of_pivots(operands, pivots, choice, adaptive.residuals(operands, pivots, choice.bound, eps))
        computed, precise = PivotFeatures(pivots, eps, inputs.query), PivotFeatures(pivots, eps, pivots.double())
        made = roundoff.feature_errors(operands, computed, precise)
    if near is not None:
        found = rows.within(found, near)
    row_error = found.error.max().item()
    output, *gradients = rows.errors(inputs, found, upstream, near)
    truncation = (output, *(x * count for x, count in zip(gradients, copies, strict=False)))
    rounding = roundoff.errors(inputs, choice, found, upstream, made, near, copies)
    good = row_error <= eps
    verdict = f"guaranteed: every row of weights is within {row_error:.3g} in l1 ({choice.backend}, {choice.what}, rank {choice.rank})"
    if not good:
        verdict = f"not guaranteed: the row error of {choice.what} is {row_error:.3g}, but must be at most {eps = :.3g}: leave out degree."
    return Certificate(
        good,
        verdict,
        **known,
        backend=choice.backend,
        degree=choice.degree,
        rank=choice.rank,
        row_error=row_error,
        truncation=Errors(*truncation),
        rounding=Errors(*rounding),
    )


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return str(value) if isinstance(value, float) and not abs(value) < float("inf") else value
