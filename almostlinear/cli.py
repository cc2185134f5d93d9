"""The command line: `almostlinear list | show | check | status | impact | replay | report | errata`.

Results go to stdout (with --json one object and nothing else), messages and progress to stderr. Exit codes: 0 all as
claimed; 1 a claim failed; 2 bad usage or bad input; 3 stopped early, what was found is kept. Heavy imports wait until a
command needs them.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Checks, by machine, the theory of almost-linear-time transformer gradients.",
    epilog="Start with: almostlinear check E.11",
)
FAILED, BAD_INPUT, STOPPED = 1, 2, 3
SCHEMA = 1

LedgerOption = Annotated[Path, typer.Option("--ledger", help="The ledger of evidence.", metavar="PATH")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
PluginOption = Annotated[
    list[str] | None, typer.Option("--plugin", help="A file or module of own statements.", metavar="FILE_OR_MODULE")
]
DEFAULT_LEDGER = Path(".almostlinear") / "ledger.sqlite"


def _say(message: str) -> None:
    print(message, file=sys.stderr)


def _bad(message: str) -> NoReturn:
    _say(f"almostlinear: {message}")
    raise typer.Exit(BAD_INPUT)


def _emit(data: dict[str, Any]) -> None:
    print(json.dumps({"schema": SCHEMA, **data}, ensure_ascii=False, indent=1))


def _registry(plugins: list[str] | None = None) -> Any:
    from almostlinear.theorems.registry import PluginError, load, load_plugin

    registry = load()
    for plugin in plugins or ():
        try:
            load_plugin(plugin)
        except PluginError as error:
            _bad(str(error))
    return registry


def _chosen(registry: Any, ids: list[str]) -> list[Any]:
    try:
        return [registry[name] for name in ids] if ids else list(registry)
    except KeyError as error:
        _bad(str(error.args[0]))


def _open(path: Path, must_exist: bool) -> Any:
    from almostlinear.verify.ledger import Ledger, LedgerError

    try:
        return Ledger(path, must_exist=must_exist)
    except LedgerError as error:
        _bad(str(error))


def _statuses(registry: Any, ledger: Any) -> list[Any]:
    from almostlinear.verify.ledger import LedgerError
    from almostlinear.verify.status import statuses

    try:
        return statuses(registry, ledger)
    except LedgerError as error:
        _bad(str(error))


@app.command("list", epilog="Example: almostlinear list --kind identity --origin published")
def list_command(
    kind: Annotated[str | None, typer.Option(help="Only statements of this kind.")] = None,
    origin: Annotated[str | None, typer.Option(help="published, repair or own.")] = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the statements, one a line."""
    registry = _registry(plugin)
    from almostlinear.theorems.statement import KINDS

    if kind is not None and kind not in KINDS:
        _bad(f"unknown kind {kind!r}; use one of {', '.join(KINDS)}")
    if origin not in (None, "published", "repair", "own"):
        _bad(f"unknown origin {origin!r}; use published, repair or own")
    chosen = [s for s in registry if kind in (None, s.kind) and origin in (None, s.origin)]
    if as_json:
        _emit({"statements": [{"id": s.id, "kind": s.kind, "origin": s.origin, "title": s.title} for s in chosen]})
        return
    from almostlinear import terminal

    terminal.show_list(chosen)


@app.command(epilog="Example: almostlinear show E.11 --latex")
def show(
    id: Annotated[str, typer.Argument(metavar="ID")],
    as_latex: Annotated[bool, typer.Option("--latex", help="Formulas as LaTeX.")] = False,
    ledger: LedgerOption = DEFAULT_LEDGER,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one statement: formula, hypotheses, what it uses and what uses it, evidence, witness."""
    registry = _registry(plugin)
    (made,) = _chosen(registry, [id])
    with _open(ledger, must_exist=False) if ledger.exists() else _memory() as opened:
        row = next(s for s in _statuses(registry, opened) if s.statement is made).to_json()
    if as_json:
        from almostlinear.theorems.display import claim_latex, claim_plain

        printed = claim_latex if as_latex else claim_plain
        formulas = [{"part": c.part, "reading": c.reading, "formula": printed(c)} for c in made.claims]
        _emit({"statement": row, "formulas": formulas, "used_by": list(registry.used_by(id))})
        return
    from almostlinear import terminal

    terminal.show_statement(made, row, registry.used_by(id), as_latex)


def _memory() -> Any:
    from almostlinear.verify.ledger import Ledger

    return Ledger(None)


@app.command(epilog="Example: almostlinear check E.11 G.3 --seed 7")
def check(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]")] = None,
    profile: Annotated[str, typer.Option(help="quick, ci or thorough.")] = "quick",
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)] = 0,
    budget: Annotated[float | None, typer.Option(help="Seconds after which nothing new is begun.", min=0.0)] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda, for checks of the implementation.")] = "cpu",
    plugin: PluginOption = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Make these verdicts the expected ones.")
    ] = False,
    ledger: LedgerOption = DEFAULT_LEDGER,
    as_json: JsonOption = False,
) -> None:
    """Run the engines on statements (all of them by default) and write evidence to the ledger."""
    from almostlinear.verify import baseline
    from almostlinear.verify.replay import write_witnesses
    from almostlinear.verify.task import PROFILES

    registry = _registry(plugin)
    named = list(ids or [])
    chosen = _chosen(registry, named)
    if plugin and not named:
        chosen = [s for s in chosen if s.origin == "own"]
    if update_baseline and (named or plugin):
        _bad("--update-baseline takes all statements: leave out ids and plugins")
    if profile not in PROFILES:
        _bad(f"unknown profile {profile!r}; use one of {', '.join(PROFILES)}")
    if device not in ("cpu", "cuda"):
        _bad(f"unknown device {device!r}; use cpu or cuda")
    if device == "cuda" and not _has_cuda():
        _bad("--device cuda: torch finds no CUDA device here; use --device cpu")
    with _open(ledger, must_exist=False) as opened:
        _statuses(registry, opened)  # a ledger that cannot be read is refused before anything is added to it
        progress = _run(registry, opened, chosen, profile, seed, budget, device)
        found = _statuses(registry, opened)
        write_witnesses(opened, found)
        found = [s for s in _statuses(registry, opened) if s.statement in chosen]
    try:
        if update_baseline and not progress.stopped:
            baseline.write(found)
        wrong = baseline.all_complaints(found, registry, baseline.load())
    except baseline.BaselineError as error:
        _bad(str(error))
    wrong = [text for text in wrong if not progress.stopped or " is open, the baseline" not in text]
    rows = [s.to_json() for s in found]
    if as_json:
        _emit({"statements": rows, "complaints": wrong, "stopped": progress.stopped})
    else:
        _show_check(rows, wrong, progress)
        for one in found:
            if one.waits:
                _say(
                    f"{one.statement.id} rests on {', '.join(one.waits)}: not examined yet, so what rests on it is open"
                )
    if progress.stopped:
        _say(f"stopped after {budget:g} s with {progress.claims} claims done; run the same command again to go on")
    if wrong:
        raise typer.Exit(FAILED)
    if progress.stopped:
        raise typer.Exit(STOPPED)


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _run(
    registry: Any, ledger: Any, chosen: list[Any], profile: str, seed: int, budget: float | None, device: str
) -> Any:
    from almostlinear import terminal
    from almostlinear.verify.campaign import CannotExamine, run
    from almostlinear.verify.task import PROFILES, versions

    begun, started = time.monotonic(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    claims = sum(max(1, len(s.claims)) for s in chosen)
    with terminal.progress("checking") as bar:
        task = bar.add_task("checking", total=claims)
        try:
            progress = run(
                registry,
                ledger,
                chosen,
                profile=PROFILES[profile],
                seed=seed,
                budget=budget,
                device=device,
                on_claim=lambda made, done: bar.update(task, completed=done, description=f"checking {made.id}"),
            )
        except CannotExamine as error:
            _bad(str(error))
        except KeyboardInterrupt:
            _say("interrupted; what was found is kept, the same command goes on from there")
            raise typer.Exit(STOPPED) from None
    used = versions("sympy", "python-flint", "numpy", "hypothesis", "mpmath", "torch")
    seconds = round(time.monotonic() - begun, 1)
    ledger.note_run(started, {
        "profile": profile, "seed": seed, "seconds": seconds, "instances": progress.instances,
        "claims": progress.claims, "reused": progress.reused, "versions": used,
    })  # fmt: skip
    return progress


def _show_check(rows: list[dict[str, Any]], wrong: list[str], progress: Any) -> None:
    from almostlinear import terminal

    terminal.show_status(rows)
    terminal.show_refuted([row for row in rows if row["verdict"] == "refuted"])
    for row in rows:
        if row["origin"] == "own":
            _suggest(row)
    reused = f", {progress.reused} of them known from before" if progress.reused else ""
    _say(f"{progress.claims} claims examined on {progress.instances} instances{reused}")
    for text in wrong:
        _say(f"unexpected: {text}")


def _suggest(row: dict[str, Any]) -> None:
    from almostlinear import terminal

    for record in row["evidence"]:
        if record["engine"] == "repair" and record["detail"]["suggestion proved"]:
            terminal.out.print(
                f"  true form of {row['id']} (proved): right side {record['detail']['suggested']}", markup=False
            )


@app.command(epilog="Example: almostlinear status --json")
def status(ledger: LedgerOption = DEFAULT_LEDGER, plugin: PluginOption = None, as_json: JsonOption = False) -> None:
    """Show the verdicts computed from the ledger."""
    registry = _registry(plugin)
    with _open(ledger, must_exist=True) as opened:
        rows = [s.to_json() for s in _statuses(registry, opened)]
    if as_json:
        _emit({"statements": rows})
        return
    from almostlinear import terminal

    terminal.show_status(rows)


@app.command(epilog="Example: almostlinear impact C.8")
def impact(
    id: Annotated[str, typer.Argument(metavar="ID")], plugin: PluginOption = None, as_json: JsonOption = False
) -> None:
    """Show what becomes stale if a statement changes."""
    registry = _registry(plugin)
    (made,) = _chosen(registry, [id])
    below = [registry[name] for name in registry.descendants(made.id)]
    if as_json:
        _emit({"id": made.id, "stale": [s.id for s in below]})
        return
    from almostlinear import terminal

    terminal.show_list(below) if below else terminal.out.print(f"nothing builds on {made.id}")


@app.command(epilog="Example: almostlinear replay .almostlinear/witnesses/G.3-1a2b3c.json")
def replay(
    witness: Annotated[Path, typer.Argument(metavar="WITNESS.json")],
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Re-evaluate a witness exactly and say whether it still refutes."""
    from almostlinear.verify import replay as replays
    from almostlinear.verify.problems import BadProblem

    registry = _registry(plugin)
    try:
        found = replays.replay(replays.read(witness), registry, str(witness))
    except (BadProblem, KeyError) as error:
        _bad(str(error.args[0]))
    data = (
        None if found.found is None else found.found.to_json(found.statement.id, found.claim.part, found.claim.reading)
    )
    if as_json:
        _emit({"refutes": data is not None, "as recorded": found.agrees, "witness": data})
    else:
        _show_replay(found, data)
    if data is None:
        raise typer.Exit(FAILED)


def _show_replay(found: Any, data: dict[str, Any] | None) -> None:
    from almostlinear import terminal
    from almostlinear.theorems.display import claim_plain

    terminal.out.print(f"{found.statement.id}, part {found.claim.part}: {claim_plain(found.claim)}", markup=False)
    if data is None:
        terminal.out.print("the claim holds on this problem: the witness does not refute it", markup=False)
        return
    terminal.out.print(terminal.witness_text(data), markup=False)
    difference = "" if found.agrees else "; the file records other values"
    terminal.out.print(f"refuted by {data['arithmetic']} arithmetic{difference}", markup=False)


@app.command(epilog="Example: almostlinear report --out site")
def report(
    out: Annotated[Path, typer.Option("--out", help="Folder of the site.", metavar="DIR")] = Path("reports/html"),
    ledger: LedgerOption = DEFAULT_LEDGER,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the HTML report from the ledger."""
    from almostlinear.reports.site import build

    registry = _registry(plugin)
    with _open(ledger, must_exist=True) as opened:
        rows = [s.to_json() for s in _statuses(registry, opened)]
        tables, figures = _tables(), _figures()
        run = opened.last_run() or {
            "date": "",
            "seed": None,
            "profile": "",
            "versions": {},
            "seconds": 0,
            "instances": 0,
        }
    try:
        page = build(rows, registry, out, {**run, "tables": tables, "figures": figures})
    except OSError as error:
        _bad(f"{out}: cannot be written ({error.strerror})")
    if as_json:
        _emit({"page": str(page)})
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
        _bad(f"unknown format {form!r}; use {' or '.join(FORMATS)}")
    registry = _registry(plugin)
    with _open(ledger, must_exist=True) as opened:
        found = lists.errata([s.to_json() for s in _statuses(registry, opened)], registry)
    if as_json:
        _emit(lists.to_json(found))
    else:
        print(write(found, form), end="")


def _tables() -> list[dict[str, Any]]:
    """Tables that belong to no single statement: Algorithm 1 in both forms, and where trained heads stand."""
    from almostlinear.verify import regime
    from almostlinear.verify.engines.implementation import algorithm_table

    return [algorithm_table(0), regime.table()]


def _figures() -> list[dict[str, Any]]:
    """What the report draws and no single statement owns: the rank of the features against n."""
    from almostlinear.verify import regime

    return [regime.rank_figure()]


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except KeyboardInterrupt:
        _say("interrupted; what was found is kept")
        raise SystemExit(STOPPED) from None


if __name__ == "__main__":
    main()
