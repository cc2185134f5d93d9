"""One layer, any f~ with |f~ - f| <= eps entrywise: every term of the gradients in the max norm, with its constant.

R = |XW|, R' = |XW^T|, R_X = |X|, H = |h|, gamma = |G|, Q = d gamma H, kappa = |K|. Here f~ is adversarial, not a polynomial's; the
factors n are real for such f~ (they vanish in `errors_l1`).
"""

import sympy

from ..formula import define, diag, exp, ones, symbol
from ..norms import maxnorm
from ..notation import W_V, G, W, X
from ..registry import statement
from ..sizes import d, n
from ..statement import Bound
from .kernel import normalised

tau, eps = (sympy.Symbol(name, positive=True) for name in ("tau", "eps"))
M = symbol("M", n, n, domain="mask")
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


def core_of(weights, upstream):
    """P of these weights for dL/ds = upstream, with their own K."""
    return core(weights, weighted(weights)).rebuild(lambda node: upstream if node is G else None)


def dX(weights, k):
    """tau (P X W^T + P^T X W) + f^T G W_V^T."""
    p = core(weights, k)
    return (p @ X @ W.T + p.T @ X @ W) * tau + weights.T @ G @ W_V.T


K, K_approx = define("K", weighted(f), "max.1"), define("K~", weighted(f_approx), "max.1")
R, R_t, R_X, H, gamma, kappa, w = (maxnorm(a) for a in (X @ W, X @ W.T, X, h, G, K, W_V))
Q = d * gamma * H
FACT = {"kind": "error-bound", "origin": "repair"}


step = E * eps
"""f~ - f, any matrix with entries within eps."""
K_step = weighted(step)
"""K~ - K."""


def core_step(right, exact_k, transposed=False):
    """(P~ - P) right, or (P~ - P)^T right, term by term; with ``exact_k`` both have the K of f."""
    terms = [step * (G @ h.T), diag(K if exact_k else K + K_step) @ step]
    changed = [((t.T if transposed else t) @ right) for t in terms]
    through_k = (f.T @ diag(K_step)) @ right if transposed else diag(K_step) @ (f @ right)
    return changed[0] - changed[1] if exact_k else changed[0] - through_k - changed[1]


def dX_step(exact_k):
    """dX(f~, .) - dX(f, K), term by term."""
    both = core_step(X @ W.T, exact_k) + core_step(X @ W, exact_k, transposed=True)
    return both * tau + step.T @ (G @ W_V.T)


@statement("max.1", "Terms of dL/dX in the max norm", uses="E.11r", **FACT)
def a_1():
    gap = f_approx - f
    direct, through = n * eps * kappa, n * eps * Q
    rest, rest_t = X @ W, X @ W.T
    terms = {
        "diag(K) f X W^T": (diag(K) @ gap @ X @ W.T, direct * R_t, diag(K) @ step @ rest_t),
        "(f * G h^T) X W^T": ((gap * (G @ h.T)) @ X @ W.T, through * R_t, (step * (G @ h.T)) @ rest_t),
        "(diag(K) f)^T X W": ((diag(K) @ gap).T @ X @ W, direct * R, (diag(K) @ step).T @ rest),
        "(f * G h^T)^T X W": ((gap * (G @ h.T)).T @ X @ W, through * R, (step * (G @ h.T)).T @ rest),
        "f^T G W_V^T": (gap.T @ G @ W_V.T, n * eps * d * gamma * w, step.T @ (G @ W_V.T)),
    }
    bounds = [Bound(maxnorm(left), right, part=part, via=via) for part, (left, right, via) in terms.items()]
    return [*bounds, Bound(kappa, Q, part="K")]


@statement("max.2", "dL/dX in the max norm", uses="max.1", **FACT)
def a_2():
    exact = n * eps * (2 * tau * Q * (R + R_t) + d * gamma * w)
    approximate = n * eps * (tau * Q * ((3 + n * eps) * R_t + (2 + n + n * eps) * R) + d * gamma * w)
    return [
        Bound(maxnorm(dX(f_approx, K) - dX(f, K)), exact, part="1 exact K", via=dX_step(True)),
        Bound(maxnorm(dX(f_approx, K_approx) - dX(f, K)), approximate, part="2 approximate K", via=dX_step(False)),
    ]


@statement("max.3", "dL/dW and dL/dW_V in the max norm", uses=("F.4", "G.3r"), **FACT)
def a_3():
    gap = core(f_approx, K_approx) - core(f, K)
    by_w = (X.T @ gap @ X) * tau
    via = (X.T @ core_step(X, False)) * tau
    return [
        Bound(maxnorm(by_w), tau * n**2 * eps * R_X**2 * Q * (3 + n * eps), part="dL/dW", via=via),
        Bound(maxnorm(((f_approx - f) @ X).T @ G), n**2 * eps * R_X * gamma, part="dL/dW_V", via=(step @ X).T @ G),
    ]
