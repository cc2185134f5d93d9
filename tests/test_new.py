"""`almostlinear new`: a short lemma that is proved as it is written; nothing is overwritten, bad names are refused."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from almostlinear.cli import app
from almostlinear.commands.lemmas import kinds
from tests.helpers import scratch_registry

runner = CliRunner()


def run(*arguments):
    return runner.invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize("kind", kinds())
def test_a_new_lemma_is_short_and_proved(tmp_path, kind):
    found = run("new", f"first-{kind}", "--kind", kind, "--dir", tmp_path / "lemmas")
    path = tmp_path / "lemmas" / f"first_{kind}.py"
    assert found.exit_code == 0 and found.stdout.strip() == str(path)
    assert len(path.read_text().splitlines()) <= 25
    with scratch_registry():
        checked = run("check", "--plugin", path, "--ledger", tmp_path / "l.sqlite", "--json")
    assert checked.exit_code == 0, checked.output
    (row,) = json.loads(checked.stdout)["statements"]
    assert (row["id"], row["verdict"]) == (f"my.first-{kind}", "searched" if kind == "probability" else "proved")


def test_nothing_is_overwritten(tmp_path):
    path = tmp_path / "lemma_one.py"
    path.write_text("mine")
    found = run("new", "lemma-one", "--kind", "rank", "--dir", tmp_path)
    assert found.exit_code == 2 and "exists already" in found.stderr and path.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("1st", "begin with a letter"), ("a/b", "begin with a letter"), ("../x", "begin with a letter"), ("", "begin with a letter"),
        ('x"""', "begin with a letter"), ("a" * 41, "40 in all"), ("é", "begin with a letter"), ("x\n", "begin with a letter"),
        ("class", "word of Python"), ("match", "word of Python"), ("sympy", "would hide"), ("json", "would hide"),
    ],
)  # fmt: skip
def test_bad_names_get_one_message(tmp_path, name, says):
    found = run("new", name, "--kind", "identity", "--dir", tmp_path / "sub")
    assert found.exit_code == 2 and found.stdout == "" and says in found.stderr and "Traceback" not in found.stderr
    assert not (tmp_path / "sub").exists()


def test_an_unknown_kind_names_the_known_ones(tmp_path):
    found = run("new", "a", "--kind", "poem", "--dir", tmp_path)
    assert found.exit_code == 2 and all(kind in found.stderr for kind in kinds())
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    found = run("new", "a-lemma", "--kind", "cost", "--dir", tmp_path / "file")
    assert found.exit_code == 2 and "cannot be made a folder" in found.stderr


def test_a_witness_without_matrices_names_its_sizes_and_its_family():
    from almostlinear.terminal import witness_text

    shown = witness_text(
        {"inputs": {}, "schema": 1, "n": 4, "d": 1, "claimed": "9", "actual": "44", "family": "n grows"}
    )
    assert shown == "n = 4, d = 1: claimed 9, true 44; n grows"
    shown = witness_text({"inputs": {"X": [["1", "2"]]}, "n": 1, "d": 2, "claimed": "1", "actual": "2"})
    assert shown == "X = ((1, 2)): claimed 1, true 2"
