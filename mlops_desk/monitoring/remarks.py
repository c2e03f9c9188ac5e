"""What the tables themselves tell a person: columns without a value, labels of one class only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.schema import Task
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.monitoring.chunk_facts import SEGMENTS_AT_MOST, ChunkRemarks, facts_of_chunks, new_segments, remarks_of
from mlops_desk.monitoring.counting import ChunkId, CountedFiles, Counter
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.monitoring.requests import target_column
from mlops_desk.warehouse.cache import Cache

NAMED = 8
"""Columns that one note names."""


Features = Mapping[ChunkId, Mapping[str, FeatureTables]]
Outcomes = Mapping[ChunkId, Mapping[str, OutcomeTables]]
"""Tables by chunk and segment value (empty for all rows)."""


class ToldChunks(Struct, frozen=True):
    """All analysis chunks of a tally, those that a pass does not look at included: of these, facts are kept."""

    cache: Cache
    model: Model
    counter: Counter
    files: CountedFiles
    by_chunk: Mapping[ChunkId, Sequence[str]]
    reference_name: str

    def notes(
        self,
        reference: Mapping[str, tuple[FeatureTables, OutcomeTables | None]],
        features: Features,
        outcomes: Outcomes,
        column: str | None,
    ) -> list[DataNote]:
        """Notes on all rows, or on the values of a segment column; the tables are those of the chunks at hand."""
        chunks = {ident: files for ident, files in self.by_chunk.items() if ident[0] is Split.ANALYSIS}
        base = f"{self.model.id}:F:" if column is None else f"{self.model.id}:S:{self.reference_name}:"
        names = {ident: base + self.files.chunk_fingerprint(files) for ident, files in chunks.items()}

        def told(features: Features, outcomes: Outcomes) -> dict[ChunkId, ChunkRemarks]:
            return {
                ident: remarks_of(own[""], outcomes.get(ident, {}).get(""))
                for ident, own in features.items()
                if "" in own
            }

        def left_out(features: Features) -> dict[ChunkId, int]:
            return {ident: new_segments(own, reference)[1] for ident, own in features.items()}

        def read(some: Sequence[ChunkId]) -> tuple[Features, Outcomes]:
            files = {ident: chunks[ident] for ident in some}
            return self.counter.features(self.files, files), self.counter.outcomes(self.files, files)

        if column is not None:
            at_hand = left_out(features)
            counts = facts_of_chunks(self.cache, names, int, at_hand, lambda some: left_out(read(some)[0]))
            return segment_notes(column, len(reference), counts)
        facts = facts_of_chunks(
            self.cache, names, ChunkRemarks, told(features, outcomes), lambda some: told(*read(some))
        )
        return remarks(self.model, remarks_of(*reference[""]), facts) if "" in reference else []


def remarks(model: Model, reference: ChunkRemarks, analysis: Sequence[ChunkRemarks]) -> list[DataNote]:
    """Notes on the reference and on all analysis chunks."""
    return [*_empty_columns(reference, analysis), *_classes(model, reference, analysis)]


def segment_notes(column: str, reference_values: int, left_out: Sequence[int]) -> list[DataNote]:
    """Notes on values of a segment column that are not watched; `left_out` counts those of each chunk that the reference does not have."""
    texts = []
    if reference_values > SEGMENTS_AT_MOST:
        text = f"only {SEGMENTS_AT_MOST} of the {reference_values:,} values of {column!r} in the reference are watched as segments, those with most rows"
        texts.append((text, reference_values))
    chunks = sum(count > 0 for count in left_out)
    if chunks:
        room = max(SEGMENTS_AT_MOST - reference_values, 0)
        which = f"the first {room} by name are" if room else "none is"
        text = f"{chunks:,} chunks have too many values of {column!r} that the reference does not have; of these {which} watched as segments"
        texts.append((text, chunks))
    return [
        DataNote(level=NoteLevel.WARNING, code="segments_cut", place=column, text=text, count=count)
        for text, count in texts
    ]


def _empty_columns(reference: ChunkRemarks, analysis: Sequence[ChunkRemarks]) -> Iterator[DataNote]:
    """Columns of which no row has a value."""
    if reference.empty:
        yield _note("column_empty", reference.empty, "has no value in the reference, so it cannot be compared")
    if analysis:
        always = set(analysis[0].empty).intersection(*(one.empty for one in analysis))
        gone = [name for name in analysis[0].empty if name in always and name not in reference.empty]
        if gone:
            yield _note("column_empty", gone, "has no value in any chunk after the reference")


def _note(code: str, names: Sequence[str], text: str) -> DataNote:
    shown = ", ".join(repr(name) for name in names[:NAMED]) + (" …" if len(names) > NAMED else "")
    subject = f"column {shown}" if len(names) == 1 else f"each of the columns {shown}"
    return DataNote(level=NoteLevel.WARNING, code=code, place=names[0], text=f"{subject} {text}", count=len(names))


def _classes(model: Model, reference: ChunkRemarks, analysis: Sequence[ChunkRemarks]) -> Iterator[DataNote]:
    """Labels of a classifier that are all of one class."""
    if model.task in (None, Task.REGRESSION):
        return
    place = target_column(model) or ""
    for what, sides in (("the reference", [reference]), ("the chunks after the reference", analysis)):
        found: dict[str, int] = {}
        for one in sides:
            for name, count in one.classes.items():
                found[name] = found.get(name, 0) + count
        if len(found) == 1:
            ((name, count),) = found.items()
            text = f"all labels of {what} are {name!r}: what needs two classes is untested"
            yield DataNote(level=NoteLevel.WARNING, code="one_class", place=place, text=text, count=count)


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
