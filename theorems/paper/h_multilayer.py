"""Appendix H: the gradient through g_i(Z) = phi(Z W_g), from dL/dT_i to G_i = dL/dAttn_i."""

from ..formula import define, func, grad, loss, scalar, symbol, unit
from ..notation import W_g, g_T, i4, i5, j4, j5
from ..registry import published
from ..sizes import d, n
from ..statement import Condition, Identity

PHI = "g_i(Z) = phi(Z W_g), phi entrywise and differentiable"
attn = symbol("Attn", n, d)
T = define("T", func("phi", attn @ W_g), "H.1")


@published("Lemma H.1", "Derivative through g_i", uses="3.3", hypotheses=PHI)
def h_1():
    left = grad(T[i4, j4], attn)
    slope = func("phi", attn.row(i4).T @ W_g.col(j4), 1)
    return [
        Identity(left[i5, j5], slope * W_g[j5, j4], part="1 (i4 = i5)", where=(Condition(i4, "==", i5),)),
        Identity(left[i5, j5], scalar(0), part="1 (i4 != i5)", where=(Condition(i4, "!=", i5),)),
        Identity(left, slope * (unit(i4) @ W_g.col(j4).T), part="2"),
    ]


@published("Lemma H.2", "Closed form of G_i", uses="H.1", hypotheses=(PHI, "g_T = dL/dT_i is given"))
def h_2():
    G_i = grad(define("L", loss(T, g_T), "3.1"), attn)
    return Identity(G_i, (g_T * func("phi", attn @ W_g, 1)) @ W_g.T)
