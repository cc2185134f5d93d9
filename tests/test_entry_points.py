"""Installed packages that declare statements: found without being named; one that is broken is named and left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from almostlinear.theorems import plugins
from tests.helpers import scratch_registry

LEMMA = """from almostlinear.theorems import *

X, W = symbol("X", n, d), symbol("W", d, d)


@statement("{id}", "The transpose of a product")
def transposed():
    return Identity((X @ W).T, {right})
"""


def install(folder, package, text, value=None):
    """As pip leaves a package: a folder of code, and one that describes it."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text("")
    (folder / package / "lemmas.py").write_text(text)
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{plugins.GROUP}]\n{package} = {value or package + '.lemmas'}\n")


def command(folder, *words):
    """Run where the packages of ``folder`` are installed."""
    environment = os.environ | {"PYTHONPATH": str(folder / "installed")}
    called = [sys.executable, "-m", "almostlinear", *map(str, words)]
    return subprocess.run(called, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] in ("good_lemmas", "bad_lemmas")]:
        monkeypatch.delitem(sys.modules, name)
    install(tmp_path / "installed", "good_lemmas", LEMMA.format(id="good.1", right="W.T @ X.T"))
    return tmp_path


def test_declared_statements_are_listed_checked_and_reported(folder):
    found = command(folder, "list", "--origin", "own", "--json")
    assert [row["id"] for row in json.loads(found.stdout)["statements"]] == ["good.1"] and not found.stderr
    ledger = ("--ledger", folder / "l.sqlite")
    checked = command(folder, "check", "good.1", "--json", *ledger)
    (row,) = json.loads(checked.stdout)["statements"]
    assert checked.returncode == 0 and row["verdict"] == "proved" and row["source"] == "good_lemmas.lemmas"
    made = command(folder, "report", "--out", folder / "site", *ledger)
    assert made.returncode == 0 and (folder / "site" / "statements" / "good.1.html").exists(), made.stderr


def test_a_file_that_is_named_is_checked_alone(folder):
    (folder / "mine.py").write_text(LEMMA.format(id="my.1", right="W.T @ X.T"))
    found = command(folder, "check", "--plugin", "mine.py", "--ledger", "l.sqlite", "--json")
    assert [row["id"] for row in json.loads(found.stdout)["statements"]] == ["my.1"], found.stderr


def test_a_module_that_is_declared_may_be_named_too(folder):
    found = command(folder, "check", "--plugin", "good_lemmas.lemmas", "--ledger", "l.sqlite", "--json")
    assert [row["id"] for row in json.loads(found.stdout)["statements"]] == ["good.1"], found.stderr


BROKEN = {
    "a mistake": (LEMMA.format(id="bad.1", right="X @ W"), None, "left side is d x n and the right side n x d"),
    "an exception": ("1 / 0\n", None, "lemmas.py, line 1: ZeroDivisionError"),
    "a taken id": (LEMMA.format(id="D.9", right="W.T @ X.T"), None, "D.9: already defined"),
    "nothing": ("x = 1\n", None, "defines no statement"),
    "a module that is not there": ("", "bad_lemmas.other", "no such file or module"),
    "a package that is not there": ("", "no_such_package.lemmas", "no such file or module"),
    "an object": (LEMMA.format(id="bad.1", right="W.T @ X.T"), "bad_lemmas.lemmas:transposed", "without :transposed"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_named_and_left_out(folder, name, monkeypatch):
    text, value, says = BROKEN[name]
    install(folder / "installed", "bad_lemmas", text, value)
    monkeypatch.syspath_prepend(str(folder / "installed"))
    with scratch_registry() as registry:
        (message,) = (said for said in plugins.load_installed() if "_lemmas" in said)
        assert "good.1" in registry and "bad.1" not in registry
    assert "'bad_lemmas'" in message and says in message and "left out" in message and "\n" not in message


def test_the_command_line_says_so_in_one_line_and_goes_on(folder):
    install(folder / "installed", "bad_lemmas", "1 / 0\n")
    found = command(folder, "list", "--origin", "own", "--json")
    assert found.returncode == 0 and [row["id"] for row in json.loads(found.stdout)["statements"]] == ["good.1"]
    assert found.stderr.count("\n") == 1 and "'bad_lemmas'" in found.stderr and "Traceback" not in found.stderr


def test_loading_twice_in_a_process_is_harmless(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder / "installed"))
    for _ in range(2):
        with scratch_registry() as registry:
            assert not [text for text in plugins.load_installed() if "good_lemmas" in text]
            assert "good.1" in registry and registry["good.1"].origin == "own"
            assert not [text for text in plugins.load_installed() if "good_lemmas" in text]
