"""The facade: each question is answered by the room that knows, and what a caller gets wrong is a UserError."""

import datetime as dt
from pathlib import Path

import pytest

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Family, SeriesKey, Verdict
from mlops_desk.domain.overview import Period
from mlops_desk.domain.progress import Progress
from mlops_desk.domain.threshold import AlertState
from mlops_desk.workspace import Workspace, create_from_files, create_sample
from tests.operations.small_workspace import DAYS, FIRST_DAY, ROWS_A_DAY, write_files, write_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    found = Workspace.open(write_workspace(tmp_path_factory.mktemp("small")))
    found.evaluate()
    return found


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_DESK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_it_opens_a_folder_or_its_file(workspace: Workspace) -> None:
    again = Workspace.open(workspace.folder / "desk.toml")
    assert (again.folder, again.name, again.desk) == (workspace.folder, "Small", workspace.desk)
    with pytest.raises(UserError, match="does not exist"):
        Workspace.open(workspace.folder / "logs")


def test_before_the_first_evaluation_pages_are_empty(tmp_path: Path) -> None:
    fresh = Workspace.open(write_workspace(tmp_path))
    (status,) = fresh.statuses()
    assert (status.verdict, status.text) == (Verdict.UNTESTED, "not evaluated yet")
    assert fresh.overview("small").chunks == ()
    assert fresh.segments("small") == ()
    assert fresh.runs() == ()


def test_an_evaluation_tells_how_far_it_is(tmp_path: Path) -> None:
    told: list[Progress] = []
    outcome = Workspace.open(write_workspace(tmp_path)).evaluate(progress=told.append)
    shares = [progress.share for progress in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(0 <= share <= 1 for share in shares)
    (model,) = outcome.models
    assert (model.model, model.changed, model.chunks_evaluated) == ("small", True, DAYS)
    assert model.opened


def test_pages_show_what_was_stored(workspace: Workspace) -> None:
    (status,) = workspace.statuses()
    overview = workspace.overview("small")
    assert [chunk.rows for chunk in overview.chunks] == [ROWS_A_DAY] * DAYS
    assert (overview.failed, overview.warned) == (status.alerts, status.warnings)
    assert status.verdict is Verdict.ALERT
    key = SeriesKey(Family.DATA_DRIFT, "jensen_shannon", column="amount")
    line = workspace.line("small", key)
    assert len(line.values) == DAYS
    assert line.verdicts[-1] is Verdict.ALERT
    two = Period(start=FIRST_DAY.replace(tzinfo=dt.UTC), end=(FIRST_DAY + dt.timedelta(days=2)).replace(tzinfo=dt.UTC))
    assert len(workspace.line("small", key, two).values) == 2
    distribution = workspace.distribution("small", "region", [chunk.key for chunk in overview.chunks])
    assert distribution.analysis_rows == DAYS * ROWS_A_DAY
    assert sum(distribution.reference) == pytest.approx(1)
    table = workspace.results("small")
    assert set(table.columns[0]) == {"small"}


def test_alerts_of_all_states_are_listed(workspace: Workspace) -> None:
    first, second, *_ = workspace.alerts()
    assert workspace.acknowledge(first.id, "ada", "seen").changed_by == "ada"
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    assert workspace.silence(second.id, until, "ada").silenced_until == until
    states = {alert.id: alert.state for alert in workspace.alerts("small")}
    assert (states[first.id], states[second.id]) == (AlertState.ACKNOWLEDGED, AlertState.SILENCED)


@pytest.mark.parametrize(
    "ask",
    [
        lambda workspace: workspace.evaluate(models=["smal"]),
        lambda workspace: workspace.overview("smal"),
        lambda workspace: workspace.alerts("smal"),
        lambda workspace: workspace.check("smal"),
        lambda workspace: workspace.retrain("smal", reason="", asked_by=""),
        lambda workspace: workspace.runs("smal"),
        lambda workspace: workspace.write_report(Path("r.html"), model="smal"),
    ],
)
def test_a_model_that_is_not_there(workspace: Workspace, ask: object) -> None:
    assert callable(ask)
    with pytest.raises(UserError, match="smal"):
        ask(workspace)


def test_other_questions_that_have_no_answer(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no stored distribution"):
        workspace.distribution("small", "nothing", ["x"])
    with pytest.raises(UserError, match="there is no run 7"):
        workspace.cancel_run(7, "ada")
    with pytest.raises(UserError, match=r"\.html, \.pdf, \.md, \.json or \.xml"):
        workspace.write_report(tmp_path / "report.docx")
    assert list(tmp_path.glob("report*")) == []


def test_a_report_as_of_a_moment_is_the_same_bytes_again(workspace: Workspace, tmp_path: Path) -> None:
    at = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
    for name in ("one.html", "two.html"):
        workspace.write_report(tmp_path / name, model="small", now=at)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_dropped_files_open_as_a_workspace(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "loans")
    made = create_from_files([folder])
    assert made.folder == folder
    assert made.evaluate().models[0].failure is None


def test_the_sample_is_copied_once_and_trusted(tmp_path: Path, home: Path) -> None:
    sample = create_sample(tmp_path / "sample")
    assert sample.trusted()
    assert [model.id for model in sample.desk.models] == ["census-employment", "flight-delay", "car-loan"]
    readme = sample.folder / "README.md"
    readme.write_text("mine now")
    assert create_sample(sample.folder).trusted()
    assert readme.read_text() == "mine now"
    desk = sample.folder / "desk.toml"
    desk.write_text(desk.read_text(encoding="utf-8").replace('"train.py"', '"other.py"'), encoding="utf-8")
    assert not create_sample(sample.folder).trusted(), "what somebody changed is not the program's any more"
    assert create_sample().folder == home / "sample"
