"""Dual numbers over any array backend: a value and its derivative along given directions in one named matrix.

The table has one rule per operation: linear operations act on both parts, bilinear ones by the product rule, and
d exp(S) = exp(S) * dS, d(1/a) = -(1/a)^2 * da, d phi(Z) = phi'(Z) * dZ, dL = <dL/dY, dY>. Directions are a leading axis, so
all unit directions (a whole gradient) run at once; ``None`` is a zero derivative.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from almostlinear.theorems.formula import Formula, func

from .interpreter import OPERATIONS, Environment, Interpreter

LINEAR = ("scale", "transpose", "row", "col", "entry", "block", "diag")
BILINEAR = ("matmul", "hadamard", "times", "kron", "rowkron")
CONSTANT = ("ones", "eye", "unit")


class Dual(NamedTuple):
    value: Any
    change: Any


class DualBackend:
    """The operations of ``base`` on dual numbers; ``variable`` moves along ``directions``."""

    def __init__(self, base: Interpreter, variable: Formula, directions: Any) -> None:
        self.points, self.base = base, base.backend
        self.variable, self.directions = variable, directions

    def range_of(self, index: Any) -> Any:
        return self.base.range_of(index)

    def __getattr__(self, op: str) -> Any:
        rules = {**dict.fromkeys(LINEAR, self._linear), **dict.fromkeys(BILINEAR, self._bilinear)}
        rules |= dict.fromkeys(CONSTANT, self._constant)
        if op not in rules:
            if op in OPERATIONS:
                raise NotImplementedError(f"no rule differentiates {op!r}")
            raise AttributeError(op)
        return rules[op]

    def _linear(self, node: Formula, environment: Environment, a: Dual) -> Dual:
        rule = getattr(self.base, node.op)
        return Dual(
            rule(node, environment, a.value), a.change if a.change is None else rule(node, environment, a.change)
        )

    def _bilinear(self, node: Formula, environment: Environment, a: Dual, b: Dual) -> Dual:
        rule = getattr(self.base, node.op)
        left = None if a.change is None else rule(node, environment, a.change, b.value)
        right = None if b.change is None else rule(node, environment, a.value, b.change)
        return Dual(rule(node, environment, a.value, b.value), _sum(left, right))

    def _constant(self, node: Formula, environment: Environment) -> Dual:
        return Dual(getattr(self.base, node.op)(node, environment), None)

    def symbol(self, node: Formula, environment: Environment) -> Dual:
        return Dual(self.points(node, environment), self.directions if node is self.variable else None)

    def add(self, node: Formula, environment: Environment, a: Dual, b: Dual) -> Dual:
        return Dual(self.base.add(node, environment, a.value, b.value), _sum(a.change, b.change))

    def exp(self, node: Formula, environment: Environment, a: Dual) -> Dual:
        value = self.base.exp(node, environment, a.value)
        return Dual(value, None if a.change is None else value * a.change)

    def recip(self, node: Formula, environment: Environment, a: Dual) -> Dual:
        value = self.base.recip(node, environment, a.value)
        return Dual(value, None if a.change is None else self.base.times_number(value * value * a.change, -1))

    def func(self, node: Formula, environment: Environment, a: Dual) -> Dual:
        name, order = node.data
        value = self.base.func(node, environment, a.value)
        if a.change is None:
            return Dual(value, None)
        slope = self.base.func(func(name, node.args[0], order + 1), environment, a.value)
        return Dual(value, slope * a.change)

    def taylor(self, node: Formula, environment: Environment, a: Dual) -> Dual:
        degree = self.base.degree(node)
        value = self.base.taylor_polynomial(degree, a.value)
        return Dual(value, None if a.change is None else self.base.taylor_polynomial(degree - 1, a.value) * a.change)

    def loss(self, node: Formula, environment: Environment, y: Dual, upstream: Dual) -> Dual:
        value = self.base.loss(node, environment, y.value, upstream.value)
        return Dual(value, None if y.change is None else self.base.entry_sum(upstream.value * y.change))

    def sum(self, node: Formula, environment: Environment, values: list[Dual]) -> Dual:
        total = self.base.sum(node, environment, [v.value for v in values])
        changes = [v.change for v in values if v.change is not None]
        return Dual(total, self.base.sum(node, environment, changes) if changes else None)

    def stack(self, node: Formula, environment: Environment, values: list[Dual]) -> Dual:
        total = self.base.stack(node, environment, [v.value for v in values])
        if all(v.change is None for v in values):
            return Dual(total, None)
        changes = [self.base.times_number(v.value, 0) if v.change is None else v.change for v in values]
        return Dual(total, self.base.stack(node, environment, changes))

    def gradient(self, interpreter: Interpreter, node: Formula, environment: Environment) -> Any:
        raise NotImplementedError("a derivative of a derivative has no rule; write the inner derivative out")

    directional = gradient


def _sum(left: Any, right: Any) -> Any:
    if left is None or right is None:
        return right if left is None else left
    return left + right


def directional(interpreter: Interpreter, node: Formula, environment: Environment) -> Any:
    """jvp(body, X, V) at the interpreter's point."""
    body, variable, direction = node.args
    run = _runner(interpreter, variable, direction, environment)
    value = run(body, environment)
    return interpreter.backend.times_number(value.value, 0) if value.change is None else value.change


def gradient(interpreter: Interpreter, node: Formula, environment: Environment) -> Any:
    """grad(L, X) at the interpreter's point: all unit directions at once."""
    scalar, variable = node.args
    base = interpreter.backend
    rows, columns = base.extent(variable.shape)
    value = _runner(interpreter, variable, None, {})(scalar, environment)
    if value.change is None:
        return base.full((rows, columns), 0)
    changes = value.change[..., 0, 0]
    if len(changes.shape) == 1:
        return changes.reshape((rows, columns))
    batch = changes.shape[1:]
    return changes.swapaxes(0, -1).reshape((*reversed(batch), rows, columns)) if len(batch) == 1 else _unsupported()


def _unsupported() -> Any:
    raise NotImplementedError("gradients of problems with more than one batch axis")


def _runner(
    interpreter: Interpreter, variable: Formula, direction: Formula | None, environment: Environment
) -> Interpreter:
    """The dual interpreter of this variable and direction, made once for each value of the direction."""
    made = interpreter.__dict__.setdefault("_duals", {})
    place = () if direction is None else tuple((i, environment[i]) for i in sorted(direction.free, key=str))
    key = (variable, direction, place)
    if key not in made:
        chosen = _unit_directions(interpreter, variable) if direction is None else interpreter(direction, environment)
        made[key] = Interpreter(DualBackend(interpreter, variable, chosen))
    return made[key]


def _unit_directions(interpreter: Interpreter, variable: Formula) -> Any:
    base = interpreter.backend
    rows, columns = base.extent(variable.shape)
    zero, one = base.full((1, 1), 0), base.full((1, 1), 1)
    batch = len(interpreter(variable).shape) - 2
    count = range(rows * columns)
    flat = base.join([base.join([(one if a == b else zero)[0, 0:1] for a in count], -1) for b in count], 0)
    return flat.reshape((rows * columns, *([1] * batch), rows, columns))
