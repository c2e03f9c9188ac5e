"""What is noticed of files that change, and the loop that evaluates them."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_desk.config.desk_file import read_desk
from mlops_desk.domain.errors import Cancelled, UserError, WorkspaceBusy
from mlops_desk.domain.evaluation import EvaluationOutcome, ModelOutcome
from mlops_desk.domain.progress import CancelToken, ProgressSink, no_progress
from mlops_desk.operations import watch
from mlops_desk.operations.input_watch import SETTLED_SECONDS, InputWatch
from mlops_desk.workspace import Workspace
from tests.operations.small_workspace import DAYS, add_day, write_workspace


def settle(folder: Path) -> None:
    """Makes every file look as though it had been written long ago."""
    past = time.time() - 10 * SETTLED_SECONDS
    for file in folder.rglob("*.parquet"):
        os.utime(file, (past, past))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_workspace(tmp_path)
    settle(folder)
    return folder


def test_what_was_never_evaluated_is_new(folder: Path) -> None:
    assert InputWatch().changed(read_desk(folder))
    assert not (folder / ".desk").exists()


def test_what_was_evaluated_is_not_new_whoever_did_it(folder: Path) -> None:
    workspace = Workspace.open(folder)
    workspace.evaluate()
    assert not workspace.changed_inputs()
    assert not Workspace.open(folder).changed_inputs()


@pytest.mark.parametrize("change", ["arrives", "rewritten", "removed", "labels"])
def test_changes_are_noticed(folder: Path, change: str) -> None:
    workspace = Workspace.open(folder)
    workspace.evaluate()
    last = f"d{DAYS - 1:02}.parquet"
    if change == "arrives":
        add_day(folder, DAYS)
        settle(folder)
    elif change == "rewritten":
        os.utime(folder / "logs" / last, (1, 1))
    else:
        (folder / ("labels" if change == "labels" else "logs") / last).unlink()
    assert workspace.changed_inputs()
    workspace.evaluate()
    assert not workspace.changed_inputs()


def test_a_file_that_is_being_written_has_to_hold_still(folder: Path) -> None:
    watch_of = InputWatch()
    desk = read_desk(folder)
    file = folder / "logs" / "d05.parquet"
    for size in (10, 20):
        file.write_bytes(b"x" * size)
        assert not watch_of.changed(desk)
    assert watch_of.changed(desk)


def test_a_failure_is_not_tried_again_until_something_changes(folder: Path) -> None:
    workspace = Workspace.open(folder)
    workspace.evaluate()
    (folder / "reference.parquet").rename(folder / "away.parquet")
    assert workspace.changed_inputs()
    (outcome,) = workspace.evaluate().models
    assert outcome.failure is not None
    assert not workspace.changed_inputs()
    (folder / "away.parquet").rename(folder / "reference.parquet")
    assert not workspace.changed_inputs(), "it is again what was last stored"


def test_a_changed_desk_is_read_again(folder: Path) -> None:
    workspace = Workspace.open(folder)
    workspace.evaluate()
    text = workspace.desk.file.read_text(encoding="utf-8")
    workspace.desk.file.write_text(text.replace("1d", "6h"), encoding="utf-8")
    assert workspace.changed_inputs()
    (outcome,) = workspace.evaluate().models
    assert outcome.chunks_evaluated == 4 * DAYS
    workspace.desk.file.write_text("version = ", encoding="utf-8")
    for _ in range(2):
        assert workspace.changed_inputs()
        with pytest.raises(UserError, match=r"desk\.toml:1"):
            workspace.evaluate()


class Scripted:
    """A workspace whose looks and evaluations follow a script; the last look cancels."""

    def __init__(self, token: CancelToken, looks: list[bool], evaluations: list[Exception | None]) -> None:
        self._token, self._looks, self._evaluations = token, looks, evaluations

    def changed_inputs(self) -> bool:
        changed = self._looks.pop(0)
        if not self._looks:
            self._token.cancel()
        return changed

    def evaluate(self, *, progress: ProgressSink = no_progress, cancel: CancelToken | None = None) -> EvaluationOutcome:
        trouble = self._evaluations.pop(0)
        if trouble is not None:
            raise trouble
        model = ModelOutcome(model="m", changed=True, chunks_evaluated=1, rows_scanned=1, seconds=0.0)
        return EvaluationOutcome(models=(model,), seconds=0.0)


def looped(looks: list[bool], evaluations: list[Exception | None]) -> tuple[int, list[str], list[Exception | None]]:
    """How many outcomes and which troubles were told, and what of the script is left."""
    token = CancelToken()
    outcomes: list[EvaluationOutcome] = []
    troubles: list[str] = []
    with pytest.raises(Cancelled):
        watch.watched(
            Scripted(token, looks, evaluations),
            every_seconds=0.001,
            once=False,
            on_outcome=outcomes.append,
            on_trouble=lambda error: troubles.append(str(error)),
            cancel=token,
        )
    return len(outcomes), troubles, evaluations


def test_the_loop_evaluates_at_once_and_then_what_changed() -> None:
    assert looped([False, False, True, False], [None, None]) == (2, [], [])


def test_the_loop_outlives_troubles_and_tells_each_once() -> None:
    busy, broken = WorkspaceBusy("busy"), UserError("broken")
    assert looped([True] * 6, [busy, busy, broken, broken, None, busy]) == (1, ["busy", "broken", "busy"], [])


def test_the_loop_refreshes_without_new_files(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, int(watch.REFRESH_SECONDS)))
    monkeypatch.setattr("mlops_desk.operations.watch.time.monotonic", lambda: next(clock))
    assert looped([False, False, False], [None, None, None]) == (3, [], [])


def test_a_cancel_ends_the_wait_at_once() -> None:
    token = CancelToken()
    timer = threading.Timer(0.1, token.cancel)
    timer.start()
    began = time.monotonic()
    evaluated: Callable[[EvaluationOutcome], None] = [].append
    with pytest.raises(Cancelled):
        watch.watched(
            Scripted(CancelToken(), [True, False], [None]),
            every_seconds=600,
            once=False,
            on_outcome=evaluated,
            on_trouble=lambda _: None,
            cancel=token,
        )
    assert time.monotonic() - began < 60
