"""How rows are cut: splits, chunks and segments."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Split(StrEnum):
    """Which side of a comparison rows are on."""

    REFERENCE = "reference"
    ANALYSIS = "analysis"


class Incomplete(StrEnum):
    """What becomes of the rows left over after the last full chunk of `size` or `number` chunks."""

    KEEP = "keep"
    DROP = "drop"
    APPEND = "append"


class ChunkRule(Struct, frozen=True, kw_only=True):
    """How rows are cut into chunks: exactly one of `every`, `size` and `number` is set.

    Attributes
    ----------
    every : a period such as 1h, 6h, 1d, 1w, 1mo, 1q or 1y; weeks start on Monday.
    size : rows in a chunk. number : how many chunks of equal size.
    incomplete : what becomes of the rows left over (size and number only).
    timezone : IANA name; of chunk borders, and of timestamps that carry no zone.
    """

    every: str | None = None
    size: int | None = None
    number: int | None = None
    incomplete: Incomplete = Incomplete.KEEP
    timezone: str = "UTC"

    @property
    def by_time(self) -> bool:
        """Whether chunks are periods of time."""
        return self.every is not None


class Chunk(Struct, frozen=True, kw_only=True):
    """A piece of one split's rows.

    Attributes
    ----------
    key : what names the chunk for ever: the ISO start of a period in UTC, or `row:` and the first row's number in its split.
    index : 0-based among the chunks of its split that hold rows now.
    start, end : of a period its borders (half-open, aware, UTC); of a size or number chunk the first and last timestamps; None without a timestamp column.
    rows : rows of the log in the chunk.
    complete : False for a period that later rows may still reach.
    """

    split: Split
    key: str
    index: int
    start: datetime | None
    end: datetime | None
    rows: int
    complete: bool = True


class Segment(Struct, frozen=True, kw_only=True, order=True):
    """The rows in which a column has one value (as text; NULL is no segment)."""

    column: str
    value: str

    @property
    def label(self) -> str:
        """How results name the segment: `column=value`."""
        return f"{self.column}={self.value}"
