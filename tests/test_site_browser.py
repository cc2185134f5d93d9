"""The site as a person meets it: headless Chromium opens it from the disk, with and without script, wide and narrow, light and dark.

Screenshots of every kind of page go to the folder named by the environment variable SCREENSHOTS, where it is set.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from almostlinear.theorems import load
from almostlinear.theorems.registry import Registry
from tests.reported import WHOLE_RUN, Site, heavy, hostile_run, hostile_statuses, site, statuses_of

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")
WIDE, NARROW = {"width": 1400, "height": 900}, {"width": 400, "height": 800}
KINDS = (
    "index.html", "errata.html", "theorem.html", "tightness.html", "waterfall.html", "performance.html",
    "docs/index.html", "docs/tutorial.html", "docs/reference.html", "history.html", "about.html",
    "statements/D.1.html", "statements/D.1r.html", "statements/T.1.html", "statements/H.4.html", "statements/C.6.html",
)  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load()


@pytest.fixture(scope="module")
def rows(registry: Registry) -> list[dict[str, Any]]:
    return [heavy(s) for s in statuses_of(registry)]


@pytest.fixture(scope="module")
def built(rows: list[dict[str, Any]], registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site(rows, registry, tmp_path_factory.mktemp("site"), WHOLE_RUN)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that a container's root lacks.
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Visit:
    """A page of the browser that remembers what went wrong in it and what it asked for."""

    def __init__(self, browser: Any, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.context = browser.new_context(**{"viewport": WIDE, **options})
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("requestfailed", lambda request: self.wrong.append(f"failed: {request.url}"))
        self.page.on("request", self._asked)
        self.page.on("dialog", lambda dialog: self._dialog(dialog))

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.folder.as_uri() + "/", "data:")):
            self.wrong.append(f"request: {request.url}")

    def _dialog(self, dialog: Any) -> None:
        self.wrong.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, name: str) -> Any:
        self.page.goto((self.folder / name).as_uri())
        return self.page

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *unused: Any) -> None:
        self.context.close()


def shown(page: Any) -> list[str]:
    """The ids of the statements whose rows can be seen."""
    script = "rows => rows.filter(r => r.offsetHeight > 0).map(r => r.querySelector('th').textContent.trim())"
    found: list[str] = page.locator("tr.statement").evaluate_all(script)
    return found


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide", "narrow"])
def test_every_kind_of_page_opens_clean_and_fits(browser: Any, built: Site, size: dict[str, int], scheme: str) -> None:
    shots = os.environ.get("SCREENSHOTS")
    largest = sorted(built.pages, key=lambda name: len(built[name].source))[-6:]
    with Visit(browser, built.folder, viewport=size, color_scheme=scheme) as visit:
        for name in dict.fromkeys([*KINDS, *largest]):
            page = visit.open(name)
            assert not visit.wrong, name
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], f"{name} scrolls sideways"
            assert page.evaluate("getComputedStyle(document.querySelector('main')).color") in (
                "rgb(23, 32, 43)" if scheme == "light" else "rgb(228, 233, 239)"
            ), f"{name}: the style sheet is not in force"
            if shots:
                label = f"{Path(name).stem}-{size['width']}-{scheme}.png"
                page.screenshot(path=str(Path(shots) / label), full_page=True)


def test_the_check_of_pages_can_fail(browser: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(
        "<!doctype html><div style='width:5000px'>x</div><img src='https://example.org/x.png'><script>alert(1); undefined.f()</script>"
    )
    with Visit(browser, tmp_path) as visit:
        page = visit.open("bad.html")
        assert page.evaluate("document.documentElement.scrollWidth") > WIDE["width"]
        said = " ".join(visit.wrong)
        assert "dialog: 1" in said and "request: https://example.org" in said and "undefined" in said


def test_all_published_statements_are_reached_by_their_links(browser: Any, built: Site, registry: Registry) -> None:
    published = [s.id for s in registry if s.origin == "published"]
    assert len(published) == 98
    with Visit(browser, built.folder) as visit:
        page = visit.open("index.html")
        links = page.locator("tr.statement th a").evaluate_all("all => all.map(a => [a.textContent, a.href])")
        found = dict(links)
        assert set(published) <= set(found)
        for name in published:
            page.goto(found[name])
            assert page.locator("h1").inner_text().startswith(f"{name} "), name
        assert not visit.wrong


def test_search_and_filters(browser: Any, built: Site, rows: list[dict[str, Any]]) -> None:
    everything = [row["id"] for row in rows]
    with Visit(browser, built.folder) as visit:
        page = visit.open("index.html")
        assert sorted(shown(page)) == sorted(everything)
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.name") == "q"
        page.keyboard.type("Gradient identity")
        fits = [row["id"] for row in rows if "gradient" in row["title"].lower() and row["kind"] == "identity"]
        found = shown(page)
        assert fits and set(fits) <= set(found) < set(everything)
        assert page.locator("output").inner_text() == f"{len(found)} of {len(rows)} statements"
        page.select_option("select[name=verdict]", "refuted")
        assert set(shown(page)) == {row["id"] for row in rows if row["verdict"] == "refuted"} & set(found)
        page.fill("input[name=q]", "there is no such statement")
        assert shown(page) == [] and page.locator(".none").is_visible()
        page.click("button[type=reset]")
        page.wait_for_function("document.querySelectorAll('tr.statement[hidden]').length === 0")
        page.select_option("select[name=origin]", "repair")
        assert set(shown(page)) == {row["id"] for row in rows if row["origin"] == "repair"}
        assert not visit.wrong


def test_the_documentation_is_searched(browser: Any, built: Site) -> None:
    with Visit(browser, built.folder) as visit:
        page = visit.open("index.html")
        page.click("nav.site a:text-is('Documentation')")
        items = page.locator(".found li")
        everything = items.count()
        page.fill("form.find input", "shrunk nonsense that stands nowhere")
        assert page.locator("#sections .none").is_visible() and not items.first.is_visible()
        page.fill("form.find input", "exit code unexpected")
        shown = [item for item in items.all() if item.is_visible()]
        assert 0 < len(shown) < everything
        assert page.locator("#sections output").inner_text() == f"{len(shown)} of {everything} sections"
        found = page.locator(".found li:visible a", has_text="Exit codes").first
        found.click()
        assert page.url.endswith("docs/verdicts.html#exit-codes") and page.locator("#exit-codes").is_visible()
        assert not visit.wrong


def test_the_documentation_is_read_without_script(browser: Any, built: Site) -> None:
    with Visit(browser, built.folder, java_script_enabled=False) as visit:
        page = visit.open("docs/index.html")
        assert not page.locator("form.find").is_visible() and page.locator(".found li a").count() > 30
        page.click(".found a:text-is('2. The check')")
        assert page.locator("h1").inner_text() == "Check a lemma of your paper"
        page.click("a[rel=next]")
        assert page.locator("h1").inner_text() != "Check a lemma of your paper"


def test_a_count_leads_to_what_it_counts(browser: Any, built: Site, rows: list[dict[str, Any]]) -> None:
    for script in (True, False):
        with Visit(browser, built.folder, java_script_enabled=script) as visit:
            page = visit.open("index.html")
            assert page.locator("form.filter").is_visible() == script
            page.click(".count.v-refuted")
            visible = [r for r in page.locator("tr.statement").all() if r.is_visible()]
            found = {r.locator("th").inner_text() for r in visible}
            assert found == {row["id"] for row in rows if row["verdict"] == "refuted"}


def test_formulas_are_set_in_the_font_that_the_site_carries(browser: Any, built: Site) -> None:
    with Visit(browser, built.folder) as visit:
        page = visit.open("statements/D.1.html")
        script = "document.fonts.ready.then(all => [...all].map(f => [f.family, f.status]))"
        assert page.evaluate(script) == [["report math", "loaded"]]
        assert page.locator("math").first.evaluate("m => getComputedStyle(m).fontFamily").startswith('"report math"')
        assert not visit.wrong


def test_what_matters_is_read_without_script(browser: Any, built: Site) -> None:
    with Visit(browser, built.folder, java_script_enabled=False) as visit:
        page = visit.open("index.html")
        assert page.locator(".headline").is_visible() and page.locator("svg.graph").is_visible()
        assert page.locator("tr.statement").first.is_visible() and page.locator("nav.site a").count() == 9
        page.click("tr.statement:has-text('D.1r') th a >> nth=0")
        assert page.locator("#claim math").first.is_visible()


def test_the_graph_shows_what_a_statement_depends_on(browser: Any, built: Site, registry: Registry) -> None:
    with Visit(browser, built.folder) as visit:
        page = visit.open("index.html")
        node = page.locator("a.node:has(title:text-matches('^D[.]9: '))")
        node.focus()
        far = set(page.locator("a.node.far title").evaluate_all("all => all.map(t => t.textContent.split(': ')[0])"))
        related, waiting = {"D.9", *registry.descendants("D.9")}, ["D.9"]
        while waiting:
            below = [u for u in registry.uses(waiting.pop()) if u in registry and u not in related]
            related |= set(below)
            waiting += below
        assert far == {s.id for s in registry} - related
        page.keyboard.press("Shift+Tab")
        node.evaluate("node => node.blur()")
        page.keyboard.press("Escape")
        page.evaluate("document.activeElement.blur()")
        assert page.locator(".far").count() == 0


def test_the_keyboard_reaches_everything(browser: Any, built: Site) -> None:
    with Visit(browser, built.folder) as visit:
        page = visit.open("statements/D.1.html")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        assert page.locator(".skip").bounding_box()["x"] >= 0
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('.crumbs') !== null")
        page = visit.open("index.html")
        scrolled = page.locator(".scroll").evaluate_all("all => all.every(e => e.tabIndex === 0)")
        assert scrolled


def test_commands_are_copied(browser: Any, built: Site) -> None:
    with Visit(browser, built.folder, permissions=["clipboard-read", "clipboard-write"]) as visit:
        page = visit.open("statements/D.1.html")
        page.click("#witness pre.line button")
        page.wait_for_selector("#witness button:text-is('Copied')")
        assert page.evaluate("navigator.clipboard.readText()") == "almostlinear replay .almostlinear/witnesses/D.1.json"
        assert not visit.wrong


def test_hostile_text_does_nothing(
    browser: Any, rows: list[dict[str, Any]], registry: Registry, tmp_path: Path
) -> None:
    hostile = hostile_statuses()
    made = site([*rows, *hostile], registry, tmp_path, hostile_run())
    names = [n for n in made.pages if not n.startswith(("statements/", "docs/"))]
    names += [n for n in made.pages if re.search(r"script", n)]
    assert len(names) == 10
    for size in (WIDE, NARROW):
        with Visit(browser, made.folder, viewport=size) as visit:
            for name in names:
                page = visit.open(name)
                assert not visit.wrong, name
                assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
                assert page.locator("main").inner_text().strip()
                assert page.locator("img, iframe, main script").count() == 0
