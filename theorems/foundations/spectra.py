"""Rank-k approximation captures the spectrum's energy; eigenvalues and singular values move no more than the matrix does.

Eigenvalues are enclosed in balls on instances. Index k is a number in each part (1 and 2), and B = U V^T is any matrix of that rank.
"""

from ..formula import recip
from ..norms import colnorm, maxnorm, rownorm, top
from ..spectrum import eigenvalue, singular, tail
from ..statement import Bound, Identity
from .pack import d, eye, fact, inner, n, square, symbol, sympy, trace

A, B = symbol("A", n, d), symbol("B", n, d)
Y, Z = symbol("Y", n, n), symbol("Z", n, n)
P, Q = Y + Y.T, Z + Z.T
"""Any two symmetric matrices."""
z = symbol("z", n)
ECKART = "Eckart, Young, The approximation of one matrix by another of lower rank, 1936"
MIRSKY = "Mirsky, Symmetric gauge functions and unitarily invariant norms, 1960"
WEYL = "Weyl, Das asymptotische Verteilungsgesetz der Eigenwerte, 1912"
HORN = "Horn, Johnson, Matrix Analysis, 2013"
SLACK = 1 + sympy.Rational(1, 2**60)
BOUND = {"kind": "norm-bound"}


def error(rank: int):
    """A - U V^T with so many columns."""
    return A - symbol(f"U{rank}", n, rank) @ symbol(f"V{rank}", d, rank).T


@fact("spectrum.1", "No matrix of rank k is nearer in the Frobenius norm than the spectrum's tail", ECKART, **BOUND)
def eckart_young():
    return [Bound(tail(A, k), top(square(error(k))), part=f"k = {k}") for k in (1, 2)]


@fact("spectrum.2", "No matrix of rank k is nearer in the spectral norm than the next singular value", MIRSKY, **BOUND)
def mirsky():
    return [Bound(singular(A, k + 1), singular(error(k)), part=f"k = {k}") for k in (1, 2)]


@fact("spectrum.3", "The energy of a matrix is the sum of its squared singular values", HORN, **BOUND)
def energy():
    """Two inequalities with a slack of 2^-60, since balls do not decide equality."""
    whole = top(square(A))
    return [
        Bound(tail(A, 0), whole * SLACK, part="at most"),
        Bound(whole, tail(A, 0) * SLACK, part="at least"),
    ]


@fact("spectrum.4", "What k singular values leave is at most the share of the smaller ones", HORN, **BOUND)
def captured():
    """The tail after k is the energy less that of the first k singular values."""
    one, two = singular(A, 1), singular(A, 2)
    whole = top(square(A))
    return [
        Bound(tail(A, 1), (whole - one**2) + whole / 2**60, part="k = 1"),
        Bound(tail(A, 2), (whole - one**2 - two**2) + whole / 2**60, part="k = 2"),
    ]


@fact("spectrum.5", "Weyl's inequalities", WEYL, **BOUND)
def weyl():
    """lambda_{i+j-1}(P + Q) <= lambda_i(P) + lambda_j(Q), from both ends."""
    return [
        Bound(eigenvalue(P + Q, 1), eigenvalue(P, 1) + eigenvalue(Q, 1), part="1, 1"),
        Bound(eigenvalue(P + Q, 2), eigenvalue(P, 1) + eigenvalue(Q, 2), part="1, 2"),
        Bound(eigenvalue(P, -1) + eigenvalue(Q, -1), eigenvalue(P + Q, -1), part="smallest"),
    ]


@fact("spectrum.6", "Eigenvalues and singular values move no more than the matrix", WEYL, **BOUND)
def perturbed():
    return [
        Bound(abs(eigenvalue(P + Q, 1) - eigenvalue(P, 1)), singular(Q), part="largest eigenvalue"),
        Bound(abs(singular(A + B, 1) - singular(A, 1)), singular(B), part="largest singular value"),
    ]


@fact("spectrum.7", "The spectral norm between the other norms", HORN, **BOUND)
def norms():
    return [
        Bound(maxnorm(A), singular(A) * SLACK, part="largest entry"),
        Bound(singular(A) ** 2, rownorm(A) * colnorm(A) * SLACK, part="Schur"),
        Bound(singular(A) ** 2, top(square(A)) * SLACK, part="Frobenius"),
    ]


@fact("spectrum.8", "Rayleigh quotients", HORN, **BOUND)
def rayleigh():
    """z^T P z <= lambda_1 |z|^2; -P gives the other end."""
    return Bound(top(inner(z, P @ z)), eigenvalue(P, 1) * top(inner(z, z)))


@fact("spectrum.9", "The trace is at most n times the largest eigenvalue", HORN, **BOUND)
def trace_between():
    """tr P <= n lambda_1; -P gives the other end."""
    return Bound(top(trace(P)), n * eigenvalue(P, 1))


@fact("spectrum.10", "A projection splits the energy", HORN)
def pythagoras():
    """|A|_F^2 = |P A|_F^2 + |A - P A|_F^2 for the projection P on z."""
    onto = (z @ z.T) * recip(inner(z, z))
    return Identity(square(onto @ A) + square((eye(n) - onto) @ A), square(A))
