"""The objects behind a path such as `s3://bucket/logs/**/*.parquet`, found by listing, by the rules that hold for files.

A listing tells the whole second in which an object was written, so what was written in the last seconds may be rewritten without a trace:
such a young object is also asked for the name of its content, and its fingerprint holds it until the object is old enough to go without.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from mlops_desk.config.object_path import ObjectPath, object_path
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import ObjectAccess
from mlops_desk.domain.progress import CancelToken
from mlops_desk.warehouse.discovery import SUFFIXES, Origin, SourceFile, is_finished
from mlops_desk.warehouse.object_store import ObjectState, ObjectStore

YOUNG_SECONDS = 3.0
"""How long after it was written an object may be rewritten in the same second, clocks that differ a little taken into account."""
ASKED_AT_ONCE = 8
AWKWARD = re.compile(r'[\x00-\x1f<>:"\\|?*\[\]]|[. ]$')
"""What a part of a file's name cannot hold on some system, or means a pattern to the engine."""
LONGEST_NAME_BYTES = 150


def find_objects(
    copies: Path, path: str, place: str, access: ObjectAccess, cancel: CancelToken | None = None
) -> list[SourceFile]:
    """The objects behind a path as the copies that they have or will have below the folder `copies`; raises UserError and Cancelled.

    `place` names the path's key in desk.toml for errors.
    """
    named = object_path(path)
    store = ObjectStore(named, access, place, cancel)
    states = _states(store, named, path, place)
    now = time.time()
    young = [one.key for one in states if now - one.modified / 1e9 < YOUNG_SECONDS]
    if young:
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="objects") as pool:
            known = dict(zip(young, pool.map(lambda key: store.state(key, named=True), young), strict=True))
        states = [one for state in states if (one := known.get(state.key, state)) is not None]
    return [_copy(copies, named, state, place, access) for state in states]


def _states(store: ObjectStore, path: ObjectPath, text: str, place: str) -> Sequence[ObjectState]:
    """The objects that a path names."""
    base = "/".join((path.container, *path.base))
    if path.pattern:
        deep = len(path.pattern) > 1 or "**" in path.pattern
        found = store.listed(base, below=deep) or []
        if found := [
            one for one in found if _matches(_below(one, base), path.pattern) and is_finished(_below(one, base))
        ]:
            return found
        literal = "/".join((base, *path.pattern))  # a key may hold what looks like a pattern
        known = store.state(literal, named=False)
        return [] if known is None else [known]
    if not path.folder and (known := store.state(base, named=False)) is not None:
        return [known]
    below = store.listed(base, below=True)
    if below is None:
        raise UserError(f"{place}: there is no object or folder {text}")
    return [one for one in below if one.key.lower().endswith(SUFFIXES) and is_finished(_below(one, base))]


def _below(state: ObjectState, base: str) -> list[str]:
    return state.key.removeprefix(base).lstrip("/").split("/")


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a key fit those of a pattern, `**` any number of folders; what begins with a dot only where the pattern does."""
    if not pattern:
        return not parts
    first, rest = pattern[0], pattern[1:]
    if first == "**":
        rest = rest or ("*",)
        return any(
            _matches(parts[at:], rest) for at in range(len(parts)) if not any(one.startswith(".") for one in parts[:at])
        )
    if not parts or (parts[0].startswith(".") and not first.startswith(".")):
        return False
    return fnmatchcase(parts[0], first) and _matches(parts[1:], rest)


def _copy(copies: Path, path: ObjectPath, state: ObjectState, place: str, access: ObjectAccess) -> SourceFile:
    """An object as a file: its copy has a folder of its own, named for this version of it, and the folders of its partitions in that."""
    url = path.root + state.key.removeprefix(path.container)
    version = hashlib.blake2b(
        f"{url}\0{state.size}\0{state.modified}\0{state.etag}".encode(), digest_size=16
    ).hexdigest()
    *folders, name = state.key.split("/")[1:]
    partitions = [_local(part) for part in folders if "=" in part.strip("=")]
    plain = _local(name)
    if any(len(part.encode()) > LONGEST_NAME_BYTES for part in partitions):
        raise UserError(f"{place}: the name of a partition of {url} is too long for a folder: shorten it")
    if len(plain.encode()) > LONGEST_NAME_BYTES or not plain:
        plain = f"{version[:16]}{SUFFIXES[0]}"
    origin = Origin(url=url, key=state.key, etag=state.etag, place=place, access=access)
    where = copies.joinpath(version, *partitions, plain)
    return SourceFile(path=where, size=state.size, modified=state.modified, origin=origin)


def _local(part: str) -> str:
    """A part of a key as the name of a file or folder here; the engine reads the percent signs of a partition as what they stand for."""
    return AWKWARD.sub(lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), part)
