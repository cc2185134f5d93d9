"""Appendix C: products, p, the chain rule, and the constants of C.14-C.19."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .comparison import at_most, equal
from .instances import Array, Draw, Layer, biggest, gradient, row_kronecker

Gaps = Iterator[float]


def _vectors(draw: Draw) -> tuple[Array, Array, Array]:
    return draw.matrix(draw.n), draw.matrix(draw.n), draw.matrix(draw.n)


def c_1_part_1(draw: Draw) -> Gaps:
    """<x*y, z> = x^T diag(y) z."""
    x, y, z = _vectors(draw)
    yield equal(sum((x * y)[i] * z[i] for i in range(draw.n)), x @ np.diag(y) @ z)


def c_1_part_2a(draw: Draw) -> Gaps:
    """<x, y*z> = <y, x*z>."""
    x, y, z = _vectors(draw)
    yield equal(sum(x[i] * (y * z)[i] for i in range(draw.n)), sum(y[i] * (x * z)[i] for i in range(draw.n)))


def c_1_part_2b(draw: Draw) -> Gaps:
    """<y, x*z> = <z, y*x>."""
    x, y, z = _vectors(draw)
    yield equal(sum(y[i] * (x * z)[i] for i in range(draw.n)), sum(z[i] * (y * x)[i] for i in range(draw.n)))


def c_1_part_3(draw: Draw) -> Gaps:
    """<x, y> = <x*y, 1>."""
    x, y, _ = _vectors(draw)
    yield equal(sum(x[i] * y[i] for i in range(draw.n)), (x * y) @ np.ones(draw.n))


def c_2(draw: Draw) -> Gaps:
    """(U_1 V_1^T) * (U_2 V_2^T) = (U_1 (/) U_2)(V_1 (/) V_2)^T."""
    n, k1, k2 = draw.n, draw.whole(1, 3), draw.whole(1, 3)
    U1, V1, U2, V2 = draw.matrix(n, k1), draw.matrix(n, k1), draw.matrix(n, k2), draw.matrix(n, k2)
    yield equal((U1 @ V1.T) * (U2 @ V2.T), row_kronecker(U1, U2) @ row_kronecker(V1, V2).T)


def c_3_note(draw: Draw) -> Gaps:
    """dL/dW_Q = (dL/dW) W_K, W = W_Q W_K^T."""
    layer, W_Q, W_K = Layer(draw), draw.matrix(draw.d, draw.d), draw.matrix(draw.d, draw.d)
    layer.W = W_Q @ W_K.T
    yield equal(gradient(lambda Q: layer.loss(layer.attention(W=Q @ W_K.T)), W_Q), layer.dL_dW() @ W_K)


def c_3_note_key(draw: Draw) -> Gaps:
    """dL/dW_K = (dL/dW)^T W_Q, not printed."""
    layer, W_Q, W_K = Layer(draw), draw.matrix(draw.d, draw.d), draw.matrix(draw.d, draw.d)
    layer.W = W_Q @ W_K.T
    yield equal(gradient(lambda K: layer.loss(layer.attention(W=W_Q @ K.T)), W_K), layer.dL_dW().T @ W_Q)


def weighted_sum(layer: Layer, jacobian: Array) -> Array:
    """sum_{i2, j2} G(i2, j2) dAttn_{i2, j2} / d(...)."""
    return sum(layer.G[i2, j2] * jacobian[i2, j2] for i2 in range(layer.n) for j2 in range(layer.d))


def c_4_part_1(draw: Draw, with_scale: bool) -> Gaps:
    layer = Layer(draw, with_scale)
    yield equal(layer.dL_dX(), weighted_sum(layer, layer.ds_dX()))


def c_4_part_2(draw: Draw, with_scale: bool) -> Gaps:
    layer = Layer(draw, with_scale)
    yield equal(layer.dL_dW(), weighted_sum(layer, layer.ds_dW()))


def c_4_part_3(draw: Draw, with_scale: bool) -> Gaps:
    layer = Layer(draw, with_scale)
    yield equal(layer.dL_dW_V(), weighted_sum(layer, layer.ds_dW_V()))


def c_12(draw: Draw) -> Gaps:
    """p = p_1 - p_2 with p_1 = f*q, p_2 = diag(p_1 1) f."""
    layer = Layer(draw)
    p_1 = layer.f * layer.q
    p_2 = np.diag(p_1 @ np.ones(draw.n)) @ layer.f
    yield equal(layer.p(), p_1 - p_2)


def c_14(draw: Draw) -> Gaps:
    """|U_1 V_1^T h - s| <= n |U_1 V_1^T - f| |h|."""
    layer = Layer(draw)
    U, V = draw.factors(layer.f)
    yield at_most(biggest(U @ V.T @ layer.h - layer.s), draw.n * biggest(U @ V.T - layer.f) * biggest(layer.h))


def _two_factors(draw: Draw) -> tuple[Layer, Array, Array, Array, Array]:
    layer = Layer(draw)
    return layer, *draw.factors(layer.f), *draw.factors(layer.q)


def c_15_factors(draw: Draw) -> Gaps:
    """U_3 = U_1 (/) U_2, V_3 = V_1 (/) V_2 give f~ * q~."""
    _, U1, V1, U2, V2 = _two_factors(draw)
    yield equal(row_kronecker(U1, U2) @ row_kronecker(V1, V2).T, (U1 @ V1.T) * (U2 @ V2.T))


def c_15_constant(draw: Draw) -> Gaps:
    """|U_3 V_3^T - p_1| <= |f~| |q~ - q| + |f~ - f| |q|."""
    layer, U1, V1, U2, V2 = _two_factors(draw)
    f, q = U1 @ V1.T, U2 @ V2.T
    error = row_kronecker(U1, U2) @ row_kronecker(V1, V2).T - layer.f * layer.q
    yield at_most(biggest(error), biggest(f) * biggest(q - layer.q) + biggest(f - layer.f) * biggest(layer.q))


def _r(f: Array, q: Array) -> Array:
    """r_{j0} = <f_{j0}, q_{j0}>."""
    return np.array([sum(f[j] * q[j]) for j in range(len(f))])


def c_16_r(draw: Draw) -> Gaps:
    """r~ from V_1^T V_2: <f~_{j0}, q~_{j0}> = (U_1)_{j0} (V_1^T V_2) (U_2)_{j0}^T."""
    _, U1, V1, U2, V2 = _two_factors(draw)
    between = V1.T @ V2
    yield equal(_r(U1 @ V1.T, U2 @ V2.T), np.array([U1[j] @ between @ U2[j] for j in range(draw.n)]))


def _p_2(layer: Layer) -> Array:
    """Row j0 is f_{j0} f_{j0}^T q_{j0}."""
    return np.array([np.outer(layer.f[j], layer.f[j]) @ layer.q[j] for j in range(layer.n)])


def _c_16_bound(layer: Layer, f: Array, q: Array) -> float:
    r = _r(layer.f, layer.q)
    return biggest(f) * biggest(_r(f, q) - r) + biggest(f - layer.f) * biggest(r)


def c_16_printed(draw: Draw) -> Gaps:
    """U_4 = U_1, V_4 = diag(r~) V_1: |U_4 V_4^T - p_2| <= |f~| |r~ - r| + |f~ - f| |r|."""
    layer, U1, V1, U2, V2 = _two_factors(draw)
    f, q = U1 @ V1.T, U2 @ V2.T
    made = U1 @ (np.diag(_r(f, q)) @ V1).T
    yield at_most(biggest(made - _p_2(layer)), _c_16_bound(layer, f, q))


def c_16_printed_exact(draw: Draw) -> Gaps:
    """The same factors from exact ones of f and q: U_4 V_4^T = p_2?"""
    layer = Layer(draw)
    made = layer.f @ (np.diag(_r(layer.f, layer.q)) @ np.eye(draw.n)).T
    yield equal(made, _p_2(layer))


def c_16_rows(draw: Draw) -> Gaps:
    """The bound of C.16 with U_4 = diag(r~) U_1, V_4 = V_1."""
    layer, U1, V1, U2, V2 = _two_factors(draw)
    f, q = U1 @ V1.T, U2 @ V2.T
    made = (np.diag(_r(f, q)) @ U1) @ V1.T
    yield at_most(biggest(made - _p_2(layer)), _c_16_bound(layer, f, q))


def c_17(draw: Draw) -> Gaps:
    """|f(X)| <= 1."""
    yield at_most(biggest(Layer(draw).f), 1.0)


def c_18(draw: Draw) -> Gaps:
    """|h| <= n |X| |W_V|."""
    layer = Layer(draw)
    yield at_most(biggest(layer.h), draw.n * biggest(layer.X) * biggest(layer.W_V))


def c_18_by_d(draw: Draw) -> Gaps:
    """|h| <= d |X| |W_V|."""
    layer = Layer(draw)
    yield at_most(biggest(layer.h), draw.d * biggest(layer.X) * biggest(layer.W_V))


def c_18_poly(draw: Draw) -> Gaps:
    """n |X| |W_V| <= n^{1 + 2c} for |X|, |W_V| <= n^c."""
    c = draw.number(0.1, 2)
    X, W_V = (draw.noise(*shape, size=draw.n**c) for shape in ((draw.n, draw.d), (draw.d, draw.d)))
    yield at_most(draw.n * biggest(X) * biggest(W_V), draw.n ** (1 + 2 * c))


def c_19_poly(draw: Draw) -> Gaps:
    """n |f| |h| <= n^{1 + c} for |h| <= n^c."""
    c = draw.number(0.1, 2)
    h = draw.noise(draw.n, draw.d, size=draw.n**c)
    yield at_most(draw.n * biggest(Layer(draw).f) * biggest(h), draw.n ** (1 + c))


def c_19(draw: Draw) -> Gaps:
    """|s| <= n |f| |h|."""
    layer = Layer(draw)
    yield at_most(biggest(layer.s), draw.n * biggest(layer.f) * biggest(layer.h))
