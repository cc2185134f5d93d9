"""The steps of the recurrences of m layers, as functions of SymPy expressions, and the constants that they speak of: see `layers`."""

from __future__ import annotations

from dataclasses import dataclass

import sympy
from sympy import Expr

from ..sizes import d, n


# -- constants -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Head:
    """One head: its scale, H = |h|, r and r_t (largest row l1 of XW and XW^T), om (largest column l1 of W_V) and w = |W|_1.

    ``outer`` is r + r_t where P is multiplied by XW and XW^T of another run than that of the scores; the same if not given.
    """

    tau: Expr
    H: Expr
    r: Expr
    r_t: Expr
    om: Expr
    w: Expr
    outer: Expr | None = None

    @property
    def R(self) -> Expr:
        """``outer``, or else r + r_t."""
        return self.r + self.r_t if self.outer is None else self.outer

    @property
    def Lam(self) -> Expr:
        """What attention magnifies an error by."""
        return self.om + self.tau * self.H * (self.r + self.r_t)

    @property
    def alpha(self) -> Expr:
        """Error of dL/dX, by eps_1 and |dL/ds|_1: as P changes by eps_1 H |dL/ds|_1 (S.3), it is Lam where R is r + r_t."""
        return self.om + self.tau * self.H * self.R

    @property
    def beta(self) -> Expr:
        """Change of dL/dX with X, by |X~ - X| and |dL/ds|_1."""
        through_P = self.R * (self.om + self.tau * self.H * (self.r + self.r_t))
        return self.tau * (through_P + self.om * (self.r + self.r_t)) + 2 * self.tau * self.H * self.w

    def of_weights(self, a: Expr, eps: Expr) -> Expr:
        """Row l1 error of f~(X~) against f(X), a = |X~ - X|."""
        return eps + self.tau * a * (self.r + self.r_t)


@dataclass(frozen=True)
class Smooth:
    """A map of rows: its Lipschitz constant in the max norm, and that of its derivative (the l1 norm of J^T, per |z~ - z|): m.6."""

    lipschitz: Expr
    bend: Expr

    def then(self, last: Smooth) -> Smooth:
        """This map, then another one."""
        return Smooth(self.lipschitz * last.lipschitz, last.bend * self.lipschitz**2 + last.lipschitz * self.bend)


POSITION = Smooth(sympy.Integer(1), sympy.Integer(0))
"""z + p, p the positional encoding."""


def dense(L1: Expr, L2: Expr, og: Expr) -> Smooth:
    """phi(z W_g): L1 = sup |phi'|, L2 = sup |phi''|, og the largest column l1 of W_g."""
    return Smooth(L1 * og, L2 * og**2)


def linear(og: Expr) -> Smooth:
    """z W, og the largest column l1 of W; of a fixed dropout mask og is its largest entry."""
    return Smooth(og, sympy.Integer(0))


def layer_norm(width: Expr, floor: Expr) -> Smooth:
    """c / sqrt(|c|^2/width + floor^2), c the centred row; the constants hold for every row."""
    centred, spread = 1 - 1 / sympy.sympify(width), sympy.sqrt(width - 1)
    return Smooth((2 * centred + spread) / floor, 4 * (centred + spread) / floor**2)


@dataclass(frozen=True)
class Layer:
    """One layer: lam and mu, alpha, beta and H of its largest heads, and ``bend`` of g_i."""

    lam: Expr
    mu: Expr
    alpha: Expr
    beta: Expr
    H: Expr
    bend: Expr

    @classmethod
    def of(cls, sig: Expr, g: Smooth, *heads: Head) -> Layer:
        """From sig, the map g_i and the heads."""
        Lam, alpha, beta, H = (sympy.Max(*(getattr(x, name) for x in heads)) for name in ("Lam", "alpha", "beta", "H"))
        return cls(sig + Lam, sig + g.lipschitz, alpha, beta, H, g.bend)


# -- steps ---------------------------------------------------------------------------------------------------------------
def error_of_Z(layer: Layer, a: Expr, eps: Expr) -> Expr:
    """az_i from a = a_{i-1}."""
    return layer.lam * a + eps * layer.H


def error_of_T(layer: Layer, az: Expr) -> Expr:
    """a_i from az = az_i."""
    return layer.mu * az


def error_of_dZ(layer: Layer, e: Expr, az: Expr, gam: Expr) -> Expr:
    """dz_i from e = e_i, az = az_i and gam = gam_i."""
    return layer.mu * e + layer.bend * az * gam


def size_of_dZ(layer: Layer, gam: Expr) -> Expr:
    """|dL/dZ_i|_1 from gam = gam_i."""
    return layer.mu * gam


def error_of_dT(layer: Layer, dz: Expr, total: Expr, a: Expr, eps: Expr) -> Expr:
    """e_{i-1} from dz = dz_i, total = |dL/dZ_i|_1 and a = a_{i-1}."""
    return layer.lam * dz + total * (layer.alpha * eps + layer.beta * a)


def size_of_dT(layer: Layer, total: Expr) -> Expr:
    """gam_{i-1} from total = |dL/dZ_i|_1."""
    return layer.lam * total


def error_of_dW(
    head: Head,
    R_X: Expr,
    dz: Expr,
    total: Expr,
    a: Expr,
    eps: Expr,
    *,
    R_low: Expr | None = None,
    H_low: Expr | None = None,
) -> Expr:
    """Largest entry of the error of dL/dW of one head; R_X = |T_{i-1}|, R_low and H_low are R_X and H of the perturbed run."""
    R_low, H_low = R_X if R_low is None else R_low, head.H if H_low is None else H_low
    core = total * (head.om * a + head.H * head.of_weights(a, eps)) + H_low * dz
    return head.tau * (R_low**2 * core + (R_low + R_X) * a * head.H * total)


def error_of_dWV(
    head: Head, R_X: Expr, dz: Expr, total: Expr, a: Expr, eps: Expr, *, R_low: Expr | None = None
) -> Expr:
    """Largest entry of the error of dL/dW_V of one head; R_low is R_X of the perturbed run."""
    return (R_X if R_low is None else R_low) * dz + (a + head.of_weights(a, eps) * R_X) * total


def error_of_dWg(
    R_Z: Expr, L1: Expr, L2: Expr, og: Expr, e: Expr, az: Expr, gam: Expr, *, L1_low: Expr | None = None
) -> Expr:
    """Largest entry of the error of dL/dW_g, g_i(Z) = phi(Z W_g); R_Z = |Z_i|, and L1_low is L1, of the perturbed run."""
    return R_Z * (L1 if L1_low is None else L1_low) * e + gam * (az * L1 + R_Z * L2 * og * az)


def error_of_factor(error: Expr, columns: Expr) -> Expr:
    """Of dL/dW_Q = (dL/dW) W_K, from the error of dL/dW and the largest column l1 of W_K; of dL/dW_K with W_Q."""
    return columns * error


def added_backward(layer: Layer, A: Expr, s: Expr) -> Expr:
    """What a layer adds to e_{i-1}, by eps_1 gam_i, where a_{i-1} <= eps_1 A s."""
    moved = A * s
    through_g = layer.lam * layer.bend * (layer.lam * moved + layer.H)
    return through_g + layer.mu * (layer.alpha + layer.beta * moved)


# -- losses ---------------------------------------------------------------------------------------------------------------
KAPPA = {"sum": sympy.Integer(0), "l2": sympy.Integer(2), "cross entropy": 1 / d}
"""Losses: the sum (or any <C, T>), |T - Y|^2 and cross entropy of the rows' softmax; any other loss with its own kappa."""


def error_of_loss(kappa: Expr, a: Expr) -> Expr:
    """e_m from a = a_m: entries of dL/dT_m are kappa-Lipschitz in the max norm (or their l1 norm is n d kappa-Lipschitz)."""
    return kappa * n * d * a
