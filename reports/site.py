"""Writes the site: pages with style sheet and script beside them; read from a disk, without a request, and without the script.

    index.html  errata.html  theorem.html  tightness.html  waterfall.html  performance.html  roofline.html
    experiments.html  ablations.html  history.html  about.html  statements/ID.html  docs/*.html

Pages whose data were not handed in are not made; those of the documentation are, where its files lie beside the code.
"""

from __future__ import annotations

import base64
import shlex
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jinja2

from almostlinear.theorems import Statement
from almostlinear.theorems.registry import Registry

from . import verdicts
from .errata import errata
from .mathml import words
from .pages import closeness, corrections, experiments, figures, handbook, overview, roofline, statement, waterfall
from .pages.cards import Card, cards, sections
from .referee import FORMATS, write

HERE = Path(__file__).parent
MARK = '<meta name="generator" content="almostlinear">'
SHORT = 160
"""Characters of a title where it is one among many."""


def build(statements: list[dict[str, Any]], registry: Iterable[Statement], out: Path, run: dict[str, Any]) -> Path:
    """Write the site to the folder ``out`` and return the path of its first page.

    Args:
        statements: the list of `almostlinear status --json`: plain dictionaries; keys of an evidence record
            or a witness that are not known here are shown by their names.
        registry: the statements themselves, for formulas, hypotheses and notes; a status without its
            statement is shown without them.
        out: a folder, made if it does not exist. Pages of statements that an earlier build left there and that
            are no more are removed.
        run: ``date``, ``seed``, ``profile``, ``versions`` (name to version), ``seconds`` and ``instances``;
            what is missing is left out of the page. ``tables`` and ``figures`` belong to no single statement:
            dictionaries with ``title``, ``note`` and ``rows``, a figure also with its ``kind``, a table perhaps
            with its ``page`` (theorem, tightness, performance or about). ``plugins``: files or modules of the own
            statements, for the commands that are shown. ``trusted``: tables of what is trusted;
            ``benchmarks``: results as benchmarks/measure.py writes them;
            ``experiments``: those of experiments/; ``history``: the runs, the earliest first,
            each as above with ``verdicts`` and ``tightness`` by id.
    """
    found = cards(statements, registry)
    pages = dict(_pages(found, run))
    documents = handbook.documents(DOCUMENTATION)
    shown = {*pages, *([BOOK] if documents else [])}
    plugins = "".join(f" --plugin {shlex.quote(str(name))}" for name in run.get("plugins") or ())
    shared = {
        "cards": found,
        "nav": [(file, NAMES[file]) for file in NAMES if file in shown],
        "plugins": plugins,
        "pages": shown,
    }
    folder = out / "statements"
    folder.mkdir(parents=True, exist_ok=True)
    templates = environment()
    if isinstance(registry, Registry) and any(c.origin == "published" for c in found.values()):
        listed = errata(statements, registry)
        for form in FORMATS:
            (out / f"errata.{form}").write_text(write(listed, form), encoding="utf-8")
        pages["errata.html"]["downloads"] = [f"errata.{form}" for form in FORMATS]
    for file, context in pages.items():
        _write(out / file, templates, file, {**shared, **context, "root": "", "here": file})
    for card, context in statement.contexts(found, sections(found)):
        _write(folder / card.file, templates, "statement.html", {**shared, **context, "root": "../", "here": ""})
    _remove_others(folder, {card.file for card in found.values()})
    _handbook(out / handbook.FOLDER, templates, shared, documents)
    (out / "style.css").write_text(_style(), encoding="utf-8")
    for file in ("site.js", "math-font.txt"):
        shutil.copyfile(HERE / "static" / file, out / file)
    return out / "index.html"


NAMES = {
    "index.html": "Overview", "errata.html": "Errata", "theorem.html": "Explicit theorem", "tightness.html": "Tightness",
    "waterfall.html": "Slack",
    "performance.html": "Performance", "roofline.html": "Roofline", **experiments.NAMES, "history.html": "History",
    "docs/index.html": "Documentation", "about.html": "About",
}  # fmt: skip
BOOK = f"{handbook.FOLDER}/index.html"
DOCUMENTATION = HERE.resolve().parent / handbook.FOLDER
"""The files of the documentation: in the repository beside reports/, in an installed package beside it too, if they came along."""


def _handbook(
    folder: Path, templates: jinja2.Environment, shared: dict[str, Any], documents: list[handbook.Document]
) -> None:
    """Write the documentation, and remove what an earlier build left of it."""
    if documents:
        folder.mkdir(exist_ok=True)
    for k, document in enumerate(documents):
        around = {
            "before": documents[k - 1] if k else None,
            "after": documents[k + 1] if k + 1 < len(documents) else None,
        }
        context = {**shared, **around, "documents": documents, "document": document, "root": "../", "here": BOOK}
        _write(folder / document.file, templates, "handbook.html", context)
    _remove_others(folder, {document.file for document in documents})


def _pages(found: dict[str, Card], run: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The pages beside those of the statements, and what each template needs."""
    placed: dict[str, list[Any]] = {}
    for table in run.get("tables") or ():
        placed.setdefault(str(table.get("page", "theorem")), []).append(table)
    tables = {page: figures.tables(listed) for page, listed in placed.items()}
    yield "index.html", overview.context(found, run)
    yield "errata.html", {**corrections.context(found), "downloads": []}
    drawn = figures.drawn(run.get("figures") or ())
    if drawn or tables.get("theorem"):
        yield "theorem.html", {"figures": drawn, "tables": tables.get("theorem", [])}
    tightness = closeness.overview((card.id, card.figures) for card in found.values())
    if tightness["count"]:
        loose = closeness.given_away((card.id, card.constants) for card in found.values())
        yield "tightness.html", {"tightness": tightness, "derived": loose, "tables": tables.get("tightness", [])}
    slack = waterfall.context(found)
    if slack:
        yield "waterfall.html", slack
    measured = list(run.get("benchmarks") or ())
    results = figures.benchmarks(roofline.measured(measured))
    if results or tables.get("performance"):
        yield "performance.html", {"benchmarks": results, "tables": tables.get("performance", [])}
    yield from roofline.pages(measured).items()
    yield from experiments.pages(run.get("experiments") or ()).items()
    if run.get("history"):
        yield "history.html", {"history": figures.history(run["history"])}
    trusted = figures.tables(run.get("trusted") or ())
    yield "about.html", {"verdicts": verdicts.VERDICTS, "trusted": trusted, "tables": tables.get("about", [])}


def _style() -> str:
    """The style sheet with the font for formulas inside: a page that is read from a disk may not load a font beside it."""
    font = base64.b64encode((HERE / "static" / "math.woff2").read_bytes()).decode()
    face = f'@font-face{{font-family:"report math";src:url(data:font/woff2;base64,{font}) format("woff2")}}\n'
    about = "/* report math: a subset of STIX Math, SIL Open Font License 1.1; see math-font.txt */\n"
    return about + face + (HERE / "static" / "style.css").read_text(encoding="utf-8") + verdicts.style()


def _write(path: Path, templates: jinja2.Environment, template: str, context: dict[str, Any]) -> None:
    path.write_text(templates.get_template(template).render(context), encoding="utf-8")


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Remove the pages that an earlier build wrote here and this one did not; files of others stay."""
    for path in folder.glob("*.html"):
        if path.name not in kept and MARK in path.read_text(encoding="utf-8", errors="replace")[:600]:
            path.unlink()


def environment() -> jinja2.Environment:
    """Templates that escape everything but the markup that mathml and svg have made."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["words"] = words
    made.filters["short"] = short
    made.globals["face"] = verdicts.verdict
    return made


def short(text: Any) -> str:
    """A text where there is room for a line of it."""
    text = str(text)
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"
