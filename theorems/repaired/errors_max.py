"""One layer, any f~ with |f~ - f| <= eps entrywise: every term of the gradients in the max norm, with its constant.

R = |XW|, R' = |XW^T|, R_X = |X|, H = |h|, gamma = |G|, Q = d gamma H, kappa = |K|. Here f~ is adversarial, not a polynomial's; the
factors n are real for such f~ (they vanish in `errors_l1`).
"""

import sympy

from ..formula import causal_rows, define, diag, exp, ones, symbol
from ..norms import maxnorm
from ..notation import W_V, G, W, X
from ..registry import statement
from ..sizes import d, n
from ..statement import Bound
from .kernel import normalised

tau, eps = (sympy.Symbol(name, positive=True) for name in ("tau", "eps"))
M = causal_rows(n)
E = symbol("E", n, n, domain="unit")
f = define("f", normalised(M * exp((X @ W @ X.T) * tau)), "max.1")
f_approx = define("f~", f + E * eps, "max.1")
h = define("h", X @ W_V, "max.1")


def weighted(weights):
    """K = (G * s) 1 with s = f h."""
    return (G * (weights @ h)) @ ones(d)


def core(weights, k):
    """P = f * (G h^T) - diag(K) f."""
    return weights * (G @ h.T) - diag(k) @ weights


def dX(weights, k):
    """tau (P X W^T + P^T X W) + f^T G W_V^T."""
    p = core(weights, k)
    return (p @ X @ W.T + p.T @ X @ W) * tau + weights.T @ G @ W_V.T


K, K_approx = define("K", weighted(f), "max.1"), define("K~", weighted(f_approx), "max.1")
R, R_t, R_X, H, gamma, kappa, w = (maxnorm(a) for a in (X @ W, X @ W.T, X, h, G, K, W_V))
Q = d * gamma * H
FACT = {"kind": "error-bound", "origin": "repair"}


@statement("max.1", "Terms of dL/dX in the max norm", uses="E.11r", **FACT)
def a_1():
    gap = f_approx - f
    direct, through = n * eps * kappa, n * eps * Q
    return [
        Bound(maxnorm(diag(K) @ gap @ X @ W.T), direct * R_t, part="diag(K) f X W^T"),
        Bound(maxnorm((gap * (G @ h.T)) @ X @ W.T), through * R_t, part="(f * G h^T) X W^T"),
        Bound(maxnorm((diag(K) @ gap).T @ X @ W), direct * R, part="(diag(K) f)^T X W"),
        Bound(maxnorm((gap * (G @ h.T)).T @ X @ W), through * R, part="(f * G h^T)^T X W"),
        Bound(maxnorm(gap.T @ G @ W_V.T), n * eps * d * gamma * w, part="f^T G W_V^T"),
        Bound(kappa, Q, part="K"),
    ]


@statement("max.2", "dL/dX in the max norm", uses="max.1", **FACT)
def a_2():
    exact = n * eps * (2 * tau * Q * (R + R_t) + d * gamma * w)
    approximate = n * eps * (tau * Q * ((3 + n * eps) * R_t + (2 + n + n * eps) * R) + d * gamma * w)
    return [
        Bound(maxnorm(dX(f_approx, K) - dX(f, K)), exact, part="1 exact K"),
        Bound(maxnorm(dX(f_approx, K_approx) - dX(f, K)), approximate, part="2 approximate K"),
    ]


@statement("max.3", "dL/dW and dL/dW_V in the max norm", uses=("F.4", "G.3r"), **FACT)
def a_3():
    gap = core(f_approx, K_approx) - core(f, K)
    return [
        Bound(tau * maxnorm(X.T @ gap @ X), tau * n**2 * eps * R_X**2 * Q * (3 + n * eps), part="dL/dW"),
        Bound(maxnorm(((f_approx - f) @ X).T @ G), n**2 * eps * R_X * gamma, part="dL/dW_V"),
    ]
