"""Runs of real commands from their start to their end, and what is left on disk of each."""

import json
import os
import sys
import time
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from mlops_desk.domain.errors import Cancelled, NotTrusted, UserError
from mlops_desk.domain.progress import CancelToken
from mlops_desk.domain.retraining import HttpCall, RetrainingSpec, RunEnvironment, RunState
from mlops_desk.retraining import runner
from mlops_desk.retraining.launch import LaunchError, check_batch_arguments
from mlops_desk.retraining.ledger import unreadable
from mlops_desk.retraining.supervisor import supervisor_argv

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


def folder_of(workspace, run):
    return workspace / ".desk" / "runs" / str(run.id)


def stored(workspace, run, name):
    return json.loads((folder_of(workspace, run) / name).read_text(encoding="utf-8"))


def test_a_command_that_ends_well_succeeds_and_its_folder_tells_everything(workspace, python_model):
    model = python_model("import sys; print('out'); print('err', file=sys.stderr); open('made.txt', 'w')")
    run = runner.start(workspace, model, reason="age drifts", asked_by="anna", now=NOW, trusted=True)
    assert (run.id, run.model, run.asked_by, run.reason, run.requested_at) == (1, "car-loan", "anna", "age drifts", NOW)
    seen = []
    ended = runner.wait(workspace, run.id, on_output=seen.append)
    assert ended.state is RunState.SUCCEEDED
    assert ended.exit_code == 0
    assert ended.outcome.startswith("Finished after ")
    assert ended.started_at <= ended.finished_at
    assert sorted("".join(seen).splitlines()) == ["err", "out"]
    assert (workspace / "made.txt").exists()
    assert {file.name for file in folder_of(workspace, run).iterdir()} == {
        "spec.json",
        "state.json",
        "output.log",
        "result.json",
    }
    result = stored(workspace, run, "result.json")
    assert (result["state"], result["exit_code"], result["signal"]) == ("succeeded", 0, None)
    assert result["output_bytes"] == len(os.linesep) * 2 + 6
    spec = stored(workspace, run, "spec.json")
    assert spec["command"] == list(ended.command)
    assert spec["cwd"] == str(workspace)
    assert runner.runs(workspace) == (ended,)
    assert runner.run(workspace, 1) == ended


def test_a_start_takes_less_than_a_third_of_a_second_of_computing(python_model, started, workspace):
    before = os.times()
    run = started(python_model("pass"))
    after = os.times()
    spent = (after.user - before.user) + (after.system - before.system)
    spent += (after.children_user - before.children_user) + (after.children_system - before.children_system)
    assert spent < 0.3
    assert run.state in (RunState.STARTING, RunState.RUNNING, RunState.SUCCEEDED)
    runner.wait(workspace, run.id)


def test_a_failing_exit_code_is_told(python_model, finished):
    run = finished(python_model("raise SystemExit(3)"))
    assert (run.state, run.exit_code) == (RunState.FAILED, 3)
    assert run.outcome.startswith("The command ended with exit code 3 after ")


@posix
def test_a_command_that_a_signal_ends_has_no_exit_code(workspace, python_model, finished):
    run = finished(python_model("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"))
    assert (run.state, run.exit_code) == (RunState.FAILED, None)
    assert run.outcome.startswith("The command was ended by SIGSEGV after ")
    assert stored(workspace, run, "result.json")["signal"] == "SIGSEGV"
    killed = finished(python_model("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert "memory" in killed.outcome


def test_a_command_is_ended_after_its_timeout(python_model, finished):
    begun = time.monotonic()
    run = finished(python_model("print('here'); wait_for('never')", timeout_seconds=0.5))
    assert run.state is RunState.TIMED_OUT
    assert run.outcome == "Ended after its timeout of 0.5 s"
    assert time.monotonic() - begun < 20


def test_an_exit_code_is_told_though_the_parent_ignores_the_ends_of_its_children(
    workspace, python_model, other_program
):
    if sys.platform == "win32":
        pytest.skip("POSIX only")
    model = python_model("raise SystemExit(5)")
    code = (
        "import signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "import subprocess; subprocess.run([*sys.argv[1:]], stdout=subprocess.DEVNULL)"
    )
    runner_code = _start_code(workspace, model)
    other_program(code, sys.executable, "-c", runner_code).wait()
    assert runner.wait(workspace, 1).exit_code == 5


def _start_code(workspace, model):
    return (
        "from datetime import UTC, datetime; from pathlib import Path\n"
        "from types import SimpleNamespace; from mlops_desk.domain.retraining import *\n"
        "from mlops_desk.retraining import runner\n"
        f"model = SimpleNamespace(id='car-loan', retraining={model.retraining!r})\n"
        f"runner.start(Path({str(workspace)!r}), model, reason='x', asked_by='bo', now=datetime.now(UTC), trusted=True)"
    )


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("no-such-program", "x"), "Not started: command not found: 'no-such-program' is not on the PATH of the run"),
        (("./train.sh",), "Not started: command not found: there is no file {workspace}/train.sh"),
        (
            ("./plain.txt",),
            "Not started: {workspace}/plain.txt may not be executed: mark it as executable, or name its",
        ),
        (("./folder",), "Not started: {workspace}/folder is a folder, not a program"),
        (("./broken.sh",), "Not started: {workspace}/broken.sh could not be executed (No such file or directory)"),
    ],
)
@posix
def test_a_command_that_cannot_be_started_fails_with_one_clear_sentence(workspace, model, finished, command, sentence):
    (workspace / "plain.txt").write_text("text")
    (workspace / "folder").mkdir()
    (workspace / "broken.sh").write_text("#!/no/such/interpreter\n")
    (workspace / "broken.sh").chmod(0o755)
    run = finished(model(*command))
    assert (run.state, run.exit_code, run.started_at) == (RunState.FAILED, None, None)
    assert run.outcome.startswith(sentence.format(workspace=workspace))
    assert "\n" not in run.outcome


@posix
def test_a_program_on_the_path_that_may_not_be_executed_is_told_from_one_that_is_not_there(workspace, model, finished):
    (workspace / "plain").write_text("text")
    run = finished(model("plain", environment=RunEnvironment(passed=(), set=(("PATH", str(workspace)),))))
    assert run.outcome == "Not started: 'plain' is on the PATH of the run but may not be executed"


def test_a_missing_working_folder_is_named(workspace, python_model, finished):
    run = finished(python_model("pass", cwd="training"))
    assert run.state is RunState.FAILED
    assert (
        run.outcome == f"Not started: the folder {workspace / 'training'} (cwd in [models.retraining]) does not exist"
    )


@posix
def test_a_program_beside_the_working_folder_is_found_and_runs_there(workspace, model, finished):
    (workspace / "training").mkdir()
    script = workspace / "training" / "train it.sh"
    script.write_text('#!/bin/sh\npwd; echo "$1"\n')
    script.chmod(0o755)
    run = finished(model("./train it.sh", "{model}", cwd="training"))
    assert run.state is RunState.SUCCEEDED
    assert runner.output(workspace, run.id)[0].splitlines() == [str(workspace / "training"), "car-loan"]


def test_arguments_arrive_as_they_are_and_no_shell_reads_them(workspace, python_model):
    odd = ("two words", 'a "quote"', "it's", "$HOME `id` ; rm -rf x && y", "ünïcode 模型", "", "{other} {}", "%PATH%")
    model = python_model(
        "import json, sys; open('argv.json', 'w').write(json.dumps(sys.argv[1:]))",
        *odd,
        "{workspace}|{model}|{run_id}|{run_folder}",
        "why: {reason}",
    )
    reason = "drift of {python}\nand 'more'\0 --x"
    assert runner.preview(workspace, model, reason=reason)[-1] == "why: drift of {python} and 'more' --x"
    run = runner.start(workspace, model, reason=reason, asked_by="anna", now=NOW, trusted=True)
    runner.wait(workspace, run.id)
    folder = folder_of(workspace, run)
    assert json.loads((workspace / "argv.json").read_text()) == [
        *odd,
        f"{workspace}|car-loan|1|{folder}",
        "why: drift of {python} and 'more' --x",
    ]


def test_names_that_are_no_valid_text_are_kept_as_they_are(workspace, python_model):
    run = runner.start(workspace, python_model("pass"), reason="x", asked_by="ren\udce9", now=NOW, trusted=True)
    assert runner.wait(workspace, run.id).asked_by == "ren\udce9"


def test_the_environment_holds_only_what_is_allowed(workspace, python_model, finished, monkeypatch):
    monkeypatch.setenv("PASSED", "1")
    monkeypatch.setenv("KEPT_BACK", "2")
    environment = RunEnvironment(passed=("PATH", "PASSED", "ABSENT"), set=(("STAGE", "prod é"),))
    code = "import json, os; open('env.json', 'w').write(json.dumps(dict(os.environ)))"
    finished(python_model(code, environment=environment))
    found = json.loads((workspace / "env.json").read_text())
    for name in ("LC_CTYPE", "SYSTEMROOT"):  # the interpreter, or Windows, sets these itself
        found.pop(name, None)
    assert set(found) == {"PATH", "PASSED", "STAGE", "PYTHONUNBUFFERED", "PYTHONIOENCODING", "MLOPS_DESK_RUN"}
    assert (found["PASSED"], found["STAGE"]) == ("1", "prod é")


def test_the_standard_input_is_at_its_end(python_model, finished):
    assert finished(python_model("import sys; raise SystemExit(len(sys.stdin.read()) + 7)")).exit_code == 7


def test_an_untrusted_workspace_starts_nothing_and_says_how_to_trust_it(workspace, python_model):
    with pytest.raises(NotTrusted, match=r"`mlops-desk trust '.*my désk 工作'`"):
        runner.start(workspace, python_model("pass"), reason="x", asked_by="anna", now=NOW, trusted=False)
    assert not (workspace / ".desk").exists()


def test_a_model_without_a_command_says_what_is_missing(workspace, model):
    with pytest.raises(UserError, match=r"no retraining is configured for car-loan.*\[models.retraining\]"):
        runner.start(workspace, model(), reason="x", asked_by="anna", now=NOW, trusted=True)


def test_a_model_that_is_retrained_by_http_says_that_only_commands_are_started(workspace, model):
    called = replace(model(), retraining=RetrainingSpec(command=(), http=HttpCall(url="https://train.invalid")))
    with pytest.raises(UserError, match=r"car-loan cannot be retrained by http: this version starts commands only"):
        runner.start(workspace, called, reason="x", asked_by="anna", now=NOW, trusted=True)


def test_a_second_run_of_the_model_is_refused_while_the_first_goes_on(workspace, python_model, started):
    model = python_model("wait_for('release')", cooldown_seconds=3600)
    first = started(model)
    with pytest.raises(UserError, match=r"car-loan cannot be retrained now: run 1 of car-loan is still going \(asked"):
        started(model)
    other = started(python_model("pass", id="other"))
    assert other.id == 2
    (workspace / "release").touch()
    runner.wait(workspace, first.id)
    with pytest.raises(UserError, match=r"the cooldown is 1 h: possible again at .* UTC \(in (1 h|59 min .*)\)"):
        started(model)
    assert runner.refusal(workspace, model, now=datetime.now(UTC)) is not None
    assert [run.id for run in runner.runs(workspace)] == [1, 2]


def test_an_unknown_run_is_named_with_those_there_are(workspace, python_model, finished):
    with pytest.raises(UserError, match=r"there is no run 7 in .*: it has no runs yet"):
        runner.run(workspace, 7)
    finished(python_model("pass"))
    with pytest.raises(UserError, match="its runs are 1 to 1"):
        runner.cancel(workspace, 7, "anna")


def test_a_damaged_record_is_named_with_its_file(workspace, python_model, finished):
    run = finished(python_model("pass"))
    state = folder_of(workspace, run) / "state.json"
    intact = state.read_text(encoding="utf-8")
    for damaged in ("", "{", "[]", '{"run": {}}', intact.replace("succeeded", "done")):
        state.write_text(damaged, encoding="utf-8")
        with pytest.raises(UserError, match=r"state\.json is damaged"):
            runner.run(workspace, run.id)
        assert runner.runs(workspace) == ()
        assert "state.json is damaged" in unreadable(workspace)[run.id]
    state.write_text(intact, encoding="utf-8")
    assert runner.runs(workspace) == (run,)
    assert unreadable(workspace) == {}


@posix
def test_a_workspace_that_cannot_be_written_is_named(workspace, python_model):
    (workspace / ".desk").write_text("a file in the way")
    with pytest.raises(UserError, match=r"no run can be recorded in .*runs: (Not a directory|File exists)"):
        runner.start(workspace, python_model("pass"), reason="x", asked_by="anna", now=NOW, trusted=True)
    assert runner.runs(workspace) == ()


def test_a_supervisor_that_cannot_begin_leaves_a_failed_run(workspace, python_model, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", str(workspace))
    with pytest.raises(RuntimeError, match="could not begin"):
        runner.start(workspace, python_model("pass"), reason="x", asked_by="anna", now=NOW, trusted=True)
    run = runner.run(workspace, 1)
    assert run.state is RunState.FAILED
    assert run.outcome.startswith("Not started: the supervisor could not begin")


def test_waiting_can_be_cancelled_and_the_run_goes_on(workspace, python_model, started):
    run = started(python_model("print('here'); wait_for('release')"))
    token = CancelToken()
    with pytest.raises(Cancelled):
        runner.wait(workspace, run.id, on_output=lambda _: token.cancel(), cancel=token)
    assert runner.run(workspace, run.id).state is RunState.RUNNING
    (workspace / "release").touch()
    assert runner.wait(workspace, run.id).state is RunState.SUCCEEDED


@pytest.mark.parametrize("ending", ["", ".exe"])
def test_a_frozen_program_lends_and_uses_the_interpreter_beside_it(workspace, python_model, monkeypatch, ending):
    assert supervisor_argv() == (sys.executable, "-m", "mlops_desk.retraining.supervisor")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(workspace / f"mlops-desk{ending}"))
    beside = str(workspace / f"mlops-desk-python{ending}")
    assert supervisor_argv() == (beside, "-m", "mlops_desk.retraining.supervisor")
    assert runner.preview(workspace, python_model("pass"), reason="x")[0] == beside


@pytest.mark.parametrize("argument", ['a"b', "a&b", "%PATH%", "a|b", "a\nb"])
def test_a_batch_file_gets_no_argument_that_its_shell_would_read(argument):
    check_batch_arguments(("train.bat", "plain words"))
    check_batch_arguments(("train.exe", argument))
    with pytest.raises(LaunchError, match="batch file"):
        check_batch_arguments(("train.CMD", argument))
