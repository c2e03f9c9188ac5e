"""The processes of a run: how each is told from later ones of the same number, how all are found, and how they are ended.

A process belongs to a run when it descends from the command, is in the command's process group, or carries the run's mark in its
environment. The mark finds those whose parents have ended and that left the group; children inherit it.
psutil must not wait for the command itself, which is the supervisor's child: it would take the exit code away.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from mlops_desk.retraining.run_folder import ProcessIdentity

MARK_VARIABLE = "MLOPS_DESK_RUN"
GRACE_SECONDS = 3.0
_KILL_SECONDS = 5.0
_LOOK_SECONDS = 0.02


class Clearance(Struct, frozen=True, kw_only=True):
    """What ending the processes of a run came to: how many there were, and the names of those that would not end."""

    ended: int
    survivors: tuple[str, ...]


def place() -> str:
    """The machine on which process numbers mean the same as here: its name and, in a container, the container's own namespace."""
    namespace = ""
    with suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid") if sys.platform == "linux" else ""  # noqa: PTH115 - it names no path
    return f"{platform.node()} {namespace}".strip()


def identity(pid: int) -> ProcessIdentity | None:
    """The identity of a living process; None where there is none, or where only its exit code is left."""
    birth = _linux_birth(pid) if sys.platform == "linux" else _birth(pid)
    return None if birth is None else ProcessIdentity(pid=pid, birth=birth)


def own_identity() -> ProcessIdentity:
    """The identity of this process."""
    found = identity(os.getpid())
    if found is None:
        raise RuntimeError("this process does not find itself in the list of processes")
    return found


def alive(process: ProcessIdentity) -> bool:
    """Whether that process, and not another of its number, is still running on this machine."""
    return identity(process.pid) == process


def restarted_since(process: ProcessIdentity) -> bool:
    """Whether the machine is known to have been started anew after the process began."""
    own = own_identity().birth.split("+")
    return len(own) == 2 and own[0] != process.birth.split("+")[0]


def run_processes(command: ProcessIdentity | None, mark: str, *, leader: int | None = None) -> list[Any]:
    """Every living process of a run, as psutil processes.

    `leader` is the number of the command's process group; None when the command ended long ago and it may name a group of others.
    """
    import psutil

    found: dict[int, Any] = {}
    if command is not None and alive(command):
        with suppress(psutil.Error):
            root = psutil.Process(command.pid)
            found = {process.pid: process for process in (root, *root.children(recursive=True))}
    for process in psutil.process_iter():
        if (
            process.pid not in found
            and process.pid != os.getpid()
            and (_in_group(process.pid, leader) or _marked(process, mark))
        ):
            found[process.pid] = process
    return [process for process in found.values() if not _ended(process)]


def await_end(processes: Iterable[Any], seconds: float) -> list[Any]:
    """Those of the processes that are still alive when all have ended or the time is over."""
    deadline = time.monotonic() + seconds
    left = [process for process in processes if not _ended(process)]
    while left and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        left = [process for process in left if not _ended(process)]
    return left


def end_processes(found: Callable[[], list[Any]], grace_seconds: float = GRACE_SECONDS) -> Clearance:
    """Asks all processes to end, kills those that have not when the grace is over, and goes on until no new ones appear."""
    import psutil

    victims = {process.pid: process for process in found()}
    for process in victims.values():
        with suppress(psutil.Error):
            process.terminate()
    await_end(victims.values(), grace_seconds)
    deadline = time.monotonic() + _KILL_SECONDS
    while True:
        victims |= {process.pid: process for process in found()}
        left = await_end(victims.values(), 0.0)
        if not left or time.monotonic() > deadline:
            return Clearance(ended=len(victims) - len(left), survivors=tuple(_named(process) for process in left))
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        await_end(left, 0.5)


def _linux_birth(pid: int) -> str | None:
    """Boot and clock tick, which no change of the wall clock moves, unlike the creation time that psutil tells."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    if not fields or fields[0] in (b"Z", b"X", b"x"):
        return None
    return f"{_boot()}+{fields[19].decode('ascii')}"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _birth(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.3f}"
    except psutil.Error:
        return None


def _ended(process: Any) -> bool:
    import psutil

    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def _in_group(pid: int, leader: int | None) -> bool:
    if sys.platform == "win32" or leader is None:
        return False
    try:
        return os.getpgid(pid) == leader
    except OSError:
        return False


def _marked(process: Any, mark: str) -> bool:
    import psutil

    try:
        return bool(process.environ().get(MARK_VARIABLE) == mark)
    except (psutil.Error, OSError):
        return False


def _named(process: Any) -> str:
    import psutil

    try:
        return f"{process.pid} ({process.name()})"
    except psutil.Error:
        return str(process.pid)
