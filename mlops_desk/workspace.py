"""The one headless facade: a workspace folder and everything that can be asked of it or done to it.

It delegates and computes nothing, and imports what is heavy where it is used. Each call opens and closes the archive and takes `desk` (frozen,
replaced as a whole) once, so any thread may read and start or cancel runs while one is in `evaluate` or `changed_inputs`, which replace `desk`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from mlops_desk import trust
from mlops_desk.domain.evaluation import EvaluationOutcome
from mlops_desk.domain.metric import SeriesKey
from mlops_desk.domain.model import Desk, Model
from mlops_desk.domain.overview import Distribution, Line, ModelStatus, Overview, Period
from mlops_desk.domain.progress import CancelToken, ProgressSink, no_progress
from mlops_desk.domain.retraining import RetrainingRun
from mlops_desk.domain.threshold import Alert

if TYPE_CHECKING:
    from mlops_desk.operations.check import ModelCheck
    from mlops_desk.operations.guess import Sketch
    from mlops_desk.store.alerts import AlertEvent
    from mlops_desk.store.archive import Store
    from mlops_desk.store.audit import AuditBreak, AuditEntry
    from mlops_desk.store.values import ValueTable

ALL = Period()


def create_sample(folder: Path | None = None) -> Workspace:
    """The sample workspace in a folder (None: one in the user's data), copied there unless it is there; raises UserError."""
    from mlops_desk.operations.demo import default_folder, sample_desk

    return Workspace(sample_desk(folder or default_folder()))


def sketch_files(paths: Sequence[Path], cancel: CancelToken | None = None) -> Sketch | None:
    """What could be written of dropped files and folders, None where they are a workspace already; raises UserError."""
    from mlops_desk.operations.guess import sketch_of_dropped

    return sketch_of_dropped(paths, cancel)


def create_from_files(paths: Sequence[Path], uses: Mapping[str, str] | None = None) -> Workspace:
    """The workspace of dropped files and folders: the one that is there, else one of which columns have these uses, or guessed ones."""
    from mlops_desk.operations.guess import desk_from_dropped

    return Workspace(desk_from_dropped(paths, uses=uses))


class Workspace:
    """A workspace folder; raises UserError from every method where configuration, data or machine are in the way."""

    def __init__(self, desk: Desk) -> None:
        from mlops_desk.operations.input_watch import ConfigurationWatch, InputWatch

        self.desk = desk
        self._configuration = ConfigurationWatch(desk.file)
        self._watch = InputWatch()
        self._ending = Lock()

    @classmethod
    def open(cls, path: Path) -> Workspace:
        """The workspace of a folder or of its desk.toml."""
        from mlops_desk.config.desk_file import read_desk

        return cls(read_desk(path))

    @property
    def folder(self) -> Path:
        """The folder that holds desk.toml."""
        return self.desk.folder

    @property
    def name(self) -> str:
        """What the workspace calls itself."""
        return self.desk.name

    def evaluate(
        self,
        *,
        models: Sequence[str] | None = None,
        full: bool = False,
        progress: ProgressSink = no_progress,
        cancel: CancelToken | None = None,
    ) -> EvaluationOutcome:
        """Evaluates what is new of some models (None: of all), or everything; raises WorkspaceBusy and Cancelled."""
        from mlops_desk.monitoring.evaluation import evaluate
        from mlops_desk.operations.history import prune

        self.desk = self._configuration.latest(self.desk)
        look, now = self._watch.looked(self.desk), _now()
        outcome = evaluate(self.desk, models=models, full=full, progress=progress, cancel=cancel, now=now)
        self._watch.evaluated(look, models)
        self._record_ends()
        prune(self.desk, outcome, now=now)
        return outcome

    def changed_inputs(self) -> bool:
        """Whether files that are not being written any more, or desk.toml, differ from those that were last evaluated."""
        return self._configuration.changed or self._watch.changed(self.desk)

    def check(
        self, model: str, cancel: CancelToken | None = None, *, progress: ProgressSink = no_progress
    ) -> ModelCheck:
        """What an evaluation of a model would start from; nothing is written but copies of objects."""
        from mlops_desk.operations.check import checked

        return checked(desk := self.desk, desk.model(model), cancel, progress=progress)

    def statuses(self) -> tuple[ModelStatus, ...]:
        """The models as the sidebar shows them, in the order of desk.toml."""
        from mlops_desk.reporting import summary

        with self._store() as store:
            return tuple(summary.status(store, model, now=_now()) for model in self.desk.models)

    def overview(self, model: str, period: Period = ALL, segment: str | None = None) -> Overview:
        """Everything that the Overview page of a model shows."""
        from mlops_desk.operations.retraining import status_now
        from mlops_desk.reporting import summary

        now, desk = _now(), self.desk
        found = desk.model(model)
        with self._store() as store:
            retraining = status_now(desk, store, found, now)
            return summary.overview(store, found, period, now=now, retraining=retraining, segment=segment)

    def distribution(
        self, model: str, column: str, chunk_keys: Sequence[str], segment: str | None = None
    ) -> Distribution:
        """A column in the reference and in some analysis chunks."""
        from mlops_desk.reporting import summary

        with self._store() as store:
            return summary.distribution(store, self.model(model), column, chunk_keys, segment)

    def line(self, model: str, key: SeriesKey, period: Period = ALL) -> Line:
        """A series over the chunks of a period."""
        from mlops_desk.reporting import summary

        with self._store() as store:
            return summary.line(store, self.model(model), key, period)

    def segments(self, model: str) -> tuple[str, ...]:
        """Labels of the segments that have values."""
        from mlops_desk.reporting import summary

        with self._store() as store:
            return summary.segments(store, self.model(model))

    def results(self, model: str | None = None) -> ValueTable:
        """The results table of a model, or of all, in columns."""
        with self._store(read_only=True) as store:
            return store.value_table([one.id for one in self.desk.models] if model is None else [model])

    def alerts(self, model: str | None = None) -> tuple[Alert, ...]:
        """Alerts of a model, or of all, in whatever state, the latest first."""
        from mlops_desk.operations import alert_desk

        return alert_desk.alerts(self.desk, model, _now())

    def alert_events(self, alert_id: int) -> tuple[AlertEvent, ...]:
        """What became of an alert and who did it, the earliest first."""
        with self._store(read_only=True) as store:
            return store.alert_events(alert_id)

    def acknowledge(self, alert_id: int, by: str, note: str | None = None) -> Alert:
        """Marks an open alert as seen by somebody."""
        from mlops_desk.operations.alert_desk import acknowledge

        return acknowledge(self.desk, alert_id, by, note, _now())

    def silence(self, alert_id: int, until: datetime, by: str) -> Alert:
        """Keeps an open alert quiet until an instant."""
        from mlops_desk.operations.alert_desk import silence

        return silence(self.desk, alert_id, until, by, _now())

    def trusted(self) -> bool:
        """Whether this machine lets the workspace run what it configures."""
        return trust.trusted(self.desk)

    def trust(self) -> None:
        """Lets the workspace run what it configures on this machine."""
        trust.trust(self.desk)

    def untrust(self) -> None:
        """Takes back that the workspace may run what it configures on this machine."""
        trust.untrust(self.desk)

    def runnable_parts(self) -> tuple[str, ...]:
        """What trusting the workspace lets it run or call, a line each."""
        return trust.runnable_parts(self.desk)

    def retrain(self, model: str, *, reason: str, asked_by: str) -> RetrainingRun:
        """Starts the retraining of a model and returns at once; raises NotTrusted."""
        from mlops_desk.operations import retraining

        desk = self.desk
        trusted = trust.trusted(desk)
        return retraining.start(desk, desk.model(model), reason=reason, asked_by=asked_by, trusted=trusted, now=_now())

    def runs(self, model: str | None = None) -> tuple[RetrainingRun, ...]:
        """Retraining runs of a model, or of all, as they are now, the latest first."""
        from mlops_desk.operations.run_ends import latest_runs

        wanted = None if model is None else self.model(model).id
        self._record_ends()
        return tuple(run for run in latest_runs(self.desk) if wanted in (None, run.model))

    def unreadable_runs(self) -> dict[int, str]:
        """Why runs cannot be read, by their ids; `runs` passes them over."""
        from mlops_desk.retraining.ledger import unreadable

        return unreadable(self.folder)

    def cancel_run(self, run_id: int, by: str) -> None:
        """Asks a run and all that it started to end, and does not wait for it."""
        from mlops_desk.operations import retraining

        retraining.cancel(self.desk, run_id, by=by, now=_now())

    def wait_for_run(
        self, run_id: int, *, on_output: Callable[[str], None] | None = None, cancel: CancelToken | None = None
    ) -> RetrainingRun:
        """Waits for the end of a run and hands on what it prints; cancelling ends the waiting (raises Cancelled), not the run."""
        from mlops_desk.retraining import runner

        run = runner.wait(self.folder, run_id, on_output=on_output, cancel=cancel)
        self._record_ends()
        return run

    def run_output(self, run_id: int, since: int = 0) -> tuple[str, int]:
        """What a run printed from a byte on, and the byte to go on from."""
        from mlops_desk.retraining import runner

        return runner.output(self.folder, run_id, since)

    def write_report(
        self,
        path: Path,
        *,
        model: str | None = None,
        period: Period = ALL,
        now: datetime | None = None,
        role: str = "engineer",
        language: str = "en",
    ) -> tuple[str, ...]:
        """Writes a report on a model, or on all, in the format that the name's ending names; returns what is not right with it."""
        from mlops_desk.operations.reports import write_report

        return write_report(self.desk, path, model, period, now=now or _now(), role=role, language=language)

    def write_metrics(self, path: Path, *, model: str | None = None, excel: bool = False) -> int:
        """Writes the results table of a model, or of all, as Parquet, CSV (also for Excel) or JSON; returns its number of rows."""
        from mlops_desk.reporting.tables import write_results

        wanted = None if model is None else self.model(model).id
        return write_results(self.results(wanted), path, excel=excel)

    def audit_entries(self) -> tuple[AuditEntry, ...]:
        """Who did what, the latest first."""
        with self._store(read_only=True) as store:
            return store.audit_entries()

    def verify_audit(self) -> AuditBreak | None:
        """The first row at which the audit chain does not hold, None if all of it does."""
        with self._store(read_only=True) as store:
            return store.verify_audit()

    def model(self, id: str) -> Model:
        """The model of an id; raises UserError with the nearest one."""
        return self.desk.model(id)

    def _store(self, *, read_only: bool = False) -> Store:
        """The archive; one that is only read must be there, else UserError says how to evaluate."""
        from mlops_desk.store.archive import Store

        return Store.open(self.folder, read_only=read_only)

    def _record_ends(self) -> None:
        """Writes down the runs that have ended, one thread at a time, so that no end is written twice."""
        from mlops_desk.operations.run_ends import record_ends

        with self._ending:
            record_ends(self.desk, now=_now())


def _now() -> datetime:
    return datetime.now(UTC)
