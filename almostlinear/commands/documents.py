"""Commands that write documents: report and errata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .common import (
    DEFAULT_LEDGER,
    JsonOption,
    LedgerOption,
    PluginOption,
    app,
    bad,
    emit,
    load_registry,
    open_ledger,
    statuses_of,
)


@app.command(epilog="Example: almostlinear report --out site")
def report(
    out: Annotated[Path, typer.Option("--out", help="Folder of the site.", metavar="DIR")] = Path("reports/html"),
    ledger: LedgerOption = DEFAULT_LEDGER,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the HTML report from the ledger."""
    from almostlinear.reports.site import build

    registry = load_registry(plugin)
    with open_ledger(ledger, must_exist=True) as opened:
        rows = [s.to_json() for s in statuses_of(registry, opened)]
        run = {**(opened.last_run() or {}), "history": opened.runs(), "trusted": _trusted(opened)}
    run |= {
        "plugins": plugin or [],
        "tables": _tables(),
        "figures": _figures(),
        "benchmarks": _results(BENCHMARKS),
        "experiments": _results(EXPERIMENTS),
    }
    try:
        page = build(rows, registry, out, run)
    except OSError as error:
        bad(f"{out}: cannot be written ({error.strerror})")
    if as_json:
        emit({"page": str(page)})
    else:
        print(page)


@app.command(epilog="Example: almostlinear errata --format tex > errata.tex")
def errata(
    form: Annotated[str, typer.Option("--format", help="md or tex.", metavar="FORMAT")] = "md",
    ledger: LedgerOption = DEFAULT_LEDGER,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print what is printed and what is true: false statements, missing hypotheses, gaps, misprints."""
    from almostlinear.reports import errata as lists
    from almostlinear.reports.referee import FORMATS, write

    if form not in FORMATS:
        bad(f"unknown format {form!r}; use {' or '.join(FORMATS)}")
    registry = load_registry(plugin)
    with open_ledger(ledger, must_exist=True) as opened:
        found = lists.errata([s.to_json() for s in statuses_of(registry, opened)], registry)
    if as_json:
        emit(lists.to_json(found))
    else:
        print(write(found, form), end="")


BENCHMARKS = Path("benchmarks") / "results"
EXPERIMENTS = Path("experiments") / "results"
"""Where `make bench` and `python -m experiments` leave their figures."""


def _trusted(ledger: Any) -> list[dict[str, Any]]:
    """What proofs trust in words, and what Coq compiled, if it was asked to."""
    from almostlinear.verify.coq import build as coq
    from almostlinear.verify.engines import analysis

    compiled = coq.load()
    return [analysis.trusted(ledger), *([coq.table(compiled)] if compiled is not None else [])]


def _results(folder: Path) -> list[dict[str, Any]]:
    """The results that lie in a folder.

    Raises:
        typer.Exit: if one of them is not JSON.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            bad(f"{path}: not a result ({error}); make it again, or remove it")
    return found


def _tables() -> list[dict[str, Any]]:
    """Tables that belong to no single statement: Algorithm 1 in both forms, where trained heads stand, and how deep a model may be."""
    from almostlinear.verify import depth, regime
    from almostlinear.verify.engines.implementation import algorithm_table

    return [algorithm_table(0), regime.table(), depth.ranges(), depth.table(), depth.needed()]


def _figures() -> list[dict[str, Any]]:
    """What the report draws and no single statement owns: the rank of the features against n, and the depth against its exponent."""
    from almostlinear.verify import depth, regime

    return [regime.rank_figure(), depth.figure()]
