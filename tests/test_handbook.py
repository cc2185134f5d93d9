"""The documentation in the site: every file a page, links between them rewritten, every section found, given text inert."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from almostlinear.reports.pages.handbook import document, documents
from tests.reported import HOSTILE, Page, Site, site

DOCS = Path(__file__).resolve().parents[1] / "docs"
NAMES = [path.name for path in sorted(DOCS.glob("*.md"))]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site([], [], tmp_path_factory.mktemp("site"), {})


def test_every_file_is_a_page_and_the_pages_lead_to_each_other(built: Site) -> None:
    pages = {name for name in built.pages if name.startswith("docs/")}
    assert pages == {f"docs/{name.removesuffix('.md')}.html" for name in NAMES} and len(pages) >= 8
    assert not built.dead_links()
    assert 'href="docs/index.html"' in built["index.html"].source
    for name in pages:
        assert built[name].source.count('aria-current="page"') == 2, name  # the documentation, and the page in it
        assert built[name].source.count("<h1") == 1, name
    turned = re.findall(r'rel="next" href="([^"]+)"', "".join(built[name].source for name in sorted(pages)))
    assert len(turned) == len(set(turned)) == len(pages) - 1


def test_links_between_files_lead_to_pages_and_places(built: Site) -> None:
    assert 'href="verdicts.html#exit-codes"' in built["docs/reference.html"].source
    assert not any(".md" in link for page in built.pages.values() for link in page.values("href"))
    (Path(built.folder) / "docs" / "verdicts.html").unlink()
    assert ("docs/reference.html", "verdicts.html#exit-codes") in Site(built.folder).dead_links()


def test_every_section_is_listed_with_its_words(built: Site) -> None:
    index = built["docs/index.html"]
    headings = sum(
        len(re.findall(r"^#{1,6} ", re.sub(r"^```.*?^```", "", (DOCS / n).read_text(), flags=re.M | re.S), re.M))
        for n in NAMES
    )
    listed = [attrs for tag, attrs in index.elements if tag == "li" and "data-words" in attrs]
    assert len(listed) == headings > 30
    (witness,) = [
        attrs["data-words"] for attrs in listed if "names the statement, so replay needs" in attrs["data-words"]
    ]
    assert "almostlinear replay .almostlinear/witnesses" in witness and "`" not in witness


def test_what_a_file_says_stands_on_its_page(built: Site) -> None:
    page = " ".join(built["docs/tutorial.html"].text.split())
    assert "from almostlinear.theorems import *" in page and "Check a lemma of your paper" in page
    assert "D-1 exp(Q KT)" in page.replace(" -1", "-1")  # superscripts are that, and not text in brackets
    assert '<pre class="block printed"' in built["docs/tutorial.html"].source


def test_markdown_of_all_kinds() -> None:
    made = document(
        "a.md",
        "# One `two`\n\n[x](b.md#c) [y](../src/z.py) [w](https://example.org) ![picture](p.png)\n\n## One\n\n"
        "## One\n\n| a |\n|---|\n| `1<2` |\n\n    indented\n",
        frozenset({"a.md", "b.md"}),
    )
    assert made.title == "One two" and [s.place for s in made.sections] == ["one-two", "one", "one-2"]
    assert (
        'href="b.html#c"' in made.html and "z.py" not in made.html and ">w</a>" in made.html and "<img" not in made.html
    )
    assert "picture" in made.html and "y" in made.html and "1&lt;2" in made.html and "indented" in made.html
    assert not Page(made.html).faults


def test_hostile_markdown_is_inert() -> None:
    text = f"# {HOSTILE}\n\n{HOSTILE}\n\n[x](javascript:alert(1)) <javascript:alert(1)>\n\n```\n{HOSTILE}\n```\n\n| {HOSTILE} |\n|--|\n"
    made = document("a.md", text, frozenset())
    page = Page(made.html)
    assert not page.faults and not {tag for tag, _ in page.elements} & {"script", "img"}
    assert not any(
        name.startswith("on") or "javascript" in value for _, attrs in page.elements for name, value in attrs.items()
    )


def test_a_folder_without_documentation_has_none(tmp_path: Path) -> None:
    assert documents(tmp_path) == []
    (tmp_path / "stray.md").write_text("# Stray")
    assert documents(tmp_path) == []
    (tmp_path / "index.md").write_text("# First\n\n[second](second.md)")
    (tmp_path / "second.md").write_text("text without a heading")
    assert [(d.file, d.title) for d in documents(tmp_path)] == [
        ("index.html", "First"), ("second.html", "second"), ("stray.html", "Stray"),
    ]  # fmt: skip
