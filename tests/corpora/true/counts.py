"""True claims of rank, cost and growth, and true facts about the causal mask."""

import sympy

from almostlinear.theorems import (
    Asymptotic,
    Cost,
    Identity,
    Rank,
    Within,
    causal_rows,
    d,
    diag,
    exp,
    eye,
    kron,
    maxnorm,
    n,
    ones,
    recip,
    rowkron,
    size,
    statement,
    symbol,
    taylor,
    tokens,
    total,
)  # fmt: skip
from almostlinear.theorems.asymptotics import ALMOST_LINEAR, LOG, NEGLIGIBLE, POLY, SUBLOG, SUBPOLY

X, W = symbol("X", n, d), symbol("W", d, d)
k, l, g = size("k"), size("l"), size("g")
U, V, Y, Z = symbol("U", n, k), symbol("V", n, k), symbol("Y", n, l), symbol("Z", n, l)
A, B, x, y = symbol("A", n, n), symbol("B", n, n), symbol("x", n), symbol("y", n)
M = causal_rows(n)
i, j = tokens("i j")
RANK, COST, GROWTH = {"kind": "rank"}, {"kind": "cost"}, {"kind": "error-bound"}
scores = X @ W @ X.T
eps = sympy.Symbol("eps", positive=True)


@statement("true.I.1", "Running sums by the mask")
def running_sums():
    return Identity((M @ x)[i], total(j, M[i, j] * x[j]))


@statement("true.I.2", "The causal mask is its own entrywise square")
def entrywise_square():
    return Identity(M * M, M)


@statement("true.I.3", "The mask and its transpose count the diagonal twice")
def counted_twice():
    return Identity(M + M.T, ones(n, n) + eye(n))


@statement("true.I.4", "A masked low-rank product by running sums")
def masked_product():
    return Identity((M * (U @ V.T)) @ x, (U * (M @ (V * (x @ ones(k).T)))) @ ones(k))


@statement("true.I.5", "What the mask keeps and what its transpose keeps")
def split():
    return Identity(M * A + M.T * A, A + A * eye(n))


@statement("true.I.6", "Ranks of an entrywise product multiply", **RANK)
def ranks_multiply():
    return Rank((U @ V.T) * (Y @ Z.T), k * l)


@statement("true.I.7", "The Taylor polynomial of a low-rank matrix", **RANK)
def taylor_rank():
    return Rank(taylor(U @ V.T, g), sympy.binomial(k + g, g))


@statement("true.I.8", "Ranks of a sum add up", **RANK)
def ranks_add():
    return Rank(U @ V.T + Y @ Z.T, k + l)


@statement("true.I.9", "Scores and their products have rank d", **RANK)
def products_of_scores():
    return Rank(scores @ A @ scores, d)


@statement("true.I.10", "A skew outer product has rank two", **RANK)
def skew():
    return Rank(x @ y.T - y @ x.T, sympy.Integer(2))


@statement("true.I.11", "Ranks of a Kronecker product multiply", **RANK)
def kronecker_rank():
    return Rank(kron(U @ V.T, Y @ Z.T), k * l)


@statement("true.I.12", "Scaling rows keeps the rank", **RANK)
def scaled_rows():
    return Rank(diag(x) @ U @ V.T @ diag(y), k)


@statement("true.I.13", "Cubed scores have rank d^3", **RANK)
def cubed():
    return Rank(scores * scores * scores, d**3)


@statement("true.I.14", "Attention weights in O(n^2 d + n d^2) operations", **COST)
def attention():
    u = exp(scores)
    return Cost((diag(recip(u @ ones(n))) @ u,), n**2 * d + n * d**2)


@statement("true.I.15", "A product with weights, counted exactly", **COST)
def exact_count():
    return Cost((X @ W,), n * d * (2 * d - 1), constant=True)


@statement("true.I.16", "Matrix times matrix times vector, from the right", **COST)
def from_the_right():
    return Cost((A @ (B @ x),), n**2)


@statement("true.I.17", "The causal mask by running sums", **COST)
def by_running_sums():
    return Cost((M @ X,), n * d)


@statement("true.I.18", "A low-rank product is almost linear", assumes=(Within(d, LOG), Within(k, SUBPOLY)), **COST)
def low_rank():
    return Cost((U @ (V.T @ X),), ALMOST_LINEAR)


@statement("true.I.19", "The row-wise Kronecker product", **COST)
def row_kronecker():
    return Cost((rowkron(U, Y),), n * k * l)


@statement("true.I.20", "Weights at hand cost one product", **COST)
def at_hand():
    u = exp(scores)
    return Cost((u @ X,), 2 * n**2 * d, given=(u,), constant=True)


@statement("true.I.21", "Tokens dominate features where d = O(log n)", assumes=(Within(d, LOG),), **COST)
def tokens_dominate():
    return Cost((X.T @ X,), n**2)


@statement("true.I.22", "Operations of one layer", assumes=(Within(d, LOG), Within(k, SUBPOLY)), **GROWTH)
def one_layer():
    return Asymptotic(n * k * d + n * d**2, ALMOST_LINEAR)


@statement("true.I.23", "The number of monomials", assumes=(Within(d, LOG), Within(g, SUBLOG)), **GROWTH)
def monomials():
    return Asymptotic(sympy.binomial(d + g, g), SUBPOLY)


@statement(
    "true.I.24",
    "A polynomial factor keeps errors below every polynomial",
    assumes=(Within(eps, NEGLIGIBLE), Within(maxnorm(X), POLY)),
    **GROWTH,
)
def polynomial_factor():
    return Asymptotic(n**3 * maxnorm(X) ** 2 * eps, NEGLIGIBLE)
