"""The sample workspace: the shipped one copied into a folder of the user's, where everything can be tried and changed.

What a person put into a folder is never overwritten: a folder that holds a sample already is opened as it is, any other that is not empty
is refused.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mlops_desk.config.desk_file import FILE_NAME, read_desk
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Desk
from mlops_desk.resources import resource
from mlops_desk.trust import HOME_VARIABLE, trust

SAMPLE_NAME = "Sample workspace"
_PASSED_OVER = shutil.ignore_patterns(".desk", "__pycache__", ".*", "*.pyc")


def default_folder() -> Path:
    """Where the sample goes where nobody says: the user's folder of data, or MLOPS_DESK_HOME."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home) / "sample"
    from platformdirs import user_data_path

    return user_data_path("mlops-desk", appauthor=False) / "sample"


def sample_desk(folder: Path) -> Desk:
    """Copies the sample into a folder, or opens the one that is there, and trusts what it may run; raises UserError."""
    folder = folder.expanduser().absolute()
    if not (folder / FILE_NAME).is_file():
        _copy(folder)
        desk = read_desk(folder)
        trust(desk)
        return desk
    desk = read_desk(folder)
    if desk.name != SAMPLE_NAME:
        raise UserError(f"{folder} is the workspace {desk.name!r} and no sample: choose another folder with --dir")
    return desk


def _copy(folder: Path) -> None:
    """Copies the sample into a folder that does not exist or is empty; the folder is complete or untouched."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not empty: choose another folder with --dir")
    source = resource("samples")
    arriving = folder.with_name(f".{folder.name}.arriving")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(arriving, ignore_errors=True)
        shutil.copytree(source, arriving, ignore=_PASSED_OVER)
        if folder.exists():
            folder.rmdir()
        arriving.rename(folder)
    except (OSError, shutil.Error) as error:
        shutil.rmtree(arriving, ignore_errors=True)
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UserError(f"the sample cannot be copied to {folder}: {reason}") from error
