"""Two corpora of small statements, one for each slip or fact: every false one is refuted, no true one is.

A file is a plugin as a user would write it. No two statements are made from one template: with names erased, they differ.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from almostlinear.theorems.claims import Bound, Cost
from almostlinear.theorems.formula import Formula
from almostlinear.theorems.norms import Norm
from almostlinear.theorems.plugins import load_plugin
from almostlinear.verify.campaign import run
from almostlinear.verify.ledger import Ledger
from almostlinear.verify.replay import replay
from almostlinear.verify.status import statuses
from tests.helpers import scratch_registry

CORPORA = Path(__file__).parent / "corpora"
FILES = {kind: sorted((CORPORA / kind).glob("*.py")) for kind in ("false", "true")}
LEAST = 100
NOT_REFUTED = ("proved", "enclosed", "proved-at-size", "searched")


def judged(file):
    """The statements of a file with their statuses, and the registry that has them."""
    with scratch_registry() as registry:
        made = load_plugin(str(file))
        with Ledger(None) as ledger:
            progress = run(registry, ledger, made)
            assert not progress.errors, progress.errors
            ids = {s.id for s in made}
            return [s for s in statuses(registry, ledger) if s.statement.id in ids]


@pytest.mark.parametrize("file", FILES["false"], ids=lambda file: file.stem)
def test_every_false_statement_is_refuted(file):
    found = {s.statement.id: s.verdict for s in judged(file)}
    assert len(found) >= 15
    assert not {name: verdict for name, verdict in found.items() if verdict != "refuted"}


@pytest.mark.parametrize("file", FILES["true"], ids=lambda file: file.stem)
def test_no_true_statement_is_refuted(file):
    found = {s.statement.id: s.verdict for s in judged(file)}
    assert len(found) >= 15
    assert not {name: verdict for name, verdict in found.items() if verdict not in NOT_REFUTED}


# -- the corpora themselves --------------------------------------------------------------------------------------------
def skeleton(formula: Formula, names: dict[str, int]) -> str:
    """Operations and shapes, with names and numbers replaced by their order of appearance."""
    if formula.op == "symbol":
        return f"s{names.setdefault(formula.data[0], len(names))}:{formula.shape}"
    return f"{formula.op}({','.join(skeleton(a, names) for a in formula.args)})"


def template(claim) -> str:
    """What is left of a claim without the names of its matrices."""
    names: dict[str, int] = {}
    parts = [type(claim).__name__, *(skeleton(f, names) for f in claim.formulas())]
    if isinstance(claim, Bound):
        for side in (claim.left, claim.right):
            bare = {x: type(x)(x.norm, x.formula, x.norm) for x in side.atoms(Norm)}
            parts.append(str(side.xreplace(bare)))
    else:
        parts += [str(getattr(claim, name, "")) for name in ("at_most", "width", "where", "expression", "growth")]
        parts += [str(claim.constant)] if isinstance(claim, Cost) else []
    return "|".join(parts)


@pytest.mark.parametrize("kind", FILES)
def test_a_corpus_is_large_and_no_two_are_of_one_template(kind):
    with scratch_registry():
        made = [s for file in FILES[kind] for s in load_plugin(str(file))]
    assert len(made) >= LEAST
    assert all(s.id.startswith(f"{kind}.") for s in made)
    assert {s.id.split(".")[1] for s in made} >= set("CDEFGHIJKTS")
    assert len({s.title for s in made}) == len(made)
    repeated = [t for t, times in Counter(template(c) for s in made for c in s.claims).items() if times > 1]
    assert not repeated


def test_a_true_statement_among_the_false_ones_is_noticed(tmp_path):
    """The negative control of both tests: each corpus, judged as the other one, fails."""
    text = (
        "from almostlinear.theorems import Identity, n, statement, symbol\n"
        "A = symbol('A', n, n)\n"
        "@statement('control.1', 'true')\ndef yes():\n    return Identity((A @ A).T, A.T @ A.T)\n"
        "@statement('control.2', 'false')\ndef no():\n    return Identity((A @ A).T, A @ A)\n"
    )
    (tmp_path / "control.py").write_text(text)
    found = {s.statement.id: s for s in judged(tmp_path / "control.py")}
    assert found["control.1"].verdict == "proved" and found["control.2"].verdict == "refuted"


def test_witnesses_of_the_corpus_are_small_and_replay():
    with scratch_registry() as registry:
        made = load_plugin(str(CORPORA / "false" / "attention.py"))
        with Ledger(None) as ledger:
            run(registry, ledger, made)
            found = [s for s in statuses(registry, ledger) if s.statement in made]
        for status in found:
            witness = {k: v for k, v in status.witness.items() if k != "file"}
            assert max(v for k, v in witness.items() if isinstance(v, int) and k != "schema") <= 4, status.statement.id
            assert replay(witness, registry).agrees, status.statement.id
