"""What the footers of Parquet files say: rows, columns, and the range of each column, without reading a row.

A file that is no whole Parquet file is quarantined: named, counted and left out, while the others are read. Ranges are only kept where
every row group states them; they are bounds that writers must keep, exact for numbers and times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, field

from mlops_desk.warehouse.connection import Connection, path_literal, quoted
from mlops_desk.warehouse.discovery import SourceFile

MAGIC = b"PAR1"
RANGES = """
select file_name, path_in_schema, {low}, {high}, {earliest}, {latest}, case when count(stats_null_count) = count(*) then sum(stats_null_count) end
from parquet_metadata({files}) where row_group_num_rows > 0 group by 1, 2
"""


class Range(Struct, frozen=True, kw_only=True):
    """What the footer says of a column: bounds as numbers or as nanoseconds since 1970, and how many NULLs; None where it does not say."""

    lowest: float | None = None
    highest: float | None = None
    earliest: int | None = None
    latest: int | None = None
    nulls: int | None = None


class Footer(Struct, frozen=True, kw_only=True):
    """A Parquet file as its footer describes it; columns are (name, engine type) in file order, hive partition keys last."""

    file: SourceFile
    rows: int
    columns: tuple[tuple[str, str], ...]
    ranges: dict[str, Range] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.file.path


class Quarantined(Struct, frozen=True, kw_only=True):
    """A file that cannot be read, and why in words."""

    file: SourceFile
    reason: str

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.file.path

    @property
    def shown(self) -> str:
        """The file as messages name it."""
        return self.file.shown


def file_list(paths: Sequence[Path]) -> str:
    """Paths as an SQL list."""
    return "[" + ", ".join(path_literal(path) for path in paths) + "]"


def read_footers(connection: Connection, files: Sequence[SourceFile]) -> tuple[list[Footer], list[Quarantined]]:
    """The footers of files in their order, and the files that are none."""
    quarantined = [Quarantined(file=file, reason=reason) for file in files if (reason := torn(file.path))]
    bad = {entry.path for entry in quarantined}
    whole = [file for file in files if file.path not in bad]
    if not whole:
        return [], quarantined
    found, worse = _read_all(connection, whole)
    return found, quarantined + worse


def torn(path: Path) -> str | None:
    """Why a file is no whole Parquet file by its first and last bytes, None where it looks like one."""
    try:
        with path.open("rb") as file:
            head = file.read(4)
            size = file.seek(0, 2)
            file.seek(max(0, size - 4))
            tail = file.read(4)
    except OSError as error:
        return f"it cannot be read ({error.strerror or error})"
    if size == 0:
        return "it is empty"
    if head != MAGIC:
        return "it is not a Parquet file"
    return None if tail == MAGIC and size >= 12 else "it is cut short or still being written"


def _read_all(connection: Connection, files: Sequence[SourceFile]) -> tuple[list[Footer], list[Quarantined]]:
    """Footers of many files in one go; where that fails, by halves, until the bad ones stand alone."""
    import _duckdb as duckdb

    try:
        return _read_together(connection, files), []
    except duckdb.Error as error:
        if len(files) == 1:
            return [], [Quarantined(file=files[0], reason=f"its footer cannot be read ({first_line(error)})")]
    middle = len(files) // 2
    left, right = _read_all(connection, files[:middle]), _read_all(connection, files[middle:])
    return left[0] + right[0], left[1] + right[1]


def first_line(error: BaseException) -> str:
    """The first line of an error's text."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _read_together(connection: Connection, files: Sequence[SourceFile]) -> list[Footer]:
    """Footers of files that are all readable; raises duckdb.Error else."""
    listed = file_list([file.path for file in files])
    rows = dict(connection.rows(f"select file_name, num_rows from parquet_file_metadata({listed})"))
    shapes = dict(
        connection.rows(
            f"select file_name, hash(list([name, type, converted_type, logical_type, num_children::varchar, scale::varchar]"
            f" order by column_id)) from parquet_schema({listed}) group by 1"
        )
    )
    described: dict[tuple[object, tuple[str, ...]], tuple[tuple[str, str], ...]] = {}
    ranges: dict[str, dict[str, Range]] = {}
    for file, column, *stated in connection.rows(_ranges_query(listed)):
        ranges.setdefault(file, {})[column] = _range(*stated)
    footers = []
    for file in files:
        name = str(file.path)
        shape = (shapes[name], partition_keys(file.path))
        if shape not in described:
            described[shape] = _described(connection, file.path)
        footers.append(Footer(file=file, rows=rows[name], columns=described[shape], ranges=ranges.get(name, {})))
    return footers


def partition_keys(path: Path) -> tuple[str, ...]:
    """The keys of hive partitions (`year=2026`) in a path."""
    return tuple(part.split("=", 1)[0] for part in path.parent.parts if "=" in part.strip("="))


def _described(connection: Connection, path: Path) -> tuple[tuple[str, str], ...]:
    """Columns of a file as the engine reads them."""
    query = f"describe select * from read_parquet({path_literal(path)}, hive_partitioning = true)"
    return tuple((row[0], row[1]) for row in connection.rows(query))


def _ranges_query(files: str) -> str:
    """What footers state of each column of each file: NULL where a row group does not state it, or states what is no number or time.

    Bounds are texts. That of a FLOAT is the shortest that names it among FLOATs, and as DOUBLE another number.
    """

    def stated(function: str, value: str) -> str:
        return f"case when count({value}) = count(*) then {function}({value}) end"

    numbers, moments = (
        [kind.format(f"stats_{end}_value") for end in ("min", "max")]
        for kind in (
            "case when type = 'FLOAT' then try_cast(try_cast({0} as float) as double) else try_cast({0} as double) end",
            "epoch_ns(try_cast({0} as timestamp_ns))",
        )
    )
    return RANGES.format(
        files=files,
        low=stated("min", numbers[0]),
        high=stated("max", numbers[1]),
        earliest=stated("min", moments[0]),
        latest=stated("max", moments[1]),
    )


def _range(low: float | None, high: float | None, earliest: int | None, latest: int | None, nulls: int | None) -> Range:
    """A range with what every row group states."""
    finite = low is not None and high is not None and math.isfinite(low) and math.isfinite(high)
    known = earliest is not None and latest is not None
    return Range(
        lowest=low if finite else None,
        highest=high if finite else None,
        earliest=earliest if known else None,
        latest=latest if known else None,
        nulls=None if nulls is None else int(nulls),
    )


def unreadable_files(connection: Connection, footers: Sequence[Footer]) -> dict[Path, str]:
    """Files whose rows cannot be read to the end, with the reason; every column of every file is read."""
    broken = {}
    for footer in footers:
        terms = ", ".join(f"count({quoted(name)}), max(hash({quoted(name)}))" for name, _ in footer.columns)
        try:
            connection.rows(f"select {terms} from read_parquet({path_literal(footer.path)}, hive_partitioning = true)")
        except connection.engine_errors as error:
            broken[footer.path] = f"its rows cannot be read ({first_line(error)})"
    return broken


def footer_bytes(footer: Footer) -> bytes:
    """What a footer says, as bytes to keep."""
    return msgspec.msgpack.encode((footer.rows, footer.columns, footer.ranges))


def footer_of(file: SourceFile, body: bytes) -> Footer:
    """The footer of a file from the bytes that were kept of it."""
    rows, columns, ranges = msgspec.msgpack.decode(body, type=tuple[int, tuple[tuple[str, str], ...], dict[str, Range]])
    return Footer(file=file, rows=rows, columns=columns, ranges=ranges)
