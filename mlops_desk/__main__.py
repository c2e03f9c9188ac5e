"""The entries of both scripts: the command line, which may open the desktop, and the desktop alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Runs `mlops-desk` with these arguments (None: those of the process) and returns its exit code."""
    from mlops_desk.cli.entry import main as run_command

    return run_command(sys.argv[1:] if argv is None else argv, open_window)


def main_gui(argv: Sequence[str] | None = None) -> int:
    """Opens the desktop without a console; the one argument there may be is a workspace."""
    arguments = sys.argv[1:] if argv is None else argv
    return open_window(Path(arguments[0]) if arguments else None)


def open_window(workspace: Path | None) -> int:
    """Opens the desktop on a workspace, or on its welcome page, and returns its exit code when it is closed."""
    from mlops_desk.gui.app import main as show

    return show([sys.argv[0]], workspace)


if __name__ == "__main__":
    sys.exit(main())
