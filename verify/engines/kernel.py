"""Evidence for claims whose translation to Coq was compiled: the proposition is read from the claim, and Coq's kernel checked its proof.

The records are appended by ``make coq``, not by a campaign, since Coq is optional. What is trusted: Coq, the axioms that are listed, the
definitions in the .v files (a record has the hash of all sources), and the translation (`verify.coq.translate`).
"""

from __future__ import annotations

from collections.abc import Iterator

from almostlinear.theorems.registry import Registry

from ..code_hash import code_hash
from ..coq import build, claims
from ..coq.translate import NotTranslated
from ..evidence import Evidence
from ..status import module_of

ENGINE = "kernel"


def records(registry: Registry, result: build.Result) -> Iterator[Evidence]:
    """A record for every claim of which the theorem compiled, if no axiom is strange."""
    if result.strange_axioms():
        return
    hashes, compiled = registry.hashes(), set(result.compiled.get("Claims", ()))
    for made, claim in build.wanted(registry):
        try:
            theorem = claims.theorem(made.id, claim)
        except NotTranslated:
            continue
        if theorem.name in compiled:
            yield Evidence(
                statement=made.id,
                part=claim.part,
                reading=claim.reading,
                engine=ENGINE,
                strength="proved",
                basis="kernel",
                hash=hashes[made.id],
                code=code_hash(module_of(ENGINE)),
                tried=1,
                versions={"coq": result.coq},
                detail={"theorem": theorem.name, "sources": result.sources, "axioms": result.axioms["Claims"]},
            )
