"""An object store: listing, looking at and reading objects, with retries and a cancel that need not wait for the network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from mlops_desk.config.object_path import ObjectPath
from mlops_desk.domain.errors import Cancelled, UserError
from mlops_desk.domain.model import ObjectAccess
from mlops_desk.domain.progress import CancelToken
from mlops_desk.warehouse.object_refusals import is_transient, refusal
from mlops_desk.warehouse.object_systems import file_system

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem
    from pyarrow.lib import NativeFile

ATTEMPTS = 4
PATIENCE_SECONDS = 20.0
"""After so long no further attempt is begun."""
FIRST_PAUSE_SECONDS = 0.25
"""Before the second attempt; each later pause is twice as long."""

Result = TypeVar("Result")


class ObjectState(Struct, frozen=True, kw_only=True):
    """An object as its store tells of it: key with the bucket before it, bytes, nanoseconds since 1970, the name of its content if known."""

    key: str
    size: int
    modified: int
    etag: str = ""


class ObjectStore:
    """The store behind one path, opened when it is first asked; every failure is a UserError that begins with `place`, a key of desk.toml."""

    def __init__(self, path: ObjectPath, access: ObjectAccess, place: str, cancel: CancelToken | None = None) -> None:
        self._path = path
        self._access = access
        self._place = place
        self._cancel = cancel or CancelToken()
        self._files: FileSystem | None = None
        self._lock = threading.Lock()

    def listed(self, folder: str, *, below: bool) -> list[ObjectState] | None:
        """The objects of a folder, with those of folders below it where asked; None where there is no such folder."""
        from pyarrow.fs import FileSelector, FileType

        selector = FileSelector(folder, recursive=below)
        with self._told(folder):
            try:
                found = self._tried(lambda: self._system().get_file_info(selector))
            except FileNotFoundError:
                return None
        return [
            ObjectState(key=one.path, size=one.size, modified=one.mtime_ns)
            for one in found
            if one.type == FileType.File and not one.path.endswith("/")
        ]

    def state(self, key: str, *, named: bool) -> ObjectState | None:
        """An object as it is now, with the name of its content where asked; None where there is none."""
        from pyarrow.fs import FileType

        with self._told(key):
            info = self._tried(lambda: self._system().get_file_info(key))
            if info.type != FileType.File:
                return None
            try:
                etag = self._tried(lambda: _etag(self._system(), key)) if named else ""
            except FileNotFoundError:
                return None
        return ObjectState(key=key, size=info.size, modified=info.mtime_ns, etag=etag)

    def opened(self, key: str) -> NativeFile:
        """An object for reading at any place, by any thread."""
        with self._told(key):
            return self._tried(lambda: self._system().open_input_file(key))

    def read(self, file: NativeFile, key: str, start: int, size: int) -> bytes:
        """So many bytes of an object that was opened."""

        def all_of_it() -> bytes:
            body: bytes = file.read_at(size, start)
            if len(body) != size:
                raise OSError(f"expected {size} bytes, got {len(body)}")
            return body

        with self._told(key):
            return self._tried(all_of_it)

    def _system(self) -> FileSystem:
        with self._lock:
            if self._files is None:
                self._files = file_system(self._path, self._access, self._place)
            return self._files

    def _tried(self, work: Callable[[], Result]) -> Result:
        """What comes of some work, which is begun anew after a pause where the store is busy or out of reach for a moment."""
        began = time.monotonic()
        for attempt in range(1, ATTEMPTS):
            try:
                return _awaited(work, self._cancel)
            except OSError as error:
                if str(error).startswith("No such file or directory"):  # as the client of gs says it
                    raise FileNotFoundError(str(error)) from error
                if not is_transient(str(error)) or time.monotonic() - began > PATIENCE_SECONDS:
                    raise
            _pause(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), self._cancel)
        return _awaited(work, self._cancel)

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        """Raises UserError in place of what a store or its client says."""
        from pyarrow import ArrowException

        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, ArrowException) as error:
            url = f"{self._path.scheme}://{self._path.bucket}{key.removeprefix(self._path.container)}"
            raise UserError(f"{self._place}: {refusal(url, self._path, self._access, str(error))}") from error


def _etag(files: FileSystem, key: str) -> str:
    with files.open_input_stream(key) as stream:
        name: bytes = (stream.metadata() or {}).get("ETag", b"")
        return name.decode("ascii", "replace").strip('"')


def _awaited(work: Callable[[], Result], cancel: CancelToken) -> Result:
    """The result of work that waits for the network, done on a thread of its own, which a cancel leaves behind."""
    results: list[Result] = []
    failures: list[BaseException] = []
    over = threading.Event()

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again on the thread that waits
            failures.append(error)
        finally:
            over.set()

    cancel.raise_if_cancelled()
    forget = cancel.on_cancel(over.set)
    try:
        threading.Thread(target=run, name="objects", daemon=True).start()
        over.wait()
    finally:
        forget()
    if failures:
        raise failures.pop()
    if not results:
        raise Cancelled
    return results[0]


def _pause(seconds: float, cancel: CancelToken) -> None:
    """Waits, but not for somebody who has asked to stop."""
    stirred = threading.Event()
    forget = cancel.on_cancel(stirred.set)
    try:
        stirred.wait(seconds)
    finally:
        forget()
    cancel.raise_if_cancelled()
