"""What was computed from each source file and need not be computed again: a disposable SQLite file of named bodies.

A body is bytes under a key that names everything it depends on, so nothing in here ever goes stale; what no evaluation asked for is swept.
A cache that cannot be read is thrown away and begun anew: it holds no truth. A body is kept with its checksum, so that none comes back as
another than it was put.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mlops_desk.domain.errors import UserError

TABLE = "create table if not exists bodies (key text primary key, body blob not null) without rowid"
LOOKED_UP_AT_ONCE = 500
FILE = "partials.sqlite"
VERSION = 1
"""Of what bodies are: to be raised with any change of how tables are packed."""
CHECK_BYTES = 4


class DamagedCache(Exception):
    """What is kept cannot be read; `Cache.discard` and begin again."""


class Cache:
    """Bodies by key, for one writer at a time (the workspace lock sees to that); reading and writing raise DamagedCache."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
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
            self.discard(self._path.parent)
            return self._connected()

    @staticmethod
    def discard(folder: Path) -> None:
        """Throws away what is kept in a folder."""
        for path in folder.glob(FILE + "*"):
            path.unlink()

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.execute("pragma journal_mode = wal")
        connection.execute(
            "pragma synchronous = off"
        )  # what a failing machine leaves half written is noticed and made again
        if connection.execute("pragma user_version").fetchone() != (
            VERSION,
        ):  # bodies of another version mean nothing here
            connection.execute("drop table if exists bodies")
            connection.execute(f"pragma user_version = {VERSION}")
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
            with _readable():
                rows = self._connection.execute(f"select key, body from bodies where key in ({marks})", some).fetchall()
            found.update((key, _checked(body)) for key, body in rows)
        return found

    def present(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that have a body."""
        wanted = list(dict.fromkeys(keys))
        self._asked.update(wanted)
        found: set[str] = set()
        for at in range(0, len(wanted), LOOKED_UP_AT_ONCE):
            some = wanted[at : at + LOOKED_UP_AT_ONCE]
            marks = ", ".join("?" * len(some))
            with _readable():
                rows = self._connection.execute(f"select key from bodies where key in ({marks})", some).fetchall()
            found.update(key for (key,) in rows)
        return found

    def put(self, bodies: Mapping[str, bytes]) -> None:
        """Keeps bodies under their keys, all or none."""
        self._asked.update(bodies)
        rows = [(key, zlib.crc32(body).to_bytes(CHECK_BYTES, "big") + body) for key, body in bodies.items()]
        self._written("insert or replace into bodies values (?, ?)", rows)

    def sweep(self, prefix: str) -> None:
        """Forgets the bodies with keys of a prefix that this cache was neither asked for nor given since it was opened."""
        with _readable():
            known = self._connection.execute("select key from bodies where key glob ?", (prefix + "*",)).fetchall()
        self._written("delete from bodies where key = ?", [(key,) for (key,) in known if key not in self._asked])

    def _written(self, statement: str, rows: Iterable[tuple[object, ...]]) -> None:
        """Writes rows, all or none."""
        with _readable():
            self._connection.execute("begin immediate")
            try:
                self._connection.executemany(statement, rows)
                self._connection.execute("commit")
            except BaseException:
                self._connection.rollback()
                raise


@contextmanager
def _readable() -> Iterator[None]:
    """Raises DamagedCache where the file turns out to be none of a database."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        torn_text = code is None and isinstance(error, sqlite3.OperationalError)
        if torn_text or (code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)):
            raise DamagedCache(str(error)) from error
        raise


def _checked(body: bytes) -> bytes:
    """A body as it was put."""
    if zlib.crc32(body[CHECK_BYTES:]).to_bytes(CHECK_BYTES, "big") != body[:CHECK_BYTES]:
        raise DamagedCache("a body is not what it was")
    return body[CHECK_BYTES:]
