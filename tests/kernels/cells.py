"""What the kernels compute against float64, pair by pair, and how far rounding may take it. Runs where kernels run: in an interpreter's
process, or on a GPU.

In a sum in which no path passes more than M roundings the error is at most gamma_M times the same sum of absolute values (Higham, ch. 3):
T_g(<|x|, |y|>) |z| bounds that of features and that of pairs inside blocks, whatever the order of additions.
"""

import importlib.util
import math
from pathlib import Path
from typing import NamedTuple

import torch
from pytest import MonkeyPatch
from torch import Tensor

from almostlinear.impl import almost_linear_attention, certify
from almostlinear.impl.features import feature_count
from almostlinear.impl.kernels import attention, launch, programs, serving, tables

F32_UNIT = 2.0**-24
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


class Cell(NamedTuple):
    """One kind of call; ``n`` rows, ``m`` columns."""

    degree: int
    d: int
    dtype: str = "float32"
    causal: bool = False
    n: int = 71
    m: int = 71
    e: int = 5
    batch: int = 1
    layout: str = "contiguous"

    @property
    def block(self) -> int:
        """The shortest causal block, which is also the part of the tokens that one program sums."""
        return max(serving.value_tile(self.d, self.e).tokens, serving.slope_tile(self.d, self.e).tokens)


class Compared(NamedTuple):
    """Of each result: its largest error, as a part of what rounding may do there, and that largest bound as a part of the result."""

    ratio: float
    looseness: float


def draw(cell: Cell, rows: int, columns: int, seed: int, device: str) -> Tensor:
    """(batch, rows, columns), uniform in [-1/2, 1/2], of the cell's dtype, in its layout; what lies between is NaN."""
    make = torch.Generator().manual_seed(seed)
    drawn = (torch.rand(cell.batch, rows, columns, generator=make) - 0.5).to(device, DTYPES[cell.dtype])
    if cell.layout == "contiguous":
        return drawn
    if cell.layout == "tokens first":
        return drawn.mT.contiguous().mT
    room = drawn.new_full((cell.batch, columns, 2, rows + 3), math.nan)  # strided both ways, with an offset
    room[:, :, 1, 2:-1] = drawn.mT
    return room[:, :, 1, 2:-1].mT


def computed(cell: Cell, device: str = "cpu") -> dict[str, Tensor]:
    """Sums by query, slopes by query, slopes by key and sums by key."""
    x, y, z, u = operands(cell, device)
    degree, part = cell.degree, cell.block
    if cell.causal:
        after, before = launch.Seen(y, z, part), launch.Seen(x, u, part, reverse=True)
        by_key = launch.prefix(launch.moments(y, z, degree, part))
        by_query = launch.prefix(launch.moments(x, u, degree, part), reverse=True)
    else:
        after = before = None
        by_key = launch.moments(y, z, degree, part).sum(0, keepdim=True)
        by_query = launch.moments(x, u, degree, part).sum(0, keepdim=True)
    return {
        "values": launch.values(x, by_key, degree, after),
        "slopes by query": launch.slopes(x, u, by_key, degree, after),
        "slopes by key": launch.slopes(y, z, by_query, degree, before),
        "values by key": launch.values(y, by_query, degree, before),
    }


def operands(cell: Cell, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, y, z, u."""
    d, e = cell.d, cell.e + 1
    sizes = ((d, cell.n), (d, cell.m), (e, cell.m), (e, cell.n))
    x, y, z, u = (draw(cell, *size, seed, device) for seed, size in enumerate(sizes))
    return x, y, z, u


def expected(cell: Cell, device: str, absolute: bool = False) -> dict[str, Tensor]:
    """The same in float64, pair by pair; of absolute values instead, which bound every partial sum."""
    x, y, z, u = (t.double().abs() if absolute else t.double() for t in operands(cell, device))
    scores, pairs = x.mT @ y, u.mT @ z
    kernel, slope = _taylor(scores, cell.degree), _taylor(scores, cell.degree - 1) * pairs
    if cell.causal:
        kernel, slope = kernel.tril(), slope.tril()
    return {
        "values": z @ kernel.mT,
        "slopes by query": y @ slope.mT,
        "slopes by key": x @ slope,
        "values by key": u @ kernel,
    }


def _taylor(scores: Tensor, degree: int) -> Tensor:
    return sum((scores**j / math.factorial(j) for j in range(1, degree + 1)), torch.ones_like(scores))


def roundings(cell: Cell) -> int:
    """Most roundings from an input to a result.

    Features: degree - 1 products on each side, a weight and its own rounding; a product and an addition for each token, part, feature and
    column of z. Inside a block a score of d products, two roundings a Horner step and a coefficient's own, for each factor.
    """
    tokens, rank = max(cell.n, cell.m), feature_count(cell.d, cell.degree)
    features = 2 * cell.degree + 2
    pairs = cell.degree * (cell.d + 4)
    sums = (tokens + 1) + (math.ceil(tokens / cell.block) + 1) + (rank + 1) + (cell.e + 2)
    return max(features, pairs) + sums


def compare(cell: Cell, device: str = "cpu") -> dict[str, Compared]:
    """Each result against its bound; a ratio above 1, or NaN, is a wrong one. Outputs hold NaN beforehand."""
    true, largest, m = expected(cell, device), expected(cell, device, absolute=True), roundings(cell)
    gamma = m * F32_UNIT / (1 - m * F32_UNIT)
    torch.use_deterministic_algorithms(True)  # fills new tensors with NaN
    try:
        assert torch.empty(8, device=device).isnan().all()
        results = computed(cell, device)
    finally:
        torch.use_deterministic_algorithms(False)
    found = {}
    for name, result in results.items():
        bound = gamma * largest[name]
        ratio = ((result.double() - true[name]).abs() / bound).nan_to_num(math.inf).max().item()
        found[name] = Compared(ratio, (bound.max() / true[name].abs().max()).item())
    return found


def same_bits(cell: Cell) -> bool:
    """Whether two runs agree to the last bit."""
    first, second = computed(cell), computed(cell)
    return all(torch.equal(first[name], second[name]) for name in first)


def broken(cell: Cell, old: str, new: str, folder: str) -> dict[str, Compared]:
    """``compare`` with a piece of the programs replaced."""
    source = Path(programs.__file__).read_text(encoding="utf-8")
    assert old in source, f"no {old!r} in programs.py"
    path = Path(folder) / "programs.py"
    path.write_text(source.replace(old, new), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("broken_programs", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with MonkeyPatch.context() as patch:
        patch.setattr(launch, "programs", module)
        return compare(cell)


def broken_table(cell: Cell, field: str) -> dict[str, Compared]:
    """``compare`` with the last entry of a table that is not the first one's wrong: a weight 1 % off, a place moved by one."""
    right = tables.tables(cell.d, cell.degree, torch.device("cpu"))
    wrong = getattr(right, field).clone()
    wrong.view(-1)[-1] = wrong.view(-1)[-1] * 1.01 if field == "weights" else wrong.view(-1)[-1] - 1
    with MonkeyPatch.context() as patch:
        patch.setattr(launch, "tables", lambda *_: right._replace(**{field: wrong}))
        return compare(cell)


class Attended(NamedTuple):
    """Whether the kernels ran, and by result: its error against softmax attention, and the certificate's bound."""

    calls: int
    errors: list[float]
    bounds: list[float]


def attend(cell: Cell, masked: bool, device: str = "cpu") -> Attended:
    """``almost_linear_attention`` and its gradients through the kernels, against exact attention in float64."""
    make = torch.Generator().manual_seed(1)
    shapes = (cell.n, cell.d), (cell.m, cell.d), (cell.m, cell.e), (cell.n, cell.e)
    batch = () if cell.batch == 1 else (2, cell.batch)
    q, k, v, g = ((torch.rand(*batch, *shape, generator=make) - 0.5).to(device, DTYPES[cell.dtype]) for shape in shapes)
    seen = None
    if masked:
        seen = torch.rand(*batch, 1, cell.m, generator=make).to(device) > 0.3
        seen[..., 0] = True
    asked = {"attn_mask": seen, "is_causal": cell.causal, "degree": cell.degree}
    calls: list[str] = []
    with MonkeyPatch.context() as patch:
        patch.setattr(serving, "usable", lambda _: True)
        for name in ("moments", "values", "slopes"):
            patch.setattr(attention, name, _noted(getattr(attention, name), calls))
        leaves = [x.clone().requires_grad_() for x in (q, k, v)]
        out = almost_linear_attention(*leaves, **asked)
        results = [out, *torch.autograd.grad(out, leaves, g)]
        bounds = certify(q, k, v, g, **asked)
    true = _exact(*(x.double() for x in (q, k, v, g)), seen, cell.causal)
    errors = [(a.double() - b).abs().max().item() for a, b in zip(results, true, strict=True)]
    return Attended(len(calls), errors, _allowed(bounds, true, cell.dtype))


def _noted(call, calls):
    def noted(*arguments, **options):
        calls.append(call.__name__)
        return call(*arguments, **options)

    return noted


def _allowed(bounds, true: list[Tensor], dtype: str) -> list[float]:
    """The certificate's bounds; a result of a narrow dtype is rounded once more, near 0 to that dtype's even spacing there."""
    names = ("output", "query", "key", "value")
    allowed = [getattr(bounds.truncation, name) + getattr(bounds.rounding, name) for name in names]
    if dtype == "float32":
        return allowed
    kind = torch.finfo(DTYPES[dtype])
    half = kind.eps / 2
    return [a + half * (b.abs().max().item() + a + kind.tiny) for a, b in zip(allowed, true, strict=True)]


def _exact(q: Tensor, k: Tensor, v: Tensor, g: Tensor, seen: Tensor | None, causal: bool) -> list[Tensor]:
    leaves = [x.requires_grad_() for x in (q, k, v)]
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    if seen is not None:
        scores = scores.masked_fill(~seen, -math.inf)
    if causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).triu(1), -math.inf)
    out = scores.softmax(-1) @ v
    return [out.detach(), *torch.autograd.grad(out, leaves, g)]


def counted(cell: Cell) -> dict[str, list[int]]:
    """Of each program as it is interpreted: dots, their multiply-adds, multiplications of tiles, entries loaded, entries stored."""
    from triton.runtime.interpreter import InterpreterBuilder as Builder

    tally = [0] * 5

    def watched(call, count):
        def inner(self, *arguments, **options):
            count(*arguments)
            return call(self, *arguments, **options)

        return inner

    def dot(a, b, *_):
        tally[0] += 1
        tally[1] += a.data.shape[0] * a.data.shape[1] * b.data.shape[1]

    def multiply(a, b):
        if a.data.ndim == 2:
            tally[2] += a.data.size

    def load(pointers, mask, *_):
        tally[3] += int(mask.data.sum())

    def store(pointers, value, mask, *_):
        tally[4] += int(mask.data.sum())

    watches = {"create_dot": dot, "create_fmul": multiply, "create_masked_load": load, "create_masked_store": store}
    found = {}

    def run(name, call):
        tally[:] = [0] * 5
        result = call()
        found[name] = list(tally)
        return result

    with MonkeyPatch.context() as patch:
        for name, count in watches.items():
            patch.setattr(Builder, name, watched(getattr(Builder, name), count))
        x, y, z, u = operands(cell, "cpu")
        after, before = launch.Seen(y, z, cell.block), launch.Seen(x, u, cell.block, reverse=True)
        raw = run("moments", lambda: launch.moments(y, z, cell.degree, cell.block))
        if cell.causal:
            run("prefix", lambda: launch.prefix(raw))
        else:
            raw, after, before = raw.sum(0, keepdim=True), None, None
        run("values", lambda: launch.values(x, raw, cell.degree, after))
        run("slopes", lambda: launch.slopes(x, u, raw, cell.degree, after))
        run("values by key", lambda: launch.values(y, raw, cell.degree, before))
        run("slopes by key", lambda: launch.slopes(y, z, raw, cell.degree, before))
    return found
