"""Hutchinson's estimator of a trace: unbiased, with its exact variance; Hutch++ with any matrix Q in place of the range finder's."""

from ..statement import Expectation, Identity
from .pack import eye, fact, inner, k, m, n, square, symbol, trace

A, z, Z = symbol("A", n, n), symbol("z", n), symbol("Z", n, m)
Q, w = symbol("Q", n, k), symbol("w", n)
HUTCHINSON = "Hutchinson, A stochastic estimator of the trace, 1990"
AVRON = "Avron, Toledo, Randomized algorithms for estimating the trace, 2011"
HUTCHPP = "Meyer, Musco, Musco, Woodruff, Hutch++, 2021"


@fact("trace.1", "Hutchinson's estimator is unbiased", HUTCHINSON)
def unbiased():
    return [
        Expectation(inner(z, A @ z), trace(A), ((z, "sign"),), part="signs"),
        Expectation(inner(z, A @ z), trace(A), ((z, "normal"),), part="Gaussian"),
    ]


diagonal = eye(n) * A


@fact("trace.2", "Variance of Hutchinson's estimator with signs", HUTCHINSON)
def sign_variance():
    """E (z^T A z)^2 - (tr A)^2 = |A|_F^2 + tr(A^2) - 2 sum_i A_ii^2."""
    form = inner(z, A @ z)
    value = trace(A) * trace(A) + square(A) + trace(A @ A) - square(diagonal) * 2
    return Expectation(form * form, value, ((z, "sign"),))


@fact("trace.3", "Variance of Hutchinson's estimator with Gaussians", AVRON)
def gaussian_variance():
    form = inner(z, A @ z)
    return Expectation(form * form, trace(A) * trace(A) + square(A) + trace(A @ A), ((z, "normal"),))


@fact("trace.4", "Mean of m probes", AVRON)
def probes():
    """(1/m) tr(Z^T A Z): the variance is that of one probe over m."""
    mean = inner(Z, A @ Z) * (1 / m)
    spread = (square(A) + trace(A @ A) - square(diagonal) * 2) * (1 / m)
    return [
        Expectation(mean, trace(A), ((Z, "sign"),), part="unbiased"),
        Expectation(mean * mean, trace(A) * trace(A) + spread, ((Z, "sign"),), part="second moment"),
    ]


rest = eye(n) - Q @ Q.T


@fact("trace.5", "Hutch++: the rest is estimated without bias", HUTCHPP)
def hutch_plus_plus():
    """E z^T R A R z = tr(R A R) for R = I - Q Q^T, any Q."""
    return Expectation(inner(rest @ z, A @ (rest @ z)), trace(rest @ A @ rest), ((z, "sign"),))


@fact("trace.6", "Hutch++: both parts make the trace", HUTCHPP)
def hutch_split():
    """For the projection P on w: tr(P A) + tr((I - P) A (I - P)) = tr A."""
    from ..formula import recip

    projection = (w @ w.T) * recip(inner(w, w))
    other = eye(n) - projection
    return [
        Identity(projection @ projection, projection, part="projection"),
        Identity(trace(projection @ A) + trace(other @ A @ other), trace(A), part="trace"),
    ]
