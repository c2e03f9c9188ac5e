import datetime as dt
import subprocess
import sys
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk import __version__
from mlops_desk.cli import values
from tests.cli.conftest import CommandLine

HEAVY = (
    "PySide6",
    "numpy",
    "_duckdb",
    "duckdb",
    "pyarrow",
    "scipy",
    "sqlite3",
    "jinja2",
    "importlib.metadata",
    "tomlkit",
)
COMMANDS = (
    "demo init check run metrics alerts ack silence explain report retrain runs cancel watch trust audit gui doctor help"
).split()


def test_version(mlops_desk: CommandLine) -> None:
    assert mlops_desk("--version") == 0
    assert mlops_desk.out == f"mlops-desk {__version__}\n"


def test_version_imports_nothing_heavy_and_takes_no_time() -> None:
    look = (
        "import sys, time; from mlops_desk.__main__ import main; code = main(['--version']);"
        f"print(code, time.process_time(), *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = [subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True) for _ in range(3)]
    found = [run.stdout.splitlines()[1].split() for run in done]
    assert [run[0] for run in found] == ["0"] * 3
    assert found[0][2:] == []
    assert min(float(run[1]) for run in found) <= 0.15


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(mlops_desk: CommandLine, command: str) -> None:
    assert mlops_desk(command, "--help") == 0
    assert mlops_desk.out.startswith(f"usage: mlops-desk {command}")
    assert mlops_desk.err == ""


def test_help_tells_the_exit_codes(mlops_desk: CommandLine) -> None:
    assert mlops_desk("--help") == 0
    assert "130  interrupted" in mlops_desk.out
    assert mlops_desk() == 2
    assert "COMMAND" in mlops_desk.err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["rnu", "x"], "did you mean run"),
        (["frobnicate"], "there is no command 'frobnicate'"),
        (["run"], "required: W"),
        (["run", "x", "--fail-on", "maybe"], "'maybe'"),
        (["run", "x", "--ful"], "--ful"),
        (["ack", "x", "seven"], "must be a number, not 'seven'"),
        (["silence", "x", "1", "--until", "soon"], "such as 3d"),
        (["report", "x", "-o", "r.html", "--from", "01/02/2026"], "2026-11-02"),
        (["watch", "x", "--every", "0s"], "a duration such as"),
        (["init", "x", "--logs", "y", "--task", "ranking"], "'ranking'"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_way_out(mlops_desk: CommandLine, typed: list[str], said: str) -> None:
    assert mlops_desk(*typed) == 2
    assert mlops_desk.out == ""
    assert mlops_desk.err.startswith("mlops-desk: ")
    assert said in mlops_desk.err
    assert mlops_desk.err.count("\n") == 1
    assert "--help` shows how it is called" in mlops_desk.err


@given(st.integers(1, 5000), st.sampled_from("smhdw"))
def test_durations(count: int, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    assert values.duration(f"{count}{unit}") == count * seconds


@given(st.text())
def test_other_text_is_refused_and_never_a_defect(text: str) -> None:
    for convert in values.CONVERTERS.values():
        with suppress(ValueError):
            convert(text)


def test_moments() -> None:
    assert values.moment("2026-11-02") == dt.datetime(2026, 11, 2)
    assert values.instant("2026-11-02T06:00+02:00") == dt.datetime(2026, 11, 2, 4, tzinfo=dt.UTC)
    before = dt.datetime.now(dt.UTC)
    until = values.until("3d")
    assert isinstance(until, dt.datetime)
    assert dt.timedelta(0) <= until - before - dt.timedelta(days=3) < dt.timedelta(minutes=1)
    with pytest.raises(ValueError, match="this era"):
        values.instant("0001-01-01T00:00+14:00")
