"""What an evaluation writes is what comes back, what is replaced is in the history, and nothing else changes."""

import gc
import importlib.util
import itertools
import sqlite3
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mlops_desk.domain.metric import Convention, Family, Limits, Measurement, MetricValue, SeriesKey, Verdict
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.slicing import Split
from mlops_desk.store.archive import Store
from mlops_desk.store.connection import store_path
from mlops_desk.store.records import LogSummary, ValueCounts
from mlops_desk.store.values import RESULT_COLUMNS
from tests.store.examples import DAY_ONE, day, value_of

CONTRACT = """model, split, chunk, start, end, rows, segment, family, metric, convention, column, group, value, reason, error_bound,
sampling_error, interval_lower, interval_upper, lower, upper, warn_lower, warn_upper, class, verdict, evaluated_at"""

finite = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
names = st.none() | st.text(st.characters(codec="utf-8"), max_size=8)
keys = st.builds(
    SeriesKey,
    st.sampled_from(Family),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    st.sampled_from(Convention),
    names,
    names,
    names,
    names,
)
maybe = st.none() | finite
measurements = st.builds(
    Measurement,
    finite,
    st.none(),
    st.floats(0, 1),
    st.none() | st.floats(0, 1),
    maybe,
    maybe,
) | st.builds(Measurement, st.none(), st.text(st.characters(codec="utf-8"), min_size=1))
limits = st.builds(Limits, lower=maybe, upper=maybe, warn_lower=maybe, warn_upper=maybe)
chunk_pool = [day(i, Split.REFERENCE) for i in range(2)] + [day(i) for i in range(4)]


def metric_values(key: SeriesKey, position: int, measurement: Measurement, judged_by: Limits) -> MetricValue:
    chunk = chunk_pool[position]
    return MetricValue(
        key=key,
        split=chunk.split,
        chunk_key=chunk.key,
        rows=7,
        measurement=measurement,
        limits=judged_by,
        verdict=Verdict.UNTESTED if measurement.value is None else Verdict.ALERT,
    )


values_anywhere = st.builds(metric_values, keys, st.integers(0, len(chunk_pool) - 1), measurements, limits)


def identity(value: MetricValue) -> tuple[str, str, SeriesKey]:
    return value.split, value.chunk_key, value.key


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that many models share, because making one takes longer than filling it."""
    return tmp_path_factory.mktemp("archive")


fresh_names = (f"model-{number}" for number in itertools.count())


def rows_of(folder: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(f"{store_path(folder).as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


@settings(max_examples=50)
@given(st.lists(values_anywhere, max_size=12, unique_by=identity))
def test_values_come_back_as_they_were_written(archive: Path, values: list[MetricValue]) -> None:
    model = next(fresh_names)
    with Store.open(archive) as store:
        with store.evaluation(model, "state", DAY_ONE) as writer:
            writer.replace_chunks("reference", chunk_pool[:2])
            writer.replace_chunks("analysis", chunk_pool[2:])
            writer.write_values(values)
        found = store.values(model)
    assert {identity(value): value for value in found} == {identity(value): value for value in values}


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sets(st.integers(0, 3)),
            st.dictionaries(
                st.tuples(st.integers(0, 3), st.sampled_from("abc")), st.sampled_from([0.1, 0.2, None]), max_size=8
            ),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_only_the_last_state_is_current_and_everything_else_is_history(archive: Path, steps: list) -> None:
    """Against a dictionary: whatever came before, the view holds the last state, and each value that went is in the history once."""
    model = next(fresh_names)
    state: dict[tuple[int, str], float | None] = {}
    gone = 0
    with Store.open(archive) as store:
        for number, (days, wanted) in enumerate(steps):
            chunks = [day(i) for i in sorted(days)]
            produced = {(i, metric): value for (i, metric), value in wanted.items() if i in days}
            gone += sum(produced.get(place, "none") != value for place, value in state.items())
            state = produced
            with store.evaluation(model, "state", DAY_ONE + timedelta(hours=number)) as writer:
                writer.replace_chunks("analysis", chunks)
                writer.write_values([value_of(day(i), value, metric=metric) for (i, metric), value in produced.items()])
                writer.remove_stale("analysis", [chunk.key for chunk in chunks])
            assert [chunk.index for chunk in store.chunks(model, "analysis")] == list(range(len(chunks)))
    found = rows_of(archive, f"select start, metric, value from metric_values where model = '{model}'")
    assert len(found) == len(state)
    assert {(start, metric): value for start, metric, value in found} == {
        (day(i).key, metric): value for (i, metric), value in state.items()
    }
    assert rows_of(archive, f"select count(*) from metric_value_history where model = '{model}'") == [(gone,)]


def test_what_is_unchanged_keeps_its_time_and_what_changed_leaves_the_old_value_in_the_history(
    tmp_path, evaluate
) -> None:
    days = [day(0), day(1)]
    first = evaluate(days, [value_of(days[0], 0.1), value_of(days[1], 0.2)])
    second = evaluate(days, [value_of(days[0], 0.1), value_of(days[1], 0.3)])
    assert rows_of(tmp_path, "select chunk, value, evaluated_at from metric_values order by chunk") == [
        (0, 0.1, first.isoformat()),
        (1, 0.3, second.isoformat()),
    ]
    assert rows_of(tmp_path, "select value, evaluated_at, superseded_at, chunk_key from metric_value_history") == [
        (0.2, first.isoformat(), second.isoformat(), days[1].key)
    ]
    with Store.open(tmp_path) as store:
        record = store.last_evaluation("credit")
    assert record is not None
    assert record.values == ValueCounts(changed=1)


def test_a_change_that_the_order_of_a_sum_can_make_is_none(tmp_path, evaluate) -> None:
    days = [day(0)]
    evaluate(days, [value_of(days[0], 0.1)])
    evaluate(days, [value_of(days[0], 0.1 * (1 + 1e-13))])
    assert rows_of(tmp_path, "select value from metric_values") == [(0.1,)]
    evaluate(days, [value_of(days[0], 0.1 * (1 + 1e-11))])
    assert rows_of(tmp_path, "select value from metric_values") == [(0.1 * (1 + 1e-11),)]


def test_another_verdict_or_limit_at_the_same_value_is_a_change(tmp_path, evaluate) -> None:
    days = [day(0)]
    evaluate(days, [value_of(days[0], 0.45)])
    evaluate(days, [value_of(days[0], 0.45, verdict=Verdict.WARNING)])
    tighter = replace(value_of(days[0], 0.45, verdict=Verdict.ALERT), limits=Limits(upper=0.3))
    evaluate(days, [tighter])
    assert rows_of(tmp_path, "select verdict, upper from metric_values") == [("alert", 0.3)]
    assert rows_of(tmp_path, "select verdict from metric_value_history") == [("ok",), ("warning",)]


def test_chunks_that_are_gone_take_their_values_to_the_history_and_the_rest_is_renumbered(tmp_path, evaluate) -> None:
    days = [day(i) for i in range(3)]
    evaluate(days, [value_of(chunk, 0.1 * i) for i, chunk in enumerate(days)])
    evaluate(days[1:], [value_of(days[1], 0.1), value_of(days[2], 0.2)])
    assert rows_of(tmp_path, "select chunk, value from metric_values order by chunk") == [(0, 0.1), (1, 0.2)]
    assert rows_of(tmp_path, "select chunk, start, value from metric_value_history") == [(None, days[0].key, 0.0)]
    evaluate(days, [value_of(chunk, 0.1 * i) for i, chunk in enumerate(days)])
    assert rows_of(tmp_path, "select chunk, value from metric_values order by chunk") == [(0, 0.0), (1, 0.1), (2, 0.2)]


def test_stale_series_of_some_families_only(store) -> None:
    drift, accuracy = value_of(day(0), 0.1), value_of(day(0), 0.9, metric="accuracy", family=Family.PERFORMANCE)
    with store.evaluation("credit", "1", DAY_ONE) as writer:
        writer.replace_chunks("analysis", [day(0)])
        writer.write_values([drift, accuracy])
    with store.evaluation("credit", "2", DAY_ONE) as writer:
        writer.remove_stale("analysis", [day(0).key], [Family.PERFORMANCE])
    assert store.values("credit") == (drift,)


def test_a_value_written_twice_in_one_evaluation_is_no_history(store, tmp_path) -> None:
    with store.evaluation("credit", "1", DAY_ONE) as writer:
        writer.replace_chunks("analysis", [day(0)])
        writer.write_values([value_of(day(0), 0.1)])
        writer.write_values([value_of(day(0), 0.2)])
    assert rows_of(tmp_path, "select value from metric_values") == [(0.2,)]
    assert rows_of(tmp_path, "select * from metric_value_history") == []


def test_many_values_at_once_come_back_and_go_to_the_history_one_by_one(store, tmp_path) -> None:
    courses = [[value_of(day(i % 3), (i + shift) / 1000, metric=f"m{i}") for i in range(171)] for shift in (0, 500)]
    for values in courses:
        with store.evaluation("credit", "1", DAY_ONE) as writer:
            writer.replace_chunks("analysis", [day(0), day(1), day(2)])
            writer.write_values(values)
        assert set(store.values("credit")) == set(values)
    former = rows_of(tmp_path, "select start, metric, value from metric_value_history")
    assert len(former) == 171
    assert set(former) == {(value.chunk_key, value.key.metric, value.measurement.value) for value in courses[0]}


def test_a_value_of_an_unknown_chunk_is_a_defect(store) -> None:
    with store.evaluation("credit", "1", DAY_ONE) as writer, pytest.raises(KeyError):
        writer.write_values([value_of(day(0), 0.1)])


def test_the_view_and_the_table_have_the_columns_of_the_contract(tmp_path, evaluate) -> None:
    names = CONTRACT.replace(",", " ").split()
    at = evaluate(
        [day(0)],
        [
            value_of(day(0), None, metric="recall", column="sex", group="f", class_="yes", segment="region=north"),
            value_of(day(0), 0.25),
        ],
        reference=[day(0, Split.REFERENCE)],
    )
    with closing(sqlite3.connect(store_path(tmp_path))) as connection:
        cursor = connection.execute("select * from metric_values order by metric desc")
        assert [column[0] for column in cursor.description] == names
        untested, tested = (dict(zip(names, row, strict=True)) for row in cursor)
    assert untested == dict.fromkeys(names) | {
        "model": "credit", "split": "analysis", "chunk": 0, "start": day(0).key, "end": day(1).key, "rows": 100,
        "segment": "region=north", "family": "data_drift", "metric": "recall", "convention": "desk", "column": "sex", "group": "f",
        "reason": "too few rows", "upper": 0.5, "warn_upper": 0.4, "class": "yes", "verdict": "untested", "evaluated_at": at.isoformat(),
    }  # fmt: skip
    assert (tested["value"], tested["reason"], tested["error_bound"], tested["verdict"]) == (0.25, None, 0.0, "ok")
    with Store.open(tmp_path) as store:
        table = store.value_table(["credit"])
        nothing = store.value_table(["unknown"])
    assert list(table.names) == list(RESULT_COLUMNS) == names
    columns = dict(zip(table.names, table.columns, strict=True))
    assert columns["start"] == [day(0).start] * 2
    assert columns["evaluated_at"] == [at] * 2
    assert columns["value"] == [0.25, None]
    assert nothing.columns == tuple([] for _ in names)


def test_values_are_chosen_by_their_key_and_come_in_time_order(tmp_path, evaluate) -> None:
    analysis, reference = [day(i) for i in range(3)], [day(i, Split.REFERENCE) for i in range(2)]
    everything = [
        value_of(chunk, 0.1, metric=metric, column=column)
        for chunk in reversed((*reference, *analysis))
        for metric in ("psi", "rows")
        for column in ("age", None)
    ] + [value_of(day(0), 0.1, segment="region=north")]
    evaluate(analysis, everything, reference=reference)
    with Store.open(tmp_path) as store:
        assert len(store.values("credit")) == len(everything)
        assert len(store.values("credit", column=None)) == 10
        assert len(store.values("credit", segment="region=north")) == 1
        assert len(store.values("credit", segment=None, metric="psi", column="age")) == 5
        assert len(store.values("credit", split=Split.REFERENCE)) == 8
        assert store.values("credit", family=Family.FAIRNESS) == store.values("unknown") == ()
        course = store.values("credit", metric="psi", column="age")
        assert [(value.split, value.chunk_key) for value in course] == [
            (chunk.split, chunk.key) for chunk in (*reference, *analysis)
        ]
        assert store.chunks("credit", "analysis") == tuple(analysis)


def test_an_error_in_an_evaluation_stores_nothing_of_it(tmp_path, evaluate) -> None:
    evaluate([day(0)], [value_of(day(0), 0.1)])
    before = rows_of(tmp_path, "select * from metric_values")

    def evaluation_that_fails(store: Store) -> None:
        with store.evaluation("credit", "other", DAY_ONE) as writer:
            writer.replace_chunks("analysis", [])
            raise ZeroDivisionError

    with Store.open(tmp_path) as store:
        with pytest.raises(ZeroDivisionError):
            evaluation_that_fails(store)
        record = store.last_evaluation("credit")
    assert rows_of(tmp_path, "select * from metric_values") == before
    assert record is not None
    assert record.inputs_hash == "state"


def test_the_record_and_the_notes_of_the_latest_evaluation(store) -> None:
    assert store.last_evaluation("credit") is None
    log = LogSummary(
        rows=9, rows_scanned=5, seconds=0.5, newest_row=DAY_ONE, versions=("v1", "v2"), reference_text="January"
    )
    notes = (
        DataNote(level=NoteLevel.WARNING, code="quarantined", place="logs/b.parquet", text="truncated", count=None),
        DataNote(level=NoteLevel.NOTICE, code="unmatched", place="labels", text="labels without a row", count=3),
    )
    with store.evaluation("credit", "old", DAY_ONE) as writer:
        writer.write_notes([notes[0]])
    with store.evaluation("credit", "new", DAY_ONE + timedelta(hours=1)) as writer:
        writer.replace_chunks("analysis", [day(0)], {day(0).key: "abc"})
        writer.write_notes(notes)
        writer.conclude(DAY_ONE + timedelta(hours=2), log)
    record = store.last_evaluation("credit")
    assert record is not None
    assert (record.inputs_hash, record.log) == ("new", log)
    assert (record.started, record.finished) == (DAY_ONE + timedelta(hours=1), DAY_ONE + timedelta(hours=2))
    assert store.notes("credit") == notes
    assert store.models() == ("credit",)
    with store.evaluation("credit", "newer", DAY_ONE + timedelta(hours=3)) as writer:
        writer.replace_chunks("analysis", [day(0), day(1)])
    assert store.chunk_fingerprints("credit", "analysis") == {day(0).key: "abc"}
    assert store.notes("credit") == ()


def test_history_is_kept_for_so_many_days(tmp_path, evaluate) -> None:
    for number in (0.1, 0.2, 0.3):
        last = evaluate([day(0)], [value_of(day(0), number)])
    with Store.open(tmp_path) as store:
        assert store.prune(last, keep_days=400) == 0
        assert store.prune(last + timedelta(days=400), keep_days=400) == 1  # superseded an hour before `last`
        assert rows_of(tmp_path, "select value from metric_value_history") == [(0.2,)]
        assert store.prune(last + timedelta(days=401), keep_days=400) == 1
    assert rows_of(tmp_path, "select value from metric_values") == [(0.3,)]


def test_readers_see_the_former_state_while_one_writes(tmp_path, evaluate) -> None:
    evaluate([day(0)], [value_of(day(0), 0.1)])
    with Store.open(tmp_path) as writing, Store.open(tmp_path, read_only=True) as reading:
        assert writing.journal_mode == "wal"
        with writing.evaluation("credit", "2", DAY_ONE) as writer:
            writer.replace_chunks("analysis", [])
            assert [value.measurement.value for value in reading.values("credit")] == [0.1]
        assert reading.values("credit") == ()


def test_the_query_of_the_speed_check_sees_what_changed(shared, tmp_path, evaluate) -> None:
    specification = importlib.util.spec_from_file_location("speed", shared / "checks" / "speed.py")
    assert specification is not None
    assert specification.loader is not None
    speed = importlib.util.module_from_spec(specification)
    sys.modules["speed"] = speed  # its dataclasses look themselves up there
    specification.loader.exec_module(speed)
    accuracy = {"metric": "accuracy", "family": Family.PERFORMANCE}
    evaluate([day(0)], [value_of(day(0), -0.2), value_of(day(0), 0.9, **accuracy)], reference=[])
    assert speed.chunk_sums(tmp_path) == {("analysis", 0, False): 0.2, ("analysis", 0, True): 0.9}


@pytest.mark.benchmark
def test_a_full_evaluation_of_25_000_values_is_quick_to_write_and_to_find_unchanged(tmp_path) -> None:
    chunks = [day(i) for i in range(90)]
    series = [SeriesKey(Family.DATA_DRIFT, f"metric {i}", column=f"column {j}") for i in range(11) for j in range(25)]
    values = [
        replace(value_of(chunk, (i * 7919 + chunk.index) % 1000 / 1000), key=key)
        for i, key in enumerate(series)
        for chunk in chunks
    ]
    gc.collect()
    costs = []
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        begun = time.process_time()
        with Store.open(folder) as store, store.evaluation("credit", "state", DAY_ONE) as writer:
            writer.replace_chunks("analysis", chunks)
            writer.write_values(values)
            writer.remove_stale("analysis", [chunk.key for chunk in chunks])
        written = time.process_time()
        with Store.open(folder) as store:
            record = store.last_evaluation("credit")
        looked = time.process_time()
        assert record is not None
        costs.append((written - begun, looked - written))
    assert min(write for write, _ in costs) < 0.35
    assert min(look for _, look in costs) < 0.02
