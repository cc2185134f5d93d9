"""Scale: time and memory of attention and of whole steps against n, several processes, and a model of many GPUs.

attention   one head, d = 8, degree 3, forward and backward, float32, one thread; each size in a process of its own
model       steps of a causal model of 4 layers and 4 heads on one long piece of text, with its validation loss
processes   attention over 2 and 4 processes of this machine: what they exchange is counted, the outputs are those of one process
gpus        a MODEL, not a measurement: counted operations and counted bytes over assumed rates (ASSUMED)
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from almostlinear import impl
from benchmarks.measure import Target, exponent

from . import text
from .cells import Cell, Experiment, Found, Say

WIDER = 6.0
"""Queries and keys of a model start so many times as large: at the usual start attention hardly matters to the loss."""
ROOT = Path(__file__).parent.parent
SECONDS = 3000
ASSUMED = {
    "multiply-adds a second of one GPU": 3.3e13,
    "share of them that is reached": 0.4,
    "bytes a second within a node": 4.5e11,
    "bytes a second between nodes": 5e10,
    "seconds of one message": 5e-6,
    "GPUs of a node": 8,
}
"""An H100: 67 TFLOP/s in float32, NVLink within a node, 400 Gbit/s between nodes."""


def run(given: dict[str, Any], say: Say) -> Found:
    """One size, in a process of its own but for the model of GPUs, which is arithmetic. Raises RuntimeError with what the process said."""
    if given["work"] == "gpus":
        return gpus(given)
    done = subprocess.run(
        [sys.executable, "-m", "experiments.child", json.dumps(given)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the process for {given} ended with {done.returncode}: {done.stderr.strip()[-600:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


# -- a model of many GPUs --------------------------------------------------------------------------------------------------
def gpus(given: dict[str, Any]) -> Found:
    """Predicted seconds of one layer's attention, forward and backward, for each number of GPUs.

    Almost-linear: multiply-adds of ``count_attention`` over the tokens of a GPU; exchanged are the states of k (e + 1) numbers a head, once
    forward and once backward, in a ring all-reduce (2 (P - 1)/P of the bytes, 2 (P - 1) messages, or 2 log2 P in a tree). Exact: 7 n^2 d
    multiply-adds a head; keys and values of all others pass by, and their gradients (ring attention: 4 n d numbers a head, P - 1 messages).
    """
    n, d, heads, degree = (given[k] for k in ("n", "d", "heads", "degree"))
    rank, lower = impl.feature_count(d, degree), impl.feature_count(d, degree - 1)
    rate = ASSUMED["multiply-adds a second of one GPU"] * ASSUMED["share of them that is reached"]
    rows = []
    for p in given["gpus"]:
        work = impl.count_attention(math.ceil(n / p), d, rank, lower)
        state = 2 * 4 * heads * rank * (d + 2)
        link = ASSUMED[
            "bytes a second within a node" if p <= ASSUMED["GPUs of a node"] else "bytes a second between nodes"
        ]
        wait = ASSUMED["seconds of one message"]
        ours = heads * (work.forward + work.backward) / rate
        talk = 2 * (p - 1) / p * state / link + 2 * 2 * math.log2(p) * wait
        theirs, pass_by = heads * 7 * n * n * d / p / rate, 4 * 4 * heads * n * d * (p - 1) / p / link + (p - 1) * wait
        rows.append({
            "gpus": p, "compute": ours, "exchange": talk, "seconds": ours + talk, "bytes": state,
            "exact compute": theirs, "exact exchange": pass_by, "exact seconds": max(theirs, pass_by),
        })  # fmt: skip
    return {"rank": rank, "rows": rows, "assumed": ASSUMED}


# -- what it shows ---------------------------------------------------------------------------------------------------------
def curve(records: list[Found], work: str, kind: str, field: str) -> list[tuple[int, float]]:
    """(n, value), the smallest n first."""
    chosen = [
        r
        for r in records
        if r["parameters"]["work"] == work and r["parameters"].get("kind") == kind and r["found"].get(field) is not None
    ]
    return sorted((r["parameters"]["n"], r["found"][field]) for r in chosen)


def targets(records: list[Found]) -> list[Target]:
    made = []
    times = [(n, t) for n, t in curve(records, "attention", "almost-linear", "seconds") if n >= 2048]
    if len(times) >= 3:
        found = exponent([n for n, _ in times], [t for _, t in times])
        note = f"95% interval, {len(times)} sizes from {times[0][0]} to {times[-1][0]}"
        made.append(
            Target(
                "exponent of attention's time in n",
                found.value,
                1.15,
                1.03,
                found.low,
                found.high,
                smaller=True,
                note=note,
            )
        )
    losses = {kind: dict(curve(records, "model", kind, "validation_loss")) for kind in ("exact", "almost-linear")}
    both = [
        abs(losses["exact"][n] - x) / losses["exact"][n]
        for n, x in losses["almost-linear"].items()
        if n in losses["exact"]
    ]
    if both:
        made.append(Target("relative difference of the validation loss after the same steps", max(both), 1e-2, None, smaller=True,
                           note=f"{len(both)} sizes"))  # fmt: skip
    off = [r["found"]["difference"] for r in records if "difference" in r["found"]]
    if off:
        made.append(
            Target(
                "relative difference of several processes from one",
                max(off),
                1e-4,
                None,
                smaller=True,
                note=f"{len(off)} runs",
            )
        )
    return made


def figures(found: Found) -> dict[str, float]:
    """Losses and bytes; times depend on the machine."""
    made = {"validation loss": found["validation_loss"]} if "validation_loss" in found else {}
    return made | ({"bytes exchanged": float(found["bytes"])} if "bytes" in found else {})


def cells() -> list[Cell]:
    made = list[Cell]()

    def add(work: str, name: str, quick: bool, **given: Any) -> None:
        made.append(Cell(f"{work}: {name}", {"work": work, "seed": 0, **given}, quick))

    for power in range(10, 21):
        n = 1 << power
        add("attention", f"almost-linear, n {n}", power <= 16, kind="almost-linear", n=n, d=8, degree=3)
        if power <= 16:
            add("attention", f"exact, n {n}", power <= 13, kind="exact", n=n, d=8, degree=3)
    for power in (10, 12, 14, 16):
        n = 1 << power
        for kind in ("almost-linear", "exact"):
            more = {"layers": 4, "steps": 3, "degree": 4, "wider": WIDER, "text": text.fingerprint()}
            if kind == "almost-linear" or power <= 14:
                add("model", f"{kind}, n {n}", power <= 12, kind=kind, n=n, **more)
    for processes in (2, 4):
        for causal in (False, True):
            name = f"{processes}, {'causal' if causal else 'no mask'}, n 16384"
            add(
                "processes",
                name,
                processes == 2 and not causal,
                processes=processes,
                n=16384,
                d=8,
                heads=2,
                degree=3,
                causal=causal,
            )
    gpu_counts = [1 << k for k in range(3, 11)]
    add("gpus", "8 to 1024, n 1048576 (a model)", True, n=1 << 20, d=16, heads=16, degree=3, gpus=gpu_counts)
    return made


EXPERIMENT = Experiment(
    name="scale",
    question="How do time and memory grow with n, and what is exchanged between processes?",
    version=1, cells=cells, run=run, figures=figures, targets=targets,
)  # fmt: skip
