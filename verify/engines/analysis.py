"""Bounds of analysis proved for all sizes: steps of exact algebra that are read off the claim's own expressions.

The ways are those of `analysis_numbers`, `analysis_facts`, `analysis_rows` and `analysis_centred`. The basis is "exact" where identities
suffice and "certificate" where nonnegativity was shown by a factored polynomial; what is trusted in words is listed under "argument" in
the evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from almostlinear.theorems.statement import Bound

from .. import analysis_centred, analysis_facts, analysis_numbers, analysis_rows
from ..analysis import NotProved, Proof
from ..evidence import Evidence
from ..task import Task

ENGINE = "analysis"
WAYS: tuple[Callable[[Bound], Proof], ...] = (
    analysis_numbers.scalar,
    analysis_numbers.quotients,
    analysis_rows.relative,
    analysis_facts.entrywise,
    analysis_facts.degree,
    analysis_facts.tail,
    analysis_facts.alternation,
    analysis_facts.chebyshev,
    analysis_rows.softmax,
    analysis_rows.oscillation,
    analysis_rows.rows,
    analysis_centred.row_sums,
    analysis_centred.moved_rows,
    analysis_centred.centred,
)


def prove(claim: Bound) -> tuple[str, Proof] | None:
    """The name of the first way that proves a claim, and the executed steps."""
    for way in WAYS:
        try:
            proof = way(claim)
        except NotProved:
            continue
        if proof.is_checked:
            return way.__name__, proof
    return None


def examine(task: Task) -> Evidence | None:
    """Proof for all sizes, or None."""
    claim = task.claim
    if not isinstance(claim, Bound):
        return None
    found = prove(claim)
    if found is None:
        return None
    way, proof = found
    detail = {"way": way, **proof.detail()}
    return task.found(ENGINE, "proved", proof.basis, ("sympy", "python-flint"), tried=1, detail=detail)


def trusted(records: Iterable[Evidence]) -> dict[str, Any]:
    """What the proofs among the records trust in words, with the claims that do, as a table of the report."""
    resting: dict[str, list[str]] = {}
    for record in records:
        for words in record.detail.get("argument", ()) if record.engine == ENGINE else ():
            claims = resting.setdefault(words, [])
            name = f"{record.statement} {record.part}"
            if name not in claims:
                claims.append(name)
    rows = [{"trusted": words, "claims": ", ".join(claims)} for words, claims in resting.items()]
    note = "standard facts that no machine checks in these proofs; what Coq compiled rests on none of them"
    return {"title": "Trusted in words", "note": note, "rows": rows}
