"""What the command line prints: tables and statements by rich, messages and progress on stderr."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from almostlinear.reports.verdicts import VERDICTS
from almostlinear.theorems.display import claim_latex, claim_plain, latex, plain
from almostlinear.theorems.statement import Statement

out = Console(highlight=False, soft_wrap=False)
err = Console(stderr=True, highlight=False)
COLOURS = {
    "proved": "green", "proved-at-size": "green", "enclosed": "cyan", "searched": "blue", "sampled": "blue",
    "stated": "dim", "open": "yellow", "gap": "magenta", "refuted": "red",
}  # fmt: skip


LONG = (
    *("families", "rules", "points", "proof", "argument", "axioms"),
    *("claim", "maximum", "at the stored maximum", "stages", "sha256"),
    *("derived", "claimed / derived"),  # shown with their claim
)
"""Details that take more than a line; the report shows them."""


def verdict_text(verdict: str, stale: bool = False) -> Text:
    """Icon and word, coloured, with "stale" behind it where the evidence is of another version."""
    shown = Text(f"{VERDICTS[verdict].icon} {verdict}", style=COLOURS.get(verdict, ""))
    return shown.append(" (stale)", style="yellow") if stale else shown


def progress(description: str) -> Progress:
    """A progress bar on stderr; it shows nothing where stderr is not a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def show_list(statements: list[Statement]) -> None:
    """Statements, one a line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "kind", "origin", "title"):
        table.add_column(name, overflow="fold" if name == "title" else "ellipsis", no_wrap=name != "title")
    for made in statements:
        table.add_row(made.id, made.kind, made.origin, Text(made.title))
    out.print(table)


def show_status(rows: list[dict[str, Any]]) -> None:
    """The verdict table and its counts."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("id", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("on the basis of")
    table.add_column("title", overflow="fold")
    for row in rows:
        name = Text(row["id"], style="" if row["origin"] == "published" else "italic")
        note = f" [dim](repairs {row['repairs']})[/dim]" if row["repairs"] else ""
        title = Text.from_markup(note) if note else Text()
        verdict = verdict_text(row["verdict"], row["stale"])
        if row.get("error"):
            verdict.append(" (error)", style="red")
        table.add_row(name, verdict, ", ".join(row["basis"]), Text(row["title"]) + title)
    out.print(table)
    counts = Counter(row["verdict"] for row in rows)
    out.print(Text(" · ").join(Text(f"{counts[v]} ") + verdict_text(v) for v in VERDICTS if counts[v]))


def show_refuted(rows: list[dict[str, Any]], plugins: list[str] | None = None) -> None:
    """Each refuted statement with its witness in a few lines; ``plugins`` are what states the own ones, for the command to replay."""
    named = "".join(f" --plugin {shlex.quote(name)}" for name in plugins or ())
    for row in rows:
        witness = row["witness"]
        if witness is None:
            continue
        out.print(verdict_text(row["verdict"]) + Text(f" {row['id']} {row['title']}", style="bold"))
        out.print(Text(f"  {witness_text(witness)}"))
        if witness.get("file"):
            again = f"  almostlinear replay {witness['file']}{named if row['origin'] == 'own' else ''}"
            out.print(Text(again, style="dim"), soft_wrap=True)


def witness_text(witness: dict[str, Any]) -> str:
    """A witness on one line: matrices (or sizes, where there are none), index values, both sides, the family that it is of."""
    parts: list[str] = []
    if not witness["inputs"]:
        sizes = ((name, value) for name, value in witness.items() if isinstance(value, int) and name != "schema")
        parts = [", ".join(f"{name} = {value}" for name, value in sizes)]
    for name, rows in witness["inputs"].items():
        matrix = "(" + ", ".join("(" + ", ".join(row) + ")" for row in rows) + ")"
        unit = {"ln2": " ln 2"}.get(witness.get("units", {}).get(name), "")
        parts.append(f"{name} = {matrix}{unit}")
    index = [f"{name} = {value}" for name, value in witness.get("index", {}).items()]
    where = f"; at {', '.join(index)}" if index else ""
    entry = tuple(witness.get("entry", ()))
    place = f" entry {entry}" if entry not in ((), (1, 1)) else ""
    family = f"; {witness['family']}" if witness.get("family") else ""
    return f"{'; '.join(parts)}{where}:{place} claimed {witness['claimed']}, true {witness['actual']}{family}"


def show_statement(made: Statement, row: dict[str, Any], used_by: tuple[str, ...], as_latex: bool) -> None:
    """One statement in full."""
    out.print(Text(f"{made.id}  {made.title}", style="bold"))
    out.print(Text(f"{made.source} · {made.kind} · {made.origin}", style="dim"))
    out.print(verdict_text(row["verdict"], row["stale"]))
    for formula in made.shows:
        out.print(Text(f"  {latex(formula, 1) if as_latex else plain(formula, 1)}"), soft_wrap=True)
    for claim, found in zip(made.claims, row["claims"], strict=True):
        head = Text(f"{'step' if claim.step else 'part'} {claim.part} · {claim.reading} · ")
        head.append_text(verdict_text(found["verdict"]))
        if found["argument"] != "ok":
            head.append(" · the printed argument has a gap", style="magenta")
        out.print(head)
        out.print(Text(f"  {claim_latex(claim) if as_latex else claim_plain(claim)}"), soft_wrap=True)
        if "constant" in found:
            constant = {
                k: found["constant"][k].replace("**", "^").replace("*", " ") for k in ("derived", "claimed / derived")
            }
            text = f"  derived: {constant['derived']}\n  claimed / derived: {constant['claimed / derived']}"
            out.print(Text(text, style="dim"), soft_wrap=True)
    for label, values in (
        ("hypotheses", made.hypotheses),
        ("assumes", ["; ".join(map(str, made.assumes))] if made.assumes else []),
        ("granted, not printed", ["; ".join(map(str, made.granted))] if made.granted else []),
        ("concludes", ["; ".join(map(str, made.concludes))] if made.concludes else []),
        ("notes", made.notes),
        ("gap", row["gap"]),
        ("could not be examined", [row["error"]] if row.get("error") else []),
        ("uses", row["uses"] and [", ".join(row["uses"])]),
        ("used by", used_by and [", ".join(used_by)]),
    ):
        for value in values:
            out.print(Text(f"{label}: ", style="dim") + Text(value))
    if row["witness"]:
        out.print(Text("witness: ", style="dim") + Text(witness_text(row["witness"])))
    show_evidence(row["evidence"])


def show_evidence(records: list[dict[str, Any]]) -> None:
    """Evidence records as a table."""
    if not records:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("part", "engine", "strength", "basis", "tried", "detail"):
        table.add_column(name, overflow="fold")
    for record in records:
        detail = {k: v for k, v in record["detail"].items() if k not in LONG}
        text = ", ".join(f"{k} {_in_words(v)}" for k, v in detail.items())
        table.add_row(*(Text(str(record[k])) for k in ("part", "engine", "strength", "basis", "tried")), Text(text))
    out.print(table)


def _in_words(value: Any) -> str:
    """A detail of evidence: numbers short, names and values of a mapping without quotes."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {_in_words(v)}" for k, v in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def show_changes(verdicts: list[dict[str, Any]], tightness: list[dict[str, Any]]) -> None:
    """Verdicts and tightness before and after."""
    if not verdicts and not tightness:
        out.print("no verdict and no tightness changed")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "what", "before", "after"):
        table.add_column(name, no_wrap=True)
    for row in verdicts:
        shown = [
            Text("not there", style="dim") if v is None else verdict_text(v) for v in (row["before"], row["after"])
        ]
        table.add_row(Text(row["id"]), "verdict", *shown)
    for row in tightness:
        table.add_row(
            Text(row["id"]), "tightness", *("none" if v is None else f"{v:.6g}" for v in (row["before"], row["after"]))
        )
    out.print(table)
    out.print(f"{len(verdicts)} verdicts and {len(tightness)} values of tightness changed")


def show_plan(found: dict[str, Any]) -> None:
    """A plan: the answer, the figures, what would have to change, and the hypotheses."""
    out.print(Text(found["answer"], style="green" if found["possible"] else "red"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("quantity", "value", "how"):
        table.add_column(name, overflow="fold")
    for row in _plan_rows(found):
        table.add_row(*map(Text, row))
    out.print(table)
    for text in found["hypotheses"]:
        out.print(Text("hypothesis: ", style="dim") + Text(text))


def _plan_rows(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    operations, word, memory = found["operations"], found["word"], found["memory"]
    products, entrywise = (
        (_grouped(operations[k]["a"]), _grouped(operations[k]["b"])) for k in ("products", "entrywise")
    )
    rows = [
        ("rho", found["rho"], "what one layer magnifies an error by"),
        ("eps_1", found["eps_1"], f"l1 error allowed to a row of f~; {found['decisive']} decides"),
        ("eta", found["eta"], "relative error of the kernel, eps_1/(1 + eps_1)"),
        ("L", found["L"], "ln(1/eta)"),
        *((f"  {name}", value, "of which") for name, value in found["terms"].items() if not name.startswith("range")),
        ("b", found["score range"], "range of the scores"),
        ("binding", found["binding"], "the largest of b and the terms of L"),
        (
            "degree g",
            str(found["degree"]),
            f"least with J_g(b) <= eta; by the formula of T.3 {found['degree by formula']}",
        ),
        ("rank of f~", _grouped(found["rank"]), "binom(d_h + g, g)"),
        ("rank of P~", _grouped(found["rank of P"]), "(d_h + 1) times that"),
        (
            "products",
            f"{products[0]} n + {products[1]}",
            f"multiply-adds of a layer and head, chunks of {operations['chunk']}",
        ),
        ("entrywise", f"{entrywise[0]} n + {entrywise[1]}", "multiplications of a layer and head"),
        (
            "operations",
            _grouped(operations["total"]),
            f"of {operations['layers and heads']} layers and heads at this n",
        ),
        ("dense", _grouped(operations["dense"]), "of the exact gradients with n x n matrices"),
        ("memory", f"{_grouped(memory['bytes at 8'])} bytes", "beside inputs and results, 8 bytes a number, at most"),
    ]
    if word.get("fixed"):
        kind = word["fixed"]
        rows.append(
            (
                "fixed point",
                f"{kind['bits']} bits",
                f"sign, {kind['integer']} before and {kind['fraction']} after the point",
            )
        )
    if word.get("floating"):
        kind = word["floating"]
        enough = next((f"{name} is enough" for name in ("float32", "float64") if word[name]), "float64 is not enough")
        how = f"significand {kind['significand']}, exponent {kind['exponent']}; {enough}"
        rows.append(("floating point", f"{kind['bits']} bits", how))
    if "why" in word:
        rows.append(("word", "none", word["why"]))
    if not found["runs"]:
        rows.append(
            (
                "features as run",
                _grouped(found["features as run"]),
                "more features or a higher degree than the code takes",
            )
        )
    if found["possible"]:
        deepest = "any number that can be planned" if found["deepest"] is None else f"m <= {found['deepest']}"
        rows.append(("depth", deepest, "for a rank below n, all else as it is"))
    rows += [
        (f"change {name}", text, "" if text.startswith("no ") else "alone gives a rank below n")
        for name, text in found.get("changes", {}).items()
    ]
    return rows


def _grouped(value: int | str) -> str:
    return f"{value:,}" if isinstance(value, int) else value
