"""Whatever a user gets wrong is told in one clear line, and what can be judged is judged."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import CommandLine
from tests.operations.small_workspace import DAYS, REFERENCE_ROWS, ROWS_A_DAY, changed_column, write_workspace

Spoil = Callable[[Path], None]


def in_desk(old: str, new: str) -> Spoil:
    def spoil(folder: Path) -> None:
        file = folder / "desk.toml"
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    return spoil


def empty_logs(folder: Path) -> None:
    for file in (folder / "logs").iterdir():
        file.unlink()


def only_text(folder: Path) -> None:
    empty_logs(folder)
    (folder / "logs" / "notes.parquet").write_text("these are no columns")


def reference_without_rows(folder: Path) -> None:
    file = folder / "reference.parquet"
    pq.write_table(pq.read_table(file).slice(0, 0), file)


def times_as_text(folder: Path) -> None:
    for file in (folder / "reference.parquet", *(folder / "logs").iterdir()):
        times = pq.read_table(file)["timestamp"].to_pylist()
        changed_column(file, "timestamp", pa.array([f"{time:%d/%m/%Y %H:%M}" for time in times]))


def no_labels_folder(folder: Path) -> None:
    shutil.rmtree(folder / "labels")


UNJUDGEABLE: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "misspelt key": (in_desk('timestamp = "', 'timestmp = "'), ("desk.toml:21:", "did you mean timestamp?")),
    "misspelt table": (in_desk("[models.chunks]", "[models.chunk]"), ("did you mean chunks?",)),
    "unknown column": (in_desk('prediction = "y_pred"', 'prediction = "y_prd"'), ("'y_prd'", "did you mean y_pred")),
    "unknown protected column": (in_desk('["sex"]', '["gender"]'), ("'gender'", "region")),
    "no toml": (in_desk("version = 1", "version ="), ("desk.toml:1:", "not TOML")),
    "newer version": (in_desk("version = 1", "version = 99"), ("99", "update")),
    "empty folder": (empty_logs, ("logs/*.parquet", "no Parquet file")),
    "only text called parquet": (only_text, ("notes.parquet", "not a Parquet file")),
    "reference without rows": (reference_without_rows, ("reference", "has no rows")),
    "reference that is not there": (lambda folder: (folder / "reference.parquet").unlink(), ("reference.parquet",)),
    "times as text": (times_as_text, ("'timestamp'", "neither ISO 8601", "timestamp_format")),
}


@pytest.mark.parametrize("trouble", UNJUDGEABLE)
@pytest.mark.parametrize("command", ["run", "check"])
def test_what_cannot_be_judged_is_exit_2_and_one_line(
    mlops_desk: CommandLine, tmp_path: Path, trouble: str, command: str
) -> None:
    spoil, said = UNJUDGEABLE[trouble]
    folder = write_workspace(tmp_path)
    spoil(folder)
    assert mlops_desk(command, folder) == 2
    assert mlops_desk.err.startswith("mlops-desk: ")
    assert mlops_desk.err.count("\n") == 1, mlops_desk.err
    for words in said:
        assert words in mlops_desk.err
    if command == "run":
        assert mlops_desk.out == ""


def text_beside(folder: Path) -> None:
    (folder / "logs" / "notes.parquet").write_text("these are no columns")


def truncated_beside(folder: Path) -> None:
    whole = (folder / "logs" / "d04.parquet").read_bytes()
    (folder / "logs" / "d05.parquet").write_bytes(whole[: len(whole) // 2])


def conflicting_labels(folder: Path) -> None:
    ids = pq.read_table(folder / "labels" / "d00.parquet")["id"]
    pq.write_table(pa.table({"id": ids, "label": pa.array([7] * len(ids))}), folder / "labels" / "more.parquet")


def strange_ids(folder: Path) -> None:
    for number, file in enumerate(sorted((folder / "labels").iterdir())):
        first = 9_000_000 + 1000 * number
        changed_column(file, "id", pa.array(range(first, first + ROWS_A_DAY)))


WARNED: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "text called parquet": (text_beside, ("notes.parquet", "not a Parquet file")),
    "truncated file": (truncated_beside, ("d05.parquet", "cut short")),
    "ids that do not match": (strange_ids, ("none of the 1,000 labels has an id of the log",)),
    "conflicting labels": (conflicting_labels, ("different labels",)),
}


@pytest.mark.parametrize("trouble", WARNED)
def test_the_rest_is_judged_and_the_trouble_named(mlops_desk: CommandLine, tmp_path: Path, trouble: str) -> None:
    spoil, said = WARNED[trouble]
    folder = write_workspace(tmp_path)
    spoil(folder)
    assert mlops_desk("run", folder) == 0
    assert mlops_desk.out.startswith(f"small: {DAYS} chunks, ")
    assert mlops_desk.err.startswith("mlops-desk: warning: small: ")
    for words in said:
        assert words in mlops_desk.err


def one_class(folder: Path) -> None:
    changed_column(folder / "reference.parquet", "label", pa.array([1] * REFERENCE_ROWS))
    for file in (folder / "labels").iterdir():
        changed_column(file, "label", pa.array([1] * ROWS_A_DAY))


def null_column(folder: Path) -> None:
    for file in (folder / "reference.parquet", *(folder / "logs").iterdir()):
        changed_column(file, "nothing", pa.nulls(pq.read_metadata(file).num_rows, pa.float64()))


@pytest.mark.parametrize("spoil", [one_class, null_column])
def test_what_has_no_number_is_untested_and_the_rest_is_judged(
    mlops_desk: CommandLine, tmp_path: Path, spoil: Spoil
) -> None:
    folder = write_workspace(tmp_path)
    spoil(folder)
    assert mlops_desk("run", folder) == 0
    table = tmp_path / "metrics.parquet"
    assert mlops_desk("metrics", folder, "-o", table) == 0
    rows = pq.read_table(table).to_pylist()
    untested = [row for row in rows if row["value"] is None]
    assert untested
    assert all(row["reason"] and row["verdict"] == "untested" for row in untested)
    wanted = ("roc_auc", None) if spoil is one_class else ("jensen_shannon", "nothing")
    assert any((row["metric"], row["column"]) == wanted for row in untested)
    assert any(row["metric"] == "jensen_shannon" and row["value"] is not None for row in rows)


def test_a_failed_run_keeps_what_was_stored(mlops_desk: CommandLine, workspace: Path) -> None:
    before = mlops_desk.document("alerts", workspace)
    assert before
    empty_logs(workspace)
    assert mlops_desk("run", workspace) == 2
    assert mlops_desk.document("alerts", workspace) == before


def test_a_model_that_cannot_be_judged_is_told_and_the_others_are_stored(
    mlops_desk: CommandLine, tmp_path: Path
) -> None:
    folder = write_workspace(tmp_path)
    head, model = (folder / "desk.toml").read_text(encoding="utf-8").split("[[models]]")
    broken = model.replace('id = "small"', 'id = "broken"').replace("logs/*.parquet", "elsewhere/*.parquet")
    (folder / "desk.toml").write_text(f"{head}[[models]]{broken}\n[[models]]{model}", encoding="utf-8")
    assert mlops_desk("run", folder) == 2
    assert "models.broken.logs" in mlops_desk.err
    assert mlops_desk.err.count("\n") == 1
    assert mlops_desk.out.startswith("small: ")
    assert {alert["model"] for alert in mlops_desk.document("alerts", folder)} == {"small"}
    assert mlops_desk("run", folder, "--model", "small", "--fail-on", "alert") == 1
    assert mlops_desk("run", folder, "--fail-on", "alert") == 2


def test_no_workspace(mlops_desk: CommandLine, tmp_path: Path) -> None:
    assert mlops_desk("run", tmp_path) == 2
    assert "desk.toml does not exist" in mlops_desk.err
    assert "`mlops-desk init`" in mlops_desk.err
    assert mlops_desk("run", Path(__file__)) == 2
    assert "is not a workspace" in mlops_desk.err


def test_a_hostile_name_is_shown_and_not_obeyed(mlops_desk: CommandLine, tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    name = 'x\x1b]0;owned\x07"; drop table chunk; --\u202e'
    for file in (folder / "reference.parquet", *(folder / "logs").iterdir()):
        changed_column(file, name, pq.read_table(file)["amount"])
    assert mlops_desk("check", folder) == 0
    assert "x\\x1b]0;owned" in mlops_desk.out
    assert mlops_desk("run", folder) == 0
    assert mlops_desk("alerts", folder) == 0
    assert "owned" in mlops_desk.out
    assert not set(mlops_desk.out + mlops_desk.err) & set("\x1b\x07\u202e")
