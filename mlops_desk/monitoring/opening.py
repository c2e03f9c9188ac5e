"""Opens a model's files with the cache for some work, and begins it again without what turns out to be broken.

A cache that cannot be read is thrown away, files whose rows cannot be read are left out, and files that are being written are looked at again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.domain.errors import ExpressionFailure, UserError
from mlops_desk.domain.model import Desk, Model
from mlops_desk.domain.progress import CancelToken, Progress, ProgressSink, no_progress
from mlops_desk.monitoring.counting import ChangingFiles, UnreadableFiles
from mlops_desk.monitoring.inputs import COPIES, Inputs, find_inputs
from mlops_desk.store.connection import may_write
from mlops_desk.warehouse.cache import Cache, DamagedCache
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.discovery import SourceFile, seen_again
from mlops_desk.warehouse.footers import first_line, read_footers, unreadable_files
from mlops_desk.warehouse.object_copies import ObjectsChanged, fetch, missing_copies
from mlops_desk.warehouse.suitability import check_filter

LOOKS = 6
"""How often work begins again because files are being written, before those files are left out."""

Result = TypeVar("Result")


class Opened(Struct, frozen=True, kw_only=True):
    """The files of a model, open; `broken` says of files that are to be left out why."""

    desk: Desk
    model: Model
    connection: Connection
    cache: Cache
    inputs: Inputs
    broken: Mapping[Path, str]

    def refuse_changing(self) -> None:
        """Raises ChangingFiles for files that changed while they were read; what was kept of them is under their former names."""
        read = [file for file in self.inputs.all if file.path not in self.broken]
        changed = [file.path for file in read if seen_again(file) != file]
        if changed:
            raise ChangingFiles(
                dict.fromkeys(changed, "it was being written while it was read; the next run will take it in")
            )

    def raise_for(self, error: Exception) -> None:
        """Raises UnreadableFiles for the files because of which the engine failed, UserError where all can be read."""
        self.refuse_changing()
        whole = [file for file in self.inputs.all if file.path not in self.broken]
        footers, quarantined = read_footers(self.connection, whole)
        reasons = {one.path: one.reason for one in quarantined} | unreadable_files(self.connection, footers)
        if not reasons and isinstance(error, ExpressionFailure):
            raise UserError(str(error)) from error
        if not reasons:
            check_filter(self.connection, self.model, [footers], rows=True)
            raise UserError(f"models.{self.model.id}: its rows cannot be read: {first_line(error)}") from error
        raise UnreadableFiles(reasons) from error


def with_files(
    desk: Desk,
    model: Model,
    folder: Path,
    work: Callable[[Opened], Result],
    *,
    inputs: Inputs,
    broken: Mapping[Path, str] | None = None,
    progress: ProgressSink = no_progress,
    cancel: CancelToken | None = None,
) -> Result:
    """What comes of some work on a model's files with the cache in `folder`; raises UserError where it cannot be done at all.

    `progress` is told of objects that are fetched first, as half of the whole.
    """
    left_out = dict(broken or {})
    looks, damages = 0, 0
    while True:
        try:
            inputs = _fetched(desk, inputs, folder, progress, cancel)
            return _attempt(desk, model, folder, work, inputs, left_out, cancel)
        except DamagedCache as error:
            damages += 1
            if damages == LOOKS:
                raise UserError(f"{folder}: what is kept there cannot be read: {error}") from error
            Cache.discard(folder)
        except ChangingFiles as error:
            looks += 1
            if looks < LOOKS:
                inputs = find_inputs(desk, model, agreed=inputs.agreed, cancel=cancel)
            else:
                left_out |= error.reasons
        except ObjectsChanged:
            looks += 1
            if looks == LOOKS:
                raise UserError(
                    f"models.{model.id}: its objects are rewritten faster than they can be fetched"
                ) from None
            inputs = find_inputs(desk, model, agreed=inputs.agreed, cancel=cancel)
        except UnreadableFiles as error:
            left_out |= error.reasons


def _fetched(desk: Desk, inputs: Inputs, folder: Path, progress: ProgressSink, cancel: CancelToken | None) -> Inputs:
    """The inputs once there is a copy of every object: in the workspace, or beside the cache of who may only read that."""
    place = desk.folder / COPIES
    missing = {file.path for file in missing_copies(inputs.all)}
    if not missing:
        return inputs
    if not may_write(desk.folder):
        aside = folder / COPIES.name

        def moved(files: tuple[SourceFile, ...]) -> tuple[SourceFile, ...]:
            return tuple(
                replace(file, path=aside / file.path.relative_to(place)) if file.path in missing else file
                for file in files
            )

        inputs = replace(inputs, log=moved(inputs.log), reference=moved(inputs.reference), labels=moved(inputs.labels))
        place = aside

    def told(one: Progress) -> None:
        progress(Progress(stage=one.stage, share=one.share / 2))

    fetch(inputs.all, place, limit=desk.objects_bytes, progress=told, cancel=cancel)
    return inputs


def _attempt(
    desk: Desk,
    model: Model,
    folder: Path,
    work: Callable[[Opened], Result],
    inputs: Inputs,
    broken: Mapping[Path, str],
    cancel: CancelToken | None,
) -> Result:
    with (
        Cache(folder) as cache,
        Connection([file.path for file in inputs.all], folder / "spill", cancel=cancel) as connection,
    ):
        opened = Opened(desk=desk, model=model, connection=connection, cache=cache, inputs=inputs, broken=dict(broken))
        try:
            return work(opened)
        except Exception as error:
            if isinstance(error, (*connection.engine_errors, ExpressionFailure)):
                opened.raise_for(error)
            raise
