"""Connections to a workspace's archive: how the file is opened, and transactions whose failures read as one clear line.

A connection belongs to the thread that opened it. Other processes may read while one writes: in WAL mode always, and where the file
system has none (SQLite then answers with another journal mode) in turns, within the busy timeout.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_desk.domain.errors import UserError, WorkspaceBusy
from mlops_desk.store.migrations import MIGRATIONS, format_version, migrate, refuse_newer

BUSY_TIMEOUT_SECONDS = 10.0

_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_ENVIRONMENT = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
)


def store_path(folder: Path) -> Path:
    """Where the archive of a workspace folder lies."""
    return folder / ".desk" / "store.sqlite"


def may_write(folder: Path) -> bool:
    """Whether this user may write the archive of a workspace folder, or begin one."""
    path = store_path(folder)
    return all(os.access(one, os.W_OK) for one in (path.parent, path) if one.exists())


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Opens the archive in autocommit mode, creating or migrating it unless `read_only`, or where this user may only read what is there.

    Raises UserError where it cannot be opened, is damaged, or is of a format that this program does not know.
    """
    if read_only and not path.exists():
        raise UserError(f"{path}: nothing has been evaluated here yet: `mlops-desk run {path.parent.parent}` does it")
    read_only = read_only or (path.exists() and not may_write(path.parent.parent))
    if not read_only:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{path.parent}: cannot be made ({error.strerror}): check the folder and its permissions"
            ) from error
    with explained(path):
        connection = _opened(path, "mode=ro" if read_only else "mode=rwc")
        try:
            connection.execute("pragma foreign_keys = on")
            if read_only:
                connection = _with_what_is_there(connection, path)
                _require_current_format(connection, path)
            else:
                _ask_for_wal(connection)
                connection.execute("pragma journal_size_limit = 16777216")
                migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


def _opened(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}", uri=True, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None
    )


def _with_what_is_there(connection: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """The connection, or one that makes no files beside the archive where WAL mode would and this user cannot.

    That one sees nothing of a log that is not yet part of the file, so it is only had where there is none.
    """
    try:
        connection.execute("select count(*) from sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        log = path.with_name(path.name + "-wal")
        unmade = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if not unmade or (log.exists() and log.stat().st_size):
            raise
        connection.close()
        return _opened(path, "mode=ro&immutable=1")
    return connection


def journal_mode(connection: sqlite3.Connection) -> str:
    """`wal`, or what the file system allows instead."""
    mode: str = connection.execute("pragma journal_mode").fetchone()[0]
    return mode


@contextmanager
def transaction(connection: sqlite3.Connection, path: Path) -> Iterator[None]:
    """A write transaction: everything inside is stored, or nothing. Raises WorkspaceBusy if somebody else writes for too long."""
    with explained(path):
        connection.execute("begin immediate")
        try:
            yield
            connection.execute("commit")
        except BaseException:
            connection.rollback()
            raise


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turns what the file, the disk or another process does to SQLite into a UserError; a defect of ours stays what it is."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        primary = None if code is None else code & 0xFF
        if primary in _BUSY:
            raise WorkspaceBusy(
                f"{path}: another process is writing it and did not finish in {BUSY_TIMEOUT_SECONDS:g} s"
            ) from error
        if primary in _DAMAGED:
            raise UserError(
                f"{path}: not a readable store ({error}): put a copy of it back, or move it away and run again (alerts and the audit chain begin anew)"
            ) from error
        if primary in _ENVIRONMENT:
            raise UserError(
                f"{path}: cannot be read or written ({error}): check the disk's space and the permissions"
            ) from error
        raise


def _ask_for_wal(connection: sqlite3.Connection) -> None:
    """Turns WAL mode on where it is off; SQLite itself does not wait while another process does the same or writes."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while journal_mode(connection) != "wal":
        try:
            connection.execute("pragma journal_mode = wal").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode not in _BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _require_current_format(connection: sqlite3.Connection, path: Path) -> None:
    version = format_version(connection)
    if version < len(MIGRATIONS):
        raise UserError(f"{path}: of an older format: `mlops-desk run {path.parent.parent}` brings it up to date")
    refuse_newer(version, path)
