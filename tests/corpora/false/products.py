"""False facts about products: Kronecker, entrywise, diagonal and inner ones."""

from almostlinear.theorems import (
    Identity,
    Pair,
    block,
    d,
    diag,
    exp,
    eye,
    features,
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
k, l = size("k"), size("l")
P, Q, R, S = symbol("P", n, k), symbol("Q", n, k), symbol("R", n, l), symbol("S", n, l)
i, j = tokens("i j")
(a,) = features("a")


@statement("false.C.1", "An inner product of products is a product of sums")
def product_of_sums():
    return Identity(inner(x * y, z), inner(x, y) * inner(z, ones(n)))


@statement("false.C.2", "Transposing keeps the order of a product")
def transposed_product():
    return Identity((A @ B).T, A.T @ B.T)


@statement("false.C.3", "Scaling rows is scaling columns")
def rows_for_columns():
    return Identity(diag(x) @ X @ Y, X @ Y @ diag(X.T @ x))


@statement("false.C.4", "The diagonal matrix of a product is an outer product")
def diagonal_or_outer():
    return Identity(diag(x * y), x @ y.T)


@statement("false.C.5", "Mixed product rule with the second pair in the wrong order")
def mixed_product():
    return Identity(kron(A, Y) @ kron(B, Y.T), kron(A @ B, Y.T @ Y))


@statement("false.C.6", "A Kronecker product transposed changes its order")
def kronecker_transposed():
    return Identity(kron(A, B).T, kron(B.T, A.T))


@statement("false.C.7", "Row-wise Kronecker factors paired across")
def across():
    return Identity(rowkron(P, R) @ rowkron(Q, S).T, (P @ Q.T) * (S @ R.T))


@statement("false.C.8", "Entrywise products distribute over matrix products")
def distributes():
    return Identity((A * B) @ x, (A @ x) * (B @ x))


@statement("false.C.9", "Only one factor of an entrywise product need be transposed")
def half_transposed():
    return Identity((A * B).T, A * B.T)


@statement("false.C.10", "A column of ones puts a vector on the wrong side")
def broadcast():
    return Identity((x @ ones(n).T) * A, A @ diag(x))


@statement("false.C.11", "Entrywise exp of a sum is a matrix product")
def exp_of_sum():
    return Identity(exp(A + B), exp(A) @ exp(B))


@statement("false.C.12", "The reciprocal of a sum is the sum of reciprocals")
def reciprocals():
    p, q = symbol("p", n, domain="positive"), symbol("q", n, domain="positive")
    return Identity(recip(p + q), recip(p) + recip(q))


@statement("false.C.13", "An entry by unit vectors, indices the wrong way round")
def entry_by_units():
    return Identity(unit(i).T @ A @ unit(j), A[j, i])


@statement("false.C.14", "The rows add up to the row sums")
def sum_of_rows():
    return Identity(total(i, A.row(i)), A @ ones(n))


@statement("false.C.15", "A factor moves across an inner product untransposed")
def moves_across():
    return Identity(inner(A, B @ C), inner(B @ A, C))


@statement("false.C.16", "Two outer products meet in the outer vectors")
def outer_products():
    return Identity((x @ y.T) @ (z @ w.T), (x @ w.T) * inner(x, w))


@statement("false.C.17", "The i-th block of a Kronecker product, factors exchanged")
def block_of_kronecker():
    m = size("m")
    T = symbol("T", m, d)
    return Identity(block(kron(X, T), i, m), kron(T, X.row(i).T))


@statement("false.C.18", "A matrix with its inverse on the diagonal only")
def diagonal_inverse():
    p = symbol("p", n, domain="positive")
    M = diag(p) + ones(n, n)
    return Identity(M @ diag(recip(p)), eye(n))


@statement("false.C.19", "The trace of a product is the product of the traces")
def traces():
    def trace(matrix):
        return total(i, matrix[i, i])

    return Identity(trace(A @ B), trace(A) * trace(B))


@statement("false.C.20", "(A x B) at pairs of rows and columns, columns exchanged")
def entries_of_kronecker():
    (b,) = features("b")
    return Identity(kron(A, Y)[Pair(i, a), Pair(j, b)], A[i, j] * Y[b, a])
