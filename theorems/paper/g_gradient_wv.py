"""Appendix G: the gradient with respect to W_V."""

from ..formula import grad, scalar, unit
from ..notation import W_V, G, X
from ..registry import published
from ..sizes import features, tokens
from ..statement import Condition, Identity
from .c_preliminaries import both, f, h, loss_gradient, s

i0, i2 = tokens("i0 i2")
i1, j0, j1, j2 = features("i1 j0 j1 j2")


@published("Lemma G.1", "Derivative of an entry of h in W_V", uses="C.9")
def g_1():
    left = grad(h[i0, j0], W_V)[i1, j1]
    return [
        Identity(left, X[i0, i1], part="1 (j0 = j1)", where=(Condition(j0, "==", j1),)),
        Identity(left, scalar(0), part="2 (j0 != j1)", where=(Condition(j0, "!=", j1),)),
    ]


@published("Lemma G.2", "Derivative of an entry of s in W_V", uses=("C.10", "G.1"))
def g_2():
    left = grad(s[i2, j2], W_V)
    return [
        Identity(left[i1, j1], f.row(i2).T @ X.col(i1), part="1 (j2 = j1)", where=(Condition(j2, "==", j1),)),
        Identity(left[i1, j1], scalar(0), part="1 (j2 != j1)", where=(Condition(j2, "!=", j1),)),
        Identity(left, X.T @ f.row(i2) @ unit(j2).T, part="2"),
    ]


@published("Lemma G.3", "Closed form of the gradient in W_V", uses=("G.2", "C.4"))
def g_3():
    return both(loss_gradient(W_V), X.T @ f @ G)
