"""The repaired chain from f~ to the gradients: |f~ - f| <= eps entry by entry, K~ = (G * f~ h) 1, true closed forms.

z_2 = diag(K) f, z_4 = f * (G h^T), z_6 = z_2^T, z_7 = z_4^T; dL/dX = tau ((z_4 - z_2) X W^T + (z_7 - z_6) X W) + f^T G W_V^T.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .appendix_fgh import Outer
from .comparison import at_most, equal
from .error_chain import Adversarial, adversarial
from .instances import Array, Draw, biggest, gradient, row_kronecker

Gaps = Iterator[float]


def c_14(draw: Draw) -> Gaps:
    """|U_1 (V_1^T h) - s| <= n eps |h|."""
    for e in adversarial(draw):
        yield at_most(biggest(e.f @ e.layer.h - e.layer.s), e.n * e.eps * e.H)


class _Products:
    """q~ near q, and r~ from V_1^T V_2 with the factors U_1 = f~, V_1 = 1, U_2 = q~, V_2 = 1."""

    def __init__(self, e: Adversarial) -> None:
        n, self.eps, self.f, self.f_low, self.q = e.n, e.eps, e.layer.f, e.f, e.layer.q
        self.q_low = self.q + e.layer.draw.noise(n, n, size=0.3)
        self.V1, self.V2 = e.layer.draw.matrix(n, n) + 5 * np.eye(n), e.layer.draw.matrix(n, n) + 5 * np.eye(n)
        self.U1, self.U2 = self.f_low @ np.linalg.inv(self.V1.T), self.q_low @ np.linalg.inv(self.V2.T)
        between = self.V1.T @ self.V2
        self.r = np.sum(self.f * self.q, axis=1)
        self.r_low = np.array([self.U1[i] @ between @ self.U2[i] for i in range(n)])
        self.q_error = biggest(self.q_low - self.q)
        self.p_1_error = (1 + e.eps) * self.q_error + e.eps * biggest(self.q)


def products(draw: Draw) -> Iterator[_Products]:
    yield from map(_Products, adversarial(draw))


def c_15(draw: Draw) -> Gaps:
    """|(U_1 (/) U_2)(V_1 (/) V_2)^T - p_1| <= (1 + eps) |q~ - q| + eps |q|."""
    for a in products(draw):
        made = row_kronecker(a.U1, a.U2) @ row_kronecker(a.V1, a.V2).T
        yield at_most(biggest(made - a.f * a.q), a.p_1_error)


def c_16_r(draw: Draw) -> Gaps:
    for a in products(draw):
        yield equal(a.r_low, np.sum(a.f_low * a.q_low, axis=1))


def c_16_r_error(draw: Draw) -> Gaps:
    """|r~ - r| <= n ((1 + eps) |q~ - q| + eps |q|)."""
    for a in products(draw):
        yield at_most(biggest(a.r_low - a.r), len(a.r) * a.p_1_error)


def c_16(draw: Draw) -> Gaps:
    """|diag(r~) U_1 V_1^T - p_2| <= (1 + eps) |r~ - r| + eps |r|."""
    for a in products(draw):
        made = np.diag(a.r_low) @ a.U1 @ a.V1.T
        error = biggest(made - np.diag(a.r) @ a.f)
        yield at_most(error, (1 + a.eps) * biggest(a.r_low - a.r) + a.eps * biggest(a.r))


def _z(e: Adversarial, f: Array, K: Array) -> dict[str, Array]:
    z_2, z_4 = np.diag(K) @ f, f * e.Gh
    return {"z_2": z_2, "z_4": z_4, "z_6": z_2.T, "z_7": z_4.T}


def _z_errors(e: Adversarial) -> dict[str, float]:
    weighted, product = e.eps * e.kappa + (1 + e.eps) * e.n * e.eps * e.Q, e.eps * e.Q
    return {"z_2": weighted, "z_4": product, "z_6": weighted, "z_7": product}


def e_1(draw: Draw) -> Gaps:
    """|K~ - K| <= n eps d |G| |h|."""
    for e in adversarial(draw):
        yield at_most(biggest(e.K - e.layer.K), e.n * e.eps * e.Q)


def e_z(draw: Draw, name: str) -> Gaps:
    """|z~ - z|: eps |K| + (1 + eps) n eps Q for those with K, eps Q for the others."""
    for e in adversarial(draw):
        error = biggest(_z(e, e.f, e.K)[name] - _z(e, e.layer.f, e.layer.K)[name])
        yield at_most(error, _z_errors(e)[name])


def e_d(draw: Draw, name: str) -> Gaps:
    """|D~ - D| <= tau n |z~ - z| |X W|, for the first two with |X W^T|."""
    for e in adversarial(draw):
        gap = _z(e, e.f, e.K)[name] - _z(e, e.layer.f, e.layer.K)[name]
        W = e.layer.W.T if name in ("z_2", "z_4") else e.layer.W
        yield at_most(biggest(e.tau * gap @ e.layer.X @ W), e.tau * e.n * biggest(gap) * biggest(e.layer.X @ W))


def e_6(draw: Draw) -> Gaps:
    """|f~^T G W_V^T - f^T G W_V^T| <= d n eps |G| |W_V|."""
    for e in adversarial(draw):
        error = biggest((e.f - e.layer.f).T @ e.layer.G @ e.layer.W_V.T)
        yield at_most(error, e.d * e.n * e.eps * e.gamma * e.w)


def e_11_errors(draw: Draw) -> Gaps:
    """n tau (|X W| + |X W^T|) (error z_2 + error z_4) + n d eps |G| |W_V|."""
    for e in adversarial(draw):
        errors = _z_errors(e)
        bound = e.n * e.tau * (e.R + e.R_t) * (errors["z_2"] + errors["z_4"]) + e.n * e.d * e.eps * e.gamma * e.w
        yield at_most(biggest(e.dL_dX(e.f, e.K) - e.layer.dL_dX()), bound)


def f_5(draw: Draw) -> Gaps:
    """tau n^2 |X|^2 (error z_2 + error z_4)."""
    for e in adversarial(draw):
        z, errors, X = _z(e, e.f, e.K), _z_errors(e), e.layer.X
        made = e.tau * X.T @ (z["z_4"] - z["z_2"]) @ X
        bound = e.tau * e.n**2 * e.R_X**2 * (errors["z_2"] + errors["z_4"])
        yield at_most(biggest(made - e.layer.dL_dW()), bound)


def g_4(draw: Draw) -> Gaps:
    """|X^T f~^T G - dL/dW_V| <= n^2 eps |X| |G|."""
    for e in adversarial(draw):
        error = biggest(e.layer.X.T @ e.f.T @ e.layer.G - e.layer.dL_dW_V())
        yield at_most(error, e.n**2 * e.eps * e.R_X * e.gamma)


def h_3(draw: Draw) -> Gaps:
    """An error of dL/dT_0 grows at most d |phi'| |W_g| times through g_0."""
    o = Outer(draw)
    error, slopes = draw.noise(draw.n, draw.d), o.slope(o.scores)
    # dL/dX is linear in dL/dT_0, so the error goes the same way.
    made = gradient(lambda Z: np.sum(error * o.T(Z)), o.Z)
    yield at_most(biggest(made), draw.d * biggest(slopes) * biggest(o.W_g) * biggest(error))
