"""Where chunks lie along a plot, and what the axis below says.

Chunks that are periods of time lie at their seconds since 1970, so that a day without rows is a gap; all others lie side by side, by
their number. Labels of times are those of the model's time zone and name the year wherever it changes.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from mlops_desk import theme
from mlops_desk.domain.slicing import Chunk

ROW_KEY = "row:"
HOUR_STEPS = (1, 2, 3, 6, 12)
DAY_STEPS = (1, 2, 7, 14)
MONTH_STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200)
MONDAY = datetime(1970, 1, 5)  # noqa: DTZ001 - local time


class Tick(Struct, frozen=True):
    """A mark on the axis; `place` in the scale's units."""

    place: float
    text: str


class ChunkScale(Struct, frozen=True, kw_only=True):
    """Places of chunks; all tuples are as long as `chunks`, `lefts` and `rights` ascend."""

    chunks: tuple[Chunk, ...]
    lefts: tuple[float, ...]
    rights: tuple[float, ...]
    by_time: bool
    timezone: str

    def __len__(self) -> int:
        return len(self.chunks)

    @property
    def ends(self) -> tuple[float, float]:
        """The whole of the scale; 0 to 1 where there is no chunk."""
        return (self.lefts[0], self.rights[-1]) if self.chunks else (0.0, 1.0)

    def centre(self, index: int) -> float:
        """The middle of a chunk."""
        return (self.lefts[index] + self.rights[index]) / 2

    def nearest(self, place: float) -> int | None:
        """The chunk at a place, or the one nearest to it; None where there is no chunk."""
        if not self.chunks:
            return None
        after = bisect.bisect_right(self.lefts, place)
        if after == 0:
            return 0
        before = after - 1
        if place <= self.rights[before] or after == len(self.lefts):
            return before
        return before if place - self.rights[before] <= self.lefts[after] - place else after

    def between(self, low: float, high: float) -> range:
        """The chunks that a stretch of the scale touches."""
        return range(bisect.bisect_right(self.rights, low), bisect.bisect_left(self.lefts, high))

    def index_of(self, key: str) -> int | None:
        """The chunk of a key."""
        return next((index for index, chunk in enumerate(self.chunks) if chunk.key == key), None)

    def name(self, first: int, last: int | None = None) -> str:
        """What a person calls a chunk, or the chunks from one to another."""
        one, other = self.chunks[first], self.chunks[first if last is None else last]
        if self.by_time:
            return theme.span(one.start, other.end, self.timezone)
        numbers = f"chunk {one.index}" if one is other else f"chunks {one.index} {theme.ABSENT} {other.index}"
        if one.start is None or other.end is None:
            return numbers
        return f"{numbers} · {theme.moment_text(one.start, self.timezone)} {theme.ABSENT} {theme.moment_text(other.end, self.timezone)}"

    def ticks(self, low: float, high: float, most: int) -> tuple[Tick, ...]:
        """At most about `most` marks inside a stretch of the scale."""
        if not self.chunks or high <= low or most < 1:
            return ()
        if self.by_time:
            return time_ticks(low, high, most, self.timezone)
        steps = [step for step in theme.nice_steps(low, high - 1, most) if step == int(step)]
        return tuple(Tick(step + 0.5, theme.count(step)) for step in steps)


def chunk_scale(chunks: Sequence[Chunk], timezone: str) -> ChunkScale:
    """The scale of the chunks of a page."""
    by_time = all(
        not chunk.key.startswith(ROW_KEY) and chunk.start is not None and chunk.end is not None for chunk in chunks
    )
    if by_time:
        lefts = tuple(chunk.start.timestamp() for chunk in chunks if chunk.start is not None)
        rights = tuple(chunk.end.timestamp() for chunk in chunks if chunk.end is not None)
    else:
        lefts = tuple(float(chunk.index) for chunk in chunks)
        rights = tuple(left + 1 for left in lefts)
    return ChunkScale(chunks=tuple(chunks), lefts=lefts, rights=rights, by_time=by_time, timezone=timezone)


def time_ticks(low: float, high: float, most: int, timezone: str) -> tuple[Tick, ...]:
    """Round times of a time zone inside a stretch of seconds since 1970, with labels that can be read one way only."""
    zone = ZoneInfo(timezone)
    first, last = (datetime.fromtimestamp(edge, UTC).astimezone(zone).replace(tzinfo=None) for edge in (low, high))
    ticks: list[Tick] = []
    before: datetime | None = None
    unit, moments = round_moments(first, last, most)
    for moment in moments:
        place = moment.replace(tzinfo=zone).timestamp()
        if low <= place <= high:
            ticks.append(Tick(place, tick_text(moment, before, unit)))
            before = moment
    return tuple(ticks)


def round_moments(first: datetime, last: datetime, most: int) -> tuple[str, Iterator[datetime]]:
    """The finest unit of round local times of which at most `most` lie between two, and those times."""
    hours = (last - first).total_seconds() / 3600
    for step in HOUR_STEPS:
        if hours / step <= most:
            begin = first.replace(hour=first.hour // step * step, minute=0, second=0, microsecond=0)
            return "hour", apart(begin, last, timedelta(hours=step))
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    for step in DAY_STEPS:
        if hours / 24 / step <= most:
            begin = midnight - timedelta(days=(midnight - MONDAY).days % step)
            return "day", apart(begin, last, timedelta(days=step))
    months = hours / 24 / 30.4
    step = next((step for step in MONTH_STEPS if months / step <= most), MONTH_STEPS[-1])
    return ("year" if step % 12 == 0 else "month"), months_apart(midnight, last, step)


def apart(begin: datetime, last: datetime, step: timedelta) -> Iterator[datetime]:
    """Times from the first to the last, evenly apart on the local clock."""
    while begin <= last:
        yield begin
        begin += step


def months_apart(first: datetime, last: datetime, step: int) -> Iterator[datetime]:
    """First days of every so many months."""
    number = (first.year * 12 + first.month - 1) // step * step
    while (moment := datetime(number // 12, number % 12 + 1, 1)) <= last:  # noqa: DTZ001 - local time
        yield moment
        number += step


def tick_text(moment: datetime, before: datetime | None, unit: str) -> str:
    """A label that says what changed since the mark before it."""
    if unit == "year":
        return f"{moment.year}"
    new_year = before is None or before.year != moment.year
    if unit == "month":
        return theme.month(moment) if new_year else theme.MONTHS[moment.month - 1]
    if unit == "hour" and before is not None and before.date() == moment.date():
        return f"{moment:%H:%M}"
    text = theme.date(moment) if new_year else theme.day(moment)
    return f"{text} {moment:%H:%M}" if unit == "hour" and moment.hour else text
