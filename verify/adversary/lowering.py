"""A claim's sides in batched torch float64, so that many points are evaluated at once and left / right can be differentiated.

The formulas go through the torch backend; what stands around their norms is evaluated here. Nothing found here counts before it is
confirmed in balls. Every value has the shape (points,) or (); what is no number makes the point worthless, never good.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import sympy
import torch
from torch import Tensor

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.norms import Norm
from almostlinear.theorems.spectrum import SPECTRAL

from ..backends.interpreter import Environment, Interpreter
from ..backends.torch64 import Torch64
from ..extent import all_values
from ..problems import Problem
from .space import Space

INDICES = 6
"""Values of free indices tried at every point, at most."""
NOTHING = 1e-9
"""A left side above this is a lead where the right side is zero."""


class BatchedTorch(Torch64):
    """torch64 with constants that differ from point to point."""

    def __init__(self, problem: Problem, constants: dict[str, Tensor]) -> None:
        super().__init__(problem)
        self.batched = constants

    def scalar_symbol(self, name: str, power: int) -> Any:
        if name in self.batched:
            return self.batched[name][:, None, None] ** power
        return super().scalar_symbol(name, power)

    def diag(self, node: Formula, environment: Environment, a: Any) -> Any:
        return torch.diag_embed(a[..., 0])


def _spectral(what: str, index: int) -> Callable[[Tensor], Tensor]:
    """Singular values and eigenvalues of each matrix of a batch, zero beyond the smaller side."""

    def rule(a: Tensor) -> Tensor:
        if what == "eigenvalue":
            return torch.linalg.eigvalsh(a)[..., -index if index > 0 else -index - 1]
        found = torch.linalg.svdvals(a)
        if what == "tail":
            return found[..., index:].square().sum(-1)
        return found[..., index - 1] if index <= found.shape[-1] else torch.zeros_like(found[..., 0])

    return rule


NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "max": lambda a: a.abs().amax((-2, -1)),
    "sum": lambda a: a.abs().sum((-2, -1)),
    "row": lambda a: a.abs().sum(-1).amax(-1),
    "col": lambda a: a.abs().sum(-2).amax(-1),
    "top": lambda a: a.amax((-2, -1)),
    **{kind: _spectral(kind.split()[0], index) for kind, (_, index) in SPECTRAL.items()},
}


class TorchEvaluator:
    """SymPy expressions at the points of a batch, for one value of the free indices."""

    def __init__(self, evaluate: Interpreter, environment: Environment) -> None:
        self.evaluate, self.environment = evaluate, environment
        self.backend: BatchedTorch = evaluate.backend
        self._known: dict[sympy.Expr, Tensor] = {}

    def __call__(self, expression: sympy.Expr) -> Tensor:
        """The value of an expression.

        Raises:
            KeyError: if a symbol has no value.
            NotImplementedError: for a function that has no rule here.
        """
        if expression not in self._known:
            self._known[expression] = self._compute(expression)
        return self._known[expression]

    def _compute(self, e: sympy.Expr) -> Tensor:
        if isinstance(e, Norm):
            return NORMS[e.norm](self.evaluate(e.formula, self.environment))
        if e.is_Symbol:
            return self._symbol(e.name)
        if e.is_number and not e.has(sympy.Function):
            return torch.tensor(float(e), dtype=torch.float64)
        if e.is_Add or e.is_Mul:
            first, *rest = (self(a) for a in e.args)
            for value in rest:
                first = first + value if e.is_Add else first * value
            return first
        if e.is_Pow:
            base = self(e.base)
            return base ** int(e.exp) if e.exp.is_Integer else base ** self(e.exp)
        rule = FUNCTIONS.get(type(e).__name__)
        if rule is None:
            raise NotImplementedError(f"no rule evaluates {e} in torch")
        return rule(*(self(a) for a in e.args))

    def _symbol(self, name: str) -> Tensor:
        if name in self.backend.batched:
            return self.backend.batched[name]
        value = self.backend.sizes.get(name, self.backend.problem.constants.get(name))
        if value is None:
            raise KeyError(f"no value for the constant {name!r}")
        return torch.tensor(float(Fraction(value)), dtype=torch.float64)


class Sides:
    """Left / right of a claim at points of its space, as a function of a tensor of shape (points, dimension).

    Attributes:
        tried: points evaluated so far.
        by_margin: whether left - right is measured instead of left / right, for a right side that may be zero or less.
        floor: left sides below it are rounding noise; raised when balls contradict a score.
    """

    def __init__(self, space: Space, by_margin: bool = False) -> None:
        self.space, self.by_margin, self.tried, self.floor = space, by_margin, 0, 0.0
        fixed = {name: torch.from_numpy(np.asarray(value, dtype=np.float64)) for name, value in space.fixed.items()}
        self._fixed = Problem(dict(space.cell.sizes), fixed, functions={"phi": "tanh"})
        found = list(all_values(space.claim, space.cell.sizes))
        self._indices = found[:: max(1, math.ceil(len(found) / INDICES))]

    def parts(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Left, right and how far the given relations are missed (0 where they hold), each of shape (points,)."""
        self.tried += len(points)
        count, powers = len(points), self.space.powers(points)
        values = {**self._fixed.values, **self.space.matrices(points, powers, torch.exp2)}
        tail = len(self.space.scaled)
        constants = {name: torch.exp2(powers[:, tail + k]) for k, name in enumerate(self.space.constants)}
        backend = BatchedTorch(replace(self._fixed, values=values), constants)
        evaluate = Interpreter(backend)
        claim, found = self.space.claim, []
        for environment in self._indices:
            value = TorchEvaluator(evaluate, environment)
            for name, expressions in self.space.least.items():
                least = [value(e).expand(count) for e in expressions]
                constants[name] = torch.stack(least).amax(0).clamp_min(2.0**-100)
            missed = torch.zeros(count, dtype=torch.float64)
            for relation in claim.given:
                low, high = value(relation.lts), value(relation.gts)
                missed = missed + torch.relu((low - high) / (high.abs() + 1e-300) - 1e-15)
            found.append((value(claim.left).expand(count), value(claim.right).expand(count), missed))
            if self.space.least:
                evaluate = Interpreter(backend)
        if len(found) == 1:
            return found[0]
        score = torch.stack([self._score(*sides) for sides in found]).detach()
        best = score.argmax(0)[None]
        left, right, missed = (torch.stack(part).gather(0, best)[0] for part in zip(*found, strict=True))
        return left, right, missed

    def _score(self, left: Tensor, right: Tensor, missed: Tensor) -> Tensor:
        score = left - right if self.by_margin else left / right.clamp_min(1e-300)
        if not self.by_margin:
            score = torch.where(right == 0, torch.where(left > NOTHING, left / NOTHING, -math.inf), score)
        good = (
            torch.isfinite(score)
            & torch.isfinite(missed)
            & (missed <= 0)
            & (self.by_margin | (right >= 0) & (left >= self.floor))
        )
        return torch.where(good, score, torch.full_like(score, -math.inf))

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """The score of each point; minus infinity where a hypothesis fails or something is no number."""
        with torch.no_grad():
            return self._score(*self.parts(torch.from_numpy(points))).numpy()

    def left(self, points: np.ndarray) -> np.ndarray:
        """The left side at each point."""
        with torch.no_grad():
            return self.parts(torch.from_numpy(points))[0].numpy()

    def ascent(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """What to climb (smooth almost everywhere, hypotheses as penalties), and the score."""
        left, right, missed = self.parts(points)
        climbed = (
            left - right if self.by_margin else torch.log(left.clamp_min(1e-300)) - torch.log(right.clamp_min(1e-300))
        )
        return climbed - 10 * missed, self._score(left, right, missed).detach()


# -- functions of one real variable ------------------------------------------------------------------------------------------
def whole(value: Tensor) -> int:
    """The integer that all points share.

    Raises:
        NotImplementedError: if they differ.
    """
    if value.numel() != 1 and not bool((value == value.reshape(-1)[0]).all()):
        raise NotImplementedError("a degree that differs from point to point")
    return round(float(value.reshape(-1)[0]))


def taylor(x: Tensor, degree: int) -> Tensor:
    """T_g(x) by Horner's rule."""
    value = torch.zeros_like(x)
    for power in range(degree, -1, -1):
        value = value * x + 1 / math.factorial(power)
    return value


class TaylorError(torch.autograd.Function):
    """J_g(b) = int_0^b v^g e^v / g! dv = b^{g+1}/(g+1)! 1F1(g+1; g+2; b)."""

    @staticmethod
    def forward(ctx: Any, b: Tensor, g: Tensor) -> Tensor:
        from scipy.special import gammaln, hyp1f1

        ctx.save_for_backward(b, g)
        x, k = b.numpy(), g.numpy()
        with np.errstate(all="ignore"):
            head = np.exp((k + 1) * np.log(np.maximum(x, 1e-300)) - gammaln(k + 2))
            return torch.from_numpy(np.asarray(head * hyp1f1(k + 1, k + 2, x)))

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None]:
        b, g = ctx.saved_tensors
        slope = torch.exp(g * torch.log(b.clamp_min(1e-300)) + b - torch.lgamma(g + 1))
        return (slopes[0] * slope).sum_to_size(b.shape), None


def taylor_error(b: Tensor, g: Tensor) -> Tensor:
    """J_g(b), differentiable in b; degrees may differ from point to point."""
    found: Tensor = TaylorError.apply(b, g)
    return found


def degree_of(b: Tensor, target: Tensor) -> Tensor:
    """ceil((b + L)/W((b + L)/(e b))) - 1."""
    from scipy.special import lambertw

    total = (b + target).detach().numpy()
    with np.errstate(all="ignore"):
        return torch.from_numpy(np.asarray(np.ceil(total / lambertw(total / (math.e * b.detach().numpy())).real) - 1))


def bessel(k: int, b: Tensor) -> Tensor:
    """I_k(b), without derivative."""
    from scipy.special import iv

    return torch.from_numpy(np.asarray(iv(k, b.detach().numpy())))


def bessel_tail(b: Tensor, g: Tensor) -> Tensor:
    """The sum of I_k(b) over k > g, to 60 terms."""
    return torch.stack([bessel(k, b) for k in range(whole(g) + 1, whole(g) + 61)]).sum(0)


def chebyshev(x: Tensor, b: Tensor, g: Tensor) -> Tensor:
    """I_0(b) + 2 sum_{k <= g} I_k(b) T_k(x/b)."""
    t = x / b
    before, now, value = torch.ones_like(t), t, bessel(0, b)
    for k in range(1, whole(g) + 1):
        value = value + 2 * bessel(k, b) * now
        before, now = now, 2 * t * now - before
    return value


def alternation(b: Tensor, g: Tensor) -> Tensor:
    """The alternating sum of a divided difference of e^x at Chebyshev's extremal points, relative to its size."""
    count = whole(g) + 2
    nodes = [math.cos(math.pi * j / (count - 1)) for j in range(count)]
    weights = [1 / math.prod(y - z for z in nodes if z != y) for y in nodes]
    terms = torch.stack([w * torch.exp(b * y) for w, y in zip(weights, nodes, strict=True)])
    return terms.sum(0).abs() / terms.abs().sum(0)


def _fold(choose: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def rule(first: Tensor, *rest: Tensor) -> Tensor:
        for value in rest:
            first = choose(first, value)
        return first

    return rule


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "exp": torch.exp,
    "log": torch.log,
    "Abs": torch.abs,
    "tanh": torch.tanh,
    "ceiling": torch.ceil,
    "Max": _fold(torch.maximum),
    "Min": _fold(torch.minimum),
    "factorial": lambda a: torch.exp(torch.lgamma(a + 1)),
    "binomial": lambda a, b: torch.exp(torch.lgamma(a + 1) - torch.lgamma(b + 1) - torch.lgamma(a - b + 1)),
    "T": lambda x, g: taylor(x, whole(g)),
    "J": taylor_error,
    "Degree": degree_of,
    "BesselTail": bessel_tail,
    "Chebyshev": chebyshev,
    "Alternation": alternation,
}
