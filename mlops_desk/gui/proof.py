"""Shows a workspace in the window once, saves what it shows and ends: `python -m mlops_desk.gui.proof WORKSPACE PNG`.

Prints one line of JSON: the seconds from the start of the process to the first picture and to the whole page, the number of different colours
in the picture, and the fonts that have Chinese. It is a process of its own because a broken Qt takes its process down.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from pathlib import Path

import psutil
from PySide6.QtCore import QTimer
from PySide6.QtGui import QFontDatabase, QImage

from mlops_desk.gui.app import CORE, application
from mlops_desk.gui.appearance import Appearance, Mode, load_fonts
from mlops_desk.gui.settings import Settings
from mlops_desk.gui.window import MainWindow

LOOK_MILLISECONDS = 50
PATIENCE_MILLISECONDS = 240_000
SAMPLED_STEP = 7
"""Of the rows and columns of the picture, every so many-th is looked at."""


def main() -> int:
    """Shows, saves and tells; exit code 1 where the workspace is not shown."""
    workspace, picture = (Path(argument) for argument in sys.argv[1:])
    made = application(["mlops-desk"])
    load_fonts()
    window = MainWindow(Appearance(made, Mode.LIGHT), Settings(), CORE)
    working: set[object] = set()
    window.worker.started.connect(working.add)
    window.worker.settled.connect(working.discard)
    window.worker.defect.connect(lambda error: (traceback.print_exception(error), made.exit(1)))
    QTimer.singleShot(PATIENCE_MILLISECONDS, lambda: made.exit(1))
    window.open_path(workspace)
    window.show()
    window.repaint()
    first_seconds = _seconds_of_life()
    timer = QTimer()
    timer.setInterval(LOOK_MILLISECONDS)

    def look() -> None:
        shell = window.shell
        if shell is not None and window.desk.workspace is not None and shell.overview.ready and not working:
            timer.stop()
            image = window.grab().toImage()
            image.save(str(picture))
            _tell(first_seconds, image)
            window.close()

    timer.timeout.connect(look)
    timer.start()
    made.exec()
    window.worker.stop()
    if picture.is_file():
        return 0
    sys.stderr.write(f"the window did not show {workspace}: {window.welcome.state.text()}\n")
    return 1


def _tell(first_seconds: float, image: QImage) -> None:
    across, down = range(0, image.width(), SAMPLED_STEP), range(0, image.height(), SAMPLED_STEP)
    chinese = QFontDatabase.families(QFontDatabase.WritingSystem.SimplifiedChinese)
    found = {
        "first_seconds": round(first_seconds, 2),
        "shown_seconds": round(_seconds_of_life(), 2),
        "colours": len({image.pixel(x, y) for x in across for y in down}),
        "chinese": list(chinese),
    }
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def _seconds_of_life() -> float:
    started: float = psutil.Process().create_time()
    return max(time.time() - started, 0.0)


if __name__ == "__main__":
    sys.exit(main())
