"""A campaign on a real cluster of dask.distributed: a scheduler and two workers with their nannies, each a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("distributed", reason="dask.distributed is not installed: pip install 'almostlinear[cluster]'")

from almostlinear.cli import app
from almostlinear.theorems import load
from almostlinear.verify.campaign import Cell, Found, Progress, run
from almostlinear.verify.cluster import Cluster, ClusterError, NoCluster, _Flight
from almostlinear.verify.ledger import Ledger
from almostlinear.verify.workers import work

ROOT = Path(__file__).resolve().parents[2]
SOME = ("D.8", "C.17", "G.3", "C.1", "C.2", "C.3", "D.2")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


class Dask:
    """Processes of one cluster. Any worker that dies is enough to blame its cells: the hardest setting for the innocent."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file, self.processes = folder, folder / "scheduler.json", list[subprocess.Popen[bytes]]()
        self.scheduler = self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        until(lambda: self.file.is_file() and bool(self.file.read_text()), 60)
        self.address = json.loads(self.file.read_text())["address"]

    def worker(self) -> None:
        self._start("dask_worker", "--nthreads", "1", "--no-dashboard", "--local-directory", str(self.folder))

    def _start(self, kind: str, *more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.{kind}", "--scheduler-file", str(self.file), *more]
        settings = {"PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
        log = (self.folder / f"{kind}-{len(self.processes)}.log").open("wb")
        made = subprocess.Popen(command, env=os.environ | settings, cwd=self.folder, stdout=log, stderr=log)
        self.processes.append(made)
        return made

    def end(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def until(good: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    made = Dask(tmp_path_factory.mktemp("dask"))
    try:
        made.worker()
        made.worker()
        yield made
    finally:
        made.end()


def examined(examiner: Any, names: Sequence[str] = SOME, **options: Any) -> tuple[Progress, set[str]]:
    registry = load()
    with Ledger(None) as ledger:
        progress = run(registry, ledger, [registry[name] for name in names], examiner=examiner, **options)
        return progress, {json.dumps(e.to_json(), sort_keys=True) for e in ledger}


def statements(found: set[str]) -> set[str]:
    return {json.loads(x)["statement"] for x in found}


def deadly(cell: Cell, plugins: Sequence[str]) -> Found:
    """A worker that dies of one statement, and fails at another."""
    if cell.statement == "D.8":
        os.kill(os.getpid(), signal.SIGKILL)
    if cell.statement == "G.3":
        raise ZeroDivisionError("planted")
    return work(cell, plugins)


def slow(cell: Cell, plugins: Sequence[str]) -> Found:
    time.sleep(1)
    return work(cell, plugins)


def test_a_cluster_finds_what_one_process_finds(dask: Dask) -> None:
    alone, there = examined(None), examined(Cluster(dask.address))
    assert alone == there and statements(there[1]) == set(SOME)


def test_a_cell_that_kills_its_workers_is_blamed_alone(dask: Dask) -> None:
    progress, found = examined(Cluster(dask.address, work=deadly))
    assert set(progress.errors) == {"D.8", "G.3"}
    assert "D.8: its workers died" in progress.errors["D.8"] and "KilledWorker" in progress.errors["D.8"]
    assert "ZeroDivisionError: planted" in progress.errors["G.3"] and "Traceback" in progress.errors["G.3"]
    assert statements(found) == set(SOME) - {"D.8", "G.3"}


def late_and_deadly(cell: Cell, plugins: Sequence[str]) -> Found:
    time.sleep(1)
    return deadly(cell, plugins)


def test_without_a_second_try_the_innocent_would_be_blamed(dask: Dask) -> None:
    """dask blames all that waited for the worker that died: what the second try is for. Who waits there is a race: a few rounds."""
    hashes = load().hashes()
    names = ("D.8", "C.1", "C.2", "C.3")
    cluster = Cluster(dask.address, work=late_and_deadly)
    for _ in range(5):
        flight = _Flight(cluster._client(), cluster)
        try:
            cells = iter([Cell(name, (), hashes[name]) for name in names])
            blamed = {cell.statement for cell, found in flight.run(cells, len(names)) if isinstance(found, str)}
        finally:
            flight.end()
        if len(blamed) > 1:
            break
    assert "D.8" in blamed and len(blamed) > 1
    assert set(examined(Cluster(dask.address, work=late_and_deadly), names)[0].errors) == {"D.8"}


def test_a_worker_killed_from_outside_costs_nothing(dask: Dask) -> None:
    """What it examined is examined again, and no cell is blamed."""
    from distributed import Client

    killed = []

    def kill(made: Any, done: int) -> None:
        if not killed:
            with Client(dask.address, set_as_default=False) as client:
                busy = [name for name, tasks in client.processing().items() if tasks]
                (pid,) = client.run(os.getpid, workers=busy[:1]).values()
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    progress, found = examined(Cluster(dask.address, work=slow), on_claim=kill)
    assert killed and not progress.errors and statements(found) == set(SOME)


def test_what_was_found_is_kept_and_not_examined_again(dask: Dask, tmp_path: Path) -> None:
    registry, asked = load(), [load()[name] for name in SOME]

    def interrupt(made: Any, done: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        with pytest.raises(KeyboardInterrupt):
            run(registry, ledger, asked, examiner=Cluster(dask.address, work=slow), on_claim=interrupt)
        kept = {e.statement for e in ledger}
        assert kept and kept < set(SOME)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        progress = run(registry, ledger, asked, examiner=Cluster(dask.address))
        assert progress.reused > 0 and {e.statement for e in ledger} == set(SOME)
        again = run(registry, ledger, asked, examiner=Cluster(dask.address))
        assert again.reused >= again.claims - 1 and not again.instances  # a statement without claims is always seen


def test_the_command(dask: Dask, tmp_path: Path) -> None:
    def check(*more: str) -> Any:
        return CliRunner().invoke(app, ["check", "C.1", "D.8", "--ledger", str(tmp_path / "l.sqlite"), *more])

    found = check("--dask", dask.address, "--json")
    assert found.exit_code == 0, found.output
    assert {row["id"]: row["verdict"] for row in json.loads(found.stdout)["statements"]}["D.8"] == "refuted"
    both = check("--dask", dask.address, "--workers", "2")
    assert both.exit_code == 2 and "use one of them" in both.stderr
    nobody = check("--dask", "tcp://127.0.0.1:9", "--json")
    assert nobody.exit_code == 2 and "no scheduler of dask.distributed answers at 'tcp://127.0.0.1:9'" in nobody.stderr
    assert "Traceback" not in nobody.stderr


def test_plugins(dask: Dask, tmp_path: Path) -> None:
    """Workers that have served another campaign before read what is new to them, and say what they cannot find."""
    plugin = tmp_path / "lemma.py"
    plugin.write_text(
        "from almostlinear.theorems import *\n"
        "A, B = symbol('A', n, d), symbol('B', d, n)\n"
        "@statement('cluster.1', 'Transposed product')\n"
        "def product():\n    return Identity((A @ B).T, B.T @ A.T)\n"
    )
    ledger = str(tmp_path / "l.sqlite")
    asked = ["check", "--plugin", str(plugin), "--dask", dask.address, "--ledger", ledger, "--json"]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["statements"][0]["verdict"] == "proved"
    with pytest.raises(NoCluster, match=r"worker tcp://.* cannot judge: .*nowhere"):
        examined(Cluster(dask.address, plugins=["nowhere/lemma.py"]))


def test_a_cluster_that_is_lost_ends_the_campaign(tmp_path: Path) -> None:
    made = Dask(tmp_path)
    try:
        with pytest.raises(NoCluster, match="has no workers: start some with `dask worker"):
            examined(Cluster(made.address, patience=1))
        made.worker()

        def lose(_: Any, done: int) -> None:
            made.scheduler.kill()

        begun = time.monotonic()
        with pytest.raises(ClusterError, match="lost"):
            examined(Cluster(made.address, work=slow, patience=30), on_claim=lose)
        assert time.monotonic() - begun < 60
    finally:
        made.end()
