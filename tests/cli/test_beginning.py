"""What a newcomer types first: `init` on files of their own, and `demo`."""

import datetime as dt
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_desk.config.desk_file import read_desk
from mlops_desk.domain.schema import Task
from mlops_desk.operations import demo
from tests.cli.conftest import CommandLine
from tests.operations.small_workspace import FIRST_DAY, write_files, write_workspace


def test_init_guesses_says_why_and_run_goes_on_from_there(mlops_desk: CommandLine, tmp_path: Path) -> None:
    data = write_files(tmp_path / "data")
    folder = tmp_path / "my desk"
    code = mlops_desk(
        "init", folder, "--logs", data / "logs", "--reference", data / "reference.parquet", "--labels", data / "labels"
    )
    assert code == 0, mlops_desk.err
    (model,) = read_desk(folder).models
    assert (model.task, model.columns.timestamp, model.columns.id) == (Task.BINARY, "timestamp", "id")
    assert (model.columns.prediction, model.columns.score) == ("y_pred", "y_pred_proba")
    assert model.columns.protected == ("sex",)
    assert model.labels is not None
    assert (model.labels.key, model.labels.target) == ("id", "label")
    lines = mlops_desk.out.splitlines()
    for column in ("id", "timestamp", "amount", "region", "sex", "y_pred", "y_pred_proba"):
        (line,) = [line for line in lines if line.split()[:1] == [column]]
        assert len(line.split()) > 4, f"no reason for {column}"
    assert lines[-1] == f"next: look at it, then mlops-desk run '{folder}'"
    assert mlops_desk("run", folder) == 0
    assert "alert" in mlops_desk.out


def test_init_overwrites_nothing(mlops_desk: CommandLine, tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    before = (folder / "desk.toml").read_bytes()
    assert mlops_desk("init", folder, "--logs", folder / "logs") == 2
    assert "is left as it is" in mlops_desk.err
    assert (folder / "desk.toml").read_bytes() == before


def test_init_tells_the_parts_of_one_folder_apart_by_names(mlops_desk: CommandLine, tmp_path: Path) -> None:
    folder = write_files(tmp_path)
    assert mlops_desk("init", folder, "--logs", folder) == 0
    assert mlops_desk.out.splitlines()[:3] == [
        "logs: logs/**/*.parquet",
        "reference: reference.parquet",
        "labels: labels/**/*.parquet",
    ]


def test_init_without_a_reference_takes_the_first_third(mlops_desk: CommandLine, tmp_path: Path) -> None:
    folder = write_files(tmp_path)
    logs = sorted((folder / "logs").iterdir())
    assert mlops_desk("init", folder, "--logs", *logs, "--task", "binary") == 0
    (model,) = read_desk(folder).models
    assert model.logs.paths == ("logs/*.parquet",)
    assert (model.reference.start, model.chunks.every) == (FIRST_DAY, "1d")
    assert model.reference.end in (FIRST_DAY + dt.timedelta(days=1), FIRST_DAY + dt.timedelta(days=2))
    assert "no labels were found" in mlops_desk.err
    assert mlops_desk("run", folder) == 0


def test_init_names_text_that_should_be_times(mlops_desk: CommandLine, tmp_path: Path) -> None:
    table = pa.table({"when": ["31/01/2026"] * 500, "x": [float(i) for i in range(500)], "prediction": [0, 1] * 250})
    pq.write_table(table, tmp_path / "log.parquet")
    pq.write_table(table, tmp_path / "ref.parquet")
    code = mlops_desk("init", tmp_path, "--logs", tmp_path / "log.parquet", "--reference", tmp_path / "ref.parquet")
    assert code == 0
    assert "'when' is text that looks like times" in mlops_desk.err
    assert read_desk(tmp_path).models[0].chunks.size == 100


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"x.csv": b"a,b\n1,2\n"}, "x.csv has to be converted to Parquet first"),
        ({}, "holds no Parquet file"),
        ({"a.parquet": b"nonsense"}, "a.parquet is left out: it is not a Parquet file"),
        ({"labels.parquet": b""}, "a prediction log is needed too"),
    ],
)
def test_init_on_something_else(mlops_desk: CommandLine, tmp_path: Path, names: dict[str, bytes], said: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for name, content in names.items():
        (data / name).write_bytes(content)
    assert mlops_desk("init", tmp_path / "desk", "--logs", data) == 2
    assert said in mlops_desk.err
    assert mlops_desk.err.count("\n") == 1
    assert not (tmp_path / "desk").exists()


def test_init_without_times_or_reference(mlops_desk: CommandLine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.5, 2.5], "prediction": [0, 1]}), tmp_path / "log.parquet")
    assert mlops_desk("init", tmp_path, "--logs", tmp_path / "log.parquet") == 2
    assert "--reference" in mlops_desk.err
    assert not (tmp_path / "desk.toml").exists()


@pytest.fixture
def small_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small workspace in place of the shipped one."""
    folder = write_workspace(tmp_path / "shipped", '\n[models.retraining]\ncommand = ["{python}", "-c", "print(1)"]\n')
    text = (folder / "desk.toml").read_text(encoding="utf-8")
    (folder / "desk.toml").write_text(text.replace('"Small"', f'"{demo.SAMPLE_NAME}"', 1), encoding="utf-8")
    (folder / ".desk").mkdir()
    (folder / ".desk" / "rubbish").write_text("of a developer")
    monkeypatch.setattr(demo, "resource", lambda *_: folder)
    return folder


def test_demo(mlops_desk: CommandLine, small_sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    folder = tmp_path / "demo"
    assert mlops_desk("demo", "--dir", folder) == 0, mlops_desk.err
    assert "small: 5 chunks" in mlops_desk.out
    assert "■ alert" in mlops_desk.out
    assert f"report:      {folder / 'report.html'}" in mlops_desk.out
    assert "no display here" in mlops_desk.out
    assert (folder / "report.html").stat().st_size > 10_000
    assert not (folder / ".desk" / "rubbish").exists()
    assert mlops_desk("retrain", folder, "--wait") == 0, "the program trusts what it wrote itself"
    monkeypatch.setenv("DISPLAY", ":0")
    assert mlops_desk("demo", "--dir", folder) == 0
    assert "small: nothing new" in mlops_desk.out
    assert mlops_desk.windows == [folder]
    assert mlops_desk("demo", "--dir", folder, "--no-gui") == 0
    assert mlops_desk.windows == [folder]


def test_demo_goes_to_the_users_folder(mlops_desk: CommandLine, small_sample: Path, home: Path) -> None:
    assert mlops_desk("demo", "--no-gui") == 0
    assert (home / "sample" / "report.html").is_file()


def test_demo_overwrites_nothing(mlops_desk: CommandLine, small_sample: Path, tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    assert mlops_desk("demo", "--dir", full) == 2
    assert "is not empty" in mlops_desk.err
    assert [path.name for path in full.iterdir()] == ["thesis.txt"]
    mine = write_workspace(tmp_path / "mine")
    assert mlops_desk("demo", "--dir", mine) == 2
    assert "choose another folder with --dir" in mlops_desk.err
    assert not (mine / ".desk").exists()


def test_demo_that_cannot_be_copied_leaves_nothing(
    mlops_desk: CommandLine, small_sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full_disk)
    assert mlops_desk("demo", "--dir", tmp_path / "demo") == 2
    assert mlops_desk.err.endswith("No space left on device\n")
    assert not [path for path in tmp_path.iterdir() if "demo" in path.name]
