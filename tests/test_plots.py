"""Points and plots: what engines record of each instance, and how the report draws it; every figure agrees with its data."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from almostlinear import terminal
from almostlinear.reports import build
from almostlinear.reports.pages import closeness, figures, records
from almostlinear.reports.plots import (
    BOTTOM,
    LEFT,
    LOWEST,
    RANK_BOTTOM,
    RIGHT,
    TOP,
    bar,
    decade,
    depth_panel,
    frames,
    lowest,
    panel,
    rank_panel,
)
from almostlinear.theorems import Bound, Identity, load
from almostlinear.verify import instances
from almostlinear.verify.depth import figure as depth_figure
from almostlinear.verify.engines import enclosure, implementation
from almostlinear.verify.layers import layer, layers, scores
from almostlinear.verify.problems import FAMILIES, draw
from almostlinear.verify.regime import RANGES, TARGETS, WIDTHS, rank_figure, ranks
from almostlinear.verify.scatter import AXES, MOST, Scatter, thinned
from almostlinear.verify.task import PROFILES, Task
from tests.reported import COLUMNS, RATIO, points

REGISTRY = load()
QUICK = replace(PROFILES["quick"], balls=2, bounds=6)


def record(found: Any, **more: Any) -> dict[str, Any]:
    base = {
        "engine": "enclosure",
        "part": "1",
        "reading": "as printed",
        "strength": "enclosed",
        "basis": "ball",
        "tried": 3,
    }
    return {**base, "detail": {"points": found, "trivial": 0}, **more}


# -- what is kept --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("count", [1, MOST, MOST + 1, 480, 960, 5000])
def test_thinning_keeps_the_worst_and_every_kind(count: int) -> None:
    """Masks alternate with period 2 and entry bounds with 4: an even stride would keep one of them alone."""
    for worst in (0, count // 2, count - 1):
        kept = thinned(count, {worst})
        assert worst in kept and kept == sorted(set(kept)) and len(kept) == min(count, MOST)
    if count > MOST:
        shares = Counter(k % 4 for k in kept)
        assert min(shares.values()) > 0.8 * MOST / 4
        assert max(b - a for a, b in pairwise(kept)) <= 4 * count / MOST


def test_no_point_is_without_a_number() -> None:
    cloud = Scatter()
    for ratio in (0.1, math.nan, math.inf, 0.123456789):
        cloud.add(("uniform", 2, None, None, 1.0, None), (ratio,), f"ratio {ratio}")
    detail = cloud.detail()
    json.dumps(detail, allow_nan=False)
    assert [row[-1] for row in detail["rows"]] == [0.1, 0.123] and detail["of"] == 2
    assert detail["worst"] == {RATIO: {"row": 1, "instance": "ratio 0.123456789"}}


@pytest.mark.parametrize(("name", "part"), [("C.17", "1"), ("max.1", "K"), ("T.1", "2 upper")])
def test_points_of_a_bound_are_its_instances(name: str, part: str) -> None:
    made = REGISTRY[name]
    claim = next(c for c in made.claims if c.part == part)
    assert isinstance(claim, Bound)
    found = enclosure.examine(Task(made, claim, "hash", QUICK, 0))
    assert found is not None
    kept, best = found.detail["points"], found.detail["tightness"]
    assert kept["columns"] == COLUMNS and kept["of"] == found.tried >= len(kept["rows"]) > 20
    at = kept["worst"][RATIO]
    assert kept["rows"][at["row"]][-1] == max(row[-1] for row in kept["rows"]) == float(f"{best['best']:.3g}")
    assert at["instance"] == best["instance"]
    again = draw(instances.symbols_of(claim), at["instance"])
    answer, ratio = enclosure.decide_bound(claim, again)
    assert answer is enclosure.Answer.YES and ratio == best["best"]
    sizes = [again.sizes.get(k) for k in ("n", "d", "g")]
    assert kept["rows"][at["row"]][1:4] == sizes
    assert len(json.dumps(kept, allow_nan=False)) < 20_000
    assert all(row[4] is None for row in kept["rows"] if row[0] == "real"), "nothing was drawn from an entry bound"


def test_identities_and_bounds_that_are_never_positive_have_no_points() -> None:
    made = REGISTRY["D.1r"]
    claim = made.claims[0]
    assert isinstance(claim, Identity)
    found = enclosure.examine(Task(made, claim, "hash", QUICK, 0))
    assert found is not None and "points" not in found.detail
    even = REGISTRY["T.2"].claims[0]
    assert isinstance(even, Bound)
    found = enclosure.examine(Task(REGISTRY["T.2"], even, "hash", QUICK, 0))
    assert found is not None and "points" not in found.detail


def test_points_of_the_implementation_have_both_ratios() -> None:
    made = REGISTRY["Alg.1r"]
    claim = made.claims[0]
    assert isinstance(claim, Bound)
    found = implementation.examine(Task(made, claim, "hash", QUICK, 0))
    assert found is not None
    kept = found.detail["points"]
    assert kept["columns"][4] == "largest score" and kept["columns"][6:] == list(implementation.RATIOS)
    assert all(0 <= ratio <= 1 for row in kept["rows"] for ratio in row[6:])
    assert all(0 <= row[4] <= 2 and row[5] in ("causal", "full") for row in kept["rows"])
    assert {row[5] for row in kept["rows"]} == {"causal", "full"} and len(kept["rows"]) == kept["of"] == found.tried
    for column, name in enumerate(implementation.RATIOS, 6):
        assert kept["rows"][kept["worst"][name]["row"]][column] == float(f"{found.detail[name]:.3g}")
    assert len(json.dumps(kept, allow_nan=False)) < 20_000


def test_layers_are_what_was_asked_for() -> None:
    sizes = {"n": 5, "d": 3, "g": 4}
    for limit in (0.5, 2.0):
        made = layer("corners", sizes, 1.0, limit, True, "float32", 3)
        largest = float(made.constants["tau"]) * np.abs(scores(made)).max()
        assert limit / 2 < largest <= limit and made.sizes == sizes and np.all(made.values["M"] == 1)
        assert all(np.array_equal(v, v.astype(np.float32)) for v in made.values.values())
        again = layer("corners", sizes, 1.0, limit, True, "float32", 3)
        assert all(np.array_equal(v, again.values[k]) for k, v in made.values.items())
        assert not np.array_equal(layer("corners", sizes, 1.0, limit, True, "float32", 4).values["X"], made.values["X"])
    head = layer("real", sizes, 1.0, 2.0, False, "float64", 3)
    assert 0.5 < np.abs(scores(head)).max() <= 1 and head.sizes == {"n": 5, "d": 6, "g": 4}
    assert "rescaled to |S| <= 1" in head.text and np.array_equal(head.values["M"], np.tri(5))
    drawn = list(layers(4, 0))
    assert Counter(family for family, _, _ in drawn) == dict.fromkeys(FAMILIES, 4)
    assert {dtype for _, _, dtype in drawn} == {"float32", "float64"}


# -- how it is drawn -----------------------------------------------------------------------------------------------------
def dots(drawing: str) -> list[tuple[int, int]]:
    """The places of the dots: each is given relative to the one before."""
    found = re.search(r'class="dots" d="M0 0((?:m-?\d+ -?\d+z)*)"', drawing)
    assert found
    x = y = 0
    places = []
    for right, down in re.findall(r"m(-?\d+) (-?\d+)z", found[1]):
        x, y = x + int(right), y + int(down)
        places.append((x, y))
    return places


def marked(drawing: str) -> tuple[int, int]:
    """The middle of the diamond."""
    found = re.search(r'class="worst" d="M(-?\d+) (-?\d+)l6-6 6 6-6 6z"', drawing)
    assert found
    return int(found[1]) + 6, int(found[2])


def test_a_panel_is_to_scale() -> None:
    ratios = [1.0, 0.1, 1e-3, 1e-6, 1e-9, 0.0]
    drawing = panel("n", [1, 2, 3, 4, 5, 6], ratios, 1)
    places = sorted(dots(drawing))
    unit = (BOTTOM - TOP) / -LOWEST
    assert [y for _, y in places] == [TOP, round(TOP + unit), round(TOP + 3 * unit), BOTTOM, BOTTOM, BOTTOM]
    assert marked(drawing) == places[1] and ">closest</text>" in drawing
    assert marked(panel("n", [1, 2, 3, 4, 5, 6], ratios, 4)) == places[4]
    frame = frames()
    assert f'class="limit" d="M{LEFT} {TOP}H{RIGHT}"' in frame and f'y="{BOTTOM + 3}">≤{decade(LOWEST)}</text>' in frame
    assert '<use href="#frame-right"/>' in drawing, "the closest is left of the middle"
    assert "<title>observed / bound against n</title>" in drawing and "closest at n = 2" in drawing
    assert " style=" not in drawing and "closest" not in panel("n", [1, 2], [0.1, 0.2], None)


@pytest.mark.parametrize(
    ("axis", "values"),
    [
        ("n", [1, 2, 3, 4] * 50),
        ("degree", [2, 40, 64, 64] * 50),
        ("entry bound", [0.25, 0.5, 1.0, 4.0] * 50),
        ("largest score", [0.0, 1e-9, 1e-4, 2.0] * 50),
        ("largest score", [2.0 + k / 100 for k in range(200)]),
        ("largest score", [10.0**k for k in range(-3, 15)]),
    ],
)
def test_dots_stay_inside_and_in_their_columns(axis: str, values: list[float]) -> None:
    ratios = [10.0 ** -(k % 8) for k in range(len(values))]
    drawing = panel(axis, values, ratios, 0)
    places = dots(drawing)
    assert all(LEFT <= x <= RIGHT and TOP <= y <= BOTTOM for x, y in places)
    ticks = [int(x) for x in re.findall(rf'<text x="(\d+)" y="{BOTTOM + 15}">', drawing)]
    assert 2 <= len(ticks) <= 9 and ticks == sorted(set(ticks)) and ticks[0] >= LEFT and ticks[-1] <= RIGHT
    if len(set(values)) == 4 and axis != "largest score":
        alone = [panel(axis, values, ratios, k) for k in range(4)]
        columns = [marked(each)[0] for each in alone]
        assert columns == sorted(columns) and len({*columns}) == 4
    assert drawing == panel(axis, values, ratios, 0)


def test_names_are_text() -> None:
    drawing = panel("<b>&", [1.0, 2.0], [0.1, 0.2], 0, "<i>")
    assert "<b>" not in drawing and "<i>" not in drawing and "&lt;b&gt;&amp;" in drawing


def test_bars_are_to_scale() -> None:
    assert (
        lowest([1.0, 0.3]) == -1 and lowest([0.05, 0.9]) == -2 and lowest([1e-30, 0.0]) == LOWEST and lowest([]) == -1
    )
    ends = [
        int(x) for x in re.findall(r'class="stem" d="M0 10H(\d+)"', "".join(bar(r, -2) for r in (1.0, 0.1, 1e-2, 1e-5)))
    ]
    assert ends == [1000, 500, 0, 0]


# -- from evidence to figures --------------------------------------------------------------------------------------------
def test_only_axes_that_vary_are_drawn() -> None:
    (figure,) = closeness.figures([record(points())], parted=False)
    assert [re.search(r"against ([^<]*)<", p)[1] for p in figure.panels] == ["n", "d", "entry bound"]  # type: ignore[index]
    assert (figure.best, figure.instance, figure.shown, figure.decided) == (0.5, "uniform;n=3", MOST, 402)
    same = points()
    for row in same["rows"]:
        row[1:3] = [3, 3]
    (figure,) = closeness.figures([record(same)], parted=False)
    assert len(figure.panels) == 1


BROKEN = {
    "none": None, "a word": "points", "a list": [[1, 2]], "no rows": points(rows=[]), "rows of words": points(rows=["ab"]),
    "short rows": points(rows=[[1]]), "no worst": points(worst=3) | {"worst": None},
    "a worst row that is not": points() | {"worst": {RATIO: {"row": MOST}}},
    "a worst ratio that is not": points() | {"worst": {"speed": {"row": 1}}},
    "not a number": points() | {"rows": [["uniform", 1, 1, None, 1.0, None, math.nan]] * MOST},
    "a text for a ratio": points() | {"rows": [["uniform", 1, 1, None, 1.0, None, "1"]] * MOST},
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_broken_points_are_left_out(name: str) -> None:
    assert closeness.figures([record(BROKEN[name]), {"engine": "norms"}], parted=True) == []


def test_the_overview_has_the_best_of_each_bound() -> None:
    loose, close = points(), points()
    loose["rows"][7][-1] = 0.02
    for row in loose["rows"][:7] + loose["rows"][8:]:
        row[-1] = 0.01
    certified = points() | {"columns": [*AXES, "rounding, observed / certified"]}
    certified["worst"] = {"rounding, observed / certified": certified["worst"].pop(RATIO)}
    listed = [
        ("A", [record(loose), record(close, engine="implementation")]),
        ("B", [record(loose)]),
        ("C", [record(certified)]),
    ]
    shown = [(name, closeness.figures(found, parted=False)) for name, found in listed]
    assert [f.limit for f in shown[2][1]] == ["certificate"]
    made = closeness.overview(shown)
    assert [(row.id, row.value) for column in made["columns"] for row in column] == [("A", 0.5), ("B", 0.02)]
    assert made["marks"] == [decade(-2), decade(-1), "1"] and made["count"] == 2
    assert closeness.overview([])["count"] == 0


def status(made: Any, found: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": made.id, "title": made.title, "kind": made.kind, "origin": made.origin, "verdict": "enclosed",
        "uses": [], "evidence": found, "claims": [], "gap": [], "witness": None, "stale": False, "repairs": None,
    }  # fmt: skip


def read(first: Any) -> dict[str, str]:
    """Every page of a site by its path."""
    return {p.relative_to(first.parent).as_posix(): p.read_text("utf-8") for p in first.parent.rglob("*.html")}


def test_pages_draw_every_bound_and_stay_small(tmp_path: Any) -> None:
    bounds = {s.id: [c for c in s.claims if isinstance(c, Bound)] for s in REGISTRY}
    rows = [status(s, [record(points(), part=c.part, reading=c.reading) for c in bounds[s.id]]) for s in REGISTRY]
    run = {"figures": [rank_figure(), depth_figure()]}
    pages = read(build(rows, REGISTRY, tmp_path / "a", run))
    bare = read(build([{**row, "evidence": []} for row in rows], REGISTRY, tmp_path / "b", run))
    for name, listed in bounds.items():
        page, count = pages[f"statements/{name}.html"], len(listed)
        assert page.count('<figure class="plots">') == count and page.count('class="plot"') == 3 * count
        assert page.count('<use href="#frame-') == 3 * count and page.count('id="frame-') == 2 * (count > 0)
        assert len(page) - len(bare[f"statements/{name}.html"]) < 8_000 * count + 4_000
    assert all(len(page.encode()) < 400_000 and " style=" not in page for page in pages.values())
    links = re.findall(r'<th scope="row"><a class="ref" href="([^"]+)"', pages["tightness.html"])
    assert len(links) == sum(map(len, bounds.values())) and set(links) <= set(pages)
    assert pages["theorem.html"].count('class="plot rank"') == len(WIDTHS)
    assert pages["theorem.html"].count('class="plot depth"') == 1 and "tightness.html" not in bare
    assert pages == read(build(rows, REGISTRY, tmp_path / "a", run))
    assert not any(raw in page for page in pages.values() for raw in ("uniform, 1, 1", "quot;rows", "#34;rows"))


def test_constants_are_shown_beside_what_is_derived(tmp_path: Any) -> None:
    """The printed constant of C.17 as the rules derive it, and a looser one: only that is said to give something away."""
    rows = []
    for name, ratio in (("C.17", "1"), ("C.18r", "n*d**2")):
        made = REGISTRY[name]
        claims = [
            {"part": c.part, "reading": c.reading, "verdict": "proved", "argument": "ok",
             "constant": {"derived": "d*|X|", "claimed / derived": ratio}} for c in made.claims
        ]  # fmt: skip
        found = [record(points(), part=c.part, reading=c.reading) for c in made.claims]
        for each in found:
            each["detail"]["tightness"] = {"best": 0.5, "instance": "uniform;n=3"}
        rows.append({**status(made, found), "claims": claims})
    pages = read(build(rows, REGISTRY, tmp_path, {}))
    (lost,) = re.findall(r'<section class="panel" id="given-away">.*?</section>', pages["tightness.html"], re.S)
    assert re.findall(r'href="statements/([^"]+)\.html"', lost) == ["C.18r"] * len(REGISTRY["C.18r"].claims)
    assert "n·d^2" in lost and "d·|X|" in lost and ">0.5</td>" in lost
    own = re.search(r'<section class="panel" id="constants">.*?</section>', pages["statements/C.18r.html"], re.S)
    assert own and "n·d^2" in own[0] and "<dt>Stated / derived</dt>" in own[0] and "<b>0.5</b>" in own[0]
    assert "<dt>Published / derived</dt>" in pages["statements/C.17.html"]


def test_the_depth_panel_is_to_scale() -> None:
    """The curve of each chain through its points: (0, 0) in the corner, the limit 1 on the line."""
    made = depth_panel({"a <b>": [(0.0, 0.0), (2.0, 1.0)], "b": [(0.0, 0.0), (1.0, 0.5)], "none": []})
    corner = re.search(r'class="limit" d="M(\d+) (\d+)H(\d+)"', made)
    assert corner and "<b>" not in made
    left, line, right = map(int, corner.groups())
    curves = [[int(v) for v in re.findall(r"\d+", d)] for d in re.findall(r'class="curve" d="M([^"h]*)"', made)]
    assert curves == [
        [left, RANK_BOTTOM, right, line],
        [left, RANK_BOTTOM, (left + right) // 2, (RANK_BOTTOM + line) // 2],
    ]
    assert made.count('class="curve"') == 2 + 3 and made.count("stroke-dasharray") == 3
    drawn = figures.drawn([depth_figure()])[0]
    assert len(drawn["table"]["rows"]) == len(depth_figure()["rows"]) and drawn["panels"][0].count("<path") >= 6


def test_hostile_points_are_inert(tmp_path: Any) -> None:
    bad = "<script>alert(1)</script><b>"
    odd = points() | {"columns": [*AXES[:3], bad, *AXES[4:], RATIO]}
    for k, row in enumerate(odd["rows"]):
        row[3], row[1] = float(k), 10**400 if k == 3 else row[1]
    odd["worst"][RATIO]["instance"] = bad * 500
    for page in read(build([status(REGISTRY["C.17"], [record(odd)])], REGISTRY, tmp_path, {})).values():
        assert page.count("<script") == 1 and "<b><" not in page and len(page) < 200_000
    assert "&lt;script&gt;" in (tmp_path / "statements" / "C.17.html").read_text("utf-8")


def test_raw_points_are_hidden_where_evidence_is_listed(capsys: Any) -> None:
    assert "points" not in records.evidence(record(points()))["others"]
    assert records.evidence(record(points()))["others"] == {"trivial": "0"}
    terminal.show_evidence([record(points())])
    printed = capsys.readouterr().out
    assert "trivial 0" in printed and "points" not in printed and "uniform" not in printed


# -- rank against n ------------------------------------------------------------------------------------------------------
def test_ranks_are_those_of_the_least_degree() -> None:
    """In double precision, from the definition: max |e^-x T_g(x) - 1| over [-b, b] is attained at -b."""
    rows = ranks()
    assert len(rows) == len(WIDTHS) * len(RANGES) * len(TARGETS)
    for row in rows:
        b, g = row["b"], row["degree"]
        errors = [abs(math.exp(b) * sum((-b) ** j / math.factorial(j) for j in range(k + 1)) - 1) for k in (g - 1, g)]
        assert errors[1] <= row["eps"] < errors[0]
        assert row["rank"] == math.factorial(row["d"] + g) // (math.factorial(row["d"]) * math.factorial(g))


def test_the_rank_panel_meets_the_line_where_rank_is_n() -> None:
    drawing = rank_panel(4, {3: 35, 5: 126, 11: 1365}, 8)
    corner = re.search(r'class="limit" d="M(\d+) (\d+)L(\d+) (\d+)"', drawing)
    assert corner
    x0, y0, x1, y1 = map(int, corner.groups())
    for (x, y), rank in zip(dots(drawing), (35, 126, 1365), strict=True):
        share = (math.log10(rank) - 1) / 7
        assert abs(x - (x0 + share * (x1 - x0))) <= 0.5 and abs(y - (y0 + share * (y1 - y0))) <= 0.5
    assert "g = 11: 1\N{NARROW NO-BREAK SPACE}365" in drawing
    labels = [int(y) for y in re.findall(r'<text x="\d+" y="(\d+)">g = ', drawing)]
    assert all(below - above >= 12 for above, below in pairwise(labels))


def test_the_rank_figure_lists_its_numbers() -> None:
    made = closeness.rank_figure(rank_figure())
    assert len(made["panels"]) == len(WIDTHS) and len(made["rows"]) == len(ranks())
    assert all(row["rank < n from n ="] == row["rank"] + 1 for row in made["rows"])
    assert "g = 3 for b = 0.5, ε = 0.01" in made["degrees"]
