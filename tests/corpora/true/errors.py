"""True error bounds."""

import sympy

from almostlinear.theorems import (
    Bound,
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
)  # fmt: skip

A, B, E = symbol("A", n, n), symbol("B", n, n), symbol("E", n, n)
A1, B1 = symbol("A~", n, n), symbol("B~", n, n)
X, W, G = symbol("X", n, d), symbol("W", d, d), symbol("G", n, d)
K, K1 = symbol("K", n), symbol("K~", n)
U = symbol("U", n, n, domain="unit")
eps, eta = sympy.Symbol("eps", positive=True), sympy.Symbol("eta", positive=True)
ERROR = {"kind": "error-bound"}


def normalised(u):
    return diag(recip(u @ ones(n))) @ u


f, f1 = normalised(exp(A)), normalised(exp(A + E))


@statement("true.F.1", "The error of a product", **ERROR)
def product():
    bound = maxnorm(A1 - A) * maxnorm(B1) + maxnorm(A) * maxnorm(B1 - B)
    return Bound(maxnorm(A1 @ B1 - A @ B), n * bound, via=(A1 - A) @ B1 + A @ (B1 - B))


@statement("true.F.2", "The error of an entrywise product", **ERROR)
def entrywise():
    bound = maxnorm(A1) * maxnorm(B1 - B) + maxnorm(A1 - A) * maxnorm(B)
    return Bound(maxnorm(A1 * B1 - A * B), bound, via=A1 * (B1 - B) + (A1 - A) * B)


@statement("true.F.3", "The error of scaled rows", **ERROR)
def scaled_rows():
    bound = maxnorm(K1) * rownorm(A1 - A) + maxnorm(K1 - K) * rownorm(A)
    return Bound(rownorm(diag(K1) @ A1 - diag(K) @ A), bound, via=diag(K1) @ (A1 - A) + diag(K1 - K) @ A)


@statement("true.F.4", "Softmax does not enlarge errors", **ERROR)
def softmax():
    return Bound(rownorm(f1 - f), maxnorm(E))


@statement("true.F.5", "exp moves by the change times the largest slope", **ERROR)
def exponential():
    return Bound(maxnorm(exp(A + E) - exp(A)), maxnorm(E) * sympy.exp(maxnorm(A) + maxnorm(E)))


@statement("true.F.6", "Squares differ by sum times difference", **ERROR)
def squares():
    return Bound(maxnorm(A1 * A1 - A * A), maxnorm(A1 - A) * (maxnorm(A1) + maxnorm(A)))


@statement("true.F.7", "Reciprocals differ by the difference over the product", **ERROR)
def reciprocals():
    p, q = symbol("p", n, domain="positive"), symbol("q", n, domain="positive")
    return Bound(maxnorm(recip(p) - recip(q)), maxnorm(p - q) * maxnorm(recip(p)) * maxnorm(recip(q)))


@statement("true.F.8", "Row sums of an approximation", **ERROR)
def row_sums():
    return Bound(maxnorm(A1 @ ones(n) - A @ ones(n)), n * eps, given=(maxnorm(A1 - A) <= eps,))


@statement("true.F.9", "An error between X^T and X", **ERROR)
def both_sides():
    return Bound(maxnorm(X.T @ A1 @ X - X.T @ A @ X), n**2 * maxnorm(X) ** 2 * maxnorm(A1 - A))


@statement("true.F.10", "The quadratic Taylor polynomial", **ERROR)
def quadratic():
    return Bound(maxnorm(exp(A) - taylor(A, 2)), maxnorm(A) ** 3 / 6 * sympy.exp(maxnorm(A)))


@statement("true.F.11", "Two heads: the errors add up", **ERROR)
def two_heads():
    return Bound(maxnorm((A1 + B1) @ X - (A + B) @ X), n * maxnorm(X) * (maxnorm(A1 - A) + maxnorm(B1 - B)))


@statement("true.F.12", "Two relative errors in turn", **ERROR)
def in_turn():
    a, b = maxnorm(E), maxnorm(B)
    return Bound((1 + a) * (1 + b), 1 + a + b + a * b)


@statement("true.F.13", "Backward errors in l1", **ERROR)
def backward():
    return Bound(l1norm((A1 - A).T @ G), rownorm(A1 - A) * l1norm(G))


@statement("true.F.14", "l1 errors pass a product by its largest row", **ERROR)
def l1_passes():
    return Bound(l1norm((A1 - A) @ X), l1norm(A1 - A) * rownorm(X))


@statement("true.F.15", "Scores of moved tokens", **ERROR)
def moved_tokens():
    Y = symbol("Y", n, d)
    bound = d**2 * maxnorm(W) * maxnorm(Y - X) * (maxnorm(Y) + maxnorm(X))
    return Bound(maxnorm(Y @ W @ Y.T - X @ W @ X.T), bound)


@statement("true.F.16", "Row by row inner products", **ERROR)
def inner_products():
    s, s1 = symbol("s", n, d), symbol("s~", n, d)
    return Bound(maxnorm((G * s1) @ ones(d) - (G * s) @ ones(d)), d * maxnorm(G) * maxnorm(s1 - s))


@statement("true.F.17", "Weights under a relative kernel error", **ERROR)
def kernel_error():
    near, exact = normalised(exp(A) * (ones(n, n) + U * eta)), normalised(exp(A))
    return Bound(rownorm(near - exact), 2 * eta / (1 + sympy.sqrt(1 - eta**2)), given=(eta <= 1,))


@statement("true.F.18", "Matrix squares", **ERROR)
def matrix_squares():
    return Bound(maxnorm(A1 @ A1 - A @ A), n * maxnorm(A1 - A) * (maxnorm(A1) + maxnorm(A)))


@statement("true.F.19", "An entry of a change that adds up to zero is half of it at most", **ERROR)
def half_of_it():
    return Bound(maxnorm(f1 - f), rownorm(f1 - f) / 2)


@statement("true.F.20", "Values under changed weights", **ERROR)
def changed_weights():
    return Bound(maxnorm((f1 - f) @ X), rownorm(f1 - f) * maxnorm(X))


@statement("true.F.21", "eta below twice eta over one plus the root", **ERROR)
def harmonic():
    return Bound(eta, 2 * eta / (1 + sympy.sqrt(1 - eta**2)), given=(eta <= 1,))
