import csv
import datetime as dt
import io
import json
import os
import signal
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mlops_desk.cli.terminal import Terminal
from mlops_desk.domain.progress import CancelToken, Progress
from mlops_desk.domain.threshold import AlertState
from mlops_desk.store.archive import Store
from mlops_desk.store.values import RESULT_COLUMNS
from mlops_desk.workspace import Workspace
from tests.cli.conftest import CommandLine
from tests.operations.small_workspace import DAYS, REFERENCE_ROWS, ROWS_A_DAY, add_day, write_workspace


def first_alert(workspace: Path) -> int:
    return Workspace.open(workspace).alerts()[0].id


def test_run_tells_one_line_a_model(mlops_desk: CommandLine, tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    assert mlops_desk("run", folder) == 0
    assert mlops_desk.err == ""
    rows = REFERENCE_ROWS + DAYS * ROWS_A_DAY
    assert mlops_desk.out.startswith(f"small: {DAYS} chunks, {rows:,} rows in ")
    assert " alerts" in mlops_desk.out
    assert mlops_desk("run", folder / "desk.toml") == 0
    assert mlops_desk.out.startswith("small: nothing new in ")
    add_day(folder, DAYS)
    assert mlops_desk("run", folder) == 0
    assert mlops_desk.out.startswith("small: 1 chunk, ")
    assert mlops_desk("run", folder, "--full") == 0
    assert mlops_desk.out.startswith(f"small: {DAYS + 1} chunks, ")


def test_run_for_a_script(mlops_desk: CommandLine, workspace: Path) -> None:
    (model,) = mlops_desk.document("run", workspace, "--full")["models"]
    assert mlops_desk.err == ""
    assert (model["model"], model["chunks_evaluated"], model["failure"]) == ("small", DAYS, None)
    listed = mlops_desk.document("alerts", workspace)
    assert model["alerts"] == sum(alert["severity"] == "alert" for alert in listed)
    assert model["verdict"] == "alert"


def test_fail_on_counts_what_is_open_and_not_silenced(mlops_desk: CommandLine, workspace: Path) -> None:
    assert mlops_desk("run", workspace) == 0
    assert mlops_desk("run", workspace, "--fail-on", "never") == 0
    assert mlops_desk("run", workspace, "--fail-on", "alert") == 1
    assert mlops_desk("run", workspace, "--fail-on", "warning") == 1
    for alert in mlops_desk.document("alerts", workspace):
        if alert["severity"] == "alert":
            assert mlops_desk("silence", workspace, alert["id"], "--until", "3d") == 0
    assert mlops_desk("run", workspace, "--fail-on", "alert") == 0
    warned = any(alert["severity"] == "warning" for alert in mlops_desk.document("alerts", workspace))
    assert mlops_desk("run", workspace, "--fail-on", "warning") == int(warned)


def test_alerts_acknowledged_and_silenced(mlops_desk: CommandLine, workspace: Path) -> None:
    number = first_alert(workspace)
    assert mlops_desk("ack", workspace, number, "--note", "known\x1b[31m") == 0
    (alert,) = [one for one in mlops_desk.document("alerts", workspace) if one["id"] == number]
    assert (alert["state"], alert["note"]) == ("acknowledged", "known\x1b[31m")
    assert mlops_desk("silence", workspace, number, "--until", "2099-01-01T00:00Z") == 0
    assert "silenced until 1 Jan 2099 00:00 (UTC)" in mlops_desk.out
    assert mlops_desk("alerts", workspace) == 0
    (line,) = [line for line in mlops_desk.out.splitlines() if line.split()[0] == str(number)]
    assert "silenced until 1 Jan 2099 00:00" in line
    events = mlops_desk.document("alerts", workspace, "--events", number)
    assert [event["kind"] for event in events] == ["opened", "acknowledged", "silenced"]
    assert [event["by"] is None for event in events] == [True, False, False]
    assert events[1]["note"] == "known\x1b[31m"
    assert mlops_desk("alerts", workspace, "--events", number) == 0
    assert [line.split()[4] for line in mlops_desk.out.splitlines()[1:]] == ["opened", "acknowledged", "silenced"]
    assert "\x1b" not in mlops_desk.out
    assert mlops_desk("alerts", workspace, "--events", 9999) == 2
    assert "there is no alert 9999" in mlops_desk.err
    assert mlops_desk("silence", workspace, number, "--until", "2020-01-01") == 2
    assert "is past" in mlops_desk.err
    assert mlops_desk("ack", workspace, 9999) == 2
    assert mlops_desk.err == "mlops-desk: there is no alert 9999: `mlops-desk alerts` lists them\n"
    assert mlops_desk("audit", workspace) == 0
    assert "\x1b" not in mlops_desk.out
    assert "known\\x1b[31m" in mlops_desk.out


def test_alerts_of_another_model(mlops_desk: CommandLine, workspace: Path) -> None:
    assert mlops_desk("alerts", workspace, "--model", "smal") == 2
    assert "there is no model 'smal'; did you mean small?" in mlops_desk.err


@pytest.mark.parametrize("ending", ["parquet", "csv", "json"])
def test_metrics_are_the_results_table(mlops_desk: CommandLine, evaluated: Path, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"metrics.{ending}"
    assert mlops_desk("metrics", evaluated, "-o", file) == 0
    names: list[str]
    if ending == "parquet":
        table = pq.read_table(file)
        names, rows = table.column_names, len(table)
    elif ending == "csv":
        names, *lines = list(csv.reader(io.StringIO(file.read_text(encoding="utf-8"))))
        rows = len(lines)
    else:
        entries = json.loads(file.read_text(encoding="utf-8"))
        names, rows = list(entries[0]), len(entries)
    assert tuple(names) == RESULT_COLUMNS
    with Store.open(evaluated) as store:
        assert rows == len(store.value_table().columns[0]) > 100
    assert mlops_desk.out == f"{file}: {rows:,} rows\n"


def test_check_evaluates_nothing(mlops_desk: CommandLine, tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert mlops_desk("check", folder) == 0
    assert f"log: {DAYS} files, {DAYS * ROWS_A_DAY:,} rows" in mlops_desk.out
    assert "small (Small): binary" in mlops_desk.out
    (model,) = mlops_desk.document("check", folder)["models"]
    columns = {column["column"]: (column["role"], column["kind"]) for column in model["columns"]}
    assert columns["amount"] == ("feature", "numeric")
    assert columns["region"] == ("feature", "categorical")
    assert columns["y_pred_proba"] == ("score", "numeric")
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_was_evaluated_yet(mlops_desk: CommandLine, tmp_path: Path) -> None:
    folder = write_workspace(tmp_path)
    for command in (["alerts"], ["metrics", "-o", tmp_path / "m.csv"], ["report", "-o", tmp_path / "r.html"]):
        assert mlops_desk(command[0], folder, *command[1:]) == 2
        assert "`mlops-desk run" in mlops_desk.err
    assert not (folder / ".desk").exists()


def test_trust_asks_first(mlops_desk: CommandLine, tmp_path: Path) -> None:
    folder = write_workspace(tmp_path, '\n[models.retraining]\ncommand = ["{python}", "-c", "print(1)"]\n')
    assert mlops_desk("retrain", folder) == 2
    assert "does not trust" in mlops_desk.err
    assert f"mlops-desk trust {folder}" in mlops_desk.err
    assert mlops_desk("trust", folder) == 2
    assert "print(1)" in mlops_desk.out
    assert "--yes" in mlops_desk.err
    assert mlops_desk("trust", folder, "--yes") == 0
    assert mlops_desk("trust", folder) == 0
    assert "trusts" in mlops_desk.out
    assert mlops_desk("trust", folder, "--revoke") == 0
    assert "run nothing" in mlops_desk.out
    assert mlops_desk("retrain", folder) == 2
    assert "does not trust" in mlops_desk.err
    assert mlops_desk("trust", folder, "--yes") == 0
    (folder / "desk.toml").write_text((folder / "desk.toml").read_text().replace("print(1)", "print(2)"))
    assert mlops_desk("retrain", folder) == 2


def test_a_workspace_that_runs_nothing_needs_no_trust(mlops_desk: CommandLine, evaluated: Path) -> None:
    assert mlops_desk("trust", evaluated) == 0
    assert "nothing to trust" in mlops_desk.out
    assert mlops_desk("retrain", evaluated) == 2
    assert "[models.retraining]" in mlops_desk.err


def test_the_audit_chain_is_verified(mlops_desk: CommandLine, workspace: Path) -> None:
    assert mlops_desk("ack", workspace, first_alert(workspace)) == 0
    assert mlops_desk("audit", workspace, "--verify") == 0
    assert mlops_desk.out == "the audit chain holds: 1 rows\n"
    import sqlite3

    with sqlite3.connect(workspace / ".desk" / "store.sqlite") as connection:
        for (trigger,) in connection.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            connection.execute(f"drop trigger {trigger}")
        connection.execute("update audit set actor = 'somebody else'")
    assert mlops_desk("audit", workspace, "--verify") == 2
    assert "does not hold: row 1 was changed" in mlops_desk.err


def test_ctrl_c_stops_an_evaluation_and_stores_nothing(
    mlops_desk: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_workspace(tmp_path)
    heard, cancel = threading.Event(), CancelToken.cancel

    def interrupt(_: Terminal, progress: Progress) -> None:
        if progress.share > 0.1 and not heard.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            assert heard.wait(10), "the thread that hears the keyboard asks the work to stop"

    def hear(token: CancelToken) -> None:
        cancel(token)
        heard.set()

    with monkeypatch.context() as patch:
        patch.setattr(Terminal, "progress", interrupt)
        patch.setattr(CancelToken, "cancel", hear)
        before = set(threading.enumerate())
        assert mlops_desk("run", folder) == 130
        assert set(threading.enumerate()) <= before, "what outlives the work would leak at the program's end"
    assert mlops_desk.out == ""
    with Store.open(folder) as store:
        assert store.last_evaluation("small") is None
    assert mlops_desk("run", folder) == 0


def test_a_defect_is_one_line_and_a_log(
    mlops_desk: CommandLine, evaluated: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("two\nlines")

    monkeypatch.setattr(Workspace, "alerts", broken)
    assert mlops_desk("alerts", evaluated) == 70
    (log,) = (home / "logs").iterdir()
    assert mlops_desk.err == (
        f"mlops-desk: this is a defect of the program (ValueError: two lines); its details are in {log}\n"
    )
    text = log.read_text(encoding="utf-8")
    assert "Traceback" in text
    assert "'alerts'" in text


def test_a_full_disk_is_no_defect(
    mlops_desk: CommandLine, evaluated: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "/data/x")

    monkeypatch.setattr(Workspace, "alerts", full)
    assert mlops_desk("alerts", evaluated) == 2
    assert mlops_desk.err == "mlops-desk: /data/x: No space left on device\n"
    assert not (home / "logs").exists()


def test_gui_opens_where_there_is_a_display(
    mlops_desk: CommandLine, evaluated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert mlops_desk("gui", evaluated) == 2
    assert "no display" in mlops_desk.err
    monkeypatch.setenv("DISPLAY", ":0")
    assert mlops_desk("gui", evaluated) == 0
    assert mlops_desk("gui") == 0
    assert mlops_desk.windows == [evaluated, None]


def test_doctor_finds_this_machine_in_order(mlops_desk: CommandLine, home: Path) -> None:
    findings = {one["what"]: one for one in mlops_desk.document("doctor")}
    assert {"python", "packages", "engine", "resources", "qt", "user folder", "time zones"} <= set(findings)
    assert [one for one in findings.values() if one["state"] == "failed"] == []
    assert str(home) in findings["user folder"]["text"]


def test_doctor_tells_what_is_broken(mlops_desk: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_desk.cli.doctor.PACKAGES", ["no-such-package"])
    assert mlops_desk("doctor") == 2
    assert "no-such-package" in mlops_desk.out


def test_watch_once(mlops_desk: CommandLine, workspace: Path) -> None:
    assert mlops_desk("watch", workspace, "--once") == 0
    add_day(workspace, DAYS)
    assert mlops_desk("watch", workspace, "--once") == 0
    assert mlops_desk.out.startswith("small: 1 chunk")
    assert dt.datetime.strptime(mlops_desk.err.strip(), "%Y-%m-%d %H:%M:%S")
    (workspace / "desk.toml").write_text("version = 1\n")
    assert mlops_desk("watch", workspace, "--once") == 2


def test_a_run_that_cannot_be_read_is_left_out_and_named(
    mlops_desk: CommandLine, workspace: Path, tmp_path: Path
) -> None:
    state = workspace / ".desk" / "runs" / "9" / "state.json"
    state.parent.mkdir(parents=True)
    state.write_text("{")
    for command in (["run"], ["report", "-o", tmp_path / "r.html"]):
        assert mlops_desk(command[0], workspace, *command[1:]) == 0
        assert f"mlops-desk: warning: run 9 is left out: {state} is damaged" in mlops_desk.err
    assert mlops_desk("runs", workspace) == 0
    assert "unreadable" in mlops_desk.out
    (run,) = mlops_desk.document("runs", workspace)
    assert (run["id"], run["state"], run["model"]) == (9, "unreadable", None)
    assert str(state) in run["outcome"]


def test_a_model_that_desk_toml_does_not_name_any_more(
    mlops_desk: CommandLine, workspace: Path, tmp_path: Path
) -> None:
    """What is stored of it stays, and is neither shown nor changed; when it comes back so do its alerts."""
    number, file = first_alert(workspace), workspace / "desk.toml"
    before = file.read_text(encoding="utf-8")
    alerted = {alert["fingerprint"] for alert in mlops_desk.document("alerts", workspace)}
    file.write_text(before.replace('id = "small"', 'id = "other"'), encoding="utf-8")
    assert mlops_desk.document("alerts", workspace, "--all") == []
    for command in (("ack", workspace, number), ("silence", workspace, number, "--until", "2099-01-01T00:00Z")):
        assert mlops_desk(*command) == 2
        assert f"alert {number} is of model 'small'" in mlops_desk.err
    assert mlops_desk("explain", workspace, "--alert", number) == 2
    assert mlops_desk("run", workspace) == 0
    assert {alert["model"] for alert in mlops_desk.document("alerts", workspace, "--all")} == {"other"}
    assert mlops_desk("metrics", workspace, "-o", tmp_path / "m.parquet") == 0
    assert set(pq.read_table(tmp_path / "m.parquet").column("model").to_pylist()) == {"other"}
    with Store.open(workspace) as store:
        assert {alert.state for alert in store.alerts(model="small")} == {AlertState.RESOLVED}
        assert store.values("small")
    file.write_text(before, encoding="utf-8")
    assert mlops_desk("run", workspace) == 0
    again = mlops_desk.document("alerts", workspace)
    assert {alert["fingerprint"] for alert in again} == alerted
    assert all(alert["id"] > number for alert in again)
