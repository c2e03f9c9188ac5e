"""What an evaluation of a model reads: its files as they are now, and a digest that tells at once whether anything changed."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from mlops_desk import __version__
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Desk, Model
from mlops_desk.warehouse.discovery import SourceFile, digest, find_files


class Inputs(Struct, frozen=True, kw_only=True):
    """The files of one model as they were seen, and a name for them and for what desk.toml says of the model; `folder` is the workspace's."""

    folder: Path
    log: tuple[SourceFile, ...]
    reference: tuple[SourceFile, ...]
    labels: tuple[SourceFile, ...]
    digest: str

    @property
    def all(self) -> tuple[SourceFile, ...]:
        """Every file, each once."""
        return tuple({file.path: file for file in (*self.log, *self.reference, *self.labels)}.values())

    def name(self, path: Path) -> str:
        """A file as messages name it: from the workspace on, or in full where it lies elsewhere."""
        return (path.relative_to(self.folder) if path.is_relative_to(self.folder) else path).as_posix()


def find_inputs(desk: Desk, model: Model) -> Inputs:
    """The files of a model; raises UserError where a path is not there or the log has no file."""
    place = f"{desk.file}: models.{model.id}"
    reference = find_files(desk.folder, model.reference.paths, f"{place}.reference.path")
    labels = find_files(desk.folder, model.labels.paths, f"{place}.labels.path") if model.labels else ()
    apart = {file.path for file in (*reference, *labels)}
    log = tuple(
        file for file in find_files(desk.folder, model.logs.paths, f"{place}.logs.path") if file.path not in apart
    )
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
    return Inputs(folder=desk.folder, log=log, reference=reference, labels=labels, digest=name)


def configuration_digest(model: Model) -> str:
    """Names what desk.toml says of a model's evaluation; retraining, triggers and gate do not count."""
    from msgspec.structs import replace

    return digest((), __version__, repr(replace(model, retraining=None, triggers=(), gate=None, name="")))
