"""False bounds on norms: an inner size missing, a norm of another kind, a sign forgotten."""

import sympy

from almostlinear.theorems import (
    Bound,
    absolute,
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
    tokens,
    top,
)  # fmt: skip

A, B, E = symbol("A", n, n), symbol("B", n, n), symbol("E", n, n)
X, Y, W, G, H = symbol("X", n, d), symbol("Y", n, d), symbol("W", d, d), symbol("G", n, d), symbol("H", n, d)
K, x, y = symbol("K", n), symbol("x", n), symbol("y", n)
BOUND = {"kind": "norm-bound"}
(i,) = tokens("i")


def normalised(u):
    return diag(recip(u @ ones(n))) @ u


f = normalised(exp(A))


@statement("false.E.1", "The largest entry of a product, inner size forgotten", **BOUND)
def no_inner_size():
    return Bound(maxnorm(A @ B), maxnorm(A) * maxnorm(B))


@statement("false.E.2", "All entries added, columns forgotten", **BOUND)
def no_columns():
    return Bound(l1norm(X), n * maxnorm(X))


@statement("false.E.3", "Row sums of a product by column sums", **BOUND)
def rows_by_columns():
    return Bound(rownorm(X @ W), colnorm(X) * rownorm(W))


@statement("false.E.4", "The l1 norm of an entrywise product by two largest entries", **BOUND)
def l1_by_largest():
    return Bound(l1norm(X * Y), maxnorm(X) * maxnorm(Y))


@statement("false.E.5", "Transposed weights average as well", **BOUND)
def transposed_average():
    return Bound(maxnorm(f.T @ G), maxnorm(G))


@statement("false.E.6", "A scaled row-stochastic matrix has the l1 norm of its scale's largest entry", **BOUND)
def scaled_weights():
    return Bound(l1norm(diag(K) @ f), maxnorm(K))


@statement("false.E.7", "Attention weights differ from their transpose by half at most", **BOUND)
def asymmetry():
    return Bound(maxnorm(f - f.T), sympy.Rational(1, 2))


@statement("false.E.8", "f (1 - f) is an eighth at most", **BOUND)
def variance():
    return Bound(maxnorm(f - f * f), sympy.Rational(1, 8))


@statement("false.E.9", "The attention output by |X| |W_V| alone", **BOUND)
def output_size():
    return Bound(maxnorm(f @ (X @ W)), maxnorm(X) * maxnorm(W))


@statement("false.E.10", "An entry of G h^T has as many terms as there are tokens", **BOUND)
def inner_size_by_tokens():
    return Bound(maxnorm(G @ H.T), n * maxnorm(G) * maxnorm(H))


@statement("false.E.11", "exp changes by the change of its argument times e^|A|", **BOUND)
def exp_moves():
    return Bound(maxnorm(exp(A + E) - exp(A)), maxnorm(E) * sympy.exp(maxnorm(A)))


@statement("false.E.12", "exp is below its tangent", **BOUND)
def tangent():
    return Bound(maxnorm(exp(A)), 1 + maxnorm(A))


@statement("false.E.13", "Entries within one have squares within one", **BOUND)
def squares():
    return Bound(maxnorm(A @ A), 1, given=(maxnorm(A) <= 1,))


@statement("false.E.14", "A square is as large as the matrix, squared", **BOUND)
def nilpotent():
    return Bound(maxnorm(A) ** 2, maxnorm(A @ A))


@statement("false.E.15", "The largest entry bounds the entries of -A too", **BOUND)
def both_signs():
    return Bound(top(-A), top(A))


@statement("false.E.16", "A Kronecker product's row sums by its largest entry and one size", **BOUND)
def kronecker_rows():
    return Bound(rownorm(kron(X, W)), d * maxnorm(X) * maxnorm(W))


@statement("false.E.17", "Column sums of a row-wise Kronecker product", **BOUND)
def row_kronecker_columns():
    return Bound(colnorm(rowkron(X, Y)), maxnorm(X) * maxnorm(Y))


@statement("false.E.18", "An inner product of vectors by two largest entries", **BOUND)
def inner_product():
    return Bound(maxnorm(inner(x, y)), maxnorm(x) * maxnorm(y))


@statement("false.E.19", "The triangle inequality for products of three", **BOUND)
def three_factors():
    return Bound(rownorm(A @ B @ X), rownorm(A) * rownorm(B) * maxnorm(X))


@statement("false.E.20", "Rows of a positive matrix all reach the largest row sum", **BOUND)
def equal_rows():
    P = symbol("P", n, n, domain="positive")
    return Bound(n * rownorm(P), l1norm(P))


@statement("false.E.21", "Adding the unit matrix cannot lower the largest entry", **BOUND)
def with_identity():
    return Bound(maxnorm(A), maxnorm(A + eye(n)))


@statement("false.E.22", "A row is as large as the matrix", **BOUND)
def row_as_matrix():
    return Bound(maxnorm(X), maxnorm(X.row(i)))


@statement("false.E.23", "Absolute values multiply", **BOUND)
def absolute_product():
    return Bound(l1norm(absolute(A) @ absolute(B)), l1norm(A @ B))
