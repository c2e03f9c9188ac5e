"""Where numbers and chunks lie in a chart, and what is written along its edges.

Chunks are evenly spaced whatever their lengths, because periods without rows are no chunks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from mlops_desk import theme
from mlops_desk.domain.slicing import Chunk
from mlops_desk.reporting.charts.svg import at, label, stroke, text_width

MOST_TOOLTIPS = 120
"""More chunks than this share their tooltips, and a matrix's cells, with their neighbours."""
_TICK_PIXELS = 64.0


class Frame(Struct, frozen=True, kw_only=True):
    """The rectangle that a chart draws in, and the range of numbers from its lower to its upper edge."""

    left: float
    top: float
    width: float
    height: float
    low: float = 0.0
    high: float = 1.0

    @property
    def right(self) -> float:
        """The right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.top + self.height

    def y(self, value: float) -> float:
        """Where a number lies; beyond the range, on the edge."""
        share = (value - self.low) / (self.high - self.low)
        return self.bottom - self.height * min(max(share, 0.0), 1.0)

    def x(self, place: float, count: int) -> float:
        """The middle of one of `count` chunks."""
        return self.left + self.width * (place + 0.5) / count


def value_range(values: Iterable[float | None], *, zero: bool = False) -> tuple[float, float]:
    """A range that holds some numbers with a little room around them; 0 to 1 where there is none."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if zero:
        known.append(0.0)
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    if high - low <= 1e-12 * max(abs(low), abs(high), 1e-300):
        room = abs(high) * 0.1 or 1.0
        return low - room, high + room
    room = 0.07 * (high - low)
    return (low if zero and low == 0 else low - room), high + room


def value_axis(frame: Frame, most: int = 4, *, percent: bool = False) -> str:
    """Grid lines with their numbers on the left."""
    steps = theme.nice_steps(frame.low, frame.high, most)
    texts = tuple(theme.percent(step, 0) for step in steps) if percent else theme.step_texts(steps)
    lines = "".join(f"M{at(frame.left)} {at(frame.y(step))}H{at(frame.right)}" for step in steps)
    labels = (label(frame.left - 6, frame.y(step) + 3.4, text, "end") for step, text in zip(steps, texts, strict=True))
    return stroke(lines, "grid") + "".join(labels)


def chunk_axis(frame: Frame, chunks: Sequence[Chunk], timezone: str) -> str:
    """Dates, or numbers of chunks, below a chart."""
    y = frame.bottom + 14
    return "".join(
        label(frame.x(place, len(chunks)), y, text, "mid") for place, text in chunk_ticks(frame, chunks, timezone)
    )


def chunk_ticks(frame: Frame, chunks: Sequence[Chunk], timezone: str) -> list[tuple[int, str]]:
    """Some chunks evenly apart, with a name that fits between its neighbours."""
    texts = chunk_names(chunks, timezone)
    widest = max((text_width(text) for text in texts), default=0.0) + 14
    step = max(1, math.ceil(max(widest, _TICK_PIXELS) * len(chunks) / frame.width))
    if len(chunks) > 14 and step < 7 and is_daily(chunks):
        step = 7
    return [(place, texts[place]) for place in range(min(step // 2, 2), len(chunks), step)]


def is_daily(chunks: Sequence[Chunk]) -> bool:
    """Whether chunks are days, which are best told week by week."""
    first = chunks[0]
    return first.start is not None and first.end is not None and first.end - first.start == timedelta(days=1)


def chunk_names(chunks: Sequence[Chunk], timezone: str) -> list[str]:
    """Short names of chunks: as much of their starts as tells them apart."""
    starts = [None if chunk.start is None else theme.local(chunk.start, timezone) for chunk in chunks]
    times = [start for start in starts if start is not None]
    if len(times) < len(starts) or not times:
        return [f"{chunk.index + 1}" for chunk in chunks]
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(times))
    usual = gaps[len(gaps) // 2] if gaps else timedelta(days=1)
    return [moment_name(time, usual, times[-1] - times[0]) for time in times]


def moment_name(time: datetime, gap: timedelta, reach: timedelta) -> str:
    """A moment as short as chunks this far apart allow."""
    if gap >= timedelta(days=360):
        return f"{time.year}"
    if gap >= timedelta(days=27) or reach > timedelta(days=700):
        return theme.month(time)
    if gap >= timedelta(hours=20) or reach > timedelta(days=12):
        return theme.day(time)
    return f"{theme.day(time)} {time:%H:%M}"


def bunches(count: int, most: int = MOST_TOOLTIPS) -> list[range]:
    """Places 0 to count - 1 in at most `most` bunches of neighbours, all but the last of one size."""
    step = max(1, math.ceil(count / most))
    return [range(first, min(first + step, count)) for first in range(0, count, step)]
