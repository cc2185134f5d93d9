"""The page: the whole registry is on it, given text stays text, nothing is fetched, and links lead somewhere."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import pytest

from almostlinear.reports import build
from almostlinear.reports.mathml import exact, flow, mathml, matrix, words
from almostlinear.reports.svg import HEIGHT, WIDTH, GraphNode, dependency_graph, reduced
from almostlinear.reports.verdicts import VERDICTS
from almostlinear.theorems import Statement, define, load, n, symbol
from almostlinear.theorems.display import layout
from almostlinear.theorems.registry import Registry

FALSE = ("C.18", "D.1", "D.8", "D.9", "E.11", "G.3")
RUN = {
    "date": "2026-11-24", "seed": 0, "profile": "quick", "seconds": 38.2, "instances": 4812,
    "versions": {"torch": "2.14.1", "sympy": "1.14.0", "flint": "0.8.0"},
}  # fmt: skip
WITNESS = {
    "schema": 1, "statement": "D.1", "part": "1 (i0 = i1)", "reading": "as printed", "arithmetic": "exact",
    "n": 2, "d": 2, "inputs": {"X": [["1", "0"], ["-2", "1/3"]], "W": [["1", "0"], ["-1", "2"]], "G": [["1"]]},
    "units": {"W": "ln2"}, "index": {"i0": 1, "j0": 2}, "entry": [1, 1], "claimed": "1/2 - 1/3 ln2", "actual": "-4",
    "file": ".almostlinear/witnesses/D.1.json",
}  # fmt: skip


def record(engine: str, strength: str, basis: str, **more: Any) -> dict[str, Any]:
    seen = {"engine": engine, "strength": strength, "basis": basis, "tried": 64, "seed": 0, "hash": "9f86d081884c7d65"}
    return {**seen, "versions": {"flint": "0.8.0"}, **more}


def status_of(made: Statement, registry: Registry, chance: random.Random) -> dict[str, Any]:
    """An invented status record."""
    true = chance.choice(["proved", "proved", "proved", "proved-at-size", "enclosed"])
    verdict = "refuted" if made.id in FALSE else true if made.claims else "stated"
    test = record(
        "identity", verdict, "gf(p)", detail={"failure": 2.0**-56, "sizes": {"n": 4, "d": 4}, "all sizes": True}
    )
    ball = record("enclosure", "enclosed", "ball", radius="3.1e-14", detail={"suggested": "X <b>f</b>"})
    argument = "gap" if made.id == "F.4" else "ok"
    return {
        "id": made.id, "title": made.title, "kind": made.kind, "origin": made.origin, "repairs": made.repairs,
        "uses": list(registry.uses(made.id)), "source": made.source, "verdict": verdict, "stale": made.id == "F.3",
        "basis": ["gf(p)", "ball"] if made.claims else [], "gap": [],
        "tightness": {"best": 0.98, "instance": "corners n=3"} if made.kind == "norm-bound" else None,
        "claims": [
            {"part": c.part, "reading": c.reading, "verdict": verdict, "argument": argument} for c in made.claims
        ],
        "witness": WITNESS if verdict == "refuted" else None,
        "evidence": [test, ball] if made.claims else [],
    }  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load()


@pytest.fixture
def statuses(registry: Registry) -> list[dict[str, Any]]:
    chance = random.Random(0)
    return [status_of(made, registry, chance) for made in registry]


@dataclass
class Page(HTMLParser):
    """A page as elements with their attributes; every element must be closed in its place."""

    VOID = ("meta", "link", "br", "wbr", "hr", "img", "input")
    SCRIPTS: ClassVar = {"mfrac": 2, "msub": 2, "msup": 2, "munder": 2, "msubsup": 3}
    source: str
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, int]] = []
        self.feed(self.source)
        self.close()
        self.faults += [f"{tag} is not closed" for tag, _ in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if self.open:
            self.open[-1] = (self.open[-1][0], self.open[-1][1] + 1)
        if tag not in self.VOID:
            self.open.append((tag, 0))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        found, children = self.open.pop() if self.open else ("nothing", 0)
        if found != tag:
            self.faults.append(f"</{tag}> closes {found}")
        if tag in self.SCRIPTS and children != self.SCRIPTS[tag]:
            self.faults.append(f"{tag} with {children} children")

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, attribute: str) -> list[str]:
        return [attrs[attribute] for _, attrs in self.elements if attribute in attrs]


def page(statements: list[dict[str, Any]], registry: Any, out: Path, run: dict[str, Any] = RUN) -> Page:
    path = build(statements, registry, out, run)
    assert path == out / "index.html"
    made = Page(path.read_text(encoding="utf-8"))
    assert not made.faults
    return made


def test_the_registry(statuses: list[dict[str, Any]], registry: Registry, tmp_path: Path) -> None:
    made = page(statuses, registry, tmp_path / "new" / "folder")
    assert len(made.source) < 4_000_000
    cards = [a for tag, a in made.elements if tag == "article"]
    assert len(cards) == len({a["id"] for a in cards}) == len(registry)
    nodes = [a for tag, a in made.elements if tag == "a" and a.get("class", "").startswith("node ")]
    assert {a["href"] for a in nodes} == {f"#{a['id']}" for a in cards}
    text = " ".join(made.text.split())
    pieces = ("4,812 instances", "38 s", "torch 2.14.1", "gap in the argument", "stale", "1.39e-17", "all sizes yes")
    assert not [piece for piece in pieces if piece not in text]


def test_links_lead_somewhere_and_nothing_is_fetched(
    statuses: list[dict[str, Any]], registry: Registry, tmp_path: Path
) -> None:
    made = page(statuses, registry, tmp_path)
    places = made.values("id")
    assert len(places) == len(set(places))
    inside = {href[1:] for href in made.values("href") if href.startswith("#")}
    assert inside <= set(places)
    outside = {href for href in made.values("href") if not href.startswith("#")}
    assert outside == {"data:,", "https://arxiv.org/abs/2408.13233"}
    tags = {tag for tag, _ in made.elements}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "base"}
    assert not made.values("src") and not made.values("style")
    assert not re.search(r"url\((?!#arrow)|@import|javascript:", made.source)


def test_counts_tell_published_from_repairs(statuses: list[dict[str, Any]], registry: Registry, tmp_path: Path) -> None:
    made = page(statuses, registry, tmp_path)
    counts = re.findall(r"<h2>(\w+) <span class=\"quiet\">(\d+)</span></h2>(.*?)</div>", made.source, re.S)
    for name, total, group in counts:
        origin = {"Published": "published", "Repairs": "repair", "Own": "own"}[name]
        listed = [s["verdict"] for s in statuses if s["origin"] == origin]
        assert int(total) == len(listed)
        shown = dict((key, int(k)) for key, k in re.findall(r"#only-([\w-]+)\".*?<b>(\d+)</b>", group))
        assert shown == {key: listed.count(key) for key in set(listed)}
    assert [name for name, _, _ in counts] == ["Published", "Repairs"]


def test_errata(statuses: list[dict[str, Any]], registry: Registry, tmp_path: Path) -> None:
    made = page(statuses, registry, tmp_path)
    table = re.search(r'<table class="errata">.*?</table>', made.source, re.S)
    assert table
    rows = re.findall(r'<th scope="row"><a href="#s-([^"]+)">', table[0])
    assert sorted(rows) == sorted(FALSE)
    assert all(f'href="#s-{name}r"' in table[0] for name in FALSE)
    assert "<mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>" in table[0]
    assert "almostlinear replay .almostlinear/witnesses/D.1.json" in made.text


def test_every_verdict_has_an_icon_a_word_and_enough_contrast() -> None:
    def light(colour: str) -> float:
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert len({v.icon for v in VERDICTS.values()}) == len({v.label for v in VERDICTS.values()}) == len(VERDICTS) == 9
    for v in VERDICTS.values():
        for ink, fill in ((v.ink, v.fill), (v.ink_dark, v.fill_dark)):
            low, high = sorted((light(ink), light(fill)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, v.key


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\u202e\"' {{ 7*7 }} ]]> &amp; " + "W" * 3000


def test_hostile_text_is_inert(statuses: list[dict[str, Any]], registry: Registry, tmp_path: Path) -> None:
    hostile = {
        "id": HOSTILE[:80], "title": HOSTILE, "kind": HOSTILE, "origin": "own", "repairs": HOSTILE,
        "uses": [HOSTILE, "D.1"],
        "source": HOSTILE, "verdict": "refuted", "stale": True, "basis": [HOSTILE], "gap": [HOSTILE], "claims": [],
        "tightness": {HOSTILE: HOSTILE},
        "witness": {
            "n": 3000, "d": 1, "inputs": {HOSTILE: [[HOSTILE] * 300] * 300, "v": [HOSTILE], "s": HOSTILE},
            "units": {HOSTILE: HOSTILE}, "claimed": HOSTILE, "actual": [[HOSTILE]], "file": HOSTILE, HOSTILE: HOSTILE,
        },
        "evidence": [
            record(HOSTILE, HOSTILE, HOSTILE, **{HOSTILE: {"a": [HOSTILE]}, "detail": {"suggested": HOSTILE}}),
        ],
    }  # fmt: skip
    made = page([*statuses, hostile], registry, tmp_path, {**RUN, "profile": HOSTILE})
    clean = page(statuses, registry, tmp_path)
    assert {tag for tag, _ in made.elements} == {tag for tag, _ in clean.elements}
    names = {name for _, attrs in made.elements for name in attrs}
    assert not {name for name in names if name.startswith("on")}
    assert "{{ 7*7 }}" in made.text
    assert len(made.source) < len(clean.source) + 500_000


def test_hostile_names_in_formulas_are_inert() -> None:
    odd = define("<b>_{</i>&}", symbol("<script>", n) @ symbol("a&b", n).T)
    made = Page(mathml(layout(odd, expand=1)) + flow(layout(odd, expand=1)) + matrix([["<b>"]], "<i>", "<u>"))
    assert not made.faults
    assert not {tag for tag, _ in made.elements} & {"script", "b", "i", "u"}


def test_little_is_needed(registry: Registry, tmp_path: Path) -> None:
    assert "Does the paper hold?" in page([], registry, tmp_path, {}).text
    made = page([{"id": "my.1", "title": "mine", "uses": ["my.1", "gone"], "verdict": "open"}], [], tmp_path, {})
    assert "mine" in made.text and "Own statements" in made.text


def test_the_page_is_the_same_each_time(statuses: list[dict[str, Any]], registry: Registry, tmp_path: Path) -> None:
    assert page(statuses, registry, tmp_path).source == page(statuses, registry, tmp_path).source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3/4", "<mfrac><mrow><mn>3</mn></mrow><mrow><mn>4</mn></mrow></mfrac>"),
        ("-2", "<mo>−</mo><mn>2</mn>"),
        ("1 - ln2", "<mn>1</mn><mo>−</mo><mrow><mi>ln</mi><mn>2</mn></mrow>"),
        ("ln2^2", "<msup><mrow><mrow><mo>(</mo><mrow><mi>ln</mi><mn>2</mn></mrow><mo>)</mo></mrow></mrow>"
         "<mrow><mn>2</mn></mrow></msup>"),
        ("about 3", "<mtext>about 3</mtext>"),
    ],
)  # fmt: skip
def test_exact_values(text: str, expected: str) -> None:
    bare = re.sub(r"<mspace[^>]*>|(?<=<mo) [^>]*", "", exact(text))
    assert re.sub(r"</?math[^>]*>", "", bare) == f"<mrow>{expected}</mrow>"


def test_prose_with_symbols() -> None:
    assert words("W = W_Q W_K^T") == "W = <i>W</i><sub>Q</sub> <i>W</i><sub>K</sub><sup>⊤</sup>"
    assert words("w in R^{d^2}, below 2^-50") == "w in R<sup>d<sup>2</sup></sup>, below 2<sup>-50</sup>"
    assert words("|X| <= n^c & <b>") == "|X| ≤ n<sup>c</sup> &amp; &lt;b&gt;"


def test_edges_that_others_imply_are_left_out() -> None:
    assert reduced({"a": [], "b": ["a"], "c": ["a", "b"]}) == [("a", "b"), ("b", "c")]
    assert reduced({"a": ["b"], "b": ["a"], "c": ["c"]}) == [("b", "a")]


def test_nodes_do_not_overlap(statuses: list[dict[str, Any]], registry: Registry, tmp_path: Path) -> None:
    nodes = [
        GraphNode(s["id"], s["title"], "#", s["verdict"], s["origin"], s["kind"], tuple(s["uses"])) for s in statuses
    ]
    drawing = dependency_graph(nodes)
    corners = [(int(x), int(y)) for x, y in re.findall(r'<rect x="(-?\d+)" y="(-?\d+)"', drawing)]
    assert len(corners) == len(nodes)
    for k, (x, y) in enumerate(corners):
        assert x >= 0 and y >= 0
        assert all(abs(x - x2) >= WIDTH or abs(y - y2) >= HEIGHT for x2, y2 in corners[:k])
