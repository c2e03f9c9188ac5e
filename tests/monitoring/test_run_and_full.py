"""What a run leaves beside what a full run would: segments, their age and their number, and notes."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops_desk.domain.metric import Verdict
from mlops_desk.store.archive import Store
from tests.monitoring.desks import (
    BY_PERIOD,
    COLUMNS,
    DAILY,
    LOGS,
    Kept,
    assert_same,
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
