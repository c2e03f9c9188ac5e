"""Periods of time as numbered chunks: 1h, 6h, 1d, 1w, 1mo, 1q, 1y, cut in the local time of a zone.

Period 0 of hours, days and months begins on 1970-01-01 00:00 local time; weeks begin on Mondays. Where the clock is set back, the hour
that occurs twice is one period, unless instants are known (`periods_of_instants`); where it is set forward, rows of an hour that does not
occur belong to the next (`settled`).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec import Struct

EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local time
EARLIEST, LATEST = datetime(1678, 1, 1), datetime(2262, 1, 1)  # noqa: DTZ001 - local time
"""Half-open; what lies beyond cannot be told in nanoseconds, and stands for no time (9999-12-31)."""
MONDAY_OFFSET_DAYS = 3
"""1970-01-01 was a Thursday, three days after a Monday."""


class Unit(StrEnum):
    """What periods are counted in."""

    HOUR = "h"
    DAY = "d"
    WEEK = "w"
    MONTH = "mo"
    QUARTER = "q"
    YEAR = "y"


MONTHS = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}
HOURS = {Unit.HOUR: 1, Unit.DAY: 24, Unit.WEEK: 168}


class Periods(Struct, frozen=True, kw_only=True):
    """Periods of `count` units, numbered through.

    Attributes
    ----------
    hours : length of a period of hours, days or weeks, else 0. months : length of one of months, quarters or years, else 0.
    offset_hours : how long before 1970-01-01 00:00 period 0 begins.
    """

    unit: Unit
    count: int
    timezone: str = "UTC"

    @property
    def hours(self) -> int:
        """Length in hours, 0 for periods of months."""
        return HOURS.get(self.unit, 0) * self.count

    @property
    def months(self) -> int:
        """Length in months, 0 for periods of hours."""
        return MONTHS.get(self.unit, 0) * self.count

    @property
    def offset_hours(self) -> int:
        """How long before the epoch period 0 begins."""
        return 24 * MONDAY_OFFSET_DAYS if self.unit is Unit.WEEK else 0

    @property
    def seconds(self) -> float:
        """Length in seconds, of the average month where it is of months."""
        return 3600.0 * self.hours if self.hours else self.months * 365.2425 / 12 * 86400

    def number_of(self, local: datetime) -> int:
        """The number of the period that holds a naive local time."""
        if self.months:
            return (local.year * 12 + local.month - 1 - EPOCH.year * 12) // self.months
        return (local - EPOCH + timedelta(hours=self.offset_hours)) // timedelta(hours=self.hours)

    def local_start(self, number: int) -> datetime:
        """When a period begins, as naive local time."""
        if self.months:
            year, month = divmod(EPOCH.year * 12 + number * self.months, 12)
            return datetime(year, month + 1, 1)  # noqa: DTZ001 - local time
        return EPOCH + timedelta(hours=number * self.hours - self.offset_hours)

    def settled(self, number: int) -> int:
        """The number itself, or of the next period that takes time, where the clock is set forward over the whole of this one."""
        while self.start(number) == self.start(number + 1):
            number += 1
        return number

    def start(self, number: int) -> datetime:
        """When a period begins, aware, in UTC."""
        return in_utc(self.local_start(number), self.timezone)


def parse_periods(text: str, timezone: str = "UTC") -> Periods:
    """Periods from text such as 1d or 6h; raises ValueError for any other text."""
    match = re.fullmatch(r"([1-9]\d{0,3})(h|d|w|mo|q|y)", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no period such as 1h, 6h, 1d, 1w, 1mo, 1q or 1y")
    return Periods(count=int(match[1]), unit=Unit(match[2]), timezone=timezone)


def periods_of_instants(text: str, timezone: str) -> Periods:
    """Periods of rows whose instants are known: single hours are those of UTC, so that an hour that the clock repeats is two.

    Longer periods, and hours of a zone that ever was off UTC by a part of an hour, begin by the local clock.
    """
    periods = parse_periods(text, timezone)
    if periods.unit is Unit.HOUR and periods.count == 1 and _is_off_by_hours(timezone):
        return Periods(unit=periods.unit, count=periods.count)
    return periods


@lru_cache
def _is_off_by_hours(timezone: str) -> bool:
    """Whether a zone is off UTC by whole hours, as far as its rules reach from 1970 on."""
    months = (datetime(year, month, 1, tzinfo=UTC) for year in range(1970, 2038) for month in range(1, 13))
    offsets = (moment.astimezone(zone(timezone)).utcoffset() or timedelta() for moment in months)
    return all(offset % timedelta(hours=1) == timedelta() for offset in offsets)


@lru_cache
def zone(name: str) -> ZoneInfo:
    """The time zone of a name; raises zoneinfo.ZoneInfoNotFoundError."""
    return ZoneInfo(name)


def in_utc(local: datetime, timezone: str) -> datetime:
    """A naive local time as an aware one in UTC."""
    return local.replace(tzinfo=zone(timezone)).astimezone(UTC)


def in_local(moment: datetime, timezone: str) -> datetime:
    """An aware time as naive local time; a naive one is local already."""
    return moment if moment.tzinfo is None else moment.astimezone(zone(timezone)).replace(tzinfo=None)
