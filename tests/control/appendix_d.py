"""Appendix D: derivatives of s in X, entry by entry, as matrices, and summed. Indices are 0-based."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from .comparison import equal
from .instances import Array, Draw, Layer

Gaps = Iterator[float]


class Terms:
    """C1..C8 of Lemma D.1 and B_2, B_4, B_6, B_7, B_8 of Lemmas D.3-D.7, as printed."""

    def __init__(self, layer: Layer) -> None:
        self.X, self.W, self.W_V, self.n, self.d = layer.X, layer.W, layer.W_V, layer.n, layer.d
        self.f, self.h, self.s = layer.f, layer.h, layer.s

    def c_1(self, i0: int, j0: int, j1: int) -> float:
        return -self.s[i0, j0] * self.f[i0, i0] * (self.W[j1, :] @ self.X[i0, :])

    def c_2(self, i0: int, j0: int, j1: int) -> float:
        return -self.s[i0, j0] * (self.f[i0, :] @ (self.X @ self.W[:, j1]))

    def c_3(self, i0: int, j0: int, j1: int) -> float:
        return self.f[i0, i0] * self.h[i0, j0] * (self.W[j1, :] @ self.X[i0, :])

    def c_4(self, i0: int, j0: int, j1: int) -> float:
        return (self.f[i0, :] * (self.X @ self.W[:, j1])) @ self.h[:, j0]

    def c_5(self, i0: int, j0: int, j1: int) -> float:
        return self.f[i0, i0] * self.W_V[j1, j0]

    def c_6(self, i0: int, j0: int, i1: int, j1: int) -> float:
        return -self.s[i0, j0] * self.f[i1, i0] * (self.W[j1, :] @ self.X[i0, :])

    def c_7(self, i0: int, j0: int, i1: int, j1: int) -> float:
        """As in the proof; h_{j0,i1} of the hypotheses has its indices the wrong way round for an n x d matrix."""
        return self.f[i1, i0] * self.h[i1, j0] * (self.W[j1, :] @ self.X[i0, :])

    def c_8(self, i0: int, j0: int, i1: int, j1: int) -> float:
        return self.f[i1, i0] * self.W_V[j1, j0]

    def b_6(self, i0: int, j0: int) -> Array:
        return -self.s[i0, j0] * np.outer(self.f[:, i0], self.W @ self.X[i0, :])

    def b_7(self, i0: int, j0: int) -> Array:
        return np.outer(self.f[:, i0] * self.h[:, j0], self.W @ self.X[i0, :])

    def b_8(self, i0: int, j0: int) -> Array:
        return np.outer(self.f[:, i0], self.W_V[:, j0])

    def b_2(self, i0: int, j0: int) -> Array:
        return -self.s[i0, j0] * (self.W.T @ self.X.T @ self.f[i0, :])

    def b_4(self, i0: int, j0: int) -> Array:
        return self.W.T @ self.X.T @ (self.f[i0, :] * self.h[:, j0])

    def all_of_d_8(self, i0: int, j0: int) -> Array:
        """B_6 + B_7 + B_8 + e_{i0} (B_2 + B_4)^T."""
        made = self.b_6(i0, j0) + self.b_7(i0, j0) + self.b_8(i0, j0)
        made[i0, :] += self.b_2(i0, j0) + self.b_4(i0, j0)
        return made


def _pairs(draw: Draw) -> Iterator[tuple[int, int]]:
    yield from np.ndindex(draw.n, draw.d)


def d_1_part_1(draw: Draw, with_scale: bool) -> Gaps:
    """i0 = i1."""
    layer = Layer(draw, with_scale)
    true, t = layer.ds_dX(), Terms(layer)
    for i0, j0 in _pairs(draw):
        for j1 in range(draw.d):
            printed = sum(c(i0, j0, j1) for c in (t.c_1, t.c_2, t.c_3, t.c_4, t.c_5))
            yield equal(true[i0, j0, i0, j1], printed)


def d_1_part_2(draw: Draw, with_scale: bool) -> Gaps:
    """i0 != i1."""
    layer = Layer(draw, with_scale)
    true, t = layer.ds_dX(), Terms(layer)
    for i0, j0 in _pairs(draw):
        for i1, j1 in _pairs(draw):
            if i1 != i0:
                printed = sum(c(i0, j0, i1, j1) for c in (t.c_6, t.c_7, t.c_8))
                yield equal(true[i0, j0, i1, j1], printed)


def d_2(draw: Draw, with_scale: bool) -> Gaps:
    """dL/dT(i1, j1) = sum_{i0} sum_{j0} G(i0, j0) ds_{i0, j0} / dX_{i1, j1}."""
    layer = Layer(draw, with_scale)
    true, parts = layer.dL_dX(), layer.ds_dX()
    for i1, j1 in _pairs(draw):
        yield equal(true[i1, j1], sum(layer.G[i0, j0] * parts[i0, j0, i1, j1] for i0, j0 in _pairs(draw)))


def _matrix_of(draw: Draw, entry: str, matrix: str) -> Gaps:
    """B(i1, j1) = C at (i1, j1)."""
    t = Terms(Layer(draw))
    for i0, j0 in _pairs(draw):
        made = getattr(t, matrix)(i0, j0)
        for i1, j1 in _pairs(draw):
            yield equal(getattr(t, entry)(i0, j0, i1, j1), made[i1, j1])


def d_3(draw: Draw) -> Gaps:
    return _matrix_of(draw, "c_6", "b_6")


def d_4(draw: Draw) -> Gaps:
    return _matrix_of(draw, "c_7", "b_7")


def d_5(draw: Draw) -> Gaps:
    return _matrix_of(draw, "c_8", "b_8")


def _vector_of(draw: Draw, entry: str, vector: str) -> Gaps:
    """B(j1) = C at j1."""
    t = Terms(Layer(draw))
    for i0, j0 in _pairs(draw):
        made = getattr(t, vector)(i0, j0)
        for j1 in range(draw.d):
            yield equal(getattr(t, entry)(i0, j0, j1), made[j1])


def d_6(draw: Draw) -> Gaps:
    return _vector_of(draw, "c_2", "b_2")


def d_7(draw: Draw) -> Gaps:
    return _vector_of(draw, "c_4", "b_4")


def d_8(draw: Draw, with_scale: bool) -> Gaps:
    """G(i0, j0) ds_{i0, j0} / dX = G(i0, j0) (B_6 + B_7 + B_8 + e_{i0} (B_2 + B_4)^T)."""
    layer = Layer(draw, with_scale)
    true, t = layer.ds_dX(), Terms(layer)
    for i0, j0 in _pairs(draw):
        yield equal(layer.G[i0, j0] * true[i0, j0], layer.G[i0, j0] * t.all_of_d_8(i0, j0))


def d_9(draw: Draw, with_scale: bool) -> Gaps:
    layer = Layer(draw, with_scale)
    t = Terms(layer)
    yield equal(layer.dL_dX(), sum(layer.G[i0, j0] * t.all_of_d_8(i0, j0) for i0, j0 in _pairs(draw)))


def z_6(layer: Layer) -> Array:
    """(z_6)_{*,i0} = (G_{i0,*}^T s_{i0,*}) f_{*,i0}."""
    return np.stack([(layer.G[i] @ layer.s[i]) * layer.f[:, i] for i in range(layer.n)], axis=1)


def z_7(layer: Layer) -> Array:
    """(z_7)_{*,i0} = f_{*,i0} * (h G_{i0,*})."""
    return np.stack([layer.f[:, i] * (layer.h @ layer.G[i]) for i in range(layer.n)], axis=1)


def z_2(layer: Layer) -> Array:
    """(z_2)_{i0,*} = (G_{i0,*}^T s_{i0,*}) f_{i0,*}."""
    return np.stack([(layer.G[i] @ layer.s[i]) * layer.f[i, :] for i in range(layer.n)], axis=0)


def z_4(layer: Layer) -> Array:
    """(z_4)_{i0,*} = f_{i0,*} * (h G_{i0,*})."""
    return np.stack([layer.f[i, :] * (layer.h @ layer.G[i]) for i in range(layer.n)], axis=0)


def summed(layer: Layer, name: str) -> Array:
    """D_k of Definition D.15, by its double sum."""
    t, made = Terms(layer), np.zeros((layer.n, layer.d))
    for i0, j0 in _pairs(layer.draw):
        term = getattr(t, name)(i0, j0)
        if term.ndim == 1:
            made[i0, :] += layer.G[i0, j0] * term
        else:
            made += layer.G[i0, j0] * term
    return made


CLOSED: dict[str, Callable[[Layer], Array]] = {
    "b_6": lambda a: -z_6(a) @ a.X @ a.W.T,
    "b_7": lambda a: z_7(a) @ a.X @ a.W.T,
    "b_8": lambda a: a.f @ a.G @ a.W_V.T,
    "b_2": lambda a: -z_2(a) @ a.X @ a.W,
    "b_4": lambda a: z_4(a) @ a.X @ a.W,
}
"""The right sides of D.10-D.14 and the D_k of D.17."""


def d_10_to_14(draw: Draw, name: str) -> Gaps:
    """The sum of one kind of term against its closed form."""
    layer = Layer(draw)
    yield equal(summed(layer, name), CLOSED[name](layer))


def d_16(draw: Draw) -> Gaps:
    """K_{i0} = G_{i0,*}^T s_{i0,*}; K = (G * s) 1_d."""
    layer = Layer(draw)
    yield equal(np.array([layer.G[i] @ layer.s[i] for i in range(draw.n)]), (layer.G * layer.s) @ np.ones(draw.d))


def d_17_z_6(draw: Draw) -> Gaps:
    layer = Layer(draw)
    yield equal(z_6(layer), layer.f @ np.diag(layer.K))


def d_17_z_7(draw: Draw) -> Gaps:
    layer = Layer(draw)
    yield equal(z_7(layer), layer.f * (layer.h @ layer.G.T))


def d_17_z_2(draw: Draw) -> Gaps:
    layer = Layer(draw)
    yield equal(z_2(layer), np.diag(layer.K) @ layer.f)


def d_17_z_4(draw: Draw) -> Gaps:
    layer = Layer(draw)
    yield equal(z_4(layer), layer.f * (layer.G @ layer.h.T))


def repaired_entry(layer: Layer, i0: int, j0: int, i1: int, j1: int) -> float:
    """ds_{i0,j0}/dX_{i1,j1} by the softmax rule: tau f_{i0,i1} (h_{i1,j0} - s_{i0,j0}) <W_{*,j1}, X_{i0,*}> + f_{i0,i1} (W_V)_{j1,j0},
    and in row i0 also tau sum_k f_{i0,k} (h_{k,j0} - s_{i0,j0}) <W_{j1,*}, X_{k,*}>."""
    f, h, s = layer.f, layer.h, layer.s
    made = layer.tau * f[i0, i1] * (h[i1, j0] - s[i0, j0]) * (layer.W[:, j1] @ layer.X[i0])
    made += f[i0, i1] * layer.W_V[j1, j0]
    if i0 == i1:
        for k in range(layer.n):
            made += layer.tau * f[i0, k] * (h[k, j0] - s[i0, j0]) * (layer.W[j1, :] @ layer.X[k])
    return made


def d_1_repaired(draw: Draw, same: bool) -> Gaps:
    """Both scales: the repair has to hold for each."""
    for with_scale in (False, True):
        layer = Layer(draw, with_scale)
        true = layer.ds_dX()
        for i0, j0 in _pairs(draw):
            for i1, j1 in _pairs(draw):
                if (i0 == i1) == same:
                    yield equal(true[i0, j0, i1, j1], repaired_entry(layer, i0, j0, i1, j1))


def d_8_repaired(draw: Draw) -> Gaps:
    for with_scale in (False, True):
        layer = Layer(draw, with_scale)
        true = layer.ds_dX()
        for i0, j0 in _pairs(draw):
            made = [[repaired_entry(layer, i0, j0, i1, j1) for j1 in range(draw.d)] for i1 in range(draw.n)]
            yield equal(layer.G[i0, j0] * true[i0, j0], layer.G[i0, j0] * np.array(made))


def d_9_repaired(draw: Draw) -> Gaps:
    for with_scale in (False, True):
        layer = Layer(draw, with_scale)
        made = np.zeros((draw.n, draw.d))
        for i1, j1 in _pairs(draw):
            made[i1, j1] = sum(layer.G[i, j] * repaired_entry(layer, i, j, i1, j1) for i, j in _pairs(draw))
        yield equal(layer.dL_dX(), made)
