"""The Taylor polynomial T_g of exp on [-b, b], and one layer with T_g in place of exp.

J_g(b) = int_0^b v^g e^v / g! dv by Gauss-Legendre points, exact to rounding at the b and g drawn here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, exp, factorial, log

import numpy as np

from .comparison import at_most
from .error_chain import eps_1, layers
from .instances import Array, Draw, Layer, biggest, column_l1, row_l1

Gaps = Iterator[float]
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(80)


def taylor(x: Array | float, g: int) -> Array:
    return np.sum([np.asarray(x) ** k / factorial(k) for k in range(g + 1)], axis=0)


def J(b: float, g: int) -> float:
    v = b * (POINTS + 1) / 2
    return float(np.sum(WEIGHTS * v**g * np.exp(v))) * b / 2 / factorial(g)


def _drawn(draw: Draw) -> tuple[Array, float, int]:
    """Points of [-b, b] with both ends, b and g."""
    b, g = draw.number(0.1, 4), draw.whole(0, 6)
    return np.concatenate([np.linspace(-b, b, 41), b * draw.matrix(8) / draw.size]), b, g


def _tight(b: float, g: int) -> float:
    return exp(b) * b ** (g + 1) / (factorial(g + 1) * (1 + b / (g + 2)))


def t_1_supremum(draw: Draw) -> Gaps:
    """|T_g(x) e^{-x} - 1| <= J_g(b), with equality at -b."""
    x, b, g = _drawn(draw)
    yield at_most(biggest(taylor(x, g) * np.exp(-x) - 1), J(b, g))
    yield at_most(J(b, g), biggest(taylor(-b, g) * np.exp(b) - 1))


def t_1_upper(draw: Draw) -> Gaps:
    """J_g <= e^b b^{g+1} / ((g+1)! (1 + b/(g+2)))."""
    _, b, g = _drawn(draw)
    yield at_most(J(b, g), _tight(b, g))


def t_1_looser(draw: Draw) -> Gaps:
    _, b, g = _drawn(draw)
    yield at_most(_tight(b, g), exp(b) * b ** (g + 1) / factorial(g + 1))


def t_1_lower(draw: Draw) -> Gaps:
    """e^b b^{g+1} / (g! (g+1+b)) <= J_g."""
    _, b, g = _drawn(draw)
    yield at_most(exp(b) * b ** (g + 1) / (factorial(g) * (g + 1 + b)), J(b, g))


def t_1_absolute(draw: Draw) -> Gaps:
    """|T_g(x) - e^x| <= e^b - T_g(b)."""
    x, b, g = _drawn(draw)
    yield at_most(biggest(taylor(x, g) - np.exp(x)), exp(b) - float(taylor(b, g)))


def t_2_even(draw: Draw) -> Gaps:
    """T_g > 0 for even g."""
    x, _, g = _drawn(draw)
    yield at_most(-taylor(5 * x, g - g % 2), 0.0)


def t_2_odd_if(draw: Draw) -> Gaps:
    """T_g > 0 on [-b, b] for odd g and J_g(b) < 1."""
    x, b, g = _drawn(draw)
    g += 1 - g % 2
    while J(b, g) > 1:
        b, x = 0.9 * b, 0.9 * x
    yield at_most(-taylor(x, g), 0.0)


def t_2_odd_only_if(draw: Draw) -> Gaps:
    """T_g(-b) <= 0 for odd g and J_g(b) >= 1."""
    _, b, g = _drawn(draw)
    g += 1 - g % 2
    while J(b, g) < 1:
        b *= 1.1
    yield at_most(float(taylor(-b, g)), 0.0)


def _lambert(x: float) -> float:
    """w with w e^w = x, by Newton's method."""
    w = log(1 + x)
    for _ in range(60):
        w -= (w * exp(w) - x) / (exp(w) * (w + 1))
    return w


def t_3(draw: Draw) -> Gaps:
    """g = ceil((b + L) / W((b + L)/(e b))) - 1 gives J_g(b) <= e^{-L}."""
    b, L = draw.number(0.1, 4), draw.number(0.1, 12)
    g = ceil((b + L) / _lambert((b + L) / (exp(1) * b))) - 1
    yield at_most(J(b, g) * exp(L), 1.0)


class Polynomial:
    """A layer whose attention weights come from T_g of its scores, with J_g(|S|) <= 1."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        S = layer.tau * layer.X @ layer.W @ layer.X.T
        b, g = biggest(S), layer.draw.whole(1, 3)
        while J(b, g) > 0.9:
            g += 1
        u = layer.mask * taylor(S, g)
        self.f, self.error = u / u.sum(axis=1, keepdims=True), eps_1(J(b, g))
        self.H, self.G_1 = biggest(layer.h), float(np.abs(layer.G).sum())

    def P(self) -> Array:
        a, K = self.layer, np.sum(self.layer.G * (self.f @ self.layer.h), axis=1)
        return self.f * (a.G @ a.h.T) - K[:, None] * self.f


def weights(p: Polynomial) -> tuple[float, float]:
    return biggest(p.f - p.layer.f), 0.5


def output(p: Polynomial) -> tuple[float, float]:
    return biggest(p.f @ p.layer.h - p.layer.s), p.H


def dL_dX(p: Polynomial) -> tuple[float, float]:
    a, P = p.layer, p.P()
    made = a.tau * (P @ a.X @ a.W.T + P.T @ a.X @ a.W) + p.f.T @ a.G @ a.W_V.T
    Lam = column_l1(a.W_V) + a.tau * p.H * (row_l1(a.X @ a.W) + row_l1(a.X @ a.W.T))
    return float(np.abs(made - a.dL_dX()).sum()), Lam * p.G_1


def dL_dW(p: Polynomial) -> tuple[float, float]:
    a = p.layer
    error = biggest(a.tau * a.X.T @ p.P() @ a.X - a.dL_dW())
    return error, a.tau * biggest(a.X) ** 2 * p.H * p.G_1


def dL_dW_V(p: Polynomial) -> tuple[float, float]:
    a = p.layer
    return biggest((p.f @ a.X).T @ a.G - a.dL_dW_V()), biggest(a.X) * p.G_1


def repaired_algorithm(draw: Draw, of: Callable[[Polynomial], tuple[float, float]]) -> Gaps:
    """The error of an output is at most eps_1(J_g(|S|)) times its constant."""
    for layer in layers(draw):
        if biggest(layer.tau * layer.X @ layer.W @ layer.X.T) < 20:  # beyond, T_g needs more than float64 has
            p = Polynomial(layer)
            error, constant = of(p)
            yield at_most(error, p.error * constant)
