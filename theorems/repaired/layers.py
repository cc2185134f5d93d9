"""m layers: how errors and gradients pass from layer to layer, as recurrences, and what the recurrences add up to.

Layer i takes T_{i-1} to Z_i = sig T_{i-1} + Attn_i(T_{i-1}) and T_i = sig Z_i + g_i(Z_i), sig = 1 with residual connections and 0 without;
T_0 = g_0(X). The algorithm has weights f~ from a relative kernel error eta, so that rows of f~ - f are at most eps_1 in l1 (S.1), and
K~ = <G, f~ h>. With az_i = |Z~_i - Z_i|, a_i = |T~_i - T_i| (largest entries; all zero where the forward pass is exact), gam_i =
|dL/dT_i|_1, e_i the l1 error of dL/dT_i, dz_i that of dL/dZ_i, lam = sig + Lam and mu = sig + (Lipschitz constant of g_i):

    forward     az_i = lam a_{i-1} + eps_1 H          a_i = mu az_i                   a_0 = 0
    backward    dz_i = mu e_i + bend az_i gam_i       |dL/dZ_i|_1 <= mu gam_i         e_m by the loss (m.7)
                e_{i-1} = lam dz_i + |dL/dZ_i|_1 (alpha eps_1 + beta a_{i-1})         gam_{i-1} <= lam mu gam_i

m.1 to m.3 say which constant is of the exact and which of the perturbed run; above, each is the larger of the two. A causal mask changes
nothing; with several heads Lam, alpha, beta and H are those of the largest head, and no factor h arises. The steps are written once, as
functions of SymPy expressions: m.1 to m.3 claim them for one layer, m.4 and m.5 solve them; m.6 gives the constants of the maps g_i, m.7
those of losses. The steps are in `layer_steps`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import sympy
from sympy import Expr

from ..formula import Formula, define, diag, exp, eye, inner, ones, symbol
from ..norms import colnorm, l1norm, maxnorm, rownorm
from ..notation import W_V, G, W, W_g, X, Z, g_T
from ..registry import statement
from ..sizes import d, n, size
from ..statement import Bound
from .errors_l1 import E as noise
from .errors_l1 import M
from .errors_max import tau
from .kernel import ONE, eps_1, eta, normalised
from .layer_steps import (
    KAPPA,
    POSITION,
    Head,
    Layer,
    added_backward,
    dense,
    error_of_dT,
    error_of_dW,
    error_of_dWg,
    error_of_dWV,
    error_of_dZ,
    error_of_factor,
    error_of_loss,
    error_of_T,
    error_of_Z,
    layer_norm,
    linear,
    size_of_dZ,
)
from .structure import Delta, with_residual

# -- one layer, for any inputs and upstream gradients ------------------------------------------------------------------------
FACT = {"kind": "error-bound", "origin": "repair", "source": "theory of m layers"}
eps = sympy.Symbol("eps", positive=True)
small = {name: symbol(name, n, d) * eps for name in ("Delta_X", "Delta_Z", "Delta_G")}
"""Errors; the factor eps lets small ones be drawn too, and costs no generality."""
X_low = define("X~", X + small["Delta_X"], "m.1")
Z_low, G_low = define("Z~", Z + small["Delta_Z"], "m.1"), define("G~", G + small["Delta_G"], "m.2")
a, az, dz = maxnorm(small["Delta_X"]), maxnorm(small["Delta_Z"]), l1norm(small["Delta_G"])


def both_rows(x: Formula) -> Expr:
    """r + r_t of an input."""
    return rownorm(x @ W) + rownorm(x @ W.T)


om, w, og = colnorm(W_V), l1norm(W), colnorm(W_g)
head = Head(tau, maxnorm(X @ W_V), rownorm(X @ W), rownorm(X_low @ W.T), om, w, outer=both_rows(X_low))
"""X~ W X~^T - X W X^T = Delta W X~^T + X W Delta^T: the scores have r of X and r_t of X~. H is of X, as (X~ - X) W_V goes with om."""
head_low = Head(tau, maxnorm(X_low @ W_V), rownorm(X_low @ W), rownorm(X_low @ W.T), om, w)
R_X, R_low, R_Z_low = maxnorm(X), maxnorm(X_low), maxnorm(Z_low)


def attention_weights(x: Formula, relative: Expr, name: str) -> Formula:
    """f(x) with each entry of its kernel off by the factor 1 + relative E."""
    kernel = M * exp((x @ W @ x.T) * tau)
    return define(name, normalised(kernel * (ones(n, n) + noise * relative) if relative else kernel), "m.1")


f, f_moved = attention_weights(X, 0, "f"), attention_weights(X_low, 0, "f_moved")
f_low = attention_weights(X_low, eta, "f~")


def core(weights: Formula, x: Formula, upstream: Formula, name: str) -> Formula:
    """P = f * (G h^T) - diag(K) f with K = (G * f h) 1."""
    values = x @ W_V
    k = (upstream * (weights @ values)) @ ones(d)
    return define(name, weights * (upstream @ values.T) - diag(k) @ weights, "m.2")


P, P_moved, P_low = core(f, X, G, "P"), core(f_moved, X_low, G, "P_moved"), core(f_low, X_low, G_low, "P~")


def input_gradient(weights: Formula, p: Formula, x: Formula, upstream: Formula) -> Formula:
    """tau (P X W^T + P^T X W) + f^T G W_V^T."""
    return (p @ x @ W.T + p.T @ x @ W) * tau + weights.T @ upstream @ W_V.T


# The order in which the terms of a change are bounded. First the weights' error, then their change with the input, then that of the values.
step, values = small["Delta_X"], X @ W_V


def weighted_values(weights: Formula, upstream: Formula, of: Formula) -> Formula:
    """P for values ``of`` in place of X W_V."""
    k = (upstream * (weights @ of)) @ ones(d)
    return weights * (upstream @ of.T) - diag(k) @ weights


def change(of: Callable[[Formula], Formula]) -> tuple[Formula, Formula]:
    """of(f~) - of(f) through f_moved, in two terms."""
    return of(f_low) - of(f_moved), of(f_moved) - of(f)


def input_gradient_change(of_P: Formula, of_f: Formula) -> Formula:
    """The change of `input_gradient` with X, by the changes of P and, times G W_V^T, of f^T."""
    by_p = of_P @ (X_low @ W.T) + of_P.T @ (X_low @ W)
    by_x = weighted_values(f, G, values) @ (step @ W.T) + weighted_values(f, G, values).T @ (step @ W)
    return (by_p + by_x) * tau + of_f


def moved_core() -> Formula:
    """P of X~ and f_moved less that of X and f."""
    return weighted_values(f_moved, G, step @ W_V) + (
        weighted_values(f_moved, G, values) - weighted_values(f, G, values)
    )


def core_by_steps() -> Formula:
    """P~ - P."""
    first, second = change(lambda weights: weighted_values(weights, G, values))
    added = weighted_values(f_low, small["Delta_G"], X_low @ W_V)
    return added + weighted_values(f_low, G, step @ W_V) + (first + second)


slope, curve = symbol("phi'", n, d), symbol("phi''", n, d)
bent = curve * (small["Delta_Z"] @ W_g)
slope_low = slope + bent
"""phi'(Z~ W_g) by the mean value theorem: phi'' is taken between Z W_g and Z~ W_g, entry by entry."""
L1, L1_low, L2 = maxnorm(slope), maxnorm(slope_low), maxnorm(curve)
WORDS = {0: "without residual", 1: "with residual"}


@statement("m.1", "Errors forward through one layer", uses=("S.1", "S.2", "l1.1", "l1.4"), **FACT)
def m_1():
    """X~ = X + Delta_X eps, Z~ = Z + Delta_Z eps; phi(Z~ W_g) - phi(Z W_g) = phi' * ((Z~ - Z) W_g) by the mean value theorem."""
    claims = []
    for sig, word in WORDS.items():
        layer = Layer.of(sympy.Integer(sig), dense(L1, L2, og), head)
        output = with_residual(sig, small["Delta_X"], f_low @ X_low @ W_V - f @ X @ W_V)
        through = with_residual(sig, small["Delta_Z"], slope * (small["Delta_Z"] @ W_g))
        first, second = change(lambda weights: weights)
        via = with_residual(sig, step, f_low @ (step @ W_V) + (first @ values + second @ values))
        claims += [
            Bound(maxnorm(output), error_of_Z(layer, a, eps_1), part=f"attention, {word}", given=ONE, via=via),
            Bound(maxnorm(through), error_of_T(layer, az), part=f"g_i, {word}"),
        ]
    return claims


@statement("m.2", "Errors backward through one layer", uses=("m.1", "l1.2"), **FACT)
def m_2():
    """G~ = G + Delta_G eps is dL/dZ_i as the algorithm has it; Delta is the error of g_T = dL/dT_i."""
    exact = input_gradient(f, P, X, G)
    moved = input_gradient(f_moved, P_moved, X_low, G) - exact
    gap = input_gradient(f_low, P_low, X_low, G_low) - exact
    found = (g_T + Delta) * slope_low @ W_g.T - (g_T * slope) @ W_g.T
    split = (Delta * slope_low) @ W_g.T + (g_T * bent) @ W_g.T
    by_f = (f_moved - f).T @ (G @ W_V.T)
    in_X = head.beta * a * l1norm(G)
    claims = [Bound(l1norm(moved), in_X, part="moved input", via=input_gradient_change(moved_core(), by_f))]
    for sig, word in WORDS.items():
        layer = replace(Layer.of(sympy.Integer(sig), dense(L1_low, L2, og), head), lam=sig + head_low.Lam)
        through, before = with_residual(sig, Delta, found), with_residual(sig, small["Delta_G"], gap)
        first, second = change(lambda weights: weights)
        by_f = f_low.T @ (small["Delta_G"] @ W_V.T) + (first.T @ (G @ W_V.T) + second.T @ (G @ W_V.T))
        via = with_residual(sig, small["Delta_G"], input_gradient_change(core_by_steps(), by_f))
        in_Z = error_of_dZ(layer, l1norm(Delta), az, l1norm(g_T))
        in_T = error_of_dT(layer, dz, l1norm(G), a, eps_1)
        claims += [
            Bound(l1norm(through), in_Z, part=f"g_i, {word}", via=with_residual(sig, Delta, split)),
            Bound(l1norm(before), in_T, part=f"attention, {word}", given=ONE, via=via),
        ]
    return claims


@statement("m.3", "Gradients of one layer's weights", uses=("m.2", "l1.3", "F.4", "G.3r", "C.3-note.K"), **FACT)
def m_3():
    """For X~, f~ and G~ of m.2; dL/dW_g = Z^T (g_T * phi'), dL/dW_Q = (dL/dW) W_K and dL/dW_K = (dL/dW)^T W_Q."""
    total = l1norm(G)
    in_W = (X_low.T @ P_low @ X_low - X.T @ P @ X) * tau
    in_W_V = (f_low @ X_low).T @ G_low - (f @ X).T @ G
    by_W = (X_low.T @ core_by_steps() @ X_low + X_low.T @ (P @ step) + step.T @ (P @ X)) * tau
    first, second = change(lambda weights: weights)
    by_W_V = (f_low @ X_low).T @ small["Delta_G"] + (f_low @ step + (first @ X + second @ X)).T @ G
    in_W_g = Z_low.T @ ((g_T + Delta) * slope_low) - Z.T @ (g_T * slope)
    split = Z_low.T @ (Delta * slope_low) + Z_low.T @ (g_T * bent) + small["Delta_Z"].T @ (g_T * slope)
    dW, W_K = symbol("dL/dW~ - dL/dW", d, d), symbol("W_K", d, d)
    return [
        Bound(
            maxnorm(in_W),
            error_of_dW(head, R_X, dz, total, a, eps_1, R_low=R_low, H_low=head_low.H),
            part="dL/dW",
            given=ONE,
            via=by_W,
        ),
        Bound(
            maxnorm(in_W_V),
            error_of_dWV(head, R_X, dz, total, a, eps_1, R_low=R_low),
            part="dL/dW_V",
            given=ONE,
            via=by_W_V,
        ),
        Bound(
            maxnorm(in_W_g),
            error_of_dWg(R_Z_low, L1, L2, og, l1norm(Delta), az, l1norm(g_T), L1_low=L1_low),
            part="dL/dW_g",
            via=split,
        ),
        Bound(maxnorm(dW @ W_K), error_of_factor(maxnorm(dW), colnorm(W_K)), part="dL/dW_Q"),
    ]


# -- m layers ------------------------------------------------------------------------------------------------------------
def scalar(name: str) -> Expr:
    """Any nonnegative number."""
    return maxnorm(symbol(name, 1))


j = size("j")
lam, mu, alpha, beta, H, bend, p, s, v, gam = map(
    scalar, ("lam", "mu", "alpha", "beta", "H", "bend", "p", "s", "v", "gamma")
)
r, omega, R, L, O, e = map(scalar, ("r", "omega", "R", "L", "og", "e"))
one_head = Head(tau, H, r, sympy.Integer(0), omega, sympy.Integer(0))
any_layer = Layer(lam, mu, alpha, beta, H, bend)


@statement(
    "m.4", "m layers, exact forward pass: the error of every gradient", uses=("m.2", "m.3", "H.4r", "J.5r"), **FACT
)
def m_4():
    """The j-th layer from the top, p = rho^{j-1} for any rho >= lam mu in all layers: gam_i <= p gam_m, e_i <= (j-1) eps_1 p gam_m.

    The first part is e_{i-1}, which for j = m is e_0 <= m eps_1 rho^m gam_m; |err dL/dX|_1 <= L1 og_0 e_0 through g_0 (H.4r). It has
    rho = lam mu + more and, as alpha <= Lam <= lam, lam = alpha + Lam_0.
    """
    layer = Layer(alpha + scalar("Lam_0"), mu, alpha, beta, H, bend)
    rho = layer.lam * layer.mu + scalar("more")
    e_i, gam_i = (j - 1) * eps * p * gam, p * gam
    up, total = error_of_dZ(layer, e_i, 0, gam_i), size_of_dZ(layer, gam_i)
    in_W, in_W_V = tau * R**2 * H * mu * j * eps * p * gam, R * mu * j * eps * p * gam
    return [
        Bound(error_of_dT(layer, up, total, 0, eps), j * eps * rho * p * gam, part="dL/dX"),
        Bound(error_of_dW(one_head, R, up, total, 0, eps), in_W, part="dL/dW"),
        Bound(error_of_dWV(one_head, R, up, total, 0, eps), in_W_V, part="dL/dW_V"),
        Bound(error_of_dWg(R, L, L, O, e_i, 0, gam_i), (j - 1) * R * L * eps * p * gam, part="dL/dW_g"),
    ]


@statement("m.5", "m layers, approximated forward pass: the error of every output", uses=("m.1", "m.3", "m.4"), **FACT)
def m_5():
    """a_{i-1} <= eps_1 A s gives a_i <= eps_1 A (1 + rho s), so a_m <= eps_1 A (1 + ... + rho^{m-1}), A >= mu H in every layer.

    With p = rho^{j-1}, v = (j-1) rho^{j-2} and C >= `added_backward` in every layer, e_i <= p e_m + v C eps_1 gam_m gives the same with
    j + 1 for j: so e_0 <= rho^m e_m + m rho^{m-1} C eps_1 gam_m. As e_m and C grow like m rho^m, this is m^2 rho^{2m}. The errors of
    weights are eps_1 times what the steps give for a / eps_1, dz / eps_1, az / eps_1 and e / eps_1 (here a, e, z).
    """
    layer, a_i, z, gam_i = any_layer, scalar("a"), scalar("z"), p * gam
    rho, A = lam * mu + scalar("more"), mu * H + scalar("more_A")
    C, e_m = added_backward(layer, A, s) + scalar("more_C"), scalar("e_m")
    after = error_of_Z(layer, eps * A * s, eps)
    up, total = error_of_dZ(layer, p * e_m + v * C * eps * gam, after, gam_i), size_of_dZ(layer, gam_i)
    then = rho * p * e_m + (rho * v + p) * C * eps * gam

    def linear(step, part: str) -> Bound:
        return Bound(step(eps * e, eps * a_i, eps * z, eps), eps * step(e, a_i, z, 1), part=part)

    return [
        Bound(error_of_T(layer, after), eps * A * (1 + rho * s), part="T_m"),
        Bound(error_of_dT(layer, up, total, eps * A * s, eps), then, part="dL/dX"),
        linear(lambda dz, a, az, by: error_of_dW(one_head, R, dz, total, a, by), "dL/dW"),
        linear(lambda dz, a, az, by: error_of_dWV(one_head, R, dz, total, a, by), "dL/dW_V"),
        linear(lambda e, a, az, by: error_of_dWg(R, L, bend, O, e, az, gam_i), "dL/dW_g"),
    ]


# -- maps g_i and losses -------------------------------------------------------------------------------------------------
W_2, keep, place = symbol("W_2", d, d), symbol("keep", n, d), symbol("place", n, d)
y, u = symbol("y", d), symbol("u", d)
centre = eye(d) - ones(d, d) * (1 / d)
unit_row = centre @ y


@statement("m.6", "Constants of the maps g_i", uses=("m.1", "m.2"), **FACT)
def m_6():
    """`Smooth` of an MLP phi(z W_g) W_2, of dropout with a fixed mask, of a positional encoding, of two maps in turn (their derivatives
    A, B at one row), and of LayerNorm: with c the centred row, q^2 = |c|^2/d + floor^2 and c / q its value, which is any centred y with
    |y|^2 <= d, its derivative is (I - 11^T/d - y y^T/d) / q; along u, that changes by 1/q^2 times what the last part bounds.
    """
    mlp, norm = dense(L1, L2, og).then(linear(colnorm(W_2))), layer_norm(d, sympy.Integer(1))
    given = (maxnorm(inner(unit_row, unit_row)) <= d,)
    along, tilt = centre @ u, inner(unit_row, u) * (1 / d)
    turned = tilt * (unit_row @ unit_row.T * (3 / d) - centre) - (along @ unit_row.T + unit_row @ along.T) * (1 / d)
    A, B, A_low, B_low = (symbol(name, d, d) for name in ("A", "B", "A~", "B~"))
    by_parts = colnorm(B_low - B) * colnorm(A_low) + colnorm(B) * colnorm(A_low - A)
    return [
        Bound(l1norm(((g_T @ W_2.T) * slope) @ W_g.T), mlp.lipschitz * l1norm(g_T), part="MLP"),
        Bound(
            l1norm(((g_T @ W_2.T) * (slope_low - slope)) @ W_g.T),
            mlp.bend * az * l1norm(g_T),
            part="MLP, derivative",
            via=((g_T @ W_2.T) * bent) @ W_g.T,
        ),
        Bound(maxnorm(keep * small["Delta_Z"]), linear(maxnorm(keep)).lipschitz * az, part="dropout"),
        Bound(
            maxnorm((Z_low + place) - (Z + place)),
            POSITION.lipschitz * az,
            part="positional encoding",
            via=small["Delta_Z"],
        ),
        Bound(
            colnorm(B_low @ A_low - B @ A),
            by_parts,
            part="two maps in turn",
            via=(B_low - B) @ A_low + B @ (A_low - A),
        ),
        Bound(rownorm(centre - unit_row @ unit_row.T * (1 / d)), norm.lipschitz, part="LayerNorm", given=given),
        Bound(rownorm(turned), norm.bend * maxnorm(u), part="LayerNorm, derivative", given=given),
    ]


@statement("m.7", "Constants of losses", uses=("S.2",), **FACT)
def m_7():
    """dL/dT_m is 2 (T_m - Y) for |T_m - Y|^2 and softmax(T_m) - Y, row by row, for cross entropy with one-hot labels Y."""
    target, labels = symbol("Y", n, d), symbol("labels", n, d, domain="onehot")
    softmax, softmax_low = normalised(exp(Z)), normalised(exp(Z_low))
    moved_l2 = (Z_low - target) * 2 - (Z - target) * 2
    return [
        Bound(l1norm(moved_l2), error_of_loss(KAPPA["l2"], az), part="l2", via=small["Delta_Z"] * 2),
        Bound(l1norm(softmax_low - softmax), error_of_loss(KAPPA["cross entropy"], az), part="cross entropy"),
        Bound(l1norm(softmax - labels), 2 * n, part="cross entropy, size"),
        Bound(l1norm(curve * small["Delta_Z"]), error_of_loss(maxnorm(curve), az), part="any loss"),
    ]
