"""Cells: the smallest pieces of an experiment. Each is run from its parameters alone and its result is kept under their hash, so that a run
that was cut off goes on where it stopped.

    .almostlinear/experiments/NAME/KEY.json    one cell: schema, key, experiment, name, parameters, found, seconds, machine
    experiments/results/NAME.PROFILE.json      all cells of a profile that have been run, the names of those that have not, and the targets
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Target, machine

SCHEMA = 1
DIGITS = 7
PROFILES = ("quick", "full")
ADAPTIVE = 1
"""Revision of cells with adaptive attention."""
STORE = Path(".almostlinear") / "experiments"
RESULTS = Path(__file__).parent / "results"
Found = dict[str, Any]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Cell:
    """One run: ``name`` for people; ``parameters`` decide everything that ``found`` depends on; ``quick`` cells are in both profiles;
    ``revision`` grows when the method that this cell alone runs changes what is found.
    """

    name: str
    parameters: dict[str, Any]
    quick: bool = False
    revision: int = 0


@dataclass(frozen=True)
class Experiment:
    """A table of cells, how one is run, and what all of them have to show.

    ``version`` grows when ``run`` changes what it finds; ``figures`` names the numbers of a cell that do not depend on the machine, by
    which profiles are compared; ``targets`` are made from records {name, parameters, found}.
    """

    name: str
    question: str
    version: int
    cells: Callable[[], Sequence[Cell]]
    run: Callable[[dict[str, Any], Say], Found]
    figures: Callable[[Found], dict[str, float]]
    targets: Callable[[list[Found]], list[Target]]

    def of(self, profile: str) -> list[Cell]:
        """The cells of a profile, the quick ones first."""
        listed = list(self.cells())
        return [c for c in listed if c.quick] + [c for c in listed if not c.quick and profile == "full"]

    def key(self, cell: Cell) -> str:
        """The hash under which a cell is kept."""
        content = {"experiment": self.name, "version": self.version, "parameters": cell.parameters}
        content |= {"revision": cell.revision} if cell.revision else {}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:20]


def rounded(value: Any) -> Any:
    """Plain data with DIGITS digits of each float; what is not finite as a string."""
    if isinstance(value, dict):
        return {str(k): rounded(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else str(value)
    return value


def number(value: Any) -> float:
    """A float that was written down, the infinite ones too; NaN for None."""
    return math.nan if value is None else float(value)


@dataclass(frozen=True)
class Store:
    """Where cells are kept."""

    folder: Path = STORE

    def load(self, experiment: Experiment, cell: Cell) -> Found | None:
        """The record of a cell that has been run; None for what is missing, damaged or of other parameters."""
        try:
            record = json.loads(self._path(experiment, cell).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        good = (
            isinstance(record, dict) and record.get("schema") == SCHEMA and record.get("parameters") == cell.parameters
        )
        return record if good else None

    def keep(self, experiment: Experiment, cell: Cell, found: Found, seconds: float) -> Found:
        """Write the record, whole or not at all."""
        record = {
            "schema": SCHEMA, "key": experiment.key(cell), "experiment": experiment.name, "name": cell.name,
            "parameters": cell.parameters, "found": rounded(found), "seconds": round(seconds, 2), "machine": machine(),
        }  # fmt: skip
        path = self._path(experiment, cell)
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = path.with_suffix(f".{os.getpid()}.part")
        begun.write_text(json.dumps(record, allow_nan=False), encoding="utf-8")
        begun.replace(path)
        return record

    def _path(self, experiment: Experiment, cell: Cell) -> Path:
        return self.folder / experiment.name / f"{experiment.key(cell)}.json"


def collected(experiment: Experiment, profile: str, store: Store) -> Found:
    """The result of a profile from the cells that have been run."""
    cells = experiment.of(profile)
    found = {cell.name: record for cell in cells if (record := store.load(experiment, cell)) is not None}
    records = [{k: r[k] for k in ("key", "name", "parameters", "found", "seconds")} for r in found.values()]
    targets = experiment.targets(records) if records else []
    return {
        "schema": SCHEMA, "name": experiment.name, "profile": profile, "question": experiment.question, "version": experiment.version,
        "machine": next((r["machine"] for r in found.values()), None), "seconds": round(sum(r["seconds"] for r in records), 1),
        "cells": records, "not_run": [c.name for c in cells if c.name not in found],
        "targets": [rounded({**asdict(t), "met": t.met}) for t in targets],
    }  # fmt: skip


def write(result: Found, folder: Path = RESULTS) -> Path:
    """NAME.PROFILE.json, one line a cell."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result['name']}.{result['profile']}.json"
    head = {k: v for k, v in result.items() if k != "cells"}
    lines = ",\n  ".join(json.dumps(cell, allow_nan=False) for cell in result["cells"])
    text = json.dumps(head, indent=1, allow_nan=False)[:-2] + f',\n "cells": [\n  {lines}\n ]\n}}\n'
    path.write_text(text, encoding="utf-8")
    return path


def read(name: str, profile: str, folder: Path = RESULTS) -> Found | None:
    """A result that was written, or None. Raises ValueError for one of another schema."""
    path = folder / f"{name}.{profile}.json"
    if not path.exists():
        return None
    result: Found = json.loads(path.read_text(encoding="utf-8"))
    if result.get("schema") != SCHEMA:
        raise ValueError(
            f"{path.name} has schema {result.get('schema')}, but {SCHEMA} is read here: run the experiment again"
        )
    return result
