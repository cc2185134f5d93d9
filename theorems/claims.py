"""What can be claimed: identities, bounds, ranks, costs, growth with n, and the existence of low-rank factors.

Every claim belongs to a part of its statement and to one reading of it. A claim with ``step`` is a line of the printed proof,
not of the statement: if it fails, the statement may still be true, but its printed argument has a gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import sympy

from .asymptotics import Growth
from .formula import Formula
from .norms import Norm
from .operands import StatementError, expression_of, formula_of, growth_of_claim, norms_in, relations_of
from .sizes import Index

AS_PRINTED = "as printed"


@dataclass(frozen=True)
class Condition:
    """A relation between two free index letters of a claim: ``i0 == i1`` or ``i0 != i1``."""

    left: Index
    relation: Literal["==", "!="]
    right: Index

    def holds(self, values: dict[Index, int]) -> bool:
        return (values[self.left] == values[self.right]) == (self.relation == "==")

    def __post_init__(self) -> None:
        if self.relation not in ("==", "!="):
            raise StatementError(f"a condition is == or !=, not {self.relation!r}")

    def __str__(self) -> str:
        return f"{self.left.name} {'=' if self.relation == '==' else '≠'} {self.right.name}"


def _step(content: list[Any], step: bool) -> list[Any]:
    return [*content, "step"] if step else content


@dataclass(frozen=True)
class Identity:
    """``left = right`` entrywise, for all values of the free indices that meet ``where``."""

    left: Formula
    right: Formula
    part: str = "1"
    reading: str = AS_PRINTED
    where: tuple[Condition, ...] = ()
    typo: str = ""
    step: bool = False

    def __post_init__(self) -> None:
        formula_of(self.left, "Identity, left side")
        formula_of(self.right, "Identity, right side")

    @property
    def free(self) -> tuple[Index, ...]:
        return tuple(sorted(self.left.free | self.right.free, key=lambda i: i.name))

    def formulas(self) -> tuple[Formula, ...]:
        return (self.left, self.right)

    def content(self) -> list[Any]:
        where = [str(c) for c in self.where]
        return _step(["identity", self.part, self.reading, self.left.digest, self.right.digest, where], self.step)


@dataclass(frozen=True)
class Bound:
    """``left <= right``: SymPy expressions in sizes, constants and norms of formulas, under ``given`` relations.

    Free indices of the normed formulas are universally quantified. ``via`` helps a proof: the matrix under the norm on the
    left, written another way (factored, say); that it is the same matrix is proved first.
    """

    left: sympy.Expr
    right: sympy.Expr
    part: str = "1"
    reading: str = AS_PRINTED
    given: tuple[sympy.core.relational.Relational, ...] = ()
    typo: str = ""
    step: bool = False
    via: Formula | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "left", expression_of(self.left, "Bound, left side"))
        object.__setattr__(self, "right", expression_of(self.right, "Bound, right side"))
        object.__setattr__(self, "given", relations_of(self.given))
        if self.via is not None and not (isinstance(self.left, Norm) and self.left.formula.shape == self.via.shape):
            raise StatementError(f"via: the left side must be one norm of a matrix of that shape, not {self.left}")

    def norms(self) -> tuple[Norm, ...]:
        """Every norm that stands in the claim, in a fixed order."""
        return norms_in(self.left, self.right, *self.given)

    @property
    def free(self) -> tuple[Index, ...]:
        return tuple(sorted({i for x in self.norms() for i in x.formula.free}, key=lambda i: i.name))

    @property
    def where(self) -> tuple[Condition, ...]:
        return ()

    def formulas(self) -> tuple[Formula, ...]:
        return tuple(x.formula for x in self.norms())

    def content(self) -> list[Any]:
        inside = [[x.name, x.norm, x.formula.digest] for x in self.norms()]
        given = [str(g) for g in self.given]
        return _step(
            ["bound", self.part, self.reading, str(self.left), str(self.right), given, inside],
            self.step,
        )


@dataclass(frozen=True)
class Rank:
    """``rank(formula) <= at_most`` for all values of its symbols: an expression in sizes."""

    formula: Formula
    at_most: sympy.Expr
    part: str = "rank"
    reading: str = AS_PRINTED
    typo: str = ""
    step: bool = False
    free: tuple[Index, ...] = ()
    where: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "at_most", expression_of(self.at_most, "Rank, at most", norms=False))
        if formula_of(self.formula, "Rank").free:
            raise StatementError(f"the rank of a formula with free indices: {self.formula}")

    def formulas(self) -> tuple[Formula, ...]:
        return (self.formula,)

    def content(self) -> list[Any]:
        return _step(["rank", self.part, self.reading, self.formula.digest, str(self.at_most)], self.step)


@dataclass(frozen=True)
class Cost:
    """Evaluating ``lines`` as they are bracketed, each distinct subformula once, takes at most so many operations.

    Attributes:
        lines: the formulas that are computed, in order; the association of a product is that of the formula.
        at_most: a SymPy expression in sizes, read as O(.) unless ``constant`` is set; or a growth class.
        given: what is at hand and costs nothing, beside the symbols.
        constant: whether the printed expression has its constant, such as 5nd.
    """

    lines: tuple[Formula, ...]
    at_most: sympy.Expr | Growth
    given: tuple[Formula, ...] = ()
    constant: bool = False
    part: str = "time"
    reading: str = AS_PRINTED
    typo: str = ""
    step: bool = False
    free: tuple[Index, ...] = ()
    where: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.at_most, Growth):
            object.__setattr__(self, "at_most", expression_of(self.at_most, "Cost, at most", norms=False))
        lines = tuple(self.lines) if isinstance(self.lines, (list, tuple)) else (self.lines,)
        object.__setattr__(self, "lines", tuple(formula_of(line, "Cost") for line in lines))

    def formulas(self) -> tuple[Formula, ...]:
        return (*self.lines, *self.given)

    def content(self) -> list[Any]:
        computed = [[f.digest for f in self.lines], [f.digest for f in self.given]]
        return _step(
            ["cost", self.part, self.reading, *computed, str(self.at_most), self.constant],
            self.step,
        )


@dataclass(frozen=True)
class Asymptotic:
    """``expression`` is in a growth class, if the statement's assumptions hold and what it relies on concludes so.

    Attributes:
        expression: SymPy, in sizes, constants and norms.
        growth: the claimed class.
        relies_on: ids of statements whose conclusions are used.
        granting: classes that the printed line itself gives to a quantity in it, such as "poly" for a factor.
    """

    expression: sympy.Expr
    growth: Growth
    relies_on: tuple[str, ...] = ()
    granting: tuple[Within, ...] = ()
    part: str = "growth"
    reading: str = AS_PRINTED
    typo: str = ""
    step: bool = False
    where: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "expression", expression_of(self.expression, "Asymptotic"))
        growth_of_claim(self.growth, "Asymptotic")
        used = (self.relies_on,) if isinstance(self.relies_on, str) else tuple(self.relies_on)
        object.__setattr__(self, "relies_on", used)

    @property
    def free(self) -> tuple[Index, ...]:
        return tuple(sorted({i for f in self.formulas() for i in f.free}, key=lambda i: i.name))

    def formulas(self) -> tuple[Formula, ...]:
        return tuple(x.formula for x in norms_in(self.expression))

    def content(self) -> list[Any]:
        inside = [[x.name, x.norm, x.formula.digest] for x in norms_in(self.expression)]
        granted = [assumption_content(a) for a in self.granting]
        claimed = ["growth", self.part, self.reading, str(self.expression), str(self.growth)]
        return _step([*claimed, list(self.relies_on), inside, *granted], self.step)


@dataclass(frozen=True)
class Factors:
    """There are U, V with so many columns and |U V^T - target| in a class, for all inputs that the statement assumes."""

    target: Formula
    width: Growth
    error: Growth
    part: str = "factors"
    reading: str = AS_PRINTED
    typo: str = ""
    step: bool = False
    free: tuple[Index, ...] = ()
    where: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        formula_of(self.target, "Factors")
        growth_of_claim(self.width, "Factors, width")
        growth_of_claim(self.error, "Factors, error")

    def formulas(self) -> tuple[Formula, ...]:
        return (self.target,)

    def content(self) -> list[Any]:
        classes = [str(self.width), str(self.error)]
        return _step(["factors", self.part, self.reading, self.target.digest, *classes], self.step)


Law = Literal["normal", "sign", "uniform", "onehot"]
LAWS: tuple[str, ...] = ("normal", "sign", "uniform", "onehot")
Random = tuple[tuple[Formula, Law], ...]
"""Random matrices with their laws: independent entries that are standard normal, a sign -1 or 1, or uniform on [-1, 1]; or
independent rows (of a symbol of the domain "onehot") that are each a unit vector, all of them equally likely."""


def _check_random(random: Random, formulas: tuple[Formula, ...], where: str) -> None:
    inside = {node for f in formulas for node in f.symbols().values()}
    if not all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], Formula) for pair in random):
        raise StatementError('random: pairs of a matrix and its law are needed, such as ((X, "normal"), (s, "sign"))')
    for node, law in random:
        if law not in LAWS:
            raise StatementError(f"the law of {node} is {law!r}; use one of {', '.join(LAWS)}")
        if node not in inside or node.data[1] != ("onehot" if law == "onehot" else "real"):
            kind = "one-hot rows" if law == "onehot" else "reals"
            raise StatementError(f"{node} is random, but no matrix of {kind} in {where}")
    if not random:
        raise StatementError("a claim about chance needs at least one random matrix")


@dataclass(frozen=True)
class Probability:
    """``event`` holds with probability at least ``at_least`` over the ``random`` matrices, for all values of the other ones.

    Attributes:
        event: a bound, its given relations included.
        at_least: a SymPy expression in sizes and constants.
        random: symbols with their laws.
    """

    event: Bound
    at_least: sympy.Expr
    random: Random
    part: str = "probability"
    reading: str = AS_PRINTED
    typo: str = ""
    step: bool = False
    where: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.event, Bound):
            raise StatementError(f"Probability: the event is a Bound, not {self.event}")
        object.__setattr__(self, "at_least", expression_of(self.at_least, "Probability, at least", norms=False))
        if self.at_least.is_number and not 0 <= self.at_least <= 1:
            raise StatementError(f"Probability, at least: {self.at_least} is not between 0 and 1")
        _check_random(self.random, self.formulas(), f"the event {self.event.left} <= {self.event.right}")

    @property
    def free(self) -> tuple[Index, ...]:
        return self.event.free

    def formulas(self) -> tuple[Formula, ...]:
        return self.event.formulas()

    def content(self) -> list[Any]:
        laws = [[node.digest, law] for node, law in self.random]
        return _step(
            ["probability", self.part, self.reading, self.event.content(), str(self.at_least), laws],
            self.step,
        )


@dataclass(frozen=True)
class Expectation:
    """E[``left``] = ``right``, entry by entry, over the ``random`` matrices of the left, for all values of the other ones."""

    left: Formula
    right: Formula
    random: Random
    part: str = "expectation"
    reading: str = AS_PRINTED
    typo: str = ""
    step: bool = False
    free: tuple[Index, ...] = ()
    where: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        formula_of(self.right, "Expectation, right side")
        _check_random(self.random, (formula_of(self.left, "Expectation, left side"),), f"E[{self.left}]")
        if self.left.shape != self.right.shape or self.left.free or self.right.free:
            raise StatementError(f"E[{self.left}] = {self.right}: both sides need one shape and no free index")
        if {node for node, _ in self.random} & set(self.right.symbols().values()):
            raise StatementError(f"E[{self.left}] = {self.right}: a random matrix stands on the right")

    def formulas(self) -> tuple[Formula, ...]:
        return (self.left, self.right)

    def content(self) -> list[Any]:
        laws = [[node.digest, law] for node, law in self.random]
        sides = [self.left.digest, self.right.digest]
        return _step(["expectation", self.part, self.reading, *sides, laws], self.step)


Claim = Identity | Bound | Rank | Cost | Asymptotic | Factors | Probability | Expectation
CLAIMS = (Identity, Bound, Rank, Cost, Asymptotic, Factors, Probability, Expectation)


# -- hypotheses as data ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Within:
    """A quantity (a size, a constant or a norm) is in a growth class."""

    quantity: sympy.Symbol
    growth: Growth

    def __post_init__(self) -> None:
        growth_of_claim(self.growth, f"Within {self.quantity}")

    def __str__(self) -> str:
        return f"{self.quantity} in {self.growth}"


@dataclass(frozen=True)
class Holds:
    """A fact in words, such as "s(X) is at hand"; equal words are the same fact."""

    fact: str

    def __str__(self) -> str:
        return self.fact


Assumption = Within | Holds


def assumption_content(made: Assumption) -> list[str]:
    """What is hashed of an assumption."""
    if isinstance(made, Holds):
        return [made.fact]
    formula = made.quantity.formula.digest if isinstance(made.quantity, Norm) else ""
    return [str(made.quantity), formula, str(made.growth)]


def time_of(label: str) -> sympy.Symbol:
    """The number of operations that the procedure of a statement takes, as a quantity to assume and conclude growth of."""
    return sympy.Symbol(f"time({label})", positive=True)


def error_of(label: str) -> sympy.Symbol:
    """The largest entry of the error of what the procedure of a statement returns, as such a quantity."""
    return sympy.Symbol(f"error({label})", nonnegative=True)
