"""Kernel products with a Taylor polynomial p = T_g through moments of symmetric monomials: with raw moments

    M_a = sum_j y_j^a z_j (|a| <= g),   sum_j p(x.y_j) z_j = sum_a w_a x^a M_a,   sum_j p'(x.y_j) y_jc z_j = sum_{|a|<g} w'_a x^a M_{a+c},

w_a = 1/a! for p and, as T_g' = T_{g-1}, for p' too. So the "wide" states of the gradient, binom(d+g-1, g-1) x d x e, are picked out of the
binom(d+g, g) x e moments: no Jacobian of the features, no second pass over the tokens that made the moments. Tokens come last:
x is (..., d, c), features (..., k, c), z (..., e, c), moments (..., e, k).
"""

import copy
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from .features import exponents, feature_count, feature_weights, monomials
from .polynomial import derivative, evaluate, taylor_coefficients


class Features(Protocol):
    """What the sweeps over tokens need of a kernel p(x.y) that features represent, of tokens in the coordinates of ``basis`` (..., d, p)
    where there is one.
    """

    basis: Tensor | None

    def part(self, span: slice) -> "Features":
        """The features of some of the first batch dimension."""
        ...

    def features(self, x: Tensor) -> Tensor:
        """phi of tokens (..., d, c): (..., k, c)."""
        ...

    def moments(self, x: Tensor, z: Tensor, features: Tensor, *, slopes: bool) -> Tensor:
        """What tokens x with operands z (..., e, c) add to the state; ``slopes`` where ``slopes`` will be asked of it."""
        ...

    def values(self, moments: Tensor, e: int) -> Tensor:
        """What features are multiplied with for sum_j p(x.y_j) z_j: (..., e, k)."""
        ...

    def slopes(self, moments: Tensor, e: int) -> Tensor:
        """What features are multiplied with for sum_j p'(x.y_j) y_j z_j: (..., d e, k)."""
        ...

    def slope_products(self, wide: Tensor, features: Tensor) -> Tensor:
        """sum_j p'(x.y_j) y_j z_j for each token x: (..., d, e, c)."""
        ...

    def kernel(self, scores: Tensor) -> Tensor:
        """p, pair by pair."""
        ...

    def slope_kernel(self, scores: Tensor) -> Tensor:
        """p', pair by pair."""
        ...


class Monomials:
    """``Features`` of T_g in d variables, of the dtype and on the device of ``like``."""

    def __init__(self, d: int, degree: int, like: Tensor, basis: Tensor | None = None) -> None:
        self.d, self.degree, self.basis = d, degree, basis
        self.lower_rank = feature_count(d, degree - 1) if degree else 0
        self.coefficients = taylor_coefficients(degree)
        self.weights = feature_weights(d, self.coefficients).to(like)
        self.raised = raised_positions(d, degree).to(like.device)

    def part(self, span: slice) -> "Monomials":
        if self.basis is None:
            return self
        made = copy.copy(self)
        made.basis = self.basis[span]
        return made

    def features(self, x: Tensor) -> Tensor:
        """All monomials of degree g or less, (..., k, c); the lower ones come first."""
        return monomials(x, self.degree)

    def moments(self, x: Tensor, z: Tensor, features: Tensor, *, slopes: bool) -> Tensor:
        """M_a of the chunk, (..., e, k), whether or not slopes are wanted."""
        return z @ features.mT

    def values(self, moments: Tensor, e: int) -> Tensor:
        return moments * self.weights

    def slopes(self, moments: Tensor, e: int) -> Tensor:
        rows = moments.mT.contiguous().index_select(-2, self.raised)  # (..., k' d, e)
        wide = rows.view(*moments.shape[:-2], self.lower_rank, self.d * e) * self.weights[: self.lower_rank, None]
        return wide.mT

    def slope_products(self, wide: Tensor, features: Tensor) -> Tensor:
        return (wide @ features[..., : self.lower_rank, :]).unflatten(-2, (self.d, -1))

    def kernel(self, scores: Tensor) -> Tensor:
        return evaluate(self.coefficients, scores)

    def slope_kernel(self, scores: Tensor) -> Tensor:
        return evaluate(derivative(self.coefficients), scores)


def contract(products: Tensor, left: Tensor) -> Tensor:
    """sum_e left_e products_{.,e} for each token, in place: (..., d, e, c), (..., e, c) -> (..., d, c)."""
    return products.mul_(left.unsqueeze(-3)).sum(-2)


@lru_cache(maxsize=32)
def raised_positions(d: int, degree: int) -> Tensor:
    """Where x^a x_c stands among the monomials, for |a| < degree and every c: (k' d,), c fastest. Pure combinatorics, hence kept."""
    table = exponents(d, degree)
    # Additive keys of multi-indices, so that of a + c is key(a) + key(c); distinct ones are checked for.
    make = torch.Generator().manual_seed(0)
    units = torch.randint(-(2**62), 2**62, (d,), generator=make)
    keys = (table * units).sum(-1)
    ordered, places = keys.sort()
    if not bool((ordered.diff() > 0).all()):
        raise ArithmeticError(
            f"two of {len(keys)} multi-indices in {d} variables have one key: seed the keys differently"
        )
    lower = feature_count(d, degree - 1) if degree else 0
    return places[torch.searchsorted(ordered, (keys[:lower, None] + units).flatten())]
