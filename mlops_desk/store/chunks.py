"""Chunks of a model in the archive: which there are now, how they are numbered, and from what input each was computed.

A chunk that the log holds no more keeps its row without a number, because history and alerts still name it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.store.encoding import optional_instant, optional_text


def chunks(connection: sqlite3.Connection, model: int, split: str) -> tuple[Chunk, ...]:
    """The chunks that a split holds now, in time order."""
    rows = connection.execute(
        'select key, idx, start, "end", rows, complete from chunk where model = ? and split = ? and idx is not null order by idx',
        (model, split),
    )
    return tuple(
        Chunk(
            split=Split(split),
            key=key,
            index=index,
            start=optional_instant(start),
            end=optional_instant(end),
            rows=row_count,
            complete=bool(complete),
        )
        for key, index, start, end, row_count, complete in rows
    )


def chunk_fingerprints(connection: sqlite3.Connection, model: int, split: str) -> dict[str, str]:
    """What input each chunk of a split was last computed from, by chunk key; chunks without a fingerprint are left out."""
    rows = connection.execute(
        "select key, fingerprint from chunk where model = ? and split = ? and idx is not null and fingerprint is not null",
        (model, split),
    )
    return dict(rows.fetchall())


def chunk_numbers(connection: sqlite3.Connection, model: int) -> dict[tuple[str, str], int]:
    """The integer of each (split, chunk key) that is there now."""
    rows = connection.execute("select split, key, id from chunk where model = ? and idx is not null", (model,))
    return {(split, key): number for split, key, number in rows}


def write_chunks(
    connection: sqlite3.Connection, model: int, split: str, now: Sequence[Chunk], fingerprints: Mapping[str, str]
) -> list[int]:
    """Makes these the chunks of a split and numbers them in the given order; returns the integers of those that are gone.

    A chunk without an entry in `fingerprints` keeps the one it has.
    """
    stored = {
        key: number for (stored_split, key), number in chunk_numbers(connection, model).items() if stored_split == split
    }
    gone = [stored[key] for key in stored.keys() - {chunk.key for chunk in now}]
    connection.executemany(
        "update chunk set idx = null, fingerprint = null where id = ?", [(number,) for number in gone]
    )
    connection.executemany(
        """insert into chunk (model, split, key, idx, start, "end", rows, complete, fingerprint) values (?, ?, ?, ?, ?, ?, ?, ?, ?)
        on conflict (model, split, key) do update set idx = excluded.idx, start = excluded.start, "end" = excluded."end",
        rows = excluded.rows, complete = excluded.complete, fingerprint = coalesce(excluded.fingerprint, fingerprint)""",
        [
            (
                model,
                split,
                chunk.key,
                index,
                optional_text(chunk.start),
                optional_text(chunk.end),
                chunk.rows,
                chunk.complete,
                fingerprints.get(chunk.key),
            )
            for index, chunk in enumerate(now)
        ],
    )
    return gone
