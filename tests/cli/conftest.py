"""Every test has a home of its own for what the program keeps about the user, and a command line to type at."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.cli.entry import main
from mlops_desk.workspace import Workspace
from tests.operations.small_workspace import write_workspace


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("MLOPS_DESK_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small workspace that was evaluated once; tests that change it take a copy."""
    folder = write_workspace(tmp_path_factory.mktemp("evaluated") / "small")
    Workspace.open(folder).evaluate()
    return folder


@pytest.fixture
def workspace(evaluated: Path, tmp_path: Path) -> Path:
    """A copy of the evaluated workspace, for one test to change."""
    return Path(shutil.copytree(evaluated, tmp_path / "small"))


class CommandLine:
    """Runs commands in this process and keeps what they wrote."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out, self.err = "", ""
        self.windows: list[Path | None] = []

    def __call__(self, *arguments: object) -> int:
        self._capsys.readouterr()
        code = main([str(argument) for argument in arguments], self._open_window)
        self.out, self.err = self._capsys.readouterr()
        return code

    def _open_window(self, workspace: Path | None) -> int:
        self.windows.append(workspace)
        return 0

    def document(self, *arguments: object) -> Any:
        """What a command writes as JSON."""
        assert self(*arguments, "--json") == 0, self.err
        return json.loads(self.out)


@pytest.fixture
def mlops_desk(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)
