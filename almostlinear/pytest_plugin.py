"""`pytest --almostlinear FILE_OR_MODULE`: own statements as tests, judged like the paper's.

Each statement is a test, ``lemmas.py::my.1``. It fails where the statement is refuted, lacks a hypothesis or stays open, and
shows the witness, the command that evaluates it again and, where one was found and proved, a true form; ``-v`` says what a passed
one rests on. The table of verdicts stands at the end, with the path of a report of these statements and what they build on.
Settings in the configuration file: ``almostlinear = lemmas.py other.module``.
"""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

FAILING = ("refuted", "gap", "open")
"""Verdicts with which a lemma of one's own does not pass."""
PROPERTY = "almostlinear"
SOURCES = pytest.StashKey[dict[Path, str]]()
LOADED = pytest.StashKey[dict[Path, list[str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("almostlinear", "statements of one's own, judged by almostlinear")
    group.addoption(
        "--almostlinear", action="append", default=[], metavar="FILE_OR_MODULE", help="own statements; may be repeated"
    )
    group.addoption(
        "--almostlinear-ledger", default=".almostlinear/ledger.sqlite", metavar="PATH", help="the ledger of evidence"
    )
    group.addoption(
        "--almostlinear-profile", default="quick", choices=["quick", "ci", "thorough"], help="how much to try"
    )
    group.addoption(
        "--almostlinear-report", default=".almostlinear/report", metavar="DIR", help="where the report goes"
    )
    group.addoption("--almostlinear-seed", default=0, type=int, metavar="N", help="of everything that is drawn")
    parser.addini("almostlinear", "files or modules of own statements", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """The files become arguments of the run: those of the configuration file unless other arguments are given."""
    asked = config.getoption("--almostlinear")
    listed = config.getini("almostlinear")
    chosen = config.args_source is pytest.Config.ArgsSource.ARGS and not hasattr(config, "workerinput")
    sources = {_path(name, config.invocation_params.dir): name for name in asked}
    sources |= {path: name for name in listed if (path := _path(name, config.rootpath)) not in sources}
    config.stash[SOURCES], config.stash[LOADED] = sources, {}
    if hasattr(config, "workerinput"):
        return  # a worker is given the arguments of the process that began it
    for path, name in sources.items():
        if (name in asked or not chosen) and str(path) not in config.args:
            config.args.append(str(path))


def _path(name: str, folder: Path) -> Path:
    """The file of a source.

    Raises:
        pytest.UsageError: if there is no such file or module.
    """
    if name.endswith(".py"):
        path = (folder / name).resolve()
        if not path.is_file():
            raise pytest.UsageError(f"--almostlinear {name}: no such file")
        return path
    try:
        found = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None or found.origin is None:
        raise pytest.UsageError(
            f"--almostlinear {name}: no such file or module; give a .py file or an installed module"
        )
    return Path(found.origin).resolve()


def pytest_collect_file(file_path: Path, parent: Any) -> Any:
    """A listed file that is found in a folder; one that is an argument goes through `pytest_pycollect_makemodule`."""
    listed = file_path.resolve() in parent.config.stash[SOURCES]
    return Lemmas.from_parent(parent, path=file_path) if listed and not parent.session.isinitpath(file_path) else None


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makemodule(module_path: Path, parent: Any) -> Any:
    """A file of statements in place of a module of tests."""
    if module_path.resolve() not in parent.config.stash[SOURCES]:
        return None
    return Lemmas.from_parent(parent, path=module_path)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each statement once, also where its file is named and found in a folder too."""
    seen: set[str] = set()
    for item in list(items):
        if isinstance(item, Lemma):
            if item.nodeid in seen:
                items.remove(item)
            seen.add(item.nodeid)


class Lemmas(pytest.File):
    """A file of statements."""

    def collect(self) -> Iterator[pytest.Item]:
        from almostlinear.theorems.plugins import PluginError, load_plugin
        from almostlinear.theorems.registry import load

        config, path = self.config, self.path.resolve()
        loaded = config.stash[LOADED]
        if path not in loaded:
            name = config.stash[SOURCES][path]
            try:
                load()
                loaded[path] = [made.id for made in load_plugin(str(path) if name.endswith(".py") else name)]
            except PluginError as error:
                raise self.CollectError(str(error)) from None
        for id in loaded[path]:
            yield Lemma.from_parent(self, name=id)


class LemmaFails(AssertionError):
    """A statement whose verdict is among FAILING; the message is what a user reads."""


class Lemma(pytest.Item):
    """One statement."""

    def runtest(self) -> None:
        found = self._examine()
        self.user_properties.append((PROPERTY, _row(found)))
        if found.verdict in FAILING:
            raise LemmaFails("\n".join(_why(found, self._again(), self._source())))

    def _examine(self) -> Any:
        """The status of the statement after its examination, and that of what it rests on."""
        from almostlinear.theorems.plugins import located
        from almostlinear.theorems.registry import registry
        from almostlinear.verify.campaign import CannotExamine, run
        from almostlinear.verify.ledger import Ledger, LedgerError
        from almostlinear.verify.replay import write_witnesses
        from almostlinear.verify.status import statuses
        from almostlinear.verify.task import PROFILES

        option = self.config.getoption
        effort = {"profile": PROFILES[option("--almostlinear-profile")], "seed": option("--almostlinear-seed")}
        examined: set[str] = set()
        wanted = [self.name]
        try:
            with Ledger(ledger_path(self.config)) as ledger:
                while wanted:
                    progress = run(registry, ledger, [registry[name] for name in wanted], **effort)
                    if progress.errors:
                        raise RuntimeError("\n".join(progress.errors.values()))
                    examined.update(wanted)
                    found = next(s for s in statuses(registry, ledger) if s.statement.id == self.name)
                    wanted = [name for name in found.waits if name not in examined]
                write_witnesses(ledger, [found])
                return next(s for s in statuses(registry, ledger) if s.statement.id == self.name)
        except (CannotExamine, LedgerError) as error:
            raise LemmaFails(located(str(error), registry[self.name])) from None

    def _source(self) -> str:
        name = self.config.stash[SOURCES][self.path.resolve()]
        return name if not name.endswith(".py") else _relative(self.path.resolve())

    def _again(self) -> str:
        return shlex.join(["pytest", "--almostlinear", self._source(), self.nodeid])

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, LemmaFails):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, f"lemma {self.name}"  # the id alone would have its dots replaced in the lines of -v


def ledger_path(config: pytest.Config) -> Path:
    """The ledger of this run."""
    return Path(config.getoption("--almostlinear-ledger"))


def _relative(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _row(found: Any) -> dict[str, Any]:
    """What the table at the end shows of a statement; plain JSON, for it may come from another process."""
    row = found.to_json()
    return {key: row[key] for key in ("id", "verdict", "stale", "basis", "title", "origin", "repairs")}


def _why(found: Any, again: str, source: str) -> Iterator[str]:
    """The lines of a failure: what is claimed, why it fails, a true form, and how to see it again."""
    from almostlinear import terminal
    from almostlinear.theorems.display import claim_plain

    yield f"{found.statement.id} {found.statement.title}: {found.verdict}"
    for claim, status in zip(found.statement.claims, found.claims, strict=True):
        if status.verdict in FAILING:
            yield f"  claimed    {claim_plain(claim)}"
    witness = found.witness
    if witness is not None:
        yield f"  witness    {terminal.witness_text(witness)}"
    yield from (f"  because    {text}" for text in found.gap)
    if found.verdict == "open":
        yield "  because    no engine decides it: see what each can do in the documentation, or write it another way"
    for record in found.evidence:
        if record.engine == "repair" and record.detail["suggestion proved"]:
            yield f"  true form  right side {record.detail['suggested']} (proved)"
    if witness is not None and witness.get("file"):
        yield f"  replay     almostlinear replay {witness['file']} --plugin {shlex.quote(source)}"
    yield f"  again      {again}"


# -- what is shown -------------------------------------------------------------------------------------------------------
def _verdict(report: Any) -> dict[str, Any] | None:
    return next((row for name, row in getattr(report, "user_properties", ()) if name == PROPERTY), None)


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Says with -v what a passed statement rests on."""
    row = _verdict(report) if report.when == "call" and report.passed else None
    return ("passed", ".", f"PASSED {row['verdict']} by {', '.join(row['basis'])}") if row else None


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The verdicts of the statements that ran, and the page that shows them."""
    reports = [r for listed in terminalreporter.stats.values() for r in listed]
    rows = {row["id"]: row for r in reports if getattr(r, "when", None) == "call" and (row := _verdict(r))}
    if not rows:
        return
    try:
        last = f"report: {_relative(write_report(config, set(rows)).resolve())}"
    except Exception as error:  # the verdicts stand, whatever becomes of the page
        last = f"the report could not be written: {type(error).__name__}: {error}"
    summary(terminalreporter, list(rows.values()), last)


def write_report(config: pytest.Config, ids: set[str]) -> Path:
    """A report of these statements and of what they build on; its first page."""
    from almostlinear.reports import build
    from almostlinear.theorems.plugins import load_plugin
    from almostlinear.theorems.registry import Registry, load
    from almostlinear.verify.ledger import Ledger
    from almostlinear.verify.status import statuses
    from almostlinear.verify.task import versions

    registry = load()
    for path, name in config.stash[SOURCES].items():
        if path not in config.stash[LOADED]:  # it was loaded by the processes that examined it
            config.stash[LOADED][path] = [made.id for made in load_plugin(str(path) if name.endswith(".py") else name)]
    wanted, waiting = set(ids), list(ids)
    while waiting:
        below = [used for used in registry.uses(waiting.pop()) if used in registry and used not in wanted]
        wanted.update(below)
        waiting += below
    shown = Registry()
    for made in registry:
        if made.id in wanted:
            shown.add(made)
    with Ledger(ledger_path(config), must_exist=True) as ledger:
        rows = [status.to_json() for status in statuses(registry, ledger) if status.statement.id in wanted]
    run = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"), "seed": config.getoption("--almostlinear-seed"),
        "profile": config.getoption("--almostlinear-profile"), "versions": versions("sympy", "python-flint"),
        "plugins": [_relative(p) if n.endswith(".py") else n for p, n in config.stash[SOURCES].items()],
    }  # fmt: skip
    return build(rows, shown, Path(config.getoption("--almostlinear-report")), run)


def summary(terminalreporter: Any, rows: list[dict[str, Any]], last: str) -> None:
    """A section with the table of verdicts and a last line; rows are those of `status --json`."""
    from almostlinear import terminal

    terminalreporter.section("almostlinear")
    with terminal.out.capture() as captured:
        terminal.show_status(rows)
    terminalreporter.write(captured.get())
    terminalreporter.write_line(last)
