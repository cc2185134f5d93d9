"""Every benchmark in turn: `python -m benchmarks [--small] [name ...]`; exits with 1 where a target is missed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from rich.console import Console

from . import adaptive, attention, model, training
from .measure import Result, console

Progress = Callable[[str], None]
BENCHMARKS: dict[str, Callable[[bool, Progress], Result]] = {
    "attention": lambda small, say: attention.run(attention.SMALL if small else attention.Sizes(), say),
    "adaptive": lambda small, say: adaptive.run(512 if small else 16384, 1 if small else 3),
    "model": lambda small, say: model.run(512 if small else 16384, 1 if small else 2),
    "training": lambda small, say: training.run(*((128, 2, 4) if small else (512, 4, 200)), progress=say),
}


def main(arguments: list[str], out: Console) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)}; all without a name")
    parser.add_argument("--small", action="store_true", help="sizes that run in seconds; nothing is written")
    asked = parser.parse_args(arguments)
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; use one of {', '.join(BENCHMARKS)}")
    missed = 0
    for name in asked.names or BENCHMARKS:
        out.print(f"[bold]{name}[/bold]")
        result = BENCHMARKS[name](asked.small, lambda words: out.print(f"... {words}", highlight=False))
        result.show(out)
        missed += sum(not target.met for target in result.targets)
        if not asked.small:
            out.print(f"written to {result.write()}")
    if missed:
        out.print(f"{missed} targets missed" + (" (small sizes: of no meaning)" if asked.small else ""))
    return int(missed > 0 and not asked.small)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], console()))
