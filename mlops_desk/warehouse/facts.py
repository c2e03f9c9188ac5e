"""Reads what a guess needs to know of unknown Parquet files: facts on each column from a sample of rows, and the span of time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct

from mlops_desk.config.guess import CODES_AT_MOST, MOST_CLASSES, ColumnFacts, Nature
from mlops_desk.config.object_path import object_path_trouble
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import ObjectAccess
from mlops_desk.domain.progress import CancelToken
from mlops_desk.domain.schema import Scalar
from mlops_desk.warehouse.connection import Connection, literal, quoted
from mlops_desk.warehouse.discovery import SourceFile, find_files
from mlops_desk.warehouse.footers import Footer, read_footers
from mlops_desk.warehouse.schema import ZONED, ReferenceRows, common_types, is_number, is_time, is_zoned, log_relation

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMED_FILES = 3
TIME_PATTERN = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?"
"""Of text that is a date, whichever way it is written."""


class Span(Struct, frozen=True, kw_only=True):
    """When the first and the last row of a log lie, in UTC, or as naive local time where timestamps carry no zone."""

    earliest: datetime
    latest: datetime

    @property
    def seconds(self) -> float:
        """Its length."""
        return (self.latest - self.earliest).total_seconds()


def part_files(
    folder: Path, paths: Sequence[str], what: str, copies: Path, cancel: CancelToken | None = None
) -> tuple[SourceFile, ...]:
    """The files behind paths that a person has typed, objects as their copies in `copies`; raises UserError where there are none."""

    def objects(path: str) -> list[SourceFile]:
        from mlops_desk.warehouse.object_listing import find_objects

        if (trouble := object_path_trouble(path)) is not None:
            raise UserError(f"{what} {trouble}")
        return find_objects(copies, path, what, ObjectAccess(), cancel)

    files = find_files(folder, paths, what, objects)
    if files:
        return files
    raise UserError(f"{what}: no Parquet file is found under {', '.join(paths)}{unconverted(folder / paths[0])}")


def unconverted(path: Path) -> str:
    """A hint at tables in a folder that are no Parquet files; empty where there are none."""
    others = sorted(path.iterdir()) if path.is_dir() else [path]
    tables = [other.name for other in others if other.suffix.lower() in (".csv", ".tsv", ".json", ".xlsx")]
    return f": {tables[0]} has to be converted to Parquet first" if tables else ""


def readable_footers(connection: Connection, files: Sequence[SourceFile], what: str) -> tuple[list[Footer], list[str]]:
    """The footers of the files that have rows, and a remark on each other file; raises UserError where there is none."""
    footers, quarantined = read_footers(connection, files)
    remarks = [f"{one.path.name} is left out: {one.reason}" for one in quarantined]
    remarks += [f"{footer.path.name} has no rows" for footer in footers if not footer.rows]
    found = [footer for footer in footers if footer.rows]
    if not found:
        raise UserError(f"{what}: no file has rows that can be read: {'; '.join(remarks[:NAMED_FILES])}")
    return found, remarks


def column_facts(connection: Connection, footers: Sequence[Footer]) -> tuple[ColumnFacts, ...]:
    """Facts on each column, from the first rows of some of the files."""
    types = common_types(footers)
    rows = ReferenceRows(footers=tuple(footers), predicate="true", rows=sum(footer.rows for footer in footers))
    total = int(connection.rows(f"select count(*) from {rows.sample}")[0][0])
    return tuple(_facts(connection, rows.sample, name, kind, total) for name, kind in types.items())


def _facts(connection: Connection, relation: str, name: str, type: str, total: int) -> ColumnFacts:
    column = quoted(name)
    nature = _nature(type)
    low, high, whole, timely = "null", "null", "false", "false"
    if nature is Nature.NUMBER:
        number = f"{column}::double"
        finite = f"filter (isfinite({number}))"
        low, high = f"min({number}) {finite}", f"max({number}) {finite}"
        whole = f"bool_and({number} = floor({number})) {finite}"
    elif nature is Nature.TEXT:
        timely = f"bool_and(regexp_full_match({column}::varchar, {literal(TIME_PATTERN)}))"
    query = f"select count({column}), count(distinct {column}), {low}, {high}, {whole}, {timely} from {relation}"
    count, distinct, lowest, highest, is_whole, reads_as_time = connection.rows(query)[0]
    few = nature is Nature.FLAG or distinct <= (CODES_AT_MOST if nature is Nature.NUMBER else MOST_CLASSES)
    return ColumnFacts(
        name=name,
        nature=nature,
        rows=count,
        missing=total - count,
        distinct=distinct,
        low=lowest,
        high=highest,
        whole=bool(is_whole),
        reads_as_time=bool(reads_as_time) and count > 0,
        values=_values(connection, relation, column, nature)
        if few and nature not in (Nature.TIME, Nature.OTHER)
        else (),
    )


def _nature(type: str) -> Nature:
    if is_time(type):
        return Nature.TIME
    if is_number(type):
        return Nature.NUMBER
    if type == "BOOLEAN":
        return Nature.FLAG
    return Nature.TEXT if type == "VARCHAR" or type.startswith("ENUM") else Nature.OTHER


def _values(connection: Connection, relation: str, column: str, nature: Nature) -> tuple[Scalar, ...]:
    """The distinct values of a column that has few, in order; whole numbers as such whatever their type."""
    shown = (
        f"{column}::double" if nature is Nature.NUMBER else column if nature is Nature.FLAG else f"{column}::varchar"
    )
    found = [
        row[0]
        for row in connection.rows(f"select distinct {shown} from {relation} where {column} is not null order by 1")
    ]
    if nature is not Nature.NUMBER:
        return tuple(found)
    return tuple(int(one) if one.is_integer() else one for one in found if math.isfinite(one))


def mean_scores(connection: Connection, footers: Sequence[Footer], classes: str, score: str) -> dict[Scalar, float]:
    """The mean score by value of a column of classes."""
    rows = ReferenceRows(footers=tuple(footers), predicate="true", rows=sum(footer.rows for footer in footers))
    types = common_types(footers)
    shown = quoted(classes)
    if types[classes] != "BOOLEAN":
        shown = f"{shown}::bigint" if is_number(types[classes]) else f"{shown}::varchar"
    number = f"{quoted(score)}::double"
    query = f"select {shown}, avg({number}) from {rows.sample} where {quoted(classes)} is not null and isfinite({number}) group by 1"
    return {one: mean for one, mean in connection.rows(query) if mean is not None}


def log_span(connection: Connection, footers: Sequence[Footer], timestamp: str) -> Span | None:
    """The span of a column of times over all rows, None where it has no value."""
    zoned = is_zoned(common_types(footers)[timestamp])
    column = f"cast({quoted(timestamp)} as {ZONED})" if zoned else quoted(timestamp)
    query = (
        f"select epoch_us(min({column})), epoch_us(max({column})) from {log_relation(footers)} where isfinite({column})"
    )
    earliest, latest = connection.rows(query)[0]
    if earliest is None:
        return None
    start, end = (EPOCH + timedelta(microseconds=moment) for moment in (earliest, latest))
    if not zoned:
        start, end = start.replace(tzinfo=None), end.replace(tzinfo=None)
    return Span(earliest=start, latest=end)
