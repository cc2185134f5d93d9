"""Pages of the experiments, from the results that `python -m experiments` writes: experiments.html and ablations.html.

Each experiment is shown by its targets, plots with a sentence that says what to see, and tables. Cells of the full profile come first,
those that only the quick one has are added; what has not been run is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..lines import Curve, bars, chart
from . import trained
from .figures import benchmarks, tables
from .shown import Figure, Record, figure, number, table

LEFT_OUT = 12
"""Names of cells that have not been run that are listed."""


def pages(results: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pages by file, each with its ``sections``; those without results are not made."""
    merged: dict[str, dict[str, Any]] = {}
    for result in sorted(results, key=lambda r: PROFILES.index(str(r.get("profile")))):
        if result.get("name") in SHOWN:
            _merge(merged.setdefault(result["name"], {"cells": {}, "not_run": [], "of": []}), result)
    made: dict[str, dict[str, Any]] = {}
    for name, (file, show) in SHOWN.items():
        if name in merged and merged[name]["cells"]:
            made.setdefault(file, {"sections": []})["sections"].append(_section(merged[name], show))
    return made


PROFILES = ("full", "quick")


def _merge(into: dict[str, Any], result: dict[str, Any]) -> None:
    """Add the cells that are not there; targets and what has not been run are those of the first profile."""
    into.setdefault("result", result)
    for cell in result["cells"]:
        into["cells"].setdefault(cell["key"], cell)
    into["of"].append(f"{result['profile']}: {len(result['cells'])} cells, {len(result['not_run'])} not run")


def _section(merged: dict[str, Any], show: Callable[[list[Record]], Iterator[Figure]]) -> dict[str, Any]:
    result, records = merged["result"], list(merged["cells"].values())
    left = [name for name in result["not_run"] if name not in {r["name"] for r in records}]
    shown = list(show(records))
    head = benchmarks([{k: result.get(k) for k in ("name", "machine", "targets")}])[0]
    return {
        **head, "question": result["question"], "profiles": "; ".join(merged["of"]), "left": left[:LEFT_OUT], "left_count": len(left),
        "figures": [f for f in shown if f.get("plots")], "tables": tables([f for f in shown if "rows" in f]),
    }  # fmt: skip


# -- gradient quality ------------------------------------------------------------------------------------------------------
def gradients(records: list[Record]) -> Iterator[Figure]:
    first = [r for r in records if r["parameters"]["seed"] == 0]
    paper = [r for r in first if r["parameters"]["model"] == "layers"]
    plain = {r["parameters"]["entry_bound"]: r for r in paper if _plain(r)}
    yield figure(
        "Error of the gradient against the degree",
        "Each step up in degree costs more features and buys several digits. The red lines are what the theorem for m layers promises: "
        "always above, and far above, because it holds for the worst input of these norms.",
        *(
            chart(
                f"entry bound R = {bound:g}", "degree", f"R = {bound:g}: largest error of dL/dX / largest entry",
                [Curve("measured", [(o["degree"], o["dX"]["max"] / o["size"]) for o in _done(r)]),
                 Curve("bound", [(o["degree"], number(o["bound"]["input"]) / o["size"]) for o in _done(r)], limit=True)], log_y=True,
            )
            for bound, r in sorted(plain.items())
        ),
    )  # fmt: skip
    if len(plain) > 1:
        curves = [
            Curve(f"degree {g}", [(b, o["dX"]["relative"]) for b, r in sorted(plain.items()) for o in _done(r) if o["degree"] == g])
            for g in (2, 4, 6, 8)
        ]  # fmt: skip
        yield figure(
            "Error of the gradient against the entry bound",
            "Larger entries make larger scores, and a polynomial of one degree then serves them less well: a power of the bound.",
            chart("relative error of dL/dX", "entry bound R", "relative error of dL/dX", curves, log_y=True),
        )
    lengths = sorted((r["parameters"]["n"], r) for r in paper if r["name"].startswith("layers: n "))
    if len(lengths) > 1:
        curves = [
            Curve(f"degree {g}", [(n, o["dX"]["relative"]) for n, r in lengths for o in _done(r) if o["degree"] == g]) for g in (2, 4)
        ]  # fmt: skip
        yield figure(
            "Error of the gradient against n",
            "The relative error hardly depends on the number of tokens.",
            chart("relative error of dL/dX", "n, tokens", "relative error of dL/dX", curves, log_x=True, log_y=True),
        )
    yield from _certified([r for r in first if r["parameters"]["model"] == "transformer"])
    yield table("Gradients at degree 4", "Of all cells of seed 0; layers: dL/dX of the paper's model, transformer: all weights.", [
        {"cell": r["name"], "range": o.get("range") or max(a["range"] for a in o["attention"]), "relative error": _total(o)["relative"],
         "1 - cosine": 1 - _total(o)["cosine"], "largest error": _total(o)["max"], "bound": o["bound"]["input"] if "bound" in o else None}
        for r in first for o in _done(r) if o["degree"] == 4
    ])  # fmt: skip
    deep = max(paper, key=lambda r: (r["parameters"]["layers"], r["name"]), default=None)
    if deep is not None:
        yield table(
            "Layer by layer, weight by weight, degree 4", f"Relative error, and in brackets the largest; {deep['name']}.",
            [{"layer": k, **{name: f"{m['relative']:.2e} ({m['max']:.1e})" for name, m in layer.items()}}
             for o in _done(deep) if o["degree"] == 4 for k, layer in enumerate(o["layers"], 1)],
        )  # fmt: skip


def _plain(record: Record) -> bool:
    p = record["parameters"]
    sizes = (p["n"], p["layers"], p["heads"], p["source"], p["causal"], p["residual"])
    return sizes == (128, 2, 2, "uniform", False, False)


def _done(record: Record) -> list[dict[str, Any]]:
    return [one for one in record["found"]["degrees"] if "refused" not in one]


def _total(one: dict[str, Any]) -> dict[str, float]:
    return one["dX"] if "dX" in one else one["all"]


def _certified(records: list[Record]) -> Iterator[Figure]:
    plots = []
    for r in (r for r in records if "sharper" in r["name"]):
        parts = {"measured": [], "certified": []}  # type: dict[str, list[tuple[float, float]]]
        for o in _done(r):
            worst = max(o["attention"], key=lambda a: a["query"]["max"] / a["query"]["size"])["query"]
            parts["measured"].append((o["degree"], worst["max"] / worst["size"]))
            parts["certified"].append((o["degree"], number(worst["bound"]) / worst["size"]))
        reach = max(a["range"] for o in _done(r) for a in o["attention"])
        curves = [Curve("measured", parts["measured"]), Curve("certified", parts["certified"], limit=True)]
        title = f"scores up to {reach:.2g}: largest error of dQ / largest entry"
        plots.append(chart(title, "degree", title, curves, log_y=True))
    yield figure(
        "Attention in a transformer, beside its certificate",
        "The certificate looks at the queries, keys and values themselves, so it is closer than a theorem from norms: some ten to a "
        "hundred times above what is measured.",
        *plots,
    )


# -- ablations -------------------------------------------------------------------------------------------------------------
def ablations(records: list[Record]) -> Iterator[Figure]:
    for sharper, words in ((1.0, "the scores of a trained model"), (0.1, "the same scores, a tenth as large")):
        chosen = [r for r in records if r["parameters"]["seed"] == 0 and r["parameters"]["sharper"] == sharper]
        if not chosen:
            continue
        yield figure(
            f"What each choice costs in accuracy: {words}",
            "Relative error of the gradient by all weights; plain is degree 4, Taylor coefficients, shifts, float32. Every other "
            "bar changes one thing. Minimax coefficients guard the largest score and lose on the many small ones.",
            bars(f"gradient error, {words}", "relative error of the gradient", _bars(chosen, "gradient_error")),
        )
        yield figure(
            f"What it means for the loss: {words}",
            "How far the validation loss moves when the choice takes the place of exact attention, and after training with it.",
            bars(
                f"validation loss, {words}",
                "relative change of the validation loss",
                _bars(chosen, "validation_loss", "exact_loss"),
            ),
            bars(
                f"after training, {words}",
                "relative change after training",
                _bars(chosen, "after_training", "exact_after_training"),
            ),
        )
        yield figure(
            f"What it costs in time: {words}",
            "CPU seconds of attention forward and backward at 4096 tokens, causal, eight heads of four features.",
            bars(f"seconds, {words}", "CPU seconds", [row for row in _bars(chosen, "seconds") if row[1] is not None]),
        )
    yield table("Every variant", "Rank: features, or pivots. Row error: certified, of the l1 error of a row of weights.", [
        {"variant": r["name"], "output error": f.get("output_error"), "gradient error": f.get("gradient_error"),
         "validation loss": f.get("validation_loss"),
         "after training": f.get("after_training"), "exact after training": f.get("exact_after_training"), "stable": f.get("stable"),
         "rank": f.get("rank"), "row error": f.get("row_error"), "seconds": f.get("seconds"), "refused": f.get("refused", "")[:90]}
        for r in records for f in [r["found"]]
    ])  # fmt: skip


def _bars(records: list[Record], field: str, beside: str | None = None) -> list[tuple[str, float | None, str]]:
    made = []
    for r in records:
        found, name = r["found"], r["name"].split(";")[0]
        value = None if found.get(field) is None else number(found[field])
        if value is not None and beside is not None:
            value = abs(value - found[beside]) / found[beside]
        stopped = "refused" if "refused" in found else "stopped" if value is None else "0" if value == 0 else ""
        made.append((name, value, stopped))
    return made


# -- scale -----------------------------------------------------------------------------------------------------------------
def scale(records: list[Record]) -> Iterator[Figure]:
    def curves(work: str, field: str) -> list[Curve]:
        made = []
        for kind in ("almost-linear", "exact"):
            listed = [
                r
                for r in records
                if r["parameters"]["work"] == work and r["parameters"].get("kind") == kind and r["found"].get(field)
            ]
            made.append(Curve(kind, sorted((r["parameters"]["n"], r["found"][field]) for r in listed)))
        return [c for c in made if c.points]

    yield figure(
        "Time and memory of attention against n",
        "On these axes a power of n is a straight line: doubling the tokens doubles the time of almost-linear attention and quadruples "
        "that of exact attention. Forward and backward, one head of 8 features, degree 3, one thread.",
        chart(
            "seconds of attention", "n, tokens", "CPU seconds", curves("attention", "seconds"), log_x=True, log_y=True
        ),
        chart(
            "memory of attention",
            "n, tokens",
            "MB above inputs and outputs",
            curves("attention", "memory"),
            log_x=True,
            log_y=True,
        ),
    )
    yield figure(
        "A whole step of a model against n",
        "Four layers of four heads, causal, on one piece of text; the losses of both kinds of attention are in the table.",
        chart("seconds of a step", "n, tokens", "CPU seconds", curves("model", "seconds"), log_x=True, log_y=True),
        chart("memory of steps", "n, tokens", "MB", curves("model", "memory"), log_x=True, log_y=True),
    )
    for r in (r for r in records if r["parameters"]["work"] == "gpus"):
        given, rows = r["parameters"], r["found"]["rows"]
        lines = [
            ("almost-linear", "seconds"),
            ("its exchange alone", "exchange"),
            ("exact (ring attention)", "exact seconds"),
        ]
        assumed = "; ".join(f"{k} {v:.3g}" for k, v in r["found"]["assumed"].items())
        yield figure(
            "A model of many GPUs, not a measurement",
            f"Predicted from counted operations and counted bytes, one layer at n = {given['n']}, {given['heads']} heads of {given['d']} "
            f"features, degree {given['degree']}. What is exchanged does not grow with n. Assumed: {assumed}.",
            chart("predicted seconds", "GPUs", "predicted seconds of one layer",
                  [Curve(n, [(x["gpus"], x[f]) for x in rows]) for n, f in lines], log_x=True, log_y=True),
        )  # fmt: skip
        yield table(
            "A model of many GPUs, in numbers",
            "Predicted, not measured; seconds of one layer, forward and backward.",
            rows,
        )
    yield table("Steps of a model", "Validation loss after the same steps.", [
        {"n": r["parameters"]["n"], "attention": r["parameters"]["kind"], "s a step": r["found"]["seconds"], "MB": r["found"]["memory"],
         "validation loss": f"{r['found']['validation_loss']:.6f}"}
        for r in records if r["parameters"]["work"] == "model"
    ])  # fmt: skip
    note = "Of this machine; seconds of the slowest, bytes that one process hands over, largest relative difference from one process."
    yield table("Several processes", note, [
        {"processes": r["parameters"]["processes"], "causal": r["parameters"]["causal"], "n": r["parameters"]["n"], **r["found"]}
        for r in records if r["parameters"]["work"] == "processes"
    ])  # fmt: skip


# -- prompt tuning ---------------------------------------------------------------------------------------------------------
def prompts(records: list[Record]) -> Iterator[Figure]:
    sizes = sorted({r["parameters"]["n"] for r in records})
    losses, errors = [], []
    for n in sizes:
        listed = [r for r in records if r["parameters"]["n"] == n and r["parameters"]["seed"] == 0]
        curves = [
            Curve(r["parameters"]["kind"], [(c["step"], c["validation_loss"]) for c in r["found"]["checks"]])
            for r in listed
        ]
        if listed:
            steps = listed[0]["found"]["checks"]
            curves.append(
                Curve(
                    "without a prompt",
                    [(c["step"], listed[0]["found"]["without"]) for c in (steps[0], steps[-1])],
                    limit=True,
                )
            )
        losses.append(chart(f"n = {n}", "step", f"n = {n}: validation loss on exact attention", curves))
        off = [
            Curve(r["parameters"]["kind"], [(c["step"], number(c.get("gradient_error"))) for c in r["found"]["checks"]])
            for r in listed
        ]
        errors.append(chart(f"n = {n}", "step", f"n = {n}: relative error of the prompt's gradient", off, log_y=True))
    yield figure(
        "Training a soft prompt",
        "A few rows in front of the input are trained, the model stays as it is. Prompts of every kind are judged on exact attention.",
        *losses,
    )  # fmt: skip
    yield figure(
        "The gradient that the prompt gets",
        "Beside the exact gradient of the same prompt. Degree 0 ignores the scores: its gradient is another one.",
        *errors,
    )  # fmt: skip
    exact = {_prompt_group(r): r for r in records if r["parameters"]["kind"] == "exact"}
    rows = []
    for r in records:
        other = exact.get(_prompt_group(r))
        far = (
            None
            if other is None or other is r
            else _distance(r["found"]["prompt"], other["found"]["prompt"], other["found"]["begun"])
        )
        checks = r["found"]["checks"]
        rows.append({
            "run": r["name"], "without": r["found"]["without"], "validation loss": f"{checks[-1]['validation_loss']:.6f}",
            "distance of the prompt": far, "guaranteed": None if far is None else all(c["guaranteed"] for c in checks),
        })  # fmt: skip
    yield table("Prompts", "Distance from the prompt of exact gradients, in units of how far that one moved.", rows)


def _prompt_group(r: Record) -> str:
    return repr(sorted((k, v) for k, v in r["parameters"].items() if k != "kind"))


def _distance(ours: list[float], theirs: list[float], begun: list[float]) -> float:
    return math.dist(ours, theirs) / math.dist(theirs, begun)


SHOWN: dict[str, tuple[str, Callable[[list[Record]], Iterator[Figure]]]] = {
    "gradients": ("experiments.html", gradients),
    "training": ("experiments.html", trained.figures),
    "scale": ("experiments.html", scale),
    "prompts": ("experiments.html", prompts),
    "ablations": ("ablations.html", ablations),
}
NAMES = {"experiments.html": "Experiments", "ablations.html": "Ablations"}
