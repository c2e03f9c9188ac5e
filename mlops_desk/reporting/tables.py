"""The results table as a file: Parquet, CSV or JSON.

CSV follows RFC 4180 (UTF-8, CRLF, quotes doubled); an empty field is null, `""` is empty text. Text that a spreadsheet would run as a formula
gets an apostrophe in front; numbers, and text that is a plain number, stay as they are. The CSV for Excel begins with a byte order mark, without
which Excel takes UTF-8 for something else, and writes moments as Excel reads them: in UTC, without a zone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_desk.domain.errors import UserError
from mlops_desk.reporting.files import replace_file
from mlops_desk.store.values import ValueTable

if TYPE_CHECKING:
    import pyarrow as pa

INTEGERS = ("chunk", "rows")
INSTANTS = ("start", "end", "evaluated_at")
TEXTS = (
    "model", "split", "segment", "family", "metric", "convention", "column", "group", "reason", "class", "verdict",
)  # fmt: skip
"""Every other column holds floats."""
BYTE_ORDER_MARK = "\ufeff"
_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r", "\n")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_QUOTED = re.compile(r'[",\r\n]')


def write_results(table: ValueTable, path: Path, *, excel: bool = False) -> int:
    """Writes the results table in the format that the file's suffix names (.parquet, .csv, .json) and returns the number of rows.

    `excel` makes a .csv that Excel opens correctly. The file is complete or not there at all. Raises UserError for another suffix, and where
    the file cannot be written.
    """
    suffix = path.suffix.lower()
    if excel and suffix != ".csv":
        raise UserError(f"{path}: only a .csv file can be written for Excel")
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        rows = arrow_table(table)
        replace_file(path, lambda part: pq.write_table(rows, part, compression="zstd"))
    elif suffix == ".csv":
        replace_file(path, lambda part: part.write_bytes("".join(csv_lines(table, excel=excel)).encode()))
    elif suffix == ".json":
        replace_file(path, lambda part: part.write_bytes("".join(json_lines(table)).encode()))
    else:
        raise UserError(
            f"{path}: metrics are written as .parquet, .csv or .json, and {suffix or 'no suffix'} is none of them"
        )
    return len(table.columns[0])


def arrow_table(table: ValueTable) -> pa.Table:
    """The results table for Arrow, with the types of its contract."""
    import pyarrow as pa

    def type_of(name: str) -> pa.DataType:
        if name in INTEGERS:
            return pa.int64()
        if name in INSTANTS:
            return pa.timestamp("us", tz="UTC")
        return pa.string() if name in TEXTS else pa.float64()

    schema = pa.schema([(name, type_of(name)) for name in table.names])
    return pa.table(dict(zip(table.names, map(list, table.columns), strict=True)), schema=schema)


def csv_lines(table: ValueTable, *, excel: bool = False) -> Iterator[str]:
    """The lines of the CSV file, the names first."""
    yield (BYTE_ORDER_MARK if excel else "") + ",".join(table.names) + "\r\n"
    for row in zip(*table.columns, strict=True):
        yield ",".join(csv_field(value, excel=excel) for value in row) + "\r\n"


def csv_field(value: object, *, excel: bool = False) -> str:
    """One field of a CSV line."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if excel else value.isoformat()
    if not isinstance(value, str):
        return repr(value)
    if value.startswith(_RUN_BY_SPREADSHEETS) and not _NUMBER.fullmatch(value):
        value = f"'{value}"
    return '"' + value.replace('"', '""') + '"' if not value or _QUOTED.search(value) else value


def json_lines(table: ValueTable) -> Iterator[str]:
    """The lines of the JSON file: an array with one object a row."""
    before = "[\n"
    for row in zip(*table.columns, strict=True):
        cells = (value.isoformat() if isinstance(value, datetime) else value for value in row)
        yield before + json.dumps(dict(zip(table.names, cells, strict=True)), ensure_ascii=False, allow_nan=False)
        before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"
