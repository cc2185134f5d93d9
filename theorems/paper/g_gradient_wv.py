"""Appendix G: the gradient with respect to W_V."""

from ..asymptotics import ALMOST_LINEAR, LOG, NEGLIGIBLE
from ..claims import error_of, time_of
from ..formula import define, grad, scalar, unit
from ..norms import maxnorm
from ..notation import W_V, G, W, X
from ..registry import published
from ..sizes import d, features, n, tokens
from ..statement import Asymptotic, Bound, Condition, Cost, Identity, Within
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
    printed_chain,
    s,
    scaled,
)

i0, i2 = tokens("i0 i2")
i1, j0, j1, j2 = features("i1 j0 j1 j2")


@published("Lemma G.1", "Derivative of an entry of h in W_V", uses="C.9")
def g_1():
    left = grad(h[i0, j0], W_V)[i1, j1]
    return [
        Identity(left, X[i0, i1], part="1 (j0 = j1)", where=(Condition(j0, "==", j1),)),
        Identity(left, scalar(0), part="2 (j0 != j1)", where=(Condition(j0, "!=", j1),)),
    ]


@published("Lemma G.2", "Derivative of an entry of s in W_V", uses=("C.10", "G.1"))
def g_2():
    left = grad(s[i2, j2], W_V)
    return [
        Identity(left[i1, j1], f.row(i2).T @ X.col(i1), part="1 (j2 = j1)", where=(Condition(j2, "==", j1),)),
        Identity(left[i1, j1], scalar(0), part="1 (j2 != j1)", where=(Condition(j2, "!=", j1),)),
        Identity(left, X.T @ f.row(i2) @ unit(j2).T, part="2"),
    ]


@published("Lemma G.3", "Closed form of the gradient in W_V", uses=("G.2", "C.4"))
def g_3():
    return both(loss_gradient(W_V), X.T @ f @ G)


gradient_low = define("g~_v", X.T @ U1 @ V1.T @ G, "G.4")


@published(
    "Lemma G.4",
    "Approximation of the gradient in W_V",
    kind="error-bound",
    uses=("G.3", "C.13"),
    granted=(Within(d, LOG), *bits(X, W, W_V, G)),
    concludes=(Within(error_of("G.4"), NEGLIGIBLE), fast("G.4")),
    notes="d = O(log n) and O(log n)-bit entries are the setting of the theorems; the lemma prints neither",
)
def g_4():
    """X^T U_1 first, then times V_1^T, then times G."""
    printed, via = n**2 * maxnorm(X) * f_error * maxnorm(G), X.T @ (f_low - f) @ G
    gap = gradient_low - loss_gradient(W_V)
    operations = n * d * (k1 + d)
    return [
        *printed_chain(X.T @ f_low @ G - X.T @ f @ G, printed, via, "C.13"),
        Bound(maxnorm(gap), printed, part="gradient", reading=NO_SCALE),
        Bound(
            maxnorm(scaled(gap)),
            n**2 * maxnorm(X) * maxnorm(scaled(f_low - f)) * maxnorm(G),
            part="gradient",
            reading=WITH_SCALE,
        ),
        Cost((gradient_low,), operations, part="operations"),
        Asymptotic(time_of("C.13") + operations, ALMOST_LINEAR, relies_on=("C.13",), part="time"),
    ]
