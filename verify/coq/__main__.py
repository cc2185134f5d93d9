"""Compile everything and append what was proved to the ledger: ``python -m almostlinear.verify.coq [--ledger PATH] [--folder PATH]``.

Exit codes: 0 all compiled, 1 something did not or rests on a strange axiom, 2 no coqc.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from almostlinear.theorems.registry import load

from ..engines import kernel
from ..ledger import DEFAULT, Ledger
from . import build


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m almostlinear.verify.coq", description=__doc__)
    parser.add_argument("--ledger", type=Path, default=DEFAULT, help="the ledger of evidence")
    parser.add_argument("--folder", type=Path, default=build.FOLDER, help="where the files are written and compiled")
    given = parser.parse_args(arguments)
    if not build.is_available():
        print("coqc is not installed: apt-get install coq libcoq-interval libcoq-mathcomp-ssreflect", file=sys.stderr)
        return 2
    registry = load()
    try:
        result = build.run(registry, given.folder)
    except build.NotBuilt as error:
        print(error, file=sys.stderr)
        return 1
    shown = build.table(result)
    print(f"{shown['title']}: {shown['note']}")
    for row in shown["rows"]:
        print(f"{row['compiled']:5d}  {row['what']}: {row['detail']}")
    strange = result.strange_axioms()
    for name, listed in strange.items():
        print(f"{name}.v rests on {', '.join(listed)}", file=sys.stderr)
    found = list(kernel.records(registry, result))
    with Ledger(given.ledger) as ledger:
        ledger.append(found)
    print(f"{len(found)} claims recorded with the basis kernel")
    return 1 if result.failed or strange else 0


if __name__ == "__main__":
    sys.exit(main())
