"""Roles guessed from facts on columns, without any file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mlops_desk.config.guess import ColumnFacts, Nature, guess, with_positive, words
from mlops_desk.domain.schema import Scalar, Task

ROWS = 1000


def number(name: str, low: float = -3.0, high: float = 90.0, **more: object) -> ColumnFacts:
    facts = ColumnFacts(name=name, nature=Nature.NUMBER, rows=ROWS, distinct=900, low=low, high=high)
    return replace(facts, **more)  # type: ignore[arg-type]


def score(name: str) -> ColumnFacts:
    return number(name, 0.01, 0.99)


def classes(name: str, *values: Scalar) -> ColumnFacts:
    numeric = all(isinstance(value, int) for value in values)
    nature = Nature.NUMBER if numeric else Nature.TEXT
    return ColumnFacts(name=name, nature=nature, rows=ROWS, distinct=len(values), whole=numeric, values=values)


def ids(name: str) -> ColumnFacts:
    return number(name, 1, ROWS, distinct=ROWS, whole=True)


def times(name: str, missing: int = 0) -> ColumnFacts:
    return ColumnFacts(name=name, nature=Nature.TIME, rows=ROWS - missing, missing=missing, distinct=900)


@pytest.mark.parametrize("name", ["yPredProba", "y_pred_proba", "Y-PRED-PROBA", "y pred.proba"])
def test_words_of_a_name(name: str) -> None:
    assert words(name) == ("y", "pred", "proba")


def test_words_of_another_script() -> None:
    assert words("年龄_group2") == ("年龄", "group", "2")


@pytest.mark.parametrize("name", ["y_pred_proba", "score", "PredictedProbability", "late_proba", "churn_score"])
def test_scores(name: str) -> None:
    assert guess([classes("pred", 0, 1), score(name)]).roles.score == name


@pytest.mark.parametrize("column", [number("credit_score", 300, 850), classes("z_score", 0, 1), score("humidity")])
def test_what_is_no_score(column: ColumnFacts) -> None:
    assert guess([classes("pred", 0, 1), column]).roles.score is None


@pytest.mark.parametrize("name", ["prediction", "y_pred", "late_pred", "predictedLabel", "yhat"])
def test_predictions(name: str) -> None:
    made = guess([number("amount"), classes(name, 0, 1)])
    assert (made.roles.prediction, made.task) == (name, Task.BINARY)


def test_a_prediction_of_shares_is_a_score_where_labels_are_classes() -> None:
    made = guess([score("prediction")], reference=[score("prediction"), classes("label", 0, 1)])
    assert (made.roles.score, made.roles.prediction, made.roles.decision_threshold) == ("prediction", None, 0.5)
    assert made.task is Task.BINARY


def test_tasks() -> None:
    assert guess([classes("pred", "a", "b", "c")]).task is Task.MULTICLASS
    assert guess([number("pred")]).task is Task.REGRESSION
    assert guess([score("proba")]).task is Task.BINARY
    assert guess([number("amount")]).task is None
    assert guess([classes("pred", "a", "b", "c")], task=Task.BINARY).task is Task.BINARY


def test_a_column_that_only_the_reference_has_is_the_target() -> None:
    log = [classes("pred", 0, 1), number("amount")]
    made = guess(log, reference=[*log, classes("repaid", 0, 1)])
    assert (made.roles.target, made.target) == ("repaid", None)


def test_the_target_of_label_files() -> None:
    made = guess(
        [ids("id"), classes("late_pred", 0, 1)],
        labels=[ids("id"), times("arrived_at"), classes("airport", "a", "b"), classes("late", 0, 1)],
    )
    assert (made.roles.id, made.key, made.target, made.roles.target) == ("id", "id", "late", None)


def test_labels_under_another_name_of_the_id() -> None:
    made = guess([ids("request_id"), classes("pred", 0, 1)], labels=[ids("uid"), classes("label", 0, 1)])
    assert (made.roles.id, made.key, made.target) == ("request_id", "uid", "label")


def test_the_nearest_of_several_times() -> None:
    made = guess([times("birth_date"), times("created_at"), times("due", missing=900)])
    assert made.roles.timestamp == "created_at"
    assert "3 columns of times" in made.reasons["created_at"]


def test_an_id_names_each_row() -> None:
    assert guess([ids("customer_id"), ids("amount")]).roles.id == "customer_id"
    assert guess([number("customer_id", 1, 9, whole=True)]).roles.id is None


def test_scores_of_classes() -> None:
    log = [classes("y_pred", "prime", "near_prime", "no"), score("p_prime"), score("p_near_prime"), score("proba_no")]
    made = guess(log)
    assert made.task is Task.MULTICLASS
    assert dict(made.roles.scores) == {"prime": "p_prime", "near_prime": "p_near_prime", "no": "proba_no"}
    assert made.roles.score is None
    assert guess(log[:-1]).roles.scores == ()


def test_protected_attributes() -> None:
    made = guess(
        [
            classes("sex", "f", "m"),
            classes("applicant_race", "a", "b", "c"),
            classes("age_band", "young", "old"),
            number("age", 18, 99),
            classes("essex_station", "x", "y"),
            number("race_time"),
        ]
    )
    assert made.roles.protected == ("sex", "applicant_race", "age_band")
    assert any("'age' is a number" in remark for remark in made.remarks)


@pytest.mark.parametrize(
    ("values", "means", "positive"),
    [
        ((0, 1), {}, None),
        ((False, True), {}, None),
        (("no", "yes"), {}, "yes"),
        (("good", "bad"), {"good": 0.2, "bad": 0.7}, "bad"),
        ((1, 2), {1: 0.8, 2: 0.1}, 1),
        (("apple", "pear"), {}, "pear"),
    ],
)
def test_the_positive_class(values: tuple[Scalar, ...], means: dict[Scalar, float], positive: Scalar | None) -> None:
    made = with_positive(guess([classes("pred", *values)]), means)
    assert made.roles.positive == positive
    assert any("positive class" in remark for remark in made.remarks) == (positive is not None)


natures = st.sampled_from(list(Nature))
facts = st.builds(
    ColumnFacts,
    name=st.text(min_size=1),
    nature=natures,
    rows=st.integers(0, 50),
    missing=st.integers(0, 50),
    distinct=st.integers(0, 50),
    low=st.none() | st.floats(-1, 1),
    high=st.none() | st.floats(-1, 2),
    whole=st.booleans(),
    values=st.lists(st.integers(0, 3) | st.text(), max_size=4).map(tuple),
)
columns = st.lists(facts, max_size=6, unique_by=lambda one: one.name)


@given(columns, columns, columns)
def test_any_columns_give_a_guess_that_names_each_column_once(
    log: list[ColumnFacts], reference: list[ColumnFacts], labels: list[ColumnFacts]
) -> None:
    made = guess(log, reference, labels)
    roles = made.roles
    single = (roles.timestamp, roles.id, roles.prediction, roles.score, roles.version, roles.latency)
    named = [name for name in (*single, *roles.protected, *(name for _, name in roles.scores)) if name is not None]
    assert len(named) == len(set(named))
    assert set(named) <= {column.name for column in log}
    assert set(made.reasons) >= set(named)
