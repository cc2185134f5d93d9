"""From the kernel to the attention weights: a relative error eta of exp(S), entry by entry, in f; and of S itself.

A~ = A * (1 + eta E), |E| <= 1, f~ = D~^{-1} A~ for any mask M with ones on the diagonal. Nothing here has a factor n.
"""

import sympy

from ..formula import absolute, define, diag, exp, inner, ones, recip, symbol
from ..norms import l1norm, maxnorm, rownorm, top
from ..notation import G, i0
from ..registry import statement
from ..sizes import d, n
from ..statement import Bound

FACT = {"kind": "error-bound", "origin": "repair"}
eta = sympy.Symbol("eta", positive=True)
ONE = (eta <= 1,)
S = symbol("S", n, n)
E = symbol("E", n, n, domain="unit")
M = symbol("M", n, n, domain="mask")


def normalised(a):
    """D^{-1} a with D = diag(a 1)."""
    return diag(recip(a @ ones(a.shape[1]))) @ a


A = define("A", M * exp(S), "S.1")
f = define("f", normalised(A), "S.1")
f_approx = define("f~", normalised(A * (ones(n, n) + E * eta)), "S.1")
eps_1 = 2 * eta / (1 + sympy.sqrt(1 - eta**2))


@statement("S.1", "Attention weights under a relative error of the kernel", **FACT)
def s_1():
    """|f~ - f| <= 2 eta f(1-f)/(1 - eta|1-2f|) <= (1 - sqrt(1-eta^2))/eta; also <= 2 eta/(1-eta) f; row l1 <= eps_1."""
    gap = absolute(f_approx - f)
    room = ones(n, n) - absolute(ones(n, n) - f * 2) * eta
    return [
        Bound(top(gap * room - (f * (ones(n, n) - f)) * (2 * eta)), sympy.Integer(0), part="1 entrywise", given=ONE),
        Bound(maxnorm(f_approx - f), eps_1 / 2, part="2 largest entry", given=ONE),
        Bound(rownorm(f_approx - f), eps_1, part="3 row l1", given=ONE),
        Bound(top(gap * (1 - eta) - f * (2 * eta)), sympy.Integer(0), part="4 relative", given=ONE),
        Bound(eps_1, eta / (1 - eta), part="5 simpler", given=(eta <= sympy.Rational(99, 100),)),
        Bound(rownorm(f_approx), sympy.Integer(1), part="6 rows", given=ONE),
    ]


z, w = symbol("z", n), symbol("w", n)
V = symbol("V", n, d)


def softmax(v):
    """Softmax of a column vector."""
    return exp(v) * recip(inner(exp(v), ones(n)))


@statement("S.2", "Softmax is Lipschitz with constant one, whatever n", **FACT)
def s_2():
    """|softmax(z) - softmax(w)|_1 <= 2 tanh(osc(z-w)/4) <= |z-w|, osc = max - min."""
    osc = top(z - w) + top(w - z)
    return [
        Bound(l1norm(softmax(z) - softmax(w)), 2 * sympy.tanh(osc / 4), part="1"),
        Bound(2 * sympy.tanh(osc / 4), maxnorm(z - w), part="2"),
    ]


def centred(weights):
    """f * (G V^T) - diag(K) f with K = (G * f V) 1: in a row, the weights times the values q = G V^T less their mean <f, q>."""
    k = (G * (weights @ V)) @ ones(d)
    return weights * (G @ V.T) - diag(k) @ weights


@statement("S.3", "Weighted values less their mean", uses="S.1", **FACT)
def s_3():
    """In a row |f * q - <f, q> f|_1 <= |q|, which changes by at most eps_1 |q| with f; here |q| <= |G_i|_1 |V|."""
    row, largest = l1norm(G.row(i0)), maxnorm(V)
    return [
        Bound(l1norm(centred(f).row(i0)), row * largest, part="1 size"),
        Bound(l1norm((centred(f_approx) - centred(f)).row(i0)), eps_1 * row * largest, part="2 error", given=ONE),
        Bound(l1norm(centred(f_approx).row(i0)), row * largest, part="3 size with an error", given=ONE),
    ]


D = symbol("D", n, n)
f_moved = define("f_D", normalised(M * exp(S + D)), "S.4")


@statement("S.4", "Attention weights of other scores", uses=("S.2", "S.3"), **FACT)
def s_4():
    """|f_D - f|_1 <= |D| in a row, D the change of the scores; weighted values less their mean change by at most |D| |G_i|_1 |V|."""
    change = l1norm((centred(f_moved) - centred(f)).row(i0))
    return [
        Bound(rownorm(f_moved - f), maxnorm(D), part="1 rows"),
        Bound(change, maxnorm(D) * l1norm(G.row(i0)) * maxnorm(V), part="2 less their mean"),
    ]
