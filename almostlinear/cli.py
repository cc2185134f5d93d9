"""The command line: `almostlinear list | show | status | impact | check | replay | report | errata | plan | certify | certificate |
new | diff`.

Results go to stdout (with --json one object and nothing else), messages and progress to stderr. Exit codes: 0 all as
claimed; 1 a claim failed; 2 bad usage or bad input; 3 stopped early, what was found is kept. Heavy imports wait until a
command needs them.
"""

from __future__ import annotations

from .commands import certifying, checking, documents, lemmas, planning, statements
from .commands.common import STOPPED, app, say

__all__ = ["app", "certifying", "checking", "documents", "lemmas", "main", "planning", "statements"]


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except KeyboardInterrupt:
        say("interrupted; what was found is kept")
        raise SystemExit(STOPPED) from None


if __name__ == "__main__":
    main()
