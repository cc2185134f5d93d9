"""The registry of statements: every module of theorems/ adds to it; plugins add their own.

``load()`` imports the paper's sections and the repaired theory; `Registry.descendants` answers what builds on what.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .formula import Formula, ShapeError
from .statement import CLAIMS, Claim, Statement, StatementError

PAPER = (
    "main_text", "b_discussion", "c_preliminaries", "d_matrix_view", "e_gradient_t", "f_gradient_w", "g_gradient_wv",
    "h_multilayer", "i_causal", "j_residual", "k_multihead", "main_results",
)  # fmt: skip
REPAIRED = (
    "one_layer",
    "polynomial",
    "kernel",
    "errors_max",
    "errors_l1",
    "algorithm",
    "lower_bound",
    "approximation",
    "end_to_end",
    "depth",
    "structure",
    "layers",
)


class Registry:
    """Statements by id, in the order of definition."""

    def __init__(self) -> None:
        self._statements: dict[str, Statement] = {}

    def add(self, made: Statement) -> Statement:
        """Add a statement.

        Raises:
            StatementError: if the id is taken.
        """
        if made.id in self._statements:
            raise StatementError(f"{made.id}: already defined in {self._statements[made.id].module}; choose another id")
        self._statements[made.id] = made
        return made

    def __iter__(self) -> Iterator[Statement]:
        return iter(self._statements.values())

    def __len__(self) -> int:
        return len(self._statements)

    def __contains__(self, name: str) -> bool:
        return name in self._statements

    def __getitem__(self, name: str) -> Statement:
        if name not in self._statements:
            near = [known for known in self._statements if known.lower().startswith(name.lower()[:2])]
            hint = f"; near it are {', '.join(near[:6])}" if near else ""
            raise KeyError(f"no statement {name!r}{hint}; `almostlinear list` shows all")
        return self._statements[name]

    def uses(self, name: str) -> tuple[str, ...]:
        """What a statement builds on: what it names and what its formulas are defined by."""
        made = self[name]
        named = (*made.uses, *sorted(made.sources()))
        return tuple(dict.fromkeys(x for x in named if x != name))

    def unknown_uses(self) -> dict[str, tuple[str, ...]]:
        """Ids that are used but not defined here, by statement."""
        found = {s.id: tuple(x for x in self.uses(s.id) if x not in self) for s in self}
        return {name: missing for name, missing in found.items() if missing}

    def used_by(self, name: str) -> tuple[str, ...]:
        return tuple(s.id for s in self if name in self.uses(s.id))

    def descendants(self, name: str) -> tuple[str, ...]:
        """Everything that builds on a statement, directly or not, in the order of definition."""
        reached = {self[name].id}
        grew = True
        while grew:
            more = {s.id for s in self if s.id not in reached and reached.intersection(self.uses(s.id))}
            reached |= more
            grew = bool(more)
        return tuple(s.id for s in self if s.id in reached and s.id != name)

    def hashes(self) -> dict[str, str]:
        """For each statement a hash of its content and of all it builds on: a change reaches every descendant."""
        done: dict[str, str] = {}
        active: list[str] = []

        def visit(name: str) -> str:
            if name in done:
                return done[name]
            if name in active:
                circle = " -> ".join([*active[active.index(name) :], name])
                raise StatementError(f"statements use each other in a circle: {circle}")
            active.append(name)
            below = [visit(used) for used in sorted(self.uses(name)) if used in self]
            active.pop()
            text = "|".join([self[name].content_hash, *below])
            done[name] = hashlib.sha256(text.encode()).hexdigest()[:16]
            return done[name]

        for made in self:
            visit(made.id)
        return done


registry = Registry()
ARXIV = "arXiv:2408.13233v2"


def statement(id: str, title: str, **fields: Any) -> Callable[[Callable[[], Any]], Statement]:
    """Define a statement by a function that returns its claims (and the formulas that it shows).

        @statement("my.1", "Row sums of f", kind="identity")
        def row_sums():
            return Identity(f @ ones(n), ones(n))

    Args:
        id: the label, unique among all statements.
        title: a few words.
        fields: ``kind`` (default "identity"), ``uses``, ``hypotheses``, ``source``, ``repairs``, ``notes``; see
            `Statement`. ``into`` is the registry that it is added to, by default the common one.

    Raises:
        ShapeError: if shapes clash; the message has the id and both shapes.
        StatementError: if the statement is otherwise impossible.
    """

    def define_by(build: Callable[[], Any]) -> Statement:
        try:
            made = build()
            parts = tuple(made) if isinstance(made, (list, tuple)) else (made,)
            strange = [p for p in parts if not isinstance(p, (*CLAIMS, Formula))]
            if strange:
                raise StatementError(
                    f"{id}: {build.__name__}() returned {type(strange[0]).__name__}; return Identity or Bound claims"
                )
            claims = tuple(p for p in parts if not isinstance(p, Formula))
            shows = tuple(p for p in parts if isinstance(p, Formula))
            return _register(id, title, build.__module__, fields, claims, shows)
        except ShapeError as error:
            text = str(error)
            raise ShapeError(text if text.startswith(f"{id}") else f"{id}: {text}") from None

    return define_by


def definition(label: str, title: str, *shows: Formula, **fields: Any) -> Statement:
    """A published definition: the formulas that it introduces, nothing claimed."""
    fields = {"kind": "definition", "origin": "published", "source": f"{ARXIV} {label}", **fields}
    return _register(label.split()[-1], title, "", fields, (), shows)


def published(label: str, title: str, **fields: Any) -> Callable[[Callable[[], Any]], Statement]:
    """A statement of the paper, ``label`` as printed: "Lemma D.17" gets the id ``D.17``."""
    return statement(label.split()[-1], title, origin="published", source=f"{ARXIV} {label}", **fields)


def repair(repaired: str, title: str, **fields: Any) -> Callable[[Callable[[], Any]], Statement]:
    """A true statement in place of a published one: the repair of ``D.1`` gets the id ``D.1r``."""
    source = f"repair of {ARXIV} {repaired}"
    return statement(f"{repaired}r", title, origin="repair", source=source, repairs=repaired, **fields)


def _register(
    id: str, title: str, module: str, fields: dict[str, Any], claims: tuple[Claim, ...], shows: tuple[Formula, ...]
) -> Statement:
    fields = {"kind": "identity", "origin": "own", "source": module, **fields}
    into: Registry = fields.pop("into", registry)
    for name in ("hypotheses", "assumes", "granted", "concludes", "uses", "notes"):
        value = fields.get(name, ())
        fields[name] = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    return into.add(Statement(id=id, title=title, module=module, claims=claims, shows=shows, **fields))


class PluginError(RuntimeError):
    """A plugin that cannot be loaded; the message names the file, the cause and what to do."""


def load_plugin(source: str) -> list[Statement]:
    """Import a file of own statements, or a module by its dotted name; returns what it defines.

    Raises:
        PluginError: if it is not found, fails to import or defines no statement; then nothing of it is registered.
    """
    before = dict(registry._statements)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            _import_plugin(source)
    except PluginError:
        raise
    except (Exception, SystemExit) as error:
        registry._statements = before
        raise PluginError(f"{source}: {_place(error, source)}{type(error).__name__}: {error}") from error
    made = [s for name, s in registry._statements.items() if name not in before]
    if not made:
        raise PluginError(f"{source}: defines no statement; decorate a function with @statement(id, title)")
    unknown = {s.id: [u for u in registry.uses(s.id) if u not in registry] for s in made}
    for name, missing in unknown.items():
        if missing:
            registry._statements = before
            raise PluginError(f"{source}: {name} uses {missing[0]!r}, which no statement has; see `almostlinear list`")
    try:
        registry.hashes()
    except StatementError as error:
        registry._statements = before
        raise PluginError(f"{source}: {error}") from None
    return made


def _add_pack(module: Any) -> None:
    """The statements of a package that keeps a registry of its own, such as almostlinear.theorems.foundations."""
    for made in getattr(module, "PACK", ()):
        if made.id not in registry:
            registry.add(made)


def _import_plugin(source: str) -> None:
    path = Path(source)
    if path.suffix != ".py":
        if importlib.util.find_spec(source) is None:
            raise PluginError(f"{source}: no such file or module; give a .py file or the name of an installed module")
        _add_pack(importlib.import_module(source))
        return
    if not path.is_file():
        raise PluginError(f"{source}: no such file")
    name = f"almostlinear_plugin_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _place(error: BaseException, source: str) -> str:
    """``line 12: `` where the error's traceback passes through the plugin."""
    line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
    trace = error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == Path(source).name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return f"line {line}: " if line else ""


def load() -> Registry:
    """The registry with the paper's sections and the repaired theory in it, in the same order whatever was imported before."""
    for package in ("paper", "repaired"):
        importlib.import_module(f".{package}", __package__)
    return registry
