"""impl has one name, and imports torch and the standard library alone."""

import ast
import importlib.util
import sys
from pathlib import Path

import pytest

import almostlinear.impl

FOLDER = Path(almostlinear.impl.__file__).parent


def test_refuses_a_second_name():
    spec = importlib.util.spec_from_file_location("impl", FOLDER / "__init__.py")
    with pytest.raises(ImportError, match=r"almostlinear\.impl"):
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda p: p.stem)
def test_imports_torch_alone(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module]
        assert all(n.split(".")[0] in {"torch", *sys.stdlib_module_names} for n in names), names


def test_everything_exported_is_there():
    assert all(hasattr(almostlinear.impl, name) for name in almostlinear.impl.__all__)
    assert len(set(almostlinear.impl.__all__)) == len(almostlinear.impl.__all__)  # ruff keeps the order
