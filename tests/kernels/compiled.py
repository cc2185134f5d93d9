"""The programs compiled for GPUs, without one: what the assembler says of registers and memory. For processes that do not interpret."""

import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from almostlinear.impl.kernels import launch, programs, serving

DTYPES = {"float32": "*fp32", "float16": "*fp16", "bfloat16": "*bf16"}
INPUTS, TABLES = ("x", "y", "z", "left"), ("slots", "raised")
CONTIGUOUS = ("x_n", "y_n", "z_n", "left_n", "out_n", "state_k", "out_k")
"""Strides of 1 are constants of a compiled program, as they are when it is launched."""


class Resources(NamedTuple):
    """Of one program: registers a thread, bytes a thread that do not fit into them, bytes of shared memory a block."""

    registers: int
    spilled: int
    shared: int


def compile_for(
    program: str,
    capability: int,
    degree: int,
    d: int,
    e: int,
    mask: int,
    dtype: str,
    precision: str,
    tile: tuple[int, ...] = (),
    ones: bool = False,
) -> Resources:
    """``program`` with the tile that is launched, or with another; ``ones``: every size is 1, which makes it a constant, as at a launch."""
    function = getattr(programs, program)
    tiles = {"values": serving.value_tile, "slopes": serving.slope_tile}
    launched = tiles[program](d, e) if program in tiles else serving.MOMENT_TILE
    options = launch._options(serving.Tile(*tile) if tile else launched)
    named = {
        "DEGREE": degree, "MASK": mask, "D": serving.padded(d), "E": serving.padded(e), "PRECISION": precision, "REVERSE": bool(mask),
        "BLOCK": launch.PREFIX_BLOCK, **options, **dict.fromkeys(CONTIGUOUS, 1),
    }  # fmt: skip
    if ones:
        named |= {name: 1 for name in function.arg_names if _kind(name, dtype) == "i32" and name not in named}
    constants = {name: value for name, value in named.items() if name in function.arg_names}
    kinds = {name: _kind(name, dtype) for name in function.arg_names} | dict.fromkeys(constants, "constexpr")
    places = {(function.arg_names.index(name),): value for name, value in constants.items()}
    built = triton.compile(
        ASTSource(function, kinds, constexprs=places),
        target=GPUTarget("cuda", capability, 32),
        options={name: options[name] for name in ("num_warps", "num_stages")},
    )
    registers, spilled = _usage(built.asm["cubin"])
    return Resources(registers, spilled, built.metadata.shared)


def _kind(name: str, dtype: str) -> str:
    if name in INPUTS:
        return DTYPES[dtype]
    if name in TABLES:
        return "*i32"
    return "*fp32" if name in ("states", "out", "weights") else "i32"


def _usage(cubin: bytes) -> tuple[int, int]:
    tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        told = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", told)
    assert found, told
    return int(found[1]), int(found[2])
