"""Looks at a model's configuration, files and columns without evaluating; nothing is written but copies of objects that an evaluation needs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from mlops_desk.config.source import with_line
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Desk, Model
from mlops_desk.domain.moving import words
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.progress import CancelToken, ProgressSink, no_progress
from mlops_desk.domain.schema import Column

if TYPE_CHECKING:
    from mlops_desk.monitoring.opening import Opened
    from mlops_desk.monitoring.preparation import Prepared


class FileCount(Struct, frozen=True, kw_only=True):
    """How many files and rows one part of a model has; rows are None where nothing could be judged."""

    part: str
    files: int
    rows: int | None = None


class ModelCheck(Struct, frozen=True, kw_only=True):
    """What an evaluation of a model would start from.

    Attributes
    ----------
    failure : why nothing of it could be judged, None where something can; columns and notes are then empty.
    """

    model: str
    name: str
    task: str | None
    chunks: str
    reference: str
    files: tuple[FileCount, ...]
    columns: tuple[Column, ...] = ()
    notes: tuple[DataNote, ...] = ()
    failure: str | None = None


def checked(
    desk: Desk,
    model: Model,
    cancel: CancelToken | None = None,
    *,
    agreed: bool = False,
    progress: ProgressSink = no_progress,
) -> ModelCheck:
    """Reads footers, columns and labels of a model as an evaluation would; the failure tells what stops it. Raises Cancelled.

    `agreed` : whether somebody named the model's remote paths just now, so that it need not be trusted to read them.
    """
    from mlops_desk.monitoring.inputs import find_inputs
    from mlops_desk.monitoring.opening import with_files

    files: tuple[FileCount, ...] = ()
    try:
        inputs = find_inputs(desk, model, agreed=agreed, cancel=cancel)
        found = (("log", inputs.log), ("reference", inputs.reference), ("labels", inputs.labels))
        files = tuple(FileCount(part=part, files=len(some)) for part, some in found if some)
        with tempfile.TemporaryDirectory(prefix="mlops-desk-") as folder:
            prepared = with_files(desk, model, Path(folder), _prepared, inputs=inputs, progress=progress, cancel=cancel)
    except UserError as error:
        return _check(desk, model, files, failure=with_line(desk, str(error)))
    rows = {"log": sum(one.rows for one in prepared.log), "reference": sum(one.rows for one in prepared.reference)}
    files = tuple(FileCount(part=one.part, files=one.files, rows=rows.get(one.part)) for one in files)
    return _check(
        desk, model, files, columns=prepared.columns, notes=(*prepared.notes, *_retraining_notes(desk, model))
    )


def _retraining_notes(desk: Desk, model: Model) -> tuple[DataNote, ...]:
    """What would stop a retraining before it began."""
    spec = model.retraining
    if spec is None or not spec.command or (desk.folder / spec.cwd).is_dir():
        return ()
    text = f"retraining.cwd: there is no folder {desk.folder / spec.cwd}, so the command cannot be started"
    return (DataNote(level=NoteLevel.WARNING, code="retraining_cwd", place="retraining.cwd", text=text),)


def _prepared(opened: Opened) -> Prepared:
    """What counting would begin with, read afresh."""
    from mlops_desk.monitoring.preparation import Preparation
    from mlops_desk.monitoring.requests import monitors_of

    preparation = Preparation(
        opened.connection, opened.cache, opened.model, monitors_of(opened.model), fresh=True, broken=opened.broken
    )
    return preparation.prepared(opened.inputs)


def _check(
    desk: Desk,
    model: Model,
    files: tuple[FileCount, ...],
    *,
    columns: tuple[Column, ...] = (),
    notes: tuple[DataNote, ...] = (),
    failure: str | None = None,
) -> ModelCheck:
    return ModelCheck(
        model=model.id,
        name=model.name,
        task=None if model.task is None else model.task.value,
        chunks=chunks_text(model),
        reference=reference_text(model),
        files=files,
        columns=columns,
        notes=notes,
        failure=failure,
    )


def chunks_text(model: Model) -> str:
    """How a model's rows are cut, in words."""
    rule = model.chunks
    if rule.every is not None:
        return f"every {rule.every} on the clock of {rule.timezone}"
    return f"of {rule.size:,} rows" if rule.size is not None else f"{rule.number} of equal size"


def reference_text(model: Model) -> str:
    """What a model's analysis is compared with, in words."""
    reference = model.reference
    if reference.paths:
        return ", ".join(reference.paths)
    if reference.start is not None and reference.end is not None:
        return f"rows of the log from {reference.start} to {reference.end}"
    return words(reference)
