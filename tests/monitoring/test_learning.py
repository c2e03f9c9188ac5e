"""Metrics that read every row again: equal to a full run whatever arrives, independent of how files lie, and silent unless asked."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlops_desk.domain.errors import Cancelled
from mlops_desk.domain.progress import CancelToken, Progress
from tests.aggregates.logs import written
from tests.monitoring.desks import (
    BY_PERIOD,
    COLUMNS,
    DAILY,
    LABELS,
    LOGS,
    assert_same,
    day_rows,
    kept,
    run,
    write_day,
    write_desk,
    write_labels,
)

PCA = '[[models.monitors]]\nmetrics = ["pca_reconstruction"]\nmin_rows = 10\nsegments = ["*", "sex"]\n'
DOMAIN = '[[models.monitors]]\nmetrics = ["domain_classifier_auc"]\nmin_rows = 10\n'
MMD = '[[models.monitors]]\nmetrics = ["mmd", "mmd_p"]\ncolumns = ["x", "age"]\nmin_rows = 10\n'
FEATURES = ("x", "age", "kind", "region", "sex")


def values_of(folder: Path, metric: str, split: str = "analysis", segment: str | None = None) -> list[float | None]:
    rows = [
        row
        for row in kept(folder).values.values()
        if (row["metric"], row["split"], row["segment"]) == (metric, split, segment)
    ]
    return [row["value"] for row in sorted(rows, key=lambda row: row["chunk"])]


def by_pca(reference: pa.Table, chunk: pa.Table) -> np.ndarray:
    """The errors of a chunk's rows by scikit-learn, columns encoded one value at a time."""
    from sklearn import decomposition
    from sklearn.preprocessing import StandardScaler

    def encoded(table: pa.Table) -> np.ndarray:
        columns = []
        for name in ("x", "age"):
            known = np.array(reference[name].to_pylist(), dtype=float)
            own = np.array(table[name].to_pylist(), dtype=float)
            columns.append(np.where(np.isfinite(own), own, known[np.isfinite(known)].mean()))
        for name in ("kind", "region", "sex"):
            known = reference[name].to_pylist()
            columns.append(np.array([known.count(one) / len(known) for one in table[name].to_pylist()]))
        return np.stack(columns, axis=1)

    scaler = StandardScaler().fit(encoded(reference))
    projection = decomposition.PCA(0.65).fit(scaler.transform(encoded(reference)))
    z = scaler.transform(encoded(chunk))
    return np.linalg.norm(z - projection.inverse_transform(projection.transform(z)), axis=1)


def odd_day(day: int) -> dict[str, Any]:
    """A day with missing, infinite and unseen values; a column goes, another one comes."""
    rows = day_rows(day)
    rows["x"] = pa.array(np.where(np.arange(40) % 9 == 0, np.inf, np.asarray(rows["x"], dtype=float)))
    rows["region"] = pa.array([None if one % 7 == 0 else "n" for one in range(40)], pa.string())
    if day == 6:
        rows["new"] = np.arange(40.0)
    return rows


def test_reconstruction_equals_scikit_learns(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY, PCA)
    days = [odd_day(day) for day in range(8)]
    for day, rows in enumerate(days):
        written(tmp_path / "logs" / f"{day}.parquet", rows)
    assert run(tmp_path).failure is None
    tables = [pa.table(rows).select(FEATURES) for rows in days]
    reference = pa.concat_tables(tables[:4])
    for split, some in (("reference", tables[:4]), ("analysis", tables[4:])):
        expected = [by_pca(reference, table).mean() for table in some]
        assert values_of(tmp_path, "pca_reconstruction", split) == pytest.approx(expected, rel=1e-9)
    women = [by_pca(reference, table)[pc.equal(table["sex"], "f").to_numpy()].mean() for table in tables[4:]]
    assert values_of(tmp_path, "pca_reconstruction", segment="sex=f") == pytest.approx(women, rel=1e-9)


def test_reconstruction_equals_nannyml_on_the_golden_set(tmp_path: Path, shared: Path) -> None:
    golden = shared / "data" / "golden_small"
    expected = json.loads((golden / "golden_nannyml.json").read_text(encoding="utf-8"))["pca_reconstruction"]
    for name in ("reference", "analysis"):
        shutil.copy(golden / f"{name}.parquet", tmp_path)
    columns = '[models.columns]\nignore = ["ts", "proba", "pred", "y", "price", "price_pred"]\n'
    logs = '[models.logs]\npath = "analysis.parquet"\n[models.reference]\npath = "reference.parquet"\n'
    write_desk(tmp_path, logs, columns, "[models.chunks]\nsize = 1000\n", PCA.replace(', "sex"', ""), task="")
    assert run(tmp_path).failure is None
    found = [row for row in kept(tmp_path).values.values() if row["split"] == "analysis"]
    found.sort(key=lambda row: row["chunk"])
    for ours, theirs in (("value", "value"), ("upper", "upper_threshold"), ("lower", "lower_threshold")):
        name = f"reconstruction_error|{theirs}"
        assert [row[ours] for row in found] == pytest.approx(expected[name], rel=1e-6)
    assert [row["verdict"] for row in found] == ["alert"] * 4
    errors = [row["sampling_error"] for row in found]
    assert errors == pytest.approx(expected["reconstruction_error|sampling_error"], rel=1e-6)


RULES = {"days": DAILY, "sizes": "[models.chunks]\nsize = 70\n"}


@pytest.mark.parametrize("rule", RULES)
def test_a_run_leaves_what_a_full_run_would(tmp_path: Path, rule: str) -> None:
    folder, copy = tmp_path / "desk", tmp_path / "copy"
    write_desk(folder, LOGS, BY_PERIOD, COLUMNS, RULES[rule], PCA, MMD, *([DOMAIN] if rule == "days" else []))
    for day in range(6):
        written(folder / "logs" / f"{day:02}.parquet", odd_day(day))
    assert run(folder).failure is None
    for happens in ("comes", "changes", "reference changes", "goes"):
        if happens == "comes":
            written(folder / "logs" / "06.parquet", odd_day(6))
        elif happens == "changes":
            write_day(folder / "logs", 5, seed=1)
        elif happens == "reference changes":
            write_day(folder / "logs", 1, seed=1)
        else:
            (folder / "logs" / "05.parquet").unlink()
        assert run(folder).failure is None
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".desk"))
        assert run(copy, full=True).failure is None
        assert_same(kept(folder), kept(copy))
    assert None not in values_of(folder, "pca_reconstruction")


def test_values_do_not_depend_on_how_files_lie(tmp_path: Path) -> None:
    days = [pa.table(odd_day(day)) for day in range(6)]
    whole = pa.concat_tables(days, promote_options="permissive")
    shuffled = whole.take(np.random.default_rng(5).permutation(len(whole)))
    for layout in ("days", "one", "across"):
        folder = tmp_path / layout
        write_desk(folder, LOGS, BY_PERIOD, COLUMNS, DAILY, PCA, DOMAIN, MMD)
        if layout == "days":
            for day, table in enumerate(days):
                written(folder / "logs" / f"{day}.parquet", table)
        elif layout == "one":
            written(folder / "logs" / "one.parquet", whole)
        else:
            for index in range(3):
                written(
                    folder / "logs" / f"{index}.parquet", shuffled[index * 80 : (index + 1) * 80], row_group_size=16
                )
        assert run(folder).failure is None
    for layout in ("one", "across"):
        assert_same(kept(tmp_path / layout), kept(tmp_path / "days"))


def learned_rows(folder: Path) -> int:
    """Runs, and returns how many rows were read again."""
    told: list[int] = [0]

    def sink(progress: Progress) -> None:
        if "learning: " in progress.stage:
            told.append(int(progress.stage.split("learning: ")[1].split(" ")[0].replace(",", "")))

    assert run(folder, progress=sink).failure is None
    return told[-1]


def test_one_more_day_reads_one_day_again(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY, PCA.replace(', "sex"', ""))
    for day in range(8):
        write_day(tmp_path / "logs", day)
    assert learned_rows(tmp_path) == 4 * 40 + 8 * 40
    write_day(tmp_path / "logs", 8)
    assert learned_rows(tmp_path) == 40


def test_one_more_day_trains_one_classifier_and_late_labels_none(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY, DOMAIN, LABELS)
    write_labels(tmp_path, "old", range(4))
    for day in range(6):
        write_day(tmp_path / "logs", day)
    assert learned_rows(tmp_path) == 4 * 40 + 6 * 40
    before = values_of(tmp_path, "domain_classifier_auc")
    write_day(tmp_path / "logs", 6)
    assert learned_rows(tmp_path) == 40
    assert values_of(tmp_path, "domain_classifier_auc")[:2] == before
    write_labels(tmp_path, "late", [4])
    assert learned_rows(tmp_path) == 0
    write_day(tmp_path / "logs", 7)
    assert learned_rows(tmp_path) == 40


def test_a_classifier_tells_a_changed_chunk_and_no_other(tmp_path: Path) -> None:
    columns = '[models.columns]\ntimestamp = "ts"\nprotected = ["sex"]\n'
    desk = DOMAIN + 'segments = ["*", "sex"]\n'
    write_desk(tmp_path, LOGS, BY_PERIOD, columns, DAILY, desk, task="")
    for day in range(6):
        rows = {name: day_rows(day, rows=300)[name] for name in ("ts", "x", "age", "sex")}
        rows["x"] = np.random.default_rng(day).normal(2.0 if day == 5 else 0.0, 1, 300)
        written(tmp_path / "logs" / f"{day}.parquet", rows)
    assert run(tmp_path).failure is None
    calm, changed = values_of(tmp_path, "domain_classifier_auc")
    assert calm == pytest.approx(0.5, abs=0.07)
    assert changed > 0.85
    assert values_of(tmp_path, "domain_classifier_auc", "reference") == pytest.approx([0.5] * 4, abs=0.08)
    verdicts = {row["value"]: row["verdict"] for row in kept(tmp_path).values.values() if row["split"] == "analysis"}
    assert verdicts[calm] != "alert"
    assert verdicts[changed] == "alert"
    assert set(values_of(tmp_path, "domain_classifier_auc", segment="sex=f")) == {None}


def test_the_classifier_sees_what_nannymls_sees(tmp_path: Path, shared: Path) -> None:
    golden = shared / "data" / "golden_small"
    expected = json.loads((golden / "golden_nannyml.json").read_text(encoding="utf-8"))["domain_classifier"]
    for name in ("reference", "analysis"):
        shutil.copy(golden / f"{name}.parquet", tmp_path)
    columns = '[models.columns]\nignore = ["ts", "proba", "pred", "y", "price", "price_pred"]\n'
    logs = '[models.logs]\npath = "analysis.parquet"\n[models.reference]\npath = "reference.parquet"\n'
    write_desk(tmp_path, logs, columns, "[models.chunks]\nsize = 1000\n", DOMAIN, task="")
    assert run(tmp_path).failure is None
    found = values_of(tmp_path, "domain_classifier_auc")
    assert found == pytest.approx(expected["domain_classifier_auroc|value"], abs=0.03)


def test_nothing_is_read_again_unless_asked(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY)
    for day in range(6):
        write_day(tmp_path / "logs", day)
    assert learned_rows(tmp_path) == 0


def test_it_can_be_cancelled(tmp_path: Path) -> None:
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY, PCA)
    for day in range(6):
        write_day(tmp_path / "logs", day)
    token = CancelToken()

    def sink(progress: Progress) -> None:
        if "learning" in progress.stage:
            token.cancel()

    with pytest.raises(Cancelled):
        run(tmp_path, progress=sink, cancel=token)
    assert run(tmp_path).failure is None
    assert None not in values_of(tmp_path, "pca_reconstruction")


def test_columns_without_use_are_left_out_and_small_chunks_untested(tmp_path: Path) -> None:
    write_desk(
        tmp_path, LOGS, BY_PERIOD, '[models.columns]\ntimestamp = "ts"\n', DAILY, PCA.replace(', "sex"', ""), task=""
    )
    for day in range(7):
        rows = {name: day_rows(day)[name] for name in ("ts", "x")}
        rows |= {"empty": pa.nulls(40, pa.float64()), "constant": np.ones(40), "infinite": np.full(40, np.inf)}
        rows["none"] = pa.nulls(40, pa.string())
        if day == 6:
            rows = {name: pa.array(column)[:9] for name, column in rows.items()}
        written(tmp_path / "logs" / f"{day}.parquet", rows)
    assert run(tmp_path).failure is None
    found = values_of(tmp_path, "pca_reconstruction")
    assert found == [0.0, 0.0, None]
    reasons = {row["reason"] for row in kept(tmp_path).values.values() if row["value"] is None}
    assert reasons == {"9 rows, fewer than 10"}


def test_a_constant_reference_says_so(tmp_path: Path) -> None:
    write_desk(
        tmp_path, LOGS, BY_PERIOD, '[models.columns]\ntimestamp = "ts"\n', DAILY, PCA.replace(', "sex"', ""), task=""
    )
    for day in range(6):
        written(tmp_path / "logs" / f"{day}.parquet", {"ts": day_rows(day)["ts"], "constant": np.ones(40)})
    assert run(tmp_path).failure is None
    assert {row["reason"] for row in kept(tmp_path).values.values()} == {
        "every feature of the reference has one value only"
    }
