"""Made-up numbers: sixty days of a model, as realistic as a picture needs."""

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from mlops_desk.domain.metric import Direction, Family, SeriesKey, Verdict
from mlops_desk.domain.overview import (
    DataNote,
    GroupBar,
    Line,
    NoteLevel,
    Period,
    Tile,
)
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
