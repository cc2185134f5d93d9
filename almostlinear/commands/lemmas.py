"""Commands about own lemmas and about change: new writes a lemma to fill in, diff compares two ledgers."""

from __future__ import annotations

import importlib.util
import keyword
import re
from importlib import resources
from pathlib import Path
from string import Template
from typing import Annotated, Any

import typer

from .common import FAILED, JsonOption, app, bad, emit, open_ledger, say

TEMPLATES = "templates"
LONGEST = 40
NAME = re.compile(rf"[A-Za-z][A-Za-z0-9_-]{{0,{LONGEST - 1}}}")


def kinds() -> list[str]:
    """The kinds that have a template."""
    folder = resources.files("almostlinear") / TEMPLATES
    return sorted(Path(path.name).stem for path in folder.iterdir() if path.name.endswith(".txt"))


@app.command(epilog="Example: almostlinear new row-sums --kind identity --dir lemmas")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, - and _; the id will be my.NAME.")],
    kind: Annotated[str, typer.Option(help="identity, bound, rank, cost or probability.")],
    folder: Annotated[Path, typer.Option("--dir", help="Folder of the file.", metavar="DIR")] = Path("."),
    as_json: JsonOption = False,
) -> None:
    """Write a lemma file to fill in; as it is written it checks, and is proved."""
    if kind not in kinds():
        bad(f"unknown kind {kind!r}; use one of {', '.join(kinds())}")
    module = _module(name, folder)
    path = folder / f"{module}.py"
    template = (resources.files("almostlinear") / TEMPLATES / f"{kind}.txt").read_text(encoding="utf-8")
    title = re.sub(r"[-_]+", " ", name).strip().capitalize()
    text = Template(template).substitute(id=f"my.{name}", title=title, file=path.name, function=module)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        bad(f"{folder}: cannot be made a folder ({error.strerror})")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        bad(f"{path}: exists already, and nothing is overwritten; choose another name or --dir")
    except OSError as error:
        bad(f"{path}: cannot be written ({error.strerror})")
    if as_json:
        emit({"file": str(path), "id": f"my.{name}", "kind": kind})
    else:
        print(path)
        say(f"next: edit it, then `almostlinear check --plugin {path}`")


def _module(name: str, folder: Path) -> str:
    """The name of the file and of the function for a lemma's name."""
    if not NAME.fullmatch(name):
        bad(f"{name!r} is no name for a lemma: begin with a letter, then letters, digits, - and _, {LONGEST} in all")
    module = name.replace("-", "_").lower()
    if keyword.iskeyword(module) or keyword.issoftkeyword(module):
        bad(f"{name!r} is a word of Python; choose another name, such as {name}-lemma")
    if not (folder / f"{module}.py").exists() and importlib.util.find_spec(module) is not None:
        bad(f"a Python module {module!r} is installed, which {module}.py would hide; choose another name")
    return module


# -- diff ----------------------------------------------------------------------------------------------------------------
@app.command(epilog="Example: almostlinear diff before.sqlite .almostlinear/ledger.sqlite")
def diff(
    before: Annotated[Path, typer.Argument(metavar="LEDGER1")],
    after: Annotated[Path, typer.Argument(metavar="LEDGER2")],
    as_json: JsonOption = False,
) -> None:
    """Show the verdicts and tightness that changed, as the runs in each ledger found them; exit 1 if a verdict changed."""
    old, new = _recorded(before), _recorded(after)
    verdicts = _changes(old["verdicts"], new["verdicts"])
    tightness = _changes(old["tightness"], new["tightness"])
    if as_json:
        emit({"verdicts": verdicts, "tightness": tightness})
    else:
        from almostlinear import terminal

        terminal.show_changes(verdicts, tightness)
    if verdicts:
        raise typer.Exit(FAILED)


def _recorded(path: Path) -> dict[str, dict[str, Any]]:
    """The last verdict and tightness of each statement that the ledger's runs left."""
    from almostlinear.reports.verdicts import VERDICTS
    from almostlinear.verify.ledger import LedgerError

    verdicts: dict[str, Any] = {}
    tightness: dict[str, Any] = {}
    with open_ledger(path, must_exist=True) as opened:
        try:
            runs = opened.runs()
        except (LedgerError, ValueError, TypeError) as error:
            bad(f"{path}: its runs cannot be read ({error})")
    if not runs:
        bad(f"{path}: no run is recorded there; run `almostlinear check --ledger {path}` first")
    for run in runs:
        found, best = run.get("verdicts", {}), run.get("tightness", {})
        if not (_is_record(found, str) and _is_record(best, (int, float)) and {*found.values()} <= {*VERDICTS}):
            bad(f"{path}: the run of {run['date']} records no verdicts that this version knows")
        verdicts |= found
        tightness = {name: value for name, value in tightness.items() if name not in found} | best
    return {"verdicts": verdicts, "tightness": tightness}


def _is_record(found: Any, kind: type | tuple[type, ...]) -> bool:
    return isinstance(found, dict) and all(isinstance(value, kind) for value in found.values())


def _changes(old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, Any]]:
    """What differs, by statement, in the order of the older one; null where a ledger lacks the statement."""
    return [
        {"id": name, "before": old.get(name), "after": new.get(name)}
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    ]
