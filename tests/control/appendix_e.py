"""Appendix E: factors of z_6, z_7, z_2, z_4, the constants of their errors, and the gradient in the layer input."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from . import appendix_d
from .comparison import at_most, equal
from .instances import Array, Draw, Layer, biggest, row_kronecker

Gaps = Iterator[float]


class Approximation:
    """A layer with factors U_1, V_1 of some f~, and what Lemmas E.2, E.4, E.7, E.9 make of them."""

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.U1, self.V1 = layer.draw.factors(layer.f)
        self.f, self.error = self.U1 @ self.V1.T, biggest(self.U1 @ self.V1.T - layer.f)

    def e_2(self) -> tuple[Array, Array]:
        return self.U1, np.diag(self.layer.K) @ self.V1

    def e_4(self) -> tuple[Array, Array]:
        return row_kronecker(self.U1, self.layer.h), row_kronecker(self.V1, self.layer.G)

    def e_7(self) -> tuple[Array, Array]:
        return np.diag(self.layer.K) @ self.U1, self.V1

    def e_9(self) -> tuple[Array, Array]:
        return row_kronecker(self.U1, self.layer.G), row_kronecker(self.V1, self.layer.h)

    def parts(self) -> dict[str, Array]:
        """D~_k, each in the printed order of products."""
        a = self.layer
        (U6, V6), (U7, V7), (U9, V9), (U10, V10) = self.e_2(), self.e_4(), self.e_7(), self.e_9()
        return {
            "b_6": -U6 @ ((V6.T @ a.X) @ a.W.T),
            "b_7": U7 @ ((V7.T @ a.X) @ a.W.T),
            "b_8": self.U1 @ ((self.V1.T @ a.G) @ a.W_V.T),
            "b_2": -U9 @ ((V9.T @ a.X) @ a.W),
            "b_4": U10 @ ((V10.T @ a.X) @ a.W),
        }


def _diag_k(layer: Layer) -> float:
    return biggest(np.diag(layer.K))


def e_2(draw: Draw) -> Gaps:
    """|U_6 V_6^T - z_6| <= n |U_1 V_1^T - f| |diag(K)|."""
    a = Approximation(Layer(draw))
    U, V = a.e_2()
    yield at_most(biggest(U @ V.T - appendix_d.z_6(a.layer)), draw.n * a.error * _diag_k(a.layer))


def e_7(draw: Draw) -> Gaps:
    """|U_9 V_9^T - z_2| <= n |U_1 V_1^T - f| |diag(K)|."""
    a = Approximation(Layer(draw))
    U, V = a.e_7()
    yield at_most(biggest(U @ V.T - appendix_d.z_2(a.layer)), draw.n * a.error * _diag_k(a.layer))


def e_4_factors(draw: Draw) -> Gaps:
    """U_7 V_7^T = f~ * (h G^T)."""
    a = Approximation(Layer(draw))
    U, V = a.e_4()
    yield equal(U @ V.T, a.f * (a.layer.h @ a.layer.G.T))


def e_4(draw: Draw) -> Gaps:
    """|U_7 V_7^T - z_7| <= d |h| |G| |f~ - f|."""
    a = Approximation(Layer(draw))
    U, V = a.e_4()
    bound = draw.d * biggest(a.layer.h) * biggest(a.layer.G) * a.error
    yield at_most(biggest(U @ V.T - appendix_d.z_7(a.layer)), bound)


def e_9_factors(draw: Draw) -> Gaps:
    """U_10 V_10^T = f~ * (G h^T)."""
    a = Approximation(Layer(draw))
    U, V = a.e_9()
    yield equal(U @ V.T, a.f * (a.layer.G @ a.layer.h.T))


def e_9(draw: Draw) -> Gaps:
    """|U_10 V_10^T - z_4| <= d |f~ - f| |h| |G|."""
    a = Approximation(Layer(draw))
    U, V = a.e_9()
    bound = draw.d * a.error * biggest(a.layer.h) * biggest(a.layer.G)
    yield at_most(biggest(U @ V.T - appendix_d.z_4(a.layer)), bound)


def e_9_equality(draw: Draw) -> Gaps:
    """|z~_4 - z_4| = |U_1 V_1^T - f| |G h^T|."""
    a = Approximation(Layer(draw))
    U, V = a.e_9()
    yield equal(biggest(U @ V.T - appendix_d.z_4(a.layer)), a.error * biggest(a.layer.G @ a.layer.h.T))


def e_9_at_most(draw: Draw) -> Gaps:
    a = Approximation(Layer(draw))
    U, V = a.e_9()
    yield at_most(biggest(U @ V.T - appendix_d.z_4(a.layer)), a.error * biggest(a.layer.G @ a.layer.h.T))


Z: dict[str, tuple[str, Callable[[Layer], Array]]] = {
    "b_6": ("e_2", appendix_d.z_6),
    "b_7": ("e_4", appendix_d.z_7),
    "b_2": ("e_7", appendix_d.z_2),
    "b_4": ("e_9", appendix_d.z_4),
}


def e_3_5_8_10(draw: Draw, name: str) -> Gaps:
    """|D~_k - D_k| <= d n |z~ - z| |X| |W|, with D_k by its double sum."""
    a = Approximation(Layer(draw))
    lemma, z = Z[name]
    U, V = getattr(a, lemma)()
    error = biggest(a.parts()[name] - appendix_d.summed(a.layer, name))
    bound = draw.d * draw.n * biggest(U @ V.T - z(a.layer)) * biggest(a.layer.X) * biggest(a.layer.W)
    yield at_most(error, bound)


def e_6(draw: Draw) -> Gaps:
    """|f~ G W_V^T - f G W_V^T| <= d n |f~ - f| |G| |W_V|."""
    a = Approximation(Layer(draw))
    error = biggest(a.parts()["b_8"] - appendix_d.summed(a.layer, "b_8"))
    yield at_most(error, draw.d * draw.n * a.error * biggest(a.layer.G) * biggest(a.layer.W_V))


def e_11(draw: Draw, with_scale: bool) -> Gaps:
    """dL/dT_{i-1} = D_2 + D_4 + D_6 + D_7 + D_8."""
    layer = Layer(draw, with_scale)
    yield equal(layer.dL_dX(), sum(closed(layer) for closed in appendix_d.CLOSED.values()))


def e_11_errors(draw: Draw, with_scale: bool) -> Gaps:
    """|g~_t - dL/dT_{i-1}| <= sum_k |D~_k - D_k|."""
    a = Approximation(Layer(draw, with_scale))
    parts = a.parts()
    errors = [biggest(parts[name] - closed(a.layer)) for name, closed in appendix_d.CLOSED.items()]
    yield at_most(biggest(sum(parts.values()) - a.layer.dL_dX()), sum(errors))


def repaired_gradient(layer: Layer) -> Array:
    """tau (P X W^T + P^T X W) + f^T G W_V^T, P = f * (G h^T) - diag(K) f. The factors of X are known from the softmax rule."""
    P = layer.f * (layer.G @ layer.h.T) - np.diag(layer.K) @ layer.f
    scores = layer.tau * (P @ layer.X @ layer.W.T + P.T @ layer.X @ layer.W)
    return scores + layer.f.T @ layer.G @ layer.W_V.T


def e_11_repaired(draw: Draw) -> Gaps:
    """For any tau > 0."""
    for tau in (1.0, 1 / draw.d, draw.number(0.1, 1.5)):
        layer = Layer(draw, tau=tau)
        yield equal(layer.dL_dX(), repaired_gradient(layer))
