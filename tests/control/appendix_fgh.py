"""Appendices F, G and H: the gradients in W and W_V, their constants, and g_i(Z) = phi(Z W_g)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .comparison import at_most, equal
from .instances import Array, Draw, Layer, biggest, gradient

Gaps = Iterator[float]


# -- F ---------------------------------------------------------------------------------------------------------------
def block(X: Array, j0: int) -> Array:
    """A_{j0} of Definition F.1 with A_1 = A_2 = X: rows j0 n, ..., j0 n + n - 1 of the Kronecker product."""
    n, d = X.shape
    made = np.zeros((n, d * d))
    for i in range(n):
        for k in range(d):
            for l in range(d):
                made[i, k * d + l] = X[j0, k] * X[i, l]
    return made


def row_by_row(matrix: Array) -> Array:
    """w_{(k-1)d+l} = W_{k,l}."""
    d = len(matrix)
    return np.array([matrix[k, l] for k in range(d) for l in range(d)])


def column_by_column(matrix: Array) -> Array:
    """w_{(k-1)d+l} = W_{l,k}."""
    d = len(matrix)
    return np.array([matrix[l, k] for k in range(d) for l in range(d)])


def f_3(draw: Draw, with_scale: bool, vector: Callable[[Array], Array]) -> Gaps:
    """ds_{j0,i0}/dw_i = <A_{j0,i} * f_{j0}, h_{i0}> - <f_{j0}, h_{i0}> <A_{j0,i}, f_{j0}>."""
    layer = Layer(draw, with_scale)
    true = layer.ds_dW()
    for j0 in range(draw.n):
        A, f = block(layer.X, j0), layer.f[j0]
        for i0 in range(draw.d):
            h, w = layer.h[:, i0], vector(true[j0, i0])
            for i in range(draw.d**2):
                yield equal(w[i], (A[:, i] * f) @ h - (f @ h) * (A[:, i] @ f))


def f_4_step_1(draw: Draw, with_scale: bool) -> Gaps:
    """ds_{j0,i0}/dW = A_{j0}^T (diag(f_{j0}) - f_{j0} f_{j0}^T) h_{i0}, W row by row."""
    layer = Layer(draw, with_scale)
    true = layer.ds_dW()
    for j0 in range(draw.n):
        f = layer.f[j0]
        for i0 in range(draw.d):
            printed = block(layer.X, j0).T @ (np.diag(f) - np.outer(f, f)) @ layer.h[:, i0]
            yield equal(row_by_row(true[j0, i0]), printed)


def f_4_step_2(draw: Draw) -> Gaps:
    """q_{j0} = sum_{i0} G(j0, i0) h_{i0}."""
    layer = Layer(draw)
    for j0 in range(draw.n):
        yield equal(layer.q[j0], sum(layer.G[j0, i0] * layer.h[:, i0] for i0 in range(draw.d)))


def f_4_step_3(draw: Draw) -> Gaps:
    """sum_{j0} A_{j0}^T p_{j0} = X^T p X, row by row."""
    layer = Layer(draw)
    p = layer.p()
    summed = sum(block(layer.X, j0).T @ p[j0] for j0 in range(draw.n))
    yield equal(summed, row_by_row(layer.X.T @ p @ layer.X))


def f_4(draw: Draw, with_scale: bool) -> Gaps:
    """dL/dW = X^T p X."""
    layer = Layer(draw, with_scale)
    yield equal(layer.dL_dW(), layer.X.T @ layer.p() @ layer.X)


class ApproximateP:
    """p~_1 = U_3 V_3^T and p~_2 = U_4 V_4^T near p_1 = f*q and p_2 = diag(p_1 1) f, or exactly those."""

    def __init__(self, layer: Layer, exact: bool = False) -> None:
        self.layer, n = layer, layer.n
        self.p_1 = layer.f * layer.q
        self.p_2 = np.diag(self.p_1 @ np.ones(n)) @ layer.f
        if exact:
            self.U3, self.V3, self.U4, self.V4 = self.p_1, np.eye(n), self.p_2, np.eye(n)
        else:
            (self.U3, self.V3), (self.U4, self.V4) = layer.draw.factors(self.p_1), layer.draw.factors(self.p_2)
        self.error_1, self.error_2 = biggest(self.U3 @ self.V3.T - self.p_1), biggest(self.U4 @ self.V4.T - self.p_2)

    def around(self, U: Array, V: Array) -> Array:
        """X^T U V^T X in the printed order."""
        return ((self.layer.X.T @ U) @ V.T) @ self.layer.X

    @property
    def constant(self) -> float:
        return self.layer.n**2 * biggest(self.layer.X) ** 2


def f_5_p_1(draw: Draw) -> Gaps:
    """|X^T p~_1 X - X^T p_1 X| <= n^2 |X|^2 |p~_1 - p_1|."""
    a = ApproximateP(Layer(draw))
    X = a.layer.X
    yield at_most(biggest(a.around(a.U3, a.V3) - X.T @ a.p_1 @ X), a.constant * a.error_1)


def f_5_p_2(draw: Draw) -> Gaps:
    a = ApproximateP(Layer(draw))
    X = a.layer.X
    yield at_most(biggest(a.around(a.U4, a.V4) - X.T @ a.p_2 @ X), a.constant * a.error_2)


def f_5_gradient(draw: Draw, with_scale: bool, exact: bool = False) -> Gaps:
    """|g~_w - dL/dW| <= n^2 |X|^2 (|p~_1 - p_1| + |p~_2 - p_2|)."""
    a = ApproximateP(Layer(draw, with_scale), exact)
    error = biggest(a.around(a.U3, a.V3) - a.around(a.U4, a.V4) - a.layer.dL_dW())
    yield at_most(error, a.constant * (a.error_1 + a.error_2))


# -- G ---------------------------------------------------------------------------------------------------------------
def g_1(draw: Draw, same: bool) -> Gaps:
    """dh_{i0,j0}/d(W_V)_{i1,j1} = X_{i0,i1} if j0 = j1, else 0."""
    layer = Layer(draw)
    true = gradient(lambda W_V: layer.X @ W_V, layer.W_V)
    for i0, j0, i1, j1 in np.ndindex(true.shape):
        if (j0 == j1) == same:
            yield equal(true[i0, j0, i1, j1], layer.X[i0, i1] if same else 0.0)


def g_2_part_1(draw: Draw, same: bool) -> Gaps:
    """ds_{i2,j2}/d(W_V)_{i1,j1} = f_{i2,*}^T X_{*,i1} if j2 = j1, else 0."""
    layer = Layer(draw)
    true = layer.ds_dW_V()
    for i2, j2, i1, j1 in np.ndindex(true.shape):
        if (j2 == j1) == same:
            yield equal(true[i2, j2, i1, j1], layer.f[i2] @ layer.X[:, i1] if same else 0.0)


def g_2_part_2(draw: Draw) -> Gaps:
    """ds_{i2,j2}/dW_V = X^T f_{i2,*} e_{j2}^T."""
    layer = Layer(draw)
    true = layer.ds_dW_V()
    for i2, j2 in np.ndindex(draw.n, draw.d):
        yield equal(true[i2, j2], np.outer(layer.X.T @ layer.f[i2], np.eye(draw.d)[j2]))


def g_3(draw: Draw, with_scale: bool) -> Gaps:
    """dL/dW_V = X^T f G."""
    layer = Layer(draw, with_scale)
    yield equal(layer.dL_dW_V(), layer.X.T @ layer.f @ layer.G)


def g_3_repaired(draw: Draw, with_scale: bool) -> Gaps:
    """dL/dW_V = (f X)^T G."""
    layer = Layer(draw, with_scale)
    yield equal(layer.dL_dW_V(), (layer.f @ layer.X).T @ layer.G)


def g_4_constant(draw: Draw) -> Gaps:
    """|X^T f~ G - X^T f G| <= n^2 |X| |f~ - f| |G|."""
    layer = Layer(draw)
    U, V = draw.factors(layer.f)
    error = ((layer.X.T @ U) @ V.T) @ layer.G - layer.X.T @ layer.f @ layer.G
    yield at_most(biggest(error), draw.n**2 * biggest(layer.X) * biggest(U @ V.T - layer.f) * biggest(layer.G))


def g_4_gradient(draw: Draw, with_scale: bool) -> Gaps:
    """The same bound for the distance to dL/dW_V."""
    layer = Layer(draw, with_scale)
    U, V = draw.factors(layer.f)
    error = ((layer.X.T @ U) @ V.T) @ layer.G - layer.dL_dW_V()
    yield at_most(biggest(error), draw.n**2 * biggest(layer.X) * biggest(U @ V.T - layer.f) * biggest(layer.G))


# -- H ---------------------------------------------------------------------------------------------------------------
class Outer:
    """T = phi(Z W_g) with Z = Attn, and a loss of T."""

    def __init__(self, draw: Draw) -> None:
        self.phi, self.Z, self.W_g = draw.activation(), draw.matrix(draw.n, draw.d), draw.matrix(draw.d, draw.d)
        self.loss, self.scores = draw.loss(draw.n, draw.d), self.Z @ self.W_g

    def T(self, Z: Array) -> Array:
        return self.phi(Z @ self.W_g)

    def slope(self, z: Array | float) -> Array:
        """phi', entrywise."""
        return np.imag(self.phi(np.asarray(z) + 1e-30j)) / 1e-30

    @property
    def g_T(self) -> Array:
        return gradient(self.loss, self.T(self.Z))

    def dL_dZ(self) -> Array:
        return gradient(lambda Z: self.loss(self.T(Z)), self.Z)


def h_1_part_1(draw: Draw, same: bool) -> Gaps:
    """dT(i4,j4)/dAttn(i5,j5) = phi'(Attn(i4,*)^T W_g(*,j4)) W_g(j5,j4) if i4 = i5, else 0."""
    o = Outer(draw)
    true = gradient(o.T, o.Z)
    for i4, j4, i5, j5 in np.ndindex(true.shape):
        if (i4 == i5) == same:
            printed = o.slope(o.Z[i4] @ o.W_g[:, j4]) * o.W_g[j5, j4]
            yield equal(true[i4, j4, i5, j5], printed if same else 0.0)


def h_1_part_2(draw: Draw) -> Gaps:
    """dT(i4,j4)/dAttn = phi'(.) e_{i4} W_g(*,j4)^T."""
    o = Outer(draw)
    true = gradient(o.T, o.Z)
    for i4, j4 in np.ndindex(draw.n, draw.d):
        printed = o.slope(o.Z[i4] @ o.W_g[:, j4]) * np.outer(np.eye(draw.n)[i4], o.W_g[:, j4])
        yield equal(true[i4, j4], printed)


def h_2(draw: Draw) -> Gaps:
    """G = (g_T * phi'(Attn W_g)) W_g^T."""
    o = Outer(draw)
    yield equal(o.dL_dZ(), (o.g_T * o.slope(o.scores)) @ o.W_g.T)


def through(upstream: Array, jacobian: Array) -> Array:
    """sum_{a,b} upstream(a,b) dT(a,b)/dX(c,e)."""
    return sum(upstream[a, b] * jacobian[a, b] for a, b in np.ndindex(upstream.shape))


def h_3_constant(draw: Draw) -> Gaps:
    """|g~ . dT_0/dX - dL/dX| <= n d |g~ - dL/dT_0| |dT_0/dX|, T_0 = g_0(X) = phi(X W_g)."""
    o = Outer(draw)
    jacobian, error = gradient(o.T, o.Z), draw.noise(draw.n, draw.d)
    made = through(o.g_T + error, jacobian) - o.dL_dZ()
    yield at_most(biggest(made), draw.n * draw.d * biggest(error) * biggest(jacobian))
