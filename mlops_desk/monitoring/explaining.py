"""Explains one alert: what the archive says of its cause, the split of the change by segment, and the rows themselves with their SQL.

Counting by segment reads and fills the cache of partial aggregates, so it takes the workspace's lock as an evaluation does.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.aggregates.selection import JoinedLabels, Selection, counted_sql, shown_sql
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.explanation import Attribution, Explanation, FoundRows, WeakSlice
from mlops_desk.domain.metric import Detection, Family
from mlops_desk.domain.model import Desk, Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.moving import preceding_chunks
from mlops_desk.domain.periods import in_local
from mlops_desk.domain.progress import CancelToken, ProgressSink, never_back
from mlops_desk.domain.schema import INTERSECTION, Task
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.domain.threshold import Alert
from mlops_desk.metrics import catalogue
from mlops_desk.metrics.detectors import DETECTORS
from mlops_desk.metrics.weighting import Weighting, weight_rule
from mlops_desk.monitoring.attributing import attributed, weak_slices_of
from mlops_desk.monitoring.comparing import group_values
from mlops_desk.monitoring.inputs import find_inputs
from mlops_desk.monitoring.opening import Opened, with_files
from mlops_desk.monitoring.preparation import Preparation, Prepared
from mlops_desk.monitoring.recounting import Recount
from mlops_desk.monitoring.requests import monitors_of, responsible_monitor
from mlops_desk.monitoring.suspects import ABOUT_ACCURACY, ranked_columns, reference_mean
from mlops_desk.store.archive import Store
from mlops_desk.store.connection import may_write
from mlops_desk.store.lock import WorkspaceLock
from mlops_desk.warehouse.connection import literal
from mlops_desk.warehouse.schema import common_types

DESK_FOLDER = ".desk"
OF_COLUMNS = (Family.DATA_DRIFT, Family.PREDICTION_DRIFT, Family.LABEL_DRIFT, Family.DATA_QUALITY)

Result = TypeVar("Result")


class Case(Struct, frozen=True, kw_only=True):
    """An alert with what is needed to look into it; `reference` are the chunks before its own where the reference moves, else None."""

    alert: Alert
    chunk: Chunk
    model: Model
    prepared: Prepared
    counting: Recount
    reference: Sequence[Chunk] | None

    @property
    def selection(self) -> Selection:
        """The rows of the alert's chunk, of its segment only where it is of one."""
        model, prepared = self.model, self.prepared
        groups = self.counting.files_of(_ident(self.chunk, self.prepared), with_reference=False)
        footers = tuple(footer for some, split in groups if split in (None, self.chunk.split) for footer in some)
        if not footers:
            raise UserError(
                f"alert {self.alert.id}: no file that can be read has rows of its chunk {self.chunk.key} any more"
            )
        labels = None
        if model.labels is not None and prepared.label_files:
            labels = JoinedLabels(
                footers=prepared.label_files,
                key=model.labels.key,
                id=model.columns.id or model.labels.key,
                target=model.labels.target,
            )
        by_order = prepared.slicing.periods is None
        first_row = int(self.chunk.key.removeprefix("row:")) if by_order else 0
        plain = Selection(
            footers=footers, slicing=prepared.slicing, chunk=self.chunk, first_row=first_row, labels=labels
        )
        if self.alert.key.segment is None:
            return plain
        column, _, value = self.alert.key.segment.partition("=")
        return replace(plain, conditions=(f"{plain.expressions.text(column)} = {literal(value)}",))


def looked_into(
    desk: Desk,
    store: Store,
    alert: Alert,
    look: Callable[[Case], Result],
    progress: ProgressSink,
    cancel: CancelToken,
) -> Result:
    """What a look into an alert finds; raises UserError where its chunk is gone or cannot be read, WorkspaceBusy."""
    model = desk.model(alert.model)
    progress = never_back(progress)
    chunks = store.chunks(model.id, Split.ANALYSIS)
    chunk = next((one for one in chunks if one.key == alert.last_chunk), None)
    if chunk is None:
        raise UserError(f"alert {alert.id}: the log has no rows of its chunk {alert.last_chunk} any more")
    before = None
    if model.reference.moves:
        places = preceding_chunks(model.reference, chunks, model.chunks.timezone)[chunk.index].places
        before = [chunks[place] for place in places]

    def look_at(opened: Opened) -> Result:
        preparation = Preparation(opened.connection, opened.cache, model, monitors_of(model), broken=opened.broken)
        prepared = preparation.prepared(opened.inputs)
        counting = Recount(
            connection=opened.connection,
            cache=opened.cache,
            model=model,
            prepared=prepared,
            progress=progress,
            cancel=cancel,
            reference=None if before is None else {_ident(one, prepared) for one in before},
        )
        return look(Case(alert=alert, chunk=chunk, model=model, prepared=prepared, counting=counting, reference=before))

    with _cache_folder(desk) as folder:
        inputs = find_inputs(desk, model, cancel=cancel)
        left_out = {note.place: note.text for note in store.notes(model.id) if note.code == "file_quarantined"}
        broken = {file.path: left_out[file.shown] for file in inputs.all if file.shown in left_out}
        return with_files(desk, model, folder, look_at, inputs=inputs, broken=broken, progress=progress, cancel=cancel)


@contextmanager
def _cache_folder(desk: Desk) -> Iterator[Path]:
    """The cache's folder with the workspace locked; one aside for who may only read the workspace."""
    if may_write(desk.folder):
        with WorkspaceLock(desk.folder):
            yield desk.folder / DESK_FOLDER / "cache"
    else:
        with tempfile.TemporaryDirectory(prefix="mlops-desk-") as aside:
            yield Path(aside)


def explanation(case: Case, store: Store) -> Explanation:
    """What speaks for the cause of an alert; sentences on bins are left to whoever words them."""
    alert, model = case.alert, case.model
    keys = None if case.reference is None else {one.key for one in case.reference}
    columns, performance = ranked_columns(store, model, alert, keys)
    attribution: Attribution | None = None
    weak: tuple[WeakSlice, ...] = ()
    if alert.key.family in ABOUT_ACCURACY and alert.key.segment is None:
        names = [one.column for one in columns]
        attribution = attributed(case.counting, _ident(case.chunk, case.prepared), names)
        weak = weak_slices_of(case.counting, _ident(case.chunk, case.prepared), names)
    return Explanation(
        alert=alert,
        chunk=case.chunk,
        reference_value=reference_mean(store, model, alert.key, keys),
        columns=columns,
        performance=performance,
        moves=(),
        groups=group_values(case.counting, _ident(case.chunk, case.prepared), alert, _min_group_rows(case)),
        attribution=attribution,
        weak=weak,
        sql=counted_sql(case.selection, _columns_behind(case), _weight_behind(case)),
        detections=_detections(case, store),
    )


def _detections(case: Case, store: Store) -> tuple[Detection, ...]:
    """Where the alert's drift detector signalled in its chunk."""
    key = case.alert.key
    if key.metric not in DETECTORS:
        return ()
    found = (one for one in store.detections(case.model.id) if one.chunk_key == case.chunk.key)
    return tuple(one for one in found if replace(one.key, group=key.group) == key)


def found_rows(case: Case, limit: int) -> FoundRows:
    """Some of the rows behind an alert's number, those first that make it: wrong predictions, missing values, or any of the chunk."""
    selection = case.selection
    condition = _telling(case, selection)
    if condition is not None:
        selection = replace(selection, conditions=(*selection.conditions, condition))
    names = list(common_types(selection.footers))
    if selection.labels is not None and selection.labels.target not in names:
        names.append(selection.labels.target)
    rows = case.counting.connection.rows(shown_sql(selection, names, limit))
    return FoundRows(names=tuple(names), rows=tuple(rows))


def _ident(chunk: Chunk, prepared: Prepared) -> tuple[Split, int]:
    """How counting numbers a chunk."""
    periods = prepared.slicing.periods
    if periods is None or chunk.start is None:
        return chunk.split, chunk.index
    return chunk.split, periods.number_of(in_local(chunk.start, periods.timezone))


def _min_group_rows(case: Case) -> int:
    """How many rows a group needs where the alert comes from."""
    monitor = responsible_monitor(case.alert.key, monitors_of(case.model))
    return Monitor().min_group_rows if monitor is None else monitor.min_group_rows


def _columns_behind(case: Case) -> Sequence[str]:
    """The columns whose values an alert's number is made of."""
    key, roles, target = case.alert.key, case.model.columns, _target(case.model)
    there = set(common_types(case.selection.footers)) | (
        {target} if case.selection.labels is not None and target else set()
    )
    if key.family in OF_COLUMNS:
        wanted = [key.column] if key.column else []
    else:
        of_score = key.family is not Family.BUSINESS and catalogue.definition(key.metric, key.family).needs_score
        scores = [roles.score] if roles.score and of_score else []
        groups = key.column.split(INTERSECTION) if key.column else []
        wanted = [*groups, *(name for name in (roles.prediction, *scores, target) if name is not None)]
    return [name for name in dict.fromkeys(wanted) if name in there]


def _weight_behind(case: Case) -> str | None:
    """The column of weights, where an alert's number honours them."""
    key, name = case.alert.key, case.model.columns.weight
    if name is None or name not in common_types(case.selection.footers) or key.family is Family.BUSINESS:
        return None
    rule = weight_rule(catalogue.definition(key.metric, key.family), key.convention)
    return name if rule.weighting is Weighting.HONOURED else None


def _target(model: Model) -> str | None:
    return model.labels.target if model.labels else model.columns.target


def _telling(case: Case, selection: Selection) -> str | None:
    """The condition of the rows that speak most for the alert; None where all are alike."""
    key, roles, target = case.alert.key, case.model.columns, _target(case.model)
    known = common_types(selection.footers)
    expressions = replace(selection.expressions, common=dict(case.prepared.plan.features.types))
    if key.family is Family.DATA_QUALITY and key.column in known and key.metric == "missing_rate":
        return f"{expressions.plain(key.column)} is null"
    if key.family is Family.DATA_QUALITY and key.column in known and key.metric == "out_of_range_rate":
        plan = next((one for one in case.prepared.plan.features.numeric if one.column == key.column), None)
        if plan is None:
            return None
        ends = plan.lowest, plan.highest
        if case.reference is not None:
            ends = case.counting.range_in_reference(plan.column) or (None, None)
        if None in ends:
            return None
        number = expressions.number(plan.column)
        return f"({number} < {ends[0]!r} or {number} > {ends[1]!r})"
    about_errors = key.family is Family.PERFORMANCE or key.metric in DETECTORS
    if about_errors and case.model.task is not Task.REGRESSION and roles.prediction and target:
        labels = selection.label_expressions
        outcome = case.prepared.plan.outcome
        there = f"{labels.text(target)} is not null and {expressions.text(roles.prediction)} is not null"
        if case.model.task is Task.BINARY and outcome is not None:
            positive = outcome.positive
            return (
                f"{there} and {expressions.is_value(roles.prediction, positive)} <> {labels.is_class(target, positive)}"
            )
        return f"{there} and {expressions.text(roles.prediction)} <> {labels.text(target)}"
    return None
