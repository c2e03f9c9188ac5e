"""What was computed from each source file and need not be computed again: a disposable SQLite file of named bodies.

A body is bytes under a key that names everything it depends on, so nothing in here ever goes stale; what no evaluation asked for is swept.
A cache that cannot be read is thrown away and begun anew: it holds no truth.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlops_desk.domain.errors import UserError

TABLE = "create table if not exists bodies (key text primary key, body blob not null) without rowid"
LOOKED_UP_AT_ONCE = 500


class Cache:
    """Bodies by key, for one writer at a time (the workspace lock sees to that)."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "partials.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = self._opened()
        except (OSError, sqlite3.OperationalError) as error:
            raise UserError(f"{folder} cannot be written ({error}); the workspace folder must be writable") from error
        self._asked: set[str] = set()

    def _opened(self) -> sqlite3.Connection:
        try:
            return self._connected()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            for path in self._path.parent.glob(self._path.name + "*"):
                path.unlink()
            return self._connected()

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.execute(TABLE)
        return connection

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def __enter__(self) -> Cache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The bodies of those keys that are known."""
        wanted = list(dict.fromkeys(keys))
        self._asked.update(wanted)
        found: dict[str, bytes] = {}
        for at in range(0, len(wanted), LOOKED_UP_AT_ONCE):
            some = wanted[at : at + LOOKED_UP_AT_ONCE]
            marks = ", ".join("?" * len(some))
            found.update(self._connection.execute(f"select key, body from bodies where key in ({marks})", some))
        return found

    def present(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that have a body."""
        wanted = list(dict.fromkeys(keys))
        self._asked.update(wanted)
        found: set[str] = set()
        for at in range(0, len(wanted), LOOKED_UP_AT_ONCE):
            some = wanted[at : at + LOOKED_UP_AT_ONCE]
            marks = ", ".join("?" * len(some))
            found.update(
                row[0] for row in self._connection.execute(f"select key from bodies where key in ({marks})", some)
            )
        return found

    def put(self, bodies: Mapping[str, bytes]) -> None:
        """Keeps bodies under their keys, all or none."""
        self._asked.update(bodies)
        self._connection.execute("begin immediate")
        try:
            self._connection.executemany("insert or replace into bodies values (?, ?)", bodies.items())
            self._connection.execute("commit")
        except BaseException:
            self._connection.execute("rollback")
            raise

    def sweep(self, prefix: str) -> None:
        """Forgets the bodies with keys of a prefix that this cache was neither asked for nor given since it was opened."""
        known = self._connection.execute("select key from bodies where key glob ?", (prefix + "*",))
        stale = [(key,) for (key,) in known if key not in self._asked]
        self._connection.execute("begin immediate")
        self._connection.executemany("delete from bodies where key = ?", stale)
        self._connection.execute("commit")
