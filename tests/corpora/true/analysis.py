"""True inequalities of one variable, and softmax between its extremes."""

import sympy

from almostlinear.theorems import (
    Bound,
    Identity,
    diag,
    exp,
    jvp,
    l1norm,
    maxnorm,
    n,
    ones,
    recip,
    rownorm,
    size,
    statement,
    symbol,
    taylor,
    top,
)  # fmt: skip
from almostlinear.theorems.functions import BesselTail, J, T

b, L = sympy.Symbol("b", positive=True), sympy.Symbol("L", positive=True)
g, k = size("g"), size("k")
A, E, S, q = symbol("A", n, n), symbol("E", n, n), symbol("S", n, n), symbol("q", n, n)
e = sympy.exp
BOUND = {"kind": "error-bound"}


def softmax(scores):
    return diag(recip(exp(scores) @ ones(n))) @ exp(scores)


f = softmax(S)


@statement("true.T.1", "Taylor polynomials stay below exp on the right", **BOUND)
def below_exp():
    return Bound(T(b, g), e(b))


@statement("true.T.2", "Even ones stay above exp on the left", **BOUND)
def above_exp():
    return Bound(e(-b), T(-b, 2 * k))


@statement("true.T.3", "The relative error is at least the next term", **BOUND)
def next_term():
    return Bound(b ** (g + 1) / sympy.factorial(g + 1), J(b, g))


@statement("true.T.4", "... and at most e^b times it", **BOUND)
def at_most():
    return Bound(J(b, g), e(b) * b ** (g + 1) / sympy.factorial(g + 1))


@statement("true.T.5", "(1 + b/g)^g stays below exp", **BOUND)
def compound():
    return Bound((1 + b / g) ** g, e(b))


@statement("true.T.6", "log(1 + b) stays below b", **BOUND)
def logarithm():
    return Bound(sympy.log(1 + b), b)


@statement("true.T.7", "tanh between b/(1 + b) and b", **BOUND)
def hyperbolic():
    return [Bound(b / (1 + b), sympy.tanh(b), part="below"), Bound(sympy.tanh(b), b, part="above")]


@statement("true.T.8", "The square of what is below one and b is below b", **BOUND)
def smaller_of():
    return Bound(sympy.Min(b, 1) ** 2, b)


@statement("true.T.9", "The sum of exponentials is at most one more than that of the sum", **BOUND)
def exponent_of_sum():
    return Bound(e(b) + e(L), 1 + e(b + L))


@statement("true.T.10", "Monomials are fewer than subsets", **BOUND)
def monomials():
    return Bound(sympy.binomial(k + g, g), sympy.Integer(2) ** (k + g - 1))


@statement("true.T.11", "Stirling's lower bound", **BOUND)
def stirling():
    return Bound((g / e(1)) ** g, sympy.factorial(g))


@statement("true.T.12", "The geometric mean is below the arithmetic one", **BOUND)
def means():
    return Bound(sympy.sqrt(b * L), (b + L) / 2)


@statement("true.T.13", "The relative error one degree further", **BOUND)
def one_degree():
    return Bound(J(b, g + 1), b / (g + 1) * J(b, g))


@statement("true.T.14", "Tails of Bessel functions", **BOUND)
def bessel_tail():
    return Bound(2 * BesselTail(b, g), e(b))


@statement("true.T.15", "e^-b below 1/(1 + b)", **BOUND)
def hyperbola():
    return Bound(e(-b), 1 / (1 + b))


@statement("true.T.16", "The Taylor polynomial of degree three has that of degree two as slope")
def taylor_slope():
    return Identity(jvp(taylor(A, 3), A, E), taylor(A, 2) * E)


@statement("true.T.17", "Squares of exponentials")
def squares():
    return Identity(exp(A) * exp(A) * exp(E), exp(A * 2 + E))


@statement("true.S.1", "The largest weight", **BOUND)
def largest_weight():
    return Bound(maxnorm(f), e(2 * maxnorm(S)) / n)


@statement("true.S.2", "The smallest weight", **BOUND)
def smallest_weight():
    return Bound(top(-f), -e(-2 * maxnorm(S)) / n)


@statement("true.S.3", "Weights near uniform ones", **BOUND)
def near_uniform():
    return Bound(maxnorm(f - ones(n, n) * (1 / n)), maxnorm(S) / 2)


@statement("true.S.4", "A lower temperature sharpens the weights", **BOUND)
def temperature():
    return Bound(maxnorm(f), maxnorm(softmax(S * 2)))


@statement("true.S.5", "Centred rows", **BOUND)
def centred_rows():
    return Bound(rownorm(f * q - diag((f * q) @ ones(n)) @ f), maxnorm(q))


@statement("true.S.6", "Squared weights of all rows add up to one at least", **BOUND)
def squared_weights():
    return Bound(1, l1norm(f * f))


@statement("true.S.7", "The soft maximum is below the maximum", **BOUND)
def soft_maximum():
    return Bound(top((f * S) @ ones(n)), top(S))


@statement("true.S.8", "Ratios of weights are those of the kernel", **BOUND)
def ratios():
    return Bound(maxnorm(f * recip(f.T)), e(2 * maxnorm(S)) * e(2 * maxnorm(S)))
