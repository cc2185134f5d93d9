"""Three counts of one cost: the polynomial in the sizes, what the dispatcher saw executed, and torch's FlopCounterMode."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from almostlinear.theorems import Cost, d, diag, exp, load, n, ones, symbol, taylor
from almostlinear.verify.backends.interpreter import Interpreter
from almostlinear.verify.backends.torch64 import Torch64
from almostlinear.verify.counting import CountingMode, PrintedOrder, UnknownOperation, executed, exponent
from almostlinear.verify.instances import symbols_of
from almostlinear.verify.operations import operations, reached
from almostlinear.verify.problems import draw, size_names

X, Y, W, v = symbol("X", n, d), symbol("Y", n, d), symbol("W", d, d), symbol("v", n)
M = symbol("M", n, n, domain="causal")
COSTS = [(s.id, c) for s in load() for c in s.claims if isinstance(c, Cost)]


def plain(claim):
    """Whether all of its sizes are letters: degrees that are functions of norms have no value at a drawn problem."""
    return all(name.isidentifier() for name in sizes_of(claim))


def sizes_of(claim):
    return sorted(
        set(size_names(symbols_of(claim))) | {s.name for s in operations(claim.lines, claim.given).free_symbols}
    )


def problem_of(claim, n_=5):
    sizes = {x: {"n": n_, "d": 3, "g": 2}.get(x, 2 + k % 2) for k, x in enumerate(sizes_of(claim))}
    text = "uniform;" + ",".join(f"{k}={v}" for k, v in sizes.items()) + ";bound=1;seed=0"
    return draw(symbols_of(claim), text)


def polynomial(claim, problem):
    count = operations(claim.lines, claim.given)
    return int(count.subs({s: problem.sizes[s.name] for s in count.free_symbols}))


@pytest.mark.parametrize("pair", [p for p in COSTS if plain(p[1])], ids=lambda p: f"{p[0]}, {p[1].part}")
def test_the_polynomial_is_what_is_executed(pair):
    claim = pair[1]
    problem = problem_of(claim)
    assert executed(claim, problem).total == polynomial(claim, problem)


def test_nearly_all_costs_are_executed():
    assert sum(plain(claim) for _, claim in COSTS) >= len(COSTS) - 2


PRODUCTS = {
    "one": X @ W,
    "scores": X @ W @ X.T,
    "from the right": X @ (W @ (X.T @ Y)),
    "with entrywise ones": (X @ W) * Y + exp(X @ W),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_torch_counts_the_same_products(name):
    """FlopCounterMode takes 2 m k n for a product where (2 k - 1) m n are executed."""
    claim = Cost((PRODUCTS[name],), n)
    problem = problem_of(claim)
    with FlopCounterMode(display=False) as flops:
        Interpreter(Torch64(problem))(claim.lines[0])
    counting = executed(claim, problem)
    outputs = [node for node in reached(claim.lines) if node.op == "matmul"]
    entries = sum(problem.sizes[str(f.shape[0])] * problem.sizes[str(f.shape[1])] for f in outputs)
    assert flops.get_total_flops() == counting.counts["mm"] + entries


STRUCTURED = {
    "diagonal": diag(v) @ X,
    "diagonal from the right": X.T @ diag(v),
    "row sums": X @ ones(d),
    "column sums": ones(n).T @ X,
    "repeated sums": X @ ones(d, d),
    "running sums": M @ X,
    "difference": X - Y,
    "minus": -X,
    "Taylor polynomial": taylor(X, 3),
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_the_printed_order_computes_the_same_values(name):
    claim = Cost((STRUCTURED[name],), n)
    problem = problem_of(claim)
    found = Interpreter(PrintedOrder(problem, reached(claim.lines)))(claim.lines[0])
    assert torch.allclose(found, Interpreter(Torch64(problem))(claim.lines[0]), atol=1e-13)
    assert executed(claim, problem).total == polynomial(claim, problem)


def test_a_wrong_count_is_noticed():
    """A dense product in place of a scaling is what a careless order would execute."""
    claim = Cost((diag(v) @ X,), n)
    problem = problem_of(claim)
    dense = Interpreter(Torch64(problem))
    dense(v), dense(X)
    with CountingMode() as counting:
        dense(claim.lines[0])
    assert counting.total > polynomial(claim, problem)


def test_an_operation_without_a_count_is_refused():
    with CountingMode(), pytest.raises(UnknownOperation, match="has no count"):
        torch.linalg.qr(torch.ones(2, 2))


def test_exponents_have_intervals():
    low, high = exponent({k: 3 * k**2 + 100 * k for k in (256, 512, 1024, 2048)})
    assert 1.8 < low < high < 2
    with pytest.raises(ValueError, match="at least 3"):
        exponent({1: 1, 2: 2})


def flops_of(work):
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def test_the_gradient_is_almost_linear_and_softmax_attention_quadratic():
    """By counts of executed products alone."""
    from almostlinear import impl

    def layer(count):
        rng = np.random.default_rng(count)
        return [torch.from_numpy(rng.uniform(-0.5, 0.5, shape)) for shape in ((count, 2), (2, 2), (2, 2), (count, 2))]

    def fast(count):
        impl.algorithm1(*layer(count), degree=2, scale=0.5)

    def exact(count):
        x, w, w_v, g = layer(count)
        s = x @ w @ x.T
        f = torch.softmax(s, -1)
        (f @ (x @ w_v)).mul(g).sum()

    sizes = (512, 1024, 2048)
    low, high = exponent({k: flops_of(lambda k=k: fast(k)) for k in sizes})
    assert 0.95 < low <= high < 1.1
    low, high = exponent({k: flops_of(lambda k=k: exact(k)) for k in sizes})
    assert 1.9 < low <= high < 2.01
