"""One call of a command, as every command gets it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from mlops_desk.cli.terminal import Terminal

WindowOpener = Callable[[Path | None], int]
"""Opens the desktop on a workspace, or on its welcome page, and returns its exit code when it is closed."""


class Call(Struct, frozen=True, kw_only=True):
    """What was typed, where to write, and the way to the desktop, which the command line cannot see itself."""

    arguments: argparse.Namespace
    terminal: Terminal
    open_window: WindowOpener
