"""`gui`: the desktop, and whether this machine has a display for it."""

from __future__ import annotations

import os
import sys

from mlops_desk.cli.call import Call
from mlops_desk.domain.errors import UserError


def has_display() -> bool:
    """Whether a window can be shown: always on Windows and macOS, elsewhere where a display is named."""
    return sys.platform in ("win32", "darwin") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def gui(call: Call) -> int:
    """Opens the desktop."""
    if not has_display() and not os.environ.get("QT_QPA_PLATFORM"):
        raise UserError(
            "there is no display here (DISPLAY and WAYLAND_DISPLAY are not set): the other commands do without one"
        )
    return call.open_window(call.arguments.workspace)
