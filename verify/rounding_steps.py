"""The steps of Algorithm 1 for all layers as an implementation took them, each with a rounding certificate.

A step's defect is how far its result is from the same step in enclosures, at the numbers that the implementation itself had before the
step, with T_g for the kernel. Its certificate is an absolute program (`theorems.rounding`): sums of absolute values, times what M
roundings can do. Assumed of the implementation: tanh, exp and the logistic function within 8 units in the last place.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import comb, factorial

import numpy as np
from flint import arb

from almostlinear.theorems.rounding import path_length

from .models import (
    BACKEND,
    FLOOR,
    PHI,
    RULES,
    MidRad,
    Run,
    Setting,
    T,
    Values,
    _joined,
    _split,
    attention_weights,
    between,
    dense,
    exact,
    loss_gradient,
    minus,
    norm,
    over_heads,
    row_sums,
    score_matrix,
    times,
)  # fmt: skip
from .real_numbers import Answer

ROUNDOFF = {"float32": 2.0**-24, "float64": 2.0**-53}
UNDERFLOW = {"float32": 2.0**-100, "float64": 2.0**-900}
"""Gradual underflow costs a product 2^-150 (2^-1075) at most; this leaves factors of 2^50 for what comes after it."""
SPARE = 1 + 1e-6
"""Certificates are computed in float64 from nonnegative terms."""


@dataclass
class Implemented(Run):
    """What impl returned, dL/dZ_i as well."""

    gradient_Z: list[MidRad] = field(default_factory=list)


@dataclass(frozen=True)
class Step:
    """One step: how far impl is from it, and what rounding may do, entry by entry ("max") or in sum ("sum").

    ``allowed``: what else it may be off by, in the same norm. ``by_certificate``: count as its size what it may be, not what it is.
    """

    defect: MidRad
    certificate: np.ndarray
    kind: str
    allowed: float = 0.0
    by_certificate: bool = False

    @property
    def answer(self) -> Answer:
        """Whether the defect is within what is allowed, as far as the radius of the enclosure can tell."""
        size, radius, limit = np.abs(self.defect.mid), self.defect.rad, self.certificate * SPARE
        if self.kind == "sum":
            size, radius, limit = size.sum(), radius.sum(), limit.sum()
        if not (np.all(np.isfinite(size + radius)) and np.all(np.isfinite(limit))):
            return Answer.UNKNOWN
        return Answer.YES if np.all(size <= limit + self.allowed * SPARE + radius * SPARE) else Answer.NO

    @property
    def size(self) -> arb:
        """The defect's norm, from above, or that of the certificate."""
        if self.by_certificate:
            return arb(float((self.certificate.sum() if self.kind == "sum" else self.certificate.max()) * SPARE))
        _, high = norm(self.defect, self.kind)
        return arb(float(high.max()))


Steps = dict[tuple[str, int], Step]
"""By name and layer, layers from 0; of T there is one more."""


def polynomial_weights(setting: Setting, values: Values, i: int, x: MidRad, degree: int) -> MidRad:
    """f~ of every head: rows of M * T_g(S) divided by their sums, S at ``x``."""
    per_head = x[:, None]
    scores = times(per_head @ score_matrix(values, i) @ T(per_head), values["tau"][:, None, None, None])
    kernel = exact(np.zeros(scores.shape)) + BACKEND.number(Fraction(1, factorial(degree)))
    for j in range(degree - 1, -1, -1):
        kernel = kernel * scores + BACKEND.number(Fraction(1, factorial(j)))
    kernel = kernel * exact(np.tri(setting.n) if setting.causal else np.ones((setting.n, setting.n)))
    return kernel * row_sums(kernel).reciprocal()


def steps(
    setting: Setting, values: Values, made: Implemented, degree: int, dtype: str, against_exact: bool = False
) -> Steps:
    """Every step that impl took; ``against_exact``: beside exact attention weights instead of T_g's."""
    u, found = ROUNDOFF[dtype], Steps()
    absolute = [Absolute(setting, values, i, made, degree, u) for i in range(setting.layers)]
    phi = PHI[setting.phi]
    first, pull_first = dense(exact(values["X"]), exact(values["W_g0"]), phi)
    x_0, w_0 = np.abs(values["X"][0]), np.abs(values["W_g0"][0])
    small, slopes = _gamma(3 * setting.d + 64, u), _slopes(setting, x_0 @ w_0)
    found["T", 0] = Step(minus(made.T[0], first), small * (float(phi.L1) * (x_0 @ w_0)), "max")
    by_x, by_w = pull_first(made.gradient_T[0])
    upstream = np.abs(made.gradient_T[0].mid[0]) * slopes
    found["dX", 0] = Step(minus(made.dX, by_x), small * (upstream @ w_0.T), "sum")
    assert by_w is not None
    found["dW_g", -1] = Step(
        minus(made.dW_g0, by_w), _gamma(3 * setting.d + 64 + setting.n, u) * (x_0.T @ upstream), "max"
    )
    for i in range(setting.layers):
        x = made.T[i]
        f = (
            attention_weights(setting, values, i, x, None)
            if against_exact
            else polynomial_weights(setting, values, i, x, degree)
        )
        found |= _steps_of_layer(setting, values, i, made, f, absolute[i])
    output = loss_gradient(setting.loss, made.T[-1], exact(values["target"]))
    largest = np.abs(made.T[-1].mid).max()
    spread = {"sum": 0.0, "l2": 4 * u, "cross entropy": _gamma(setting.d + 32, u) * (1 + 4 * largest)}[setting.loss]
    sizes = np.abs(made.T[-1].mid) + np.abs(values["target"]) + 1
    found["loss", setting.layers] = Step(minus(made.gradient_T[-1], output), spread * sizes, "sum")
    return {name: replace(step, certificate=step.certificate + UNDERFLOW[dtype]) for name, step in found.items()}


def _steps_of_layer(
    setting: Setting, values: Values, i: int, made: Implemented, f: MidRad, absolute: Absolute
) -> Steps:
    x, z, g_T, g_Z = made.T[i], made.Z[i], made.gradient_T[i + 1], made.gradient_Z[i]
    used = attention_weights(setting, values, i, x, None) if setting.exact_forward else f
    after = _joined(used @ (x[:, None] @ exact(values["W_V"][:, i])))
    value, back, _ = between(setting, values, i, z)
    through, in_W_g = back(g_T)
    if setting.residual:
        after, value, through = after + x, value + z, through + g_T
    by_head, h, tau = (
        _split(g_Z, setting.heads),
        x[:, None] @ exact(values["W_V"][:, i]),
        values["tau"][:, None, None, None],
    )
    p = RULES.core(f, h, by_head)
    before = over_heads(RULES.dX(p, f, x[:, None], score_matrix(values, i), exact(values["W_V"][:, i]), by_head, tau))
    before = before + g_Z if setting.residual else before
    in_W = RULES.dW(p, x[:, None], tau)
    weights = {
        "dW": in_W, "dW_V": RULES.dW_V(f, x[:, None], by_head), "dW_Q": in_W @ exact(values["W_K"][:, i]),
        "dW_K": T(in_W) @ exact(values["W_Q"][:, i]),
    }  # fmt: skip
    found = {
        ("Z", i): Step(minus(z, after), absolute.output(), "max"),
        ("T", i + 1): Step(minus(made.T[i + 1], value), absolute.value(), "max"),
        ("dZ", i): Step(minus(g_Z, through), absolute.pulled(), "sum"),
        ("dT", i): Step(minus(made.gradient_T[i], before), absolute.before(), "sum"),
    }
    for name, ours in weights.items():
        found[name, i] = Step(minus(getattr(made, name)[i], ours), absolute.weights()[name], "max")
    if in_W_g is not None:
        found["dW_g", i] = Step(minus(made.dW_g[i], in_W_g), absolute.in_W_g(), "max")
    return found


def _gamma(count: int, u: float) -> float:
    return count * u / (1 - count * u)


def _slopes(setting: Setting, inside: np.ndarray) -> np.ndarray:
    """What |phi'| and its error by a relative error of its argument are made of."""
    return float(PHI[setting.phi].L1) + float(PHI[setting.phi].L2) * inside


class Absolute:
    """The absolute programs of one layer's steps at impl's own numbers, times what M roundings can do."""

    def __init__(self, setting: Setting, values: Values, i: int, made: Implemented, degree: int, u: float) -> None:
        self.setting, self.u = setting, u
        self.w = {name: np.abs(values[name][0, i]) for name in ("W_Q", "W_K", "W_V", "W_g", "W_2", "keep", "place")}
        self.tau = float(values["tau"][0])
        self.x, self.z = np.abs(made.T[i].mid[0]), np.abs(made.Z[i].mid[0])
        self.g_T, self.g_Z = np.abs(made.gradient_T[i + 1].mid[0]), np.abs(made.gradient_Z[i].mid[0])
        mask = np.tri(setting.n) if setting.causal else np.ones((setting.n, setting.n))
        score = self.tau * made.T[i].mid[0] @ score_matrix(values, i).mid[0] @ made.T[i].mid[0].T
        self.W = self.w["W_Q"] @ self.w["W_K"].swapaxes(-1, -2)
        self.score = self.tau * self.x @ self.W @ self.x.T
        normaliser = (_taylor(score, degree) * mask).sum(-1, keepdims=True)
        kernel = _taylor(self.score, degree) * mask
        self.f, self.h = kernel / normaliser, self.x @ self.w["W_V"]
        width = setting.d // setting.heads
        self.gamma = _gamma(path_length(setting.n, setting.d, degree, comb(width + degree, degree)), u)
        self.rho = self.gamma * float((kernel.sum(-1, keepdims=True) / normaliser).max())
        self.P = self._core()

    def factor(self, reciprocals: int) -> float:
        """(1 + gamma_M)((1 + u)/(1 - rho))^r - 1."""
        return float((1 + self.gamma) * ((1 + self.u) / (1 - self.rho)) ** reciprocals - 1) if self.rho < 1 else np.inf

    def output(self) -> np.ndarray:
        """Of Z. Of an exact softmax the kernel's entries are off by what the scores are, and by 16 units for exp and its shift."""
        factor, attended = self.factor(1), self._joined(self.f @ self.h)
        if self.setting.exact_forward:
            kernel = np.expm1(2 * self.gamma * self.score.max()) + 16 * self.u
            factor = (1 + self.gamma) * (1 + kernel) ** 2 / (1 - kernel) - 1
            attended = np.broadcast_to(self._joined(self.h).max(0), self.x.shape)
        return factor * (attended + (self.x if self.setting.residual else 0.0))

    def value(self) -> np.ndarray:
        """Of T_i."""
        s, small = self.setting, _gamma(3 * self.setting.d + 64, self.u)
        if s.g == "norm":
            found = np.full(self.z.shape, 4 * (1 + s.d**0.5) / float(FLOOR) * self.z.max() + s.d**0.5)
        else:
            found = float(PHI[s.phi].L1) * (self._into_g() @ self.w["W_g"])
            found = found * self.w["keep"] if s.g == "dropout" else found @ self.w["W_2"] if s.g == "mlp" else found
        return small * (found + (self.z if s.residual else 0.0))

    def pulled(self) -> np.ndarray:
        """Of dL/dZ_i."""
        s, small = self.setting, _gamma(3 * self.setting.d + 64, self.u)
        if s.g == "norm":
            floor, total = float(FLOOR), self.g_T.sum(-1, keepdims=True)
            each = (16 * (1 + s.d**0.5) / floor**2 * self.z.max() + (2 + s.d) / floor) * total
            found = np.broadcast_to(each, self.z.shape)
        else:
            found = self._through() @ self.w["W_g"].T
        return small * (found + (self.g_T if s.residual else 0.0))

    def in_W_g(self) -> np.ndarray:
        return _gamma(3 * self.setting.d + self.setting.n + 64, self.u) * (self._into_g().T @ self._through())

    def before(self) -> np.ndarray:
        """Of dL/dT_{i-1}."""
        g, x = self._split(self.g_Z), self.x
        found = self.tau * (self.P @ (x @ self.W.swapaxes(-1, -2)) + self.P.swapaxes(-1, -2) @ (x @ self.W))
        found = (found + self.f.swapaxes(-1, -2) @ (g @ self.w["W_V"].swapaxes(-1, -2))).sum(0)
        return self.factor(2) * (found + (self.g_Z if self.setting.residual else 0.0))

    def weights(self) -> dict[str, np.ndarray]:
        """Of the gradients by the weights of attention, by head."""
        factor, in_W = self.factor(2), self.tau * (self.x.T @ self.P @ self.x)
        found = {
            "dW": in_W, "dW_Q": in_W @ self.w["W_K"], "dW_K": in_W.swapaxes(-1, -2) @ self.w["W_Q"],
            "dW_V": (self.f @ self.x).swapaxes(-1, -2) @ self._split(self.g_Z),
        }  # fmt: skip
        return {name: factor * value for name, value in found.items()}

    def _core(self) -> np.ndarray:
        g = self._split(self.g_Z)
        return self.f * (g @ self.h.swapaxes(-1, -2)) + (g * (self.f @ self.h)).sum(-1, keepdims=True) * self.f

    def _into_g(self) -> np.ndarray:
        return self.z + self.w["place"] if self.setting.g == "position" else self.z

    def _through(self) -> np.ndarray:
        s = self.setting
        upstream = (
            self.g_T * self.w["keep"] if s.g == "dropout" else self.g_T @ self.w["W_2"].T if s.g == "mlp" else self.g_T
        )
        return upstream * _slopes(s, self._into_g() @ self.w["W_g"])

    def _split(self, a: np.ndarray) -> np.ndarray:
        return a.reshape(len(a), self.setting.heads, -1).swapaxes(0, 1)

    @staticmethod
    def _joined(a: np.ndarray) -> np.ndarray:
        return a.swapaxes(0, 1).reshape(a.shape[1], -1)


def _taylor(x: np.ndarray, degree: int) -> np.ndarray:
    found = np.full_like(x, 1.0)
    for j in range(degree, 0, -1):
        found = found * x / j + 1
    return found
