"""Where the details of a defect go: a file of its own in the user's folder of logs, which a person may look at before sending it."""

from __future__ import annotations

import os
import platform
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from mlops_desk import __version__
from mlops_desk.trust import HOME_VARIABLE


def recorded(error: Exception, argv: Sequence[str]) -> str:
    """Writes what is known of a defect and says where; says why where nothing can be written."""
    now = datetime.now(UTC)
    try:
        folder = _folder()
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"defect-{now:%Y%m%d-%H%M%S-%f}.log"
        head = f"mlops-desk {__version__}, Python {platform.python_version()}, {platform.platform()}, {now:%Y-%m-%d %H:%M:%S} UTC"
        trace = "".join(traceback.format_exception(error))
        file.write_text(f"{head}\n{list(argv)}\n\n{trace}", encoding="utf-8", errors="backslashreplace")
    except OSError as failure:
        return f"its details could not be written ({failure})"
    return f"its details are in {file}"


def _folder() -> Path:
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home) / "logs"
    from platformdirs import user_log_path

    return user_log_path("mlops-desk", appauthor=False)
