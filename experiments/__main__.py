"""Every experiment in turn: `python -m experiments`; a run that is stopped goes on where it was. Exits with 1 where a target is missed."""

from __future__ import annotations

import argparse
import sys
import time

import torch
from rich.console import Console

from benchmarks.measure import console, short

from .cells import PROFILES, Cell, Experiment, Found, Store, collected, write
from .table import EXPERIMENTS


def main(arguments: list[str], out: Console) -> int:
    parser = argparse.ArgumentParser(prog="python -m experiments", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--profile", choices=PROFILES, default="quick", help="quick: about ten minutes; full: about three hours"
    )
    parser.add_argument(
        "--only", action="append", choices=list(EXPERIMENTS), help="this experiment alone; may be repeated"
    )
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="begin no cell after so many seconds")
    parser.add_argument("--fresh", action="store_true", help="run again what has been run before")
    parser.add_argument(
        "--collect", action="store_true", help="run nothing; write the results of the cells that are there"
    )
    parser.add_argument(
        "--compare", action="store_true", help="run nothing; set the quick results beside the full ones"
    )
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    chosen = [EXPERIMENTS[name] for name in asked.only or EXPERIMENTS]
    if asked.compare:
        from .compare import report

        return report(chosen, out)
    ends = time.monotonic() + (asked.budget if asked.budget is not None else float("inf"))
    missed = 0
    for experiment in chosen:
        out.print(f"[bold]{experiment.name}[/bold] {experiment.question}")
        try:
            if not asked.collect:
                work(experiment, asked.profile, Store(), ends, asked.fresh, out)
        finally:
            result = collected(experiment, asked.profile, Store())
            path = write(result)
        missed += tell(result, out)
        out.print(f"written to {path.parent.name}/{path.name}", highlight=False)
    return int(missed > 0)


def work(experiment: Experiment, profile: str, store: Store, ends: float, fresh: bool, out: Console) -> None:
    """Run the cells that have not been run."""
    cells = experiment.of(profile)
    for k, cell in enumerate(cells, 1):
        if not fresh and store.load(experiment, cell) is not None:
            continue
        if time.monotonic() > ends:
            out.print(f"  the time is up: {len(cells) - k + 1} cells are left for another run")
            return
        begun, place = time.monotonic(), f"\\[{k}/{len(cells)}] {cell.name}"
        found = run(experiment, cell, place, out)
        seconds = time.monotonic() - begun
        store.keep(experiment, cell, found, seconds)
        out.print(f"  {place}: {seconds:.1f} s", highlight=False)


def run(experiment: Experiment, cell: Cell, place: str, out: Console) -> Found:
    """Run one cell; what it says meanwhile is shown behind ``place``."""
    with out.status(place) as status:
        return experiment.run(cell.parameters, lambda words: status.update(f"{place}: {words}"))


def tell(result: Found, out: Console) -> int:
    """The targets, and how many are missed."""
    for t in result["targets"]:
        sign, mark = ("<=" if t["smaller"] else ">="), ("met" if t["met"] else "MISSED")
        out.print(
            f"  {mark}: {t['what']}: {short(t['value'])} ({sign} {short(t['must'])}) {t['note']}", highlight=False
        )
    if result["not_run"]:
        out.print(f"  {len(result['not_run'])} cells of this profile have not been run")
    return sum(not t["met"] for t in result["targets"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], console()))
