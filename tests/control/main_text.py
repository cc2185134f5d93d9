"""The main text: Lemma 3.4 and the lines of Algorithm 1 with exact factors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .appendix_c import weighted_sum
from .appendix_d import CLOSED
from .appendix_fgh import Outer
from .comparison import equal
from .instances import Draw, Layer, gradient

Gaps = Iterator[float]


def part_2_of_3_4(draw: Draw, with_scale: bool, weight: str) -> Gaps:
    """dL/dW_* = sum_{j,k} G(j,k) dAttn_{j,k}/dW_* for W_Q and W_K."""
    layer, W_Q, W_K = Layer(draw, with_scale), draw.matrix(draw.d, draw.d), draw.matrix(draw.d, draw.d)
    at = W_Q if weight == "W_Q" else W_K

    def attention(moved):
        return layer.attention(W=moved @ W_K.T if weight == "W_Q" else W_Q @ moved.T)

    layer.G = gradient(layer.loss, attention(at))
    yield equal(gradient(lambda w: layer.loss(attention(w)), at), weighted_sum(layer, gradient(attention, at)))


def line_13(draw: Draw) -> Gaps:
    """G_i from Lemma 5.4: (g_T * phi'(Attn_i W_g)) W_g^T."""
    o = Outer(draw)
    made = np.zeros((draw.n, draw.d))
    for i, j in np.ndindex(draw.n, draw.d):
        made[i, j] = sum(o.g_T[i, k] * o.slope(o.scores[i, k]) * o.W_g[j, k] for k in range(draw.d))
    yield equal(o.dL_dZ(), made)


def line_16(draw: Draw, with_scale: bool) -> Gaps:
    """g_t <- D_6 + D_7 + D_8 + D_2 + D_4."""
    layer = Layer(draw, with_scale)
    yield equal(layer.dL_dX(), sum(CLOSED[name](layer) for name in ("b_6", "b_7", "b_8", "b_2", "b_4")))


def line_19(draw: Draw, with_scale: bool) -> Gaps:
    """g_w <- (T^T U_3) (V_3^T T) with U_3 V_3^T = p(T), via Lemma 5.2."""
    layer = Layer(draw, with_scale)
    U3, V3 = layer.p(), np.eye(draw.n)
    yield equal(layer.dL_dW(), (layer.X.T @ U3) @ (V3.T @ layer.X))


def line_19_with_p_1(draw: Draw) -> Gaps:
    """The same with U_3, V_3 as Lemma C.15 has them: U_3 V_3^T = p_1."""
    layer = Layer(draw)
    U3, V3 = layer.f * layer.q, np.eye(draw.n)
    yield equal(layer.dL_dW(), (layer.X.T @ U3) @ (V3.T @ layer.X))


def line_22(draw: Draw, with_scale: bool) -> Gaps:
    """g_v <- (T^T U_1) (V_1^T G_i) with U_1 V_1^T = f(T)."""
    layer = Layer(draw, with_scale)
    U1, V1 = layer.f, np.eye(draw.n)
    yield equal(layer.dL_dW_V(), (layer.X.T @ U1) @ (V1.T @ layer.G))
