"""`pytest --almostlinear` in a folder of one's own: statements as tests, failures that explain themselves, a table at the end."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.test_packaging import build

EXAMPLES, DOCUMENTATION = (Path(__file__).resolve().parents[1] / name for name in ("examples", "docs"))


def pytest_in(folder, *arguments):
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "almostlinear.pytest_plugin",
        "-p",
        "no:cacheprovider",
        *map(str, arguments),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.fixture
def folder(tmp_path):
    for old, new in (("identity_keys", "true"), ("identity_values", "false")):
        (tmp_path / f"{new}.py").write_text((EXAMPLES / f"{old}.py").read_text())
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass\n")
    return tmp_path


def test_a_true_and_a_false_lemma(folder):
    found = pytest_in(folder, "--almostlinear", "true.py", "--almostlinear", "false.py", "-v")
    text = found.stdout
    assert found.returncode == 1 and "1 failed, 2 passed" in text, text + found.stderr
    assert "true.py::example.identity-keys PASSED proved by exact, gf(p)" in text
    for line in ("witness    G =", "replay     almostlinear replay .almostlinear/witnesses/", "true form  right side"):
        assert line in text, text
    assert "= almostlinear =" in text and "1 ✓ proved · 1 ✗ refuted" in text
    assert "\nreport: .almostlinear/report/index.html\n" in text and "Traceback" not in text
    page = (folder / ".almostlinear" / "report" / "index.html").read_text(encoding="utf-8")
    assert "example.identity-keys" in page and "example.identity-values" in page and "almostlinear replay" not in page
    values = (folder / ".almostlinear" / "report" / "statements" / "example.identity-values.html").read_text(
        encoding="utf-8"
    )
    assert "--plugin false.py" in values and "--plugin true.py" in values


def test_settings_in_the_configuration_file(folder):
    (folder / "pytest.ini").write_text("[pytest]\nalmostlinear = true.py\n")
    assert "2 passed" in pytest_in(folder).stdout
    assert "1 passed" in pytest_in(folder, "test_other.py").stdout
    assert "1 passed" in pytest_in(folder, "true.py::example.identity-keys").stdout


@pytest.mark.parametrize(("name", "code"), [("none.py", 4), ("no_such_module_at_all", 4), ("broken.py", 2)])
def test_what_cannot_be_loaded_gets_a_message(folder, name, code):
    (folder / "broken.py").write_text(
        "from almostlinear.theorems import *\nX = symbol('X', n, d) @ symbol('X', n, d)\n"
    )
    found = pytest_in(folder, "--almostlinear", name)
    assert found.returncode == code and name in found.stdout + found.stderr
    assert "Traceback" not in found.stdout + found.stderr


def test_a_report_that_cannot_be_written_fails_nothing(folder):
    found = pytest_in(folder, "--almostlinear", "true.py", "--almostlinear-report", "test_other.py")
    assert found.returncode == 0 and "the report could not be written: " in found.stdout, found.stdout


def test_without_statements_nothing_is_added(folder):
    found = pytest_in(folder)
    assert found.returncode == 0 and "1 passed" in found.stdout and "= almostlinear =" not in found.stdout


# -- a repository of one's own -------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of commands of a new environment: almostlinear from a wheel, what it needs from the present environment."""
    folder = tmp_path_factory.mktemp("environment")
    wheel = build(Path(__file__).resolve().parents[1], folder / "wheel", "wheel")
    venv.create(folder / "venv", system_site_packages=True)
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", str(scripts / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--force-reinstall", str(wheel)], check=True, timeout=120)
    (site_packages,) = {
        path.resolve() for path in (folder / "venv").rglob("site-packages")
    }  # lib64 may be a link to lib
    present = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site_packages / "present.pth").write_text(
        "\n".join(sorted(present))
    )  # their own .pth files are not read: no editable install
    return scripts


@pytest.fixture(scope="module")
def repository(tmp_path_factory, installed):
    """A new repository with a true and a false lemma, and a command that runs there with the new environment alone."""
    made = tmp_path_factory.mktemp("repository")
    (made / "lemmas").mkdir()
    for old, new in (("identity_keys", "keys"), ("identity_values", "values")):
        text = (EXAMPLES / f"{old}.py").read_text()
        (made / "lemmas" / f"{new}.py").write_text(text.replace("example.identity-", "mine."))
    (made / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\nalmostlinear = ["lemmas/keys.py", "lemmas/values.py"]\n'
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTEST_PLUGINS")}
    environment["PATH"] = f"{installed}{os.pathsep}{environment['PATH']}"

    def command(words):
        program, *arguments = shlex.split(words)
        called = (
            [str(installed / "python"), "-m", program, *arguments]
            if program == "pytest"
            else [str(installed / program), *arguments]
        )
        return subprocess.run(called, cwd=made, env=environment, capture_output=True, text=True, timeout=240)

    return made, command


def test_the_package_of_the_new_environment_is_the_wheel(installed, repository):
    _, command = repository
    found = command("python -c 'import almostlinear, torch; print(almostlinear.__file__)'")
    assert found.returncode == 0 and Path(found.stdout.strip()).is_relative_to(installed.parent), (
        found.stdout + found.stderr
    )


@pytest.mark.skipif(os.name == "nt", reason="the documentation shows a POSIX shell")
def test_the_active_environment_has_the_command(installed, tmp_path):
    shell = f". {shlex.quote(str(installed / 'activate'))} && almostlinear list --origin published"
    found = subprocess.run(["sh", "-c", shell], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0 and "C.13" in found.stdout, found.stdout + found.stderr


def test_a_report_of_the_wheel_has_the_documentation(repository):
    made, command = repository
    assert command("almostlinear check C.1 --ledger site.sqlite").returncode == 0
    found = command("almostlinear report --ledger site.sqlite --out site")
    assert found.returncode == 0, found.stdout + found.stderr
    pages = {path.stem for path in (made / "site" / "docs").glob("*.html")}
    assert pages == {path.stem for path in DOCUMENTATION.glob("*.md")}
    assert 'href="docs/index.html"' in (made / "site" / "index.html").read_text(encoding="utf-8")
    assert "From evidence to verdict" in (made / "site" / "docs" / "verdicts.html").read_text(encoding="utf-8")


def test_lemmas_in_a_new_repository(repository):
    made, command = repository
    found = command("pytest --almostlinear lemmas/keys.py --almostlinear lemmas/values.py -v")
    text = found.stdout
    assert found.returncode == 1 and "1 failed, 1 passed" in text, text + found.stderr
    assert "lemmas/keys.py::mine.keys PASSED proved by exact, gf(p)" in text
    assert "lemmas/values.py::mine.values FAILED" in text and "Traceback" not in text
    for line in ("witness    G = ((", "true form  right side fᵀ G (proved)"):
        assert line in text, text
    # where the variable CI is set, pytest prints the lines of a failure a second time, in its summary
    (replay,) = set(re.findall(r"^ *replay +(.+)$", text, re.M))
    again = command(replay)
    assert again.returncode == 0 and "refuted by exact arithmetic" in again.stdout, replay + again.stdout + again.stderr
    (once,) = set(re.findall(r"^ *again +(.+)$", text, re.M))
    assert "1 failed" in command(once).stdout
    (page,) = re.findall(r"^report: (.+)$", text, re.M)
    assert "mine.values" in (made / page).read_text(encoding="utf-8")


def test_a_plain_pytest_there_reads_the_settings(repository):
    _, command = repository
    assert "1 failed, 1 passed" in command("pytest").stdout


def test_a_lemma_that_is_mended_passes_there(repository):
    made, command = repository
    path = made / "lemmas" / "values.py"
    path.write_text(path.read_text().replace("f @ G)", "f.T @ G)"))
    assert "2 passed" in command("pytest").stdout
