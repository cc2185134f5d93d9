"""Oblivious sketches of polynomial kernels: products of independent linear forms, and TensorSketch with a group of buckets."""

from ..claims import Law, Random
from ..statement import Expectation
from .pack import Formula, eye, fact, inner, m, n, ones, square, symbol

u, v, t = symbol("u", n), symbol("v", n), symbol("t", n)
x, y = symbol("x", n), symbol("y", n)
U, V = symbol("U", m, n), symbol("V", m, n)
MACLAURIN = "Kar, Karnick, Random feature maps for dot product kernels, 2012"
TENSOR_SKETCH = "Pham, Pagh, Fast and scalable polynomial kernels via explicit feature maps, 2013"


def form(*weights: Formula) -> Formula:
    """prod_k <w_k, x> <w_k, y>."""
    made = None
    for weight in weights:
        one = inner(weight, x) * inner(weight, y)
        made = one if made is None else made * one
    assert made is not None
    return made


def laws(law: Law, *symbols: Formula) -> Random:
    return tuple((s, law) for s in symbols)


kernel = inner(x, y)
spread = square(x) * square(y) + (kernel * kernel) * 2
"""E (<w, x> <w, y>)^2 for a Gaussian w; at most 3 |x|^2 |y|^2, so that degree p has the constant 3^p."""
sign_spread = spread - inner(x * x, y * y) * 2


@fact("kernel.1", "Products of linear forms are unbiased for <x, y>^p", MACLAURIN)
def product_forms():
    return [
        Expectation(form(u, v), kernel * kernel, laws("sign", u, v), part="signs, p = 2"),
        Expectation(form(u, v), kernel * kernel, laws("normal", u, v), part="Gaussian, p = 2"),
        Expectation(form(u, v, t), kernel * kernel * kernel, laws("sign", u, v, t), part="signs, p = 3"),
    ]


@fact("kernel.2", "Second moment of one linear form", MACLAURIN)
def one_form():
    """At most 3 |x|^2 |y|^2, by Cauchy and Schwarz."""
    square_form = form(u) * form(u)
    return [
        Expectation(square_form, spread, laws("normal", u), part="Gaussian"),
        Expectation(square_form, sign_spread, laws("sign", u), part="signs"),
    ]


@fact("kernel.3", "Second moment of a product of two forms", MACLAURIN)
def two_forms():
    """The square of that of one form, hence at most 3^2 |x|^4 |y|^4."""
    square_form = form(u, v) * form(u, v)
    return [
        Expectation(square_form, spread * spread, laws("normal", u, v), part="Gaussian"),
        Expectation(square_form, sign_spread * sign_spread, laws("sign", u, v), part="signs"),
    ]


@fact("kernel.4", "The mean of m products", MACLAURIN)
def mean_of_products():
    """(1/m) <(U x) * (V x), (U y) * (V y)> is unbiased for <x, y>^2."""
    found = inner((U @ x) * (V @ x), (U @ y) * (V @ y)) * (1 / m)
    return Expectation(found, kernel * kernel, laws("sign", U, V))


# -- TensorSketch ----------------------------------------------------------------------------------------------------------
H, L = symbol("H", n, 2, domain="onehot"), symbol("L", n, 2, domain="onehot")
BUCKETS: Random = ((H, "onehot"), (L, "onehot"), (u, "sign"), (v, "sign"))
FLIP = ones(2, 2) - eye(2)


def tensor_sketch(a: Formula) -> tuple[Formula, Formula]:
    """Both buckets of the circular convolution of two count sketches of a with two buckets each."""
    first, second = H.T @ (u * a), L.T @ (v * a)
    return inner(first, second), inner(first, FLIP @ second)


@fact("kernel.5", "TensorSketch of degree two, two buckets", TENSOR_SKETCH)
def tensor_sketch_2():
    """Unbiased for <x, y>^2, for every n."""
    sketches = zip(tensor_sketch(x), tensor_sketch(y), strict=True)
    first, second = (a * b for a, b in sketches)
    return Expectation(first + second, kernel * kernel, BUCKETS)


@fact("kernel.6", "Length under TensorSketch of degree two, two buckets", TENSOR_SKETCH)
def tensor_sketch_length():
    """E |TS(x)|^2 = |x|^4."""
    first, second = tensor_sketch(x)
    return Expectation(first * first + second * second, square(x) * square(x), BUCKETS)
