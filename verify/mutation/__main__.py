"""``python -m almostlinear.verify.mutation``: plants mistakes in true claims and in impl, and says which the engines notice."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from almostlinear.theorems.registry import load

from ..workers import cores
from . import implementation
from .judge import Judgement, judge_all
from .population import SURVIVORS, population
from .report import Summary

LEAST = 0.98
"""The share of the mutants that are not proved that must be killed."""


def main(arguments: list[str] | None = None) -> int:
    """The exit status: 0 if enough mutants were killed, else 1."""
    options = _options(arguments)
    console = Console()
    summary = _of_impl(options, console) if options.impl else _of_claims(options, console)
    summary.show(console)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(summary.to_json(), indent=1) + "\n", encoding="utf-8")
    console.print(f"written to {options.out}")
    if options.keep:
        SURVIVORS.write_text(json.dumps(summary.survivors(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        console.print(f"survivors kept in {SURVIVORS}")
    return 0 if summary.figures()["killed of those not proved"] >= options.least else 1


def _of_claims(options: argparse.Namespace, console: Console) -> Summary:
    begun = time.monotonic()
    made = population(load())
    chosen = made.sample(options.count, options.seed, options.kinds.split(",") if options.kinds else None)
    found = judge_all(chosen, workers=options.workers, limit=options.limit, seed=options.seed)
    judgements = _watched(found, len(chosen))
    console.print(f"of {len(made.mutants)} mutants that can be made; {time.monotonic() - begun:.0f} s")
    return Summary(judgements, made.refused)


def _of_impl(options: argparse.Namespace, console: Console) -> Summary:
    begun = time.monotonic()
    found = implementation.population()
    chosen = implementation.sample(found, options.count, options.seed)
    judgements = _watched(implementation.judge_all(chosen, options.limit), len(chosen))
    console.print(f"of {len(found)} mistakes in lines that the checks execute; {time.monotonic() - begun:.0f} s")
    return Summary(judgements)


def _watched(judgements: Iterator[Judgement], total: int) -> list[Judgement]:
    """All of them, with a progress bar meanwhile."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    made = []
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("mutants", total=total)
        for one in judgements:
            made.append(one)
            progress.advance(bar)
    return made


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
    parser.add_argument("--impl", action="store_true", help="mutants of the implementation instead of claims")
    parser.add_argument("--least", type=float, default=LEAST, help="share to be killed (default %(default)g)")
    parser.add_argument("--keep", action="store_true", help="keep the survivors, which the test leaves out")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
