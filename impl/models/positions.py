"""Positional encodings: a learned or sinusoidal vector added to each token (Vaswani et al. 2017, section 3.5), or a rotation of queries
and keys (Su et al. 2021), which leaves their norms, hence the range of the scores that a norm bounds, as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

BASE = 10_000.0
"""The longest wavelength is 2 pi BASE tokens."""


def angles(length: int, width: int) -> Tensor:
    """position / BASE^(2c/width) for c < ceil(width/2): (length, ceil(width/2)), float64."""
    rates = BASE ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)
    return torch.arange(length, dtype=torch.float64).unsqueeze(-1) * rates


class Learned(nn.Module):
    """x + p, p (max_length, width) learned, drawn with standard deviation 0.02."""

    def __init__(self, max_length: int, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(max_length, width))
        nn.init.normal_(self.table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """(..., n, width), n <= max_length."""
        return x + self.table[: x.shape[-2]]


class Sinusoidal(nn.Module):
    """x + p, sines in the even features of p and cosines in the odd ones."""

    table: Tensor

    def __init__(self, max_length: int, width: int) -> None:
        super().__init__()
        a = angles(max_length, width)
        both = torch.stack([a.sin(), a.cos()], -1).flatten(-2)[:, :width]
        self.register_buffer("table", both.to(torch.get_default_dtype()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., n, width), n <= max_length."""
        return x + self.table[: x.shape[-2]]


class Rotary(nn.Module):
    """Turns features (2c, 2c + 1) of a query or key by the angle of its position: scores depend on differences of positions."""

    cos: Tensor
    sin: Tensor

    def __init__(self, max_length: int, width: int) -> None:
        super().__init__()
        a = angles(max_length, width)
        for name, value in (("cos", a.cos()), ("sin", a.sin())):
            self.register_buffer(name, value.to(torch.get_default_dtype()), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., n, width) with an even width, n <= max_length."""
        n = x.shape[-2]
        even, odd, cos, sin = x[..., 0::2], x[..., 1::2], self.cos[:n], self.sin[:n]
        return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).flatten(-2)
