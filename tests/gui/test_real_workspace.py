"""The window on real files: dropped, evaluated, shown, appended to, retrained; nothing is made up here."""

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PySide6.QtCore import Qt
from pytestqt.plugin import QtBot

from mlops_desk.domain.errors import Cancelled, UserError
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import Period
from mlops_desk.domain.retraining import RunState
from mlops_desk.gui import app
from mlops_desk.gui.appearance import Appearance, Mode
from mlops_desk.gui.mapping import USE
from mlops_desk.gui.settings import Settings
from mlops_desk.gui.window import MainWindow
from mlops_desk.retraining import runner
from mlops_desk.store.archive import Store
from mlops_desk.workspace import Workspace, create_from_files, sketch_files
from tests.gui.conftest import SIZE, Opened
from tests.gui.fake_workspace import FakeWorkspace
from tests.gui.test_window import drop

pytestmark = pytest.mark.slow
LEFT = Qt.MouseButton.LeftButton
ROWS = 400
START = np.datetime64("2026-09-01T00:00:00", "us")

TOML = """\
version = 1
name = "Two cities"

[[models]]
id = "loans"
name = "贷款 loans"
task = "binary"
[models.logs]
path = "logs"
[models.reference]
from = 2026-09-01
to = 2026-09-13
[models.columns]
timestamp = "at"
score = "score"
prediction = "approved"
target = "repaid"
protected = ["city"]
[models.chunks]
every = "1d"
[models.retraining]
command = ["{python}", "train.py", "{run_folder}"]
"""
TRAIN = """\
import sys, time
for epoch in range(1, 5):
    print(f"epoch {epoch}/4", flush=True)
    time.sleep(0.05)
print("written to", sys.argv[1])
"""


def write_day(folder: Path, day: int, *, shift: float = 0.0) -> None:
    draw = np.random.default_rng(day)
    income = draw.normal(50 + shift, 10, ROWS)
    score = 1 / (1 + np.exp(-(income - 50) / 10))
    table = pa.table(
        {
            "at": START + np.timedelta64(day, "D") + (np.arange(ROWS) * 86400 // ROWS).astype("timedelta64[s]"),
            "income": income,
            "city": draw.choice(["北京", "Oslo"], ROWS),
            "score": score,
            "approved": (score > 0.5).astype("int64"),
            "repaid": (draw.uniform(size=ROWS) < score).astype("int64"),
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / f"day {day:02}.parquet")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_DESK_HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    made = tmp_path / "two cities"
    for day in range(20):
        write_day(made / "logs", day)
    (made / "desk.toml").write_text(TOML, encoding="utf-8")
    (made / "train.py").write_text(TRAIN, encoding="utf-8")
    return made


@pytest.fixture
def show(qtbot: QtBot, appearance: Appearance, tmp_path: Path) -> Iterator[Callable[[], Opened]]:
    """Return a function that shows a window that opens real workspaces."""
    made: list[MainWindow] = []

    def make() -> Opened:
        appearance.set_mode(Mode.LIGHT)
        window = MainWindow(appearance, Settings(tmp_path / "settings"), app.CORE)
        window.resize(*SIZE)
        window.show()
        made.append(window)
        return Opened(qtbot, window, FakeWorkspace(tmp_path), appearance)

    yield make
    for window in made:
        window.close()
        window.deleteLater()


def test_files_are_evaluated_shown_and_watched(show: Callable[[], Opened], folder: Path) -> None:
    opened = show()
    opened.window.open_path(folder)
    opened.settle()
    opened.wait(lambda: len(opened.page.timeline.scale) == 8)
    opened.settle()
    page = opened.page
    assert opened.shell.header.name.full_text == "贷款 loans"
    assert page.timeline.scale.name(0) == "Sun 13 Sep 2026"
    assert set(page.matrix.matrix.columns) >= {"income", "city"}
    assert page.series.content.line is not None
    assert all(value is not None for value in page.series.content.line.values)
    assert page.series.content.counts == (ROWS,) * 8
    assert page.distribution.shown is not None
    assert sum(page.distribution.shown.analysis) == pytest.approx(1)
    assert opened.shell.banner.isHidden()
    opened.window.desk._poll.setInterval(50)
    write_day(folder / "logs", 20, shift=25)
    opened.wait(lambda: len(page.timeline.scale) == 9)
    opened.settle()
    row = page.matrix.matrix.columns.index("income")
    assert page.matrix.matrix.verdicts[row][8] is Verdict.ALERT
    opened.window.desk._poll.setInterval(2000)
    (folder / "desk.toml").write_text(TOML.replace("timestamp =", "timestmap ="), encoding="utf-8")
    opened.qtbot.mouseClick(opened.shell.header.refresh, LEFT)
    opened.wait(opened.shell.banner.isVisible)
    assert "timestmap" in opened.shell.banner.text.full_text


def test_a_chunk_is_shown_beside_a_reference_of_its_own(show: Callable[[], Opened], folder: Path) -> None:
    moving = TOML.replace("from = 2026-09-01\nto = 2026-09-13", "previous_chunks = 3")
    (folder / "desk.toml").write_text(moving, encoding="utf-8")
    opened = show()
    opened.window.open_path(folder)
    opened.settle()
    opened.wait(lambda: len(opened.page.timeline.scale) == 20)
    opened.settle()
    page = opened.page
    assert page.distribution.shown is not None
    assert page.distribution.shown.reference_rows == 3 * ROWS
    assert "17 – 19 Sep" in page.distribution.shown.reference_text
    row = page.matrix.matrix.columns.index("income")
    assert page.matrix.matrix.verdicts[row][:3] == (Verdict.UNTESTED,) * 3
    assert Verdict.UNTESTED not in page.matrix.matrix.verdicts[row][3:]
    opened.qtbot.mouseClick(page.matrix.viewport(), LEFT, pos=page.matrix.cell_rect(row, 1).center().toPoint())
    opened.wait(lambda: page.distribution.shown is not None and page.distribution.shown.reference_rows == 0)
    assert page.distribution.shown.analysis_rows == ROWS
    assert page.distribution.shown.reference_text == "No reference yet"
    assert "not complete yet" in page.distribution_notes.full_text
    assert not page.distribution.grab().isNull()
    assert opened.window.status.reference.full_text == "Ref: the 3 chunks before each chunk"


def test_a_real_run_is_trusted_started_and_found_again(show: Callable[[], Opened], folder: Path) -> None:
    opened = show()
    opened.window.open_path(folder)
    opened.settle()
    opened.wait(lambda: len(opened.page.timeline.scale) == 8)
    opened.settle()
    strip = opened.page.retraining
    opened.qtbot.mouseClick(strip.retrain, LEFT)
    opened.wait(lambda: opened.shell.confirmation is not None)
    dialog = opened.shell.confirmation
    assert dialog is not None
    assert dialog.command.toPlainText().splitlines()[0].strip('"') == sys.executable
    assert dialog.trust is not None
    opened.qtbot.mouseClick(dialog.trust, LEFT)
    opened.qtbot.mouseClick(dialog.start, LEFT)
    opened.wait(lambda: strip.latest is not None and strip.latest.state is RunState.SUCCEEDED)
    opened.wait(lambda: "epoch 4/4" in strip.log.toPlainText())
    opened.settle()
    opened.window.close()
    again = show()
    again.window.open_path(folder)
    again.settle()
    again.wait(lambda: "epoch 4/4" in again.page.retraining.log.toPlainText())
    assert again.page.retraining.retrain.isEnabled()
    state = folder / ".desk" / "runs" / "1" / "state.json"
    kept = state.read_text(encoding="utf-8")
    state.write_text("{", encoding="utf-8")
    again.wait(lambda: "Run 1: " in again.shell.banner.text.full_text)
    assert "damaged" in again.shell.banner.text.full_text
    state.write_text(kept, encoding="utf-8")
    again.wait(lambda: not again.shell.banner.isVisible())


def test_a_run_is_cancelled_while_an_evaluation_is_stored(show: Callable[[], Opened], folder: Path) -> None:
    (folder / "train.py").write_text("import time\nprint('begun', flush=True)\ntime.sleep(60)\n", encoding="utf-8")
    opened = show()
    opened.window.open_path(folder)
    opened.settle()
    opened.wait(lambda: len(opened.page.timeline.scale) == 8)
    opened.settle()
    strip, worker = opened.page.retraining, opened.window.worker
    opened.window.desk.retrain("by hand", trust=True)
    opened.wait(lambda: "begun" in strip.log.toPlainText())
    opened.settle()
    with Store.open(folder) as store, suppress(Cancelled), store.evaluation("loans", "half done", datetime.now(UTC)):
        opened.qtbot.mouseClick(strip.cancel, LEFT)
        opened.wait(lambda: runner.run(folder, 1).state is RunState.CANCELLED)
        opened.window.desk.change(period=Period(days=3))
        opened.wait(lambda: len(opened.page.timeline.scale) == 3)
        assert worker.asked("cancel_run")
        raise Cancelled
    opened.wait(lambda: strip.latest is not None and strip.latest.state is RunState.CANCELLED)
    opened.settle()

    def actions() -> list[str]:
        with Store.open(folder) as store:
            return [entry.action for entry in store.audit_entries()]

    opened.wait(lambda: "run.ended" in actions())
    assert sorted(actions()) == ["run.cancel_requested", "run.ended", "run.requested"]
    assert opened.shell.banner.isHidden()


def test_the_core_tells_of_models_in_order_and_by_name(folder: Path) -> None:
    text = TOML.split("[[models]]")[1].replace("loans", "homes")
    (folder / "desk.toml").write_text(f"{TOML}\n[[models]]{text}", encoding="utf-8")
    workspace = Workspace.open(folder)
    names = [status.name for status in workspace.statuses()]
    told: list[str] = []
    workspace.evaluate(progress=lambda one: told.append(one.stage))
    assert list(dict.fromkeys(stage.partition(": ")[0] for stage in told)) == names == ["贷款 loans", "贷款 homes"]


def test_dropped_files_become_a_workspace(show: Callable[[], Opened], folder: Path) -> None:
    (folder / "desk.toml").unlink()
    opened = show()
    assert drop(opened.window, [folder / "logs"])
    opened.wait(lambda: opened.window.mapping is not None)
    dialog = opened.window.mapping
    assert dialog is not None
    assert {"at": "timestamp", "score": "score", "city": "feature"}.items() <= dialog.model.uses.items()
    values = {column.name: column.values for column in dialog.sketch.columns}
    assert values["at"][0].startswith("2026-09-01 00:00:00")
    assert set(values["city"]) <= {"北京", "Oslo"}
    for name, use in (("city", "segment"), ("approved", "prediction"), ("repaid", "target")):
        dialog.model.setData(dialog.model.index(list(values).index(name), USE), use)
    opened.qtbot.mouseClick(dialog.write, LEFT)
    opened.settle()
    opened.wait(lambda: len(opened.page.timeline.scale) > 0)
    opened.settle()
    assert opened.page.tiles.cards
    assert opened.window.desk.workspace is not None
    written = (opened.window.desk.workspace.folder / "desk.toml").read_text(encoding="utf-8")
    assert '"city",  # you chose it' in written
    assert 'target = "repaid"' in written
    assert 'task = "binary"' in written


def test_a_log_without_times_is_shown_and_says_what_is_missing(folder: Path) -> None:
    (folder / "desk.toml").unlink()
    table = pq.read_table(folder / "logs" / "day 00.parquet").drop_columns(["at"])
    pq.write_table(table, folder / "timeless.parquet")
    sketch = sketch_files([folder / "timeless.parquet"])
    assert sketch is not None
    assert sketch.failure is not None
    uses = {column.name: column.use for column in sketch.columns}
    assert sketch.troubles(uses)[""].startswith("no column is the timestamp")
    assert sketch.troubles(uses | {"income": "timestamp"}) == {"income": "its values are no times"}
    with pytest.raises(UserError):
        create_from_files([folder / "timeless.parquet"], uses)
    assert not (folder / "desk.toml").exists()


def test_files_in_a_workspace_are_not_sketched(folder: Path) -> None:
    assert sketch_files([folder / "logs", folder / "train.py"]) is None
