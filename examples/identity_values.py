"""The gradient of softmax attention in its values, with f for its transpose. Expected: refuted."""

from almostlinear.theorems import *

Q, K, V, G = (symbol(name, n, d) for name in "QKVG")
u = exp(Q @ K.T)
f = define("f", diag(recip(u @ ones(n))) @ u)


@statement("example.identity-values", "Gradient of softmax attention in its values")
def values():
    return Identity(grad(loss(f @ V, G), V), f @ G)
