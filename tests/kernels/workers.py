"""Processes in which Triton interprets kernels, or compiles them: it decides which when it is imported, once a process."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any


class Worker:
    """One process, kept from call to call; functions are found by name there, so they belong to an importable module."""

    def __init__(self, interpret: bool, cache: str = "") -> None:
        context, given = get_context("spawn"), (interpret, cache)
        self.pool = ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=given)

    def __call__(self, function: str, *arguments: Any) -> Any:
        return self.pool.submit(_call, function, arguments).result()

    def close(self) -> None:
        self.pool.shutdown(cancel_futures=True)


def _begin(interpret: bool, cache: str) -> None:
    os.environ["TRITON_INTERPRET"] = "1" if interpret else "0"
    if cache:
        os.environ["TRITON_CACHE_DIR"] = cache


def _call(function: str, arguments: tuple[Any, ...]) -> Any:
    from tests.kernels import cells, compiled

    found: Callable[..., Any] = getattr(compiled if hasattr(compiled, function) else cells, function)
    return found(*arguments)
