"""`--self-test`: whether this installation does its work from end to end, on the sample workspace and in a folder of its own.

Every check goes on from what those before it made, tells what it found, and fails by raising. What only the machine lacks is a warning.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from mlops_desk.cli.call import Call
from mlops_desk.domain.retraining import RunState
from mlops_desk.resources import interpreter, resource
from mlops_desk.trust import HOME_VARIABLE
from mlops_desk.workspace import Workspace, create_sample

FAILED = 1
OK, WARNING, BROKEN = "ok", "warning", "failed"
PATIENCE_SECONDS = 300
FIRST_WINDOW_SECONDS = 3.0
LEAST_COLOURS = 20
PNG = b"\x89PNG\r\n\x1a\n"
RETRAINED = "car-loan"

EXPECTED = (
    ("census-employment", "accuracy", 0.8309426229508197),
    ("census-employment", "roc_auc", 0.9043067651490098),
    ("flight-delay", "accuracy", 0.884051661587578),
    ("flight-delay", "roc_auc", 0.8855728695388382),
    ("car-loan", "accuracy", 0.9422),
    ("car-loan", "roc_auc", 0.9709624381107628),
)
"""Model, metric and value of the first watched chunk of the sample, as scikit-learn computes it."""


class Lacking(Exception):
    """What the machine, not the program, has to bring."""


class Bench(Struct, kw_only=True):
    """What the checks work on. folder : theirs alone. window : what the window told of itself, once it was shown."""

    folder: Path
    workspace: Workspace
    window: dict[str, object]


def self_test(call: Call) -> int:
    """Runs every check and tells each in a line; exit code 1 where one fails."""
    worst, started = OK, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mlops-desk-self-test-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        os.environ[HOME_VARIABLE] = str(folder / "home")  # what is trusted and remembered here is forgotten with it
        bench = Bench(folder=folder, workspace=create_sample(folder / "sample"), window={})
        for what, check in CHECKS:
            begun = time.monotonic()
            state, text = _state(check, bench)
            worst = max(worst, state, key=(OK, WARNING, BROKEN).index)
            call.terminal.line(f"{state:7}  {what:12}  {text}  ({time.monotonic() - begun:.1f} s)")
    call.terminal.line(f"self-test: {worst} after {time.monotonic() - started:.0f} s")
    return FAILED if worst == BROKEN else 0


def _state(check: Callable[[Bench], str], bench: Bench) -> tuple[str, str]:
    try:
        return OK, check(bench)
    except Lacking as lacking:
        return WARNING, str(lacking)
    except Exception as error:  # noqa: BLE001 - a broken installation is what this looks for
        return BROKEN, f"{type(error).__name__}: {error}"


def _results(bench: Bench) -> str:
    """The sample is judged, and values are those of scikit-learn."""
    outcome = bench.workspace.evaluate()
    _demand(not (found := [one.failure for one in outcome.models if one.failure]), "; ".join(map(str, found)))
    for model, metric, expected in EXPECTED:
        value = _first_value(bench.workspace, model, metric)
        _demand(value is not None and abs(value - expected) < 1e-12, f"{metric} of {model} is {value}, not {expected}")
    alerts = len(bench.workspace.alerts())
    _demand(alerts > 0, "the sample raised no alert")
    return f"{len(outcome.models)} models judged, {len(EXPECTED)} values as expected, {alerts} alerts"


def _first_value(workspace: Workspace, model: str, metric: str) -> float | None:
    table = workspace.results(model)
    columns = dict(zip(table.names, table.columns, strict=True))
    wanted = {"split": "analysis", "chunk": 0, "family": "performance", "metric": metric}
    wanted |= dict.fromkeys(("segment", "group", "class"))
    places = [
        place
        for place in range(len(columns["value"]))
        if all(columns[name][place] == value for name, value in wanted.items())
    ]
    value = columns["value"][places[0]] if places else None
    return value if isinstance(value, float) else None


def _store(bench: Bench) -> str:
    """SQLite holds what was computed, and the audit chain with it."""
    import sqlite3
    from contextlib import closing

    file = bench.workspace.folder / ".desk" / "store.sqlite"
    with closing(sqlite3.connect(file)) as connection:
        (answer,) = connection.execute("pragma integrity_check").fetchone()
        (values,) = connection.execute("select count(*) from metric_values").fetchone()
    _demand(answer == "ok", f"SQLite says {answer}")
    _demand(values > 0, "no value is stored")
    broken = bench.workspace.verify_audit()
    _demand(broken is None, f"the audit chain is broken: {broken}")
    return f"SQLite {sqlite3.sqlite_version}, {values:,} values, the audit chain holds"


def _report(ending: str, beginning: bytes) -> Callable[[Bench], str]:
    """A check that a report of this kind is written and begins as such files do."""

    def check(bench: Bench) -> str:
        file = bench.folder / f"report{ending}"
        bench.workspace.write_report(file)
        content = file.read_bytes()
        _demand(content.lower().startswith(beginning.lower()), f"it begins with {content[:20]!r}")
        return f"{len(content):,} bytes"

    return check


def _picture(_: Bench) -> str:
    """resvg makes a PNG of an SVG."""
    import resvg_py

    drawn = bytes(resvg_py.svg_to_bytes(svg_path=str(resource("icons", "mlops-desk.svg")), width=64))
    _demand(drawn.startswith(PNG), f"it begins with {drawn[:20]!r}")
    return f"resvg drew {len(drawn):,} bytes"


def _retraining(bench: Bench) -> str:
    """The command of the sample runs, supervised, and leaves a candidate."""
    run = bench.workspace.retrain(RETRAINED, reason="self-test", asked_by="self-test")
    ended = bench.workspace.wait_for_run(run.id)
    output, _ = bench.workspace.run_output(run.id)
    last = output.strip().splitlines()[-1:] or ["it printed nothing"]
    _demand(ended.state is RunState.SUCCEEDED, f"{ended.state}: {ended.outcome} ({last[0]})")
    candidates = list((bench.workspace.folder / ".desk" / "runs").glob("*/candidate.parquet"))
    _demand(bool(candidates), "there is no candidate.parquet")
    return f"{ended.outcome}, candidate.parquet has {candidates[0].stat().st_size:,} bytes"


def _window(bench: Bench) -> str:
    """The window opens, off screen, on the sample and shows something."""
    picture = bench.folder / "window.png"
    shown = subprocess.run(
        [interpreter(), "-m", "mlops_desk.gui.proof", str(bench.workspace.folder), str(picture)],
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    lines = shown.stderr.strip().splitlines()[-1:] or ["no word on stderr"]
    _demand(shown.returncode == 0 and picture.is_file(), f"exit code {shown.returncode}: {lines[0]}")
    bench.window = dict(json.loads(shown.stdout.splitlines()[-1]))
    first, colours = bench.window["first_seconds"], bench.window["colours"]
    _demand(isinstance(colours, int) and colours >= LEAST_COLOURS, f"the picture has {colours} colours only")
    text = f"first picture after {first} s, the sample shown after {bench.window['shown_seconds']} s"
    if isinstance(first, float) and first > FIRST_WINDOW_SECONDS:
        raise Lacking(f"{text}: more than the {FIRST_WINDOW_SECONDS:g} s that it should take")
    return text


def _chinese(bench: Bench) -> str:
    """Some font of this machine has Chinese characters."""
    fonts = bench.window.get("chinese")
    if not isinstance(fonts, list):
        raise Lacking("not known, because the window did not open")
    if not fonts:
        raise Lacking("no font has Chinese characters: install one, such as fonts-noto-cjk on Debian and Ubuntu")
    return f"{len(fonts)} fonts have it, such as {fonts[0]}"


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


CHECKS: tuple[tuple[str, Callable[[Bench], str]], ...] = (
    ("results", _results),
    ("store", _store),
    ("report.html", _report(".html", b"<!doctype html")),
    ("report.json", _report(".json", b"{")),
    ("report.pdf", _report(".pdf", b"%PDF-")),
    ("picture", _picture),
    ("retraining", _retraining),
    ("window", _window),
    ("chinese", _chinese),
)
