"""The sample's training command: what it learns from, what it leaves behind, how it fails and how it stops."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import log_loss, roc_auc_score

SAMPLES = Path(__file__).resolve().parents[2] / "resources" / "samples"
SCRIPT = SAMPLES / "training" / "train.py"

DESK = """
version = 1
[[models]]
id = "toy"
task = "binary"
[models.logs]
path = "logs"
[models.reference]
path = "reference.parquet"
[models.labels]
path = "labels/*.parquet"
key = "key"
target = "outcome"
[models.columns]
timestamp = "at"
id = "id"
prediction = "guess"
score = "p"
positive = "yes"
target = "outcome"
protected = ["sex"]
ignore = ["note"]
"""


@pytest.fixture(scope="module")
def training() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_training", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def toy_rows(first: int, count: int, seed: int) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    value = draw.normal(size=count)
    colour = draw.choice(["red", "blue"], count)
    outcome = np.where(value + (colour == "red") + draw.normal(0, 0.5, count) > 0.5, "yes", "no")
    score = 1 / (1 + np.exp(-value))
    return {
        "id": np.arange(first, first + count),
        "at": np.datetime64("2024-01-01", "s") + np.arange(first, first + count),
        "value": value,
        "colour": colour,
        "sex": draw.choice(["f", "m"], count),
        "note": [f"note {row}" for row in range(count)],
        "p": score,
        "guess": np.where(score >= 0.3, "yes", "no"),
        "outcome": outcome,
    }


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """300 reference rows, 300 logged ones in files whose names run against time; labels: 250, one twice alike, one contradicted, one NULL."""
    (tmp_path / "desk.toml").write_text(DESK, encoding="utf-8")
    pq.write_table(pa.table(toy_rows(0, 300, 1)), tmp_path / "reference.parquet")
    logged = pa.table(toy_rows(300, 300, 2))
    (tmp_path / "logs").mkdir()
    (tmp_path / "labels").mkdir()
    for part in range(3):
        pq.write_table(
            logged.slice(part * 100, 100).drop_columns(["outcome"]), tmp_path / "logs" / f"{2 - part}.parquet"
        )
    answers = dict(zip(logged["id"].to_pylist(), logged["outcome"].to_pylist(), strict=True))
    keys = [*range(300, 550), 300, 301, 302]
    values = [*(answers[key] for key in range(300, 549)), None, answers[300], answers[301], answers[302]]
    values[-1] = "no" if answers[302] == "yes" else "yes"
    pq.write_table(pa.table({"key": pa.array(keys, pa.int32()), "outcome": values}), tmp_path / "labels" / "a.parquet")
    return tmp_path


def start(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=environment
    )


def fetched(sql: str) -> dict[str, Any]:
    return duckdb.connect().execute(sql).fetchnumpy()


def judged(workspace: Path, run: Path, logs: str, labels: str, target: str, score: str) -> dict[str, Any]:
    """Join the candidate's rows back to the log and its labels, as the gate does."""
    return fetched(
        f"select c.{score} as score, t.{target} as label, l.{score} as champion, l.* "
        f"from '{run}/candidate.parquet' c join '{workspace / logs}' l using (id) join '{workspace / labels}' t using (id)"
    )


def test_a_real_run_leaves_a_candidate_that_joins_back_by_id(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "7"
    process = start("--run", str(run), "--model", "car-loan", "--stages", "3", "--trees", "4")
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert [line.split(" loss ")[0] for line in output.splitlines() if line.startswith("progress")] == [
        "progress 1/3",
        "progress 2/3",
        "progress 3/3",
    ]
    assert {file.name for file in run.iterdir()} == {"model.joblib", "metrics.json", "candidate.parquet"}
    candidate = pq.read_table(run / "candidate.parquet")
    log = pq.read_schema(SAMPLES / "loans/logs/analysis.parquet")
    assert candidate.schema.names == ["id", "y_pred", "y_pred_proba"]
    assert all(field.type == log.field(field.name).type for field in candidate.schema)
    assert len(candidate) == 15_000
    rows = judged(SAMPLES, run, "loans/logs/*.parquet", "loans/labels/*.parquet", "repaid", "y_pred_proba")
    assert len(rows["score"]) == 15_000
    latest = fetched(f"select id from '{SAMPLES}/loans/logs/*.parquet' order by timestamp desc limit 15000")
    assert set(rows["id"]) == set(latest["id"])
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["roc_auc"] == pytest.approx(roc_auc_score(rows["label"], rows["score"]), abs=1e-12)
    assert metrics["log_loss"] == pytest.approx(log_loss(rows["label"], rows["score"]), abs=1e-12)
    assert metrics["champion_roc_auc"] == pytest.approx(roc_auc_score(rows["label"], rows["champion"]), abs=1e-12)
    assert metrics["rows_trained"] == 85_000
    assert 0.64 < metrics["decision_threshold"] < 0.65
    chosen = candidate["y_pred_proba"].to_numpy() >= metrics["decision_threshold"]
    assert (candidate["y_pred"].to_numpy() == chosen).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "folder", "target", "score"),
    [
        ("census-employment", "census", "employed", "predicted_probability"),
        ("flight-delay", "flights", "late", "late_proba"),
        ("car-loan", "loans", "repaid", "y_pred_proba"),
    ],
)
def test_the_configured_command_ranks_better_than_the_champion(
    tmp_path: Path, model: str, folder: str, target: str, score: str
) -> None:
    process = start("--run", str(tmp_path), "--model", model)
    _, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, "")
    rows = judged(SAMPLES, tmp_path, f"{folder}/logs/*.parquet", f"{folder}/labels/*.parquet", target, score)
    assert len(rows["score"]) == len(pq.read_table(tmp_path / "candidate.parquet"))
    labels = np.ma.getdata(rows["label"])
    assert not np.ma.getmaskarray(rows["label"]).any(), "the hold-out has labelled rows only"
    assert roc_auc_score(labels, rows["score"]) > roc_auc_score(labels, rows["champion"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends processes without asking")
def test_sigterm_ends_it_between_stages_and_leaves_no_candidate(tmp_path: Path) -> None:
    process = start("--run", str(tmp_path / "run"), "--model", "car-loan", "--stages", "500")
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("progress 1/"):
            break
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=5)
    assert process.returncode == 128 + signal.SIGTERM
    assert output.splitlines()[-1] == "stopped: no candidate was written"
    assert not (tmp_path / "run").exists()


def test_labels_join_by_id_equal_duplicates_count_once_and_conflicts_not_at_all(
    training: ModuleType, toy: Path
) -> None:
    rows = training.labelled_rows(toy, training.model_entry(toy, "toy"))
    held = rows.table["id"].to_pylist()
    assert held == [*range(300), 300, 301, *range(303, 549)]
    answers = pa.concat_tables([pa.table(toy_rows(0, 300, 1)), pa.table(toy_rows(300, 300, 2))])
    expected = dict(zip(answers["id"].to_pylist(), answers["outcome"].to_pylist(), strict=True))
    assert rows.positive.tolist() == [expected[row] == "yes" for row in held]
    assert "outcome" not in rows.table.column_names


def test_features_leave_out_roles_and_ignored_columns_and_protected_ones_on_request(
    training: ModuleType, toy: Path
) -> None:
    entry = training.model_entry(toy, "toy")
    table = training.labelled_rows(toy, entry).table
    seen = training.features_of(table, entry["columns"], protected=True)
    assert seen.names == ("value", "colour", "sex")
    assert set(seen.categories) == {"colour", "sex"}
    assert training.features_of(table, entry["columns"], protected=False).names == ("value", "colour")


def test_unknown_and_missing_values_become_nan(training: ModuleType) -> None:
    features = training.Features(names=("value", "colour"), categories={"colour": ["red", "blue"]})
    table = pa.table({"value": [1.5, None, 3.0, 4.0], "colour": ["blue", "red", None, "green"]})
    expected = [[1.5, 1.0], [np.nan, 0.0], [3.0, np.nan], [4.0, np.nan]]
    np.testing.assert_array_equal(features.matrix(table), expected)


def test_a_toy_run_keeps_the_types_of_the_log_and_its_threshold(
    training: ModuleType, toy: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert training.main(["--run", str(run), "--model", "toy", "--workspace", str(toy), "--stages", "2"]) == 0
    candidate = pq.read_table(run / "candidate.parquet")
    assert candidate.schema.types == [pa.int64(), pa.string(), pa.float64()]
    threshold = json.loads((run / "metrics.json").read_text(encoding="utf-8"))["decision_threshold"]
    assert threshold == pytest.approx(0.3, abs=0.02)
    assert candidate["guess"].to_pylist() == ["yes" if p >= threshold else "no" for p in candidate["p"].to_pylist()]
    fitted = joblib.load(run / "model.joblib")
    features = training.Features(names=tuple(fitted["features"]), categories=fitted["categories"])
    table = training.labelled_rows(toy, training.model_entry(toy, "toy")).table
    again = fitted["model"].predict_proba(features.matrix(table.slice(len(table) - len(candidate))))[:, 1]
    np.testing.assert_array_equal(again, candidate["p"].to_numpy())


def break_nothing_but_the_name(toy: Path) -> str:
    (toy / "desk.toml").write_text(DESK.replace('"toy"', '"boat"'), encoding="utf-8")
    return "desk.toml has no model 'toy'; it has boat"


def remove_desk(toy: Path) -> str:
    (toy / "desk.toml").unlink()
    return "there is no desk.toml in"


def spoil_desk(toy: Path) -> str:
    (toy / "desk.toml").write_text("version = = 1", encoding="utf-8")
    return "desk.toml cannot be read"


def ask_for_sql(toy: Path) -> str:
    (toy / "desk.toml").write_text(DESK.replace('path = "logs"', 'path = "logs"\nfilter = "value > 0"'), "utf-8")
    return "cannot apply the filter"


def ask_for_regression(toy: Path) -> str:
    (toy / "desk.toml").write_text(DESK.replace('"binary"', '"regression"'), encoding="utf-8")
    return "trains binary classifiers"


def remove_labels(toy: Path) -> str:
    shutil.rmtree(toy / "labels")
    return "no Parquet files of the labels"


def rename_label(toy: Path) -> str:
    pq.write_table(pa.table({"key": [1], "result": ["yes"]}), toy / "labels" / "a.parquet")
    return "the labels have no column 'outcome'; they have key, result"


def label_other_ids(toy: Path) -> str:
    pq.write_table(pa.table({"key": ["a"], "outcome": ["yes"]}), toy / "labels" / "a.parquet")
    return "the labels' keys are string and the log's ids int64"


def tear_a_file(toy: Path) -> str:
    file = toy / "logs" / "1.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    return f"{Path('logs') / '1.parquet'} cannot be read as Parquet"


def keep_few_labels(toy: Path) -> str:
    pq.write_table(pq.read_table(toy / "reference.parquet").slice(0, 20), toy / "reference.parquet")
    pq.write_table(pa.table({"key": [300], "outcome": ["yes"]}), toy / "labels" / "a.parquet")
    return "only 21 rows have a label so far"


def keep_one_class(toy: Path) -> str:
    pq.write_table(pa.table({"key": range(300, 500), "outcome": ["yes"] * 200}), toy / "labels" / "a.parquet")
    return "the hold-out hold one class only"


@pytest.mark.parametrize(
    "damage",
    [
        break_nothing_but_the_name,
        remove_desk,
        spoil_desk,
        ask_for_sql,
        ask_for_regression,
        remove_labels,
        rename_label,
        label_other_ids,
        tear_a_file,
        keep_few_labels,
        keep_one_class,
    ],
)
def test_what_cannot_be_trained_ends_with_one_line(
    training: ModuleType, toy: Path, capsys: pytest.CaptureFixture[str], damage: Any
) -> None:
    sentence = damage(toy)
    assert training.main(["--run", str(toy / "run"), "--model", "toy", "--workspace", str(toy)]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith("train.py: ")
    assert sentence in errors
    assert errors.count("\n") == 1
    assert not (toy / "run").exists()
