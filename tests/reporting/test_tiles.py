"""Tiles tell the latest number, its change, its limit and its course, against a brute-force reading of the results table."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytest
from msgspec.structs import replace

from mlops_desk.domain.metric import Family, Limits, SeriesKey, Verdict
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import Period, RetrainingStatus, Tile
from mlops_desk.domain.schema import Task
from mlops_desk.reporting.naming import limits_text
from mlops_desk.reporting.page import read_page
from mlops_desk.reporting.summary import overview
from mlops_desk.reporting.tiles import change_text, drifted_counts, tiles
from mlops_desk.store.archive import Store

AUC, AUC_ESTIMATED = SeriesKey(Family.PERFORMANCE, "roc_auc"), SeriesKey(Family.ESTIMATED_PERFORMANCE, "roc_auc")
ACCURACY = SeriesKey(Family.PERFORMANCE, "accuracy")


def by_title(store: Store, model: Model, **period: object) -> dict[str, Tile]:
    return {tile.title: tile for tile in tiles(read_page(store, model, Period(**period), None))}


@lru_cache(maxsize=1)
def table_rows(store: Store) -> list[dict[str, object]]:
    table = store.value_table()
    return [dict(zip(table.names, row, strict=True)) for row in zip(*table.columns, strict=True)]


def analysis_rows(store: Store, **wanted: object) -> list[dict[str, object]]:
    rows = table_rows(store)
    return [
        row for row in rows if row["split"] == "analysis" and all(row[name] == value for name, value in wanted.items())
    ]


def test_the_tiles_of_a_full_model_agree_with_the_results_table(
    filled: Store, model: Model, now: datetime, retraining: RetrainingStatus
) -> None:
    found = overview(filled, model, Period(), now=now, retraining=retraining)
    assert [tile.title for tile in found.tiles] == [
        "ROC AUC", "Accuracy", "Drifted features", "Concept drift", "Disparate impact", "Predictions / day"
    ]  # fmt: skip
    auc, accuracy, drifted, concept, fairness, rows = found.tiles

    realised = analysis_rows(filled, family="performance", metric="roc_auc")
    known = [row for row in realised if row["value"] is not None]
    assert auc.value == known[-1]["value"]
    assert auc.value_text == f"{known[-1]['value']:.3f}"
    change = known[-1]["value"] - known[-2]["value"]
    assert auc.change_text == f"{'▲' if change > 0 else '▼'} {abs(change):.3f}"
    assert auc.better is (change > 0)
    assert auc.verdict == known[-1]["verdict"] == "alert"
    assert auc.limit_text == f"limit ≥ {known[-1]['lower']:.3f}"
    assert auc.note == "labels to 14 Nov"
    assert list(auc.points) == [row["value"] for row in realised]
    assert accuracy.key == ACCURACY

    last_day = analysis_rows(filled, family="data_drift", chunk=59)
    judged = {row["column"] for row in last_day if row["column"] and row["verdict"] != "untested"}
    alerting = {row["column"] for row in last_day if row["column"] and row["verdict"] == "alert"}
    assert drifted.value_text == f"{len(alerting)} / {len(judged)}"
    assert drifted.limit_text == "limit ≤ 50 % of features"
    assert drifted.note == "credit_util, debt_ratio"
    assert drifted.verdict is Verdict.OK

    assert (concept.value_text, concept.change_text, concept.verdict) == ("p < 0.001", "detected", Verdict.ALERT)
    ratios = analysis_rows(filled, metric="demographic_parity_ratio", chunk=59)
    assert fairness.value == min(row["value"] for row in ratios)
    assert fairness.note == "worst: sex×region = female×南"
    counts = [chunk.rows for chunk in filled.chunks("credit-risk", "analysis")]
    assert rows.value == counts[-1]
    assert rows.value_text == f"{counts[-1] / 1000:.1f} k"
    assert rows.change_text == f"▼ {round(100 - 100 * counts[-1] / counts[-2])} %"


def test_drifted_features_follow_the_stored_share(filled: Store, model: Model) -> None:
    page = read_page(filled, model, Period(), None)
    shares = [row["value"] for row in analysis_rows(filled, metric="drifted_share")]
    assert [drifted / judged for drifted, judged in drifted_counts(page)] == pytest.approx(shares)


def test_an_estimate_stands_in_where_no_label_has_arrived(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    write(new_store, {AUC: ["no labelled rows"] * 3, AUC_ESTIMATED: [0.81, 0.8, 0.79]})
    found = by_title(new_store, plain_model())
    assert "ROC AUC" not in found
    assert found["ROC AUC (estimated)"].value == 0.79
    assert found["ROC AUC (estimated)"].note == "no labels yet"


@pytest.mark.parametrize(
    ("task", "present", "expected"),
    [
        (Task.BINARY, ("accuracy", "f1"), ["Accuracy", "F1"]),
        (Task.MULTICLASS, ("accuracy", "roc_auc"), ["ROC AUC", "Accuracy"]),
        (Task.REGRESSION, ("r2", "mae", "rmse"), ["Mean absolute error", "Root mean squared error"]),
        (None, ("accuracy",), []),
    ],
)
def test_the_leading_metric_is_the_first_of_the_task_that_is_there(
    new_store: Store,
    write: Callable[..., object],
    plain_model: Callable[..., Model],
    task: Task,
    present: list[str],
    expected: list[str],
) -> None:
    write(new_store, {SeriesKey(Family.PERFORMANCE, metric): [0.5, 0.6] for metric in present})
    titles = list(by_title(new_store, plain_model(task)))
    assert titles == [*expected, "Predictions / day"]


@pytest.mark.parametrize(
    ("value", "before", "text"),
    [
        (0.791, 0.842, "▼ 0.051"), (0.8, 0.8, ""), (0.80001, 0.8, ""), (12.5, 10.25, "▲ 2.25"), (1500.0, 1000.0, "▲ 500"),
        (0.5, None, ""), (-0.012, 0.012, "▼ 0.024"), (1.5e6, 0.5e6, "▲ 1,000,000.00"),
    ],
)  # fmt: skip
def test_changes_have_the_decimals_of_their_values(value: float, before: float | None, text: str) -> None:
    assert change_text(value, before) == text


def test_less_error_is_better(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    write(new_store, {SeriesKey(Family.PERFORMANCE, "mae"): [3.0, 2.0]}, limits=Limits(lower=0.5, upper=4.0))
    tile = by_title(new_store, plain_model(Task.REGRESSION))["Mean absolute error"]
    assert tile.better is True
    assert tile.limit_text == "limit ≤ 4.000"


def test_the_limit_that_is_breached_is_told(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    write(new_store, {ACCURACY: [0.99]}, limits=Limits(lower=0.8, upper=0.95))
    assert by_title(new_store, plain_model())["Accuracy"].limit_text == "limit ≤ 0.950"


def test_the_gap_stands_in_for_a_missing_label_shift(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    write(
        new_store,
        {SeriesKey(Family.CONCEPT_DRIFT, "estimation_gap"): [0.01, -0.02]},
        limits=Limits(lower=-0.03, upper=0.03),
    )
    tile = by_title(new_store, plain_model())["Estimation gap"]
    assert (tile.value_text, tile.limit_text) == ("−0.020", "limits −0.030 to 0.030")
    assert tile.better is None


def test_a_p_value_takes_the_verdict_of_its_statistic(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    statistic, p = (
        SeriesKey(Family.CONCEPT_DRIFT, name) for name in ("label_shift_given_score", "label_shift_given_score_p")
    )
    write(new_store, {statistic: [9.0], p: [0.004]}, verdicts={statistic: [Verdict.ALERT]})
    tile = by_title(new_store, plain_model())["Concept drift"]
    assert (tile.value_text, tile.verdict, tile.better) == ("p = 0.004", Verdict.ALERT, False)


def test_a_label_shift_without_its_p_value_shows_the_statistic(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    write(new_store, {SeriesKey(Family.CONCEPT_DRIFT, "label_shift_given_score"): [21.7]})
    tile = by_title(new_store, plain_model())["Concept drift"]
    assert (tile.value_text, tile.limit_text) == ("χ² 21.70", "judged by its p-value")


def test_a_chunk_of_rows_is_full_when_it_has_its_size(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    chunks = write(new_store, {AUC: [0.8, 0.8]})
    for rows, change in ((1000, "▼ 50 %"), (999, "")):
        sized = [replace(chunks[0], rows=2000), replace(chunks[1], rows=rows)]
        write(new_store, {AUC: [0.8, 0.8]}, chunks=sized)
        assert by_title(new_store, plain_model(every=None))["Predictions / chunk"].change_text == change


@pytest.mark.parametrize(
    ("limits", "value", "text"),
    [
        (Limits(), 0.5, "no limit"), (Limits(lower=0.4), 0.5, "limit ≥ 0.400"), (Limits(warn_lower=0.4), 0.3, "warned ≥ 0.400"),
        (Limits(lower=0.4, warn_lower=0.6), 0.5, "limit ≥ 0.400, warned < 0.600"), (Limits(lower=0.4, warn_lower=0.6), 0.3, "limit ≥ 0.400"),
        (Limits(upper=0.6, warn_upper=0.4), 0.5, "limit ≤ 0.600, warned > 0.400"), (Limits(lower=0.4, upper=0.4), 0.4, "limit = 0.400"),
        (Limits(lower=0.2, upper=0.9), None, "limit ≥ 0.200"),
    ],
)  # fmt: skip
def test_limits_in_words(limits: Limits, value: float | None, text: str) -> None:
    assert limits_text(AUC, limits, value) == text


def test_rows_of_a_day_that_is_not_over_are_not_held_against_a_whole_one(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    noon = datetime(2026, 9, 21, 12, tzinfo=UTC)
    chunks = write(new_store, {AUC: [0.8, 0.8, 0.8]}, newest_row=noon)
    tile = by_title(new_store, plain_model())["Predictions / day"]
    assert (tile.change_text, tile.note) == ("", "not all of it is there yet")
    write(new_store, {AUC: [0.8, 0.8, 0.8]}, newest_row=noon + timedelta(hours=11, minutes=30), chunks=chunks)
    tile = by_title(new_store, plain_model())["Predictions / day"]
    assert tile.change_text
    assert tile.note == "newest row 21 Sep 23:30"


def test_a_segment_has_its_own_rows(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    key = replace(AUC, segment="region=S")
    write(new_store, {AUC: [0.8, 0.8], key: [0.7, 0.6]}, rows=77)
    found = tiles(read_page(new_store, plain_model(), Period(), "region=S"))
    assert {tile.title: tile.value for tile in found} == {"ROC AUC": 0.6, "Predictions / day": 77.0}


def test_a_page_without_chunks_has_no_tiles(new_store: Store, plain_model: Callable[..., Model]) -> None:
    assert tiles(read_page(new_store, plain_model(), Period(), None)) == ()


def test_labels_of_another_year_carry_it(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    chunks = write(new_store, {AUC: [0.8, "no labelled rows"]})
    moved = [
        replace(chunk, key=f"{day}", start=start, end=start + timedelta(days=1))
        for day, (chunk, start) in enumerate(
            zip(chunks, (datetime(2025, 12, 31, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)), strict=True)
        )
    ]
    write(new_store, {AUC: [0.8, "no labelled rows"]}, chunks=moved)
    assert by_title(new_store, plain_model())["ROC AUC"].note == "labels to 31 Dec 2025"
