"""Attention weights under an error of the kernel, as rules of the norm calculus: consequences of statements T.1 and S.1.

For f~ - f with f = diag(1/(A 1)) A and f~ = diag(1/(A~ 1)) A~ of the same form, |f~ - f| <= eps_1/2 and |f~ - f|_row <= eps_1, where
eps_1 = 2 eta / (1 + sqrt(1 - eta^2)), eta <= 1, and |A~ - A| <= eta A entry by entry (S.1). By its form

    A~ = A * (1 +- eta E) with |E| <= 1             has the relative error eta,
    A = M * exp(S), A~ = M * T_g(S), any mask M     has the relative error J_g(|S|) (T.1, entry by entry).
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from .formula import Formula
from .functions import J


class Named(sympy.Symbol):
    """A nonnegative symbol that stands for an expression, so that a bound stays a polynomial in it."""

    value: sympy.Expr

    def __new__(cls, label: str, value: sympy.Expr):
        made = sympy.Symbol.__xnew__(cls, label, nonnegative=True)
        made.value = value
        return made

    def __getnewargs_ex__(self):
        return ((self.name, self.value), {})

    def _hashable_content(self):
        return (*super()._hashable_content(), self.value)


@dataclass(frozen=True)
class WeightsError:
    """|f~ - f|_row <= ``bound`` and |f~ - f| <= bound/2 where ``needs`` holds; ``lemmas`` are the statements that say so."""

    bound: Named
    needs: sympy.core.relational.Relational
    lemmas: tuple[str, ...]


def weights_error(a: Formula) -> WeightsError | None:
    """The rule for a difference f~ - f of attention weights (or f - f~), None if it is not of that form."""
    a = _bare(a)
    if a.op != "add" or a.args[1].op != "scale" or a.args[1].data[0] != -1:
        return None
    first, second = kernel_of(a.args[0]), kernel_of(a.args[1].args[0])
    if first is None or second is None:
        return None
    for near, exact in ((first, second), (second, first)):
        found = _relative_error(near, exact)
        if found is not None:
            eta, lemmas = found
            value = 2 * eta / (1 + sympy.sqrt(1 - eta**2))
            return WeightsError(Named("eps_1", value), sympy.LessThan(eta, 1), lemmas)
    return None


def _bare(node: Formula) -> Formula:
    while node.op == "define":
        node = node.args[0]
    return node


def kernel_of(a: Formula) -> Formula | None:
    """u of diag(1/(u 1)) u."""
    a = _bare(a)
    if a.op != "matmul" or _bare(a.args[0]).op != "diag":
        return None
    u, inverse = _bare(a.args[1]), _bare(_bare(a.args[0]).args[0])
    if inverse.op != "recip":
        return None
    sums = _bare(inverse.args[0])
    return u if sums.op == "matmul" and _bare(sums.args[0]) is u and _bare(sums.args[1]).op == "ones" else None


def _relative_error(near: Formula, exact: Formula) -> tuple[sympy.Expr, tuple[str, ...]] | None:
    """eta with |near - exact| <= eta exact entry by entry, by the form of the two kernels."""
    if near.op == "hadamard" and _bare(near.args[0]) is exact and _positive(exact):
        eta = _perturbation(_bare(near.args[1]))
        return None if eta is None else (eta, ("S.1",))
    if near.op == "hadamard" and exact.op == "hadamard" and _bare(near.args[0]) is _bare(exact.args[0]):
        if not _is_mask(_bare(near.args[0])):
            return None
        near, exact = _bare(near.args[1]), _bare(exact.args[1])
    if near.op == "taylor" and exact.op == "exp" and _bare(near.args[0]) is _bare(exact.args[0]):
        from .norms import maxnorm

        return J(maxnorm(near.args[0]), near.data[0]), ("T.1", "S.1")
    return None


def _perturbation(factor: Formula) -> sympy.Expr | None:
    """eta of 1 + eta E or 1 - eta E with |E| <= 1."""
    if factor.op != "add" or _bare(factor.args[0]).op != "ones":
        return None
    part = _bare(factor.args[1])
    if part.op != "scale" or not (part.args[0].op == "symbol" and part.args[0].data[1] == "unit"):
        return None
    eta = part.data[0]
    return next((x for x in (eta, -eta) if x.is_nonnegative), None)


def _positive(a: Formula) -> bool:
    """A kernel with positive row sums: exp(S), or M * exp(S) with ones on the diagonal of M."""
    return a.op == "exp" or (a.op == "hadamard" and _is_mask(_bare(a.args[0])) and _bare(a.args[1]).op == "exp")


def _is_mask(a: Formula) -> bool:
    return a.op == "symbol" and a.data[1] in ("mask", "causal")
