"""Real text that every Python carries: the language reference (`pydoc_data.topics`) as bytes; the last tenth is for validation.

It differs between versions of Python, so its hash is a parameter of every cell that reads it.
"""

from __future__ import annotations

import hashlib
from functools import cache

import torch
from torch import Tensor

from benchmarks.training import text as reference

VALIDATION = 0.1


@cache
def data() -> tuple[Tensor, Tensor]:
    """Bytes to train on and bytes to validate on, int64."""
    whole = torch.tensor(list(reference()), dtype=torch.int64)
    cut = len(whole) - int(VALIDATION * len(whole))
    return whole[:cut], whole[cut:]


@cache
def fingerprint() -> str:
    """The first digits of the text's SHA-256."""
    return hashlib.sha256(reference()).hexdigest()[:12]


def pieces(source: Tensor, length: int, count: int, make: torch.Generator) -> Tensor:
    """``count`` pieces of ``length`` bytes from places drawn: (count, length)."""
    begins = torch.randint(len(source) - length + 1, (count,), generator=make)
    return torch.stack([source[k : k + length] for k in begins.tolist()])


CLASSES = ("lower", "upper", "digit", "space", "newline", "punctuation", "other")


def character_class(tokens: Tensor) -> Tensor:
    """The class of each byte, as a number below len(CLASSES)."""
    found = torch.full_like(tokens, 6)
    printable = (tokens > 32) & (tokens < 127)
    found[printable] = 5
    found[(tokens >= 97) & (tokens <= 122)] = 0
    found[(tokens >= 65) & (tokens <= 90)] = 1
    found[(tokens >= 48) & (tokens <= 57)] = 2
    found[(tokens == 32) | (tokens == 9)] = 3
    found[tokens == 10] = 4
    return found
