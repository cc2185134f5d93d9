"""How deep a model may be: what the number of layers m and the factor rho of one layer do to the degree and the rank.

With an exact forward pass, m layers turn the error eps_1 of a row of attention weights into m eps_1 rho^m |phi'| |W_g|_col |dL/dT_m|_1
(H.4r). For the error n^{-c} the degree is Degree(b, L), b the range of the scores and

    L = ln(1/eps_1) = ln(n^c |dL/dT_m|_1 |phi'| |W_g|_col) + ln(m) + m ln(rho);

the claims below take ln(1 + .) for ln(.), which is larger and not negative.

The rank binom(d + g, g) is n^{o(1)} for d, L = O(log n) and b = o(log n); so depth is limited by m ln(rho), and by nothing where rho^m
stays polynomial or where d is constant. Between O(log n) and o(ln n ln(ln n/b)), the exact condition for the rank, lies what growth classes
without ln ln n cannot say: `verify/depth.py` evaluates it from ln n alone.
"""

import sympy

from ..asymptotics import ALMOST_LINEAR, CONSTANT, LOG, POLY, SUBLOG, SUBPOLY
from ..formula import Formula, exp, eye, kron, ones, recip, symbol, unit
from ..functions import Degree
from ..norms import colnorm, l1norm, maxnorm
from ..notation import W_V, G, W, W_g, X
from ..paper.c_preliminaries import bits
from ..paper.h_multilayer import m, slope_0
from ..registry import statement
from ..sizes import Index, d, n, size
from ..statement import Asymptotic, Bound, Condition, Identity, Within
from .errors_l1 import R_X, H, f, f_approx, h
from .errors_max import core_of, tau, weighted
from .kernel import ONE, eps_1, normalised

THEORY = {"origin": "repair", "source": "theory of the depth"}
ERROR = {"kind": "error-bound", **THEORY}

# -- gradients of the weights ---------------------------------------------------------------------------------------------
Delta = symbol("Delta", n, d)
"""The error of the upstream gradient of a layer."""


def gradients(weights: Formula, upstream: Formula) -> tuple[Formula, Formula]:
    """dL/dW and dL/dW_V of a layer with these attention weights, for dL/ds = upstream."""
    p = weights * (G @ h.T) - weights * (weighted(weights) @ ones(n).T)
    by_w = ((X.T @ p @ X) * tau).rebuild(lambda node: upstream if node is G else None)
    return by_w, (weights @ X).T @ upstream


@statement(
    "H.4r.weights",
    "Gradients of the weights of one of many layers",
    kind="error-bound",
    origin="repair",
    source="completes the repair of H.4",
    uses=("l1.1", "l1.3"),
)
def weights_of_a_layer():
    """An error Delta of the upstream gradient adds to that of the attention weights."""
    exact, found = gradients(f, G), gradients(f_approx, G + Delta)
    by_w, by_values = (maxnorm(a - b) for a, b in zip(found, exact, strict=True))
    change = core_of(f_approx, Delta) + (core_of(f_approx, G) - core_of(f, G))
    via_W, via_V = (X.T @ change @ X) * tau, (f_approx @ X).T @ Delta + ((f_approx - f) @ X).T @ G
    return [
        Bound(by_w, tau * R_X**2 * H * (eps_1 * l1norm(G) + l1norm(Delta)), part="dL/dW", given=ONE, via=via_W),
        Bound(by_values, R_X * (eps_1 * l1norm(G) + l1norm(Delta)), part="dL/dW_V", given=ONE, via=via_V),
    ]


# -- growth of the degree and the rank ----------------------------------------------------------------------------------
b, c, rho, gamma, x, P = (sympy.Symbol(s, positive=True) for s in ("b", "c", "rho", "gamma", "x", "P"))
eps = sympy.Symbol("eps", positive=True)
g = size("g")
first = maxnorm(slope_0) * colnorm(W_g)
ENTRIES = (
    "b = o(log n) is the range of the scores in every layer",
    "|dL/dT_m|_1 and the entries are poly, c is constant",
)
SIZES = (Within(b, SUBLOG), Within(c, CONSTANT), Within(gamma, POLY), *bits(X, W, W_V, W_g, slope_0))


def rank(L: sympy.Expr) -> sympy.Expr:
    """The rank of the kernel for the error e^{-L}."""
    return sympy.binomial(d + Degree(b, L), Degree(b, L))


def grows(L: sympy.Expr) -> list[Asymptotic]:
    """L = O(log n), hence a degree o(log n), a rank n^{o(1)} and almost linear time."""
    return [
        Asymptotic(L, LOG, part="L"),
        Asymptotic(Degree(b, L), SUBLOG, part="degree"),
        Asymptotic((d + 1) * rank(L), SUBPOLY, part="rank"),
        Asymptotic(m * n * d**2 * (d + 1) * rank(L), ALMOST_LINEAR, part="operations"),
    ]


@statement(
    "depth.1",
    "m = O(log n) layers of constant factor",
    uses="T.3",
    hypotheses=("d, m = O(log n), rho = O(1)", *ENTRIES),
    assumes=(Within(d, LOG), Within(m, LOG), Within(rho, CONSTANT), *SIZES),
    notes="sufficient, not necessary: m = o(log n ln(ln n/b)) is enough, which is between two growth classes",
    **ERROR,
)
def constant_factor():
    """The error of H.4r and J.5r is at most n^{-c} where L is at least this."""
    return grows(sympy.log(1 + n**c * m * rho**m * gamma * first))


# -- the other direction -------------------------------------------------------------------------------------------------
k = size("k")
A, B = symbol("A", n, n), symbol("B", k, k)
u, v = symbol("u", n), symbol("v", k)
s, t = Index("s", sympy.Integer(2)), Index("t", sympy.Integer(2))


@statement(
    "depth.2",
    "Eigenvalues of the attention weights on a cube",
    uses="L.1",
    notes=(
        "on the points R{-1, 1}^d with W = I the weights are the d-fold Kronecker power of those on {-R, R}, whose eigenvalues are 1 and "
        "tanh(tau R^2): so tanh(tau R^2)^k is an eigenvalue of multiplicity binom(d, k), n = 2^d",
        "not a claim here: a matrix within delta of them, entry by entry, is within n delta in the spectral norm, so by Weyl's inequality "
        "its rank is at least the number of eigenvalues above n delta; verify/depth.py counts them",
    ),
    **THEORY,
)
def eigenvalues():
    """a = tau R^2: scores a and -a. The all-ones vector belongs to the eigenvalue 1, as all rows sum to 1."""
    a = symbol("a", 1)
    two = normalised(exp((eye(2) * 2 - ones(2, 2)) * a))
    tanh = (exp(a) - exp(-a)) * recip(exp(a) + exp(-a))
    odd = unit(s) - unit(t)
    return [
        Identity(kron(A, B) @ kron(u, v), kron(A @ u, B @ v), part="product"),
        Identity(two @ odd, odd * tanh, part="two points", where=(Condition(s, "!=", t),)),
    ]


# -- other depths ---------------------------------------------------------------------------------------------------------
@statement(
    "depth.3",
    "A factor near one: any m = n^{o(1)}",
    uses="T.3",
    hypotheses=("d = O(log n), m = n^{o(1)}, rho <= 1 + x/m with x = O(log n)", *ENTRIES),
    assumes=(Within(d, LOG), Within(m, SUBPOLY), Within(x, LOG), *SIZES),
    **ERROR,
)
def factor_near_one():
    """m ln(rho) <= x."""
    power = Bound((1 + eps) ** m, sympy.exp(m * eps), part="rho^m")
    return [power, *grows(sympy.log(1 + n**c * m * gamma * first) + x)]


@statement(
    "depth.4",
    "A polynomial factor a layer: m = O(1)",
    uses="T.3",
    hypotheses=("d = O(log n), m = O(1), one layer magnifies an error by P = poly", *ENTRIES),
    assumes=(Within(d, LOG), Within(m, CONSTANT), Within(P, POLY), *SIZES),
    notes=(
        "this is what the published chain gives, with its factor poly(n) a layer; m = o(ln(ln n/b)) is enough, which is between two "
        "growth classes",
        "not a claim here: the published m = n^{o(1)} is too much for such a chain at d = log_2 n, since L must be o(ln n ln(ln n/b)); the "
        "other direction of that condition is depth.2 with the count of verify/depth.py",
    ),
    **ERROR,
)
def polynomial_factor():
    return grows(sympy.log(1 + n**c * P**m * gamma * first))


@statement(
    "depth.5",
    "Constant d: any m = n^{o(1)}, even with a polynomial factor a layer",
    uses="T.3",
    hypotheses=("d = O(1), m = n^{o(1)}, one layer magnifies an error by P = poly", *ENTRIES),
    assumes=(Within(d, CONSTANT), Within(m, SUBPOLY), Within(P, POLY), *SIZES),
    **ERROR,
)
def constant_width():
    L = sympy.log(1 + n**c * gamma * first) + m * sympy.log(1 + P)
    width = (1 + Degree(b, L)) ** d
    return [
        Bound(sympy.binomial(d + g, g), (1 + g) ** d, part="rank at most (1 + g)^d"),
        Asymptotic(Degree(b, L), SUBPOLY, part="degree"),
        Asymptotic((d + 1) * width, SUBPOLY, part="rank"),
        Asymptotic(m * n * d**2 * (d + 1) * width, ALMOST_LINEAR, part="operations"),
    ]
