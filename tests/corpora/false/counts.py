"""False claims of rank, cost and existence, and false facts about the causal mask."""

import sympy

from almostlinear.theorems import (
    Cost,
    Factors,
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
from almostlinear.theorems.asymptotics import ALMOST_LINEAR, CONSTANT, LOG, NEGLIGIBLE, POLYLOG, SUBPOLY, SUBROOT

X, W = symbol("X", n, d), symbol("W", d, d)
k, l, g = size("k"), size("l"), size("g")
U, V, Y, Z = symbol("U", n, k), symbol("V", n, k), symbol("Y", n, l), symbol("Z", n, l)
A, B, x, y = symbol("A", n, n), symbol("B", n, n), symbol("x", n), symbol("y", n)
M = causal_rows(n)
i, j = tokens("i j")
RANK, COST = {"kind": "rank"}, {"kind": "cost"}
scores = X @ W @ X.T


@statement("false.I.1", "Running sums with the mask the wrong way round")
def running_sums():
    return Identity((M @ x)[i], total(j, M[j, i] * x[j]))


@statement("false.I.2", "The causal mask is idempotent")
def idempotent():
    return Identity(M @ M, M)


@statement("false.I.3", "The mask and its transpose cover every pair once")
def covers():
    return Identity(M + M.T, ones(n, n))


@statement("false.I.4", "A masked low-rank product, factors on the wrong sides")
def masked_product():
    inside = (M * (U @ V.T)) @ x
    return Identity(inside, (V * (M @ (U * (x @ ones(k).T)))) @ ones(k))


@statement("false.I.5", "Masking commutes with products")
def commutes():
    return Identity(M * (A @ B), (M * A) @ (M * B))


@statement("false.I.6", "A masked low-rank product has low rank", **RANK)
def masked_rank():
    return Rank(M * (U @ V.T), k)


@statement("false.I.7", "The Taylor polynomial of degree g has the rank of degree g - 1", **RANK)
def degree_off_by_one():
    return Rank(taylor(U @ V.T, g), sympy.binomial(k + g - 1, g))


@statement("false.I.8", "Ranks of an entrywise product add up", **RANK)
def ranks_add():
    return Rank((U @ V.T) * (Y @ Z.T), k + l)


@statement("false.I.9", "Scores plus the unit matrix have the rank of the scores", **RANK)
def plus_identity():
    return Rank(scores + eye(n), d)


@statement("false.I.10", "exp of an outer product is an outer product", **RANK)
def exp_of_outer():
    return Rank(exp(x @ y.T), sympy.Integer(1))


@statement("false.I.11", "A skew outer product has rank one", **RANK)
def skew():
    return Rank(x @ y.T - y @ x.T, sympy.Integer(1))


@statement("false.I.12", "The ranks of a Kronecker product add up, less one", **RANK)
def kronecker_rank():
    return Rank(kron(U @ V.T, Y @ Z.T), k + l - 1)


@statement("false.I.13", "A diagonal matrix has the rank of its vector", **RANK)
def diagonal_rank():
    return Rank(diag(x), sympy.Integer(1))


@statement("false.I.14", "Squared scores have the rank of the scores", **RANK)
def squared_scores():
    return Rank(scores * scores, d)


@statement("false.I.15", "Attention weights in O(n d) operations", **COST)
def attention_cost():
    u = exp(scores)
    return Cost((diag(recip(u @ ones(n))) @ u,), n * d)


@statement("false.I.16", "A product with weights takes n d^2 operations, additions forgotten", **COST)
def additions():
    return Cost((X @ W,), n * d**2, constant=True)


@statement("false.I.17", "Products from the left cost what products from the right do", **COST)
def bracketing():
    return Cost(((A @ B) @ x,), n**2)


@statement("false.I.18", "Any mask can be applied by running sums", **COST)
def any_mask():
    mask = symbol("N", n, n, domain="mask")
    return Cost((mask @ X,), n * d)


@statement(
    "false.I.19",
    "A low-rank product is almost linear in any order",
    assumes=(Within(d, LOG), Within(k, SUBPOLY)),
    **COST,
)
def any_order():
    return Cost(((U @ V.T) @ X,), ALMOST_LINEAR)


@statement("false.I.20", "Features are constant where d = O(log n)", assumes=(Within(d, LOG),), **COST)
def constant_features():
    return Cost((X @ W,), n * d)


@statement("false.I.21", "The row-wise Kronecker product costs the sum of its widths", **COST)
def widths_add():
    return Cost((rowkron(U, Y),), n * (k + l))


@statement("false.I.22", "Scores are shared, so two uses cost one: but they are not at hand", **COST)
def not_at_hand():
    return Cost((scores @ X,), n * d**2 + n, given=(X @ W,))


@statement(
    "false.I.23",
    "Unscaled attention has factors of width n^{o(1)}",
    assumes=(Within(maxnorm(X @ W), SUBROOT), Within(maxnorm(X), SUBROOT)),
    **RANK,
)
def factors():
    u = exp(scores)
    return Factors(diag(recip(u @ ones(n))) @ u, SUBPOLY, NEGLIGIBLE)


@statement(
    "false.I.24",
    "... or of polylogarithmic width, for bounded W and logarithmic d",
    assumes=(Within(maxnorm(W), CONSTANT), Within(d, LOG)),
    **RANK,
)
def narrow_factors():
    u = exp(scores)
    return Factors(diag(recip(u @ ones(n))) @ u, POLYLOG, NEGLIGIBLE)
