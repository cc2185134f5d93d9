"""The polynomial that stands for exp, and what it costs in accuracy: T_g(x) = sum_{j<=g} x^j/j! on [-b, b], b
>= max|S|. Its relative error is eta = J_g(b) = int_0^b v^g e^v/g! dv (attained at x = -b), and a row softmax
made from a kernel of relative error eta is within eps1 = 2 eta/(1 + sqrt(1 - eta^2)) of the true one in l1.
Source: theory/chain.md (2.1), (2.2), (2.5).

All bounds here are computed in binary64 and rounded outward: each is at least the real number that it names.
"""

import math
import sys
from collections.abc import Sequence

from torch import Tensor

from .errors import DegreeError

# Binary64 sums of some hundred positive terms, each a product of some hundred factors, are off by less than
# this.
OUTWARD = 1 + 1e-12

DEFAULT_MAX_DEGREE = 64


def taylor_coefficients(degree: int) -> tuple[float, ...]:
    """Coefficients c_j = 1/j! of T_degree, j = 0..degree, each within one unit of binary64."""
    return tuple(1 / math.factorial(j) for j in range(degree + 1))


def derivative(coefficients: Sequence[float]) -> tuple[float, ...]:
    """Coefficients of the derivative polynomial; (0,) for a constant. For T_g this is T_{g-1}."""
    return tuple(j * c for j, c in enumerate(coefficients) if j > 0) or (0.0,)


def evaluate(coefficients: Sequence[float], x: Tensor) -> Tensor:
    """sum_j c_j x^j entry by entry (Horner). Any shape; a new tensor of the dtype of ``x``."""
    result = x.new_full(x.shape, coefficients[-1])
    for c in reversed(coefficients[:-1]):
        result.mul_(x).add_(c)
    return result


def kernel_error(degree: int, bound: float) -> float:
    """Upper bound on eta, the largest |T_degree(x) - e^x|/e^x over |x| <= bound; ``inf`` where binary64
    cannot hold it.

    J_g(b) = sum_{m>=0} b^{g+1+m} / (g! m! (g+1+m)), a sum of positive terms, cut where what is left is less
    than its last term. Nothing cancels, so this holds at eta = 1e-300 as well. Source: chain.md (2.1).
    """
    if bound == 0:
        return 0.0
    if not bound < 700:  # e^b overflows soon after; also nan
        return math.inf
    power = bound  # b^{g+1+m} / (g! m!)
    for j in range(1, degree + 1):
        power *= bound / j
    total, m = power / (degree + 1), 0
    while m < 2 * bound + 2 or power / (degree + 1 + m) > 1e-18 * total:
        m += 1
        power *= bound / m
        total += power / (degree + 1 + m)
        if not total < math.inf:
            return math.inf
    # Past m = 2b the terms at least halve, so the rest is at most the last one.
    total += power / (degree + 1 + m)
    return max(total * OUTWARD, sys.float_info.min)


def softmax_error(eta: float) -> float:
    """Upper bound on eps1, the l1 error of a softmax row whose kernel has relative error ``eta``; ``inf`` for
    eta >= 1.

    eps1 = 2 eta/(1 + sqrt(1 - eta^2)). Every entry is off by at most eps1/2. Source: chain.md (2.5).
    """
    if not eta < 1:
        return math.inf
    return 2 * eta / (1 + math.sqrt((1 - eta) * (1 + eta))) * OUTWARD


def degree_for(eps: float, bound: float, *, max_degree: int = DEFAULT_MAX_DEGREE) -> int:
    """Smallest degree g with eps1(J_g(bound)) <= eps.

    ``eps`` is the l1 error allowed to every row of attention weights (hence eps/2 to each weight, and eps
    max|value| to each output entry), in exact arithmetic: rounding comes on top (rounding.py). ``bound`` >=
    max|S|, the largest score after scaling.

    Raises DegreeError where no degree up to ``max_degree`` does.
    """
    for degree in range(max_degree + 1):
        if softmax_error(kernel_error(degree, bound)) <= eps:
            return degree
    reached = softmax_error(kernel_error(max_degree, bound))
    raise DegreeError(
        f"the row error of degree {max_degree} on scores up to {bound:.4g}",
        f"{reached:.3g}",
        f"at most eps = {eps:.3g} at a degree of at most {max_degree}",
        "shrink the scores (a smaller scale or smaller entries), allow a larger eps, or raise max_degree",
    )


def check_positive(degree: int, bound: float) -> None:
    """Raise DegreeError where T_degree may vanish on [-bound, bound], so that a normaliser may be zero.

    Even degrees are positive everywhere; an odd degree exactly where J_g(bound) < 1. Source: chain.md (2.2).
    """
    eta = kernel_error(degree, bound)
    if degree % 2 == 1 and eta >= 1:
        raise DegreeError(
            f"the kernel error of the odd degree {degree} on scores up to {bound:.4g}",
            f"{eta:.3g}",
            "below 1, or the polynomial has a zero in the range and a normaliser may vanish",
            f"use the even degree {degree + 1}, a higher one, or smaller scores",
        )
