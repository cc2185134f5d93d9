"""Low-rank approximation of the gradients of one layer, repaired: true closed forms, K~ from the factors, every constant explicit.

f is the row softmax of tau X W X^T for any tau > 0, f~ = U_1 V_1^T any matrix with |f~ - f| <= eps, and

    z_2 = diag(K) f,   z_4 = f * (G h^T),   z_6 = z_2^T,   z_7 = z_4^T,
    dL/dX = tau (z_4 - z_2) X W^T + tau (z_7 - z_6) X W + f^T G W_V^T    (E.11r).

The algorithm has no K = (G * f h) 1; it has K~ = (G * U_1 (V_1^T h)) 1, and |K~ - K| <= n d eps |G| |h|.
"""

import sympy

from ..asymptotics import LOG, SUBLOG, SUBPOLY
from ..formula import define, diag, exp, inner, ones, rowkron, rows, symbol, taylor
from ..functions import Degree, J
from ..norms import maxnorm
from ..notation import W_V, G, W, X, i0
from ..paper.c_preliminaries import U1, U2, V1, V2, h, k1, k2, loss_gradient, q
from ..registry import repair, statement
from ..sizes import d, n, size
from ..statement import Asymptotic, Bound, Cost, Identity, Rank, Within
from .kernel import eps_1, eta, normalised
from .one_layer import f_tau as f
from .one_layer import tau, with_tau
from .polynomial import L

ERROR = {"kind": "error-bound"}
eps = sympy.Symbol("eps", positive=True)
g = size("g")
M = symbol("M", n, n, domain="mask")
S = define("S", (X @ W @ X.T) * tau, "C.13r")
b = maxnorm(S)


@repair(
    "C.13",
    "Low-rank approximation of f by the Taylor polynomial",
    kind="error-bound",
    uses=("T.1", "T.3", "S.1"),
    hypotheses=(
        "width n^{o(1)} within e^{-L} <= 1/poly(n): d = O(log n), |tau X W X^T| = o(log n), L = O(log n)",
        "M is the causal mask or all ones",
    ),
    assumes=(Within(d, LOG), Within(b, SUBLOG), Within(L, LOG)),
    notes="with a mask the factors are those of T_g(S): M enters by running sums, and the row sums divide at the end",
)
def c_13r():
    """b = |S|; the degree g = Degree(b, L) gives J_g(b) <= e^{-L} (T.3)."""
    exact, approximate = normalised(M * exp(S)), normalised(M * taylor(S, g))
    error, degree = J(b, g), Degree(b, L)
    return [
        Bound(maxnorm(approximate - exact), eps_1.subs(eta, error) / 2, part="error", given=(error <= 1,)),
        Rank(taylor(S, g), sympy.binomial(d + g, g), part="rank of the kernel"),
        Rank(normalised(taylor(S, g)), sympy.binomial(d + g, g), part="rank of f~ without a mask"),
        Asymptotic(sympy.binomial(d + degree, degree), SUBPOLY, part="width"),
    ]


f_low = define("f~", U1 @ V1.T, "C.14r")
NEAR = (maxnorm(f_low - f) <= eps,)
s = define("s", f @ h, "C.14r")
s_low = define("s~", U1 @ (V1.T @ h), "C.14r")


@repair("C.14", "Approximation of s", uses=("C.9", "C.10"), **ERROR)
def c_14r():
    return [
        Bound(maxnorm(s_low - s), n * eps * maxnorm(h), part="constant", given=NEAR, via=(f_low - f) @ h),
        Cost((s_low,), n * d * k1, given=(h,)),
    ]


q_low = define("q~", U2 @ V2.T, "C.15r")
product_gap = (f + (f_low - f)) * (q_low - q) + (f_low - f) * q
"""f~ * q~ - f * q."""


@statement(
    "C.15r",
    "Low-rank approximation of p_1, explicit",
    uses=("C.2", "C.11", "C.12"),
    origin="repair",
    source="explicit form of Lemma C.15",
    **ERROR,
)
def c_15r():
    """U_3 = U_1 (/) U_2, V_3 = V_1 (/) V_2."""
    product = rowkron(U1, U2) @ rowkron(V1, V2).T
    bound = (1 + eps) * maxnorm(q_low - q) + eps * maxnorm(q)
    return [
        Bound(maxnorm(product - f * q), bound, part="constant", given=NEAR, via=product_gap),
        Rank(product, k1 * k2),
    ]


r = define("r", (f * q) @ ones(n), "C.16r")
r_low = define("r~", ((U1 @ (V1.T @ V2)) * U2) @ ones(k2), "C.16r")


@statement(
    "C.16r",
    "Low-rank approximation of p_2, explicit: r~ multiplies rows",
    uses=("C.11", "C.12"),
    origin="repair",
    source="explicit form of Lemma C.16",
    **ERROR,
)
def c_16r():
    """U_4 = diag(r~) U_1, V_4 = V_1."""
    product = (diag(r_low) @ U1) @ V1.T
    gap = ((r_low - r) @ ones(n).T) * (f + (f_low - f)) + (r @ ones(n).T) * (f_low - f)
    bound = (1 + eps) * maxnorm(r_low - r) + eps * maxnorm(r)
    return [
        Identity(r_low, rows(i0, inner(f_low.row(i0), q_low.row(i0))), part="r~"),
        Bound(maxnorm(product - diag(r) @ f), bound, part="constant", given=NEAR, via=gap),
        Bound(
            maxnorm(r_low - r),
            n * ((1 + eps) * maxnorm(q_low - q) + eps * maxnorm(q)),
            part="|r~ - r|",
            given=NEAR,
            via=product_gap @ ones(n),
        ),
        Rank(product, k1),
        Cost((r_low,), n * k1 * k2),
    ]


# -- the five terms of dL/dX ------------------------------------------------------------------------------------------
K = define("K", (G * s) @ ones(d), "E.1r")
K_low = define("K~", (G * s_low) @ ones(d), "E.1r")
z2, z4 = define("z_2", diag(K) @ f, "E.7r"), define("z_4", f * (G @ h.T), "E.9r")
z6, z7 = define("z_6", f.T @ diag(K), "E.2r"), define("z_7", f.T * (h @ G.T), "E.4r")
D2, D4 = define("D_2", -((z2 @ X @ W.T) * tau), "E.8r"), define("D_4", (z4 @ X @ W.T) * tau, "E.10r")
D6, D7 = define("D_6", -((z6 @ X @ W) * tau), "E.3r"), define("D_7", (z7 @ X @ W) * tau, "E.5r")
D8 = define("D_8", f.T @ G @ W_V.T, "E.6r")

U6, V6 = V1, define("V_6", diag(K_low) @ U1, "E.2r")
U7, V7 = define("U_7", rowkron(V1, h), "E.4r"), define("V_7", rowkron(U1, G), "E.4r")
U9, V9 = define("U_9", diag(K_low) @ U1, "E.7r"), V1
U10, V10 = define("U_10", rowkron(U1, G), "E.9r"), define("V_10", rowkron(V1, h), "E.9r")
z6_low, z7_low = define("z~_6", U6 @ V6.T, "E.2r"), define("z~_7", U7 @ V7.T, "E.4r")
z2_low, z4_low = define("z~_2", U9 @ V9.T, "E.7r"), define("z~_4", U10 @ V10.T, "E.9r")
D6_low = define("D~_6", -((U6 @ (V6.T @ X) @ W) * tau), "E.3r")
D7_low = define("D~_7", (U7 @ (V7.T @ X) @ W) * tau, "E.5r")
D8_low = define("D~_8", V1 @ (U1.T @ G) @ W_V.T, "E.6r")
D2_low = define("D~_2", -((U9 @ (V9.T @ X) @ W.T) * tau), "E.8r")
D4_low = define("D~_4", (U10 @ (V10.T @ X) @ W.T) * tau, "E.10r")

K_gap = (G * ((f_low - f) @ h)) @ ones(d)
"""K~ - K."""
z2_gap = ((K + K_gap) @ ones(n).T) * (f_low - f) + (K_gap @ ones(n).T) * f
"""z~_2 - z_2."""
z4_gap = (f_low - f) * (G @ h.T)
"""z~_4 - z_4."""
Q = d * maxnorm(G) * maxnorm(h)
K_error = n * eps * Q
z2_error = eps * maxnorm(K) + (1 + eps) * K_error
z4_error = eps * Q
R, R_t = maxnorm(X @ W), maxnorm(X @ W.T)


@statement(
    "E.1r",
    "K~ from the factors of f~",
    origin="repair",
    source="completes Lemma E.1, which has s at hand",
    uses=("C.14r", "D.16"),
    **ERROR,
)
def e_1r():
    return [
        Bound(maxnorm(K_low - K), K_error, part="constant", given=NEAR, via=K_gap),
        Cost((K_low,), n * d * (k1 + d)),
    ]


def factored(low, exact, error, via, rank, factors, operations, given):
    """|z~ - z| <= error, the rank of z~ and the operations of its factors."""
    return [
        Bound(maxnorm(low - exact), error, part="constant", given=NEAR, via=via),
        Rank(low, rank),
        Cost(factors, operations, given=given),
    ]


def multiplied(low, exact, error, via, operations, given):
    """|D~ - D| <= error and the operations in the order V^T X, U (.), times W."""
    return [Bound(maxnorm(low - exact), error, part="constant", via=via), Cost((low,), operations, given=given)]


@repair("E.2", "Approximation of z_6 = f^T diag(K)", uses="E.1r", **ERROR)
def e_2r():
    return factored(z6_low, z6, z2_error, z2_gap.T, k1, (V6,), n * k1, (K_low,))


@repair("E.3", "Approximation of D_6", uses="E.2r", **ERROR)
def e_3r():
    gap = z6_low - z6
    return multiplied(D6_low, D6, tau * n * maxnorm(gap) * R, -((gap @ (X @ W)) * tau), n * d * (k1 + d), (V6,))


@repair("E.4", "Approximation of z_7 = (f * G h^T)^T", uses="C.2", **ERROR)
def e_4r():
    return factored(z7_low, z7, z4_error, z4_gap.T, k1 * d, (U7, V7), n * d * k1, (h,))


@repair("E.5", "Approximation of D_7", uses="E.4r", **ERROR)
def e_5r():
    gap = z7_low - z7
    return multiplied(D7_low, D7, tau * n * maxnorm(gap) * R, (gap @ (X @ W)) * tau, n * k1 * d**2, (U7, V7))


@repair("E.6", "Approximation of D_8", **ERROR)
def e_6r():
    return [
        Bound(
            maxnorm(D8_low - D8),
            d * n * eps * maxnorm(G) * maxnorm(W_V),
            part="constant",
            given=NEAR,
            via=(f_low - f).T @ G @ W_V.T,
        ),
        Cost((D8_low,), n * d * (k1 + d)),
    ]


@repair("E.7", "Approximation of z_2 = diag(K) f", uses="E.1r", **ERROR)
def e_7r():
    return factored(z2_low, z2, z2_error, z2_gap, k1, (U9,), n * k1, (K_low,))


@repair("E.8", "Approximation of D_2", uses="E.7r", **ERROR)
def e_8r():
    gap = z2_low - z2
    return multiplied(D2_low, D2, tau * n * maxnorm(gap) * R_t, -((gap @ (X @ W.T)) * tau), n * d * (k1 + d), (U9,))


@repair("E.9", "Approximation of z_4 = f * G h^T", uses="C.2", **ERROR)
def e_9r():
    return factored(z4_low, z4, z4_error, z4_gap, k1 * d, (U10, V10), n * d * k1, (h,))


@repair("E.10", "Approximation of D_4", uses="E.9r", **ERROR)
def e_10r():
    gap = z4_low - z4
    return multiplied(D4_low, D4, tau * n * maxnorm(gap) * R_t, (gap @ (X @ W.T)) * tau, n * k1 * d**2, (U10, V10))


@statement(
    "E.11r.errors",
    "Approximation of the gradient in the layer input",
    origin="repair",
    source="completes the repair of E.11",
    uses=("E.11r", "E.2r", "E.4r", "E.6r", "E.7r", "E.9r"),
    **ERROR,
)
def e_11r_errors():
    low = define("g~_t", D2_low + D4_low + D6_low + D7_low + D8_low, "E.11r.errors")
    gap = z4_gap - z2_gap
    via = (gap @ (X @ W.T)) * tau + (gap.T @ (X @ W)) * tau + (f_low - f).T @ G @ W_V.T
    error = n * tau * (R + R_t) * (z2_error + z4_error) + n * d * eps * maxnorm(G) * maxnorm(W_V)
    return [
        Bound(maxnorm(low - with_tau(loss_gradient(X))), error, part="constant", given=NEAR, via=via),
        Cost((low,), 5 * n * d, given=(D2_low, D4_low, D6_low, D7_low, D8_low), constant=True, part="summation"),
        Cost((low,), n * k1 * d**2),
    ]


# -- dL/dW and dL/dW_V --------------------------------------------------------------------------------------------------
@repair("F.5", "Approximation of the gradient in W", uses=("F.4", "E.7r", "E.9r"), **ERROR)
def f_5r():
    """p~_1 = z~_4 and p~_2 = z~_2: r of Lemma C.16 is K."""
    low = (X.T @ U10 @ V10.T @ X - X.T @ U9 @ V9.T @ X) * tau
    via = (X.T @ (z4_gap - z2_gap) @ X) * tau
    return [
        Bound(
            maxnorm(low - with_tau(loss_gradient(W))),
            tau * n**2 * maxnorm(X) ** 2 * (z2_error + z4_error),
            part="constant",
            given=NEAR,
            via=via,
        ),
        Cost((low,), n * k1 * d**2),
    ]


@repair("G.4", "Approximation of the gradient in W_V", uses="G.3r", **ERROR)
def g_4r():
    low = X.T @ V1 @ (U1.T @ G)
    return [
        Bound(
            maxnorm(low - with_tau(loss_gradient(W_V))),
            n**2 * eps * maxnorm(X) * maxnorm(G),
            part="constant",
            given=NEAR,
            via=X.T @ ((f_low - f).T @ G),
        ),
        Cost((low,), (n + d) * d * k1),
    ]
