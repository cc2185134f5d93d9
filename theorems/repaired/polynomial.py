"""The Taylor polynomial of exp with explicit constants: relative and absolute error, sign, degree, and the best polynomial.

T_g on [-b, b]; J_g(b) = int_0^b v^g e^v / g! dv. The published "degree O(max{log(1/eps)/log(log(1/eps)/R), R^2})" is made explicit by
the degree formula (T.3) with Lambert's W.
"""

import sympy

from ..formula import exp, ones, symbol, taylor
from ..functions import Alternation, BesselTail, Chebyshev, Degree, J, T
from ..norms import maxnorm, top
from ..registry import statement
from ..sizes import n, size
from ..statement import Bound

x = symbol("x", n)
g, k = size("g"), size("k")
b = maxnorm(x)
FACT = {"kind": "error-bound", "origin": "repair"}
e = sympy.exp


@statement("T.1", "Relative error of the Taylor polynomial", **FACT)
def t_1():
    """T_g(x)e^{-x} = 1 - int_0^x t^g e^{-t}/g! dt; the supremum over [-b, b] is J_g(b), attained at -b."""
    error = taylor(x, g) * exp(-x) - ones(n)
    tight = e(b) * b ** (g + 1) / (sympy.factorial(g + 1) * (1 + b / (g + 2)))
    return [
        Bound(maxnorm(error), J(b, g), part="1 supremum"),
        Bound(J(b, g), tight, part="2 upper"),
        Bound(tight, e(b) * b ** (g + 1) / sympy.factorial(g + 1), part="3 looser"),
        Bound(e(b) * b ** (g + 1) / (sympy.factorial(g) * (g + 1 + b)), J(b, g), part="4 lower"),
        Bound(maxnorm(taylor(x, g) - exp(x)), e(b) - T(b, g), part="5 absolute"),
    ]


@statement("T.2", "Sign of the Taylor polynomial", uses="T.1", **FACT)
def t_2():
    """T_g > 0 on R for even g; for odd g, T_g > 0 on [-b, b] iff J_g(b) < 1."""
    odd = 2 * k + 1
    return [
        Bound(top(-taylor(x, 2 * k)), sympy.Integer(0), part="1 even"),
        Bound(top(-taylor(x, odd)), sympy.Integer(0), part="2 odd, if", given=(J(b, odd) <= 1,)),
        Bound(T(-b, odd), sympy.Integer(0), part="3 odd, only if", given=(sympy.Integer(1) <= J(b, odd),)),
    ]


B, L, s = (sympy.Symbol(name, positive=True) for name in ("b", "L", "s"))


@statement("T.3", "Degree for a relative error e^{-L}", uses="T.1", **FACT)
def t_3():
    """g = Degree(b, L) = ceil((b+L)/W((b+L)/(e b))) - 1 gives J_g(b) <= e^{-L}."""
    return Bound(J(B, Degree(B, L)), e(-L))


@statement("T.4", "The best polynomial of degree g", uses="T.1", **FACT)
def t_4():
    """E, the smallest relative error on [-b, b]: 2e^{-2b}(b/2)^{g+1}/(g+1)! <= Alternation <= E <= e^b 2 sum_{k>g} I_k(b) <= ..."""
    scale = 2 * (B / 2) ** (g + 1) / sympy.factorial(g + 1)
    at, inside = B * (1 - s), (s <= 2,)
    cut = abs(e(at) - Chebyshev(at, B, g))
    return [
        Bound(e(-2 * B) * scale, Alternation(B, g), part="1 lower"),
        Bound(cut, 2 * BesselTail(B, g), part="2 absolute error of the cut expansion", given=inside),
        Bound(2 * e(B) * BesselTail(B, g), e(2 * B) * scale, part="3 upper"),
    ]
