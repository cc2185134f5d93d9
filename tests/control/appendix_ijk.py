"""Appendices I, J and K: products under a causal mask, residual connections, several heads."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .appendix_fgh import Outer, through
from .comparison import at_most, equal
from .instances import Array, Draw, Layer, biggest, causal, gradient, row_kronecker, softmax

Gaps = Iterator[float]


# -- I ---------------------------------------------------------------------------------------------------------------
def running_sums(U0: Array, V0: Array, v: Array) -> Array:
    """Algorithm 2: c_0 = 0; b_j = (V_0^T)_j v_j, c_j = c_{j-1} + b_j; Y_j = <(U_0^T)_j, c_j>."""
    n, k = U0.shape
    c = [np.zeros(k)]
    for j in range(n):
        b = V0[j] * v[j]
        c.append(c[-1] + b)
    return np.array([U0[j] @ c[j + 1] for j in range(n)])


def _low_rank(draw: Draw) -> tuple[Array, Array]:
    k = draw.whole(1, 3)
    return draw.matrix(draw.n, k), draw.matrix(draw.n, k)


def i_3(draw: Draw) -> Gaps:
    """The loop gives (M * (U_0 V_0^T)) v."""
    (U0, V0), v = _low_rank(draw), draw.matrix(draw.n)
    yield equal(running_sums(U0, V0, v), (causal(draw.n) * (U0 @ V0.T)) @ v)


def alg_2_b(draw: Draw) -> Gaps:
    """b_j = (V_0^T)_j v_j: the rows of diag(v) V_0."""
    (_, V0), v = _low_rank(draw), draw.matrix(draw.n)
    yield equal(np.diag(v) @ V0, np.array([V0[j] * v[j] for j in range(draw.n)]))


def alg_2_y(draw: Draw) -> Gaps:
    """Y_j = <(U_0^T)_j, c_j> with c_j = b_1 + ... + b_j."""
    (U0, V0), v = _low_rank(draw), draw.matrix(draw.n)
    b = np.diag(v) @ V0
    yield equal(running_sums(U0, V0, v), np.array([U0[j] @ b[: j + 1].sum(axis=0) for j in range(draw.n)]))


def masked_product(U0: Array, V0: Array, H: Array) -> Array:
    """(M * (U_0 V_0^T)) H, the loop for every column of H."""
    return np.stack([running_sums(U0, V0, H[:, l]) for l in range(H.shape[1])], axis=1)


def i_4(draw: Draw) -> Gaps:
    (U0, V0), H = _low_rank(draw), draw.matrix(draw.n, draw.whole(1, 3))
    yield equal(masked_product(U0, V0, H), (causal(draw.n) * (U0 @ V0.T)) @ H)


class Masked:
    """f^~ = D^{-1} (M * (U_0 V_0^T)), positive, and its products by running sums alone (Lemma I.6)."""

    def __init__(self, draw: Draw) -> None:
        U0, V0 = _low_rank(draw)
        self.n, self.U0, self.V0 = draw.n, np.abs(U0) + 0.1, np.abs(V0) + 0.1
        masked = causal(draw.n) * (self.U0 @ self.V0.T)
        self.f = np.linalg.inv(np.diag(masked @ np.ones(draw.n))) @ masked
        self.D = running_sums(self.U0, self.V0, np.ones(draw.n))

    def times(self, H: Array) -> Array:
        """f^~ H."""
        return masked_product(self.U0, self.V0, H) / self.D[:, None]

    def factors(self, U: Array, V: Array) -> tuple[Array, Array]:
        """U_M = (D^{-1} U_0) (/) U, V_M = V_0 (/) V."""
        return row_kronecker(self.U0 / self.D[:, None], U), row_kronecker(self.V0, V)

    def times_product(self, U: Array, V: Array, H: Array) -> Array:
        """(f^~ * (U V^T)) H."""
        return masked_product(*self.factors(U, V), H)


def i_6_part_1(draw: Draw) -> Gaps:
    a, H = Masked(draw), draw.matrix(draw.n, draw.whole(1, 3))
    yield equal(a.f @ H, a.times(H))


def i_6_part_2(draw: Draw) -> Gaps:
    """(D^{-1} (M * (U_0 V_0^T))) * (U V^T) = M * (U_M V_M^T)."""
    a, (U, V) = Masked(draw), _low_rank(draw)
    U_M, V_M = a.factors(U, V)
    yield equal(a.f * (U @ V.T), causal(draw.n) * (U_M @ V_M.T))


def i_7(draw: Draw, part: int) -> Gaps:
    """-f^ diag(K) X W^T, -diag(K) f^ X W, f^ G W_V^T, X^T f^ G."""
    a, layer = Masked(draw), Layer(draw)
    K, X, W, W_V, G = np.diag(draw.matrix(draw.n)), layer.X, layer.W, layer.W_V, layer.G
    printed, computed = {
        1: (-a.f @ K @ X @ W.T, -a.times(K @ X) @ W.T),
        2: (-K @ a.f @ X @ W, -K @ a.times(X) @ W),
        3: (a.f @ G @ W_V.T, a.times(G) @ W_V.T),
        4: (X.T @ a.f @ G, X.T @ a.times(G)),
    }[part]
    yield equal(printed, computed)


def i_8(draw: Draw, part: int) -> Gaps:
    """(f^ * (h G^T)) X W^T, (f^ * (G h^T)) X W, X^T (p^_1 - p^_2) X."""
    a, layer = Masked(draw), Layer(draw)
    X, W, G, h, one = layer.X, layer.W, layer.G, layer.h, np.ones((draw.n, 1))
    p_1 = a.f * layer.q
    p_2 = np.diag(p_1 @ np.ones(draw.n)) @ a.f
    printed, computed = {
        1: ((a.f * (h @ G.T)) @ X @ W.T, a.times_product(h, G, X) @ W.T),
        2: ((a.f * (G @ h.T)) @ X @ W, a.times_product(G, h, X) @ W),
        3: (X.T @ (p_1 - p_2) @ X, X.T @ (a.times_product(G, h, X) - a.times_product(G, h, one) * a.times(X))),
    }[part]
    yield equal(printed, computed)


# -- J ---------------------------------------------------------------------------------------------------------------
def _chain_rule(draw: Draw, X_R: Array, H: Callable[[Array], Array]) -> Gaps:
    """dL/dX_R = dL/dY_R + dL/dY_R dH/dX_R for Y_R = X_R + H(X_R)."""
    loss = draw.loss(draw.n, draw.d)
    upstream = gradient(loss, X_R + H(X_R))
    true = gradient(lambda X: loss(X + H(X)), X_R)
    yield equal(true, upstream + through(upstream, gradient(H, X_R)))


def j_3_outer(draw: Draw) -> Gaps:
    outer = Outer(draw)
    return _chain_rule(draw, outer.Z, outer.T)


def j_3_attention(draw: Draw) -> Gaps:
    for with_scale in (False, True):
        layer = Layer(draw, with_scale)
        yield from _chain_rule(draw, layer.X, layer.attention)


def j_3_constant(draw: Draw) -> Gaps:
    """An error in dL/dY_R grows at most (n d |dH/dX_R| + 1) times."""
    outer, layer = Outer(draw), Layer(draw)
    error = draw.noise(draw.n, draw.d)
    for jacobian in (gradient(outer.T, outer.Z), layer.ds_dX()):
        made = error + through(error, jacobian)
        yield at_most(biggest(made), (draw.n * draw.d * biggest(jacobian) + 1) * biggest(error))


def j_4_constant(draw: Draw, last: bool) -> Gaps:
    """An error in dL/dT_1 through g_1 and Attn_1, each with its residual, and at the ``last`` through dT_0/dX."""
    outer, layer, first = Outer(draw), Layer(draw), Outer(draw)
    jacobians = [gradient(outer.T, outer.Z), layer.ds_dX()]
    size, error = draw.n * draw.d, draw.noise(draw.n, draw.d)
    allowed = biggest(error)
    for jacobian in jacobians:
        error, allowed = error + through(error, jacobian), (size * biggest(jacobian) + 1) * allowed
    if last:
        jacobian = gradient(first.T, first.Z)
        error, allowed = through(error, jacobian), size * biggest(jacobian) * allowed
    yield at_most(biggest(error), allowed)


# -- K ---------------------------------------------------------------------------------------------------------------
class Heads:
    """h heads of width d_h: Q_l, K_l, V_l are columns of X W_Q, X W_K, X W_V; Y = phi(s W_g) and a loss of Y."""

    def __init__(self, draw: Draw) -> None:
        self.n, self.h, self.d_h = draw.n, 1 + draw.seed % 3, draw.whole(1, 2)
        d = self.d = self.h * self.d_h
        self.X = draw.matrix(self.n, d)
        self.W_Q, self.W_K, self.W_V = draw.matrix(d, d), draw.matrix(d, d), draw.matrix(d, d)
        self.phi, self.W_g, self.loss = draw.activation(), draw.matrix(d, d), draw.loss(self.n, d)

    def head(self, X: Array, l: int) -> Array:
        """s_l = Softmax(Q_l K_l^T / d_h) V_l."""
        of = slice(l * self.d_h, (l + 1) * self.d_h)
        Q, K, V = (X @ self.W_Q)[:, of], (X @ self.W_K)[:, of], (X @ self.W_V)[:, of]
        return softmax(Q @ K.T / self.d_h) @ V

    def s(self, X: Array) -> Array:
        return np.concatenate([self.head(X, l) for l in range(self.h)], axis=1)

    def Y(self, s: Array) -> Array:
        return self.phi(s @ self.W_g)

    def dY_ds(self) -> Array:
        return gradient(self.Y, self.s(self.X))

    def dL_dY(self) -> Array:
        return gradient(self.loss, self.Y(self.s(self.X)))

    def of_head(self, jacobian: Array, l: int) -> Array:
        """dY/ds_l from dY/ds."""
        return jacobian[..., l * self.d_h : (l + 1) * self.d_h]

    def dL_dX(self) -> Array:
        return gradient(lambda X: self.loss(self.Y(self.s(X))), self.X)


def k_2_chain_rule(draw: Draw) -> Gaps:
    """dL/dX_m = dL/dY_m . dY_m/ds . ds/dX_m."""
    a = Heads(draw)
    yield equal(a.dL_dX(), through(through(a.dL_dY(), a.dY_ds()), gradient(a.s, a.X)))


def _one_head(a: Heads, upstream: Array, l: int) -> Array:
    """upstream . dY_m/ds_l . ds_l/dX_m."""
    return through(through(upstream, a.of_head(a.dY_ds(), l)), gradient(lambda X: a.head(X, l), a.X))


def k_2_sum(draw: Draw) -> Gaps:
    """dL/dX_m = sum_{l in [h]} dL/dY_m . dY_m/ds_l . ds_l/dX_m."""
    a = Heads(draw)
    yield equal(a.dL_dX(), sum(_one_head(a, a.dL_dY(), l) for l in range(a.h)))


def _sizes(a: Heads, l: int) -> float:
    """The poly of head l: |dY_m/ds_l| |ds_l/dX_m|."""
    return biggest(a.of_head(a.dY_ds(), l)) * biggest(gradient(lambda X: a.head(X, l), a.X))


def k_2_one_head(draw: Draw) -> Gaps:
    """An error in dL/dY_m grows at most n^2 d d_h |dY_m/ds_l| |ds_l/dX_m| times."""
    a = Heads(draw)
    error = draw.noise(a.n, a.d)
    for l in range(a.h):
        yield at_most(biggest(_one_head(a, error, l)), a.n**2 * a.d * a.d_h * _sizes(a, l) * biggest(error))


def k_2_all_heads(draw: Draw) -> Gaps:
    """And in all at most h n^2 d d_h times the largest of those."""
    a = Heads(draw)
    error = draw.noise(a.n, a.d)
    made = np.sum([_one_head(a, error, l) for l in range(a.h)], axis=0)
    largest = max(_sizes(a, l) for l in range(a.h))
    yield at_most(biggest(made), a.h * a.n**2 * a.d * a.d_h * largest * biggest(error))
