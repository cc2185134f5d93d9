"""True facts about attention weights and their derivatives."""

from almostlinear.theorems import (
    Condition,
    Identity,
    causal_rows,
    d,
    diag,
    exp,
    grad,
    inner,
    jvp,
    loss,
    n,
    ones,
    recip,
    scalar,
    statement,
    symbol,
    tokens,
    total,
)  # fmt: skip

X, W, V, G = symbol("X", n, d), symbol("W", d, d), symbol("V", d, d), symbol("G", n, d)
S, E, F, P = symbol("S", n, n), symbol("E", n, n), symbol("F", n, n), symbol("P", n, n)
v, t = symbol("v", n), symbol("t", n)
M = causal_rows(n)
i, j, k, l = tokens("i j k l")


def normalised(u):
    return diag(recip(u @ ones(n))) @ u


def softmax(scores):
    """Rows of exp(scores), normalised."""
    return normalised(exp(scores))


def slope(weights, direction):
    """f * E - diag((f * E) 1) f."""
    moved = weights * direction
    return moved - diag(moved @ ones(n)) @ weights


@statement("true.D.1", "Rows of the attention weights add up to one")
def row_sums():
    return Identity(softmax(X @ W @ X.T) @ ones(n), ones(n))


@statement("true.D.2", "A shift of each row does not matter")
def row_shift():
    return Identity(softmax(S + v @ ones(n).T), softmax(S))


@statement("true.D.3", "The weights of a sum of scores")
def sum_of_scores():
    return Identity(softmax(S + E), normalised(softmax(S) * exp(E)))


@statement("true.D.4", "The derivative of softmax")
def derivative():
    return Identity(jvp(softmax(S), S, E), slope(softmax(S), E))


@statement("true.D.5", "Rows of the derivative add up to zero")
def rows_of_derivative():
    return Identity(jvp(normalised(M * exp(S)), S, E) @ ones(n), ones(n) * 0)


@statement("true.D.6", "The derivative of a quadratic form in X")
def form():
    return Identity(jvp(X @ W @ X.T, X, G), G @ W @ X.T + X @ W @ G.T)


@statement("true.D.7", "The gradient of <W x, x>")
def gradient_of_form():
    x = symbol("x", d)
    return Identity(grad(inner(W @ x, x), x), (W + W.T) @ x)


@statement("true.D.8", "Backward through X W")
def backward():
    return Identity(grad(loss(X @ W, G), X), G @ W.T)


@statement("true.D.9", "The gradient of <X W X^T, P> in W")
def gradient_in_w():
    return Identity(grad(inner(X @ W @ X.T, P), W), X.T @ P @ X)


@statement("true.D.10", "The derivative of a reciprocal")
def reciprocal():
    p = symbol("p", n, domain="positive")
    return Identity(jvp(recip(p), p, t), -(t * recip(p * p)))


@statement("true.D.11", "The derivative of a slope of exp")
def second_derivative():
    return Identity(jvp(exp(S) * E, S, F), exp(S) * E * F)


@statement("true.D.12", "The logarithmic derivative of a kernel")
def logarithmic():
    u = exp(X @ W @ X.T)
    return Identity(jvp(u, W, V) * recip(u), X @ V @ X.T)


@statement("true.D.13", "Masked weights, normalised, add up to one")
def masked():
    return Identity(normalised(M * exp(S)) @ ones(n), ones(n))


@statement("true.D.14", "Backward is the adjoint of forward")
def adjoint():
    B = symbol("B", n, d)
    return Identity(inner(grad(loss(S @ X @ W, G), X), B), inner(G, S @ B @ W))


@statement("true.D.15", "The covariance of a row annihilates constants")
def covariance():
    row = softmax(S).row(i)
    return Identity((diag(row) - row @ row.T) @ ones(n), ones(n) * 0)


@statement("true.D.16", "The covariance of a row is a mean of squares")
def variance():
    row = softmax(S).row(i)
    gap = t[k] - inner(row, t)
    return Identity(t.T @ (diag(row) - row @ row.T) @ t, total(k, row[k] * gap * gap))


@statement("true.D.17", "The covariance of a row, applied")
def applied():
    row = softmax(S).row(i)
    return Identity((diag(row) - row @ row.T) @ t, row * (t - ones(n) * inner(row, t)))


@statement("true.D.18", "Euler's identity for a form of degree two")
def euler():
    form = inner(X @ W @ X.T, P)
    return Identity(inner(grad(form, X), X), form * 2)


@statement("true.D.19", "Values with a constant row added")
def constant_values():
    b = symbol("b", d)
    return Identity(softmax(S) @ (X + ones(n) @ b.T), softmax(S) @ X + ones(n) @ b.T)


@statement("true.D.20", "The weights moved by W")
def moved_by_w():
    return Identity(jvp(softmax(X @ W @ X.T), W, V), slope(softmax(X @ W @ X.T), X @ V @ X.T))


@statement("true.D.21", "Row shifts do not move the weights")
def along_shifts():
    return Identity(jvp(softmax(S), S, t @ ones(n).T), S * 0)


@statement("true.D.22", "A weight does not depend on other rows")
def other_rows():
    return Identity(grad(softmax(S)[i, j], S)[k, l], scalar(0), where=(Condition(i, "!=", k),))


@statement("true.D.23", "On the diagonal the slope of a weight is f (1 - f)")
def on_the_diagonal():
    weight = softmax(S)[i, j]
    return Identity(grad(weight, S)[i, j], weight - weight * weight)
