"""Appendix E: the gradient with respect to the layer input, assembled from low-rank approximations of the five terms of Appendix D.

With f~ = U_1 V_1^T (Lemma C.13) each z_k has an approximation z~_k = U_k V_k^T, and D~_k is D_k with z~_k in place of z_k, multiplied in
the printed order. z_k and D_k are those of Lemma D.17; K is written (G * s) 1, the second form of Definition D.16.

Of d the lemmas say nothing; the published theorem that they serve (4.1) has d = O(log n).
"""

from ..asymptotics import ALMOST_LINEAR, LOG, NEGLIGIBLE, POLY, SUBPOLY
from ..claims import error_of, time_of
from ..formula import define, diag, ones, rowkron
from ..norms import maxnorm
from ..notation import W_V, G, W, X
from ..registry import published
from ..sizes import d, n
from ..statement import Asymptotic, Bound, Cost, Holds, Identity, Rank, Within
from .c_preliminaries import (
    NO_SCALE,
    U1,
    V1,
    WITH_SCALE,
    bits,
    both,
    f,
    f_error,
    f_low,
    fast,
    h,
    k1,
    loss_gradient,
    near,
    printed_chain,
    printed_order,
    s,
    scaled,
)

BITS = "every entry of X, W, W_V, G fits in O(log n) bits"
HYPOTHESES = {"hypotheses": BITS, "assumes": bits(X, W, W_V, G), "granted": Within(d, LOG)}
K = define("K", (G * s) @ ones(d), "D.16")

# The terms in the matrix form of Lemma D.17.
z6 = define("z_6", f @ diag(K), "D.17")
z7 = define("z_7", f * (h @ G.T), "D.17")
z2 = define("z_2", diag(K) @ f, "D.17")
z4 = define("z_4", f * (G @ h.T), "D.17")
D6 = define("D_6", -(z6 @ X @ W.T), "D.17")
D7 = define("D_7", z7 @ X @ W.T, "D.17")
D8 = define("D_8", f @ G @ W_V.T, "D.17")
D2 = define("D_2", -(z2 @ X @ W), "D.17")
D4 = define("D_4", z4 @ X @ W, "D.17")

# Their approximations, with the factors as the lemmas print them.
U6, V6 = U1, define("V_6", diag(K) @ V1, "E.2")
U7, V7 = define("U_7", rowkron(U1, h), "E.4"), define("V_7", rowkron(V1, G), "E.4")
U9, V9 = define("U_9", diag(K) @ U1, "E.7"), V1
U10, V10 = define("U_10", rowkron(U1, G), "E.9"), define("V_10", rowkron(V1, h), "E.9")
z6_low = define("z~_6", U6 @ V6.T, "E.2")
z7_low = define("z~_7", U7 @ V7.T, "E.4")
z2_low = define("z~_2", U9 @ V9.T, "E.7")
z4_low = define("z~_4", U10 @ V10.T, "E.9")
D6_low = define("D~_6", -(U6 @ ((V6.T @ X) @ W.T)), "E.3")
D7_low = define("D~_7", U7 @ (V7.T @ X) @ W.T, "E.5")
D8_low = define("D~_8", U1 @ (V1.T @ G) @ W_V.T, "E.6")
D2_low = define("D~_2", -(U9 @ (V9.T @ X) @ W), "E.8")
D4_low = define("D~_4", U10 @ (V10.T @ X) @ W, "E.10")


@published(
    "Lemma E.1",
    "Time of K",
    kind="cost",
    uses="D.16",
    hypotheses=(BITS, "K is computed from G and s"),
    assumes=(*bits(X, W, W_V, G), Holds("s(X) is at hand")),
    granted=Within(d, LOG),
    concludes=Holds("K is at hand"),
    notes="from G_{i0,*} and s_{i0,*}; nothing is printed about how s is computed",
)
def e_1():
    return Cost((K,), n * d, given=(s,))


@published(
    "Lemma E.2",
    "Approximation of z_6",
    kind="error-bound",
    uses=("D.10", "D.16", "E.1", "C.13"),
    concludes=(near(z6_low, z6), Within(k1, SUBPOLY), fast("E.2")),
    **HYPOTHESES,
)
def e_2():
    printed = n * f_error * maxnorm(diag(K))
    return [
        *printed_chain(z6_low - z6, printed, (f_low - f) @ diag(K), "C.13"),
        Asymptotic(maxnorm(diag(K)), POLY, part="|diag(K)|"),
        Asymptotic(k1, SUBPOLY, relies_on=("C.13",), part="width"),
        Cost((V6,), n * k1, given=(K,), part="V_6"),
        Asymptotic(time_of("C.13") + n * d + n * k1, ALMOST_LINEAR, relies_on=("C.13",), part="time"),
    ]


@published(
    "Lemma E.3",
    "Approximation of D_6",
    kind="error-bound",
    uses=("D.10", "E.2"),
    concludes=(near(D6_low, D6), fast("E.3")),
    notes="B_6 is printed in R^{n x n}; it is n x d (Lemma D.3)",
    **HYPOTHESES,
)
def e_3():
    printed = d * n * maxnorm(z6_low - z6) * maxnorm(X) * maxnorm(W)
    return [
        *printed_chain(D6_low - D6, printed, -((z6_low - z6) @ X @ W.T), "E.2"),
        *printed_order(D6_low, n * k1 * d + k1 * d**2, (V6,), "E.2"),
    ]


@published(
    "Lemma E.4",
    "Approximation of z_7",
    kind="error-bound",
    uses=("D.11", "C.13", "C.2", "C.18"),
    concludes=(near(z7_low, z7), Within(k1, SUBPOLY)),
    **HYPOTHESES,
)
def e_4():
    printed = d * maxnorm(h) * maxnorm(G) * f_error
    return [
        Identity(z7_low, f_low * (h @ G.T), part="factors"),
        Rank(z7_low, k1 * d, part="rank"),
        *printed_chain(z7_low - z7, printed, (f_low - f) * (h @ G.T), "C.13", "C.18"),
        Cost((U7, V7), n * d * k1, given=(h,), part="U_7, V_7"),
    ]


@published(
    "Lemma E.5",
    "Approximation of D_7",
    kind="error-bound",
    uses=("D.11", "E.4"),
    concludes=(near(D7_low, D7), fast("E.5")),
    **HYPOTHESES,
)
def e_5():
    printed = d * n * maxnorm(z7_low - z7) * maxnorm(X) * maxnorm(W)
    return [
        *printed_chain(D7_low - D7, printed, (z7_low - z7) @ X @ W.T, "E.4"),
        *printed_order(D7_low, n * k1 * d**2, (U7, V7), "E.4"),
    ]


@published(
    "Lemma E.6",
    "Approximation of D_8",
    kind="error-bound",
    uses=("D.12", "C.13"),
    concludes=(near(D8_low, D8), fast("E.6")),
    **HYPOTHESES,
)
def e_6():
    printed = d * n * f_error * maxnorm(G) * maxnorm(W_V)
    return [
        *printed_chain(D8_low - D8, printed, (f_low - f) @ G @ W_V.T, "C.13"),
        *printed_order(D8_low, n * k1 * d + n * d**2, (), "C.13"),
    ]


@published(
    "Lemma E.7",
    "Approximation of z_2",
    kind="error-bound",
    uses=("D.13", "D.16", "E.1", "C.13"),
    concludes=(near(z2_low, z2), Within(k1, SUBPOLY)),
    **HYPOTHESES,
)
def e_7():
    printed = n * f_error * maxnorm(diag(K))
    return [
        *printed_chain(z2_low - z2, printed, diag(K) @ (f_low - f), "C.13"),
        Asymptotic(k1, SUBPOLY, relies_on=("C.13",), part="width"),
        Cost((U9,), n * k1, given=(K,), part="U_9"),
    ]


@published(
    "Lemma E.8",
    "Approximation of D_2",
    kind="error-bound",
    uses=("D.13", "E.7"),
    concludes=(near(D2_low, D2), fast("E.8")),
    notes="B_2 is printed in R^{n x d} and X in R^{d x n}; B_2 is in R^d (Lemma D.6), X is n x d",
    **HYPOTHESES,
)
def e_8():
    printed = d * n * maxnorm(z2_low - z2) * maxnorm(X) * maxnorm(W)
    return [
        *printed_chain(D2_low - D2, printed, -((z2_low - z2) @ X @ W), "E.7"),
        *printed_order(D2_low, n * k1 * d + n * d**2, (U9,), "E.7"),
    ]


@published(
    "Lemma E.9",
    "Approximation of z_4",
    kind="error-bound",
    uses=("D.14", "C.13", "C.2", "C.18"),
    concludes=(near(z4_low, z4), Within(k1, SUBPOLY)),
    notes="the chain prints |z~_4 - z_4| = |f~ - f| |G h^T|, an equality of norms",
    **HYPOTHESES,
)
def e_9():
    gap, via = maxnorm(z4_low - z4), (f_low - f) * (G @ h.T)
    product = f_error * maxnorm(G @ h.T)
    return [
        Identity(z4_low, f_low * (G @ h.T), part="factors"),
        Rank(z4_low, k1 * d, part="rank"),
        Asymptotic(k1 * d, SUBPOLY, relies_on=("C.13",), part="width"),
        Bound(gap, product, part="printed equality (at most)", step=True, via=via),
        Bound(product, gap, part="printed equality", step=True),
        *printed_chain(z4_low - z4, d * f_error * maxnorm(h) * maxnorm(G), via, "C.13", "C.18"),
        Cost((U10, V10), n * d * k1, given=(h,), part="U_10, V_10"),
    ]


@published(
    "Lemma E.10",
    "Approximation of D_4",
    kind="error-bound",
    uses=("D.14", "E.9"),
    concludes=(near(D4_low, D4), fast("E.10")),
    notes="B_4 is printed in R^{n x d}; it is in R^d (Lemma D.7)",
    **HYPOTHESES,
)
def e_10():
    printed = d * n * maxnorm(z4_low - z4) * maxnorm(X) * maxnorm(W)
    return [
        *printed_chain(D4_low - D4, printed, (z4_low - z4) @ X @ W, "E.9"),
        *printed_order(D4_low, n * k1 * d**2, (U10, V10), "E.9"),
    ]


TERMS = ((D2_low, D2), (D4_low, D4), (D6_low, D6), (D7_low, D7), (D8_low, D8))
LEMMAS = ("E.3", "E.5", "E.6", "E.8", "E.10")
gradient_low = define("g~_t", D2_low + D4_low + D6_low + D7_low + D8_low, "E.11")


@published(
    "Lemma E.11",
    "Closed form and approximation of the gradient in the layer input",
    uses=("D.9", "D.17", *LEMMAS),
    hypotheses=(BITS, "G_i is computable in n^{1+o(1)}"),
    assumes=(*bits(X, W, W_V, G), Holds("G_i is computable in n^{1+o(1)}")),
    granted=Within(d, LOG),
    concludes=(Within(error_of("E.11"), NEGLIGIBLE), fast("E.11")),
)
def e_11():
    error = gradient_low - loss_gradient(X)
    total = sum(maxnorm(low - exact) for low, exact in TERMS)
    total_scaled = sum(maxnorm(scaled(low - exact)) for low, exact in TERMS)
    summation = Cost((gradient_low,), 5 * n * d, given=tuple(low for low, _ in TERMS), constant=True, part="summation")
    return [
        *both(loss_gradient(X), D2 + D4 + D6 + D7 + D8),
        Bound(maxnorm(error), total, part="errors", reading=NO_SCALE),
        Bound(maxnorm(scaled(error)), total_scaled, part="errors", reading=WITH_SCALE),
        Asymptotic(total, NEGLIGIBLE, relies_on=LEMMAS, part="eps/poly"),
        summation,
        Asymptotic(sum(time_of(label) for label in LEMMAS) + 5 * n * d, ALMOST_LINEAR, relies_on=LEMMAS, part="time"),
    ]
