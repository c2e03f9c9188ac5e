"""Tells prediction logs, reference and labels apart by the names of files and folders, as paths of desk.toml."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from mlops_desk.config.guess import words
from mlops_desk.config.object_path import is_object_path
from mlops_desk.domain.errors import UserError
from mlops_desk.warehouse.discovery import GLOB_CHARACTERS, SUFFIXES
from mlops_desk.warehouse.facts import unconverted

REFERENCE_WORDS = frozenset("reference ref train training baseline".split())
LABEL_WORDS = frozenset("label labels target targets truth outcome outcomes actual actuals".split())


class Parts(Struct, frozen=True, kw_only=True):
    """Paths as desk.toml tells them, relative to its folder where they lie below it."""

    logs: tuple[str, ...]
    reference: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    @property
    def named(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each with its name; the logs first."""
        return (("logs", self.logs), ("reference", self.reference), ("labels", self.labels))


def parts_of(folder: Path, dropped: Sequence[Path]) -> Parts:
    """The parts of dropped files and folders for a desk.toml in `folder`; what is called neither reference nor labels is log.

    A folder dropped alone is looked into. Raises UserError where nothing is a log.
    """
    entries = _entries(dropped[0]) if len(dropped) == 1 and dropped[0].is_dir() else list(dropped)
    if not entries:
        hint = unconverted(dropped[0]) or ": a prediction log in Parquet is needed"
        raise UserError(f"{dropped[0]} holds no Parquet file{hint}")
    reference = [path for path in entries if REFERENCE_WORDS & set(words(path.stem))]
    labels = [path for path in entries if LABEL_WORDS & set(words(path.stem)) and path not in reference]
    logs = [path for path in entries if path not in reference and path not in labels]
    if not logs:
        named = ", ".join(path.name for path in entries[:3])
        raise UserError(f"{named}: by their names all are references or labels; a prediction log is needed too")
    return Parts(
        logs=told(folder, logs, besides=(*reference, *labels)),
        reference=told(folder, reference),
        labels=told(folder, labels),
    )


def told(folder: Path, paths: Sequence[Path], besides: Sequence[Path] = ()) -> tuple[str, ...]:
    """Absolute paths as desk.toml tells them; all files of a folder but `besides` become a pattern, which takes in what arrives later."""
    if len(paths) > 1 and all(path.is_file() for path in paths):
        pattern = f"*{paths[0].suffix}"
        if set(paths[0].parent.glob(pattern)) - set(besides) == set(paths):
            return (_relative(folder, paths[0].parent / pattern),)
    return tuple(_relative(folder, _pattern(path)) for path in paths)


def _pattern(path: Path) -> Path:
    """A folder as a pattern of its files, which passes hidden folders over."""
    if not path.is_dir():
        return path
    ending = next((file.suffix for file in _files(path)), SUFFIXES[0])
    return path / "**" / f"*{ending}"


def _relative(folder: Path, path: Path) -> str:
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _entries(folder: Path) -> list[Path]:
    """Files and subfolders of a folder that hold Parquet; a folder whose subfolders are partitions is one entry."""
    found = []
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith((".", "_"))
        if not hidden and ((path.is_file() and path.suffix.lower() in SUFFIXES) or (path.is_dir() and _files(path))):
            found.append(path)
    partitioned = [path for path in found if path.is_dir() and "=" in path.name]
    return [folder] if found and len(partitioned) == len(found) else found


def _files(folder: Path) -> list[Path]:
    """A few Parquet files below a folder."""
    found = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        found += [
            Path(root, name) for name in sorted(names) if Path(name).suffix.lower() in SUFFIXES and name[0] not in "._"
        ]
        if found:
            break
    return found


def parts_of_typed(folder: Path, logs: Sequence[str], reference: Sequence[str], labels: Sequence[str]) -> Parts:
    """The parts of paths as typed relative to the current folder; one folder of logs alone is told apart by names."""
    if len(logs) == 1 and not is_object_path(logs[0]) and not reference and not labels and _absolute(logs[0]).is_dir():
        return parts_of(folder, [_absolute(logs[0])])
    besides = [_absolute(path) for path in (*reference, *labels) if not is_object_path(path)]
    return Parts(logs=_typed(folder, logs, besides), reference=_typed(folder, reference), labels=_typed(folder, labels))


def _typed(folder: Path, paths: Sequence[str], besides: Sequence[Path] = ()) -> tuple[str, ...]:
    objects = [path for path in paths if is_object_path(path)]
    files = [path for path in paths if path not in objects]
    plain = [path for path in files if _absolute(path).exists() or not set(path) & set(GLOB_CHARACTERS)]
    found = told(folder, [_absolute(path) for path in plain], besides) if plain else ()
    return (*found, *(_relative(folder, _absolute(path)) for path in files if path not in plain), *objects)


def _absolute(path: str) -> Path:
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - Path.absolute keeps `..`
