"""Beyond one attention layer, repaired: g_i, m layers, the causal mask and several heads, with constants.

Largest entries are bounded where the norm rules prove it; the m-layer chain is in l1, where no factor n arises. With

    rho = (sig + L1 og) (sig + Lam),    L1 = |phi'|, og = largest column l1 of W_g,

sig = 1 with residual connections and 0 without, one layer magnifies an error by rho and adds rho eps_1 |dL/dT_i|_1, and |dL/dT_i|_1
grows by at most rho. So m layers with an exact forward pass have the error m eps_1 rho^m |dL/dT_m|_1. Lam and eps_1 are those of
`errors_l1`.
"""

import sympy

from ..asymptotics import ALMOST_LINEAR, CONSTANT, LOG, NEGLIGIBLE, POLY, SUBPOLY
from ..formula import (
    Formula,
    block,
    causal_rows,
    define,
    diag,
    exp,
    eye,
    func,
    grad,
    kron,
    loss,
    ones,
    rowkron,
    rows,
    symbol,
    total,
    unit,
)
from ..norms import colnorm, l1norm, maxnorm, rownorm
from ..notation import W_V, G, W, W_g, X, g_T
from ..paper.c_preliminaries import bits, h, k1, q
from ..paper.h_multilayer import E, G_i, m, slope, slope_0, succeeds, through_g
from ..paper.i_causal import U0, V0, H, K, U, U_scaled, V, column, feature, k, k_0, k_H
from ..paper.k_multihead import heads, l
from ..registry import repair
from ..sizes import d, n, size
from ..statement import Asymptotic, Bound, Cost, Identity, Within
from . import approximation
from .approximation import c_13r, eps, z2_error, z4_error
from .errors_l1 import Lam, terms_of_dX
from .errors_l1 import f as f_l1
from .errors_l1 import f_approx as f_l1_approx
from .errors_max import core_of, dX, tau, weighted
from .kernel import ONE, eps_1, eta, normalised

ERROR = {"kind": "error-bound"}

# -- one layer ---------------------------------------------------------------------------------------------------------
layer_error = n * tau * (approximation.R + approximation.R_t) * (z2_error + z4_error) + n * d * eps * maxnorm(
    G
) * maxnorm(W_V)
"""The error of dL/dT_0 in statement E.11r.errors."""


@repair(
    "H.3",
    "One layer g_1 o Attn_1 o g_0",
    uses=("H.2", "E.11r.errors", "F.5r", "G.4r"),
    hypotheses=("d = O(log n), tau = O(1), k_1 = n^{o(1)}", "all entries, those of phi' too, are poly", "eps = 1/poly"),
    assumes=(
        Within(d, LOG),
        Within(tau, CONSTANT),
        Within(k1, SUBPOLY),
        Within(eps, NEGLIGIBLE),
        *bits(X, W, W_V, G, W_g, slope_0),
    ),
    concludes=succeeds("H.3r"),
    **ERROR,
)
def h_3r():
    """|f~ - f| <= eps and the exact dL/dT_1; the dL/dX of g_0 magnifies by d |phi'| |W_g|."""
    factor = d * maxnorm(slope_0) * maxnorm(W_g)
    return [
        Bound(maxnorm(through_g(E)), factor * maxnorm(E), part="through g_0"),
        Asymptotic(factor * layer_error, NEGLIGIBLE, part="error"),
        Asymptotic(n * k1 * d**2, ALMOST_LINEAR, part="time"),
    ]


# -- m layers ------------------------------------------------------------------------------------------------------------
L1, og = maxnorm(slope), colnorm(W_g)
Delta = symbol("Delta", n, d)


def backward(weights: Formula, upstream: Formula) -> Formula:
    """dL/dX of the attention with these weights, for dL/ds = upstream."""
    return dX(weights, weighted(weights)).rebuild(lambda node: upstream if node is G else None)


def terms_of_backward(weights: Formula, p: Formula, upstream: Formula) -> Formula:
    """`backward` by the order in which its products are bounded."""
    return terms_of_dX(weights, p).rebuild(lambda node: upstream if node is G else None)


def with_residual(sig: int, a: Formula, b: Formula) -> Formula:
    """sig a + b."""
    return a + b if sig else b


def one_layer(sig: int) -> Identity:
    """dL/dT_{i-1} for T_i = sig Z + phi(Z W_g), Z = sig X + Attn(X), X = T_{i-1}."""
    z = define("Z", with_residual(sig, X, f_l1 @ h), "")
    output = with_residual(sig, z, func("phi", z @ W_g))
    upstream = define("dL/dZ", with_residual(sig, g_T, (g_T * func("phi", z @ W_g, 1)) @ W_g.T), "")
    gradient = grad(define("L", loss(output, g_T), "3.1"), X)
    return Identity(gradient, with_residual(sig, upstream, backward(f_l1, upstream)), part="closed form")


def one_step(sig: int) -> list[Identity | Bound]:
    """From g_T = dL/dT_i with error Delta to g = dL/dT_{i-1}: size and error, with an exact forward pass."""
    rho = (sig + L1 * og) * (sig + Lam)
    exact = define("dL/dZ", with_residual(sig, g_T, G_i), "")
    added = define("e", with_residual(sig, Delta, (Delta * slope) @ W_g.T), "")
    found = define("dL/dZ~", exact + added, "")
    g = define("g", with_residual(sig, exact, backward(f_l1, exact)), "")
    g_low = define("g~", with_residual(sig, found, backward(f_l1_approx, found)), "")
    bound = rho * (l1norm(Delta) + eps_1 * l1norm(g_T))
    by_weights = terms_of_backward(f_l1_approx - f_l1, core_of(f_l1_approx, exact) - core_of(f_l1, exact), exact)
    by_added = with_residual(sig, added, terms_of_backward(f_l1_approx, core_of(f_l1_approx, added), added))
    size_via = with_residual(sig, exact, terms_of_backward(f_l1, core_of(f_l1, exact), exact))
    return [
        one_layer(sig),
        Bound(l1norm(g), rho * l1norm(g_T), part="size of one step", via=size_via),
        Bound(l1norm(g_low - g), bound, part="error of one step", given=ONE, via=by_added + by_weights),
    ]


j = size("j")
rho_1, gamma_1 = maxnorm(symbol("rho", 1)), maxnorm(symbol("gamma", 1))
rho, gamma, small = (sympy.Symbol(name, positive=True) for name in ("rho", "gamma", "eps_1"))


def all_steps() -> list[Bound | Asymptotic]:
    """j eps rho^j gamma after j layers: one more step, then through g_0, and its growth."""
    after, size_after = j * eps * rho_1**j * gamma_1, rho_1**j * gamma_1
    first = maxnorm(slope_0) * colnorm(W_g)
    return [
        Bound(rho_1 * (after + eps * size_after), after.subs(j, j + 1), part="recurrence"),
        Bound(l1norm(through_g(Delta)), first * l1norm(Delta), part="through g_0"),
        Asymptotic(first * m * small * rho**m * gamma, NEGLIGIBLE, part="error"),
        Asymptotic(m * n * k1 * d**2, ALMOST_LINEAR, part="time"),
    ]


DEPTH = {
    "kind": "induction",
    "hypotheses": (
        "d = O(log n), k_1 = n^{o(1)}, m = O(log n), the forward pass is exact",
        "rho = O(1) is the largest of (sig + L1 og)(sig + Lam) over the layers, gamma = |dL/dT_m|_1 = poly, eps_1 = 1/poly",
        "entries of W_g and phi' of g_0 are poly",
    ),
    "assumes": (
        *c_13r.assumes,
        Within(k1, SUBPOLY),
        Within(m, LOG),
        Within(rho, CONSTANT),
        Within(gamma, POLY),
        Within(small, NEGLIGIBLE),
        *bits(W_g, slope_0),
    ),
}


@repair(
    "H.4",
    "All layers: the error grows by rho a layer",
    uses=("H.2", "l1.2", "C.13r", "E.11r.errors"),
    concludes=succeeds("H.4r"),
    **DEPTH,
)
def h_4r():
    return [*one_step(0), *all_steps()]


# -- residual connections ------------------------------------------------------------------------------------------------
@repair("J.4", "One layer with residual connections", uses=("J.1", "J.2", "H.1", "l1.2"), **ERROR)
def j_4r():
    return one_step(1)


@repair(
    "J.5",
    "All layers with residual connections: the error grows by rho a layer",
    uses=("J.4r", "C.13r", "E.11r.errors"),
    concludes=succeeds("J.5r"),
    **DEPTH,
)
def j_5r():
    return all_steps()


# -- causal mask -----------------------------------------------------------------------------------------------------------
M = causal_rows(n)
f = define("f_M", normalised(M * exp((X @ W @ X.T) * tau)), "I.6r")
gap = symbol("E", n, n, domain="unit") * eps
F = f + gap
"""Any matrix within eps of the masked weights f, such as D~^{-1} (M * (U_0 V_0^T)) of Lemma I.6."""
MASKED = {
    "kind": "error-bound",
    "hypotheses": ("M is the causal mask", "d = O(log n), k, k_0, k_H = n^{o(1)}"),
    "assumes": (*c_13r.assumes, *(Within(width, SUBPOLY) for width in (k, k_0, k_H))),
}


def suffix_sums(b: Formula) -> Formula:
    """M^T b for the causal mask: all rows of b, less those before."""
    return ones(n) @ (ones(n).T @ b) - M @ b + b


def transposed(left: Formula, right: Formula, matrix: Formula, letter, sums=suffix_sums) -> Formula:
    """(M * (left right^T))^T matrix, column by column."""
    return rows(letter, (right * sums(diag(matrix.col(letter)) @ left)) @ ones(left.shape[1])).T


def near(of, bound, part: str, via: Formula) -> Bound:
    """|of(F) - of(f)| <= bound."""
    return Bound(maxnorm(of(F) - of(f)), bound, part=f"{part} error", via=via)


def time(line: Formula, part: str) -> Cost:
    """Almost linear time."""
    return Cost((line,), ALMOST_LINEAR, part=f"{part} time")


@repair(
    "I.6",
    "Products with masked attention weights and their transposes",
    uses=("I.4", "I.5", "C.13r"),
    **MASKED,
)
def i_6_errors():
    wrong = M + M.T - ones(n, n) - eye(n)
    by_mask = transposed(U0, V0, H, column, sums=lambda b: M.T @ b)
    product = n * k * eps * maxnorm(U) * maxnorm(V) * maxnorm(H)
    return [
        near(lambda weights: weights @ H, n * eps * maxnorm(H), "1", gap @ H),
        near(lambda weights: (weights * (U @ V.T)) @ H, product, "2", (gap * (U @ V.T)) @ H),
        Identity((M * (U0 @ V0.T)).T @ H, by_mask, part="3 transposed"),
        Bound(
            maxnorm(M.T @ U0 - suffix_sums(U0)),
            sympy.Integer(0),
            part="3 suffix sums",
            given=(maxnorm(wrong) <= 0,),
            via=wrong @ U0,
        ),
        time(transposed(U0, V0, H, column), "3"),
    ]


def weighted_rows(a: Formula) -> Formula:
    """diag(K) a, written as an entrywise product."""
    return (K @ ones(n).T) * a


@repair(
    "I.7",
    "Masked gradients that have f alone",
    uses=("E.11r", "G.3r", "I.6r"),
    **MASKED,
)
def i_7_errors():
    """diag(K) f X W^T, (diag(K) f)^T X W, f^T G W_V^T and (f X)^T G; K is at hand (E.1r)."""
    scaled = n * eps * maxnorm(K)
    direct, through = weighted_rows(gap) @ (X @ W.T), weighted_rows(gap).T @ (X @ W)
    values = n * d * eps * maxnorm(G) * maxnorm(W_V)
    return [
        near(lambda weights: diag(K) @ weights @ X @ W.T, scaled * maxnorm(X @ W.T), "1", direct),
        near(lambda weights: (diag(K) @ weights).T @ X @ W, scaled * maxnorm(X @ W), "2", through),
        near(lambda weights: weights.T @ G @ W_V.T, values, "3", gap.T @ G @ W_V.T),
        near(lambda weights: (weights @ X).T @ G, n**2 * eps * maxnorm(X) * maxnorm(G), "4", X.T @ (gap.T @ G)),
        time(transposed(U_scaled, V0, diag(K) @ X, feature) @ W, "2"),
        time(transposed(U_scaled, V0, G, feature) @ W_V.T, "3"),
    ]


@repair(
    "I.8",
    "Masked gradients that have an entrywise product with f",
    uses=("E.11r", "F.4", "C.11", "C.12", "I.6r"),
    **MASKED,
)
def i_8_errors():
    """With q = G h^T: (f * q) X W^T, (f * q)^T X W and X^T (p_1 - p_2) X, p_1 = f * q, p_2 = diag(p_1 1) f."""
    entry = n * eps * maxnorm(q)
    r, r_gap = define("r", (f * q) @ ones(n), "I.8r"), (gap * q) @ ones(n)
    p_gap = gap * q - ((r + r_gap) @ ones(n).T) * gap - (r_gap @ ones(n).T) * f
    p_error = eps * maxnorm(q) + eps * (maxnorm(r) + entry) + entry

    def p(weights: Formula) -> Formula:
        return weights * q - diag((weights * q) @ ones(n)) @ weights

    return [
        near(lambda weights: (weights * q) @ X @ W.T, entry * maxnorm(X @ W.T), "1", (gap * q) @ (X @ W.T)),
        near(lambda weights: (weights * q).T @ X @ W, entry * maxnorm(X @ W), "2", (gap * q).T @ (X @ W)),
        near(lambda weights: X.T @ p(weights) @ X, n**2 * maxnorm(X) ** 2 * p_error, "3", X.T @ p_gap @ X),
        time(transposed(rowkron(U_scaled, G), rowkron(V0, h), X, feature) @ W, "2"),
    ]


# -- several heads -----------------------------------------------------------------------------------------------------------
def of_head(name: str, columns=d) -> Formula:
    """The matrix of head l: block l of a symbol."""
    return block(symbol(name, heads * columns, d), l, columns)


W_l, V_l, G_l = of_head("W"), of_head("W_V"), of_head("G", n)
noise = block(symbol("E", heads * n, n, domain="unit"), l, n)
kernel = M * exp((X @ W_l @ X.T) * tau)


def backward_head(weights: Formula) -> Formula:
    """dL/dX through head l with these weights."""
    p = weights * (G_l @ (X @ V_l).T) - diag((G_l * (weights @ X @ V_l)) @ ones(d)) @ weights
    return (p @ X @ W_l.T + p.T @ X @ W_l) * tau + weights.T @ G_l @ V_l.T


def over_heads(a: Formula) -> Formula:
    """The matrices of all heads below each other."""
    return total(l, kron(unit(l), a))


@repair(
    "K.2",
    "Several heads: no factor h",
    uses=("K.1", "l1.2"),
    notes="a head of d_h < d features has columns of zeros in its values",
    **ERROR,
)
def k_2r():
    """Lam is the largest of any head, |G|_1 is the sum over all; W_l = W_Q W_K^T of head l."""
    om, values = rownorm(over_heads(V_l.T)), maxnorm(over_heads(X @ V_l))
    scores = rownorm(over_heads(X @ W_l)) + rownorm(over_heads(X @ W_l.T))
    true, found = normalised(kernel), normalised(kernel * (ones(n, n) + noise * eta))
    difference = total(l, backward_head(found) - backward_head(true))
    upstream = l1norm(over_heads(G_l))
    return [
        Bound(l1norm(total(l, backward_head(true))), (om + tau * values * scores) * upstream, part="size"),
        Bound(l1norm(difference), (om + tau * values * scores) * eps_1 * upstream, part="error", given=ONE),
    ]
