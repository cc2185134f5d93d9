"""Writes the site: one self-contained page with style, graph and formulas inside; no script, no request."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jinja2

from almostlinear.theorems import Statement

from . import verdicts
from .mathml import words
from .pages import overview

HERE = Path(__file__).parent


def build(statements: list[dict[str, Any]], registry: Iterable[Statement], out: Path, run: dict[str, Any]) -> Path:
    """Write the site to the folder ``out`` and return the path of its first page.

    Args:
        statements: the list of `almostlinear status --json`: plain dictionaries; keys of an evidence record
            or a witness that are not known here are shown by their names.
        registry: the statements themselves, for formulas, hypotheses and notes; a status without its
            statement is shown without them.
        out: a folder, made if it does not exist.
        run: ``date``, ``seed``, ``profile``, ``versions`` (name to version), ``seconds`` and ``instances``;
            what is missing is left out of the page. ``tables`` and ``figures`` belong to no single statement:
            dictionaries with ``title``, ``note`` and ``rows``, a figure also with its ``kind``.
    """
    page = environment().get_template("index.html").render(overview.context(statements, registry, run))
    out.mkdir(parents=True, exist_ok=True)
    path = out / "index.html"
    path.write_text(page, encoding="utf-8")
    return path


def environment() -> jinja2.Environment:
    """Templates that escape everything but the markup that mathml and svg have made."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["style"] = (HERE / "static" / "style.css").read_text(encoding="utf-8") + verdicts.style()
    made.filters["words"] = words
    made.globals["face"] = verdicts.verdict
    return made
