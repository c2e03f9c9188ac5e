"""How files are cut into parts (one file's rows of one split and one chunk) and parts put together into batches for the scan.

A file whose footer proves that all its rows lie in one chunk is one part, and its rows need no look at their timestamps: a scan groups by
the file's place in the list. The rows of any other file get their part's number once, in a column that the engine joins by position.
Parts are cached by file, so a part's key is the file's fingerprint, the split and the chunk.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.periods import EARLIEST, EPOCH, LATEST, Periods, in_local
from mlops_desk.domain.slicing import Split
from mlops_desk.warehouse.connection import literal, quoted
from mlops_desk.warehouse.footers import Footer
from mlops_desk.warehouse.schema import ZONED, is_zoned

NO_PART = 65_535
"""In a column of part numbers: the row belongs to no part."""
PARTS_OF_A_BATCH = 250
"""With NULL they fit one byte, which keeps the engine's table of groups small."""
ROWS_OF_A_BATCH = 12_000_000
"""Of files that need a column of part numbers, so that it stays below 25 MB."""


class Part(Struct, frozen=True, kw_only=True):
    """Rows of one file in one chunk of one split; `number` counts periods, or chunks of size and number from 0."""

    footer: Footer
    split: Split
    number: int

    @property
    def key(self) -> str:
        """Names the part whatever else there is."""
        return f"{self.footer.file.fingerprint}:{self.split.value}:{self.number}"


class Batch(Struct, frozen=True, kw_only=True, eq=False):
    """Files of the same columns that one query scans, and the parts that their rows belong to.

    Attributes
    ----------
    numbers : for each row, in file order, the index in `parts` or NO_PART; None where each file is one part, in their order.
    """

    footers: tuple[Footer, ...]
    parts: tuple[Part, ...]
    numbers: NDArray[np.uint16] | None = None

    @property
    def rows(self) -> int:
        """Rows of all its files."""
        return sum(footer.rows for footer in self.footers)


def pieces_of(batch: Batch, most: int) -> Iterator[Batch]:
    """A batch as smaller ones of whole files, each of at most so many rows or one file."""
    parts_of = Counter(part.footer.file.fingerprint for part in batch.parts)
    files: list[Footer] = []
    rows = parts = 0
    for footer in (*batch.footers, None):
        if files and (footer is None or sum(one.rows for one in files) + footer.rows > most):
            yield _piece(batch, tuple(files), rows, parts, sum(parts_of[one.file.fingerprint] for one in files))
            rows += sum(one.rows for one in files)
            parts += sum(parts_of[one.file.fingerprint] for one in files)
            files = []
        if footer is not None:
            files.append(footer)


def _piece(batch: Batch, files: tuple[Footer, ...], rows: int, parts: int, count: int) -> Batch:
    """Some files of a batch, whose rows and parts begin at these places."""
    numbers = batch.numbers
    if numbers is not None:
        own = numbers[rows : rows + sum(footer.rows for footer in files)]
        numbers = np.where(own == NO_PART, NO_PART, own - np.uint16(parts)).astype(np.uint16)
    return Batch(footers=files, parts=batch.parts[parts : parts + count], numbers=numbers)


def has_offset(text: str) -> str:
    """The condition that an ISO 8601 text names its offset or its zone: behind the date is a sign or a letter other than the T."""
    return f"regexp_matches(substr({text}, 11), '[+A-SU-Za-su-z-]')"


class TimeColumn(Struct, frozen=True, kw_only=True):
    """The timestamp column, in one file or in any.

    Attributes
    ----------
    zoned : whether it carries a zone (then it is turned into local time). text : whether it is text, of `format` or ISO 8601.
    offsets : whether some texts tell their offset from UTC. timezone : whose local times those are that tell none; None where periods say it.
    """

    name: str
    zoned: bool
    text: bool = False
    format: str | None = None
    offsets: bool = False
    timezone: str | None = None

    def sql(self, prefix: str = "") -> str:
        """The column as a value of time; text that is none is NULL."""
        name = prefix + quoted(self.name)
        if not self.text:
            return name
        if self.format is not None:
            text = f"regexp_replace({name}, '[Zz]$', '+00:00')" if self.offsets else name
            return f"try_strptime({text}, {literal(self.format)})"
        local = f"try_cast({name} as TIMESTAMP)"
        if not self.offsets:
            return local
        closed = rf"regexp_replace({name}, '\s+([+-]\S+|[Zz])$', '\1')"
        instant = f"coalesce(try_cast({name} as {ZONED}), try_cast({closed} as {ZONED}))"
        return f"case when {has_offset(name)} then {instant} else try(timezone({literal(self.timezone or 'UTC')}, {local})) end"

    def of(self, footer: Footer) -> TimeColumn:
        """The column as one file has it."""
        kind = dict(footer.columns).get(self.name, "")
        if kind == "VARCHAR":
            return replace(self, zoned=self.offsets, text=True)
        return replace(self, zoned=is_zoned(kind), text=False, format=None, offsets=False)

    def is_in(self, footer: Footer) -> bool:
        """Whether a file has the column."""
        return self.name in dict(footer.columns)


class ReferencePeriod(Struct, frozen=True, kw_only=True):
    """A half-open period of local time whose rows are the reference."""

    start: datetime
    end: datetime


def local_time(nanoseconds: int, zoned: bool, timezone: str) -> datetime:
    """A timestamp as naive local time."""
    moment = EPOCH + timedelta(microseconds=nanoseconds // 1000)
    return in_local(moment.replace(tzinfo=UTC), timezone) if zoned else moment


def local_span(footer: Footer, time: TimeColumn, timezone: str) -> tuple[datetime, datetime] | None:
    """The first and the last local time of a file, None where its footer does not tell or some row has none."""
    span = footer.ranges.get(time.name)
    if (
        time.text
        or span is None
        or span.earliest is None
        or span.latest is None
        or span.nulls != 0
        or time != time.of(footer)
    ):
        return None
    first, last = (local_time(moment, time.zoned, timezone) for moment in (span.earliest, span.latest))
    return None if first < EARLIEST or last >= LATEST else (first, last)


def split_of_file(footer: Footer, time: TimeColumn, timezone: str, reference: ReferencePeriod | None) -> Split | None:
    """The split that all rows of a file belong to, None where its footer does not prove that there is one."""
    span = local_span(footer, time, timezone)
    if span is None:
        return None
    first, last = span
    if reference is None or last < reference.start or first >= reference.end:
        return Split.ANALYSIS
    return Split.REFERENCE if reference.start <= first and last < reference.end else None


def single_part(
    footer: Footer, split: Split | None, time: TimeColumn, periods: Periods, reference: ReferencePeriod | None
) -> Part | None:
    """The one part that all rows of a file belong to, None where its footer does not prove that there is one.

    `split` is given where the whole file belongs to it; else `reference` decides.
    """
    span = local_span(footer, time, periods.timezone)
    if span is None:
        return None
    first, last = (periods.settled(periods.number_of(moment)) for moment in span)
    split = split or split_of_file(footer, time, time.timezone or periods.timezone, reference)
    return Part(footer=footer, split=split, number=first) if first == last and split is not None else None


def batches_of_single(parts: Sequence[Part]) -> list[Batch]:
    """Batches of files that are one part each, alike in their columns."""
    return [
        Batch(footers=tuple(part.footer for part in some), parts=tuple(some))
        for some in _runs_of_like(parts, PARTS_OF_A_BATCH)
    ]


def _runs_of_like(parts: Sequence[Part], most: int) -> list[list[Part]]:
    """Parts in their order by columns of their files, at most so many together."""
    by_columns: dict[tuple[tuple[str, str], ...], list[Part]] = {}
    for part in parts:
        by_columns.setdefault(part.footer.columns, []).append(part)
    return [like[at : at + most] for like in by_columns.values() for at in range(0, len(like), most)]


def groups_of_mixed(footers: Sequence[Footer]) -> list[tuple[Footer, ...]]:
    """Files in their order by columns, at most ROWS_OF_A_BATCH rows (or one file) together."""
    by_columns: dict[tuple[tuple[str, str], ...], list[Footer]] = {}
    for footer in footers:
        by_columns.setdefault(footer.columns, []).append(footer)
    groups: list[tuple[Footer, ...]] = []
    for like in by_columns.values():
        some: list[Footer] = []
        for footer in like:
            if some and sum(one.rows for one in some) + footer.rows > ROWS_OF_A_BATCH:
                groups.append(tuple(some))
                some = []
            some.append(footer)
        groups.append(tuple(some))
    return groups


def batches_of_mixed(
    footers: Sequence[Footer],
    split: Split | None,
    numbers: NDArray[np.int64],
    in_reference: NDArray[np.bool_] | None,
    settled: Callable[[int], int],
) -> list[Batch]:
    """Batches of files whose rows belong to different parts.

    `numbers` holds for each row of the files, in order, the number of its chunk (which `settled` makes final), or NO_NUMBER where it
    belongs to none; `in_reference` whether it belongs to the reference, where `split` is None. Raises UserError for too many parts.
    """
    batches: list[Batch] = []
    codes: list[NDArray[np.uint16]] = []
    parts: list[Part] = []
    files: list[Footer] = []
    at = 0
    for footer in footers:
        rows = slice(at, at + footer.rows)
        at += footer.rows
        inside = None if in_reference is None else in_reference[rows]
        own, code = _parts_of_file(footer, split, numbers[rows], inside, settled)
        if len(own) >= NO_PART:
            raise UserError(
                f"{footer.file.shown}: its rows lie in {len(own):,} chunks; choose longer chunks in models.chunks"
            )
        if files and len(parts) + len(own) > PARTS_OF_A_BATCH:
            batches.append(Batch(footers=tuple(files), parts=tuple(parts), numbers=np.concatenate(codes)))
            codes, parts, files = [], [], []
        codes.append(np.where(code == NO_PART, NO_PART, code + len(parts)).astype(np.uint16))
        parts += own
        files.append(footer)
    if files:
        batches.append(Batch(footers=tuple(files), parts=tuple(parts), numbers=np.concatenate(codes)))
    return batches


NO_NUMBER = -(2**62)


def _parts_of_file(
    footer: Footer,
    split: Split | None,
    numbers: NDArray[np.int64],
    in_reference: NDArray[np.bool_] | None,
    settled: Callable[[int], int],
) -> tuple[list[Part], NDArray[np.int64]]:
    """The parts of one file, and the part of each row."""
    known = numbers != NO_NUMBER
    doubled = 2 * numbers + (0 if in_reference is None else in_reference.astype(np.int64))
    if not known.any():
        return [], np.full(len(numbers), NO_PART, dtype=np.int64)
    present, place = _distinct(doubled[known])
    parts: dict[tuple[Split, int], int] = {}
    final = np.zeros(len(present), dtype=np.int64)
    for index, value in enumerate(present.tolist()):
        number, referenced = divmod(value, 2)
        own = split or (Split.REFERENCE if referenced else Split.ANALYSIS)
        final[index] = parts.setdefault((own, settled(number)), len(parts))
    codes = np.full(len(numbers), NO_PART, dtype=np.int64)
    codes[known] = final[place]
    return [Part(footer=footer, split=own, number=number) for own, number in parts], codes


def _distinct(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct values, ascending, and which of them each is; by counting where they lie close together."""
    lowest = int(values.min())
    if int(values.max()) - lowest > 4 * len(values) + 1000:
        present, place = np.unique(values, return_inverse=True)
        return present, place
    shifted = values - lowest
    present = np.flatnonzero(np.bincount(shifted))
    where = np.zeros(int(present[-1]) + 1, dtype=np.int64)
    where[present] = np.arange(len(present))
    return present + lowest, where[shifted]
