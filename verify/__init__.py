"""What is checked: backends that evaluate a formula, engines that produce evidence, the ledger and the verdicts.

from almostlinear.theorems import load
from almostlinear.verify import check

check(load()["D.17"])          # a Result: verdict, evidence, witness; shown as mathematics in a notebook
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from almostlinear.theorems.statement import Statement

__all__ = ["Result", "check"]


@dataclass(frozen=True)
class Result:
    """The verdict of one statement with the evidence and, if it is refuted, the witness."""

    statement: Statement
    verdict: str
    evidence: tuple[Any, ...]
    witness: dict[str, Any] | None

    def __repr__(self) -> str:
        from almostlinear.theorems.display import claim_plain

        lines = [f"{self.statement.id} {self.statement.title}: {self.verdict}"]
        lines += [f"  {claim_plain(claim)}" for claim in self.statement.claims]
        lines += [f"  {e.engine}: {e.strength} ({e.basis}), {e.tried} tried" for e in self.evidence]
        if self.witness:
            lines.append(
                f"  witness {self.witness['inputs']}: {self.witness['claimed']} claimed, {self.witness['actual']} true"
            )
        return "\n".join(lines)

    def _repr_latex_(self) -> str:
        from almostlinear.theorems.display import claim_latex

        formulas = r" \\ ".join(claim_latex(claim) for claim in self.statement.claims)
        return rf"$\text{{{self.statement.id}: {self.verdict}}} \quad \begin{{array}}{{l}} {formulas} \end{{array}}$"


def check(statement: Statement, *, profile: str = "quick", seed: int = 0) -> Result:
    """Examine one statement with every engine, in memory.

    Args:
        statement: of the registry, or one's own.
        profile: "quick", "ci" or "thorough".
        seed: of everything that is drawn.

    Raises:
        KeyError: for an unknown profile.
        RuntimeError: if an engine failed; the message is its traceback.
    """
    from almostlinear.theorems.registry import registry

    from .campaign import run
    from .ledger import Ledger
    from .status import statuses
    from .task import PROFILES

    with Ledger(None) as ledger:
        progress = run(registry, ledger, [statement], profile=PROFILES[profile], seed=seed)
        if progress.errors:
            raise RuntimeError(progress.errors[statement.id])
        found = next(s for s in statuses(registry, ledger) if s.statement is statement)
    return Result(statement, found.verdict, found.evidence, found.witness)
