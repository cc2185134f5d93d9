"""Equivalent forms of an identity that are cheaper to evaluate.

`contracted`: A = B for matrices iff <A, V> = <B, V> for a free matrix V, and <grad(L, X), V> is the derivative of L along V: one
direction tests every entry. `pointwise`: the entry (i, j) of grad(L, X) is the derivative of L along e_i e_j^T.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from almostlinear.theorems.formula import Formula, inner, jvp, total, unit
from almostlinear.theorems.statement import Identity

DIRECTION = "V*"


def free_direction(rows: Any, columns: Any) -> Formula:
    """The free matrix V of a contraction; its name is kept from statements."""
    return Formula("symbol", (), (DIRECTION, "real"), (rows, columns))


def contracted(claim: Identity) -> Identity:
    """The claim as one scalar identity, linear in a free direction; a scalar claim is returned as it is."""
    if claim.left.is_scalar:
        return claim
    direction = free_direction(*claim.left.shape)
    return replace(claim, left=_against(claim.left, direction), right=_against(claim.right, direction))


def _against(node: Formula, direction: Formula) -> Formula:
    """<node, direction>, with gradients turned into derivatives along the direction where they enter linearly."""
    if not any(below.op == "grad" for below in node.walk()):
        return inner(node, direction)
    if node.op == "grad":
        scalar, variable = node.args
        return jvp(scalar, variable, direction)
    if node.op == "define":
        return _against(node.args[0], direction)
    if node.op == "add":
        return _against(node.args[0], direction) + _against(node.args[1], direction)
    if node.op == "scale":
        return _against(node.args[0], direction).scaled(node.data[0])
    if node.op == "sum":
        return total(node.data[0], _against(node.args[0], direction))
    if node.op == "times":
        factor, matrix = node.args if node.args[0].is_scalar else reversed(node.args)
        return factor * _against(matrix, direction)
    return inner(node, direction)


def pointwise(claim: Identity) -> Identity:
    """The claim with every entry of a gradient as a derivative along one unit direction."""

    def change(node: Formula) -> Formula | None:
        if node.op == "entry" and node.args[0].op == "grad":
            scalar, variable = node.args[0].args
            i, j = node.data
            return jvp(scalar, variable, unit(i) @ unit(j).T)
        return None

    return replace(claim, left=claim.left.rebuild(change), right=claim.right.rebuild(change))
