"""Whether a model is inside the limits that somebody set, and what people did about it, as the report tells it."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from mlops_desk.domain.metric import Convention, Family, Limits, SeriesKey, Verdict
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.overview import Period, RetrainingStatus
from mlops_desk.domain.retraining import Criterion, Gate
from mlops_desk.domain.threshold import ConstantThreshold
from mlops_desk.reporting.actions import actions
from mlops_desk.reporting.content import grids, model_report
from mlops_desk.reporting.criteria import CriterionStanding, criteria
from mlops_desk.reporting.page import read_page
from mlops_desk.store.archive import Store


def standing(store: Store, model: Model) -> list[tuple[str, str, str, Verdict]]:
    page = read_page(store, model, Period(), None, everything=True)
    found: tuple[CriterionStanding, ...] = criteria(page, grids(page))
    return [(one.what, one.limit_text, one.value_text, one.verdict) for one in found]


def gated(model: Model, *found: Criterion) -> Model:
    return replace(model, gate=Gate(criteria=found))


def test_the_gates_criteria_are_held_against_the_latest_realised_number(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    series = {
        SeriesKey(Family.PERFORMANCE, "roc_auc"): [0.9, 0.79, "no labelled rows"],
        SeriesKey(Family.ESTIMATED_PERFORMANCE, "roc_auc"): [0.9, 0.9, 0.95],
        SeriesKey(Family.BUSINESS, "profit"): [10.0, 20.0, 30.0],
    }
    write(new_store, series)
    model = gated(
        plain_model(),
        Criterion(metric="roc_auc", min=0.8),
        Criterion(metric="roc_auc", min=0.7, max=0.79),
        Criterion(metric="profit", min=25.0),
        Criterion(metric="f1", min=0.5),
        Criterion(metric="mcc", min_gain=0.1),
    )
    assert standing(new_store, model) == [
        ("ROC AUC", "≥ 0.800", "0.790", Verdict.ALERT),
        ("ROC AUC", "≥ 0.700 and ≤ 0.790", "0.79000", Verdict.OK),
        ("profit", "≥ 25.00", "30.00", Verdict.OK),
        ("F1", "≥ 0.500", "no value yet", Verdict.UNTESTED),
    ]


@pytest.mark.parametrize(
    ("metric", "criterion", "expected"),
    [
        ("equalized_odds_difference", {"max": 0.1}, ("Equalized odds difference of race", "≤ 0.100", "0.300", Verdict.ALERT)),
        ("demographic_parity_ratio", {"min": 0.8}, ("Demographic parity ratio of sex", "≥ 0.800", "0.050", Verdict.ALERT)),
    ],
)  # fmt: skip
def test_of_several_attributes_the_worst_counts(
    new_store: Store,
    write: Callable[..., object],
    plain_model: Callable[..., Model],
    metric: str,
    criterion: dict[str, float],
    expected: tuple[str, str, str, Verdict],
) -> None:
    numbers = {"sex": [0.9, 0.05], "race": [0.1, 0.3], "age": [5.0, "too small"]}
    write(new_store, {SeriesKey(Family.FAIRNESS, metric, column=name): found for name, found in numbers.items()})
    model = gated(plain_model(), Criterion(metric=metric, **criterion))
    assert standing(new_store, model) == [expected]


def test_monitors_with_a_threshold_count_the_series_beyond_it(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model]
) -> None:
    keys = [SeriesKey(Family.DATA_DRIFT, "psi", column=name) for name in ("a", "b", "c")]
    other = SeriesKey(Family.DATA_DRIFT, "psi", convention=Convention.EVIDENTLY, column="a")
    verdicts = {
        keys[0]: [Verdict.OK, Verdict.ALERT],
        keys[1]: [Verdict.ALERT, Verdict.UNTESTED],
        keys[2]: [Verdict.OK, Verdict.OK],
        other: [Verdict.ALERT] * 2,
    }
    write(new_store, {key: [0.1, 0.3] for key in verdicts}, limits=Limits(upper=0.2), verdicts=verdicts)
    threshold = ConstantThreshold(upper=0.2)
    model = replace(
        plain_model(),
        monitors=(
            Monitor(metrics=("psi",), threshold=threshold),
            Monitor(metrics=("psi",), columns=("c",), threshold=threshold),
            Monitor(family=Family.PERFORMANCE, threshold=threshold),
            Monitor(metrics=("psi",)),
        ),
    )
    assert standing(new_store, model) == [
        ("psi", "above 0.2", "2 of 3 series beyond", Verdict.ALERT),
        ("psi of c", "above 0.2", "none of 1 series beyond", Verdict.OK),
        ("Accuracy", "above 0.2", "no value yet", Verdict.UNTESTED),
    ]


def test_what_people_did_is_told_until_the_moment_of_the_report(
    new_store: Store, fill_store: Callable[[Store], None], model: Model, now: datetime
) -> None:
    fill_store(new_store)
    alert = next(one for one in new_store.alerts() if one.key.metric == "roc_auc")
    later = now + timedelta(hours=1)
    new_store.silence(alert.id, until=now + timedelta(days=2), by="ada", at=later)
    for action, detail in (
        ("run.requested", {"run": 7, "reason": "4 alerts"}),
        ("run.cancel_requested", {"run": 7}),
        ("run.ended", {"run": 7, "outcome": "it was cancelled"}),
        ("something.else", {}),
    ):
        new_store.append_audit(at=later, actor="ada", action=action, model="credit-risk", detail=detail)
    new_store.append_audit(at=later, actor="ada", action="run.requested", model="another", detail={"run": 8})
    told = [(one.by, one.text, one.note) for one in actions(new_store, "credit-risk", "UTC", later)]
    assert told == [
        ("ada", "retraining run 7 ended", "it was cancelled"),
        ("ada", "asked to cancel retraining run 7", ""),
        ("ada", "asked for retraining run 7", "4 alerts"),
        ("ada", "silenced until 20 Nov 2026 06:12: ROC AUC", ""),
        ("lin", "acknowledged: Jensen–Shannon distance of credit_util", "known: new <bureau> feed"),
    ]
    assert [one.by for one in actions(new_store, "credit-risk", "UTC", now)] == ["lin"]


def test_families_without_a_place_of_their_own_are_told_too(
    new_store: Store,
    write: Callable[..., object],
    plain_model: Callable[..., Model],
    now: datetime,
    retraining: RetrainingStatus,
) -> None:
    series = {
        SeriesKey(Family.CALIBRATION, "expected_calibration_error"): [0.1],
        SeriesKey(Family.ADVERSARIAL, "outlier_rate"): [0.2],
        SeriesKey(Family.SYSTEM, "latency_p95"): [30.0],
        SeriesKey(Family.MULTIVARIATE_DRIFT, "pca_reconstruction"): [1.0],
        SeriesKey(Family.BUSINESS, "profit"): [3.0],
    }
    write(new_store, series)
    found = model_report(new_store, plain_model(), Period(), now=now, retraining=retraining)
    assert {one.key for one in found.others} == {key for key in series if key.family is not Family.BUSINESS}
    assert [one.title for one in found.value_standings] == ["profit"]
    assert [line.values for line in found.value] == [(3.0,)]
