"""A monitor that cannot give what it promises says so, instead of a model that looks healthy."""

from pathlib import Path

import pytest

from tests.monitoring.test_bad_input import notes, refusal, run, values, workspace


def monitored(folder: Path, text: str) -> Path:
    return workspace(folder, f'\n[[models.monitors]]\nmetrics = ["rows"]\n[[models.monitors]]\n{text}\n')


@pytest.mark.parametrize(
    ("text", "named", "able"),
    [
        ('metrics = ["kolmogorov_smirnov", "psi"]', "psi has none", "kolmogorov_smirnov"),
        ('metrics = ["accuracy"]', "accuracy has none", "choose another kind"),
        ('family = "data_drift"', "jensen_shannon", "kolmogorov_smirnov"),
    ],
)
def test_a_p_value_is_asked_only_of_metrics_that_have_one(tmp_path: Path, text: str, named: str, able: str) -> None:
    message = refusal(monitored(tmp_path, f'{text}\nthreshold = {{ kind = "p_value" }}'))
    assert "models.m.monitors[2].threshold" in message
    assert named in message
    assert able in message


def test_a_p_value_judges_statistics_with_a_twin_and_p_values(tmp_path: Path) -> None:
    text = 'metrics = ["kolmogorov_smirnov", "chi_squared", "t_test_p"]\nthreshold = { kind = "p_value" }'
    assert run(monitored(tmp_path, text)).failure is None
    assert {row["verdict"] for row in values(tmp_path, metric="kolmogorov_smirnov", split="analysis")} - {"untested"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('metrics = ["rmse"]', "rmse can give no value here: it is for models of task regression, and this one is binary"),
        (
            'metrics = ["kolmogorov_smirnov"]\ncolumns = ["kind"]',
            "it is of numeric columns (of data_drift, prediction_drift, label_drift), and columns has 'kind' (categorical, feature)",
        ),
        ('metrics = ["psi"]\nfamily = "data_drift"\ncolumns = ["score"]', "columns has 'score' (numeric, score)"),
        ('metrics = ["equalized_odds_ratio"]\ncolumns = ["age"]', "columns.protected has sex, sex×region"),
        ('metrics = ["psi"]\ncolumns = ["id"]', "'id' (not compared)"),
    ],
)  # fmt: skip
def test_a_monitor_that_can_give_no_value_is_refused(tmp_path: Path, text: str, said: str) -> None:
    message = refusal(monitored(tmp_path, text))
    assert "models.m.monitors[2]: " in message
    assert said in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('metrics = ["accuracy", "rmse"]', "rmse can give no value here: it is for models of task regression"),
        ('metrics = ["kolmogorov_smirnov"]\ncolumns = ["x", "kind"]', "column 'kind' can give no value here"),
    ],
)
def test_what_of_a_monitor_gives_no_value_is_noted_and_the_rest_is_judged(tmp_path: Path, text: str, said: str) -> None:
    found = run(monitored(tmp_path, text))
    assert said in notes(found)["monitor_unfit"]
    assert [note.level.value for note in found.notes if note.code == "monitor_unfit"] == ["warning"]


@pytest.mark.parametrize(
    "text",
    [
        'family = "data_drift"',
        'metrics = ["recall", "accuracy"]',
        'metrics = ["rows", "duplicate_rate"]\ncolumns = ["x"]',
        'metrics = ["jensen_shannon"]\ncolumns = ["x", "kind", "score", "y_pred", "repaid"]',
        'metrics = ["jensen_shannon", "missing_rate"]\ncolumns = ["score"]',
    ],
)
def test_a_monitor_that_fits_is_not_remarked_on(tmp_path: Path, text: str) -> None:
    found = run(monitored(tmp_path, text))
    assert found.failure is None
    assert "monitor_unfit" not in notes(found)


def test_a_convention_that_says_nothing_of_the_metrics_is_refused(tmp_path: Path) -> None:
    message = refusal(monitored(tmp_path, 'metrics = ["psi"]\nconvention = "fairlearn"'))
    assert "models.m.monitors[2].convention: fairlearn says nothing of psi" in message
    assert "possible are desk, nannyml, evidently" in message


@pytest.mark.parametrize(
    "text",
    [
        'metrics = ["recall"]\nconvention = "fairlearn"',
        'metrics = ["psi", "roc_auc"]\nconvention = "nannyml"',
        'metrics = ["equalized_odds_ratio"]\nconvention = "fairlearn"',
    ],
)
def test_a_convention_that_equals_desk_is_accepted(tmp_path: Path, text: str) -> None:
    assert run(monitored(tmp_path, text)).failure is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('metrics = ["latency_p50", "latency_p99"]', "columns.latency names no column"),
        ('metrics = ["query_similarity"]', "columns.requester names no column"),
    ],
)
def test_a_monitor_of_which_nothing_is_ever_measured_is_noted(tmp_path: Path, text: str, said: str) -> None:
    noted = notes(run(monitored(tmp_path, text)))["monitor_untested"]
    assert "models.m.monitors[2]: nothing that it asks for can be measured" in noted
    assert said in noted


def test_what_a_tool_chooses_is_of_some_families_only(tmp_path: Path) -> None:
    message = refusal(monitored(tmp_path, 'metrics = ["default"]\nconvention = "evidently"\nfamily = "performance"'))
    assert "models.m.monitors[2].family" in message
    assert "data_drift, prediction_drift, label_drift" in message
    assert "not of performance" in message
