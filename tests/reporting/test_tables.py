"""The results table as Parquet, CSV and JSON reads back as it was stored."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.domain.errors import UserError
from mlops_desk.reporting.tables import csv_field, write_results
from mlops_desk.store.archive import Store
from mlops_desk.store.values import RESULT_COLUMNS, ValueTable


@pytest.fixture(scope="module")
def table(filled: Store) -> ValueTable:
    return filled.value_table()


def test_parquet_has_the_types_and_values_of_the_contract(table: ValueTable, tmp_path: Path) -> None:
    rows = write_results(table, tmp_path / "m.parquet")
    read = pq.read_table(tmp_path / "m.parquet")
    assert rows == read.num_rows == len(table.columns[0]) > 5000
    assert tuple(read.column_names) == RESULT_COLUMNS
    types = {field.name: field.type for field in read.schema}
    assert {types[name] for name in ("start", "end", "evaluated_at")} == {pa.timestamp("us", tz="UTC")}
    assert {types[name] for name in ("chunk", "rows")} == {pa.int64()}
    assert {types[name] for name in ("value", "error_bound", "lower", "warn_upper", "interval_lower")} == {pa.float64()}
    assert {types[name] for name in ("model", "group", "class", "reason", "verdict", "segment")} == {pa.string()}
    for name, column in zip(table.names, table.columns, strict=True):
        assert read[name].to_pylist() == column, name


def test_csv_reads_back(table: ValueTable, tmp_path: Path) -> None:
    write_results(table, tmp_path / "m.csv")
    raw = (tmp_path / "m.csv").read_bytes()
    assert raw.count(b"\r\n") == raw.count(b"\n") == len(table.columns[0]) + 1
    read = list(csv.reader(io.StringIO(raw.decode(), newline=""), strict=True))
    assert tuple(read[0]) == RESULT_COLUMNS
    for cells, row in zip(read[1:], zip(*table.columns, strict=True), strict=True):
        for cell, value in zip(cells, row, strict=True):
            if value is None:
                assert cell == ""
            elif isinstance(value, float):
                assert float(cell) == value
            elif isinstance(value, datetime):
                assert datetime.fromisoformat(cell) == value
            else:
                assert cell == ("'=cmd()" if value == "=cmd()" else str(value))


def test_csv_for_excel_has_a_mark_and_moments_that_excel_reads(table: ValueTable, tmp_path: Path) -> None:
    write_results(table, tmp_path / "plain.csv")
    write_results(table, tmp_path / "excel.csv", excel=True)
    raw = (tmp_path / "excel.csv").read_bytes()
    assert raw.startswith(b"\xef\xbb\xbfmodel,")
    assert not (tmp_path / "plain.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    plain, excel = (
        list(csv.DictReader(io.StringIO((tmp_path / name).read_text(encoding=encoding), newline="")))
        for name, encoding in (("plain.csv", "utf-8"), ("excel.csv", "utf-8-sig"))
    )
    assert len(plain) == len(excel) == len(table.columns[0])
    assert plain[0]["start"] == "2026-09-19T00:00:00+00:00"
    assert excel[0]["start"] == "2026-09-19 00:00:00"
    moments = ("start", "end", "evaluated_at")
    for row, other in zip(plain, excel, strict=True):
        assert {name: text for name, text in row.items() if name not in moments} == {
            name: text for name, text in other.items() if name not in moments
        }
    assert any(row["column"] == "月收入" for row in excel)
    with pytest.raises(UserError, match=r"only a \.csv file can be written for Excel"):
        write_results(table, tmp_path / "m.parquet", excel=True)


def test_json_reads_back(table: ValueTable, tmp_path: Path) -> None:
    write_results(table, tmp_path / "m.json")
    read = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    assert [row["value"] for row in read] == table.columns[table.names.index("value")]
    assert list(read[0]) == list(RESULT_COLUMNS)
    assert read[0]["start"].endswith("+00:00")


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".json"])
def test_a_table_without_rows_is_a_file(new_store: Store, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"none{suffix}"
    assert write_results(new_store.value_table(), target) == 0
    if suffix == ".parquet":
        assert pq.read_table(target).schema.field("value").type == pa.float64()
    elif suffix == ".json":
        assert json.loads(target.read_text()) == []
    else:
        assert target.read_text().strip() == ",".join(RESULT_COLUMNS)


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ("=1+1", "'=1+1"), ("+cmd", "'+cmd"), ("-cmd", "'-cmd"), ("@sum(a)", "'@sum(a)"), ("\tx", "'\tx"), ("\r=x", '"\'\r=x"'),
        ("-1", "-1"), ("+2.5e3", "+2.5e3"), ("-1-1", "'-1-1"), ("-.5", "-.5"), ("a=b", "a=b"), ("", '""'), (None, ""),
        ('say "hi"', '"say ""hi"""'), ("a,b", '"a,b"'), (-0.25, "-0.25"), (3, "3"), ("two\nlines", '"two\nlines"'), ("月", "月"),
        ('=HYPERLINK("x","y")', '"\'=HYPERLINK(""x"",""y"")"'), (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
    ],
)  # fmt: skip
def test_fields_of_csv(value: object, field: str) -> None:
    assert csv_field(value) == field


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_reads_back_and_is_never_a_formula(text: str) -> None:
    read = next(csv.reader(io.StringIO(f"a,{csv_field(text)}\r\n", newline=""), strict=True))[1]
    assert read in (text, f"'{text}")
    if read[:1] in ("=", "+", "-", "@", "\t", "\r", "\n"):
        float(read)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_every_digit(value: float) -> None:
    assert float(csv_field(value)) == value


def test_a_failure_leaves_what_was_there(table: ValueTable, tmp_path: Path) -> None:
    target = tmp_path / "m.csv"
    write_results(table, target)
    before = target.read_bytes()
    broken = ValueTable(names=table.names, columns=(*table.columns[:-1], []))
    with pytest.raises(ValueError, match="zip"):
        write_results(broken, target)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


@pytest.mark.parametrize("name", ["m.xlsx", "m"])
def test_other_formats_are_refused(table: ValueTable, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"\.parquet, \.csv or \.json"):
        write_results(table, tmp_path / name)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_a_place_that_cannot_be_written_is_a_clear_error(table: ValueTable, tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        write_results(table, tmp_path / "missing" / f"m.{suffix}")
