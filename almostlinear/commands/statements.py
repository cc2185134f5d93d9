"""Commands about statements: list, show, status, impact."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .common import (
    DEFAULT_LEDGER,
    JsonOption,
    LedgerOption,
    PluginOption,
    app,
    bad,
    chosen,
    emit,
    load_registry,
    open_ledger,
    statuses_of,
)


@app.command("list", epilog="Example: almostlinear list --kind identity --origin published")
def list_command(
    kind: Annotated[str | None, typer.Option(help="Only statements of this kind.")] = None,
    origin: Annotated[str | None, typer.Option(help="published, repair or own.")] = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the statements, one a line."""
    registry = load_registry(plugin)
    from almostlinear.theorems.statement import KINDS

    if kind is not None and kind not in KINDS:
        bad(f"unknown kind {kind!r}; use one of {', '.join(KINDS)}")
    if origin not in (None, "published", "repair", "own"):
        bad(f"unknown origin {origin!r}; use published, repair or own")
    chosen = [s for s in registry if kind in (None, s.kind) and origin in (None, s.origin)]
    if as_json:
        emit({"statements": [{"id": s.id, "kind": s.kind, "origin": s.origin, "title": s.title} for s in chosen]})
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
    registry = load_registry(plugin)
    (made,) = chosen(registry, [id])
    with open_ledger(ledger, must_exist=False) if ledger.exists() else _memory() as opened:
        row = next(s for s in statuses_of(registry, opened) if s.statement is made).to_json()
    if as_json:
        from almostlinear.theorems.display import claim_latex, claim_plain

        printed = claim_latex if as_latex else claim_plain
        formulas = [{"part": c.part, "reading": c.reading, "formula": printed(c)} for c in made.claims]
        emit({"statement": row, "formulas": formulas, "used_by": list(registry.used_by(id))})
        return
    from almostlinear import terminal

    terminal.show_statement(made, row, registry.used_by(id), as_latex)


def _memory() -> Any:
    from almostlinear.verify.ledger import Ledger

    return Ledger(None)


@app.command(epilog="Example: almostlinear status --json")
def status(ledger: LedgerOption = DEFAULT_LEDGER, plugin: PluginOption = None, as_json: JsonOption = False) -> None:
    """Show the verdicts computed from the ledger."""
    registry = load_registry(plugin)
    with open_ledger(ledger, must_exist=True) as opened:
        rows = [s.to_json() for s in statuses_of(registry, opened)]
    if as_json:
        emit({"statements": rows})
        return
    from almostlinear import terminal

    terminal.show_status(rows)


@app.command(epilog="Example: almostlinear impact C.8")
def impact(
    id: Annotated[str, typer.Argument(metavar="ID")], plugin: PluginOption = None, as_json: JsonOption = False
) -> None:
    """Show what becomes stale if a statement changes."""
    registry = load_registry(plugin)
    (made,) = chosen(registry, [id])
    below = [registry[name] for name in registry.descendants(made.id)]
    if as_json:
        emit({"id": made.id, "stale": [s.id for s in below]})
        return
    from almostlinear import terminal

    terminal.show_list(below) if below else terminal.out.print(f"nothing builds on {made.id}")
