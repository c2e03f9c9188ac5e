"""What only the data shows to be wrong with desk.toml is told with its line, as what the file alone shows is."""

from pathlib import Path

import pytest

from mlops_desk.config.desk_file import read_desk
from mlops_desk.config.source import with_line
from mlops_desk.operations.check import checked
from tests.monitoring.test_bad_input import refusal, workspace

FIRST = '[[models.monitors]]\nmetrics = ["rows"]\n\n[[models.monitors]]\n'


@pytest.mark.parametrize(
    ("more", "old", "new", "key", "line"),
    [
        ("", 'path = "logs"\n', 'path = "logs"\nfilter = "nix = 1"\n', "logs.filter", 'filter = "nix'),
        ("", 'score = "score"', 'score = "scoer"', "columns.score", 'score = "scoer"'),
        (f'{FIRST}metrics = ["psy"]\n', "", "", "monitors[2].metrics", 'metrics = ["psy"]'),
        (f'{FIRST}metrics = ["psi"]\ncolumns = ["ag"]\n', "", "", "monitors[2].columns", 'columns = ["ag"]'),
        ("", 'path = "logs"', 'path = "log"', "logs.path", 'path = "log"'),
    ],
)  # fmt: skip
def test_a_late_error_names_its_line(tmp_path: Path, more: str, old: str, new: str, key: str, line: str) -> None:
    workspace(tmp_path, *([more] if more else []))
    file = tmp_path / "desk.toml"
    file.write_text(file.read_text().replace(old, new, 1))
    number = next(n for n, one in enumerate(file.read_text().splitlines(), 1) if one.startswith(line))
    desk = read_desk(tmp_path)
    for message in (refusal(tmp_path), checked(desk, desk.models[0]).failure or ""):
        assert message.startswith(f"{file}:{number}: models.m.{key}: ")


@pytest.mark.parametrize("message", ["the disk is full", "models.other.logs.path: nothing", "models.m: no rows"])
def test_other_messages_stay_as_they_are(tmp_path: Path, message: str) -> None:
    workspace(tmp_path, days=0)
    assert with_line(read_desk(tmp_path), message) == message
