"""`doctor`: looks at this machine and this installation, and says what is missing."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from mlops_desk import __version__
from mlops_desk.cli.call import Call
from mlops_desk.cli.window import has_display
from mlops_desk.domain.errors import UserError
from mlops_desk.resources import interpreter, is_frozen

PACKAGES = (
    "duckdb numpy scipy scikit-learn pyarrow PySide6-Essentials pyqtgraph jinja2 typst msgspec platformdirs psutil qtawesome tomlkit"
).split()
OK, WARNING, FAILED = "ok", "warning", "failed"
QT_SECONDS = 30
NEEDED_BYTES = 1_000_000_000
OPEN_QT = "from PySide6.QtGui import QGuiApplication as A; a = A([]); from PySide6.QtGui import QFontDatabase as F; print(len(F.families()))"


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at. state : ok, warning (something is missing that can be done without) or failed."""

    what: str
    state: str
    text: str


def doctor(call: Call) -> int:
    """Tells what was found; fails where the program cannot do its work."""
    findings = list(_findings())
    failed = any(finding.state == FAILED for finding in findings)
    if call.arguments.json:
        call.terminal.document([asdict(finding) for finding in findings])
    else:
        rows = [(finding.what, finding.state, finding.text) for finding in findings]
        call.terminal.table(("what", "", "found"), rows)
    return UserError.exit_code if failed else 0


def _findings() -> Iterator[Finding]:
    looks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _program,
        _packages,
        _engine,
        _resources,
        _window,
        _folders,
        _time_zones,
    )
    for look in looks:
        try:
            yield from look()
        except Exception as error:  # noqa: BLE001 - a broken machine is what this looks for
            yield Finding(
                what=look.__name__.strip("_").replace("_", " "), state=FAILED, text=f"{type(error).__name__}: {error}"
            )


def _program() -> Iterator[Finding]:
    yield Finding(what="mlops-desk", state=OK, text=f"{__version__} in {Path(__file__).resolve().parents[1]}")
    new_enough = sys.version_info >= (3, 11)
    text = f"{platform.python_version()} in {sys.prefix}"
    yield Finding(what="python", state=OK if new_enough else FAILED, text=text)
    yield Finding(what="system", state=OK, text=f"{platform.platform()}, {os.cpu_count()} processors")


def _packages() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    found, missing = [], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    yield Finding(what="packages", state=FAILED if missing else OK, text=", ".join(found))
    if missing:
        way = "" if is_frozen() else "install them with `python packaging/bootstrap.py`, or "
        text = f"{', '.join(missing)}: {way}install mlops-desk anew"
        yield Finding(what="missing packages", state=FAILED, text=text)


def _engine() -> Iterator[Finding]:
    from mlops_desk.warehouse.connection import Connection

    with tempfile.TemporaryDirectory(prefix="mlops-desk-") as folder, Connection([], Path(folder)) as connection:
        text = connection.rows("select version()")[0][0]
    yield Finding(what="engine", state=OK, text=f"DuckDB {text} answers")


def _resources() -> Iterator[Finding]:
    from mlops_desk.resources import resource

    parts = (
        ("samples", "desk.toml"),
        ("fonts", "Inter-Regular.ttf"),
        ("fonts", "NotoSansSC-Regular.ttf"),
        ("templates", "report.typ"),
        ("texts", "zh.toml"),
        ("schema", "report.json"),
        ("icons",),
    )
    missing = []
    for part in parts:
        try:
            resource(*part)
        except FileNotFoundError:
            missing.append("/".join(part))
    text = (
        f"{', '.join(missing)} missing: install mlops-desk anew"
        if missing
        else "samples, fonts, templates, texts, schema, icons"
    )
    yield Finding(what="resources", state=FAILED if missing else OK, text=text)


def _window() -> Iterator[Finding]:
    """Tries Qt in a process of its own, because a broken one takes its process down."""
    shown = has_display()
    yield Finding(
        what="display",
        state=OK if shown else WARNING,
        text=_display_text() if shown else "none: no desktop, all else works",
    )
    environment = os.environ if shown else {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    try:
        done = subprocess.run(
            [interpreter(), "-c", OPEN_QT],
            capture_output=True,
            text=True,
            env=environment,
            timeout=QT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield Finding(what="qt", state=WARNING, text=f"did not answer within {QT_SECONDS} s")
        return
    if done.returncode == 0:
        yield Finding(
            what="qt", state=OK, text=f"opens{'' if shown else ' (offscreen)'}, {done.stdout.strip()} font families"
        )
    else:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit code {done.returncode}"]
        by_hand = "`sudo apt-get install libegl1 libgl1 libxkbcommon-x11-0 libxcb-cursor0`"
        way = by_hand if is_frozen() else "`python packaging/bootstrap.py`"
        hint = f"; {way} installs Debian's missing libraries" if sys.platform == "linux" else ""
        yield Finding(what="qt", state=WARNING, text=lines[-1] + hint)


def _display_text() -> str:
    return os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY") or sys.platform


def _folders() -> Iterator[Finding]:
    import shutil

    from mlops_desk.operations.demo import default_folder

    folder = default_folder().parent
    folder.mkdir(parents=True, exist_ok=True)
    for what, place in (("user folder", folder), ("temporary folder", Path(tempfile.gettempdir()))):
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
        state = OK if free >= NEEDED_BYTES else WARNING
        yield Finding(what=what, state=state, text=f"{place} is writable, {free / 1e9:,.1f} GB free")


def _time_zones() -> Iterator[Finding]:
    from zoneinfo import available_timezones

    count = len(available_timezones())
    text = f"{count} known" if count else "none known: install the package tzdata"
    yield Finding(what="time zones", state=OK if count else FAILED, text=text)
