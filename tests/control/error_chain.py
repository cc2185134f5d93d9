"""The repaired error bounds of one layer: the softmax of a perturbed kernel, then maximum norms and row l1 norms.

Everything is drawn with the causal mask and without, and the layers with scores times 1 and times 1/d.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .comparison import at_most
from .instances import Array, Draw, Layer, biggest, causal, column_l1, row_l1

Gaps = Iterator[float]


def layers(draw: Draw) -> Iterator[Layer]:
    for masked in (False, True):
        for with_scale in (False, True):
            yield Layer(draw, with_scale, masked=masked)


# -- softmax -----------------------------------------------------------------------------------------------------------
class Kernel:
    """A > 0, A~ with |A~ - A| <= eta A, and the normalised f, f~."""

    def __init__(self, draw: Draw) -> None:
        self.eta = draw.number(0.02, 0.9)
        A = np.exp(draw.matrix(draw.n, draw.n)) * (causal(draw.n) if draw.seed % 3 else 1)
        moved = A * (1 + draw.noise(draw.n, draw.n, size=self.eta))
        self.f, self.moved = A / A.sum(axis=1, keepdims=True), moved / moved.sum(axis=1, keepdims=True)
        self.error = np.abs(self.moved - self.f)


def eps_1(eta: float) -> float:
    """2 (1 - sqrt(1 - eta^2)) / eta, without its cancellation."""
    return 2 * eta / (1 + np.sqrt(1 - eta**2))


def s_1_entrywise(draw: Draw) -> Gaps:
    """|f~ - f| <= 2 eta f (1 - f) / (1 - eta |1 - 2 f|)."""
    k = Kernel(draw)
    yield at_most(k.error, 2 * k.eta * k.f * (1 - k.f) / (1 - k.eta * np.abs(1 - 2 * k.f)))


def s_1_largest(draw: Draw) -> Gaps:
    """|f~ - f| <= (1 - sqrt(1 - eta^2)) / eta."""
    k = Kernel(draw)
    yield at_most(k.error, (1 - np.sqrt(1 - k.eta**2)) / k.eta)


def s_1_row(draw: Draw) -> Gaps:
    """Row l1 error <= 2 (1 - sqrt(1 - eta^2)) / eta."""
    k = Kernel(draw)
    yield at_most(row_l1(k.error), eps_1(k.eta))


def s_1_relative(draw: Draw) -> Gaps:
    """|f~ - f| <= 2 eta / (1 - eta) f."""
    k = Kernel(draw)
    yield at_most(k.error, 2 * k.eta / (1 - k.eta) * k.f)


def s_1_simpler(draw: Draw) -> Gaps:
    """Row l1 error <= eta / (1 - eta), and so is eps_1."""
    k = Kernel(draw)
    yield at_most(row_l1(k.error), k.eta / (1 - k.eta))
    yield at_most(eps_1(k.eta), k.eta / (1 - k.eta))


def s_1_rows(draw: Draw) -> Gaps:
    """No entry of f~ is negative, so its rows have l1 norm one."""
    yield at_most(row_l1(Kernel(draw).moved), 1.0)


def _less_mean(f: Array, q: Array) -> Array:
    """f_k (q_k - <f, q>) in every row."""
    return f * (q - np.sum(f * q, axis=1, keepdims=True))


def _values(draw: Draw) -> tuple[Array, Array]:
    """G V^T, and |G_i|_1 |V| of every row."""
    G, V = draw.matrix(draw.n, draw.d), draw.matrix(draw.n, draw.d)
    return G @ V.T, np.abs(G).sum(axis=1) * biggest(V)


def s_3_size(draw: Draw) -> Gaps:
    """Weighted values less their mean: at most |G_i|_1 |V| in l1."""
    q, size = _values(draw)
    yield at_most(np.abs(_less_mean(Kernel(draw).f, q)).sum(axis=1), size)


def s_3_error(draw: Draw) -> Gaps:
    """Under an error of the kernel they change by at most eps_1 |G_i|_1 |V|."""
    k, (q, size) = Kernel(draw), _values(draw)
    yield at_most(np.abs(_less_mean(k.moved, q) - _less_mean(k.f, q)).sum(axis=1), eps_1(k.eta) * size)


def s_3_moved_size(draw: Draw) -> Gaps:
    """With f~ they are at most |G_i|_1 |V| too."""
    q, size = _values(draw)
    yield at_most(np.abs(_less_mean(Kernel(draw).moved, q)).sum(axis=1), size)


def _other_scores(draw: Draw) -> tuple[Array, Array, float]:
    """Softmax of rows of S and of S + D under the same mask, and the largest entry of D."""
    S, D = draw.matrix(draw.n, draw.n), draw.noise(draw.n, draw.n, size=10.0 ** -draw.whole(0, 2))
    mask = causal(draw.n) if draw.seed % 3 else 1
    first, second = (np.exp(x) * mask for x in (S, S + D))
    return first / first.sum(axis=1, keepdims=True), second / second.sum(axis=1, keepdims=True), biggest(D)


def s_4_rows(draw: Draw) -> Gaps:
    """Rows of attention weights change by at most the largest change of a score, in l1."""
    f, g, largest = _other_scores(draw)
    yield at_most(np.abs(g - f).sum(axis=1), largest)


def s_4_less_mean(draw: Draw) -> Gaps:
    """Weighted values less their mean change by at most that times |G_i|_1 |V|."""
    (f, g, largest), (q, size) = _other_scores(draw), _values(draw)
    yield at_most(np.abs(_less_mean(g, q) - _less_mean(f, q)).sum(axis=1), largest * size)


def _two_scores(draw: Draw) -> tuple[float, float, float]:
    """Row l1 distance of two softmax vectors, the oscillation of the difference of their scores, and its largest entry."""
    a, b = draw.matrix(draw.n), draw.matrix(draw.n)
    f, g = np.exp(a) / np.exp(a).sum(), np.exp(b) / np.exp(b).sum()
    return float(np.abs(f - g).sum()), float(np.ptp(a - b)), biggest(a - b)


def s_2_tanh(draw: Draw) -> Gaps:
    """|softmax(S) - softmax(S')|_1 <= 2 tanh(osc(S - S') / 4)."""
    distance, oscillation, _ = _two_scores(draw)
    yield at_most(distance, 2 * np.tanh(oscillation / 4))


def s_2_largest(draw: Draw) -> Gaps:
    """2 tanh(osc(S - S') / 4) <= |S - S'|, so also the distance."""
    distance, oscillation, largest = _two_scores(draw)
    yield at_most(2 * np.tanh(oscillation / 4), largest)
    yield at_most(distance, largest)


# -- maximum norms -----------------------------------------------------------------------------------------------------
class Adversarial:
    """f~ with |f~ - f| <= eps, nothing else known."""

    def __init__(self, a: Layer) -> None:
        self.layer, draw = a, a.draw
        self.n, self.d, self.tau = draw.n, draw.d, a.tau
        self.f = a.f + draw.noise(draw.n, draw.n, size=10.0 ** -draw.whole(0, 3))
        self.eps, self.Gh = biggest(self.f - a.f), a.G @ a.h.T
        self.R, self.R_t, self.R_X = biggest(a.X @ a.W), biggest(a.X @ a.W.T), biggest(a.X)
        self.H, self.gamma, self.kappa = biggest(a.h), biggest(a.G), biggest(a.K)
        self.Q, self.w = draw.d * self.gamma * self.H, biggest(a.W_V)
        self.K = np.sum(a.G * (self.f @ a.h), axis=1)

    def P(self, f: Array, K: Array) -> Array:
        return f * self.Gh - K[:, None] * f

    def dL_dX(self, f: Array, K: Array) -> Array:
        a, P = self.layer, self.P(f, K)
        return self.tau * (P @ a.X @ a.W.T + P.T @ a.X @ a.W) + f.T @ a.G @ a.W_V.T


def adversarial(draw: Draw) -> Iterator[Adversarial]:
    yield from map(Adversarial, layers(draw))


def max_1(draw: Draw, term: str) -> Gaps:
    """Each term of dL/dX with exact K, and the size of K."""
    for e in adversarial(draw):
        a, moved = e.layer, e.f - e.layer.f
        XWt, XW, K = a.X @ a.W.T, a.X @ a.W, np.diag(a.K)
        eps = e.n * e.eps
        error, bound = {
            "diag(K) f X W^T": (K @ moved @ XWt, eps * e.kappa * e.R_t),
            "(f * G h^T) X W^T": ((moved * e.Gh) @ XWt, eps * e.Q * e.R_t),
            "(diag(K) f)^T X W": ((K @ moved).T @ XW, eps * e.kappa * e.R),
            "(f * G h^T)^T X W": ((moved * e.Gh).T @ XW, eps * e.Q * e.R),
            "f^T G W_V^T": (moved.T @ a.G @ a.W_V.T, eps * e.d * e.gamma * e.w),
            "K": (a.K, e.Q),
        }[term]
        yield at_most(biggest(error), bound)


def max_2_exact(draw: Draw) -> Gaps:
    """n eps (2 tau Q (R + R') + d gamma w), against the true gradient."""
    for e in adversarial(draw):
        error = biggest(e.dL_dX(e.f, e.layer.K) - e.layer.dL_dX())
        yield at_most(error, e.n * e.eps * (2 * e.tau * e.Q * (e.R + e.R_t) + e.d * e.gamma * e.w))


def max_2_approximate(draw: Draw) -> Gaps:
    """n eps (tau Q ((3 + n eps) R' + (2 + n + n eps) R) + d gamma w) with K~ = <G, f~ h>."""
    for e in adversarial(draw):
        error = biggest(e.dL_dX(e.f, e.K) - e.layer.dL_dX())
        grown = (3 + e.n * e.eps) * e.R_t + (2 + e.n + e.n * e.eps) * e.R
        yield at_most(error, e.n * e.eps * (e.tau * e.Q * grown + e.d * e.gamma * e.w))


def max_3_w(draw: Draw) -> Gaps:
    """|err dL/dW| <= tau n^2 eps R_X^2 Q (3 + n eps)."""
    for e in adversarial(draw):
        X = e.layer.X
        error = biggest(e.tau * X.T @ e.P(e.f, e.K) @ X - e.layer.dL_dW())
        yield at_most(error, e.tau * e.n**2 * e.eps * e.R_X**2 * e.Q * (3 + e.n * e.eps))


def max_3_w_v(draw: Draw) -> Gaps:
    """|err dL/dW_V| <= n^2 eps R_X gamma."""
    for e in adversarial(draw):
        error = biggest((e.f @ e.layer.X).T @ e.layer.G - e.layer.dL_dW_V())
        yield at_most(error, e.n**2 * e.eps * e.R_X * e.gamma)


# -- row l1 norms ------------------------------------------------------------------------------------------------------
class Relative:
    """f~ from a kernel with relative error eta, so row-stochastic."""

    def __init__(self, a: Layer) -> None:
        self.layer, self.tau, draw, eta = a, a.tau, a.draw, a.draw.number(0.02, 0.9)
        moved = a.f * (1 + draw.noise(draw.n, draw.n, size=eta))
        self.f, self.eps1 = moved / moved.sum(axis=1, keepdims=True), eps_1(eta)
        self.H, self.om, self.R_X = biggest(a.h), column_l1(a.W_V), biggest(a.X)
        self.r = row_l1(a.X @ a.W) + row_l1(a.X @ a.W.T)
        self.Lam = self.om + self.tau * self.H * self.r
        self.G_1 = float(np.abs(a.G).sum())

    def P(self, f: Array) -> Array:
        a = self.layer
        K = np.sum(a.G * (f @ a.h), axis=1)
        return f * (a.G @ a.h.T) - K[:, None] * f

    def dL_dX(self, f: Array) -> Array:
        a, P = self.layer, self.P(f)
        return self.tau * (P @ a.X @ a.W.T + P.T @ a.X @ a.W) + f.T @ a.G @ a.W_V.T


def relative(draw: Draw) -> Iterator[Relative]:
    yield from map(Relative, layers(draw))


def _rows_of_g(e: Relative) -> Array:
    return np.abs(e.layer.G).sum(axis=1)


def l1_1_error(draw: Draw) -> Gaps:
    """|P~_i - P_i|_1 <= H |G_i|_1 eps1."""
    for e in relative(draw):
        yield at_most(np.abs(e.P(e.f) - e.P(e.layer.f)).sum(axis=1), e.H * _rows_of_g(e) * e.eps1)


def l1_1_size(draw: Draw) -> Gaps:
    """|P_i|_1 <= H |G_i|_1."""
    for e in relative(draw):
        yield at_most(np.abs(e.P(e.layer.f)).sum(axis=1), e.H * _rows_of_g(e))


def l1_1_forward(draw: Draw) -> Gaps:
    """|s~ - s| <= eps1 H."""
    for e in relative(draw):
        yield at_most(biggest(e.f @ e.layer.h - e.layer.s), e.eps1 * e.H)


def l1_2_size(draw: Draw) -> Gaps:
    """|dL/dX|_1 <= Lam |G|_1."""
    for e in relative(draw):
        yield at_most(float(np.abs(e.layer.dL_dX()).sum()), e.Lam * e.G_1)


def l1_2_error(draw: Draw) -> Gaps:
    """|err dL/dX|_1 <= Lam eps1 |G|_1."""
    for e in relative(draw):
        yield at_most(float(np.abs(e.dL_dX(e.f) - e.layer.dL_dX()).sum()), e.Lam * e.eps1 * e.G_1)


def l1_3_w(draw: Draw) -> Gaps:
    """|err dL/dW| <= tau R_X^2 H eps1 |G|_1."""
    for e in relative(draw):
        X = e.layer.X
        error = biggest(e.tau * X.T @ e.P(e.f) @ X - e.layer.dL_dW())
        yield at_most(error, e.tau * e.R_X**2 * e.H * e.eps1 * e.G_1)


def l1_3_w_v(draw: Draw) -> Gaps:
    """|err dL/dW_V| <= R_X eps1 |G|_1."""
    for e in relative(draw):
        yield at_most(biggest((e.f @ e.layer.X).T @ e.layer.G - e.layer.dL_dW_V()), e.R_X * e.eps1 * e.G_1)


def l1_4(draw: Draw) -> Gaps:
    """|s(X') - s(X)| <= Lam |X' - X|, the constants of Lam largest over both inputs."""
    for a in layers(draw):
        moved = a.X + draw.noise(draw.n, draw.d, size=10.0 ** -draw.whole(0, 2))
        H = max(biggest(X @ a.W_V) for X in (a.X, moved))
        r, r_t = (max(row_l1(X @ W) for X in (a.X, moved)) for W in (a.W, a.W.T))
        Lam = column_l1(a.W_V) + a.tau * H * (r + r_t)
        yield at_most(biggest(a.attention(X=moved) - a.s), Lam * biggest(moved - a.X))
