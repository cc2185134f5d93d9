"""The gradient of the degree-g approximant itself, after exact shifts, in models of m layers: what it may add to the theorem.

With q' = q - mean q, k' = k - mean k and w_j = exp(tau <mean q, k'_j>) attention weights are rows of w_j exp(tau <q'_i, k'_j>), and
f~ those of w_j T_g. Differentiating through f~ and the shifts gives P' = f' * (G (h_j - s~_i)), f' = w_j T_{g-1}(S')/D_i, where Algorithm 1
has f~ (T_g' = T_{g-1}). With b = max |S'|, eps' = (1 + J_{g-1}(b))/(1 - J_g(b)) - 1 and eps_1 = eps_1(J_g(b)):

    |f'_ij - f_ij| <= eps' f_ij,    E' := sum |P' - P| <= H |G|_1 (2 eps' + (1 + eps') eps_1),    E~ := sum |P~ - P| <= H |G|_1 eps_1.

Rows of P sum to 0, rows of P' to at most E' in all; |q'| <= 2 |q|. Through q and mean q errors are at most 2 tau r' (2 E' + E~), through k
and mean k tau r (4 E' + E~), through v om eps_1 |G|_1. So an error of dL/dX in one layer is at most (om + 2 tau H (r + r')) eps_2 |G|_1,

    eps_2 = 2 (2 eps' + (1 + eps') eps_1) + 2 eps_1,

and every bound of m.4 and m.5, where alpha = om + tau H (r + r'), holds with 2 eps_2 - 2 eps_1 in place of eps_1.

Here each step of the implementation is compared with exact attention at its own numbers, within that bound of one layer and SHIFTED times
the rounding certificate of unshifted features; and the whole with the recurrences.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from flint import arb

from .backends.ball import DEFAULT_BITS, precision
from .implemented import Judgement, compare, largest_score, measured_on
from .models import MidRad, Setting, T, Values, exact, minus, norm, run, score_matrix, times
from .real_numbers import FUNCTIONS
from .recurrences import Theory, eps_1
from .rounding_steps import Implemented, steps

SHIFTED = 4
"""Shifting adds a mean, a difference and the exponential of a score to each path: fewer roundings than it has already; taken four times."""


def shifted_score(setting: Setting, values: Values, i: int, x: MidRad) -> float:
    """The larger of max |S| and max |S'| over the heads of a layer, from above."""
    share = exact(np.full((setting.n, setting.n), 1.0 / setting.n))
    sides = []
    for name in ("W_Q", "W_K"):
        side = x[:, None] @ exact(values[name][:, i])
        sides.append(minus(side, share @ side))
    _, high = norm(times(sides[0] @ T(sides[1]), values["tau"][:, None, None, None]), "max")
    return max(float(high.max()) * (1 + 1e-12), largest_score(values, i, x)[1])


def eps_2(b: arb, degree: int) -> arb:
    """See the module; infinite where J_g(b) >= 1."""
    kernel, slope = (FUNCTIONS["J"](b, arb(g)) for g in (degree, degree - 1))
    if not kernel < 1:
        return arb("inf")
    row, relative = eps_1(kernel), (1 + slope) / (1 - kernel) - 1
    return 2 * (2 * relative + (1 + relative) * row) + 2 * row


def eps_of_layers(b: arb, degree: int) -> arb:
    """2 eps_2 - 2 eps_1."""
    return 2 * eps_2(b, degree) - 2 * eps_1(FUNCTIONS["J"](b, arb(degree)))


def judge_approximant(
    setting: Setting,
    values: Values,
    made: Implemented,
    degree: int,
    dtype: str,
    theory: Theory,
    scores: float | None = None,
) -> Judgement:
    """Every step and every output of one model whose attention is differentiated as it is computed.

    Args:
        scores: a range to judge by, in place of the measured one.

    Raises:
        ValueError: if J_g is not below 1 on the range, or if rounding may spoil a normaliser.
    """
    with np.errstate(all="ignore"):
        first = run(setting, values)
        found = steps(setting, values, made, degree, dtype, against_exact=True)
    if not all(np.all(np.isfinite(step.certificate)) for step in found.values()):
        raise ValueError(f"no rounding certificate: in {dtype} a normaliser may vanish")
    with precision(DEFAULT_BITS):
        b = (
            max(shifted_score(setting, values, i, made.T[i]) for i in range(setting.layers))
            if scores is None
            else scores
        )
        eps = eps_2(arb(b), degree)
        if not eps.is_finite():
            raise ValueError(f"J_{degree} is not below 1 at {b}")
        for i in range(setting.layers):
            allowed = _one_layer(setting, values, i, made, float(eps.upper()))
            for name, extra in allowed.items():
                step = found[name, i]
                found[name, i] = replace(
                    step, certificate=SHIFTED * step.certificate, allowed=extra, by_certificate=True
                )
        whole = eps_of_layers(arb(b), degree)
        return compare(setting, values, measured_on(setting, values, first, made), found, whole, theory)


def _one_layer(setting: Setting, values: Values, i: int, made: Implemented, eps: float) -> dict[str, float]:
    """chain.md 3(B) at the numbers of the implementation, by step."""
    x, g = np.abs(made.T[i].mid[0]), np.abs(made.gradient_Z[i].mid[0])
    w, w_v = score_matrix(values, i).mid[0], values["W_V"][0, i]
    tau, total = float(values["tau"][0]), g.sum()
    H, om = np.abs(made.T[i].mid[0] @ w_v).max(), np.abs(w_v).sum(-2).max()
    r, r_t = (np.abs(made.T[i].mid[0] @ side).sum(-1).max() for side in (w, w.swapaxes(-1, -2)))
    in_W = 2 * tau * x.max() ** 2 * H * eps * total
    columns = {name: np.abs(values[name][0, i]).sum(-2).max() for name in ("W_Q", "W_K")}
    return {
        "Z": eps * H, "dT": (om + 2 * tau * H * (r + r_t)) * eps * total, "dW_V": x.max() * eps * total,
        "dW_Q": in_W * columns["W_K"], "dW_K": in_W * columns["W_Q"],
    }  # fmt: skip
