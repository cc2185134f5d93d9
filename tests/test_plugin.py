"""Own lemmas, each a file of at most 25 lines outside the repository, checked like the paper's statements."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TRUE = '''\
"""Linear attention: the gradient in the values, and the weights of softmax attention sum to one."""

from almostlinear.theorems import *

Q, K, V, G = (symbol(name, n, d) for name in "QKVG")
A = define("A", Q @ K.T)
f = define("f", diag(recip(exp(A) @ ones(n))) @ exp(A))


@statement("my.1", "Gradient of linear attention in its keys")
def keys():
    return Identity(grad(loss(A @ V, G), K), (G @ V.T).T @ Q)


@statement("my.2", "Values come last", uses="my.1")
def values():
    return [Identity(grad(loss(f @ V, G), V), f.T @ G), Identity((f @ V) @ V.T, f @ (V @ V.T), part="2")]


@statement("my.3", "Size of linear attention", kind="norm-bound")
def size_of_it():
    return Bound(maxnorm(A @ V), n * d * maxnorm(Q) * maxnorm(K) * maxnorm(V))
'''
FALSE = """\
from almostlinear.theorems import *

Q, K, V, G = (symbol(name, n, d) for name in "QKVG")
f = define("f", diag(recip(exp(Q @ K.T) @ ones(n))) @ exp(Q @ K.T))


@statement("my.4", "f for its transpose")
def values():
    return Identity(grad(loss(f @ V, G), V), f @ G)


@statement("my.5", "A factor forgotten", kind="norm-bound")
def size_of_it():
    return Bound(maxnorm(Q @ K.T), maxnorm(Q) * maxnorm(K))
"""


def command(*arguments, **options):
    """As a user types it, somewhere else than in the repository."""
    return subprocess.run(
        [sys.executable, "-m", "almostlinear", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of one's own with both files, and both checked."""
    made = tmp_path_factory.mktemp("own")
    assert ROOT not in made.parents
    (made / "true.py").write_text(TRUE)
    (made / "false.py").write_text(FALSE)
    return made


@pytest.fixture(scope="module")
def true(folder):
    return command("check", "--plugin", folder / "true.py", "--ledger", folder / "true.sqlite", "--json")


@pytest.fixture(scope="module")
def false(folder):
    return command("check", "--plugin", folder / "false.py", "--ledger", folder / "false.sqlite")


@pytest.fixture(scope="module")
def refuted(folder, false):
    """The rows of the false lemmas, by id."""
    status = ("status", "--plugin", folder / "false.py", "--ledger", folder / "false.sqlite", "--json")
    rows = json.loads(command(*status).stdout)["statements"]
    return {row["id"]: row for row in rows if row["origin"] == "own"}


def test_a_lemma_takes_few_lines():
    assert len(TRUE.splitlines()) <= 25 and len(FALSE.splitlines()) <= 25


def test_true_lemmas_are_proved(true):
    assert true.returncode == 0, true.stderr
    data = json.loads(true.stdout)
    rows = {row["id"]: row for row in data["statements"]}
    assert {name: row["verdict"] for name, row in rows.items()} == dict.fromkeys(("my.1", "my.2", "my.3"), "proved")
    assert rows["my.2"]["uses"] == ["my.1"] and rows["my.1"]["origin"] == "own" and data["complaints"] == []
    assert {"exact", "gf(p)"} <= set(rows["my.1"]["basis"]) and rows["my.3"]["basis"] == ["exact", "certificate"]
    assert all(e["detail"]["all sizes"] for e in rows["my.2"]["evidence"] if e["engine"] == "expansion")


def test_false_lemmas_are_refuted_with_small_witnesses(false, refuted):
    assert false.returncode == 1
    assert {name: row["verdict"] for name, row in refuted.items()} == {"my.4": "refuted", "my.5": "refuted"}
    for row in refuted.values():
        assert max(row["witness"]["n"], row["witness"]["d"]) <= 3
        assert all(abs(int(x)) <= 9 for m in row["witness"]["inputs"].values() for line in m for x in line)
    assert "unexpected: my.4 is refuted" in false.stderr and "unexpected: my.5 is refuted" in false.stderr


def test_a_true_form_is_suggested(false):
    """f^T G in place of f G, and it is proved."""
    (line,) = [line for line in false.stdout.splitlines() if "true form of" in line]
    assert "my.4 (proved)" in line and "fᵀ" in line and "G" in line


@pytest.mark.parametrize("name", ["my.4", "my.5"])
def test_witnesses_of_lemmas_replay_with_the_plugin_and_not_without(folder, refuted, name):
    path = refuted[name]["witness"]["file"]
    found = command("replay", path, "--plugin", folder / "false.py", "--json")
    assert found.returncode == 0 and json.loads(found.stdout)["as recorded"]
    alone = command("replay", path)
    assert alone.returncode == 2 and f"no statement '{name}'" in alone.stderr


def test_lemmas_are_listed_shown_and_traced(folder, true):
    assert true.returncode == 0
    plugin = ("--plugin", folder / "true.py")
    listed = json.loads(command("list", "--origin", "own", *plugin, "--json").stdout)["statements"]
    assert [row["id"] for row in listed] == ["my.1", "my.2", "my.3"]
    shown = command("show", "my.2", *plugin, "--ledger", folder / "true.sqlite")
    assert "proved" in shown.stdout and "Values come last" in shown.stdout and "my.1" in shown.stdout
    assert json.loads(command("impact", "my.1", *plugin, "--json").stdout)["stale"] == ["my.2"]


def test_a_changed_lemma_is_stale(folder, true):
    """One constant edited: that lemma and what uses it, and nothing else."""
    assert true.returncode == 0
    path = folder / "edited.py"
    path.write_text(TRUE.replace("(G @ V.T).T @ Q)", "((G @ V.T).T @ Q) * 1)"))
    found = command("status", "--plugin", path, "--ledger", folder / "true.sqlite", "--json")
    stale = {row["id"]: row["stale"] for row in json.loads(found.stdout)["statements"]}
    assert {name for name, is_stale in stale.items() if is_stale} == {"my.1", "my.2"}
