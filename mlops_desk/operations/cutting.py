"""Chooses chunks for a log that nobody has cut yet, and the part of it to compare the rest with."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec import Struct

from mlops_desk.domain.periods import in_local, parse_periods
from mlops_desk.domain.slicing import ChunkRule
from mlops_desk.warehouse.facts import Span

LENGTHS = ("1h", "6h", "1d", "1w", "1mo", "1q", "1y")
FEWEST_CHUNKS, MOST_CHUNKS = 4, 60
WANTED_ROWS = 500
"""Rows of a chunk below which its numbers jump about."""
SIZES = (100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000)
WANTED_SIZES = 20


class Cut(Struct, frozen=True, kw_only=True):
    """A rule of chunks and why it was chosen."""

    rule: ChunkRule
    reason: str


def chunk_rule(span: Span | None, rows: int) -> Cut:
    """The shortest period that leaves at most 60 chunks of 500 rows on average, but at least 4 chunks; by size without times."""
    if span is None or span.seconds <= 0:
        size = next((size for size in SIZES if rows / size <= WANTED_SIZES), SIZES[-1])
        return Cut(rule=ChunkRule(size=size), reason=f"of {size:,} rows, because no column of times was found")
    fitting = [every for every in LENGTHS if span.seconds / parse_periods(every).seconds >= FEWEST_CHUNKS] or [
        LENGTHS[0]
    ]
    chosen = fitting[-1]
    for every in fitting:
        chunks = max(span.seconds / parse_periods(every).seconds, 1.0)
        if chunks <= MOST_CHUNKS and rows / chunks >= WANTED_ROWS:
            chosen = every
            break
    count = max(span.seconds / parse_periods(chosen).seconds, 1.0)
    reason = f"every {chosen}: about {round(count):,} of them in {days_text(span.seconds)}, {round(rows / count):,} rows each"
    return Cut(rule=ChunkRule(every=chosen), reason=reason)


def first_third(span: Span, rule: ChunkRule) -> tuple[datetime, datetime]:
    """A reference that begins with the first chunk and ends with the chunk in which the first third of the time ends, but leaves one over."""
    periods = parse_periods(rule.every or LENGTHS[0], rule.timezone)
    start, end = (in_local(moment, rule.timezone) for moment in (span.earliest, span.latest))
    first, last = periods.number_of(start), periods.number_of(end)
    third = periods.number_of(start + (end - start) / 3)
    after = min(max(third, first + 1), max(last, first + 1))
    if last == first:  # all rows in one chunk: cut by the clock
        middle = start + max((end - start) / 3, timedelta(seconds=1))
        return periods.local_start(first), middle.replace(microsecond=0)
    return periods.local_start(first), periods.local_start(after)


def days_text(seconds: float) -> str:
    """A length of time in days, or in hours where it is short."""
    return f"{seconds / 86400:,.0f} days" if seconds >= 2 * 86400 else f"{seconds / 3600:,.0f} hours"
