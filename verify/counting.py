"""Operations counted as they are executed: torch's dispatcher is listened to while a formula is evaluated in its printed order.

The third count of a cost, beside the polynomial of `operations` and torch's own FlopCounterMode, which knows products alone (2 m k n each).
Counted are one addition, multiplication, division, exp or comparison each; data that only moves costs nothing. Exponents come
from counts at doubled sizes, with the interval of their slopes; never from wall time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from math import log2, prod
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.statement import Cost

from .backends.interpreter import Environment, Interpreter
from .backends.torch64 import Torch64
from .extent import all_values
from .operations import bare, reached
from .problems import Problem

aten = torch.ops.aten


class UnknownOperation(RuntimeError):
    """The dispatcher met an operation that is neither counted nor known to be free."""


def _entries(out: Any, *inputs: Any) -> int:
    return out.numel()


def _product(out: Any, a: Any, b: Any) -> int:
    return out.numel() * (2 * a.shape[-1] - 1)


def _sums(out: Any, a: Any, *rest: Any) -> int:
    return a.numel() - out.numel()


COUNTED: dict[str, Callable[..., int]] = {
    **dict.fromkeys(("add", "sub", "mul", "div", "reciprocal", "exp", "tanh", "abs", "cumsum"), _entries),
    "mm": _product,
    "bmm": _product,
    "sum": _sums,
}
FREE = (
    "neg", "t", "transpose", "view", "_unsafe_view", "reshape", "expand", "permute", "select", "slice", "unsqueeze", "squeeze", "stack",
    "cat", "clone", "copy_", "full", "ones", "zeros", "diag_embed", "detach", "lift_fresh", "alias", "_to_copy", "new_zeros", "fill_",
    "as_strided", "diagonal", "diagonal_copy", "scalar_tensor",
)  # fmt: skip


class CountingMode(TorchDispatchMode):
    """Counts the operations that are dispatched while it is active, by name.

    Raises:
        UnknownOperation: at an operation that has no count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: dict[str, int] = {}

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out, name = func(*args, **(kwargs or {})), func.overloadpacket.__name__
        if name in COUNTED:
            self.counts[name] = self.counts.get(name, 0) + COUNTED[name](out, *args)
        elif name not in FREE:
            raise UnknownOperation(f"{func} has no count; add it to COUNTED or FREE")
        return out


class PrintedOrder(Torch64):
    """torch64 that executes products with diagonal matrices, ones and the causal mask as scalings, sums and running sums."""

    def __init__(self, problem: Problem, counted: Iterable[Formula]) -> None:
        super().__init__(problem)
        self.counted = set(counted)

    def matmul(self, node: Formula, environment: Environment, a: Any, b: Any) -> Any:
        left, right = (bare(x) for x in node.args)
        if left.op == "diag":
            return a.diagonal(dim1=-2, dim2=-1)[..., None] * b
        if right.op == "diag":
            return a * b.diagonal(dim1=-2, dim2=-1)[..., None, :]
        if left.op == "symbol" and left.data[1] == "causal":
            return b.cumsum(-2)
        if right.op == "ones":
            return a.sum(-1, keepdim=True).expand(*a.shape[:-1], b.shape[-1]) if b.shape[-1] == 1 else self._each(a, b)
        if left.op == "ones":
            return b.sum(-2, keepdim=True) if a.shape[-2] == 1 else self._each(b.mT, a.mT).mT
        return a @ b

    @staticmethod
    def _each(a: Any, ones: Any) -> Any:
        """a @ ones column by column, each summed anew."""
        return torch.cat([a.sum(-1, keepdim=True) for _ in range(ones.shape[-1])], -1)

    def diag(self, node: Formula, environment: Environment, a: Any) -> Any:
        return torch.diag_embed(a[..., 0])

    def scale(self, node: Formula, environment: Environment, a: Any) -> Any:
        if node.data[0] == -1 and node not in self.counted:
            return torch.neg(a)  # of a difference, which costs what a sum does
        known = {s: self.sizes.get(s.name, self.problem.constants.get(s.name)) for s in node.data[0].free_symbols}
        return a * torch.full((), float(node.data[0].subs(known)), dtype=torch.float64)

    def func(self, node: Formula, environment: Environment, a: Any) -> Any:
        """One operation an entry, whichever function it is: tanh stands for all."""
        return torch.tanh(a)

    def taylor_polynomial(self, degree: int, a: Any) -> Any:
        coefficients = [1.0 / prod(range(1, k + 1)) for k in range(degree + 1)]
        if degree <= 0:
            return torch.full(a.shape, float(degree == 0), dtype=torch.float64)
        value = torch.full(a.shape, coefficients[-1], dtype=torch.float64)
        for c in reversed(coefficients[:-1]):
            value = value * a + torch.full((), c, dtype=torch.float64)
        return value

    def recip1(self, a: Any) -> Any:
        return torch.reciprocal(a)


def executed(claim: Cost, problem: Problem) -> CountingMode:
    """The operations of computing a claim's lines on a problem, what is given being at hand."""
    nodes = reached(claim.lines, claim.given)
    evaluate = Interpreter(PrintedOrder(problem, nodes))
    at_hand = set(claim.given)
    for line in claim.given:
        for environment in all_values_of(line, problem):
            evaluate(line, environment)
    evaluate._known = {
        key: value for key, value in evaluate._known.items() if key[0] in at_hand or key[0].op == "symbol"
    }
    for node in {n for line in claim.lines for n in line.walk() if n.op == "symbol"}:
        evaluate(node)
    with CountingMode() as counting:
        for line in claim.lines:
            for environment in all_values_of(line, problem):
                evaluate(line, environment)
    return counting


def all_values_of(line: Formula, problem: Problem) -> list[Environment]:
    """Every value of a line's free indices."""
    from almostlinear.theorems.statement import Identity

    return list(all_values(Identity(line, line), problem.sizes))


def exponent(counts: dict[int, int]) -> tuple[float, float]:
    """The smallest and largest slope of log(count) against log(size) between neighbouring sizes.

    Raises:
        ValueError: for fewer than three sizes: a slope alone has no interval.
    """
    sizes = sorted(counts)
    if len(sizes) < 3:
        raise ValueError(f"counts at {len(sizes)} sizes; an exponent with an interval needs at least 3")
    slopes = [(log2(counts[b]) - log2(counts[a])) / (log2(b) - log2(a)) for a, b in pairwise(sizes)]
    return min(slopes), max(slopes)
