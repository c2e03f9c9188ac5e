"""Copies of objects on this machine: each version of an object is fetched once, and every later look at it reads the copy.

A copy is written under a name of its own and renamed when it is whole, so a reader never sees half of one, two processes that fetch the same
object do each other no harm, and whoever was interrupted goes on with what is missing. All of it is disposable.
"""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_desk.config.object_path import object_path
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import ObjectAccess
from mlops_desk.domain.progress import CancelToken, Progress, ProgressSink, no_progress
from mlops_desk.warehouse.discovery import Origin, SourceFile
from mlops_desk.warehouse.object_store import ObjectStore

if TYPE_CHECKING:
    from pyarrow.lib import NativeFile

BLOCK_BYTES = 4 * 2**20
FETCHES = 8
"""Blocks under way at once; as many of them are in memory."""
SPARED_BYTES = 200_000_000
"""What copies leave free on the disk."""
UNFINISHED = ".unfinished"
NEEDED = ".needed"
ABANDONED_SECONDS = 3600.0
TOLD_EVERY_SECONDS = 0.1


class ObjectsChanged(Exception):
    """Objects were rewritten or removed since they were listed: look again."""


def missing_copies(files: Iterable[SourceFile]) -> list[SourceFile]:
    """Those of the files that are objects without a whole copy, each once."""
    wanted = {file.path: file for file in files if file.origin is not None}
    return [file for file in wanted.values() if not _is_whole(file)]


def fetch(
    files: Sequence[SourceFile],
    folder: Path,
    *,
    limit: int | None = None,
    progress: ProgressSink = no_progress,
    cancel: CancelToken | None = None,
) -> int:
    """Copies the objects among files that have no copy yet into `folder` and returns how many bytes that were.

    `limit` is what all of them may take together. Raises UserError where one cannot be read or the disk has no room, ObjectsChanged, Cancelled.
    """
    missing = missing_copies(files)
    if not missing:
        return 0
    _refuse_too_much(files, missing, folder, limit)
    return _Fetch(missing, folder, progress, cancel or CancelToken()).done()


def keep_only(folder: Path, owner: str, files: Iterable[SourceFile], owners: Iterable[str]) -> None:
    """Writes down which copies an owner needs, and removes those that it needed before and none of the owners does now.

    A copy that nobody wrote down may be what another process is about to read: it is removed when it is old. For one process at a time.
    """
    if not folder.is_dir():
        return
    lists = {name: folder / f"{name}{NEEDED}" for name in {*owners, owner}}
    for gone in set(folder.glob(f"*{NEEDED}")) - set(lists.values()):
        gone.unlink(missing_ok=True)
    before = _names(lists[owner])
    needed = {file.path.relative_to(folder).parts[0] for file in files if file.path.is_relative_to(folder)}
    _write(lists[owner], "\n".join(sorted(needed)))
    for name, file in lists.items():
        needed |= _names(file) if name != owner else set()
    unfinished = folder / UNFINISHED
    for entry in (*folder.iterdir(), *(unfinished.iterdir() if unfinished.is_dir() else ())):
        if entry.suffix != NEEDED and entry != unfinished and entry.name not in needed:
            _remove(entry, at_once=entry.name in before)


def _names(file: Path) -> set[str]:
    return set(file.read_text(encoding="ascii").split()) if file.exists() else set()


def _remove(entry: Path, *, at_once: bool) -> None:
    """Removes a copy or the beginning of one; what somebody else removes or reads at this moment is left for the next time."""
    with suppress(OSError):
        if not at_once and time.time() - entry.stat().st_mtime < ABANDONED_SECONDS:
            return
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _is_whole(file: SourceFile) -> bool:
    try:
        return file.path.stat().st_size == file.size
    except OSError:
        return False


def _refuse_too_much(
    files: Sequence[SourceFile], missing: Sequence[SourceFile], folder: Path, limit: int | None
) -> None:
    """Raises UserError where the copies would take more than is allowed, or than there is room for."""
    first = missing[0].origin
    place = first.place if first else ""
    total = sum({file.path: file.size for file in files if file.origin is not None}.values())
    if limit is not None and total > limit:
        raise UserError(
            f"{place}: its objects take {_size(total)}, and store.objects allows copies of {_size(limit)}:"
            " raise it, or let the path name fewer objects"
        )
    there = next((one for one in (folder, *folder.parents) if one.is_dir()), folder)
    wanted, free = sum(file.size for file in missing), shutil.disk_usage(there).free
    if wanted + SPARED_BYTES > free:
        objects = f"{len(missing):,} object{'' if len(missing) == 1 else 's'}"
        raise UserError(
            f"{place}: {objects} of {_size(wanted)} are to be copied to {folder}, where {_size(free)} are free:"
            " make room, or let the path name fewer objects"
        )


class _Part:
    """An object that is being copied."""

    def __init__(self, file: SourceFile, origin: Origin, store: ObjectStore, folder: Path) -> None:
        self.file = file
        self.origin = origin
        self.store = store
        self.path = folder / UNFINISHED / f"{file.fingerprint}.{os.getpid()}.{id(self):x}"
        self.lock = threading.Lock()
        self.left = max(1, -(-file.size // BLOCK_BYTES))
        self._source: NativeFile | None = None

    def write(self, start: int) -> int:
        """Copies one block and returns its bytes; raises ObjectsChanged."""
        size = min(BLOCK_BYTES, self.file.size - start)
        with self.lock:
            if self._source is None:
                try:
                    self._source = self.store.opened(self.origin.key)
                except FileNotFoundError:
                    raise ObjectsChanged from None
                if self._source.size() != self.file.size:
                    raise ObjectsChanged
                self.path.touch()
        body = self.store.read(self._source, self.origin.key, start, size) if size else b""
        with self.path.open("r+b") as file:
            file.seek(start)
            file.write(body)
        return size

    def finish(self) -> None:
        """Makes the copy what readers find, if the object is still the one that was listed; raises ObjectsChanged."""
        now = self.store.state(self.origin.key, named=bool(self.origin.etag))
        if now is None or (now.size, now.modified, now.etag) != (self.file.size, self.file.modified, self.origin.etag):
            raise ObjectsChanged
        self.file.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.path.replace(self.file.path)
        except PermissionError:  # on Windows, where somebody reads the copy that another process made meanwhile
            if not _is_whole(self.file):
                raise


class _Fetch:
    """A fetch of several objects, block by block, several at once, on threads that a cancel need not wait for."""

    def __init__(
        self, missing: Sequence[SourceFile], folder: Path, progress: ProgressSink, cancel: CancelToken
    ) -> None:
        self._progress = progress
        self._cancel = cancel
        self._folder = folder
        self._inner = CancelToken()
        stores: dict[tuple[str, ObjectAccess, str], ObjectStore] = {}
        self._parts = []
        for file in missing:
            if file.origin is not None:
                self._parts.append(_Part(file, file.origin, self._store(stores, file.origin), folder))
        self._blocks = deque(
            (part, start) for part in self._parts for start in range(0, max(1, part.file.size), BLOCK_BYTES)
        )
        self._bytes = sum(file.size for file in missing)
        self._done_bytes = 0
        self._done_objects = 0
        self._failures: list[BaseException] = []
        self._working = 0
        self._stirred = threading.Condition()

    def _store(self, known: dict[tuple[str, ObjectAccess, str], ObjectStore], origin: Origin) -> ObjectStore:
        path = object_path(origin.url)
        name = (path.root, origin.access, origin.place)
        if name not in known:
            known[name] = ObjectStore(path, origin.access, origin.place, self._inner)
        return known[name]

    def done(self) -> int:
        """The bytes that were fetched, once all are here."""
        try:
            (self._folder / UNFINISHED).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"{self._folder} cannot be made ({error.strerror or error}): check the folder") from None
        forget = self._cancel.on_cancel(self._stop)
        try:
            self._work()
        finally:
            forget()
            self._inner.cancel()
            for part in self._parts:
                with suppress(OSError):  # a thread that was left behind may have it open on Windows; it is swept later
                    part.path.unlink(missing_ok=True)
        self._cancel.raise_if_cancelled()
        if self._failures:
            raise _told(self._failures[0], self._folder)
        return self._bytes

    def _work(self) -> None:
        threads = min(FETCHES, len(self._blocks))
        self._working = threads
        for _ in range(threads):
            threading.Thread(target=self._copy_blocks, name="fetch", daemon=True).start()
        while True:
            with self._stirred:
                over = self._working == 0 or self._inner.cancelled
                if not over:
                    self._stirred.wait(TOLD_EVERY_SECONDS)
                objects, done = self._done_objects, self._done_bytes
            if over:
                return
            stage = f"fetching objects: {objects:,} of {len(self._parts):,}, {_size(done)} of {_size(self._bytes)}"
            self._progress(Progress(stage=stage, share=done / self._bytes if self._bytes else 0.0))

    def _stop(self) -> None:
        self._inner.cancel()
        with self._stirred:
            self._stirred.notify_all()

    def _copy_blocks(self) -> None:
        """Takes block after block until there is none, or one fails, which stops all."""
        try:
            while not self._inner.cancelled:
                try:
                    part, start = self._blocks.popleft()
                except IndexError:
                    return
                size = part.write(start)
                with self._stirred:
                    self._done_bytes += size
                    part.left -= 1
                    last = part.left == 0
                if last:
                    part.finish()
                    with self._stirred:
                        self._done_objects += 1
        except BaseException as error:  # noqa: BLE001 - raised again on the thread that waits
            self._failures.append(error)
            self._inner.cancel()
        finally:
            with self._stirred:
                self._working -= 1
                self._stirred.notify_all()


def _told(error: BaseException, folder: Path) -> BaseException:
    """What a fetch failed of, a disk that is full or closed in words."""
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        why = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        return UserError(f"{folder}: objects cannot be copied there ({why}): make room or mend the folder")
    return error


def _size(count: int) -> str:
    """Bytes in words."""
    for unit, many in (("GB", 1e9), ("MB", 1e6)):
        if count >= many:
            return f"{count / many:,.1f} {unit}"
    return f"{count / 1e3:,.1f} kB"


def _write(file: Path, text: str) -> None:
    """Replaces a small file as a whole."""
    part = file.with_suffix(f".{os.getpid()}")
    part.write_text(text, encoding="ascii")
    part.replace(file)
