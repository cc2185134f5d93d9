"""False facts about weights' gradients, maps between layers, residual connections and several heads."""

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
    jvp,
    kron,
    l1norm,
    loss,
    maxnorm,
    n,
    ones,
    recip,
    rownorm,
    statement,
    symbol,
    tokens,
    total,
)  # fmt: skip

X, G = symbol("X", n, d), symbol("G", n, d)
W, V, W1, W2 = (symbol(name, d, d) for name in ("W", "V", "W_1", "W_2"))
Q, K = symbol("Q", d, d), symbol("K", d, d)
S, T = symbol("S", n, n), symbol("T", n, n)
i, j = tokens("i j")
a, b, c, e = features("a b c e")


def softmax(scores):
    return diag(recip(exp(scores) @ ones(n))) @ exp(scores)


f = softmax(X @ W @ X.T)
q = G @ (X @ V).T
p = f * q - diag((f * q) @ ones(n)) @ f


def phi(z, order=0):
    return func("phi", z, order)


@statement("false.G.1", "dL/dW with the tokens' roles exchanged")
def roles():
    return Identity(grad(loss(f @ X @ V, G), W), X.T @ p.T @ X)


@statement("false.G.2", "Columns of p add up to zero")
def columns_of_p():
    return Identity(p.T @ ones(n), ones(n) * 0)


@statement("false.G.3", "The gradient of the query weights by the query weights")
def query_weights():
    s = softmax(X @ Q @ (X @ K).T)
    r = s * q - diag((s * q) @ ones(n)) @ s
    return Identity(grad(loss(s @ X @ V, G), Q), X.T @ r @ X @ Q)


@statement("false.G.4", "The gradient in W of attention is symmetric")
def symmetric():
    gradient = grad(loss(f @ X @ V, G), W)
    return Identity(gradient, gradient.T)


@statement("false.G.5", "A vector of scores, read by columns")
def read_by_columns():
    w = symbol("w", d**2)
    matrix = entries(a, b, w[Pair(a, b)])
    return Identity((kron(X, X) @ w)[Pair(i, j)], (X @ matrix @ X.T)[j, i])


@statement("false.G.6", "dL/dW_V without the attention weights")
def no_weights():
    return Identity(grad(loss(f @ X @ V, G), V), X.T @ G)


@statement("false.G.7", "An entry of the output depends on all columns of W_V")
def all_columns():
    slope = grad((f @ X @ V)[i, a], V)[b, c]
    return Identity(slope, (f @ X)[i, b])


@statement("false.G.8", "A bias in the values comes out as it went in, weights not normalised")
def bias():
    u, t = exp(X @ W @ X.T), symbol("t", d)
    return Identity(u @ (X @ V + ones(n) @ t.T), u @ X @ V + ones(n) @ t.T)


@statement("false.H.1", "Backward through phi(X W): the slope comes last")
def slope_last():
    return Identity(grad(loss(phi(X @ W), G), X), (G @ W.T) * phi(X @ W, 1))


@statement("false.H.2", "The slope of phi is taken before the weights")
def slope_before():
    return Identity(grad(loss(phi(X @ W), G), W), X.T @ (G * phi(X, 1)))


@statement("false.H.3", "Two maps in turn: the inner slope is forgotten")
def inner_slope():
    inside = phi(X @ W1)
    return Identity(grad(loss(phi(inside @ W2), G), X), (G * phi(inside @ W2, 1)) @ W2.T @ W1.T)


@statement("false.H.4", "Two linear layers: the second one untransposed")
def two_linear():
    return Identity(grad(loss(X @ W1 @ W2, G), W1), X.T @ G @ W2)


@statement("false.H.5", "Centring twice takes the mean away twice")
def centred_twice():
    mean = ones(n, n) * (1 / n)
    C = eye(n) - mean
    return Identity(C @ C, eye(n) - mean * 2)


@statement("false.H.6", "Centring tokens by the number of features")
def centred_by_d():
    return Identity((eye(n) - ones(n, n) * (1 / d)) @ ones(n, d), ones(n, d) * 0)


@statement("false.H.7", "phi commutes with the weights")
def commutes():
    return Identity(phi(X @ W), phi(X) @ W)


@statement("false.H.8", "The square as activation: its slope without the two")
def square_activation():
    z = X @ W
    return Identity(grad(loss(z * z, G), W), X.T @ (G * z))


@statement("false.J.1", "A residual connection adds nothing to the gradient")
def no_residual():
    return Identity(grad(loss(X + f @ X, G), X), grad(loss(f @ X, G), X))


@statement("false.J.2", "A residual around g: the slope multiplies the skip too")
def slope_on_skip():
    return Identity(grad(loss(X + phi(X @ W), G), X), (G @ W.T + G) * phi(X @ W, 1))


@statement("false.J.3", "Two residual layers: the product of both maps is lost")
def cross_term():
    return Identity((X + X @ W1) + (X + X @ W1) @ W2, X + X @ W1 + X @ W2)


@statement("false.J.4", "A residual layer does not magnify", kind="norm-bound")
def magnifies():
    return Bound(maxnorm(X + f @ X), maxnorm(X))


@statement("false.J.5", "Two residual layers of factor 1 + a have factor 1 + 2a", kind="norm-bound")
def two_factors():
    step = eye(n) + S
    return Bound(rownorm(step @ step), 1 + 2 * rownorm(S))


@statement("false.J.6", "The Jacobian of a residual layer, its skip forgotten")
def residual_jacobian():
    slope = grad((X + X @ W)[i, a], X)[j, b]
    return Identity(slope, W[b, a], where=(Condition(i, "==", j),))


@statement("false.K.1", "One head's value gradient sees the weights of both")
def both_heads():
    first, second = softmax(S), softmax(T)
    output = first @ X @ W1 + second @ X @ W2
    return Identity(grad(loss(output, G), W1), ((first + second) @ X).T @ G)


@statement("false.K.2", "The mean of two heads is the head of the mean scores")
def mean_of_heads():
    half = sympy.Rational(1, 2)
    return Identity((softmax(S) + softmax(T)) * half, softmax((S + T) * half))


@statement("false.K.3", "The product of two heads is the head of the sum")
def product_of_heads():
    return Identity(softmax(S) * softmax(T), softmax(S + T))


@statement("false.K.4", "A matrix power of weights is an entrywise one")
def powers():
    return Identity(softmax(S) @ softmax(S) @ softmax(S), softmax(S) * softmax(S) * softmax(S))


@statement("false.K.5", "Heads that share W: the gradients are multiplied")
def shared_weights():
    output = softmax(S) @ X @ W + softmax(T) @ X @ W
    return Identity(grad(loss(output, G), W), X.T @ softmax(S).T @ softmax(T).T @ G)


@statement("false.K.6", "The sum over heads has the l1 norm of the largest one", kind="norm-bound")
def sum_of_heads():
    return Bound(l1norm(softmax(S) @ X + softmax(T) @ X), n * l1norm(X))


@statement("false.K.7", "The derivative along one head moves the other one")
def along_one_head():
    moved = jvp(softmax(S) @ X + softmax(T) @ X, S, T)
    return Identity(moved, (softmax(S) * T + softmax(T) * T) @ X - diag((softmax(S) * T) @ ones(n)) @ softmax(S) @ X)


@statement("false.K.8", "Output projection before the sum over tokens is another one after it")
def projection():
    return Identity(total(i, (X @ W).row(i)), W @ (X.T @ ones(n)))
