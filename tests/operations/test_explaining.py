"""Explanations of alerts: who is blamed is who was changed, parts sum to the whole, and the SQL finds just the rows that the number is of."""

import csv
import datetime as dt
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_desk.config.desk_file import read_desk
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.explanation import Explanation
from mlops_desk.domain.threshold import Alert
from mlops_desk.operations.explaining import explained, rows_behind
from mlops_desk.store.archive import Store
from mlops_desk.workspace import Workspace

FIRST_DAY = dt.datetime(2026, 1, 11)
DAYS, ROWS = 9, 400
HEAD = """\
version = 1
[[models]]
id = "m"
name = "M"
task = "binary"
[models.logs]
path = "logs"
{filter}
[models.reference]
from = 2026-01-11
to = 2026-01-18
[models.labels]
path = "labels"
key = "id"
target = "truth"
[models.columns]
timestamp = "ts"
id = "id"
prediction = "pred"
score = "score"
protected = ["sex"]
segments = ["region"]
[models.chunks]
{chunks}
"""


def day_of(day: int) -> tuple[pa.Table, pa.Table]:
    """A day of the log and its labels: on the last two, every other prediction in the south is wrong, and x moves there."""
    rng = np.random.default_rng(day)
    score = rng.random(ROWS)
    pred = (score > 0.5).astype(int)
    region = rng.choice(["north", "south", "west"], ROWS)
    truth = np.where(rng.random(ROWS) < 0.9, pred, 1 - pred)
    bad = (region == "south") & (day >= 7)
    truth = np.where(bad & (np.arange(ROWS) % 2 == 0), 1 - pred, truth)
    ids = np.arange(ROWS) + 10_000 * day
    seconds = np.sort(rng.integers(0, 86400, ROWS))
    table = pa.table(
        {
            "id": ids.astype(np.float64),
            "ts": pa.array([FIRST_DAY + dt.timedelta(days=day, seconds=int(one)) for one in seconds], pa.timestamp("us")),
            "x": rng.normal(2.0 * bad, 1),
            "steady": rng.normal(size=ROWS),
            "region": pa.array(region, mask=np.arange(ROWS) == 15),
            "sex": rng.choice(["f", "m"], ROWS),
            "score": score,
            "pred": pred,
        }
    )  # fmt: skip
    keep = np.arange(ROWS) % 10 != 3
    doubled = np.concatenate([ids[keep], ids[keep][:4], ids[keep][4:8]])
    labels = np.concatenate([truth[keep], truth[keep][:4], 1 - truth[keep][4:8]])
    return table, pa.table({"id": doubled, "truth": labels})


def write(folder: Path, chunks: str = 'every = "1d"', filter: str = "", more: str = "") -> Path:
    for name in ("logs", "labels"):
        (folder / name).mkdir(parents=True)
    for day in range(DAYS):
        table, labels = day_of(day)
        pq.write_table(table, folder / "logs" / f"{day}.parquet")
        pq.write_table(labels, folder / "labels" / f"{day}.parquet")
    (folder / "desk.toml").write_text(HEAD.format(chunks=chunks, filter=filter) + more)
    Workspace.open(folder).evaluate()
    return folder


def alert_of(folder: Path, metric: str, family: str, column: str | None = None, segment: str | None = None) -> Alert:
    with Store.open(folder) as store:
        found = [
            one
            for one in store.alerts()
            if (one.key.metric, one.key.family, one.key.column, one.key.segment) == (metric, family, column, segment)
        ]
    assert len(found) == 1, f"one alert of {metric}"
    return found[0]


def why(folder: Path, *key: Any, **more: Any) -> tuple[Alert, Explanation]:
    alert = alert_of(folder, *key, **more)
    return alert, explained(read_desk(folder), alert.id)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("explained") / "desk")


def accuracy_of(found: Explanation) -> float:
    rows = duckdb.sql(found.sql).fetchall()
    assert all(len(row) == 3 for row in rows), "prediction, label and count: accuracy looks at no score"
    labelled = [row for row in rows if row[1] is not None]
    return accuracy_of_rows(labelled)


def accuracy_of_rows(rows: list[Any]) -> float:
    """Of labelled rows as the SQL groups them: prediction, label, rows."""
    return float(sum(row[2] for row in rows if row[0] == row[1]) / sum(row[2] for row in rows))


def test_a_worse_segment_is_blamed_and_parts_sum_to_the_change(folder: Path) -> None:
    alert, found = why(folder, "accuracy", "performance")
    attribution = found.attribution
    assert attribution is not None
    assert attribution.metric == "accuracy"
    change = attribution.chunk_value - attribution.reference_value
    assert attribution.chunk_value == pytest.approx(alert.value, abs=1e-12)
    columns = {one.column for one in attribution.shares}
    assert columns == {"region", "sex"}
    for column in columns:
        own = [one for one in attribution.shares if one.column == column]
        assert sum(one.total for one in own) == pytest.approx(change, abs=1e-12)
        assert sum(one.chunk_share for one in own) == pytest.approx(1.0)
    first = attribution.shares[0]
    assert (first.column, first.value) == ("region", "south")
    assert first.within < 0.9 * change
    assert {one.value for one in attribution.shares} == {"north", "south", "west", "(missing)", "f", "m"}


def test_weak_slices_are_those_that_were_made_weak(folder: Path) -> None:
    _, found = why(folder, "accuracy", "performance")
    assert found.weak[0].parts == ("region=south",)
    assert all("region=south" in one.parts for one in found.weak)
    table, labels = day_of(DAYS - 1)
    truth: dict[int, set[int]] = {}
    for key, label in zip(labels["id"].to_pylist(), labels["truth"].to_pylist(), strict=True):
        truth.setdefault(key, set()).add(label)
    rows = [
        (pred, next(iter(truth[int(key)])))
        for key, region, pred in zip(*(table[name].to_pylist() for name in ("id", "region", "pred")), strict=True)
        if region == "south" and len(truth.get(int(key), ())) == 1
    ]
    assert found.weak[0].rows == len(rows)
    assert found.weak[0].value == pytest.approx(sum(pred == label for pred, label in rows) / len(rows))


def test_the_column_that_moved_comes_first_and_its_bins_are_told(folder: Path) -> None:
    _, found = why(folder, "accuracy", "performance")
    assert found.performance == "accuracy"
    first, *others = found.columns
    assert first.column == "x"
    assert first.value is not None
    assert first.upper is not None
    assert first.value > first.upper
    assert first.correlation is not None
    assert first.correlation > 0.9
    assert all((one.correlation or 0.0) < 0.9 for one in others)
    moves = dict(found.moves)
    assert "of the rows in the reference" in moves["x"][0]


def test_values_beyond_the_reference_are_told_as_beyond_it(tmp_path: Path) -> None:
    folder = write(tmp_path / "desk", more='[[models.monitors]]\nmetrics = ["psi", "accuracy"]\n')
    for day in (7, 8):
        file = folder / "logs" / f"{day}.parquet"
        table = pq.read_table(file)
        far = pa.array(np.asarray(table["x"]) + 1000.0)
        pq.write_table(table.set_column(table.schema.get_field_index("x"), "x", far), file)
    Workspace.open(folder).evaluate()
    _, found = why(folder, "psi", "data_drift", "x")
    moved = next(text for text in dict(found.moves)["x"] if "100.0 % here" in text)
    assert " and above: " in moved, "no row lies in the last bin itself"


def test_an_alert_of_a_business_metric_is_explained(tmp_path: Path) -> None:
    right = '[[models.business]]\nid = "right"\nsql = "avg(case when pred = truth then 1 else 0 end)"\nhigher_is = "better"\n'
    alert, found = why(write(tmp_path / "desk", more=right), "right", "business")
    assert found.alert == alert
    assert "pred" in found.sql


def test_columns_that_only_tests_judge_are_ranked_by_their_alerts(tmp_path: Path) -> None:
    monitor = '[[models.monitors]]\nmetrics = ["kolmogorov_smirnov_p", "chi_squared_p", "accuracy"]\n'
    _, found = why(write(tmp_path / "desk", more=monitor), "kolmogorov_smirnov_p", "data_drift", "x")
    assert {one.column: one.drift.metric for one in found.columns} == {
        "x": "kolmogorov_smirnov_p", "steady": "kolmogorov_smirnov_p", "region": "chi_squared_p", "sex": "chi_squared_p",
    }  # fmt: skip
    first, *others = found.columns
    assert (first.column, first.verdict, first.alerts) == ("x", "alert", 2)
    assert all(one.verdict != "alert" for one in others)
    assert all(one.correlation is None for one in found.columns), "a p-value falls as drift grows"


def test_the_sql_finds_just_the_rows_of_the_number(folder: Path) -> None:
    alert, found = why(folder, "accuracy", "performance")
    assert accuracy_of(found) == pytest.approx(alert.value, abs=1e-12)
    shown = rows_behind(read_desk(folder), alert.id, 7)
    assert len(shown.rows) == 7
    pred, truth = shown.names.index("pred"), shown.names.index("truth")
    assert all(row[truth] is not None and row[pred] != row[truth] for row in shown.rows), "wrong predictions come first"


@pytest.mark.parametrize(
    ("chunks", "filter"),
    [("size = 300", ""), ("size = 150", "filter = \"sex = 'f'\""), ('every = "1d"', 'filter = "score > 0.2"')],
    ids=["by size", "by size, filtered", "by day, filtered"],
)
def test_the_sql_holds_for_every_way_of_cutting(tmp_path: Path, chunks: str, filter: str) -> None:
    folder = write(tmp_path / "desk", chunks, filter)
    alert, found = why(folder, "accuracy", "performance")
    assert found.attribution is not None
    assert found.attribution.chunk_value == pytest.approx(alert.value, abs=1e-12)
    assert accuracy_of(found) == pytest.approx(alert.value, abs=1e-12)


def test_by_weight_the_parts_sum_to_the_weighted_change(tmp_path: Path) -> None:
    """The accuracy that changed is weighted, so its split is, and the SQL tells weights."""
    folder = tmp_path / "desk"
    write(folder)
    for file in (folder / "logs").iterdir():
        table = pq.read_table(file)
        weights = np.where(np.array(table["pred"]) == 1, 0.5, 2.0) * (1 + np.arange(ROWS) % 3)
        pq.write_table(table.append_column("w", pa.array(weights)), file)
    settings = (folder / "desk.toml").read_text()
    monitor = '[[models.monitors]]\nmetrics = ["accuracy"]\n'
    (folder / "desk.toml").write_text(settings.replace("protected", 'weight = "w"\nprotected') + monitor)
    Workspace.open(folder).evaluate()
    alert, found = why(folder, "accuracy", "performance")
    rows = [row for row in duckdb.sql(found.sql).fetchall() if row[1] is not None]
    weighted = sum(row[3] for row in rows if row[0] == row[1]) / sum(row[3] for row in rows)
    assert weighted == pytest.approx(alert.value, abs=1e-12)
    assert abs(accuracy_of_rows(rows) - weighted) > 1e-4
    assert found.attribution is not None
    change = found.attribution.chunk_value - found.attribution.reference_value
    assert found.attribution.chunk_value == pytest.approx(alert.value, abs=1e-12)
    for column in ("region", "sex"):
        own = [one for one in found.attribution.shares if one.column == column]
        assert sum(one.total for one in own) == pytest.approx(change, abs=1e-12)
    assert {one.value for one in found.attribution.shares} == {"north", "south", "west", "(missing)", "f", "m"}


def test_an_alert_of_a_segment_is_explained_in_that_segment(tmp_path: Path) -> None:
    monitor = '[[models.monitors]]\nmetrics = ["accuracy"]\nsegments = ["region"]\nthreshold = { kind = "constant", lower = 0.7 }\n'
    folder = write(tmp_path / "desk", more=monitor)
    alert, found = why(folder, "accuracy", "performance", segment="region=south")
    assert found.attribution is None
    assert accuracy_of(found) == pytest.approx(alert.value, abs=1e-12)


def test_groups_of_a_fairness_alert_stand_side_by_side(tmp_path: Path) -> None:
    monitor = (
        '[[models.monitors]]\nmetrics = ["equalized_odds_difference"]\nthreshold = { kind = "constant", upper = 0.0 }\n'
    )
    folder = write(tmp_path / "desk", more=monitor)
    alert, found = why(folder, "equalized_odds_difference", "fairness", "sex")
    order = [(one.metric, one.value) for one in found.groups]
    assert order == sorted(order), "metric by metric, the lowest group first"
    assert sum(one.rows for one in found.groups if one.metric == "recall") == ROWS
    by_metric: dict[str, list[float]] = {}
    for one in found.groups:
        assert one.value is not None
        assert one.reference_value is not None
        by_metric.setdefault(one.metric, []).append(one.value)
    assert set(by_metric) == {"recall", "false_positive_rate"}
    assert max(max(some) - min(some) for some in by_metric.values()) == pytest.approx(alert.value, abs=1e-12)
    columns = duckdb.sql(found.sql).columns
    assert columns == ["sex", "pred", "truth", "rows"]


def test_what_is_gone_is_told(folder: Path) -> None:
    with pytest.raises(UserError, match="there is no alert 9999"):
        explained(read_desk(folder), 9999)


def test_rankings_are_those_of_nannyml(shared: Path, tmp_path: Path) -> None:
    """Both of NannyML's rankers on its own car loan data, with its own drift method and chunks."""
    case = shared / "data" / "carloan_binary"
    (tmp_path / "desk.toml").write_text(
        f'''version = 1
[[models]]
id = "m"
name = "M"
task = "binary"
logs = {{ path = "{case / "analysis.parquet"}" }}
reference = {{ path = "{case / "reference.parquet"}" }}
labels = {{ path = "{case / "targets.parquet"}", key = "id", target = "repaid" }}
columns = {{ timestamp = "timestamp", id = "id", prediction = "y_pred", score = "y_pred_proba", target = "repaid" }}
chunks = {{ size = 5000 }}
[[models.monitors]]
metrics = ["jensen_shannon"]
columns = ["car_value", "debt_to_income_ratio", "loan_length", "driver_tenure"]
convention = "nannyml"
[[models.monitors]]
metrics = ["chi_squared"]
convention = "nannyml"
[[models.monitors]]
metrics = ["roc_auc"]
family = "performance"
convention = "nannyml"
'''
    )
    Workspace.open(tmp_path).evaluate()
    _, found = why(tmp_path, "roc_auc", "performance")
    with (case / "expected" / "nannyml_rank_correlation.csv").open() as lines:
        for row in csv.DictReader(lines):
            one = next(one for one in found.columns if one.column == row["column_name"])
            assert one.correlation == pytest.approx(float(row["pearsonr_correlation"]), abs=1e-9)
            assert one.correlation_p == pytest.approx(float(row["pearsonr_pvalue"]), rel=1e-6)
    assert {one.column for one in found.columns[:4]} == {
        "car_value",
        "salary_range",
        "loan_length",
        "repaid_loan_on_prev_car",
    }


@pytest.mark.parametrize(
    ("label", "prediction"),
    [
        (pa.float64(), pa.int64()),
        (pa.bool_(), pa.int64()),
        (pa.bool_(), pa.bool_()),
        (pa.decimal128(21, 1), pa.int64()),
        (pa.int64(), pa.bool_()),
        (pa.string(), pa.int64()),
    ],
    ids=str,
)
@pytest.mark.parametrize("inside", [False, True])
def test_rows_shown_as_wrong_are_wrong_whatever_the_types(
    tmp_path: Path, label: pa.DataType, prediction: pa.DataType, inside: bool
) -> None:
    folder, wrong = tmp_path / "desk", 0
    for name in ("logs", "labels"):
        (folder / name).mkdir(parents=True)
    for day in range(DAYS):
        table, labels = day_of(day)
        pred = table["pred"]
        labels = pa.table({"id": table["id"].slice(0, 60), "truth": pa.chunked_array([pred.slice(0, 60)])})
        if day == DAYS - 1:
            flipped = pa.array([1 - one if place < 20 else one for place, one in enumerate(pred.to_pylist()[:60])])
            labels, wrong = labels.set_column(1, "truth", flipped), 20
        labels = labels.set_column(1, "truth", labels["truth"].cast(label))
        table = table.set_column(table.schema.get_field_index("pred"), "pred", pred.cast(prediction))
        if inside:
            table = table.append_column("truth", pa.nulls(len(table), pa.int64()))
        pq.write_table(table, folder / "logs" / f"{day}.parquet")
        pq.write_table(labels, folder / "labels" / f"{day}.parquet")
    monitor = '[[models.monitors]]\nmetrics = ["accuracy"]\nthreshold = { kind = "constant", lower = 0.9 }\n'
    (folder / "desk.toml").write_text(HEAD.format(chunks='every = "1d"', filter="") + monitor)
    Workspace.open(folder).evaluate()
    alert = alert_of(folder, "accuracy", "performance")
    assert alert.value == pytest.approx(1 - wrong / 60)
    assert len(rows_behind(read_desk(folder), alert.id, 100).rows) == wrong


def damaged(path: Path) -> None:
    """Flips bytes of the rows of a Parquet file and leaves its footer."""
    body = bytearray(path.read_bytes())
    body[10:6000] = bytes(byte ^ 0x5A for byte in body[10:6000])
    path.write_bytes(body)


def test_a_file_that_broke_since_is_told_in_one_line(tmp_path: Path) -> None:
    desk = write(tmp_path / "desk")
    alert = alert_of(desk, "accuracy", "performance")
    damaged(desk / "logs" / f"{DAYS - 1}.parquet")
    with pytest.raises(UserError, match="no file that can be read has rows of its chunk"):
        explained(read_desk(desk), alert.id)
    with pytest.raises(UserError, match="no file that can be read has rows of its chunk"):
        rows_behind(read_desk(desk), alert.id, 3)
    damaged(desk / "logs" / "3.parquet")
    found = Workspace.open(desk).check("m")
    assert found.failure is None
    told = {Path(note.place).name for note in found.notes if note.code == "file_quarantined"}
    assert told == {"3.parquet", f"{DAYS - 1}.parquet"}


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    desk = write(tmp_path / "desk")
    alert, before = why(desk, "accuracy", "performance")
    with sqlite3.connect(desk / ".desk" / "cache" / "partials.sqlite") as cache:
        cache.execute("update bodies set body = cast(substr(body, 1, 20) || x'00' as blob)")
    cache.close()
    assert explained(read_desk(desk), alert.id) == before


@pytest.mark.parametrize("timed", [False, True], ids=["in the order of files", "by time"])
@pytest.mark.parametrize("name", ["plain", "filename", "file_row_number", "row_in_split", "Row_In_Files", "chunk_rows"])
def test_chunks_of_rows_are_found_in_the_order_of_the_files(tmp_path: Path, name: str, timed: bool) -> None:
    folder, rows = tmp_path / "desk", 40
    stamp = pa.array([FIRST_DAY] * rows, pa.timestamp("us"))
    for place, part in enumerate(("reference/0", "reference/1", "logs/A b/1", "logs/a/1", "logs/a-b/1")):
        file = folder / f"{part}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        x = pa.nulls(rows, pa.float64()) if part == "logs/a-b/1" else pa.array(np.arange(rows) * 0.5 + place)
        pq.write_table(pa.table({"x": x, name: [part] * rows, "ts": stamp}), file, row_group_size=7)
    timestamp = '\ntimestamp = "ts"' if timed else ""
    (folder / "desk.toml").write_text(
        f"""version = 1
[[models]]
id = "m"
name = "M"
logs = {{ path = "logs" }}
reference = {{ path = "reference" }}
chunks = {{ size = {rows} }}
[models.columns]
numeric = ["x"]
ignore = ["{name}"]{timestamp}
[[models.monitors]]
metrics = ["missing_rate"]
columns = ["x"]
threshold = {{ kind = "constant", upper = 0.5 }}
"""
    )
    Workspace.open(folder).evaluate()
    alert, found = why(folder, "missing_rate", "data_quality", "x")
    shown = rows_behind(read_desk(folder), alert.id, 100)
    assert shown.names == ("x", name, "ts")
    assert {row[:2] for row in shown.rows} == {(None, "logs/a-b/1")}
    assert len(shown.rows) == rows
    assert duckdb.sql(found.sql).fetchall() == [(None, rows)]
