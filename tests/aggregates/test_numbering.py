"""The number of a row's chunk as the engine computes it, against the calendar, for every type of timestamp that Parquet knows."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_desk.aggregates.numbering import Slicing, batches_by_order, batches_of, chunk_numbers
from mlops_desk.aggregates.parts import NO_PART, Batch, ReferencePeriod, TimeColumn
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.periods import Periods, Unit, in_local, parse_periods
from mlops_desk.domain.slicing import ChunkRule, Incomplete, Split
from mlops_desk.warehouse.footers import Footer
from tests.aggregates.logs import opened, written

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
MOMENTS = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
NEAR_BORDERS = st.builds(
    lambda day, seconds, micros: datetime(1960, 1, 1) + timedelta(days=day, seconds=seconds, microseconds=micros),
    st.integers(0, 30_000),
    st.sampled_from([0, 3600, 86_399, -1]),
    st.sampled_from([0, 1, -1, 999_999]),
)
PERIODS = st.builds(
    Periods, unit=st.sampled_from(list(Unit)), count=st.integers(1, 12), timezone=st.sampled_from(ZONES)
)
few = settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


def slicing_of(
    periods: Periods | None,
    *,
    zoned: bool = False,
    rule: ChunkRule | None = None,
    reference: ReferencePeriod | None = None,
    filter: str | None = None,
) -> Slicing:
    """How rows of a column t are cut."""
    zone_name = periods.timezone if periods else "UTC"
    return Slicing(
        rule=rule or ChunkRule(every="1d", timezone=zone_name),
        periods=periods,
        time=TimeColumn(name="t", zoned=zoned),
        reference=reference,
        filter=filter,
    )


def by_row(batches: list[Batch], footers: list[Footer]) -> list[tuple[Split, int] | None]:
    """(split, number) of every row of the files in their order, None for rows of no chunk."""
    found: dict[Path, list[tuple[Split, int] | None]] = {}
    for batch in batches:
        at = 0
        for index, footer in enumerate(batch.footers):
            if batch.numbers is None:
                part = batch.parts[index]
                found[footer.path] = [(part.split, part.number)] * footer.rows
                continue
            codes = batch.numbers[at : at + footer.rows].tolist()
            at += footer.rows
            parts = batch.parts
            found[footer.path] = [
                None if code == NO_PART else (parts[code].split, parts[code].number) for code in codes
            ]
    return [row for footer in footers for row in found[footer.path]]


COLUMNS = {
    "us": lambda moments: pa.array(moments, pa.timestamp("us")),
    "ns": lambda moments: pa.array(moments, pa.timestamp("us")).cast(pa.timestamp("ns")),
    "ms": lambda moments: pa.array([m.replace(microsecond=m.microsecond // 1000 * 1000) for m in moments], pa.timestamp("ms")),
    "zoned": lambda moments: pa.array([m.replace(tzinfo=UTC) for m in moments], pa.timestamp("us", "UTC")),
    "zoned ns": lambda moments: pa.array([m.replace(tzinfo=UTC) for m in moments], pa.timestamp("us", "UTC")).cast(pa.timestamp("ns", "UTC")),
    "other zone": lambda moments: pa.array([m.replace(tzinfo=UTC) for m in moments], pa.timestamp("us", "Asia/Tokyo")),
    "date": lambda moments: pa.array([m.date() for m in moments], pa.date32()),
}  # fmt: skip


@few
@given(
    periods=PERIODS,
    moments=st.lists(MOMENTS | NEAR_BORDERS, min_size=30, max_size=60),
    kind=st.sampled_from(list(COLUMNS)),
)
def test_the_engine_numbers_rows_as_the_calendar_does(
    tmp_path: Path, periods: Periods, moments: list[datetime], kind: str
) -> None:
    column = COLUMNS[kind](moments)
    zoned = kind in ("zoned", "zoned ns", "other zone")
    written(tmp_path / "log.parquet", {"t": column})
    connection, footers = opened(tmp_path)
    with connection:
        batches = batches_of(connection, footers, slicing_of(periods, zoned=zoned), Split.ANALYSIS)
    seen = [_plain(value) for value in column.to_pylist()]
    local = [in_local(moment.replace(tzinfo=UTC), periods.timezone) if zoned else moment for moment in seen]
    expected = [(Split.ANALYSIS, periods.settled(periods.number_of(one))) for one in local]
    assert by_row(batches, footers) == expected


def _plain(value: datetime | date) -> datetime:
    """What is stored, as a naive time (of UTC where it carries a zone)."""
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


@few
@given(moments=st.lists(NEAR_BORDERS, min_size=1, max_size=8), unit=st.sampled_from(list(Unit)), zoned=st.booleans())
def test_what_footers_prove_is_what_the_rows_say(
    tmp_path: Path, moments: list[datetime], unit: Unit, zoned: bool
) -> None:
    """A file a row is always of one part; together in a file the rows must come out in the same parts."""
    periods = Periods(unit=unit, count=1, timezone="America/New_York")
    make = COLUMNS["zoned" if zoned else "us"]
    for path in tmp_path.rglob("*.parquet"):
        path.unlink()
    for index, moment in enumerate(moments):
        written(tmp_path / "apart" / f"{index}.parquet", {"t": make([moment])})
    written(tmp_path / "one" / "all.parquet", {"t": make([*moments, datetime(2020, 1, 1), datetime(1990, 1, 1)])})
    reference = ReferencePeriod(start=datetime(1985, 1, 1, 5), end=datetime(2001, 1, 1))
    slicing = slicing_of(periods, zoned=zoned, reference=reference)
    connection, footers = opened(tmp_path / "apart")
    with connection:
        batches = batches_of(connection, footers, slicing, None)
    assert all(batch.numbers is None for batch in batches)
    apart = by_row(batches, footers)
    connection, footers = opened(tmp_path / "one")
    with connection:
        batches = batches_of(connection, footers, slicing, None)
    assert apart == by_row(batches, footers)[: len(moments)]


def test_rows_of_a_skipped_hour_belong_to_the_next_one(tmp_path: Path) -> None:
    hourly = parse_periods("1h", "Europe/Berlin")
    skipped, after = datetime(2024, 3, 31, 2, 30), datetime(2024, 3, 31, 3, 30)
    written(tmp_path / "a.parquet", {"t": pa.array([skipped, after, datetime(2024, 3, 31, 1, 30)])})
    written(tmp_path / "b.parquet", {"t": pa.array([skipped])})
    connection, footers = opened(tmp_path)
    with connection:
        rows = by_row(batches_of(connection, footers, slicing_of(hourly), Split.ANALYSIS), footers)
    assert rows[0] == rows[1] == rows[3] == (Split.ANALYSIS, hourly.number_of(after))
    assert rows[2] == (Split.ANALYSIS, hourly.number_of(after) - 2)


def test_times_that_cannot_be_told_stand_for_no_time(tmp_path: Path) -> None:
    days = parse_periods("1d")
    times = [datetime(9999, 12, 31), datetime(2024, 1, 1), None, datetime(1, 1, 1), datetime.max]
    written(tmp_path / "a.parquet", {"t": pa.array(times, pa.timestamp("us"))})
    written(tmp_path / "b.parquet", {"t": pa.array([datetime(9999, 12, 31)], pa.timestamp("us"))})
    connection, footers = opened(tmp_path)
    known = (Split.ANALYSIS, days.number_of(datetime(2024, 1, 1)))
    with connection:
        batches = batches_of(connection, footers, slicing_of(days), Split.ANALYSIS)
        assert by_row(batches, footers) == [None, known, None, None, None, None]
        by_size = slicing_of(None, rule=ChunkRule(size=10))
        batches = batches_by_order(connection, footers, by_size, Split.ANALYSIS)
        assert by_row(batches, footers) == [None, (Split.ANALYSIS, 0), None, None, None, None]


def test_files_with_and_without_a_zone_and_without_the_column_go_together(tmp_path: Path) -> None:
    """A time without a zone is local; a file that has no timestamp at all has rows of no chunk."""
    days = parse_periods("1d", "Europe/Berlin")
    late = datetime(2024, 1, 1, 23, 30)
    written(tmp_path / "a.parquet", {"t": pa.array([late.replace(tzinfo=UTC)])})
    written(tmp_path / "b.parquet", {"t": pa.array([late])})
    written(tmp_path / "c.parquet", {"x": [1]})
    connection, footers = opened(tmp_path)
    with connection:
        rows = by_row(batches_of(connection, footers, slicing_of(days, zoned=True), Split.ANALYSIS), footers)
        second, first = days.number_of(datetime(2024, 1, 2)), days.number_of(late)
        assert rows == [(Split.ANALYSIS, second), (Split.ANALYSIS, first), None]
        rule = ChunkRule(size=1, timezone="Europe/Berlin")
        ordered = by_row(
            batches_by_order(connection, footers, slicing_of(None, zoned=True, rule=rule), Split.ANALYSIS), footers
        )
    assert ordered == [(Split.ANALYSIS, 1), (Split.ANALYSIS, 0), None]


@few
@given(
    rows=st.integers(1, 40),
    size=st.integers(1, 12),
    incomplete=st.sampled_from(list(Incomplete)),
    by_number=st.booleans(),
)
def test_size_and_number_chunks_are_what_counting_rows_gives(
    rows: int, size: int, incomplete: Incomplete, by_number: bool
) -> None:
    rule = ChunkRule(number=size, incomplete=incomplete) if by_number else ChunkRule(size=size, incomplete=incomplete)
    length = max(1, rows // size) if by_number else size
    expected: list[int | None] = [row // length for row in range(rows)]
    whole = rows // length
    for row in range(rows):
        if row >= whole * length and whole:
            expected[row] = {"keep": whole, "drop": None, "append": whole - 1}[incomplete.value]
    found = [None if number < 0 else number for number in chunk_numbers(rows, rule).tolist()]
    assert found == expected


@few
@given(
    files=st.lists(st.lists(st.integers(0, 9) | st.none(), min_size=1, max_size=8), min_size=1, max_size=4),
    size=st.integers(1, 5),
    cut=st.booleans(),
)
def test_size_chunks_are_in_the_order_of_time_then_files_then_rows(
    tmp_path: Path, files: list[list[int | None]], size: int, cut: bool
) -> None:
    for path in tmp_path.glob("*.parquet"):
        path.unlink()
    day = datetime(2024, 1, 1)
    for index, minutes in enumerate(files):
        times = [None if minute is None else day + timedelta(minutes=minute) for minute in minutes]
        written(tmp_path / f"{index}.parquet", {"t": pa.array(times, pa.timestamp("ns"))})
    reference = ReferencePeriod(start=day + timedelta(minutes=3), end=day + timedelta(minutes=6)) if cut else None
    connection, footers = opened(tmp_path)
    with connection:
        slicing = slicing_of(None, rule=ChunkRule(size=size), reference=reference)
        found = by_row(batches_by_order(connection, footers, slicing, None if cut else Split.ANALYSIS), footers)
    rows = [minute for minutes in files for minute in minutes]
    expected: list[tuple[Split, int] | None] = [None] * len(rows)
    for split in Split:
        inside = [
            (minute, row)
            for row, minute in enumerate(rows)
            if minute is not None and (cut and 3 <= minute < 6) == (split is Split.REFERENCE)
        ]
        for place, (_, row) in enumerate(sorted(inside)):
            expected[row] = (split, place // size)
    assert found == expected


def test_a_filter_and_a_period_cut_files(tmp_path: Path) -> None:
    days = parse_periods("1d")
    times = [datetime(2024, 1, 1, hour) for hour in (1, 9, 13, 22)]
    written(tmp_path / "a.parquet", {"t": pa.array(times), "x": [1, 2, None, 4]})
    reference = ReferencePeriod(start=datetime(2024, 1, 1), end=datetime(2024, 1, 1, 12))
    connection, footers = opened(tmp_path)
    with connection:
        slicing = slicing_of(days, reference=reference, filter="x <> 2")
        found = by_row(batches_of(connection, footers, slicing, None), footers)
    number = days.number_of(times[0])
    assert found == [(Split.REFERENCE, number), None, None, (Split.ANALYSIS, number)]


def test_more_chunks_of_a_file_than_can_be_numbered_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", {"t": np.arange(70_000).astype("datetime64[s]")})
    connection, footers = opened(tmp_path)
    with connection, pytest.raises(UserError, match="70,000 chunks; choose longer chunks"):
        batches_by_order(connection, footers, slicing_of(None, rule=ChunkRule(size=1)), Split.ANALYSIS)


def test_a_file_may_hold_many_hundred_chunks(tmp_path: Path) -> None:
    hours = parse_periods("1h")
    times = [datetime(2024, 1, 1) + timedelta(hours=hour) for hour in range(700)]
    written(tmp_path / "a.parquet", {"t": pa.array(times)})
    connection, footers = opened(tmp_path)
    with connection:
        found = by_row(batches_of(connection, footers, slicing_of(hours), Split.ANALYSIS), footers)
    assert found == [(Split.ANALYSIS, hours.number_of(time)) for time in times]
