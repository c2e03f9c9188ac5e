"""Display histograms of columns, chunk by chunk, so that the pages can draw any period without reading the log.

The bins of a column (its axis) are stored once. Categories only grow: new ones go to the end, so counts stored earlier stay valid and are
read as if padded with zeros. Other edges make a new axis, and the counts on the former one go.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import zip_longest

from msgspec import Struct

from mlops_desk.domain.schema import Kind
from mlops_desk.store.encoding import canonical_json


class ChunkCounts(Struct, frozen=True, kw_only=True):
    """How many rows of a chunk fall in each bin of a column.

    Attributes
    ----------
    counts : (k,) rows by bin. total : sum of the values of a numeric column, for the mean; else None.
    """

    split: str
    chunk_key: str
    counts: Sequence[int]
    total: float | None = None


class Histogram(Struct, frozen=True, kw_only=True):
    """A column's bins and its counts in some chunks.

    Attributes
    ----------
    edges : (k + 1,) of a numeric column, empty else. categories : (k,) of a categorical one, empty else.
    segment : `column=value`, None for all rows.
    """

    column: str
    kind: Kind
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    chunks: tuple[ChunkCounts, ...] = ()
    segment: str | None = None


class SummedHistogram(Struct, frozen=True, kw_only=True):
    """A column's counts over some chunks, in its bins (as of Histogram).

    Attributes
    ----------
    counts : (k,) rows by bin; a bin may be empty. total : sum of a numeric column's values, None where unknown.
    """

    column: str
    kind: Kind
    edges: tuple[float, ...]
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    total: float | None

    @property
    def rows(self) -> int:
        """Rows with a value."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """Mean of a numeric column's values, None where there are none."""
        return None if self.total is None or not self.rows else self.total / self.rows


def write_histograms(
    connection: sqlite3.Connection, model: int, chunks: Mapping[tuple[str, str], int], histograms: Sequence[Histogram]
) -> None:
    """Stores counts in place of what the same chunks and columns had."""
    rows: list[tuple[int, int, bytes, float | None]] = []
    for histogram in histograms:
        axis, places = _axis(connection, model, histogram)
        for part in histogram.chunks:
            counts = part.counts if places is None else _moved(part.counts, places)
            rows.append((chunks[part.split, part.chunk_key], axis, _packed(counts), part.total))
    connection.executemany("insert or replace into distribution (chunk, axis, counts, total) values (?, ?, ?, ?)", rows)


def drop_distributions(connection: sqlite3.Connection, chunks: Iterable[int]) -> None:
    """Removes the counts of chunks that are gone."""
    connection.executemany("delete from distribution where chunk = ?", [(chunk,) for chunk in chunks])


def summed_histogram(
    connection: sqlite3.Connection,
    model: int,
    column: str,
    split: str,
    chunk_keys: Collection[str] | None = None,
    segment: str | None = None,
) -> SummedHistogram | None:
    """A column's histogram over some chunks of a split (None: over all); None if the column has none at all."""
    found = connection.execute(
        'select id, kind, bins from axis where model = ? and "column" = ? and segment is ?', (model, column, segment)
    ).fetchone()
    if found is None:
        return None
    axis, kind, bins = found[0], Kind(found[1]), tuple(json.loads(found[2]))
    parts = connection.execute(
        """select c.key, d.counts, d.total from chunk c join distribution d on d.chunk = c.id and d.axis = ?
        where c.model = ? and c.split = ? and c.idx is not null""",
        (axis, model, split),
    )
    numeric = kind is Kind.NUMERIC
    counts = [0] * (len(bins) - 1 if numeric else len(bins))
    total: float | None = 0.0 if numeric else None
    for key, packed, part_total in parts:
        if chunk_keys is None or key in chunk_keys:
            counts = [have + more for have, more in zip_longest(counts, _unpacked(packed), fillvalue=0)]
            total = None if total is None or part_total is None else total + part_total
    return SummedHistogram(
        column=column,
        kind=kind,
        edges=bins if numeric else (),
        categories=() if numeric else bins,
        counts=tuple(counts),
        total=total,
    )


def _axis(connection: sqlite3.Connection, model: int, histogram: Histogram) -> tuple[int, list[int] | None]:
    """The integer of a histogram's axis, and where on it each bin lies (None: where it is)."""
    name = (model, histogram.column, histogram.segment)
    found = connection.execute(
        'select id, kind, bins from axis where model = ? and "column" = ? and segment is ?', name
    ).fetchone()
    bins: tuple[object, ...] = histogram.edges if histogram.kind is Kind.NUMERIC else histogram.categories
    if found is not None and found[1] == histogram.kind:
        stored = json.loads(found[2])
        if stored == list(bins):
            return int(found[0]), None
        if histogram.kind is Kind.CATEGORICAL:
            place = {name: i for i, name in enumerate(stored)}
            places = [place.setdefault(category, len(place)) for category in histogram.categories]
            connection.execute("update axis set bins = ? where id = ?", (canonical_json(list(place)), found[0]))
            return int(found[0]), places
    if found is not None:
        connection.execute("delete from distribution where axis = ?", (found[0],))
        connection.execute("delete from axis where id = ?", (found[0],))
    cursor = connection.execute(
        'insert into axis (model, "column", segment, kind, bins) values (?, ?, ?, ?, ?)',
        (*name, histogram.kind, canonical_json(bins)),
    )
    return int(cursor.lastrowid or 0), None


def _moved(counts: Sequence[int], places: Sequence[int]) -> list[int]:
    moved = [0] * (max(places, default=-1) + 1)
    for place, count in zip(places, counts, strict=True):
        moved[place] += int(count)
    return moved


def _packed(counts: Sequence[int]) -> bytes:
    """Counts as little-endian 64-bit integers."""
    numbers = array("q", counts)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _unpacked(packed: bytes) -> array[int]:
    numbers = array("q")
    numbers.frombytes(packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
