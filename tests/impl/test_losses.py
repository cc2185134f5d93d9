"""losses.py: closed forms are what autograd finds; anything else that is no loss is refused."""

import pytest
import torch

from almostlinear.impl.errors import InputError
from almostlinear.impl.losses import IGNORED, L2, ClosedForm, CrossEntropy, WeightedSum, loss_gradient

F64 = torch.float64


def output(*shape):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(3))


LABELS = torch.tensor([[0, 3, IGNORED, 1, 1], [2, 2, 0, IGNORED, IGNORED]])
CLOSED = {
    "l2": L2(output(2, 5, 4) + 1),
    "weighted sum": WeightedSum(output(2, 5, 4)),
    "cross entropy": CrossEntropy(LABELS),
    "mean cross entropy": CrossEntropy(LABELS, mean=True),
}


@pytest.mark.parametrize("name", CLOSED)
def test_closed_forms_are_those_of_autograd(name):
    loss, at = CLOSED[name], 3 * output(2, 5, 4)
    assert isinstance(loss, ClosedForm)
    value, ours = loss_gradient(loss, at)
    other_value, theirs = loss_gradient(lambda t: loss(t), at)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-14)
    torch.testing.assert_close(value, other_value, rtol=0, atol=1e-13)
    assert ours.abs().max() > 0.01


def test_cross_entropy_is_that_of_torch():
    at = output(2, 5, 4)
    for mean, reduction in ((False, "sum"), (True, "mean")):
        theirs = torch.nn.functional.cross_entropy(at.flatten(0, 1), LABELS.flatten(), reduction=reduction)
        torch.testing.assert_close(CrossEntropy(LABELS, mean)(at), theirs, rtol=1e-14, atol=0)


def test_any_differentiable_loss():
    value, gradient = loss_gradient(lambda t: t.sin().sum() ** 2, output(3, 2))
    at = output(3, 2)
    torch.testing.assert_close(value, at.sin().sum() ** 2)
    torch.testing.assert_close(gradient, 2 * at.sin().sum() * at.cos())


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (lambda t: t, "one number"),
        (lambda t: 3.0, "one number"),
        (lambda t: torch.zeros(()), "differentiable"),
        (L2(output(2, 4, 4)), "the shape of target"),
        (WeightedSum(output(5, 4)), "the shape of coefficients"),
        (CrossEntropy(LABELS[:1]), "the shape of labels"),
        (CrossEntropy(LABELS.double()), "the dtype of labels"),
        (CrossEntropy(LABELS.clamp_min(0) + 1), "the number of labels outside the classes is 1"),
    ],
)
def test_what_is_no_loss_is_refused(loss, words):
    with pytest.raises(InputError, match=words):
        loss_gradient(loss, output(2, 5, 4))
