"""The real program as a process: pipes, terminals, signals, and two of them on one workspace."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlops_desk.store.archive import Store
from mlops_desk.store.lock import WorkspaceLock
from tests.cli.conftest import CommandLine
from tests.operations.small_workspace import DAYS, add_day, write_workspace

PROGRAM = [sys.executable, "-m", "mlops_desk"]
DEADLINE_SECONDS = 60
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and terminals of POSIX")


def program(*arguments: object, **variables: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)],
        capture_output=True,
        env={**os.environ, **variables},
        timeout=DEADLINE_SECONDS,
        check=False,
    )


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A running program, which is ended with the test if it has not ended before."""
    command = [*PROGRAM, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def stdout_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_a_pipe_gets_plain_lines_and_no_bar(tmp_path: Path) -> None:
    done = program("run", write_workspace(tmp_path))
    assert done.returncode == 0
    assert done.stderr == b""
    assert done.stdout.startswith(b"small: 5 chunks")
    assert b"\r" not in done.stdout


def test_an_odd_encoding_gets_question_marks(evaluated: Path) -> None:
    done = program("alerts", evaluated, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0, done.stderr
    assert b"? alert" in done.stdout
    done.stdout.decode("ascii")


def test_json_survives_an_odd_encoding(evaluated: Path) -> None:
    done = program("alerts", evaluated, "--json", PYTHONIOENCODING="cp1252", PYTHONUTF8="0")
    assert isinstance(json.loads(done.stdout), list)


@posix
def test_a_reader_that_has_seen_enough_is_no_error(evaluated: Path) -> None:
    with started("metrics", evaluated, "-o", "/dev/null/x") as process:
        assert process.wait(DEADLINE_SECONDS) == 2
    command = f"{PROGRAM[0]} -m mlops_desk alerts {evaluated} --json | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == "0"


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_help_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*PROGRAM, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "mlops-desk: No space left on device\n")


@posix
def test_a_terminal_gets_a_bar(tmp_path: Path) -> None:
    import pty

    folder = write_workspace(tmp_path)
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [*PROGRAM, "run", str(folder)])
    written = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        written += piece
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    bars = [piece for piece in written.decode().split("\r") if piece.startswith("[")]
    assert bars
    assert all("%  Small: " in bar for bar in bars)
    assert written.decode().splitlines()[-1].lstrip("\r ").startswith("small: 5 chunks")


@posix
def test_watch_evaluates_what_arrives_until_ctrl_c(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    with started("watch", folder, "--every", "0.05s") as process:
        assert stdout_line(process).startswith(f"small: {DAYS} chunks")
        add_day(folder, DAYS)
        assert stdout_line(process).startswith("small: 1 chunk,")
        (folder / "logs" / f"d{DAYS:02}.parquet").unlink()
        line = stdout_line(process)
        assert line.startswith("small: ")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == 130
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    with Store.open(folder) as store:
        assert len(store.chunks("small", "analysis")) == DAYS


@pytest.mark.slow
@posix
def test_watch_outlives_a_broken_configuration(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    desk = folder / "desk.toml"
    good = desk.read_text(encoding="utf-8")
    with started("watch", folder, "--every", "0.05s") as process:
        assert stdout_line(process).startswith("small: ")
        desk.write_text(good.replace("version = 1", "version = 1\nnmae = 2"), encoding="utf-8")
        assert process.stderr is not None
        assert ":" in process.stderr.readline()
        assert "did you mean name?" in process.stderr.readline()
        desk.write_text(good.replace('every = "1d"', 'every = "6h"'), encoding="utf-8")
        assert stdout_line(process).startswith(f"small: {4 * DAYS} chunks")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == 130


@pytest.mark.slow
def test_the_second_of_two_programs_waits_ten_seconds_and_gives_up(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    with WorkspaceLock(folder):
        began = time.monotonic()
        done = program("run", folder)
        assert 10 <= time.monotonic() - began < 20
    assert done.returncode == 4
    assert done.stdout == b""
    assert f"process {os.getpid()} of ".encode() in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert program("run", folder).returncode == 0


@pytest.mark.slow
def test_the_second_of_two_programs_goes_on_when_the_first_is_done(tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    lock = WorkspaceLock(folder)
    with lock, started("run", folder) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1.0)
        lock.__exit__(None, None, None)
        assert process.wait(DEADLINE_SECONDS) == 0
        assert stdout_line(process).startswith("small: 5 chunks")


RETRAINING = """
[models.retraining]
command = ["{python}", "-u", "-c", '''
import sys, time
print("epoch 1/2 \\u001b[31mred\\u001b[0m")
%s
''']
"""


def retrainable(folder: Path, line: str) -> Path:
    return write_workspace(folder, RETRAINING % line)


def test_retrain_waits_and_follows_the_log(mlops_desk: CommandLine, tmp_path: Path) -> None:
    folder = retrainable(tmp_path, "print('epoch 2/2')")
    assert mlops_desk("trust", folder, "--yes") == 0
    assert mlops_desk("retrain", folder, "--wait", "--reason", "a test") == 0
    assert mlops_desk.out.splitlines()[:2] == ["epoch 1/2 red", "epoch 2/2"]
    assert "run 1 of small succeeded" in mlops_desk.out
    (run,) = mlops_desk.document("runs", folder)
    assert (run["state"], run["reason"], run["exit_code"]) == ("succeeded", "a test", 0)
    assert mlops_desk("audit", folder) == 0
    assert [line.split()[5] for line in mlops_desk.out.splitlines()[1:]] != []
    assert "run.requested" in mlops_desk.out
    assert "run.ended" in mlops_desk.out


def test_a_run_that_fails_is_exit_3(mlops_desk: CommandLine, tmp_path: Path) -> None:
    folder = retrainable(tmp_path, "sys.exit(7)")
    assert mlops_desk("trust", folder, "--yes") == 0
    assert mlops_desk("retrain", folder, "--model", "small", "--wait") == 3
    assert "run 1 of small failed" in mlops_desk.err
    assert "7" in mlops_desk.err


def test_a_run_goes_on_without_the_command_line_and_can_be_cancelled(mlops_desk: CommandLine, tmp_path: Path) -> None:
    folder = retrainable(tmp_path, "time.sleep(600)")
    assert mlops_desk("trust", folder, "--yes") == 0
    assert mlops_desk("retrain", folder) == 0
    assert f"mlops-desk runs {folder}" in mlops_desk.out
    eventually(lambda: mlops_desk.document("runs", folder)[0]["state"] == "running")
    assert mlops_desk("retrain", folder) == 2
    assert "run 1 of small is still going" in mlops_desk.err
    assert mlops_desk("cancel", folder, 1) == 0
    assert mlops_desk.out == "run 1: cancelled\n"
    assert mlops_desk("cancel", folder, 1) == 2
    assert "has ended" in mlops_desk.err
    assert mlops_desk("cancel", folder, 5) == 2
    assert "there is no run 5" in mlops_desk.err


@posix
def test_ctrl_c_ends_the_waiting_and_not_the_run(mlops_desk: CommandLine, tmp_path: Path) -> None:
    folder = retrainable(tmp_path, "time.sleep(600)")
    assert mlops_desk("trust", folder, "--yes") == 0
    with started("retrain", folder, "--wait") as process:
        assert stdout_line(process) == "epoch 1/2 red\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_SECONDS) == 130
        assert process.stderr is not None
        assert f"run 1 goes on; `mlops-desk cancel {folder} 1` stops it" in process.stderr.read()
    assert mlops_desk.document("runs", folder)[0]["state"] == "running"
    assert mlops_desk("cancel", folder, 1) == 0
