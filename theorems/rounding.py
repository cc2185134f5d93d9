"""What rounding can do to a formula, whatever the order of its sums: the absolute program.

If every path from an input to the result passes at most M roundings, a sum of products is computed within gamma_M = M u/(1 - M u) of
the same sum of absolute values (Higham, Accuracy and Stability, ch. 3). `absolute_program` writes that sum: symbols become
absolute values, minus becomes plus, T_g(S) becomes T_g(|S|); a reciprocal keeps its true value, and its own error enters by a factor.
With rho >= gamma_M |D|-program / D for every reciprocal 1/D and r of them in a product,

    |computed - exact| <= [(1 + gamma_M) ((1 + u)/(1 - rho))^r - 1] * (absolute program),      rho < 1.
"""

from __future__ import annotations

import sympy

from .formula import Formula, absolute, rebuilt


def absolute_program(node: Formula) -> Formula:
    """The formula of absolute values; shared parts stay shared."""
    made: dict[Formula, Formula] = {}
    for below in node.walk():
        made[below] = _step(below, tuple(made[a] for a in below.args))
    return made[node]


def _step(node: Formula, arguments: tuple[Formula, ...]) -> Formula:
    if node.op == "recip":
        return node
    if node.op == "symbol":
        return node if node.data[1] in ("mask", "causal", "onehot", "positive") else absolute(node)
    if node.op == "define":
        return arguments[0]
    if node.op == "scale":
        return arguments[0].scaled(sympy.Abs(node.data[0]))
    return rebuilt(node, arguments) if arguments else node


def path_length(n: int, d: int, degree: int, rank: int) -> int:
    """M for attention and its gradients by features of the degree: at most three nested sums over tokens, features and monomials.

    A monomial of degree g in X W passes g (d + 1) roundings on one side, g + 1 on the other; weights and the mask add a few.
    """
    return 3 * (n + rank + degree * (2 * d + 4) + 4 * d) + 64
