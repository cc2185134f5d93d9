"""What tests of the report share: invented verdicts and runs, hostile ones among them, and a reader of the built site."""

from __future__ import annotations

import posixpath
import random
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

from almostlinear.reports import build
from almostlinear.theorems import Statement
from almostlinear.theorems.registry import Registry
from almostlinear.verify.scatter import AXES, MOST

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


RATIO = "observed / bound"
COLUMNS = [*AXES, RATIO]


def points(count: int = MOST, worst: int = 7, **more: Any) -> dict[str, Any]:
    """Points as an engine writes them: n in 1..5, d in 1..3, four entry bounds, no degree."""
    rows = [
        ["uniform", 1 + k % 5, 1 + k % 3, None, (0.25, 0.5, 1.0, 4.0)[k % 4], "causal", 10.0 ** -(1 + k % 4)]
        for k in range(count)
    ]
    rows[worst][-1] = 0.5
    made = {"columns": COLUMNS, "rows": rows, "of": 402, "worst": {RATIO: {"row": worst, "instance": "uniform;n=3"}}}
    return {**made, **more}


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


def statuses_of(registry: Registry) -> list[dict[str, Any]]:
    chance = random.Random(0)
    return [status_of(made, registry, chance) for made in registry]


BEST = {"best": 0.5, "instance": "uniform;n=3"}


def heavy(status: dict[str, Any]) -> dict[str, Any]:
    """A status with records as large as the largest that engines write."""
    words = "a function that is nonnegative at 0 and has a nonnegative derivative is nonnegative (mean value theorem)"
    steps = [{"says": "0 <= " + "|H|*" * 20, "checked": "|x|**g*exp(|x|)" * 8, "kind": "certificate"}] * 12
    proof = {"argument": [words] * 4, "proof": steps, "rules": ["a sum has so many entries"] * 6}
    constant = {"derived": "|phi''|*" * 60, "claimed / derived": "d*n*" * 60}
    claims, evidence = [], list(status["evidence"])
    for known in status["claims"]:
        place = {"part": known["part"], "reading": known["reading"]}
        claims.append({**known, "constant": constant})
        evidence.append(record("analysis", "proved", "certificate", **place, detail=proof))
        evidence.append(
            record("norms", "proved", "exact", **place, detail={**constant, "right - derived": "d*n*" * 60})
        )
        if status["kind"].endswith("bound"):
            measured = {"points": points(), "tightness": BEST}
            evidence.append(record("enclosure", "enclosed", "ball", **place, detail=measured))
    return {**status, "claims": claims, "evidence": evidence}


WHOLE_RUN = {
    **RUN,
    "tables": [
        {"title": "Where", "note": "n^2", "rows": [{"d": 1, "n": "a"}]},
        {"title": "Slack", "note": "", "rows": [{"d": 1}], "page": "tightness"},
        {"title": "Ceilings", "note": "", "rows": [{"basis": "ball"}], "page": "about"},
    ],
    "figures": [{
        "kind": "depth", "title": "Depth", "note": "",
        "rows": [{"chain": "l1", "unit of m": "ln n", "m / unit": mu, "limit": mu / 4} for mu in (0, 1, 2)],
    }],
    "trusted": [{"title": "Trusted in words", "note": "facts", "rows": [{"trusted": "Rolle's theorem", "claims": "T.4 1"}]}],
    "benchmarks": [{
        "schema": 1, "name": "attention", "machine": {"processor": "x", "cores": 2}, "settings": {"n": [1, 2]}, "seconds": 3.0,
        "tables": [{"title": "Times", "columns": ["n", "seconds"], "rows": [[1024, 0.123456], [2048, None]], "note": ""}],
        "targets": [{"what": "faster", "value": 3.5, "low": 3.1, "high": 4.0, "must": 2.0, "reach": 4.0, "smaller": False,
                     "error": "", "met": True, "note": "CPU"}],
    }],
    "history": [
        {"date": "2026-11-23", "profile": "quick", "seed": 0, "seconds": 9.5, "verdicts": {"D.1": "proved", "D.2": "proved"},
         "tightness": {"D.2": 0.5}},
        {"date": "2026-11-24", "profile": "ci", "seed": 1, "verdicts": {"D.1": "refuted", "D.2": "proved", "D.3": "open"},
         "tightness": {"D.2": 0.75}, "errors": {"D.4": {}}},
    ],
}  # fmt: skip


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\u202e\"' {{ 7*7 }} ]]> &amp; " + "W" * 3000


def hostile_statuses() -> list[dict[str, Any]]:
    """Two rows: every text and key of the first, and the id of the second, is made to break out."""
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
    name = HOSTILE[:80]
    return [hostile, {"id": name + "/../../x", "title": "", "uses": [name], "verdict": HOSTILE}]


def hostile_run() -> dict[str, Any]:
    table = {"title": HOSTILE, "note": HOSTILE, "rows": [{HOSTILE: HOSTILE, "b": [HOSTILE]}]}
    run = {"date": HOSTILE, "profile": HOSTILE, "verdicts": {HOSTILE: HOSTILE}, "versions": {HOSTILE: HOSTILE}}
    return {
        "date": HOSTILE, "versions": {HOSTILE: HOSTILE}, "tables": [table, {**table, "page": "about"}], "trusted": [table],
        "figures": [{"kind": HOSTILE, "rows": [1]}, {
            "kind": "depth", "title": HOSTILE, "note": HOSTILE,
            "rows": [{"chain": HOSTILE, "unit of m": HOSTILE, "m / unit": 1, "limit": 0.5}],
        }],
        "benchmarks": [{"name": HOSTILE, "machine": {HOSTILE: HOSTILE}, "tables": [table],
                        "targets": [{"what": HOSTILE, "value": HOSTILE, "must": HOSTILE, "note": HOSTILE}]}],
        "history": [run, {**run, "verdicts": {HOSTILE: "proved", "D.1": HOSTILE}}],
    }  # fmt: skip


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


LARGEST_PAGE, LARGEST_SITE = 400_000, 10_000_000


@dataclass
class Site:
    """A site as it lies on the disk: its pages by path, and the size of every file."""

    folder: Path

    def __post_init__(self) -> None:
        self.files = {p.relative_to(self.folder).as_posix(): p for p in self.folder.rglob("*") if p.is_file()}
        texts = {name: p.read_text(encoding="utf-8") for name, p in self.files.items() if name.endswith(".html")}
        self.pages = {name: Page(text) for name, text in texts.items()}

    def __getitem__(self, name: str) -> Page:
        return self.pages[name]

    def of(self, statement: str) -> Page:
        """The page of a statement, by the link of its row on the first page."""
        (row,) = (r for r in self.rows() if f">{statement}</a></th>" in r)
        return self.pages[re.findall(r'href="([^"]+)"', row)[0]]

    def rows(self) -> list[str]:
        """The rows of the table of statements."""
        return re.findall(r'<tr class="statement .*?</tr>', self["index.html"].source, re.S)

    def oversized(self) -> dict[str, int]:
        sizes = {name: p.stat().st_size for name, p in self.files.items()}
        total = sum(sizes.values())
        over = {name: size for name, size in sizes.items() if size > LARGEST_PAGE}
        return {**over, **({"all": total} if total > LARGEST_SITE else {})}

    def dead_links(self) -> set[tuple[str, str]]:
        """(page, link) of each link, inside the site, that leads nowhere."""
        dead = set()
        for name, page in self.pages.items():
            for link in [*page.values("href"), *page.values("src")]:
                if link.startswith(("https:", "data:")):
                    continue
                file, _, place = link.partition("#")
                target = posixpath.normpath(posixpath.join(posixpath.dirname(name), unquote(file))) if file else name
                if target not in self.files or (place and place not in self.places(target)):
                    dead.add((name, link))
        return dead

    def places(self, name: str) -> set[str]:
        return set(self.pages[name].values("id")) if name in self.pages else set()


def site(statements: list[dict[str, Any]], registry: Any, out: Path, run: dict[str, Any] = RUN) -> Site:
    assert build(statements, registry, out, run) == out / "index.html"
    made = Site(out)
    assert not {name: page.faults for name, page in made.pages.items() if page.faults}
    return made
