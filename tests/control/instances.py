"""What a control is evaluated on: drawn matrices, attention from its definition, and derivatives by a complex step.

f(x + i h) = f(x) + i h f'(x) + O(h^2) holds for every function used here, all of them analytic, and h = 1e-30 leaves no
rounding error of a difference. So functions of matrices below must not take absolute values or conjugates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

Array = np.ndarray
STEP = 1e-30


def gradient(function: Callable[[Array], Array], at: Array) -> Array:
    """All partial derivatives, with the axes of the value first: result[i, j, k, l] = d function_ij / d at_kl."""
    columns = []
    for index in np.ndindex(at.shape):
        moved = at.astype(complex)
        moved[index] += 1j * STEP
        columns.append(np.imag(function(moved)) / STEP)
    values = np.stack(columns, axis=-1)
    return values.reshape(*values.shape[:-1], *at.shape)


def softmax(scores: Array) -> Array:
    """Definition 1.1 for every row: exp(z) / <exp(z), 1>."""
    u = np.exp(scores)
    return u / u.sum(axis=1, keepdims=True)


def causal(n: int) -> Array:
    """M_{i,j} = 1 if i >= j, else 0."""
    return np.array([[1.0 if i >= j else 0.0 for j in range(n)] for i in range(n)])


def row_kronecker(left: Array, right: Array) -> Array:
    """Fact C.2: entry (i, l1 + (l2 - 1) k1) is left_{i,l1} right_{i,l2}."""
    k1, k2 = left.shape[1], right.shape[1]
    made = np.zeros((left.shape[0], k1 * k2), dtype=np.result_type(left, right))
    for l2 in range(k2):
        for l1 in range(k1):
            made[:, l1 + l2 * k1] = left[:, l1] * right[:, l2]
    return made


def biggest(values: Array) -> float:
    """|A|, the largest absolute entry."""
    return float(np.max(np.abs(values)))


def row_l1(values: Array) -> float:
    """The largest l1 norm of a row."""
    return float(np.max(np.sum(np.abs(values), axis=1)))


def column_l1(values: Array) -> float:
    """The largest l1 norm of a column."""
    return row_l1(values.T)


class Draw:
    """One instance: sizes and a stream of random matrices with entries in [-size, size]."""

    def __init__(self, seed: int, n: int, d: int, size: float = 1.0) -> None:
        self.seed, self.n, self.d, self.size = seed, n, d, size
        self._random = np.random.default_rng([seed, n, d])

    def __repr__(self) -> str:
        return f"Draw(seed={self.seed}, n={self.n}, d={self.d}, size={self.size:g})"

    def matrix(self, *shape: int) -> Array:
        return self._random.uniform(-self.size, self.size, shape)

    def noise(self, *shape: int, size: float = 1.0) -> Array:
        """Entries in [-size, size], half the time at its ends."""
        flat = self._random.uniform(-1, 1, shape)
        return size * (np.sign(flat) if self.seed % 2 else flat)

    def number(self, low: float, high: float) -> float:
        return float(self._random.uniform(low, high))

    def whole(self, low: int, high: int) -> int:
        """low, ..., high."""
        return int(self._random.integers(low, high + 1))

    def factors(self, target: Array) -> tuple[Array, Array]:
        """U, V with U V^T near the target, or anything at all."""
        n = target.shape[0]
        if self.seed % 3:
            return target + self.noise(n, n, size=10.0 ** -self.whole(0, 3)), np.eye(n)
        k = self.whole(1, 3)
        return self.matrix(n, k), self.matrix(n, k)

    def loss(self, *shape: int) -> Callable[[Array], Array]:
        """L = sum of one-unit losses c sin(y) + e y^2 / 2 (Definition 3.1)."""
        c, e = self.matrix(*shape), self.matrix(*shape)
        return lambda y: np.sum(c * np.sin(y) + e * y * y / 2)

    def activation(self) -> Callable[[Array], Array]:
        """An entrywise phi of Lemma H.1."""
        return np.tanh if self.seed % 2 else lambda z: z**3 / 3 - z**2 / 2 + np.sin(z)


def instances() -> Iterator[Draw]:
    """n = 1..4 with d = 1..3, then larger entries."""
    for seed in range(12):
        yield Draw(seed, n=1 + seed % 4, d=1 + seed // 4)
    yield Draw(12, n=3, d=2, size=2.0)
    yield Draw(13, n=4, d=2, size=3.0)
    yield Draw(14, n=2, d=3, size=2.0)
    yield Draw(15, n=4, d=3, size=2.0)


class Layer:
    """X, W, W_V, a loss and G = dL/dAttn of one attention layer; Definitions C.6-C.12 scores times tau: 1, 1/d or any."""

    def __init__(self, draw: Draw, with_scale: bool = False, tau: float = 1.0, masked: bool = False) -> None:
        self.draw, self.n, self.d = draw, draw.n, draw.d
        self.mask = causal(draw.n) if masked else np.ones((draw.n, draw.n))
        self.tau = 1 / draw.d if with_scale else tau
        self.X, self.W, self.W_V = draw.matrix(draw.n, draw.d), draw.matrix(draw.d, draw.d), draw.matrix(draw.d, draw.d)
        self.loss = draw.loss(draw.n, draw.d)
        self.f, self.h, self.s = self.f_of(self.X), self.X @ self.W_V, self.attention()
        self.G = gradient(self.loss, self.s)
        self.q = self.G @ self.h.T
        self.K = np.array([sum(self.G[i] * self.s[i]) for i in range(self.n)])

    def f_of(self, X: Array, W: Array | None = None) -> Array:
        """diag(alpha)^{-1} u with u = exp(tau X W X^T), or the mask times that (Definition I.5)."""
        u = self.mask * np.exp(X @ (self.W if W is None else W) @ X.T * self.tau)
        alpha = u @ np.ones(self.n)
        return u / alpha[:, None]

    def attention(self, X: Array | None = None, W: Array | None = None, W_V: Array | None = None) -> Array:
        """s as a function of what is given, the rest as drawn."""
        X = self.X if X is None else X
        return self.f_of(X, W) @ X @ (self.W_V if W_V is None else W_V)

    def p(self) -> Array:
        """Definition C.12, row by row."""
        rows = [(np.diag(self.f[j]) - np.outer(self.f[j], self.f[j])) @ self.q[j] for j in range(self.n)]
        return np.array(rows)

    def ds_dX(self) -> Array:
        return gradient(lambda X: self.attention(X=X), self.X)

    def ds_dW(self) -> Array:
        return gradient(lambda W: self.attention(W=W), self.W)

    def ds_dW_V(self) -> Array:
        return gradient(lambda W_V: self.attention(W_V=W_V), self.W_V)

    def dL_dX(self) -> Array:
        return gradient(lambda X: self.loss(self.attention(X=X)), self.X)

    def dL_dW(self) -> Array:
        return gradient(lambda W: self.loss(self.attention(W=W)), self.W)

    def dL_dW_V(self) -> Array:
        return gradient(lambda W_V: self.loss(self.attention(W_V=W_V)), self.W_V)
