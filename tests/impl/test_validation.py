"""Every bad input ends in the documented exception, with one sentence: quantity, value, limit, what to do."""

import math
import pickle

import pytest
import torch

from almostlinear.impl import DegreeError, InputError, algorithm1, dense_attention, low_rank_attention, plan_attention


def good(**changes):
    """Arguments of low_rank_attention that are served, with some of them changed."""
    arguments = {name: torch.full((6, 2), 0.5) for name in ("query", "key", "value")}
    return arguments | changes


def good_layer(**changes):
    shapes = {"x": (6, 2), "weight": (2, 2), "value_weight": (2, 3), "upstream": (6, 3)}
    return {name: torch.full(shape, 0.5) for name, shape in shapes.items()} | changes


def spoiled(value):
    x = torch.full((6, 2), 0.5)
    x[3, 1] = value
    return x


BAD = [
    # (changed arguments, exception, words of the message)
    ({"query": spoiled(math.nan)}, InputError, ["entries of query that are NaN or infinite is 1", "must be 0"]),
    ({"value": spoiled(math.inf)}, InputError, ["entries of value that are NaN or infinite is 1"]),
    ({"key": spoiled(-math.inf)}, InputError, ["entries of key that are NaN or infinite is 1"]),
    ({"query": torch.rand(6)}, InputError, ["number of dimensions of query is 1", "at least 2"]),
    (dict.fromkeys(("query", "key", "value"), torch.rand(0, 2)), InputError, ["shape of query is (0, 2)"]),
    ({"query": torch.rand(6, 0), "key": torch.rand(6, 0)}, InputError, ["shape of query is (6, 0)", "without a zero"]),
    ({"key": torch.rand(6, 3)}, InputError, ["shape of key is (6, 3)", "(6, 2)"]),
    ({"value": torch.rand(5, 2)}, InputError, ["shape of value is (5, 2)", "(6, 2)"]),
    ({"query": torch.rand(2, 6, 2)}, InputError, ["shape of key is (6, 2)", "(2, 6, 2)"]),
    (
        {"key": torch.rand(7, 2), "value": torch.rand(7, 2), "is_causal": True},
        InputError,
        ["keys under a causal mask is 7", "6, the number of queries"],
    ),
    ({"key": torch.rand(6, 2).double()}, InputError, ["dtype of key is torch.float64", "torch.float32"]),
    ({"query": torch.rand(6, 2).half()}, InputError, ["dtype of query is torch.float16", "float32 or float64"]),
    ({"query": torch.ones(6, 2, dtype=torch.int64)}, InputError, ["dtype of query is torch.int64", "query.float()"]),
    ({"value": torch.empty(6, 2, device="meta")}, InputError, ["device of value is meta", "cpu"]),
    ({"query": [[1.0, 2.0]]}, TypeError, ["query is a list", "torch.Tensor"]),
    ({"entry_bound": 0.4}, InputError, ["largest entry of query is 0.5", "entry_bound = 0.4"]),
    ({"degree": -1}, InputError, ["degree is -1", "at least 0"]),
    ({"degree": 2.0}, InputError, ["degree is 2.0", "an integer"]),
    ({"degree": True}, InputError, ["degree is True", "an integer"]),
    ({"degree": 65}, InputError, ["degree is 65", "at most 64"]),
    ({"max_degree": 200}, InputError, ["max_degree is 200", "at most 128"]),
    ({"eps": 0.0}, InputError, ["eps is 0.0", "above 0"]),
    ({"eps": math.nan}, InputError, ["eps is nan", "finite number"]),
    ({"scale": -1.0}, InputError, ["scale is -1.0", "above 0"]),
    ({"scale": math.inf}, InputError, ["scale is inf"]),
    ({"chunk": 0}, InputError, ["chunk is 0", "at least 1"]),
    ({"eps": 1e-9, "max_degree": 3}, DegreeError, ["row error of degree 3", "eps = 1e-09", "max_degree"]),
    ({"eps": 1e-9, "degree": 2}, DegreeError, ["row error of degree 2", "eps = 1e-09", "raise the degree"]),
    ({"degree": 1, "scale": 4.0}, DegreeError, ["kernel error of the odd degree 1", "below 1", "even degree 2"]),
    ({"scale": 1e6, "eps": 0.1}, DegreeError, ["row error of degree 64", "shrink the scores"]),
    (
        dict.fromkeys(("query", "key", "value"), torch.full((3, 40), 0.5)) | {"degree": 6},
        DegreeError,
        ["number of features of degree 6 in 40 dimensions is 9366819", "at most 262144"],
    ),
]


@pytest.mark.parametrize(("changes", "exception", "words"), BAD, ids=[" ".join(b[2][0].split()[:8]) for b in BAD])
def test_bad_input(changes, exception, words):
    with pytest.raises(exception) as caught:
        low_rank_attention(**good(**changes))
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert message.endswith(".") and "\n" not in message


BAD_LAYERS = [
    ({"weight": torch.rand(2, 3)}, "shape of weight is (2, 3)"),
    ({"value_weight": torch.rand(3, 3)}, "shape of value_weight is (3, 3)"),
    ({"upstream": torch.rand(6, 2)}, "shape of upstream is (6, 2)"),
    ({"upstream": torch.full((6, 3), math.nan)}, "entries of upstream that are NaN or infinite is 18"),
    ({"entry_bound": 0.1}, "largest entry of x is 0.5"),
    ({"formulas": "corrected"}, "formulas is 'corrected', but must be 'repaired' or 'printed'"),
    ({"scale": 0.0}, "scale is 0.0"),
    ({"scale": None}, "scale is None"),
    ({"degree": 1, "scale": 9.0}, "kernel error of the odd degree 1"),
]


@pytest.mark.parametrize(("changes", "words"), BAD_LAYERS, ids=[b[1] for b in BAD_LAYERS])
def test_bad_layer(changes, words):
    with pytest.raises(InputError) as caught:
        algorithm1(**good_layer(**changes))
    assert words in str(caught.value)


def test_good_input_is_served():
    assert low_rank_attention(**good(entry_bound=0.5)).shape == (6, 2)
    assert algorithm1(**good_layer(entry_bound=0.5)).dWV.shape == (2, 3)
    with pytest.raises(InputError, match="shape of value"):
        dense_attention(**good(value=torch.rand(5, 2)))


def test_rounding_that_spoils_a_normaliser_is_reported():
    # T_60(-45) > 0, but its terms cancel from 1e18 to far below their rounding.
    q = torch.full((4, 1), 45.0)
    with pytest.raises(DegreeError, match="smallest normaliser of degree 58"):
        low_rank_attention(q, -q / 45, q, degree=58)


def test_errors_travel_between_processes():
    error = pickle.loads(pickle.dumps(DegreeError("a", 1, "at most 0", "shrink it")))
    assert (type(error), error.quantity, str(error)) == (DegreeError, "a", "a is 1, but must be at most 0: shrink it.")


def test_a_plan_shows_what_was_decided():
    plan = plan_attention(**good(eps=1e-6))
    assert plan.row_error <= 1e-6
    assert plan.rank == math.comb(2 + plan.degree, 2)
    assert plan.bound == pytest.approx(0.5 / math.sqrt(2), rel=1e-4)
