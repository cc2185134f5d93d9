"""Worker processes: what they find is what one process finds; a worker that dies loses its cell alone, and it is named."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from almostlinear.cli import app
from almostlinear.theorems import load
from almostlinear.verify.campaign import Cell, Found, run
from almostlinear.verify.ledger import Ledger
from almostlinear.verify.status import statuses
from almostlinear.verify.workers import Pool, work

SOME = ("D.1", "C.17", "E.11", "max.1", "G.3", "C.1", "D.17")


def found(examiner):
    registry = load()
    with Ledger(None) as ledger:
        progress = run(registry, ledger, [registry[name] for name in SOME], examiner=examiner)
        return progress, [e.to_json() for e in ledger]


def test_two_workers_find_what_one_process_finds_in_the_same_order():
    alone, together = found(None), found(Pool(2))
    assert alone[1] == together[1] and len(alone[1]) > len(SOME)
    assert alone[0] == together[0] and not alone[0].stopped


def kill(cell, plugins):
    """A worker that dies of one statement."""
    if cell.statement == "E.11":
        os.kill(os.getpid(), signal.SIGKILL)
    if cell.statement == "G.3":
        raise ZeroDivisionError("planted")
    return work(cell, plugins)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_dead_worker_loses_its_cell_alone_and_the_ledger_keeps_the_reason():
    registry = load()
    with Ledger(None) as ledger:
        progress = run(registry, ledger, [registry[name] for name in SOME], examiner=Pool(2, work=kill))
        assert set(progress.errors) == {"E.11", "G.3"}
        assert (
            "died (exit code -9)" in progress.errors["E.11"] and "ZeroDivisionError: planted" in progress.errors["G.3"]
        )
        assert {e.statement for e in ledger} == set(SOME) - {"E.11", "G.3"}
        hashes = registry.hashes()
        ledger.note_run("now", {"errors": {k: {"hash": hashes[k], "text": v} for k, v in progress.errors.items()}})
        rows = {s.statement.id: s.to_json() for s in statuses(registry, ledger)}
        assert rows["E.11"]["verdict"] == "open" and "died" in rows["E.11"]["error"]
        assert "error" not in rows["D.1"]
        assert not run(registry, ledger, [registry[name] for name in SOME], examiner=Pool(2)).errors
        assert all("error" not in s.to_json() for s in statuses(registry, ledger)), "examined since"


def test_a_worker_with_another_version_judges_nothing():
    assert "another version" in work(Cell("D.1", (0,), "0000")).error
    assert "no such statement" in work(Cell("my.unknown", (0,), "0000")).error
    assert isinstance(work(Cell("D.1", (), load().hashes()["D.1"])), Found)


def test_workers_know_the_plugins(tmp_path):
    plugin = tmp_path / "lemma.py"
    plugin.write_text(
        "from almostlinear.theorems import *\n"
        "A, B = symbol('A', n, d), symbol('B', d, n)\n"
        "@statement('my.1', 'Transposed product')\n"
        "def product():\n    return Identity((A @ B).T, B.T @ A.T)\n"
    )
    done = CliRunner().invoke(
        app, ["check", "--plugin", str(plugin), "--workers", "2", "--ledger", str(tmp_path / "l.sqlite"), "--json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["statements"][0]["verdict"] == "proved"


def gone(group):
    """Whether a group of processes ends within some seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_an_interrupt_ends_the_workers_too(tmp_path):
    path = tmp_path / "l.sqlite"
    command = [sys.executable, "-m", "almostlinear", "check", "--workers", "2", "--ledger", str(path)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    until = time.monotonic() + 60
    while time.monotonic() < until and not (path.exists() and path.stat().st_size > 60_000):
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 3 and "interrupted" in err and "Traceback" not in err, err
    assert gone(process.pid), "a worker is left"
    with Ledger(path) as ledger:
        assert list(ledger)


@pytest.mark.parametrize("first", ["theorems.repaired.kernel", "theorems.paper.k_multihead", "verify.mutation.judge"])
def test_the_order_of_the_statements_does_not_depend_on_what_is_imported_first(first):
    code = f"import almostlinear.{first}; from almostlinear.theorems import load; print(*(s.id for s in load()))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    plain = "from almostlinear.theorems import load; print(*(s.id for s in load()))"
    assert found.stdout == subprocess.run([sys.executable, "-c", plain], capture_output=True, text=True).stdout
    assert found.stdout.split()[0] == "1.1"
