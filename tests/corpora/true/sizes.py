"""True bounds on norms."""

import sympy

from almostlinear.theorems import (
    Bound,
    colnorm,
    d,
    diag,
    exp,
    eye,
    inner,
    kron,
    l1norm,
    maxnorm,
    n,
    ones,
    recip,
    rowkron,
    rownorm,
    statement,
    symbol,
    top,
)  # fmt: skip

A, B = symbol("A", n, n), symbol("B", n, n)
X, Y, W, G = symbol("X", n, d), symbol("Y", n, d), symbol("W", d, d), symbol("G", n, d)
K, x, y = symbol("K", n), symbol("x", n), symbol("y", n)
f = diag(recip(exp(A) @ ones(n))) @ exp(A)
BOUND = {"kind": "norm-bound"}


@statement("true.E.1", "The largest entry of a product", **BOUND)
def product():
    return Bound(maxnorm(A @ X @ W), n * d * maxnorm(A) * maxnorm(X) * maxnorm(W))


@statement("true.E.2", "All entries added", **BOUND)
def all_entries():
    return Bound(l1norm(X), n * d * maxnorm(X))


@statement("true.E.3", "Row sums of a product", **BOUND)
def row_sums():
    return Bound(rownorm(X @ W), rownorm(X) * rownorm(W))


@statement("true.E.4", "The l1 norm of an entrywise product", **BOUND)
def entrywise():
    return Bound(l1norm(X * Y), maxnorm(X) * l1norm(Y))


@statement("true.E.5", "Transposed weights keep the l1 norm", **BOUND)
def transposed_weights():
    return Bound(l1norm(f.T @ G), l1norm(G))


@statement("true.E.6", "Rows of scaled weights", **BOUND)
def scaled_weights():
    return Bound(rownorm(diag(K) @ f), maxnorm(K))


@statement("true.E.7", "f (1 - f) is a quarter at most", **BOUND)
def variance():
    return Bound(maxnorm(f - f * f), sympy.Rational(1, 4))


@statement("true.E.8", "Attention weights differ from their transpose by one at most", **BOUND)
def asymmetry():
    return Bound(maxnorm(f - f.T), 1)


@statement("true.E.9", "The attention output", **BOUND)
def output():
    return Bound(maxnorm(f @ X @ W), d * maxnorm(X) * maxnorm(W))


@statement("true.E.10", "Row sums of a Kronecker product", **BOUND)
def kronecker():
    return Bound(rownorm(kron(X, W)), rownorm(X) * rownorm(W))


@statement("true.E.11", "Column sums of a row-wise Kronecker product", **BOUND)
def row_kronecker():
    return Bound(colnorm(rowkron(X, Y)), colnorm(X) * maxnorm(Y))


@statement("true.E.12", "An inner product by two dual norms", **BOUND)
def dual_norms():
    return Bound(maxnorm(inner(x, y)), l1norm(x) * maxnorm(y))


@statement("true.E.13", "The Gram matrix in l1", **BOUND)
def gram():
    return Bound(l1norm(A.T @ A), l1norm(A) ** 2)


@statement("true.E.14", "The Gram matrix has the squared largest entry at least", **BOUND)
def gram_below():
    return Bound(maxnorm(X) ** 2, maxnorm(X.T @ X))


@statement("true.E.15", "The reverse triangle inequality", **BOUND)
def reverse_triangle():
    return Bound(maxnorm(A), maxnorm(A - B) + maxnorm(B))


@statement("true.E.16", "A matrix is below its sum or its difference with another one", **BOUND)
def sum_or_difference():
    return Bound(maxnorm(A), sympy.Max(maxnorm(A + B), maxnorm(A - B)))


@statement("true.E.17", "Signed and unsigned largest entries", **BOUND)
def signed():
    return Bound(top(A), maxnorm(A))


@statement("true.E.18", "exp by the exponential of the largest entry", **BOUND)
def exponential():
    return Bound(maxnorm(exp(A)), sympy.exp(maxnorm(A)))


@statement("true.E.19", "Entrywise squares attain the square", **BOUND)
def squares():
    return Bound(maxnorm(A) ** 2, maxnorm(A * A))


@statement("true.E.20", "Contractions by rows do not enlarge", **BOUND)
def contraction():
    return Bound(maxnorm(A @ X), maxnorm(X), given=(rownorm(A) <= 1,))


@statement("true.E.21", "An outer product in l1", **BOUND)
def outer_product():
    return Bound(l1norm(x @ y.T), l1norm(x) * l1norm(y))


@statement("true.E.22", "Cauchy's inequality", **BOUND)
def cauchy():
    return Bound(maxnorm(inner(x, y)) ** 2, maxnorm(inner(x, x)) * maxnorm(inner(y, y)))


@statement("true.E.23", "Centring at most doubles", **BOUND)
def centring():
    return Bound(maxnorm((eye(n) - ones(n, n) * (1 / n)) @ X), 2 * maxnorm(X))


@statement("true.E.24", "The mean of a column is at most its largest entry", **BOUND)
def mean():
    return Bound(top((ones(n).T @ x) * (1 / n)), top(x))
