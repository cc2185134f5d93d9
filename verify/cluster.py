"""The cells of a campaign on an existing cluster of dask.distributed.

As `workers`, but the workers are others': each has the packages and the plugins installed and makes its own registry, and a cell that it
would judge by another version of a statement is refused there. What is found is handed over as it comes, so that a campaign that is cut
off loses only the cells under way; the order of the ledger is then that of time. A cell that took workers down together with others is
tried once more alone: only one that does it alone is to blame.
"""

from __future__ import annotations

import threading
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from almostlinear import __version__

from .campaign import Cell, Found
from .workers import prepare, work

AHEAD = 2
"""Cells handed out for each thread of the workers before the first of them is back."""
PATIENCE = 60.0
"""Seconds without any worker after which a campaign ends."""
LOOK = 2.0
"""Seconds after which the number of workers is looked at, when nothing comes."""
_one_at_a_time = threading.Lock()


class ClusterError(RuntimeError):
    """The cluster is lost; the message says how."""


class NoCluster(ClusterError):
    """The cluster cannot be had, or cannot judge; the message says why and what to do."""


def identity(plugins: Sequence[str]) -> str:
    """What a worker would judge by: the version of the package. Raises what makes it unfit."""
    with _one_at_a_time:
        prepare(plugins)
    return __version__


def work_there(work: Callable[[Cell, Sequence[str]], Found], cell: Cell, plugins: Sequence[str]) -> Found:
    """Examine a cell in a worker: one at a time, whatever its threads, for the engines share their caches."""
    with _one_at_a_time:
        return work(cell, plugins)


class Cluster:
    """An examiner (see `campaign.run`) on the cluster whose scheduler is at ``address``.

    Args:
        plugins: files or modules of own statements, as for `load_plugin`; where they lie, the workers must find them too.
        work: what a worker does with a cell.
        patience: seconds to wait for a scheduler, or without any worker.

    Raises:
        NoCluster: when called, for a scheduler that does not answer or workers that cannot judge. ClusterError: for a cluster that is lost.
    """

    def __init__(
        self,
        address: str,
        plugins: Sequence[str] = (),
        work: Callable[[Cell, Sequence[str]], Found] = work,
        patience: float = PATIENCE,
    ) -> None:
        self.address, self.plugins, self.work, self.patience = address, tuple(plugins), work, patience

    def __call__(self, cells: Iterable[Cell]) -> Iterator[tuple[Cell, Found]]:
        """What was found, as it comes."""
        client = self._client()
        flight = _Flight(client, self)
        try:
            self._check(client)
            suspects: deque[tuple[Cell, str]] = deque()
            for cell, found in flight.run(iter(cells), flight.room()):
                if isinstance(found, Found):
                    yield cell, found
                else:
                    suspects.append((cell, found))
            for cell, found in flight.run((cell for cell, _ in suspects), 1):
                yield cell, found if isinstance(found, Found) else Found(error=found)
        finally:
            flight.end()

    def _client(self) -> Any:
        try:
            from distributed import Client
        except ImportError as error:
            raise NoCluster("--dask needs the package distributed: pip install 'almostlinear[cluster]'") from error
        try:
            return Client(self.address, timeout=min(self.patience, 10), set_as_default=False)
        except (OSError, ValueError, TimeoutError, TypeError) as error:
            raise NoCluster(
                f"no scheduler of dask.distributed answers at {self.address!r}: {_line(error)}; start one with `dask scheduler`"
            ) from error

    def _check(self, client: Any) -> None:
        """Every worker can judge, by this version."""
        try:
            client.wait_for_workers(1, timeout=self.patience)
        except TimeoutError as error:
            raise NoCluster(
                f"the cluster at {self.address} has no workers: start some with `dask worker {self.address} --nthreads 1`"
            ) from error
        for worker, found in client.run(identity, self.plugins, on_error="return").items():
            if isinstance(found, Exception):
                raise NoCluster(f"worker {worker} cannot judge: {_line(found)}; install there what is installed here")
            if found != __version__:
                raise NoCluster(f"worker {worker} has version {found}, here is {__version__}: install one on both")


class _Flight:
    """Cells under way on a cluster."""

    def __init__(self, client: Any, cluster: Cluster) -> None:
        self.client, self.cluster = client, cluster
        self.under_way: dict[Any, Cell] = {}

    def room(self) -> int:
        """How many cells to hand out at a time."""
        return max(1, AHEAD * sum(self._workers().values()))

    def run(self, cells: Iterator[Cell], room: int) -> Iterator[tuple[Cell, Found | str]]:
        """Each cell and what was found, or, where the workers that had it died, what dask says of it."""
        more = True
        while more or self.under_way:
            while more and len(self.under_way) < room:
                cell = next(cells, None)
                more = cell is not None
                if cell is not None:
                    self._submit(cell)
            for future in self._done() if self.under_way else ():
                yield self._found(future)

    def _submit(self, cell: Cell) -> None:
        key = f"almostlinear-{cell.statement}-{uuid.uuid4().hex}"
        arguments = (self.cluster.work, cell, self.cluster.plugins)
        self.under_way[self.client.submit(work_there, *arguments, key=key, pure=False)] = cell

    def _done(self) -> list[Any]:
        from distributed import wait

        idle = 0.0
        while True:
            try:
                with self.client.as_current():
                    return list(wait(list(self.under_way), timeout=LOOK, return_when="FIRST_COMPLETED").done)
            except TimeoutError:
                idle = 0.0 if self._workers() else idle + LOOK
                if idle >= self.cluster.patience:
                    raise ClusterError(f"no worker has been there for {idle:.0f} s") from None
            except Exception as error:  # dask raises what its transport does
                raise ClusterError(f"the scheduler at {self.cluster.address} is lost: {_line(error)}") from error

    def _found(self, future: Any) -> tuple[Cell, Found | str]:
        from distributed import KilledWorker

        cell = self.under_way.pop(future)
        if future.status == "cancelled":
            raise ClusterError(
                f"the scheduler at {self.cluster.address} gave up {cell.statement}: it is lost, or was told to"
            )
        try:
            return cell, future.result()
        except KilledWorker as died:
            return cell, f"{cell.statement}: its workers died while they examined this (KilledWorker): {_line(died)}"
        except Exception as error:
            return cell, Found(error="".join(traceback.format_exception(error)))
        finally:
            future.release()

    def _workers(self) -> dict[str, int]:
        """Threads of each worker."""
        try:
            return dict(self.client.nthreads())
        except Exception as error:  # dask raises what its transport does
            raise ClusterError(f"the scheduler at {self.cluster.address} is lost: {_line(error)}") from error

    def end(self) -> None:
        """Take back what is not done."""
        try:
            self.client.cancel(list(self.under_way), force=True)
        finally:
            self.client.close(timeout=5)


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
