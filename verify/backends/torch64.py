"""torch float64, for many problems of one size at once: fast and without enclosure, for searching only."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import torch

from .arrays import ArrayBackend


class Torch64(ArrayBackend):
    """float64 tensors; a problem's matrices may carry leading batch axes."""

    def number(self, value: Fraction | int | float) -> Any:
        return torch.tensor(float(value), dtype=torch.float64)

    def full(self, shape: tuple[int, ...], value: int) -> Any:
        return torch.full(shape, float(value), dtype=torch.float64)

    def lift(self, number: Any) -> Any:
        return number

    def join(self, values: list[Any], axis: int) -> Any:
        return torch.stack(torch.broadcast_tensors(*values), dim=axis)

    def load(self, name: str, shape: tuple[int, int], domain: str) -> Any:
        values = self.problem.matrix(name, shape)
        if isinstance(values, torch.Tensor):
            return values
        unit = {"ln2": float(np.log(2.0)), None: 1.0}[self.problem.units.get(name)]
        return torch.from_numpy(np.asarray(values, dtype=np.float64) * unit)

    def exp1(self, a: Any) -> Any:
        return torch.exp(a)

    def recip1(self, a: Any) -> Any:
        return 1 / a

    def tanh1(self, a: Any) -> Any:
        return torch.tanh(a)

    def absolute1(self, a: Any) -> Any:
        return torch.abs(a)
