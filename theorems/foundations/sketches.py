"""Linear sketches: Gaussian, random signs, and one signed bucket a row (count sketch); first and second moments, exactly.

With E and Var of <S x, S y> at hand, Chebyshev's inequality gives the explicit number of rows for a failure probability delta:
m >= 2/(delta eps^2) for one pair of vectors, m >= (k^2 + k)/(delta eps^2) for a subspace of dimension k.
"""

from ..claims import Law, Random
from ..statement import Expectation
from .pack import Formula, d, eye, fact, fourth, inner, m, n, ones, square, symbol

S, C, H, z = symbol("S", m, n), symbol("s", n), symbol("H", n, m, domain="onehot"), symbol("z", n)
x, y = symbol("x", n), symbol("y", n)
A, B = symbol("A", n, d), symbol("B", n, d)
COUNT: Random = ((H, "onehot"), (z, "sign"))
JL = "Johnson, Lindenstrauss 1984; Indyk, Motwani 1998"
ACHLIOPTAS = "Achlioptas, Database-friendly random projections, 2003"
CHARIKAR = "Charikar, Chen, Farach-Colton 2002; Weinberger et al., Feature hashing, 2009"
PRODUCTS = "Woodruff, Sketching as a tool for numerical linear algebra, 2014, Section 2"


def bucketed(a: Formula) -> Formula:
    """The count sketch of every column of a: row i goes to one bucket, with a sign."""
    return H.T @ (a * z if a.shape[1] == 1 else a * (z @ ones(a.shape[1]).T))


def second(law: Law) -> Formula:
    """m^2 E<S x, S y>^2 for independent entries: (m^2 + m) <x,y>^2 + m |x|^2 |y|^2, less 2 m sum_i x_i^2 y_i^2 for signs."""
    made = (inner(x, y) * inner(x, y)) * (m**2 + m) + (square(x) * square(y)) * m
    return made - inner(x * x, y * y) * (2 * m) if law == "sign" else made


def moments(law: Law) -> list[Expectation]:
    """E and E of the square of <S x, S y>."""
    found = inner(S @ x, S @ y)
    return [
        Expectation(found, inner(x, y) * m, ((S, law),), part="unbiased"),
        Expectation(found * found, second(law), ((S, law),), part="second moment"),
    ]


@fact("sketch.1", "Gaussian sketch of two vectors", JL)
def gaussian():
    return moments("normal")


@fact("sketch.2", "Sign sketch of two vectors", ACHLIOPTAS)
def signs():
    return moments("sign")


@fact("sketch.3", "Count sketch of two vectors", CHARIKAR)
def buckets():
    found = inner(bucketed(x), bucketed(y))
    variance = square(x) * square(y) + inner(x, y) * inner(x, y) - inner(x * x, y * y) * 2
    return [
        Expectation(found, inner(x, y), COUNT, part="unbiased"),
        Expectation(found * found, inner(x, y) * inner(x, y) + variance * (1 / m), COUNT, part="second moment"),
    ]


@fact("sketch.4", "Length under a Gaussian sketch", JL)
def gaussian_length():
    length = square(S @ x)
    return Expectation(length * length, (square(x) * square(x)) * (m**2 + 2 * m), ((S, "normal"),))


@fact("sketch.5", "Length under a sign sketch", ACHLIOPTAS)
def sign_length():
    length = square(S @ x)
    value = (square(x) * square(x)) * (m**2 + 2 * m) - fourth(x) * (2 * m)
    return Expectation(length * length, value, ((S, "sign"),))


@fact("sketch.6", "Length under a count sketch", CHARIKAR)
def bucket_length():
    length = square(bucketed(x))
    value = (square(x) * square(x)) * (1 + 2 / m) - fourth(x) * (2 / m)
    return Expectation(length * length, value, COUNT)


def product_error(law: Law) -> Expectation:
    """E |A^T S^T S B - m A^T B|_F^2 = m (|A|_F^2 |B|_F^2 + |A^T B|_F^2), less 2 m sum of A_ij^2 B_il^2 for signs."""
    error = (S @ A).T @ (S @ B) - (A.T @ B) * m
    value = (square(A) * square(B) + square(A.T @ B)) * m
    if law == "sign":
        value = value - inner((A * A) @ ones(d), (B * B) @ ones(d)) * (2 * m)
    return Expectation(square(error), value, ((S, law),))


@fact("sketch.7", "Products of matrices under a Gaussian sketch; subspace embedding", PRODUCTS)
def gaussian_product():
    """With A = B of k orthonormal columns: E |A^T S^T S A/m - I|_F^2 = (k^2 + k)/m."""
    return product_error("normal")


@fact("sketch.8", "Products of matrices under a sign sketch; subspace embedding", PRODUCTS)
def sign_product():
    return product_error("sign")


@fact("sketch.9", "Products of a matrix and a vector under a count sketch; subspace embedding", PRODUCTS)
def bucket_product():
    """E |A^T S^T S x - A^T x|^2 = (|A|_F^2 |x|^2 + |A^T x|^2 - 2 sum A_ij^2 x_i^2)/m; a matrix B is the sum over its columns."""
    error = bucketed(A).T @ bucketed(x) - A.T @ x
    value = square(A) * square(x) + square(A.T @ x) - inner((A * A) @ ones(d), x * x) * 2
    return Expectation(square(error), value * (1 / m), COUNT)


@fact("sketch.10", "Sampling rows", "Drineas, Kannan, Mahoney, Fast Monte Carlo algorithms I, 2006")
def sampled_rows():
    """m rows of A and B drawn uniformly: E (R A)^T (R B) = (m/n) A^T B."""
    rows = symbol("R", m, n, domain="onehot")
    return Expectation((rows @ A).T @ (rows @ B), (A.T @ B) * (m / n), ((rows, "onehot"),))


@fact("sketch.11", "Covariance of a sketch of the identity", PRODUCTS)
def isotropic():
    """E S^T S = m I."""
    return [
        Expectation(S.T @ S, eye(n) * m, ((S, "normal"),), part="Gaussian"),
        Expectation(S.T @ S, eye(n) * m, ((S, "sign"),), part="signs"),
    ]
