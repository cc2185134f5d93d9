"""True facts about products: Kronecker, entrywise, diagonal and inner ones."""

import sympy

from almostlinear.theorems import (
    Identity,
    Pair,
    block,
    d,
    diag,
    exp,
    eye,
    inner,
    kron,
    n,
    ones,
    recip,
    rowkron,
    size,
    statement,
    symbol,
    tokens,
    total,
    unit,
)  # fmt: skip

x, y, z, w = (symbol(name, n) for name in "xyzw")
A, B, C, D = (symbol(name, n, n) for name in "ABCD")
X, Y = symbol("X", n, d), symbol("Y", d, d)
k, l, m = size("k"), size("l"), size("m")
P, Q = symbol("P", n, k), symbol("Q", n, l)
i, j = tokens("i j")


@statement("true.C.1", "A product transposed")
def transposed():
    return Identity((A @ X).T, X.T @ A.T)


@statement("true.C.2", "Diagonal matrices multiply entrywise")
def diagonals():
    return Identity(diag(x) @ diag(y), diag(x * y))


@statement("true.C.3", "Diagonal matrices on both sides are an entrywise outer product")
def both_sides():
    return Identity(diag(x) @ A @ diag(y), (x @ y.T) * A)


@statement("true.C.4", "The mixed product rule")
def mixed_product():
    return Identity(kron(A, X) @ kron(B, Y), kron(A @ B, X @ Y))


@statement("true.C.5", "A Kronecker product transposed")
def kronecker_transposed():
    return Identity(kron(A, X).T, kron(A.T, X.T))


@statement("true.C.6", "An entrywise square of a low-rank matrix")
def entrywise_square():
    V = symbol("V", n, k)
    return Identity((P @ V.T) * (P @ V.T), rowkron(P, P) @ rowkron(V, V).T)


@statement("true.C.7", "Row-wise Kronecker products under linear maps")
def under_maps():
    R, S = symbol("R", k, k), symbol("S", l, l)
    return Identity(rowkron(P @ R, Q @ S), rowkron(P, Q) @ kron(S, R))


@statement("true.C.8", "The trace is cyclic")
def cyclic():
    Z = symbol("Z", d, n)
    (a,) = tokens("a", d)
    return Identity(total(i, (X @ Z)[i, i]), total(a, (Z @ X)[a, a]))


@statement("true.C.9", "A factor moves across an inner product")
def moves_across():
    return Identity(inner(A, B @ C), inner(B.T @ A, C))


@statement("true.C.10", "Two outer products meet in the inner vectors")
def outer_products():
    return Identity((x @ y.T) @ (z @ w.T), (x @ w.T) * inner(y, z))


@statement("true.C.11", "The i-th block of a Kronecker product")
def block_of_kronecker():
    T = symbol("T", m, d)
    return Identity(block(kron(X, T), i, m), kron(X.row(i).T, T))


@statement("true.C.12", "An entry by unit vectors")
def by_units():
    return Identity(unit(i).T @ A @ unit(j), A[i, j])


@statement("true.C.13", "The rows add up to the column sums")
def sum_of_rows():
    return Identity(total(i, X.row(i)), X.T @ ones(n))


@statement("true.C.14", "Entrywise exp turns sums into entrywise products")
def exp_of_sum():
    return Identity(exp(A - B), exp(A) * recip(exp(B)))


@statement("true.C.15", "The reciprocal of an entrywise product")
def reciprocals():
    p, q = symbol("p", n, domain="positive"), symbol("q", n, domain="positive")
    return Identity(diag(recip(p)) @ recip(q), recip(p * q))


@statement("true.C.16", "Entrywise products and outer products")
def rank_one_scaling():
    return Identity((A * (x @ y.T)) @ z, x * (A @ (y * z)))


@statement("true.C.17", "A Laplacian annihilates the constants")
def laplacian():
    return Identity((diag(A @ ones(n)) - A) @ ones(n), ones(n) * 0)


@statement("true.C.18", "A Laplacian is a sum of squared differences")
def quadratic_form():
    S = B + B.T
    gap = x[i] - x[j]
    return Identity(x.T @ (diag(S @ ones(n)) - S) @ x, total(i, j, S[i, j] * gap * gap) * sympy.Rational(1, 2))


@statement("true.C.19", "The inverse of I + x y^T, denominators cleared")
def rank_one_update():
    s = ones(1) + inner(y, x)
    return Identity((eye(n) + x @ y.T) @ (eye(n) * s - x @ y.T), eye(n) * s)


@statement("true.C.20", "The squared size of a product by Gram matrices")
def gram():
    return Identity(inner(A @ X, A @ X), inner(A.T @ A, X @ X.T))


@statement("true.C.21", "Jacobi's identity")
def jacobi():
    def bracket(a, b):
        return a @ b - b @ a

    return Identity(bracket(A, bracket(B, C)) + bracket(B, bracket(C, A)) + bracket(C, bracket(A, B)), A * 0)


@statement("true.C.22", "A Kronecker product of vectors at a pair")
def at_a_pair():
    return Identity(kron(x, y)[Pair(i, j)], (x @ y.T)[i, j])
