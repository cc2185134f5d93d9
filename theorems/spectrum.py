"""Singular values and eigenvalues of formulas as SymPy symbols, beside the norms of `norms`: a bound may speak of them.

singular(A, i)       the i-th largest singular value; zero beyond the smaller side of A
eigenvalue(A, i)     the i-th largest eigenvalue of a symmetric A, or the i-th smallest one, counted from -1; outside of A no number
tail(A, k)           the sum of the squares of all but the k largest singular values
"""

from .formula import Formula
from .norms import Norm

SPECTRAL = {
    **{f"singular {i}": ("sigma", i) for i in (1, 2, 3)},
    **{f"eigenvalue {i}": ("lambda", i) for i in (1, 2, -2, -1)},
    **{f"tail {k}": ("tail", k) for k in (0, 1, 2)},
}
"""What a bound may speak of: the name that it is shown by, and the index."""


def _spectral(what: str, a: Formula, index: int) -> Norm:
    from .display import plain

    kind = f"{what} {index}"
    if kind not in SPECTRAL:
        known = ", ".join(str(i) for k, (_, i) in SPECTRAL.items() if k.split()[0] == what)
        raise ValueError(f"{what} of index {index}: known are {known}")
    return Norm(kind, a, f"{SPECTRAL[kind][0]}_{index}({plain(a)})")


def singular(a: Formula, index: int = 1) -> Norm:
    """The singular value of this index; the first is the spectral norm."""
    return _spectral("singular", a, index)


def eigenvalue(a: Formula, index: int = 1) -> Norm:
    """The eigenvalue of this index of a symmetric matrix."""
    return _spectral("eigenvalue", a, index)


def tail(a: Formula, index: int) -> Norm:
    """The energy beyond the first singular values: |A - A_k|_F^2 of the best approximation A_k of rank k."""
    return _spectral("tail", a, index)
