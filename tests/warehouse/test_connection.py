"""The engine of one evaluation: shut off from everything but its files, stopped at once when somebody asks, frank about memory."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from mlops_desk.domain.errors import Cancelled, UserError
from mlops_desk.domain.progress import CancelToken
from mlops_desk.warehouse.connection import Connection, EngineSettings, path_literal
from tests.aggregates.logs import written

FOREVER = "select count(*) from range(2000000000) a(x), range(1000000) b(y) where hash(x * y) = 1"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return written(tmp_path / "log's [1].parquet", {"x": [1, 2, None]})


@pytest.fixture
def connection(log: Path, tmp_path: Path) -> Connection:
    return Connection([log], tmp_path / "spill")


def test_its_files_are_read(connection: Connection, log: Path) -> None:
    assert connection.rows(f"select x from read_parquet({path_literal(log)}) order by x") == [(1,), (2,), (None,)]
    columns = connection.columns(f"select x, x + 0.5::double y from read_parquet({path_literal(log)})")
    assert np.ma.getmaskarray(columns["x"]).tolist() == [False, False, True]
    assert columns["y"][:2].tolist() == [1.5, 2.5]


@pytest.mark.parametrize(
    "statement",
    [
        "select * from read_parquet('{other}')",
        "select * from read_text('{other}')",
        "select * from read_csv('/etc/passwd')",
        "select * from glob('{folder}/*')",
        "copy (select 1) to '{folder}/out.parquet'",
        "copy (select 1) to '{folder}/out.csv' (format csv)",
        "attach '{folder}/other.duckdb'",
        "export database '{folder}/all'",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "set memory_limit = '8GB'",
        "set allowed_directories = ['/']",
        "reset allowed_paths",
        "pragma temp_directory = '/tmp'",
        "install httpfs",
        "load httpfs",
        "select * from 'https://example.com/a.parquet'",
    ],
)
def test_nothing_else_is_within_reach(connection: Connection, tmp_path: Path, statement: str) -> None:
    other = written(tmp_path / "other.parquet", {"x": [1]})
    before = sorted(tmp_path.iterdir())
    with pytest.raises(connection.engine_errors):
        connection.execute(statement.format(other=other, folder=tmp_path))
    assert sorted(tmp_path.iterdir()) == before


def test_a_long_query_stops_within_a_second_when_somebody_cancels(tmp_path: Path) -> None:
    token = CancelToken()
    begun = threading.Event()

    def cancel() -> None:
        begun.wait(10)
        token.cancel()

    stopper = threading.Thread(target=cancel)
    stopper.start()
    with Connection([], tmp_path / "spill", cancel=token) as connection:
        begun.set()
        started = time.monotonic()
        with pytest.raises(Cancelled):
            connection.rows(FOREVER)
        assert time.monotonic() - started < 2
        with pytest.raises(Cancelled):
            connection.rows("select 1")
    stopper.join()


def test_all_queries_side_by_side_stop(tmp_path: Path) -> None:
    token = CancelToken()
    with Connection([], tmp_path / "spill", cancel=token) as connection:
        timer = threading.Timer(0.2, token.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            connection.side_by_side(connection.rows, [FOREVER] * 4, parallel=True)
        timer.join()


def test_no_thread_outlives_an_instance_that_was_interrupted(tmp_path: Path) -> None:
    token = CancelToken()
    before = set(threading.enumerate())
    with Connection([], tmp_path / "spill", cancel=token) as connection:
        timer = threading.Timer(0.2, token.cancel)
        timer.start()
        with pytest.raises(Cancelled):
            connection.rows(FOREVER)
    timer.join()
    assert set(threading.enumerate()) <= before


def test_a_token_that_was_cancelled_before_stops_the_first_query(tmp_path: Path) -> None:
    token = CancelToken()
    token.cancel()
    with Connection([], tmp_path / "spill", cancel=token) as connection, pytest.raises(Cancelled):
        connection.rows("select 1")


def test_a_closed_connection_is_forgotten_by_its_token(tmp_path: Path) -> None:
    token = CancelToken()
    connection = Connection([], tmp_path / "spill", cancel=token)
    connection.close()
    token.cancel()


def test_too_little_memory_is_told_in_one_line(tmp_path: Path) -> None:
    settings = EngineSettings(memory_limit="20MB")
    (tmp_path / "spill").write_text("a file in the place of the folder that the engine would spill to")
    with Connection([], tmp_path / "spill", settings) as connection, pytest.raises(UserError) as error:
        connection.rows("select list(x) from range(20000000) t(x)")
    assert str(error.value).startswith("the engine ran out of its 20MB of memory")
    assert "\n" not in str(error.value)


def test_arrays_become_tables_in_their_order_and_go_again(connection: Connection) -> None:
    numbers = np.arange(300_000, dtype=np.int64)
    connection.load('odd " name', {"a": numbers, "b": np.where(numbers % 2, np.nan, 1.0)}, ["a", "b * 2 b"])
    found = connection.columns('select a, b from "odd "" name"')
    np.testing.assert_array_equal(found["a"], numbers)
    assert np.ma.getmaskarray(found["b"])[1], "NaN comes in as NULL"
    assert found["b"][0] == 2.0
    connection.drop('odd " name')
    with pytest.raises(connection.engine_errors):
        connection.rows('select 1 from "odd "" name"')


def test_work_side_by_side_comes_back_in_order_and_its_error_too(connection: Connection) -> None:
    queries = [f"select {number}" for number in range(20)]
    for parallel in (True, False):
        assert connection.side_by_side(connection.rows, queries, parallel=parallel) == [
            [(number,)] for number in range(20)
        ]
        with pytest.raises(connection.engine_errors):
            connection.side_by_side(connection.rows, [*queries, "select nonsense", "select 2"], parallel=parallel)


def test_a_result_comes_piece_by_piece(tmp_path: Path) -> None:
    query = "select case when i % 3 > 0 then i end x, case when i > 1 then 'a' end t from range(5000) r(i)"
    with Connection([], tmp_path / "spill") as connection:
        pieces = list(connection.pieces(query, rows=2048))
        assert max(len(piece["x"]) for piece in pieces) <= 2048
        numbers = np.concatenate([piece["x"] for piece in pieces])
        assert np.isnan(numbers[::3]).all()
        assert numbers[1:3].tolist() == [1.0, 2.0]
        assert pieces[0]["t"][:3].tolist() == [None, None, "a"]


def test_a_stream_of_pieces_stops_when_somebody_cancels(tmp_path: Path) -> None:
    token = CancelToken()
    with Connection([], tmp_path / "spill", cancel=token) as connection:
        pieces = connection.pieces("select hash(i) h from range(2000000000) r(i)")
        assert len(next(pieces)["h"]) > 0
        token.cancel()
        with pytest.raises(Cancelled):
            list(pieces)


def test_a_failure_within_a_stream_is_the_engines(tmp_path: Path) -> None:
    with Connection([], tmp_path / "spill") as connection, pytest.raises(connection.engine_errors):
        list(connection.pieces("select case when i < 900000 then 1 else error('bad') end from range(1000000) r(i)"))
