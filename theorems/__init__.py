"""What is claimed: the paper's statements, their formulas and bounds, and how they depend on each other.

Nothing here knows how a statement is checked or how an algorithm is run: the folder imports SymPy alone.
"""

if __name__ != "almostlinear.theorems":
    raise ImportError(
        f"theorems was imported as {__name__!r}; import it as 'almostlinear.theorems', else there would be two registries"
    )

from .asymptotics import ALMOST_LINEAR, CONSTANT, LINEAR, LOG, NEGLIGIBLE, POLY, POLYLOG, SUBLOG, SUBPOLY, SUBROOT
from .formula import *  # noqa: F403
from .norms import colnorm, l1norm, maxnorm, rownorm, top, upper_bound
from .registry import definition, load, published, registry, repair, statement
from .sizes import Index, Pair, d, features, n, size, tokens
from .statement import (
    Asymptotic,
    Bound,
    Condition,
    Cost,
    Expectation,
    Factors,
    Holds,
    Identity,
    Probability,
    Rank,
    Statement,
    StatementError,
    Within,
)
