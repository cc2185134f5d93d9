"""What the fused kernels would take on three GPUs, predicted from counted work and datasheets: nothing here is measured.

    python -m benchmarks.roofline        writes benchmarks/results/roofline.json

A program takes at least the longest of: its arithmetic at the peak rate, its bytes of device memory at the peak bandwidth, its loads and
stores at the rate of the first-level caches (32 banks of 4 bytes a clock and multiprocessor). So does flash attention: products on tensor
cores in bfloat16, an exponential for every pair and pass on the special function units. Real kernels reach a part of either.
Work is counted in impl/kernels/cost.py, whose counts are those of the interpreted kernels (tests/kernels). Roofline: Williams, Waterman,
Patterson, CACM 52(4), 2009.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from almostlinear.impl.features import feature_count
from almostlinear.impl.kernels import DEGREES, cost, serving
from almostlinear.impl.kernels.cost import Work

BYTES = 4
WORD = "prediction, not measured"
LONG = 65536
SIZES = tuple(1 << k for k in range(8, 21))
PRECISIONS = ("ieee", "tf32x3")


@dataclass(frozen=True)
class Device:
    """Peaks, dense: ``float32``, ``tf32``, ``bfloat16`` Tflop/s, ``memory`` GB/s, ``multiprocessors``; the clock is what float32 implies,
    at 128 multiply-adds a clock. ``source``: the documents with these figures.
    """

    name: str
    float32: float
    tf32: float
    bfloat16: float
    memory: float
    multiprocessors: int
    source: str

    @property
    def clocks(self) -> float:
        """Clocks of all multiprocessors a second."""
        return self.float32 * 1e12 / (2 * 128)

    @property
    def cache(self) -> float:
        """Bytes a second of all first-level caches."""
        return 128 * self.clocks

    @property
    def exponentials(self) -> float:
        """A second, 16 a clock (CUDA C++ Programming Guide, throughput of native arithmetic instructions)."""
        return 16 * self.clocks


DEVICES = (
    Device("H100 SXM", 67.0, 494.5, 989.5, 3350.0, 132, "NVIDIA H100 Tensor Core GPU Datasheet, its sparse figures halved"),
    Device("A100 SXM 80 GB", 19.5, 156.0, 312.0, 2039.0, 108, "NVIDIA A100 Tensor Core GPU Datasheet"),
    Device("RTX 4090", 82.6, 82.6, 165.2, 1008.0, 128, "NVIDIA Ada GPU Architecture whitepaper, appendix A (float32 accumulation)"),
)  # fmt: skip


def seconds(work: Work, device: Device, precision: str) -> tuple[float, str]:
    """The least time of one program, and what takes it."""
    limits = {
        "device memory": BYTES * work.device / (device.memory * 1e9),
        "first-level cache": BYTES * (work.gathered + work.loaded + work.stored) / device.cache,
    }
    products, others = 2 * work.multiply_adds, 2 * work.products
    if precision == "ieee":
        limits["arithmetic"] = (products + others) / (device.float32 * 1e12)
    else:  # three products of narrow parts on the tensor cores; the rest beside them
        limits["tensor cores"] = 3 * products / (device.tf32 * 1e12)
        limits["arithmetic"] = others / (device.float32 * 1e12)
    name = max(limits, key=limits.__getitem__)
    return limits[name], name


def steps(n: int, d: int, degree: int, causal: bool) -> list[tuple[str, Work]]:
    """Every program of a forward and backward pass over one head, and what torch does before them, with e = d."""
    chunk = serving.causal_block(d, degree, d) if causal else serving.part_length(n, feature_count(d, degree), 1)
    made = cost.attention(n, d, d, degree, chunk, causal)
    # torch shifts, scales and transposes queries, keys, weighted values and u: three steps, each reads and writes.
    operands = 6 * n * (2 * (2 * d) + 3 * (d + 1))
    return [*made["forward"], *made["backward"], ("operands", Work(device=operands))]


def ours(n: int, d: int, degree: int, causal: bool, device: Device, precision: str) -> tuple[float, str]:
    """Seconds of forward and backward, and what takes the largest part of them."""
    parts: dict[str, float] = {}
    for _, work in steps(n, d, degree, causal):
        took, limit = seconds(work, device, precision)
        parts[limit] = parts.get(limit, 0.0) + took
    return sum(parts.values()), max(parts, key=parts.__getitem__)


def flash(n: int, d: int, causal: bool, device: Device) -> float:
    """Seconds of flash attention, forward and backward, in bfloat16: seven products of n n d, tiles of 16 columns at least, and two
    exponentials a pair.
    """
    pairs = n * n / 2 if causal else float(n * n)
    products = 7 * 2 * pairs * max(d, 16) / (device.bfloat16 * 1e12)
    traffic = BYTES / 2 * 12 * n * d / (device.memory * 1e9)
    return max(products, 2 * pairs / device.exponentials, traffic)


def crossover(d: int, degree: int, causal: bool, device: Device, precision: str) -> int | None:
    """The least multiple of 64 tokens from which on ours is predicted to be faster; None above 2^24."""

    def faster(n: int) -> bool:
        return ours(n, d, degree, causal, device, precision)[0] <= flash(n, d, causal, device)

    high = 64
    while not faster(high):
        high *= 2
        if high > 1 << 24:
            return None
    low = high // 2
    while high - low > 64:
        middle = (low + high) // 128 * 64
        low, high = (low, middle) if faster(middle) else (middle, high)
    return high


def cells() -> list[tuple[int, int]]:
    """(d, degree) of every cell that is served, from degree 2."""
    return [(d, degree) for d, most in DEGREES.items() for degree in range(2, most + 1)]


def work_table(causal: bool) -> dict[str, Any]:
    """Counted work a token, exact integers over n = LONG."""
    rows = []
    for d, degree in cells():
        total = Work()
        for _, work in steps(LONG, d, degree, causal):
            total = total.plus(work)
        flops = 2 * (total.multiply_adds + total.products)
        rows.append([
            d, degree, feature_count(d, degree), total.multiply_adds // LONG, total.products // LONG, total.gathered // LONG,
            total.loaded // LONG, BYTES * total.device // LONG, round(flops / (BYTES * total.device), 1),
        ])  # fmt: skip
    mask = "causal" if causal else "full"
    return {
        "title": f"Counted work a token, forward and backward, {mask}, one head, e = d, n = {LONG}",
        "note": "Counted from the loops of the kernels; padding of tiles included. Intensity: operations a byte of device memory.",
        "columns": ["d", "g", "features", "multiply-adds", "other products", "gathered", "loaded", "bytes", "intensity"],
        "rows": rows,
    }  # fmt: skip


def time_table(device: Device, causal: bool) -> dict[str, Any]:
    """Predicted times at n = LONG and crossovers."""
    rows = []
    for d, degree in cells():
        exact = flash(LONG, d, causal, device)
        predicted = [ours(LONG, d, degree, causal, device, precision) for precision in PRECISIONS]
        crossing = [crossover(d, degree, causal, device, precision) for precision in PRECISIONS]
        rows.append([
            d, degree, *(round(1e3 * took, 4) for took, _ in predicted), round(1e3 * exact, 4),
            *(round(exact / took, 2) for took, _ in predicted), *crossing, predicted[0][1],
        ])  # fmt: skip
    return {
        "title": f"{device.name}, {'causal' if causal else 'full'}: predicted ms at n = {LONG}, one head, forward and backward ({WORD})",
        "note": f"Least times by the roofline. {device.source}. Crossover: the n from which on ours is predicted to be faster.",
        "columns": [
            "d", "g", "ms, float32", "ms, 3 x TF32", "ms, flash bfloat16", "ratio, float32", "ratio, 3 x TF32", "crossover, float32",
            "crossover, 3 x TF32", "limited by",
        ],
        "rows": rows,
    }  # fmt: skip


def time_plot(device: Device, d: int, degree: int) -> dict[str, Any]:
    """Predicted time against n."""
    lines = [{"name": "flash attention, bfloat16", "points": [[n, 1e3 * flash(n, d, False, device)] for n in SIZES]}]
    for precision, words in zip(PRECISIONS, ("float32", "3 x TF32"), strict=True):
        points = [[n, 1e3 * ours(n, d, degree, False, device, precision)[0]] for n in SIZES]
        lines.append({"name": f"degree {degree}, {words}", "points": points})
    title = f"{device.name}, d = {d}, one head: predicted ms of forward and backward"
    return {"title": title, "x": "n, tokens", "y": "ms", "lines": lines, "dots": []}


def roof_plot(device: Device) -> dict[str, Any]:
    """Attainable rate against intensity, and where the cells lie at n = LONG."""
    ends = (1.0, 1e5)
    roofs = {"float32": device.float32, "3 x TF32": device.tf32 / 3}
    lines = [
        {
            "name": f"roof, {name}",
            "points": [[x, min(peak, x * device.memory / 1e3)] for x in (ends[0], peak * 1e3 / device.memory, ends[1])],
        }
        for name, peak in roofs.items()
    ]
    dots = []
    for d, degree in cells():
        flops = moved = 0
        for _, work in steps(LONG, d, degree, False):
            flops, moved = flops + 2 * (work.multiply_adds + work.products), moved + BYTES * work.device
        took, _ = ours(LONG, d, degree, False, device, "ieee")
        dots.append({"name": f"{d}, {degree}", "x": flops / moved, "y": flops / took / 1e12})
    title = f"{device.name}: Tflop/s against operations a byte, cells (d, g) in float32 at n = {LONG}"
    return {"title": title, "x": "operations a byte", "y": "Tflop/s", "lines": lines, "dots": dots}


def predict() -> dict[str, Any]:
    """The whole prediction, as it is written."""
    tables = [work_table(causal) for causal in (False, True)]
    tables += [time_table(device, causal) for device in DEVICES for causal in (False, True)]
    return {
        "schema": 1,
        "name": "roofline",
        "kind": "prediction",
        "machine": "none: predicted from counted work and datasheets, nothing is measured",
        "devices": [asdict(device) for device in DEVICES],
        "tables": tables,
        "plots": [plot for device in DEVICES for plot in (roof_plot(device), time_plot(device, 16, 3))],
    }


def main() -> int:
    path = Path(__file__).parent / "results" / "roofline.json"
    path.write_text(json.dumps(predict(), indent=1) + "\n", encoding="utf-8")
    print(f"written to {path}: {WORD}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
