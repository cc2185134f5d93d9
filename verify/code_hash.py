"""Hashes of the code that judges: a module's source and that of all it imports from this package.

Evidence goes stale when its engine's code changes. Statement files are not part of it: their content is hashed on its own.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = "almostlinear"
ROOT = Path(__file__).resolve().parent.parent
CONTENT = ("paper", "repaired", "notation", "registry", "display", "plugins")


@cache
def code_hash(module: str) -> str:
    """The hash of ``almostlinear.verify.engines.expansion`` or any other module here, imports included."""
    text = "".join(f"{name}:{_file(name).read_text(encoding='utf-8')}" for name in sorted(reached(module)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def reached(module: str) -> set[str]:
    """The module and everything it imports from this package, directly or not."""
    found, waiting = set(), [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(x for x in _imports(name) if x not in found)
    return found


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _imports(module: str) -> frozenset[str]:
    found = set()
    package = module if _file(module).name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(_file(module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return frozenset(name for name in found if _is_code(name))


def _is_code(module: str) -> bool:
    parts = module.split(".")
    inside = len(parts) > 2 or parts[1:] == ["impl"]  # what a package exports is code where the package is what runs
    return parts[0] == PACKAGE and inside and not set(parts[2:3]) & set(CONTENT) and _file(module).is_file()
