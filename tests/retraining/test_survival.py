"""What becomes of runs when the processes around them are killed, and when several processes want one at once."""

import os
import signal
import sys
import time
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.retraining import RunState
from mlops_desk.retraining import ledger, runner
from mlops_desk.retraining.ledger import record_of
from mlops_desk.retraining.process_tree import ProcessIdentity, alive, identity, own_identity

posix = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
START = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.retraining import *
from mlops_desk.retraining import runner
folder, count = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for number in range(count):
    model = SimpleNamespace(id=sys.argv[3].format(number=number), retraining=eval(sys.argv[4]))
    try:
        run = runner.start(folder, model, reason="x", asked_by="first", now=datetime.now(UTC), trusted=True)
        print(run.id, flush=True)
    except UserError as error:
        print(error, flush=True)
sys.stdin.readline()
"""
WAIT = """
import sys
from pathlib import Path
from mlops_desk.retraining import runner
print(runner.runs(Path(sys.argv[1]))[0].state, flush=True)
run = runner.wait(Path(sys.argv[1]), 1, on_output=lambda text: print(text, end="", flush=True))
print(run.state, run.exit_code, run.outcome)
"""


def test_a_run_outlives_the_kill_of_who_asked_and_another_process_waits_for_its_end(
    workspace, python_model, other_program
):
    model = python_model("print('one'); wait_for('release'); print('two')")
    first = other_program(START, str(workspace), "1", "car-loan", repr(model.retraining))
    assert first.stdout.readline() == "ready\n"
    first.stdin.write("go\n")
    first.stdin.flush()
    assert first.stdout.readline() == "1\n"
    first.kill()
    first.wait()
    second = other_program(WAIT, str(workspace))
    assert second.stdout.readline() in ("starting\n", "running\n")
    assert second.stdout.readline() == "one\n"
    (workspace / "release").touch()
    assert second.stdout.readline() == "two\n"
    assert second.stdout.readline().startswith("succeeded 0 Finished after ")


@posix
def test_a_run_whose_supervisor_is_killed_is_lost_its_command_is_named_and_can_be_ended(
    workspace, python_model, started, until
):
    model = python_model("print('here'); wait_for('never')")
    run = started(model)
    until(lambda: runner.output(workspace, run.id)[0])
    record = record_of(workspace, run.id)[1]
    os.kill(record.supervisor.pid, signal.SIGKILL)
    until(lambda: not alive(record.supervisor))
    lost = runner.run(workspace, run.id)
    assert lost.state is RunState.LOST
    assert f"its supervisor (process {record.supervisor.pid}) was killed" in lost.outcome
    assert f"its command is still running (process {record.command.pid}, " in lost.outcome
    assert "`mlops-desk cancel " in lost.outcome
    assert runner.wait(workspace, run.id) == lost
    with pytest.raises(UserError, match="run 1 of car-loan is lost, but its command is still running"):
        started(model)
    runner.cancel(workspace, run.id, "anna")
    assert not alive(record.command)
    cancelled = runner.run(workspace, run.id)
    assert cancelled.state is RunState.CANCELLED
    assert cancelled.outcome == "Cancelled by anna after its supervisor had been killed"


@posix
def test_a_lost_run_whose_command_is_gone_says_so_and_does_not_stand_in_the_way(
    workspace, python_model, started, until
):
    run = started(python_model("print('here'); wait_for('never')"))
    until(lambda: runner.output(workspace, run.id)[0])
    record = record_of(workspace, run.id)[1]
    os.kill(record.supervisor.pid, signal.SIGKILL)
    os.kill(record.command.pid, signal.SIGKILL)
    until(lambda: not alive(record.supervisor) and not alive(record.command))
    lost = runner.run(workspace, run.id)
    assert (lost.state, lost.exit_code) == (RunState.LOST, None)
    assert lost.outcome.endswith("its command is not running any more")
    with pytest.raises(UserError, match="run 1 cannot be cancelled, nothing of it is running"):
        runner.cancel(workspace, run.id, "anna")
    assert runner.wait(workspace, started(python_model("pass")).id).state is RunState.SUCCEEDED


def rewritten(workspace, **changes):
    run_folder, record = record_of(workspace, 1)
    run_folder.write_record(replace(record, **changes))
    return run_folder


def test_a_later_process_of_the_same_number_is_not_taken_for_the_supervisor(workspace, python_model, finished):
    ended = finished(python_model("pass"))
    going = replace(ended, state=RunState.RUNNING, finished_at=None, exit_code=None, outcome=None)
    impostor = own_identity()
    rewritten(workspace, run=going, supervisor=impostor)
    assert runner.run(workspace, 1).state is RunState.RUNNING
    boot, plus, tick = impostor.birth.rpartition("+")
    rewritten(workspace, supervisor=replace(impostor, birth=f"{boot}{plus}{float(tick) - 1:.0f}"))
    assert runner.run(workspace, 1).state is RunState.LOST


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells one boot from another")
def test_a_run_that_a_restart_of_the_machine_ended_says_so(workspace, python_model, finished):
    ended = finished(python_model("pass"))
    going = replace(ended, state=RunState.RUNNING, finished_at=None, exit_code=None, outcome=None)
    former = ProcessIdentity(pid=os.getpid(), birth="0000-another-boot+" + own_identity().birth.split("+")[1])
    rewritten(workspace, run=going, supervisor=former, command=former)
    lost = runner.run(workspace, 1)
    assert (lost.state, lost.outcome) == (RunState.LOST, "Lost: the machine was restarted while it ran")


def test_a_run_on_another_machine_is_believed_while_its_supervisor_shows_that_it_lives(
    workspace, python_model, finished
):
    ended = finished(python_model("pass"))
    going = replace(ended, state=RunState.RUNNING, finished_at=None, exit_code=None, outcome=None)
    run_folder = rewritten(workspace, run=going, place="trainbox pid:[1]", supervisor=ProcessIdentity(pid=1, birth="x"))
    assert runner.run(workspace, 1).state is RunState.RUNNING
    state = run_folder.path / "state.json"
    long_ago = time.time() - 3600
    os.utime(state, (long_ago, long_ago))
    lost = runner.run(workspace, 1)
    assert lost.state is RunState.LOST
    assert lost.outcome.startswith("Lost: its supervisor on trainbox has not shown for more than 10 min")
    run_folder.beat()
    assert runner.run(workspace, 1).state is RunState.RUNNING


def test_a_run_that_ends_while_it_is_looked_at_is_not_taken_for_lost(workspace, python_model, finished, monkeypatch):
    ended = finished(python_model("pass"))
    going = replace(ended, state=RunState.RUNNING, finished_at=None, exit_code=None, outcome=None)
    run_folder = rewritten(workspace, run=going)
    final = replace(record_of(workspace, 1)[1], run=ended)

    def ended_meanwhile(*_):
        run_folder.write_record(final)
        return False

    monkeypatch.setattr(ledger, "_carried", ended_meanwhile)
    assert runner.run(workspace, 1) == ended


def test_a_run_that_nobody_took_over_is_lost(workspace, python_model, finished):
    ended = finished(python_model("pass"))
    waiting = replace(ended, state=RunState.STARTING, started_at=None, finished_at=None, exit_code=None, outcome=None)
    gone = ProcessIdentity(pid=own_identity().pid, birth="gone")
    run_folder = rewritten(workspace, run=waiting, supervisor=None, command=None, starter=gone)
    assert runner.run(workspace, 1).state is RunState.STARTING  # its supervisor may be on its way
    long_ago = time.time() - 60
    os.utime(run_folder.path / "state.json", (long_ago, long_ago))
    lost = runner.run(workspace, 1)
    assert lost.state is RunState.LOST
    assert lost.outcome == "Lost: the program that asked for it ended before the run was under way"


def test_a_folder_that_somebody_is_still_filling_is_no_run_yet(workspace, python_model, finished):
    (workspace / ".desk" / "runs" / "3").mkdir(parents=True)
    (workspace / ".desk" / "runs" / "notes").mkdir()
    assert runner.runs(workspace) == ()
    assert finished(python_model("pass")).id == 4


def test_ids_are_given_out_once_though_several_processes_ask_at_once(workspace, model, other_program):
    spec = repr(model(sys.executable, "-c", "pass").retraining)
    programs = [other_program(START, str(workspace), "4", name + "-{number}", spec) for name in "abc"]
    assert [program.stdout.readline() for program in programs] == ["ready\n"] * 3
    for program in programs:
        program.stdin.write("go\n")
        program.stdin.flush()
    ids = [int(program.stdout.readline()) for program in programs for _ in range(4)]
    assert sorted(ids) == list(range(1, 13))
    assert [runner.wait(workspace, number).state for number in ids] == [RunState.SUCCEEDED] * 12


def test_only_one_of_several_processes_gets_a_run_of_the_same_model(workspace, python_model, other_program):
    spec = repr(python_model("wait_for('release')").retraining)
    programs = [other_program(START, str(workspace), "1", "car-loan", spec) for _ in range(4)]
    assert [program.stdout.readline() for program in programs] == ["ready\n"] * 4
    for program in programs:
        program.stdin.write("go\n")
        program.stdin.flush()
    answers = sorted(program.stdout.readline() for program in programs)
    assert answers[0] == "1\n"
    assert all("run 1 of car-loan is still going" in answer for answer in answers[1:])
    (workspace / "release").touch()
    assert runner.wait(workspace, 1).state is RunState.SUCCEEDED
    assert runner.refusal(workspace, python_model("pass"), now=datetime.now(UTC)) is None


def test_identities_tell_processes_apart():
    own = own_identity()
    assert alive(own)
    assert identity(2**22 + 5) is None
    assert not alive(replace(own, birth="another"))
