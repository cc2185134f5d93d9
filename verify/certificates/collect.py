"""All certificates: of bounds that have a derivation, of small identities, of facts on boxes, and the solvers' second opinions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import sympy

from almostlinear.theorems.display import claim_plain
from almostlinear.theorems.norms import Norm
from almostlinear.theorems.statement import Bound, Identity, Statement
from almostlinear.theorems.weights import WeightsError

from .. import checker, smt
from ..engines import norms
from ..steps import Argument, CannotState, Step, argument, chained
from . import boxes, identities, write
from .points import refuted
from .search import search

Way = tuple[Argument, tuple[str, ...]]
"""An argument and the ids of the statements that it relies on."""


@dataclass(frozen=True)
class Certified:
    """A document that the checker has accepted, the steps in it and the statements that it relies on."""

    document: dict[str, Any]
    steps: tuple[Step, ...]
    relies_on: tuple[str, ...] = ()


def arguments(made: Statement, claim: Bound, used: Iterable[Statement] = ()) -> Iterator[Way]:
    """Ways to argue for a bound, the best first: its derivations, then a bound of a statement that it uses; none rests on itself."""
    plain = claim
    if claim.via is not None and isinstance(claim.left, Norm):
        plain = replace(claim, left=Norm(claim.left.norm, claim.via, "|via|"), via=None)
    try:
        for _, derivations in norms.all_derived(plain):
            errors = set().union(*(d.errors() for d in derivations))
            lemmas = tuple(sorted({lemma for error in errors for lemma in error.lemmas}))
            if made.id in lemmas:
                continue
            try:
                yield argument(_named(plain, errors), derivations), lemmas
            except CannotState:
                continue
    except ValueError:
        pass
    for other in used:
        for premise in other.claims:
            if isinstance(premise, Bound) and premise.left == claim.left:
                try:
                    yield chained(claim, other, premise), (other.id,)
                except CannotState:
                    continue


def _named(claim: Bound, errors: set[WeightsError]) -> Bound:
    """The claim with eps_1 by name wherever it stands.

    Raises:
        CannotState: if it does not assume what eps_1 needs.
    """
    if not all(error.needs is None or error.needs in claim.given for error in errors):
        raise CannotState("an error of attention weights is bounded under a hypothesis that the claim lacks")
    given = tuple(sympy.LessThan(norms.named(g.lts, errors), norms.named(g.gts, errors)) for g in claim.given)
    return replace(claim, left=norms.named(claim.left, errors), right=norms.named(claim.right, errors), given=given)


def certified(made: Statement, claim: Bound, used: Iterable[Statement] = ()) -> Certified | None:
    """The document of the first argument whose steps all have a certificate, checked; None if there is none."""
    for way, relies_on in arguments(made, claim, used):
        try:
            found = write.of_argument(
                name_of(made, claim), way, _same_matrix(claim), about=about(made, claim, relies_on)
            )
        except write.NotCertified:
            continue
        checker.check(found)
        return Certified(found, way.steps, relies_on)
    return None


def _same_matrix(claim: Bound) -> list[dict[str, Any]]:
    """Transcripts that the matrix of the derivation is that of the claim."""
    if claim.via is None or not isinstance(claim.left, Norm):
        return []
    name, left, right = "the same matrix", claim.left.formula, claim.via
    found = (identities.transcripts(claim, name) for claim in norms.general_forms(left, right))
    return next((made for made in found if made), [])


def of_identity(made: Statement, claim: Identity) -> dict[str, Any] | None:
    """The document of an identity, or None where the checker cannot evaluate it."""
    found = identities.transcripts(claim, "the two sides")
    return write.document(name_of(made, claim), found, about=about(made, claim)) if found else None


def confirmed(made: Argument) -> list[str] | None:
    """The steps without a certificate, if z3 answers `unsat` for the opposite of each; None if it does not, or there are none."""
    lacking = [step for step in made.steps if search(step) is None]
    for step in lacking:
        left, right = (side.strip() for side in step.conclusion.split("<="))
        query = smt.Query(step.variables, (*(h.text for h in step.hypotheses), f"{right} < {left}"))
        if refuted(step) or smt.shared("z3").ask(query).answer != "unsat":
            return None
    return [f"{step.name}: {step.conclusion}" for step in lacking] or None


def about(made: Statement, claim: Bound | Identity, relies_on: Sequence[str] = ()) -> dict[str, Any]:
    """What a document is about, for its reader."""
    where = {"statement": made.id, "part": claim.part, "reading": claim.reading, "claim": claim_plain(claim)}
    return {**where, "relies on": list(relies_on)}


def name_of(made: Statement, claim: Any) -> str:
    """The name of a claim's document."""
    return f"{made.id} {claim.part} ({claim.reading})"


# -- second opinions ---------------------------------------------------------------------------------------------------
def opinions(step: dict[str, Any], solver: smt.Solver) -> list[dict[str, Any]]:
    """Three answers on an inequality certificate: that its hypotheses can be met, that the twin fails, and that the step holds."""
    variables, hypotheses = tuple(step["variables"].items()), tuple(step["hypotheses"])
    left, right = (side.strip() for side in step["conclusion"].split("<="))
    twin = step["twin"]
    fixed = tuple((name, int(twin["point"][name])) for name, domain in variables if domain == "size")
    tightened = f"{twin['factor']}*({right}) - {twin['less']} < {left}"
    queries = {
        "hypotheses": smt.Query(variables, hypotheses, fixed),
        "twin": smt.Query(variables, (*hypotheses, tightened), fixed),
        "step": smt.Query(variables, (*hypotheses, f"{right} < {left}")),
    }
    return [
        smt.certificate(query, solver.ask(query), f"{what}: {step['conclusion']}") for what, query in queries.items()
    ]


def second_opinions(documents: Iterable[dict[str, Any]], solvers: Sequence[str] = smt.SOLVERS) -> dict[str, Any]:
    """One document with the solvers' answers on every distinct step of the others."""
    distinct = {(s["conclusion"], *s["hypotheses"]): s for d in documents for s in d["certificates"] if "twin" in s}
    found = []
    for name in solvers:
        with smt.Solver(name) as solver:
            found += [answer for step in distinct.values() for answer in opinions(step, solver)]
    return write.document("second opinions of solvers", found)


# -- files -------------------------------------------------------------------------------------------------------------
def write_all(
    folder: Path, statements: Iterable[Statement], solvers: Sequence[str] = smt.SOLVERS, with_boxes: bool = False
) -> list[Path]:
    """Write the certificates of all claims that have one, of the facts on boxes, and the second opinions; returns the files."""
    listed = list(statements)
    by_id = {s.id: s for s in listed}
    paths, documents = [], []
    for made in listed:
        for claim in made.claims:
            found: dict[str, Any] | None = None
            if isinstance(claim, Bound):
                done = certified(made, claim, [by_id[u] for u in made.uses if u in by_id])
                found = done.document if done is not None else None
            elif isinstance(claim, Identity):
                found = of_identity(made, claim)
            if found is not None:
                documents.append(found)
                paths.append(write.write(folder, write.file_name(made.id, claim.part, claim.reading), found))
    if with_boxes:
        paths.append(write.write(folder, boxes.FILE, boxes.document()))
    if solvers:
        paths.append(write.write(folder, "second-opinions.json", second_opinions(documents, solvers)))
    return paths
