"""Timestamps that are text: ISO 8601 is read as it is, anything else only when desk.toml says how."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_desk.config.desk_file import read_desk
from mlops_desk.domain.slicing import Split
from mlops_desk.monitoring.evaluation import evaluate
from mlops_desk.store.archive import Store

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DESK = """version = 1
name = "Text"
[[models]]
id = "m"
name = "M"
logs = { path = "log.parquet" }
reference = { from = 2026-01-01, to = 2026-01-04 }
chunks = { every = "1d" }
[models.columns]
timestamp = "at"
"""


def workspace(folder, pattern, more=""):
    times = [datetime(2026, 1, 1) + timedelta(hours=hour / 4) for hour in range(6 * 96)]
    columns = {"at": [time.strftime(pattern) for time in times], "x": [float(index % 7) for index in range(len(times))]}
    pq.write_table(pa.table(columns), folder / "log.parquet")
    (folder / "desk.toml").write_text(DESK + more, encoding="utf-8")
    return read_desk(folder)


@pytest.mark.parametrize(
    ("pattern", "more"),
    [("%Y-%m-%dT%H:%M:%S", ""), ("%Y-%m-%d %H:%M", ""), ("%d/%m/%Y %H:%M", 'timestamp_format = "%d/%m/%Y %H:%M"\n')],
)
def test_text_that_can_be_read_is_cut_into_days(tmp_path, pattern, more):
    outcome = evaluate(workspace(tmp_path, pattern, more), now=NOW)
    assert [model.failure for model in outcome.models] == [None]
    with Store.open(tmp_path, read_only=True) as store:
        days = [(chunk.start, chunk.rows) for chunk in store.chunks("m", Split.ANALYSIS)]
        newest = store.last_evaluation("m").log.newest_row
    assert days == [(datetime(2026, 1, day, tzinfo=UTC), 96) for day in (4, 5, 6)]
    assert newest == datetime(2026, 1, 6, 23, 45, tzinfo=UTC)


@pytest.mark.parametrize(
    ("more", "told"), [("", "neither ISO 8601"), ('timestamp_format = "%d.%m.%Y"\n', "do not fit '%d.%m.%Y'")]
)
def test_text_that_can_be_mistaken_asks_for_its_format(tmp_path, more, told):
    failure = evaluate(workspace(tmp_path, "%d/%m/%Y", more), now=NOW).models[0].failure
    assert told in failure
    assert "'01/01/2026'" in failure
    assert "timestamp_format" in failure
