"""Mutants of impl, judged by the checks of the implementation: certificates of one layer, of models of several layers, and of eps.

Each mutant runs in a process of its own, forked from one that has torch and the theory but not impl. Only lines that the checks execute
are changed: a mistake elsewhere says nothing about them.
"""

from __future__ import annotations

import importlib
import multiprocessing
import random
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from almostlinear.theorems.claims import Bound
from almostlinear.theorems.registry import load

from ..evidence import REFUTED
from ..task import PROFILES, Task
from .judge import SURVIVED, Judgement
from .source import PACKAGE, ROOT, SourceMutant, install, mutants

MODULES = (
    "features", "streaming", "attention", "algorithm1", "algorithm_attention", "algorithm_layers", "dense", "causal", "exact", "gradients",
    "moments", "rows", "sweeps",
)  # fmt: skip
"""Modules whose formulas make what is returned; those that a version of impl lacks are passed over."""
CHOOSING = ("plan", "polynomial", "score_range")
"""Modules that choose a degree and an order of work: a choice that is too careful costs time, and no check of results sees it."""
BEFORE = (
    "torch",
    "almostlinear.verify.implemented",
    "almostlinear.verify.engines.implementation",
    "almostlinear.verify.layers",
)
"""What every process needs; none of it imports impl."""
KIND = "implementation"
LAYERS = 8
"""Drawn layers of each family."""
EPS = (1e-1, 1e-3, 1e-6)


# -- checks ------------------------------------------------------------------------------------------------------------
def fault(seed: int = 0) -> str | None:
    """Which check of the implementation fails, in words; None if all pass."""
    for check in (_one_layer, _several_layers, _degree_for_eps):
        try:
            found = check(seed)
        except Exception as error:
            return f"{check.__name__.strip('_')}: {type(error).__name__}: {str(error)[:120]}"
        if found is not None:
            return f"{check.__name__.strip('_')}: {found}"
    return None


def _one_layer(seed: int) -> str | None:
    from ..engines import implementation

    made = load()[implementation.STATEMENT]
    profile = replace(PROFILES["quick"], bounds=LAYERS)
    for claim in made.claims:
        if isinstance(claim, Bound):
            record = implementation.examine(Task(made, claim, "", profile, seed))
            if record is None:
                return f"{claim.part}: no layer is decided"
            if record.strength == REFUTED:
                assert record.witness is not None
                return f"{claim.part}: {record.witness['claimed']}, but {record.witness['actual']}"
    return None


@cache
def _theory(heads: int, g: str, phi: str, loss: str) -> Any:
    from ..recurrences import Theory

    claims = {claim.part: claim for claim in load()["m.5"].claims if isinstance(claim, Bound)}
    return Theory(claims, heads, g, phi, loss)


def settings() -> list[Any]:
    """Models with one feature of the theory each: masks, residuals, heads, maps g_i, losses, exact forward passes."""
    from ..models import Setting

    return [
        Setting(5, 4, 2, 3, True, True, False, "dense", "tanh", "l2"),
        Setting(4, 4, 1, 2, False, False, False, "mlp", "tanh", "l2"),
        Setting(5, 2, 2, 2, False, True, True, "dense", "tanh", "cross entropy"),
        Setting(6, 3, 3, 2, True, False, True, "mlp", "tanh", "cross entropy"),
    ]


def _several_layers(seed: int) -> str | None:
    from ..implemented import drawn, judge, run_implementation

    decided = 0
    for setting in settings():
        theory = _theory(setting.heads, setting.g, setting.phi, setting.loss)
        for degree, chunk in ((5, 2), (4, None)):
            values = drawn(setting, "uniform", seed, 0.5, "float64")
            made = run_implementation(setting, values, degree, "float64", "cpu", chunk=chunk)
            found = judge(setting, values, made, degree, "float64", theory)
            decided += not found.undecided
            if found.faults:
                return f"{setting}: {found.faults[0]}"
    return None if decided else "no model is decided"


def _degree_for_eps(seed: int) -> str | None:
    """Whether a degree that is chosen for eps is enough by the theory, and what runs is within eps."""
    from flint import arb

    from almostlinear import impl
    from almostlinear.theorems.functions import J
    from almostlinear.theorems.norms import maxnorm
    from almostlinear.theorems.repaired.algorithm import S, g
    from almostlinear.theorems.repaired.kernel import eps_1, eta

    from ..backends.ball import DEFAULT_BITS, Balls, precision
    from ..backends.interpreter import Interpreter
    from ..engines.implementation import decide, layer_arguments, run_implementation
    from ..layers import layer
    from ..real_numbers import Answer, Evaluator, at_most

    claims = {claim.part: claim for claim in load()["Alg.1r"].claims if isinstance(claim, Bound)}
    for k, eps in enumerate(EPS):
        problem = layer("uniform", {"n": 7, "d": 3, "g": 1}, 1.0, 1.0, k % 2 == 0, "float64", seed + k)
        x, w, w_v, upstream, options = layer_arguments(problem, "float64")
        options = {**options, "degree": None, "eps": eps}
        planned = {
            "output": impl.plan_attention(x @ w, x, x @ w_v, **options).degree,
            "gradients": impl.plan_layer(x, w, w_v, upstream, **options).degree,
        }
        returned = run_implementation(problem, "float64", degree=None, eps=eps)
        for which, degree in planned.items():
            problem.sizes["g"] = degree
            outcomes = decide(problem, "float64", returned, claims)
            for part, outcome in outcomes.items():
                if (part == "output") == (which == "output") and outcome.certified is not Answer.YES:
                    return f"{part} at eps = {eps:g}"
            with precision(DEFAULT_BITS):
                row_error = Evaluator(Interpreter(Balls(problem)))(eps_1.subs(eta, J(maxnorm(S), g)))
                if at_most(row_error, arb(eps)) is not Answer.YES:
                    return f"degree {degree} is too low for eps = {eps:g}"
    return None


# -- which lines -------------------------------------------------------------------------------------------------------
def _executed_lines(pipe: Any) -> None:
    lines: set[tuple[str, int]] = set()
    root = str(ROOT.resolve())

    def local(frame: Any, event: str, argument: Any) -> Any:
        if event == "line":
            lines.add((frame.f_code.co_filename, frame.f_lineno))
        return local

    def trace(frame: Any, event: str, argument: Any) -> Any:
        return local if _real(frame.f_code.co_filename).startswith(root) else None

    importlib.import_module(PACKAGE)
    sys.settrace(trace)
    found = fault()
    sys.settrace(None)
    pipe.send((found, {(_real(file), line) for file, line in lines}))


@cache
def _real(file: str) -> str:
    from pathlib import Path

    return str(Path(file).resolve())


def executed() -> set[tuple[str, int]]:
    """File and line of what the checks execute in impl.

    Raises:
        RuntimeError: if a check fails although nothing is changed, or ends without an answer.
    """
    found = _in_a_process(_executed_lines, (), 600.0)
    if found is None or found[0] is not None:
        raise RuntimeError(f"the checks fail on impl as it is: {found[0] if found else 'no answer'}")
    lines: set[tuple[str, int]] = found[1]
    return lines


def population(modules: Iterable[str] = MODULES) -> list[SourceMutant]:
    """The mistakes that can be planted in lines that the checks execute."""
    prepare()
    present = [module for module in modules if (ROOT / f"{module}.py").is_file()]
    lines = executed()
    paths = {module: _real(str(ROOT / f"{module}.py")) for module in present}
    return [m for m in mutants(present) if (paths[m.module], m.line) in lines]


def sample(found: list[SourceMutant], count: int, seed: int) -> list[SourceMutant]:
    """So many of them, from each module in turn."""
    rng = random.Random(seed)
    by_module: dict[str, list[SourceMutant]] = {}
    for one in rng.sample(found, len(found)):
        by_module.setdefault(one.module, []).append(one)
    queues = [by_module[name] for name in sorted(by_module)]
    in_turn = [q[k] for k in range(max(map(len, queues), default=0)) for q in queues if k < len(q)]
    return in_turn[:count]


# -- one process each ----------------------------------------------------------------------------------------------------
def prepare() -> None:
    """Import what all processes share.

    Raises:
        RuntimeError: if impl is among it.
    """
    for name in BEFORE:
        importlib.import_module(name)
    load()
    if PACKAGE in sys.modules:
        raise RuntimeError("impl was imported before its mutants could be made; start them in a fresh process")
    import torch

    torch.set_num_threads(1)


def _judge(pipe: Any, mutant: SourceMutant) -> None:
    install(mutant)
    begun = time.process_time()
    found = fault()
    pipe.send((found, time.process_time() - begun))


def _in_a_process(work: Any, arguments: tuple[Any, ...], limit: float) -> Any:
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(there, *arguments), daemon=True)
    process.start()
    there.close()
    try:
        return here.recv() if here.poll(limit) else None
    except EOFError:
        return None
    finally:
        process.kill()
        process.join()


def judge_all(chosen: Iterable[SourceMutant], limit: float = 60.0) -> Iterator[Judgement]:
    """The judgements; a mutant that does not end within ``limit`` seconds, or kills its process, is killed by that."""
    prepare()
    for mutant in chosen:
        found = _in_a_process(_judge, (mutant,), limit)
        why, seconds = found if found is not None else ("no answer within the time", limit)
        verdict = SURVIVED if why is None else REFUTED
        reason = "no check fails" if why is None else why
        fields = (f"impl.{mutant.module}", str(mutant.line), "", KIND, mutant.mistake, f"line {mutant.line}", "")
        yield Judgement(*fields, verdict, KIND, round(seconds, 3), reason)
