"""One layer, repaired: the derivative of s, the gradients in X and W_V, and the size of the values.

The published D.1 takes f_{i1,i0} for f_{i0,i1} and W for W^T; D.8, D.9 and E.11 inherit it; G.3 has f for f^T; C.18 has n for the
inner size d. Closed forms (any scale tau):  dL/dX = tau (P X W^T + P^T X W) + f^T G W_V^T with P = f*(G h^T) - diag(K) f,
dL/dW_V = (f X)^T G.
"""

import sympy

from ..formula import define, diag, exp, grad, inner, loss, ones, recip, symbol, total, unit
from ..norms import maxnorm
from ..notation import W_K, W_Q, W_V, G, W, X, i0, i1, j0, j1
from ..paper.c_preliminaries import W_product, both, f, h, loss_gradient, s
from ..paper.d_matrix_view import K, ds_entry
from ..registry import repair, statement
from ..sizes import d, n
from ..statement import Bound, Condition, Identity

tau = sympy.Symbol("tau", positive=True)


@statement("C.3-note.K", "Gradient of W_K", origin="repair", source="completes the note after C.3", uses="C.3")
def w_k():
    dW = symbol("dL/dW", d, d)
    return Identity(grad(loss(W_product, dW), W_K), dW.T @ W_Q)


@repair("C.18", "Size of the values: the inner size is d", kind="norm-bound", uses="C.9")
def c_18r():
    return Bound(maxnorm(h), d * maxnorm(X) * maxnorm(W_V))


f_tau = define("f", diag(recip(exp((X @ W @ X.T) * tau) @ ones(n))) @ exp((X @ W @ X.T) * tau), "E.11r")


def with_tau(formula):
    """The formula with attention weights of any scale tau in place of f."""
    return formula.rebuild(lambda node: f_tau if node is f else None)


@repair("D.1", "Derivative of an entry of s", uses="C.10")
def d_1r():
    w_x = inner(W.col(j1), X.row(i0))
    x_w = X @ W.row(j1)
    direct = f[i0, i1] * h[i1, j0] * w_x - s[i0, j0] * f[i0, i1] * w_x + f[i0, i1] * W_V[j1, j0]
    own_row = inner(f.row(i0) * x_w, h.col(j0)) - s[i0, j0] * inner(f.row(i0), x_w)
    same, other = (Condition(i0, "==", i1),), (Condition(i0, "!=", i1),)
    return [
        Identity(ds_entry, direct + own_row, part="1 (i0 = i1)", where=same),
        Identity(ds_entry, direct, part="2 (i0 != i1)", where=other),
    ]


B6 = define("B_6", -(s[i0, j0] * (f.row(i0) @ (W.T @ X.row(i0)).T)), "D.8r")
B7 = define("B_7", (f.row(i0) * h.col(j0)) @ (W.T @ X.row(i0)).T, "D.8r")
B8 = define("B_8", f.row(i0) @ W_V.col(j0).T, "D.8r")
B2 = define("B_2", -(s[i0, j0] * (W @ X.T @ f.row(i0))), "D.8r")
B4 = define("B_4", W @ X.T @ (f.row(i0) * h.col(j0)), "D.8r")
all_B = B6 + B7 + B8 + unit(i0) @ (B2 + B4).T


@repair("D.8", "One term of the gradient", uses="D.1r")
def d_8r():
    return Identity(G[i0, j0] * grad(s[i0, j0], X), G[i0, j0] * all_B)


@repair("D.9", "The gradient as a sum of terms", uses=("D.8r", "C.4"))
def d_9r():
    return Identity(loss_gradient(X), total(i0, j0, G[i0, j0] * all_B))


@repair("E.11", "Closed form of the gradient in the layer input", uses=("D.9r", "D.16"))
def e_11r():
    P = define("P", f * (G @ h.T) - diag(K) @ f, "E.11r")
    right = (P @ X @ W.T + P.T @ X @ W) * tau + f.T @ G @ W_V.T
    return Identity(with_tau(loss_gradient(X)), with_tau(right), reading="any scale tau")


@repair("G.3", "Closed form of the gradient in W_V", uses=("G.2", "C.4"))
def g_3r():
    return both(loss_gradient(W_V), (f @ X).T @ G)
