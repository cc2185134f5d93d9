"""What scale.py measures in a process of its own: `python -m experiments.child PARAMETERS`, one JSON object each way."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from almostlinear.impl.models import AlmostLinearTransformer, TransformerConfig
from benchmarks import peers
from benchmarks.inputs import Inputs, inputs
from benchmarks.measure import cpu_seconds
from benchmarks.ours import ours

from . import text
from .training import Kind, loss_of

WARM = 512
SAMPLE = 64
"""Queries whose outputs are compared with exact ones where the whole would take n^2."""


def resident(field: str) -> float:
    """MB of VmRSS or VmHWM."""
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024


def peak(work: Callable[[], Any]) -> float | None:
    """Resident MB that ``work`` takes at most; None where the system does not tell."""
    try:
        with open("/proc/self/clear_refs", "w") as f:
            f.write("5")
        before = resident("VmRSS")
        work()
        return resident("VmHWM") - before
    except OSError:
        work()
        return None


def attention(given: dict[str, Any]) -> dict[str, Any]:
    """One head, forward and backward, float32."""

    def run(n: int) -> tuple[Inputs, float, float | None, tuple[Tensor, ...]]:
        made = inputs("spread", n, given["d"], seed=given["seed"])
        kept: list[tuple[Tensor, ...]] = []
        by = (
            ours(given["degree"], made.scale)
            if given["kind"] == "almost-linear"
            else peers.sdpa(peers.SDPBackend.FLASH_ATTENTION, made.scale)
        )
        seconds: list[float] = []
        memory = peak(lambda: seconds.append(cpu_seconds(lambda: kept.append(peers.gradients(by, made)))))
        size = sum(x.numel() * x.element_size() for x in kept[0]) / 2**20
        return made, seconds[0], None if memory is None else max(0.0, memory - size), kept[0]

    run(WARM)
    made, seconds, memory, found = run(given["n"])
    few = slice(0, SAMPLE)
    q, k, v = (x.double() for x in made[:3])
    true = torch.softmax(made.scale * q[..., few, :] @ k.mT, -1) @ v
    error = float((found[0][..., few, :].double() - true).norm() / true.norm())
    return {"seconds": seconds, "memory": memory, "error": error}


def model(given: dict[str, Any]) -> dict[str, Any]:
    """Steps of a whole causal model on one piece of text, and its validation loss after them."""
    torch.manual_seed(given["seed"])
    n, kind = given["n"], Kind(attention="exact")
    if given["kind"] == "almost-linear":
        kind = Kind(attention="almost_linear", degree=given["degree"], backend="monomials")
    config = TransformerConfig(
        vocabulary=256, width=32, heads=4, layers=given["layers"], max_length=n, positions="rotary", scale=1 / 8, **kind
    )
    made = AlmostLinearTransformer(config)
    with torch.no_grad():
        for layer in made.blocks:
            layer.attention.into_heads.weight[: 2 * config.width] *= given["wider"]
    optimiser = torch.optim.AdamW(made.parameters(), lr=1e-2)
    train, other = text.data()
    make = torch.Generator().manual_seed(given["seed"])
    losses, seconds = list[float](), list[float]()

    def step() -> None:
        tokens = text.pieces(train, n + 1, 1, make)
        loss = loss_of(made, tokens[:, :-1], tokens[:, 1:])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))

    memory = peak(lambda: seconds.extend(cpu_seconds(step) for _ in range(given["steps"])))
    held = text.pieces(other, min(n, len(other) - 1) + 1, 1, make)
    with torch.no_grad():
        validation = float(loss_of(made, held[:, :-1], held[:, 1:]))
    return {"seconds": min(seconds), "memory": memory, "losses": losses, "validation_loss": validation}


class Counted(TorchDispatchMode):
    """Bytes of the tensors handed to every collective and every send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "c10d" and func.overloadpacket.__name__ != "recv_":
            self.sent += sum(x.numel() * x.element_size() for x in args[0])
        return func(*args, **(kwargs or {}))


def one_rank(rank: int, given: dict[str, Any], folder: str) -> None:
    """One process's part of the tokens: seconds, bytes, and the outputs' difference from those of one process."""
    import torch.distributed as dist

    from almostlinear.impl.distributed import sequence_parallel_attention

    torch.set_num_threads(1)
    size, n = given["processes"], given["n"]
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size, timeout=timedelta(seconds=300)
    )
    made = inputs("spread", n, given["d"], heads=given["heads"], seed=given["seed"])
    span = slice(rank * n // size, (rank + 1) * n // size)
    leaves = query, key, value = [x[..., span, :].clone().requires_grad_() for x in made[:3]]
    found: list[tuple[Tensor, ...]] = []

    def once() -> None:
        out = sequence_parallel_attention(
            query, key, value, scale=made.scale, degree=given["degree"], is_causal=given["causal"]
        )
        found.append((out.detach(), *torch.autograd.grad(out, leaves, made.upstream[..., span, :])))

    once()
    with Counted() as counted:
        once()
    seconds = cpu_seconds(once)
    whole = peers.gradients(ours(given["degree"], made.scale, given["causal"]), made)
    off = max(float((a - b[..., span, :]).norm() / b.norm()) for a, b in zip(found[-1], whole, strict=True))
    alone = cpu_seconds(lambda: peers.gradients(ours(given["degree"], made.scale, given["causal"]), made))
    with open(f"{folder}/{rank}.json", "w") as out:
        json.dump({"seconds": seconds, "alone": alone, "bytes": counted.sent, "difference": off}, out)
    dist.destroy_process_group()


def processes(given: dict[str, Any]) -> dict[str, Any]:
    """Sequence-parallel attention over processes of this machine (gloo)."""
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(one_rank, (given, folder), nprocs=given["processes"])
        found = []
        for rank in range(given["processes"]):
            with open(f"{folder}/{rank}.json") as lines:
                found.append(json.load(lines))
    return {
        "seconds": max(f["seconds"] for f in found), "alone": max(f["alone"] for f in found), "bytes": max(f["bytes"] for f in found),
        "difference": max(f["difference"] for f in found),
    }  # fmt: skip


WORK = {"attention": attention, "model": model, "processes": processes}

if __name__ == "__main__":
    torch.set_num_threads(1)
    asked = json.loads(sys.argv[1])
    print(json.dumps(WORK[asked["work"]](asked)))
