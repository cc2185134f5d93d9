"""Appendix F: the gradient with respect to W = W_Q W_K^T, by the tensor trick."""

from ..asymptotics import ALMOST_LINEAR, LOG, NEGLIGIBLE
from ..claims import error_of, time_of
from ..formula import block, define, diag, eye, grad, inner, kron, total
from ..norms import maxnorm
from ..notation import W_V, G, W, X
from ..registry import definition, published
from ..sizes import Pair, d, features, n, tokens
from ..statement import Asymptotic, Bound, Cost, Identity, Within
from .c_preliminaries import (
    NO_SCALE,
    U3,
    U4,
    V3,
    V4,
    WITH_SCALE,
    bits,
    both,
    f,
    fast,
    h,
    k3,
    k4,
    loss_gradient,
    p,
    p1,
    p1_low,
    p2,
    p2_low,
    q,
    s,
    scaled,
)

(j0,) = tokens("j0")
i0, k, l = features("i0 k l")

A = define("A", kron(X, X), "F.1")
A_j0 = define("A_{j0}", block(A, j0, n), "F.1")
definition("Definition F.1", "A = A_1 (x) A_2 and its blocks", A, A_j0, notes="shown with A_1 = A_2 = X (Remark F.2)")
definition("Remark F.2", "Here A_1 = A_2 = X", A, kind="remark", uses="F.1")


@published(
    "Lemma F.3",
    "Derivative of an entry of s in W",
    uses=("F.1", "C.8", "C.9", "C.10"),
    hypotheses="w in R^{d^2} is the vector form of W",
    notes="cited from AS24a Lemma B.1; the order of the vector form is not printed, both are encoded",
)
def f_3():
    def claims(index, reading):
        a = A_j0.col(Pair(k, l))
        f_j0, h_i0 = f.row(j0), h.col(i0)
        right = inner(a * f_j0, h_i0) - inner(f_j0, h_i0) * inner(a, f_j0)
        return [
            Identity(c.left, c.right, reading=f"{reading}; {c.reading}") for c in both(grad(s[j0, i0], W)[index], right)
        ]

    return [
        *claims((k, l), "w row by row: w_{(k-1)d+l} = W_{k,l}"),
        *claims((l, k), "w column by column: w_{(k-1)d+l} = W_{l,k}"),
    ]


@published(
    "Lemma F.4",
    "Closed form of the gradient in W",
    uses=("F.3", "C.1", "C.4", "C.11", "C.12"),
    notes="steps 1 and 3 take the vector form of W row by row, the order in which Lemma F.3 holds",
)
def f_4():
    f_j0 = f.row(j0)
    step_1 = A_j0.T @ (diag(f_j0) - f_j0 @ f_j0.T) @ h.col(i0)
    step_3 = total(j0, A_j0.T @ p.row(j0))
    return [
        *both(grad(s[j0, i0], W)[k, l], step_1[Pair(k, l)], part="step 1"),
        Identity(q.row(j0), total(i0, G[j0, i0] * h.col(i0)), part="step 2"),
        Identity(step_3[Pair(k, l)], (X.T @ p @ X)[k, l], part="step 3"),
        *both(loss_gradient(W), X.T @ p @ X, part="closed form"),
    ]


gradient_low = define("g~_w", X.T @ U3 @ V3.T @ X - X.T @ U4 @ V4.T @ X, "F.5")


@published(
    "Lemma F.5",
    "Approximation of the gradient in W",
    kind="error-bound",
    uses=("F.4", "C.12", "C.15", "C.16"),
    hypotheses=("L as in Definition 3.1", "W_i = W_{Q_i} W_{K_i}^T"),
    granted=(Within(d, LOG), *bits(X, W, W_V, G)),
    concludes=(Within(error_of("F.5"), NEGLIGIBLE), fast("F.5")),
    notes="d = O(log n) and O(log n)-bit entries are the setting of the theorems; the lemma prints neither",
)
def f_5():
    """X^T U_3 first, then times V_3^T, then times X; the same with U_4, V_4."""

    def constant(approximation, exact):
        return n**2 * maxnorm(X) ** 2 * maxnorm(approximation - exact)

    def error(part, approximation, exact):
        gap = X.T @ approximation @ X - X.T @ exact @ X
        return [
            Bound(maxnorm(gap), constant(approximation, exact), part=part, via=X.T @ (approximation - exact) @ X),
            Asymptotic(
                constant(approximation, exact), NEGLIGIBLE, relies_on=("C.15", "C.16"), part=f"{part}, eps/poly"
            ),
        ]

    def at_exact_factors(formula):
        """U_3 V_3^T = p_1, U_4 V_4^T = p_2."""
        factors = {U3: p1, V3: eye(n), U4: p2, V4: eye(n)}
        return formula.rebuild(factors.get)

    gap = gradient_low - loss_gradient(W)
    both_terms = X.T @ (p1_low - p1) @ X - X.T @ (p2_low - p2) @ X
    printed = constant(p1_low, p1) + constant(p2_low, p2)
    none = sum(
        n**2 * maxnorm(X) ** 2 * maxnorm(scaled(at_exact_factors(a - b))) for a, b in ((p1_low, p1), (p2_low, p2))
    )
    operations = n * d * (k3 + k4 + d)
    return [
        *error("p_1", p1_low, p1),
        *error("p_2", p2_low, p2),
        Bound(maxnorm(gap), printed, part="gradient", reading=NO_SCALE, via=both_terms),
        Bound(maxnorm(scaled(at_exact_factors(gap))), none, part="gradient", reading=f"{WITH_SCALE}, exact factors"),
        Asymptotic(printed, NEGLIGIBLE, relies_on=("C.15", "C.16"), part="eps/poly"),
        Cost((gradient_low,), operations, part="operations"),
        Asymptotic(
            time_of("C.15") + time_of("C.16") + operations, ALMOST_LINEAR, relies_on=("C.15", "C.16"), part="time"
        ),
    ]
