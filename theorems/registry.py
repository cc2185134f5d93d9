"""The registry of statements: every module of theorems/ adds to it; plugins add their own.

``load()`` imports the paper's sections and the repaired theory; `Registry.descendants` answers what builds on what.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sympy

from .formula import Formula, ShapeError
from .shapes import OperandError
from .statement import (
    CLAIMS,
    Asymptotic,
    Bound,
    Claim,
    Cost,
    Expectation,
    Factors,
    Holds,
    Identity,
    Kind,
    Probability,
    Rank,
    Statement,
    StatementError,
    Within,
)

PLUGIN_PREFIX = "almostlinear_plugin_"
"""How the modules of files that are loaded by their path are named."""

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
            raise StatementError(
                f"{made.id}: already defined in {self._statements[made.id].module or 'this paper'}; choose another id"
            )
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
        fields: ``kind`` (by default that of its claims), ``uses``, ``hypotheses``, ``source``, ``repairs``, ``notes``; see
            `Statement`. ``into`` is the registry that it is added to, by default the common one.

    Raises:
        ShapeError: if shapes clash; the message has the id and both shapes.
        OperandError: if something that is no formula stands where one is needed.
        StatementError: if the statement is otherwise impossible.
    """

    if not isinstance(id, str):
        raise StatementError(f'the id {id!r} is no text: write @statement("my.1", "A title")')

    def define_by(build: Callable[[], Any]) -> Statement:
        try:
            made = build()
            parts = tuple(made) if isinstance(made, (list, tuple)) else (made,)
            strange = [p for p in parts if not isinstance(p, (*CLAIMS, Formula))]
            if strange:
                raise StatementError(f"{build.__name__}() returned {_returned(strange[0])}")
            claims = tuple(p for p in parts if not isinstance(p, Formula))
            shows = tuple(p for p in parts if isinstance(p, Formula))
            if shows and not claims and fields.get("kind") not in ("definition", "remark"):
                raise StatementError(
                    f"{build.__name__}() returned formulas alone; to claim that two are equal: return Identity(a, b)"
                )
            return _register(id, title, _place(build), fields, claims, shows)
        except (ShapeError, OperandError, StatementError) as error:
            if not str(error).startswith(id):
                error.args = (f"{id}: {error}",)
            raise

    return define_by


def _place(build: Callable[[], Any]) -> str:
    """Where a statement is defined: a module, or the file and line for a file that was loaded by its path."""
    module = build.__module__
    if not module.startswith(PLUGIN_PREFIX):
        return module
    return f"{Path(build.__code__.co_filename).name}, line {build.__code__.co_firstlineno}"


def _returned(strange: Any) -> str:
    """What a definition returned in place of a claim, and what to write."""
    if strange is None:
        return "NoneType, that is nothing; end it with: return Identity(left, right), or another claim"
    if isinstance(strange, (bool, sympy.logic.boolalg.BooleanAtom)):
        return f"bool ({strange}): == compares two formulas as they are written; to claim that they are equal: return Identity(left, right)"
    if isinstance(strange, sympy.core.relational.Relational):
        return f"the relation {strange}; to claim it: return Bound(left, right)"
    if isinstance(strange, str):
        return f"the text {strange[:40]!r}, which is never evaluated; return a claim such as Identity(left, right)"
    return f"{type(strange).__name__}; return Identity, Bound or another claim, or a list of them"


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


KIND_OF: tuple[tuple[Kind, tuple[type, ...]], ...] = (
    ("identity", (Identity, Expectation)),
    ("norm-bound", (Bound, Asymptotic)),
    ("error-bound", (Bound, Asymptotic, Factors)),
    ("rank", (Rank, Factors)),
    ("cost", (Cost, Asymptotic)),
    ("probability", (Probability, Expectation)),
)
"""Claims of which an own statement of a kind has at least one; the first kind that fits is the one of a statement that names none."""
FIELDS = frozenset(Statement.__dataclass_fields__) - {"id", "title", "claims", "shows", "module"} | {"into"}


def _register(
    id: str, title: str, module: str, fields: dict[str, Any], claims: tuple[Claim, ...], shows: tuple[Formula, ...]
) -> Statement:
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        near = difflib.get_close_matches(unknown[0], FIELDS, 1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise StatementError(f"{id}: a statement has no {unknown[0]!r}; {meant}It may have {', '.join(sorted(FIELDS))}")
    if not id or id.split() != [id]:
        raise StatementError(
            f"{id}: is no id: an id is a short label without blanks, such as my.1; the title comes after it"
        )
    if "kind" not in fields:
        fields = {**fields, "kind": next((kind for kind, fit in KIND_OF if _has(claims, fit)), "identity")}
    fields = {"origin": "own", "source": module, **fields}
    fit = dict(KIND_OF).get(fields["kind"])
    if fields["origin"] == "own" and fit and claims and not _has(claims, fit):
        claimed = ", ".join(sorted({type(c).__name__ for c in claims}))
        kinds = ", ".join(kind for kind, types in KIND_OF if _has(claims, types))
        raise StatementError(
            f"{id}: its kind is {fields['kind']!r}, but it claims {claimed}; leave kind= out, or use {kinds}"
        )
    into: Registry = fields.pop("into", registry)
    for name in ("hypotheses", "assumes", "granted", "concludes", "uses", "notes"):
        value = fields.get(name, ())
        fields[name] = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    for name in ("assumes", "granted", "concludes"):
        for text in (x for x in fields[name] if not isinstance(x, (Within, Holds))):
            raise StatementError(
                f'{id}, {name}: {text!r} is no hypothesis as data; write Within(d, LOG), or Holds("a fact") for words'
            )
    return into.add(Statement(id=id, title=title, module=module, claims=claims, shows=shows, **fields))


def _has(claims: tuple[Claim, ...], types: tuple[type, ...]) -> bool:
    return any(isinstance(claim, types) for claim in claims)


def load() -> Registry:
    """The registry with the paper's sections and the repaired theory in it, in the same order whatever was imported before."""
    for package in ("paper", "repaired"):
        importlib.import_module(f".{package}", __package__)
    return registry
