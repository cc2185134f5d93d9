"""Writes the Coq files, has ``coqc`` compile them, and asks it for the axioms behind every theorem.

A generated theorem that does not compile is taken out, listed with coqc's message, and the rest of its file is compiled again. The result
is kept as JSON in the folder: what compiled, what did not and why, the axioms, the time, and a hash of all sources.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from almostlinear.theorems.registry import Registry
from almostlinear.theorems.statement import Bound, Statement

from ..certificates import collect
from . import boxes, claims, rules, steps
from .claims import Theorem
from .translate import NotTranslated

FOLDER = Path("build") / "coq"
RESULT = "result.json"
LOGICAL = "Almostlinear"
LIBRARY = ("Sums", "Norms", "NormRules", "Structure", "Taylor", "Rows", "Centred", "Softmax", "Formulas")
"""The files written by hand, in the order of compilation."""
ALLOWED = (
    "ClassicalDedekindReals.sig_forall_dec", "ClassicalDedekindReals.sig_not_dec", "Classical_Prop.classic",
    "FunctionalExtensionality.functional_extensionality_dep",
)  # fmt: skip
"""The axioms of the standard library's real numbers, as Coquelicot uses them."""
MACHINE = ("PrimInt63.", "Uint63.", "PrimFloat.", "FloatAxioms.")
"""Modules of the machine numbers that Interval computes with: allowed for what it proves alone."""
COQC = ("coqc", "-noglob", "-w", "-ambiguous-paths")
SECONDS = 300
"""Limit for one file."""


class NotBuilt(RuntimeError):
    """A file written by hand that does not compile, or no coqc."""


@dataclass(frozen=True)
class File:
    """A generated file: its name, what stands before the theorems, and these."""

    name: str
    head: str
    theorems: tuple[Theorem, ...]

    def text(self) -> str:
        return "\n".join([self.head, *(t.text for t in self.theorems), ""])


@dataclass
class Result:
    """What coqc said.

    Attributes:
        compiled: the names of the theorems that compiled, by file.
        about: what a theorem is about.
        failed: the others, with the reason.
        left_out: claims that have no theorem here, with the reason.
        axioms: behind the theorems of a file.
        seconds: in all.
        coq: its version.
        sources: a hash of all texts.
    """

    compiled: dict[str, list[str]] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    axioms: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    coq: str = ""
    sources: str = ""

    def strange_axioms(self) -> dict[str, list[str]]:
        """Axioms that are not allowed, by file."""
        found = {}
        for name, listed in self.axioms.items():
            machine = MACHINE if name == "Boxes" else ()
            strange = [a for a in listed if a not in ALLOWED and not a.startswith(machine or ("\0",))]
            if strange:
                found[name] = strange
        return found


# -- what is generated -------------------------------------------------------------------------------------------------
def generated(statements: Iterable[Statement]) -> tuple[list[File], dict[str, str]]:
    """The generated files, and the claims that have no theorem, with the reason."""
    listed = list(statements)
    made, left_out = [], {}
    for statement, claim in wanted(listed):
        try:
            made.append(claims.theorem(statement.id, claim))
        except NotTranslated as error:
            left_out[f"{statement.id}, part {claim.part}"] = str(error)
    return [
        File("Rules", rules.HEAD, tuple(rules.theorems())),
        File("Claims", claims.HEAD, tuple(made)),
        File("Steps", steps.HEAD, tuple(steps.theorems(documents(listed)))),
        File("Boxes", boxes.HEAD, tuple(boxes.theorems())),
    ], left_out


def wanted(statements: Iterable[Statement]) -> Iterator[tuple[Statement, Bound]]:
    """The claims that should have a theorem: bounds of the statements of which some claim has a script."""
    ids = {id for id, _ in claims.SCRIPTS} | {"T.4"}
    for made in statements:
        for claim in made.claims:
            if made.id in ids and isinstance(claim, Bound):
                yield made, claim


def documents(statements: Iterable[Statement]) -> Iterator[dict[str, Any]]:
    """The certificates of the bounds of repaired statements that have any."""
    listed = list(statements)
    by_id = {s.id: s for s in listed}
    for made in listed:
        for claim in made.claims:
            if isinstance(claim, Bound) and made.origin == "repair":
                found = collect.certified(made, claim, [by_id[u] for u in made.uses if u in by_id])
                if found is not None:
                    yield found.document


# -- compilation -------------------------------------------------------------------------------------------------------
def is_available() -> bool:
    """Whether coqc can be run."""
    return shutil.which("coqc") is not None


def build(folder: Path, files: Iterable[File], left_out: dict[str, str] | None = None) -> Result:
    """Compile the library and the generated files in a folder, and ask for the axioms.

    Raises:
        NotBuilt: if there is no coqc or the library does not compile.
    """
    if not is_available():
        raise NotBuilt("coqc is not installed: apt-get install coq libcoq-interval libcoq-mathcomp-ssreflect")
    begun = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    version = subprocess.run(["coqc", "--version"], capture_output=True, text=True, check=True).stdout
    result = Result(left_out=dict(left_out or {}), coq=version.split("version")[-1].split()[0])
    hashed = hashlib.sha256()
    for name in LIBRARY:
        text = Path(__file__).with_name(f"{name}.v").read_text(encoding="utf-8")
        hashed.update(text.encode())
        message = compile_text(folder, name, text)
        if message is not None:
            raise NotBuilt(f"{name}.v does not compile: {message}")
    for file in files:
        hashed.update(file.text().encode())
        kept = _compiled(folder, file, result)
        result.compiled[file.name] = [t.name for t in kept.theorems]
        result.about |= {t.name: t.about for t in file.theorems}
        result.axioms[file.name] = axioms(folder, file.name, [t.name for t in kept.theorems])
    library = [f"{name}.{lemma}" for name in LIBRARY for lemma in _names(folder / f"{name}.v")]
    result.axioms["library"] = axioms(folder, " ".join(LIBRARY), library)
    result.seconds, result.sources = round(time.monotonic() - begun, 1), hashed.hexdigest()[:16]
    (folder / RESULT).write_text(json.dumps(asdict(result), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return result


def compile_text(folder: Path, name: str, text: str) -> str | None:
    """Compile one file; coqc's message if it fails."""
    (folder / f"{name}.v").write_text(text, encoding="utf-8")
    return _coqc(folder, name)[0]


def _coqc(folder: Path, name: str) -> tuple[str | None, str]:
    """Run coqc on a file of the folder: its message if it fails, and what it printed."""
    command = [*COQC, "-Q", ".", LOGICAL, f"{name}.v"]
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"more than {SECONDS} s", ""
    return (run.stderr.strip() or f"exit {run.returncode}") if run.returncode else None, run.stdout


def _compiled(folder: Path, file: File, result: Result) -> File:
    """The file without the theorems that do not compile."""
    while True:
        message = compile_text(folder, file.name, file.text())
        if message is None:
            return file
        bad = _culprit(file, message)
        if bad is None:
            raise NotBuilt(f"{file.name}.v does not compile: {message}")
        result.failed[bad.name] = re.sub(r"\s+", " ", message)[:400]
        file = File(file.name, file.head, tuple(t for t in file.theorems if t is not bad))


def _culprit(file: File, message: str) -> Theorem | None:
    """The theorem in which the line of coqc's message lies."""
    found = re.search(r"line (\d+)", message)
    if found is None:
        return None
    line = file.head.count("\n") + 1
    for theorem in file.theorems:
        last = line + theorem.text.count("\n") + 1
        if line < int(found[1]) <= last:
            return theorem
        line = last
    return None


def _names(path: Path) -> list[str]:
    """The names of a library file's lemmas."""
    return re.findall(r"^(?:Lemma|Theorem) ([\w']+)", path.read_text(encoding="utf-8"), re.MULTILINE)


def axioms(folder: Path, modules: str, names: list[str]) -> list[str]:
    """The axioms that any of the theorems rests on.

    Raises:
        NotBuilt: if coqc does not answer.
    """
    if not names:
        return []
    bundle = "tt"
    for name in names:
        bundle = f"({bundle}, @{name})"
    text = (
        f"From {LOGICAL} Require Import {modules}.\n"
        f"Definition all_theorems := {bundle}.\nPrint Assumptions all_theorems.\n"
    )
    (folder / "Axioms.v").write_text(text, encoding="utf-8")
    message, printed = _coqc(folder, "Axioms")
    if message is not None:
        raise NotBuilt(f"the axioms behind {modules}: {message}")
    if "Closed under the global context" in printed:
        return []
    _, _, listed = printed.partition("Axioms:\n")
    return sorted(set(re.findall(r"^([\w.']+)\s*(?::|$)", listed, re.MULTILINE)))


# -- the report --------------------------------------------------------------------------------------------------------
def load(folder: Path = FOLDER) -> Result | None:
    """The result of the last build, or None."""
    path = folder / RESULT
    return Result(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def run(registry: Registry, folder: Path = FOLDER) -> Result:
    """Generate, compile and record everything."""
    files, left_out = generated(registry)
    return build(folder, files, left_out)


WHAT = {
    "Rules": "rules of the norm calculus",
    "Claims": "claims, for all sizes",
    "Steps": "steps of certificates",
    "Boxes": "bounds at numbers and on boxes",
}


def table(result: Result) -> dict[str, Any]:
    """What compiled, by file, and what did not, as a table of the report."""
    rows: list[dict[str, Any]] = [
        {"what": WHAT.get(name, name), "compiled": len(listed), "detail": f"{name}.v"}
        for name, listed in result.compiled.items()
    ]
    rows += [
        {"what": result.about.get(name, name), "compiled": 0, "detail": why} for name, why in result.failed.items()
    ]
    rows += [{"what": name, "compiled": 0, "detail": why} for name, why in result.left_out.items()]
    note = (
        f"Coq {result.coq}, {result.seconds:g} s; no theorem is admitted, and none rests on an axiom beyond those of the standard "
        "library's real numbers and, for the boxes, machine integers and floats"
    )
    return {"title": "Compiled by Coq", "note": note, "rows": rows}
