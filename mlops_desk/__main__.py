"""The entries of both scripts: the command line, which may open the desktop, and the desktop alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn


def command() -> NoReturn:
    """The script `mlops-desk`: runs what the process was asked for and ends the process at once.

    Taking apart, object by object, what an evaluation has loaded would cost a tenth of a short one. A window ends in its own way.
    """
    code = main()
    if "PySide6" in sys.modules:
        sys.exit(code)
    os._exit(code)  # nothing is lost: the terminal flushes all that it writes


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `mlops-desk` with these arguments (None: those of the process) and returns its exit code."""
    from mlops_desk.cli.entry import main as run_command

    return run_command(sys.argv[1:] if argv is None else argv, open_window)


def main_gui(argv: Sequence[str] | None = None) -> int:
    """Opens the desktop without a console; the one argument there may be is a workspace, or a Parquet file to make one of."""
    arguments = sys.argv[1:] if argv is None else argv
    return open_window(Path(arguments[0]).absolute() if arguments else None)


def open_window(workspace: Path | None) -> int:
    """Opens the desktop on a workspace, or on its welcome page, and returns its exit code when it is closed."""
    from mlops_desk.gui.app import main as show

    return show([sys.argv[0]], workspace)


if __name__ == "__main__":
    command()
