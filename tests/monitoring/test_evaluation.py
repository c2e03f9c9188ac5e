"""Whatever arrived, was rewritten, removed or killed in between: a run leaves what a full evaluation of a fresh copy does."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mlops_desk.domain.errors import Cancelled
from mlops_desk.domain.progress import CancelToken, Progress
from tests.monitoring.desks import (
    BY_PATH,
    BY_PERIOD,
    COLUMNS,
    DAILY,
    INSIDE,
    LABELS,
    LOGS,
    REFERENCE_DAYS,
    Kept,
    assert_same,
    kept,
    run,
    write_day,
    write_desk,
    write_labels,
)

CHECKOUT = Path(__file__).resolve().parents[2]
SOME_MONITORS = """
[[models.monitors]]
metrics = ["jensen_shannon", "mean", "unseen_rate", "missing_rate", "drifted_share", "rows", "freshness_hours"]
columns = ["x", "kind", "score", "repaid"]
exact_rows = 0
min_rows = 10
segments = ["*", "kind"]
[[models.monitors]]
metrics = ["pca_reconstruction"]
min_rows = 10
segments = ["*", "sex"]
[[models.monitors]]
family = "fairness"
min_rows = 5
min_group_rows = 5
[[models.monitors]]
metrics = ["accuracy", "roc_auc", "log_loss"]
min_rows = 10
segments = ["*", "sex"]
[[models.monitors]]
metrics = ["label_lag_hours", "schema_changes", "constant_columns", "error_rate", "outlier_rate", "boundary_rate", "flip_rate"]
min_rows = 10
segments = ["*", "kind"]
[[models.business]]
id = "right"
sql = "sum(case when y_pred = repaid then 1 else 0 end) / count(*)"
[[models.business]]
id = "typical"
sql = "median(age) + count(repaid)"
"""
RULES = {
    "days": DAILY,
    "half days of Berlin": '[models.chunks]\nevery = "12h"\ntimezone = "Europe/Berlin"\n',
    "sizes": "[models.chunks]\nsize = 70\n",
    "numbers": '[models.chunks]\nnumber = 5\nincomplete = "append"\n',
}


REFERENCES = {
    "path": BY_PATH,
    "period": BY_PERIOD,
    "previous": "[models.reference]\nprevious_chunks = 3\n",
    "rolling": '[models.reference]\nrolling = "4d"\n',
    "expanding": "[models.reference]\nexpanding = true\n",
}


class Crashed(BaseException):
    """A process that ends in the middle of an evaluation."""


class Workspace:
    """A workspace to which things happen."""

    def __init__(self, folder: Path, *, rule: str, reference: str, labels: str, monitors: str) -> None:
        self.folder = folder
        self.inside = labels in ("inside", "both")
        self.apart = labels in ("apart", "both")
        self.reference = folder / ("reference" if reference == "path" else "logs")
        by_time = "every" in RULES[rule]
        parts = [LOGS, REFERENCES["previous" if reference == "rolling" and not by_time else reference]]
        parts += [LABELS] if self.apart else []
        write_desk(folder, *parts, COLUMNS + (INSIDE if self.inside else ""), RULES[rule], monitors)
        (folder / "labels").mkdir()
        for day in range(REFERENCE_DAYS):
            write_day(self.reference, day, inside=self.inside)
        self.write(REFERENCE_DAYS)
        if self.apart:
            write_labels(folder, "old", range(REFERENCE_DAYS + 2))

    def write(self, day: int, seed: int = 0) -> None:
        write_day(self.folder / "logs", day, seed, inside=self.inside)

    def happens(self, event: tuple[Any, ...]) -> None:
        match event:
            case ("write", day, seed):
                self.write(day, seed)
            case ("remove", day):
                if len(list((self.folder / "logs").glob("*"))) > REFERENCE_DAYS + 1:
                    (self.folder / "logs" / f"{day:02}.parquet").unlink(missing_ok=True)
            case ("break", day):
                (self.folder / "logs" / f"{day:02}.parquet").write_bytes(b"PAR1 torn")
            case ("labels", name, days, share, seed):
                if self.apart:
                    write_labels(self.folder, name, days, share=share, seed=seed)
            case ("no labels", name):
                (self.folder / "labels" / f"{name}.parquet").unlink(missing_ok=True)
            case ("reference", day, seed):
                write_day(self.reference, day, seed, inside=self.inside)
            case ("run",):
                run(self.folder)
            case ("stop", share, crash):
                stopped(self.folder, share, crash)

    def fresh(self) -> Kept:
        """What a full evaluation of a copy stores."""
        copy = self.folder.parent / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.folder, copy, ignore=shutil.ignore_patterns(".desk"))
        assert run(copy, full=True).failure is None
        return kept(copy)


def stopped(folder: Path, share: float, crash: bool) -> None:
    """A run that is cancelled, or ends without a word, when it is so far."""
    token = CancelToken()

    def sink(progress: Progress) -> None:
        if progress.share >= share:
            if crash:
                raise Crashed
            token.cancel()

    before = kept(folder) if (folder / ".desk" / "store.sqlite").exists() else None
    try:
        run(folder, progress=sink, cancel=token)
    except (Cancelled, Crashed):
        if before is not None and share < 0.95:
            assert kept(folder) == before


DAYS = st.integers(REFERENCE_DAYS + 1, REFERENCE_DAYS + 5)
SEEDS = st.integers(0, 2)
NAMES = st.sampled_from(["new", "newer"])
EVENTS = st.one_of(
    st.tuples(st.just("write"), DAYS, SEEDS),
    st.tuples(st.just("write"), DAYS, SEEDS),
    st.tuples(st.just("remove"), DAYS),
    st.tuples(st.just("break"), DAYS),
    st.tuples(st.just("labels"), NAMES, st.lists(DAYS, min_size=1, max_size=2, unique=True), st.sampled_from([0.5, 1.0]), st.integers(0, 1)),
    st.tuples(st.just("no labels"), NAMES),
    st.tuples(st.just("reference"), st.integers(0, REFERENCE_DAYS - 1), SEEDS),
    st.tuples(st.just("run")),
    st.tuples(st.just("run")),
    st.tuples(st.just("stop"), st.sampled_from([0.02, 0.3, 0.7, 0.95]), st.booleans()),
)  # fmt: skip
SETTINGS = {
    "rule": st.sampled_from(list(RULES)),
    "reference": st.sampled_from(list(REFERENCES)),
    "labels": st.sampled_from(["inside", "apart", "both"]),
    "monitors": st.sampled_from([SOME_MONITORS, ""]),
}


def ends_as_if_at_once(folder: Path, options: dict[str, Any], events: list[tuple[Any, ...]]) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    workspace = Workspace(folder / "desk", **options)
    for event in events:
        workspace.happens(event)
    assert run(workspace.folder).failure is None
    assert_same(kept(workspace.folder), workspace.fresh())


@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture], phases=[Phase.generate])
@given(options=st.fixed_dictionaries(SETTINGS), events=st.lists(EVENTS, min_size=4, max_size=7))
def test_a_run_leaves_what_a_full_run_would(
    tmp_path: Path, options: dict[str, Any], events: list[tuple[Any, ...]]
) -> None:
    ends_as_if_at_once(tmp_path, options, events)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=st.fixed_dictionaries(SETTINGS), events=st.lists(EVENTS, min_size=1, max_size=12))
def test_a_run_leaves_what_a_full_run_would_after_many_events(
    tmp_path: Path, options: dict[str, Any], events: list[tuple[Any, ...]]
) -> None:
    ends_as_if_at_once(tmp_path, options, events)


COURSES: dict[str, list[tuple[Any, ...]]] = {
    "a new group, category and version": [("run",), ("write", 5, 0), ("run",), ("write", 6, 1), ("run",), ("write", 7, 0)],
    "the newest day goes again": [("write", 5, 0), ("write", 6, 0), ("run",), ("remove", 6), ("run",)],
    "a day in between comes late": [("write", 8, 0), ("run",), ("write", 6, 0), ("run",), ("write", 5, 0)],
    "labels come, conflict and go": [
        ("write", 5, 0),
        ("run",),
        ("labels", "new", [5], 0.5, 0),
        ("run",),
        ("labels", "newer", [5], 1.0, 1),
        ("run",),
        ("no labels", "new"),
    ],
    "a torn file is mended": [("write", 5, 0), ("break", 6), ("run",), ("write", 6, 0), ("run",), ("break", 5)],
    "the reference is rewritten": [("write", 5, 0), ("run",), ("reference", 2, 1), ("run",), ("write", 6, 0)],
    "runs that are stopped": [("stop", 0.3, False), ("run",), ("write", 5, 0), ("stop", 0.02, True), ("stop", 0.95, True), ("stop", 0.7, False)],
}  # fmt: skip


SLOW = ("the reference is rewritten", "a torn file is mended", "a day in between comes late")


@pytest.mark.parametrize(
    "course", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in COURSES]
)
def test_a_run_leaves_what_a_full_run_would_after(tmp_path: Path, course: str) -> None:
    options = {"rule": "days", "reference": "period", "labels": "apart", "monitors": SOME_MONITORS}
    ends_as_if_at_once(tmp_path, options, COURSES[course])


@pytest.mark.parametrize("reference", ["previous", pytest.param("rolling", marks=pytest.mark.slow), "expanding"])
def test_a_reference_that_moves_is_the_same_step_by_step_as_at_once(tmp_path: Path, reference: str) -> None:
    """Days come, one of the beginning is rewritten, labels are late, and a day in between goes."""
    days = [event for day in (5, 6, 7) for event in (("write", day, 0), ("run",))]
    course = [*days, ("reference", 1, 1), ("run",), ("labels", "new", [6], 0.5, 0), ("run",), ("remove", 5)]
    options = {"rule": "days", "reference": reference, "labels": "apart", "monitors": SOME_MONITORS}
    ends_as_if_at_once(tmp_path, options, course)


@pytest.fixture
def daily(tmp_path: Path) -> Path:
    """A workspace of days with labels apart, evaluated once."""
    workspace = Workspace(tmp_path, rule="days", reference="period", labels="apart", monitors=SOME_MONITORS)
    for day in range(5, 9):
        workspace.write(day)
    outcome = run(tmp_path)
    assert (outcome.failure, outcome.chunks_evaluated) == (None, 5)
    return tmp_path


def times(found: Kept, of: Callable[[dict[str, Any]], object] = lambda row: row["start"]) -> dict[object, set[object]]:
    """When values were computed, by their chunk."""
    seen: dict[object, set[object]] = {}
    for row in found.values.values():
        if row["split"] == "analysis" and row["metric"] != "freshness_hours":
            seen.setdefault(of(dict(row)), set()).add(row["evaluated_at"])
    return seen


def test_nothing_new_evaluates_nothing(daily: Path) -> None:
    before = kept(daily)
    outcome = run(daily)
    assert (outcome.changed, outcome.chunks_evaluated, outcome.rows_scanned) == (False, 0, 0)
    assert kept(daily) == before


def test_one_more_day_evaluates_one_chunk(daily: Path) -> None:
    before = kept(daily)
    write_day(daily / "logs", 9)
    outcome = run(daily)
    assert (outcome.changed, outcome.chunks_evaluated, outcome.rows_scanned) == (True, 1, 40)
    after = kept(daily)
    same = {
        key: row for key, row in after.values.items() if key in before.values and row["metric"] != "freshness_hours"
    }
    assert all(row == before.values[key] for key, row in same.items())
    assert len(same) > len(before.values) - 10


def test_late_labels_evaluate_the_chunks_of_their_rows(daily: Path) -> None:
    write_labels(daily, "late", [7])
    outcome = run(daily)
    assert (outcome.chunks_evaluated, outcome.rows_scanned) == (1, 40)
    rows = kept(daily).values.values()
    accuracies = [
        row for row in rows if row["metric"] == "accuracy" and row["family"] == "performance" and row["segment"] is None
    ]
    assert sum(row["value"] is not None for row in accuracies if row["split"] == "analysis") == 3


def test_labels_of_no_row_evaluate_nothing(daily: Path) -> None:
    write_labels(daily, "elsewhere", [300])
    outcome = run(daily)
    assert (outcome.chunks_evaluated, outcome.rows_scanned) == (0, 0)
    assert any(note.code == "labels_unmatched" and note.count == 40 for note in outcome.notes)


def test_a_rewritten_day_evaluates_its_chunk(daily: Path) -> None:
    write_day(daily / "logs", 6, seed=1)
    outcome = run(daily)
    assert (outcome.chunks_evaluated, outcome.rows_scanned) == (1, 40)


def test_a_rewritten_reference_evaluates_everything(daily: Path) -> None:
    write_day(daily / "logs", 1, seed=1)
    assert run(daily).chunks_evaluated == 5


def test_a_full_run_evaluates_everything_and_changes_nothing(daily: Path) -> None:
    before = kept(daily)
    outcome = run(daily, full=True)
    assert outcome.chunks_evaluated == 5
    assert_same(kept(daily), before)


def test_a_changed_configuration_evaluates_everything_and_its_name_alone_nothing(daily: Path) -> None:
    text = (daily / "desk.toml").read_text()
    (daily / "desk.toml").write_text(text.replace('name = "M"', 'name = "Another"'))
    assert run(daily).chunks_evaluated == 0
    (daily / "desk.toml").write_text(text.replace('"mean", ', ""))
    assert run(daily).chunks_evaluated == 5
    assert not any(row["metric"] == "mean" for row in kept(daily).values.values())


@pytest.mark.parametrize(
    "trouble",
    [
        "is gone",
        "has other bytes",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("is no database", "is cut")),
    ],
)
def test_a_cache_that_is_lost_or_damaged_is_made_again(daily: Path, trouble: str) -> None:
    before = kept(daily)
    path = daily / ".desk" / "cache" / "partials.sqlite"
    body = path.read_bytes()
    if trouble == "is gone":
        shutil.rmtree(path.parent)
    elif trouble == "is no database":
        path.write_bytes(b"nothing of the kind" * 1000)
    elif trouble == "is cut":
        path.write_bytes(body[: len(body) // 2])
    else:
        path.write_bytes(body[:8192] + bytes(byte ^ 0x5A for byte in body[8192:]))
    write_day(daily / "logs", 9)
    outcome = run(daily)
    assert outcome.failure is None
    assert len(kept(daily).chunks) == len(before.chunks) + 1
    write_day(daily / "logs", 9, seed=1)
    run(daily)
    workspace = daily.with_name(f"{daily.name} again")
    shutil.copytree(daily, workspace, ignore=shutil.ignore_patterns(".desk"))
    run(workspace, full=True)
    assert_same(kept(daily), kept(workspace))


def test_a_cancel_leaves_the_former_values(daily: Path) -> None:
    before = kept(daily)
    write_day(daily / "logs", 9)
    token = CancelToken()
    seen: list[float] = []

    def sink(progress: Progress) -> None:
        seen.append(progress.share)
        if progress.share > 0.3:
            token.cancel()

    with pytest.raises(Cancelled):
        run(daily, progress=sink, cancel=token)
    assert kept(daily) == before
    assert seen == sorted(seen)
    assert run(daily).chunks_evaluated == 1


def test_progress_only_goes_forward_and_ends_at_the_end(daily: Path) -> None:
    seen: list[Progress] = []
    run(daily, full=True, progress=seen.append)
    shares = [one.share for one in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert all(one.stage.startswith("M: ") for one in seen)


def test_a_process_that_is_killed_leaves_what_was_there(daily: Path) -> None:
    """SIGKILL while files are being counted, told by the process itself so that nothing has to be waited for."""
    before = kept(daily)
    write_day(daily / "logs", 9)
    script = (
        "import os, signal, sys; from datetime import UTC, datetime; from pathlib import Path\n"
        "from mlops_desk.config.desk_file import read_desk; from mlops_desk.monitoring.evaluation import evaluate\n"
        "def sink(p):\n    if p.share > 0.3: os.kill(os.getpid(), signal.SIGKILL)\n"
        "evaluate(read_desk(Path(sys.argv[1])), progress=sink, now=datetime.now(UTC))\n"
    )
    if sys.platform == "win32":
        pytest.skip("Windows has no SIGKILL")
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    ended = subprocess.run([sys.executable, "-c", script, str(daily)], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert kept(daily) == before
    assert run(daily).chunks_evaluated == 1


def test_the_budget_of_two_threads_is_one_evaluation_at_a_time(daily: Path) -> None:
    """Another thread waits for the workspace, and then finds nothing to do."""
    write_day(daily / "logs", 9)
    outcomes: list[int] = []
    threads = [threading.Thread(target=lambda: outcomes.append(run(daily).chunks_evaluated)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [0, 1]
