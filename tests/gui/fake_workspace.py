"""A workspace made of numbers: sixty days of five models, as realistic as a picture needs, and answers as slow as a test wants."""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from mlops_desk.domain.errors import NotTrusted, UserError
from mlops_desk.domain.evaluation import EvaluationOutcome, ModelOutcome
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import (
    Distribution,
    DriftMatrix,
    ModelStatus,
    Overview,
    Period,
    RetrainingStatus,
)
from mlops_desk.domain.progress import CancelToken, Progress, ProgressSink, no_progress
from mlops_desk.domain.retraining import RetrainingRun, RunState
from mlops_desk.domain.schema import Kind
from mlops_desk.domain.slicing import Chunk
from tests.gui.fake_numbers import (
    ALL,
    CATEGORICAL,
    COLUMNS,
    COMMAND,
    LIMIT,
    MODELS,
    NOTES,
    START,
    WARN,
    day_chunks,
    drift_of,
    group_bars,
    judged,
    metric_line,
    rows_of,
    share_line,
    tiles_of,
)


@dataclass
class FakeWorkspace:
    """Answers like the real one. `delay` seconds are taken by each overview and distribution; `calls` counts what was asked.

    With `at_models` an evaluation comes to the model of that index, and waits there until `released` is set or it is cancelled.
    """

    folder: Path
    days: int = 60
    delay: float = 0.0
    trusted_here: bool = True
    changed: bool = False
    evaluation_steps: int = 0
    at_models: int | None = None
    run: RetrainingRun | None = None
    output: bytes = b""
    trouble: Exception | None = None
    calls: list[tuple[object, ...]] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    gate: threading.Event = field(default_factory=threading.Event)
    holding: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    by_rows: bool = False

    name = "Consumer lending"

    def __post_init__(self) -> None:
        self.gate.set()

    def note(self, *call: object) -> None:
        self.calls.append(call)
        self.threads.add(threading.current_thread().name)
        if self.trouble is not None:
            raise self.trouble

    def called(self, name: str) -> int:
        return sum(call[0] == name for call in self.calls)

    def evaluate(
        self, *, full: bool = False, progress: ProgressSink = no_progress, cancel: CancelToken | None = None
    ) -> EvaluationOutcome:
        self.note("evaluate", full)
        self.changed = False
        for step in range(self.evaluation_steps):
            progress(Progress(stage=f"Scanning {COLUMNS[step % len(COLUMNS)]}", share=step / self.evaluation_steps))
            deadline = time.monotonic() + 0.02
            while time.monotonic() < deadline:
                if cancel is not None:
                    cancel.raise_if_cancelled()
                self.gate.wait(0.005)
        if self.at_models is not None:
            self.hold(self.at_models, progress, cancel or CancelToken())
        outcome = ModelOutcome(model="credit-risk", changed=True, chunks_evaluated=1, rows_scanned=19_402, seconds=0.05)
        return EvaluationOutcome(models=(outcome,), seconds=0.05)

    def hold(self, last: int, progress: ProgressSink, cancel: CancelToken) -> None:
        for index, (_, name, *_) in enumerate(MODELS[: last + 1]):
            progress(Progress(stage=f"{name}: counting", share=index / len(MODELS)))
        forget = cancel.on_cancel(self.released.set)
        self.holding.set()
        assert self.released.wait(30)
        forget()
        cancel.raise_if_cancelled()

    def changed_inputs(self) -> bool:
        self.note("changed_inputs")
        return self.changed

    def statuses(self) -> tuple[ModelStatus, ...]:
        self.note("statuses")
        trend = tuple(math.sin(day / 3) - max(day - 12, 0) / 6 for day in range(20))
        return tuple(
            ModelStatus(
                id=key,
                name=name,
                version=version,
                verdict=verdict,
                alerts=4 if verdict is Verdict.ALERT else 0,
                warnings=1 if verdict is Verdict.WARNING else 0,
                trend=() if verdict is Verdict.UNTESTED else trend,
                text=text,
            )
            for key, name, version, verdict, text in MODELS
        )

    def shown_days(self, period: Period) -> list[int]:
        days = list(range(self.days))
        if period.days is not None:
            days = days[-period.days :]
        if period.start is not None and period.end is not None:
            start, end = (moment.replace(tzinfo=moment.tzinfo or UTC) for moment in (period.start, period.end))
            days = [day for day in days if start <= START + timedelta(days=day) < end]
        return days

    def chunks(self) -> tuple[Chunk, ...]:
        if not self.by_rows:
            return day_chunks(self.days)
        return tuple(
            replace(chunk, key=f"row:{5000 * chunk.index}", start=None, end=None) for chunk in day_chunks(self.days)
        )

    def overview(self, model: str, period: Period = ALL, segment: str | None = None) -> Overview:
        self.note("overview", model, period, segment)
        time.sleep(self.delay)
        name = next(name for key, name, *_ in MODELS if key == model)
        empty = model == "ltv"
        days = [] if empty else self.shown_days(period)
        values = tuple(tuple(drift_of(column, day) for day in days) for column in range(len(COLUMNS)))
        order = sorted(range(len(COLUMNS)), key=lambda column: -max(values[column], default=0))
        matrix = DriftMatrix(
            metric="psi",
            title="PSI",
            columns=tuple(COLUMNS[column] for column in order),
            values=tuple(values[column] for column in order),
            verdicts=tuple(
                tuple(judged(value, WARN, LIMIT, above=True) for value in values[column]) for column in order
            ),
            uppers=((LIMIT,) * len(days),) * len(COLUMNS),
        )
        runs, chunks = () if self.run is None else (self.run,), self.chunks()
        return Overview(
            model=model,
            name=name,
            task="binary",
            versions=("v13", "v14 · production"),
            timezone="UTC",
            failed=0 if empty else 4,
            warned=0 if empty else 2,
            chunks=tuple(chunks[day] for day in days),
            tiles=() if empty else tiles_of(days),
            matrix=None if empty else matrix,
            performance=()
            if empty
            else (
                metric_line(days, "roc_auc", "ROC AUC", 0.846, 0.81),
                metric_line(days, "roc_auc", "ROC AUC", 0.846, 0.81, estimated=True),
                metric_line(days, "accuracy", "Accuracy", 0.914, 0.84),
            ),
            drift_share=None if empty else share_line(days),
            row_counts=tuple(rows_of(day) for day in days),
            groups=() if empty else group_bars(),
            group_limit=0.8,
            alerts=(),
            retraining=RetrainingStatus(
                command=COMMAND if model == "credit-risk" else (),
                cwd=str(self.folder / "training"),
                trusted=self.trusted_here,
                refusal=None,
                why_now="ROC AUC 0.781 is below 0.81 since 8 Nov 2026; 4 of 14 columns drifted",
                triggers_text="Auto: Mondays 02:00",
                runs=runs,
            ),
            notes=() if empty else NOTES,
            evaluated_at=None if empty else START + timedelta(days=self.days),
            newest_row=START + timedelta(days=self.days - 1, hours=6.2),
            rows=1_131_204,
            scan_seconds=0.048,
            reference_text="1 Jan – 31 Mar 2026",
        )

    def distribution(
        self, model: str, column: str, chunk_keys: Sequence[str], segment: str | None = None
    ) -> Distribution:
        self.note("distribution", model, column, tuple(chunk_keys), segment)
        time.sleep(self.delay)
        if column == "housing":
            raise UserError("column housing: its files were removed since the last evaluation; press Refresh")
        text = f"{len(chunk_keys)} days" if len(chunk_keys) > 1 else "16 Nov 2026"
        if column in CATEGORICAL:
            names = ("mobile", "desktop", "tablet", "television set in the living room", "<b>other</b>")
            return Distribution(
                column=column,
                kind=Kind.CATEGORICAL,
                edges=(),
                categories=names,
                reference=(0.52, 0.31, 0.12, 0.03, 0.02),
                analysis=(0.61, 0.2, 0.1, 0.03, 0.06),
                reference_rows=910_000,
                analysis_rows=18_000 * len(chunk_keys),
                reference_mean=None,
                analysis_mean=None,
                reference_text="Reference (1 Jan – 31 Mar 2026)",
                analysis_text=text,
                notes=("PSI 0.121, limit 0.20", "“<b>other</b>” grew from 2 % to 6 %"),
            )
        edges = tuple(step / 40 * 1.15 for step in range(41))
        shift = 0.02 * min(len(chunk_keys), 8)

        def shares(centre: float, width: float) -> tuple[float, ...]:
            raw = [math.exp(-(((edge + 0.014 - centre) / width) ** 2)) * (edge + 0.02) ** 0.6 for edge in edges[:-1]]
            return tuple(value / sum(raw) for value in raw)

        return Distribution(
            column=column,
            kind=Kind.NUMERIC,
            edges=edges,
            categories=(),
            reference=shares(0.2, 0.24),
            analysis=shares(0.44 + shift, 0.24),
            reference_rows=910_000,
            analysis_rows=18_000 * len(chunk_keys),
            reference_mean=0.31,
            analysis_mean=0.48,
            reference_text="Reference (1 Jan – 31 Mar 2026)",
            analysis_text=text,
            notes=("PSI 0.368, limit 0.20", "KS 0.213, limit 0.05", "the mean rose by 0.17"),
        )

    def segments(self, model: str) -> tuple[str, ...]:
        self.note("segments", model)
        return ("region=North", "region=South", "channel=app")

    def trust(self) -> None:
        self.note("trust")
        self.trusted_here = True

    def runnable_parts(self) -> tuple[str, ...]:
        self.note("runnable_parts")
        return (
            "credit-risk retrains with: /usr/bin/python3 train.py --since 2026-08-01",
            "its gate promotes with: python promote.py",
        )

    def retrain(self, model: str, *, reason: str, asked_by: str) -> RetrainingRun:
        self.note("retrain", model, reason, asked_by)
        if not self.trusted_here:
            raise NotTrusted("this workspace is not trusted on this machine")
        now = datetime.now(UTC)
        self.run = RetrainingRun(
            id=41,
            model=model,
            state=RunState.RUNNING,
            asked_by=asked_by,
            reason=reason,
            command=COMMAND,
            requested_at=now,
            started_at=now,
        )
        self.output = b""
        return self.run

    def end_run(self, state: RunState, outcome: str, exit_code: int | None) -> None:
        assert self.run is not None
        self.run = replace(self.run, state=state, outcome=outcome, exit_code=exit_code, finished_at=datetime.now(UTC))

    def unreadable_runs(self) -> dict[int, str]:
        return {}

    def runs(self, model: str | None = None) -> tuple[RetrainingRun, ...]:
        self.note("runs", model)
        return () if self.run is None or model not in (None, self.run.model) else (self.run,)

    def cancel_run(self, run_id: int, by: str) -> None:
        self.note("cancel_run", run_id, by)
        self.end_run(RunState.CANCELLED, f"cancelled by {by}", None)

    def run_output(self, run_id: int, since: int = 0) -> tuple[str, int]:
        self.note("run_output", run_id, since)
        return self.output[since:].decode(), len(self.output)

    def write_report(self, path: Path, *, model: str | None = None, period: Period = ALL) -> tuple[str, ...]:
        self.note("write_report", path, model, period)
        path.write_text("report")
        return ()

    def write_metrics(self, path: Path) -> int:
        self.note("write_metrics", path)
        path.write_text("values")
        return 1234
