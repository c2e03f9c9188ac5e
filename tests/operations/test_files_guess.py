"""Files told apart, cut and described, from real Parquet files."""

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.config.desk_file import read_desk
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.periods import parse_periods
from mlops_desk.domain.slicing import ChunkRule
from mlops_desk.operations.check import checked
from mlops_desk.operations.cutting import chunk_rule, first_third
from mlops_desk.operations.dropped import Parts, parts_of, parts_of_typed
from mlops_desk.operations.guess import desk_from_dropped, proposal
from mlops_desk.resources import resource
from mlops_desk.warehouse.facts import Span
from tests.operations.small_workspace import DAYS, write_files, write_workspace


def touch(folder: Path, *names: str) -> list[Path]:
    files = [folder / name for name in names]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    return files


def test_parts_of_a_folder(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "a.parquet",
        "b.parquet",
        "train.parquet",
        "targets/x.parquet",
        ".desk/runs/1/candidate.parquet",
        "n.txt",
    )
    parts = parts_of(tmp_path, [tmp_path])
    assert parts == Parts(logs=("*.parquet",), reference=("train.parquet",), labels=("targets/**/*.parquet",))


def test_a_partitioned_log_is_one(tmp_path: Path) -> None:
    touch(tmp_path, "year=2025/a.pq", "year=2026/b.pq")
    assert parts_of(tmp_path, [tmp_path]).logs == ("**/*.pq",)


def test_some_files_of_a_folder_are_named_one_by_one(tmp_path: Path) -> None:
    a, b, _ = touch(tmp_path, "a.parquet", "b.parquet", "other.parquet")
    assert parts_of(tmp_path, [a, b]).logs == ("a.parquet", "b.parquet")


def test_typed_paths_are_told_from_the_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "data/a.parquet", "data/b.parquet", "labels.parquet")
    monkeypatch.chdir(tmp_path)
    outside = tmp_path / "desk"
    assert parts_of_typed(outside, ["data"], [], ["labels.parquet"]).logs == (f"{tmp_path}/data/**/*.parquet",)
    parts = parts_of_typed(tmp_path, ["data/*.parquet"], [], ["labels.parquet"])
    assert parts == Parts(logs=("data/*.parquet",), labels=("labels.parquet",))
    assert parts_of_typed(tmp_path, ["data/a.parquet", "data/b.parquet"], [], []).logs == ("data/*.parquet",)


moments = st.datetimes(dt.datetime(1990, 1, 1), dt.datetime(2040, 1, 1))


@given(moments, st.floats(0.001, 0.3) | st.floats(0.3, 20_000), st.integers(1, 10**8))
def test_a_log_is_cut_into_a_reference_and_something_to_watch(start: dt.datetime, days: float, rows: int) -> None:
    span = Span(earliest=start, latest=start + dt.timedelta(days=days))
    rule = chunk_rule(span, rows).rule
    assert rule.every is not None
    begin, end = first_third(span, rule)
    assert begin <= span.earliest < end <= span.latest
    periods = parse_periods(rule.every)
    if periods.number_of(span.earliest) != periods.number_of(span.latest):
        assert periods.local_start(periods.number_of(begin)) == begin
        assert periods.local_start(periods.number_of(end)) == end


@pytest.mark.parametrize(
    ("days", "rows", "every"),
    [
        (1, 100_000, "1h"),
        (30, 100_000, "1d"),
        (365, 1_000_000, "1w"),
        (1096, 69_630, "1mo"),
        (5, 1000, "1d"),
        (9000, 10**7, "1y"),
    ],
)
def test_chunks_suit_span_and_rows(days: float, rows: int, every: str) -> None:
    start = dt.datetime(2020, 1, 1)
    assert chunk_rule(Span(earliest=start, latest=start + dt.timedelta(days=days)), rows).rule.every == every


def test_chunks_of_a_log_without_times() -> None:
    assert chunk_rule(None, 50_000).rule == ChunkRule(size=5000)
    assert chunk_rule(None, 3).rule == ChunkRule(size=100)


@pytest.mark.parametrize(
    ("folder", "target", "every", "protected"),
    [("census", "employed", "1mo", ("sex", "race")), ("flights", "late", "1w", ()), ("loans", "repaid", "1w", ())],
)
def test_the_samples_are_guessed_as_they_are(folder: str, target: str, every: str, protected: tuple[str, ...]) -> None:
    place = resource("samples", folder)
    made = proposal(place, parts_of(place, [place]))
    said = {model.logs.paths[0].split("/")[0]: model for model in read_desk(resource("samples")).models}[folder]
    roles, right = made.model.columns, said.columns
    assert made.failure is None
    assert (made.model.task, roles.timestamp, roles.id) == (said.task, right.timestamp, right.id)
    assert (roles.prediction, roles.score, roles.protected) == (right.prediction, right.score, protected)
    assert made.model.labels is not None
    assert (made.model.labels.key, made.model.labels.target, roles.target) == ("id", target, target)
    assert made.model.chunks.every == every


def test_names_that_could_be_sql_are_only_names(tmp_path: Path) -> None:
    name = """x"; drop table t; -- 'y' {z}"""
    log = pa.table(
        {
            name: [1.5, 2.5] * 50,
            "time": [dt.datetime(2026, 1, day) for day in range(1, 26)] * 4,
            "pred'": ["a", "b"] * 50,
        }
    )
    pq.write_table(log, tmp_path / "log.parquet")
    pq.write_table(log, tmp_path / "reference.parquet")
    made = proposal(tmp_path, parts_of(tmp_path, [tmp_path]))
    assert made.failure is None
    assert {column.name for column in made.columns} == {name, "time", "pred'"}


def test_a_dropped_folder_becomes_a_workspace_once(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "Loans 2026")
    desk = desk_from_dropped([folder])
    assert desk.file == folder / "desk.toml"
    assert (desk.name, desk.models[0].id) == ("Loans 2026", "loans-2026")
    before = desk.file.read_bytes()
    assert desk_from_dropped([folder]).models == desk.models
    assert desk_from_dropped([desk.file]).models == desk.models
    assert desk.file.read_bytes() == before


def test_dropped_files_are_told_apart(tmp_path: Path) -> None:
    folder = write_files(tmp_path)
    logs = sorted((folder / "logs").iterdir())
    desk = desk_from_dropped([folder / "reference.parquet", *logs])
    assert desk.folder == folder
    assert desk.models[0].logs.paths == ("logs/*.parquet",)
    assert desk.models[0].reference.paths == ("reference.parquet",)


def test_what_is_dropped_and_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(UserError, match="holds no Parquet file"):
        desk_from_dropped([tmp_path])
    with pytest.raises(UserError, match=r"notes\.txt"):
        desk_from_dropped([tmp_path / "notes.txt"])
    with pytest.raises(UserError, match="nothing was dropped"):
        desk_from_dropped([])
    assert not (tmp_path / "desk.toml").exists()


def test_a_check_counts_files_and_leaves_no_trace(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    before = sorted(folder.rglob("*"))
    desk = read_desk(folder)
    look = checked(desk, desk.models[0])
    assert [(part.part, part.files, part.rows) for part in look.files] == [
        ("log", DAYS, 1000),
        ("reference", 1, 1500),
        ("labels", DAYS, None),
    ]
    assert look.failure is None
    assert sorted(folder.rglob("*")) == before
