"""`almostlinear diff`: what changed between two ledgers, and exit codes for scripts."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from almostlinear.cli import app
from almostlinear.verify.ledger import Ledger

runner = CliRunner()


def ledger(path, *runs):
    with Ledger(path) as made:
        for verdicts, tightness in runs:
            made.note_run("then", {"verdicts": verdicts, "tightness": tightness})
    return path


def diff(*arguments):
    return runner.invoke(app, ["diff", *map(str, arguments)])


def test_changed_added_and_removed(tmp_path):
    before = ledger(tmp_path / "a", ({"A": "proved", "B": "open", "C": "gap", "D": "enclosed"}, {"D": 0.5}))
    after = ledger(tmp_path / "b", ({"A": "refuted", "B": "open", "D": "enclosed", "E": "proved"}, {"D": 0.75}))
    found = diff(before, after, "--json")
    assert found.exit_code == 1
    assert json.loads(found.stdout) == {
        "schema": 1,
        "verdicts": [
            {"id": "A", "before": "proved", "after": "refuted"},
            {"id": "C", "before": "gap", "after": None},
            {"id": "E", "before": None, "after": "proved"},
        ],
        "tightness": [{"id": "D", "before": 0.5, "after": 0.75}],
    }
    shown = diff(before, after)
    assert shown.exit_code == 1 and "refuted" in shown.stdout and "0.75" in shown.stdout and "not there" in shown.stdout


def test_tightness_alone_is_no_failure_and_equal_ledgers_differ_in_nothing(tmp_path):
    before, after = (ledger(tmp_path / name, ({"A": "proved"}, {"A": t})) for name, t in (("a", 0.5), ("b", 0.6)))
    assert (
        diff(before, after).exit_code == 0 and len(json.loads(diff(before, after, "--json").stdout)["tightness"]) == 1
    )
    same = diff(before, before)
    assert same.exit_code == 0 and "no verdict" in same.stdout


def test_the_last_run_that_has_a_statement_counts(tmp_path):
    before = ledger(tmp_path / "a", ({"A": "open", "my.1": "proved"}, {"A": 0.1}), ({"A": "proved"}, {}))
    after = ledger(tmp_path / "b", ({"A": "proved", "my.1": "proved"}, {}))
    assert diff(before, after).exit_code == 0


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (None, "no run is recorded"),
        ({"verdicts": {"A": "splendid"}}, "no verdicts that this version knows"),
        ({"verdicts": ["A"]}, "no verdicts that this version knows"),
        ({"verdicts": {"A": "proved"}, "tightness": {"A": "much"}}, "no verdicts that this version knows"),
    ],
)
def test_a_ledger_without_usable_runs_gets_one_message(tmp_path, record, says):
    good, strange = ledger(tmp_path / "a", ({"A": "proved"}, {})), tmp_path / "b"
    with Ledger(strange) as made:
        if record is not None:
            made.note_run("then", record)
    for pair in ((good, strange), (strange, good)):
        found = diff(*pair)
        assert found.exit_code == 2 and says in found.stderr and found.stdout == "" and "Traceback" not in found.stderr


def test_a_missing_ledger_is_not_made(tmp_path):
    found = diff(tmp_path / "a", tmp_path / "b")
    assert found.exit_code == 2 and "no ledger there" in found.stderr and not list(tmp_path.iterdir())
