"""Whole evaluations of every task, over logs whose columns change: a run leaves what a full run would, and files may lie as they like."""

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlops_desk.aggregates.expecting import scan_expected
from tests.aggregates.logs import written
from tests.monitoring.desks import (
    BY_PERIOD,
    COLUMNS,
    DAILY,
    INSIDE,
    LOGS,
    REFERENCE_DAYS,
    assert_same,
    day_rows,
    kept,
    run,
    truth,
    write_day,
    write_desk,
)

PERIOD = "[models.reference]\nfrom = 2024-02-26\nto = 2024-03-01\n"
CELLS = '[[models.monitors]]\nfamily = "{}"\nexact_rows = 0\nmin_rows = 10\n'
FAMILIES = (
    "performance",
    "estimated_performance",
    "data_quality",
    "fairness",
    "estimated_fairness",
    "concept_drift",
    "label_drift",
    "prediction_drift",
    "adversarial",
    "system",
)
OF_CLASSES = ("estimated_fairness", "concept_drift")
"""Families of which a regression has no metric, so that nobody may ask for them."""
COMMON = 'timestamp = "ts"\nid = "id"\nprotected = ["sex"]\n'
TASKS = {
    "regression": 'prediction = "price"\ntarget = "paid"\n',
    "multiclass": 'prediction = "choice"\ntarget = "chosen"\nscore = { a = "pa", b = "pb", c = "pc" }\n',
    "classes as floats": 'prediction = "code"\ntarget = "coded"\n',
    "none": "",
}


def rows_of(task: str, day: int) -> dict[str, Any]:
    """A day of the log; the features x and s carry names that queries use themselves."""
    rng = np.random.default_rng((day, 3))
    rows = day_rows(day)
    for name in ("score", "y_pred", "version"):
        del rows[name]
    rows["s"] = rng.normal(size=40)
    if task == "regression":
        rows["price"] = np.round(rng.lognormal(3, 1, 40), 2)
        rows["paid"] = np.where(rng.random(40) < 0.2, np.nan, rows["price"] * rng.normal(1, 0.1, 40))
    elif task == "multiclass":
        scores = rng.dirichlet([2, 1, 1], 40)
        rows |= {f"p{name}": scores[:, place] for place, name in enumerate("abc")}
        rows["choice"] = ["abc"[one] for one in scores.argmax(axis=1)]
        rows["chosen"] = ["abc"[int(rng.choice(3, p=one))] for one in scores]
    elif task == "classes as floats":
        rows["code"] = rng.integers(0, 3, 40).astype(np.float64)
        rows["coded"] = np.where(rng.random(40) < 0.3, np.nan, rng.integers(0, 3, 40))
    return rows


def desk(folder: Path, task: str, families: tuple[str, ...] = FAMILIES) -> None:
    kind = {"classes as floats": "multiclass", "none": ""}.get(task, task)
    families = tuple(one for one in families if task != "regression" or one not in OF_CLASSES)
    monitors = [CELLS.format(family) for family in (families if kind else ("data_drift", "data_quality"))]
    columns = f"[models.columns]\n{COMMON}{TASKS[task]}"
    write_desk(folder, LOGS, PERIOD, columns, DAILY, *monitors, task=f'task = "{kind}"\n' if kind else "")


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_evaluated_step_by_step_as_at_once(tmp_path: Path, task: str) -> None:
    folder, copy = tmp_path / "desk", tmp_path / "copy"
    desk(folder, task)
    for day in range(6):
        written(folder / "logs" / f"{day:02}.parquet", rows_of(task, day))
    assert run(folder).failure is None
    for day in (6, 7):
        rows = rows_of(task, day)
        half = {name: pa.array(column)[:20] for name, column in rows.items()}
        rest = {name: pa.array(column)[20:] for name, column in rows.items()}
        written(folder / "logs" / f"{day:02}-a.parquet", half)
        rest.pop("coded", None)
        rest.pop("paid", None)
        written(folder / "logs" / f"{day:02}-b.parquet", {**rest, "new": ["n"] * 20})
        assert run(folder).failure is None
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    found = kept(folder)
    assert_same(found, kept(copy))
    rows = [row for row in found.values.values() if row["split"] == "analysis"]
    assert sum(row["value"] is not None for row in rows) > len(rows) / 4
    assert len({row["chunk"] for row in rows}) == 4
    classes = {row["class"] for row in rows if row["class"] is not None}
    assert classes == {"multiclass": {"a", "b", "c"}, "classes as floats": {"0", "1", "2"}}.get(task, set())


@pytest.mark.parametrize("task", ["binary", "regression", "multiclass"])
def test_what_only_the_reference_has_is_told_step_by_step_as_at_once(tmp_path: Path, task: str) -> None:
    """Group x and class c are of the reference, and so are enough labels: the days after it have few, or none."""
    folder, copy = tmp_path / "desk", tmp_path / "copy"
    monitors = [
        '[[models.monitors]]\nfamily = "performance"\nsegments = ["*", "region"]\n',
        *(
            f'[[models.monitors]]\nfamily = "{family}"\nmin_group_rows = 5\n'
            for family in ("fairness", "estimated_fairness")
            if task != "regression" or family not in OF_CLASSES
        ),
        '[[models.monitors]]\nfamily = "estimated_performance"\n',
    ]
    roles = TASKS.get(task, 'prediction = "y_pred"\nscore = "score"\ntarget = "repaid"\n')
    write_desk(folder, LOGS, PERIOD, f"[models.columns]\n{COMMON}{roles}", DAILY, *monitors, task=f'task = "{task}"\n')
    target = {"binary": "repaid", "regression": "paid", "multiclass": "chosen"}[task]
    for day in range(8):
        rng = np.random.default_rng((day, 9))
        rows = rows_of(task, day) if task in TASKS else {**day_rows(day), "repaid": truth(day)}
        rows["sex"] = rng.choice(["f", "m", "x"] if day < REFERENCE_DAYS else ["f", "m"], 40)
        if day >= REFERENCE_DAYS:
            labelled = {4: 12, 5: 40, 6: 3, 7: 0}[day]
            if task == "multiclass":
                rows["choice"] = ["a" if one == "c" else one for one in rows["choice"]]
                rows["chosen"] = ["a" if one == "c" else one for one in rows["chosen"]]
            kind = pa.string() if task == "multiclass" else pa.float64()
            rows[target] = pa.array([one if at < labelled else None for at, one in enumerate(rows[target])], kind)
        written(folder / "logs" / f"{day:02}.parquet", rows)
        if day >= REFERENCE_DAYS:
            assert run(folder).failure is None
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    found = kept(folder)
    assert_same(found, kept(copy))
    rows = [row for row in found.values.values() if row["split"] == "analysis" and row["segment"] is None]
    gone = [row for row in rows if row["group"] == "x"]
    assert {row["chunk"] for row in gone} == {0, 1, 2, 3}
    assert {row["reason"] for row in gone} == {"no rows of this group"}
    if task == "multiclass":
        told = [
            row["reason"]
            for row in rows
            if (row["family"], row["metric"], row["class"]) == ("performance", "recall", "c")
        ]
        few = "{} labelled rows, fewer than 30"
        assert told == [few.format(12), "no rows of this class", few.format(3), "no labelled rows"]


@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_values_do_not_depend_on_how_files_lie(tmp_path: Path, task: str) -> None:
    """One file, a file a day, partitions, files across days with several row groups: the same rows, the same values.

    How tight their bounds are is another matter: footers say less of a column than a query.
    """
    days = [pa.table(rows_of(task, day)) for day in range(7)]
    whole = pa.concat_tables(days, promote_options="permissive")
    shuffled = whole.take(np.random.default_rng(5).permutation(len(whole)))
    found = []
    for layout in ("days", "one", "partitions", "across"):
        folder = tmp_path / layout
        desk(folder, task, (*FAMILIES, "data_drift"))
        if layout == "days":
            for day, table in enumerate(days):
                written(folder / "logs" / f"{day}.parquet", table)
        elif layout == "one":
            written(folder / "logs" / "it's [all].parquet", whole)
        elif layout == "partitions":
            for day, table in enumerate(days):
                written(folder / "logs" / f"part={day % 2}" / f"{day}.parquet", table)
            text = (folder / "desk.toml").read_text()
            (folder / "desk.toml").write_text(text.replace(COMMON, COMMON + 'ignore = ["part"]\n'))
        else:
            for index in range(3):
                written(
                    folder / "logs" / f"{index}.parquet", shuffled[index * 100 : (index + 1) * 100], row_group_size=16
                )
        assert run(folder).failure is None
        found.append(kept(folder))
    for other in found[1:]:
        assert_same(other, found[0], bounds_within=math.inf)


def test_columns_that_widen_appear_and_go_are_one_column(tmp_path: Path) -> None:
    """A whole number becomes a fraction, a float becomes a double, a column appears, another goes."""
    folder, copy = tmp_path / "desk", tmp_path / "copy"
    desk(folder, "none")
    for day in range(8):
        rows = rows_of("none", day)
        rows["age"] = pa.array(rows["age"], pa.int16() if day < 5 else pa.float64() if day > 6 else pa.int64())
        rows["s"] = pa.array(rows["s"], pa.float32() if day % 2 else pa.float64())
        if day > 4:
            rows["appears"] = [float(one) for one in range(40)]
        if day > 5:
            del rows["region"]
        written(folder / "logs" / f"{day:02}.parquet", rows)
        if day > 4:
            assert run(folder).failure is None
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    found = kept(folder)
    assert_same(found, kept(copy))
    rows = list(found.values.values())
    missing = {
        row["chunk"]: row["value"]
        for row in rows
        if (row["metric"], row["column"], row["split"]) == ("missing_rate", "region", "analysis")
    }
    assert missing == {0: 0.0, 1: 0.0, 2: 1.0, 3: 1.0}
    beyond = [
        row["value"]
        for row in rows
        if (row["metric"], row["column"], row["split"]) == ("out_of_range_rate", "s", "reference")
    ]
    assert beyond == [0.0] * 4


def test_one_more_day_costs_one_day_of_expected_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A late label in the analysis costs none, one in the reference that changes the calibrators costs all."""
    looked: list[str] = []

    def spied(source: Any, plan: Any, probabilities: Any) -> Any:
        looked.extend(footer.path.name for footer in source.batch.footers)
        return scan_expected(source, plan, probabilities)

    monkeypatch.setattr("mlops_desk.aggregates.expecting.scan_expected", spied)
    columns = COMMON + TASKS["multiclass"].replace('target = "chosen"\n', "")
    labels = '[models.labels]\npath = "labels"\nkey = "id"\ntarget = "chosen"\n'
    monitor = CELLS.format("estimated_performance")
    write_desk(
        tmp_path, LOGS, PERIOD, f"[models.columns]\n{columns}", labels, DAILY, monitor, task='task = "multiclass"\n'
    )

    def write_labels(*days: int) -> None:
        rows = [rows_of("multiclass", day) for day in days]
        both = {name: np.concatenate([one[name] for one in rows]) for name in ("id", "chosen")}
        written(tmp_path / "labels" / f"{days[0]}.parquet", both)

    def add_days(*days: int) -> None:
        for day in days:
            rows = rows_of("multiclass", day)
            del rows["chosen"]
            written(tmp_path / "logs" / f"{day}.parquet", rows)

    add_days(0, 1, 2, 3, 4, 5)
    write_labels(0, 1, 2)
    for change, expected in (
        (lambda: None, {f"{day}.parquet" for day in range(6)}),
        (lambda: add_days(6), {"6.parquet"}),
        (lambda: write_labels(5), set()),
        (lambda: write_labels(3), {f"{day}.parquet" for day in range(7)}),
    ):
        change()
        looked.clear()
        assert run(tmp_path).failure is None
        assert set(looked) == expected
        assert len(looked) == len(expected)
    values = kept(tmp_path).values.values()
    estimated = [row for row in values if (row["split"], row["metric"], row["class"]) == ("analysis", "accuracy", None)]
    assert len(estimated) == 3
    assert all(row["value"] is not None for row in estimated)
    assert [row["reason"] for row in values if row["metric"] == "recall" and row["value"] is None] == []


@pytest.mark.parametrize("exact_rows", [0, 1000])
def test_fairness_is_estimated_before_labels_arrive_step_by_step_as_at_once(tmp_path: Path, exact_rows: int) -> None:
    folder, copy = tmp_path / "desk", tmp_path / "copy"
    monitors = [
        f'[[models.monitors]]\nfamily = "{family}"\nexact_rows = {exact_rows}\nmin_group_rows = 5\n'
        for family in ("fairness", "estimated_fairness")
    ]
    write_desk(folder, LOGS, BY_PERIOD, COLUMNS + INSIDE, DAILY, *monitors)
    for day in range(8):
        write_day(folder / "logs", day, inside=day < REFERENCE_DAYS)
        if day >= REFERENCE_DAYS:
            assert run(folder).failure is None
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
    assert run(copy, full=True).failure is None
    found = kept(folder)
    assert_same(found, kept(copy))
    told = {
        (row["family"], row["chunk"], row["metric"], row["column"], row["group"]): row
        for row in found.values.values()
        if row["split"] == "analysis"
    }
    compared = 0
    for (family, *rest), row in told.items():
        if family == "estimated_fairness":
            realised = told["fairness", *rest]
            if row["metric"].startswith(("demographic", "prediction_rate")):  # these need no label
                assert row["value"] == pytest.approx(realised["value"], abs=1e-12), rest
                compared += 1
            elif row["group"] is None and row["metric"].endswith("_difference"):
                assert realised["value"] is None
                assert row["value"] is not None
                assert row["upper"] == 0.1
    assert compared > 20


@pytest.mark.parametrize(
    ("roles", "reason"),
    [
        ('score = { a = "pa", b = "pb", c = "pc" }', "no prediction is logged"),
        ('prediction = "choice"\nscore = { a = "pa", b = "pb" }', "no score of each class is logged"),
        ('prediction = "choice"\nscore = { a = "pa", b = "pb", c = "x" }', "reference, class 'c': "),
    ],
)
def test_estimates_of_classes_that_cannot_be_made_say_why(tmp_path: Path, roles: str, reason: str) -> None:
    columns = f'[models.columns]\n{COMMON}target = "chosen"\n{roles}\n'
    monitors = [CELLS.format(family) for family in ("estimated_performance", "estimated_fairness", "concept_drift")]
    write_desk(tmp_path, LOGS, PERIOD, columns, DAILY, *monitors, task='task = "multiclass"\n')
    for day in range(6):
        written(tmp_path / "logs" / f"{day:02}.parquet", rows_of("multiclass", day))
    assert run(tmp_path).failure is None
    rows = list(kept(tmp_path).values.values())
    assert {row["family"] for row in rows} == {"estimated_performance", "estimated_fairness", "concept_drift"}
    assert all(row["value"] is None and str(row["reason"]).startswith(reason) for row in rows)
