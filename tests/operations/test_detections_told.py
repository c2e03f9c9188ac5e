"""Where a drift detector signalled, as a person is told: by `explain`, in reports, on the tile and in the list of alerts."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_desk.metrics.detectors import WARNING
from mlops_desk.resources import resource
from mlops_desk.store.archive import Store
from mlops_desk.store.connection import store_path
from tests.cli.conftest import CommandLine
from tests.monitoring.desks import REFERENCE_DAYS, run, write_desk
from tests.monitoring.stream_desks import BY_PATH, COLUMNS, DAILY, INSIDE_T, LOGS, day_of, write_days

CHANGE = 9
"""The day from which on half of the predictions are wrong: the last of the log."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("told") / "desk"
    write_days(found, range(REFERENCE_DAYS, CHANGE + 1))
    monitor = '[[models.monitors]]\nmetrics = ["hddm_w", "adwin"]\n'
    write_desk(found, LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, monitor)
    assert run(found).failure is None
    return found


@pytest.fixture
def mlops_desk(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)


def alert_id(folder: Path, metric: str) -> str:
    with Store.open(folder) as store:
        return next(str(one.id) for one in store.alerts() if one.key.metric == metric and one.key.group is None)


def test_explain_tells_the_rows(folder: Path, mlops_desk: CommandLine) -> None:
    with Store.open(folder) as store:
        found = [one for one in store.detections("m") if one.key.metric == "hddm_w"]
        drift = next(one for one in found if one.key.group is None)
    assert mlops_desk("explain", str(folder), "--alert", alert_id(folder, "hddm_w")) == 0
    assert "alert: HDDM, weighted averages of m" in mlops_desk.out
    lines = [re.split(r"\s{2,}", line.strip()) for line in mlops_desk.out.splitlines()]
    assert ["what", "row of the chunk", "row of all", "time"] in lines
    assert drift.at is not None
    assert ["drift", str(drift.row), str(drift.stream_row), f"{drift.at:%-d %b %Y %H:%M}"] in lines
    assert drift.stream_row - drift.row == 120 * (CHANGE - REFERENCE_DAYS)
    assert any(line[0] == "warning zone entered" for line in lines)
    assert mlops_desk("explain", str(folder), "--alert", alert_id(folder, "hddm_w"), "--json") == 0
    told = json.loads(mlops_desk.out)["detections"]
    assert [(one["what"] == "drift", one["row"], one["stream_row"], one["at"]) for one in told] == [
        (one.key.group is None, one.row, one.stream_row, one.at and one.at.isoformat())
        for one in found
        if one.chunk_key == drift.chunk_key
    ]


def test_the_rows_behind_it_are_the_wrong_ones(folder: Path, mlops_desk: CommandLine) -> None:
    assert mlops_desk("explain", str(folder), "--alert", alert_id(folder, "adwin"), "--rows", "500", "--json") == 0
    rows = json.loads(mlops_desk.out)
    day = day_of(CHANGE)
    wrong = np.asarray(day["id"])[np.asarray(day["y"]) != np.asarray(day["t"])]
    assert sorted(int(one["id"]) for one in rows) == sorted(wrong.tolist())


def test_alerts_and_tile_speak_in_words(folder: Path, mlops_desk: CommandLine) -> None:
    assert mlops_desk("alerts", str(folder)) == 0
    assert "HDDM, weighted averages" in mlops_desk.out
    assert "of warning" not in mlops_desk.out
    assert mlops_desk("report", str(folder), "-o", str(folder / "report.json")) == 0
    tiles = json.loads((folder / "report.json").read_text())["models"][0]["overview"]["tiles"]
    own = next(one for one in tiles if one["key"]["family"] == "concept_drift")
    assert (own["title"], own["value_text"], own["change_text"]) == ("HDDM, weighted averages", "1", "▲ 1")


def test_reports_list_the_latest_rows(folder: Path, mlops_desk: CommandLine) -> None:
    with Store.open(folder) as store:
        stored = store.detections("m")
    assert mlops_desk("report", str(folder), "-o", str(folder / "report.json")) == 0
    content = json.loads((folder / "report.json").read_text())
    jsonschema.validate(content, json.loads(resource("schema", "report.json").read_text(encoding="utf-8")))
    told = content["models"][0]["detections"]
    drifts = [(one["key"]["metric"], one["row"], one["stream_row"]) for one in told if one["key"]["group"] is None]
    assert drifts == [(one.key.metric, one.row, one.stream_row) for one in stored if one.key.group is None]
    zones = [one["stream_row"] for one in told if one["key"]["group"] == WARNING]
    assert zones == [one.stream_row for one in stored if one.key.group == WARNING][-5:]
    assert mlops_desk("report", str(folder), "-o", str(folder / "report.html")) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Where detectors signalled" in page
    assert "HDDM, weighted averages, warning zones" in page
    for metric, row, stream_row in drifts:
        name = {"adwin": "ADWIN", "hddm_w": "HDDM, weighted averages"}[metric]
        assert re.search(
            rf"<bdi>{name}</bdi></th><td><bdi>drift</bdi></td>.*<bdi>{row}</bdi></td>.*<bdi>{stream_row}</bdi></td>",
            page,
        )


def test_positions_of_chunks_that_are_gone_or_seen_anew_go(tmp_path: Path) -> None:
    write_days(tmp_path, range(REFERENCE_DAYS, CHANGE + 1))
    write_desk(tmp_path, LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, '[[models.monitors]]\nmetrics = ["hddm_w"]\n')
    assert run(tmp_path).failure is None
    with Store.open(tmp_path) as store:
        days = {one.chunk_key for one in store.detections("m")}
        assert any(key.startswith("2024-03-06") for key in days)
    right = pa.table(day_of(CHANGE))
    file = tmp_path / "logs" / f"{CHANGE:02}.parquet"
    pq.write_table(right.set_column(5, "t", right["y"]), file)
    assert run(tmp_path).failure is None
    with Store.open(tmp_path) as store:
        assert not [one for one in store.detections("m") if one.chunk_key.startswith("2024-03-06")]
    pq.write_table(right, file)
    assert run(tmp_path).failure is None
    with Store.open(tmp_path) as store:
        assert {one.chunk_key for one in store.detections("m")} == days
    file.unlink()
    assert run(tmp_path).failure is None
    with closing(sqlite3.connect(store_path(tmp_path))) as opened:
        orphans = "select count(*) from detection d join chunk c on c.id = d.chunk where c.idx is null"
        assert opened.execute(orphans).fetchone() == (0,)
