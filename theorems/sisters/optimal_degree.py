"""Aggarwal, Alman, Optimal-degree polynomial approximations for exponentials and Gaussian kernel density estimation, 2022.

The degree Theta(max{log(1/eps)/log(log(1/eps)/b), b}) of exp on an interval of length 2b is behind the published degree of Lemma I.1.
Both halves are stated with constants: what the Taylor polynomial reaches, and what no polynomial can.
"""

from ..repaired.polynomial import t_1, t_3, t_4
from .pack import quoted

LEMMA = "Lemma I.1"
quoted("AA22:upper", t_3, LEMMA, title="A degree that suffices for e^{-L}, by Lambert's function", uses=())
quoted("AA22:taylor", t_1, LEMMA, (0, 1, 3), title="Relative error of the Taylor polynomial, from both sides", uses=())
quoted("AA22:lower", t_4, LEMMA, (0,), title="No polynomial of degree g is better than this", uses=())
quoted("AA22:chebyshev", t_4, LEMMA, (1, 2), title="A Chebyshev expansion that is nearly as good", uses=())
