"""Appendix J: residual connections around attention and around g_i; one layer, and all layers by induction.

The sizes are those of Theorem 4.2, as in Appendix H.
"""

import sympy

from ..asymptotics import ALMOST_LINEAR, LOG, NEGLIGIBLE, POLY
from ..claims import error_of, time_of
from ..formula import define, func, grad, loss, symbol
from ..norms import maxnorm
from ..notation import G, W_g, X, Z
from ..registry import definition, published
from ..sizes import d, n
from ..statement import Asymptotic, Bound, Cost, Identity, Within
from .c_preliminaries import attn as attention
from .h_multilayer import ALL_LAYERS, ONE_LAYER, P, m, succeeds

g_of = {x: define("g", func("phi", x @ W_g), "1.3") for x in (X, Z)}
definition("Definition J.1", "Residual around attention", define("Z_i", X + attention, "J.1"), notes="X is T_{i-1}")
definition("Definition J.2", "Residual around g_i", define("T_i", Z + g_of[Z], "J.2"), notes="Z is Z_i")

through_H = symbol("G_H", n, d)
e, J = symbol("e", n * d), symbol("dH/dX", n * d, n * d)
J_g, J_attn, J_0 = (symbol(name, n * d, n * d) for name in ("dg_1/dZ_1", "dAttn_1/dT_0", "dT_0/dX"))


def through_one(error):
    """The error of dL/dT_0 for an error of dL/dT_1, as one column: Lemma J.3 for g_1, then for Attn_1."""
    after = error + J_g.T @ error
    return after + J_attn.T @ after


printed_step = (n * d * maxnorm(J_attn) + 1) * (n * d * maxnorm(J_g) + 1) * maxnorm(e)
time_of_product = sympy.Max(time_of("E.11"), time_of("H.2"))
"""The time of dL/dY . dH/dX for the two H of the paper: Attn_i (Lemma E.11) and g_i (Lemma H.2)."""


@published(
    "Lemma J.3",
    "One residual connection",
    hypotheses=(
        "given dL/dY_R, the product dL/dY_R . dH(X_R)/dX_R is computable in n^{1+o(1)}",
        "dL/dY_R has error 1/poly",
    ),
    assumes=(Within(time_of_product, ALMOST_LINEAR), Within(error_of("E.11"), NEGLIGIBLE)),
    granted=Within(d, LOG),
    concludes=succeeds("J.3"),
    notes=(
        "H is any differentiable map; in the identity it is each of the two that the paper has, and so are its time and error",
        "G is dL/dY_R; G_H and dL_H/dX are dL/dY_R . dH/dX; e is the error of dL/dY_R as one column; |dH/dX| is printed as poly, here P",
        "d = O(log n) is not printed here; it is the setting of the theorems",
    ),
)
def j_3():
    def chain(H, name):
        total, through = (define(L, loss(of, G), "3.1") for L, of in (("L", X + H), ("L_H", H)))
        return Identity(grad(total, X), G + grad(through, X), part=f"chain rule, H = {name}")

    return [
        chain(g_of[X], "g"),
        chain(attention, "Attn"),
        Cost((G + through_H,), n * d, part="addition"),
        Asymptotic(n * d + time_of_product, ALMOST_LINEAR, part="time"),
        Bound(maxnorm(e + J.T @ e), (n * d * maxnorm(J) + 1) * maxnorm(e), part="constant"),
        Asymptotic((n * d * P + 1) * error_of("E.11"), NEGLIGIBLE, granting=(Within(P, POLY),), part="error"),
    ]


@published(
    "Lemma J.4",
    "One layer with residual connections",
    kind="error-bound",
    uses=("3.1", "H.2", "E.11", "J.3", "J.1", "J.2"),
    concludes=succeeds("J.4"),
    notes=(
        "dL/dT_1 is said to take nd operations, by Definition 3.1",
        "the constant is that of J.3 twice, and nd |dT_0/dX| for the last step, whose |dT_0/dX| is printed as part of 1/poly",
        "d = O(log n) and the size of the numbers are the setting of Theorem 4.2",
    ),
    **ONE_LAYER,
)
def j_4():
    # dL/dT_1, then dL/dZ_1, dL/dT_0 and dL/dX.
    times = n * d + (time_of("H.2") + n * d) + (time_of("E.11") + n * d) + time_of("H.2")
    return [
        Asymptotic(times, ALMOST_LINEAR, relies_on=("H.2", "E.11", "J.3"), part="time"),
        Bound(maxnorm(J_0.T @ through_one(e)), n * d * maxnorm(J_0) * printed_step, part="constant"),
        Asymptotic(n * d * error_of("J.3"), NEGLIGIBLE, relies_on=("E.11", "J.3"), part="error"),
    ]


@published(
    "Lemma J.5",
    "All layers with residual connections, by induction",
    kind="induction",
    uses="J.4",
    concludes=succeeds("J.5"),
    notes=(
        "the printed step is as in J.4, for F_{k+1}(X) = F_k(T_1); its constant is called P, and m steps give P^m",
        "d = O(log n), m = n^{o(1)} and the size of the numbers are the setting of Theorem 4.2",
    ),
    **ALL_LAYERS,
)
def j_5():
    return [
        Asymptotic(m * time_of("J.4"), ALMOST_LINEAR, relies_on=("J.4",), part="time"),
        Bound(maxnorm(through_one(e)), printed_step, part="constant"),
        Asymptotic(P**m * error_of("J.4"), NEGLIGIBLE, relies_on=("J.4",), granting=(Within(P, POLY),), part="error"),
    ]
