"""The recurrences of `theorems.repaired.layers` in ball arithmetic, at constants measured on models.

Every constant (H, r, r', om, R_X, ...) is the larger one of the exact and the algorithm's run, enclosed; the recurrences go up through the
layers and back, and the right sides of the claims (the closed forms) are evaluated with rho, A and C the largest of the layers'.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import sympy
from flint import arb, fmpq

from almostlinear.theorems import load
from almostlinear.theorems.norms import Norm
from almostlinear.theorems.statement import Bound

from .drawn_models import Batch
from .models import FLOOR, PHI, MidRad, Run, Setting, exact, minus, norm, score_matrix

Balls = dict[str, arb]
Ends = tuple[np.ndarray, np.ndarray]
"""Lower and upper ends of a quantity over the instances of a batch; of heads along a second axis."""


# -- the theory in balls -----------------------------------------------------------------------------------------------
def compiled(expressions: list[Any], name_of: Callable[[sympy.Symbol], str] = str) -> Callable[[Balls], list[arb]]:
    """A function from values by name to the expressions in balls; nothing is rounded to a float on the way."""
    expressions = [sympy.sympify(e) for e in expressions]
    rationals = {q for e in expressions for q in e.atoms(sympy.Rational) if not q.is_Integer}
    stand_in = {q: sympy.Symbol(f"rational_{q.p}_{q.q}") for q in rationals}
    if any(e.atoms(sympy.Float) for e in expressions):
        raise ValueError("a float in a recurrence")
    free = sorted({x for e in expressions for x in e.free_symbols}, key=name_of)
    written = {x: sympy.Symbol(f"x_{k}", nonnegative=True) for k, x in enumerate(free)}
    functions = {"Max": lambda *a: _largest(a), "sqrt": lambda a: arb(a).sqrt()}
    changed = [e.xreplace({**stand_in, **written}) for e in expressions]
    function = sympy.lambdify([*written.values(), *stand_in.values()], changed, modules=[functions], cse=True)
    fixed = [arb(fmpq(int(q.p), int(q.q))) for q in stand_in]
    names = [name_of(x) for x in free]
    return lambda values: [arb(x) for x in function(*(values[name] for name in names), *fixed)]


def _largest(values: Any) -> arb:
    first, *rest = (arb(x) for x in values)
    for value in rest:
        first = first.max(value)
    return first


def _named(symbol: sympy.Symbol) -> str:
    return symbol.formula.data[0] if isinstance(symbol, Norm) else symbol.name


def steps_of_layers() -> Any:
    """The module of the recurrences, imported after the sections before it, so that statements keep their order."""
    load()
    from almostlinear.theorems.repaired import layer_steps

    return layer_steps


class Theory:
    """The steps of `theorems.repaired.layer_steps` (or of a stand-in with the same names) and the claims' right sides, for balls."""

    HEAD = ("tau", "H", "r", "r_t", "om", "w")

    def __init__(self, claims: dict[str, Bound], heads: int, g: str, phi: str, loss: str, steps: Any = None) -> None:
        steps = steps_of_layers() if steps is None else steps
        q = SimpleNamespace(**{name: sympy.Symbol(name, nonnegative=True) for name in NAMES})
        each = [
            steps.Head(*(sympy.Symbol(f"{name}_{k}", nonnegative=True) for name in self.HEAD)) for k in range(heads)
        ]
        one, layer = steps.Head(*(getattr(q, x) for x in self.HEAD)), steps.Layer(*(getattr(q, x) for x in LAYER))
        L1, L2 = PHI[phi].L1, PHI[phi].L2
        made = steps.Layer.of(q.sig, _smooth(g, q, L1, L2, steps), *each)
        self.layer = compiled([made.lam, made.mu, made.alpha, made.beta, made.H, made.bend])
        after = steps.error_of_Z(layer, q.a, q.eps)
        self.forward = compiled([after, steps.error_of_T(layer, after)])
        up, total = steps.error_of_dZ(layer, q.e, q.az, q.gam), steps.size_of_dZ(layer, q.gam)
        before = steps.error_of_dT(layer, up, total, q.a, q.eps)
        self.backward = compiled([up, total, before, steps.size_of_dT(layer, total)])
        in_W = steps.error_of_dW(one, q.R_X, q.dz, q.total, q.a, q.eps)
        factors = [steps.error_of_factor(in_W, columns) for columns in (q.c_K, q.c_Q)]
        self.head = compiled([in_W, *factors, steps.error_of_dWV(one, q.R_X, q.dz, q.total, q.a, q.eps)])
        more = {"dropout": q.keep, "mlp": q.og_2}.get(g, sympy.Integer(1))
        self.in_g = compiled([steps.error_of_dWg(q.R, L1, L2, q.og, q.e * more, q.az, q.gam * more)])
        self.loss = compiled([steps.error_of_loss(steps.KAPPA[loss], q.a)])
        self.added = compiled([layer.mu * layer.H, steps.added_backward(layer, q.A, q.s)])
        self.into_X = compiled([L1 * q.og, L1, L2])
        self.right = {part: compiled([claim.right], _named) for part, claim in claims.items()}


LAYER = ("lam", "mu", "alpha", "beta", "H", "bend")
STATE = (
    "sig",
    "R_X",
    "R",
    "dz",
    "total",
    "a",
    "e",
    "az",
    "gam",
    "eps",
    "og",
    "og_2",
    "keep",
    "d",
    "floor",
    "c_Q",
    "c_K",
    "A",
    "s",
)
NAMES = (*Theory.HEAD, *LAYER, *STATE)


def _smooth(g: str, q: Any, L1: Any, L2: Any, steps: Any) -> Any:
    """The constants of a map g_i by the theory."""
    if g == "norm":
        return steps.layer_norm(q.d, q.floor)
    inner = steps.dense(L1, L2, q.og)
    if g == "position":
        return steps.POSITION.then(inner)
    return inner.then(steps.linear({"dropout": q.keep, "mlp": q.og_2}[g])) if g != "dense" else inner


# -- measuring ----------------------------------------------------------------------------------------------------------
@dataclass
class Measured:
    """Ends of constants and errors over the instances of a batch: by layer and name, heads along a second axis."""

    constants: list[dict[str, Ends]]
    heads: list[dict[str, Ends]]
    whole: dict[str, Ends]
    errors: dict[str, list[Ends]]


def _larger(*ends: Ends) -> Ends:
    low, high = (np.maximum.reduce(np.broadcast_arrays(*x)) for x in zip(*ends, strict=True))
    return low, high


def measure(batch: Batch, first: Run, second: Run) -> Measured:
    """``first`` is the exact run, one of each model; ``second`` the algorithm's, one of each instance."""
    setting, index = batch.setting, batch.index

    def both(a: MidRad, b: MidRad, kind: str) -> Ends:
        low, high = norm(a, kind)
        return _larger((low[index], high[index]), norm(b, kind))

    def once(values: MidRad, kind: str) -> Ends:
        low, high = norm(values, kind)
        return low[index], high[index]

    def gap(a: MidRad, b: MidRad, kind: str) -> Ends:
        return norm(minus(b, a[index]), kind)

    constants, heads = [], []
    for i in range(setting.layers):
        w, w_q, w_k, w_v = (
            score_matrix(batch.values, i),
            *(exact(batch.values[k][:, i]) for k in ("W_Q", "W_K", "W_V")),
        )

        def through(matrix: MidRad, kind: str, i: int = i) -> Ends:
            low, high = norm(first.T[i][:, None] @ matrix, kind)
            return _larger((low[index], high[index]), norm(second.T[i][:, None] @ matrix[index], kind))

        heads.append({
            "H": through(w_v, "max"), "r": through(w, "row"), "r_t": through(w.swapaxes(-1, -2), "row"),
            "om": once(w_v, "col"), "w": once(w, "sum"), "c_Q": once(w_q, "col"), "c_K": once(w_k, "col"),
        })  # fmt: skip
        fixed = {name: exact(batch.values[name][:, i]) for name in ("W_g", "W_2", "keep")}
        constants.append({
            "R_X": both(first.T[i], second.T[i], "max"), "R": both(first.into_g[i], second.into_g[i], "max"),
            "og": once(fixed["W_g"], "col"), "og_2": once(fixed["W_2"], "col"), "keep": once(fixed["keep"], "max"),
        })  # fmt: skip
    whole = {
        "gam": once(first.gradient_T[-1], "sum"), "R_0": once(exact(batch.values["X"]), "max"),
        "og_0": once(exact(batch.values["W_g0"]), "col"),
    }  # fmt: skip
    errors = {
        part: [gap(getattr(first, name)[i], getattr(second, name)[i], "max") for i in range(setting.layers)]
        for part, name in {"dL/dW": "dW", "dL/dW_Q": "dW_Q", "dL/dW_K": "dW_K", "dL/dW_V": "dW_V"}.items()
    }
    moved = layers_with_error_of_dWg(setting)
    errors["dL/dW_g"] = [gap(first.dW_g0, second.dW_g0, "max")]
    errors["dL/dW_g"] += [gap(first.dW_g[i], second.dW_g[i], "max") for i in range(moved)]
    errors["dL/dX"] = [gap(first.dX, second.dX, "sum")]
    pairs = list(zip(first.gradient_T, second.gradient_T, strict=True))
    errors["dL/dT"] = [gap(a, b, "sum") for a, b in pairs[: layers_with_error_of_dT(setting)]]
    if not setting.exact_forward:
        errors["T_m"] = [gap(first.T[-1], second.T[-1], "max")]
    return Measured(constants, heads, whole, errors)


def layers_with_error_of_dWg(setting: Setting) -> int:
    """How many layers have a W_g whose gradient is off: with an exact forward pass that of the last one is not."""
    return 0 if setting.g == "norm" else setting.layers - int(setting.exact_forward)


def layers_with_error_of_dT(setting: Setting) -> int:
    """How many of dL/dT_0, dL/dT_1, ... are off: dL/dT_m is known where the forward pass is exact or the loss is linear."""
    return setting.layers + (0 if setting.exact_forward or setting.loss == "sum" else 1)


# -- one instance ---------------------------------------------------------------------------------------------------------
def ball(ends: Ends, *at: int) -> arb:
    """The ball that holds both ends."""
    return arb(float(ends[0][at])).union(arb(float(ends[1][at])))


def balls(named: dict[str, Ends], *at: int) -> Balls:
    return {name: ball(ends, *at) for name, ends in named.items()}


@dataclass
class Bounds:
    """Bounds of one instance by output: a list over layers and heads, first layer first, by the recurrences and by the claims."""

    recurrence: dict[str, list[arb]] = field(default_factory=dict)
    closed: dict[str, list[arb]] = field(default_factory=dict)


def bounds(theory: Theory, batch: Batch, measured: Measured, t: int) -> Bounds:
    """The recurrences from the first layer to the last and back, then the claims' right sides."""
    setting, eps = batch.setting, eps_1(arb(float(batch.eta[t])))
    fixed = {"eps": eps, "tau": arb(float(batch.tau[t])), "sig": arb(int(setting.residual)), "n": arb(setting.n),
             "d": arb(setting.d), "floor": arb(fmpq(FLOOR.numerator, FLOOR.denominator))}  # fmt: skip
    heads = [[{**fixed, **balls(by_name, t, k)} for k in range(setting.heads)] for by_name in measured.heads]
    states: list[Balls] = []
    a = arb(0)
    for by_name, of_heads in zip(measured.constants, heads, strict=True):
        state = {**fixed, **balls(by_name, t), "a": a}
        numbered = {f"{name}_{k}": x[name] for k, x in enumerate(of_heads) for name in Theory.HEAD}
        state |= dict(zip(LAYER, theory.layer({**state, **numbered}), strict=True))
        state["az"], a = theory.forward(state)
        if setting.exact_forward:
            state["az"], a = arb(0), arb(0)
        states.append(state)
    whole = {**fixed, **balls(measured.whole, t), "a": a}
    made = Bounds(recurrence={"T_m": [a]})
    (e,), gam = theory.loss(whole), whole["gam"]
    whole["e_m"] = e
    for state in reversed(states):
        state |= {"e": e, "gam": gam}
        state["dz"], state["total"], e, gam = theory.backward(state)
    L_0, L1, L2 = theory.into_X({**whole, "og": whole["og_0"]})
    whole |= {"e_0": e, "L_0": L_0, "L1": L1, "L2": L2}
    made.recurrence["dL/dX"] = [L_0 * e]
    made.recurrence["dL/dT"] = [e, *(state["e"] for state in states)][: layers_with_error_of_dT(setting)]
    of_weights = [theory.head({**state, **x}) for state, of_heads in zip(states, heads, strict=True) for x in of_heads]
    for k, part in enumerate(("dL/dW", "dL/dW_Q", "dL/dW_K", "dL/dW_V")):
        made.recurrence[part] = [values[k] for values in of_weights]
    first = {
        **whole,
        "R": whole["R_0"],
        "og": whole["og_0"],
        "e": e,
        "az": arb(0),
        "gam": gam,
        "keep": arb(1),
        "og_2": arb(1),
    }
    made.recurrence["dL/dW_g"] = [theory.in_g(x)[0] for x in (first, *states[: layers_with_error_of_dWg(setting)])]
    made.closed = _closed(theory, setting, whole, states, heads)
    return made


def eps_1(eta: arb) -> arb:
    """2 eta / (1 + sqrt(1 - eta^2))."""
    return 2 * eta / (1 + (1 - eta * eta).sqrt())


def _closed(
    theory: Theory, setting: Setting, whole: Balls, states: list[Balls], heads: list[list[Balls]]
) -> dict[str, list[arb]]:
    """The right sides of the claims, with rho, A and C the largest of the layers' and what is free set to the measured values."""
    m = setting.layers
    rho = _largest([x["lam"] * x["mu"] for x in states])
    s = sum((rho**k for k in range(m - 1)), arb(0))
    A = _largest([theory.added({**x, "A": arb(0), "s": s})[0] for x in states])
    C = _largest([theory.added({**x, "A": A, "s": s})[1] for x in states])

    def at(i: int) -> Balls:
        """The claims' letters in layer i (from 0), the j-th from the top."""
        x, j = states[i], m - i
        own = theory.added({**x, "A": A, "s": s})
        return {
            **x, "j": arb(j), "p": rho ** (j - 1), "s": s, "v": (j - 1) * rho ** max(j - 2, 0), "gamma": whole["gam"],
            "more": rho - x["lam"] * x["mu"], "more_A": A - own[0], "more_C": C - own[1], "Lam_0": x["lam"] - x["alpha"],
            "e_m": whole["e_m"], "a": x["a"] / x["eps"], "z": x["az"] / x["eps"], "L": whole["L1"],
        }  # fmt: skip

    layers_ = [at(i) for i in range(m)]
    of_heads = [
        {**x, **y, "r": y["r"] + y["r_t"], "omega": y["om"], "R": x["R_X"], "e": x["dz"] / x["eps"]}
        for x, listed in zip(layers_, heads, strict=True) for y in listed
    ]  # fmt: skip
    found = {part: [theory.right[part](x)[0] for x in of_heads] for part in ("dL/dW", "dL/dW_V")}
    for part, columns in (("dL/dW_Q", "c_K"), ("dL/dW_K", "c_Q")):
        found[part] = [value * x[columns] for value, x in zip(found["dL/dW"], of_heads, strict=True)]
    found["dL/dX"] = [whole["L_0"] * theory.right["dL/dX"](layers_[0])[0]]
    if "T_m" in theory.right:
        found["T_m"] = theory.right["T_m"](layers_[-1])
    if setting.g == "dense":
        listed = layers_[: layers_with_error_of_dWg(setting)]
        of_g = [{**x, "e": x["e"] / x["eps"], "bend": whole["L2"]} for x in listed]
        found["dL/dW_g"] = [theory.right["dL/dW_g"](x)[0] for x in of_g]
    return found
