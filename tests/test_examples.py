"""The example lemmas: short files, and each gets the verdict that its first line expects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from almostlinear.theorems.plugins import load_plugin
from almostlinear.verify import check
from tests.helpers import scratch_registry

FILES = sorted((Path(__file__).resolve().parents[1] / "examples").glob("*.py"))


def expected(path: Path) -> str:
    found = re.search(r'"""[^"]* Expected: ([a-z-]+)\."""', path.read_text(encoding="utf-8"))
    assert found is not None, f"{path.name}: its docstring names no expected verdict"
    return found[1]


def test_half_of_ten_are_false_and_two_are_of_each_kind():
    assert len(FILES) == 10 and sum(expected(path) == "proved" for path in FILES) == 5
    kinds = [path.stem.split("_")[0] for path in FILES]
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(
        ("bound", "cost", "growth", "identity", "rank"), 2
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_has_its_verdict(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 25
    with scratch_registry():
        (made,) = load_plugin(str(path))
        found = check(made)
    assert found.verdict == expected(path)
    assert (found.witness is not None) == (found.verdict == "refuted")
