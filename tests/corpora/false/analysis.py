"""False inequalities of one variable: polynomials of exp, their degrees, and softmax between its extremes."""

import sympy

from almostlinear.theorems import (
    Bound,
    Identity,
    diag,
    exp,
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
from almostlinear.theorems.functions import BesselTail, Degree, J, T

b, L = sympy.Symbol("b", positive=True), sympy.Symbol("L", positive=True)
g, k = size("g"), size("k")
A, B, S = symbol("A", n, n), symbol("B", n, n), symbol("S", n, n)
x = symbol("x", n)
e = sympy.exp
BOUND = {"kind": "error-bound"}
f = diag(recip(exp(S) @ ones(n))) @ exp(S)


@statement("false.T.1", "Taylor polynomials stay below exp on both sides", **BOUND)
def below_exp():
    return Bound(T(-b, 2 * k), e(-b))


@statement("false.T.2", "The relative error without its factor e^b", **BOUND)
def relative_error():
    return Bound(J(b, g), b ** (g + 1) / sympy.factorial(g + 1))


@statement("false.T.3", "A higher degree has the larger error", **BOUND)
def higher_degree():
    return Bound(J(b, g), J(b, g + 1))


@statement("false.T.4", "exp is below its Taylor polynomial", **BOUND)
def above_exp():
    return Bound(e(b), T(b, g))


@statement("false.T.5", "(1 + b/g)^g is above exp", **BOUND)
def compound():
    return Bound(e(b), (1 + b / g) ** g)


@statement("false.T.6", "Taylor polynomials multiply as exp does")
def multiply():
    return Identity(taylor(A, 2) * taylor(B, 2), taylor(A + B, 2))


@statement("false.T.7", "Degree L suffices for the error e^-L on [-b, b]", **BOUND)
def degree_alone():
    return Bound(J(b, Degree(b, L)), e(-b - L))


@statement("false.T.8", "log(1 + b) is above b", **BOUND)
def logarithm():
    return Bound(b, sympy.log(1 + b))


@statement("false.T.9", "There are at most k + g monomials of degree g", **BOUND)
def monomials():
    return Bound(sympy.binomial(k + g, g), sympy.sympify(k + g))


@statement("false.T.10", "Stirling from the wrong side", **BOUND)
def stirling():
    return Bound(sympy.factorial(g), (g / e(1)) ** g)


@statement("false.T.11", "tanh is above the identity", **BOUND)
def hyperbolic():
    return Bound(b, sympy.tanh(b))


@statement("false.T.12", "The smaller of b and 1 is above b^2", **BOUND)
def smaller_of():
    return Bound(b**2, sympy.Min(b, 1))


@statement("false.T.13", "The tail of Bessel functions by its first term", **BOUND)
def bessel_tail():
    return Bound(BesselTail(b, g), (b / 2) ** (g + 1) / sympy.factorial(g + 1))


@statement("false.T.14", "Even degrees are negative somewhere below zero", **BOUND)
def even_degrees():
    return Bound(T(-b, 2 * k), sympy.Integer(0))


@statement("false.T.15", "e^{a + b} is at most the sum of both exponentials", **BOUND)
def exponent_of_sum():
    return Bound(e(b + L), e(b) + e(L))


@statement("false.T.16", "Roots are below their arguments", **BOUND)
def roots():
    return Bound(sympy.sqrt(b), b)


@statement("false.S.1", "The largest weight is e^|S| / n", **BOUND)
def largest_weight():
    return Bound(maxnorm(f), e(maxnorm(S)) / n)


@statement("false.S.2", "The smallest weight is e^-|S| / n", **BOUND)
def smallest_weight():
    return Bound(top(-f), -e(-maxnorm(S)) / n)


@statement("false.S.3", "Weights are within |S| / 4 of uniform ones", **BOUND)
def near_uniform():
    return Bound(maxnorm(f - ones(n, n) * (1 / n)), maxnorm(S) / 4)


@statement("false.S.4", "A lower temperature flattens the weights", **BOUND)
def temperature():
    sharp = diag(recip(exp(S * 2) @ ones(n))) @ exp(S * 2)
    return Bound(maxnorm(sharp), maxnorm(f))


@statement("false.S.5", "Centred rows have half the spread", **BOUND)
def centred_rows():
    q = symbol("q", n, n)
    return Bound(rownorm(f * q - diag((f * q) @ ones(n)) @ f), maxnorm(q) / 2)


@statement("false.S.6", "All weights of a row are above their squares' sum", **BOUND)
def sum_of_squares():
    return Bound(l1norm(f * f), sympy.Integer(1))


@statement("false.S.7", "The soft maximum is above the maximum", **BOUND)
def soft_maximum():
    mean = (f * S) @ ones(n)
    return Bound(top(S), top(mean))
