"""Models of m layers with an adversary's kernel error, drawn from a short text and replayable from it.

    models;approximated forward;residual;causal;n=3,d=4,heads=2,layers=3;g=mlp;phi=silu;loss=l2;family=uniform;seed=7;model=5;errors=away

Families: ``uniform``, ``corners`` (entries within a tenth of +-the scale) and ``positive`` weights, with scales drawn over decades;
``aligned``, ``curved``, ``scores`` and ``moved`` models are built to come close to what the theory allows where one kind of term counts.
The adversary's E has entries +-1: any (``corners``), one sign a column (``columns``, or ``alternating``), s t^T (``outer``), or
``towards`` and ``away`` from the keys that the upstream gradient would gain from.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .models import LOSSES, MAPS, PHI, KernelError, Setting, Values, run
from .problems import BadProblem

FAMILIES = ("aligned", "uniform", "scores", "corners", "curved", "positive", "moved")
PATTERNS = ("corners", "columns", "alternating", "outer", "towards", "away")
Combination = tuple[bool, bool, bool, int]
COMBINATIONS: tuple[Combination, ...] = tuple(itertools.product((True, False), (False, True), (False, True), (1, 2)))
"""Exact forward pass, residual connections, causal mask, heads (2: some h >= 2)."""
LARGEST_BATCH = 25
"""Models of a batch, at most; they have one setting and one family. From as many models as families on, there is a batch of each."""


@dataclass(frozen=True)
class Batch:
    """Models of one setting, one instance for each model and each sign pattern.

    Attributes:
        values: of the models, one each.
        index: the model of each instance.
        texts: what draws each instance again.
        error: of the kernel, one of each instance.
    """

    setting: Setting
    values: Values
    index: np.ndarray
    texts: tuple[str, ...]
    error: KernelError

    @property
    def tau(self) -> np.ndarray:
        return self.values["tau"][self.index]

    @property
    def eta(self) -> np.ndarray:
        return self.error.eta

    @property
    def instance_values(self) -> Values:
        """The values of every instance."""
        return {name: value[self.index] for name, value in self.values.items()}


def combination_name(setting: Setting) -> str:
    """One of the 16 combinations in words."""
    forward = "exact" if setting.exact_forward else "approximated"
    residual, mask = "residual" if setting.residual else "plain", "causal" if setting.causal else "full"
    return f"{forward} forward;{residual};{mask};{'1 head' if setting.heads == 1 else 'h heads'}"


def describe(setting: Setting, family: str, seed: int, model: int, errors: str) -> str:
    """The text that `read` reads."""
    forward, residual, mask, _ = combination_name(setting).split(";")
    sizes = ",".join(f"{name}={getattr(setting, name)}" for name in ("n", "d", "heads", "layers"))
    kinds = f"g={setting.g};phi={setting.phi};loss={setting.loss}"
    return (
        f"models;{forward};{residual};{mask};{sizes};{kinds};family={family};seed={seed};model={model};errors={errors}"
    )


def read(text: str) -> Batch:
    """The one instance that a text describes.

    Raises:
        BadProblem: if the text is not of that form.
    """
    found = re.fullmatch(
        r"models;(exact|approximated) forward;(plain|residual);(full|causal);n=(\d+),d=(\d+),heads=(\d+),layers=(\d+);g=(\w+);"
        r"phi=(\w+);loss=([\w ]+);family=(\w+);seed=(\d+);model=(\d+);errors=(\w+)",
        text,
    )
    if found is None:
        raise BadProblem(f"{text!r} is not a text of a drawn model, such as {EXAMPLE!r}")
    forward, residual, mask, *sizes, g, phi, loss, family, seed, model, errors = found.groups()
    n, d, heads, count = (int(x) for x in sizes)
    for value, known in ((g, MAPS), (phi, PHI), (loss, LOSSES), (family, FAMILIES), (errors, PATTERNS)):
        if value not in known:
            raise BadProblem(f"{text!r}: unknown {value!r}; use one of {', '.join(known)}")
    if not (1 <= n <= 64 and 1 <= count <= 64 and 1 <= d <= 64 and heads >= 1 and d % heads == 0):
        raise BadProblem(f"{text!r}: sizes must be within 1..64, and heads must divide d")
    setting = Setting(n, d, heads, count, residual == "residual", mask == "causal", forward == "exact", g, phi, loss)
    return batch(setting, family, int(seed), [int(model)], (errors,))


EXAMPLE = "models;exact forward;plain;full;n=2,d=2,heads=1,layers=2;g=dense;phi=tanh;loss=sum;family=uniform;seed=0;model=0;errors=corners"


def batch(setting: Setting, family: str, seed: int, models: list[int], patterns: tuple[str, ...] = PATTERNS) -> Batch:
    """The models of these numbers, each with every pattern."""
    drawn = [_model(setting, family, seed, k) for k in models]
    values = {name: np.stack([one[name] for one in drawn]) for name in drawn[0]}
    index = np.repeat(np.arange(len(models)), len(patterns))
    with np.errstate(all="ignore"):
        gains = np.stack([p.mid for p in run(setting, values).P], axis=1)
    signs = [
        _signs(pattern, gains[place], np.random.default_rng([seed, k, 2]))
        for place, k in enumerate(models) for pattern in patterns
    ]  # fmt: skip
    texts = tuple(describe(setting, family, seed, k, pattern) for k in models for pattern in patterns)
    return Batch(setting, values, index, texts, KernelError(values["eta"][index], np.stack(signs)))


def batches(combination: Combination, count: int, seed: int) -> Iterator[tuple[Batch, str]]:
    """``count`` models of one combination, with the family of each batch; the first batch is an aligned one."""
    exact_forward, residual, causal, heads = combination
    number = COMBINATIONS.index(combination)
    step = min(LARGEST_BATCH, max(1, count // len(FAMILIES)))
    for k, begin in enumerate(range(0, count, step)):
        rng = np.random.default_rng([seed, number, k])
        family = FAMILIES[k % len(FAMILIES)]
        h = heads if heads == 1 else int(rng.integers(2, 4))
        pair, width = (
            family in ("aligned", "moved"),
            1 if family == "moved" else int(rng.integers(1, 5 if h == 1 else 3)),
        )
        setting = Setting(
            n=2 if pair else int(rng.integers(2, 6)), d=h * width, heads=h,
            layers=2 if family == "aligned" and not residual else int(rng.integers(2, 6)),
            residual=residual, causal=causal, exact_forward=exact_forward,
        )  # fmt: skip
        if family not in CONSTRUCTED:
            g, phi, loss = (str(rng.choice(x)) for x in ([*MAPS, "dense", "dense"], sorted(PHI), LOSSES))
            if setting.d == 1:  # LayerNorm and softmax of one feature are constant
                g, loss = g.replace("norm", "dense"), "l2"
            setting = replace(setting, g=g, phi=phi, loss=loss)
        models = list(range(begin, min(begin + step, count)))
        yield batch(setting, family, seed * 16 + number, models), family


# -- weights -----------------------------------------------------------------------------------------------------------
def _model(setting: Setting, family: str, seed: int, k: int) -> Values:
    """One model."""
    rng = np.random.default_rng([seed, k, zlib.crc32(f"{family}:{setting}".encode())])
    return CONSTRUCTED.get(family, _scaled)(setting, family, rng)


def _scale(rng: np.random.Generator, low: float, high: float) -> float:
    """Log-uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _shapes(s: Setting) -> dict[str, tuple[int, ...]]:
    by_head = (s.layers, s.heads, s.d, s.d // s.heads)
    square = (s.layers, s.d, s.d)
    return {
        "X": (s.n, s.d), "W_g0": (s.d, s.d), "W_Q": by_head, "W_K": by_head, "W_V": by_head, "W_g": square, "W_2": square,
        "keep": (s.layers, s.n, s.d), "place": (s.layers, s.n, s.d), "target": (s.n, s.d),
    }  # fmt: skip


def _scaled(setting: Setting, family: str, rng: np.random.Generator) -> Values:
    """Entries of one family, each kind of matrix with a scale of its own."""
    scales = {
        "X": _scale(rng, 0.1, 2), "W_g0": _scale(rng, 0.2, 2), "W_Q": _scale(rng, 0.02, 2), "W_K": _scale(rng, 0.1, 2),
        "W_V": _scale(rng, 0.02, 1), "W_g": _scale(rng, 0.02, 1), "W_2": _scale(rng, 0.2, 1), "place": 1.0, "target": 1.0,
    }  # fmt: skip
    made = {}
    for name, shape in _shapes(setting).items():
        unit = rng.uniform(-1, 1, shape)
        unit = np.sign(unit) * rng.uniform(0.9, 1, shape) if family == "corners" else unit
        positive = family == "positive" and name in ("W_V", "W_g", "W_2", "target")
        made[name] = (np.abs(unit) if positive else unit) * scales.get(name, 1.0)
    made["keep"] = rng.choice([0.0, 1.25], made["keep"].shape, p=[0.2, 0.8])
    return _finished(setting, made, _scale(rng, 1e-3, 0.9), float(rng.choice([1.0, 0.5, 0.25])), rng)


def _plain(setting: Setting, rng: np.random.Generator) -> tuple[Values, float]:
    """Scores near zero, W_g0, W_2 and the dropout mask nothing, and the last token's gradient of one sign; and a small number."""
    small = _scale(rng, 1e-3, 1e-2)
    made = {name: np.zeros(shape) for name, shape in _shapes(setting).items()}
    made["W_Q"], made["W_K"] = (small * rng.uniform(-1, 1, made[k].shape) for k in ("W_Q", "W_K"))
    made["W_g0"], made["W_2"][:], made["keep"][:] = np.eye(setting.d), np.eye(setting.d), 1.0
    made["target"][-1] = rng.uniform(0.1, 1, setting.d)
    return made, small


def _own_features(setting: Setting) -> np.ndarray:
    """The identity as W_V of all heads: (head, d, d / heads)."""
    return np.eye(setting.d).reshape(setting.d, setting.heads, -1).swapaxes(0, 1)


def _aligned(setting: Setting, family: str, rng: np.random.Generator) -> Values:
    """W_V = om I, and g_i nearly nothing (with residuals) or the identity (without): errors add up as the recurrences allow."""
    made, small = _plain(setting, rng)
    om = _scale(rng, 0.01, 0.3) if setting.residual else _scale(rng, 0.2, 8)
    made["X"] = small * rng.choice([-1.0, 1.0], made["X"].shape)
    made["X"][-1] = -made["X"][0] * (1.0 if setting.residual else rng.uniform(0.5, 1))
    made["W_V"] += om * _own_features(setting)
    made["W_g"] += np.eye(setting.d) * (small if setting.residual else 1.0)
    return _finished(setting, made, _scale(rng, 1e-3, 0.5), 1.0, rng)


def _curved(setting: Setting, family: str, rng: np.random.Generator) -> Values:
    """Z W_g where phi'' is large, and large values: the slopes of g_i change most."""
    made, _ = _plain(setting, rng)
    og = _scale(rng, 1, 8)
    made["X"] = _scale(rng, 0.3, 1.5) / og * rng.choice([-1.0, -0.3, 0.3, 1.0], made["X"].shape)
    made["W_V"] += _scale(rng, 0.3, 8 ** (2 / setting.layers)) * _own_features(setting)
    made["W_g"] += og * np.eye(setting.d)
    return _finished(setting, made, _scale(rng, 1e-3, 0.5), 1.0, rng)


def _scores(setting: Setting, family: str, rng: np.random.Generator) -> Values:
    """A query apart from keys of both signs, with scores and values that outweigh W_V: P and its change count most."""
    made, small = _plain(setting, rng)
    made["X"][:, 0] = rng.choice([-2.0, 2.0], setting.n) * rng.uniform(0.5, 1, setting.n)
    made["X"][-1] = 2.0 * (np.arange(setting.d) == setting.d - 1)
    width = setting.d // setting.heads
    for i in range(setting.layers):
        size = _scale(rng, 0.05, 6)
        for k in range(min(width, setting.d)):
            made["W_Q"][i, :, k if width == setting.d else -1, k], made["W_K"][i, :, k, k] = -size, 1.0
        made["W_V"][i, :, 0, 0] = _scale(rng, 0.02, 3)
    made["W_g"] += np.eye(setting.d) * (small if setting.residual else 1.0)
    return _finished(setting, made, _scale(rng, 1e-3, 0.5), 1.0, rng)


def _moved(setting: Setting, family: str, rng: np.random.Generator) -> Values:
    """Errors of the forward pass grow up to the last layer, whose gradients depend on its input: its scores count, its values do not."""
    made, small = _plain(setting, rng)
    om, last = _scale(rng, 0.3, 2), setting.layers - 1
    made["X"] = _scale(rng, 0.2, 3) * rng.uniform(-1, 1, made["X"].shape)
    made["W_V"] += om * _own_features(setting)
    made["W_V"][last] = _scale(rng, 1e-3, 0.5) * _own_features(setting)
    made["W_Q"][last] = _scale(rng, 0.1, 30) / (1 + om) ** (2 * last) * rng.uniform(-1, 1, made["W_Q"][last].shape)
    made["W_K"][last] = rng.uniform(-1, 1, made["W_K"][last].shape)
    made["W_g"] += np.eye(setting.d) * (small if setting.residual else 1.0)
    return _finished(setting, made, _scale(rng, 1e-3, 0.1), 1.0, rng)


CONSTRUCTED = {"aligned": _aligned, "curved": _curved, "scores": _scores, "moved": _moved}


def _finished(setting: Setting, made: Values, eta: float, tau: float, rng: np.random.Generator) -> Values:
    """With the scalars, and one-hot labels where the loss is cross entropy."""
    if setting.loss == "cross entropy":
        made["target"] = np.eye(setting.d)[rng.integers(setting.d, size=setting.n)]
    return {**made, "eta": np.array(eta), "tau": np.array(tau)}


def _signs(pattern: str, gains: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """E of every layer and head; ``gains`` is P, with the sign of what the upstream gradient would gain from more weight."""
    shape = gains.shape
    if pattern == "corners":
        return rng.choice([-1.0, 1.0], shape)
    if pattern in ("towards", "away"):
        return np.where(gains >= 0, 1.0, -1.0) * (1 if pattern == "towards" else -1)
    if pattern == "alternating":
        return np.broadcast_to((-1.0) ** np.arange(shape[-1]), shape).copy()
    columns = rng.choice([-1.0, 1.0], (*shape[:-2], 1, shape[-1]))
    return np.broadcast_to(columns, shape) * (rng.choice([-1.0, 1.0], (*shape[:-1], 1)) if pattern == "outer" else 1.0)
