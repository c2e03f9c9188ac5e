"""A store filled through its public writer with made-up but likely numbers: 60 days, 25 columns, hostile and Chinese names."""

import math
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlops_desk.domain.metric import Family, Limits, Measurement, MetricValue, SeriesKey, Verdict
from mlops_desk.domain.model import Labels, Logs, Model, Reference
from mlops_desk.domain.overview import DataNote, NoteLevel, RetrainingStatus
from mlops_desk.domain.retraining import RetrainingRun, RunState
from mlops_desk.domain.schema import ColumnRoles, Kind, Task
from mlops_desk.domain.slicing import Chunk, ChunkRule, Split
from mlops_desk.domain.threshold import Alert, AlertState, Severity
from mlops_desk.store.archive import Store
from mlops_desk.store.distributions import ChunkCounts, Histogram
from mlops_desk.store.evaluation import LogSummary

FIRST = datetime(2026, 9, 19, tzinfo=UTC)
NOW = datetime(2026, 11, 18, 6, 12, tzinfo=UTC)
DAYS = 60
LABELLED = 57
"""Days with labels: to 14 November."""
FEATURES = (
    "monthly_income", "debt_ratio", "credit_util", "num_open_loans", "age", "employment_len", "region", "device_type", "channel",
    "late_90d", "inquiries_6m", "loan_purpose", "housing", "月收入", "客户等级", "<script>alert(1)</script>", "it's \"quoted\" & co",
    "=cmd()", "education", "marital_status", "tenure", "a_rather_long_name_of_a_column_that_has_to_be_cut",
)  # fmt: skip
CATEGORICAL = {"region", "device_type", "channel", "loan_purpose", "housing", "客户等级", "education", "marital_status"}
GROUPS = {
    "sex": {"female": 0.331, "male": 0.345},
    "age_band": {"under 25": 0.262, "25 to 60": 0.345, "over 60": 0.318},
    "sex×region": {"female×南": 0.251, "male×南": 0.338, "female×北": 0.329, "male×北": 0.342, "other×北": None},
}
PERFORMANCE = {"roc_auc": 0.845, "accuracy": 0.914, "f1": 0.71, "precision": 0.74, "recall": 0.68, "brier": 0.081}


def drift_of(column: str, day: int, rng: random.Random) -> float:
    base = 0.045 + 0.02 * rng.random()
    if column == "debt_ratio":
        return base + 0.33 / (1 + math.exp(-(day - 45) / 4))
    if column == "credit_util" and day > 46:
        return base + 0.012 * (day - 46)
    if column == "device_type" and 22 <= day < 30:
        return base + 0.22
    if column == "客户等级" and day > 52:
        return base + 0.05
    return base


def judged(value: float, lower: float | None = None, upper: float | None = None, warn: float | None = None) -> Verdict:
    if (lower is not None and value < lower) or (upper is not None and value > upper):
        return Verdict.ALERT
    if warn is not None and (value < warn if lower is not None else value > warn):
        return Verdict.WARNING
    return Verdict.OK


class Filling:
    """Collects made-up values of a model's chunks."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self.chunks = chunks
        self.values: list[MetricValue] = []

    def add(
        self, key: SeriesKey, day: int, measurement: Measurement, limits: Limits, verdict: Verdict, rows: int = 0
    ) -> None:
        chunk = self.chunks[day]
        self.values.append(
            MetricValue(
                key=key,
                split=chunk.split,
                chunk_key=chunk.key,
                rows=rows or chunk.rows,
                measurement=measurement,
                limits=limits,
                verdict=verdict,
            )
        )


def day_chunks(split: Split, first: datetime, count: int) -> list[Chunk]:
    rng = random.Random(7)
    starts = [first + timedelta(days=day) for day in range(count)]
    return [
        Chunk(
            split=split,
            key=start.isoformat(),
            index=day,
            start=start,
            end=start + timedelta(days=1),
            rows=18_000 + round(3500 * math.sin(day / 7 * 2 * math.pi)) + rng.randrange(600),
            complete=day < count - 1 or split is Split.REFERENCE,
        )
        for day, start in enumerate(starts)
    ]


def fill_drift(filling: Filling) -> None:
    rng = random.Random(1)
    kinds = [(Family.DATA_DRIFT, column) for column in FEATURES]
    kinds += [(Family.PREDICTION_DRIFT, "y_pred"), (Family.PREDICTION_DRIFT, "y_proba"), (Family.LABEL_DRIFT, "repaid")]
    for family, column in kinds:
        keys = {metric: SeriesKey(family, metric, column=column) for metric in ("jensen_shannon", "psi")}
        for day in range(len(filling.chunks)):
            if column == "tenure" and day >= 58:
                for key in keys.values():
                    filling.add(
                        key,
                        day,
                        Measurement(None, "the chunk has no values of this column"),
                        Limits(),
                        Verdict.UNTESTED,
                    )
                continue
            drift = drift_of(column, day, rng)
            upper, warn = 0.113, 0.095
            filling.add(
                keys["jensen_shannon"], day, Measurement(drift, None, 0.0, 0.004), Limits(upper=upper, warn_upper=warn),
                judged(drift, upper=upper, warn=warn),
            )  # fmt: skip
            psi = 4 * drift**2
            filling.add(keys["psi"], day, Measurement(psi), Limits(upper=0.2), judged(psi, upper=0.2))
        for metric in ("missing_rate", "out_of_range_rate"):
            key = SeriesKey(Family.DATA_QUALITY, metric, column=column)
            for day in range(len(filling.chunks)):
                rate = 0.002 + 0.001 * rng.random()
                filling.add(
                    key, day, Measurement(rate, None, 0.0, 0.0004), Limits(upper=0.013), judged(rate, upper=0.013)
                )
    share = SeriesKey(Family.DATA_DRIFT, "drifted_share")
    for day in range(len(filling.chunks)):
        drifted = sum(
            value.verdict is Verdict.ALERT
            for value in filling.values
            if value.key.family is Family.DATA_DRIFT
            and value.key.metric == "jensen_shannon"
            and value.chunk_key == filling.chunks[day].key
        )
        value = drifted / (len(FEATURES) - (day >= 58))
        filling.add(
            share, day, Measurement(value), Limits(upper=0.5, warn_upper=0.3), judged(value, upper=0.5, warn=0.3)
        )


def fill_performance(filling: Filling) -> None:
    rng = random.Random(2)
    for metric, level in PERFORMANCE.items():
        sign = -1 if metric == "brier" else 1
        realised, estimated = (
            SeriesKey(family, metric) for family in (Family.PERFORMANCE, Family.ESTIMATED_PERFORMANCE)
        )
        lower = level - 0.035 if metric != "brier" else None
        upper = min(1.0, level + 0.035)
        limits = Limits(lower=lower, upper=upper, warn_lower=None if lower is None else level - 0.024)
        for day in range(len(filling.chunks)):
            fall = 0.06 / (1 + math.exp(-(day - 48) / 3))
            value = level + sign * (0.012 * (rng.random() - 0.5) - fall)
            guess = level + sign * (0.008 * (rng.random() - 0.5) - 0.6 * fall)
            verdict = judged(guess, lower, upper, limits.warn_lower)
            filling.add(estimated, day, Measurement(guess, None, 0.0, 0.004), limits, verdict)
            if day < LABELLED:
                found = Measurement(value, None, 0.0, 0.0045, value - 0.009, value + 0.009)
                filling.add(realised, day, found, limits, judged(value, lower, upper, limits.warn_lower))
            else:
                filling.add(realised, day, Measurement(None, "no labelled rows"), limits, Verdict.UNTESTED)
    for day in range(len(filling.chunks)):
        late = day >= LABELLED
        p = 0.2 + 0.6 * rng.random() if day < 50 else 0.0004
        reason = "no labelled rows" if late else None
        filling.add(
            SeriesKey(Family.CONCEPT_DRIFT, "label_shift_given_score_p"), day, Measurement(None if late else p, reason),
            Limits(lower=0.001), Verdict.UNTESTED if late else judged(p, lower=0.001),
        )  # fmt: skip
        filling.add(
            SeriesKey(Family.CONCEPT_DRIFT, "estimation_gap"), day, Measurement(None if late else -0.004, reason),
            Limits(lower=-0.012, upper=0.012), Verdict.UNTESTED if late else Verdict.OK,
        )  # fmt: skip


def wilson(hits: float, rows: int) -> tuple[float, float]:
    z = 1.959963984540054
    share, weight = hits / rows, z * z / rows
    half = z / (1 + weight) * math.sqrt(share * (1 - share) / rows + weight / (4 * rows))
    return (share + weight / 2) / (1 + weight) - half, (share + weight / 2) / (1 + weight) + half


def fill_fairness(filling: Filling) -> None:
    rng = random.Random(3)
    for attribute, groups in GROUPS.items():
        for day in range(len(filling.chunks)):
            rates = {}
            for group, level in groups.items():
                rows = 2500 if level is not None else 12
                key = SeriesKey(Family.FAIRNESS, "prediction_rate", column=attribute, group=group)
                if level is None:
                    reason = "too small: 12 rows, fewer than 30"
                    filling.add(key, day, Measurement(None, reason), Limits(), Verdict.UNTESTED, rows)
                    continue
                rates[group] = level + 0.01 * (rng.random() - 0.5)
                low, high = wilson(rates[group] * rows, rows)
                filling.add(
                    key, day, Measurement(rates[group], None, 0.0, 0.009, low, high), Limits(), Verdict.OK, rows
                )
            ratio, gap = min(rates.values()) / max(rates.values()), max(rates.values()) - min(rates.values())
            for measure in ("demographic_parity", "equalized_odds", "equal_opportunity", "predictive_parity"):
                filling.add(
                    SeriesKey(Family.FAIRNESS, f"{measure}_ratio", column=attribute), day,
                    Measurement(ratio, None, 0.0, 0.02, ratio - 0.03, ratio + 0.03), Limits(lower=0.8),
                    Verdict.OK if ratio >= 0.8 else Verdict.ALERT if ratio + 0.03 < 0.8 else Verdict.WARNING,
                )  # fmt: skip
                filling.add(
                    SeriesKey(Family.FAIRNESS, f"{measure}_difference", column=attribute), day,
                    Measurement(gap, None, 0.0, 0.02, gap - 0.02, gap + 0.02), Limits(upper=0.1), judged(gap, upper=0.1),
                )  # fmt: skip


def fill_quality(filling: Filling) -> None:
    for day, chunk in enumerate(filling.chunks):
        rows = SeriesKey(Family.DATA_QUALITY, "rows")
        limits = Limits(lower=11_000.0, upper=26_000.0)
        filling.add(rows, day, Measurement(float(chunk.rows)), limits, judged(chunk.rows, 11_000, 26_000))
        coverage = 0.98 if day < LABELLED else 0.0
        filling.add(SeriesKey(Family.DATA_QUALITY, "label_coverage"), day, Measurement(coverage), Limits(), Verdict.OK)
        fresh = Limits(upper=48.0)
        filling.add(SeriesKey(Family.DATA_QUALITY, "freshness_hours"), day, Measurement(6.2), fresh, Verdict.OK)


def histograms(chunks: dict[Split, list[Chunk]]) -> list[Histogram]:
    found = []
    for column in (*FEATURES, "y_proba"):
        rng = random.Random(column)
        centre = 0.35 + 0.2 * rng.random()
        parts = []
        for split, members in chunks.items():
            for day, chunk in enumerate(members):
                moved = centre + (0.12 if column == "debt_ratio" and split is Split.ANALYSIS and day > 45 else 0.0)
                if column in CATEGORICAL:
                    weights = [0.5, 0.3 * (1 + (day > 45 and split is Split.ANALYSIS)), 0.15, 0.05]
                    counts = [round(chunk.rows * weight / sum(weights)) for weight in weights]
                    parts.append(ChunkCounts(split=split, chunk_key=chunk.key, counts=counts))
                    continue
                density = [math.exp(-(((place + 0.5) / 40 - moved) ** 2) / 0.02) for place in range(40)]
                counts = [round(chunk.rows * one / sum(density)) for one in density]
                parts.append(ChunkCounts(split=split, chunk_key=chunk.key, counts=counts, total=moved * sum(counts)))
        if column in CATEGORICAL:
            names = ("北", "<b>south</b>", "east", "west 'n' wild")
            found.append(Histogram(column=column, kind=Kind.CATEGORICAL, categories=names, chunks=tuple(parts)))
        else:
            edges = tuple(place / 40 for place in range(41))
            found.append(Histogram(column=column, kind=Kind.NUMERIC, edges=edges, chunks=tuple(parts)))
    return found


def made_up_alerts(chunks: list[Chunk]) -> list[Alert]:
    breaches = (
        (SeriesKey(Family.DATA_DRIFT, "jensen_shannon", column="debt_ratio"), Severity.ALERT, 39, 0.371, 0.113),
        (SeriesKey(Family.DATA_DRIFT, "jensen_shannon", column="credit_util"), Severity.ALERT, 51, 0.21, 0.113),
        (SeriesKey(Family.PERFORMANCE, "roc_auc"), Severity.ALERT, 49, 0.789, 0.81),
        (SeriesKey(Family.CONCEPT_DRIFT, "label_shift_given_score_p"), Severity.ALERT, 50, 0.0004, 0.001),
        (SeriesKey(Family.FAIRNESS, "demographic_parity_ratio", column="sex×region"), Severity.WARNING, 3, 0.73, 0.8),
        (SeriesKey(Family.DATA_DRIFT, "psi", column="<script>alert(1)</script>"), Severity.WARNING, 58, 0.21, 0.2),
    )
    return [
        Alert(
            id=0,
            fingerprint=f"fingerprint {number}",
            model="credit-risk",
            key=key,
            severity=severity,
            state=AlertState.FIRING,
            opened_chunk=chunks[day].key,
            last_chunk=chunks[-1].key,
            opened_start=chunks[day].start,
            last_start=chunks[-1].start,
            chunks=DAYS - day,
            value=value,
            limit=limit,
            opened_at=NOW,
            changed_at=NOW,
        )
        for number, (key, severity, day, value, limit) in enumerate(breaches)
    ]


NOTES = (
    DataNote(
        level=NoteLevel.WARNING,
        code="quarantined",
        place="logs/2026-10-19.parquet",
        text="the file is torn: no footer",
        count=1,
    ),
    DataNote(
        level=NoteLevel.NOTICE, code="unmatched", place="labels", text="labels whose ids <b>no row</b> has", count=112
    ),
)


@pytest.fixture(scope="session")
def model() -> Model:
    return Model(
        id="credit-risk",
        name="信用风险 <Credit risk>",
        task=Task.BINARY,
        logs=Logs(paths=("logs",)),
        reference=Reference(paths=("reference.parquet",)),
        columns=ColumnRoles(timestamp="ts", id="id", prediction="y_pred", score="y_proba", protected=tuple(GROUPS)),
        chunks=ChunkRule(every="1d"),
        labels=Labels(paths=("labels",), key="id", target="repaid"),
    )


RETRAINING = RetrainingStatus(
    command=("python", "train.py"),
    cwd="training",
    trusted=True,
    refusal=None,
    why_now="4 alerts",
    triggers_text="",
    runs=(
        RetrainingRun(
            id=41,
            model="credit-risk",
            state=RunState.SUCCEEDED,
            asked_by="lin",
            reason="4 alerts since 7 Nov",
            command=("python", "train.py"),
            requested_at=datetime(2026, 11, 16, 12, 4, 11, tzinfo=UTC),
            started_at=datetime(2026, 11, 16, 12, 4, 12, tzinfo=UTC),
            finished_at=datetime(2026, 11, 16, 12, 6, 53, tzinfo=UTC),
            exit_code=0,
            outcome="the gate said no: roc_auc 0.79 < 0.80",
        ),
    ),
)


def fill(store: Store) -> None:
    """Writes the made-up evaluation of credit-risk."""
    chunks = {
        Split.REFERENCE: day_chunks(Split.REFERENCE, datetime(2026, 1, 1, tzinfo=UTC), 90),
        Split.ANALYSIS: day_chunks(Split.ANALYSIS, FIRST, DAYS),
    }
    filling = Filling(chunks[Split.ANALYSIS])
    for part in (fill_drift, fill_performance, fill_fairness, fill_quality):
        part(filling)
    with store.evaluation("credit-risk", "inputs", NOW - timedelta(minutes=5)) as writer:
        for split, members in chunks.items():
            writer.replace_chunks(split, members)
        writer.write_values(filling.values)
        writer.write_distributions(histograms(chunks))
        writer.write_notes(NOTES)
        for alert in made_up_alerts(chunks[Split.ANALYSIS]):
            writer.open_alert(alert)
        writer.conclude(
            NOW - timedelta(minutes=4),
            LogSummary(
                rows=1_131_204,
                rows_scanned=19_412,
                seconds=0.48,
                newest_row=datetime(2026, 11, 17, 23, 52, tzinfo=UTC),
                versions=("v13", "v14"),
                reference_text="reference.parquet, 1 Jan – 31 Mar 2026",
            ),
        )
    acknowledged = next(alert for alert in store.alerts() if alert.key.column == "credit_util")
    store.acknowledge(acknowledged.id, by="lin", at=NOW, note="known: new <bureau> feed")


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """The made-up store; read only."""
    with Store.open(tmp_path_factory.mktemp("filled")) as store:
        fill(store)
        yield store


@pytest.fixture
def new_store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with Store.open(tmp_path) as store:
        yield store


@pytest.fixture(scope="session")
def retraining() -> RetrainingStatus:
    return RETRAINING


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def fill_store() -> Callable[[Store], None]:
    return fill


@pytest.fixture
def write() -> Callable[..., list[Chunk]]:
    """Return a function that stores an evaluation of given series, one number (or reason, or None for no value at all) a day."""

    def written(
        store: Store,
        series: dict[SeriesKey, list[float | str | None]],
        *,
        model: str = "m",
        limits: Limits | None = None,
        verdicts: dict[SeriesKey, list[Verdict]] | None = None,
        chunks: list[Chunk] | None = None,
        newest_row: datetime | None = None,
        rows: int = 0,
    ) -> list[Chunk]:
        days = max((len(numbers) for numbers in series.values()), default=1)
        members = chunks or day_chunks(Split.ANALYSIS, FIRST, days)
        filling = Filling(members)
        for key, numbers in series.items():
            for day, number in enumerate(numbers):
                if number is None:
                    continue
                found = Measurement(None, number) if isinstance(number, str) else Measurement(float(number))
                default = Verdict.UNTESTED if found.value is None else Verdict.OK
                verdict = verdicts[key][day] if verdicts and key in verdicts else default
                filling.add(key, day, found, limits or Limits(), verdict, rows)
        with store.evaluation(model, "inputs", NOW) as writer:
            writer.replace_chunks(Split.ANALYSIS, members)
            writer.write_values(filling.values)
            writer.conclude(NOW, LogSummary(rows=sum(chunk.rows for chunk in members), newest_row=newest_row))
        return members

    return written


@pytest.fixture
def plain_model() -> Callable[..., Model]:
    """Return a function that makes a model named m."""

    def made(
        task: Task | None = Task.BINARY, *, id: str = "m", every: str | None = "1d", timezone: str = "UTC"
    ) -> Model:
        return Model(
            id=id,
            name=id.upper(),
            task=task,
            logs=Logs(paths=("logs",)),
            reference=Reference(paths=("reference.parquet",)),
            columns=ColumnRoles(prediction="y_pred", score="y_proba", target="label"),
            chunks=ChunkRule(every=every, size=None if every else 1000, timezone=timezone),
        )

    return made
