"""impl's Algorithm 1 for all layers on drawn models: every step against a rounding certificate, the whole against the theorem of m layers.

impl runs in floating point and its states T~_i, Z~_i and gradients are taken as exact numbers. With the defect of each step, how far
impl is from that step at its own numbers (`rounding_steps`),

    defect  <=  rounding certificate,
    |impl - exact|  <=  the recurrences of `theorems.repaired.layers` with eps_1(J_g(max |S|)), each step's defect added.

The first catches a wrong coefficient, sign, transpose or mask in the step where it is; the second is m.4 and m.5 for what really ran.
Nothing of impl's formulas is used here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb

from .backends.ball import DEFAULT_BITS, precision
from .drawn_models import Batch, batch
from .models import FLOOR, KernelError, MidRad, Run, Setting, T, Values, exact, norm, run, score_matrix, times
from .real_numbers import FUNCTIONS, Answer, at_most
from .recurrences import Balls, Ends, Measured, Theory, balls, eps_1, layers_with_error_of_dT, measure
from .rounding_steps import Implemented, Steps, steps


# -- running the implementation ------------------------------------------------------------------------------------------
def drawn(setting: Setting, family: str, seed: int, limit: float, dtype: str) -> Values:
    """One model whose numbers the precision represents, tau a power of two that brings max |S| to about the limit."""
    values = {
        name: np.asarray(value, dtype).astype(np.float64) if name not in ("eta", "tau") else value
        for name, value in batch(setting, family, seed, [0], ("corners",)).values.items()
    }
    values["tau"] = np.ones(1)
    for k in range(12):  # the states, hence the scores, depend on tau
        with np.errstate(all="ignore"):
            first = run(setting, values)
        largest = max(largest_score(values, i, first.T[i])[1] for i in range(setting.layers))
        if largest == 0 or (k and largest <= limit):
            break
        power = int(np.floor(np.log2(limit / min(largest, 2.0**20 * limit))))
        values["tau"] = values["tau"] * 2.0 ** (min(power, 10) if k == 0 else min(power, -1))
    return values


def largest_score(values: Values, i: int, x: MidRad) -> tuple[float, float]:
    """Ends of max |S| over the heads of a layer; axes of one model."""
    scores = times(x[:, None] @ score_matrix(values, i) @ T(x[:, None]), values["tau"][:, None, None, None])
    low, high = norm(scores, "max")
    return float(low.max()), float(high.max())


def run_implementation(
    setting: Setting, values: Values, degree: int, dtype: str, device: str, **options: Any
) -> Implemented:
    """What impl computes for the one model of ``values``, as numbers without radius.

    Raises:
        almostlinear.impl.DegreeError: if the polynomial may vanish on a layer's range.
    """
    import torch

    from almostlinear.impl.algorithm_layers import AttentionLayer, multi_gradient

    from .torch_models import Between, First, loss_of

    kind = getattr(torch, dtype)
    given = {
        name: torch.from_numpy(np.ascontiguousarray(v[0])).to(device, kind) for name, v in values.items() if v.ndim > 1
    }
    layers = [
        AttentionLayer(given["W_Q"][i], given["W_K"][i], given["W_V"][i], Between(setting, given, i))
        for i in range(setting.layers)
    ]
    found = multi_gradient(
        given["X"],
        First(setting, given),
        layers,
        loss_of(setting, given),
        residual=setting.residual,
        forward="exact" if setting.exact_forward else "approximate",
        degree=degree,
        scale=float(values["tau"][0]),
        is_causal=setting.causal,
        **options,
    )

    return collected(
        setting,
        values,
        {
            "T": found.states,
            "Z": found.attended,
            "gradient_T": [*(g.input for g in found.layers), found.output],
            "gradient_Z": [g.attended for g in found.layers],
            "dX": [found.input],
            "dW_g0": found.first,
            "dW": [g.weight for g in found.layers],
            "dW_V": [g.value for g in found.layers],
            "dW_Q": [g.query for g in found.layers],
            "dW_K": [g.key for g in found.layers],
            "dW_g": [g.after[0] if g.after else None for g in found.layers],
        },
    )


def run_transformer(
    setting: Setting, values: Values, degree: int, dtype: str, device: str, attention: str = "algorithm1", **_: Any
) -> Implemented:
    """The same of impl's transformer, whose MLP phi(z W_g) W_2 is g_i of the kind "mlp", and of autograd through it.

    It has no gradient by W = W_Q W_K^T; that of the exact model stands in for it.
    """
    import torch

    from almostlinear.impl.models import AlmostLinearTransformer, TransformerConfig

    from .torch_models import First, load_weights, loss_of, recorded

    if setting.g != "mlp" or setting.exact_forward:
        raise ValueError(
            f"the transformer is no model with g = {setting.g} and an exact forward pass = {setting.exact_forward}"
        )
    kind = getattr(torch, dtype)
    given = {
        name: torch.from_numpy(np.ascontiguousarray(v[0])).to(device, kind) for name, v in values.items() if v.ndim > 1
    }
    d = setting.d
    config = TransformerConfig(
        vocabulary=d, width=d, heads=setting.heads, layers=setting.layers, max_length=setting.n, mlp_width=d, norm="none",
        attention=attention, is_causal=setting.causal, residual=setting.residual, positions="none",  # type: ignore[arg-type]
        activation=setting.phi, tied=False, scale=float(values["tau"][0]), degree=degree,  # type: ignore[arg-type]
        backend="auto" if attention == "algorithm1" else "monomials",
    )  # fmt: skip
    model = AlmostLinearTransformer(config).to(device, kind)
    load_weights(model, given)
    found = recorded(model, First(setting, given), given["X"], loss_of(setting, given))
    made = collected(setting, values, found)
    with np.errstate(all="ignore"):
        made.dW = run(setting, values).dW
    return made


def collected(setting: Setting, values: Values, found: Mapping[str, Sequence[Any]]) -> Implemented:
    """Tensors as numbers without radius, by the names of `Run`."""

    def numbers(x: Any) -> Any:
        return None if x is None else exact(x.detach().double().cpu().numpy()[None])

    made = Implemented(
        **{name: [numbers(x) for x in listed] for name, listed in found.items() if name not in ("dX", "dW_g0")}
    )
    made.dX, made.dW_g0 = numbers(found["dX"][0]), numbers(found["dW_g0"][0])
    made.into_g = [z + exact(values["place"][:, i]) if setting.g == "position" else z for i, z in enumerate(made.Z)]
    return made


# -- the theorem of m layers ---------------------------------------------------------------------------------------------
@dataclass
class Judgement:
    """The answers by step and by output of the model, and observed / bound by output."""

    steps: dict[tuple[str, int], Answer]
    outputs: dict[str, Answer]
    ratios: dict[str, float]

    @property
    def faults(self) -> list[object]:
        """Steps that are not within their certificates, and outputs that surely exceed their bounds."""
        wrong = [name for name, answer in self.steps.items() if answer is not Answer.YES]
        return [*wrong, *(name for name, answer in self.outputs.items() if answer is Answer.NO)]

    @property
    def undecided(self) -> bool:
        """Whether the enclosure of an observed error overlaps its bound: some are attained, and roundings are all there is to them."""
        return Answer.UNKNOWN in self.outputs.values()


def kernel_error(setting: Setting, values: Values, made: Run, degree: int) -> arb:
    """J_g(max |S|) over all layers and heads, S at the states that impl had."""
    largest = max(largest_score(values, i, made.T[i])[1] for i in range(setting.layers))
    return FUNCTIONS["J"](arb(largest), arb(degree))


def judge(
    setting: Setting,
    values: Values,
    made: Implemented,
    degree: int,
    dtype: str,
    theory: Theory,
    taken: Steps | None = None,
) -> Judgement:
    """Every step and every output of one model; ``taken`` are the steps where they are not those of ``made``.

    Raises:
        ValueError: if J_g(max |S|) is not below 1, where the theorem says nothing, or if rounding may spoil a normaliser.
    """
    with np.errstate(all="ignore"):
        first = run(setting, values)
        found = steps(setting, values, made, degree, dtype) if taken is None else taken
    open_ended = [name for name, step in found.items() if not np.all(np.isfinite(step.certificate))]
    if open_ended:
        raise ValueError(f"no rounding certificate for {open_ended[0]}: in {dtype} a normaliser may vanish")
    with precision(DEFAULT_BITS):
        eta = kernel_error(setting, values, made, degree)
        if not eta < 1:
            raise ValueError(f"J_{degree} is {eta} at the largest score")
        measured = measured_on(setting, values, first, made)
        return compare(setting, values, measured, found, eps_1(eta), theory)


def measured_on(setting: Setting, values: Values, first: Run, second: Run) -> Measured:
    """Constants and errors of one model, exact and as computed."""
    one = Batch(setting, values, np.array([0]), ("",), KernelError(np.zeros(1), np.zeros(0)))
    with np.errstate(all="ignore"):
        return measure(one, first, second)


def compare(setting: Setting, values: Values, measured: Measured, found: Steps, eps: arb, theory: Theory) -> Judgement:
    """The answers of the steps, and of the outputs against the recurrences."""
    allowed = recurrences(setting, values, measured, found, eps, theory)
    answers, ratios = {}, {}
    for output, listed in measured.errors.items():
        observed = [_largest_of(ends) for ends in listed]
        pairs = list(zip(observed, allowed[output], strict=True))
        decided = [at_most(a, b) for a, b in pairs]
        answers[output] = next((a for a in (Answer.NO, Answer.UNKNOWN) if a in decided), Answer.YES)
        ratios[output] = max((float((a / b).mid()) for a, b in pairs if b > 0), default=0.0)
    return Judgement({k: s.answer for k, s in found.items()}, answers, ratios)


def _largest_of(ends: Ends) -> arb:
    """The largest over heads."""
    return arb(float(ends[0].max())).union(arb(float(ends[1].max())))


def recurrences(
    setting: Setting, values: Values, measured: Measured, found: Steps, eps: arb, theory: Theory
) -> dict[str, list[arb]]:
    """Bounds on every output, by layer: the steps of the theory, each with what impl added to it."""
    forward_eps = arb(0) if setting.exact_forward else eps
    fixed = {
        "eps": eps, "tau": arb(float(values["tau"][0])), "sig": arb(int(setting.residual)), "n": arb(setting.n),
        "d": arb(setting.d), "floor": arb(float(FLOOR)),
    }  # fmt: skip
    heads = [[{**fixed, **balls(by_name, 0, k)} for k in range(setting.heads)] for by_name in measured.heads]
    states: list[Balls] = []
    a = found["T", 0].size
    for i, (by_name, of_heads) in enumerate(zip(measured.constants, heads, strict=True)):
        state = {**fixed, **balls(by_name, 0), "a": a}
        numbered = {f"{name}_{k}": x[name] for k, x in enumerate(of_heads) for name in Theory.HEAD}
        state |= dict(
            zip(("lam", "mu", "alpha", "beta", "H", "bend"), theory.layer({**state, **numbered}), strict=True)
        )
        az, then = theory.forward({**state, "eps": forward_eps})
        state["az"] = az + found["Z", i].size
        a = then + state["mu"] * found["Z", i].size + found["T", i + 1].size
        states.append(state)
    whole = {**fixed, **balls(measured.whole, 0), "a": a}
    (e,), gam = theory.loss(whole), whole["gam"]
    e = e + found["loss", setting.layers].size
    made: dict[str, list[arb]] = {"T_m": [a], "dL/dT": [e]}
    for i in reversed(range(setting.layers)):
        state = states[i]
        state |= {"e": e, "gam": gam}
        dz, state["total"], e, gam = theory.backward(state)
        state["dz"] = dz + found["dZ", i].size
        e = e + state["lam"] * found["dZ", i].size + found["dT", i].size
        made["dL/dT"].insert(0, e)
    made["dL/dT"] = made["dL/dT"][: layers_with_error_of_dT(setting)]
    L_0, _, _ = theory.into_X({**whole, "og": whole["og_0"]})
    made["dL/dX"] = [L_0 * e + found["dX", 0].size]
    for k, (part, name) in enumerate(
        zip(("dL/dW", "dL/dW_Q", "dL/dW_K", "dL/dW_V"), ("dW", "dW_Q", "dW_K", "dW_V"), strict=True)
    ):
        made[part] = [
            max((theory.head({**state, **x})[k] for x in of_heads), key=lambda v: float(v.mid())) + found[name, i].size
            for i, (state, of_heads) in enumerate(zip(states, heads, strict=True))
        ]
    start = {
        **whole, "R": whole["R_0"], "og": whole["og_0"], "e": e, "az": arb(0), "gam": gam, "keep": arb(1), "og_2": arb(1),
    }  # fmt: skip
    made["dL/dW_g"] = [theory.in_g(start)[0] + found["dW_g", -1].size]
    if setting.g != "norm":
        made["dL/dW_g"] += [theory.in_g(x)[0] + found["dW_g", i].size for i, x in enumerate(states)]
    made["dL/dW_g"] = made["dL/dW_g"][: len(measured.errors["dL/dW_g"])]
    return made
