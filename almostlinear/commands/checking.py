"""Commands that judge: check runs the engines, replay evaluates a witness again."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from .common import (
    DEFAULT_LEDGER,
    FAILED,
    STOPPED,
    JsonOption,
    LedgerOption,
    PluginOption,
    app,
    bad,
    chosen,
    emit,
    load_registry,
    open_ledger,
    say,
    statuses_of,
)


@app.command(epilog="Example: almostlinear check E.11 G.3 --seed 7")
def check(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]")] = None,
    profile: Annotated[str, typer.Option(help="quick, ci or thorough.")] = "quick",
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0)] = 0,
    budget: Annotated[float | None, typer.Option(help="Seconds after which nothing new is begun.", min=0.0)] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda, for checks of the implementation.")] = "cpu",
    workers: Annotated[
        int | None,
        typer.Option(help="Processes; by default as many as there are processors, if there is enough to do.", min=1),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(help="Instead of processes here: the scheduler of a dask.distributed cluster.", metavar="ADDRESS"),
    ] = None,
    plugin: PluginOption = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Make these verdicts the expected ones.")
    ] = False,
    ledger: LedgerOption = DEFAULT_LEDGER,
    as_json: JsonOption = False,
) -> None:
    """Run the engines on statements (all of them by default) and write evidence to the ledger."""
    from almostlinear.theorems import plugins
    from almostlinear.verify import baseline
    from almostlinear.verify.adversary import maxima
    from almostlinear.verify.replay import write_witnesses
    from almostlinear.verify.task import PROFILES

    registry = load_registry(plugin)
    asked = chosen(registry, list(ids or []))
    if plugin and not ids:
        mine = {s.id for name in plugin for s in plugins.LOADED[name]}
        asked = [s for s in asked if s.id in mine]
    if update_baseline and (ids or plugin):
        bad("--update-baseline takes all statements: leave out ids and plugins")
    if profile not in PROFILES:
        bad(f"unknown profile {profile!r}; use one of {', '.join(PROFILES)}")
    if device not in ("cpu", "cuda"):
        bad(f"unknown device {device!r}; use cpu or cuda")
    if device == "cuda" and not _has_cuda():
        bad("--device cuda: torch finds no CUDA device here; use --device cpu")
    with open_ledger(ledger, must_exist=False) as opened:
        statuses_of(registry, opened)  # a ledger that cannot be read is refused before anything is added to it
        effort = {"profile": PROFILES[profile], "seed": seed, "budget": budget, "device": device}
        begun, started = time.monotonic(), datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        progress = _run(registry, opened, asked, effort, _examiner(workers, asked, plugin, dask))
        write_witnesses(opened, statuses_of(registry, opened))
        found = statuses_of(registry, opened)
        opened.note_run(started, _record(registry, found, effort, progress, time.monotonic() - begun))
        found = [s for s in found if s.statement in asked]
    try:
        if update_baseline and not progress.stopped and not progress.errors:
            baseline.write(found)
            if profile != "quick":
                maxima.write(record for one in found for record in one.evidence)
        wrong = baseline.all_complaints(found, registry, baseline.load())
        wrong += maxima.complaints(record for one in found for record in one.evidence)
    except (baseline.BaselineError, maxima.MaximaError) as error:
        bad(str(error))
    wrong = [text for text in wrong if not progress.stopped or " is open, the baseline" not in text]
    wrong += [f"{name} could not be examined: {_last_line(text)}" for name, text in progress.errors.items()]
    rows = [s.to_json() for s in found]
    if as_json:
        emit({"statements": rows, "complaints": wrong, "stopped": progress.stopped})
    else:
        _show_check(rows, wrong, progress, plugin)
        for one in found:
            if one.waits and one.verdict == "open":
                say(f"{one.statement.id} rests on {', '.join(one.waits)}: not examined yet, so it is open")
    if progress.stopped:
        say(f"stopped after {budget:g} s with {progress.claims} claims done; run the same command again to go on")
    if wrong:
        raise typer.Exit(FAILED)
    if progress.stopped:
        raise typer.Exit(STOPPED)


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]


ENOUGH = 40
"""Claims from which on worker processes earn the seconds that it takes to start them."""


def _examiner(workers: int | None, asked: list[Any], plugins: list[str] | None, dask: str | None) -> Any:
    """Worker processes or a cluster, or None for this process alone."""
    from almostlinear.verify.cluster import Cluster
    from almostlinear.verify.workers import Pool, cores

    if dask is not None:
        if workers is not None:
            bad("--workers is of this machine, --dask of a cluster: use one of them")
        return Cluster(dask, plugins or ())
    if workers is None:
        workers = cores() if sum(len(s.claims) for s in asked) >= ENOUGH else 1
    return Pool(workers, plugins or ()) if workers > 1 else None


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _run(registry: Any, ledger: Any, asked: list[Any], effort: dict[str, Any], examiner: Any) -> Any:
    from almostlinear import terminal
    from almostlinear.theorems.plugins import located
    from almostlinear.verify.campaign import CannotExamine, run
    from almostlinear.verify.cluster import ClusterError, NoCluster

    claims = sum(max(1, len(s.claims)) for s in asked)
    with terminal.progress("checking") as bar:
        task = bar.add_task("checking", total=claims)

        def on_claim(made: Any, done: int) -> None:
            bar.update(task, completed=done, description=f"checking {made.id}")

        try:
            return run(registry, ledger, asked, on_claim=on_claim, examiner=examiner, **effort)
        except CannotExamine as error:
            made = next((s for s in asked if str(error).startswith(f"{s.id}, part ")), None)
            bad(located(str(error), made) if made else str(error))
        except NoCluster as error:
            bad(str(error))
        except ClusterError as error:
            say(f"almostlinear: {error}; what was found is kept, the same command goes on from there")
            raise typer.Exit(STOPPED) from None
        except KeyboardInterrupt:
            say("interrupted; what was found is kept, the same command goes on from there")
            raise typer.Exit(STOPPED) from None


def _record(registry: Any, found: list[Any], effort: dict[str, Any], progress: Any, seconds: float) -> dict[str, Any]:
    """What the ledger keeps of a run: how it was made, and the verdicts and tightness that it left."""
    from almostlinear.verify.task import versions

    hashes = registry.hashes()
    return {
        "profile": effort["profile"].name,
        "seed": effort["seed"],
        "seconds": round(seconds, 1),
        "instances": progress.instances,
        "claims": progress.claims,
        "reused": progress.reused,
        "versions": versions("sympy", "python-flint", "numpy", "hypothesis", "mpmath", "torch"),
        "errors": {name: {"hash": hashes[name], "text": text} for name, text in progress.errors.items()},
        "verdicts": {s.statement.id: s.verdict for s in found},
        "tightness": {s.statement.id: s.tightness["best"] for s in found if s.tightness},
    }


def _show_check(rows: list[dict[str, Any]], wrong: list[str], progress: Any, plugins: list[str] | None) -> None:
    from almostlinear import terminal

    terminal.show_status(rows)
    terminal.show_refuted([row for row in rows if row["verdict"] == "refuted"], plugins)
    for row in rows:
        if row["origin"] == "own":
            _suggest(row)
    reused = f", {progress.reused} of them known from before" if progress.reused else ""
    count = f"{progress.claims} claim{'' if progress.claims == 1 else 's'}"
    say(f"{count} examined on {progress.instances} instance{'' if progress.instances == 1 else 's'}{reused}")
    for text in wrong:
        say(f"unexpected: {text}")


def _suggest(row: dict[str, Any]) -> None:
    from almostlinear import terminal

    for record in row["evidence"]:
        if record["engine"] == "repair" and record["detail"]["suggestion proved"]:
            terminal.out.print(
                f"  true form of {row['id']} (proved): right side {record['detail']['suggested']}", markup=False
            )


@app.command(epilog="Example: almostlinear replay .almostlinear/witnesses/G.3-1a2b3c.json")
def replay(
    witness: Annotated[Path, typer.Argument(metavar="WITNESS.json")],
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """Re-evaluate a witness exactly and say whether it still refutes."""
    from almostlinear.verify import replay as replays
    from almostlinear.verify.problems import BadProblem

    registry = load_registry(plugin)
    try:
        found = replays.replay(replays.read(witness), registry, str(witness))
    except (BadProblem, KeyError) as error:
        bad(str(error.args[0]))
    data = (
        None if found.found is None else found.found.to_json(found.statement.id, found.claim.part, found.claim.reading)
    )
    if as_json:
        emit({"refutes": data is not None, "as recorded": found.agrees, "witness": data})
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
