"""Workspaces, models and programs for tests that start real processes, and a way to wait for what they do."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from mlops_desk.domain.model import Logs, Model, Reference
from mlops_desk.domain.retraining import RetrainingRun, RetrainingSpec
from mlops_desk.domain.schema import ColumnRoles
from mlops_desk.domain.slicing import ChunkRule
from mlops_desk.retraining import runner
from mlops_desk.retraining.ledger import record_of
from mlops_desk.retraining.process_tree import end_processes, run_processes

CHECKOUT = Path(__file__).resolve().parents[2]
WAIT_IN_COMMAND = """
def wait_for(path, seconds=60):
    import os, time
    deadline = time.monotonic() + seconds
    while not os.path.exists(path):
        if time.monotonic() > deadline:
            raise SystemExit(f"{path} did not come")
        time.sleep(0.01)
"""


@pytest.fixture
def until() -> Callable[..., object]:
    """Return a function that waits for a condition to hold and gives its value, or fails when the deadline has passed."""

    def wait(condition: Callable[[], object], seconds: float = 20.0) -> object:
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while not (value := condition()):
            assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
            pause.wait(0.01)
        return value

    return wait


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Path]:
    """Return a workspace folder whose name has blanks and letters of several scripts; nothing of its runs outlives the test."""
    folder = tmp_path / "my désk 工作"
    folder.mkdir()
    yield folder
    for run in runner.runs(folder):
        run_folder, record = record_of(folder, run.id)
        mark = run_folder.read_launch().mark
        if not run.state.final and record.supervisor is not None:
            psutil.Process(record.supervisor.pid).kill()
        end_processes(lambda mark=mark: run_processes(None, mark), 0.0)


@pytest.fixture
def model() -> Callable[..., Model]:
    """Return a function that makes a model from a command and other fields of its retraining."""

    def make(*command: str, id: str = "car-loan", **fields: object) -> Model:
        return Model(
            id=id,
            name="Car loan",
            task=None,
            logs=Logs(paths=()),
            reference=Reference(),
            columns=ColumnRoles(),
            chunks=ChunkRule(),
            retraining=RetrainingSpec(command=command, **fields),
        )

    return make


@pytest.fixture
def python_model(model: Callable[..., Model]) -> Callable[..., Model]:
    """Return a function that makes a model whose command is a Python program, with a function wait_for(path) at hand."""
    return lambda code, *arguments, **fields: model("{python}", "-c", WAIT_IN_COMMAND + code, *arguments, **fields)


@pytest.fixture
def started(workspace: Path) -> Callable[[Model], RetrainingRun]:
    """Return a function that starts a run of a model."""
    return lambda model: runner.start(
        workspace, model, reason="drift of age", asked_by="anna", now=datetime.now(UTC), trusted=True
    )


@pytest.fixture
def finished(workspace: Path, started: Callable[[Model], RetrainingRun]) -> Callable[[Model], RetrainingRun]:
    """Return a function that starts a run of a model and waits for its end."""
    return lambda model: runner.wait(workspace, started(model).id)


@pytest.fixture
def other_program() -> Callable[..., subprocess.Popen]:
    """Return a function that starts another Python program which has this package at hand."""
    programs = []

    def begin(code: str, *arguments: str) -> subprocess.Popen:
        program = subprocess.Popen(
            (sys.executable, "-c", code, *arguments),
            env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        programs.append(program)
        return program

    yield begin
    for program in programs:
        program.kill()
        program.communicate()
