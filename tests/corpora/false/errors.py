"""False error bounds: a cross term, a factor or a hypothesis missing."""

import sympy

from almostlinear.theorems import (
    Bound,
    colnorm,
    d,
    diag,
    exp,
    l1norm,
    maxnorm,
    n,
    ones,
    recip,
    rownorm,
    statement,
    symbol,
    taylor,
    top,
)  # fmt: skip

A, B, E, F = symbol("A", n, n), symbol("B", n, n), symbol("E", n, n), symbol("F", n, n)
A1, B1 = symbol("A~", n, n), symbol("B~", n, n)
X, W, G = symbol("X", n, d), symbol("W", d, d), symbol("G", n, d)
K, K1 = symbol("K", n), symbol("K~", n)
U = symbol("U", n, n, domain="unit")
eps, eta = sympy.Symbol("eps", positive=True), sympy.Symbol("eta", positive=True)
ERROR = {"kind": "error-bound"}


def normalised(u):
    return diag(recip(u @ ones(n))) @ u


f, f1 = normalised(exp(A)), normalised(exp(A + E))


@statement("false.F.1", "The error of a product is the product of the errors", **ERROR)
def product_of_errors():
    return Bound(maxnorm(A1 @ B1 - A @ B), n * maxnorm(A1 - A) * maxnorm(B1 - B))


@statement("false.F.2", "Only one factor of an entrywise product is wrong", **ERROR)
def one_factor():
    return Bound(maxnorm(A1 * B1 - A * B), maxnorm(A1) * maxnorm(B1 - B))


@statement("false.F.3", "The error of diag(K~) f~ without that of K", **ERROR)
def without_K():
    return Bound(maxnorm(diag(K1) @ A1 - diag(K) @ A), maxnorm(K1) * maxnorm(A1 - A))


@statement("false.F.4", "Softmax halves every error", **ERROR)
def halves():
    return Bound(rownorm(f1 - f), maxnorm(E) / 2)


@statement("false.F.5", "A relative kernel error gives the same absolute error of a row", **ERROR)
def kernel_error():
    perturbed = normalised(exp(A) * (ones(n, n) + U * eta))
    return Bound(rownorm(perturbed - normalised(exp(A))), eta / 2, given=(eta <= 1,))


@statement("false.F.6", "2 eta / (1 + sqrt(1 - eta^2)) is below eta", **ERROR)
def simpler():
    return Bound(2 * eta / (1 + sympy.sqrt(1 - eta**2)), eta, given=(eta <= sympy.Rational(1, 2),))


@statement("false.F.7", "Multiplying by X^T on both sides costs one sum", **ERROR)
def one_sum():
    return Bound(maxnorm(X.T @ A1 @ X - X.T @ A @ X), n * maxnorm(X) ** 2 * maxnorm(A1 - A))


@statement("false.F.8", "An approximation within eps is within eps of a row sum", **ERROR)
def row_sums():
    return Bound(maxnorm(A1 @ ones(n) - A @ ones(n)), eps, given=(maxnorm(A1 - A) <= eps,))


@statement("false.F.9", "Reciprocals are as close as what they are taken of", **ERROR)
def reciprocals():
    p, q = symbol("p", n, domain="positive"), symbol("q", n, domain="positive")
    return Bound(maxnorm(recip(p) - recip(q)), maxnorm(p - q))


@statement("false.F.10", "Squares differ by twice the difference", **ERROR)
def squares():
    return Bound(maxnorm(A1 * A1 - A * A), 2 * maxnorm(A1 - A))


@statement("false.F.11", "The quadratic Taylor polynomial has the error of the next term", **ERROR)
def next_term():
    return Bound(maxnorm(exp(A) - taylor(A, 2)), maxnorm(A) ** 3 / 6)


@statement("false.F.12", "Errors of two heads: the larger one", **ERROR)
def two_heads():
    gap = (A1 + B1) @ X - (A + B) @ X
    return Bound(maxnorm(gap), n * maxnorm(X) * sympy.Max(maxnorm(A1 - A), maxnorm(B1 - B)))


@statement("false.F.13", "The mean of a small error is small, whatever the values", **ERROR)
def values_forgotten():
    return Bound(maxnorm((f1 - f) @ X), maxnorm(E))


@statement("false.F.14", "The upstream gradient enters with its largest entry", **ERROR)
def upstream():
    return Bound(maxnorm((A1 - A).T @ G), rownorm(A1 - A) * maxnorm(G))


@statement("false.F.15", "Two steps of relative error add up exactly", **ERROR)
def two_steps():
    grown = (1 + maxnorm(E)) * (1 + maxnorm(F)) - 1
    return Bound(grown, maxnorm(E) + maxnorm(F))


@statement("false.F.16", "Signed errors may be compared with unsigned ones", **ERROR)
def signed():
    return Bound(maxnorm(A1 - A), eps, given=(top(A1 - A) <= eps,))


@statement("false.F.17", "l1 errors pass a product by the largest column entry", **ERROR)
def l1_passes():
    return Bound(l1norm((A1 - A) @ X), l1norm(A1 - A) * maxnorm(X))


@statement("false.F.18", "Scores move by |W| times the squared error of X", **ERROR)
def scores_move():
    Y = symbol("Y", n, d)
    return Bound(maxnorm(Y @ W @ Y.T - X @ W @ X.T), d**2 * maxnorm(W) * maxnorm(Y - X) ** 2)


@statement("false.F.19", "K = <G, s> row by row is within the error of s", **ERROR)
def inner_error():
    s, s1 = symbol("s", n, d), symbol("s~", n, d)
    K_of, K_near = ((G * a) @ ones(d) for a in (s, s1))
    return Bound(maxnorm(K_near - K_of), maxnorm(G) * maxnorm(s1 - s))


@statement("false.F.20", "Column errors of transposed weights stay below row errors", **ERROR)
def columns_by_rows():
    return Bound(colnorm(f1 - f), rownorm(f1 - f))
