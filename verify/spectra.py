"""Eigenvalues and singular values in balls: enclosures by python-flint's certified eigenvalues, sorted rigorously.

The i-th largest of numbers with enclosures [l, u] lies between the i-th largest l and the i-th largest u.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flint import acb_mat, arb, arb_mat

from almostlinear.theorems.spectrum import SPECTRAL


def eigenvalues(matrix: arb_mat) -> list[arb]:
    """Of a symmetric matrix, the largest first; no numbers where they cannot be enclosed.

    Raises:
        ValueError: if the matrix is surely not symmetric.
    """
    if not (matrix - matrix.transpose()).contains(arb_mat(matrix.nrows(), matrix.ncols())):
        raise ValueError(
            "eigenvalues are ordered for symmetric matrices alone; write a symmetric formula, such as Y + Y.T"
        )
    try:
        found = [value.real for value in acb_mat(matrix).eig(multiple=True)]
    except (ValueError, ZeroDivisionError):
        return [arb("nan")] * matrix.nrows()
    if not all(value.is_finite() for value in found):
        return [arb("nan")] * len(found)
    lower = sorted((value.lower() for value in found), key=_Order, reverse=True)
    upper = sorted((value.upper() for value in found), key=_Order, reverse=True)
    return [low.union(high) for low, high in zip(lower, upper, strict=True)]


class _Order:
    """Exact balls in the order of numbers."""

    def __init__(self, value: arb) -> None:
        self.value = value

    def __lt__(self, other: _Order) -> bool:
        return bool(self.value < other.value)


def squares(values: Any) -> list[arb]:
    """The squared singular values of a matrix of balls, the largest first."""
    matrix = arb_mat(values.tolist())
    small = matrix.transpose() * matrix if matrix.ncols() <= matrix.nrows() else matrix * matrix.transpose()
    found = eigenvalues(_symmetric(small))
    return [value.max(arb(0)) for value in found]


def _symmetric(matrix: arb_mat) -> arb_mat:
    """Rounding may leave the two halves of a symmetric product with different balls: both hold the number."""
    rows = matrix.tolist()
    return arb_mat([[rows[min(i, j)][max(i, j)] for j in range(len(rows))] for i in range(len(rows))])


def _singular(index: int) -> Callable[[Any], arb]:
    def rule(values: Any) -> arb:
        found = squares(values)
        return found[index - 1].sqrt() if index <= len(found) else arb(0)

    return rule


def _eigenvalue(index: int) -> Callable[[Any], arb]:
    def rule(values: Any) -> arb:
        found = eigenvalues(arb_mat(values.tolist()))
        inside = abs(index) <= len(found)
        return found[index - 1 if index > 0 else index] if inside else arb("nan")

    return rule


def _tail(index: int) -> Callable[[Any], arb]:
    return lambda values: sum(squares(values)[index:], arb(0))


_RULES = {"singular": _singular, "eigenvalue": _eigenvalue, "tail": _tail}
SPECTRAL_OF: dict[str, Callable[[Any], arb]] = {
    kind: _RULES[kind.split()[0]](index) for kind, (_, index) in SPECTRAL.items()
}
"""By the kind of a norm its value for an array of balls."""
