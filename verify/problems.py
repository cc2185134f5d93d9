"""Problems: the numbers on which a statement is tried, drawn from a seed and a family and replayable from a short text.

A problem gives sizes, a matrix for every symbol of a claim, units (W in multiples of ln 2), constants and functions. Drawn
matrices are float64, so every backend sees the same dyadic rationals. Family ``real`` holds activations of a trained model.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.sizes import at, letters_of

DATA = Path(__file__).parent / "data" / "minilm.npz"
HEAD_WIDTH = 32
FULL = ";mask=full"


class BadProblem(ValueError):
    """A problem or witness that cannot be used: the message says what, where and what to do."""


@dataclass(frozen=True)
class Problem:
    """Sizes and values; ``values`` maps a symbol's name to a matrix of numbers (float64 or Fraction entries)."""

    sizes: dict[str, int]
    values: dict[str, Any] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Fraction] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    text: str = ""

    def matrix(self, name: str, shape: tuple[int, int]) -> Any:
        """The value of a symbol.

        Raises:
            BadProblem: if it has none, or one of another shape.
        """
        if name not in self.values:
            raise BadProblem(f"the problem has no value for {name}; it has {', '.join(sorted(self.values)) or 'none'}")
        value = self.values[name]
        if tuple(value.shape[-2:]) != shape:
            rows, columns = value.shape[-2:]
            raise BadProblem(f"{name} is {rows} x {columns}, but its sizes say {shape[0]} x {shape[1]}")
        return value


def draw(symbols: Iterable[Formula], text: str) -> Problem:
    """The problem that a text describes, for these symbols.

    Args:
        symbols: symbol formulas, each with name, domain and shape.
        text: ``family;size=value,...;bound=B;seed=S``, such as ``corners;n=4,d=3;bound=1;seed=7``; with ``;mask=full``
            behind it masks are all ones instead of causal.

    Raises:
        BadProblem: if the text is not of that form or the family is unknown.
    """
    symbols = sorted(symbols, key=lambda node: node.data[0])
    family, sizes, bound, seed = parse(text)
    full = text.endswith(FULL)
    values = {}
    for node in symbols:
        name, domain = node.data
        shape = at(node.shape[0], sizes), at(node.shape[1], sizes)
        rng = np.random.default_rng([seed, zlib.crc32(f"{family}:{name}".encode())])
        values[name] = _fill(family, domain, shape, bound, rng, full)
    rng = np.random.default_rng([seed, 1])
    tau = Fraction(int(rng.integers(1, 17)), 16)
    return Problem(sizes, values, constants={"tau": tau}, functions={"phi": "tanh"}, text=text)


def parse(text: str) -> tuple[str, dict[str, int], float, int]:
    """Family, sizes, entry bound and seed of a problem text."""
    try:
        family, size_text, bound_text, seed_text = text.removesuffix(FULL).split(";")
        sizes = {k: int(v) for k, v in (pair.split("=") for pair in size_text.split(",") if pair)}
        bound, seed = float(bound_text.removeprefix("bound=")), int(seed_text.removeprefix("seed="))
    except ValueError:
        raise BadProblem(f"{text!r} is not of the form family;n=4,d=3;bound=1;seed=7") from None
    if family not in FAMILIES:
        raise BadProblem(f"unknown family {family!r}; use one of {', '.join(FAMILIES)}")
    if any(v < 1 for v in sizes.values()) or not bound > 0:
        raise BadProblem(f"{text!r}: sizes and the entry bound must be positive")
    return family, sizes, bound, seed


def describe(family: str, sizes: dict[str, int], bound: float, seed: int, full: bool = False) -> str:
    """The text that `draw` reads."""
    listed = ",".join(f"{k}={v}" for k, v in sorted(sizes.items()))
    return f"{family};{listed};bound={bound:g};seed={seed}{FULL if full else ''}"


# -- families --------------------------------------------------------------------------------------------------------
Array = np.ndarray


def _uniform(shape: tuple[int, int], bound: float, rng: Any) -> Array:
    return rng.uniform(-bound, bound, shape)


def _corners(shape: tuple[int, int], bound: float, rng: Any) -> Array:
    return rng.choice([-bound, bound], shape)


def _onehot(shape: tuple[int, int], bound: float, rng: Any) -> Array:
    made = np.zeros(shape)
    made[np.arange(shape[0]), rng.integers(shape[1], size=shape[0])] = bound
    return made


def _collinear(shape: tuple[int, int], bound: float, rng: Any) -> Array:
    line = rng.uniform(-1, 1, (shape[0], 1)) * rng.uniform(-1, 1, (1, shape[1]))
    return bound * (line + 1e-3 * rng.uniform(-1, 1, shape)) / 1.001


def _repeated(shape: tuple[int, int], bound: float, rng: Any) -> Array:
    pool = rng.uniform(-bound, bound, (max(1, shape[0] // 2), shape[1]))
    return pool[rng.integers(len(pool), size=shape[0])]


def _tiny(shape: tuple[int, int], bound: float, rng: Any) -> Array:
    return rng.uniform(-bound, bound, shape) * 2.0**-20


def _huge(shape: tuple[int, int], bound: float, rng: Any) -> Array:
    return rng.uniform(-bound, bound, shape) * 4


def _real(shape: tuple[int, int], bound: float, rng: Any) -> Array:
    """A window of captured activations, tiled where the shape is larger."""
    pool = _captured()["n16.l2.h2.x"].astype(np.float64)
    start = rng.integers(pool.shape[1])
    rows = np.take(pool, np.arange(shape[0]) % pool.shape[0], axis=0)
    return np.take(rows, (start + np.arange(shape[1])) % pool.shape[1], axis=1)


FAMILIES = {
    "uniform": _uniform, "corners": _corners, "onehot": _onehot, "collinear": _collinear, "repeated": _repeated,
    "tiny": _tiny, "huge": _huge, "real": _real,
}  # fmt: skip


LARGEST_ENTRY = {
    "uniform": 1.0, "corners": 1.0, "onehot": 1.0, "collinear": 1.0, "repeated": 1.0, "tiny": 2.0**-20, "huge": 4.0, "real": None,
}  # fmt: skip
"""What a family satisfies: its largest entry in units of the entry bound; None for activations, which have no bound of ours."""


def _fill(family: str, domain: str, shape: tuple[int, int], bound: float, rng: Any, full: bool) -> Array:
    if domain in ("mask", "causal"):
        return np.ones(shape) if full and domain == "mask" else np.tri(*shape)
    if domain == "unit":
        return _corners(shape, 1.0, rng) if rng.random() < 0.5 else _uniform(shape, 1.0, rng)
    if domain == "onehot":
        return _onehot(shape, 1.0, rng)
    made = FAMILIES[family](shape, bound, rng)
    return np.abs(made) + 2.0**-30 if domain == "positive" else made


@cache
def _captured() -> dict[str, Array]:
    with np.load(DATA) as stored:
        return {name: stored[name] for name in stored.files if not name.endswith("tokens")}


def real_heads() -> tuple[str, ...]:
    """The captured heads, such as ``n64.l2.h11`` (64 tokens, layer 2, head 11)."""
    return tuple(str(name) for name in _captured()["heads"])


def real_head(head: str, count: int | None = None) -> dict[str, Any]:
    """Query, key, value and upstream gradient of a captured head, the first ``count`` tokens, and its scale."""
    stored = _captured()
    cut = slice(None, count)
    return {k: stored[f"{head}.{k}"][cut].astype(np.float64) for k in "qkvg"} | {"scale": float(stored["scale"])}


def real_attention(head: str, count: int, width: int = HEAD_WIDTH) -> Problem:
    """A captured head in the paper's form, exactly: X = [q, k, v] (n x 3 width), X W X^T = scale q k^T, X W_V = [v, 0, 0].

    The numbers are those of the trained model, unscaled; only the layout differs, so that biases need no column of ones. With
    ``width`` below 32 only so many features of the head are taken.
    """
    found = real_head(head, count)
    zero, one = np.zeros((width, width)), np.eye(width)
    x = np.concatenate([found[k][:, :width] for k in "qkv"], axis=1)
    w = np.block([[zero, found["scale"] * one, zero], [zero, zero, zero], [zero, zero, zero]])
    w_v = np.block([[zero, zero, zero], [zero, zero, zero], [one, zero, zero]])
    g = np.concatenate([found["g"][:, :width], np.zeros((count, 2 * width))], axis=1)
    values = {"X": x, "W": w, "W_V": w_v, "G": g}
    text = f"real-head;{head};n={count};features={width}"
    constants, functions = {"tau": Fraction(1)}, {"phi": "tanh"}
    return Problem({"n": count, "d": 3 * width}, values, constants=constants, functions=functions, text=text)


# -- sizes of a claim --------------------------------------------------------------------------------------------------
def size_names(symbols: Iterable[Formula]) -> tuple[str, ...]:
    """The size symbols that stand in the shapes of these symbols."""
    found: set[str] = set()
    for node in symbols:
        found |= set(letters_of(node.shape[0])) | set(letters_of(node.shape[1]))
    return tuple(sorted(found))


# -- witness files -------------------------------------------------------------------------------------------------------
def to_json(problem: Problem) -> dict[str, Any]:
    """Sizes, inputs, units, constants and functions with every number as a string, so that nothing is lost."""
    inputs = {
        name: [[str(Fraction(x)) for x in row] for row in value] for name, value in sorted(problem.values.items())
    }
    made: dict[str, Any] = {**problem.sizes, "inputs": inputs, "units": dict(problem.units)}
    if problem.constants:
        made["constants"] = {k: str(v) for k, v in problem.constants.items()}
    if problem.functions:
        made["functions"] = dict(problem.functions)
    return made


def from_json(data: Any, where: str = "witness") -> Problem:
    """The problem of a witness file's JSON object.

    Raises:
        BadProblem: naming the key, what it holds and what is expected.
    """
    if not isinstance(data, dict) or not isinstance(data.get("inputs"), dict):
        raise BadProblem(f"{where}: expected an object with 'inputs'; got {json.dumps(data)[:60]}")
    sizes = {k: v for k, v in data.items() if isinstance(v, int) and not isinstance(v, bool) and k != "schema"}
    too_large = [k for k, v in sizes.items() if not 1 <= v <= 64]
    if too_large:
        raise BadProblem(f"{where}: size {too_large[0]} = {sizes[too_large[0]]}; sizes must be within 1..64")
    values = {name: _matrix(rows, f"{where}: input {name}") for name, rows in data["inputs"].items()}
    units = data.get("units", {})
    bad = [f"{k}: {v}" for k, v in units.items() if v != "ln2"] if isinstance(units, dict) else ["units"]
    if bad:
        raise BadProblem(f"{where}: unknown unit {bad[0]!r}; the only unit is 'ln2'")
    for key in ("constants", "functions"):
        if not isinstance(data.get(key, {}), dict):
            raise BadProblem(f"{where}: {key} must be an object of names and values")
    wrong = [v for v in data.get("functions", {}).values() if not re.fullmatch(r"tanh|power:\d{1,2}", str(v))]
    if wrong:
        raise BadProblem(f"{where}: unknown function {str(wrong[0])[:40]!r}; use 'tanh' or 'power:2'")
    constants = {k: _fraction(v, f"{where}: constant {k}") for k, v in data.get("constants", {}).items()}
    functions = {str(k): str(v) for k, v in data.get("functions", {}).items()}
    return Problem(sizes, values, dict(units), constants, functions, where)


def outside(problem: Problem, symbols: Iterable[Formula]) -> str | None:
    """Which matrix of a problem leaves its symbol's domain; None if none does."""
    for node in symbols:
        name, domain = node.data
        value = problem.values.get(name)
        if value is not None and not DOMAINS[domain](np.asarray(value, dtype=float), problem.units.get(name)):
            return f"{name} is not what the statement assumes: {domain}"
    return None


DOMAINS = {
    "real": lambda a, unit: True,
    "positive": lambda a, unit: bool(np.all(a > 0)),
    "unit": lambda a, unit: unit is None and bool(np.all(np.abs(a) <= 1)),
    "mask": lambda a, unit: unit is None and bool(np.all((a == 0) | (a == 1)) and np.all(np.diagonal(a) == 1)),
    "causal": lambda a, unit: unit is None and bool(np.array_equal(a, np.tri(*a.shape))),
    "onehot": lambda a, unit: unit is None and bool(np.all((a == 0) | (a == 1)) and np.all(a.sum(-1) == 1)),
}


def _matrix(rows: Any, where: str) -> Array:
    if not isinstance(rows, list) or not rows or not all(isinstance(r, list) and len(r) == len(rows[0]) for r in rows):
        raise BadProblem(f"{where}: expected a list of rows of equal length")
    made = np.empty((len(rows), len(rows[0])), dtype=object)
    for i, row in enumerate(rows):
        for j, text in enumerate(row):
            made[i, j] = _fraction(text, f"{where}[{i + 1}][{j + 1}]")
    return made


def _fraction(text: Any, where: str) -> Fraction:
    try:
        if not re.fullmatch(r"-?\d{1,60}(/\d{1,60})?", str(text)) or isinstance(text, (bool, float)):
            raise ValueError
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise BadProblem(f"{where}: {str(text)[:40]!r} is not an integer or fraction such as '-2/3'") from None
