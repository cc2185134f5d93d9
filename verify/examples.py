"""The examples that Hypothesis keeps: none, and draws the same in every run, unless a Redis server is named, whose examples all machines
share. What fails on one of them is then the first thing that the others try, and every run draws anew.
"""

from __future__ import annotations

import os
from typing import Any

VARIABLE = "ALMOSTLINEAR_REDIS"
"""Names the server, as redis://host:6379/0; `pytest verify/ --redis URL` sets it."""


class NoServer(RuntimeError):
    """The server cannot be had; the message says why and what to do."""


def drawing() -> dict[str, Any]:
    """Arguments of ``hypothesis.settings``: how examples are drawn and where they are kept. Raises NoServer."""
    url = os.environ.get(VARIABLE)
    return {"derandomize": False, "database": database(url)} if url else {"derandomize": True}


def database(url: str) -> Any:
    """The shared database of a server that answers.

    Raises:
        NoServer: without the package redis, for a bad URL, or where nobody answers.
    """
    try:
        import redis
        from hypothesis.extra.redis import RedisExampleDatabase
    except ImportError as error:
        raise NoServer("shared examples need the package redis: pip install 'almostlinear[redis]'") from error
    try:
        server = redis.Redis.from_url(url, socket_timeout=10, socket_connect_timeout=5)
        server.ping()
    except (redis.RedisError, ValueError) as error:
        what = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise NoServer(
            f"no Redis server answers at {url!r}: {what}; start one, or leave out --redis and {VARIABLE}"
        ) from error
    return RedisExampleDatabase(server)
