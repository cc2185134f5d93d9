"""Examples of Hypothesis on a real Redis server on loopback: what fails in one working copy is what another tries first."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

redis = pytest.importorskip("redis", reason="redis is not installed: pip install 'almostlinear[redis]'")

ROOT = Path(__file__).resolve().parents[2]
SERVER = shutil.which("redis-server")
pytestmark = pytest.mark.skipif(SERVER is None, reason="no redis-server: apt-get install redis-server")
LEMMA = """
import hypothesis.strategies as st
from hypothesis import given, settings
from almostlinear.verify.examples import drawing

@settings(max_examples=30, **drawing())
@given(st.integers(0, 2**40))
def test_small(x):
    with open("tried.txt", "a") as log:
        log.write(f"{x}\\n")
    assert x < 12345
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(SERVER), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, cwd=tmp_path_factory.mktemp("redis"), stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis(port=port)
        for _ in range(200):
            try:
                client.ping()
                break
            except redis.RedisError:
                time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(10)


def pytest_in(folder: Path, *arguments: str, shared: str | None = None) -> subprocess.CompletedProcess[str]:
    settings = {name: x for name, x in os.environ.items() if name not in ("ALMOSTLINEAR_REDIS", "PYTEST_ADDOPTS")}
    settings |= {"PYTHONPATH": str(ROOT), **({"ALMOSTLINEAR_REDIS": shared} if shared else {})}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True, timeout=120)


def tried_first(folder: Path, shared: str | None) -> list[int]:
    folder.mkdir()
    (folder / "test_lemma.py").write_text(LEMMA)
    (folder / "pytest.ini").write_text("[pytest]\n")
    assert "1 failed" in pytest_in(folder, "test_lemma.py", shared=shared).stdout
    return [int(x) for x in (folder / "tried.txt").read_text().split()]


def test_what_fails_in_one_copy_is_tried_first_in_another(tmp_path: Path, url: str) -> None:
    assert min(x for x in tried_first(tmp_path / "one", url) if x >= 12345) == 12345
    assert tried_first(tmp_path / "two", url)[0] == 12345
    assert tried_first(tmp_path / "alone", None)[0] != 12345


def asked(url: str) -> int:
    """How often sets of examples were read from the server."""
    found = redis.Redis.from_url(url).info("commandstats")
    return int(found.get("cmdstat_smembers", {}).get("calls", 0))


def test_verify_uses_the_server_that_is_named(url: str) -> None:
    test = "verify/test_statements.py::test_no_drawn_problem_contradicts_a_proof"
    before = asked(url)
    assert "1 passed" in pytest_in(ROOT, test).stdout and asked(url) == before
    found = pytest_in(ROOT, test, "--redis", url)
    assert "1 passed" in found.stdout and asked(url) > before, found.stdout


def test_a_server_that_does_not_answer_is_said() -> None:
    found = pytest_in(ROOT, "verify/test_statements.py", "--redis", "redis://127.0.0.1:9/0")
    assert found.returncode == 4 and "no Redis server answers at 'redis://127.0.0.1:9/0'" in found.stderr
    assert "INTERNALERROR" not in found.stderr + found.stdout
