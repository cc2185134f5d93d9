"""True facts about weights' gradients, maps between layers, residual connections and several heads."""

import sympy

from almostlinear.theorems import (
    Bound,
    Condition,
    Identity,
    Pair,
    d,
    diag,
    entries,
    exp,
    eye,
    features,
    func,
    grad,
    inner,
    jvp,
    kron,
    loss,
    maxnorm,
    n,
    ones,
    recip,
    rownorm,
    statement,
    symbol,
    tokens,
)  # fmt: skip

X, G = symbol("X", n, d), symbol("G", n, d)
W, V, W1, W2 = (symbol(name, d, d) for name in ("W", "V", "W_1", "W_2"))
Q, K = symbol("Q", d, d), symbol("K", d, d)
S, T = symbol("S", n, n), symbol("T", n, n)
i, j = tokens("i j")
a, b, c = features("a b c")


def softmax(scores):
    return diag(recip(exp(scores) @ ones(n))) @ exp(scores)


def centred(f, q):
    """f * q - diag((f * q) 1) f."""
    return f * q - diag((f * q) @ ones(n)) @ f


f = softmax(X @ W @ X.T)
q = G @ (X @ V).T


def phi(z, order=0):
    return func("phi", z, order)


@statement("true.G.1", "Rows of p add up to zero")
def rows_of_p():
    return Identity(centred(f, q) @ ones(n), ones(n) * 0)


@statement("true.G.2", "The gradient of the value weights")
def value_weights():
    return Identity(grad(loss(f @ X @ V, G), V), X.T @ f.T @ G)


@statement("true.G.3", "The gradient of the key weights, scores as written")
def key_weights():
    s = softmax(X @ Q @ (X @ K).T)
    return Identity(grad(loss(s @ X @ V, G), K), X.T @ centred(s, q).T @ X @ Q)


@statement("true.G.4", "The gradient in the scores")
def scores():
    return Identity(grad(loss(softmax(S) @ X, G), S), centred(softmax(S), G @ X.T))


@statement("true.G.5", "A vector of scores, read by rows")
def read_by_rows():
    w = symbol("w", d**2)
    matrix = entries(a, b, w[Pair(a, b)])
    return Identity((kron(X, X) @ w)[Pair(i, j)], (X @ matrix @ X.T)[i, j])


@statement("true.G.6", "An entry of the output depends on one column of W_V")
def one_column():
    slope = grad((f @ X @ V)[i, a], V)[b, c]
    return Identity(slope, (f @ X)[i, b] * eye(d)[a, c])


@statement("true.G.7", "A layer does not change if all keys are shifted by one vector")
def shifted_keys():
    t = symbol("t", d)
    return Identity(softmax(X @ W @ (X + ones(n) @ t.T).T), f)


@statement("true.G.8", "The gradient in W for tied query and key weights")
def tied():
    s = softmax(X @ Q @ (X @ Q).T)
    p = centred(s, q)
    return Identity(grad(loss(s @ X @ V, G), Q), X.T @ (p + p.T) @ X @ Q)


@statement("true.H.1", "Backward through phi(X W), to X")
def backward_to_x():
    return Identity(grad(loss(phi(X @ W), G), X), (G * phi(X @ W, 1)) @ W.T)


@statement("true.H.2", "Backward through phi(X W), to W")
def backward_to_w():
    return Identity(grad(loss(phi(X @ W), G), W), X.T @ (G * phi(X @ W, 1)))


@statement("true.H.3", "Two maps in turn")
def two_maps():
    inside = phi(X @ W1)
    outer = (G * phi(inside @ W2, 1)) @ W2.T
    return Identity(grad(loss(phi(inside @ W2), G), X), (outer * phi(X @ W1, 1)) @ W1.T)


@statement("true.H.4", "Two linear layers, the first one")
def two_linear():
    return Identity(grad(loss(X @ W1 @ W2, G), W1), X.T @ G @ W2.T)


@statement("true.H.5", "Centring is idempotent")
def idempotent():
    C = eye(n) - ones(n, n) * (1 / n)
    return Identity(C @ C @ X, C @ X)


@statement("true.H.6", "Centred columns add up to zero")
def centred_columns():
    return Identity(ones(n).T @ (eye(n) - ones(n, n) * (1 / n)), ones(n).T * 0)


@statement("true.H.7", "The square as activation")
def square_activation():
    z = X @ W
    return Identity(grad(loss(z * z, G), W), X.T @ (G * z) * 2)


@statement("true.H.8", "Backward through centred features")
def centred_features():
    C = eye(d) - ones(d, d) * (1 / d)
    return Identity(grad(loss(phi(X @ C), G), X), (G * phi(X @ C, 1)) @ C)


@statement("true.J.1", "A residual connection adds the upstream gradient")
def residual():
    return Identity(grad(loss(X + f @ X, G), X), G + grad(loss(f @ X, G), X))


@statement("true.J.2", "A residual around phi(X W)")
def around_phi():
    return Identity(grad(loss(X + phi(X @ W), G), X), G + (G * phi(X @ W, 1)) @ W.T)


@statement("true.J.3", "Two residual layers with their cross term")
def cross_term():
    first = X + X @ W1
    return Identity(first + first @ W2, X + X @ W1 + X @ W2 + X @ W1 @ W2)


@statement("true.J.4", "A residual attention layer at most doubles", kind="norm-bound")
def doubles():
    return Bound(maxnorm(X + f @ X), 2 * maxnorm(X))


@statement("true.J.5", "Two residual layers of factor 1 + a", kind="norm-bound")
def two_factors():
    step = eye(n) + S
    return Bound(rownorm(step @ step), (1 + rownorm(S)) ** 2)


@statement("true.J.6", "The Jacobian of a residual layer at one token")
def jacobian():
    slope = grad((X + X @ W)[i, a], X)[j, b]
    return Identity(slope, W[b, a] + eye(d)[b, a], where=(Condition(i, "==", j),))


@statement("true.K.1", "One head's value gradient sees its own weights")
def own_weights():
    output = softmax(S) @ X @ W1 + softmax(T) @ X @ W2
    return Identity(grad(loss(output, G), W2), (softmax(T) @ X).T @ G)


@statement("true.K.2", "Heads that share W add their gradients")
def shared():
    output = softmax(S) @ X @ W + softmax(T) @ X @ W
    return Identity(grad(loss(output, G), W), X.T @ (softmax(S) + softmax(T)).T @ G)


@statement("true.K.3", "The normalised product of two heads is the head of the sum")
def normalised_product():
    both = softmax(S) * softmax(T)
    return Identity(diag(recip(both @ ones(n))) @ both, softmax(S + T))


@statement("true.K.4", "The product of two heads is row-stochastic")
def product_of_heads():
    return Identity(softmax(S) @ softmax(T) @ ones(n), ones(n))


@statement("true.K.5", "The mean of two heads does not enlarge", kind="norm-bound")
def mean_of_heads():
    mean = (softmax(S) + softmax(T)) * sympy.Rational(1, 2)
    return Bound(maxnorm(mean @ X), maxnorm(X))


@statement("true.K.6", "The derivative along one head leaves the other one")
def along_one_head():
    moved = jvp(softmax(S) @ X + softmax(T) @ X, S, T)
    return Identity(moved, centred(softmax(S), T) @ X)


@statement("true.K.7", "The gradient of a quadratic loss of two heads")
def quadratic_loss():
    gap = softmax(S) @ X @ W + softmax(T) @ X @ V - G
    return Identity(grad(inner(gap, gap), V), X.T @ softmax(T).T @ gap * 2)
