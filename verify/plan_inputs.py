"""What a plan rests on: sizes, bounds that hold in every layer, and the error that is asked for; read exactly, as fractions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from flint import arb, fmpq

LARGEST_WIDTH = 10**5
"""Of d: beyond, a plan is refused."""


class BadPlan(ValueError):
    """A quantity that no plan can be made for: the message names it, its value, the limit and what to do."""


@dataclass(frozen=True)
class Error:
    """The largest error of an entry: ``number``, or n^-power."""

    text: str
    number: Fraction | None = None
    power: Fraction | None = None

    def at(self, n: int) -> arb:
        if self.number is not None:
            return ball(self.number)
        assert self.power is not None
        return arb(n) ** -fmpq(self.power.numerator, self.power.denominator)


@dataclass(frozen=True)
class Inputs:
    """The bounds that a plan rests on; all hold in every layer, for every head.

    Attributes:
        n, d, layers, heads: tokens, features, m, h; d_h = d/h.
        error: of every entry of dL/dX and of dL/dW, dL/dW_V of every layer.
        entry_bound: R >= |X|, |X W|, |X W^T| for the input X of every layer.
        scale: tau; None is 1/d_h.
        score_range: b >= |S|; None is tau d R^2.
        value_norm: om, the largest column sum of |W_V|.
        weight_norm: the largest row or column sum of |W|, of which the word alone depends.
        mlp_norm, lipschitz: og, the largest column sum of |W_g|; L1 >= |phi'|; those of g_0 too.
        gradient: gamma_T >= |dL/dT_m|, entry by entry.
        residual, causal: residual connections around attention and g_i; a causal mask.
    """

    n: int
    d: int
    layers: int = 1
    heads: int = 1
    error: Error = Error("n^-2", power=Fraction(2))
    entry_bound: Fraction = Fraction(1)
    scale: Fraction | None = None
    score_range: Fraction | None = None
    value_norm: Fraction = Fraction(1)
    weight_norm: Fraction = Fraction(1)
    mlp_norm: Fraction = Fraction(1)
    lipschitz: Fraction = Fraction(1)
    gradient: Fraction = Fraction(1)
    residual: bool = False
    causal: bool = False

    def __post_init__(self) -> None:
        for name in ("n", "d", "layers", "heads"):
            if getattr(self, name) < 1:
                raise BadPlan(f"--{name} is {getattr(self, name)}, but must be an integer of at least 1")
        if self.d % self.heads:
            raise BadPlan(f"--heads is {self.heads}, but must divide --d {self.d}")
        if self.d > LARGEST_WIDTH:
            raise BadPlan(f"--d is {self.d}, but must be at most {LARGEST_WIDTH}")
        for name, value in self.__dict__.items():
            if isinstance(value, Fraction) and value <= 0:
                raise BadPlan(f"--{name.replace('_', '-')} is {value}, but must be a number above 0")
        if self.error.power is not None and self.n < 2:
            raise BadPlan(f"--error {self.error.text} with --n 1 is 1: give the error as a number")

    @property
    def width(self) -> int:
        """d_h."""
        return self.d // self.heads

    @property
    def tau(self) -> Fraction:
        return Fraction(1, self.width) if self.scale is None else self.scale

    @property
    def scores(self) -> Fraction:
        """b."""
        return self.tau * self.d * self.entry_bound**2 if self.score_range is None else self.score_range

    @property
    def values(self) -> Fraction:
        """H >= |X W_V|."""
        return self.entry_bound * self.value_norm

    @property
    def row(self) -> Fraction:
        """r, r': row sums of |X W| and |X W^T|."""
        return self.d * self.entry_bound

    @property
    def sig(self) -> int:
        return 1 if self.residual else 0


NUMBER = re.compile(r"(\d{1,40}(\.\d{0,40})?|\.\d{1,40})(e[+-]?\d{1,4})?|\d{1,40}/\d{1,40}", re.IGNORECASE)


def number(text: str, name: str) -> Fraction:
    """A positive number such as 0.5, 1e-3 or 1/8, exactly.

    Raises:
        BadPlan: if it is not of that form.
    """
    if not NUMBER.fullmatch(text.strip()):
        raise BadPlan(f"{name} is {text!r}, but must be a positive number such as 0.5, 1e-3 or 1/8")
    try:
        return Fraction(text.strip())
    except ZeroDivisionError:
        raise BadPlan(f"{name} is {text!r}, a division by zero") from None


def scale(text: str) -> Fraction | None:
    """1/d (of a head: 1/d_h), or a number."""
    return None if text.replace(" ", "") in ("1/d", "1/d_h") else number(text, "--scale")


def error(text: str) -> Error:
    """n^-c or a number."""
    found = re.fullmatch(r"n\s*\^\s*[{(]?\s*-\s*([\d./]+)\s*[})]?", text.strip())
    if found is None:
        return Error(text.strip(), number=number(text, "--error"))
    return Error(text.strip(), power=number(found[1], "--error, the power of n"))


def ball(value: Fraction) -> arb:
    return arb(fmpq(value.numerator, value.denominator))
