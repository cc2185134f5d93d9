"""Planted mistakes in the source of impl: one node of a module's syntax tree is changed, and the module runs as changed.

The source is read when it is needed, so that the mistakes are those of the code as it stands. `changed` makes a loader that gives the
changed module to whoever imports it, in a process that has not imported impl yet.
"""

from __future__ import annotations

import ast
import copy
import importlib.abc
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2] / "impl"
PACKAGE = "almostlinear.impl"
OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip
PAIRS = (
    ("tril", "triu"),
    ("amax", "amin"),
    ("max", "min"),
    ("sum", "mean"),
    ("zeros", "ones"),
    ("floor", "ceil"),
    ("cumsum", "cumprod"),
)
CALLS = {a: b for pair in PAIRS for a, b in (pair, pair[::-1])}
TRANSPOSES = ("mT", "T")
UNSPOILT = (ast.Raise, ast.Import, ast.ImportFrom, ast.Assert)
"""Statements without a number in them: what they say is not judged here."""


@dataclass(frozen=True)
class SourceMutant:
    """The ``number``-th mistake that can be planted in a module of impl."""

    module: str
    number: int
    line: int
    mistake: str

    @property
    def name(self) -> str:
        return f"impl/{self.module}.py:{self.line}: {self.mistake}"


def variants(node: ast.AST) -> Iterator[tuple[str, Callable[[Any], ast.AST]]]:
    """What a node may become by mistake: in words, and as a change of a copy of it."""
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        other = OPERATORS[type(node.op)]
        yield f"{type(node.op).__name__} becomes {other.__name__}", lambda x: _with(x, op=other())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield f"{type(node.op).__name__} dropped", lambda x: x.operand
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        yield f"{node.value} becomes {node.value + 1}", lambda x: _with(x, value=x.value + 1)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS:
        relation = COMPARISONS[type(node.ops[0])]
        yield f"{type(node.ops[0]).__name__} becomes {relation.__name__}", lambda x: _with(x, ops=[relation()])
    if isinstance(node, ast.Attribute) and node.attr in TRANSPOSES:
        yield "transpose dropped", lambda x: x.value
    if isinstance(node, ast.Attribute) and node.attr in CALLS:
        yield f"{node.attr} becomes {CALLS[node.attr]}", lambda x: _with(x, attr=CALLS[x.attr])
    if isinstance(node, ast.IfExp):
        yield "branches exchanged", lambda x: _with(x, body=x.orelse, orelse=x.body)
    if isinstance(node, ast.BoolOp):
        word = "Or" if isinstance(node.op, ast.And) else "And"
        yield f"becomes {word}", lambda x: _with(x, op=ast.Or() if isinstance(x.op, ast.And) else ast.And())


def _with(node: Any, **fields: Any) -> Any:
    for name, value in fields.items():
        setattr(node, name, value)
    return node


class Planter(ast.NodeTransformer):
    """Counts the places of a tree, and changes the one of number ``target``."""

    def __init__(self, target: int | None = None) -> None:
        self.target, self.count = target, 0
        self.found: list[tuple[int, str]] = []

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, UNSPOILT):
            return node
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            return _with(node, body=[self.visit(x) for x in node.body])  # no decorators, defaults and annotations
        if isinstance(node, ast.AnnAssign):
            return _with(node, value=self.visit(node.value)) if node.value is not None else node
        chosen = None
        for mistake, change in variants(node):
            if self.count == self.target:
                chosen = change
            self.found.append((getattr(node, "lineno", 0), mistake))
            self.count += 1
        new = self.generic_visit(node)
        return new if chosen is None else ast.copy_location(chosen(copy.deepcopy(new)), node)


def source_of(module: str) -> tuple[Path, str]:
    path = ROOT / f"{module.replace('.', '/')}.py"
    return path, path.read_text(encoding="utf-8")


def mutants(modules: Sequence[str]) -> Iterator[SourceMutant]:
    """Every mistake that can be planted in the modules."""
    for module in modules:
        planter = Planter()
        planter.visit(ast.parse(source_of(module)[1]))
        yield from (SourceMutant(module, k, line, mistake) for k, (line, mistake) in enumerate(planter.found))


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module of impl with its mistake, and leaves all others to the finders behind it."""

    def __init__(self, mutant: SourceMutant) -> None:
        self.mutant, self.name = mutant, f"{PACKAGE}.{mutant.module}"

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self.name:
            return None
        file = source_of(self.mutant.module)[0]
        return importlib.util.spec_from_file_location(fullname, file, loader=self)

    def create_module(self, spec: Any) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        path, text = source_of(self.mutant.module)
        tree = Planter(self.mutant.number).visit(ast.parse(text))
        exec(compile(ast.fix_missing_locations(tree), str(path), "exec"), module.__dict__)


def install(mutant: SourceMutant) -> None:
    """From here on an import of its module is one of the changed source.

    Raises:
        RuntimeError: if the module has been imported before.
    """
    if f"{PACKAGE}.{mutant.module}" in sys.modules:
        raise RuntimeError(f"{mutant.module} was imported already; plant mistakes in a fresh process")
    sys.meta_path.insert(0, Changed(mutant))
