"""`pytest verify/`: one campaign for the session, then one test a statement; options as for `almostlinear check`."""

import os
from pathlib import Path

import pytest

from almostlinear.theorems import load
from almostlinear.verify import examples
from almostlinear.verify.campaign import run
from almostlinear.verify.ledger import Ledger
from almostlinear.verify.replay import write_witnesses
from almostlinear.verify.status import statuses
from almostlinear.verify.task import PROFILES
from almostlinear.verify.workers import Pool, cores

FOUND = pytest.StashKey[list[dict[str, object]]]()
"""The verdicts as `almostlinear status --json` has them."""


def pytest_addoption(parser):
    group = parser.getgroup("almostlinear")
    group.addoption("--profile", default="quick", choices=list(PROFILES), help="how much to try")
    group.addoption("--seed", default=0, type=int, help="of everything that is drawn")
    group.addoption("--device", default="cpu", choices=["cpu", "cuda"], help="for checks of the implementation")
    group.addoption(
        "--redis", metavar="URL", help=f"server of shared examples of Hypothesis, else ${examples.VARIABLE}"
    )
    group.addoption("--ledger", default=".almostlinear/ledger.sqlite", help="the ledger of evidence")


def pytest_configure(config):
    """Test files read the server from the environment when they are imported."""
    if config.option.redis:
        os.environ[examples.VARIABLE] = config.option.redis
    try:
        examples.drawing()
    except examples.NoServer as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture(scope="session")
def verdicts(request):
    """The status of every statement after a campaign; claims examined before are not examined again."""
    registry = load()
    options = request.config.option
    with Ledger(Path(options.ledger)) as ledger:
        progress = run(
            registry, ledger, registry,
            profile=PROFILES[options.profile], seed=options.seed, device=options.device, examiner=Pool(cores()),
        )  # fmt: skip
        assert not progress.errors, "\n".join(progress.errors.values())
        write_witnesses(ledger, statuses(registry, ledger))
        found = {s.statement.id: s for s in statuses(registry, ledger)}
    request.config.stash[FOUND] = [s.to_json() for s in found.values()]
    return found


def pytest_terminal_summary(terminalreporter, config):
    """The verdicts, and where the report is or how it is made."""
    rows, page = config.stash.get(FOUND, None), Path("reports/html/index.html")
    plugin = config.pluginmanager.get_plugin("almostlinear.pytest_plugin")  # it came with the package
    if rows and plugin is not None:
        plugin.summary(terminalreporter, rows, f"report: {page}" if page.exists() else "for it: almostlinear report")
