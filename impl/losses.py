"""Losses of a model's output as Definition 3.1 has them, L = sum_{j,k} l_{j,k}, and line 27 of Algorithm 1: their gradient dL/dT_m.

A loss is any differentiable function from the output (..., n, d) to one number. Named ones have a gradient in closed form,

    l2              sum (T - Y)^2               2 (T - Y)
    cross_entropy   -sum_j log softmax(T_j)_y   softmax(T) - onehot(y), 0 for rows that are left out
    weighted_sum    <C, T>                      C

and of any other one autograd takes it. All take O(n d) operations and memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from .errors import InputError
from .validation import check_shape

Loss = Callable[[Tensor], Tensor]

IGNORED = -100
"""The label of a row that no loss is taken of, as in torch."""


@runtime_checkable
class ClosedForm(Protocol):
    """A loss that states its own gradient."""

    def __call__(self, output: Tensor, /) -> Tensor: ...

    def gradient(self, output: Tensor, /) -> Tensor:
        """dL/doutput, in the shape of ``output``."""
        ...


@dataclass(frozen=True)
class L2:
    """sum (output - target)^2, ``target`` of the shape of the output."""

    target: Tensor

    def __call__(self, output: Tensor) -> Tensor:
        _check_target("target", self.target, output)
        return (output - self.target).square().sum()

    def gradient(self, output: Tensor) -> Tensor:
        _check_target("target", self.target, output)
        return 2 * (output - self.target)


@dataclass(frozen=True)
class WeightedSum:
    """<C, output>, ``coefficients`` C of the shape of the output; ones give the plain sum."""

    coefficients: Tensor

    def __call__(self, output: Tensor) -> Tensor:
        _check_target("coefficients", self.coefficients, output)
        return (self.coefficients * output).sum()

    def gradient(self, output: Tensor) -> Tensor:
        _check_target("coefficients", self.coefficients, output)
        return self.coefficients.to(output)


@dataclass(frozen=True)
class CrossEntropy:
    """-sum_j log softmax(output_j)_{labels_j} over rows with a label; the gradient per entry lies in [-1, 1].

    Equals ``torch.nn.functional.cross_entropy(reduction="sum")``, and with ``mean`` its mean over labelled rows. ``labels`` (..., n),
    integers in [0, d) or IGNORED.
    """

    labels: Tensor
    mean: bool = False

    def __call__(self, output: Tensor) -> Tensor:
        self._check(output)
        rows = output.flatten(0, -2)
        total = torch.nn.functional.cross_entropy(rows, self.labels.flatten(), reduction="sum", ignore_index=IGNORED)
        return total / self._count()

    def gradient(self, output: Tensor) -> Tensor:
        self._check(output)
        kept = (self.labels != IGNORED).unsqueeze(-1)
        onehot = torch.zeros_like(output).scatter_(-1, self.labels.clamp_min(0).unsqueeze(-1), 1.0)
        return (output.softmax(-1) - onehot) * kept / self._count()

    def _count(self) -> Tensor | int:
        return (self.labels != IGNORED).sum().clamp_min(1) if self.mean else 1

    def _check(self, output: Tensor) -> None:
        check_shape("labels", self.labels, tuple(output.shape[:-1]), "one label for each row of the output")
        if self.labels.is_floating_point() or self.labels.dtype is torch.bool:
            raise InputError("the dtype of labels", self.labels.dtype, "an integer one", "convert it: labels.long()")
        wrong = (self.labels != IGNORED) & ((self.labels < 0) | (self.labels >= output.shape[-1]))
        if wrong.any():
            raise InputError(
                "the number of labels outside the classes",
                int(wrong.sum()),
                f"0; labels lie in [0, {output.shape[-1] - 1}] or are {IGNORED}",
                "check how they were made, or widen the last layer",
            )


def _check_target(name: str, target: Tensor, output: Tensor) -> None:
    check_shape(name, target, tuple(output.shape), "it has the shape of the output")


def loss_gradient(loss: Loss, output: Tensor) -> tuple[Tensor, Tensor]:
    """L and dL/doutput: in closed form where the loss has one, else by autograd through the loss alone.

    Raises InputError where the loss is not one number, or does not depend on the output.
    """
    if isinstance(loss, ClosedForm):
        with torch.no_grad():
            return loss(output), loss.gradient(output)
    with torch.enable_grad():
        leaf = output.detach().requires_grad_()
        value = loss(leaf)
        if not isinstance(value, Tensor) or value.numel() != 1:
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InputError("the result of the loss", found, "a tensor with one number", "sum over its entries")
        if not value.requires_grad:
            raise InputError(
                "the loss", "independent of the output", "differentiable by it", "compute it from its argument in torch"
            )
        (gradient,) = torch.autograd.grad(value, leaf)
    return value.detach().reshape(()), gradient
