"""A dense reference of models of m layers: every gradient, exact and as the algorithm has it, enclosed in float64 midpoint-radius.

    T_0 = phi(X W_g0),   Z_i = sig T_{i-1} + Attn_i(T_{i-1}),   T_i = sig Z_i + g_i(Z_i),   sig = 1 with residual connections, else 0

Attn_i has h heads of d/h features, W = W_Q W_K^T, a full or a causal mask and the scale tau. The algorithm's weights are f~ = rows of
A * (1 + eta E) divided by their sums, A the kernel, |E| <= 1 chosen by an adversary; its forward pass is exact or has f~, its backward
pass has f~ and K~ = (G * f~ h) 1. It knows nothing of impl: every product is an n x n matrix. Many models of one setting are run at once,
along a leading axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import sympy

from .backends.midrad import MidRad, MidRadBackend
from .problems import Problem

Values = dict[str, np.ndarray]
"""Matrices by name, the models along the first axis; axes are (model, layer, ...) for layers, (model, layer, head, ...) for heads."""
BACKEND = MidRadBackend(Problem({}))
U = 2.0**-53
FLOOR = Fraction(1, 2)
"""LayerNorm divides by sqrt(|c|^2/d + FLOOR^2)."""
MAPS = ("dense", "dropout", "position", "mlp", "norm")
LOSSES = ("sum", "l2", "cross entropy")


@dataclass(frozen=True)
class Setting:
    """What a batch of models has in common.

    Attributes:
        n, d, heads, layers: sizes; heads divides d.
        residual, causal, exact_forward: the combination, with heads = 1 or more.
        g: one of MAPS: phi(Z W_g), with a dropout mask or a positional encoding, phi(Z W_g) W_2, or LayerNorm.
        phi: a key of PHI.
        loss: one of LOSSES; "sum" is <C, T_m> for any C.
    """

    n: int
    d: int
    heads: int
    layers: int
    residual: bool
    causal: bool
    exact_forward: bool
    g: str = "dense"
    phi: str = "tanh"
    loss: str = "sum"


# -- arithmetic ------------------------------------------------------------------------------------------------------------
def exact(values: Any) -> MidRad:
    """Floats as enclosures without radius."""
    mid = np.asarray(values, dtype=np.float64)
    return MidRad(mid, np.zeros(mid.shape))


def times(a: MidRad, factor: Any) -> MidRad:
    """Every entry times a float (or an array of them, by broadcasting)."""
    return a * exact(factor)


def minus(a: MidRad, b: MidRad) -> MidRad:
    return a + times(b, -1.0)


def T(a: MidRad) -> MidRad:
    """The transpose."""
    return a.swapaxes(-1, -2)


def row_sums(a: MidRad) -> MidRad:
    return a @ exact(np.ones((a.shape[-1], 1)))


def over_heads(a: MidRad) -> MidRad:
    """The sum over the head axis, which is the third from the end."""
    total = a[..., 0, :, :]
    for k in range(1, a.shape[-3]):
        total = total + a[..., k, :, :]
    return total


def root(a: MidRad) -> MidRad:
    """The square root of positive numbers; IEEE 754 rounds it correctly."""
    mid = np.sqrt(a.mid)
    return MidRad(mid, np.where(a.mid > a.rad, (a.rad / mid + U * mid) * (1 + 32 * U), np.inf))


def norm(a: MidRad, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of a norm over the last two axes: "max", "sum", "row" or "col" as in theorems.norms."""
    rows, columns = a.shape[-2:]
    slack = (rows * columns + 4) * 2 * U
    size = np.abs(a.mid)
    ends = np.maximum(size - a.rad, 0.0), size + a.rad
    low, high = (NORMS[kind](end) for end in ends)
    return low * (1 - slack), high * (1 + slack) + 2.0**-1000


NORMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "max": lambda a: a.max((-1, -2)),
    "sum": lambda a: a.sum((-1, -2)),
    "row": lambda a: a.sum(-1).max(-1),
    "col": lambda a: a.sum(-2).max(-1),
}


# -- maps between layers -----------------------------------------------------------------------------------------------------
class Phi(NamedTuple):
    """An entrywise function with its derivative; L1 >= sup |phi'| and L2 >= sup |phi''|, over all reals."""

    value: Callable[[MidRad], MidRad]
    slope: Callable[[MidRad], MidRad]
    L1: sympy.Expr
    L2: sympy.Expr


def _within_range(function: Callable[[MidRad], MidRad]) -> Callable[[MidRad], MidRad]:
    """tanh or the logistic function without overflow: beyond +-300 they are within e^{-300} < 2^-400 of their value there."""

    def everywhere(a: MidRad) -> MidRad:
        found = function(MidRad(np.clip(a.mid, -300.0, 300.0), a.rad))
        return MidRad(found.mid, found.rad + 2.0**-400)

    return everywhere


_tanh = _within_range(BACKEND.tanh1)
_logistic = _within_range(lambda a: (exact(1.0) + times(a, -1.0).exp()).reciprocal())


def _tanh_slope(a: MidRad) -> MidRad:
    t = _tanh(a)
    return minus(exact(1.0), t * t)


def _silu_slope(a: MidRad) -> MidRad:
    s = _logistic(a)
    return s * (exact(1.0) + a * minus(exact(1.0), s))


PHI = {
    "tanh": Phi(_tanh, _tanh_slope, sympy.Integer(1), 4 * sympy.sqrt(3) / 9),
    "silu": Phi(lambda a: a * _logistic(a), _silu_slope, sympy.Rational(11, 10), sympy.Rational(1, 2)),
}
Pullback = Callable[[MidRad], tuple[MidRad, MidRad | None]]
"""From the gradient of a map's value to those of its argument and of its W_g (None: it has none)."""


def dense(z: MidRad, w: MidRad, phi: Phi) -> tuple[MidRad, Pullback]:
    """phi(z w)."""
    inside = z @ w

    def back(g: MidRad) -> tuple[MidRad, MidRad]:
        through = g * phi.slope(inside)
        return through @ T(w), T(z) @ through

    return phi.value(inside), back


def layer_norm(z: MidRad) -> tuple[MidRad, Pullback]:
    """Rows c / q, c = z less its mean, q^2 = |c|^2/d + FLOOR^2."""
    d = z.shape[-1]
    share = BACKEND.number(Fraction(1, d))

    def centred(a: MidRad) -> MidRad:
        return minus(a, row_sums(a) * share)

    c = centred(z)
    inverse = root(row_sums(c * c) * share + exact(float(FLOOR**2))).reciprocal()
    y = c * inverse

    def back(g: MidRad) -> tuple[MidRad, None]:
        along = row_sums(y * g) * share
        return minus(centred(g), y * along) * inverse, None

    return y, back


def between(setting: Setting, values: Values, layer: int, z: MidRad) -> tuple[MidRad, Pullback, MidRad]:
    """g_i(z), its pullback and the matrix that W_g is applied to (z itself for LayerNorm, which has none)."""
    phi = PHI[setting.phi]
    if setting.g == "norm":
        return *layer_norm(z), z
    w, w_2, keep, place = (exact(values[name][:, layer]) for name in ("W_g", "W_2", "keep", "place"))
    if setting.g == "position":
        z = z + place
    value, back = dense(z, w, phi)
    if setting.g == "dropout":
        return value * keep, lambda g: back(g * keep), z
    if setting.g == "mlp":
        return value @ w_2, lambda g: back(g @ T(w_2)), z
    return value, back, z


def loss_gradient(loss: str, output: MidRad, target: MidRad) -> MidRad:
    """dL/dT_m of <C, T>, |T - Y|^2 or the cross entropy of rows with one-hot Y; ``target`` is C or Y."""
    if loss == "sum":
        return target
    if loss == "l2":
        return times(minus(output, target), 2.0)
    kernel = output.exp()
    return minus(kernel * row_sums(kernel).reciprocal(), target)


# -- attention ---------------------------------------------------------------------------------------------------------------
class Rules(NamedTuple):
    """The closed forms of the backward pass, each for all heads; the algorithm has them with f~ for f."""

    core: Callable[[MidRad, MidRad, MidRad], MidRad]
    dX: Callable[[MidRad, MidRad, MidRad, MidRad, MidRad, MidRad, Any], MidRad]
    dW: Callable[[MidRad, MidRad, Any], MidRad]
    dW_V: Callable[[MidRad, MidRad, MidRad], MidRad]


def core(f: MidRad, h: MidRad, g: MidRad) -> MidRad:
    """P = f * (G h^T) - diag(K) f, K = (G * f h) 1."""
    return minus(f * (g @ T(h)), f * row_sums(g * (f @ h)))


def dX(p: MidRad, f: MidRad, x: MidRad, w: MidRad, w_v: MidRad, g: MidRad, tau: Any) -> MidRad:
    """tau (P X W^T + P^T X W) + f^T G W_V^T."""
    return times(p @ (x @ T(w)) + T(p) @ (x @ w), tau) + T(f) @ (g @ T(w_v))


def dW(p: MidRad, x: MidRad, tau: Any) -> MidRad:
    """tau X^T P X."""
    return times(T(x) @ p @ x, tau)


def dW_V(f: MidRad, x: MidRad, g: MidRad) -> MidRad:
    """(f X)^T G."""
    return T(f @ x) @ g


RULES = Rules(core, dX, dW, dW_V)


@dataclass
class Run:
    """What one pass through the models gave, layer by layer (index 0 is the first layer, or T_0 in ``T``)."""

    T: list[MidRad] = field(default_factory=list)
    Z: list[MidRad] = field(default_factory=list)
    f: list[MidRad] = field(default_factory=list)
    P: list[MidRad] = field(default_factory=list)
    into_g: list[MidRad] = field(default_factory=list)
    gradient_T: list[MidRad] = field(default_factory=list)
    dX: Any = None
    dW_g0: Any = None
    dW: list[MidRad] = field(default_factory=list)
    dW_V: list[MidRad] = field(default_factory=list)
    dW_Q: list[MidRad] = field(default_factory=list)
    dW_K: list[MidRad] = field(default_factory=list)
    dW_g: list[Any] = field(default_factory=list)


class KernelError(NamedTuple):
    """The relative error eta E of the kernel: eta by model, E with axes (model, layer, head, n, n), entries in [-1, 1]."""

    eta: np.ndarray
    E: np.ndarray


def score_matrix(values: Values, layer: int) -> MidRad:
    """W = W_Q W_K^T of every head."""
    return exact(values["W_Q"][:, layer]) @ T(exact(values["W_K"][:, layer]))


def attention_weights(setting: Setting, values: Values, layer: int, x: MidRad, error: KernelError | None) -> MidRad:
    """f, or f~ with an error, of every head."""
    per_head = x[:, None]
    tau = exact(values["tau"][:, None, None, None])
    kernel = (per_head @ score_matrix(values, layer) @ T(per_head) * tau).exp()
    mask = np.tri(setting.n) if setting.causal else np.ones((setting.n, setting.n))
    kernel = kernel * exact(mask)
    if error is not None:
        eta = exact(error.eta[:, None, None, None])
        kernel = kernel * (exact(1.0) + eta * exact(error.E[:, layer]))
    return kernel * row_sums(kernel).reciprocal()


def _joined(a: MidRad) -> MidRad:
    """(model, head, n, k) as (model, n, head * k)."""
    moved = a.swapaxes(1, 2)
    return moved.reshape((*moved.shape[:2], -1))


def _split(a: MidRad, heads: int) -> MidRad:
    """(model, n, d) as (model, head, n, d / head)."""
    return a.reshape((*a.shape[:2], heads, -1)).swapaxes(1, 2)


def run(setting: Setting, values: Values, error: KernelError | None = None, rules: Rules = RULES) -> Run:
    """The models exactly (without an error), or as the algorithm computes them."""
    made = Run()
    first, back_0 = dense(exact(values["X"]), exact(values["W_g0"]), PHI[setting.phi])
    made.T.append(first)
    backs = []
    for i in range(setting.layers):
        x = made.T[-1]
        used = attention_weights(setting, values, i, x, None if setting.exact_forward else error)
        made.f.append(attention_weights(setting, values, i, x, error) if error and setting.exact_forward else used)
        z = _joined(used @ (x[:, None] @ exact(values["W_V"][:, i])))
        z = z + x if setting.residual else z
        value, back, into = between(setting, values, i, z)
        made.Z.append(z)
        made.into_g.append(into)
        made.T.append(z + value if setting.residual else value)
        backs.append(back)
    g = loss_gradient(setting.loss, made.T[-1], exact(values["target"]))
    made.gradient_T.append(g)
    for i in reversed(range(setting.layers)):
        g = _through_layer(setting, values, i, made, backs[i], g, rules)
        made.gradient_T.insert(0, g)
    made.dX, made.dW_g0 = back_0(g)
    return made


def _through_layer(
    setting: Setting, values: Values, i: int, made: Run, back: Pullback, g: MidRad, rules: Rules
) -> MidRad:
    """dL/dT_{i-1} from g = dL/dT_i; the gradients of the layer's weights are put in front of the others."""
    through, in_W_g = back(g)
    up = through + g if setting.residual else through
    x, f, w, w_v = made.T[i][:, None], made.f[i], score_matrix(values, i), exact(values["W_V"][:, i])
    tau, by_head = values["tau"][:, None, None, None], _split(up, setting.heads)
    p = rules.core(f, x @ w_v, by_head)
    in_W = rules.dW(p, x, tau)
    made.P.insert(0, p)
    made.dW.insert(0, in_W)
    made.dW_V.insert(0, rules.dW_V(f, x, by_head))
    made.dW_Q.insert(0, in_W @ exact(values["W_K"][:, i]))
    made.dW_K.insert(0, T(in_W) @ exact(values["W_Q"][:, i]))
    made.dW_g.insert(0, in_W_g)
    before = over_heads(rules.dX(p, f, x, w, w_v, by_head, tau))
    return before + up if setting.residual else before
