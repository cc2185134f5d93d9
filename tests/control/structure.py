"""The repaired error bounds beyond one attention layer: T = sig Z + phi(Z W_g), Z = sig X + Attn(X); causal mask; heads.

sig is 1 with residual connections and 0 without; L1 = |phi'|, og = largest column l1 of W_g, rho = (sig + L1 og)(sig + Lam).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .appendix_fgh import Outer
from .appendix_ijk import running_sums
from .comparison import at_most, equal
from .error_chain import Adversarial, Relative, eps_1, layers
from .instances import Array, Draw, Layer, biggest, causal, column_l1, gradient, row_l1

Gaps = Iterator[float]


def total_l1(values: Array) -> float:
    return float(np.sum(np.abs(values)))


def backward(a: Layer, f: Array, upstream: Array) -> Array:
    """dL/dX through attention with weights f, for dL/ds = upstream."""
    K = np.sum(upstream * (f @ a.h), axis=1)
    P = f * (upstream @ a.h.T) - K[:, None] * f
    return a.tau * (P @ a.X @ a.W.T + P.T @ a.X @ a.W) + f.T @ upstream @ a.W_V.T


# -- m layers ----------------------------------------------------------------------------------------------------------
class Step:
    """One layer with an exact forward pass: dL/dT and an error Delta of it, f~ from a kernel with relative error eta."""

    def __init__(self, e: Relative, sig: int) -> None:
        draw = e.layer.draw
        self.e, self.a, self.sig, self.outer = e, e.layer, sig, Outer(draw)
        self.W_g, self.Z = self.outer.W_g, sig * self.a.X + self.a.s
        self.slopes = self.outer.slope(self.Z @ self.W_g)
        self.g_T = gradient(self.outer.loss, self.T(self.a.X))
        self.Delta = draw.noise(draw.n, draw.d, size=0.5)
        self.rho = (sig + biggest(self.slopes) * column_l1(self.W_g)) * (sig + e.Lam)

    def T(self, X: Array) -> Array:
        Z = self.sig * X + self.a.attention(X=X)
        return self.sig * Z + self.outer.phi(Z @ self.W_g)

    def found(self, g_T: Array, f: Array) -> Array:
        """dL/dX from dL/dT with weights f."""
        upstream = self.sig * g_T + (g_T * self.slopes) @ self.W_g.T
        return self.sig * upstream + backward(self.a, f, upstream)

    def true(self) -> Array:
        return gradient(lambda X: self.outer.loss(self.T(X)), self.a.X)


def steps(draw: Draw, sig: int) -> Iterator[Step]:
    yield from (Step(Relative(layer), sig) for layer in layers(draw))


def closed_form(draw: Draw, sig: int) -> Gaps:
    for step in steps(draw, sig):
        yield equal(step.true(), step.found(step.g_T, step.a.f))


def size_of_step(draw: Draw, sig: int) -> Gaps:
    """|dL/dX|_1 <= rho |dL/dT|_1."""
    for step in steps(draw, sig):
        yield at_most(total_l1(step.true()), step.rho * total_l1(step.g_T))


def error_of_step(draw: Draw, sig: int) -> Gaps:
    """The error of dL/dX is at most rho (|Delta|_1 + eps_1 |dL/dT|_1) in l1."""
    for step in steps(draw, sig):
        error = total_l1(step.found(step.g_T + step.Delta, step.e.f) - step.true())
        yield at_most(error, step.rho * (total_l1(step.Delta) + step.e.eps1 * total_l1(step.g_T)))


def recurrence(draw: Draw) -> Gaps:
    """rho (j eps rho^j gamma + eps rho^j gamma) <= (j + 1) eps rho^{j+1} gamma."""
    rho, gamma, eps, j = draw.number(0.1, 3), draw.number(0.1, 3), draw.number(0, 1), draw.whole(0, 9)
    after = [i * eps * rho**i * gamma for i in (j, j + 1)]
    yield at_most(rho * (after[0] + eps * rho**j * gamma), after[1])


def through_g_0(draw: Draw) -> Gaps:
    """An error of dL/dT_0 grows at most |phi'| og times in l1."""
    o, error = Outer(draw), draw.noise(draw.n, draw.d)
    made = gradient(lambda Z: np.sum(error * o.T(Z)), o.Z)
    yield at_most(total_l1(made), biggest(o.slope(o.scores)) * column_l1(o.W_g) * total_l1(error))


# -- causal mask -------------------------------------------------------------------------------------------------------
def masked(draw: Draw) -> Iterator[Adversarial]:
    """F with |F - f^| <= eps, for both scales."""
    yield from (Adversarial(Layer(draw, with_scale, masked=True)) for with_scale in (False, True))


def i_6_part_1(draw: Draw) -> Gaps:
    """|F H - f^ H| <= n eps |H|."""
    for e in masked(draw):
        H = draw.matrix(draw.n, 2)
        yield at_most(biggest((e.f - e.layer.f) @ H), e.n * e.eps * biggest(H))


def i_6_part_2(draw: Draw) -> Gaps:
    """|(F * U V^T) H - (f^ * U V^T) H| <= n k eps |U| |V| |H|."""
    for e in masked(draw):
        k = draw.whole(1, 3)
        U, V, H = draw.matrix(draw.n, k), draw.matrix(draw.n, k), draw.matrix(draw.n, 2)
        error = biggest(((e.f - e.layer.f) * (U @ V.T)) @ H)
        yield at_most(error, e.n * k * e.eps * biggest(U) * biggest(V) * biggest(H))


def suffix_sums(b: Array) -> Array:
    """Row j is b_j + b_{j+1} + ... + b_n, from the last row on."""
    made, c = np.zeros_like(b), np.zeros(b.shape[1])
    for j in reversed(range(len(b))):
        c = c + b[j]
        made[j] = c
    return made


def i_6_transposed(draw: Draw) -> Gaps:
    """(M * (U_0 V_0^T))^T v: suffix sums, which are Algorithm 2 with all rows reversed and U_0, V_0 exchanged."""
    k = draw.whole(1, 3)
    U0, V0, v = draw.matrix(draw.n, k), draw.matrix(draw.n, k), draw.matrix(draw.n)
    dense = (causal(draw.n) * (U0 @ V0.T)).T @ v
    yield equal(dense, np.sum(V0 * suffix_sums(np.diag(v) @ U0), axis=1))
    yield equal(dense, running_sums(V0[::-1], U0[::-1], v[::-1])[::-1])


def i_6_suffix_sums(draw: Draw) -> Gaps:
    """M^T b are the suffix sums of b."""
    b = draw.matrix(draw.n, draw.whole(1, 3))
    yield equal(causal(draw.n).T @ b, suffix_sums(b))


def i_7(draw: Draw, part: int) -> Gaps:
    """diag(K) f^ X W^T, (diag(K) f^)^T X W, f^^T G W_V^T, (f^ X)^T G for any K."""
    for e in masked(draw):
        a, gap, K = e.layer, e.f - e.layer.f, draw.matrix(draw.n)
        weighted = np.diag(K) @ gap
        error, bound = {
            1: (weighted @ a.X @ a.W.T, e.n * biggest(K) * e.R_t),
            2: (weighted.T @ a.X @ a.W, e.n * biggest(K) * e.R),
            3: (gap.T @ a.G @ a.W_V.T, e.n * e.d * e.gamma * e.w),
            4: ((gap @ a.X).T @ a.G, e.n**2 * e.R_X * e.gamma),
        }[part]
        yield at_most(biggest(error), bound * e.eps)


def i_8(draw: Draw, part: int) -> Gaps:
    """(f^ * q) X W^T, (f^ * q)^T X W and X^T (p^_1 - p^_2) X."""
    for e in masked(draw):
        a, q = e.layer, e.layer.q
        gap, size = (e.f - a.f) * q, biggest(q)
        r, entry = np.sum(a.f * q, axis=1), e.n * e.eps * size
        p, p_low = (f * q - np.diag(np.sum(f * q, axis=1)) @ f for f in (a.f, e.f))
        p_error = e.eps * size + e.eps * (biggest(r) + entry) + entry
        error, bound = {
            1: (gap @ a.X @ a.W.T, entry * e.R_t),
            2: (gap.T @ a.X @ a.W, entry * e.R),
            3: (a.X.T @ (p_low - p) @ a.X, e.n**2 * e.R_X**2 * p_error),
        }[part]
        yield at_most(biggest(error), bound)


# -- product kernels ---------------------------------------------------------------------------------------------------
def l_1(draw: Draw) -> Gaps:
    """(A (x) B) 1 = (A 1) (x) (B 1), positive A and B, rows by pairs."""
    n, k = draw.n, draw.whole(1, 3)
    A, B = np.exp(draw.matrix(n, n)), np.exp(draw.matrix(k, k))
    for i, j in np.ndindex(n, k):
        row_sum = sum(A[i, a] * B[j, b] for a in range(n) for b in range(k))
        yield equal(row_sum, A[i].sum() * B[j].sum())
    yield equal(np.kron(A, B) @ np.ones(n * k), np.kron(A @ np.ones(n), B @ np.ones(k)))


# -- heads -------------------------------------------------------------------------------------------------------------
class SeveralHeads:
    """Heads of one X with their own W_l, V_l, G_l and f~_l, all with the same relative error eta of the kernel."""

    def __init__(self, draw: Draw, with_scale: bool, is_masked: bool) -> None:
        eta = draw.number(0.02, 0.9)
        self.heads = [Layer(draw, with_scale, masked=is_masked) for _ in range(1 + draw.seed % 3)]
        self.eps1, self.low = eps_1(eta), []
        for a in self.heads:
            a.X, a.G = self.heads[0].X, draw.matrix(draw.n, draw.d)
            a.f, a.h = a.f_of(a.X), a.X @ a.W_V
            moved = a.f * (1 + draw.noise(draw.n, draw.n, size=eta))
            self.low.append(moved / moved.sum(axis=1, keepdims=True))
        X, self.tau = self.heads[0].X, self.heads[0].tau
        self.om, self.H = max(column_l1(a.W_V) for a in self.heads), max(biggest(a.h) for a in self.heads)
        self.r = max(row_l1(X @ a.W) for a in self.heads) + max(row_l1(X @ a.W.T) for a in self.heads)
        self.G_1 = sum(total_l1(a.G) for a in self.heads)

    def true(self) -> Array:
        """The gradient of sum_l <G_l, s_l(X)>."""
        X = self.heads[0].X
        return gradient(lambda X: np.sum([np.sum(a.G * a.attention(X=X)) for a in self.heads]), X)


def several_heads(draw: Draw) -> Iterator[SeveralHeads]:
    for is_masked in (False, True):
        for with_scale in (False, True):
            yield SeveralHeads(draw, with_scale, is_masked)


def k_2_size(draw: Draw) -> Gaps:
    """|dL/dX|_1 <= (om + tau H (r + r')) |G|_1: largest constants of any head, no factor h."""
    for s in several_heads(draw):
        yield at_most(total_l1(s.true()), (s.om + s.tau * s.H * s.r) * s.G_1)


def k_2_error(draw: Draw) -> Gaps:
    """The error is at most (om + 2 tau H (r + r')) eps_1 |G|_1 in l1."""
    for s in several_heads(draw):
        made = sum(backward(a, f, a.G) for a, f in zip(s.heads, s.low, strict=True))
        yield at_most(total_l1(made - s.true()), (s.om + s.tau * s.H * s.r) * s.eps1 * s.G_1)
