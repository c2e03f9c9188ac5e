"""A workspace made of numbers: sixty days of five models, as realistic as a picture needs, and answers as slow as a test wants."""

import math
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlops_desk.domain.errors import NotTrusted, UserError
from mlops_desk.domain.evaluation import EvaluationOutcome, ModelOutcome
from mlops_desk.domain.metric import Direction, Family, SeriesKey, Verdict
from mlops_desk.domain.overview import (
    DataNote,
    Distribution,
    DriftMatrix,
    GroupBar,
    Line,
    ModelStatus,
    NoteLevel,
    Overview,
    Period,
    RetrainingStatus,
    Tile,
)
from mlops_desk.domain.progress import CancelToken, Progress, ProgressSink, no_progress
from mlops_desk.domain.retraining import RetrainingRun, RunState
from mlops_desk.domain.schema import Kind
from mlops_desk.domain.slicing import Chunk, Split

ALL = Period()
START = datetime(2026, 9, 19, tzinfo=UTC)
COLUMNS = (
    "debt_ratio credit_util device_type channel score monthly_income num_open_loans age employment_len region late_90d"
    " inquiries_6m loan_purpose housing"
).split()
CATEGORICAL = ("device_type", "channel", "region", "loan_purpose", "housing")
LIMIT, WARN = 0.2, 0.1
MODELS = (
    ("credit-risk", "credit-risk", "v14", Verdict.ALERT, "4 alerts"),
    ("churn-eu", "churn-eu", "v7", Verdict.WARNING, "1 warning"),
    ("fraud-cards", "fraud-cards", "v31", Verdict.OK, "all criteria met"),
    ("retention", "次日留存预测", "v3", Verdict.OK, "all criteria met"),
    ("ltv", "ltv-forecast <b>bold</b>", "v9", Verdict.UNTESTED, "not evaluated yet"),
)
COMMAND = ("/usr/bin/python3", "train.py", "--since", "2026-08-01", "--run", "/srv/credit risk/.desk/runs/41")


def day_chunks(days: int) -> tuple[Chunk, ...]:
    return tuple(
        Chunk(
            split=Split.ANALYSIS,
            key=(START + timedelta(days=day)).isoformat(),
            index=day,
            start=START + timedelta(days=day),
            end=START + timedelta(days=day + 1),
            rows=rows_of(day),
            complete=day < days - 1,
        )
        for day in range(days)
    )


def rows_of(day: int) -> int:
    return round(18_500 + 2600 * math.sin(day * 2 * math.pi / 7) - (12_000 if day == 30 else 0))


def drift_of(column: int, day: int) -> float:
    noise = random.Random(column * 997 + day).gammavariate(2, 0.012)
    late = {0: (36, 0.018), 1: (44, 0.016), 4: (47, 0.012), 3: (50, 0.013)}.get(column)
    if late is not None and day > late[0]:
        return noise + late[1] * (day - late[0])
    if column == 2 and 22 <= day < 29:
        return 0.24 + noise
    return noise


def judged(value: float, warn: float, limit: float, *, above: bool) -> Verdict:
    beyond = (lambda edge: value > edge) if above else (lambda edge: value < edge)
    return Verdict.ALERT if beyond(limit) else Verdict.WARNING if beyond(warn) else Verdict.OK


def metric_line(
    days: Sequence[int], metric: str, title: str, level: float, limit: float, *, estimated: bool = False
) -> Line:
    def value(day: int) -> float | None:
        if not estimated and day > 57:
            return None
        noise = random.Random(f"{metric}{day}{estimated}").gauss(0, 0.004)
        return level + noise - 0.0034 * max(day - 38, 0) * (0.8 if estimated else 1)

    values = tuple(value(day) for day in days)
    count = len(values)
    family = Family.ESTIMATED_PERFORMANCE if estimated else Family.PERFORMANCE
    return Line(
        key=SeriesKey(family, metric),
        title=title,
        direction=Direction.HIGHER,
        values=values,
        errors=tuple(0.0043 for _ in values),
        lowers=(limit,) * count,
        uppers=(None,) * count,
        warn_lowers=(limit + 0.012,) * count,
        warn_uppers=(None,) * count,
        verdicts=tuple(
            Verdict.UNTESTED if value is None else judged(value, limit + 0.012, limit, above=False) for value in values
        ),
        reasons=tuple("no labels yet" if value is None else None for value in values),
    )


def share_line(days: Sequence[int]) -> Line:
    shares = tuple(sum(drift_of(column, day) > LIMIT for column in range(len(COLUMNS))) / len(COLUMNS) for day in days)
    count = len(shares)
    return Line(
        key=SeriesKey(Family.DATA_DRIFT, "drifted_share"),
        title="Drifted share",
        direction=Direction.LOWER,
        values=shares,
        errors=(None,) * count,
        lowers=(None,) * count,
        uppers=(0.2,) * count,
        warn_lowers=(None,) * count,
        warn_uppers=(0.1,) * count,
        verdicts=tuple(judged(share, 0.1, 0.2, above=True) for share in shares),
        reasons=(None,) * count,
    )


def group_bars() -> tuple[GroupBar, ...]:
    rows = (
        ("age_band", "under 25", 0.83, 0.055, Verdict.WARNING, 8210),
        ("age_band", "25 – 60", 1.0, 0.0, Verdict.OK, 51_034),
        ("age_band", "over 60", 0.91, 0.03, Verdict.OK, 9840),
        ("sex", "female", 0.96, 0.02, Verdict.OK, 33_120),
        ("sex", "male", 1.0, 0.0, Verdict.OK, 35_964),
        ("region", "North", 0.98, 0.02, Verdict.OK, 21_310),
        ("region", "South", 0.72, 0.035, Verdict.ALERT, 12_444),
        ("region", "West & “Mid” <i>", 1.0, 0.0, Verdict.OK, 35_330),
        ("region", "Islands", None, 0.0, Verdict.UNTESTED, 17),
    )
    return tuple(
        GroupBar(
            attribute=attribute,
            group=group,
            rows=count,
            rate=None if ratio is None else 0.42 * ratio,
            ratio=ratio,
            interval_lower=None if not spread or ratio is None else ratio - spread,
            interval_upper=None if not spread or ratio is None else ratio + spread,
            is_best=ratio == 1.0,
            verdict=verdict,
            reason="17 rows, fewer than 30" if ratio is None else None,
        )
        for attribute, group, ratio, spread, verdict, count in rows
    )


def tiles_of(days: Sequence[int]) -> tuple[Tile, ...]:
    auc = metric_line(days, "roc_auc", "ROC AUC", 0.846, 0.81)
    accuracy = metric_line(days, "accuracy", "Accuracy", 0.914, 0.84)
    latest = next((value for value in reversed(auc.values) if value is not None), None)
    shares = share_line(days)
    count = round((shares.values[-1] or 0) * len(COLUMNS)) if days else 0
    raw = (
        (
            "ROC AUC",
            latest,
            f"{latest:.3f}" if latest else "–",
            "▼ 0.051",
            False,
            Verdict.ALERT,
            "limit 0.810",
            "labels to 15 Nov",
            auc.values,
        ),
        ("Accuracy", 0.9021, "0.902", "▼ 0.011", False, Verdict.WARNING, "criterion ≥ 0.895", "", accuracy.values),
        (
            "Drifted columns",
            float(count),
            f"{count} / 14",
            "▲ 3",
            False,
            Verdict.ALERT,
            "limit 3",
            "PSI > 0.20",
            shares.values,
        ),
        (
            "Concept drift",
            0.004,
            "p = 0.004",
            "detected",
            False,
            Verdict.ALERT,
            "label shift given score",
            "2 Nov",
            tuple(math.sin(day / 4) for day in days),
        ),
        (
            "Disparate impact",
            0.83,
            "0.83",
            "▼ 0.04",
            False,
            Verdict.WARNING,
            "≥ 0.80",
            "worst: age_band = under 25",
            tuple(0.9 - day / 900 for day in days),
        ),
        (
            "Predictions / day",
            19_402.0,
            "19.4 k",
            "▲ 2 %",
            True,
            Verdict.OK,
            "",
            "last row 06:12 UTC",
            tuple(float(rows_of(day)) for day in days),
        ),
    )
    return tuple(
        Tile(
            title=title,
            key=None,
            value=value,
            value_text=text,
            change_text=change,
            better=better,
            verdict=verdict,
            limit_text=limit,
            note=note,
            points=tuple(points),
        )
        for title, value, text, change, better, verdict, limit, note, points in raw
    )


NOTES = (
    DataNote(
        level=NoteLevel.NOTICE, code="ignored", place="column comment", text="free text (98 % distinct): not compared"
    ),
    DataNote(
        level=NoteLevel.WARNING,
        code="quarantined",
        place="logs/2026-10-19.parquet",
        text="is no Parquet file: left out",
        count=1,
    ),
    DataNote(
        level=NoteLevel.WARNING,
        code="unmatched_labels",
        place="labels/2026-11.parquet",
        text="412 labels match no row of the log",
        count=412,
    ),
    DataNote(level=NoteLevel.NOTICE, code="late_labels", place="", text="labels are complete up to 15 Nov 2026"),
)


@dataclass
class FakeWorkspace:
    """Answers like the real one. `delay` seconds are taken by each overview and distribution; `calls` counts what was asked."""

    folder: Path
    days: int = 60
    delay: float = 0.0
    trusted_here: bool = True
    changed: bool = False
    evaluation_steps: int = 0
    run: RetrainingRun | None = None
    output: bytes = b""
    trouble: Exception | None = None
    calls: list[tuple[object, ...]] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    gate: threading.Event = field(default_factory=threading.Event)
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
        outcome = ModelOutcome(model="credit-risk", changed=True, chunks_evaluated=1, rows_scanned=19_402, seconds=0.05)
        return EvaluationOutcome(models=(outcome,), seconds=0.05)

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
            days = [day for day in days if period.start <= START + timedelta(days=day) < period.end]
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
            evaluated_at=START + timedelta(days=self.days),
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

    def runs(self, model: str | None = None) -> tuple[RetrainingRun, ...]:
        self.note("runs", model)
        return () if self.run is None or model not in (None, self.run.model) else (self.run,)

    def cancel_run(self, run_id: int, by: str) -> None:
        self.note("cancel_run", run_id, by)
        self.end_run(RunState.CANCELLED, f"cancelled by {by}", None)

    def run_output(self, run_id: int, since: int = 0) -> tuple[str, int]:
        self.note("run_output", run_id, since)
        return self.output[since:].decode(), len(self.output)

    def write_report(self, path: Path, *, model: str | None = None, period: Period = ALL) -> None:
        self.note("write_report", path, model, period)
        path.write_text("report")

    def write_metrics(self, path: Path) -> int:
        self.note("write_metrics", path)
        path.write_text("values")
        return 1234
