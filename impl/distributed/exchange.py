"""The exchanges between the processes of a group: sums, maxima, and sums over the processes before or behind each (an exclusive scan in
ceil(log2 P) rounds: Hillis and Steele 1986). Every one that fails says so in one sentence, within the timeout of the group.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from ..errors import InputError


class ExchangeError(RuntimeError):
    """An exchange with the other processes failed: one of them died, hangs or was never there."""


class Exchange:
    """The group as one of its processes sees it: ``rank`` of ``size``, in the order of the tokens. ``sent``: bytes that this process gave
    away, by what for; a sum or maximum counts its tensor once.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        if not (dist.is_available() and dist.is_initialized()):
            raise InputError(
                "torch.distributed", "not initialised", "initialised", "call torch.distributed.init_process_group first"
            )
        self.group, self.rank, self.size = group, dist.get_rank(group), dist.get_world_size(group)
        if self.rank < 0:
            raise InputError("this process", "outside of the group", "one of its processes", "pass a group that has it")
        self.sent: dict[str, int] = {}

    def sum(self, x: Tensor, what: str) -> Tensor:
        """The sum over all processes."""
        return self._reduced(x, dist.ReduceOp.SUM, what)

    def max(self, x: Tensor, what: str) -> Tensor:
        """The maximum over all processes, entry by entry."""
        return self._reduced(x, dist.ReduceOp.MAX, what)

    def gather(self, x: Tensor, what: str) -> Tensor:
        """The tensors of all processes, (size, ...)."""
        mine = x.new_zeros(self.size, *x.shape)
        mine[self.rank] = x
        return self.sum(mine, what)

    def before(self, x: Tensor, what: str) -> Tensor:
        """The sum over the processes before this one, 0 for the first."""
        return self._scan(x, 1, what)

    def behind(self, x: Tensor, what: str) -> Tensor:
        """The sum over the processes behind this one, 0 for the last."""
        return self._scan(x, -1, what)

    def _reduced(self, x: Tensor, operation: dist.ReduceOp.RedOpType, what: str) -> Tensor:
        x = x.clone(memory_format=torch.contiguous_format)
        with self._named(what):
            dist.all_reduce(x, operation, self.group)
        self._count(x, what)
        return x

    def _scan(self, x: Tensor, direction: int, what: str) -> Tensor:
        """After round r: ``total`` over the last 2^(r+1) processes up to this one, ``found`` the same without this one."""
        total, found = x.contiguous(), torch.zeros_like(x, memory_format=torch.contiguous_format)
        for r in range(math.ceil(math.log2(self.size)) if self.size > 1 else 0):
            target, source = self.rank + direction * 2**r, self.rank - direction * 2**r
            received, operations = torch.empty_like(total), []
            if 0 <= target < self.size:
                operations.append(dist.P2POp(dist.isend, total, self._peer(target), self.group))
                self._count(total, what)
            if 0 <= source < self.size:
                operations.append(dist.P2POp(dist.irecv, received, self._peer(source), self.group))
            with self._named(what):
                for work in dist.batch_isend_irecv(operations) if operations else ():
                    work.wait()
            if 0 <= source < self.size:
                total, found = received + total, received + found
        return found

    def _peer(self, rank: int) -> int:
        return rank if self.group is None else dist.get_global_rank(self.group, rank)

    def _count(self, x: Tensor, what: str) -> None:
        self.sent[what] = self.sent.get(what, 0) + x.numel() * x.element_size()

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        except RuntimeError as error:
            cause = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise ExchangeError(
                f"process {self.rank} of {self.size}: the exchange of {what} failed after {time.monotonic() - begun:.1f} s: "
                f"another process died, hangs or left out this call ({cause}). Start them again; the timeout of "
                "torch.distributed.init_process_group says how long to wait for a slow one."
            ) from error


def agreed(link: Exchange, facts: dict[str, float], problem: Exception | None, like: Tensor | None) -> None:
    """Raise on every process if one has a ``problem`` or if they differ in ``facts``; else return on every one."""
    device = torch.device("cpu") if like is None else like.device
    values = [0.0] * len(facts) if problem is not None else list(facts.values())
    # A process with a problem has no facts: it must not make the others disagree first.
    low = [-math.inf if problem is not None else -x for x in values]
    high = [-math.inf if problem is not None else x for x in values]
    refused = 0.0 if problem is None else 1.0 + link.rank
    found = link.max(torch.tensor([refused, *high, *low], dtype=torch.float64, device=device), "what is asked").tolist()
    if problem is not None:
        raise problem
    if found[0]:
        raise InputError(
            f"the part of process {int(found[0]) - 1}", "refused there", "one that can be served", "see its own error"
        )
    for name, most, least in zip(facts, found[1 : 1 + len(facts)], found[1 + len(facts) :], strict=True):
        if most != -least:
            raise InputError(
                f"the {name} of the processes", f"{-least:g} to {most:g}", "the same for all", "pass one to all of them"
            )
