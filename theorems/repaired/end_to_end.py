"""End to end: which hypotheses give time n^{1+o(1)} and error 1/poly(n), for one layer and for m, with degree and rank explicit.

S = X W X^T / d with |X|, |X W| = o(sqrt(log n)) and d = O(log n), as in AS23. For the error n^{-c} take L = O(log n), eps = e^{-L}, g =
Degree(|S|, L); the attention weights f_g of `algorithm` then have rank binom(d + g, g) = n^{o(1)}, and every output is within the bound of
Alg.1r, which is eps times a polynomial of n. With m layers, each magnifying an error by at most rho = O(1), eps must be smaller by
rho^m: L grows by at most m ln(1 + rho), which stays O(log n) for m = O(log n). That every layer's input keeps |X|, |X W| =
o(sqrt(log n)) is a hypothesis.
"""

from collections.abc import Iterator

import sympy

from ..asymptotics import ALMOST_LINEAR, CONSTANT, LOG, NEGLIGIBLE, POLY, SUBLOG, SUBPOLY, SUBROOT
from ..formula import Formula, define, diag, ones, rowkron, symbol, taylor
from ..functions import Degree, J
from ..norms import colnorm, l1norm, maxnorm, rownorm
from ..notation import W_V, G, W, X
from ..paper.c_preliminaries import bits, k1
from ..registry import registry, repair
from ..sizes import d, n, size
from ..statement import Asymptotic, Bound, Cost, Identity, Rank, Within, error_of, time_of
from .algorithm import OUTPUTS, VIA, S, g, h, tau
from .errors_max import core, dX, weighted
from .kernel import eps_1, eta
from .structure import DEPTH, m, rho

eps, L = (sympy.Symbol(name, positive=True) for name in ("eps", "L"))
SMALL = (eps_1.subs(eta, J(maxnorm(S), g)) <= eps, J(maxnorm(S), g) <= 1)
total, H = l1norm(G), maxnorm(h)
Lam = colnorm(W_V) + tau * H * (rownorm(X @ W) + rownorm(X @ W.T))


def error(part, norm):
    """The error of an output of Algorithm 1, repaired."""
    polynomial, exact = OUTPUTS[part]
    return norm(polynomial - exact)


@repair("5.1", "Gradient in the layer input: explicit error", kind="error-bound", uses=("Alg.1r", "E.11r"))
def lemma_5_1():
    return Bound(error("dL/dX", l1norm), Lam * eps * total, given=SMALL)


@repair("5.2", "Gradient in W: explicit error", kind="error-bound", uses=("Alg.1r", "F.4"))
def lemma_5_2():
    return Bound(error("dL/dW", maxnorm), tau * maxnorm(X) ** 2 * H * eps * total, given=SMALL)


@repair("5.3", "Gradient in W_V: explicit error", kind="error-bound", uses=("Alg.1r", "G.3r"))
def lemma_5_3():
    return Bound(error("dL/dW_V", maxnorm), maxnorm(X) * eps * total, given=SMALL, via=VIA["dL/dW_V"])


scores = define("S", (X @ W @ X.T) * (1 / d), "4.1r")
b = maxnorm(scores)
degree = Degree(b, L)
rank = sympy.binomial(d + degree, degree)
U, V = symbol("U_g", n, rank), symbol("V_g", n, rank)
"""Factors of the attention weights: f_g = U V^T."""


def gradients_in_order(low: Formula, right: Formula) -> tuple[Formula, ...]:
    """dL/dX, dL/dW and dL/dW_V from f_g = low right^T, every product bracketed so that none is n x n.

    P_g = (f_g * G h^T) - diag(K_g) f_g has the factors low (/) G and right (/) h, less diag(K_g) low and right.
    """
    of_g, of_h = define("U_P", rowkron(low, G), ""), define("V_P", rowkron(right, h), "")
    k_g = define("K_g", (G * (low @ (right.T @ h))) @ ones(d), "4.1r")

    def by_p(y: Formula) -> Formula:
        return of_g @ (of_h.T @ y) - diag(k_g) @ (low @ (right.T @ y))

    def by_p_transposed(y: Formula) -> Formula:
        return of_h @ (of_g.T @ y) - right @ (low.T @ (diag(k_g) @ y))

    back = define("f^T G", right @ (low.T @ G), "")
    d_x = (by_p(X @ W.T) + by_p_transposed(X @ W)) * tau + back @ W_V.T
    return d_x, (X.T @ by_p(X)) * tau, X.T @ back


def same_gradients() -> Iterator[tuple[str, Formula, Formula]]:
    """The gradients in this order and as Alg.1r writes them, for any factors of the weights."""
    low, right = symbol("U", n, k1), symbol("V", n, k1)
    weights = define("f_g", low @ right.T, "")
    k_g = define("K_g", weighted(weights), "")
    dense = (dX(weights, k_g), (X.T @ core(weights, k_g) @ X) * tau, (weights @ X).T @ G)
    yield from zip(("dL/dX", "dL/dW", "dL/dW_V"), gradients_in_order(low, right), dense, strict=True)


@repair(
    "4.1",
    "One layer in almost linear time, with its hypotheses",
    kind="error-bound",
    uses=("5.1r", "5.2r", "5.3r", "T.3"),
    hypotheses=(
        "scale 1/d, d = O(log n), |X|, |X W| = o(sqrt(log n)), entries of W, W_V, G polynomial in n",
        "eps = e^{-L} with L = O(log n) large enough for the error asked for",
    ),
    assumes=(
        Within(d, LOG), Within(maxnorm(X), SUBROOT), Within(maxnorm(X @ W), SUBROOT),
        Within(maxnorm(W), POLY), Within(maxnorm(W_V), POLY), Within(maxnorm(G), POLY), Within(L, LOG), Within(eps, NEGLIGIBLE),
    ),
    concludes=(Within(error_of("4.1r"), NEGLIGIBLE), Within(time_of("4.1r"), ALMOST_LINEAR)),
)  # fmt: skip
def theorem_4_1():
    polynomial = (colnorm(W_V) + maxnorm(X @ W_V) * (rownorm(X @ W) + rownorm(X @ W.T)) + maxnorm(X) ** 2) * l1norm(G)
    return [
        Rank(taylor(scores, g), sympy.binomial(d + g, g), part="rank of T_g(S)"),
        Asymptotic(b, SUBLOG, part="range of the scores"),
        Asymptotic(degree, SUBLOG, part="degree"),
        Asymptotic((d + 1) * rank, SUBPOLY, part="rank of P_g"),
        *(Identity(low, dense, part=f"order of {part}") for part, low, dense in same_gradients()),
        Cost(gradients_in_order(U, V), ALMOST_LINEAR, part="operations"),
        Asymptotic(n * d**2 * (d + 1) * rank, ALMOST_LINEAR, part="time"),
        Asymptotic(polynomial * eps, NEGLIGIBLE, relies_on=("5.1r", "5.2r", "5.3r"), part="error"),
    ]


EVERY_LAYER = {
    "kind": "error-bound",
    "hypotheses": (*DEPTH["hypotheses"], "in every layer: scale 1/d, |X|, |X W| = o(sqrt(log n)), entries of W, W_V, G polynomial in n"),
    "assumes": (*DEPTH["assumes"], Within(maxnorm(X), SUBROOT), Within(maxnorm(X @ W), SUBROOT), *bits(W, W_V, G)),
}  # fmt: skip


COST_OF_ALL = {k: v for k, v in EVERY_LAYER.items() if k != "kind"}


@repair(
    "5.5",
    "All layers, with their hypotheses",
    uses="H.4r",
    concludes=(Within(error_of("5.5r"), NEGLIGIBLE), Within(time_of("5.5r"), ALMOST_LINEAR)),
    **EVERY_LAYER,
)
def lemma_5_5():
    return [
        Asymptotic(error_of("H.4r"), NEGLIGIBLE, relies_on=("H.4r",), part="error"),
        Asymptotic(time_of("H.4r"), ALMOST_LINEAR, relies_on=("H.4r",), part="time"),
    ]


@repair(
    "4.2",
    "All layers in almost linear time, with their hypotheses",
    uses=("5.5r", "T.3", "Alg.1r"),
    concludes=(Within(error_of("4.2r"), NEGLIGIBLE), Within(time_of("4.2r"), ALMOST_LINEAR)),
    **EVERY_LAYER,
)
def theorem_4_2():
    deeper = Degree(b, L + m * sympy.log(1 + rho))
    width = sympy.binomial(d + deeper, deeper)
    return [
        Asymptotic(deeper, SUBLOG, part="degree for eps (1 + rho)^{-m}"),
        Asymptotic(m * n * d**2 * (d + 1) * width, ALMOST_LINEAR, part="operations"),
        Asymptotic(error_of("5.5r"), NEGLIGIBLE, relies_on=("5.5r",), part="error"),
        Asymptotic(time_of("5.5r"), ALMOST_LINEAR, relies_on=("5.5r",), part="time"),
    ]


@repair("1.4", "All layers in almost linear time, with their hypotheses (informal 4.2r)", uses="4.2r", **EVERY_LAYER)
def theorem_1_4():
    return [
        Asymptotic(error_of("4.2r"), NEGLIGIBLE, relies_on=("4.2r",), part="error"),
        Asymptotic(time_of("4.2r"), ALMOST_LINEAR, relies_on=("4.2r",), part="time"),
    ]


@repair("B.2", "Residual connections, with their hypotheses", kind="cost", uses=("J.5r", "4.2r"), **COST_OF_ALL)
def remark_b_2():
    return Asymptotic(m * n * d + time_of("4.2r"), ALMOST_LINEAR, relies_on=("4.2r",), part="total")


heads = size("h")


@repair(
    "B.1",
    "Several heads, with their hypotheses",
    kind="cost",
    uses=("4.1r", "K.2r"),
    hypotheses="the number h of heads is constant; each head is within the hypotheses of 4.1r",
    assumes=(*registry["4.1r"].assumes, Within(heads, CONSTANT)),
)
def remark_b_1():
    return Asymptotic(heads * time_of("4.1r"), ALMOST_LINEAR, relies_on=("4.1r",), part="time")
