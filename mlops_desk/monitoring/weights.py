"""Weights of rows before anything is counted: whether the column can hold them, which rows have none that can be used, which metrics refuse them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlops_desk.aggregates.numbering import Slicing, rows_without_weight
from mlops_desk.aggregates.weights import usable_sql
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Measurement, SeriesKey, untested
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.schema import Column
from mlops_desk.metrics.weighting import weight_rule
from mlops_desk.monitoring.fitting import listed
from mlops_desk.monitoring.requests import Request, requests_of
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.discovery import digest
from mlops_desk.warehouse.footers import Footer
from mlops_desk.warehouse.schema import ReferenceRows, is_number

UNUSABLE = "have no weight that can be used (NULL, NaN, negative, infinite, or beyond 1e30) and are left out"


def check_weight(model: Model, types: Mapping[str, str], reference: Mapping[str, str]) -> None:
    """Raises UserError where the weight column holds no numbers, or the reference does not have it; `reference` is empty where the log holds it."""
    name = model.columns.weight
    if name is None:
        return
    place = f"desk.toml: models.{model.id}.columns.weight"
    for what, known in (("log", types), ("reference", reference)):
        if known and name not in known:
            raise UserError(
                f"{place}: the {what} has no column {name!r}; store weights in it, or remove columns.weight"
            )
        if known and not is_number(known[name]):
            raise UserError(
                f"{place}: {name!r} of the {what} is of type {known[name]}, not of numbers; name a column of numbers, or store numbers"
            )


def rows_that_count(model: Model) -> str:
    """The condition of a reference's rows: they pass the filter and have a weight that can be used."""
    terms = [f"({model.logs.filter})"] if model.logs.filter else []
    if model.columns.weight is not None:
        terms.append(usable_sql(model.columns.weight))
    return " and ".join(terms) or "true"


def and_weighs(model: Model) -> str:
    """What a row needs, too, where rows have weights, in the words of an error."""
    name = model.columns.weight
    return "" if name is None else f" and has a weight that can be used (columns.weight is {name!r})"


def weighed_reference(connection: Connection, model: Model, rows: ReferenceRows) -> ReferenceRows:
    """The rows of reference files whose weight can be used, counted; raises UserError where there is none."""
    if model.columns.weight is None:
        return rows
    counted = rows.counted(connection)
    if not counted.rows:
        raise UserError(
            f"desk.toml: models.{model.id}.columns.weight: no row of the reference has a weight that can be used;"
            " store numbers of 0 or more, or remove columns.weight"
        )
    return counted


def unweighed_rows(
    connection: Connection, cache: Cache, model: Model, footers: Sequence[Footer], slicing: Slicing, *, fresh: bool
) -> int:
    """How many rows of files are left out for their weight; what is known of a file is kept."""
    if model.columns.weight is None:
        return 0
    named = digest((), slicing.name)
    keys = [f"{model.id}:W:{named}:{footer.file.fingerprint}" for footer in footers]
    known = {} if fresh else cache.get(keys)
    counts = {
        key: b"%d" % rows_without_weight(connection, footer, slicing)
        for key, footer in zip(keys, footers, strict=True)
        if key not in known
    }
    cache.put(counts)
    counted = {**known, **counts}
    return sum(int(counted[key]) for key in keys)


def weight_notes(
    model: Model, monitors: Sequence[Monitor], columns: Sequence[Column], left_out: int
) -> Iterator[DataNote]:
    """The rows that are left out for their weight, and the metrics that monitors ask for and that refuse weights."""
    name = model.columns.weight
    if name is None:
        return
    if left_out:
        text = f"{left_out:,} rows {UNUSABLE}: column {name!r}"
        yield DataNote(level=NoteLevel.WARNING, code="weight_unusable", place=name, text=text, count=left_out)
    asked = (request for monitor in monitors for request in requests_of(model, monitor, columns))
    refused = list(dict.fromkeys(one.definition.id for one in asked if refusal_of(model, one) is not None))
    if refused:
        verb, is_ = ("do", "are") if len(refused) > 1 else ("does", "is")
        text = f"{listed(refused)} {verb} not take weights and {is_} untested: each value says why"
        yield DataNote(level=NoteLevel.NOTICE, code="weight_refused", place=name, text=text, count=len(refused))


def refusal_of(model: Model, request: Request) -> str | None:
    """Why a request has no value because rows have weights, None where it has or none have."""
    return None if model.columns.weight is None else weight_rule(request.definition, request.monitor.convention).refusal


def refused(
    measured: Mapping[SeriesKey, Sequence[Measurement | None]], reason: str
) -> dict[SeriesKey, list[Measurement | None]]:
    """The same series, untested for one reason wherever they say anything."""
    return {key: [None if one is None else untested(reason) for one in along] for key, along in measured.items()}
