"""Attention weights under an error of the kernel, as rules of the norm calculus: consequences of statements T.1, S.1, S.3 and S.4.

For f~ - f with f = diag(1/(A 1)) A and f~ = diag(1/(A~ 1)) A~ of the same form, |f~ - f| <= eps_1/2 and |f~ - f|_row <= eps_1, where
eps_1 = 2 eta / (1 + sqrt(1 - eta^2)), eta <= 1, and |A~ - A| <= eta A entry by entry (S.1). By its form

    A~ = A * (1 +- eta E) with |E| <= 1             has the relative error eta, and |f~|_row <= 1,
    A = M * exp(S), A~ = M * T_g(S), any mask M     has the relative error J_g(|S|) (T.1, entry by entry);
    A = M * exp(S), A~ = M * exp(S')                |f~ - f|_row <= |S' - S| (S.4, without M S.2); for S = tau X W X^T and S' = tau Y W Y^T
                                                    the difference is tau ((Y - X) W Y^T + X W (Y - X)^T).

Weighted values less their mean, P = f * (G V^T) - diag(K) f with K = (G * f V) 1, have |P_i|_1 <= |G_i|_1 |V| in every row i, and
|P~_i - P_i|_1 is at most that times the bound on |f~ - f|_row (S.3, S.4): so |P|_row <= |G|_row |V|, |P|_1 <= |G|_1 |V|, and so on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

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
    """What the statements ``lemmas`` say where ``needs`` holds, if anything: |f~ - f|_row <= ``bound``, or |P_i|_1 <= bound |G_i|_1 |V|.

    With ``scores`` the bound is times the largest entry of that formula, S' - S.
    """

    bound: Named | sympy.Integer
    needs: sympy.core.relational.Relational | None
    lemmas: tuple[str, ...]
    scores: Formula | None = None

    @property
    def halved(self) -> bool:
        """Whether |f~ - f| <= bound/2 as well."""
        return self.needs is not None and isinstance(self.bound, Named)


ONE = sympy.Integer(1)


def weights_error(a: Formula) -> WeightsError | None:
    """The rule for a difference f~ - f of attention weights (or f - f~), or for f~ itself; None if it is not of that form."""
    sides = difference(a)
    if sides is not None:
        return _error(*sides)
    kernel = kernel_of(a)
    found = _perturbed(kernel) if kernel is not None else None
    return None if found is None else WeightsError(ONE, sympy.LessThan(found, 1), ("S.1",))


def _perturbed(kernel: Formula) -> sympy.Expr | None:
    """eta of a kernel A * (1 +- eta E)."""
    if kernel.op != "hadamard" or not _positive(_bare(kernel.args[0])):
        return None
    return _perturbation(_bare(kernel.args[1]))


def _error(first: Formula, second: Formula) -> WeightsError | None:
    """The rule for two matrices of attention weights, of which one has the kernel of the other with an error or other scores."""
    kernels = kernel_of(first), kernel_of(second)
    for near, exact in (kernels, kernels[::-1]):
        found = None if near is None or exact is None else _relative_error(near, exact)
        if found is not None:
            eta, lemmas = found
            value = 2 * eta / (1 + sympy.sqrt(1 - eta**2))
            return WeightsError(Named("eps_1", value), sympy.LessThan(eta, 1), lemmas)
    if kernels[0] is None or kernels[1] is None:
        return None
    scores = _moved(kernels[0], kernels[1])
    lemma = "S.2" if kernels[0].op == "exp" else "S.4"
    return None if scores is None else WeightsError(ONE, None, (lemma,), scores)


def _moved(near: Formula, exact: Formula) -> Formula | None:
    """S' - S of the kernels exp(S') and exp(S), under the same mask or without one."""
    if near.op == exact.op == "hadamard":
        if _bare(near.args[0]) is not _bare(exact.args[0]) or not _is_mask(_bare(near.args[0])):
            return None
        near, exact = _bare(near.args[1]), _bare(exact.args[1])
    if near.op != "exp" or exact.op != "exp":
        return None
    moved, scores = near.args[0], exact.args[0]
    after, before = _scores(_bare(moved)), _scores(_bare(scores))
    if after is None or before is None or after[1:] != before[1:]:
        return _step(moved, scores)
    Y, X, W, tau = after[0], before[0], after[1], after[2]
    step = _step(Y, X)
    return (step @ (Y @ W.T).T + (X @ W) @ step.T) * tau


def _step(after: Formula, before: Formula) -> Formula:
    """after - before; D where after is before + D."""
    moved = _bare(after)
    return moved.args[1] if moved.op == "add" and moved.args[0] is before else after - before


def _scores(a: Formula) -> tuple[Formula, Formula, sympy.Expr] | None:
    """X, W and tau of tau X W X^T."""
    if a.op != "scale" or _bare(a.args[0]).op != "matmul":
        return None
    left, right = _bare(a.args[0]).args
    if left.op != "matmul" or right.op != "transpose" or left.args[0] is not right.args[0]:
        return None
    return left.args[0], left.args[1], a.data[0]


def difference(a: Formula) -> tuple[Formula, Formula] | None:
    """A and B of A - B."""
    a = _bare(a)
    if a.op != "add" or a.args[1].op != "scale" or a.args[1].data[0] != -1:
        return None
    return a.args[0], a.args[1].args[0]


@dataclass(frozen=True)
class Centred:
    """f * (G V^T) - diag(K) f with K = (G * f V) 1, each without its name."""

    f: Formula
    G: Formula
    V: Formula

    @classmethod
    def of(cls, a: Formula) -> Centred | None:
        """By the form of ``a``, None for any other."""
        sides = difference(a)
        if sides is None:
            return None
        first, second = (_bare(x) for x in sides)
        if first.op != "hadamard" or second.op != "matmul" or _bare(second.args[0]).op != "diag":
            return None
        products, k = _bare(first.args[1]), _bare(_bare(second.args[0]).args[0])
        if products.op != "matmul" or products.args[1].op != "transpose" or k.op != "matmul":
            return None
        made = cls(*(_bare(x) for x in (first.args[0], products.args[0], products.args[1].args[0])))
        weighted, summed = (_bare(x) for x in k.args)
        if weighted.op != "hadamard" or summed.op != "ones" or _bare(second.args[1]) is not made.f:
            return None
        again, mixed = (_bare(x) for x in weighted.args)
        fits = again is made.G and mixed.op == "matmul" and [_bare(x) for x in mixed.args] == [made.f, made.V]
        return made if fits else None


def centred(a: Formula) -> tuple[Centred, WeightsError] | None:
    """What S.3 and S.4 say of P or of P~ - P (or P - P~); that the rows of f sum to one in P is for the caller to see."""
    alone, sides = Centred.of(a), difference(a)
    if alone is not None:
        kernel = kernel_of(alone.f)
        eta = None if kernel is None else _perturbed(kernel)
        return alone, WeightsError(ONE, None if eta is None else sympy.LessThan(eta, 1), ("S.3",))
    first, second = (None, None) if sides is None else (Centred.of(x) for x in sides)
    if first is None or second is None:
        return None
    error = _error(first.f, second.f) if (first.G, first.V) == (second.G, second.V) else None
    if error is None:
        return None
    return first, replace(error, lemmas=(*error.lemmas[:-1], "S.3" if error.scores is None else "S.4"))


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
