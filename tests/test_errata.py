"""The errata: what a campaign found is listed in the order of the paper, in sentences, and given text stays text."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from almostlinear.cli import app
from almostlinear.reports import build
from almostlinear.reports.documents import Display, Heading, Math, Paragraph, Strong, latex, markdown
from almostlinear.reports.errata import Errata, errata, paper_order, to_json
from almostlinear.reports.pages import records
from almostlinear.reports.referee import witness_words, write
from almostlinear.theorems import Asymptotic, Bound, Identity, Within, d, load, maxnorm, n, published, repair
from almostlinear.theorems.asymptotics import NEGLIGIBLE, SUBROOT
from almostlinear.theorems.display import claim_latex, claim_plain
from almostlinear.theorems.notation import W, X
from almostlinear.theorems.registry import Registry
from almostlinear.verify import campaign
from almostlinear.verify.ledger import Ledger
from almostlinear.verify.status import statuses
from tests.helpers import scratch_registry

CHECKED = ("G.3", "D.1", "C.18")
runner = CliRunner()
GAP = "hypothesis of Z.0 not implied: |X W| in o(sqrt(log n)); known is poly(n), for instance |X W| = log(n)**2"


@pytest.fixture
def registry() -> Iterator[Registry]:
    with scratch_registry() as found:
        yield found


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real campaign over three refuted statements and their repairs."""
    path, registry = tmp_path_factory.mktemp("errata") / "ledger.sqlite", load()
    with Ledger(path) as opened:
        campaign.run(registry, opened, [registry[name + end] for name in CHECKED for end in ("", "r")])
    return path


@pytest.fixture(scope="module")
def campaign_rows(ledger: Path) -> list[dict[str, Any]]:
    with Ledger(ledger) as opened:
        return [s.to_json() for s in statuses(load(), opened)]


@pytest.fixture
def rows(campaign_rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return deepcopy(campaign_rows)


def entry(text: str, title: str, level: int = 3) -> str:
    """The part of a Markdown document under a heading."""
    found = re.search(rf"^{'#' * level} {title}.*?(?=^##|\Z)", text, re.S | re.M)
    assert found, f"no entry {title}"
    return found[0]


def ids_in_order(registry: Registry, names: tuple[str, ...]) -> list[str]:
    return [made.id for made in paper_order(s for s in registry if s.origin == "published") if made.id in names]


def ids(listed: list[Any]) -> list[str]:
    return [e.made.id for e in listed]


def invented(registry: Registry, name: str, verdict: str, **more: Any) -> dict[str, Any]:
    """A row for a statement, all of whose claims have one verdict."""
    made = registry[name]
    claims = [{"part": c.part, "reading": c.reading, "verdict": verdict, "argument": "ok"} for c in made.claims]
    return {
        "id": name, "title": made.title, "kind": made.kind, "origin": made.origin, "repairs": made.repairs, "uses": [],
        "source": made.source, "verdict": verdict, "stale": False, "basis": [], "tightness": None, "gap": [],
        "claims": claims, "witness": None, "evidence": [], **more,
    }  # fmt: skip


# -- a real campaign -----------------------------------------------------------------------------------------------------
def test_what_fails_is_listed_in_the_order_of_the_paper(rows: list[dict[str, Any]], registry: Registry) -> None:
    found = errata(rows, registry)
    assert ids(found.wrong) == ["C.18", "D.1", "G.3"]
    assert [e.label for e in found.wrong] == ["Lemma C.18", "Lemma D.1", "Lemma G.3"]
    assert set(ids(found.arguments)) >= {"C.19"}  # it relies on C.18
    text = write(found, "md")
    assert re.findall(r"^### (\S+ \S+):", text, re.M) == ["Lemma C.18", "Lemma D.1", "Lemma G.3"]
    assert "3 are false" in text and "Undecided so far: " in text


@pytest.mark.parametrize("name", CHECKED)
def test_an_entry_has_the_printed_and_the_true_formula_and_the_witness(
    rows: list[dict[str, Any]], registry: Registry, name: str
) -> None:
    found = errata(rows, registry)
    text, tex = entry(write(found, "md"), f"Lemma {name}"), write(found, "tex")
    wrong = next(e for e in found.wrong if e.made.id == name)
    (fixed, row), failing = wrong.repairs[0], wrong.failing()
    assert fixed.id == f"{name}r" and row["verdict"] == "proved" and f"True instead** ({name}r, proved)" in text
    for claim in (*registry[name].claims, *fixed.claims):
        shown = claim.part in failing or claim in fixed.claims
        assert (claim_plain(claim) in text) == shown
        assert (f"$\\displaystyle {claim_latex(claim)}$" in tex) == shown
    against = next(r for r in rows if r["id"] == name)["witness"]
    values = [against[side].replace("ln2", "ln 2") for side in ("claimed", "actual")]
    assert f"Printed: `{values[0]}`. True: `{values[1]}`." in text
    assert f"`n = {against['n']}`" in text and "`X = [" in text


def test_parts_that_hold_and_what_builds_on_it_are_named(rows: list[dict[str, Any]], registry: Registry) -> None:
    text = write(errata(rows, registry), "md")
    assert "Part “poly” holds (proved)." in entry(text, "Lemma C.18")
    built = {e.made.id: e.built_on_it for e in errata(rows, registry).wrong}
    assert [name for name, _ in built["C.18"]] == ids_in_order(registry, registry.descendants("C.18"))
    assert "No other published statement builds on it." not in entry(text, "Lemma D.1")
    for row in rows:
        row["verdict"] = "refuted" if row["id"] in ("D.1", "D.8") else "proved"
    text = entry(write(errata(rows, registry), "md"), "Lemma D.1")
    assert re.search(
        r"^Built on it, directly or not: .*\bD\.9\b.*; and D\.8, which does not hold as printed either\.$", text, re.M
    )


def test_names_that_a_lemma_introduces_are_written_out(rows: list[dict[str, Any]], registry: Registry) -> None:
    text = entry(write(errata(rows, registry), "md"), "Lemma D.1")
    assert "C_5 := f(i0,i0)·W_V(j1,j0)" in text
    assert "f := " not in text  # of a definition, which the reader knows
    found = errata([invented(registry, "D.8", "refuted")], registry)
    assert "\nB_6 := " in write(found, "md")  # of Lemma D.3


def test_a_part_fails_only_if_all_of_its_readings_do(registry: Registry) -> None:
    @published("Lemma Z.6", "Two parts in two readings")
    def z_6():
        pairs = (("a", X, X + X), ("b", W, W + W))
        return [Identity(left, right, part=p, reading=r) for p, left, right in pairs for r in ("one", "two")]

    row = invented(registry, "Z.6", "refuted")
    row["claims"][3]["verdict"] = "proved"
    (wrong,) = errata([row], registry).wrong
    assert list(wrong.failing()) == ["a"] and wrong.standing() == {"b": "proved"} and list(wrong.divided()) == ["b"]
    text = write(errata([row], registry), "md")
    assert "X = X + X" in text and "W = W + W" not in text and "Part “b” holds (proved)." in text
    assert "**Printed** (part “a”, read as “one” and “two”):" in text


def test_what_does_not_fail_is_not_listed(rows: list[dict[str, Any]], registry: Registry) -> None:
    for row in rows:
        row["gap"] = []
        if row["id"] == "G.3":
            row["verdict"] = "proved"
        if row["id"] == "D.1r":
            row["verdict"] = "refuted"  # a repair is no published statement
    found = errata(rows, registry)
    assert ids(found.wrong) == ["C.18", "D.1"] and not found.arguments
    assert "(D.1r, refuted)" in write(found, "md")
    nothing = errata([{**row, "verdict": "proved"} for row in rows], registry)
    text = write(nothing, "md")
    assert not nothing.wrong and "Statements that do not hold" not in text and "none are false" in text
    assert write(errata([], registry), "md").startswith("# Errata")


def test_misprints_and_readings(rows: list[dict[str, Any]], registry: Registry) -> None:
    rows = [row if row["id"] != "F.4" else invented(registry, "F.4", "proved") for row in rows]
    claims = next(row for row in rows if row["id"] == "F.4")["claims"]
    assert "F.4" not in ids(errata(rows, registry).misprints)
    claims[1]["verdict"] = "refuted"
    found = errata(rows, registry)
    assert ids(found.misprints)[0] == "C.2" and "F.4" in ids(found.misprints)
    text = write(found, "md")
    assert "misprint, U for U\\_2." in text
    right, wrong = claims[0]["reading"], claims[1]["reading"]
    assert f"holds if read as “{right}”, and fails if read as “{wrong}”." in text


# -- invented rows -------------------------------------------------------------------------------------------------------
def with_a_gap(registry: Registry, **more: Any) -> Errata:
    """Lemma Z.1 lacks a hypothesis; Z.1r adds it."""

    @published("Lemma Z.1", "A bound without its hypothesis", kind="norm-bound", hypotheses="X fits in O(log n) bits")
    def z_1():
        return [Bound(maxnorm(X), n, part="constant"), Asymptotic(maxnorm(X @ W), NEGLIGIBLE, part="eps/poly")]

    @repair("Z.1", "With it", kind="norm-bound", assumes=Within(maxnorm(X @ W), SUBROOT))
    def z_1r():
        return Bound(maxnorm(X @ W), d, part="eps/poly")

    row = invented(registry, "Z.1", "gap", gap=[GAP], **more)
    row["claims"][0]["verdict"] = "proved"
    return errata([row, invented(registry, "Z.1r", "proved")], registry)


def test_a_gap_names_the_missing_hypothesis_and_an_instance(registry: Registry) -> None:
    found = with_a_gap(registry)
    text, tex = write(found, "md"), write(found, "tex")
    assert "none are false, 1 does not follow, for want of a hypothesis or through what it uses" in text
    assert "**It does not follow: a hypothesis is missing.** Printed hypotheses: X fits in O(log n) bits." in text
    missing = GAP.replace("**", "^").replace("hypothesis", "Hypothesis", 1)
    assert f"**Missing:** {missing}." in text
    assert r"\textbf{Missing:} Hypothesis of Z.0 not implied: " in tex and r"log(n)\textsuperscript{2}" in tex
    assert "|X W| = 1/poly(n)" in text and "|X| ≤ n" not in text  # the part that holds is not printed as wrong
    assert "Part “constant” holds (proved)." in text and "Witness" not in text
    assert "**True instead** (Z.1r, proved), if |X W| in o(sqrt(log n)):" in text


def test_a_gap_of_the_argument_alone_is_in_the_second_list(registry: Registry) -> None:
    @published("Lemma Z.2", "True, badly argued")
    def z_2():
        return [Identity(X, X, part="1"), Bound(maxnorm(X), n, part="size", step=True)]

    against = {"n": 1, "d": 1, "inputs": {"X": [["2"]]}, "part": "size", "claimed": "1", "actual": "2"}
    record = {"part": "size", "strength": "refuted", "witness": against, "detail": {}}
    row = invented(registry, "Z.2", "proved", gap=["the printed argument relies on Z.1, which is refuted"])
    sound = errata([{**row, "gap": []}], registry)
    assert not sound.arguments and not sound.wrong
    row["claims"][1]["verdict"] = "refuted"
    row = {**row, "gap": [*row["gap"], "the printed step 'size' is refuted"], "evidence": [record]}
    found = errata([row], registry)
    assert not found.wrong and ids(found.arguments) == ["Z.2"]
    (item,) = re.findall(r"^- .*", write(found, "md"), re.M)
    assert item == (
        "- **Lemma Z.2** (True, badly argued): It holds (proved). The printed argument relies on Z.1, which is false. "
        "The printed step “size”, `|X| ≤ n`, fails: `n = 1`, `d = 1`, `X = 2`. Printed: `1`. True: `2`."
    )
    assert "1 is proved and none were tried without a counterexample; of the last two kinds, 1 has a gap" in write(
        found, "md"
    )


def test_ids_of_algorithms_keep_their_place(registry: Registry) -> None:
    for label in ("Lemma Z.10", "Lemma Z.2", "Algorithm Alg.9", "Theorem 9.1"):
        published(label, label)(lambda: Identity(X, X))
    made = [registry[name] for name in ("Z.10", "Z.2", "Alg.9", "9.1")]
    assert [s.id for s in paper_order(made)] == ["9.1", "Z.2", "Alg.9", "Z.10"]
    rows = [invented(registry, s.id, "refuted") for s in made]
    assert [e.label for e in errata(rows, registry).wrong] == ["Theorem 9.1", "Lemma Z.2", "Algorithm 9", "Lemma Z.10"]


def test_a_witness_is_told_in_words_never_as_raw_data() -> None:
    against = {
        "n": 4, "d": 2, "inputs": {"W": [["1", "0"], ["0", "-1/2"]], "X": [["1"], ["0"]], "V": [["1"]], "U": [["0"]]},
        "units": {"W": "ln2", "V": "ln2", "U": "ln2"}, "index": {"i0": 1}, "entry": [2, 1], "claimed": "1/2 - 1/3 ln2",
        "actual": "rank 4", "family": "all corners", "sizes": [{"n": 2, "rank": 2}], "B": [["4/5"], ["1/5"]],
    }  # fmt: skip
    text = markdown([Paragraph(tuple(witness_words(against)))])
    assert text == (
        "`n = 4`, `d = 2`, `X = [1; 0]`, `U = 0`, `V = ln 2`, `W = ln 2 [1 0; 0 -1/2]`; at `i0 = 1`; entry (2, 1). "
        "Printed: `1/2 - 1/3 ln 2`. True: rank 4. Family: all corners. Sizes: n = 2, rank = 2. B: `[4/5; 1/5]`.\n"
    )
    tex = latex([Paragraph(tuple(witness_words(against)))])
    assert r"$W = \ln 2\,\begin{pmatrix}1 & 0 \\ 0 & -\tfrac{1}{2}\end{pmatrix}$" in tex
    assert r"$\tfrac{1}{2} - \tfrac{1}{3} \ln 2$" in tex and "$i_0 = 1$" in tex
    large = markdown([Paragraph(tuple(witness_words({"inputs": {"X": [["7"] * 50] * 50}})))])
    assert large.count("7") == 49 and "…" in large


# -- the report ------------------------------------------------------------------------------------------------------------
def table_row(page: str, name: str) -> str:
    """The row of a statement in the errata tables of the page, empty if it has none."""
    tables = re.findall(r'<table class="errata">.*?</table>', page, re.S)
    found = re.findall(r"<tr>.*?</tr>", "".join(tables), re.S)
    return next((r for r in found if f'href="statements/{name}.html"' in r.split("</th>")[0]), "")


def errata_page(rows: list[dict[str, Any]], registry: Registry, out: Path) -> str:
    return build(rows, registry, out, {}).with_name("errata.html").read_text(encoding="utf-8")


def test_the_report_shows_what_a_gap_lacks(registry: Registry, tmp_path: Path) -> None:
    (gap,) = with_a_gap(registry).wrong
    rows = [gap.row, *(row for _, row in gap.repairs)]
    page = errata_page(rows, registry, tmp_path)
    row = re.sub(r"<[^>]+>", "", table_row(page, "Z.1"))
    assert "Hypothesis of Z.0 not implied: |X W| in o(sqrt(log n)); known is poly(n)" in row
    assert "for instance |X W| = log(n)2" in row and "none recorded" not in row  # the power is a superscript
    assert 'href="statements/Z.1r.html"' in table_row(page, "Z.1")
    for verdict in ("refuted", "proved"):
        shown = errata_page([{**gap.row, "verdict": verdict}], registry, tmp_path)
        row = table_row(shown, "Z.1")
        assert bool(row) == (verdict == "refuted") and "not implied" not in row
        assert not row or ("none recorded" in row and "no repair yet" in row)


def test_a_repair_whose_parts_have_other_names_is_shown_whole(registry: Registry, tmp_path: Path) -> None:
    @published("Lemma Z.4", "Two parts", kind="norm-bound")
    def z_4():
        return [Bound(maxnorm(X), n, part="a"), Bound(maxnorm(X), d, part="b"), Bound(maxnorm(W), n, part="c")]

    @repair("Z.4", "True", kind="norm-bound")
    def z_4r():
        return [Bound(maxnorm(X), n + 7, part="a"), Bound(maxnorm(X), n + 8, part="other")]

    rows = [invented(registry, "Z.4", "refuted"), invented(registry, "Z.4r", "proved")]
    for broken, whole in (("a", False), ("ab", True)):
        for claim in rows[0]["claims"]:
            claim["verdict"] = "refuted" if claim["part"] in broken else "proved"
        text = entry(write(errata(rows, registry), "md"), "Lemma Z.4")
        page = errata_page(rows, registry, tmp_path)
        assert "|X| ≤ n + 7" in text and "<mn>7</mn>" in table_row(page, "Z.4")
        assert ("|X| ≤ n + 8" in text) == ("<mn>8</mn>" in table_row(page, "Z.4")) == whole


def test_a_formula_that_fills_a_page_is_not_printed(registry: Registry) -> None:
    @published("Lemma Z.5", "Short")
    def z_5():
        return Identity(X, X)

    @repair("Z.5", "Long")
    def z_5r():
        long = X
        for _ in range(200):
            long = long + X @ W
        return [Identity(X, long, part="long"), Identity(X, X @ W, part="short")]

    text = write(errata([invented(registry, "Z.5", "refuted"), invented(registry, "Z.5r", "proved")], registry), "md")
    assert "X = X W\n" in text and max(map(len, text.splitlines())) < 800
    assert "Too long for here is part “long”; almostlinear show Z.5r has it." in text


def test_figures_of_a_witness_are_words_on_the_page() -> None:
    assert records.in_words([{"n": 2, "rank": 2}, {"n": 4, "rank": 4}]) == "n = 2, rank = 2; n = 4, rank = 4"
    assert records.in_words([["4/5", "1/5"], ["1/5", "4/5"]]) == "4/5, 1/5; 1/5, 4/5"
    shown = records.witness({"claimed": "width n^{o(1)} <b>", "actual": "1/2 - ln2"})
    assert shown and shown["claimed"] == "width n<sup>o(1)</sup> &lt;b&gt;"
    assert shown["actual"].startswith("<math") and "<mfrac>" in shown["actual"]


# -- what is given stays text ----------------------------------------------------------------------------------------------
HOSTILE = "<b>a</b> \\input{/etc/passwd} $x$ %c #1 & _y_ ^z ~ [l](u) `code` ```\n# head\u202e 中 ** |q|"


def faults(tex: str) -> list[str]:
    """Braces and environments that do not match, and characters that LaTeX would take for its own where they stand."""
    found, modes, environments = [], [False], []  # a mode for every open brace: whether it is mathematics
    before = ""
    for token in re.findall(
        r"\\(?:begin|end)\{\w+\*?\}|\\[A-Za-z@]+\*?|\\.|.", tex[tex.index("\\begin{document}") :], re.S
    ):
        if token.startswith("\\begin{"):
            environments.append(token[7:-1])
        elif token.startswith("\\end{"):
            found += [token] * (not environments or environments.pop() != token[5:-1])
        elif token == "$":
            modes[-1] = not modes[-1]
        elif token == "{":
            modes.append(before == "\\ensuremath" or (modes[-1] and before not in ("\\text", "\\mbox")))
        elif token == "}":
            found += ["brace"] * (len(modes) == 1)
            modes = modes[:-1] or [False]
        elif (
            token in ("%", "#") or (token in ("_", "^", "&") and not modes[-1]) or not (token.isascii() or token <= "ÿ")
        ):
            found.append(token)
        before = token
    return [*found, *environments, *["open"] * (modes != [False])]


def test_the_check_of_latex_can_fail() -> None:
    around = "\\begin{document}\n%s\n\\end{document}"
    assert not faults(around % "a $x_1^2$ \\_ \\{ \\ensuremath{A_{\\text{b}}} \\textbf{b}")
    for text in ("}", "{", "a_b", "50%", "$x", "\\begin{quote}", "中", "a & b", "\\ensuremath{\\text{a_b}}", "#1"):
        assert faults(around.replace("%s", text)), text


@pytest.mark.parametrize("gap", [False, True])
def test_hostile_text_stays_text(registry: Registry, gap: bool) -> None:
    against = {
        "n": 1, "inputs": {HOSTILE: [[HOSTILE, "1"]], "X": HOSTILE}, "units": {HOSTILE: HOSTILE}, "claimed": HOSTILE,
        "part": "1", "actual": HOSTILE, HOSTILE: {"a": HOSTILE}, "index": {HOSTILE: HOSTILE}, "entry": [HOSTILE],
    }  # fmt: skip

    @published("Lemma Z.3", HOSTILE, hypotheses=HOSTILE, notes=HOSTILE)
    def z_3():
        return Identity(X, X, reading=HOSTILE, typo=HOSTILE)

    verdict = "gap" if gap else "refuted"
    row = invented(registry, "Z.3", verdict, gap=[HOSTILE], witness=against)
    row["evidence"] = [{"part": "1", "strength": "open", "detail": {"suggested": HOSTILE}}]
    found = errata([row], registry)
    tex, text = write(found, "tex"), write(found, "md")
    assert not faults(tex) and "\\input" not in tex and r"\textbackslash{}input" in tex and "[U+4E2D]" in tex
    outside = re.sub(
        r"\\[^\w\s]|(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", text, flags=re.S
    )  # of code, and without what is escaped
    assert not re.search(r"[<$&`\[]", outside) and "\u202e" not in text + tex
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert len(headings) == 4  # the title, a section, the entry, misprints


def test_documents() -> None:
    blocks = [
        Heading(1, "A_b"), Paragraph(("1. no list, ", Strong("x*y"), " W_Q^T <= n^{1+o(1)}",)),
        Display((Math("a   b`c", "a"), Math("b", "b"))), Paragraph(("one",), item=True), Paragraph(("two",), item=True),
    ]  # fmt: skip
    assert markdown(blocks) == (
        "# A\\_b\n\n1\\. no list, **x\\*y** W\\_Q^T ≤ n^\\{1+o(1)\\}\n\n```text\na   b`c\nb\n```\n\n- one\n- two\n"
    )
    tex = latex(blocks)
    assert r"\section*{\LARGE \ensuremath{A_{\text{b}}}}" in tex
    assert (
        r"\ensuremath{W_{\text{Q}}}\textsuperscript{\ensuremath{\top}} \ensuremath{\le} n\textsuperscript{1+o(1)}"
        in tex
    )
    assert "$\\displaystyle a$\n\n$\\displaystyle b$" in tex
    assert "\\begin{itemize}\n\\item one\n\\item two\n\\end{itemize}" in tex and not faults(tex)


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex here")
def test_the_article_compiles(rows: list[dict[str, Any]], registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "errata.tex").write_text(write(errata(rows, registry), "tex"), encoding="utf-8")
    (tmp_path / "wrong.tex").write_text("\\documentclass{article}\\begin{document}$x\\end{document}")
    for name, code in (("errata", 0), ("wrong", 1)):
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", f"{name}.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)
        assert done.returncode == code, done.stdout.decode(errors="replace")[-2000:]


# -- the command ---------------------------------------------------------------------------------------------------------
def run(*arguments: Any) -> Any:
    return runner.invoke(app, ["errata", *map(str, arguments)])


def test_the_command(ledger: Path, rows: list[dict[str, Any]], registry: Registry) -> None:
    found = run("--ledger", ledger)
    assert found.exit_code == 0 and found.stderr == ""
    assert found.stdout.startswith("# Errata for arXiv:2408.13233v2\n") and "### Lemma G.3" in found.stdout
    tex = run("--ledger", ledger, "--format", "tex")
    assert tex.exit_code == 0 and tex.stdout.startswith("\\documentclass") and not faults(tex.stdout)
    assert "{'" not in found.stdout + tex.stdout and "': " not in found.stdout + tex.stdout
    data = json.loads(run("--ledger", ledger, "--json").stdout)
    assert set(data) == {"schema", "wrong", "arguments", "misprints"} and data["schema"] == 1
    assert [e["id"] for e in data["wrong"]] == ["C.18", "D.1", "G.3"]
    first = data["wrong"][0]
    assert first["repairs"][0]["true"][0]["plain"] == "|h| ≤ d |X| |W_V|"
    assert first["printed"][0]["plain"] == "|h| ≤ n |X| |W_V|" and first["witnesses"]["1"]["actual"] == "2"
    assert {k: v for k, v in data.items() if k != "schema"} == json.loads(json.dumps(to_json(errata(rows, registry))))


def test_bad_input_is_one_message(ledger: Path, tmp_path: Path) -> None:
    for arguments in (("--format", "pdf", "--ledger", ledger), ("--ledger", tmp_path / "none.sqlite")):
        found = run(*arguments)
        assert found.exit_code == 2 and found.stdout == ""
        assert found.stderr.startswith("almostlinear: ") and found.stderr.count("\n") == 1
