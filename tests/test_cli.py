"""The command line as users' scripts see it: schema, exit codes, one clear message for bad input, nothing half-written."""

import json
import sqlite3
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from almostlinear.cli import app

runner = CliRunner()
KEYS = {
    "id", "title", "kind", "origin", "repairs", "uses", "source", "verdict", "stale", "basis", "tightness", "gap", "claims",
    "witness", "evidence",
}  # fmt: skip
REFUTED = ("C.18", "D.1", "D.8", "D.9", "E.11", "G.3")


def run(*arguments):
    return runner.invoke(app, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """A ledger in which the refuted statements are examined."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    assert run("check", *REFUTED, "--ledger", path).exit_code == 0
    return path


def test_status_has_the_documented_keys(ledger):
    found = run("status", "--json", "--ledger", ledger)
    data = json.loads(found.stdout)
    assert found.exit_code == 0 and data["schema"] == 1
    assert all(set(row) == KEYS for row in data["statements"])
    by_id = {row["id"]: row for row in data["statements"]}
    for name in REFUTED:
        witness = by_id[name]["witness"]
        assert by_id[name]["verdict"] == "refuted" and max(witness["n"], witness["d"]) <= 3


@pytest.mark.parametrize("name", REFUTED)
def test_every_witness_replays(ledger, name):
    data = json.loads(run("status", "--json", "--ledger", ledger).stdout)
    witness = next(row for row in data["statements"] if row["id"] == name)["witness"]
    found = run("replay", witness["file"], "--json")
    assert found.exit_code == 0 and json.loads(found.stdout)["refutes"] and json.loads(found.stdout)["as recorded"]


def test_a_witness_that_no_longer_refutes_exits_one(ledger, tmp_path):
    data = json.loads(run("status", "--json", "--ledger", ledger).stdout)
    witness = next(row for row in data["statements"] if row["id"] == "G.3")["witness"]
    witness["inputs"]["G"] = [["0"] * len(row) for row in witness["inputs"]["G"]]
    path = tmp_path / "w.json"
    path.write_text(json.dumps(witness))
    assert run("replay", path).exit_code == 1


GOOD = {
    "statement": "G.3", "part": "1", "reading": "f by Definitions C.6-C.8 (no 1/d)", "n": 1, "d": 1,
    "inputs": {"X": [["1"]], "W": [["1"]], "W_V": [["1"]], "G": [["1"]]}, "units": {"W": "ln2"},
}  # fmt: skip
BAD_WITNESS = {
    "not JSON": "{",
    "no object": "[]",
    "lacks keys": "{}",
    "unknown statement": json.dumps({**GOOD, "statement": "Q.7"}),
    "unknown part": json.dumps({**GOOD, "part": "9"}),
    "wrong shape": json.dumps({**GOOD, "inputs": {**GOOD["inputs"], "X": [["1", "2"]]}}),
    "ragged": json.dumps({**GOOD, "inputs": {**GOOD["inputs"], "X": [["1"], ["1", "2"]]}}),
    "no number": json.dumps({**GOOD, "inputs": {**GOOD["inputs"], "X": [["x"]]}}),
    "division by zero": json.dumps({**GOOD, "inputs": {**GOOD["inputs"], "X": [["1/0"]]}}),
    "missing matrix": json.dumps({**GOOD, "inputs": {"X": [["1"]]}}),
    "unknown unit": json.dumps({**GOOD, "units": {"W": "metre"}}),
    "too large": json.dumps({**GOOD, "n": 10**6}),
}


@pytest.mark.parametrize("name", BAD_WITNESS)
def test_bad_witness(tmp_path, name):
    path = tmp_path / "w.json"
    path.write_text(BAD_WITNESS[name])
    _is_bad(run("replay", path))


def _is_bad(found):
    assert found.exit_code == 2, found.output
    lines = [line for line in found.stderr.splitlines() if line.strip()]
    assert lines and "Traceback" not in found.output and found.stdout == ""


HEAD = "from almostlinear.theorems import *\nX, W = symbol('X', n, d), symbol('W', d, d)\n"
BAD_PLUGIN = {
    "syntax": "def (",
    "raises": "raise RuntimeError('no')",
    "defines nothing": "x = 1",
    "shape clash": HEAD + "@statement('my.1', 't')\ndef f():\n    return Identity(X @ W, X.T)\n",
    "shape clash inside": HEAD + "@statement('my.1', 't')\ndef f():\n    return Identity(X @ X, X)\n",
    "taken id": HEAD + "@statement('G.3', 't')\ndef f():\n    return Identity(X, X)\n",
    "unknown use": HEAD + "@statement('my.1', 't', uses='Q.9')\ndef f():\n    return Identity(X, X)\n",
    "returns nothing": HEAD + "@statement('my.1', 't')\ndef f():\n    pass\n",
}


@pytest.mark.parametrize("name", BAD_PLUGIN)
def test_bad_plugin(tmp_path, name):
    plugin, ledger = tmp_path / "lemma.py", tmp_path / "l.sqlite"
    plugin.write_text(BAD_PLUGIN[name])
    found = run("check", "--plugin", plugin, "--ledger", ledger)
    _is_bad(found)
    assert not ledger.exists()
    if name.startswith("shape clash"):
        assert (
            "my.1" in found.stderr
            and "n x d" in found.stderr
            and ("d x n" in found.stderr or "do not fit" in found.stderr)
        )


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "Q.7"), ("check", "Q.7"), ("impact", "Q.7"), ("check", "G.3", "--profile", "slow"),
        ("check", "G.3", "--seed", "-1"), ("check", "G.3", "--device", "tpu"), ("list", "--kind", "poem"),
        ("check", "--plugin", "nowhere.py"), ("replay", "nowhere.json"),
    ],
)  # fmt: skip
def test_bad_arguments(tmp_path, arguments):
    extra = ("--ledger", tmp_path / "l.sqlite") if arguments[0] == "check" else ()
    _is_bad(run(*arguments, *extra))


def test_bad_ledgers(tmp_path):
    text, other = tmp_path / "text.sqlite", tmp_path / "other.sqlite"
    text.write_text("no database at all, but long enough to be looked at as one")
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (x)")
    for path in (text, other, tmp_path / "missing.sqlite"):
        before = path.read_bytes() if path.exists() else None
        _is_bad(run("status", "--ledger", path))
        assert (path.read_bytes() if path.exists() else None) == before


def test_a_budget_stops_early_and_keeps(tmp_path):
    found = run("check", "G.1", "--budget", "0", "--ledger", tmp_path / "l.sqlite")
    assert found.exit_code == 3


def test_list_needs_no_torch():
    code = "import sys; from almostlinear.theorems import load; load(); import almostlinear.cli; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_impact_is_what_builds_on_a_statement():
    data = json.loads(run("impact", "D.1", "--json").stdout)
    assert {"D.3", "D.8", "E.11"} <= set(data["stale"]) and "C.1" not in data["stale"]
