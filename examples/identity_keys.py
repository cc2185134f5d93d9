"""The gradient of softmax attention in its keys. Expected: proved."""

from almostlinear.theorems import *

Q, K, V, G = (symbol(name, n, d) for name in "QKVG")
u = exp(Q @ K.T)
f = define("f", diag(recip(u @ ones(n))) @ u)
h = define("h", f * (G @ V.T))


@statement("example.identity-keys", "Gradient of softmax attention in its keys")
def keys():
    return Identity(grad(loss(f @ V, G), K), (h - diag(h @ ones(n)) @ f).T @ Q)
