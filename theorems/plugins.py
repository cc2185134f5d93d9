"""Statements from elsewhere: a file by its path, a module by its name, and what installed packages declare.

A package declares its statements by an entry point of the group ``almostlinear.statements`` whose value is a module:

    [project.entry-points."almostlinear.statements"]
    mine = "mine.lemmas"
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import linecache
import re
import sys
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import sympy

from .registry import PLUGIN_PREFIX, registry
from .shapes import OperandError, ShapeError
from .statement import Statement, StatementError

GROUP = "almostlinear.statements"
LONG = 100
"""Characters of a line that is shown in a message."""
LOADED: dict[str, list[Statement]] = {}
"""What each file, module or entry point defined, by the name under which it was loaded."""


class PluginError(RuntimeError):
    """A plugin that cannot be loaded; the message names the file and line, the cause and what to do."""


def load_plugin(source: str) -> list[Statement]:
    """Import a file of own statements, or a module by its dotted name; returns what it defines.

    Raises:
        PluginError: if it is not found, fails to import or defines no statement; then nothing of it is registered.
    """
    before = dict(registry._statements)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            found = _import(source)
    except PluginError:
        raise
    except (Exception, SystemExit) as error:
        registry._statements = before
        raise PluginError(explained(error, source)) from error
    made = [s for name, s in registry._statements.items() if name not in before] or [
        s for s in found if s.id in registry
    ]
    if not made:
        raise PluginError(f"{source}: defines no statement; decorate a function with @statement(id, title)")
    try:
        for one in made:
            missing = [used for used in registry.uses(one.id) if used not in registry]
            if missing:
                raise StatementError(
                    located(f"{one.id} uses {missing[0]!r}, which no statement has; see `almostlinear list`", one)
                )
        registry.hashes()
    except StatementError as error:
        registry._statements = before
        said, name = str(error), f"{Path(source).name}, line "
        raise PluginError(
            f"{source}, line {said[len(name) :]}" if said.startswith(name) else f"{source}: {said}"
        ) from None
    LOADED[source] = made
    return made


def load_installed() -> list[str]:
    """Load what installed packages declare; those that cannot be are left out, and there is a message for each."""
    wrong = []
    for point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        package = point.dist.name if point.dist else "a package"
        try:
            if point.attr:
                raise PluginError(f"{point.value}: name the module alone, without :{point.attr}")
            load_plugin(point.module)
        except PluginError as error:
            wrong.append(
                f"the statements of the installed package {package!r} (entry point {point.name!r}) are left out: {error}"
            )
    return wrong


def _import(source: str) -> list[Statement]:
    """Import it; of a module that was imported before, what it defines is registered again."""
    path = Path(source)
    if path.suffix != ".py":
        try:
            spec = importlib.util.find_spec(source)
        except (ModuleNotFoundError, ValueError):  # a package above it is not there
            spec = None
        if spec is None:
            raise PluginError(f"{source}: no such file or module; give a .py file or the name of an installed module")
        module = importlib.import_module(source)
        found = [*getattr(module, "PACK", ()), *_defined(module)]
        for made in found:
            if made.id not in registry:
                registry.add(made)
        return found
    if not path.is_file():
        raise PluginError(f"{source}: no such file")
    name = PLUGIN_PREFIX + hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    return []


def _defined(module: ModuleType) -> list[Statement]:
    """The own statements among a module's names, and among those of its submodules that are imported."""
    inside = [
        m for name, m in list(sys.modules.items()) if name == module.__name__ or name.startswith(f"{module.__name__}.")
    ]
    found = [v for m in inside for v in vars(m).values() if isinstance(v, Statement) and v.origin == "own"]
    return list({made.id: made for made in found if made.module.startswith(module.__name__)}.values())


def located(text: str, made: Statement) -> str:
    """A message about a statement, with the file and line where that is known."""
    return f"{made.module}: {text}" if ", line " in made.module else text


# -- what went wrong, for the one who wrote it -------------------------------------------------------------------------------
def explained(error: BaseException, source: str) -> str:
    """File and line, what is wrong, what to do, and the line itself."""
    frame, line = _place(error, source)
    file = source if source.endswith(".py") or frame is None else frame.f_code.co_filename
    where = f"{file}, line {line}: " if line else f"{source}: "
    kind = "" if isinstance(error, (ShapeError, OperandError, StatementError)) else f"{type(error).__name__}: "
    if isinstance(error, SyntaxError):
        said, text = error.msg, (error.text or "").strip()
    else:
        said, text = str(error), linecache.getline(file, line).strip() if line else ""
    advice = _advice(error, frame)
    there = f" (there: {text[:LONG]})" if text else ""
    return " ".join(f"{where}{kind}{said}{f'; {advice}' if advice else ''}{there}".split())


def _place(error: BaseException, source: str) -> tuple[FrameType | None, int]:
    """The innermost frame in the plugin through which the error came, and its line; 0 if there is none."""
    frame, line = None, error.lineno or 0 if isinstance(error, SyntaxError) else 0
    trace = error.__traceback__
    while trace is not None:
        inside = Path(trace.tb_frame.f_code.co_filename).name == Path(source).name
        if inside or str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == source.partition(".")[0]:
            frame, line = trace.tb_frame, trace.tb_lineno
        trace = trace.tb_next
    return frame, line


def _advice(error: BaseException, frame: FrameType | None) -> str:
    """What to do about an exception of Python's own."""
    if isinstance(error, NameError) and frame is not None:
        return _unknown_name(error.name or "", frame)
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("almostlinear"):
        return "a lemma file begins with: from almostlinear.theorems import *"
    if isinstance(error, AssertionError | SystemExit):
        return "a lemma file states claims and does not check them itself"
    if isinstance(error, AttributeError) and type(error.obj).__name__ in ("Formula", "Norm"):
        return "see the table of operations in docs/reference.md; the inverse of diag(v) is diag(recip(v)), the transpose is A.T"
    if isinstance(error, ShapeError) and re.search(r"(product|sum|difference): shapes", str(error)):
        return "in a product the inner sizes must agree, else both sizes: is a transpose (.T) missing?"
    if isinstance(error, TypeError):
        called = re.match(r"(\w+)(?:\.__init__)?\(\) (?:missing|got|takes)", str(error))
        if called:
            return _usage(called[1])
        if "Formula" in str(error):
            return "use the functions of almostlinear.theorems on formulas (exp, recip, A.T), not those of numpy, torch or math"
    return ""


def _unknown_name(name: str, frame: FrameType) -> str:
    package = vars(sys.modules[__package__])
    if "symbol" not in frame.f_globals and name in package:
        return "begin the file with: from almostlinear.theorems import *"
    own = [word for word in {**frame.f_globals, **frame.f_locals} if word not in package]
    near = [*difflib.get_close_matches(name, own, 1, 0.65), *difflib.get_close_matches(name, package, 1, 0.75)]
    if near and len(name) > 2:
        return f"did you mean {near[0]}?"
    if hasattr(sympy, name) and len(name) > 1:
        return f"it is a function of SymPy: import sympy, and write sympy.{name}"
    return f'declare it: a matrix by {name} = symbol("{name}", n, d), a size by size("{name}"), an index by tokens("{name}")'


def _usage(name: str) -> str:
    """How a claim or function of a lemma file is called, by its signature."""
    made: Any = getattr(sys.modules[__package__], name, None)
    if not callable(made) or name.startswith("_"):
        return "the function under @statement takes no arguments"
    needed = [
        p.name if p.default is p.empty else f"{p.name}={p.default!r}"
        for p in inspect.signature(made).parameters.values()
        if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        and p.name not in ("part", "reading", "typo", "step", "free", "where")
    ]
    return f"it is called as {name}({', '.join(needed)})"
