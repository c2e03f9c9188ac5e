"""What the tables themselves tell a person: columns without a value, labels or predictions of one class only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables
from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.schema import Task
from mlops_desk.domain.slicing import Split
from mlops_desk.monitoring.known_classes import known_classes, present
from mlops_desk.monitoring.measuring import Slice, SliceSet
from mlops_desk.monitoring.requests import target_column

NAMED = 8
"""Columns that one note names."""


def remarks(model: Model, slices: SliceSet, joined: Sequence[str]) -> list[DataNote]:
    """Notes on the reference and on the chunks at hand; `joined` are the classes of joined labels."""
    analysis = [one for one in slices.slices if one.chunk.split is Split.ANALYSIS]
    reference = slices.reference
    return [
        *_empty_columns(reference.features, analysis),
        *_classes(model, reference.outcomes, analysis),
        *_unknown_classes(model, reference, analysis, joined),
    ]


def _unknown_classes(
    model: Model, reference: Slice, analysis: Sequence[Slice], joined: Sequence[str]
) -> Iterator[DataNote]:
    """Labels of classes that the model does not know."""
    known = known_classes(model, reference.features, reference.outcomes)
    if known is not None:
        labels = set(joined)
        for one in (reference, *analysis):
            labels |= set(present(one.outcomes.target_categories)) if one.outcomes is not None else set()
        foreign = any(known.foreign(one.outcomes) is not None for one in (reference, *analysis))
        yield from known.notes(labels, target_column(model) or "", foreign=foreign)


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
