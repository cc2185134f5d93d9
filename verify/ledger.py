"""The ledger: evidence in SQLite, appended and never changed.

Each record is stored under its hash, so the same finding is kept once; a trigger refuses updates and deletions. Every record is
committed by itself: what was found stays when a run is interrupted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .evidence import Evidence, Overclaim, from_json

DEFAULT = Path(".almostlinear") / "ledger.sqlite"
APPLICATION = 0x616C696E
SCHEMA = 1
TABLES = """
CREATE TABLE evidence (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, statement TEXT NOT NULL, record TEXT NOT NULL);
CREATE TABLE examined (key TEXT PRIMARY KEY);
CREATE TABLE runs (id INTEGER PRIMARY KEY, started TEXT NOT NULL, record TEXT NOT NULL);
CREATE INDEX by_statement ON evidence(statement);
"""
GUARDS = "".join(
    f"CREATE TRIGGER {table}_{verb.lower()} BEFORE {verb} ON {table} "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;\n"
    for table in ("evidence", "examined", "runs")
    for verb in ("UPDATE", "DELETE")
) + "".join(
    # INSERT OR REPLACE deletes without firing a DELETE trigger.
    f"CREATE TRIGGER {table}_again BEFORE INSERT ON {table} WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
    "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;\n"
    for table, same in (
        ("evidence", "id = NEW.id OR digest = NEW.digest"),
        ("examined", "key = NEW.key"),
        ("runs", "id = NEW.id"),
    )
)


class LedgerError(RuntimeError):
    """The file is not a ledger, or not readable; the message names the file and what to do."""


class Ledger:
    """A ledger at a path, or in memory with ``path=None``.

    Raises:
        LedgerError: if the file exists and is not a ledger of this schema.
    """

    def __init__(self, path: Path | None = DEFAULT, *, must_exist: bool = False) -> None:
        self.path = path
        if path is not None:
            if must_exist and not path.exists():
                raise LedgerError(f"{path}: no ledger there; run `almostlinear check` first or give --ledger")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LedgerError(f"{path.parent}: cannot make this folder ({error.strerror})") from None
        try:
            self._connection = sqlite3.connect(str(path) if path is not None else ":memory:", timeout=30)
            self._open()
        except sqlite3.Error as error:
            raise LedgerError(
                f"{path}: not a ledger that can be read ({error}); move it away or give --ledger"
            ) from None

    def _open(self) -> None:
        def pragma(name: str) -> int:
            return self._connection.execute(f"PRAGMA {name}").fetchone()[0]

        if pragma("schema_version") == 0:
            with self._connection:
                self._connection.executescript(
                    f"BEGIN IMMEDIATE; {TABLES} {GUARDS} PRAGMA application_id = {APPLICATION}; "
                    f"PRAGMA user_version = {SCHEMA}; COMMIT;"
                )
        elif pragma("application_id") != APPLICATION:
            raise LedgerError(f"{self.path}: an SQLite file, but not a ledger; give another path with --ledger")
        elif pragma("user_version") != SCHEMA:
            raise LedgerError(f"{self.path}: ledger schema {pragma('user_version')}, this version reads {SCHEMA}")

    def append(self, evidence: Iterable[Evidence], key: str | None = None) -> int:
        """Keep records, all or none, and with them that the examination ``key`` is done; returns how many are new."""
        fresh = {e.digest: e for e in evidence if not self._has("evidence", "digest", e.digest)}
        rows = [(name, e.statement, json.dumps(e.to_json(), sort_keys=True)) for name, e in fresh.items()]
        with self._connection:
            self._connection.executemany("INSERT INTO evidence (digest, statement, record) VALUES (?, ?, ?)", rows)
            if key is not None and not self.examined(key):
                self._connection.execute("INSERT INTO examined VALUES (?)", (key,))
        return len(rows)

    def _has(self, table: str, column: str, value: str) -> bool:
        query = f"SELECT 1 FROM {table} WHERE {column} = ?"
        return self._connection.execute(query, (value,)).fetchone() is not None

    def examined(self, key: str) -> bool:
        """Whether the examination of this key is done."""
        return self._has("examined", "key", key)

    def __iter__(self) -> Iterator[Evidence]:
        return self.records()

    def records(self, statement: str | None = None) -> Iterator[Evidence]:
        """All records in the order of appending, or those of one statement.

        Raises:
            LedgerError: if a record cannot be read or claims more than it may.
        """
        where, values = ("WHERE statement = ?", (statement,)) if statement is not None else ("", ())
        try:
            for number, text in self._connection.execute(
                f"SELECT id, record FROM evidence {where} ORDER BY id", values
            ):
                try:
                    yield from_json(json.loads(text))
                except (ValueError, TypeError, KeyError, Overclaim) as error:
                    raise LedgerError(f"{self.path}: record {number} is not valid evidence ({error})") from None
        except sqlite3.Error as error:
            raise LedgerError(f"{self.path}: cannot be read ({error})") from None

    def note_run(self, started: str, record: dict[str, Any]) -> None:
        """Keep what a run was: profile, seed, versions and seconds."""
        with self._connection:
            self._connection.execute("INSERT INTO runs (started, record) VALUES (?, ?)", (started, json.dumps(record)))

    def runs(self) -> list[dict[str, Any]]:
        """What the runs were, the earliest first."""
        found = self._connection.execute("SELECT started, record FROM runs ORDER BY id")
        return [{"date": started, **json.loads(record)} for started, record in found]

    def last_run(self) -> dict[str, Any] | None:
        return next(reversed(self.runs()), None)

    def errors(self) -> dict[tuple[str, str], str]:
        """Why an examination failed, by statement and its hash, over all runs."""
        found: dict[tuple[str, str], str] = {}
        for run in self.runs():
            for name, error in run.get("errors", {}).items():
                found[name, error["hash"]] = error["text"]
        return found

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()
