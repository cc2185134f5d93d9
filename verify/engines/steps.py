"""Bounds proved step by step: every step of a derivation has an algebraic certificate, which the stand-alone checker has accepted.

The derivation is that of `engines.norms`, or a bound of a statement that this one uses; its norm rules are those of `checker.RULES`. A
step that only solvers confirm is worth what their word is: `smt-unchecked`. Certificates are written by `certificates.collect`.
"""

from __future__ import annotations

from typing import Any

from almostlinear.theorems.norms import Norm
from almostlinear.theorems.statement import Bound

from .. import smt
from ..certificates import collect, write
from ..evidence import Evidence
from ..task import Task
from . import norms

ENGINE = "steps"


def examine(task: Task) -> Evidence | None:
    """``proved`` with the hash of the certificate file, ``enclosed`` on a solver's word, or None."""
    claim = task.claim
    if not isinstance(claim, Bound) or not _is_same_matrix(task, claim):
        return None
    found = collect.certified(task.statement, claim, task.used)
    if found is None:
        return _by_solver(task, claim)
    certificates = [c for c in found.document["certificates"] if "conclusion" in c]
    kinds = sorted({c["kind"] for c in found.document["certificates"]})
    detail: dict[str, Any] = {
        "certificate": write.file_name(task.statement.id, claim.part, claim.reading),
        "sha256": found.document["sha256"],
        "steps": len(certificates),
        "kinds": {kind: sum(c["kind"] == kind for c in found.document["certificates"]) for kind in kinds},
    }
    return task.found(
        ENGINE,
        "proved",
        "certificate",
        ("python-flint", "sympy"),
        tried=max(1, len(certificates)),
        relies_on=found.relies_on,
        detail=detail,
    )


def _is_same_matrix(task: Task, claim: Bound) -> bool:
    """Whether the matrix that the derivation is about is proved to be the claim's, for all sizes."""
    if claim.via is None or not isinstance(claim.left, Norm):
        return True
    return norms.same_matrix(task, claim.left.formula, claim.via)


def _by_solver(task: Task, claim: Bound) -> Evidence | None:
    """What solvers say where a step has no certificate: with their `unsat` for all such steps, the bound is enclosed."""
    for made, relies_on in collect.arguments(task.statement, claim, task.used):
        answers = collect.confirmed(made)
        if answers is not None:
            return task.found(
                ENGINE,
                "enclosed",
                "smt-unchecked",
                ("z3-solver",),
                tried=len(answers),
                relies_on=relies_on,
                detail={"unsat, not checked": answers, "rlimit": smt.RLIMIT},
            )
    return None
