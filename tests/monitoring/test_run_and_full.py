"""What a run leaves beside what a full run would: segments, their age and their number, and notes."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

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
    Kept,
    assert_same,
    day_rows,
    kept,
    run,
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
