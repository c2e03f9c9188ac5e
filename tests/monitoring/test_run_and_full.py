"""What a run leaves beside what a full run would: segments, their age and their number, and notes."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.threshold import AlertState
from mlops_desk.store.archive import Store
from tests.aggregates.logs import written
from tests.monitoring.desks import (
    BY_PERIOD,
    COLUMNS,
    DAILY,
    LOGS,
    NOW,
    REFERENCE_DAYS,
    Kept,
    assert_same,
    day_rows,
    kept,
    run,
    truth,
    write_day,
    write_desk,
)


def in_full(folder: Path) -> Kept:
    """What a first and full run over the same files keeps."""
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    return kept(copy)


def test_the_age_of_every_segment_goes_on(tmp_path: Path) -> None:
    monitor = '[[models.monitors]]\nmetrics = ["freshness_hours"]\nsegments = ["sex", "*"]\n'
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY, monitor)
    for day in range(7):
        write_day(tmp_path / "logs", day)
    first = datetime(2024, 3, 4, 1, tzinfo=UTC)
    run(tmp_path, now=first)
    run(tmp_path, now=first + timedelta(days=9))
    with Store.open(tmp_path) as store:
        found = {value.key.segment: value.verdict for value in store.values("m", metric="freshness_hours")}
        alerted = {alert.key.segment for alert in store.alerts()}
    assert found == dict.fromkeys([None, "sex=f", "sex=m"], Verdict.ALERT)
    assert alerted == {None, "sex=f", "sex=m"}


def test_a_series_asked_for_twice_shares_the_budget_once(tmp_path: Path) -> None:
    found = []
    for times in (1, 4):
        folder = tmp_path / str(times)
        write_desk(folder, LOGS, BY_PERIOD, COLUMNS, DAILY, '[[models.monitors]]\nmetrics = ["psi"]\n' * times)
        for day in range(6):
            write_day(folder / "logs", day)
        assert run(folder).failure is None
        found.append(kept(folder))
    assert_same(found[1], found[0])
    assert any(row["upper"] is not None for row in found[0].values.values())


def test_a_silence_that_was_withdrawn_does_not_come_back(tmp_path: Path) -> None:
    monitor = '[[models.monitors]]\nmetrics = ["missing_rate"]\ncolumns = ["kind"]\n'
    limit = 'threshold = { kind = "constant", upper = 0.5 }\n'
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY, monitor + limit)

    def evaluated(day: int, bad: bool) -> AlertState:
        broken = {"kind": pa.array([None] * 40, pa.string())} if bad else {}
        written(tmp_path / "logs" / f"{day:02}.parquet", {**day_rows(day), **broken})
        run(tmp_path)
        with Store.open(tmp_path) as store:
            return store.alerts()[0].state

    for day in range(4):
        write_day(tmp_path / "logs", day)
    assert evaluated(4, True) is AlertState.FIRING
    with Store.open(tmp_path) as store:
        store.silence(1, until=NOW + timedelta(days=30), by="ann", at=NOW)
    assert evaluated(5, False) is AlertState.RESOLVED
    assert evaluated(6, True) is AlertState.SILENCED
    with Store.open(tmp_path) as store:
        store.acknowledge(2, by="ann", at=NOW)
    assert evaluated(7, False) is AlertState.RESOLVED
    assert evaluated(8, True) is AlertState.FIRING


@pytest.mark.parametrize("known", [20, 190, 260])
def test_the_values_of_a_segment_are_chosen_step_by_step_as_at_once(tmp_path: Path, known: int) -> None:
    """A few values, nearly as many as are watched, and more; every later day has forty others."""
    folder = tmp_path / "desk"
    monitor = '[[models.monitors]]\nmetrics = ["rows"]\nsegments = ["shop"]\n'
    write_desk(folder, LOGS, BY_PERIOD, COLUMNS, DAILY, monitor)
    for day in range(12):
        rows = day_rows(day, rows=80)
        rows["shop"] = [f"r{(day * 80 + at) % known:03}" for at in range(80)]
        if day >= REFERENCE_DAYS:
            rows["shop"][:40] = [f"s{(17 * day * 40 + at * 7) % 997:03}" for at in range(40)]
        written(folder / "logs" / f"{day:02}.parquet", rows)
        if day >= REFERENCE_DAYS:
            assert run(folder).failure is None
    found = kept(folder)
    assert_same(found, in_full(folder))
    watched = [{row["segment"] for row in found.values.values() if row["chunk"] == chunk} for chunk in range(8)]
    assert all(len(segments) <= 200 for segments in watched)
    assert [code for code, _ in found.notes].count("segments_cut") == {20: 0, 190: 1, 260: 2}[known]


def test_notes_are_of_all_chunks_step_by_step_as_at_once(tmp_path: Path) -> None:
    """The last day has neither a value of x nor labels of two classes; the others have."""
    for last in (7, 5):
        folder = tmp_path / str(last) / "desk"
        write_desk(folder, LOGS, BY_PERIOD, COLUMNS + 'target = "repaid"\n', DAILY)
        for day in range(8):
            rows = {**day_rows(day), "repaid": truth(day)}
            if day >= last or (last == 5 and day >= REFERENCE_DAYS):
                rows |= {"x": pa.nulls(40, pa.float64()), "repaid": np.ones(40, dtype=np.int8)}
            written(folder / "logs" / f"{day:02}.parquet", rows)
            if day >= REFERENCE_DAYS:
                assert run(folder).failure is None
        found = kept(folder)
        assert_same(found, in_full(folder))
        codes = {code for code, _ in found.notes} & {"column_empty", "one_class"}
        assert codes == ({"column_empty", "one_class"} if last == 5 else set())


def test_notes_tell_chunks_of_one_file_apart(tmp_path: Path) -> None:
    """One file holds a day with values of x and one without, a later file a day without."""
    folder = tmp_path / "desk"
    write_desk(folder, LOGS, BY_PERIOD, COLUMNS, DAILY)
    for day in range(REFERENCE_DAYS):
        write_day(folder / "logs", day)
    with_values = day_rows(5)
    without = [{**day_rows(day), "x": pa.nulls(40, pa.float64())} for day in (6, 7)]
    both = pa.concat_tables([pa.table(with_values), pa.table(without[0])])
    written(folder / "logs" / "05.parquet", {name: both[name] for name in both.column_names})
    assert run(folder).failure is None
    written(folder / "logs" / "07.parquet", without[1])
    assert run(folder).failure is None
    found = kept(folder)
    assert_same(found, in_full(folder))
    assert "column_empty" not in {code for code, _ in found.notes}
