"""Values that are text in desk.toml and something else in the domain: ids, durations, sizes, periods, time zones, moments."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TypeVar

from mlops_desk.config.source import near_words, shown
from mlops_desk.config.table import Table
from mlops_desk.domain.periods import parse_periods, zone

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
"""Units of durations; of periods, which may also be months, see mlops_desk.domain.periods."""

BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12}

_DURATION = re.compile(r"(\d{1,15}(?:\.\d{1,30})?)([smhdw])", re.ASCII)
_SIZE = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) ?([MGT]B)", re.ASCII)
_DAY_FIRST = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MODEL_ID = re.compile(r"[a-z0-9-]+")
_METRIC_ID = re.compile(r"[a-z0-9_-]+")

Default = TypeVar("Default")


def is_model_id(value: object) -> bool:
    """Whether a value can name a model."""
    return isinstance(value, str) and _MODEL_ID.fullmatch(value) is not None


def model_id(table: Table) -> str:
    """The mandatory id of a model."""
    text = table.required_text("id", 'id = "car-loan"')
    if not is_model_id(text):
        raise table.error("id", f"can only hold a-z, 0-9 and -, not {shown(text)}")
    return text


def metric_id(table: Table, key: str, example: str) -> str:
    """A mandatory id of a metric, which the catalogue may know or not."""
    return checked_metric_id(table, (key,), table.required_text(key, example))


def checked_metric_id(table: Table, below: tuple[str | int, ...], text: str) -> str:
    """The text, if a metric can have it as its id."""
    if not _METRIC_ID.fullmatch(text):
        raise table.error(below, f"can only hold a-z, 0-9, _ and -, not {shown(text)}")
    return text


def seconds(table: Table, key: str, default: Default) -> float | Default:
    """A duration in seconds, from text such as 90s, 10m, 2h, 30d or 1w."""
    value = table.values.get(key)
    if value is None:
        return default
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise table.wrong(key, 'a duration such as "90s", "10m", "2h", "30d" or "1w"', value)
    return float(match[1]) * SECONDS[match[2]]


def size_bytes(table: Table, key: str) -> int:
    """A size on disk in bytes, from text such as 500MB, 20GB or 1.5TB."""
    value = table.values[key]
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is None or (found := int(float(match[1]) * BYTES[match[2]])) == 0:
        raise table.wrong(key, 'a size such as "500MB", "20GB" or "1.5TB"', value)
    return found


def period(table: Table, key: str) -> str:
    """A period such as 1h, 1d, 1mo or 1q, as it is written."""
    value = table.values[key]
    try:
        if not isinstance(value, str):
            raise ValueError
        parse_periods(value)
    except ValueError:
        raise table.wrong(key, 'a period such as "1h", "6h", "1d", "1w", "1mo", "1q" or "1y"', value) from None
    return value.strip()


def timezone(table: Table, key: str, default: Default) -> str | Default:
    """A time zone by its IANA name."""
    name = table.text(key, None)
    if name is None:
        return default
    if name == "UTC":
        return name
    try:
        zone(name)
    except (KeyError, ValueError, OSError):  # unknown; not a name at all; a folder of zones such as Europe
        raise table.error(key, f"is no time zone: {shown(name)}; {_near_zones(name)}") from None
    return name


def moment(table: Table, key: str) -> datetime:
    """A date (its first instant), a time, or text with one of them; naive where no zone is written."""
    value = table.values[key]
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, datetime.min.time())
    try:
        if not isinstance(value, str) or not _DAY_FIRST.match(value):
            raise ValueError
        return datetime.fromisoformat(value)
    except ValueError:
        raise table.wrong(key, "a date or a time such as 2018-01-31 or 2018-01-31T06:00:00Z", value) from None


def _near_zones(name: str) -> str:
    from zoneinfo import available_timezones

    zones = sorted(available_timezones())
    if not zones:
        return "this machine has no time zones: install the package tzdata"
    near = near_words(name, zones)
    cities = {known.rpartition("/")[2].casefold(): known for known in zones}
    city = cities.get(name.replace(" ", "_").casefold())
    if city or near:
        return f"did you mean {city or ' or '.join(near)}?"
    return "names are such as UTC, Europe/Berlin, America/New_York"
