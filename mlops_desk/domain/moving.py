"""References that move with the chunks (rolling, previous_chunks, expanding): which chunks before it each chunk is judged against.

The reference of a chunk are chunks that stand together and end right before it. It is complete or it is none: a chunk whose reference is
not complete yet is compared with nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from mlops_desk.domain.model import Reference
from mlops_desk.domain.periods import EARLIEST, in_local, in_utc, parse_periods
from mlops_desk.domain.slicing import Chunk

LEAST_EXPANDING = 5
"""Chunks that an expanding reference begins with."""
NOT_YET = "the reference is not complete yet"


class Preceding(Struct, frozen=True, kw_only=True):
    """The chunks that one chunk is judged against, as places among all chunks in time order.

    Attributes
    ----------
    places : of the reference's chunks; empty where there is a reason. reason : why the chunk has no reference, None where it has.
    """

    places: range
    reason: str | None = None


def preceding_chunks(reference: Reference, chunks: Sequence[Chunk], timezone: str) -> tuple[Preceding, ...]:
    """The reference of each chunk, given all chunks that hold rows in time order; `timezone` is that of the chunks' borders.

    rolling : the chunks that lie wholly within the period before the chunk's start, if the first chunk of the log begins no later than that period.
    previous_chunks : so many chunks right before it. expanding : all chunks before it, once they are LEAST_EXPANDING.
    Raises ValueError for a reference that does not move, and for a rolling one where chunks have no start.
    """
    if reference.rolling is not None:
        return _rolling(reference.rolling, chunks, timezone)
    if reference.previous_chunks is not None:
        return tuple(
            _counted(place, reference.previous_chunks, reference.previous_chunks) for place in range(len(chunks))
        )
    if reference.expanding:
        return tuple(_counted(place, LEAST_EXPANDING, None) for place in range(len(chunks)))
    raise ValueError("the reference does not move with the chunks")


def first_reference(found: Sequence[Preceding]) -> range:
    """The places of the first complete reference in time order; of all chunks where none is complete yet."""
    return next((one.places for one in found if one.reason is None), range(len(found)))


def words(reference: Reference) -> str:
    """A reference that moves, in words; empty for one that does not."""
    if reference.rolling is not None:
        periods = parse_periods(reference.rolling)
        length = periods.unit.name.lower() if periods.count == 1 else f"{periods.count} {periods.unit.name.lower()}s"
        return f"the {length} before each chunk"
    if reference.previous_chunks is not None:
        count = reference.previous_chunks
        return "the chunk before each chunk" if count == 1 else f"the {count} chunks before each chunk"
    return f"all chunks before each chunk, from {LEAST_EXPANDING} on" if reference.expanding else ""


def _counted(place: int, least: int, most: int | None) -> Preceding:
    """The reference of the chunk at a place: the `most` chunks before it (None for all), if they are `least`."""
    if place < least:
        return Preceding(places=range(0), reason=f"{NOT_YET}: it has {place} of {least} chunks")
    return Preceding(places=range(0 if most is None else place - most, place))


def _rolling(length: str, chunks: Sequence[Chunk], timezone: str) -> tuple[Preceding, ...]:
    starts = [_start(chunk) for chunk in chunks]
    found = []
    for place, start in enumerate(starts):
        earliest = moved_back(start, length, timezone)
        if starts[0] > earliest:
            found.append(Preceding(places=range(0), reason=f"{NOT_YET}: the log does not reach {length} back"))
            continue
        first = bisect_left(starts, earliest, hi=place)
        reason = f"no rows lie in the {length} before the chunk" if first == place else None
        found.append(Preceding(places=range(first, place), reason=reason))
    return tuple(found)


def _start(chunk: Chunk) -> datetime:
    if chunk.start is None:
        raise ValueError(f"chunk {chunk.key} has no start")
    return chunk.start


def moved_back(moment: datetime, length: str, timezone: str) -> datetime:
    """An aware time so much earlier, in UTC: by the clock for hours, by the calendar of the zone for longer units (the day clipped to its month)."""
    periods = parse_periods(length, timezone)
    local = in_local(moment, timezone)
    if periods.months:
        year, month = divmod(local.year * 12 + local.month - 1 - periods.months, 12)
        if year < EARLIEST.year:
            return in_utc(EARLIEST, timezone)
        following = datetime(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)  # noqa: DTZ001 - local time
        last = (following - timedelta(days=1)).day
        return in_utc(local.replace(year=year, month=month + 1, day=min(local.day, last)), timezone)
    if periods.hours % 24:
        return moment - timedelta(hours=periods.hours)
    return in_utc(local - timedelta(hours=periods.hours), timezone)
