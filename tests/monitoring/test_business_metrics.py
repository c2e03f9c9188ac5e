"""Business SQL in whole evaluations, against plain Python over the rows, with labels that arrive late."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from mlops_desk.domain.metric import Direction
from mlops_desk.domain.model import BusinessMetric
from mlops_desk.metrics.business import business_definition
from tests.aggregates.logs import written
from tests.monitoring.desks import BY_PATH, BY_PERIOD, DAILY, LABELS, LOGS, assert_same, kept, run, truth, write_desk
from tests.monitoring.signal_desks import COLUMNS, DAYS, in_steps, rows_of, value_of, write_rows

PROFIT = "sum(case when y_pred = 1 and repaid = 1 then 300 when y_pred = 1 then -2000 else 0 end)"
METRICS = {
    "profit": PROFIT,
    "hit_share": "sum(case when y_pred = repaid then 1 else 0 end) / count(repaid)",
    "typical_age": "median(age)",
    "clients": "count(distinct client)",
    "odd_x": "sum(x)",
    "nothing": "sum(age) filter (where age < 0)",
}
ENTRY = '[[models.business]]\nid = "{}"\nsql = "{}"\n'


def entries(**more: str) -> str:
    return "".join(ENTRY.format(name, sql) for name, sql in {**METRICS, **more}.items())


def expected(day: int) -> dict[str, float]:
    rows = rows_of(day)
    pairs = list(zip(rows["y_pred"], rows["repaid"], strict=True))
    return {
        "profit": sum(300 if t == 1 else -2000 for y, t in pairs if y == 1),
        "hit_share": sum(y is not None and y == t for y, t in pairs) / len(pairs),
        "typical_age": float(np.median(rows["age"].astype(float))),
        "clients": len({one for one in rows["client"] if one is not None}),
    }


@pytest.mark.parametrize("chunks", [DAILY, "[models.chunks]\nsize = 100\n", '[models.chunks]\nevery = "3d"\n'])
def test_they_are_those_of_the_rows_step_by_step_and_however_files_lie(tmp_path: Path, chunks: str) -> None:
    by_day = chunks == DAILY
    found = in_steps(
        tmp_path / "desk",
        entries(),
        '[[models.monitors]]\nmetrics = ["rows"]\n',
        columns=COLUMNS + 'target = "repaid"\n',
        chunks=chunks,
    )
    for day in range(DAYS if by_day else 0):
        for name, value in expected(day).items():
            row = value_of(found, name, day)
            assert row["value"] == pytest.approx(value, rel=1e-12), (name, day)
            assert row["family"] == "business"
    reasons = {row["metric"]: row["reason"] for row in found.values.values() if row["family"] == "business"}
    assert "NULL" in reasons["nothing"]
    assert "no finite number" in reasons["odd_x"]


def test_a_segment_is_asked_by_itself(tmp_path: Path) -> None:
    monitor = '[[models.monitors]]\nfamily = "business"\nsegments = ["*", "client"]\n'
    found = in_steps(tmp_path / "desk", entries(), monitor, columns=COLUMNS + 'target = "repaid"\n')
    rows = rows_of(5)
    for client in ("ann", "bob"):
        own = rows["client"] == client
        assert value_of(found, "typical_age", 5, segment=f"client={client}")["value"] == np.median(
            rows["age"][own].astype(float)
        )
        profit = sum(
            300 if t == 1 else -2000 for y, t in zip(rows["y_pred"][own], rows["repaid"][own], strict=True) if y == 1
        )
        assert value_of(found, "profit", 5, segment=f"client={client}")["value"] == profit


@pytest.mark.parametrize("as_text", [False, True])
def test_labels_that_arrive_stand_under_the_targets_name(tmp_path: Path, as_text: bool) -> None:
    sql = PROFIT.replace("repaid = 1", "repaid = '1'") if as_text else PROFIT
    labels = [
        ENTRY.format("profit", sql),
        ENTRY.format("labelled", "count(repaid)"),
        ENTRY.format("least", "min(repaid::int)"),
    ]
    folder = tmp_path / "desk"
    write_desk(folder, LOGS, BY_PERIOD, LABELS, COLUMNS, DAILY, *labels)

    def label(days: range) -> None:
        values = np.concatenate([truth(day, 0, 120) for day in days])
        ids = np.concatenate([np.arange(120) + 1000 * day for day in days])
        written(folder / "labels" / f"{days}.parquet", {"id": ids, "repaid": values.astype(str) if as_text else values})

    for day in range(DAYS):
        rows = rows_of(day)
        del rows["repaid"]
        write_rows(folder / "logs" / f"{day:02}.parquet", rows)
    label(range(4))
    assert run(folder).failure is None
    assert value_of(kept(folder), "labelled", 5)["value"] == 0
    assert value_of(kept(folder), "least", 5)["reason"] is not None
    label(range(4, 6))
    assert run(folder).failure is None
    found = kept(folder)
    for day in range(6):
        assert value_of(found, "profit", day)["value"] == expected(day)["profit"]
        assert value_of(found, "labelled", day)["value"] == 120
    assert value_of(found, "profit", 6)["value"] == -2000 * sum(value == 1 for value in rows_of(6)["y_pred"])
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    assert_same(found, kept(copy))


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("sum(age) // (count(*) - count(*))", "Division by zero"),
        ("max(age) // (count(*) - count(*))", "Division by zero"),
        ("sum(kind::int)", "Could not convert"),
        ("sum(nothing)", "nothing"),
        ("first(age)", "first is not allowed"),
    ],
)
def test_sql_without_an_answer_is_named(tmp_path: Path, sql: str, why: str) -> None:
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY, ENTRY.format("bad", sql))
    for day in range(DAYS):
        write_rows(tmp_path / "logs" / f"{day:02}.parquet", rows_of(day))
    failure = run(tmp_path).failure
    assert failure is not None
    assert re.search(r"desk\.toml:\d+: models\.m\.business\.bad: ", failure)
    assert why in failure


def test_limits_come_from_the_reference_chunks_and_the_direction_from_desk_toml(tmp_path: Path) -> None:
    period = "[models.reference]\nfrom = 2024-02-26\nto = 2024-03-02\n"
    write_desk(tmp_path, LOGS, period, COLUMNS, DAILY, ENTRY.format("ages", "sum(age)"))
    for day in range(DAYS):
        write_rows(tmp_path / "logs" / f"{day:02}.parquet", rows_of(day))
    assert run(tmp_path).failure is None
    row = value_of(kept(tmp_path), "ages", 5)
    sums = np.array([rows_of(day)["age"].astype(float).sum() for day in range(5)])
    assert row["upper"] == pytest.approx(sums.mean() + 3 * sums.std())
    assert row["warn_lower"] == pytest.approx(sums.mean() - 2 * sums.std())
    open_day = value_of(kept(tmp_path), "ages", 6)
    assert open_day["lower"] is None, "the rest of the day may still come"
    assert (
        business_definition(BusinessMetric(id="cost", sql="", higher_is=Direction.LOWER)).direction is Direction.LOWER
    )


def test_a_monitor_may_name_them_and_a_wrong_name_is_refused(tmp_path: Path) -> None:
    monitor = '[[models.monitors]]\nmetrics = ["{}"]\nthreshold = {{ kind = "constant", upper = 10 }}\n'
    for day in range(DAYS):
        write_rows(tmp_path / "logs" / f"{day:02}.parquet", rows_of(day))
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY, ENTRY.format("ages", "sum(age)"), monitor.format("ages"))
    assert run(tmp_path).failure is None
    assert value_of(kept(tmp_path), "ages", 5)["verdict"] == "alert"
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY, ENTRY.format("ages", "sum(age)"), monitor.format("agess"))
    with pytest.raises(Exception, match="there is no metric 'agess'"):
        raise AssertionError(run(tmp_path).failure)


CLASHING = ("p", "s", "t", "n", "v", "m", "h", "o", "x", "log", "label", "part", "a0", "t0", "side")
"""Names that queries use themselves."""


def test_columns_may_be_named_as_queries_name_theirs(tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    asked = '[[models.monitors]]\nfamily = "adversarial"\nsegments = ["*", "kind"]\n'
    sums = "".join(ENTRY.format(f"sum_{name}", f"sum({name}) / count(*)") for name in CLASHING)
    most = "".join(ENTRY.format(f"most_{name}", f"max({name})") for name in CLASHING)
    write_desk(folder, LOGS, BY_PERIOD, COLUMNS, DAILY, asked, sums, most)
    for day in range(DAYS):
        rows = rows_of(day)
        del rows["x"]
        rows |= {name: np.arange(120, dtype=object) + place for place, name in enumerate(CLASHING)}
        write_rows(folder / "logs" / f"{day:02}.parquet", rows)
    assert run(folder).failure is None
    found = kept(folder)
    for place, name in enumerate(CLASHING):
        assert value_of(found, f"sum_{name}", 5)["value"] == pytest.approx(59.5 + place)
        assert value_of(found, f"most_{name}", 5)["value"] == 119 + place
    assert value_of(found, "outlier_rate", 5)["value"] == 0
    assert value_of(found, "query_similarity", 5)["value"] is not None


@pytest.mark.parametrize("chunks", ["[models.chunks]\nsize = 100\n", DAILY])
def test_a_reference_of_its_own_files(tmp_path: Path, chunks: str) -> None:
    write_desk(tmp_path, LOGS, BY_PATH, COLUMNS, chunks, entries().replace("repaid", "y_pred"))
    for day in range(DAYS):
        write_rows(tmp_path / ("reference" if day < 4 else "logs") / f"{day:02}.parquet", rows_of(day))
    assert run(tmp_path).failure is None
    found = kept(tmp_path)
    values = [row["value"] for row in found.values.values() if row["metric"] == "typical_age"]
    assert len(values) == len(found.chunks)
    ages = np.concatenate([rows_of(day)["age"].astype(float) for day in range(4)])
    first = next(row for row in found.values.values() if row["metric"] == "typical_age" and row["split"] == "reference")
    assert first["value"] == np.median(ages[: 100 if chunks != DAILY else 120])
