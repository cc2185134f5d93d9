"""The interpreter: evaluates a formula in any backend, each node once for each value of its free indices.

A backend is an object with one method per operation of the formula language (the table is `OPERATIONS`): it gets the node,
the values of the arguments and the values of the free indices. Index sums and stacked rows are unrolled over
`backend.range_of(index)`; derivatives run the same table over dual numbers.
"""

from __future__ import annotations

from typing import Any, Protocol

from almostlinear.theorems.formula import Formula
from almostlinear.theorems.sizes import Index

Environment = dict[Index, Any]

OPERATIONS = (
    "symbol", "ones", "eye", "unit", "scale", "add", "matmul", "transpose", "hadamard", "times", "row", "col", "entry",
    "exp", "recip", "func", "taylor", "absolute", "diag", "kron", "rowkron", "block", "loss", "sum", "stack", "define", "grad", "jvp",
)  # fmt: skip


class Backend(Protocol):
    """What the interpreter asks of a backend, beside one method per operation."""

    def range_of(self, index: Index) -> Any:
        """The values that an index takes."""

    def gradient(self, interpreter: Interpreter, node: Formula, environment: Environment) -> Any:
        """The value of grad(L, X)."""

    def directional(self, interpreter: Interpreter, node: Formula, environment: Environment) -> Any:
        """The value of jvp(body, X, V)."""


class Interpreter:
    """Evaluates formulas in one backend; values are remembered until the interpreter is dropped."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self._known: dict[tuple, Any] = {}

    def __call__(self, formula: Formula, environment: Environment | None = None) -> Any:
        """The value of a formula at the given index values (1-based)."""
        return self._value(formula, environment or {})

    def _value(self, node: Formula, environment: Environment) -> Any:
        free = {i: environment[i] for i in node.free}
        key = (node, frozenset(free.items())) if free else (node,)
        if key not in self._known:
            self._known[key] = self._compute(node, free)
        return self._known[key]

    def _compute(self, node: Formula, environment: Environment) -> Any:
        if node.op == "define":
            return self._value(node.args[0], environment)
        if node.op in ("sum", "stack"):
            index, body = node.data[0], node.args[0]
            values = [self._value(body, {**environment, index: v}) for v in self.backend.range_of(index)]
            return getattr(self.backend, node.op)(node, environment, values)
        if node.op == "grad":
            return self.backend.gradient(self, node, environment)
        if node.op == "jvp":
            return self.backend.directional(self, node, environment)
        arguments = [self._value(a, environment) for a in node.args]
        return getattr(self.backend, node.op)(node, environment, *arguments)
