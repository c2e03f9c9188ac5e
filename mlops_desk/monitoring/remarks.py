"""What the tables themselves tell a person: columns without a value, labels or predictions of one class only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables
from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.schema import Task
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.monitoring.requests import target_column
from mlops_desk.monitoring.slice_set import Slice, SliceSet

NAMED = 8
"""Columns that one note names."""


def remarks(model: Model, slices: SliceSet) -> list[DataNote]:
    """Notes on the reference and on the chunks at hand."""
    analysis = [one for one in slices.slices if one.chunk.split is Split.ANALYSIS]
    return [*_empty_columns(slices.reference.features, analysis), *_classes(model, slices.reference.outcomes, analysis)]


def _empty_columns(reference: FeatureTables, analysis: Sequence[Slice]) -> Iterator[DataNote]:
    """Columns of which no row has a value."""
    absent = [name for name, table in _tables(reference).items() if table.n == 0]
    if absent:
        yield _note("column_empty", absent, "has no value in the reference, so it cannot be compared")
    if analysis:
        tables = [_tables(one.features) for one in analysis]
        names = [name for name in tables[0] if all(name in own and own[name].n == 0 for own in tables)]
        gone = [name for name in names if name not in absent]
        if gone:
            yield _note("column_empty", gone, "has no value in any chunk that was judged now")


def _note(code: str, names: Sequence[str], text: str) -> DataNote:
    shown = ", ".join(repr(name) for name in names[:NAMED]) + (" …" if len(names) > NAMED else "")
    subject = f"column {shown}" if len(names) == 1 else f"each of the columns {shown}"
    return DataNote(level=NoteLevel.WARNING, code=code, place=names[0], text=f"{subject} {text}", count=len(names))


def _tables(features: FeatureTables) -> Mapping[str, ValueTable | CategoryTable]:
    return {**features.numeric, **features.categorical}


def _classes(model: Model, reference: OutcomeTables | None, analysis: Sequence[Slice]) -> Iterator[DataNote]:
    """Labels of a classifier that are all of one class."""
    if model.task in (None, Task.REGRESSION):
        return
    place = target_column(model) or ""
    sides = (("the reference", [reference]), ("the chunks that were judged now", [one.outcomes for one in analysis]))
    for what, outcomes in sides:
        found: dict[str, int] = {}
        for one in outcomes:
            table = None if one is None else one.target_categories
            if table is not None:
                for name, count in zip(table.categories, table.counts.tolist(), strict=True):
                    found[name] = found.get(name, 0) + count
        classes = [name for name, count in found.items() if count]
        if len(classes) == 1:
            text = f"all labels of {what} are {classes[0]!r}: what needs two classes is untested"
            yield DataNote(level=NoteLevel.WARNING, code="one_class", place=place, text=text, count=found[classes[0]])


def left_out(model: Model, prepared: Prepared, chunks: Iterable[Chunk]) -> list[DataNote]:
    """A note of the rows that belong to no chunk."""
    rows = sum(footer.rows for footer in (*prepared.log, *prepared.reference))
    missing = rows - sum(chunk.rows for chunk in chunks)
    if missing <= 0:
        return []
    why = "have no usable timestamp" if model.logs.filter is None else "have no usable timestamp or are filtered out"
    if model.chunks.every is None:
        why = "belong to no chunk"
    text = f"{missing:,} rows {why} and are left out"
    level = NoteLevel.WARNING if model.logs.filter is None else NoteLevel.NOTICE
    return [DataNote(level=level, code="rows_left_out", place=model.columns.timestamp or "", text=text, count=missing)]
