"""`pytest --almostlinear` in a folder of one's own: statements as tests, failures that explain themselves, a table at the end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def pytest_in(folder, *arguments):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "almostlinear.pytest_plugin",
        "-p",
        "no:cacheprovider",
        *map(str, arguments),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture
def folder(tmp_path):
    for old, new in (("identity_keys", "true"), ("identity_values", "false")):
        (tmp_path / f"{new}.py").write_text((EXAMPLES / f"{old}.py").read_text())
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass\n")
    return tmp_path


def test_a_true_and_a_false_lemma(folder):
    found = pytest_in(folder, "--almostlinear", "true.py", "--almostlinear", "false.py", "-v")
    text = found.stdout
    assert found.returncode == 1 and "1 failed, 2 passed" in text, text + found.stderr
    assert "true.py::example.identity-keys PASSED proved by exact, gf(p)" in text
    for line in ("witness    G =", "replay     almostlinear replay .almostlinear/witnesses/", "true form  right side"):
        assert line in text, text
    assert "= almostlinear =" in text and "1 ✓ proved · 1 ✗ refuted" in text
    assert "almostlinear report --ledger" in text and "Traceback" not in text


def test_settings_in_the_configuration_file(folder):
    (folder / "pytest.ini").write_text("[pytest]\nalmostlinear = true.py\n")
    assert "2 passed" in pytest_in(folder).stdout
    assert "1 passed" in pytest_in(folder, "test_other.py").stdout
    assert "1 passed" in pytest_in(folder, "true.py::example.identity-keys").stdout


@pytest.mark.parametrize(("name", "code"), [("none.py", 4), ("no_such_module_at_all", 4), ("broken.py", 2)])
def test_what_cannot_be_loaded_gets_a_message(folder, name, code):
    (folder / "broken.py").write_text(
        "from almostlinear.theorems import *\nX = symbol('X', n, d) @ symbol('X', n, d)\n"
    )
    found = pytest_in(folder, "--almostlinear", name)
    assert found.returncode == code and name in found.stdout + found.stderr
    assert "Traceback" not in found.stdout + found.stderr


def test_without_statements_nothing_is_added(folder):
    found = pytest_in(folder)
    assert found.returncode == 0 and "1 passed" in found.stdout and "= almostlinear =" not in found.stdout
