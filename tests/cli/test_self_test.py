"""`--self-test`: its values are scikit-learn's, every check can fail, and an installation that works passes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn.metrics
from pyarrow import Table, parquet

from mlops_desk.cli import self_test
from mlops_desk.cli.entry import main
from mlops_desk.workspace import Workspace
from tests.operations.small_workspace import write_workspace

SAMPLES = Path(__file__).resolve().parents[2] / "resources" / "samples"


def joined(log: Table, labels: Table, target: str) -> Table:
    if target in log.column_names:
        log = log.drop_columns([target])
    return log.join(labels.select(["id", target]), "id", join_type="inner")


def first_chunk(model: str) -> tuple[Table, str, str, str]:
    """The labelled rows of the first watched chunk, and the columns of truth, prediction and score."""
    if model == "census-employment":
        log = parquet.read_table(SAMPLES / "census" / "logs" / "2016-01.parquet")
        labels = parquet.read_table(SAMPLES / "census" / "labels")
        return joined(log, labels, "employed"), "employed", "prediction", "predicted_probability"
    if model == "flight-delay":
        logs = parquet.read_table(SAMPLES / "flights" / "logs")
        month = [one.month == 4 for one in logs["timestamp"].to_pylist()]
        labels = parquet.read_table(SAMPLES / "flights" / "labels")
        rows = joined(logs.filter(month), labels, "late")
        return rows.filter(rows["late"].is_valid()), "late", "late_pred", "late_proba"
    log = parquet.read_table(SAMPLES / "loans" / "logs" / "analysis.parquet").sort_by("timestamp").slice(0, 5000)
    labels = parquet.read_table(SAMPLES / "loans" / "labels")
    return joined(log, labels, "repaid"), "repaid", "y_pred", "y_pred_proba"


@pytest.mark.parametrize(("model", "metric", "value"), self_test.EXPECTED)
def test_expected_values_are_those_of_scikit_learn(model: str, metric: str, value: float) -> None:
    rows, truth, prediction, score = first_chunk(model)
    by_metric = {"accuracy": sklearn.metrics.accuracy_score, "roc_auc": sklearn.metrics.roc_auc_score}
    column = prediction if metric == "accuracy" else score
    assert value == pytest.approx(by_metric[metric](rows[truth].to_numpy(), rows[column].to_numpy()), abs=1e-12)


@pytest.mark.slow
def test_a_working_installation_passes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mlops_desk", "--self-test"]
    environment = {**os.environ, "MLOPS_DESK_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    states = [line.split()[:2] for line in done.stdout.splitlines()[:-1]]
    assert [name for _, name in states] == [name for name, _ in self_test.CHECKS]
    assert {state for state, _ in states} <= {"ok", "warning"}
    assert not (tmp_path / "home").exists(), "what the user has is left alone"


def failing(_: self_test.Bench) -> str:
    raise ValueError("broken on purpose")


def lacking(_: self_test.Bench) -> str:
    raise self_test.Lacking("no such font")


@pytest.mark.parametrize(
    ("checks", "code", "told"),
    [
        ((("a", failing), ("b", lambda _: "fine")), 1, ["failed   a", "ok       b", "self-test: failed"]),
        ((("a", lacking),), 0, ["warning  a             no such font", "self-test: warning"]),
    ],
)
def test_one_failure_fails_and_the_others_are_still_told(
    checks: tuple[object, ...],
    code: int,
    told: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(self_test, "CHECKS", checks)
    monkeypatch.setattr(self_test, "create_sample", lambda _: Workspace.open(write_workspace(tmp_path / "small")))
    assert main(["--self-test"], lambda _: 0) == code
    for line, beginning in zip(capsys.readouterr().out.splitlines(), told, strict=True):
        assert line.startswith(beginning)


def test_each_check_notices_what_it_looks_for(evaluated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace.open(evaluated)
    bench = self_test.Bench(folder=tmp_path, workspace=workspace, window={})
    with pytest.raises(AssertionError, match="begins with"):
        self_test._report(".html", b"%PDF-")(bench)
    with pytest.raises(self_test.Lacking, match="did not open"):
        self_test._chinese(bench)
    bench.window = {"chinese": []}
    with pytest.raises(self_test.Lacking, match="fonts-noto-cjk"):
        self_test._chinese(bench)
    monkeypatch.setattr(self_test, "resource", lambda *_: tmp_path / "none.svg")
    with pytest.raises(ValueError, match="svg_path"):
        self_test._picture(bench)
    monkeypatch.setattr(self_test, "interpreter", lambda: "false")
    with pytest.raises(AssertionError, match="exit code 1"):
        self_test._window(bench)


def test_the_self_test_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--self-test", "--json"], lambda _: 0) == 2
    assert "stands alone" in capsys.readouterr().err
