"""The verdict on a mutant: the engines examine it as a campaign examines a claim, in worker processes with a time limit each."""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import TimeoutError as OutOfTime
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import sympy
from pebble import ProcessExpired, ProcessPool

from almostlinear.theorems.asymptotics import Growth
from almostlinear.theorems.claims import Asymptotic, Bound, Claim, Cost, Identity, Rank
from almostlinear.theorems.formula import ShapeError
from almostlinear.theorems.registry import Registry
from almostlinear.theorems.statement import StatementError

from ..campaign import CannotExamine, examine
from ..engines import adversary, witness
from ..engines.enclosure import Violated
from ..engines.norms import certificate
from ..evidence import GAP, REFUTED, Evidence
from ..task import PROFILES, Task
from ..workers import AHEAD, prepare
from .claims import LOST, Mutant
from .implied import OUTRIGHT, implied
from .population import is_proved

KILLED = (REFUTED, GAP)
TRUE = "proved"
SURVIVED = "survived"
REFUSED = "refused"
HUNT = "ci"
"""The profile whose adversaries hunt the bounds that stand once more."""


@dataclass(frozen=True)
class Judgement:
    """What became of a mutant.

    Attributes:
        verdict: "refuted" or "gap" (killed), "proved" (no mistake: ``why`` says whether it is equivalent or another truth), "survived",
            or "refused" where the statement cannot be written.
        engine: whose word that is.
        seconds: processor time.
        detail: sizes of the witness, or what the survivor reached.
    """

    of: str
    part: str
    reading: str
    kind: str
    operator: str
    place: str
    digest: str
    verdict: str
    engine: str
    seconds: float
    why: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def killed(self) -> bool:
        return self.verdict in KILLED

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(mutant: Mutant, registry: Registry, profile: str = "quick", seed: int = 0) -> Judgement:
    """Examine one mutant in this process; a refutation or gap ends it."""
    begun = time.process_time()
    made = registry[mutant.of]
    used = tuple(registry[name] for name in made.uses if name in registry)
    true = next(c for c in made.claims if (c.part, c.reading) == (mutant.part, mutant.reading))
    try:
        whole, claim = mutant.within(made)
    except (ShapeError, StatementError) as error:
        return _made(mutant, REFUSED, "", 0.0, str(error), {})
    task = Task(whole, claim, "", PROFILES[profile], seed, used=used)
    strongest: tuple[str, str, dict[str, Any]] = ("open", "", {})
    verdict, why = SURVIVED, ""
    try:
        for record in examine(task):
            if record.strength in KILLED:
                shown = record.witness or {}
                sizes = {k: v for k, v in shown.items() if isinstance(v, int) and k != "schema"}
                strongest, verdict = (record.strength, record.engine, {"sizes": sizes}), record.strength
                break
            if record.strength == "proved" and verdict != TRUE:
                strongest, verdict = ("proved", record.engine, {}), TRUE
                why = relation(true, claim, mutant.operator)
            elif verdict != TRUE and record.strength != "stated":
                detail = {"tightness": record.detail["tightness"]["best"]} if "tightness" in record.detail else {}
                strongest = (record.strength, record.engine, detail)
    except (CannotExamine, NotImplementedError, KeyError, ValueError, ArithmeticError) as error:
        strongest = ("cannot be examined", type(error).__name__, {"error": str(error)[:200]})
    if verdict == SURVIVED and isinstance(true, Bound) and isinstance(claim, Bound):
        why = implied(replace(task, claim=true), claim)
        if why and (why.startswith(OUTRIGHT) or is_proved(true, made)):
            strongest, verdict = (TRUE, "implied", {}), TRUE
    if verdict == SURVIVED and isinstance(claim, Bound):
        hunted = _hunted(replace(task, profile=PROFILES[HUNT]))
        if hunted is not None:
            strongest, verdict = (REFUTED, hunted.engine, {"sizes": hunted.detail.get("sizes", {})}), REFUTED
    reached, engine, detail = strongest
    if verdict == SURVIVED:
        found = f"{reached} by {engine}" if engine else reached
        why = f"{found}; {why}" if why else found
    return _made(mutant, verdict, engine, time.process_time() - begun, why, detail)


def _hunted(task: Task) -> Evidence | None:
    """A refutation by the adversaries with the effort of HUNT, of a bound that the profile's own did not break."""
    try:
        adversary.examine(task)
    except Violated as violated:
        return witness.of_violation(task, violated.problem)
    except (NotImplementedError, KeyError, ValueError, ArithmeticError):
        return None
    return None


def _made(mutant: Mutant, verdict: str, engine: str, seconds: float, why: str, detail: dict[str, Any]) -> Judgement:
    fields = (mutant.of, mutant.part, mutant.reading, mutant.kind, mutant.operator, mutant.place, mutant.digest)
    return Judgement(*fields, verdict, engine, round(seconds, 3), why, detail)


# -- what a proved mutant is ------------------------------------------------------------------------------------------
def relation(true: Claim, new: Claim, operator: str) -> str:
    """How a mutant that was proved stands to the true claim: equivalent, weaker, stronger, or another truth."""
    if operator == LOST:
        return "stronger and true: the hypothesis is not needed"
    if isinstance(true, Identity) and isinstance(new, Identity):
        same = new.where == true.where and (new.left is true.left or new.right is true.right)
        return "equivalent: both sides are proved equal to the common one" if same else "another true identity"
    if isinstance(true, Asymptotic) and isinstance(new, Asymptotic):
        return "stronger and true: the class is not the smallest"
    limits = _limits(true), _limits(new)
    if None in limits or not _same_subject(true, new):
        return "another true claim"
    old, now = limits
    if isinstance(old, Growth) or isinstance(now, Growth):
        return "stronger and true: the class is not the smallest"
    weaker, stronger = _at_most(old, now), _at_most(now, old)
    if weaker and stronger:
        return "equivalent: the same bound"
    if weaker:
        return "weaker and true"
    return "stronger and true: the bound has slack" if stronger else "another true bound"


def _limits(claim: Claim) -> Any:
    if isinstance(claim, Bound):
        return claim.right
    return claim.at_most if isinstance(claim, (Rank, Cost)) else None


def _same_subject(true: Claim, new: Claim) -> bool:
    if isinstance(true, Bound) and isinstance(new, Bound):
        return bool(true.left == new.left and true.given == new.given)
    return true.formulas() == new.formulas()


def _at_most(left: sympy.Expr, right: sympy.Expr) -> bool:
    try:
        return certificate(left, right) is not None
    except (ValueError, sympy.PolynomialError):
        return False


# -- many ------------------------------------------------------------------------------------------------------------------
def _work(mutant: Mutant, profile: str, seed: int) -> Judgement:
    return judge(mutant, prepare(), profile, seed)


def judge_all(
    mutants: Iterable[Mutant], *, workers: int = 2, limit: float = 60.0, profile: str = "quick", seed: int = 0
) -> Iterator[Judgement]:
    """The judgements in the order of the mutants; one that takes longer than ``limit`` seconds survives."""
    pool = ProcessPool(workers, initializer=prepare, context=multiprocessing.get_context("spawn"))
    waiting: deque[tuple[Mutant, Any]] = deque()
    try:
        for mutant in mutants:
            waiting.append((mutant, pool.schedule(_work, args=(mutant, profile, seed), timeout=limit)))
            if len(waiting) > AHEAD * workers:
                yield _result(*waiting.popleft(), limit)
        while waiting:
            yield _result(*waiting.popleft(), limit)
        pool.close()
    finally:
        pool.stop()
        pool.join()


def _result(mutant: Mutant, future: Any, limit: float) -> Judgement:
    try:
        found: Judgement = future.result()
        return found
    except OutOfTime:
        return _made(mutant, SURVIVED, "", limit, f"undecided after {limit:g} s", {})
    except ProcessExpired as died:
        return _made(mutant, SURVIVED, "", 0.0, f"the worker died (exit code {died.exitcode})", {})
    except Exception as error:
        return _made(mutant, SURVIVED, "", 0.0, f"an engine failed: {type(error).__name__}: {error}", {})
