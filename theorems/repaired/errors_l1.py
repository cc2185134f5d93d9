"""One layer, f~ row-stochastic from a relative kernel error eta: l1 norm backward, max norm forward, and no factor n anywhere.

r, r' = largest row l1 of XW, XW^T; om = largest column l1 of W_V; H = |h|; Lam = om + tau H (r + r');
eps_1 = 2 eta / (1 + sqrt(1 - eta^2)). Errors are eps_1 times the sizes, and nearly attained, as P changes by at most eps_1 |q| in a row
whose values q = (G h^T)_i are at most |q| (S.3): the triangle inequality over the terms of P~ - P would give three times that.
"""

from ..formula import define, exp, ones, symbol
from ..norms import colnorm, l1norm, maxnorm, rownorm
from ..notation import W_V, G, W, X, i0
from ..registry import statement
from ..sizes import d, n
from ..statement import Bound
from .errors_max import core, dX, tau, weighted
from .kernel import ONE, eps_1, eta, normalised

M = symbol("M", n, n, domain="mask")
E = symbol("E", n, n, domain="unit")
A = define("A", M * exp((X @ W @ X.T) * tau), "l1.1")
f = define("f", normalised(A), "l1.1")
f_approx = define("f~", normalised(A * (ones(n, n) + E * eta)), "l1.1")
h = define("h", X @ W_V, "l1.1")
K, K_approx = define("K", weighted(f), "l1.1"), define("K~", weighted(f_approx), "l1.1")
P, P_approx = define("P", core(f, K), "l1.1"), define("P~", core(f_approx, K_approx), "l1.1")
r, r_t, om, H, R_X = rownorm(X @ W), rownorm(X @ W.T), colnorm(W_V), maxnorm(h), maxnorm(X)
Lam = om + tau * H * (r + r_t)
FACT = {"kind": "error-bound", "origin": "repair"}


def terms_of_dX(weights, p):
    """dL/dX, by the order in which its products are bounded."""
    return (p @ (X @ W.T) + p.T @ (X @ W)) * tau + weights.T @ (G @ W_V.T)


change_of_dX = terms_of_dX(f_approx - f, P_approx - P)


@statement("l1.1", "Rows of P in l1", uses=("S.1", "S.3", "E.11r"), **FACT)
def b_1():
    row = l1norm(G.row(i0))
    return [
        Bound(l1norm((P_approx - P).row(i0)), H * row * eps_1, part="1 error", given=ONE),
        Bound(l1norm(P.row(i0)), H * row, part="2 size"),
        Bound(maxnorm(f_approx @ h - f @ h), eps_1 * H, part="3 forward", given=ONE, via=(f_approx - f) @ h),
    ]


@statement("l1.2", "dL/dX in l1", uses="l1.1", **FACT)
def b_2():
    return [
        Bound(l1norm(dX(f, K)), Lam * l1norm(G), part="1 size", via=terms_of_dX(f, P)),
        Bound(
            l1norm(dX(f_approx, K_approx) - dX(f, K)),
            Lam * eps_1 * l1norm(G),
            part="2 error",
            given=ONE,
            via=change_of_dX,
        ),
    ]


@statement("l1.3", "dL/dW and dL/dW_V, from l1", uses="l1.1", **FACT)
def b_3():
    total = l1norm(G)
    return [
        Bound(tau * maxnorm(X.T @ (P_approx - P) @ X), tau * R_X**2 * H * eps_1 * total, part="dL/dW", given=ONE),
        Bound(maxnorm(((f_approx - f) @ X).T @ G), R_X * eps_1 * total, part="dL/dW_V", given=ONE),
    ]


Y = symbol("Y", n, d)


def attention(x):
    """s(x) = f(x) x W_V."""
    return normalised(M * exp((x @ W @ x.T) * tau)) @ x @ W_V


@statement("l1.4", "Attention is Lipschitz in the max norm", uses=("S.2", "S.4"), **FACT)
def b_4():
    """|s(Y) - s(X)| <= Lam |Y - X|, with r and H of X and r' of Y: Y W Y^T - X W X^T = (Y - X) W Y^T + X W (Y - X)^T."""
    moved = om + tau * H * (r + rownorm(Y @ W.T))
    f_X, f_Y = (normalised(M * exp((x @ W @ x.T) * tau)) for x in (X, Y))
    via = f_Y @ ((Y - X) @ W_V) + (f_Y - f_X) @ h
    return Bound(maxnorm(attention(Y) - attention(X)), moved * maxnorm(Y - X), via=via)
