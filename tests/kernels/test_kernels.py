"""The GPU programs, interpreted on the CPU, against float64 on every cell that is advertised; none of this needs a GPU."""

import importlib.util

import pytest
import torch

from almostlinear.impl.kernels import DEGREES, cost, serve, serving, token_chunks
from almostlinear.impl.shifts import shift
from tests.kernels.workers import Worker

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")

SIZES = [(degree, d) for d, most in DEGREES.items() for degree in range(2, most + 1)]


@pytest.fixture(scope="module")
def interpreted():
    worker = Worker(interpret=True)
    yield worker
    worker.close()


def cell(degree, d, **others):
    from tests.kernels.cells import Cell

    return Cell(degree, d, **others)


def assert_within(found):
    assert found and all(compared.ratio <= 1 for compared in found.values()), found
    # A bound as large as the result would let anything pass.
    assert all(compared.looseness < 0.05 for compared in found.values()), found


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(("degree", "d"), SIZES)
def test_every_cell_is_within_what_rounding_may_do(interpreted, degree, d, dtype, causal):
    # A little more than one tile of tokens, under a mask than one block.
    tiles = serving.value_tile(d, d).tokens, serving.slope_tile(d, d).tokens
    n = (max(tiles) if causal else min(tiles)) + 7
    assert_within(interpreted("compare", cell(degree, d, dtype=dtype, causal=causal, e=d, n=n, m=n)))


def test_the_cells_are_those_that_are_advertised():
    advertised = [*((g, d) for d in (4, 8, 16) for g in (2, 3, 4)), (2, 32), (3, 32), (2, 64)]
    assert advertised == SIZES


@pytest.mark.parametrize("layout", ["tokens first", "strided"])
@pytest.mark.parametrize("causal", [False, True])
def test_strides_and_what_lies_between_do_not_matter(interpreted, causal, layout):
    assert_within(interpreted("compare", cell(3, 5, causal=causal, layout=layout, batch=3, e=7)))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 129, 200])
def test_odd_lengths(interpreted, n, causal):
    assert_within(interpreted("compare", cell(2, 3, causal=causal, n=n, m=n, e=1)))


@pytest.mark.parametrize(("n", "m"), [(1, 200), (200, 1), (70, 129)])
def test_numbers_of_queries_and_keys_may_differ(interpreted, n, m):
    assert_within(interpreted("compare", cell(3, 4, n=n, m=m, batch=2)))


@pytest.mark.parametrize(("degree", "d", "e"), [(1, 1, 1), (1, 64, 64), (4, 12, 33), (3, 31, 16), (2, 47, 5)])
def test_widths_and_degrees_between_the_cells(interpreted, degree, d, e):
    assert_within(interpreted("compare", cell(degree, d, e=e, n=40, m=40)))


def test_equal_calls_give_equal_bits(interpreted):
    assert interpreted("same_bits", cell(3, 8, causal=True, n=200, m=200, batch=2))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<= tokens[:, None]", "< tokens[:, None]"),
        (">= tokens[:, None]", "> tokens[:, None]"),
        ("(1.0 / (DEGREE - j))", "(1.0 / (DEGREE - j + 1))"),
        ("scores * (1.0", "scores * (1.01"),
        ("mask=seen & (variable < d), other=1.0", "mask=seen & (variable < d), other=0.0"),
        ("tl.minimum((part + 1) * part_length, n)", "n"),
        ("total = tl.zeros([BLOCK], tl.float32)", "total = tl.load(states + entries, mask=inside, other=0.0)"),
        ("parts - 1 - step if REVERSE else step", "step"),
        ("last += tl.sum(kernel * weight[None, :], 1)", "last += tl.sum(kernel, 1)"),
        ("input_precision=PRECISION), DEGREE - 1)", "input_precision=PRECISION), DEGREE)"),
        ("coordinates[None, :] == c", "coordinates[None, :] == c + 1"),
        ("tl.store(out + tokens * out_n + e * out_e, last, mask=tokens < n)", "pass"),
    ],
)  # fmt: skip
def test_a_broken_program_is_caught(interpreted, tmp_path, old, new):
    found = interpreted("broken", cell(3, 4, causal=True, n=150, m=150), old, new, str(tmp_path))
    assert any(compared.ratio > 1 for compared in found.values()), f"replacing {old!r} by {new!r} is not noticed"


@pytest.mark.parametrize("field", ["weights", "slots", "raised"])
def test_a_wrong_table_is_caught(interpreted, field):
    found = interpreted("broken_table", cell(2, 4), field)
    assert any(compared.ratio > 1 for compared in found.values())


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("dtype", "degree", "d", "n", "m"),
    [("float32", 3, 6, 130, 97), ("bfloat16", 2, 16, 70, 70), ("float16", 4, 4, 1, 1)],
)
def test_attention_through_the_kernels_is_within_its_certificate(interpreted, dtype, degree, d, n, m, causal, masked):
    batch = 1 if d == 16 else 2
    asked = cell(degree, d, dtype=dtype, causal=causal, n=n, m=n if causal else m, batch=batch)
    found = interpreted("attend", asked, masked)
    assert found.calls == 7 - (not causal)  # the moments of keys are kept where no mask makes them differ by query
    assert all(error <= bound for error, bound in zip(found.errors, found.bounds, strict=True)), found


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("degree", "d", "e", "n"), [(3, 5, 7, 150), (4, 3, 2, 65), (2, 20, 17, 70), (1, 2, 1, 1), (2, 16, 16, 200)]
)
def test_work_is_what_the_interpreter_does(interpreted, degree, d, e, n, causal):
    asked = cell(degree, d, e=e, n=n, m=n, causal=causal)
    block = asked.block if causal else 0
    predicted = {
        "moments": cost.moments(n, d, e, degree, asked.block),
        "values": cost.values(n, d, e, degree, block),
        "slopes": cost.slopes(n, d, e, degree, block),
        "values by key": cost.values(n, d, e, degree, block, reverse=True),
        "slopes by key": cost.slopes(n, d, e, degree, block, reverse=True),
    }
    if causal:
        predicted["prefix"] = cost.prefix(-(-n // asked.block), d, e, degree)
    found = interpreted("counted", asked)
    assert found == {
        name: [w.dots, w.multiply_adds, w.products, w.gathered + w.loaded, w.stored] for name, w in predicted.items()
    }


def inputs(d=8, e=8, n=300, causal=False, dtype=torch.float32, lead=2):
    q, k, v = (torch.zeros(lead, 3, n, width, dtype=dtype) for width in (d, d, e))
    return shift(q, k, v, None, 1.0, causal)


def test_the_kernels_serve_cuda_alone():
    assert not serve(inputs(), 3)


@pytest.mark.parametrize(
    ("taken", "d", "degree", "e", "dtype"),
    [
        (True, 16, 4, 64, torch.float32),
        (True, 12, 4, 1, torch.float32),
        (False, 17, 4, 16, torch.float32),
        (True, 17, 3, 16, torch.float32),
        (False, 33, 3, 16, torch.float32),
        (False, 65, 2, 16, torch.float32),
        (False, 8, 0, 8, torch.float32),
        (False, 8, 2, 65, torch.float32),
        (False, 8, 2, 8, torch.float64),
    ],
)
def test_which_sizes_are_taken(taken, d, degree, e, dtype):
    assert serving.takes(d, degree, e, dtype) == taken


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("d", "degree", "e", "n", "lead"),
    [(4, 2, 4, 1, 1), (16, 4, 16, 65536, 4), (8, 3, 8, 1000, 64), (32, 3, 64, 4096, 2)],
)
def test_parts_of_tokens_fit_the_tiles_and_the_memory(d, degree, e, n, lead, causal):
    given = inputs(d, e, n, causal, lead=lead)
    part, block, group = token_chunks(given, degree)
    assert part % serving.TOKENS == 0 and block in (0, part) and bool(block) == causal
    assert all(
        serving.TOKENS % tile.tokens == 0
        for tile in (serving.MOMENT_TILE, *serving.VALUE_TILES.values(), *serving.SLOPE_TILES.values())
    )
    states = -(-n // part) * 3 * group * (e + 1) * serving.feature_count(d, degree) * 4
    assert states <= serving.STATE_BYTES
    assert 1 <= group <= lead
