"""A monitor that cannot give what it promises says so, instead of a model that looks healthy."""

from pathlib import Path

import pytest

from tests.monitoring.test_bad_input import refusal, run, values, workspace


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
