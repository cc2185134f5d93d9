"""The first page and the errata: own statements, what was not examined, what there is no room for, and plots that say nothing."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from almostlinear.reports import site as site_module
from almostlinear.reports.lines import Curve, chart
from almostlinear.reports.pages import corrections, roofline, trained
from almostlinear.reports.pages.figures import tables
from almostlinear.reports.pages.formulas import Part
from almostlinear.reports.svg import WIDTH, GraphNode, dependency_graph
from almostlinear.theorems import load
from tests.reported import site, statuses_of

REGISTRY = load()


@pytest.mark.parametrize(
    ("name", "size"), [("D.9", 12), ("E.11r.errors", 10), ("my.gradient-values", 7.6), ("W" * 80, 7.6)]
)
def test_a_long_name_stays_within_its_node(name: str, size: float) -> None:
    drawn = dependency_graph([GraphNode(name, "title", "a.html", "proved", "own", "identity", ())])
    kind, shown = re.findall(r'<text class="id ?(\w*)"[^>]*>([^<]*)<', drawn)[0]
    css = (Path(site_module.__file__).parent / "static" / "style.css").read_text(encoding="utf-8")
    assert f"text.{kind or 'id'} {{ font-size: {size}px;" in css and size * len(shown) * 0.67 <= WIDTH - 10


def test_own_statements_come_first_and_what_was_not_examined_is_said(tmp_path: Path) -> None:
    row = {"id": "my.1", "title": "mine", "origin": "own", "verdict": "refuted"}
    unseen = [{**s, "verdict": "open", "evidence": [], "witness": None} for s in statuses_of(REGISTRY)]
    text = site([*unseen, row], REGISTRY, tmp_path / "a")["index.html"].text
    places = [
        text.index(words) for words in ("None of the published statements has been examined", "my.1", "What depends")
    ]
    assert places == sorted(places)
    text = site(statuses_of(REGISTRY), REGISTRY, tmp_path / "b")["index.html"].text
    assert "None of the published" not in text and "Own statements" not in text


def test_errata_name_what_there_is_no_room_for() -> None:
    long, short = Part("1", "x" * 40, "", bodies=["y" * 90]), Part("2", "z" * 30, "", bodies=["y" * 90])
    assert corrections._short([long, short], 200) == ([long, short], "", 160)
    assert corrections._short([long, short], 130) == ([long], "1 more", 130)
    kept, left, length = corrections._short([long, short], 50)
    assert [part.math for part in kept] == [short.math]
    assert (left, length) == ("what its names stand for and 1 more", 30)
    assert corrections._short([long, short], 10) == ([], "2 more", 0)


def test_a_legend_has_the_mark_of_its_curve_where_that_is_drawn() -> None:
    few, many = ([(float(k), 1.0 + k) for k in range(count)] for count in (5, 30))
    assert chart("t", "x", "y", [Curve("few", few)]).count('class="worst"') == 6
    assert chart("t", "x", "y", [Curve("many", many)]).count('class="worst"') == 0


@pytest.mark.parametrize("finite", [True, False])
def test_a_certificate_that_is_infinite_throughout_is_named_and_not_drawn(finite: bool) -> None:
    error = 1e-3 if finite else math.inf
    checks = [{"step": k, "validation_loss": 1.0, "row_error": error, "guaranteed": finite} for k in (0, 1)]
    found = {"checks": checks, "refused": None, "norms": [1.0, 1.0], "signatures": []}
    records = [
        {"name": f"gpt, {kind}, seed 0", "parameters": {"seed": 0, "kind": kind}, "found": found}
        for kind in ("exact", "degree 2")
    ]
    (shown,) = [f for f in trained.figures(records) if f["title"] == "What the certificate says while training"]
    assert len(shown["plots"]) == finite
    assert ("Not drawn, for it is infinite at every check: gpt, seed 0." in shown["note"]) != finite


def test_dots_of_a_roofline_are_named() -> None:
    dots = [{"name": f"{d}, 2", "x": d, "y": d} for d in (8.0, 4.0, 16.0)]
    plot = {"title": "t", "x": "x", "y": "y", "lines": [{"name": "roof", "points": [(1, 1), (9, 9)]}]}
    drawn = roofline.log_plot({**plot, "dots": dots})
    assert drawn.count('class="dots"') == 4 and "from (4.0, 2) at the left to (16.0, 2)" in drawn
    assert "<title>8.0, 2</title>" in drawn
    assert "cells" not in roofline.log_plot(plot) and "cells" in roofline.log_plot({**plot, "dots": dots[:1]})


def test_large_integers_are_rounded() -> None:
    (made,) = tables([{"title": "t", "rows": [{"rank": 10**12 - 1}, {"rank": 323648247706486373}]}])
    assert made["rows"] == [["999999999999"], ["3.236·10^17"]] and made["shape"] == ["n"]
