"""Filters, numbers and patterns of desk.toml that the log cannot answer are one line with their key, for `check` as for `run`."""

from pathlib import Path

import pytest

from mlops_desk.config.desk_file import read_desk
from mlops_desk.operations.check import checked
from tests.monitoring.desks import COLUMNS, INSIDE
from tests.monitoring.test_bad_input import refusal, rewritten, run, workspace


def filtered(folder: Path, sql: str) -> Path:
    workspace(folder)
    text = (folder / "desk.toml").read_text()
    (folder / "desk.toml").write_text(text.replace('path = "logs"\n', f'path = "logs"\nfilter = "{sql}"\n'))
    return folder


def failure_of_check(folder: Path) -> str | None:
    desk = read_desk(folder)
    return checked(desk, desk.models[0]).failure


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("ts >= DATE '2026-02-30'", "out of range"),
        ("ts > 'now'::timestamp", "invalid timestamp"),
        ("ts > '2026-02-30'", "out of range"),
        ("kind", "of type VARCHAR, neither true nor false"),
        ("ts", "of type TIMESTAMP, neither true nor false"),
        ("sql_auto_complete(kind) = 'a'", "sql_auto_complete"),
        ("kind::int > 1", "try_cast"),
    ],
)
def test_a_filter_that_is_no_predicate_names_its_key(tmp_path: Path, sql: str, said: str) -> None:
    folder = filtered(tmp_path, sql)
    for message in (refusal(folder), failure_of_check(folder)):
        assert message is not None
        assert "models.m.logs.filter: " in message
        assert said in message
        assert "\n" not in message
        assert "install" not in message


@pytest.mark.parametrize("sql", ["age", "kind <> 'a' and ts >= DATE '2024-02-27'", "try_cast(kind as int) is null"])
def test_a_filter_of_whole_numbers_or_truth_passes(tmp_path: Path, sql: str) -> None:
    folder = filtered(tmp_path, sql)
    assert run(folder).failure is None
    assert failure_of_check(folder) is None


@pytest.mark.parametrize(
    ("columns", "more", "said"),
    [
        ({"score": "kind"}, "", "columns.score: 'kind' is text that is no number, such as 'a'"),
        ({"score": "ts"}, "", "columns.score: 'ts' is of type TIMESTAMP"),
        ({}, '[[models.expectations]]\ncolumn = "kind"\nmin = 3', "expectations[1].min: 'kind' is text"),
        ({}, '[[models.expectations]]\ncolumn = "x"\nmax = 3\n[[models.expectations]]\ncolumn = "ts"\nmax = 3',
         "expectations[2].max: 'ts' is of type TIMESTAMP"),
        ({}, '[[models.expectations]]\ncolumn = "kind"\npattern = "("', "expectations[1].pattern: '(', expected of column 'kind'"),
    ],
)  # fmt: skip
def test_what_is_no_number_or_pattern_names_its_key(
    tmp_path: Path, columns: dict[str, str], more: str, said: str
) -> None:
    roles = COLUMNS + INSIDE
    for key, column in columns.items():
        roles = roles.replace(f'{key} = "{key}"', f'{key} = "{column}"')
    folder = workspace(tmp_path, more, columns=roles)
    for message in (refusal(folder), failure_of_check(folder)):
        assert message is not None
        assert f"models.m.{said}" in message
        assert "\n" not in message


def test_numbers_written_as_text_are_numbers(tmp_path: Path) -> None:
    folder = workspace(tmp_path, '[[models.expectations]]\ncolumn = "kind"\nmin = 3')
    for day in range(7):
        rewritten(folder / "logs", day, kind=["1", "4", "5", None] * 10)
    assert run(folder).failure is None


@pytest.mark.parametrize(("threshold", "noted"), [("1.5", True), ("-0.2", True), ("0.5", False)])
def test_a_decision_threshold_that_no_score_reaches_is_noted(tmp_path: Path, threshold: str, noted: bool) -> None:
    roles = COLUMNS.replace('prediction = "y_pred"', f"decision_threshold = {threshold}") + INSIDE
    texts = [note.text for note in run(workspace(tmp_path, columns=roles)).notes if note.code == "threshold_outside"]
    assert len(texts) == noted
    assert all(f"decision_threshold {threshold} lies outside the scores" in text for text in texts)


@pytest.mark.parametrize("cwd", [".", "nowhere"])
def test_a_retraining_folder_that_is_not_there_is_noted(tmp_path: Path, cwd: str) -> None:
    folder = workspace(tmp_path, f'[models.retraining]\ncommand = ["true"]\ncwd = "{cwd}"\n')
    desk = read_desk(folder)
    found = [note.text for note in checked(desk, desk.models[0]).notes if note.code == "retraining_cwd"]
    assert found == (
        [] if cwd == "." else [f"retraining.cwd: there is no folder {folder / cwd}, so the command cannot be started"]
    )
