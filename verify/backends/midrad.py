"""float64 midpoint-radius arrays: many problems at once, every value enclosed.

Only the correctly rounded +, -, *, / of IEEE 754 is assumed, with unit roundoff u = 2^-53 and underflow at most 2^-1022; exp is
built from them. Radii are computed in float64 too and inflated to cover their own rounding.
"""

from __future__ import annotations

from fractions import Fraction
from math import factorial
from typing import Any

import numpy as np

from .arrays import ArrayBackend

U = 2.0**-53
TINY = 2.0**-1022
LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
LN2_REST = 2.0**-86
"""|ln 2 - LN2_HIGH - LN2_LOW| is below this."""
TERMS = 15


def _up(radius: Any, operations: int = 8) -> Any:
    """A radius raised above the rounding errors of computing it from nonnegative terms."""
    return radius * (1 + 4 * operations * U) + TINY


class MidRad:
    """The set of arrays within ``rad`` of ``mid``, entrywise."""

    __slots__ = ("mid", "rad")
    __array_ufunc__ = None

    def __init__(self, mid: Any, rad: Any) -> None:
        self.mid, self.rad = np.asarray(mid, dtype=np.float64), np.asarray(rad, dtype=np.float64)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.mid.shape

    def __add__(self, other: MidRad) -> MidRad:
        mid = self.mid + other.mid
        return MidRad(mid, _up(self.rad + other.rad + U * np.abs(mid)))

    def __mul__(self, other: MidRad) -> MidRad:
        mid = self.mid * other.mid
        cross = np.abs(self.mid) * other.rad + self.rad * np.abs(other.mid) + self.rad * other.rad
        return MidRad(mid, _up(cross + U * np.abs(mid)))

    def __matmul__(self, other: MidRad) -> MidRad:
        inner = self.mid.shape[-1]
        mid = self.mid @ other.mid
        left, right = np.abs(self.mid), np.abs(other.mid)
        gamma = (inner + 2) * U / (1 - (inner + 2) * U)
        spread = gamma * (left @ right) + left @ other.rad + self.rad @ (right + other.rad)
        return MidRad(mid, _up(spread + inner * TINY, inner + 8))

    def __getitem__(self, where: Any) -> MidRad:
        return MidRad(self.mid[where], self.rad[where])

    def swapaxes(self, a: int, b: int) -> MidRad:
        return MidRad(self.mid.swapaxes(a, b), self.rad.swapaxes(a, b))

    def reshape(self, shape: tuple[int, ...]) -> MidRad:
        return MidRad(self.mid.reshape(shape), self.rad.reshape(shape))

    def reciprocal(self) -> MidRad:
        """1/x; the radius is infinite where x may be zero."""
        size = np.abs(self.mid)
        below = (size - self.rad) * (1 - 4 * U)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            mid = np.where(size > 0, 1 / np.where(size > 0, self.mid, 1), 0.0)
            rad = np.where(below > 0, _up(self.rad / size / below + U * np.abs(mid)), np.inf)
        return MidRad(mid, rad)

    def exp(self) -> MidRad:
        """exp(x): k ln 2 is taken off exactly, then a Taylor polynomial, then the power of two is put back."""
        x = np.clip(self.mid, -700.0, 700.0)
        k = np.rint(x / (LN2_HIGH + LN2_LOW))
        reduced = x - k * LN2_HIGH
        low = k * LN2_LOW
        t = reduced - low
        point = MidRad(t, _up(U * (np.abs(low) + np.abs(t)) + np.abs(k) * LN2_REST))
        value = MidRad(np.zeros_like(t), np.zeros_like(t))
        for power in range(TERMS, -1, -1):
            value = value * point + _constant(Fraction(1, factorial(power)))
        remainder = 0.4 ** (TERMS + 1) * 1.5 / factorial(TERMS + 1)
        scale = np.exp2(k)
        mid, rad = value.mid * scale, (value.rad + remainder) * scale
        wide = self.rad
        with np.errstate(over="ignore", invalid="ignore"):
            growth = np.where(wide <= 1, wide * (1 + wide), np.inf)
            rad = _up(rad + (np.abs(mid) + rad) * growth)
        out_of_range = np.abs(self.mid) > 700.0
        return MidRad(mid, np.where(out_of_range, np.inf, rad))


def _constant(value: Fraction) -> MidRad:
    mid = float(value)
    return MidRad(mid, 0.0 if Fraction(mid) == value else abs(mid) * 2 * U + TINY)


class MidRadBackend(ArrayBackend):
    """Enclosures in float64; a problem's matrices may carry leading batch axes."""

    def number(self, value: Fraction | int | float) -> Any:
        return _constant(Fraction(value))

    def lift(self, number: MidRad) -> MidRad:
        return number.reshape((1, 1)) if number.shape == () else number

    def full(self, shape: tuple[int, ...], value: int) -> MidRad:
        return MidRad(np.full(shape, float(value)), np.zeros(shape))

    def join(self, values: list[MidRad], axis: int) -> MidRad:
        mids = np.broadcast_arrays(*(v.mid for v in values))
        rads = np.broadcast_arrays(*(v.rad for v in values))
        return MidRad(np.stack(mids, axis), np.stack(rads, axis))

    def load(self, name: str, shape: tuple[int, int], domain: str) -> MidRad:
        values = self.problem.matrix(name, shape)
        if self.problem.units.get(name):
            raise ValueError(f"{name} has a unit; midpoint-radius problems are plain float64")
        mid = np.asarray(values, dtype=np.float64)
        return MidRad(mid, np.zeros(mid.shape) if values.dtype == np.float64 else np.abs(mid) * 2 * U + TINY)

    def exp1(self, a: MidRad) -> MidRad:
        return a.exp()

    def recip1(self, a: MidRad) -> MidRad:
        return a.reciprocal()

    def tanh1(self, a: MidRad) -> MidRad:
        """tanh x = 1 - 2/(exp(2x) + 1)."""
        one = self.full((1, 1), 1)
        return one + self.times_number(((a + a).exp() + one).reciprocal(), -2)

    def absolute1(self, a: MidRad) -> MidRad:
        return MidRad(np.abs(a.mid), a.rad)
