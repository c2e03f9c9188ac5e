"""Files are named from the workspace on, since their own names repeat, and in full where they lie outside."""

import os
from pathlib import Path

import pytest

from tests.monitoring.desks import write_day, write_desk
from tests.monitoring.test_bad_input import BY_PERIOD, COLUMNS, DAILY, INSIDE, MONITORS, run, values, workspace


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


def test_a_file_that_was_closed_to_us_since_is_left_out_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace(tmp_path)
    assert run(tmp_path).chunks_evaluated == 3
    path = tmp_path / "logs" / "05.parquet"
    may_read = os.access
    monkeypatch.setattr(
        os, "access", lambda name, mode, **more: str(name) != str(path) and may_read(name, mode, **more)
    )
    monkeypatch.setattr(
        "mlops_desk.warehouse.footers.torn",
        lambda one: "it cannot be read (Permission denied)" if one == path else None,
    )
    outcome = run(tmp_path)
    assert [note.place for note in outcome.notes if note.code == "file_quarantined"] == [str(path)]
    assert outcome.chunks_evaluated == 0
    assert len(values(tmp_path, metric="rows", split="analysis")) == 2
    monkeypatch.undo()
    assert run(tmp_path).chunks_evaluated == 1
    assert [note for note in run(tmp_path).notes if note.code == "file_quarantined"] == []
