"""The documentation as pages of the site: markdown to HTML, links between its files rewritten, and every section listed.

HTML in a file is shown as text, superscripts and subscripts excepted; a link that would leave the documentation for another file of the
repository becomes plain text, for that file is not part of the site.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

FIRST = "index.md"
FOLDER = "docs"
SIDE = re.compile(r"&lt;(/?su[bp])&gt;")
OUTSIDE = re.compile(r"https?://|mailto:")


@dataclass(frozen=True)
class Section:
    """A heading, the place of its page that a link leads to, and the words below it."""

    title: str
    place: str
    level: int
    words: str


@dataclass(frozen=True)
class Document:
    """A page: the name of its file in the site, its title, its HTML without the title, and its sections."""

    file: str
    title: str
    html: str
    sections: tuple[Section, ...]


def documents(folder: Path) -> list[Document]:
    """The pages of a folder of markdown, the first page first and the others in the order in which it links to them."""
    files = {path.name: path for path in sorted(folder.glob("*.md"))}
    if FIRST not in files:
        return []
    linked = re.findall(r"\]\(([\w-]+\.md)", files[FIRST].read_text(encoding="utf-8"))
    order = [name for name in dict.fromkeys([FIRST, *linked, *files]) if name in files]
    return [document(name, files[name].read_text(encoding="utf-8"), frozenset(files)) for name in order]


def document(name: str, text: str, known: frozenset[str]) -> Document:
    """One page.

    Args:
        name: of the markdown file.
        text: what stands in it.
        known: names of the files that are pages too.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("fence", _block)
    parser.add_render_rule("code_block", _block)
    parser.add_render_rule(
        "table_open", lambda *_: '<div class="scroll" tabindex="0" role="region" aria-label="table"><table>\n'
    )
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    tokens = parser.parse(text)
    sections = _sections(tokens)
    title = sections[0].title if sections else name.removesuffix(".md")
    if tokens and tokens[0].type == "heading_open" and tokens[0].tag == "h1":
        tokens = tokens[3:]
    for token in tokens:
        token.children = _inline(token.children, known) if token.children else token.children
    html = SIDE.sub(r"<\1>", parser.renderer.render(tokens, parser.options, {}))
    return Document(f"{name.removesuffix('.md')}.html", title, html, tuple(sections))


def _block(self: RendererHTML, tokens: Sequence[Token], k: int, *unused: Any) -> str:
    """A block of code: what is typed apart from what is printed."""
    from html import escape

    kind = "printed" if tokens[k].info.strip() == "output" else "typed"
    return f'<pre class="block {kind}" tabindex="0"><code>{escape(tokens[k].content)}</code></pre>\n'


def _sections(tokens: list[Token]) -> list[Section]:
    """The headings, each given an id that none before it has, and the words under each."""
    found: list[tuple[str, str, int, list[str]]] = []
    taken: set[str] = set()
    for k, token in enumerate(tokens):
        if token.type == "heading_open":
            title = _words(tokens[k + 1])
            place = base = re.sub(r"[^\w-]+", "", title.lower().replace(" ", "-")) or "section"
            more = 1
            while place in taken:
                more += 1
                place = f"{base}-{more}"
            taken.add(place)
            token.attrSet("id", place)
            found.append((title, place, int(token.tag[1]), []))
        elif token.type in ("inline", "fence", "code_block") and found and tokens[k - 1].type != "heading_open":
            found[-1][3].append(_words(token))
    return [Section(title, place, level, " ".join(words)) for title, place, level, words in found]


def _words(token: Token) -> str:
    """The text of a token, without its marks."""
    if not token.children:
        return re.sub(r"</?su[bp]>", "", token.content)
    return re.sub(
        r"</?su[bp]>", "", "".join(" " if c.type in ("softbreak", "hardbreak") else c.content for c in token.children)
    )


def _inline(children: list[Token], known: frozenset[str]) -> list[Token]:
    """Links of a line of text rewritten; images and links that lead nowhere here left as their words."""
    kept: list[Token] = []
    dropped = False
    for child in children:
        if child.type == "image":
            words = Token("text", "", 0)
            words.content = child.content
            kept.append(words)
            continue
        if child.type == "link_open":
            target = _target(str(child.attrGet("href") or ""), known)
            dropped = not target
            if target:
                child.attrSet("href", target)
                if OUTSIDE.match(target):
                    child.attrSet("rel", "noreferrer")
        if not (dropped and child.type in ("link_open", "link_close")):
            kept.append(child)
        if child.type == "link_close":
            dropped = False
    return kept


def _target(href: str, known: frozenset[str]) -> str:
    """Where a link of a markdown file leads in the site; empty if nowhere."""
    if OUTSIDE.match(href) or href.startswith("#"):
        return href
    file, mark, place = href.partition("#")
    return f"{file.removesuffix('.md')}.html{mark}{place}" if file in known else ""
