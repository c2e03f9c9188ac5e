"""What an evaluation of a model reads: its files as they are now, and a digest that tells at once whether anything changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from mlops_desk import __version__, trust
from mlops_desk.config.object_path import is_object_path
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Desk, Model, ObjectAccess
from mlops_desk.domain.progress import CancelToken
from mlops_desk.warehouse.discovery import SourceFile, digest, find_files

COPIES = Path(".desk", "cache", "objects")
"""Where in a workspace the copies of objects lie."""


class Inputs(Struct, frozen=True, kw_only=True, dict=True):
    """The files of one model as they were seen, and a name for them and for what desk.toml says of the model; `folder` is the workspace's.

    `agreed` : whether somebody named the remote paths just now, so that they may be read without trust in the workspace.
    """

    folder: Path
    log: tuple[SourceFile, ...]
    reference: tuple[SourceFile, ...]
    labels: tuple[SourceFile, ...]
    digest: str
    agreed: bool = False

    @property
    def all(self) -> tuple[SourceFile, ...]:
        """Every file, each once."""
        return tuple({file.path: file for file in (*self.log, *self.reference, *self.labels)}.values())

    @cached_property
    def _urls(self) -> dict[Path, str]:
        return {file.path: file.shown for file in self.all if file.origin is not None}

    def name(self, path: Path) -> str:
        """A file as messages name it: from the workspace on, or in full where it lies elsewhere."""
        if path in self._urls:
            return self._urls[path]
        return (path.relative_to(self.folder) if path.is_relative_to(self.folder) else path).as_posix()


def find_inputs(desk: Desk, model: Model, *, agreed: bool = False, cancel: CancelToken | None = None) -> Inputs:
    """The files of a model; raises UserError where a path is not there, may not be asked for or the log has no file, and Cancelled."""
    labels_paths = model.labels.paths if model.labels else ()
    if not agreed:
        _refuse_untrusted(desk, model, (*model.logs.paths, *model.reference.paths, *labels_paths))

    def found(part: str, paths: Sequence[str], access: ObjectAccess) -> tuple[SourceFile, ...]:
        place = f"{desk.file}: models.{model.id}.{part}.path"

        def objects(path: str) -> list[SourceFile]:
            from mlops_desk.warehouse.object_listing import find_objects

            return find_objects(desk.folder / COPIES, path, place, access, cancel)

        return find_files(desk.folder, paths, place, objects)

    place = f"{desk.file}: models.{model.id}"
    reference = found("reference", model.reference.paths, model.reference.access)
    labels = found("labels", model.labels.paths, model.labels.access) if model.labels else ()
    apart = {file.shown for file in (*reference, *labels)}
    log = tuple(file for file in found("logs", model.logs.paths, model.logs.access) if file.shown not in apart)
    if not log:
        paths = ", ".join(model.logs.paths)
        raise UserError(
            f"{place}.logs.path: no Parquet file is found under {paths}; put a prediction log there or mend the path"
        )
    if model.reference.paths and not reference:
        paths = ", ".join(model.reference.paths)
        raise UserError(f"{place}.reference.path: no Parquet file is found under {paths}")
    parts = (digest(log), digest(reference), digest(labels))
    name = digest((), *parts, configuration_digest(model))
    return Inputs(folder=desk.folder, log=log, reference=reference, labels=labels, digest=name, agreed=agreed)


def _refuse_untrusted(desk: Desk, model: Model, paths: Sequence[str]) -> None:
    """Raises UserError where a path leads to another machine and this one has not agreed that the workspace may call it."""
    remote = next((path for path in paths if trust.is_remote(path)), None)
    if remote is None or trust.trusted(desk):
        return
    raise UserError(
        f"{desk.file}: models.{model.id}: {remote} lies on another machine, and this one does not trust the workspace to call it:"
        f" look at what it asks for with `mlops-desk trust {desk.folder}`, which lets it"
    )


def reads_objects(model: Model) -> bool:
    """Whether something that a model reads lies in an object store."""
    labels = model.labels.paths if model.labels else ()
    return any(is_object_path(path) for path in (*model.logs.paths, *model.reference.paths, *labels))


def configuration_digest(model: Model) -> str:
    """Names what desk.toml says of a model's evaluation; retraining, triggers and gate do not count."""
    from msgspec.structs import replace

    return digest((), __version__, repr(replace(model, retraining=None, triggers=(), gate=None, name="")))
