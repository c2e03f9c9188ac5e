"""Arguments that are text on the command line and something else inside: numbers, durations, moments.

Each converter raises ValueError with what would have been right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)([smhdw])", re.ASCII)
_LONGEST_SECONDS = 100 * 366 * 86400.0


def number(text: str) -> int:
    """The number of an alert or a run."""
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 18):
        raise ValueError(f"must be a number, not {text!r}")
    return int(text)


def duration(text: str) -> float:
    """Seconds, from text such as 90s, 10m, 2h, 3d or 1w."""
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * SECONDS[match[2]] if match else 0.0
    if not 0 < seconds <= _LONGEST_SECONDS:
        raise ValueError(f"must be a duration such as 2s, 10m, 12h, 3d or 1w, not {text!r}")
    return seconds


def moment(text: str) -> datetime:
    """A date (its first instant) or a time, naive where no zone is written."""
    try:
        if not re.match(r"\d{4}-\d{2}-\d{2}", text, re.ASCII):
            raise ValueError
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"must be a date or time such as 2026-11-02 or 2026-11-02T06:00Z, not {text!r}") from None


def instant(text: str) -> datetime:
    """A moment with a zone: that of this machine where none is written."""
    try:
        return moment(text).astimezone(UTC)
    except (OverflowError, OSError):
        raise ValueError(f"must be a moment of this era, not {text!r}") from None


def instant_utc(text: str) -> datetime:
    """A moment with a zone: UTC where none is written, so that it is the same moment on every machine."""
    found = moment(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def until(text: str) -> datetime:
    """An instant, or one so far from now."""
    if _DURATION.fullmatch(text):
        return datetime.now(UTC) + timedelta(seconds=duration(text))
    try:
        return instant(text)
    except ValueError:
        raise ValueError(
            f"must be a duration such as 3d or 12h, or a date or time such as 2026-11-02, not {text!r}"
        ) from None


CONVERTERS: Mapping[str, Callable[[str], object]] = {
    "number": number,
    "duration": duration,
    "moment": moment,
    "instant": instant,
    "instant_utc": instant_utc,
    "until": until,
}
