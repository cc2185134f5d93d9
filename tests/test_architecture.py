"""The arrows between the rooms: who may import whom, read from the source without running it.

theorems and impl know nothing of each other or of anyone else: a bound is never computed from the code that
it judges. The reports see evidence only through the ledger; the certificate checker stands alone.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("theorems", "impl", "verify", "reports")


@dataclass(frozen=True)
class Rule:
    """What files under `path` may import: `inside` almostlinear, and of others (None: any)."""

    path: str
    inside: tuple[str, ...]
    others: tuple[str, ...] | None = None


# The longest path that fits a file is its rule.
RULES = (
    Rule("theorems", inside=("theorems",), others=("sympy",)),
    Rule("impl", inside=("impl",), others=("torch",)),
    Rule("impl/kernels", inside=("impl",), others=("torch", "triton")),
    Rule("impl/integrations", inside=("impl",)),
    Rule("verify", inside=("verify", "theorems", "impl", "__version__")),
    Rule("verify/checker.py", inside=(), others=("flint",)),
    Rule(
        "reports",
        inside=("reports", "theorems", "verify.status", "verify.ledger", "verify.evidence", "__version__"),
    ),
)


def within(name: str, allowed: str, separator: str = ".") -> bool:
    return name == allowed or name.startswith(allowed + separator)


def imports(source: str, package: str) -> Iterator[tuple[int, str]]:
    """(line, full dotted name) of each import in a module of `package`; `from a import b` gives a.b."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: 1 - node.level or None] if node.level else []
            base = [*parents, *([node.module] if node.module else [])]
            yield from ((node.lineno, ".".join([*base, alias.name])) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            name = node.args[0].value
            if called in ("import_module", "__import__") and isinstance(name, str) and not name.startswith("."):
                yield node.lineno, name


def allowed(name: str, rule: Rule) -> bool:
    top = name.split(".")[0]
    if top in ROOMS:  # a second name for almostlinear.<room>
        return False
    if top == "almostlinear":
        return any(within(name, f"almostlinear.{inside}") for inside in rule.inside)
    return rule.others is None or top in rule.others or top in sys.stdlib_module_names


def violations(package_folder: Path) -> list[str]:
    """Forbidden imports in the rooms of the package, one a line: file:line imports name."""
    found = []
    for room in ROOMS:
        for file in sorted((package_folder / room).rglob("*.py")):
            path = file.relative_to(package_folder)
            rule = max((r for r in RULES if within(path.as_posix(), r.path, "/")), key=lambda r: len(r.path))
            package = ".".join(["almostlinear", *path.parts[:-1]])
            found += [
                f"{path}:{line} imports {name}"
                for line, name in imports(file.read_text(encoding="utf-8"), package)
                if not allowed(name, rule)
            ]
    return found


def test_arrows() -> None:
    assert not violations(ROOT / "almostlinear")


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_read(room: str) -> None:
    """A broken link would make test_arrows pass over nothing."""
    assert (ROOT / "almostlinear" / room / "__init__.py").is_file()


@pytest.mark.parametrize(
    ("file", "source", "caught"),
    [
        ("theorems/paper/a.py", "import torch", "torch"),
        ("theorems/a.py", "import sympy, numpy as np", "numpy"),
        (
            "theorems/a.py",
            "def f():\n    from almostlinear.impl import attention",
            "almostlinear.impl.attention",
        ),
        ("theorems/paper/a.py", "from ...impl import attention", "almostlinear.impl.attention"),
        ("theorems/a.py", "import theorems.formula", "theorems.formula"),
        (
            "theorems/a.py",
            "import importlib\nimportlib.import_module('almostlinear.verify')",
            "almostlinear.verify",
        ),
        ("impl/a.py", "from .. import theorems", "almostlinear.theorems"),
        ("impl/a.py", "import triton", "triton"),
        ("impl/kernels/a.py", "import numpy", "numpy"),
        ("impl/integrations/a.py", "from almostlinear import verify", "almostlinear.verify"),
        ("reports/a.py", "from ..impl.attention import attend", "almostlinear.impl.attention.attend"),
        (
            "reports/pages/a.py",
            "from ...verify.engines import identity",
            "almostlinear.verify.engines.identity",
        ),
        ("reports/a.py", "from almostlinear.verify import backends", "almostlinear.verify.backends"),
        ("reports/a.py", "import almostlinear.verify", "almostlinear.verify"),
        ("verify/a.py", "from ..cli import main", "almostlinear.cli.main"),
        ("verify/a.py", "from almostlinear.reports import site", "almostlinear.reports.site"),
        ("verify/a.py", "from verify import ledger", "verify.ledger"),
        ("verify/checker.py", "import sympy", "sympy"),
        ("verify/checker.py", "from . import evidence", "almostlinear.verify.evidence"),
    ],
)
def test_a_forbidden_import_is_caught(tmp_path: Path, file: str, source: str, caught: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    (found,) = violations(tmp_path)
    assert found.startswith(f"{file}:") and found.endswith(f" imports {caught}")


@pytest.mark.parametrize(
    ("file", "source"),
    [
        (
            "theorems/paper/a.py",
            "import math\nimport sympy\nfrom ..formula import exp\nfrom . import notation",
        ),
        ("theorems/__init__.py", "from .formula import exp"),
        (
            "impl/kernels/a.py",
            "import triton.language as tl\nfrom torch import nn\nfrom ..features import phi",
        ),
        ("impl/integrations/a.py", "import transformers\nfrom almostlinear.impl import attention"),
        (
            "verify/engines/a.py",
            "import flint\nfrom ... import impl\nfrom almostlinear.theorems import registry",
        ),
        ("verify/checker.py", "import json\nimport flint"),
        (
            "reports/a.py",
            "import jinja2\nfrom almostlinear import __version__, theorems\nfrom ..verify import status",
        ),
    ],
)
def test_a_permitted_import_is_not(tmp_path: Path, file: str, source: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(source, encoding="utf-8")
    assert violations(tmp_path) == []


@pytest.mark.parametrize("room", ["theorems", "impl"])
def test_a_second_name_is_refused(room: str) -> None:
    """In the repository's root `import theorems` finds the folder: two registries, were it not refused."""
    run = subprocess.run([sys.executable, "-c", f"import {room}"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1
    message = run.stderr.splitlines()[-1]
    assert message.startswith("ImportError: ") and f"almostlinear.{room}" in message
