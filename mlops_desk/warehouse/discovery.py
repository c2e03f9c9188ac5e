"""Finds the files behind paths of desk.toml and tells by size and time whether they changed.

An object of a store is a file, too: its copy on this machine, which `object_copies` fetches before anything is read.
Paths are files, folders or globs, relative to the workspace. Files come in the order of their names, which is the order of rows where a log
has no timestamps. Hidden files, and those that other programs mark as unfinished, are passed over.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.config.object_path import is_object_path
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import ObjectAccess

GLOB_CHARACTERS = "*?["
SUFFIXES = (".parquet", ".pq", ".parq")
UNFINISHED = (".tmp", ".part", ".crc", ".inprogress", ".crdownload")
GONE = (errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP)


class Origin(Struct, frozen=True, kw_only=True):
    """Where a copy comes from.

    Attributes
    ----------
    url : the object's whole name. key : the same to its store, from the bucket on. etag : its content's name, known of young objects only.
    place : the key of desk.toml that leads to it. access : how its store is reached.
    """

    url: str
    key: str
    etag: str
    place: str
    access: ObjectAccess


class SourceFile(Struct, frozen=True, kw_only=True):
    """A file as it was seen.

    Attributes
    ----------
    path : absolute. size : bytes. modified : nanoseconds since 1970. readable : whether this user may read it.
    origin : of what object the path is or will be a copy, None of a file that lies here.
    """

    path: Path
    size: int
    modified: int
    readable: bool = True
    origin: Origin | None = None

    @property
    def shown(self) -> str:
        """The file as messages name it: an object by its whole name."""
        return str(self.path) if self.origin is None else self.origin.url

    @property
    def fingerprint(self) -> str:
        """Names this content of this file: changes when the file is rewritten, or is closed to this user."""
        version = "" if self.origin is None or not self.origin.etag else f"\0{self.origin.etag}"
        text = f"{self.shown}\0{self.size}\0{self.modified}{'' if self.readable else chr(0)}{version}"
        return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


ObjectFinder = Callable[[str], Iterable[SourceFile]]
"""The objects behind a path with a scheme, as copies; raises UserError."""


def find_files(
    folder: Path, paths: Sequence[str], key: str, objects: ObjectFinder | None = None
) -> tuple[SourceFile, ...]:
    """All files behind the paths, each once, sorted by name; `key` names the place in desk.toml for errors.

    `objects` finds what lies in object stores. Raises UserError for a path that is not there. No file at all is for the caller to judge.
    """
    found: dict[str, SourceFile] = {}
    identities: dict[tuple[int, int], list[str]] = {}
    for path in paths:
        if is_object_path(path):
            if objects is None:
                raise UserError(f"{key}: {path} is in an object store: copy its files to a folder and name that")
            found |= {file.shown: file for file in objects(path)}
            continue
        for name in _names_of(folder, path, key):
            status, same = _status(name), os.path.normcase(name)
            if status is not None and same not in found:
                found[same] = SourceFile(
                    path=Path(name),
                    size=status.st_size,
                    modified=status.st_mtime_ns,
                    readable=os.access(name, os.R_OK),
                )
                identities.setdefault((status.st_dev, status.st_ino), []).append(same)
    for names in identities.values():
        for name in _other_names(names):
            del found[name]
    return tuple(found[name] for name in sorted(found, key=lambda name: _parts(name, found[name].origin)))


def _other_names(names: list[str]) -> list[str]:
    """Of names that may be of one file, those that lead to it by a link beside the first (no link itself, least deep); a hard link is a file."""
    if len(names) < 2:
        return []
    first: dict[str, str] = {}
    for name in sorted(names, key=lambda one: (os.path.islink(one), len(_parts(one)), _parts(one))):  # noqa: PTH114
        first.setdefault(os.path.realpath(name), name)
    return [name for name in names if name not in first.values()]


def _parts(name: str, origin: Origin | None = None) -> list[str]:
    """The folders of a file and its own name; what a Path says of many files would take longer than to look at them."""
    return name.split(os.sep) if origin is None else name.split("/")  # noqa: PTH206


def seen_again(file: SourceFile) -> SourceFile | None:
    """A file as it is now, None where it is gone; of an object its copy, which nobody rewrites."""
    status = _status(str(file.path))
    if status is None or file.origin is not None:
        return file if status is not None and status.st_size == file.size else None
    return replace(file, size=status.st_size, modified=status.st_mtime_ns, readable=os.access(file.path, os.R_OK))


def _status(name: str) -> os.stat_result | None:
    """The status of a file, None where it is no file or went away since it was listed."""
    try:
        status = os.stat(name)  # noqa: PTH116
    except OSError as error:
        if error.errno in GONE:
            return None
        raise
    return status if stat.S_ISREG(status.st_mode) else None


def _names_of(folder: Path, path: str, key: str) -> Iterable[str]:
    """The names of what may be the Parquet files of one path."""
    given = Path(path).expanduser()
    whole = Path(os.path.normpath(folder / given))
    if any(character in path for character in GLOB_CHARACTERS) and not whole.exists():
        root, pattern = (
            (folder, str(given)) if not given.is_absolute() else (Path(given.anchor), str(given)[len(given.anchor) :])
        )
        base = os.path.normpath(root / _plain_part(Path(pattern)))
        matches = (os.path.normpath(name) for name in _matches(str(root), pattern))
        return [match for match in matches if _is_finished(match, base)]
    if whole.is_dir():
        return [
            str(file)
            for file in whole.rglob("*")
            if file.suffix.lower() in SUFFIXES and _is_finished(str(file), str(whole))
        ]
    if not whole.exists():
        raise UserError(f"{key}: there is no file or folder {whole}")
    return [str(whole)]


def _matches(root: str, pattern: str) -> Iterator[str]:
    """What matches a pattern below a folder, whose own name is no pattern whatever it looks like; links are followed, and not in circles."""
    parts = pattern.split(os.sep)  # noqa: PTH206
    if "**" not in parts:
        names = glob.iglob(pattern, root_dir=root)  # noqa: PTH207 - Path.glob would follow no links
        yield from (os.path.join(root, name) for name in names)  # noqa: PTH118
        return
    at = parts.index("**")
    above = os.path.join(*parts[:at], "") if at else ""  # noqa: PTH118 - the end as a folder's, so that only folders match
    below = os.sep.join(parts[at + 1 :]) or "*"  # noqa: PTH118
    for start in _matches(root, above) if above else (root,):
        for folder in _folders(start, ()):
            yield from _matches(folder, below)


def _folders(folder: str, above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    """A folder and those below it but the hidden ones; one that is `above` itself, by a link, is passed over."""
    try:
        status = os.stat(folder)  # noqa: PTH116
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            return
        with os.scandir(folder) as entries:
            inner = [entry.path for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    except OSError:  # it is gone, or closed to this user
        return
    yield folder
    for one in inner:
        yield from _folders(one, (*above, identity))


def _plain_part(pattern: Path) -> Path:
    """The folder of a pattern down to which it names every part."""
    return next(parent for parent in pattern.parents if not any(one in str(parent) for one in GLOB_CHARACTERS))


def _is_finished(file: str, base: str) -> bool:
    """Whether a file found below a folder is meant to be read."""
    return is_finished(_parts(file.removeprefix(base)))


def is_finished(parts: Sequence[str]) -> bool:
    """Whether a file is meant to be read by the parts of its name; a hidden one hides it, unless it is a partition."""
    *folders, name = parts
    hidden = name.startswith((".", "_")) or any(one.startswith((".", "_")) and "=" not in one for one in folders)
    return not hidden and not name.lower().endswith(UNFINISHED)


def digest(files: Iterable[SourceFile], *more: str) -> str:
    """Names a set of files as they were seen, and some texts with them."""
    digester = hashlib.blake2b(digest_size=16)
    for text in (*(file.fingerprint for file in files), *more):
        digester.update(text.encode())
        digester.update(b"\0")
    return digester.hexdigest()
