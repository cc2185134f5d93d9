"""Processes of a gloo group on this machine, each running one function of a test file, and what they return."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

SECONDS = 20


def run(size: int, work: Callable[..., Any], *arguments: Any, seconds: float = SECONDS) -> list[Any]:
    """What ``work(rank, *arguments)`` returned in each of ``size`` processes; an exception comes back as (its class's name, its text), a
    process that died as None.
    """
    with tempfile.TemporaryDirectory() as folder:
        context = mp.get_context("spawn")
        processes = [
            context.Process(target=_one, args=(rank, size, folder, seconds, work, arguments), daemon=True)
            for rank in range(size)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(timeout=120)
            if process.is_alive():
                process.kill()
                raise TimeoutError(f"a process of {size} did not end within 120 s")
        files = [Path(folder) / f"{rank}.pt" for rank in range(size)]
        return [torch.load(file, weights_only=False) if file.exists() else None for file in files]


def _one(
    rank: int, size: int, folder: str, seconds: float, work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    torch.set_num_threads(1)
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    store = f"file://{folder}/store"
    dist.init_process_group("gloo", init_method=store, rank=rank, world_size=size, timeout=timedelta(seconds=seconds))
    try:
        found = work(rank, *arguments)
    except Exception as error:
        found = (type(error).__name__, str(error), traceback.format_exc())
    torch.save(found, f"{folder}/{rank}.pt")
    if isinstance(found, tuple) and found and found[0] == "ExchangeError":
        os._exit(0)  # the group is broken: leaving it would wait for those that are gone
    dist.destroy_process_group()
