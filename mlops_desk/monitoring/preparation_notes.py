"""What a person should know of columns and monitors before anything is counted, as notes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from mlops_desk.aggregates.plan import KEPT_CATEGORIES, OTHER, ScanPlan
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.schema import Column
from mlops_desk.metrics.adversarial import QUERY_SIMILARITY, REQUESTER_CONCENTRATION
from mlops_desk.metrics.detectors import DETECTORS
from mlops_desk.metrics.system import LATENCIES
from mlops_desk.monitoring.fitting import listed
from mlops_desk.monitoring.moving import DETECTORS_NEED_FIXED, UNCOUNTED
from mlops_desk.monitoring.requests import Request, misfits, requests_of
from mlops_desk.monitoring.weights import refusal_of
from mlops_desk.warehouse.connection import Connection, quoted
from mlops_desk.warehouse.footers import Footer
from mlops_desk.warehouse.schema import log_relation


def misfit_notes(model: Model, columns: Sequence[Column]) -> Iterator[DataNote]:
    """What monitors ask for and cannot get; raises UserError for a monitor that gives nothing."""
    for one in misfits(model, columns):
        place = f"monitors[{one.number}]"
        names = [*one.metrics, *(f"column {name!r}" for name in one.columns)]
        text = f"models.{model.id}.{place}: {listed(names)} can give no value here: {one.hint}"
        yield DataNote(level=NoteLevel.WARNING, code="monitor_unfit", place=place, text=text, count=len(names))
    for number, monitor in enumerate(model.monitors, 1):
        reasons = [_never(model, request) for request in requests_of(model, monitor, columns)]
        if reasons and all(reasons):
            text = f"models.{model.id}.monitors[{number}]: nothing that it asks for can be measured: {reasons[0]}"
            place = f"monitors[{number}]"
            yield DataNote(level=NoteLevel.WARNING, code="monitor_untested", place=place, text=text, count=len(reasons))


def _never(model: Model, request: Request) -> str | None:
    """Why a request has no value whatever the log holds, None where it may have one."""
    metric, definition, roles = request.definition.id, request.definition, model.columns
    if metric in LATENCIES and roles.latency is None:
        return "columns.latency names no column"
    if metric in (REQUESTER_CONCENTRATION, QUERY_SIMILARITY) and roles.requester is None:
        return "columns.requester names no column"
    if definition.needs_labels and roles.target is None and model.labels is None:
        return "the model has no labels: name columns.target, or give [models.labels]"
    if model.reference.moves and metric in DETECTORS:
        return DETECTORS_NEED_FIXED
    if model.reference.moves and metric in UNCOUNTED:
        return UNCOUNTED[metric]
    return refusal_of(model, request)


def pooled_notes(plan: ScanPlan) -> Iterator[DataNote]:
    """The columns of so many categories that the rare ones are one bin."""
    for one in plan.features.categorical:
        if one.kept:
            text = (
                f"column {one.column!r} has more than {KEPT_CATEGORIES:,} values: the reference's {len(one.kept):,} most frequent"
                f" are told apart, and the rest are one bin, {OTHER!r}"
            )
            level, count = NoteLevel.NOTICE, len(one.kept)
            yield DataNote(level=level, code="categories_pooled", place=one.column, text=text, count=count)


def threshold_notes(model: Model, plan: ScanPlan) -> Iterator[DataNote]:
    """A decision threshold that no score of the reference lies on the other side of."""
    limit, score = model.columns.decision_threshold, model.columns.score
    known = next((one for one in plan.features.numeric if one.column == score), None)
    if limit is None or known is None or known.lowest is None or known.highest is None:
        return
    if not known.lowest <= limit <= known.highest:
        place = "columns.decision_threshold"
        text = (
            f"{place} {limit:g} lies outside the scores of the reference"
            f" ({known.lowest:g} to {known.highest:g}): every prediction made by it is the same"
        )
        yield DataNote(level=NoteLevel.WARNING, code="threshold_outside", place=place, text=text)


def unread_note(
    connection: Connection, name: str, footers: Sequence[Footer], name_of: Callable[[Path], str]
) -> DataNote:
    """The texts of a column of numbers that are none."""
    column = quoted(name)
    files, count, example = [], 0, ""
    for footer in footers:
        if dict(footer.columns).get(name) == "VARCHAR":
            unread = (
                f"from {log_relation([footer])} where {column} is not null and try_cast({column} as DOUBLE) is null"
            )
            row = connection.rows(f"select count(*), min({column}) {unread}")[0]
            files.append(name_of(footer.path))
            count, example = count + row[0], example or row[1]
    more = f" and {len(files) - 1} more file{'s' * (len(files) > 2)}" if len(files) > 1 else ""
    text = f"column {name!r} is a number in the reference and text in {files[0]}{more}: "
    if count:
        text += f"{count:,} values such as {example!r} cannot be read as numbers and count as missing"
    else:
        text += "its values are read as numbers"
    level = NoteLevel.WARNING if count else NoteLevel.NOTICE
    return DataNote(level=level, code="column_conflict", place=name, text=text, count=count)
