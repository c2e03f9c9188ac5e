"""Drift detectors over the errors of a log: what is found where, whatever lies in which file, and step by step as at once."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlops_desk.domain.errors import Cancelled
from mlops_desk.domain.progress import CancelToken, Progress
from mlops_desk.metrics.detectors import DETECTORS, Stream, advanced
from mlops_desk.monitoring import streaming
from mlops_desk.store.archive import Store
from tests.aggregates.logs import written
from tests.metrics.river_positions import RIVER_CAR_LOAN
from tests.monitoring.desks import BY_PERIOD, FIRST_DAY, REFERENCE_DAYS, run, write_desk
from tests.monitoring.stream_desks import (
    BY_PATH,
    COLUMNS,
    DAILY,
    IN_SEGMENTS,
    INSIDE_T,
    LABELS,
    LOGS,
    MONITOR,
    MONITOR_OF_NUMBERS,
    OF_NUMBERS,
    ROWS,
    assert_as_in_full,
    by_day,
    counts,
    day_of,
    detections,
    errors_at,
    expected,
    joined,
    regression_day,
    signals,
    write_days,
    write_one,
)


@pytest.mark.parametrize("labels", [False, True])
def test_what_is_found_is_what_the_rows_in_the_order_of_time_give(tmp_path: Path, labels: bool) -> None:
    days = range(REFERENCE_DAYS, 13)
    write_days(tmp_path, days, labels=labels)
    target = LABELS if labels else ""
    write_desk(tmp_path, LOGS, BY_PATH, target, COLUMNS + ("" if labels else 'target = "t"\n'), DAILY, IN_SEGMENTS)
    assert run(tmp_path).failure is None
    assert by_day(tmp_path, None) == expected(days)
    for shop in ("n", "s"):
        values, positions = by_day(tmp_path, f"shop={shop}")
        wanted, places = expected(days, shop)
        assert positions == places
        assert {key: wanted[key] for key in values} == values
    found = [one for one in detections(tmp_path) if one.key.group is None and one.key.segment is None]
    assert {one.key.metric for one in found} >= {"ddm", "eddm", "hddm_a", "hddm_w", "adwin"}
    assert not [one for one in counts(tmp_path) if one[2] == "shop=new"]  # the reference has none of it


@pytest.mark.parametrize(
    "chunks", [DAILY, "[models.chunks]\nsize = 200\n", "[models.chunks]\nnumber = 5\n"], ids=["day", "size", "number"]
)
def test_files_may_overlap_and_be_in_any_order(tmp_path: Path, chunks: str) -> None:
    """The same rows in a file for each day, in one file, and dealt out to three."""
    days = range(REFERENCE_DAYS, 13)
    whole = joined([day_of(day) for day in days])
    rng = np.random.default_rng(1)
    times = np.arange(len(whole), dtype=np.int64) * 60_000_000 + 1_709_251_200_000_000
    whole = whole.set_column(
        1, "ts", pa.array(times, pa.timestamp("us"))
    )  # no two rows at once: their order is certain
    found = []
    for name, parts in (
        ("days", np.array_split(np.arange(len(whole)), len(days))),
        ("one", [rng.permutation(len(whole))]),
        ("dealt", [rng.permutation(np.arange(part, len(whole), 3)) for part in range(3)]),
    ):
        folder = tmp_path / name
        write_days(folder, range(0))
        for number, rows in enumerate(parts):
            written(folder / "logs" / f"{number}.parquet", whole.take(pa.array(rows)))
        write_desk(folder, LOGS, BY_PATH, COLUMNS + INSIDE_T, chunks, IN_SEGMENTS)
        assert run(folder).failure is None
        found.append((counts(folder), signals(folder)))
    assert found[0] == found[1] == found[2]
    assert sum(one or 0 for one in found[0][0].values()) > 5


@pytest.mark.parametrize("seed", range(3))
def test_step_by_step_as_at_once(tmp_path: Path, seed: int) -> None:
    """Days arrive, are rewritten and go, labels come late and change."""
    rng = np.random.default_rng(seed)
    folder = tmp_path / "desk"
    chunks = DAILY if seed < 2 else "[models.chunks]\nsize = 150\n"
    write_desk(folder, LOGS, BY_PATH, LABELS, COLUMNS, chunks, IN_SEGMENTS)
    written(folder / "reference" / "all.parquet", joined([day_of(day) for day in range(REFERENCE_DAYS)]))
    known: list[int] = []
    (folder / "labels").mkdir(parents=True)
    written(folder / "labels" / "none.parquet", {"id": np.array([-1]), "t": np.array([0], dtype=np.int8)})
    for day in range(REFERENCE_DAYS, 14):
        columns = day_of(day)
        late = {"id": columns.pop("id"), "t": columns.pop("t")}
        written(folder / "logs" / f"{day:02}.parquet", {"id": late["id"], **columns})
        known.append(day)
        some = rng.random(ROWS) < rng.choice([0.0, 0.5, 1.0])
        written(
            folder / "labels" / f"{day:02}.parquet", {name: np.asarray(values)[some] for name, values in late.items()}
        )
        if rng.random() < 0.4:
            old = int(rng.choice(known))
            again = day_of(old)
            written(folder / "labels" / f"{old:02}.parquet", {"id": again["id"], "t": again["t"]})
        if rng.random() < 0.2 and len(known) > 3:
            gone = known.pop(int(rng.integers(len(known) - 1)))
            (folder / "logs" / f"{gone:02}.parquet").unlink()
        assert run(folder).failure is None
    assert_as_in_full(folder)
    assert detections(folder)


def streamed(folder: Path) -> list[str]:
    """What a run says of the errors that it reads."""
    told: list[str] = []

    def tell(one: Progress) -> None:
        if "streaming" in one.stage and one.stage not in told:
            told.append(one.stage)

    assert run(folder, progress=tell).failure is None
    return told


def test_a_new_day_costs_its_own_rows_and_a_late_label_those_after_it(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    write_days(folder, range(REFERENCE_DAYS, 10), labels=True)
    write_desk(folder, LOGS, BY_PATH, LABELS, COLUMNS, DAILY, MONITOR)
    assert streamed(folder)[-1] == "M: streaming errors: 720 rows"
    write_one(folder, 10, labels=True)
    assert streamed(folder) == ["M: streaming errors: 120 rows"]
    again = day_of(8)
    written(folder / "labels" / "08.parquet", {"id": again["id"][:50], "t": again["t"][:50]})
    assert streamed(folder)[-1] == "M: streaming errors: 360 rows"
    assert_as_in_full(folder)


def test_chunks_that_are_read_apart_give_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for name, rows in (("together", 1_000_000), ("apart", 1)):
        folder = tmp_path / name
        write_days(folder, range(0))
        written(folder / "logs" / "all.parquet", joined([day_of(day) for day in range(REFERENCE_DAYS, 13)]))
        write_desk(folder, LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, IN_SEGMENTS)
        monkeypatch.setattr(streaming, "ROWS_AT_ONCE", rows)
        assert run(folder).failure is None
        found.append((counts(folder), signals(folder)))
    assert found[0] == found[1]


def test_a_cancel_stores_nothing_and_the_next_run_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    write_days(folder, range(REFERENCE_DAYS, 12))
    write_desk(folder, LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, MONITOR)
    token = CancelToken()

    def tell(one: Progress) -> None:
        if "streaming errors: 360 rows" in one.stage:
            token.cancel()

    with pytest.raises(Cancelled):
        run(folder, progress=tell, cancel=token)
    with Store.open(folder) as store:
        assert store.last_evaluation("m") is None
    assert streamed(folder)[0] == "M: streaming errors: 120 rows"
    assert_as_in_full(folder)


@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_errors_of_a_regression_are_measured_by_those_of_the_reference(tmp_path: Path, scale: float) -> None:
    """So the unit of the target changes nothing."""
    write_desk(tmp_path, LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, MONITOR_OF_NUMBERS, task='task = "regression"\n')
    tables = [pa.table(dict(regression_day(day, scale))) for day in range(12)]
    written(tmp_path / "reference" / "all.parquet", pa.concat_tables(tables[:REFERENCE_DAYS]))
    for day in range(REFERENCE_DAYS, 12):
        written(tmp_path / "logs" / f"{day:02}.parquet", tables[day])
    assert run(tmp_path).failure is None
    drifts = {
        metric: [one.stream_row for one in detections(tmp_path) if one.key.metric == metric] for metric in OF_NUMBERS
    }
    change = (9 - REFERENCE_DAYS) * ROWS
    assert next(row for row in drifts["page_hinkley"] if row >= change) < change + 60
    assert next(row for row in drifts["adwin"] if row >= change) < change + 60
    assert [row for row in (*drifts["adwin"], *drifts["page_hinkley"]) if row < change] == []


def test_several_classes_err_where_prediction_and_label_differ(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, MONITOR, task='task = "multiclass"\n')
    names = np.array(["a", "b", "c"])

    def of_classes(day: int) -> pa.Table:
        columns = day_of(day)
        wrong = columns["y"] != columns["t"]
        y = np.random.default_rng(day).integers(0, 3, ROWS)
        return pa.table({**columns, "y": names[y], "t": names[(y + wrong) % 3]})

    written(
        tmp_path / "reference" / "all.parquet", pa.concat_tables([of_classes(day) for day in range(REFERENCE_DAYS)])
    )
    days = range(REFERENCE_DAYS, 12)
    for day in days:
        written(tmp_path / "logs" / f"{day:02}.parquet", of_classes(day))
    assert run(tmp_path).failure is None
    assert by_day(tmp_path, None) == expected(days)


def test_rows_of_one_moment_go_in_the_order_of_files_and_rows(tmp_path: Path) -> None:
    """The first file holds two days, so its rows are numbered one by one; the second is of one day as a whole."""
    quiet, loud = np.zeros(300), np.ones(60)
    first, second = FIRST_DAY + timedelta(days=REFERENCE_DAYS), FIRST_DAY + timedelta(days=REFERENCE_DAYS + 1)
    write_days(tmp_path, range(0))
    write_desk(tmp_path, LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, MONITOR)
    written(tmp_path / "logs" / "a.parquet", pa.concat_tables([errors_at(second, quiet), errors_at(first, quiet)]))
    written(tmp_path / "logs" / "b.parquet", errors_at(first, loud))
    assert run(tmp_path).failure is None
    own = advanced(Stream(), ["hddm_w"], np.concatenate([quiet, loud]).astype(np.int8), {})[1]["hddm_w"]
    found = [one for one in detections(tmp_path) if one.key.metric == "hddm_w" and one.key.group is None]
    assert [one.row for one in found] == list(own.drifts)
    assert 300 < own.drifts[0] < 330
    (tmp_path / "logs" / "b.parquet").rename(tmp_path / "logs" / "0.parquet")
    assert run(tmp_path).failure is None
    assert signals(tmp_path) != set(found)
    assert [one.row for one in detections(tmp_path) if one.key.metric == "adwin"] == [
        *advanced(Stream(), ["adwin"], np.concatenate([loud, quiet]).astype(np.int8), {})[1]["adwin"].drifts
    ]


def test_a_log_without_timestamps_goes_by_files_and_rows(tmp_path: Path) -> None:
    errors = np.concatenate([np.zeros(400), np.ones(100)])
    write_days(tmp_path, range(0))
    columns = '[models.columns]\nid = "id"\nprediction = "y"\ntarget = "t"\nignore = ["ts"]\n'
    write_desk(tmp_path, LOGS, BY_PATH, columns, "[models.chunks]\nsize = 250\n", MONITOR)
    for number, rows in enumerate(np.array_split(errors, 3)):
        written(tmp_path / "logs" / f"{number}.parquet", errors_at(FIRST_DAY - timedelta(days=number), rows))
    assert run(tmp_path).failure is None
    own = advanced(Stream(), ["hddm_w"], errors.astype(np.int8), {})[1]["hddm_w"]
    found = [one for one in detections(tmp_path) if one.key.metric == "hddm_w" and one.key.group is None]
    assert [(one.stream_row, one.row, one.at) for one in found] == [(row, row - 250, None) for row in own.drifts]
    assert found


def test_labels_of_classes_that_are_never_predicted_leave_no_positions(tmp_path: Path) -> None:
    write_days(tmp_path, range(REFERENCE_DAYS, 9))
    columns = day_of(9)
    strange = np.array(["yes", "no"])[np.asarray(columns["t"])]
    written(tmp_path / "labels" / "09.parquet", {"id": columns["id"], "t": strange})
    for day in range(9):
        written(tmp_path / "labels" / f"{day:02}.parquet", {"id": day_of(day)["id"], "t": day_of(day)["t"].astype(str)})
    written(tmp_path / "logs" / "09.parquet", columns)
    write_desk(tmp_path, LOGS, BY_PATH, LABELS, COLUMNS, DAILY, MONITOR)
    assert run(tmp_path).failure is None
    with Store.open(tmp_path) as store:
        last = [
            one for one in store.values("m") if one.key.metric in DETECTORS and one.chunk_key.startswith("2024-03-06")
        ]
    assert all("no label is a class of the predictions" in (one.measurement.reason or "") for one in last)
    assert last
    assert not [one for one in detections(tmp_path) if one.chunk_key.startswith("2024-03-06")]


def test_the_car_loan_sample_drifts_where_river_says(tmp_path: Path, shared: Path) -> None:
    """Its labels arrive late and its errors change at row 25,000 after the reference."""
    case = shared / "data" / "carloan_binary"
    (tmp_path / "desk.toml").write_text(
        f"""version = 1
[[models]]
id = "m"
name = "M"
task = "binary"
logs = {{ path = "{(case / "analysis.parquet").as_posix()}" }}
reference = {{ path = "{(case / "reference.parquet").as_posix()}" }}
labels = {{ path = "{(case / "targets.parquet").as_posix()}", key = "id", target = "repaid" }}
columns = {{ timestamp = "timestamp", id = "id", prediction = "y_pred", score = "y_pred_proba" }}
chunks = {{ every = "1mo" }}
{MONITOR}"""
    )
    assert run(tmp_path).failure is None
    drifts: dict[str, list[int]] = {metric: [] for metric in DETECTORS}
    for one in detections(tmp_path):
        if one.key.group is None:
            drifts[one.key.metric].append(one.stream_row)
    assert {metric: (len(rows), rows[:10]) for metric, rows in drifts.items()} == RIVER_CAR_LOAN


def test_a_reference_inside_the_log_is_not_read(tmp_path: Path) -> None:
    """Whether its rows lie in files of their own or in those of the log, even in the same file."""
    days = range(REFERENCE_DAYS, 12)
    write_days(tmp_path / "apart", days)
    write_desk(tmp_path / "apart", LOGS, BY_PATH, COLUMNS + INSIDE_T, DAILY, IN_SEGMENTS)
    within = tmp_path / "within"
    write_desk(within, LOGS, BY_PERIOD, COLUMNS + INSIDE_T, DAILY, IN_SEGMENTS)
    written(within / "logs" / "a.parquet", joined([day_of(day) for day in range(REFERENCE_DAYS + 2)]))
    written(within / "logs" / "b.parquet", joined([day_of(day) for day in range(REFERENCE_DAYS + 2, 12)]))
    for folder in (tmp_path / "apart", within):
        assert run(folder).failure is None
    assert counts(within) == counts(tmp_path / "apart")
    assert signals(within) == signals(tmp_path / "apart")
