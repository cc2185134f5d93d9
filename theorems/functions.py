"""Functions of one real variable that bounds speak of, beside those of SymPy: evaluated rigorously by verify/real_numbers.

T(x, g)                 T_g(x) = sum_{j <= g} x^j / j!
J(b, g)                 J_g(b) = int_0^b v^g e^v / g! dv, the largest relative error of T_g on [-b, b]
Degree(b, L)            ceil((b + L)/W((b + L)/(e b))) - 1, W Lambert's function: a degree g with J_g(b) <= e^{-L} (statement T.3)
BesselTail(b, g)        sum_{k > g} I_k(b)
Chebyshev(x, b, g)      the Chebyshev expansion of exp on [-b, b], cut after degree g, at x
Alternation(b, g)       a lower bound on the relative error of every polynomial of degree g on [-b, b], by divided differences
                        of e^x at the g + 2 extremal points of the Chebyshev polynomial of degree g + 1
"""

import sympy


class T(sympy.Function):
    """T_g(x): the Taylor polynomial of exp of degree g."""

    nargs = 2
    is_real = True


class J(sympy.Function):
    """J_g(b): the largest relative error of T_g on [-b, b]; attained at -b."""

    nargs = 2
    is_nonnegative = True


class Degree(sympy.Function):
    """A degree of T_g for the relative error e^{-L} on [-b, b]."""

    nargs = 2
    is_integer = True
    is_nonnegative = True


class BesselTail(sympy.Function):
    """The sum of I_k(b) over k > g."""

    nargs = 2
    is_nonnegative = True


class Chebyshev(sympy.Function):
    """The Chebyshev expansion of exp on [-b, b] of degree g, at x."""

    nargs = 3
    is_real = True


class Alternation(sympy.Function):
    """A lower bound on the best relative error of degree g on [-b, b]."""

    nargs = 2
    is_nonnegative = True
