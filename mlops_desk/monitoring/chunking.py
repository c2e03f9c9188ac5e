"""The chunks of a model as they are now, from what is known of its files' parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops_desk.aggregates.numbering import Slicing
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Model
from mlops_desk.domain.moving import words
from mlops_desk.domain.periods import EPOCH, in_local, in_utc
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.monitoring.counting import ChunkId, CountedFiles, PartRecord
from mlops_desk.monitoring.inputs import Inputs

OPEN_SHARE = 0.05
"""A period is complete when the newest row is nearer to its end than this share of its length."""


def moment(nanoseconds: int, slicing: Slicing) -> datetime:
    """A stored timestamp as an aware time in UTC; one without a zone is local time of the chunks' zone."""
    plain = EPOCH + timedelta(microseconds=nanoseconds // 1000)
    if slicing.time is not None and slicing.time.zoned:
        return plain.replace(tzinfo=UTC)
    return in_utc(plain, slicing.rule.timezone)


def newest_row(files: CountedFiles, slicing: Slicing) -> datetime | None:
    """The time of the newest analysis row, None without timestamps."""
    lasts = [
        record.last
        for records in files.records.values()
        for record in records
        if record.last is not None and record.split == Split.ANALYSIS
    ]
    return moment(max(lasts), slicing) if lasts else None


def versions_of(files: CountedFiles) -> tuple[str, ...]:
    """Versions of the model that the log names, those that were used last at the end."""
    used: dict[str, list[tuple[bool, int]]] = {}
    for records in files.records.values():
        for record in records:
            for name in record.versions:
                used.setdefault(name, []).append((record.split == Split.ANALYSIS, record.number))
    return tuple(sorted(used, key=lambda name: (max(used[name]), min(used[name]), name)))


def chunks_now(
    files: CountedFiles, by_chunk: dict[ChunkId, list[str]], slicing: Slicing, newest: datetime | None
) -> dict[ChunkId, Chunk]:
    """Every chunk that holds rows, by split and number, in time order within its split."""
    of_chunk: dict[ChunkId, list[PartRecord]] = {ident: [] for ident in by_chunk}
    for records in files.records.values():
        for record in records:
            of_chunk[Split(record.split), record.number].append(record)
    found: dict[ChunkId, Chunk] = {}
    for split in Split:
        idents = sorted(ident for ident in of_chunk if ident[0] is split)
        first_row = 0
        for index, ident in enumerate(idents):
            rows = sum(record.rows for record in of_chunk[ident])
            start, end, key = _borders(ident[1], of_chunk[ident], slicing, first_row)
            found[ident] = Chunk(
                split=split,
                key=key,
                index=index,
                start=start,
                end=end,
                rows=rows,
                complete=slicing.periods is None
                or split is Split.REFERENCE
                or index < len(idents) - 1
                or _is_full(start, end, newest),
            )
            first_row += rows
    return found


def _is_full(start: datetime | None, end: datetime | None, newest: datetime | None) -> bool:
    """Whether the newest row lies so near the end of the last period that hardly any is missing."""
    return None not in (start, end, newest) and end - newest < OPEN_SHARE * (end - start)  # type: ignore[operator]


def _borders(
    number: int, records: list[PartRecord], slicing: Slicing, first_row: int
) -> tuple[datetime | None, datetime | None, str]:
    """Start, end and key of a chunk."""
    if slicing.periods is not None:
        start, end = slicing.periods.start(number), slicing.periods.start(number + 1)
        return start, end, start.isoformat()
    key = f"row:{first_row:012d}"
    firsts = [record.first for record in records if record.first is not None]
    lasts = [record.last for record in records if record.last is not None]
    if not firsts or not lasts:
        return None, None, key
    return moment(min(firsts), slicing), moment(max(lasts), slicing), key


def reference_text(model: Model, chunks: Iterable[Chunk]) -> str:
    """The reference in words: its days, and its files where it has its own; which chunks it is where it moves with them."""
    if model.reference.moves:
        return words(model.reference)
    known = [chunk for chunk in chunks if chunk.split is Split.REFERENCE]
    starts = [chunk.start for chunk in known if chunk.start is not None]
    ends = [chunk.end for chunk in known if chunk.end is not None]
    paths = ", ".join(model.reference.paths)
    if not starts or not ends:
        return paths
    last = in_local(max(ends), model.chunks.timezone) - timedelta(microseconds=1 if model.chunks.by_time else 0)
    days = f"{in_local(min(starts), model.chunks.timezone):%Y-%m-%d} – {last:%Y-%m-%d}"
    return f"{days} ({paths})" if paths else days


def refuse_one_side(model: Model, inputs: Inputs, chunks: Mapping[ChunkId, Chunk], broken: Mapping[Path, str]) -> None:
    """Raises UserError where there is no reference or nothing to compare with it; `broken` holds why files are left out."""
    moves = model.reference.moves
    for split in (Split.ANALYSIS,) if moves else Split:
        if any(ident[0] is split for ident in chunks):
            continue
        beyond = "reference" if split is Split.REFERENCE else "log beyond the reference"
        hint = "are all timestamps NULL, or does the filter leave none?"
        if split is Split.ANALYSIS and model.reference.start is not None:
            hint = "the reference period takes in all of it; let it end earlier"
        if broken:
            first = next(iter(broken))
            hint = f"{len(broken):,} files are left out: {inputs.name(first)} because {broken[first]}"
        what = "log" if moves else beyond
        raise UserError(f"models.{model.id}: the {what} has no rows that belong to a chunk; {hint}")
