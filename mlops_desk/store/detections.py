"""Where drift detectors signalled, row by row: beside the values of their series, which tell only how often."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping

from mlops_desk.domain.metric import Detection, SeriesKey
from mlops_desk.store.encoding import optional_instant, optional_text
from mlops_desk.store.series import series_keys


def write_detections(
    connection: sqlite3.Connection,
    chunks: Mapping[tuple[str, str], int],
    evaluated: Iterable[tuple[str, str]],
    detections: Iterable[Detection],
    number: Callable[[SeriesKey], int],
) -> None:
    """Stores the detections of the chunks that were evaluated, (split, key), in place of what they had."""
    drop_detections(connection, (chunks[name] for name in evaluated))
    rows = [
        (chunks[one.split, one.chunk_key], number(one.key), one.row, one.stream_row, optional_text(one.at))
        for one in detections
    ]
    connection.executemany("insert into detection (chunk, series, row, stream_row, at) values (?, ?, ?, ?, ?)", rows)


def drop_detections(connection: sqlite3.Connection, chunks: Iterable[int]) -> None:
    """Removes the detections of chunks."""
    connection.executemany("delete from detection where chunk = ?", [(chunk,) for chunk in chunks])


def detections(connection: sqlite3.Connection, model: int) -> tuple[Detection, ...]:
    """The detections of a model, in the order of their rows in the stream."""
    keys = series_keys(connection, model)
    rows = connection.execute(
        """select d.series, c.split, c.key, d.row, d.stream_row, d.at from detection d join chunk c on c.id = d.chunk
        where c.model = ? and c.idx is not null order by c.split desc, d.stream_row, d.series""",
        (model,),
    )
    return tuple(
        Detection(key=keys[series], split=split, chunk_key=key, row=row, stream_row=stream_row, at=optional_instant(at))
        for series, split, key, row, stream_row, at in rows
    )
