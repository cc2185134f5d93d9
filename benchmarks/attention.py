"""One head of attention against its peers: `python -m benchmarks.attention [--small]`, results in benchmarks/results/attention.json.

Inputs are `inputs.py`'s "spread" ones with |scores| <= 1 unless said otherwise, in float32 on one thread. Errors are relative, in the
Frobenius norm, against float64; "equal error" is all of (output, dQ, dK, dV) within EQUAL, what bfloat16 flash attention loses.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch

from .inputs import Inputs, inputs
from .measure import Result, Table, Target, console, crossover, exponent, in_turns, ratio
from .ours import ours
from .peers import (
    blocked,
    blocked_by_key,
    exact,
    fastest_backend,
    gradients,
    published,
    published_metric,
    random_features,
    relative,
    sdpa,
    taylor,
)  # fmt: skip

EQUAL = 3.5e-3
ROWS = 4096
"""Queries at which errors of the authors' benchmark are taken."""
PARTS = ("output", "dQ", "dK", "dV")


@dataclass(frozen=True)
class Sizes:
    """How large everything is; ``small`` ones run in seconds and measure nothing worth keeping."""

    long: int = 65536
    repeats: int = 2
    causal: int = 16384
    authors: int = 40960
    accuracy: int = 8192
    pareto: int = 4096
    sweep: tuple[int, ...] = tuple(2**k for k in range(13, 21))
    crossing: tuple[int, ...] = tuple(2**k for k in range(7, 14))
    memory: int = 1 << 20


SMALL = Sizes(512, 1, 512, 512, 256, 256, (256, 512, 1024), (64, 128, 256), 4096)


def error(
    degree: int, d: int, n: int, is_causal: bool = False, kind: str = "spread", bound: float = 1.0
) -> list[float]:
    """Relative errors of ours at n tokens."""
    given = inputs(kind, n, d, bound=bound)
    return relative(gradients(ours(degree, given.scale, is_causal), given), exact(given, is_causal))


# -- forward and backward against SDPA -------------------------------------------------------------------------------------
def against_sdpa(result: Result, sizes: Sizes) -> None:
    """Full attention at the long size, causal at its own: ratios at equal error."""
    table = Table(
        "forward + backward against exact SDPA",
        ["mask", "n", "d", "degree", "backend", "SDPA s", "ours s", "ratio", *PARTS],
    )
    cases = [
        (False, sizes.long, 8, 3, sizes.repeats, 150.0, 250.0),
        (False, sizes.long, 16, 3, sizes.repeats, 28.0, 60.0),
        (True, sizes.causal, 8, 3, 2 * sizes.repeats + 1, 5.0, 15.0),
    ]
    for is_causal, n, d, degree, repeats, must, reach in cases:
        given = inputs("spread", n, d)
        backend = fastest_backend(given, is_causal)
        jobs = {
            "theirs": partial(gradients, sdpa(backend, given.scale, is_causal), given),
            "ours": partial(gradients, ours(degree, given.scale, is_causal), given),
        }
        jobs["ours"]()
        times = in_turns(jobs, repeats, warm_up=False)
        errors, found = error(degree, d, sizes.accuracy, is_causal), ratio(times["theirs"], times["ours"])
        mask = "causal" if is_causal else "full"
        table.rows.append([
            mask, n, d, degree, backend.name, statistics.median(times["theirs"]), statistics.median(times["ours"]), str(found), *errors,
        ])  # fmt: skip
        note = "" if max(errors) <= EQUAL else f"error above {EQUAL}: not an equal error"
        what = f"{mask}, n={n}, d={d}, against SDPA"
        result.targets.append(
            Target(what, found.value, must, reach, found.low, found.high, error=max(errors), note=note)
        )
    table.note = f"errors at n={sizes.accuracy}"
    result.tables.append(table)


# -- the authors' benchmark ------------------------------------------------------------------------------------------------
def authors(result: Result, sizes: Sizes) -> None:
    """Their inputs, forward only; the error is that against softmax attention, and against their own exact side."""
    d = 12
    given = inputs("authors", sizes.authors, d)
    wide = given.to(torch.float64)
    few = min(ROWS, sizes.authors)
    true = blocked(wide.query[..., :few, :], *wide[1:3], wide.scale)
    their_true = blocked_by_key(*wide[:3], wide.scale, first=few)
    backend = fastest_backend(given)
    runs: dict[str, Callable[[], torch.Tensor]] = {
        "naive, blocked (theirs)": lambda: blocked_by_key(*given[:3], given.scale),
        "SDPA": lambda: sdpa(backend, given.scale)(*given[:3]),
        "published, degree 2": lambda: published(*given[:3], given.scale),
        **{f"ours, degree {g}": partial(ours(g, given.scale), *given[:3]) for g in (2, 4)},
    }
    with torch.no_grad():
        naive = in_turns({"naive, blocked (theirs)": runs["naive, blocked (theirs)"]}, 1, warm_up=False)
        rest = {name: run for name, run in runs.items() if name not in naive}
        times = naive | in_turns(rest, 2 * sizes.repeats + 1)
        table = Table(
            f"the authors' benchmark: n={sizes.authors}, d={d}, forward",
            ["what", "s", "error", "error against their exact side", "their metric"],
            note="their exact side divides by the row sum of the key instead of the query; their metric |x - y|/|x + y| halves the error",
        )
        errors = {}
        for name, run in runs.items():
            found = run()[..., :few, :]
            errors[name] = relative((found,), (true,))[0]
            own = "theirs" in name or "published" in name
            table.rows.append([
                name, statistics.median(times[name]), errors[name], relative((found,), (their_true,))[0] if own else None,
                published_metric(found, their_true) if own else None,
            ])  # fmt: skip
    result.tables.append(table)
    own_error = next(row[3] for row in table.rows if row[0].startswith("published"))
    best = min((g for g in (2, 4) if errors[f"ours, degree {g}"] <= own_error * (1 + 1e-3)), default=4)
    name = f"ours, degree {best}"
    for against, must, reach in (("published, degree 2", 2.2, 4.0), ("SDPA", 80.0, 150.0)):
        gain = ratio(times[against], times[name])
        what = f"authors' benchmark against {against}"
        result.targets.append(Target(what, gain.value, must, reach, gain.low, gain.high, error=errors[name], note=name))


# -- growth with n ---------------------------------------------------------------------------------------------------------
def growth(result: Result, sizes: Sizes) -> None:
    """Exponent of the time in n, and from which n on ours is faster."""
    for d, degree in ((8, 3), (16, 3)):
        table = Table(f"forward + backward by n, d={d}, degree {degree}", ["n", "ours s", "SDPA s", "ratio"])
        given = {n: inputs("spread", n, d) for n in (*sizes.crossing, *sizes.sweep)}
        jobs = {str(n): partial(_ours_once, given[n], degree) for n in sizes.sweep}
        times = {int(n): statistics.median(t) for n, t in in_turns(jobs, 3 if d == 8 else 2, warm_up=False).items()}
        slope = exponent(sizes.sweep, [times[n] for n in sizes.sweep])
        result.targets.append(
            Target(
                f"exponent of time in n, d={d}",
                slope.value,
                1.08,
                1.03,
                slope.low,
                slope.high,
                smaller=True,
                note="95% interval",
            )
        )
        backend = fastest_backend(given[sizes.crossing[-1]])
        both = [_both(given[n], degree, backend) for n in sizes.crossing]
        for n, (a, b) in zip(sizes.crossing, both, strict=True):
            table.rows.append([n, a, b, b / a])
        table.rows += [[n, times[n], None, None] for n in sizes.sweep if n not in sizes.crossing]
        at = crossover(sizes.crossing, [a for a, _ in both], [b for _, b in both])
        table.note = (
            f"ours is faster from n = {at:.0f} on; exponent {slope}"
            if at
            else f"ours is not faster yet; exponent {slope}"
        )
        result.tables.append(table)


def _ours_once(given: Inputs, degree: int) -> tuple[torch.Tensor, ...]:
    return gradients(ours(degree, given.scale), given)


def _both(given: Inputs, degree: int, backend: Any) -> tuple[float, float]:
    jobs = {
        "ours": lambda: _ours_once(given, degree),
        "theirs": lambda: gradients(sdpa(backend, given.scale), given),
    }
    times = in_turns(jobs, 5)
    return statistics.median(times["ours"]), statistics.median(times["theirs"])


# -- error against time ----------------------------------------------------------------------------------------------------
def pareto(result: Result, sizes: Sizes) -> None:
    """Every peer with several sizes of its own: largest error of (output, dQ, dK, dV) and time of forward and backward."""
    n = sizes.pareto
    for kind, d, bound in (("spread", 8, 1.0), ("spread", 16, 1.0), ("filled", 8, 2.0)):
        given = inputs(kind, n, d, bound=bound)
        true, backend = exact(given), fastest_backend(given)
        peers = {
            "SDPA": sdpa(backend, given.scale),
            "degree-2 Taylor, all products": taylor(given.scale),
            **{f"random features, {m}": random_features(m, d, given.scale) for m in (16, 64, 256, 1024)},
            **{
                f"ours, degree {g}": ours(g, given.scale)
                for g in range(1, 7 if d == 8 else 5)
                if g % 2 == 0 or bound <= 1
            },
        }
        times = in_turns({name: partial(gradients, run, given) for name, run in peers.items()}, 3)
        points = {
            name: (statistics.median(times[name]), relative(gradients(run, given), true)) for name, run in peers.items()
        }
        table = Table(
            f"error against time, {kind}, n={n}, d={d}, |scores| <= {bound:g}",
            ["what", "s", "largest error", *PARTS, "on the front"],
        )
        for name, (seconds, errors) in points.items():
            worse = max(errors)
            front = not any(t < seconds and max(e) <= worse for other, (t, e) in points.items() if other != name)
            table.rows.append([name, seconds, worse, *errors, front])
        result.tables.append(table)


# -- precision and memory --------------------------------------------------------------------------------------------------
def precision(result: Result, sizes: Sizes) -> None:
    """float32 against float64 at a degree whose truncation is far below rounding."""
    found = max(error(8, 8, sizes.accuracy // 4, bound=0.25))
    result.targets.append(Target("float32 error at |scores| <= 1/4, d=8, degree 8", found, 1e-5, 2e-6, smaller=True))


RETURNED = {"MALLOC_MMAP_THRESHOLD_": str(2**16), "MALLOC_TRIM_THRESHOLD_": "0"}
"""glibc gives freed blocks back at once."""
MEMORY = """
import sys, torch
torch.set_num_threads(1)
from benchmarks.inputs import inputs
from benchmarks.ours import ours
from benchmarks.peers import gradients

def resident(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 1024

def run(n):
    given = inputs("spread", n, 8)
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")
    before = resident("VmRSS")
    found = gradients(ours(3, given.scale), given)
    return resident("VmHWM") - before - sum(x.numel() * x.element_size() for x in found) / 2**20

run(4096)  # what torch allocates once
print(run(int(sys.argv[1])))
"""


def memory(result: Result, sizes: Sizes) -> None:
    """Peak resident memory above inputs and outputs, in fresh processes; what is held, and with what glibc keeps of freed blocks."""
    table = Table(
        "memory above inputs and outputs, forward + backward, d=8, degree 3", ["n", "MB held", "MB with freed blocks"]
    )
    for n in (sizes.memory // 16, sizes.memory):
        # A process of its own for each figure: freed memory of another would hide what is taken.
        held, kept = _peak(table, n, RETURNED), _peak(table, n, {})
        table.rows.append([n, held, kept])
        if n == sizes.memory and held is not None:
            what = f"MB held above inputs and outputs, n={n}"
            result.targets.append(Target(what, held, 32.0, None, smaller=True))
    result.tables.append(table)


def _peak(table: Table, n: int, environment: dict[str, str]) -> float | None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(n)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        table.note = f"not measured: {done.stderr.strip().splitlines()[-1]}"
        return None
    return float(done.stdout)


SUITES = (against_sdpa, authors, growth, pareto, precision, memory)


def run(sizes: Sizes, progress: Callable[[str], None] = lambda _: None) -> Result:
    """All of it."""
    torch.set_num_threads(1)
    result = Result(
        "attention" if sizes == Sizes() else "attention-small", {**asdict(sizes), "seed": 0, "dtype": "float32"}
    )
    for suite in SUITES:
        progress(suite.__name__)
        suite(result, sizes)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--small", action="store_true", help="sizes that run in seconds, to try it out; nothing is written"
    )
    small = parser.parse_args().small
    out = console()
    result = run(SMALL if small else Sizes(), lambda name: out.print(f"... {name}", highlight=False))
    result.show(out)
    if not small:
        out.print(f"written to {result.write()}")


if __name__ == "__main__":
    main()
