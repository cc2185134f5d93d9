"""Charts and the slack along chains: what is drawn agrees with the numbers, and nothing is drawn that was not measured."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest

from almostlinear.reports.charts import curves, front, slope
from almostlinear.reports.pages import measured, waterfall
from almostlinear.reports.pages.cards import cards
from almostlinear.theorems import load
from tests.reported import RUN, Page, heavy, points, record, site, statuses_of

TRIED = [("fast", 1e-3, 1e-1), ("close", 1e-1, 1e-5), ("beaten", 1e-1, 1e-2), ("between", 1e-2, 1e-2)]


def test_the_front_is_what_nothing_beats() -> None:
    drawn = Page(front(TRIED, "a title"))
    assert not drawn.faults
    classes = [attrs["class"] for tag, attrs in drawn.elements if tag == "circle"]
    assert classes == ["best", "best", "beaten", "best"]
    told = re.search(r"<desc>(.*?)</desc>", drawn.source)[1]  # type: ignore[index]
    assert told.count("on the front") == 3 and "beaten: 0.1 s, error 0.01;" in told
    places = {c["cx"]: c["cy"] for tag, c in drawn.elements if tag == "circle"}
    assert len(places) == 3 and all(name in drawn.text for name, _, _ in TRIED)


def test_faster_is_left_and_closer_is_low() -> None:
    dots = [(int(c["cx"]), int(c["cy"])) for tag, c in Page(front(TRIED, "")).elements if tag == "circle"]
    (x0, y0), (x1, y1) = dots[0], dots[1]
    assert x0 < x1 and y0 < y1


def test_two_that_are_equal_are_both_on_the_front() -> None:
    assert front([("a", 1.0, 1.0), ("b", 1.0, 1.0)], "").count('class="best"') == 2


def test_the_slope_of_a_power() -> None:
    assert slope([(10.0**k, 7 * 10.0 ** (1.5 * k)) for k in range(1, 6)]) == pytest.approx(1.5)
    drawn = curves({"ours": [(1, 1), (10, 10)], "theirs": [(1, 1), (10, 100)]}, "n", "seconds", "t")
    assert not Page(drawn).faults and "ours, slope 1.00" in drawn and "theirs, slope 2.00" in drawn
    assert drawn.count('stroke-dasharray="6 3"') == 1


@pytest.mark.parametrize(
    ("table", "drawn"),
    [
        ({"columns": ["what", "s", "largest error"], "rows": [["a", 1.0, 0.1], ["b", 2.0, 0.01]]}, "largest error"),
        ({"columns": ["what", "s", "largest error"], "rows": [["a", 1.0, 0.1], ["b", None, 0.01]]}, ""),
        ({"columns": ["what", "s", "largest error"], "rows": [["a", 1.0, 0.0], ["b", -2.0, "x"]]}, ""),
        ({"columns": ["n", "ours s", "SDPA s"], "rows": [[1, 1.0, 2.0], [2, 2.0, None]]}, "ours, slope 1.00"),
        ({"columns": ["n", "MB"], "rows": [[1, 2.0], [2, 3.0]]}, ""),
        ({"columns": [["n"], "s"], "rows": [[1, 2.0]]}, ""),
        ({"columns": ["n", "ours s"], "rows": [[1, float("nan")], [2, float("inf")]]}, ""),
        ({"rows": [{"a": 1}]}, ""),
        ("<b>", ""),
    ],
)  # fmt: skip
def test_which_tables_are_drawn(table: Any, drawn: str) -> None:
    made = measured.drawing(table)
    assert (drawn in made) if drawn else made == ""


def test_hostile_names_in_charts_are_inert() -> None:
    name = '<script>alert(1)</script>"&'
    made = Page(
        measured.drawing(
            {"title": name, "columns": ["what", "s", "largest error"], "rows": [[name, 1.0, 1.0], [name, 2.0, 0.5]]}
        )
    )
    assert not made.faults and "script" not in {tag for tag, _ in made.elements}


# -- slack ---------------------------------------------------------------------------------------------------------------
def chain(*best: float, searched: float = 0.0) -> dict[str, Any]:
    """Cards of statements, each building on the one before, whose closest drawn instances come to ``best``."""
    rows = []
    for k, value in enumerate(best):
        drawn = points(8, worst=0)
        for row in drawn["rows"]:
            row[-1] = value / 10
        drawn["rows"][0][-1] = value
        evidence = [record("enclosure", "enclosed", "ball", part="1", reading="as printed", detail={"points": drawn})]
        if searched and k == 0:
            evidence.append(
                record("adversary", "searched", "float", part="1", detail={"tightness": {"best": searched}})
            )
        uses = [f"x.{k - 1}"] if k else []
        rows.append(
            {
                "id": f"x.{k}",
                "title": "t",
                "kind": "norm-bound",
                "verdict": "enclosed",
                "uses": uses,
                "evidence": evidence,
            }
        )
    return cards(rows, [])


def test_a_chain_shows_each_step_and_names_what_is_lost() -> None:
    (found,) = waterfall.chains(chain(1.0, 0.5, 0.01))
    assert [s.id for s in found.steps] == ["x.0", "x.1", "x.2"] and [s.id for s in found.lost] == ["x.2", "x.1"]
    assert [s.typical for s in found.steps] == pytest.approx([0.1, 0.05, 0.001])
    page = Page(found.svg)
    assert not page.faults and "× 2" in page.text and "× 100" in page.text and page.text.count("attained") == 1
    bars = [(attrs["class"], *map(int, re.findall(r"M(\d+).*H(\d+)", attrs["d"])[0])) for tag, attrs in page.elements
            if tag == "path" and attrs.get("class") in ("lost", "kept")]  # fmt: skip
    assert [kind for kind, _, _ in bars] == ["kept", "lost", "lost"]
    assert all(end == begin for (_, _, end), (_, begin, _) in pairwise(bars))
    widths = [end - begin for _, begin, end in bars]
    assert widths[0] == 0 and widths[2] / widths[1] == pytest.approx(2 / 0.30103, rel=0.02)


def test_what_a_search_found_counts() -> None:
    (found,) = waterfall.chains(chain(0.25, 0.5, 1.0, searched=0.999))
    assert found.steps[0].best == 0.999 and [s.id for s in found.lost] == ["x.1"]


def test_short_chains_and_bounds_that_were_not_measured_are_left_out() -> None:
    assert waterfall.context(chain(1.0, 0.5)) is None and waterfall.context({}) is None


def test_the_page_is_linked_and_small(tmp_path: Any) -> None:
    registry = load()
    made = site(
        [heavy(s) for s in statuses_of(registry)],
        registry,
        tmp_path,
        {**RUN, "tables": [{"title": "t", "rows": [{"a": 1}]}]},
    )
    assert (
        'href="waterfall.html"' in made["index.html"].source and 'href="waterfall.html"' in made["theorem.html"].source
    )
    assert made["waterfall.html"].source.count('<svg class="plot waterfall"') == waterfall.MOST_CHAINS
    assert "product bounds nothing" in " ".join(made["waterfall.html"].text.split())
    assert not made.dead_links() and not made.oversized()
