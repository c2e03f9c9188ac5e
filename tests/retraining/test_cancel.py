"""Cancelling ends every process of a run, however it tries to get away, and leaves others alone."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.retraining import RunState
from mlops_desk.retraining import runner
from mlops_desk.retraining.ledger import record_of
from mlops_desk.retraining.process_tree import alive, identity

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and process groups are POSIX")

FAMILY = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
program = '''
import os, signal, sys, time
if not sys.argv[1].startswith("polite"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "orphan" in sys.argv[1] and os.fork():
    os._exit(0)
if "session" in sys.argv[1]:
    os.setsid()
if "parent" in sys.argv[1]:
    import subprocess
    subprocess.Popen([sys.executable, "-c", os.environ["PROGRAM"], "session-grandchild"])
open("pid-" + sys.argv[1], "w").write(str(os.getpid()))
os.rename("pid-" + sys.argv[1], "up-" + sys.argv[1])
time.sleep(120)
'''
os.environ["PROGRAM"] = program
for name in ("child", "polite-child", "session-parent", "session-orphan", "orphan-without-environment"):
    subprocess.Popen([sys.executable, "-c", program, name], env={} if name.endswith("environment") else None)
print("all here")
time.sleep(120)
"""
NAMES = (
    "child",
    "polite-child",
    "session-parent",
    "session-grandchild",
    "session-orphan",
    "orphan-without-environment",
)


def members(workspace):
    files = [workspace / f"up-{name}" for name in NAMES]
    return [int(file.read_text()) for file in files] if all(file.exists() for file in files) else None


def test_cancelling_ends_the_whole_family_and_nobody_else(workspace, python_model, started, until):
    bystander = subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE)
    run = started(python_model(FAMILY))
    pids = until(lambda: members(workspace))
    assert all(identity(pid) for pid in pids)
    begun = time.monotonic()
    runner.cancel(workspace, run.id, "bo")
    ended = runner.wait(workspace, run.id)
    assert time.monotonic() - begun < 20
    assert ended.state is RunState.CANCELLED
    assert ended.exit_code is None
    assert ended.outcome.startswith("Cancelled by bo after ")
    assert [pid for pid in pids if identity(pid)] == []
    assert bystander.poll() is None
    bystander.communicate(b"\n")
    with pytest.raises(UserError, match="run 1 cannot be cancelled, it has ended: Cancelled by bo"):
        runner.cancel(workspace, run.id, "bo")


def test_a_polite_command_may_clean_up_and_is_not_waited_for_longer(workspace, python_model, started, until):
    code = """
import signal, sys
def leave(*_):
    print("saved"); sys.exit(4)
signal.signal(signal.SIGTERM, leave)
print("here"); wait_for("never")
"""
    run = started(python_model(code))
    until(lambda: "here" in runner.output(workspace, run.id)[0])
    begun = time.monotonic()
    runner.cancel(workspace, run.id, "anna")
    ended = runner.wait(workspace, run.id)
    assert time.monotonic() - begun < 3  # the grace: it was not killed
    assert (ended.state, ended.exit_code) == (RunState.CANCELLED, 4)
    assert runner.output(workspace, run.id)[0].split() == ["here", "saved"]


@pytest.mark.parametrize("content", ["", '{"by": "eve"}'])
def test_a_file_in_the_run_folder_cancels_too(workspace, python_model, started, until, content):
    run = started(python_model("print('here'); wait_for('never')"))
    until(lambda: runner.output(workspace, run.id)[0])
    (workspace / ".desk" / "runs" / "1" / "cancel").write_text(content)
    ended = runner.wait(workspace, run.id)
    assert ended.state is RunState.CANCELLED
    assert ended.outcome.startswith(f"Cancelled by {'eve' if content else 'somebody'} after ")


def test_a_run_that_is_cancelled_before_its_supervisor_comes_starts_nothing(
    workspace, python_model, started, monkeypatch
):
    start_supervisor = runner._start_supervisor

    def cancelled_meanwhile(run_folder, record):
        runner.cancel(workspace, record.run.id, "eve")
        start_supervisor(run_folder, record)

    monkeypatch.setattr(runner, "_start_supervisor", cancelled_meanwhile)
    ended = runner.wait(workspace, started(python_model("open('made.txt', 'w')")).id)
    assert (ended.state, ended.started_at) == (RunState.CANCELLED, None)
    assert ended.outcome == "Cancelled by eve before the command was started"
    assert not (workspace / "made.txt").exists()


def test_a_supervisor_that_breaks_down_says_so_and_leaves_nothing_running(workspace, python_model, started, until):
    run = started(python_model("print('here'); wait_for('never')"))
    until(lambda: runner.output(workspace, run.id)[0])
    record = record_of(workspace, run.id)[1]
    (workspace / ".desk" / "runs" / "1" / "cancel").mkdir()  # no file at all: nothing that the supervisor expects
    ended = runner.wait(workspace, run.id)
    assert ended.state is RunState.FAILED
    assert ended.outcome.startswith("The supervisor of the run broke down (IsADirectoryError(")
    assert "Traceback" in runner.output(workspace, run.id)[0]
    assert not alive(record.command)


def test_a_supervisor_that_is_told_to_end_takes_its_run_along(workspace, python_model, started, until):
    run = started(python_model("print('here'); wait_for('never')"))
    until(lambda: runner.output(workspace, run.id)[0])
    record = record_of(workspace, run.id)[1]
    os.kill(record.supervisor.pid, signal.SIGTERM)
    ended = runner.wait(workspace, run.id)
    assert ended.state is RunState.CANCELLED
    assert ended.outcome.startswith("Cancelled because the supervisor was told to end")
    assert not alive(record.command)


def test_what_the_command_leaves_running_is_ended_with_it(workspace, python_model, finished, until):
    code = """
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; print('left', flush=True); time.sleep(120)"], start_new_session=True)
open("left", "w").write(str(left.pid))
"""
    run = finished(python_model(code))
    assert (run.state, run.exit_code) == (RunState.SUCCEEDED, 0)
    assert run.outcome.endswith("; it had left one process running, ended too")
    pid = int((workspace / "left").read_text())
    assert identity(pid) is None


def test_a_run_may_start_another_that_outlives_it(workspace, python_model, started, until):
    inner = python_model("wait_for('release')", id="inner")
    code = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from datetime import UTC, datetime; from pathlib import Path
from types import SimpleNamespace; from mlops_desk.domain.retraining import *
from mlops_desk.retraining import runner
model = SimpleNamespace(id="inner", retraining={inner.retraining!r})
runner.start(Path({str(workspace)!r}), model, reason="x", asked_by="outer", now=datetime.now(UTC), trusted=True)
wait_for("never")
"""
    run = started(python_model(code))
    until(lambda: len(runner.runs(workspace)) == 2 and runner.run(workspace, 2).state is RunState.RUNNING)
    runner.cancel(workspace, run.id, "anna")
    assert runner.wait(workspace, run.id).state is RunState.CANCELLED
    assert runner.run(workspace, 2).state is RunState.RUNNING
    (workspace / "release").touch()
    assert runner.wait(workspace, 2).state is RunState.SUCCEEDED
