"""What is installed: one top-level name, almostlinear, with real copies of the linked folders."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

SAFE: dict = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
"""Python 3.11 has the filter from 3.11.4 on."""
ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("theorems", "impl", "verify", "reports")


def build(source: Path, out: Path, kind: str) -> Path:
    command = [
        sys.executable,
        "-m",
        "build",
        "--no-isolation",
        f"--{kind}",
        "--outdir",
        str(out),
        str(source),
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (archive,) = out.iterdir()
    return archive


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


@pytest.fixture(scope="module", params=["from the repository", "from the sdist"])
def wheel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sdist: Path) -> Path:
    """A wheel, unpacked."""
    folder = tmp_path_factory.mktemp("wheel")
    source = ROOT
    if request.param == "from the sdist":
        with tarfile.open(sdist) as archive:
            archive.extractall(folder / "source", **SAFE)
        (source,) = (folder / "source").iterdir()
    with zipfile.ZipFile(build(source, folder / "built", "wheel")) as archive:
        archive.extractall(folder / "unpacked")
    return folder / "unpacked"


def files(folder: Path) -> set[str]:
    """Paths of a room's files, without what running leaves there."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {
        path.as_posix()
        for path in paths
        if not any(part.startswith((".", "__pycache__")) for part in path.parts) and path.parts[0] != "html"
    }


def test_one_top_level_name(wheel: Path) -> None:
    assert {path.name for path in wheel.iterdir() if path.suffix != ".dist-info"} == {"almostlinear"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_in_whole(wheel: Path, room: str) -> None:
    assert files(wheel / "almostlinear" / room) == files(ROOT / "almostlinear" / room)


def test_no_links_in_the_sdist(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        assert [member.name for member in archive if member.issym() or member.islnk()] == []


def test_the_console_script_is_declared(wheel: Path) -> None:
    (entry_points,) = wheel.glob("*.dist-info/entry_points.txt")
    assert "almostlinear = almostlinear.cli:main" in entry_points.read_text()


def test_it_imports_from_where_it_lies(wheel: Path) -> None:
    """In a process of its own, with the unpacked wheel first on the path: every room, and the data."""
    script = f"""
import importlib, importlib.resources, pathlib, sys
import numpy
here = pathlib.Path({str(wheel)!r})
for name in ["almostlinear", "almostlinear.cli", *("almostlinear." + room for room in {ROOMS!r})]:
    module = importlib.import_module(name)
    assert pathlib.Path(module.__file__).is_relative_to(here), module.__file__
data = importlib.resources.files("almostlinear.verify") / "data" / "minilm.npz"
with data.open("rb") as file:
    assert len(numpy.load(file)["heads"]) == 8
"""
    environment = os.environ | {"PYTHONPATH": str(wheel), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run([sys.executable, "-c", script], cwd=wheel, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
