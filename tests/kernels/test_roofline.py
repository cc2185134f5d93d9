"""The prediction: what was written is what is counted now, limits limit, crossovers are crossings, and the page says that it predicts."""

import json
from pathlib import Path

import jinja2
import pytest

from almostlinear.reports.pages import roofline as page
from almostlinear.reports.site import environment
from benchmarks import roofline

H100 = roofline.DEVICES[0]
WRITTEN = Path(roofline.__file__).parent / "results" / "roofline.json"


@pytest.fixture(scope="module")
def predicted():
    return json.loads(json.dumps(roofline.predict()))


def test_the_written_prediction_is_that_of_the_code(predicted):
    assert json.loads(WRITTEN.read_text(encoding="utf-8")) == predicted, "run python -m benchmarks.roofline again"


@pytest.mark.parametrize("precision", roofline.PRECISIONS)
@pytest.mark.parametrize(("d", "degree"), [(4, 2), (16, 3), (64, 2)])
def test_a_crossover_is_where_the_times_cross(d, degree, precision):
    n = roofline.crossover(d, degree, False, H100, precision)
    assert roofline.ours(n, d, degree, False, H100, precision)[0] <= roofline.flash(n, d, False, H100)
    assert roofline.ours(n - 64, d, degree, False, H100, precision)[0] > roofline.flash(n - 64, d, False, H100)


def test_a_limit_that_is_raised_is_no_limit():
    """A program that lacks nothing but bandwidth gains nothing from faster arithmetic, and the other way round."""
    by_memory = roofline.Work(device=10**9)
    by_arithmetic = roofline.Work(multiply_adds=10**12)
    faster = roofline.Device(
        "faster", 2 * H100.float32, H100.tf32, H100.bfloat16, H100.memory, H100.multiprocessors, ""
    )
    assert (
        roofline.seconds(by_memory, faster, "ieee")
        == roofline.seconds(by_memory, H100, "ieee")
        == (4 / 3350, "device memory")
    )
    assert roofline.seconds(by_arithmetic, H100, "ieee") == (2 / 67, "arithmetic")
    assert roofline.seconds(by_arithmetic, faster, "ieee") == (1 / 67, "arithmetic")


def test_time_is_linear_in_n_and_quadratic_for_flash_attention():
    n = 1 << 18
    ours = [roofline.ours(k * n, 16, 3, False, H100, "ieee")[0] for k in (1, 2)]
    theirs = [roofline.flash(k * n, 16, False, H100) for k in (1, 2)]
    assert 1.98 < ours[1] / ours[0] < 2.02 and 3.99 < theirs[1] / theirs[0] < 4.01


def test_the_page_names_every_cell_and_says_that_nothing_was_measured(predicted):
    contexts = page.pages([{"name": "attention"}, predicted])
    (context,) = contexts.values()
    (prediction,) = context["predictions"]
    assert len(prediction["plots"]) == len(predicted["plots"]) and len(prediction["tables"]) == len(predicted["tables"])
    templates = environment()
    source = '{% extends "roofline.html" %}{% block body %}{% endblock %}'
    templates.loader = jinja2.ChoiceLoader(
        [jinja2.DictLoader({"base.html": "{% block main %}{% endblock %}", "probe": source}), templates.loader]
    )
    html = templates.get_template("probe").render(**context, here="", root="")
    assert "nothing on this page was measured" in html
    assert html.count("(prediction)") >= 2 * len(predicted["plots"])
    for device in roofline.DEVICES:
        assert device.source in html


def test_predictions_are_kept_apart_from_measurements(predicted):
    results = [{"name": "attention"}, predicted]
    assert page.measured(results) == results[:1] and page.pages(results[:1]) == {}


@pytest.mark.parametrize("spoilt", [None, {"title": "t"}, {"title": "t", "x": "x", "y": "y", "lines": []},
                                    {"title": "t", "x": "x", "y": "y", "lines": [{"name": "l", "points": [[1, 0]]}]}])  # fmt: skip
def test_what_cannot_be_drawn_is_left_out(spoilt):
    assert not page.drawable(spoilt)


def test_a_line_of_slope_one_is_drawn_as_one():
    plot = {
        "title": "t",
        "x": "x",
        "y": "y",
        "lines": [{"name": "<l>", "points": [[1, 1], [10, 10], [100, 100]]}],
        "dots": [],
    }
    drawn = page.log_plot(plot)
    path = drawn.split('<path class="curve" d="M')[1].split('"')[0]
    (x0, y0), (x1, y1), (x2, y2) = (map(int, point.split()) for point in path.split("L"))
    assert x1 - x0 == x2 - x1 and y0 - y1 == y1 - y2 and "<l>" not in drawn
