"""What the strip says of retraining, and what the audit chain remembers."""

import datetime as dt
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlops_desk.domain.errors import NotTrusted, WorkspaceBusy
from mlops_desk.domain.metric import Family, SeriesKey
from mlops_desk.domain.retraining import RunState, TriggerKind, TriggerSpec
from mlops_desk.domain.threshold import Alert, AlertState, Severity
from mlops_desk.operations.retraining import reason_of, triggers_text
from mlops_desk.retraining import runner
from mlops_desk.store.archive import Store
from mlops_desk.workspace import Workspace
from tests.operations.small_workspace import write_workspace

NOW = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
ALERT = Alert(
    id=1,
    fingerprint="f",
    model="small",
    key=SeriesKey(Family.DATA_DRIFT, "jensen_shannon", column="amount"),
    severity=Severity.ALERT,
    state=AlertState.FIRING,
    opened_chunk="2026-01-14T00:00:00+00:00",
    last_chunk="2026-01-15T00:00:00+00:00",
    opened_start=dt.datetime(2026, 1, 14, tzinfo=dt.UTC),
    last_start=dt.datetime(2026, 1, 15, tzinfo=dt.UTC),
    chunks=2,
    value=0.5,
    limit=0.1,
    opened_at=NOW,
    changed_at=NOW,
)


def test_why_now() -> None:
    later = replace(ALERT, id=2, key=replace(ALERT.key, column="age"), opened_start=NOW)
    silenced = replace(ALERT, id=3, state=AlertState.SILENCED)
    assert reason_of([], "UTC") == "asked for by hand, no alert is open"
    assert reason_of([silenced], "UTC") == "asked for by hand, no alert is open"
    assert reason_of([later, ALERT, silenced], "UTC") == (
        "2 open alerts since 14 Jan 2026: Jensen–Shannon distance of age; Jensen–Shannon distance of amount"
    )
    assert reason_of([ALERT], "America/New_York").startswith("1 open alert since 13 Jan 2026: ")
    many = [replace(ALERT, id=i, key=replace(ALERT.key, column=f"c{i}")) for i in range(9)]
    assert reason_of(many, "UTC").endswith("of c2; …")


def test_triggers_in_words() -> None:
    triggers = (
        TriggerSpec(kind=TriggerKind.SCHEDULE, cron="0 2 * * 1", timezone="UTC"),
        TriggerSpec(kind=TriggerKind.ALERT, metric="f1", consecutive=2, armed=True),
        TriggerSpec(kind=TriggerKind.DATA, min_new_rows=1, min_new_labels=20_000),
    )
    assert triggers_text(triggers) == (
        "on schedule 0 2 * * 1 UTC (not armed); on an alert of f1 for 2 chunks; after 1 new row and 20,000 new labels (not armed)"
    )
    assert triggers_text(()) == ""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    more = '\n[models.retraining]\ncommand = ["{python}", "-c", "print(1)", "{reason}"]\ncooldown = "1h"\n'
    return Workspace.open(write_workspace(tmp_path, more))


def test_a_run_is_on_record_from_wish_to_end(workspace: Workspace) -> None:
    with pytest.raises(NotTrusted):
        workspace.retrain("small", reason="a test", asked_by="ada")
    assert workspace.overview("small").retraining.trusted is False
    workspace.trust()
    workspace.evaluate()
    before = workspace.overview("small").retraining
    assert before.trusted
    assert before.refusal is None
    assert before.command[-1] == before.why_now
    assert "open alert" in before.why_now
    run = workspace.retrain("small", reason="a test", asked_by="ada")
    ended = workspace.wait_for_run(run.id)
    assert ended.state is RunState.SUCCEEDED
    assert workspace.run_output(run.id) == ("1\n", 2)
    assert workspace.runs("small") == (ended,)
    workspace.evaluate()
    entries = [(entry.action, entry.actor, entry.detail["run"]) for entry in workspace.audit_entries()]
    assert entries == [("run.ended", "ada", run.id), ("run.requested", "ada", run.id)]
    assert workspace.audit_entries()[-1].detail["reason"] == "a test"
    after = workspace.overview("small").retraining
    assert after.refusal is not None
    assert "cooldown" in after.refusal
    assert after.runs == (ended,)


def test_a_run_that_cannot_be_put_on_record_is_not_started(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace.trust()
    workspace.evaluate()

    def refuse(*_: object, **__: object) -> None:
        raise WorkspaceBusy("somebody else is writing")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "append_audit", refuse)
        with pytest.raises(WorkspaceBusy):
            workspace.retrain("small", reason="a test", asked_by="ada")
    assert workspace.runs() == ()
    assert workspace.audit_entries() == ()
    run = workspace.retrain("small", reason="a test", asked_by="ada")
    assert run.id == 1, "neither a number is lost nor a cooldown begun"
    workspace.wait_for_run(run.id)


def test_a_run_without_its_request_gets_it_with_its_end(workspace: Workspace) -> None:
    workspace.trust()
    run = runner.start(
        workspace.folder, workspace.model("small"), reason="a test", asked_by="ada", now=NOW, trusted=True
    )
    workspace.wait_for_run(run.id)
    entries = [(entry.action, entry.actor, entry.detail["run"]) for entry in workspace.audit_entries()]
    assert entries == [("run.ended", "ada", run.id), ("run.requested", "ada", run.id)]
