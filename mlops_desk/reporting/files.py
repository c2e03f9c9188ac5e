"""Files that are complete or not there at all: written beside their place and moved there when they are done."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mlops_desk.domain.errors import UserError


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Has a file written beside `path` and moves it there; raises UserError where that cannot be done."""
    part = path.with_name(f".{path.name}.part")
    try:
        write(part)
        part.replace(path)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}): choose another place with -o"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
