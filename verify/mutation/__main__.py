"""``python -m almostlinear.verify.mutation``: plants mistakes in true claims and in impl, and says which the engines notice."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from almostlinear.theorems.registry import load

from ..workers import cores
from .judge import judge_all
from .population import SURVIVORS, population
from .report import Summary

LEAST = 0.98
"""The share of the mutants that are not proved that must be killed."""


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 if enough mutants were killed, else 1."""
    options = _options(arguments)
    console = Console()
    begun = time.monotonic()
    made = population(load())
    chosen = made.sample(options.count, options.seed, options.kinds.split(",") if options.kinds else None)
    judgements = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("mutants", total=len(chosen))
        for one in judge_all(chosen, workers=options.workers, limit=options.limit, seed=options.seed):
            judgements.append(one)
            progress.advance(bar)
    summary = Summary(judgements, made.refused)
    summary.show(console)
    console.print(f"of {len(made.mutants)} mutants that can be made; {time.monotonic() - begun:.0f} s")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(summary.to_json(), indent=1) + "\n", encoding="utf-8")
    console.print(f"written to {options.out}")
    if options.keep:
        SURVIVORS.write_text(json.dumps(summary.survivors(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        console.print(f"survivors kept in {SURVIVORS}")
    return 0 if summary.figures()["killed of those not proved"] >= LEAST else 1


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m almostlinear.verify.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=1200, help="mutants of claims (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice and of the engines (default %(default)s)")
    parser.add_argument("--kinds", default="", help="kinds of claims with commas, such as Identity,Bound (default all)")
    parser.add_argument("--workers", type=int, default=cores(), help="processes (default %(default)s)")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one mutant (default %(default)g)")
    parser.add_argument(
        "--out", type=Path, default=Path(".almostlinear/mutants.json"), help="file (default %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the survivors, which the test leaves out")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
