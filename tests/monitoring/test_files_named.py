"""Files are named from the workspace on, since their own names repeat, and in full where they lie outside."""

from pathlib import Path

from tests.monitoring.desks import write_day, write_desk
from tests.monitoring.test_bad_input import BY_PERIOD, COLUMNS, DAILY, INSIDE, MONITORS, run, workspace


def test_a_file_below_the_workspace_is_named_from_it_on(tmp_path: Path) -> None:
    workspace(tmp_path)
    (tmp_path / "logs" / "eu" / "deep").mkdir(parents=True)
    (tmp_path / "logs" / "eu" / "deep" / "05.parquet").write_text("no columns")
    texts = [note.text for note in run(tmp_path).notes if note.code == "file_quarantined"]
    assert texts == ["logs/eu/deep/05.parquet of the log is left out: it is not a Parquet file"]


def test_a_file_outside_is_named_in_full(tmp_path: Path) -> None:
    outside, folder = tmp_path / "share", tmp_path / "desk"
    write_desk(folder, '[models.logs]\npath = "../share"\n', BY_PERIOD, COLUMNS + INSIDE, DAILY, MONITORS)
    for day in range(7):
        write_day(outside, day, inside=True)
    (outside / "bad.parquet").write_text("no columns")
    texts = [note.text for note in run(folder).notes if note.code == "file_quarantined"]
    assert texts == [f"{outside.as_posix()}/bad.parquet of the log is left out: it is not a Parquet file"]
