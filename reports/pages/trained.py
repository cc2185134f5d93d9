"""Figures of the training runs: losses and how far they are from the exact run's, the certificate along the way, norms, a table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ..lines import Curve, chart
from .shown import Figure, Record, figure, number, table


def figures(records: list[Record]) -> Iterator[Figure]:
    chosen = [r for r in records if r["parameters"]["seed"] == 0]
    groups: dict[str, list[Record]] = {}
    for r in chosen:
        groups.setdefault(_without_kind(r), []).append(r)
    groups = {title: listed for title, listed in groups.items() if len(listed) > 1}
    losses, gaps, norms, errors, never = [], [], [], [], []
    for title, listed in groups.items():
        exact = next((r for r in listed if r["parameters"]["kind"] == "exact"), None)
        if exact is None:
            continue
        true = {c["step"]: c["validation_loss"] for c in _checked(exact)}
        # What departs shows; nudged and exact runs would cover each other.
        losses.append(
            chart(title, "step", title, [_loss_curve(r) for r in listed if r["parameters"]["kind"] != "exact, nudged"])
        )
        others = [r for r in listed if r is not exact]
        gaps.append(
            chart(title, "step", f"{title}: relative difference", [_gap_curve(r, true) for r in others], log_y=True)
        )
        norms.append(
            chart(
                title,
                "step",
                title,
                [_norms(r) for r in listed if r["parameters"]["kind"] != "exact, nudged"],
                log_y=True,
            )
        )
        seen = [
            Curve(r["parameters"]["kind"], [(c["step"], number(c.get("row_error"))) for c in _checked(r)])
            for r in others
            if "row_error" in r["found"]["checks"][0]
        ]
        if seen and not any(math.isfinite(y) for curve in seen for _, y in curve.points):
            never.append(title)
        elif seen:
            limit = Curve("guaranteed up to here", [(0, 1e-2), (max(true), 1e-2)], limit=True)
            errors.append(chart(title, "step", f"{title}: certified row error", [*seen, limit], log_y=True))
    yield figure(
        "Validation loss",
        "Runs of one plot have the same first weights and the same batches; curves that cover each other are the aim. "
        "A red stroke marks the first check at which rows of attention weights are not guaranteed.",
        *losses,
    )
    yield figure(
        "How far the validation loss is from the exact run's",
        "Exact attention from weights a millionth away (nudged) goes this far by itself: no method can be blamed for less. "
        "Beyond a hundredth of a percent training magnifies whatever is done, and the run is not guaranteed.",
        *gaps,
    )
    yield figure(
        "What the certificate says while training",
        "The largest l1 error that a row of attention weights can have. While it is below the red line the run is guaranteed; where a "
        "curve stops, the bound is infinite: the scores have left the regime."
        + (f" Not drawn, for it is infinite at every check: {'; '.join(never)}." if never else ""),
        *errors,
    )
    yield figure("Gradient norm", "Before clipping. Jumps or a fall to nothing would be signs of failure.", *norms)
    yield table(
        "Every run", "Departed: the first check with a validation loss more than 1% from the exact run's; warned: the first that was "
        "not guaranteed by its rows; sensitive: the first at which the nudged run is more than 0.01% "
        "off. A run whose degree or rank is refused stops there.", list(_runs(records)),
    )  # fmt: skip


def _without_kind(r: Record) -> str:
    return r["name"].replace(f", {r['parameters']['kind']},", ",", 1)


def _checked(r: Record) -> list[dict[str, Any]]:
    return [c for c in r["found"]["checks"] if "validation_loss" in c]


def _warned(r: Record) -> int | None:
    refused = r["found"]["refused"]
    first = next((c["step"] for c in r["found"]["checks"] if c["guaranteed"] is False), None)
    return first if first is not None or refused is None else refused["step"]


def _loss_curve(r: Record) -> Curve:
    points = [(c["step"], number(c["validation_loss"])) for c in _checked(r)]
    warned = _warned(r)
    marks = [(*p, r["parameters"]["kind"]) for p in points if p[0] == warned]
    return Curve(r["parameters"]["kind"], points, marks=marks)


def _gap_curve(r: Record, true: dict[int, float]) -> Curve:
    points = [
        (c["step"], abs(number(c["validation_loss"]) - true[c["step"]]) / true[c["step"]])
        for c in _checked(r)
        if c["step"] in true
    ]
    return Curve(r["parameters"]["kind"], points)


def _norms(r: Record) -> Curve:
    return Curve(r["parameters"]["kind"], [(k, number(x)) for k, x in enumerate(r["found"]["norms"])])


def _runs(records: list[Record]) -> Iterator[dict[str, Any]]:
    exact = {(_without_kind(r)): r for r in records if r["parameters"]["kind"] == "exact"}
    nudged = {(_without_kind(r)): r for r in records if r["parameters"]["kind"] == "exact, nudged"}
    for r in records:
        other, checks = exact.get(_without_kind(r)), _checked(r)
        true = {c["step"]: c["validation_loss"] for c in _checked(other)} if other else {}
        gaps = {
            c["step"]: abs(number(c["validation_loss"]) - true[c["step"]]) / true[c["step"]]
            for c in checks
            if c["step"] in true
        }
        sensitive = _sensitive(nudged.get(_without_kind(r)), true)
        is_exact = r["parameters"]["kind"].startswith("exact")
        refused = r["found"]["refused"]
        yield {
            "run": r["name"], "validation loss": number(checks[-1]["validation_loss"]) if checks else None,
            "largest difference": max(gaps.values(), default=None) if other is not r else None, "probe": r["found"].get("probe"),
            "warned": None if is_exact else _warned(r), "sensitive": sensitive,
            "departed": next((s for s, gap in gaps.items() if gap > 1e-2), None),
            "refused": refused["step"] if refused else None,
            "signs of failure": ", ".join(f"{s['sign']} ({s['step']})" for s in r["found"]["signatures"]),
        }  # fmt: skip


def _sensitive(nudged: Record | None, true: dict[int, float]) -> int | None:
    """The first check at which the nudged run is off by more than 0.01%; 0 without one."""
    if nudged is None:
        return 0
    checks = [c for c in _checked(nudged) if c["step"] in true]
    return next(
        (c["step"] for c in checks if abs(c["validation_loss"] - true[c["step"]]) > 1e-4 * true[c["step"]]), None
    )
