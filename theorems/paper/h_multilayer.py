"""Appendix H: the gradient through g_i(Z) = phi(Z W_g), one layer, and all layers by induction.

The lemmas print no bound on d, m and the entries; those of the theorem that they serve (4.2) are taken: d = O(log n), m = n^{o(1)}, numbers
of O(log n) bits. error(E.11) and time(E.11) are the largest error and the operations of the procedure of Lemma E.11, and so on.
"""

import sympy

from ..asymptotics import ALMOST_LINEAR, LOG, NEGLIGIBLE, POLY, SUBPOLY
from ..claims import error_of, time_of
from ..formula import block, define, func, grad, loss, rowkron, scalar, symbol, unit
from ..norms import maxnorm
from ..notation import W_V, G, W, W_g, X, g_T, i4, i5, j4, j5
from ..registry import published
from ..sizes import d, n, size
from ..statement import Asymptotic, Bound, Condition, Cost, Holds, Identity, Within
from .c_preliminaries import bits

PHI = "g_i(Z) = phi(Z W_g), phi entrywise and differentiable"
attn = symbol("Attn", n, d)
T = define("T", func("phi", attn @ W_g), "H.1")
slope = func("phi", attn @ W_g, 1)
G_i = (g_T * slope) @ W_g.T


def succeeds(label):
    """Time n^{1+o(1)} and error 1/poly of a procedure, as conclusions."""
    return Within(time_of(label), ALMOST_LINEAR), Within(error_of(label), NEGLIGIBLE)


@published("Lemma H.1", "Derivative through g_i", uses="3.3", hypotheses=PHI)
def h_1():
    left = grad(T[i4, j4], attn)
    slope_entry = func("phi", attn.row(i4).T @ W_g.col(j4), 1)
    return [
        Identity(left[i5, j5], slope_entry * W_g[j5, j4], part="1 (i4 = i5)", where=(Condition(i4, "==", i5),)),
        Identity(left[i5, j5], scalar(0), part="1 (i4 != i5)", where=(Condition(i4, "!=", i5),)),
        Identity(left, slope_entry * (unit(i4) @ W_g.col(j4).T), part="2"),
    ]


@published(
    "Lemma H.2",
    "Closed form and time of G_i",
    uses="H.1",
    hypotheses=(PHI, "g_T = dL/dT_i is given"),
    granted=Within(d, LOG),
    concludes=(Holds("G_i is computable in n^{1+o(1)}"), Within(time_of("H.2"), ALMOST_LINEAR)),
    notes=(
        "the nd operations of the entrywise factor are counted with Attn_i W_g at hand, as the forward pass has it",
        "d = O(log n) is not printed here; it is the setting of the theorems",
    ),
)
def h_2():
    gradient = grad(define("L", loss(T, g_T), "3.1"), attn)
    return [
        Identity(gradient, G_i, part="closed form"),
        Cost((g_T * slope,), n * d, given=(attn @ W_g,), part="entrywise factor"),
        Cost((G_i,), d**2 * n, given=(g_T * slope,), part="product"),
        Cost((G_i,), ALMOST_LINEAR, part="total"),
    ]


# -- one layer -------------------------------------------------------------------------------------------------------
ENTRIES = "every number in the matrices fits in O(log n) bits"
ONE_LAYER = {"hypotheses": PHI, "granted": (Within(d, LOG), *bits(X, W, W_V, G, W_g))}

slope_0 = func("phi", X @ W_g, 1)
dT_0 = define("dT_0/dX", rowkron(W_g.T, slope_0.T).T, "H.3")
"""All entries of dT_0/dX that are not zero, by Lemma H.1: block i4 has dT_0(i4,j4)/dX(i4,j5) in row j5, column j4."""
E = symbol("E", n, d)


def through_g(error):
    """The error of dL/dX for an error of dL/dg(X), by Lemma H.2."""
    return (error * slope_0) @ W_g.T


def magnified():
    """|error . dg/dX| <= n d |error| |dg/dX|, for every row of the error."""
    printed = n * d * maxnorm(E) * maxnorm(dT_0)
    return Bound(maxnorm(through_g(E).row(i4)), printed, part="constant", via=block(dT_0, i4, d) @ E.row(i4))


@published(
    "Lemma H.3",
    "One layer g_1 o Attn_1 o g_0",
    kind="error-bound",
    uses=("H.2", "E.11", "F.5", "G.4"),
    concludes=succeeds("H.3"),
    notes=(
        "E is the error of g~_{t_0}, that is error(E.11)",
        "nothing is printed about the size of phi', on which |dT_0/dX| depends",
        "d = O(log n) and the size of the numbers are the setting of Theorem 4.2",
    ),
    **ONE_LAYER,
)
def h_3():
    weights = sympy.Max(error_of("F.5"), error_of("G.4"))
    # G_1, the three gradients of the layer, and from dL/dT_0 to dL/dX.
    times = time_of("H.2") + time_of("E.11") + time_of("F.5") + time_of("G.4") + time_of("H.2")
    return [
        Asymptotic(times, ALMOST_LINEAR, relies_on=("H.2", "E.11", "F.5", "G.4"), part="1 time"),
        magnified(),
        Asymptotic(n * d * error_of("E.11") * maxnorm(dT_0), NEGLIGIBLE, relies_on=("E.11",), part="2 error"),
        Asymptotic(weights, NEGLIGIBLE, relies_on=("F.5", "G.4"), part="error of dL/dW, dL/dW_V", step=True),
    ]


# -- m layers --------------------------------------------------------------------------------------------------------
m = size("m")
P = sympy.Symbol("P", positive=True)
"""What one layer magnifies an error by; printed as poly."""
ALL_LAYERS = {
    "hypotheses": PHI,
    "granted": (*ONE_LAYER["granted"], Within(m, SUBPOLY)),
}


@published(
    "Lemma H.4",
    "All layers, by induction",
    kind="induction",
    uses=("H.3", "E.11", "H.2"),
    concludes=succeeds("H.4"),
    notes=(
        "the printed step is |error of k+1 layers| <= poly |error of k layers|, with poly called P here; m steps give P^m",
        "d = O(log n), m = n^{o(1)} and the size of the numbers are the setting of Theorem 4.2",
    ),
    **ALL_LAYERS,
)
def h_4():
    return [
        Asymptotic(m * time_of("H.3"), ALMOST_LINEAR, relies_on=("H.3",), part="1 time"),
        Asymptotic(error_of("H.3"), NEGLIGIBLE, relies_on=("H.3",), part="base", step=True),
        magnified(),
        Asymptotic(P**m * error_of("H.3"), NEGLIGIBLE, relies_on=("H.3",), granting=(Within(P, POLY),), part="2 error"),
    ]
