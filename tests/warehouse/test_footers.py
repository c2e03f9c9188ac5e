"""Footers against the rows themselves: bounds hold for every type, torn files stand apart, what is kept comes back."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.discovery import find_files
from mlops_desk.warehouse.footers import (
    Footer,
    Quarantined,
    Range,
    footer_bytes,
    footer_of,
    read_footers,
    unreadable_files,
)
from mlops_desk.warehouse.schema import common_types, log_relation
from tests.aggregates.logs import opened, written

few = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
NUMBERS = {
    "FLOAT": (pa.float32(), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    "DOUBLE": (pa.float64(), st.floats(allow_nan=False, allow_infinity=False)),
    "BIGINT": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "UBIGINT": (pa.uint64(), st.integers(0, 2**64 - 1)),
    "TINYINT": (pa.int8(), st.integers(-128, 127)),
    "DECIMAL(18,4)": (pa.decimal128(18, 4), st.decimals(-(10**13), 10**13, places=4)),
    "DECIMAL(30,10)": (pa.decimal128(30, 10), st.decimals(-(10**13), 10**13, places=10)),
}


def footers_in(folder: Path) -> tuple[list[Footer], list[Quarantined]]:
    """All footers and all quarantined files of a folder."""
    files = find_files(folder, ["."], "logs")
    with Connection([file.path for file in files], folder / "spill") as connection:
        return read_footers(connection, files)


@few
@given(drawn=st.data(), name=st.sampled_from(list(NUMBERS)), group_rows=st.integers(1, 4))
def test_bounds_of_numbers_are_the_least_and_the_greatest_double(
    tmp_path: Path, drawn: st.DataObject, name: str, group_rows: int
) -> None:
    kind, numbers = NUMBERS[name]
    values = drawn.draw(st.lists(numbers, min_size=1, max_size=9))
    written(tmp_path / "a.parquet", {"x": pa.array(values, kind)}, row_group_size=group_rows)
    connection, footers = opened(tmp_path)
    with connection:
        lowest, highest = connection.rows(f"select min(x::double), max(x::double) from {log_relation(footers)}")[0]
    span = footers[0].ranges["x"]
    assert dict(footers[0].columns)["x"] == name
    assert (span.lowest, span.highest, span.nulls) == (lowest, highest, 0)
    assert footers[0].rows == len(values)


def test_a_float_that_doubles_name_otherwise_lies_within_its_bounds(tmp_path: Path) -> None:
    value = np.float32(0.1)
    written(tmp_path / "a.parquet", {"x": pa.array([value], pa.float32())})
    span = footers_in(tmp_path)[0][0].ranges["x"]
    assert span.lowest == span.highest == float(value) != 0.1


@pytest.mark.parametrize(
    "values",
    [
        [1.0, np.inf],
        [-np.inf, 1.0],
        [np.nan, np.nan],
        [None, None],
        [1.0, 2.0, None, None],  # a row group without a value
    ],
)
def test_bounds_that_are_not_finite_or_not_stated_are_unknown(tmp_path: Path, values: list[float | None]) -> None:
    written(tmp_path / "a.parquet", {"x": pa.array(values, pa.float64())}, row_group_size=2)
    span = footers_in(tmp_path)[0][0].ranges["x"]
    assert (span.lowest, span.highest) == (None, None)


def test_nan_is_no_bound_and_no_null(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", {"x": pa.array([np.nan, 2.0, 1.0, None])})
    assert footers_in(tmp_path)[0][0].ranges["x"] == Range(lowest=1.0, highest=2.0, nulls=1)


@pytest.mark.parametrize(
    "kind", [pa.timestamp("ms"), pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("us", "Asia/Tokyo"), pa.date32()]
)
def test_bounds_of_times_are_nanoseconds(tmp_path: Path, kind: pa.DataType) -> None:
    days = [datetime(1969, 12, 31), datetime(2024, 2, 29), datetime(1950, 1, 1)]
    written(tmp_path / "a.parquet", {"t": pa.array(days).cast(kind)}, row_group_size=1)
    span = footers_in(tmp_path)[0][0].ranges["t"]
    expected = np.array(days, dtype="datetime64[ns]").astype(np.int64)
    assert (span.earliest, span.latest, span.nulls) == (int(expected.min()), int(expected.max()), 0)


def test_a_time_beyond_nanoseconds_in_one_row_group_leaves_the_bounds_unknown(tmp_path: Path) -> None:
    times = pa.array([datetime(1500, 1, 1), datetime(2024, 1, 1)], pa.timestamp("us"))
    written(tmp_path / "a.parquet", {"t": times}, row_group_size=1)
    span = footers_in(tmp_path)[0][0].ranges["t"]
    assert (span.earliest, span.latest) == (None, None)


def test_files_without_statistics_and_with_old_timestamps_state_no_bounds(tmp_path: Path) -> None:
    table = {"t": pa.array([datetime(2024, 1, 1)]), "x": [1.5]}
    written(tmp_path / "plain.parquet", table, write_statistics=False)
    written(tmp_path / "spark.parquet", table, use_deprecated_int96_timestamps=True)
    plain, spark = footers_in(tmp_path)[0]
    assert plain.ranges["x"].lowest is None
    assert plain.ranges["t"].earliest is None
    assert spark.ranges["t"].earliest is None
    assert dict(spark.columns)["t"].startswith("TIMESTAMP")


def test_names_with_quotes_spaces_dots_and_other_scripts(tmp_path: Path) -> None:
    names = [
        'a "quoted" one',
        "it's",
        "with space",
        "dotted.name",
        "größe",
        "年齢",
        "p",
        "file_index",
        "select",
        "a, b",
    ]
    written(tmp_path / "it's a 'log' ünï.parquet", {name: [1.0, 2.0] for name in names})
    footers, _ = footers_in(tmp_path)
    assert [name for name, _ in footers[0].columns] == names
    assert all(footers[0].ranges[name] == Range(lowest=1.0, highest=2.0, nulls=0) for name in names)


def test_a_name_that_is_a_pattern_is_that_file(tmp_path: Path) -> None:
    written(tmp_path / "a[1].parquet", {"x": [1]})
    written(tmp_path / "a1.parquet", {"x": [2, 3]})
    connection, footers = opened(tmp_path)
    with connection:
        rows = {footer.path.name: connection.rows(f"select x from {log_relation([footer])}") for footer in footers}
    assert rows == {"a1.parquet": [(2,), (3,)], "a[1].parquet": [(1,)]}


def test_types_over_files_are_the_widest(tmp_path: Path) -> None:
    moments = pa.array([datetime(2024, 1, 1)])
    columns = [
        {"whole": pa.array([1], pa.int32()), "wide": [1], "t": moments.cast(pa.timestamp("us")), "mixed": [1], "d": [Decimal("1.5")]},
        {"whole": pa.array([1], pa.int64()), "wide": [1.5], "t": moments.cast(pa.timestamp("ns")), "mixed": ["a"], "d": [2.5]},
        {"new": [True], "t": moments.cast(pa.timestamp("us", "UTC")), "day": [date(2024, 1, 1)]},
    ]  # fmt: skip
    for index, one in enumerate(columns):
        written(tmp_path / f"{index}.parquet", one)
    footers, _ = footers_in(tmp_path)
    assert common_types(footers[:2]) == {
        "whole": "BIGINT",
        "wide": "DOUBLE",
        "t": "TIMESTAMP",
        "mixed": "VARCHAR",
        "d": "DOUBLE",
    }
    both = common_types(footers)
    assert (both["t"], both["new"], both["day"]) == ("TIMESTAMP WITH TIME ZONE", "BOOLEAN", "DATE")


def test_dictionary_columns_are_text_and_partitions_are_columns(tmp_path: Path) -> None:
    words = pa.array(["a", "b", "a"]).dictionary_encode()
    written(tmp_path / "year=2024" / "region=n%20w" / "a.parquet", {"k": words})
    footers, _ = footers_in(tmp_path)
    assert dict(footers[0].columns) == {"k": "VARCHAR", "year": "BIGINT", "region": "VARCHAR"}


def test_what_is_no_parquet_file_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole.parquet", {"x": list(range(500))}).read_bytes()
    (tmp_path / "text.parquet").write_text("id,x\n1,2\n" * 50)
    (tmp_path / "empty.parquet").write_bytes(b"")
    (tmp_path / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "short.parquet").write_bytes(b"PAR1")
    torn_footer = bytearray(whole)
    size = int.from_bytes(whole[-8:-4], "little")
    torn_footer[-8 - size : -8] = bytes(size)
    (tmp_path / "footer.parquet").write_bytes(bytes(torn_footer))
    length = bytearray(whole)
    length[-8:-4] = (2**31 - 1).to_bytes(4, "little")
    (tmp_path / "length.parquet").write_bytes(bytes(length))
    written(tmp_path / "zero.parquet", {"x": pa.array([], pa.int64())})
    footers, quarantined = footers_in(tmp_path)
    assert {footer.path.name: footer.rows for footer in footers} == {"whole.parquet": 500, "zero.parquet": 0}
    reasons = {one.path.name: one.reason for one in quarantined}
    assert set(reasons) == {
        "text.parquet",
        "empty.parquet",
        "cut.parquet",
        "short.parquet",
        "footer.parquet",
        "length.parquet",
    }
    assert reasons["text.parquet"] == "it is not a Parquet file"
    assert reasons["empty.parquet"] == "it is empty"
    assert reasons["cut.parquet"] == reasons["short.parquet"] == "it is cut short or still being written"
    assert "footer cannot be read" in reasons["footer.parquet"]
    assert all("\n" not in reason for reason in reasons.values())


@pytest.mark.parametrize("at", range(8, 200, 16))
def test_a_flipped_byte_in_a_footer_never_ends_in_another_error(tmp_path: Path, at: int) -> None:
    body = bytearray(written(tmp_path / "flipped.parquet", {"x": [1.5, 2.5], "k": ["a", "b"]}).read_bytes())
    body[-at] ^= 0x55
    (tmp_path / "flipped.parquet").write_bytes(bytes(body))
    written(tmp_path / "sound.parquet", {"x": [1.5]})
    footers, quarantined = footers_in(tmp_path)
    names = [footer.path.name for footer in footers] + [one.path.name for one in quarantined]
    assert sorted(names) == ["flipped.parquet", "sound.parquet"]
    assert "sound.parquet" in [footer.path.name for footer in footers]


def test_a_file_whose_rows_are_torn_is_found_among_its_neighbours(tmp_path: Path) -> None:
    written(tmp_path / "a.parquet", {"x": np.arange(1000.0)})
    torn = written(tmp_path / "b.parquet", {"x": np.arange(1000.0), "k": [f"word {row}" for row in range(1000)]})
    body = bytearray(torn.read_bytes())
    body[40:80] = bytes(byte ^ 0xFF for byte in body[40:80])
    (tmp_path / "b.parquet").write_bytes(bytes(body))
    connection, footers = opened(tmp_path)
    with connection:
        broken = unreadable_files(connection, footers)
    assert [path.name for path in broken] == ["b.parquet"]
    assert next(iter(broken.values())).startswith("its rows cannot be read")


def test_what_is_kept_of_a_footer_is_the_footer(tmp_path: Path) -> None:
    written(tmp_path / "y=1" / "a.parquet", {"x": [1.5, None], "größe": ["a", "b"], "t": [datetime(2024, 1, 1)] * 2})
    footer = footers_in(tmp_path)[0][0]
    assert footer_of(footer.file, footer_bytes(footer)) == footer


def test_many_files_of_several_shapes_are_described_each_by_its_own(tmp_path: Path) -> None:
    for index in range(40):
        written(tmp_path / f"{index:02}.parquet", {"x": pa.array([index], pa.int32() if index % 2 else pa.float64())})
    footers, _ = footers_in(tmp_path)
    assert [dict(footer.columns)["x"] for footer in footers] == ["DOUBLE", "INTEGER"] * 20
    assert [footer.ranges["x"].lowest for footer in footers] == [float(index) for index in range(40)]
    assert pq.read_metadata(footers[3].path).num_rows == footers[3].rows
