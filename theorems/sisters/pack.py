"""The registry of the cited statements, and the two ways into it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..registry import ARXIV, Registry, statement
from ..statement import Statement

SISTERS = Registry()


def as_cited(where: str) -> str:
    """The source of a statement that is known from a place of this paper alone."""
    return f"as cited in {ARXIV} {where}"


def cited(id: str, title: str, where: str, **fields: Any) -> Callable[[Callable[[], Any]], Statement]:
    """A statement of another paper as ``where`` of this one quotes it."""
    return statement(id, title, into=SISTERS, source=as_cited(where), **fields)


def quoted(id: str, made: Statement, where: str, claims: tuple[int, ...] | None = None, **fields: Any) -> Statement:
    """The claims that a statement of this paper takes over, all or those of these positions."""
    chosen = made.claims if claims is None else tuple(made.claims[k] for k in claims)
    named = {"origin": "own", "repairs": None, "module": __name__, **fields}
    return SISTERS.add(replace(made, id=id, source=as_cited(where), claims=chosen, **named))
