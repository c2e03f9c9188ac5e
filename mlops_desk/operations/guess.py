"""From unknown Parquet files to a first desk.toml: which files are what, what the columns are for, how to cut, what to compare with.

Everything guessed carries its reason, and the proposal is looked at as an evaluation would before it is written.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_desk.config.desk_file import FILE_NAME, read_desk
from mlops_desk.config.guess import Guess, guess, with_positive
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Desk, Labels, Logs, Model, Reference
from mlops_desk.domain.progress import CancelToken
from mlops_desk.domain.schema import Column, ColumnRoles, Task
from mlops_desk.operations.check import checked
from mlops_desk.operations.cutting import chunk_rule, first_third
from mlops_desk.operations.dropped import Parts, parts_of
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.facts import Span, column_facts, log_span, mean_scores, part_files, readable_footers
from mlops_desk.warehouse.footers import Footer


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A model as it was guessed.

    Attributes
    ----------
    columns : of the log with their kinds and reasons. reasons : what was chosen besides, and why. remarks : what a person should look at.
    failure : why the proposal could not be evaluated as it is, None where it could.
    """

    name: str
    model: Model
    columns: tuple[Column, ...]
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]
    failure: str | None


def proposal(folder: Path, parts: Parts, task: Task | None = None, cancel: CancelToken | None = None) -> Proposal:
    """What desk.toml of a folder could say of these files; raises UserError where there is nothing to read, Cancelled."""
    folder = folder.absolute()
    found = {what: part_files(folder, paths, f"--{what}") for what, paths in parts.named if paths}
    apart = {*found.get("reference", ()), *found.get("labels", ())}
    files = [path for paths in found.values() for path in paths]
    with (
        tempfile.TemporaryDirectory(prefix="mlops-desk-") as spill,
        Connection(files, Path(spill), cancel=cancel) as connection,
    ):
        log, remarks = readable_footers(connection, folder, parts.logs, "--logs")
        log = [footer for footer in log if footer.path not in apart]
        if not log:
            raise UserError("--logs: all its files are named as reference or labels too")
        facts = column_facts(connection, log)
        others = []
        for what, paths in parts.named[1:]:
            footers, more = readable_footers(connection, folder, paths, f"--{what}") if paths else ([], [])
            others.append(column_facts(connection, footers) if footers else ())
            remarks += more
        guessed = guess(facts, others[0], others[1], task)
        guessed = with_positive(guessed, _mean_scores(connection, log, guessed.roles))
        timestamp = guessed.roles.timestamp
        span = None if timestamp is None else log_span(connection, log, timestamp)
    rows = sum(footer.rows for footer in log)
    model, reasons = _model(folder, parts, guessed, span, rows)
    return _understood(folder, model, guessed, reasons, remarks)


def refuse_existing(folder: Path) -> None:
    """Raises UserError where a folder has a desk.toml, before any work is done for nothing."""
    file = folder / FILE_NAME
    if file.exists():
        raise UserError(f"{file} exists already and is left as it is: edit it, or choose another folder")


def write_proposal(folder: Path, made: Proposal) -> Desk:
    """Writes the desk.toml of a proposal and returns it as read back; raises UserError where there is one already."""
    from mlops_desk.config.writing import ModelDraft, write_desk

    write_desk(folder, made.name, [ModelDraft(model=made.model, columns=made.columns)])
    return read_desk(folder)


def desk_from_dropped(paths: Sequence[Path], cancel: CancelToken | None = None) -> Desk:
    """The workspace of dropped files and folders: the one that is there, else one that is guessed and written beside them.

    Raises UserError where nothing can be read or written.
    """
    dropped = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - Path.absolute keeps `..`
    if not dropped:
        raise UserError("nothing was dropped: drop Parquet files, or the folder that holds them")
    first = dropped[0]
    if len(dropped) == 1 and (first.is_dir() or first.name == FILE_NAME):
        folder = first if first.is_dir() else first.parent
        dropped = [folder]
    else:
        folder = Path(os.path.commonpath([path.parent for path in dropped]))
    if (folder / FILE_NAME).is_file():
        return read_desk(folder)
    made = proposal(folder, parts_of(folder, dropped), cancel=cancel)
    if made.failure is not None:
        raise UserError(made.failure)
    return write_proposal(folder, made)


def _mean_scores(
    connection: Connection, log: Sequence[Footer], roles: ColumnRoles
) -> dict[str | int | float | bool, float]:
    if roles.prediction is None or roles.score is None:
        return {}
    return mean_scores(connection, log, roles.prediction, roles.score)


def _model(folder: Path, parts: Parts, guessed: Guess, span: Span | None, rows: int) -> tuple[Model, list[str]]:
    """The model of a guess, and why its task, chunks and reference are what they are."""
    cut = chunk_rule(span, rows)
    reasons = [f"chunks: {cut.reason}"]
    if guessed.task is not None:
        classes = f", because there are {len(guessed.classes)} classes" if guessed.classes else ""
        reasons.insert(0, f"task: {guessed.task.value}{classes}")
    if guessed.target is not None:
        reasons.append(f"target: {guessed.target!r} of the labels, joined by {guessed.key!r}")
    elif guessed.roles.target is not None and guessed.roles.target not in guessed.reasons:
        reasons.append(f"target: {guessed.roles.target!r}, which the reference has and the log has not")
    if parts.reference:
        reference = Reference(paths=parts.reference)
        reasons.append("reference: files of its own")
    elif span is None or cut.rule.every is None:
        raise UserError(
            "without a column of times the log cannot be split by itself: name rows to compare with by --reference"
        )
    else:
        start, end = first_third(span, cut.rule)
        reference = Reference(start=start, end=end)
        reasons.append(f"reference: the first third of the log, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}")
    labels = None
    if parts.labels:
        if guessed.key is None or guessed.target is None or guessed.roles.id is None:
            raise UserError(
                "--labels: no column of ids was found that the labels and the log share; give both the same column of ids"
            )
        labels = Labels(paths=parts.labels, key=guessed.key, target=guessed.target)
    return Model(
        id=_slug(folder.name),
        name=_title(folder.name),
        task=guessed.task,
        logs=Logs(paths=parts.logs),
        reference=reference,
        columns=guessed.roles,
        chunks=cut.rule,
        labels=labels,
    ), reasons


def _understood(folder: Path, model: Model, guessed: Guess, reasons: Sequence[str], remarks: Sequence[str]) -> Proposal:
    """The proposal with each column's kind as an evaluation would take it."""
    desk = Desk(name=model.name, folder=folder, file=folder / FILE_NAME, models=(model,))
    look = checked(desk, model)
    columns = tuple(
        replace(column, reason=guessed.reasons[column.name]) if column.name in guessed.reasons else column
        for column in look.columns
    )
    warned = [note.text for note in look.notes if note.text not in remarks]
    return Proposal(
        name=model.name,
        model=model,
        columns=columns,
        reasons=tuple(reasons),
        remarks=(*remarks, *guessed.remarks, *warned),
        failure=look.failure,
    )


def _slug(name: str) -> str:
    """A model id of a folder's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-") or "model"


def _title(name: str) -> str:
    """A name to show of a folder's name."""
    text = re.sub(r"[_-]+", " ", name).strip()
    return text[:1].upper() + text[1:] if text else "Model"
