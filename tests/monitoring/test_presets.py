"""The metric name `default`: which metric another tool takes of a column in a chunk, and what a workspace shows of it."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chisquare

from mlops_desk.aggregates.tables import CategoryTable
from mlops_desk.domain.metric import Convention
from mlops_desk.domain.monitor import Monitor
from mlops_desk.monitoring.presets import chosen_metric, metric_ids
from tests.aggregates.logs import written
from tests.metrics.drift_tables import category_table, exact_table
from tests.monitoring.desks import assert_same, kept, run, write_desk

EVIDENTLY = Convention.EVIDENTLY


def numbers(distinct: int, rows: int):
    return exact_table(np.resize(np.arange(distinct, dtype=float), rows))


def categories(distinct: int, rows: int):
    return category_table(np.resize(np.array([f"c{one}" for one in range(distinct)], dtype=object), rows))


@pytest.mark.parametrize(
    ("reference", "chunk", "metric"),
    [
        (numbers(6, 1000), numbers(6, 50), "kolmogorov_smirnov_p"),
        (numbers(5, 1000), numbers(5, 50), "chi_squared_p"),
        (numbers(5, 1000), numbers(6, 50), "kolmogorov_smirnov_p"),
        (numbers(2, 1000), numbers(2, 50), "z_test_p"),
        (numbers(1, 1000), numbers(2, 50), "z_test_p"),
        (numbers(2, 1000), numbers(3, 50), "chi_squared_p"),
        (numbers(6, 1001), numbers(6, 50), "wasserstein"),
        (numbers(5, 1001), numbers(5, 50), "jensen_shannon"),
        (numbers(5, 1001), numbers(6, 50), "wasserstein"),
        (numbers(6, 1001), None, "wasserstein"),
        (categories(9, 1000), categories(2, 50), "chi_squared_p"),
        (categories(2, 1000), categories(2, 50), "z_test_p"),
        (categories(2, 1000), categories(3, 50), "chi_squared_p"),
        (categories(2, 1001), categories(2, 50), "jensen_shannon"),
    ],
)
def test_evidently_goes_by_rows_of_the_reference_and_values_of_both(reference, chunk, metric) -> None:
    assert chosen_metric(EVIDENTLY, reference, chunk) == metric
    assert chosen_metric(Convention.NANNYML, reference, chunk) == "jensen_shannon"


def test_rows_without_a_finite_value_do_not_count() -> None:
    values = np.resize(np.arange(9, dtype=float), 1000)
    more = np.concatenate([values, [np.nan, np.inf, -np.inf]])
    assert chosen_metric(EVIDENTLY, exact_table(more), exact_table(values)) == "kolmogorov_smirnov_p"


def test_categories_without_rows_do_not_count() -> None:
    table = CategoryTable(categories=("a", "b", "c"), counts=np.array([500, 400, 0]))
    assert chosen_metric(EVIDENTLY, table, table) == "z_test_p"


def test_names_beside_the_default_stay_and_each_counts_once() -> None:
    monitor = Monitor(metrics=("psi", "default", "psi", "wasserstein"), convention=EVIDENTLY)
    ids = metric_ids(monitor)
    assert ids[0] == "psi"
    assert len(ids) == len(set(ids))
    assert "drifted_share" in ids


RNG_ROWS = 60


def write_rows(folder: Path, name: str, seed: int, rows: int, *, third: bool = False) -> None:
    rng = np.random.RandomState(seed)
    columns = {
        "amount": rng.lognormal(1, 1, rows),
        "flag": rng.randint(0, 2, rows).astype(float) if not third else rng.randint(0, 3, rows).astype(float),
        "steps": rng.randint(0, 4, rows) / 2,
        "kind": pa.array(rng.choice(["a", "b", "c"], rows)),
        "y_pred": rng.randint(0, 2, rows),
        "repaid": rng.randint(0, 2, rows),
    }
    written(folder / name, columns)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """900 reference rows; three chunks of 60, in the second of which `flag` has a third value."""
    write_rows(tmp_path, "reference/rows.parquet", 1, 900)
    for number in range(3):
        write_rows(tmp_path, f"logs/{number}.parquet", 10 + number, RNG_ROWS, third=number == 1)
    return tmp_path


def configure(folder: Path, monitors: str) -> Path:
    write_desk(
        folder,
        '[models.logs]\npath = "logs"\n[models.reference]\npath = "reference"\n[models.chunks]\nsize = 60\n',
        '[models.columns]\nprediction = "y_pred"\ntarget = "repaid"\nnumeric = ["flag", "steps"]\n',
        monitors,
    )
    return folder


def chosen(folder: Path, **where: object) -> dict[tuple[object, object], dict[str, object]]:
    """Rows of the analysis chunks by column and chunk; of each there is one."""
    rows = [row for row in kept(folder).values.values() if row["split"] == "analysis" and row["column"] is not None]
    rows = [row for row in rows if all(row[name] == value for name, value in where.items())]
    found = {(row["column"], row["chunk"]): row for row in rows}
    assert len(found) == len(rows), "one test for a column in a chunk"
    return found


DEFAULT = '[[models.monitors]]\nconvention = "evidently"\nmetrics = ["default"]\n'


def test_a_small_reference_is_tested_and_the_test_may_change_from_chunk_to_chunk(desk: Path) -> None:
    run(configure(desk, DEFAULT))
    found = chosen(desk)
    assert {(name, row["metric"]) for (name, _), row in found.items() if name not in ("flag",)} == {
        ("amount", "kolmogorov_smirnov_p"),
        ("steps", "chi_squared_p"),
        ("kind", "chi_squared_p"),
        ("y_pred", "z_test_p"),
        ("repaid", "z_test_p"),
    }
    assert [found["flag", chunk]["metric"] for chunk in range(3)] == ["z_test_p", "chi_squared_p", "z_test_p"]
    assert found["flag", 1]["value"] == 0.0, "a value that the reference lacks"
    assert {found[name, 0]["family"] for name in ("amount", "y_pred", "repaid")} == {
        "data_drift", "prediction_drift", "label_drift",
    }  # fmt: skip
    assert {row["lower"] for row in found.values()} == {0.05}


def test_few_numbers_are_tested_as_categories(desk: Path) -> None:
    run(configure(desk, DEFAULT))
    reference, chunk = (np.random.RandomState(seed) for seed in (1, 10))
    shares = []
    for rng, rows in ((reference, 900), (chunk, RNG_ROWS)):
        rng.lognormal(1, 1, rows)
        rng.randint(0, 2, rows)
        shares.append(np.bincount(rng.randint(0, 4, rows), minlength=4))
    expected = chisquare(shares[1], shares[0] * RNG_ROWS / 900).pvalue
    assert chosen(desk)["steps", 0]["value"] == pytest.approx(expected, rel=1e-9)


def test_incremental_and_full_runs_show_the_same(desk: Path) -> None:
    late = (desk / "logs/2.parquet").read_bytes()
    (desk / "logs/2.parquet").unlink()
    run(configure(desk, DEFAULT))
    (desk / "logs/2.parquet").write_bytes(late)
    run(desk)
    step_by_step = kept(desk)
    run(desk, full=True)
    assert_same(step_by_step, kept(desk))


def test_the_share_of_a_tool_counts_its_own_values_and_reaching_half_alerts(desk: Path) -> None:
    never = '[[models.monitors]]\nmetrics = ["psi", "drifted_share"]\nthreshold = { kind = "constant", upper = -1 }\n'
    run(configure(desk, never + DEFAULT + 'columns = ["flag", "kind"]\n'))
    shares = {(row["convention"], row["chunk"]): row for row in kept(desk).values.values() if row["metric"] == "drifted_share"}  # fmt: skip
    assert [shares["desk", chunk]["value"] for chunk in range(3)] == [1.0, 1.0, 1.0]
    assert shares["evidently", 1]["value"] == 0.5, "flag has a new value, kind has not"
    assert shares["evidently", 1]["verdict"] == "alert"
    assert shares["evidently", 1]["upper"] == 0.5


def test_with_weights_the_one_metric_that_the_tool_takes_is_refused(desk: Path) -> None:
    folder = configure(desk, DEFAULT)
    text = (folder / "desk.toml").read_text(encoding="utf-8")
    (folder / "desk.toml").write_text(
        text.replace("[models.columns]\n", '[models.columns]\nweight = "amount"\n'), encoding="utf-8"
    )
    run(folder)
    found = chosen(folder)
    assert found["kind", 0]["metric"] == "chi_squared_p"
    assert {row["verdict"] for row in found.values()} == {"untested"}


def test_a_share_counts_what_a_milder_monitor_only_warns_of(desk: Path) -> None:
    mild = (
        '[[models.monitors]]\nmetrics = ["kolmogorov_smirnov", "drifted_share"]\ncolumns = ["amount"]\nseverity = "warning"\n'
        'threshold = { kind = "p_value", max = 1.0 }\n'
    )
    share = '[[models.monitors]]\nmetrics = ["drifted_share"]\n'
    run(configure(desk, mild.replace(', "drifted_share"', "") + share))
    rows = [row for row in kept(desk).values.values() if row["split"] == "analysis"]
    assert {row["verdict"] for row in rows if row["column"] == "amount"} == {"warning"}
    assert {row["value"] for row in rows if row["metric"] == "drifted_share"} == {1.0}


def test_nannyml_takes_the_jensen_shannon_distance_and_its_limits(desk: Path) -> None:
    run(configure(desk, '[[models.monitors]]\nconvention = "nannyml"\nmetrics = ["default"]\nfamily = "data_drift"\n'))
    rows = list(kept(desk).values.values())
    assert {row["metric"] for row in rows} == {"jensen_shannon"}
    assert {row["convention"] for row in rows} == {"nannyml"}
    for column in ("amount", "flag", "steps", "kind"):
        course = [row["value"] for row in rows if row["column"] == column and row["split"] == "reference"]
        limits = {row["upper"] for row in rows if row["column"] == column}
        assert len(course) == 15
        assert limits.pop() == pytest.approx(np.mean(course) + 3 * np.std(course), rel=1e-9)
        assert not limits


@pytest.mark.parametrize(
    ("monitor", "said"),
    [
        ('metrics = ["default"]', 'needs convention = "nannyml" or "evidently", not desk; the recommended metrics of this program are watched where'),
        ('metrics = ["default"]\nconvention = "fairlearn"', "not fairlearn"),
        ('metrics = ["default"]\nconvention = "evidently"\nthreshold = { kind = "constant", upper = 0.2 }', "chooses distances and p-values"),
        ('metrics = ["defalt"]\nconvention = "evidently"', "there is no metric 'defalt'"),
        ('metrics = ["default"]\nconvention = "evidently"\nfamily = "prediction_drift"\ncolumns = ["amount"]', "default can give no value here"),
    ],
)  # fmt: skip
def test_what_has_no_default_says_so(desk: Path, monitor: str, said: str) -> None:
    outcome = run(configure(desk, f"[[models.monitors]]\n{monitor}\n"))
    assert outcome.failure is not None
    assert "models.m.monitors[1]" in outcome.failure
    assert said in outcome.failure


def test_a_column_that_no_test_fits_is_named_in_a_warning(desk: Path) -> None:
    outcome = run(configure(desk, DEFAULT + 'columns = ["flag", "y_pred"]\nfamily = "data_drift"\n'))
    assert outcome.failure is None
    (text,) = [note.text for note in outcome.notes if note.code == "monitor_unfit"]
    assert "column 'y_pred' can give no value here" in text
