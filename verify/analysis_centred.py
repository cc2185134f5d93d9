"""Proofs of bounds on weighted values less their mean: a row of f * (G V^T) - diag(K) f with K = (G * f V) 1.

With q = (G V^T)_i, |q| <= |G_i|_1 |V|, the row is f_k q_k - <f, q> f_k. Its pairing with signs s is the covariance of s and q under f, and
its l1 norm is the largest of these. For f~ of the kernel A * (1 + eta E) both rows mix the same two, of weights A (1 + E) and A (1 - E), in
shares p and p~. With the covariances C and the means s, q of these two, and u = 1 - p - p~,

    Cov~ - Cov = (p~ - p) (C_1 - C_2 + u (s_1 - s_2)(q_1 - q_2)).

The bracket is at most max(2, 4 |u|), and p~ - p and 2 (p~ - p) |u| are at most t for eta = 2t/(1 + t^2): in all 2t, which is eps_1.
"""

from __future__ import annotations

import sympy
from sympy import Expr

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.norms import Norm, l1norm, maxnorm
from almostlinear.theorems.statement import Bound

from .analysis import NotProved, Proof
from .analysis_rows import (
    bare,
    by_factors,
    is_at_most_one,
    is_kernel,
    kernel_of,
    parameter,
    rational,
    relative_error,
    row_error,
)

PAIRING = (
    "f sums to 1 in a row, so the pairing of f * q - <f, q> f with signs s is the covariance of s and q under f; the l1 norm is the "
    "largest pairing; |q| <= |G_i|_1 |V|, and dividing by that leaves |q| <= 1; where the row of A~ sums to 0, f~ is not defined"
)
MEANS = (
    "a weighted mean of squares is at least the square of the mean, and a mean of numbers within [-1, 1] is within it"
)


def parts(a: Formula) -> tuple[Formula, Formula, Formula] | None:
    """f, G and V of f * (G V^T) - diag((G * f V) 1) f, or None."""
    first, second = difference(a) or (a, a)
    if first.op != "hadamard" or second.op != "matmul" or bare(second.args[0]).op != "diag":
        return None
    f, values, sums = bare(first.args[0]), bare(first.args[1]), bare(bare(second.args[0]).args[0])
    if values.op != "matmul" or bare(values.args[1]).op != "transpose" or bare(second.args[1]) is not f:
        return None
    upstream, v = bare(values.args[0]), bare(bare(values.args[1]).args[0])
    if sums.op != "matmul" or bare(sums.args[1]).op != "ones" or bare(sums.args[0]).op != "hadamard":
        return None
    again, mixed = (bare(x) for x in bare(sums.args[0]).args)
    fits = mixed.op == "matmul" and tuple(map(bare, mixed.args)) == (f, v) and again is upstream
    return (f, upstream, v) if fits else None


def difference(a: Formula) -> tuple[Formula, Formula] | None:
    """A and B of A - B, or None."""
    a = bare(a)
    if a.op != "add":
        return None
    minus = bare(a.args[1])
    return (bare(a.args[0]), bare(minus.args[0])) if minus.op == "scale" and minus.data[0] == -1 else None


def centred(claim: Bound) -> Proof:
    """The l1 norm of such a row, or of its change under a relative error of the kernel.

    Raises:
        NotProved: if the claim is not of this form or a step fails.
    """
    norm = claim.left
    if not (isinstance(norm, Norm) and norm.norm == "sum" and bare(norm.formula).op == "row"):
        raise NotProved("the left side is no l1 norm of a row")
    row = bare(norm.formula)
    two = difference(row.args[0])
    alone, near, exact = parts(row.args[0]), *(parts(x) for x in two or row.args * 2)
    found = alone or exact
    if found is None or (alone is None and (near is None or near[1:] != found[1:])):
        raise NotProved(
            "the row is neither weighted values less their mean nor a difference of two such rows of the same values"
        )
    kernel = kernel_of(found[0])
    perturbed = alone is not None and kernel is not None and _is_perturbed(claim, kernel)
    if kernel is None or not (is_kernel(kernel) or perturbed):
        raise NotProved("the weights are not surely nonnegative with sum 1")
    rate = sympy.cancel(claim.right / (l1norm(found[1].row(row.data[0])) * maxnorm(found[2])))
    proof = Proof()
    proof.argument(PAIRING)
    _covariance(proof)
    if perturbed:
        _no_negative_entry(proof)
    if alone is not None:
        proof.certify(f"1 <= {rate}", rate - 1)
        return proof
    other = kernel_of(near[0]) if near else None
    if other is None:
        raise NotProved("the other weights are not those of a kernel")
    _mixtures(proof)
    _brackets(proof)
    _shares(proof)
    eta, change = relative_error(kernel, other), moved_by(kernel, other)
    if change is not None:
        _moved(proof, rate, change)
    elif eta is not None and eta.is_Symbol:
        _, _, t = parameter(is_at_most_one(claim, eta))
        proof.certify(
            f"2t <= {rate}, with t = u/(u + k)", sympy.cancel(rational(proof, rate, eta, t) - 2 * t), defined=True
        )
    else:
        raise NotProved("the other kernel is neither A * (1 + eta E) nor that of scores S + D")
    return proof


def moved_rows(claim: Bound) -> Proof:
    """|f_D - f|_row <= R(|D|), f_D with the scores S + D.

    Raises:
        NotProved: if the claim is not of this form or a step fails.
    """
    norm = claim.left
    two = difference(norm.formula) if isinstance(norm, Norm) and norm.norm == "row" else None
    other, kernel = (kernel_of(x) for x in two or (norm.formula,) * 2) if isinstance(norm, Norm) else (None, None)
    if two is None or other is None or kernel is None or not is_kernel(kernel):
        raise NotProved("the left side is no row norm of a difference of attention weights")
    change = moved_by(kernel, other)
    if change is None:
        raise NotProved("the scores do not differ by a matrix D")
    proof = Proof()
    row_error(proof)
    _moved(proof, claim.right, change)
    return proof


def moved_by(kernel: Formula, other: Formula) -> Norm | None:
    """|D| where one kernel is exp(S) or M * exp(S) and the other the same of S + D."""
    if kernel.op == other.op == "hadamard":
        if bare(kernel.args[0]) is not bare(other.args[0]):
            return None
        kernel, other = bare(kernel.args[1]), bare(other.args[1])
    if kernel.op != "exp" or other.op != "exp" or bare(other.args[0]).op != "add":
        return None
    first, change = bare(other.args[0]).args
    return maxnorm(change) if bare(first) is bare(kernel.args[0]) else None


def _moved(proof: Proof, rate: Expr, change: Norm) -> None:
    """2t <= R(|D|) with t = tanh(|D|/2)."""
    size = sympy.Symbol("v", nonnegative=True)
    by_factors(
        proof,
        "entries of the kernel change by factors between l = e^{-|D|} and h = e^{|D|}, that is C(1 + eta e_k) with |e_k| <= 1; C cancels",
    )
    proof.argument("q = e^{|D|}, so h = q^2 l and t = (q - 1)/(q + 1) = tanh(|D|/2)")
    proof.nonnegative(f"2 tanh(|D|/2) <= {rate}, v = |D|", rate.subs(change, size) - 2 * sympy.tanh(size / 2), size)


def row_sums(claim: Bound) -> Proof:
    """|f~|_row <= R for a number R, as no entry of A~ = A * (1 + eta E) is negative where eta <= 1.

    Raises:
        NotProved: if the claim is not of this form or R is below 1.
    """
    norm = claim.left
    kernel = kernel_of(norm.formula) if isinstance(norm, Norm) and norm.norm == "row" else None
    if kernel is None or not _is_perturbed(claim, kernel) or not claim.right.is_Rational:
        raise NotProved("not a number above the row norm of f~ with eta <= 1")
    proof = Proof()
    _no_negative_entry(proof)
    proof.argument("nonnegative entries divided by their sum have l1 norm 1; where the sum is 0, f~ is not defined")
    proof.certify(f"1 <= {claim.right}", claim.right - 1)
    return proof


def _is_perturbed(claim: Bound, kernel: Formula) -> bool:
    """Whether a kernel is A * (1 + eta E) and eta <= 1 is given."""
    exact = bare(kernel.args[0]) if kernel.op == "hadamard" else kernel
    eta = relative_error(exact, kernel) if is_kernel(exact) else None
    if eta is None or not eta.is_Symbol:
        return False
    is_at_most_one(claim, eta)
    return True


def _no_negative_entry(proof: Proof) -> None:
    p, rest = sympy.symbols("p r", nonnegative=True)
    eta = 1 / (1 + rest)
    proof.certify("1 + eta e >= 0 for e = p - 1 and eta = 1/(1 + r)", 1 + eta * (p - 1))


def _covariance(proof: Proof) -> None:
    """Cov(s, q) <= 1 - (mean(s)^2 + mean(q)^2)/2 for |s|, |q| <= 1; with -s for s the same of -Cov."""
    s, q, ss, qq, sq = sympy.symbols("s q E(s^2) E(q^2) E(sq)", real=True)
    spread = (ss - 2 * sq + qq) - (s - q) ** 2
    proof.argument(MEANS)
    proof.identity(
        "1 - (s^2 + q^2)/2 - Cov is half of E((s-q)^2) - (E(s-q))^2, 1 - E(s^2) and 1 - E(q^2)",
        1 - (s**2 + q**2) / 2 - (sq - s * q),
        spread / 2 + (1 - ss) / 2 + (1 - qq) / 2,
    )


def _mixtures(proof: Proof) -> None:
    """Both rows as mixtures of the same two, and the difference of their covariances."""
    eta = sympy.Symbol("eta", nonnegative=True)
    e, p, p_low, T_1, T_2 = sympy.symbols("e p p~ E_1(sq) E_2(sq)", real=True)
    s_1, s_2, q_1, q_2 = sympy.symbols("s_1 s_2 q_1 q_2", real=True)
    proof.identity("a kernel's entry in two parts", (1 + e) / 2 + (1 - e) / 2, sympy.Integer(1))
    proof.identity("1 + eta e in the same parts", (1 + eta) * (1 + e) / 2 + (1 - eta) * (1 - e) / 2, 1 + eta * e)
    proof.argument(
        "normalised, the parts are rows of weights, whose shares are X/(X + Y) under A and (1 + eta) X/((1 + eta) X + (1 - eta) Y) "
        "under A~, X and Y the sums of the parts; where X or Y is 0, f~ = f"
    )

    def covariance(share: Expr) -> Expr:
        mean_s, mean_q = share * s_1 + (1 - share) * s_2, share * q_1 + (1 - share) * q_2
        return share * T_1 + (1 - share) * T_2 - mean_s * mean_q

    bracket = (T_1 - s_1 * q_1) - (T_2 - s_2 * q_2) + (1 - p - p_low) * (s_1 - s_2) * (q_1 - q_2)
    proof.identity(
        "Cov~ - Cov = (p~ - p) (C_1 - C_2 + u (s_1 - s_2)(q_1 - q_2))",
        covariance(p_low) - covariance(p),
        (p_low - p) * bracket,
    )


def _brackets(proof: Proof) -> None:
    """C_1 - C_2 + u (s_1 - s_2)(q_1 - q_2) <= 2 + (u - 1/2) S <= max(2, 4u), S = s_1^2 + s_2^2 + q_1^2 + q_2^2 in [0, 4], u >= 0."""
    s_1, s_2, q_1, q_2 = sympy.symbols("s_1 s_2 q_1 q_2", real=True)
    more, S, rest = sympy.symbols("v S r", nonnegative=True)
    total = s_1**2 + s_2**2 + q_1**2 + q_2**2
    squares = ((s_1 - s_2) - (q_1 - q_2)) ** 2 / 2 + (s_1 + s_2) ** 2 / 2 + (q_1 + q_2) ** 2 / 2
    proof.identity("(s_1 - s_2)(q_1 - q_2) = S less squares", (s_1 - s_2) * (q_1 - q_2), total - squares)
    proof.argument(
        "for u < 0 change the places of the two parts and the sign of s, which changes the sign of u alone; with -s for s the same "
        "bounds it below"
    )
    half = sympy.Rational(1, 2)
    proof.certify("2 + (u - 1/2) S <= 2, for u = 1/2 - v", 2 - (2 + (-more) * S))
    proof.identity(
        "C_1 - C_2 <= 2 - S/2 is used", (1 - (s_1**2 + q_1**2) / 2) + (1 - (s_2**2 + q_2**2) / 2), 2 - total / 2
    )
    proof.certify("2 + (u - 1/2) S <= 4u, for u = 1/2 + v and S = 4 - r", 4 * (half + more) - (2 + more * (4 - rest)))


def _shares(proof: Proof) -> None:
    """p~ - p <= t and 2 (p~ - p) |u| <= t, by squares: A = (1 + t) X, B = (1 - t) Y, W = (X + Y)((1 + t) A + (1 - t) B)."""
    X, Y = sympy.symbols("X Y", positive=True)
    t = sympy.Symbol("t", nonnegative=True)
    eta = 2 * t / (1 + t**2)
    p, p_low = X / (X + Y), (1 + eta) * X / ((1 + eta) * X + (1 - eta) * Y)
    A, B = (1 + t) * X, (1 - t) * Y
    W, z = (B - A) ** 2 + 4 * X * Y, 4 * X * Y
    proof.identity("p~ - p = 4tXY/W, W = (B - A)^2 + 4XY", p_low - p, 4 * t * X * Y / W)
    proof.identity("u = (B - A)(B + A)/W", 1 - p - p_low, (B - A) * (B + A) / W)
    proof.identity("t - (p~ - p) = t (B - A)^2/W", t - (p_low - p), t * (B - A) ** 2 / W)
    for sign, side in ((1, A), (-1, B)):
        squares = (B - A) ** 4 + z**2 * t**2 + 4 * z * side**2
        proof.identity(
            f"t - {2 * sign} (p~ - p) u = t ((B - A)^4 + z^2 t^2 + 4 z {'A' if sign > 0 else 'B'}^2)/W^2, z = 4XY",
            t - 2 * sign * (p_low - p) * (1 - p - p_low),
            t * squares / W**2,
        )
    gap, big, square = (
        sympy.Symbol("B - A", real=True),
        sympy.Symbol("z", positive=True),
        sympy.Symbol("A or B", real=True),
    )
    proof.certify("these are nonnegative", t * (gap**4 + big**2 * t**2 + 4 * big * square**2))
