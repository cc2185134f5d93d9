"""Writes certificates: documents with a hash, one file for each claim."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .. import checker
from ..steps import Argument, Step, reason, without
from .points import text_of, witness_and_twin
from .search import search

Certificate = dict[str, Any]


class NotCertified(ValueError):
    """A step for which no certificate, no point or no twin was found; the message names it."""


def certificate(step: Step) -> Certificate:
    """The certificate of a step, with its witness and its twin.

    Raises:
        NotCertified: if one of the three is not found.
    """
    found = search(step)
    if found is None:
        raise NotCertified(f"step {step.name} ({step.says}): no certificate of {step.conclusion}")
    used = sorted({k for _, listed in found.terms for k in listed})
    step = without(step, set(range(len(step.hypotheses))) - set(used))
    place = {k: i for i, k in enumerate(used)}
    points = witness_and_twin(step)
    if points is None:
        raise NotCertified(f"step {step.name} ({step.says}): no point refutes a tightened {step.conclusion}")
    witness, twin = points
    made: Certificate = {
        "kind": found.kind,
        "step": step.name,
        "says": step.says,
        "variables": dict(step.variables),
        "hypotheses": [h.text for h in step.hypotheses],
        "because": [reason(h) for h in step.hypotheses],
        "conclusion": step.conclusion,
        "witness": text_of(witness),
        "twin": {"factor": twin.factor, "less": twin.less, "point": text_of(twin.point)},
    }
    if found.kind == "handelman":
        made["terms"] = [[m, [place[k] for k in listed]] for m, listed in found.terms]
    return made


def document(name: str, certificates: Iterable[Certificate], **context: Any) -> dict[str, Any]:
    """A document with its hash."""
    made = {"schema": checker.SCHEMA, "name": name, **context, "certificates": list(certificates)}
    return {**made, "sha256": checker.content_hash(made)}


def of_argument(
    name: str, argument: Argument, transcripts: Iterable[Certificate] = (), **context: Any
) -> dict[str, Any]:
    """The document of the steps of a claim, with transcripts of identities about the same nodes.

    Raises:
        NotCertified: at the first step without a certificate.
    """
    certificates = [*transcripts, *(certificate(step) for step in argument.steps)]
    return document(name, certificates, **context, **argument.context())


def file_name(*name: str) -> str:
    """A file name of a claim: the statement and a label of the part and reading."""
    statement, *rest = name
    label = hashlib.sha256("|".join(rest).encode()).hexdigest()[:6]
    return f"{re.sub(r'[^A-Za-z0-9.-]+', '_', statement)}-{label}.json"


def write(folder: Path, file: str, made: dict[str, Any]) -> Path:
    """Write a document; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file
    path.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return path
