"""The pages do what they say: every command line of README.md and docs/*.md is run, page by page, in the order in which it stands.

Each page has a folder of its own, where its files are written (code that begins with a comment naming the file). A command must end
with the exit code that stands behind it (`# exit code 1`), or 0. What stands in a block marked `output` must
be printed by the command before it. Formulas and the like are marked `text` or `json`; any other block is Python, which runs, or
commands known here, else the test fails.
"""

from __future__ import annotations

import contextlib
import json
import re
import runpy
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer.main
from typer.testing import CliRunner

from almostlinear import cli
from almostlinear.theorems import load
from tests.helpers import scratch_registry

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])

CHECKED = "almostlinear check D.9 D.9r"
SUPPOSED = ("README.md", "reference.md")
"""Pages that suppose `make verify`, which takes minutes: they have the verdicts of CHECKED instead."""
IDS = {
    "almostlinear check --profile ci": "D.9r",
    "almostlinear certificate write": "E.7r G.4r",
}
"""Commands that take minutes without ids: the ids with which they run here."""
STANDS_FOR = {
    "WITNESS.json": ".almostlinear/witnesses/D.9-db34e8.json",
    "LEDGER1": "before.sqlite",
    "LEDGER2": ".almostlinear/ledger.sqlite",
}
CODES = {("README.md", "almostlinear check --plugin my_lemma.py"): 1}
"""Of commands whose page says the exit code in other words: the lemma of the README is refuted."""
FILE = re.compile(r"# ([\w-]+\.py)")
COMMAND = re.compile(r"(almostlinear|python|make|cp) ")


@dataclass(frozen=True)
class Command:
    """A command line with the code that it must end with."""

    words: str
    code: int


@dataclass(frozen=True)
class File:
    """A file that the page shows in full."""

    name: str
    text: str


@dataclass(frozen=True)
class Snippet:
    """Python without a file, which must run."""

    text: str


@dataclass(frozen=True)
class Output:
    """What the command before it prints, among other things; line breaks aside."""

    text: str


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """(language, code) of every fenced or indented block; an indented block has no language."""
    fenced = re.compile(r"^```(\w*)\n(.*?)^```$|((?:^ {4}[^\n]*\n|^\n(?= {4}))+)", re.MULTILINE | re.DOTALL)
    for found in fenced.finditer(text):
        if found[3] is None:
            yield found[1], found[2]
        elif found[3].strip():
            yield "", re.sub(r"^ {4}", "", found[3], flags=re.MULTILINE).strip("\n") + "\n"


def steps(page: str, text: str) -> Iterator[Command | File | Snippet | Output]:
    """What is to be done, in order: a block is a file, or its lines that begin with a command are run."""
    for language, code in blocks(text):
        named = FILE.match(code)
        if language == "python" and named:
            yield File(named[1], code)
            continue
        if language == "output":
            yield Output(code)
            continue
        if language in ("text", "json"):
            continue
        assert language == "", f"{page}: a block in {language}: begin it with a comment that names its file"
        lines = code.splitlines()
        first = next((k for k, line in enumerate(lines) if COMMAND.match(line)), len(lines))
        if first == len(lines):
            yield Snippet(code)
            continue
        plugin = re.search(r"--plugin (\S+\.py)", lines[first])
        assert plugin or not first, f"{page}: no command known here: {lines[0]!r}"
        if plugin and first:
            yield File(plugin[1], "\n".join(lines[:first]))
        for line in lines[first:]:
            if line.strip():
                assert COMMAND.match(line), f"{page}: no command known here: {line!r}"
                words, _, comment = line.partition(" #")
                stated = re.search(r"exit code (\d)", comment)
                code_of = int(stated[1]) if stated else CODES.get((page, words.strip()), 0)
                yield Command(" ".join(words.split()), code_of)


def run(words: str) -> tuple[int, str]:
    """(exit code, what was printed) of a command line, run in this process; the registry forgets its plugins afterwards."""
    program, *arguments = shlex.split(words)
    if program == "python":
        runpy.run_path(arguments[0], run_name="__main__")
        return 0, ""
    if program == "cp":
        shutil.copy(*arguments)
        return 0, ""
    if program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert set(arguments) <= set(targets), f"no such target: {words}"
        return 0, ""
    with scratch_registry():
        found = CliRunner().invoke(cli.app, arguments)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.stdout


def prepared(words: str) -> str:
    """The command with real files for placeholders, and with ids where it would take minutes."""
    named = f"{words} {IDS[words]}" if words in IDS else words
    return " ".join(STANDS_FOR.get(word, word) for word in named.split(" > ")[0].split())


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the evidence of CHECKED, and with small queries and keys."""
    folder = tmp_path_factory.mktemp("verified")
    draw = np.random.default_rng(0)
    with contextlib.chdir(folder):
        assert run(CHECKED)[0] == 0
        np.savez("head.npz", **{name: 0.1 * draw.normal(size=(64, 4)) for name in "qkv"})
    return folder


def follow(page: str, text: str) -> None:
    """Do in the present folder what a page says, from its first line to its last."""
    said = ""
    for step in steps(page, text):
        if isinstance(step, File):
            Path(step.name).write_text(step.text, encoding="utf-8")
        elif isinstance(step, Snippet):
            exec(compile(step.text, f"{page}: {step.text.splitlines()[0]}", "exec"), {})
        elif isinstance(step, Output):
            assert " ".join(step.text.split()) in " ".join(said.split()), f"{page}: not printed: {step.text}in\n{said}"
        else:
            words = prepared(step.words)
            code, said = run(words)
            assert code == step.code, f"{page}: {words}: exit code {code}, not {step.code}\n{said}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_does_what_it_says(page, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    if page.name in SUPPOSED:
        shutil.copytree(request.getfixturevalue("verified"), tmp_path, dirs_exist_ok=True)
    follow(page.name, page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("    almostlinear list --kind nonsense\n", "exit code 2, not 0"),
        ("    almostlinear lst\n", "exit code 2, not 0"),
        ("    almostlinear list  # exit code 1: so it is said\n", "exit code 0, not 1"),
        ("    almostlinear list\n    almostliner list\n", "no command known here"),
        ("    curl example.org\n    almostlinear list\n", "no command known here"),
        ("    almostlinear list\n\n```output\nno such line\n```\n", "not printed: no such line"),
        ("    make everything\n", "no such target"),
        ("```sh\nalmostlinear list\n```\n", "a block in sh"),
    ],
)
def test_a_page_that_is_wrong_fails(text, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AssertionError, match=says):
        follow("page.md", text)


def test_code_that_does_not_run_fails():
    with pytest.raises(ImportError):
        follow("page.md", "    from almostlinear.theorems import no_such_name\n")


def done(page: str) -> list[Command | File | Snippet | Output]:
    path = next(path for path in PAGES if path.name == page)
    return list(steps(page, path.read_text(encoding="utf-8")))


def test_the_pages_have_what_is_looked_for():
    shown = [step.words for page in PAGES for step in done(page.name) if isinstance(step, Command)]
    assert set(IDS) <= set(shown)
    assert {word for words in shown for word in words.split()} >= set(STANDS_FOR)
    assert all(words in [s.words for s in done(page) if isinstance(s, Command)] for page, words in CODES)
    tutorial = done("tutorial.md")
    assert [s.name for s in tutorial if isinstance(s, File)] == ["gradient_values.py"] * 2 + ["gradient_small.py"]
    assert {s.words.split()[1] for s in tutorial if isinstance(s, Command)} >= {"new", "check", "replay", "report"}


def test_every_command_stands_in_the_reference():
    shown = {
        s.words.split()[1] for s in done("reference.md") if isinstance(s, Command) and s.words.startswith("almost")
    }
    assert shown == set(typer.main.get_command(cli.app).commands)


def test_every_engine_is_described_with_what_it_cannot_do():
    text = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")
    described = {part.split("**")[0]: part for part in text.split("\n**")[1:]}
    engines = {path.stem for path in (ROOT / "verify" / "engines").glob("*.py")} - {"__init__"}
    assert set(described) == engines
    assert [name for name, part in described.items() if "*Cannot:*" not in part] == []


def test_every_id_of_the_mathematics_is_a_statement():
    text = (ROOT / "docs" / "mathematics.md").read_text(encoding="utf-8")
    found = set(re.findall(r"(?<![\w.])((?:[A-Z]|\d|l1|max|m|depth|Alg|C\.3-note)\.[\w]+(?:\.errors)?)(?!\w)", text))
    known = {made.id for made in load()}
    assert len(found) > 40 and found - known == set()


def test_the_json_of_status_has_the_keys_that_the_reference_shows(verified, monkeypatch):
    monkeypatch.chdir(verified)
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    (shown,) = [json.loads(code) for language, code in blocks(text) if language == "json"]
    rows = json.loads(run("almostlinear status --json")[1])["statements"]
    row = next(row for row in rows if row["id"] == "D.9")
    assert list(shown) == list(row)
    assert set(shown["witness"]) == set(row["witness"])
    assert set(shown["claims"][0]) == set(row["claims"][0])
    assert set(shown["evidence"][0]) == set(row["evidence"][0])


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target.split("#")[0]).exists(), f"{page.name}: {target}"
