"""Positions of detectors in the archive: as they were written, those of a chunk in place of what it had, and none before the format that has them."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from mlops_desk.domain.metric import Detection, Family, SeriesKey
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.store.archive import Store
from mlops_desk.store.connection import store_path
from mlops_desk.store.migrations import MIGRATIONS, format_version, migrate
from tests.store.examples import DAY_ONE, day

DDM = SeriesKey(Family.CONCEPT_DRIFT, "ddm")
ZONES = SeriesKey(Family.CONCEPT_DRIFT, "ddm", group="warning")
NOW = datetime(2026, 2, 1, tzinfo=UTC)


def detection(chunk: Chunk, row: int, key: SeriesKey = DDM, at: datetime | None = DAY_ONE) -> Detection:
    return Detection(
        key=key, split=chunk.split.value, chunk_key=chunk.key, row=row, stream_row=100 * chunk.index + row, at=at
    )


def write(store: Store, chunks: list[Chunk], evaluated: list[Chunk], found: list[Detection]) -> None:
    with store.evaluation("m", "hash", NOW) as writer:
        writer.replace_chunks(Split.ANALYSIS, chunks)
        writer.write_detections(evaluated, found)


def test_positions_come_back_in_the_order_of_rows_and_a_chunk_replaces_its_own(tmp_path: Path) -> None:
    days = [day(number) for number in range(3)]
    first = [detection(days[0], 7), detection(days[0], 3, ZONES), detection(days[1], 5, at=None)]
    with Store.open(tmp_path) as store:
        assert store.detections("m") == ()
        write(store, days, days, [first[2], first[0], first[1]])
        assert store.detections("m") == (first[1], first[0], first[2])
        again = detection(days[1], 9)
        write(store, days, [days[1], days[2]], [again])
        assert store.detections("m") == (first[1], first[0], again)
        write(store, days[1:], [], [])
        assert [one.row for one in store.detections("m")] == [9]
        assert store.detections("other") == ()


def test_an_archive_from_before_gets_room_for_them(tmp_path: Path) -> None:
    path = store_path(tmp_path)
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        migrate(opened, path, MIGRATIONS[:1])
        assert format_version(opened) == 1
    with Store.open(tmp_path) as store:
        write(store, [day(0)], [day(0)], [detection(day(0), 4)])
        assert [one.row for one in store.detections("m")] == [4]
