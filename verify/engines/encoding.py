"""Definitions and remarks: nothing is claimed, so nothing is decided; their formulas are evaluated once to see that they can be."""

from __future__ import annotations

from almostlinear.theorems.statement import Statement

from ..backends.finite_field import FiniteField
from ..backends.interpreter import Interpreter
from ..code_hash import code_hash
from ..evidence import Evidence
from ..problems import Problem, size_names
from ..status import NOTHING_CLAIMED, module_of

ENGINE = "encoding"
SIZE = 2


def examine(statement: Statement, statement_hash: str) -> Evidence:
    """``stated``: every formula that the definition shows has a value at size 2."""
    for formula in statement.shows:
        sizes = dict.fromkeys(size_names([formula, *formula.symbols().values()]), SIZE)
        Interpreter(FiniteField(Problem(sizes), 0))(formula, dict.fromkeys(formula.free, 1))
    return Evidence(
        statement.id,
        NOTHING_CLAIMED,
        "",
        ENGINE,
        "stated",
        "encoding",
        statement_hash,
        code_hash(module_of(ENGINE)),
        tried=len(statement.shows),
    )
