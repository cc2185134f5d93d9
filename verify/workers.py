"""Worker processes that examine the cells of a campaign.

Each worker makes its own registry from the paper's statements and the plugins; a cell names the hash it expects, so that a worker
with other statements says so instead of judging them. A worker that dies loses its cell alone: a new one takes its place.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from almostlinear.theorems.plugins import load_installed, load_plugin
from almostlinear.theorems.registry import Registry, load

from .campaign import Cell, Found, examine_cell

AHEAD = 3
"""Cells handed out for each worker before the first of them is back."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_registry: Registry | None = None
_known: set[str] = set()
"""Plugins that this process has read: a worker of a cluster serves one campaign after the other."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prepare(plugins: Sequence[str] = ()) -> Registry:
    """The registry of this process with the statements of the plugins, each read once."""
    global _registry
    if _registry is None:
        _registry = load()
        load_installed()  # the process that began it has said what is wrong with them
    for plugin in plugins:
        if plugin not in _known:
            load_plugin(plugin)
            _known.add(plugin)
    return _registry


def work(cell: Cell, plugins: Sequence[str] = ()) -> Found:
    """Examine a cell in this process."""
    registry = prepare(plugins)
    known = registry.hashes().get(cell.statement) if cell.statement in registry else None
    if known != cell.hash:
        what = "another version" if known else "no such statement"
        return Found(
            error=f"{cell.statement}: this worker has {what}; start the workers again, with what is installed here"
        )
    return examine_cell(registry, cell)


class Pool:
    """An examiner (see `campaign.run`) of several processes on this machine.

    Args:
        workers: how many, at least 1.
        plugins: files or modules of own statements, as for `load_plugin`.
        work: what a worker does with a cell.
    """

    def __init__(
        self, workers: int, plugins: Sequence[str] = (), work: Callable[[Cell, Sequence[str]], Found] = work
    ) -> None:
        self.workers, self.plugins, self.work = workers, tuple(plugins), work

    def __call__(self, cells: Iterable[Cell]) -> Iterator[tuple[Cell, Found]]:
        """What was found, in the order of the cells."""
        for name in THREADS:
            os.environ.setdefault(name, "1")  # processes, not threads; they read it when they start
        pool = ProcessPool(
            self.workers,
            initializer=prepare,
            initargs=(self.plugins,),
            context=multiprocessing.get_context("spawn"),
        )
        waiting: deque[tuple[Cell, ProcessFuture[Found]]] = deque()
        try:
            for cell in cells:
                waiting.append((cell, pool.submit(self.work, None, cell, self.plugins)))
                if len(waiting) > AHEAD * self.workers:
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())
            pool.close()
        finally:
            pool.stop()
            pool.join()


def _result(cell: Cell, future: ProcessFuture[Found]) -> tuple[Cell, Found]:
    try:
        return cell, future.result()
    except ProcessExpired as died:
        why = f"{cell.statement}: the worker died (exit code {died.exitcode}) while it examined this"
        return cell, Found(error=why)
    except Exception as error:
        return cell, Found(error=str(getattr(error, "traceback", error)))
