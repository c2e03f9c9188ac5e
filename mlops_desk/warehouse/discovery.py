"""Finds the files behind paths of desk.toml and tells by size and time whether they changed.

Paths are files, folders or globs, relative to the workspace. Files come in the order of their names, which is the order of rows where a log
has no timestamps. Hidden files, and those that other programs mark as unfinished, are passed over.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.domain.errors import UserError

GLOB_CHARACTERS = "*?["
SUFFIXES = (".parquet", ".pq", ".parq")
UNFINISHED = (".tmp", ".part", ".crc", ".inprogress", ".crdownload")
REMOTE = ("s3://", "gs://", "abfs://", "abfss://")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file as it was seen.

    Attributes
    ----------
    path : absolute. size : bytes. modified : nanoseconds since 1970.
    """

    path: Path
    size: int
    modified: int

    @property
    def fingerprint(self) -> str:
        """Names this content of this file: changes when the file is rewritten."""
        text = f"{self.path}\0{self.size}\0{self.modified}"
        return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def find_files(folder: Path, paths: Sequence[str], key: str) -> tuple[SourceFile, ...]:
    """All files behind the paths, each once, sorted by name; `key` names the place in desk.toml for errors.

    Raises UserError for a path that is not there and for a protocol that cannot be read. No file at all is for the caller to judge.
    """
    found: dict[Path, SourceFile] = {}
    for path in paths:
        if path.startswith(REMOTE):
            raise UserError(
                f"{key}: {path} is in an object store, which this version cannot read yet; copy it to a folder"
            )
        for file in sorted(_files_of(folder, path, key)):
            status = _status(file)
            if status is not None:
                found[file] = SourceFile(path=file, size=status.st_size, modified=status.st_mtime_ns)
    return tuple(found[path] for path in sorted(found))


def _status(file: Path) -> os.stat_result | None:
    """The status of a file, None where it went away since it was listed."""
    try:
        return file.stat()
    except FileNotFoundError:
        return None


def _files_of(folder: Path, path: str, key: str) -> Iterable[Path]:
    """The Parquet files of one path."""
    given = Path(path).expanduser()
    whole = Path(os.path.normpath(folder / given))
    if any(character in path for character in GLOB_CHARACTERS) and not whole.exists():
        root, pattern = (
            (folder, str(given)) if not given.is_absolute() else (Path(given.anchor), str(given)[len(given.anchor) :])
        )
        base = Path(os.path.normpath(root / _plain_part(Path(pattern))))
        # The folder's own name is no pattern, whatever it looks like; Path.glob would follow no links.
        names = glob.iglob(pattern, root_dir=root, recursive=True)  # noqa: PTH207
        matches = (Path(os.path.normpath(root / name)) for name in names)
        return [match for match in matches if match.is_file() and _is_finished(match, base)]
    if whole.is_dir():
        return [
            file
            for file in whole.rglob("*")
            if file.suffix.lower() in SUFFIXES and file.is_file() and _is_finished(file, whole)
        ]
    if not whole.exists():
        raise UserError(f"{key}: there is no file or folder {whole}")
    return [whole]


def _plain_part(pattern: Path) -> Path:
    """The folder of a pattern down to which it names every part."""
    return next(parent for parent in pattern.parents if not any(one in str(parent) for one in GLOB_CHARACTERS))


def _is_finished(file: Path, base: Path) -> bool:
    """Whether a file found below a folder is meant to be read; a hidden part of its path hides it, unless it is a partition."""
    *folders, name = file.relative_to(base).parts
    hidden = name.startswith((".", "_")) or any(one.startswith((".", "_")) and "=" not in one for one in folders)
    return not hidden and not name.lower().endswith(UNFINISHED)


def digest(files: Iterable[SourceFile], *more: str) -> str:
    """Names a set of files as they were seen, and some texts with them."""
    digester = hashlib.blake2b(digest_size=16)
    for text in (*(file.fingerprint for file in files), *more):
        digester.update(text.encode())
        digester.update(b"\0")
    return digester.hexdigest()
