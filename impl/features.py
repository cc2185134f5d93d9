"""Symmetric monomial features: phi(x) has one entry w_a x^a for every multi-index a with |a| <= g, k =
binom(d+g, g) of them, and phi(x).phi(y) = sum_{j<=g} (x.y)^j/j!  for the weights w_a = 1/sqrt(a!), by the
multinomial theorem. These are the factors U_0, V_0 of Lemma I.1 with every product written once (the paper's
construction lists each of its orders, k = sum d^j).

Order: by degree; inside a degree by the sorted list of variable indices. So the monomials of degree j-1 whose
indices are all >= i are the last ones of their block, and the block of degree j is the concatenation over i
of x_i times such a tail: slices, no tables.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from .polynomial import taylor_coefficients


def feature_count(d: int, degree: int) -> int:
    """k = binom(d + degree, degree), the number of monomials in d variables of total degree at most
    ``degree``.
    """
    return math.comb(d + degree, degree)


def monomials(x: Tensor, degree: int) -> Tensor:
    """All x^a with |a| <= degree, unweighted. ``x`` is (..., d, c), tokens last; the result (..., k, c).

    Tokens last: each monomial of a chunk is one contiguous row, so every step is a long vector product. Not
    differentiable (filled in place); gradients are computed in closed form elsewhere.
    """
    d, tokens = x.shape[-2:]
    out = x.new_empty(*x.shape[:-2], feature_count(d, degree), tokens)
    out[..., 0, :] = 1
    if degree == 0:
        return out
    out[..., 1 : d + 1, :] = x
    previous_end = d + 1
    for j in range(2, degree + 1):
        begin = previous_end
        for i in range(d):
            tail = math.comb(d - i + j - 2, j - 1)  # monomials of degree j-1 in the variables i..d-1
            source = out[..., previous_end - tail : previous_end, :]
            torch.mul(source, x[..., i : i + 1, :], out=out[..., begin : begin + tail, :])
            begin += tail
        previous_end = begin
    return out


def feature_weights(d: int, coefficients: Sequence[float]) -> Tensor:
    """w_a^2 = c_|a| |a|!/a! for every multi-index, so that sum_a w_a^2 x^a y^a = sum_j c_j (x.y)^j. Shape
    (k,), binary64, CPU.

    Squared, because they are applied once, to the moments of one side, instead of their roots to both.
    """
    degree = len(coefficients) - 1
    totals, products = _factorials(d, degree)
    scaled = torch.tensor([c * math.factorial(j) for j, c in enumerate(coefficients)], dtype=torch.float64)
    return scaled[totals] / products


@lru_cache(maxsize=64)
def _factorials(d: int, degree: int) -> tuple[Tensor, Tensor]:
    """|a| and a! for every multi-index a, in the order of ``monomials``. Pure combinatorics, hence kept."""
    table = exponents(d, degree)
    factorials = torch.tensor([float(math.factorial(j)) for j in range(degree + 1)], dtype=torch.float64)
    return table.sum(-1), factorials[table].prod(-1)


def exponents(d: int, degree: int) -> Tensor:
    """Every multi-index a with |a| <= degree, (k, d), in the order of ``monomials``."""
    table = torch.zeros(feature_count(d, degree), d, dtype=torch.int64)
    begin, end = 0, 1
    for j in range(1, degree + 1):
        previous_end, begin = end, end
        for i in range(d):
            tail = math.comb(d - i + j - 2, j - 1) if j > 1 else 1
            target = table[begin : begin + tail]
            target.copy_(table[previous_end - tail : previous_end])
            target[:, i] += 1
            begin += tail
        end = begin
    return table


def features(x: Tensor, degree: int) -> Tensor:
    """phi(x) for ``x`` (..., n, d): (..., n, k), with features(x) @ features(y)^T = T_degree(x y^T) entry by
    entry.

    Holds all n k numbers at once: for looking at and for tests. The attention functions stream over chunks
    instead.
    """
    roots = feature_weights(x.shape[-1], taylor_coefficients(degree)).sqrt()
    with torch.no_grad():
        return monomials(x.mT.contiguous(), degree).mT * roots.to(x)
