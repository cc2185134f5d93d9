"""What one GPU does: its ceilings, exact attention on every backend of torch, the torch path and the fused kernels, with errors in float64.

    python -m benchmarks.gpu [--out FILE] [--budget SECONDS]     on a CUDA device; under 8 minutes
    python -m benchmarks.gpu --toy                               on the CPU, Triton interpreted: that all of it runs, times without meaning

The result is written after every step, so what was measured before an interruption is kept; what the budget did not reach is named in
it. Exits with 1 where the kernels failed. Times are medians of CUDA events, forward and backward together; inputs as "spread" of inputs.py,
max |scores| <= 1.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
from rich.console import Console
from torch import Tensor
from torch.nn.attention import SDPBackend

from almostlinear.impl.kernels import cost, serving
from almostlinear.impl.shifts import Shifted, shift

from .inputs import Inputs, inputs
from .measure import console, machine, short
from .ours import ours
from .peers import Attention, exact, gradients, relative, sdpa

if TYPE_CHECKING:  # Triton is imported late: whether it interprets is decided then
    from almostlinear.impl.kernels.launch import Precision

BUDGET = 420.0
"""Seconds after which no further step is begun; the longest step takes less than a minute."""
BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION, "efficient": SDPBackend.EFFICIENT_ATTENTION,
}  # fmt: skip
PRECISIONS: tuple[Precision, ...] = ("ieee", "tf32x3", "tf32")
EXACT_TOKENS = 8192
"""Tokens up to which errors are taken against exact attention in float64."""


@dataclass(frozen=True)
class Case:
    """One call: ``heads`` heads of n tokens, d features, degree g."""

    d: int
    degree: int
    n: int
    causal: bool = False
    heads: int = 1

    def __str__(self) -> str:
        return f"d={self.d} g={self.degree} n={self.n} heads={self.heads}{' causal' if self.causal else ''}"


CASES = (
    *(Case(16, 3, n, causal) for causal in (False, True) for n in (4096, 16384, 65536)),
    *(Case(d, g, 65536, causal) for causal in (False, True) for d, g in ((4, 4), (8, 3), (32, 2), (64, 2))),
    *(Case(16, 3, 8192, causal, heads=32) for causal in (False, True)),
    Case(16, 4, 65536), Case(32, 3, 65536), Case(16, 2, 65536), Case(16, 3, 262144),
)  # fmt: skip
TOY = (Case(4, 2, 96), Case(4, 2, 96, causal=True))


@dataclass
class Run:
    """A benchmark in progress."""

    device: torch.device
    budget: float
    out: Path | None
    say: Callable[[str], None]
    result: dict[str, Any] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)

    def enough(self, step: str) -> bool:
        """Whether the budget is spent; names the step that is left out."""
        if time.monotonic() - self.begun < self.budget:
            return False
        self.result["left_out"].append(step)
        return True

    def save(self) -> None:
        self.result["seconds"] = round(time.monotonic() - self.begun, 1)
        if self.out is not None:
            partial = self.out.with_suffix(".partial")
            partial.write_text(json.dumps(self.result, indent=1) + "\n", encoding="utf-8")
            partial.replace(self.out)

    def milliseconds(self, work: Callable[[], Any], least: int = 3, most: int = 20, wanted: float = 1.0) -> float:
        """Median time of a call, after one that is not counted; about ``wanted`` seconds in all."""
        once = self._time(work)
        once = self._time(work) if once < 1e4 * wanted else once
        count = max(least, min(most, int(1e3 * wanted / max(once, 1e-3))))
        return statistics.median(self._time(work) for _ in range(1 if self.device.type == "cpu" else count))

    def _time(self, work: Callable[[], Any]) -> float:
        if self.device.type == "cpu":
            begun = time.perf_counter()
            work()
            return 1e3 * (time.perf_counter() - begun)
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        work()
        end.record()
        end.synchronize()
        return start.elapsed_time(end)


def main(arguments: list[str], out: Console) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--toy", action="store_true", help="toy sizes on the CPU, Triton interpreted")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds after which no step is begun")
    parser.add_argument("--out", type=Path, help="result file, benchmarks/results/gpu.json by default; none with --toy")
    asked = parser.parse_args(arguments)
    if not asked.toy and not torch.cuda.is_available():
        out.print("No CUDA device is there: run this on one, or pass --toy to see that it runs.")
        return 2
    if asked.toy:
        if "triton" in sys.modules:
            out.print("Triton is imported already and will not interpret: start --toy in a process of its own.")
            return 2
        os.environ["TRITON_INTERPRET"] = "1"
    path = asked.out or (None if asked.toy else Path(__file__).parent / "results" / "gpu.json")
    device = torch.device("cpu" if asked.toy else "cuda")
    run = Run(device, asked.budget, path, lambda words: out.print(f"... {words}", highlight=False))
    measure(run, TOY if asked.toy else CASES, asked.toy)
    show(run.result, out)
    if path is not None:
        out.print(f"written to {path}")
    failed = [
        row for row in run.result["cases"] for name, job in row["jobs"].items() if "error" in job and "fused" in name
    ]
    return int(bool(failed))


def measure(run: Run, cases: tuple[Case, ...], toy: bool) -> None:
    """Fill and save ``run.result``."""
    name = "cpu, interpreted" if toy else torch.cuda.get_device_name(run.device)
    run.result |= {"schema": 1, "name": "gpu", "toy": toy, "device": name, "machine": machine(), "left_out": []}
    run.result |= {"ceilings": {}, "programs": [], "cases": []}
    run.say("ceilings")
    run.result["ceilings"] = ceilings(run, 256 if toy else 8192)
    run.save()
    # The kernels first: what they alone need the device for should survive a small budget.
    for case in cases[:2] if toy else (Case(16, 3, 65536), Case(16, 3, 65536, causal=True), Case(64, 2, 65536)):
        if not run.enough(f"programs, {case}"):
            run.say(f"programs, {case}")
            run.result["programs"] += programs(run, case)
            run.save()
    for case in cases:
        if not run.enough(str(case)):
            run.say(str(case))
            run.result["cases"].append(compare(run, case))
            run.save()
    run.save()


def ceilings(run: Run, side: int) -> dict[str, float]:
    """Tflop/s of square matrix products and GB/s of a copy, as torch reaches them."""
    found: dict[str, float] = {}
    kinds = {"float32": (torch.float32, False), "tf32": (torch.float32, True), "bfloat16": (torch.bfloat16, False)}
    for name, (dtype, narrow) in kinds.items():
        torch.backends.cuda.matmul.allow_tf32 = narrow
        a, b = (torch.randn(side, side, device=run.device).to(dtype) for _ in range(2))
        found[f"{name} Tflop/s"] = 2 * side**3 / run.milliseconds(partial(torch.matmul, a, b)) / 1e9
    torch.backends.cuda.matmul.allow_tf32 = False
    x = torch.empty(side, 8 * side, device=run.device)
    y = torch.empty_like(x)
    found["copy GB/s"] = 2 * x.numel() * 4 / run.milliseconds(lambda: y.copy_(x)) / 1e6
    return found


def programs(run: Run, case: Case) -> list[dict[str, Any]]:
    """Each program alone at each precision: time, rate over its counted products, and its error against "ieee"."""
    from almostlinear.impl.kernels import launch

    given = _given(case, run)
    x, y, w = (t.flatten(0, 1).mT.contiguous() for t in given[:3])
    z = torch.cat([w, torch.ones_like(w[:, :1])], 1)
    d, n, e = case.d, case.n, case.d
    chunk, block, _ = serving.token_chunks(_shifted(given, case.causal), case.degree)
    seen = launch.Seen(y, z, chunk) if case.causal else None
    states = launch.moments(y, z, case.degree, chunk)
    states = launch.prefix(states) if case.causal else states.sum(0, keepdim=True)
    works = {
        "moments": cost.moments(n, d, e, case.degree, chunk),
        "values": cost.values(n, d, e, case.degree, block),
        "slopes": cost.slopes(n, d, e, case.degree, block),
    }
    rows, first = [], dict[str, Tensor]()
    for precision in PRECISIONS:
        calls = {
            "moments": partial(launch.moments, y, z, case.degree, chunk, precision),
            "values": partial(launch.values, x, states, case.degree, seen, precision),
            "slopes": partial(launch.slopes, x, z, states, case.degree, seen, precision),
        }
        for name, call in calls.items():
            found = call().double()
            first.setdefault(name, found)
            took = run.milliseconds(call, wanted=0.3)
            done = works[name].times(case.heads)
            rows.append({
                "program": name, "precision": precision, **_described(case), "ms": took,
                "Tflop/s": 2 * done.multiply_adds / took / 1e9,
                "difference": float((found - first[name]).norm() / first[name].norm()),
            })  # fmt: skip
    return rows


def compare(run: Run, case: Case) -> dict[str, Any]:
    """Exact attention on each backend, the torch path and the kernels, forward and backward; errors where float64 is affordable."""
    given = _given(case, run)
    true = None
    if case.n <= EXACT_TOKENS:
        true = tuple(x.to(run.device) for x in exact(given.to(torch.device("cpu")), case.causal))
    row: dict[str, Any] = {**_described(case), "jobs": {}}
    for name, dtype, attend in _jobs(case, given.scale):
        narrowed = given.to(dtype)
        with _path(name):
            row["jobs"][name] = _measured(run, attend, narrowed, true)
    times = {name: job["ms"] for name, job in row["jobs"].items() if "ms" in job}
    exacts = [t for name, t in times.items() if name.startswith("sdpa")]
    if exacts and "fused" in times:
        row["best_sdpa_over_fused"] = min(exacts) / times["fused"]
    if "torch" in times and "fused" in times:
        row["torch_over_fused"] = times["torch"] / times["fused"]
    return row


def _jobs(case: Case, scale: float) -> Iterator[tuple[str, torch.dtype, Attention]]:
    for name, backend in BACKENDS.items():
        yield f"sdpa {name} bfloat16", torch.bfloat16, sdpa(backend, scale, case.causal)
    yield "sdpa efficient float32", torch.float32, sdpa(SDPBackend.EFFICIENT_ATTENTION, scale, case.causal)
    attend = ours(case.degree, scale, case.causal, backend="auto")
    yield "torch", torch.float32, attend
    yield "fused", torch.float32, attend
    yield "fused bfloat16", torch.bfloat16, attend


def _measured(run: Run, attend: Attention, given: Inputs, true: tuple[Tensor, ...] | None) -> dict[str, Any]:
    """Time and errors of (output, dQ, dK, dV), or why there are none."""
    try:
        found = gradients(attend, given)
        took = run.milliseconds(lambda: gradients(attend, given))
    except (
        Exception
    ) as error:  # no kernel for these inputs, or no memory: what one job lacks must not cost the others their turn
        return {"error": f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:160]}"}
    made: dict[str, Any] = {"ms": took}
    if true is not None:
        made["errors"] = relative(found, true)
    return made


def _path(name: str) -> AbstractContextManager[object]:
    """Within it, calls take the torch path or the kernels, as the name says."""
    return mock.patch.object(serving, "usable", lambda device: name.startswith("fused"))


def _given(case: Case, run: Run) -> Inputs:
    return inputs("spread", case.n, case.d, heads=case.heads).to(run.device)


def _shifted(given: Inputs, causal: bool) -> Shifted:
    return shift(*given[:3], None, given.scale, causal)


def _described(case: Case) -> dict[str, Any]:
    return {"d": case.d, "degree": case.degree, "n": case.n, "heads": case.heads, "causal": case.causal}


def show(result: dict[str, Any], out: Console) -> None:
    """The result as lines of text."""
    out.print(f"[bold]{result['device']}[/bold]" + (": toy sizes, times without meaning" if result["toy"] else ""))
    out.print("ceilings: " + ", ".join(f"{name} {short(value)}" for name, value in result["ceilings"].items()))
    for row in result["programs"]:
        causal = "causal" if row["causal"] else "full"
        out.print(
            f"  {row['program']:8} {row['precision']:7} d={row['d']} g={row['degree']} n={row['n']} {causal:6} {short(row['ms']):>8} ms "
            f"{short(row['Tflop/s']):>8} Tflop/s, differs from ieee by {short(row['difference'])}",
            highlight=False,
        )
    for row in result["cases"]:
        out.print(
            f"[bold]{Case(row['d'], row['degree'], row['n'], row['causal'], row['heads'])}[/bold]", highlight=False
        )
        for name, job in row["jobs"].items():
            told = job.get("error") or f"{short(job['ms'])} ms"
            if job.get("errors"):
                told += "; errors of output, dQ, dK, dV: " + ", ".join(short(x) for x in job["errors"])
            out.print(f"  {name:24} {told}", highlight=False)
        if "best_sdpa_over_fused" in row and not math.isnan(row["best_sdpa_over_fused"]):
            out.print(f"  best exact attention / fused: {short(row['best_sdpa_over_fused'])}", highlight=False)
    for step in result["left_out"]:
        out.print(f"left out, the budget was spent: {step}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], console()))
