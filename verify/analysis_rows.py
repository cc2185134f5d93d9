"""Proofs of bounds on row-normalised weights: f = D^{-1} A against f~ = D~^{-1} A~ where A~ = A * (1 + eta E), |E| <= 1.

An entry of f is F in [0, 1], and that of f~ is F (1 + eta e)/(F (1 + eta e) + (1 - F)(1 + eta e')) with e, e' in [-1, 1], e' a weighted
mean of the row's other entries of E. The same holds of the sum of f and f~ over any part of a row, which gives the row's l1 norm. With

    eta = 2t/(1 + t^2), sqrt(1 - eta^2) = (1 - t^2)/(1 + t^2), 0 <= t <= 1

every claim is a rational inequality, certified on e >= e' and e <= e', F <= 1/2 and F >= 1/2. Softmax of z against that of w is the case
eta = tanh(osc(z - w)/2), t = tanh(osc(z - w)/4).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sympy

from almostlinear.theorems.formula import Formula, exp, ones, symbol, taylor
from almostlinear.theorems.functions import J
from almostlinear.theorems.norms import Norm, maxnorm
from almostlinear.theorems.statement import Bound

from .analysis import NotProved, Proof
from .analysis_facts import entrywise
from .nonnegative import certificate

ALPHA, BETA, GAMMA, PHI, PSI = (
    sympy.Symbol(name, nonnegative=True) for name in ("alpha", "beta", "gamma", "phi", "psi")
)
TRIANGLE = (ALPHA, BETA, GAMMA)
WHOLE = sympy.Add(*TRIANGLE)
REDUCTION = (
    "a row of A has entries a_k >= 0 and a positive sum; merging the entries beside the j-th one by one leaves two, with sum the same and "
    "e' a weighted mean of the e_k; where the row of A~ sums to 0, f~ is not defined and nothing is claimed"
)
PART_OF_A_ROW = (
    "f and f~ sum to 1 in a row, so its l1 norm of f~ - f is 2 (f~(I) - f(I)), I the entries where f~ > f; f~(I) is formed from f(I) as a "
    "single entry is, with the weighted means of e over I and over the rest"
)


@dataclass(frozen=True)
class Weights:
    """f, f~ and the relative error eta between their kernels."""

    exact: Formula
    near: Formula
    eta: sympy.Expr


def bare(a: Formula) -> Formula:
    """The formula without its name."""
    while a.op == "define":
        a = a.args[0]
    return a


def kernel_of(a: Formula) -> Formula | None:
    """The A of diag(1/(A 1)) A, or None."""
    a = bare(a)
    if a.op != "matmul" or bare(a.args[0]).op != "diag":
        return None
    inverse, kernel = bare(bare(a.args[0]).args[0]), bare(a.args[1])
    if inverse.op != "recip":
        return None
    sums = bare(inverse.args[0])
    summed = sums.op == "matmul" and bare(sums.args[0]) is kernel and bare(sums.args[1]).op == "ones"
    return kernel if summed else None


def is_kernel(a: Formula) -> bool:
    """Whether the entries are surely nonnegative and every row has a positive one: exp, or the causal mask times exp."""
    if a.op == "hadamard":
        mask, inside = (bare(x) for x in a.args)
        return mask.op == "symbol" and mask.data[1] in ("mask", "causal") and inside.op == "exp"
    return a.op == "exp"


def weights(claim: Bound) -> Weights:
    """The two row-normalised matrices of a claim.

    Raises:
        NotProved: if there are others, or A~ is not A * (1 + eta E) or T_g for exp.
    """
    nodes = {bare(node) for side in claim.formulas() for node in side.walk() if kernel_of(node) is not None}
    for exact, near in itertools.permutations(nodes, 2):
        kernel, other = kernel_of(exact), kernel_of(near)
        if len(nodes) == 2 and kernel is not None and other is not None and is_kernel(kernel):
            eta = relative_error(kernel, other)
            if eta is not None:
                return Weights(exact, near, eta)
    raise NotProved("no row-normalised matrix beside one with a relative error in its kernel")


def relative_error(kernel: Formula, other: Formula) -> sympy.Expr | None:
    """eta if other = kernel * (1 + eta E), |E| <= 1; J_g(b) if T_g(S) stands where the kernel has exp(S), b = |S|."""
    if other.op != "hadamard":
        return None
    for first, second in (other.args, other.args[::-1]):
        one = bare(second)
        if bare(first) is kernel and one.op == "add":
            for a, b in (one.args, one.args[::-1]):
                unit = bare(b).args[0] if bare(b).op == "scale" else None
                if bare(a).op == "ones" and unit is not None and unit.op == "symbol" and unit.data[1] == "unit":
                    return bare(b).data[0]
        if kernel.op == "hadamard" and one.op == "taylor" and bare(first) is bare(kernel.args[0]):
            scores = one.args[0]
            if bare(kernel.args[1]).op == "exp" and bare(kernel.args[1]).args[0] is scores:
                return J(maxnorm(scores), one.data[0])
    return None


# -- the cases ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Case:
    """One of the four: F and f~ as rational functions of nonnegative letters."""

    says: str
    exact: sympy.Expr
    near: sympy.Expr


def parameter(strict: bool) -> tuple[sympy.Symbol, sympy.Symbol, sympy.Expr]:
    """Letters u, k >= 0 and t = u/(u + k) in [0, 1]; in [0, 1) if ``strict``."""
    u = sympy.Symbol("u", nonnegative=True)
    k = sympy.Symbol("k", positive=True) if strict else sympy.Symbol("k", nonnegative=True)
    return u, k, u / (u + k)


def cases(eta: sympy.Expr) -> Iterator[Case]:
    """e >= e' or e <= e', F <= 1/2 or F >= 1/2: 1 - e, e - e' and 1 + e' are twice alpha, beta, gamma of sum 1."""
    high, low = 1 - 2 * ALPHA / WHOLE, 2 * GAMMA / WHOLE - 1
    small = PHI / (2 * (PHI + PSI))
    for (order, e, other), (half, weight) in itertools.product(
        (("e >= e'", high, low), ("e <= e'", low, high)), (("F <= 1/2", small), ("F >= 1/2", 1 - small))
    ):
        total = weight * (1 + eta * e) + (1 - weight) * (1 + eta * other)
        yield Case(f"{order}, {half}", weight, sympy.cancel(weight * (1 + eta * e) / total))


def _merging(proof: Proof) -> None:
    """Two entries of a row become one, with their sum as weight and the weighted mean of e in [-1, 1]."""
    a, b, eta = (sympy.Symbol(name, positive=True) for name in ("a", "b", "eta"))
    p, q = (sympy.Symbol(name, nonnegative=True) for name in ("p", "q"))
    e, other = (sympy.Symbol(name, real=True) for name in ("e", "e'"))
    mean = (a * e + b * other) / (a + b)
    proof.identity(
        "a(1 + eta e) + b(1 + eta e') is one entry",
        a * (1 + eta * e) + b * (1 + eta * other),
        (a + b) * (1 + eta * mean),
    )
    proof.certify("its mean is at most 1, for e = 1 - p, e' = 1 - q", 1 - mean.subs({e: 1 - p, other: 1 - q}))
    proof.certify("its mean is at least -1, for e = p - 1, e' = q - 1", 1 + mean.subs({e: p - 1, other: q - 1}))
    proof.argument(REDUCTION)


def rational(proof: Proof, expression: sympy.Expr, eta: sympy.Expr, t: sympy.Expr) -> sympy.Expr:
    """The expression with 2t/(1 + t^2) for eta and (1 - t^2)/(1 + t^2) for sqrt(1 - eta^2)."""
    root, unknown = sympy.Dummy("root", nonnegative=True), sympy.Dummy("eta", nonnegative=True)
    value, rest = 2 * t / (1 + t**2), (1 - t**2) / (1 + t**2)
    proof.identity("((1 - t^2)/(1 + t^2))^2 = 1 - eta^2 for eta = 2t/(1 + t^2)", rest**2, 1 - value**2)
    return expression.subs(eta, unknown).subs(sympy.sqrt(1 - unknown**2), root).subs({root: rest, unknown: value})


def is_at_most_one(claim: Bound, eta: sympy.Expr) -> bool:
    """Whether eta < 1 is given; eta <= 1 must be.

    Raises:
        NotProved: if it is not.
    """
    limits = [g.gts for g in claim.given if g.lts == eta and g.gts.is_Rational and g.gts <= 1]
    if not limits or not eta.is_nonnegative:
        raise NotProved(f"0 <= {eta} <= 1 is not given")
    return min(limits) < 1


def relative(claim: Bound) -> Proof:
    """A bound in eta alone: right - left >= 0 on 0 <= eta <= 1.

    Raises:
        NotProved: if the claim is not of this form or has no certificate.
    """
    gap = claim.right - claim.left
    symbols = list(gap.free_symbols)
    if len(symbols) != 1 or not symbols[0].is_positive or symbols[0].is_integer:
        raise NotProved("not a claim about one number")
    eta, proof = symbols[0], Proof()
    _, _, t = parameter(is_at_most_one(claim, eta))
    proof.argument("t = eta/(1 + sqrt(1 - eta^2)) runs over [0, 1] as eta does, and eta = 2t/(1 + t^2)")
    proof.certify(f"{claim.left} <= {claim.right}, with t = u/(u + k)", sympy.cancel(rational(proof, gap, eta, t)))
    return proof


def rows(claim: Bound) -> Proof:
    """A bound on the entries of a formula in f and f~, entry by entry, or on the row l1 norm of f~ - f.

    Raises:
        NotProved: if the claim is not of this form or a case has no certificate.
    """
    norm = claim.left
    if not (isinstance(norm, Norm) and norm.norm in ("top", "max", "row")):
        raise NotProved("the left side is no norm of entries or rows")
    found = weights(claim)
    strict = is_at_most_one(claim, found.eta)
    _, _, t = parameter(strict)
    proof = Proof()
    if isinstance(found.eta, J):
        _taylor_error(proof, found)
    _merging(proof)
    proof.argument("t = eta/(1 + sqrt(1 - eta^2)) runs over [0, 1] as eta does, and eta = 2t/(1 + t^2)")
    right = rational(proof, claim.right, found.eta, t)
    eta = 2 * t / (1 + t**2)
    for case in cases(eta):
        value = _value(norm.formula, found, case, t)
        parts = [value, -value] if norm.norm == "max" else [value]
        if norm.norm == "row":
            if sympy.cancel(value**2 - (case.near - case.exact) ** 2) != 0:
                raise NotProved("the row norm is not that of f~ - f")
            proof.argument(PART_OF_A_ROW)
            parts = [2 * (case.near - case.exact)]
        for part in parts:
            proof.certify(
                f"{claim.left} <= {claim.right}: {case.says}", sympy.cancel(right - part), TRIANGLE, defined=True
            )
    return proof


def _taylor_error(proof: Proof, found: Weights) -> None:
    """The relative error of T_g is at most J_g(b): the bound of `entrywise`."""
    x, degree = symbol("x", *found.exact.shape), found.eta.args[1]
    error = maxnorm(taylor(x, degree) * exp(-x) - ones(*x.shape))
    proof.steps += entrywise(Bound(error, J(maxnorm(x), degree))).steps


def _value(node: Formula, found: Weights, case: Case, t: sympy.Expr) -> sympy.Expr:
    """The entry of a formula where f and f~ have the case's.

    Raises:
        NotProved: if an operation mixes entries, or the sign under an absolute value is not known.
    """
    if bare(node) is found.exact:
        return case.exact
    if bare(node) is found.near:
        return case.near
    if node.op not in _ENTRYWISE:
        raise NotProved(f"{node.op} is not applied entry by entry")
    inside = [_value(a, found, case, t) for a in node.args]
    if node.op == "scale":
        return sympy.cancel(inside[0] * node.data[0].subs(found.eta, 2 * t / (1 + t**2)))
    return _ENTRYWISE[node.op](*inside)


def _absolute(value: sympy.Expr) -> sympy.Expr:
    for signed in (value, -value):
        if certificate(sympy.cancel(signed), TRIANGLE, defined=True) is not None:
            return signed
    raise NotProved(f"the sign of {value} is not known")


_ENTRYWISE: dict[str, Callable[..., sympy.Expr]] = {
    "define": lambda a: a,
    "add": lambda a, b: a + b,
    "hadamard": lambda a, b: a * b,
    "ones": lambda: sympy.Integer(1),
    "scale": lambda a: a,
    "absolute": _absolute,
}


# -- softmax -----------------------------------------------------------------------------------------------------------
def softmax_of(a: Formula) -> Formula | None:
    """The vector z of exp(z)/<exp(z), 1>, or None."""
    a = bare(a)
    if a.op != "times" or bare(a.args[0]).op != "recip" or bare(a.args[1]).op != "exp":
        return None
    sums, raised = bare(bare(a.args[0]).args[0]), bare(a.args[1])
    if sums.op != "matmul" or bare(sums.args[1]).op != "ones" or sums.args[0].op != "transpose":
        return None
    return raised.args[0] if bare(sums.args[0].args[0]) is raised and raised.shape[1] == 1 else None


def linear(a: Formula) -> dict[Formula, sympy.Expr]:
    """The coefficients of a linear combination of symbols.

    Raises:
        NotProved: if it is none.
    """
    if a.op == "define":
        return linear(a.args[0])
    if a.op == "symbol":
        return {a: sympy.Integer(1)}
    if a.op == "scale":
        return {x: c * a.data[0] for x, c in linear(a.args[0]).items()}
    if a.op == "add":
        left, right = (linear(x) for x in a.args)
        return {x: left.get(x, 0) + right.get(x, 0) for x in {*left, *right}}
    raise NotProved(f"{a.op} is not linear")


OSC, REST = sympy.Symbol("o", nonnegative=True), sympy.Symbol("r", nonnegative=True)
"""osc(A) = max(A) + max(-A), and |A| - osc(A)/2."""


def _oscillation(expression: sympy.Expr, difference: dict[Formula, sympy.Expr]) -> sympy.Expr:
    """An expression in max(A), max(-A) and |A|, A the difference, written in OSC and REST.

    Raises:
        NotProved: if another norm stands in it, or it does not depend on max(A) and max(-A) through their sum.
    """
    opposite = {x: -c for x, c in difference.items()}
    up = sympy.Symbol("max", real=True)
    for norm in [x for x in expression.free_symbols if isinstance(x, Norm)]:
        combination = linear(norm.formula) if norm.norm in ("top", "max") else None
        if combination not in (difference, opposite):
            raise NotProved(f"{norm} is not a norm of the difference")
        value = OSC / 2 + REST if norm.norm == "max" else up if combination == difference else OSC - up
        expression = expression.subs(norm, value)
    if expression.has(up):
        raise NotProved("the largest and the smallest entry do not enter by their difference alone")
    return expression


def by_factors(proof: Proof, says: str) -> None:
    """A kernel whose entries change by factors between l and h = q^2 l is C(1 + eta e) times another one, t = (q - 1)/(q + 1)."""
    high, low, q = (sympy.Symbol(name, positive=True) for name in ("h", "l", "q"))
    eta, centre, t = (high - low) / (high + low), (high + low) / 2, (q - 1) / (q + 1)
    proof.argument(says)
    proof.identity("C(1 + eta) = h", centre * (1 + eta), high)
    proof.identity("C(1 - eta) = l", centre * (1 - eta), low)
    proof.identity("2t/(1 + t^2) = eta for h = q^2 l", 2 * t / (1 + t**2), eta.subs(high, q**2 * low))


def row_error(proof: Proof) -> None:
    """|f~ - f|_row <= 2t."""
    _merging(proof)
    proof.argument(PART_OF_A_ROW)
    _, _, free = parameter(strict=True)
    for case in cases(2 * free / (1 + free**2)):
        gap_of_case = sympy.cancel(2 * free - 2 * (case.near - case.exact))
        proof.certify(f"2 (f~ - f) <= 2t: {case.says}", gap_of_case, TRIANGLE, defined=True)


def softmax(claim: Bound) -> Proof:
    """|softmax(z) - softmax(w)|_1 <= R(osc(z - w)).

    Raises:
        NotProved: if the claim is not of this form or R is not surely at least 2 tanh(osc/4).
    """
    norm = claim.left
    if not (isinstance(norm, Norm) and norm.norm in ("sum", "col") and bare(norm.formula).op == "add"):
        raise NotProved("the left side is no l1 norm of a difference")
    first, second = bare(norm.formula).args
    minus = bare(second)
    z = softmax_of(first)
    w = softmax_of(minus.args[0]) if minus.op == "scale" and minus.data[0] == -1 else None
    if z is None or w is None:
        raise NotProved("the left side is no difference of softmax vectors")
    right = _oscillation(claim.right, linear(z - w))
    proof = Proof()
    by_factors(
        proof,
        "softmax(z) comes from softmax(w) by factors e^{z_k - w_k} between l = e^{min(z - w)} and h = e^{max(z - w)}, that is "
        "C(1 + eta e_k) with |e_k| <= 1, and C cancels",
    )
    proof.argument(
        "q = e^{osc/2}, so h = q^2 l, t = (q - 1)/(q + 1) = tanh(osc/4), and max(z - w) + max(w - z) = osc >= 0"
    )
    row_error(proof)
    proof.nonnegative(f"2 tanh(osc/4) <= {claim.right}, o = osc", right - 2 * sympy.tanh(OSC / 4), OSC)
    return proof


def oscillation(claim: Bound) -> Proof:
    """A bound in osc(A) = max(A) + max(-A) and |A|, by 0 <= osc(A) <= 2 |A|.

    Raises:
        NotProved: if the claim is not of this form or a step fails.
    """
    norms = claim.norms()
    if "top" not in {x.norm for x in norms}:
        raise NotProved("not a claim about the largest entry")
    gap = _oscillation(claim.right - claim.left, linear(next(x for x in norms if x.norm == "top").formula))
    proof = Proof()
    proof.argument("max(A) <= |A|, max(-A) <= |A| and o = max(A) + max(-A) >= 0, so |A| = o/2 + r with r >= 0")
    proof.nonnegative(f"{claim.left} <= {claim.right}", gap, OSC)
    return proof
