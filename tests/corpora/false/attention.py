"""False facts about attention weights and their derivatives."""

from almostlinear.theorems import (
    Condition,
    Identity,
    causal_rows,
    d,
    diag,
    exp,
    eye,
    features,
    func,
    grad,
    inner,
    jvp,
    loss,
    n,
    ones,
    recip,
    statement,
    symbol,
    tokens,
    total,
)  # fmt: skip

X, W, V, G = symbol("X", n, d), symbol("W", d, d), symbol("V", d, d), symbol("G", n, d)
S, E, P = symbol("S", n, n), symbol("E", n, n), symbol("P", n, n)
v, t = symbol("v", n), symbol("t", n)
M = causal_rows(n)
i, j, k = tokens("i j k")
a, b = features("a b")


def softmax(scores):
    """Rows of exp(scores), normalised."""
    return diag(recip(exp(scores) @ ones(n))) @ exp(scores)


f = softmax(X @ W @ X.T)


@statement("false.D.1", "Columns of the attention weights add up to one")
def column_sums():
    return Identity(f.T @ ones(n), ones(n))


@statement("false.D.2", "A shift of each column does not matter")
def column_shift():
    return Identity(softmax(S + ones(n) @ v.T), softmax(S))


@statement("false.D.3", "Twice the scores square the weights")
def squared_weights():
    return Identity(softmax(S * 2), softmax(S) * softmax(S))


@statement("false.D.4", "Transposed weights come from transposed scores")
def transposed_weights():
    return Identity(softmax(S.T), softmax(S).T)


@statement("false.D.5", "The derivative of softmax without its centre")
def no_centre():
    return Identity(jvp(softmax(S), S, E), softmax(S) * E)


@statement("false.D.6", "exp has itself as derivative, chain rule forgotten")
def no_chain_rule():
    return Identity(jvp(exp(X @ W), X, G), exp(X @ W) * G)


@statement("false.D.7", "A quadratic form that is taken to be symmetric")
def symmetric_form():
    return Identity(jvp(X @ W @ X.T, X, G), (G @ W @ X.T) * 2)


@statement("false.D.8", "The gradient of <W x, x> for a W that is not symmetric")
def gradient_of_form():
    x = symbol("x", d)
    return Identity(grad(inner(W @ x, x), x), (W @ x) * 2)


@statement("false.D.9", "Backward through X W multiplies by W")
def backward_product():
    return Identity(grad(loss(X @ W, G), X), G @ W)


@statement("false.D.10", "The weights are taken as constants in dL/dX")
def constant_weights():
    return Identity(grad(loss(f @ X, G), X), f.T @ G)


@statement("false.D.11", "The gradient of <X W X^T, P> in W, P transposed")
def gradient_in_w():
    return Identity(grad(inner(X @ W @ X.T, P), W), X.T @ P.T @ X)


@statement("false.D.12", "Masking after the normalisation keeps row sums")
def masked_after():
    return Identity((M * f) @ ones(n), ones(n))


@statement("false.D.13", "The normaliser of a causal row is that of the next one")
def causal_normaliser():
    u = exp(S)
    D = (M.T * u) @ ones(n)
    return Identity(diag(recip(D)) @ (M * u) @ ones(n), ones(n))


@statement("false.D.14", "The derivative of a reciprocal, square forgotten")
def reciprocal_slope():
    p, q = symbol("p", n, domain="positive"), symbol("q", n)
    return Identity(jvp(recip(p), p, q), -(q * recip(p)))


@statement("false.D.15", "The slope of phi(X W) taken at the direction")
def slope_elsewhere():
    return Identity(jvp(func("phi", X @ W), W, V), func("phi", X @ V, 1) * (X @ W))


@statement("false.D.16", "Off the diagonal the derivative of a weight is its square")
def off_diagonal():
    def weight(at):
        return softmax(S)[i, at]

    slope = grad(weight(j), S)[i, k]
    return Identity(slope, -(weight(j) * weight(j)), where=(Condition(j, "!=", k),))


@statement("false.D.17", "A weight depends on the scores of other rows")
def other_rows():
    slope = grad(softmax(S)[i, j], S)[k, j]
    return Identity(slope, softmax(S)[i, j] * (ones(1) - softmax(S)[i, j]))


@statement("false.D.18", "The mean of the values instead of their weighted mean in the centre")
def uniform_centre():
    row = softmax(S).row(i)
    mean = inner(t, ones(n)) * (1 / n)
    return Identity((diag(row) - row @ row.T) @ t, row * t - row * mean)


@statement("false.D.19", "The covariance of a row of weights is idempotent")
def idempotent():
    row = softmax(S).row(i)
    J = diag(row) - row @ row.T
    return Identity(J @ J, J)


@statement("false.D.20", "Two attention layers with one matrix each are one with the product")
def two_layers():
    return Identity(softmax(S) @ softmax(S), softmax(S + S))


@statement("false.D.21", "Sum over tokens and derivative: a diagonal term is left out")
def diagonal_left_out():
    slopes = total(k, grad(exp(X @ W)[i, a], X)[k, b])
    return Identity(slopes, exp(X @ W)[i, a] * (W[b, a] - eye(d)[b, a]))
