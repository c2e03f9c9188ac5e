"""From unknown Parquet files to a first desk.toml: which files are what, what the columns are for, how to cut, what to compare with.

Everything guessed carries its reason, and the proposal is looked at as an evaluation would before it is written. A Sketch is a guess that a
person may correct first: it gives each column one use, a role of desk.toml or what a feature is besides.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk import trust
from mlops_desk.config.desk_file import FILE_NAME, read_desk
from mlops_desk.config.guess import ColumnFacts, Guess, Nature, guess, with_positive
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Desk, Labels, Logs, Model, Reference
from mlops_desk.domain.progress import CancelToken, ProgressSink, no_progress
from mlops_desk.domain.schema import INTERSECTION, Column, ColumnRoles, Kind, Role, Task
from mlops_desk.monitoring.inputs import COPIES
from mlops_desk.operations.check import checked
from mlops_desk.operations.cutting import chunk_rule, first_third
from mlops_desk.operations.dropped import Parts, parts_of
from mlops_desk.warehouse.connection import Connection, quoted
from mlops_desk.warehouse.facts import Span, column_facts, log_span, mean_scores, part_files, readable_footers
from mlops_desk.warehouse.footers import Footer
from mlops_desk.warehouse.object_copies import ObjectsChanged, fetch
from mlops_desk.warehouse.schema import log_relation

PROTECTED, SEGMENT = "protected", "segment"
USES: tuple[str, ...] = (*Role, PROTECTED, SEGMENT)
"""What a column can be for: the roles, and features that are protected attributes or make segments."""
SINGLE = (
    Role.TIMESTAMP, Role.ID, Role.PREDICTION, Role.SCORE, Role.TARGET, Role.VERSION, Role.WEIGHT, Role.LATENCY, Role.REQUESTER,
)  # fmt: skip
"""Roles that one column at most can have."""
PREVIEWED_ROWS = 5
LONGEST_PREVIEW = 80
CHOSEN = "you chose it"


class Proposal(Struct, frozen=True, kw_only=True):
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


class SketchedColumn(Struct, frozen=True, kw_only=True):
    """A column as it was guessed. values : of the first rows, as text. times, numbers : whether its values can be such."""

    name: str
    use: str
    kind: Kind | None
    reason: str
    values: tuple[str, ...]
    times: bool
    numbers: bool


class Sketch(Struct, frozen=True, kw_only=True):
    """What could be written of dropped files, for a person to look at and to correct.

    Attributes
    ----------
    parts : the logs, and reference and labels where there are some, with their paths. uses : what a column can be for.
    class_scores : columns that are the scores of a class each. reasons : what was chosen besides, and why.
    remarks : what a person should look at.
    failure : why the guess as it is cannot be evaluated, None where it can.
    """

    folder: Path
    parts: tuple[tuple[str, tuple[str, ...]], ...]
    rows: int
    columns: tuple[SketchedColumn, ...]
    class_scores: tuple[str, ...]
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]
    failure: str | None
    uses: tuple[str, ...] = USES

    def troubles(self, uses: Mapping[str, str]) -> dict[str, str]:
        """What is wrong with giving the columns these uses, by column; what is missing altogether has the empty name."""
        found: dict[str, str] = {}
        holders: dict[str, str] = {}
        for column in self.columns:
            use = uses[column.name]
            if use == Role.TIMESTAMP and not column.times:
                found[column.name] = "its values are no times"
            elif use in (Role.SCORE, Role.WEIGHT, Role.LATENCY) and not column.numbers:
                found[column.name] = "its values are no numbers"
            elif (
                use in SINGLE
                and column.name not in self.class_scores
                and holders.setdefault(use, column.name) != column.name
            ):
                found[column.name] = f"{holders[use]} is the {use} already"
        named = dict(self.parts)
        if Role.TIMESTAMP not in uses.values() and not named.get("reference"):
            found[""] = (
                "no column is the timestamp: choose the one that holds times, or drop a reference beside the log"
            )
        elif Role.ID not in uses.values() and named.get("labels"):
            found[""] = "no column is the id: choose the one by which labels and log are joined"
        return found


class Look(Struct, frozen=True, kw_only=True):
    """What was read of unknown files, and what it seems to be. samples : values of each column's first rows as text."""

    facts: tuple[ColumnFacts, ...]
    samples: Mapping[str, tuple[str, ...]]
    guessed: Guess
    span: Span | None
    rows: int
    remarks: tuple[str, ...]


def proposal(
    folder: Path,
    parts: Parts,
    task: Task | None = None,
    cancel: CancelToken | None = None,
    uses: Mapping[str, str] | None = None,
    *,
    progress: ProgressSink = no_progress,
) -> Proposal:
    """What desk.toml of a folder could say of these files; raises UserError where there is nothing to read, Cancelled.

    `uses` are what a person says that the columns are for; without them it is guessed.
    """
    folder = folder.absolute()
    return _proposed(folder, parts, _look(folder, parts, task, cancel, uses, progress))


def sketch_of_dropped(paths: Sequence[Path], cancel: CancelToken | None = None) -> Sketch | None:
    """What could be written of dropped files and folders, None where they are a workspace already; raises UserError and Cancelled."""
    folder, dropped = _place(paths)
    if (folder / FILE_NAME).is_file():
        return None
    parts = parts_of(folder, dropped)
    look = _look(folder, parts, None, cancel, None)
    reasons, besides = look.guessed.reasons, tuple[str, ...]()
    remarks, failure = (*look.remarks, *look.guessed.remarks), None
    kinds = {one.name: Kind.NUMERIC if one.nature is Nature.NUMBER else Kind.CATEGORICAL for one in look.facts}
    try:
        made = _proposed(folder, parts, look)
    except UserError as error:
        failure = str(error)
    else:
        besides, remarks, failure = made.reasons, made.remarks, made.failure
        reasons = {column.name: column.reason for column in made.columns}
        kinds = {column.name: column.kind for column in made.columns if column.kind is not None}
    uses = uses_of(look.guessed.roles)
    columns = tuple(
        SketchedColumn(
            name=one.name,
            use=uses.get(one.name, Role.FEATURE),
            kind=kinds.get(one.name),
            reason=reasons.get(one.name, "nothing says that it is anything else"),
            values=look.samples[one.name],
            times=one.nature is Nature.TIME or one.reads_as_time,
            numbers=one.nature is Nature.NUMBER,
        )
        for one in look.facts
    )
    scores = tuple(column for _, column in look.guessed.roles.scores)
    named = tuple(part for part in parts.named if part[1])
    return Sketch(
        folder=folder,
        parts=named,
        rows=look.rows,
        columns=columns,
        class_scores=scores,
        reasons=besides,
        remarks=remarks,
        failure=failure,
    )


def uses_of(roles: ColumnRoles) -> dict[str, str]:
    """What each named column is for; a column of two is a protected attribute before it is anything else."""
    single = {name: str(role) for role in SINGLE if (name := getattr(roles, role)) is not None}
    return {
        **dict.fromkeys(roles.ignore, str(Role.IGNORED)),
        **dict.fromkeys(roles.segments, SEGMENT),
        **dict.fromkeys(roles.protected_columns, PROTECTED),
        **dict.fromkeys((column for _, column in roles.scores), str(Role.SCORE)),
        **single,
    }


def roles_of(guessed: ColumnRoles, uses: Mapping[str, str]) -> ColumnRoles:
    """The roles of columns with these uses; what is no column of theirs (a target of the reference) stays as it was guessed."""
    scores = guessed.scores if all(uses.get(column) == Role.SCORE for _, column in guessed.scores) else ()
    of_classes = {column for _, column in scores}

    def one(role: Role) -> str | None:
        before: str | None = getattr(guessed, role)
        kept = before if before not in uses else None
        return next((name for name, use in uses.items() if use == role and name not in of_classes), kept)

    def all_of(use: str) -> tuple[str, ...]:
        return tuple(name for name, chosen in uses.items() if chosen == use)

    protected = all_of(PROTECTED)
    crossed = [
        name for name in guessed.protected if INTERSECTION in name and set(name.split(INTERSECTION)) <= {*protected}
    ]
    return replace(
        guessed,
        timestamp=one(Role.TIMESTAMP),
        id=one(Role.ID),
        prediction=one(Role.PREDICTION),
        score=one(Role.SCORE),
        target=one(Role.TARGET),
        version=one(Role.VERSION),
        weight=one(Role.WEIGHT),
        latency=one(Role.LATENCY),
        requester=one(Role.REQUESTER),
        scores=scores,
        protected=(*protected, *crossed),
        segments=all_of(SEGMENT),
        ignore=all_of(Role.IGNORED),
    )


def _look(
    folder: Path,
    parts: Parts,
    task: Task | None,
    cancel: CancelToken | None,
    uses: Mapping[str, str] | None,
    progress: ProgressSink = no_progress,
) -> Look:
    copies = folder / COPIES
    found = {what: part_files(folder, paths, f"--{what}", copies, cancel) for what, paths in parts.named if paths}
    apart = {file.path for what in ("reference", "labels") for file in found.get(what, ())}
    files = [file.path for some in found.values() for file in some]
    try:
        fetch([file for some in found.values() for file in some], copies, progress=progress, cancel=cancel)
    except ObjectsChanged:
        raise UserError(
            "--logs: objects are rewritten while they are fetched: try again when nobody writes them"
        ) from None
    with (
        tempfile.TemporaryDirectory(prefix="mlops-desk-") as spill,
        Connection(files, Path(spill), cancel=cancel) as connection,
    ):
        log, remarks = readable_footers(connection, found["logs"], "--logs")
        log = [footer for footer in log if footer.path not in apart]
        if not log:
            raise UserError("--logs: all its files are named as reference or labels too")
        facts = column_facts(connection, log)
        others = []
        for what in ("reference", "labels"):
            footers, more = readable_footers(connection, found[what], f"--{what}") if what in found else ([], [])
            others.append(column_facts(connection, footers) if footers else ())
            remarks += more
        guessed = guess(facts, others[0], others[1], task)
        if uses is not None:
            guessed = _corrected(guessed, {one.name: one for one in (*others[0], *others[1], *facts)}, uses, task)
        guessed = with_positive(guessed, _mean_scores(connection, log, guessed.roles))
        timestamp = guessed.roles.timestamp
        span = None if timestamp is None else log_span(connection, log, timestamp)
        samples = _samples(connection, log, [one.name for one in facts])
    rows = sum(footer.rows for footer in log)
    return Look(facts=facts, samples=samples, guessed=guessed, span=span, rows=rows, remarks=tuple(remarks))


def _corrected(guessed: Guess, facts: Mapping[str, ColumnFacts], uses: Mapping[str, str], task: Task | None) -> Guess:
    """The guess with the roles that a person chose; task and classes follow from them."""
    before = uses_of(guessed.roles)
    roles = roles_of(guessed.roles, uses)
    reasons = {name: reason for name, reason in guessed.reasons.items() if before.get(name) == uses.get(name)}
    reasons |= {name: CHOSEN for name, use in uses.items() if use != before.get(name, Role.FEATURE)}
    if (roles.target, roles.prediction, roles.score) == (
        guessed.roles.target, guessed.roles.prediction, guessed.roles.score,
    ):  # fmt: skip
        return replace(guessed, roles=roles, reasons=reasons)
    named = (guessed.target or roles.target, roles.prediction)
    outcomes = [facts[name] for name in named if name is not None and name in facts]
    classed = all(one.is_class for one in outcomes)
    classes = tuple(dict.fromkeys(value for one in outcomes for value in one.values)) if classed else ()
    if task is None and outcomes:
        task = Task.REGRESSION if not classes else Task.BINARY if len(classes) <= 2 else Task.MULTICLASS
    elif task is None and roles.score is not None:
        task = Task.BINARY
    return replace(guessed, roles=replace(roles, positive=None), task=task, classes=classes, reasons=reasons)


def _samples(connection: Connection, log: Sequence[Footer], names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Values of the first rows as text, each once."""
    shown = ", ".join(f"left({quoted(name)}::varchar, {LONGEST_PREVIEW})" for name in names)
    rows = connection.rows(f"select {shown} from {log_relation(log[:1])} limit {PREVIEWED_ROWS}")  # noqa: S608 - quoted
    found = zip(names, zip(*rows, strict=True), strict=True) if rows else ((name, ()) for name in names)
    return {name: tuple(dict.fromkeys(value for value in values if value is not None)) for name, values in found}


def _proposed(folder: Path, parts: Parts, look: Look) -> Proposal:
    model, reasons = _model(folder, parts, look.guessed, look.span, look.rows)
    return _understood(folder, model, look.guessed, reasons, look.remarks)


def refuse_existing(folder: Path) -> None:
    """Raises UserError where a folder has a desk.toml, before any work is done for nothing."""
    file = folder / FILE_NAME
    if file.exists():
        raise UserError(f"{file} exists already and is left as it is: edit it, or choose another folder")


def write_proposal(folder: Path, made: Proposal) -> Desk:
    """Writes the desk.toml of a proposal and returns it as read back; raises UserError where there is one already.

    What of its paths lies on other machines is trusted: a person has just named it.
    """
    from mlops_desk.config.writing import ModelDraft, write_desk

    write_desk(folder, made.name, [ModelDraft(model=made.model, columns=made.columns)])
    desk = read_desk(folder)
    if trust.runnable_parts(desk):
        trust.trust(desk)
    return desk


def desk_from_dropped(
    paths: Sequence[Path], cancel: CancelToken | None = None, uses: Mapping[str, str] | None = None
) -> Desk:
    """The workspace of dropped files and folders: the one that is there, else one that is guessed and written beside them.

    `uses` are what a person says that the columns are for. Raises UserError where nothing can be read or written.
    """
    folder, dropped = _place(paths)
    if (folder / FILE_NAME).is_file():
        return read_desk(folder)
    made = proposal(folder, parts_of(folder, dropped), cancel=cancel, uses=uses)
    if made.failure is not None:
        raise UserError(made.failure)
    return write_proposal(folder, made)


def _place(paths: Sequence[Path]) -> tuple[Path, list[Path]]:
    """The folder for the desk.toml of dropped files and folders, and those; raises UserError where there are none."""
    dropped = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100 - Path.absolute keeps `..`
    if not dropped:
        raise UserError("nothing was dropped: drop Parquet files, or the folder that holds them")
    first = dropped[0]
    if len(dropped) == 1 and (first.is_dir() or first.name == FILE_NAME):
        folder = first if first.is_dir() else first.parent
        return folder, [folder]
    return Path(os.path.commonpath([path.parent for path in dropped])), dropped


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
    look = checked(desk, model, agreed=True)
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
