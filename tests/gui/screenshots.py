"""Writes pictures of every page in both themes and two sizes: `python tests/gui/screenshots.py FOLDER [WORKSPACE]`; without a workspace, of made-up numbers."""

import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT))

from PySide6.QtCore import QDeadlineTimer, QEventLoop, QPointF  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402

from mlops_desk.gui import app  # noqa: E402
from mlops_desk.gui.appearance import Appearance, Mode, load_fonts  # noqa: E402
from mlops_desk.gui.facade import Doors  # noqa: E402
from mlops_desk.gui.mapping import USE  # noqa: E402
from mlops_desk.gui.settings import Settings  # noqa: E402
from mlops_desk.gui.window import MainWindow  # noqa: E402
from tests.gui.fake_workspace import FakeWorkspace  # noqa: E402

SIZES = ((1680, 1050), (1280, 800))
LOG = "".join(
    f"12:0{step}:11 INFO epoch {step}/12  loss {0.31 - step / 300:.4f}  val_auc {0.83 + step / 900:.4f}\n"
    for step in range(1, 8)
)


def wait(application: object, milliseconds: int = 300) -> None:
    deadline = QDeadlineTimer(milliseconds)
    while not deadline.hasExpired():
        application.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)  # type: ignore[attr-defined]


def shoot_mapping(window: MainWindow, folder: Path, application: object) -> None:
    samples = CHECKOUT / "resources" / "samples" / "loans"
    for mode in (Mode.LIGHT, Mode.DARK):
        window.appearance.set_mode(mode)
        window.open_files([samples / "logs", samples / "labels"])
        while window.mapping is None:
            wait(application, 100)
        wait(application)
        window.mapping.model.setData(window.mapping.model.index(1, USE), "timestamp")
        wait(application)
        window.mapping.grab().save(str(folder / f"mapping_{mode}.png"))
        window.mapping.reject()
        wait(application)


def main(folder: Path, workspace: Path | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    application = app.application(["mlops-desk"])
    load_fonts()
    home = Path(tempfile.mkdtemp())
    appearance = Appearance(application, Mode.DARK)
    fake = FakeWorkspace(home)
    made_up = Doors(
        open_workspace=lambda _: fake,
        create_sample=lambda: fake,
        sketch_files=app.CORE.sketch_files,
        create_from_files=lambda _, __: fake,
    )
    window = MainWindow(appearance, Settings(home), made_up if workspace is None else app.CORE)
    window.resize(*SIZES[0])
    window.show()
    wait(application)
    for mode in (Mode.LIGHT, Mode.DARK):
        appearance.set_mode(mode)
        wait(application)
        window.grab().save(str(folder / f"welcome_{mode}.png"))
    shoot_mapping(window, folder, application)
    if workspace is None:
        fake.retrain("credit-risk", reason="4 criteria failed", asked_by="lin")
        assert fake.run is not None
        fake.output = LOG.encode()
    window.open_path(workspace or home)
    while (
        window.shell is None
        or window.desk.overview is None
        or not window.shell.overview.ready
        or window.worker.asked("evaluate")
    ):
        wait(application, 100)
    wait(application, 1500)
    page = window.shell.overview
    scale = page.timeline.scale
    if len(scale) > 15:
        page.timeline.pick((len(scale) - 9, len(scale) - 2), dragged=True)
    wait(application, 600)
    for width, height in SIZES:
        window.resize(width, height)
        wait(application)
        middle = len(scale) * 3 // 4
        place = page.matrix.cell_rect(0, middle).center()
        for mode in (Mode.LIGHT, Mode.DARK):
            appearance.set_mode(mode)
            wait(application)
            QTest.mouseMove(page.matrix.viewport(), place.toPoint())
            wait(application, 200)
            window.grab().save(str(folder / f"overview_{mode}_{width}.png"))
    window.resize(*SIZES[0])
    QTest.mouseMove(page.series.viewport(), QPointF(400, 20).toPoint())
    window.shell.ask_retraining()
    wait(application, 400)
    if window.shell.confirmation is not None:
        window.shell.confirmation.grab().save(str(folder / "confirm_dark.png"))
        window.shell.confirmation.reject()
    models = window.shell.sidebar.models
    for row in range(models.count()):
        models.setCurrentRow(row)
        wait(application, 900)
        window.grab().save(str(folder / f"model_{row}.png"))
    models.setCurrentRow(0)
    wait(application, 900)
    table = page.matrix.show_table()
    wait(application)
    table.grab().save(str(folder / "table_dark.png"))
    table.close()
    page.series.save(folder / "series.svg")
    page.series.save(folder / "series.png")
    page.matrix.save(folder / "matrix.svg")
    window.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
