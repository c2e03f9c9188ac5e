"""Overviews, lines, matrices, statuses and distributions say what the store holds."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Convention, Family, Limits, SeriesKey, Verdict
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import Period, RetrainingStatus
from mlops_desk.domain.schema import Kind
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.domain.threshold import Severity
from mlops_desk.reporting.page import chunks_of
from mlops_desk.reporting.summary import alert_order, distribution, line, overview, segments, status
from mlops_desk.store.archive import Store

AUC = SeriesKey(Family.PERFORMANCE, "roc_auc")


def drift_key(
    column: str, metric: str = "jensen_shannon", family: Family = Family.DATA_DRIFT, **more: object
) -> SeriesKey:
    return replace(SeriesKey(family, metric, column=column), **more)


def test_an_overview_holds_what_was_stored(
    filled: Store, model: Model, now: datetime, retraining: RetrainingStatus
) -> None:
    found = overview(filled, model, Period(), now=now, retraining=retraining)
    assert (found.name, found.task, found.timezone) == (model.name, "binary", "UTC")
    assert found.versions == ("v13", "v14")
    assert (found.failed, found.warned) == (4, 2)
    assert len(found.chunks) == len(found.row_counts) == 60
    assert found.rows == 1_131_204
    assert found.reference_text == "reference.parquet, 1 Jan – 31 Mar 2026"
    assert [alert.severity for alert in found.alerts] == [Severity.ALERT] * 4 + [Severity.WARNING] * 2
    assert [note.code for note in found.notes] == ["quarantined", "unmatched"]
    assert found.performance[0].key == AUC
    assert found.performance[1].key == replace(AUC, family=Family.ESTIMATED_PERFORMANCE)
    assert all(len(one.values) == 60 for one in found.performance)
    assert found.drift_share is not None
    assert found.drift_share.uppers[-1] == 0.5


def test_a_line_lies_along_the_chunks(filled: Store, model: Model) -> None:
    found = line(filled, model, AUC)
    stored = {
        value.chunk_key: value for value in filled.values("credit-risk", family=Family.PERFORMANCE, metric="roc_auc")
    }
    for place, chunk in enumerate(filled.chunks("credit-risk", Split.ANALYSIS)):
        value = stored[chunk.key]
        assert found.values[place] == value.measurement.value
        assert found.errors[place] == value.measurement.sampling_error
        assert found.reasons[place] == value.measurement.reason
        assert found.verdicts[place] == value.verdict
        assert (found.lowers[place], found.uppers[place]) == (value.limits.lower, value.limits.upper)
        assert (found.warn_lowers[place], found.warn_uppers[place]) == (
            value.limits.warn_lower,
            value.limits.warn_upper,
        )
    short = line(filled, model, AUC, Period(days=7))
    assert short.values == found.values[-7:]


def test_a_line_of_nothing_is_as_long_as_the_page(filled: Store, model: Model) -> None:
    found = line(filled, model, replace(AUC, metric="mcc"))
    assert found.values == (None,) * 60
    assert set(found.verdicts) == {Verdict.UNTESTED}
    assert set(found.reasons) == {"not computed for this chunk"}


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "days"),
    [
        (Period(), range(1, 11)),
        (Period(days=3), range(8, 11)),
        (Period(days=99), range(1, 11)),
        (Period(start=at(4)), range(4, 11)),
        (Period(end=at(4)), range(1, 4)),
        (Period(start=at(4, 5), end=at(6, 1)), range(4, 7)),
        (Period(start=datetime(2026, 3, 4), end=datetime(2026, 3, 5)), range(4, 5)),
        (Period(start=at(20)), range(0)),
    ],
)
def test_a_period_chooses_the_chunks_that_it_touches(period: Period, days: range) -> None:
    chunks = [
        Chunk(split=Split.ANALYSIS, key=f"{day}", index=day - 1, start=at(day), end=at(day) + timedelta(days=1), rows=5)
        for day in range(1, 11)
    ]
    assert [int(chunk.key) for chunk in chunks_of(chunks, period, "UTC")] == list(days)


def test_chunks_without_times_are_all_in_every_period() -> None:
    chunks = [Chunk(split=Split.ANALYSIS, key=f"row:{n}", index=n, start=None, end=None, rows=5) for n in range(3)]
    assert chunks_of(chunks, Period(days=1), "UTC") == tuple(chunks)


def test_naive_ends_of_a_period_are_local() -> None:
    midnight = datetime(2026, 3, 3, 5, tzinfo=UTC)  # in New York
    chunk = Chunk(split=Split.ANALYSIS, key="k", index=0, start=midnight, end=midnight + timedelta(days=1), rows=5)
    assert chunks_of([chunk], Period(end=datetime(2026, 3, 3)), "America/New_York") == ()
    assert chunks_of([chunk], Period(end=datetime(2026, 3, 3)), "UTC") == ()
    assert chunks_of([chunk], Period(start=datetime(2026, 3, 4)), "America/New_York") == ()
    assert chunks_of([chunk], Period(start=datetime(2026, 3, 4)), "UTC") == (chunk,)


def test_the_matrix_puts_the_most_drifted_first_and_the_outcomes_last(
    new_store: Store,
    write: Callable[..., object],
    plain_model: Callable[..., Model],
    now: datetime,
    retraining: RetrainingStatus,
) -> None:
    keys = {column: drift_key(column) for column in ("calm", "often", "once", "warned", "high")}
    outcomes = [
        drift_key("y_proba", family=Family.PREDICTION_DRIFT),
        drift_key("y_pred", family=Family.PREDICTION_DRIFT),
        drift_key("label", family=Family.LABEL_DRIFT),
    ]
    ok, warning, alert = Verdict.OK, Verdict.WARNING, Verdict.ALERT
    write(
        new_store,
        {
            **{key: [0.1, 0.1] for key in keys.values()},
            keys["high"]: [0.2, 0.3],
            **{key: [0.9, 0.9] for key in outcomes},
        },
        verdicts={
            keys["often"]: [alert, alert], keys["once"]: [ok, alert], keys["warned"]: [warning, ok],
            **{key: [alert, alert] for key in outcomes},
        },
    )  # fmt: skip
    matrix = overview(new_store, plain_model(), Period(), now=now, retraining=retraining).matrix
    assert matrix is not None
    assert matrix.columns == ("often", "once", "warned", "high", "calm", "label", "y_pred", "y_proba")
    assert matrix.values[3] == (0.2, 0.3)
    assert matrix.verdicts[1] == (ok, alert)


def test_the_matrix_shows_the_metric_that_most_columns_have(
    new_store: Store,
    write: Callable[..., object],
    plain_model: Callable[..., Model],
    now: datetime,
    retraining: RetrainingStatus,
) -> None:
    series = {drift_key("a"): [0.1], drift_key("a", "hellinger"): [0.2], drift_key("b", "hellinger"): [0.3]}
    nannyml = drift_key("b", "hellinger", convention=Convention.NANNYML)
    write(new_store, {nannyml: [0.7], **series})
    matrix = overview(new_store, plain_model(), Period(), now=now, retraining=retraining).matrix
    assert matrix is not None
    assert (matrix.metric, matrix.columns, matrix.values) == ("hellinger", ("b", "a"), ((0.3,), (0.2,)))


def test_the_matrix_shows_columns_that_another_distance_or_a_test_judges(
    new_store: Store,
    write: Callable[..., object],
    plain_model: Callable[..., Model],
    now: datetime,
    retraining: RetrainingStatus,
) -> None:
    """As Evidently's own choice does: a metric by column, and by chunk too."""
    tool = {"convention": Convention.EVIDENTLY}
    share = SeriesKey(Family.DATA_DRIFT, "drifted_share", Convention.EVIDENTLY)
    write(
        new_store,
        {
            drift_key("a", "jensen_shannon", **tool): [0.1, 0.2],
            drift_key("b", "jensen_shannon", **tool): [0.3, 0.2],
            drift_key("c", "wasserstein", **tool): [0.9, 0.8],
            drift_key("d", "z_test_p", **tool): [0.75, None],
            drift_key("d", "chi_squared_p", **tool): [None, 0.01],
            share: [0.25, 0.5],
        },
    )
    page = overview(new_store, plain_model(), Period(), now=now, retraining=retraining)
    assert page.matrix is not None
    assert (page.matrix.metric, page.matrix.title) == (
        "jensen_shannon",
        "Jensen–Shannon distance / 1 - p / Wasserstein distance",
    )
    values = dict(zip(page.matrix.columns, page.matrix.values, strict=True))
    assert values == {"a": (0.1, 0.2), "b": (0.3, 0.2), "c": (0.9, 0.8), "d": (0.25, 0.99)}
    assert page.drift_share is not None
    assert page.drift_share.values == (0.25, 0.5)


def test_the_share_of_drifted_features_is_counted_where_it_is_not_stored(
    new_store: Store,
    write: Callable[..., object],
    plain_model: Callable[..., Model],
    now: datetime,
    retraining: RetrainingStatus,
) -> None:
    a, b, c = (drift_key(column) for column in "abc")
    ok, alert = Verdict.OK, Verdict.ALERT
    write(
        new_store,
        {a: [0.1, 0.1, "none"], b: [0.1, 0.1, "none"], c: ["x", 0.1, "none"]},
        verdicts={a: [alert, ok, Verdict.UNTESTED], c: [Verdict.UNTESTED, alert, Verdict.UNTESTED]},
    )
    share = overview(new_store, plain_model(), Period(), now=now, retraining=retraining).drift_share
    assert share is not None
    assert share.values == (1 / 2, 1 / 3, None)


def test_counts_and_single_classes_are_no_lines(
    new_store: Store,
    write: Callable[..., object],
    plain_model: Callable[..., Model],
    now: datetime,
    retraining: RetrainingStatus,
) -> None:
    keys = [SeriesKey(Family.PERFORMANCE, "true_positive"), replace(AUC, metric="recall", class_="prime"), AUC]
    write(new_store, {key: [0.5] for key in keys})
    found = overview(new_store, plain_model(), Period(), now=now, retraining=retraining)
    assert [one.key for one in found.performance] == [AUC]


def test_a_status_tells_the_worst_open_alert(filled: Store, model: Model, now: datetime) -> None:
    found = status(filled, model, now=now)
    assert (found.verdict, found.alerts, found.warnings, found.text) == (Verdict.ALERT, 4, 2, "4 alerts, 2 warnings")
    assert found.version == "v14"
    known = [value for value in line(filled, model, AUC).values if value is not None]
    assert list(found.trend) == known[-30:]


def test_a_model_before_its_first_evaluation_is_untested(
    new_store: Store, plain_model: Callable[..., Model], now: datetime, retraining: RetrainingStatus
) -> None:
    found = status(new_store, plain_model(), now=now)
    assert (found.verdict, found.text, found.version, found.trend) == (Verdict.UNTESTED, "not evaluated yet", None, ())
    page = overview(new_store, plain_model(), Period(), now=now, retraining=retraining)
    assert (page.chunks, page.tiles, page.matrix, page.evaluated_at) == ((), (), None, None)


def test_silenced_alerts_do_not_make_the_verdict_until_the_silence_ends(
    new_store: Store, fill_store: Callable[[Store], None], model: Model, now: datetime
) -> None:
    fill_store(new_store)
    until = now + timedelta(hours=1)
    for alert in new_store.alerts():
        if alert.severity is Severity.WARNING:
            new_store.silence(alert.id, until=until, by="lin", at=now)
    assert status(new_store, model, now=now).text == "4 alerts"
    assert status(new_store, model, now=until).text == "4 alerts, 2 warnings"


def test_alerts_that_matter_more_come_first(filled: Store) -> None:
    one = filled.alerts()[0]
    keys = [
        (Severity.ALERT, AUC), (Severity.ALERT, replace(AUC, metric="brier")), (Severity.ALERT, replace(AUC, metric="true_positive")),
        (Severity.ALERT, drift_key("age")), (Severity.ALERT, replace(AUC, family=Family.ESTIMATED_PERFORMANCE)),
        (Severity.ALERT, replace(AUC, segment="region=S")), (Severity.WARNING, AUC),
    ]  # fmt: skip
    alerts = [replace(one, id=number, severity=severity, key=key) for number, (severity, key) in enumerate(keys)]
    assert sorted(random.Random(1).sample(alerts, len(alerts)), key=alert_order) == alerts
    assert alert_order(replace(one, id=9)) < alert_order(replace(one, id=3))


def test_segments_are_those_with_values(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    write(new_store, {AUC: [0.5], replace(AUC, segment="b=2"): [0.5], replace(AUC, segment="a=南"): [0.5]})
    assert segments(new_store, plain_model()) == ("a=南", "b=2")


def test_a_distribution_is_the_shares_of_summed_counts(filled: Store, model: Model) -> None:
    chunks = filled.chunks("credit-risk", Split.ANALYSIS)
    chosen = [chunk.key for chunk in random.Random(0).sample(chunks, 9)]
    found = distribution(filled, model, "debt_ratio", chosen)
    totals = [0] * 40
    for key in chosen:
        stored = filled.distribution("credit-risk", "debt_ratio", Split.ANALYSIS, [key])
        assert stored is not None
        totals = [total + count for total, count in zip(totals, stored.counts, strict=True)]
    assert found.analysis == pytest.approx([total / sum(totals) for total in totals])
    assert sum(found.reference) == pytest.approx(1)
    assert found.analysis_rows == sum(totals)
    assert (found.kind, len(found.edges), found.categories) == (Kind.NUMERIC, 41, ())
    reference = filled.distribution("credit-risk", "debt_ratio", Split.REFERENCE)
    assert reference is not None
    assert found.reference_mean == pytest.approx(reference.mean)
    assert found.reference_text == "Reference (Jan – Mar 2026)"


def test_a_distribution_of_one_day_tells_its_drift_and_what_moved(filled: Store, model: Model) -> None:
    last = filled.chunks("credit-risk", Split.ANALYSIS)[-1]
    value = next(
        value.measurement.value
        for value in filled.values("credit-risk", metric="jensen_shannon", column="device_type")
        if value.chunk_key == last.key
    )
    found = distribution(filled, model, "device_type", [last.key])
    assert found.analysis_text == "Tue 17 Nov 2026"
    assert f"Jensen–Shannon distance {value:.3f} (limit ≤ 0.113)" in found.notes
    assert found.notes[-1] == "<b>south</b>: 30.0 % of the rows in the reference, 46.2 % here"


def test_a_distribution_of_several_days_tells_the_range(filled: Store, model: Model) -> None:
    keys = [chunk.key for chunk in filled.chunks("credit-risk", Split.ANALYSIS)[-7:]]
    found = distribution(filled, model, "debt_ratio", keys)
    assert found.analysis_text == "11 – 17 Nov 2026"
    assert found.notes[0].startswith("Jensen–Shannon distance 0.3")
    assert found.notes[0].endswith("over 7 chunks: alert in 7 chunks")


def test_an_unknown_column_is_a_clear_error(filled: Store, model: Model) -> None:
    with pytest.raises(UserError, match="column 'nobody' has no stored distribution"):
        distribution(filled, model, "nobody", [])


def test_limits_may_differ_from_chunk_to_chunk(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    write(new_store, {AUC: [0.8, 0.7]}, limits=Limits(lower=0.75))
    assert line(new_store, plain_model(), AUC).lowers == (0.75, 0.75)
