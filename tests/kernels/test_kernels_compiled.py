"""The programs compile for GPUs of three generations, without one: no code for the interpreter alone, and within what a device has."""

import importlib.util

import pytest

from tests.kernels.workers import Worker

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed")

PROGRAMS = [("moments", 0), ("values", 0), ("values", 1), ("slopes", 0), ("slopes", 1), ("prefix", 0)]
CELLS = [
    *((90, degree, d, "float32", "ieee") for degree, d in ((4, 16), (3, 32), (2, 64))),
    (90, 3, 16, "float32", "tf32x3"),
    (90, 3, 16, "bfloat16", "ieee"),
    (80, 3, 16, "float16", "ieee"),
    (89, 2, 4, "float32", "ieee"),
]
SHARED = 99 * 1024
"""Bytes of shared memory that a block may have at capability 8.9, the least of the three (CUDA C++ Programming Guide)."""
SPILLED = 32
"""Bytes a thread that may live outside registers: a few words, read from the first-level cache."""


@pytest.fixture(scope="module")
def compiler(tmp_path_factory):
    worker = Worker(interpret=False, cache=str(tmp_path_factory.mktemp("triton")))
    yield worker
    worker.close()


@pytest.mark.parametrize(("program", "mask"), PROGRAMS)
@pytest.mark.parametrize(("capability", "degree", "d", "dtype", "precision"), CELLS)
def test_a_program_compiles_and_fits(compiler, capability, degree, d, dtype, precision, program, mask):
    found = compiler("compile_for", program, capability, degree, d, d, mask, dtype, precision)
    assert found.shared <= SHARED and found.spilled <= SPILLED, found


@pytest.mark.parametrize(("program", "mask"), PROGRAMS)
def test_sizes_of_one_compile_too(compiler, program, mask):
    assert compiler("compile_for", program, 90, 1, 1, 1, mask, "float32", "ieee", (), True).registers


def test_a_tile_that_does_not_fit_is_seen(compiler):
    found = compiler("compile_for", "slopes", 90, 2, 64, 64, 1, "float32", "ieee", (64, 64, 4))
    assert found.spilled > 10 * SPILLED
