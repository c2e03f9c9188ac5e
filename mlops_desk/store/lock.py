"""The lock that one writer of a workspace holds, on .desk/lock: the operating system frees it when its process ends, however it ends.

The file says who holds it and since when, for the error that others show; it is not the lock, so one left behind means nothing.
"""

from __future__ import annotations

import getpass
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from mlops_desk.domain.errors import UserError, WorkspaceBusy

_POLL_SECONDS = 0.05
_LOCKED_BYTE = 1 << 30  # far behind the text, which others read on Windows only where it is not locked


class WorkspaceLock:
    """A context in which no other process or thread writes the workspace.

    Entering raises WorkspaceBusy if somebody else holds the lock for longer than `timeout_seconds`.
    """

    def __init__(self, folder: Path, timeout_seconds: float = 10.0) -> None:
        self.path = folder / ".desk" / "lock"
        self._timeout_seconds = timeout_seconds
        self._file: int | None = None

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be opened ({error.strerror}): check the folder and its permissions"
            ) from error
        try:
            self._wait(file)
            _write_text(file, json.dumps({"pid": os.getpid(), "user": _user(), "since": datetime.now(UTC).isoformat()}))
        except BaseException:
            os.close(file)
            raise
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, None
        if file is not None:
            _write_text(file, "")
            _release(file)
            os.close(file)

    def _wait(self, file: int) -> None:
        deadline = time.monotonic() + self._timeout_seconds
        while not _acquired(file):
            if time.monotonic() >= deadline:
                raise WorkspaceBusy(
                    f"{self.path.parent.parent}: {_holder(self.path)} is writing this workspace "
                    f"and did not finish within {self._timeout_seconds:g} s: try again later"
                )
            time.sleep(_POLL_SECONDS)


def _holder(path: Path) -> str:
    """Who holds the lock, in words."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
        return f"process {holder['pid']} of {holder['user']} (since {holder['since'][:19].replace('T', ' ')} UTC)"
    except (OSError, ValueError, KeyError, TypeError):  # being written just now, or by another program
        return "another process"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user id without a name, as in some containers
        return "an unnamed user"


def _write_text(file: int, text: str) -> None:
    os.ftruncate(file, 0)
    os.lseek(file, 0, os.SEEK_SET)
    os.write(file, text.encode())


if sys.platform == "win32":
    import msvcrt

    def _acquired(file: int) -> bool:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _release(file: int) -> None:
        os.lseek(file, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(file, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _acquired(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _release(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
