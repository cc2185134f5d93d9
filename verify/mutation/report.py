"""What came of the mutants: figures by kind of claim, survivors with their reasons, as JSON and as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from ..evidence import GAP, REFUTED
from .judge import REFUSED, SURVIVED, TRUE, Judgement
from .population import GROWTH


@dataclass
class Summary:
    """Judgements of mutants, and what was refused when they were made.

    Growth claims cannot be refuted by finitely many values: they stand apart, killed where a gap names the missing hypothesis.
    """

    judgements: list[Judgement]
    refused: Counter[str] = field(default_factory=Counter)

    @property
    def counted(self) -> list[Judgement]:
        return [j for j in self.judgements if j.kind != GROWTH and j.verdict != REFUSED]

    def figures(self, judgements: Iterable[Judgement] | None = None) -> dict[str, Any]:
        """Counts by verdict, the share killed of those that are not proved, and the processor time."""
        listed = list(self.counted if judgements is None else judgements)
        verdicts = Counter(j.verdict for j in listed)
        mistakes = len(listed) - verdicts[TRUE]
        killed = verdicts[REFUTED] + verdicts[GAP]
        return {
            "mutants": len(listed), REFUTED: verdicts[REFUTED], GAP: verdicts[GAP], SURVIVED: verdicts[SURVIVED], TRUE: verdicts[TRUE],
            "killed of those not proved": round(killed / mistakes, 4) if mistakes else 1.0,
            "processor seconds": round(sum(j.seconds for j in listed), 1),
        }  # fmt: skip

    def by(self, attribute: str) -> dict[str, dict[str, Any]]:
        """`figures` by kind, operator or any other attribute."""
        names = sorted({getattr(j, attribute) for j in self.judgements})
        return {name: self.figures(j for j in self.judgements if getattr(j, attribute) == name) for name in names}

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "all": self.figures(),
            "by kind": self.by("kind"),
            "by operator": self.by("operator"),
            "proved": dict(Counter(j.why for j in self.judgements if j.verdict == TRUE)),
            "refused when made": dict(self.refused),
            "judgements": [j.to_json() for j in self.judgements],
        }

    def survivors(self) -> list[dict[str, str]]:
        """What was neither killed nor proved, with the reason."""
        listed = [j for j in self.judgements if j.verdict == SURVIVED]
        return [
            {"claim": f"{j.of} [{j.part}]", "mistake": f"{j.operator}, {j.place}", "digest": j.digest, "why": j.why}
            for j in sorted(listed, key=lambda j: (j.of, j.part, j.operator, j.digest))
        ]

    def show(self, console: Console) -> None:
        """The figures, then every survivor and every mutant that was proved, with the reason."""
        table = Table(title="Mutants by kind of claim", title_justify="left")
        columns = list(self.figures())
        for name in ("kind", *columns):
            table.add_column(name, justify="left" if name == "kind" else "right")
        for name, row in [*self.by("kind").items(), (f"all but {GROWTH}", self.figures())]:
            table.add_row(name, *(str(row[c]) for c in columns))
        console.print(table)
        console.print(f"refused when made, by their shapes or for want of a value: {sum(self.refused.values())}")
        rest = Table(title="Not killed", title_justify="left")
        for name in ("claim", "kind", "mistake", "why"):
            rest.add_column(name, overflow="fold")
        for j in sorted(self.judgements, key=lambda j: (j.verdict != SURVIVED, j.kind, j.of)):
            if not j.killed and j.verdict != REFUSED:
                reached = f" (observed / bound {j.detail['tightness']:.3g})" if "tightness" in j.detail else ""
                label = f"{j.verdict}: {j.why}{reached}" if j.verdict == SURVIVED else j.why
                rest.add_row(f"{j.of} [{j.part}]", j.kind, f"{j.operator}, {j.place}", label)
        console.print(rest)
