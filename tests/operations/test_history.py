"""Superseded values are kept as long as desk.toml says, and looked through once a day."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mlops_desk import workspace as facade
from mlops_desk.domain.evaluation import EvaluationOutcome, ModelOutcome
from mlops_desk.operations import history
from mlops_desk.store.archive import Store
from mlops_desk.store.connection import store_path
from mlops_desk.workspace import Workspace
from tests.operations.small_workspace import FIRST_DAY, ROWS_A_DAY, rows, write_workspace

MORNING = datetime(2026, 3, 1, 8, tzinfo=UTC)


def superseded(folder: Path) -> set[datetime]:
    """The moments at which values that are still remembered were superseded."""
    with closing(sqlite3.connect(store_path(folder))) as connection:
        found = connection.execute("select distinct superseded_at from metric_value_history")
        return {datetime.fromisoformat(moment) for (moment,) in found}


def test_old_history_goes_with_a_changed_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_workspace(tmp_path)
    file = folder / "desk.toml"
    file.write_text(file.read_text().replace('name = "Small"', 'name = "Small"\nstore = { keep = "30d" }', 1))
    workspace = Workspace.open(folder)

    def evaluate(at: datetime, seed: int | None) -> set[datetime]:
        """Evaluates at a moment, with other rows of the first day where there is a seed."""
        monkeypatch.setattr(facade, "_now", lambda: at)
        if seed is not None:
            table, _ = rows(ROWS_A_DAY, FIRST_DAY, 1, seed, 0, 10_000)
            pq.write_table(table, folder / "logs" / "d00.parquet")
        assert workspace.evaluate().changed is (seed is not None)
        return superseded(folder)

    first, second, last = MORNING + timedelta(hours=1), MORNING + timedelta(days=29), MORNING + timedelta(days=32)
    assert evaluate(MORNING, 90) == set()
    assert evaluate(first, 91) == {first}
    assert evaluate(second, 92) == {first, second}
    assert evaluate(last, None) == {first, second}
    assert evaluate(last, 93) == {second, last}


def outcome(*, changed: bool) -> EvaluationOutcome:
    model = ModelOutcome(model="small", changed=changed, chunks_evaluated=0, rows_scanned=0, seconds=0.0)
    return EvaluationOutcome(models=(model,), seconds=0.0)


def test_history_is_looked_through_once_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Workspace.open(write_workspace(tmp_path)).desk
    looks: list[datetime] = []
    monkeypatch.setattr(Store, "prune", lambda _, now, keep_days: looks.append(now) or keep_days)
    night = MORNING.replace(hour=0)
    moments = [MORNING, MORNING + timedelta(hours=1), night + timedelta(days=1), night + timedelta(days=1, hours=23)]
    for moment in moments:
        with Store.open(tmp_path) as store, store.evaluation("small", "state", moment):
            pass
        history.prune(desk, outcome(changed=True), now=moment)
    assert looks == [moments[0], moments[2]]
    assert history.prune(desk, outcome(changed=True), now=moments[2]) == 400
    assert history.prune(desk, outcome(changed=False), now=moments[2]) == 0
