"""Certificates of low rank for Gram matrices K = Y Y^T: pivoted Cholesky and Nystrom, by their residuals.

One step removes K w w^T K / (w^T K w): w is a unit vector for pivoted Cholesky, any vector for Nystrom. The residual is a Gram matrix
again, its trace is known, and the trace bounds every entry: a certificate that needs the diagonal alone.
"""

from ..formula import eye, recip, unit
from ..norms import maxnorm, top
from ..sizes import Index
from ..statement import Bound, Identity
from .pack import d, fact, inner, n, square, symbol, trace

Y, w = symbol("Y", n, d), symbol("w", n)
K = Y @ Y.T
p = Index("p", n)
CHOLESKY = "Harbrecht, Peters, Schneider, On the low-rank approximation by the pivoted Cholesky decomposition, 2012"
NYSTROM = "Williams, Seeger, Using the Nystrom method to speed up kernel machines, 2001"

pivot = K.col(p)
step = K - (pivot @ pivot.T) * recip(K[p, p])
"""The residual of one step with pivot p."""
y = Y.row(p)
projection = eye(d) - (y @ y.T) * recip(inner(y, y))


@fact("cholesky.1", "Pivoted Cholesky: trace of the residual", CHOLESKY)
def cholesky_trace():
    """tr(K') = tr K - |K e_p|^2 / K_pp: known without the residual."""
    return Identity(trace(step), trace(K) - square(pivot) * recip(K[p, p]))


@fact("cholesky.2", "Pivoted Cholesky: the pivot's row is matched", CHOLESKY)
def cholesky_row():
    return Identity(step @ unit(p), unit(p) * 0)


@fact("cholesky.3", "Pivoted Cholesky: the residual is a Gram matrix", CHOLESKY)
def cholesky_gram():
    """K' = (Y P)(Y P)^T with the projection P = I - y y^T / |y|^2, y row p of Y."""
    return [
        Identity(projection @ projection, projection, part="projection"),
        Identity(step, (Y @ projection) @ (Y @ projection).T, part="residual"),
    ]


@fact("cholesky.4", "The trace bounds every entry of a Gram matrix", CHOLESKY, kind="norm-bound")
def trace_certificate():
    return Bound(maxnorm(K), top(trace(K)))


Kw = K @ w
rest = K - (Kw @ Kw.T) * recip(inner(w, Kw))
v = Y.T @ w
other = eye(d) - (v @ v.T) * recip(inner(v, v))


@fact("nystrom.1", "Nystrom: trace of the residual", NYSTROM)
def nystrom_trace():
    """tr K - |K w|^2 / (w^T K w)."""
    return Identity(trace(rest), trace(K) - square(Kw) * recip(inner(w, Kw)))


@fact("nystrom.2", "Nystrom: the residual vanishes on the sketch", NYSTROM)
def nystrom_zero():
    return Identity(rest @ w, w * 0)


@fact("nystrom.3", "Nystrom: the residual is a Gram matrix", NYSTROM)
def nystrom_gram():
    return Identity(rest, (Y @ other) @ (Y @ other).T)
