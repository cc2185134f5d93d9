"""What the commands share: options, messages, exit codes, and how the registry and the ledger are opened."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

FAILED, BAD_INPUT, STOPPED = 1, 2, 3
SCHEMA = 1

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Checks, by machine, the theory of almost-linear-time transformer gradients.",
    epilog="Start with: almostlinear check E.11",
)

LedgerOption = Annotated[Path, typer.Option("--ledger", help="The ledger of evidence.", metavar="PATH")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
PluginOption = Annotated[
    list[str] | None, typer.Option("--plugin", help="A file or module of own statements.", metavar="FILE_OR_MODULE")
]
DEFAULT_LEDGER = Path(".almostlinear") / "ledger.sqlite"


def say(message: str) -> None:
    print(message, file=sys.stderr)


def bad(message: str) -> NoReturn:
    say(f"almostlinear: {message}")
    raise typer.Exit(BAD_INPUT)


def emit(data: dict[str, Any]) -> None:
    print(json.dumps({"schema": SCHEMA, **data}, ensure_ascii=False, indent=1))


def load_registry(plugins: list[str] | None = None) -> Any:
    from almostlinear.theorems.plugins import PluginError, load_installed, load_plugin
    from almostlinear.theorems.registry import load

    registry = load()
    for wrong in load_installed():
        say(f"almostlinear: {wrong}")
    for plugin in plugins or ():
        try:
            load_plugin(plugin)
        except PluginError as error:
            bad(str(error))
    return registry


def chosen(registry: Any, ids: list[str]) -> list[Any]:
    try:
        return [registry[name] for name in ids] if ids else list(registry)
    except KeyError as error:
        bad(str(error.args[0]))


def open_ledger(path: Path, must_exist: bool) -> Any:
    from almostlinear.verify.ledger import Ledger, LedgerError

    try:
        return Ledger(path, must_exist=must_exist)
    except LedgerError as error:
        bad(str(error))


def statuses_of(registry: Any, ledger: Any) -> list[Any]:
    from almostlinear.verify.ledger import LedgerError
    from almostlinear.verify.status import statuses

    try:
        return statuses(registry, ledger)
    except LedgerError as error:
        bad(str(error))
