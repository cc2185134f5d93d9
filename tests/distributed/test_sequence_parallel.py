"""Sequence parallelism: several gloo processes against one process with all tokens."""

from __future__ import annotations

import math
import os
import signal
import time
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from almostlinear.impl import almost_linear_attention, count_attention
from almostlinear.impl.distributed import Exchange, sequence_parallel_attention
from tests.distributed import ranks

F64 = torch.float64
UNEVEN = {2: (40, 21), 4: (7, 30, 1, 23)}


def draw(*shape: int, seed: int, size: float = 0.7) -> torch.Tensor:
    return (torch.rand(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed)) * 2 - 1) * size


def tensors(n: int, d: int = 4, e: int = 5, heads: int = 3, batch: int = 2) -> list[torch.Tensor]:
    """query, key, value, upstream gradient; the means are far from 0, so that a shift of one part alone would show."""
    q, k = draw(batch, heads, n, d, seed=0) + 0.4, draw(batch, heads, n, d, seed=1) - 0.5
    q[..., : n // 2, :] -= 0.5
    return [q, k, draw(batch, heads, n, e, seed=2) + 1, draw(batch, heads, n, e, seed=3)]


def mask_of(kind: str, n: int) -> torch.Tensor | None:
    """Padding at both ends, so that the first ranks of a causal mask see nothing; or additive."""
    if kind == "none":
        return None
    if kind == "additive":
        return draw(2, 1, 1, n, seed=4)
    seen = torch.ones(2, 1, 1, n, dtype=torch.bool)
    seen[0, ..., : n // 3] = False
    seen[1, ..., -n // 4 :] = False
    return seen


def alone(found: list[torch.Tensor], mask: torch.Tensor | None, **options: Any) -> list[torch.Tensor]:
    *leaves, upstream = found
    leaves = [x.clone().requires_grad_() for x in leaves]
    if mask is not None and mask.is_floating_point():
        mask = mask.clone().requires_grad_()
        leaves.append(mask)
    out = almost_linear_attention(*leaves[:3], mask, backend="monomials", **options)
    return [out.detach(), *torch.autograd.grad(out, leaves, upstream)]


def part(rank: int, lengths: tuple[int, ...]) -> slice:
    return slice(sum(lengths[:rank]), sum(lengths[: rank + 1]))


def together(rank: int, lengths: tuple[int, ...], mask: str, options: dict[str, Any]) -> list[torch.Tensor]:
    """Output and gradients of one process."""
    n, span = sum(lengths), part(rank, lengths)
    *leaves, upstream = (x[..., span, :].clone() for x in tensors(n))
    leaves = [x.requires_grad_() for x in leaves]
    whole = mask_of(mask, n)
    own = None if whole is None else whole[..., span].clone()
    if own is not None and own.is_floating_point():
        leaves.append(own.requires_grad_())
    out = sequence_parallel_attention(*leaves[:3], own, **options)
    return [out.detach(), *torch.autograd.grad(out, leaves, upstream)]


def all_cells(rank: int, lengths: tuple[int, ...], cells: list[tuple[str, dict[str, Any]]]) -> list[list[torch.Tensor]]:
    return [together(rank, lengths, mask, options) for mask, options in cells]


CELLS: list[tuple[str, dict[str, Any]]] = [
    (mask, {"is_causal": is_causal, **asked})
    for mask in ("none", "bool", "additive")
    for is_causal in (False, True)
    for asked in ({"eps": 1e-6}, {"degree": 3, "scale": 0.3})
]


def joined(parts: list[list[torch.Tensor]]) -> list[torch.Tensor]:
    along = [-2, -2, -2, -2, -1]
    return [torch.cat(pieces, along[i]) for i, pieces in enumerate(zip(*parts, strict=True))]


def distance(found: list[torch.Tensor], expected: list[torch.Tensor]) -> float:
    assert len(found) == len(expected)
    return max(((a - b).abs().max() / b.abs().max()).item() for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("size", [2, 4])
def test_several_processes_agree_with_one(size: int) -> None:
    lengths = UNEVEN[size]
    found = ranks.run(size, all_cells, lengths, CELLS)
    for number, (mask, options) in enumerate(CELLS):
        expected = alone(tensors(sum(lengths)), mask_of(mask, sum(lengths)), **options)
        assert distance(joined([one[number] for one in found]), expected) <= 1e-12, (mask, options)


def test_a_shard_left_out_is_seen() -> None:
    """What the comparison above would say of processes that did not add up their states."""
    lengths = UNEVEN[2]
    whole = tensors(sum(lengths))
    expected = alone(whole, None, eps=1e-6)
    parts = [alone([x[..., part(r, lengths), :] for x in whole], None, eps=1e-6) for r in range(2)]
    assert distance(joined(parts), expected) > 1e-3


NEEDED = [
    ("the states of keys", False),
    ("the states of keys", True),
    ("the states of queries", False),
    ("the states of queries", True),
    ("what means pass on", False),
    ("the sums of queries and keys", False),
]


def forgetful(rank: int, lengths: tuple[int, ...]) -> list[list[torch.Tensor]]:
    """As ``together``, each time with one exchange from which nothing of the others comes back."""
    found = []
    for what, is_causal in NEEDED:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("sum", "before", "behind"):
                honest = getattr(Exchange, name)

                def forget(
                    self: Exchange, x: Any, why: str, honest: Any = honest, what: str = what, name: str = name
                ) -> Any:
                    whole = honest(self, x, why)
                    return whole if why != what else x if name == "sum" else torch.zeros_like(x)

                patch.setattr(Exchange, name, forget)
            found.append(together(rank, lengths, "none", {"is_causal": is_causal, "degree": 3}))
    return found


def test_every_exchange_is_needed() -> None:
    lengths = UNEVEN[2]
    found = ranks.run(2, forgetful, lengths)
    for number, (what, is_causal) in enumerate(NEEDED):
        expected = alone(tensors(sum(lengths)), None, is_causal=is_causal, degree=3)
        assert distance(joined([one[number] for one in found]), expected) > 1e-6, what


class Bytes(TorchDispatchMode):
    """What is handed to c10d: bytes of the tensors of every collective and of every send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent, self.seen = 0, set[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "c10d":
            name = func.overloadpacket.__name__
            self.seen.add(name)
            if name != "recv_":
                self.sent += sum(x.numel() * x.element_size() for x in args[0])
        return func(*args, **(kwargs or {}))


def traffic(rank: int, cells: list[tuple[int, bool]], degree: int) -> list[tuple[int, int, set[str]]]:
    """For each number of tokens and mask: bytes that the dispatcher saw, bytes that the exchanges counted, and what they were."""
    found = []
    for n, is_causal in cells:
        span = part(rank, (n // 2, n - n // 2))
        *leaves, upstream = (x[..., span, :].clone() for x in tensors(n))
        leaves = [x.requires_grad_() for x in leaves]
        exchanges: list[Exchange] = []
        with pytest.MonkeyPatch.context() as patch, Bytes() as counted:
            plain = Exchange.__init__

            def kept(self: Exchange, *arguments: Any, plain: Any = plain, exchanges: Any = exchanges) -> None:
                plain(self, *arguments)
                exchanges.append(self)

            patch.setattr(Exchange, "__init__", kept)
            out = sequence_parallel_attention(*leaves, is_causal=is_causal, degree=degree)
            torch.autograd.grad(out, leaves, upstream)
        found.append((counted.sent, sum(sum(x.sent.values()) for x in exchanges), counted.seen))
    return found


def test_the_volume_does_not_depend_on_the_number_of_tokens() -> None:
    d, e, k, heads = 4, 5, math.comb(4 + 3, 3), 6
    small = heads * (2 * 4 + 2 * d + (2 * d + 5) + 3 * d) * 8 + 8 * (1 + 2 * 14) + 4 + 8
    cells = [(n, is_causal) for is_causal in (False, True) for n in (100, 3000)]
    for short, long, causal_short, causal_long in ranks.run(2, traffic, cells, 3):
        assert short == long and causal_short == causal_long
        for (sent, counted, names), share in ((short, 1), (causal_short, 0.5)):  # of a scan of two, one of them sends
            assert sent == counted and names == {"allreduce_"} | ({"send", "recv_"} if share < 1 else set())
            states = 2 * heads * k * (e + 1) * 8 * share
            assert abs(sent - states - small) <= 64, (sent, states, small)


def operations(rank: int, lengths: tuple[int, ...]) -> list[int]:
    """Operations of matrix products in forward and backward, without and with a causal mask."""
    n, span, found = sum(lengths), part(rank, lengths), []
    for is_causal in (False, True):
        *leaves, upstream = (x[..., span, :].clone() for x in tensors(n))
        leaves = [x.requires_grad_() for x in leaves]
        with FlopCounterMode(display=False) as counted:
            out = sequence_parallel_attention(*leaves, is_causal=is_causal, degree=4)
            torch.autograd.grad(out, leaves, upstream)
        found.append(counted.get_total_flops())
    return found


def test_two_processes_halve_the_work_of_each() -> None:
    """Exactly; but under a causal mask one of two makes the state of its keys, the other that of its queries, once more."""
    n = 1024
    ((full, causal),) = ranks.run(1, operations, (n,))
    predicted = count_attention(n, 4, math.comb(8, 4), math.comb(7, 3), width=5)
    assert full == pytest.approx(2 * 6 * sum(predicted), rel=0.01)
    for half, half_causal in ranks.run(2, operations, (n // 2, n // 2)):
        assert half == full / 2
        assert causal / 2 <= half_causal <= 0.55 * causal


def dying(rank: int, how: int | None, is_causal: bool) -> Any:
    begun = time.monotonic()
    leaves = [x.requires_grad_() for x in tensors(50)[:3]]
    out = sequence_parallel_attention(*leaves, is_causal=is_causal, degree=3)
    if rank == 1 and how is not None:
        os.kill(os.getpid(), how)
    if rank == 1:
        return None  # alive, and never comes
    begun = time.monotonic()
    try:
        torch.autograd.grad(out.sum(), leaves)
    except RuntimeError as error:
        return type(error).__name__, str(error), time.monotonic() - begun
    return None


@pytest.mark.parametrize("is_causal", [False, True])
def test_a_killed_process_is_said_in_bounded_time(is_causal: bool) -> None:
    found = ranks.run(2, dying, int(signal.SIGKILL), is_causal, seconds=6)
    name, text, seconds = found[0]
    assert name == "ExchangeError" and found[1] is None and seconds < 12
    assert "process 0 of 2" in text and "another process died" in text, text


def late(rank: int) -> Any:
    if rank == 1:
        time.sleep(8)
        return None
    return together(rank, UNEVEN[2], "none", {})


def test_a_process_that_hangs_is_said_in_bounded_time() -> None:
    begun = time.monotonic()
    found = ranks.run(2, late, seconds=3)
    assert found[0][0] == "ExchangeError" and "what is asked failed after 3" in found[0][1], found[0]
    assert time.monotonic() - begun < 40


REFUSED = [
    ("nan", ("InputError", "NonFiniteError"), ("part of process 1", "NaN")),
    ("empty", ("InputError", "InputError"), ("part of process 1", "empty sequences")),
    ("degree", ("InputError", "InputError"), ("degree of the processes is 3 to 4",) * 2),
    ("width", ("InputError", "InputError"), ("width of the processes is 3 to 4",) * 2),
    ("range", ("DegreeError", "DegreeError"), ("row error of degree 64",) * 2),
]


def refused(rank: int) -> list[tuple[str, str]]:
    found = []
    for wrong, _, _ in REFUSED:
        query, key, value, _ = (x[..., part(rank, UNEVEN[2]), :].clone() for x in tensors(61))
        options: dict[str, Any] = {"degree": 3 + rank} if wrong == "degree" else {}
        if wrong == "nan" and rank:
            key[0, 0, 0, 0] = math.nan
        if wrong == "empty" and rank:
            query, key, value = (x[..., :0, :] for x in (query, key, value))
        if wrong == "width" and rank:
            query, key = query[..., :3], key[..., :3]
        if wrong == "range" and rank:
            key = key * 300
        try:
            sequence_parallel_attention(query, key, value, **options)
            found.append(("nothing", "refused"))
        except ValueError as error:
            found.append((type(error).__name__, str(error)))
    return found


def test_all_processes_refuse_together() -> None:
    both = ranks.run(2, refused)
    for i, (wrong, names, words) in enumerate(REFUSED):
        assert tuple(one[i][0] for one in both) == names, (wrong, both)
        assert all(word in one[i][1] for word, one in zip(words, both, strict=True)), (wrong, both)


class Model(torch.nn.Module):
    """One layer of causal attention over the tokens of a group."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.project, self.out = torch.nn.Linear(6, 18, dtype=F64), torch.nn.Linear(6, 2, dtype=F64)

    def forward(self, x: torch.Tensor, attend: Any) -> torch.Tensor:
        q, k, v = self.project(x).unflatten(-1, (3, 2, 3)).movedim(-3, 0).transpose(-3, -2)
        return self.out(attend(q, k, v, is_causal=True, degree=4).transpose(-3, -2).flatten(-2))


def data_and_sequence(rank: int) -> Any:
    """Two replicas of data, each over a sequence group of two: DDP over all four."""
    from torch.nn.parallel import DistributedDataParallel

    groups = [dist.new_group([0, 1]), dist.new_group([2, 3])]
    replica, place = divmod(rank, 2)
    model = DistributedDataParallel(Model())
    x = draw(2, 3, 30, 6, seed=7)[replica][:, part(place, (19, 11))]

    def attend(*args: Any, **options: Any) -> torch.Tensor:
        return sequence_parallel_attention(*args, group=groups[replica], **options)

    for _ in range(2):  # twice: DDP arranges its buckets after the first
        model.zero_grad()
        model(x, attend).square().sum().backward()
    return [p.grad for p in model.parameters()]


def test_with_distributed_data_parallel() -> None:
    found = ranks.run(4, data_and_sequence)
    model = Model()
    model(draw(2, 3, 30, 6, seed=7), almost_linear_attention).square().sum().backward()
    for one in found:
        assert distance(one, [p.grad / 4 for p in model.parameters() if p.grad is not None]) <= 1e-12
