"""Periods of time: numbers and starts against a walk through the calendar, in zones that set their clocks."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.domain.periods import (
    EARLIEST,
    LATEST,
    Periods,
    Unit,
    in_local,
    in_utc,
    parse_periods,
    periods_of_instants,
    zone,
)

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
MOMENTS = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2100, 1, 1))
PERIODS = st.builds(
    Periods, unit=st.sampled_from(list(Unit)), count=st.integers(1, 12), timezone=st.sampled_from(ZONES)
)


def first_of_walk(periods: Periods) -> datetime:
    """Where period 0 begins by the text of the contract."""
    return datetime(1969, 12, 29) if periods.unit is Unit.WEEK else datetime(1970, 1, 1)


def stepped(start: datetime, periods: Periods, steps: int) -> datetime:
    """A local time so many periods later, by calendar arithmetic."""
    count = steps * periods.count
    match periods.unit:
        case Unit.HOUR:
            return start + timedelta(hours=count)
        case Unit.DAY:
            return start + timedelta(days=count)
        case Unit.WEEK:
            return start + timedelta(weeks=count)
    months = {Unit.MONTH: 1, Unit.QUARTER: 3, Unit.YEAR: 12}[periods.unit] * count
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(year=year, month=month + 1)


@given(PERIODS, st.integers(-400, 400))
def test_period_begins_where_the_calendar_says(periods: Periods, number: int) -> None:
    expected = stepped(first_of_walk(periods), periods, number) if abs(number * periods.seconds) < 5e10 else None
    if expected is not None:
        assert periods.local_start(number) == expected


@given(PERIODS, MOMENTS)
def test_a_moment_lies_in_the_period_of_its_number_and_in_no_other(periods: Periods, moment: datetime) -> None:
    number = periods.number_of(moment)
    assert periods.local_start(number) <= moment < periods.local_start(number + 1)


@given(PERIODS, MOMENTS, MOMENTS)
def test_numbers_are_in_the_order_of_time(periods: Periods, one: datetime, other: datetime) -> None:
    assert (one <= other) <= (periods.number_of(one) <= periods.number_of(other))


@given(PERIODS, st.datetimes(datetime(1971, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)))
def test_periods_of_instants_cover_them(periods: Periods, instant: datetime) -> None:
    number = periods.number_of(in_local(instant, periods.timezone))
    start, end = periods.start(number), periods.start(number + 1)
    assert start.tzinfo is UTC
    assert start <= instant < end


def test_weeks_start_on_monday() -> None:
    weeks = parse_periods("1w")
    assert weeks.local_start(weeks.number_of(datetime(2026, 3, 4, 13))) == datetime(2026, 3, 2)
    assert weeks.local_start(weeks.number_of(datetime(1969, 12, 28, 23, 59))) == datetime(1969, 12, 22)


@pytest.mark.parametrize(
    ("day", "hours"),
    [(datetime(2024, 3, 31), 23), (datetime(2024, 10, 27), 25), (datetime(2024, 6, 1), 24)],
)
def test_days_have_the_hours_that_the_clock_gives_them(day: datetime, hours: int) -> None:
    days = parse_periods("1d", "Europe/Berlin")
    number = days.number_of(day)
    assert days.start(number + 1) - days.start(number) == timedelta(hours=hours)


def test_the_hour_that_occurs_twice_is_one_period() -> None:
    hourly = parse_periods("1h", "Europe/Berlin")
    first, second = datetime(2024, 10, 27, 0, 30, tzinfo=UTC), datetime(2024, 10, 27, 1, 30, tzinfo=UTC)
    number = hourly.number_of(in_local(first, "Europe/Berlin"))
    assert number == hourly.number_of(in_local(second, "Europe/Berlin"))
    assert hourly.start(number + 1) - hourly.start(number) == timedelta(hours=2)


@given(st.sampled_from(ZONES), st.datetimes(datetime(1980, 1, 1), datetime(2030, 1, 1)), st.integers(1, 6))
def test_local_times_as_the_clock_shows_them_have_periods_of_their_own(name: str, local: datetime, count: int) -> None:
    """Naive times that a clock skips are read as the clock would have gone on, so no two periods share a start."""
    periods = Periods(unit=Unit.HOUR, count=count, timezone=name)
    shown = in_local(in_utc(local, name), name)
    number = periods.number_of(shown)
    assert periods.start(number) < periods.start(number + 1)


@pytest.mark.parametrize("text", ["", "0d", "1", "d", "-1d", "1.5h", "1m", "1 d", "10000d", "1D"])
def test_other_text_is_no_period(text: str) -> None:
    with pytest.raises(ValueError, match="is no period such as"):
        parse_periods(text)


def test_an_unknown_zone_is_an_error() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        zone("Europe/Atlantis")


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("text", ["1h", "6h", "1d", "1w", "1mo", "1q", "1y", "12y"])
def test_the_first_and_the_last_moment_that_count_have_a_period(text: str, name: str) -> None:
    periods = parse_periods(text, name)
    for moment in (EARLIEST, LATEST - timedelta(microseconds=1)):
        number = periods.number_of(moment)
        assert periods.start(number) < periods.start(number + 1)


@given(st.sampled_from(ZONES), st.datetimes(datetime(1980, 1, 1), datetime(2030, 1, 1)), st.integers(1, 24))
def test_a_settled_number_is_the_period_that_the_clock_goes_on_to(name: str, local: datetime, count: int) -> None:
    periods = Periods(unit=Unit.HOUR, count=count, timezone=name)
    number = periods.settled(periods.number_of(local))
    assert periods.start(number) < periods.start(number + 1)
    assert number in (periods.number_of(local), periods.number_of(in_local(in_utc(local, name), name)))


def test_a_day_that_a_zone_skipped_has_its_rows_in_the_next() -> None:
    days = parse_periods("1d", "Pacific/Apia")
    skipped = days.number_of(datetime(2011, 12, 30, 12))
    assert days.start(skipped) == days.start(skipped + 1)
    assert days.settled(skipped) == skipped + 1


@given(st.sampled_from(ZONES), st.datetimes(datetime(1971, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)))
def test_an_hour_of_instants_is_an_hour(name: str, instant: datetime) -> None:
    hours = periods_of_instants("1h", name)
    number = hours.number_of(in_local(instant, hours.timezone))
    start, end = hours.start(number), hours.start(number + 1)
    assert start <= instant < end
    if name in ("UTC", "Europe/Berlin", "America/New_York"):
        assert end - start == timedelta(hours=1)
        assert in_local(start, name).minute == 0


@pytest.mark.parametrize(
    ("every", "zone_name"), [("1h", "Asia/Kolkata"), ("6h", "Europe/Berlin"), ("1d", "Europe/Berlin")]
)
def test_other_periods_of_instants_begin_by_the_local_clock(every: str, zone_name: str) -> None:
    assert periods_of_instants(every, zone_name) == parse_periods(every, zone_name)
