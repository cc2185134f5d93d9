"""A campaign that is killed in the middle: nothing recorded is lost, no record is half, and the next run goes on to the same ledger."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from almostlinear.verify.evidence import from_json
from almostlinear.verify.ledger import Ledger

IDS = ("G.3", "C.18", "max.1", "T.1", "S.2")
SLOW = 120
"""Seconds that a run may take on a busy machine."""
RECORDS = 5
"""Records after which a run is killed."""


def command(ledger, workers, seed=0):
    return [
        sys.executable, "-m", "almostlinear", "check", *IDS,
        "--ledger", str(ledger), "--workers", str(workers), "--seed", str(seed), "--json",
    ]  # fmt: skip


def rows(ledger, table):
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10) as connection:
        return connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def dump(ledger):
    """Everything that the ledger holds of findings; when runs began and how long they took is not."""
    evidence = [(digest, statement, json.loads(record)) for _, digest, statement, record in rows(ledger, "evidence")]
    return evidence, rows(ledger, "examined")


def finish(ledger, workers=1, seed=0):
    done = subprocess.run(command(ledger, workers, seed), capture_output=True, text=True, timeout=SLOW)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def count(ledger):
    try:
        return len(rows(ledger, "evidence"))
    except sqlite3.OperationalError:
        return 0


def kill_at(ledger, wanted, workers):
    """Begin a run and kill it as soon as the ledger has so many records; the process ids of its workers are returned."""
    process = subprocess.Popen(command(ledger, workers), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    begun = time.monotonic()
    try:
        while count(ledger) < wanted and process.poll() is None and time.monotonic() - begun < SLOW:
            time.sleep(0.005)
        assert process.poll() is None, "the run ended before it could be killed"
        below = children(process.pid)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGKILL
    return below


def children(parent):
    found = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False
    ).stdout
    return [int(pid) for pid in found.split()]


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The ledger of a run that nobody disturbs."""
    ledger = tmp_path_factory.mktemp("whole") / "ledger.sqlite"
    finish(ledger)
    return dump(ledger)


def test_two_runs_give_one_ledger(whole, tmp_path):
    """Same seed, same machine: record by record, in the same order, by one process or by two."""
    for workers in (1, 2):
        finish(tmp_path / f"{workers}.sqlite", workers)
        assert dump(tmp_path / f"{workers}.sqlite") == whole


def test_another_seed_gives_another(whole, tmp_path):
    finish(tmp_path / "ledger.sqlite", seed=1)
    assert dump(tmp_path / "ledger.sqlite") != whole


@pytest.mark.parametrize("wanted", [1, 2 * RECORDS])
def test_a_killed_run_is_taken_up_where_it_was(whole, tmp_path, wanted):
    ledger = tmp_path / "ledger.sqlite"
    kill_at(ledger, wanted, 1)
    kept, examined = dump(ledger)
    assert len(kept) >= wanted
    assert kept == whole[0][: len(kept)] and examined
    with sqlite3.connect(ledger) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for digest, _, record in kept:
        assert from_json(record).digest == digest, "half a record"
    with Ledger(ledger, must_exist=True) as opened:
        assert len(list(opened)) == len(kept)
    finish(ledger)
    evidence, keys = dump(ledger)
    assert evidence == whole[0] and sorted(keys) == sorted(whole[1])


def test_what_is_examined_has_all_of_its_records(whole, tmp_path):
    """A claim counts as done together with its records, or not at all."""
    ledger = tmp_path / "ledger.sqlite"
    kill_at(ledger, RECORDS, 1)
    kept, examined = dump(ledger)
    of_claims = {(record["statement"], record["part"], record["reading"]) for _, _, record in kept}
    done = {tuple(key.split("|")[:3]) for (key,) in examined}
    assert of_claims == done
    for claim in done:
        there, all_ = (
            [r for _, _, r in listed if (r["statement"], r["part"], r["reading"]) == claim]
            for listed in (kept, whole[0])
        )
        assert there == all_


def test_the_workers_of_a_killed_run_end(tmp_path):
    below = kill_at(tmp_path / "ledger.sqlite", 1, 2)
    assert below
    begun = time.monotonic()
    while any(map(is_alive, below)) and time.monotonic() - begun < 60:
        time.sleep(0.2)
    left = [pid for pid in below if is_alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


def test_a_torn_write_would_be_noticed(tmp_path):
    """A ledger whose last page is cut off is refused, not read in part."""
    from almostlinear.verify.ledger import LedgerError

    ledger = tmp_path / "ledger.sqlite"
    kill_at(ledger, RECORDS, 1)
    with open(ledger, "r+b") as file:
        file.truncate(ledger.stat().st_size * 2 // 3)
    for path in tmp_path.glob("ledger.sqlite-*"):
        path.unlink()
    with pytest.raises(LedgerError), Ledger(ledger, must_exist=True) as opened:
        list(opened)
