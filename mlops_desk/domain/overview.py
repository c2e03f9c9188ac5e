"""What a page about a model shows, ready to draw: the window and the report read the same values and compute nothing.

Times are aware and in UTC; a time of None means that the log has no timestamps and chunks are counted. `text` fields are already
formatted for a person. An absent number is None, never NaN.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from mlops_desk.domain.metric import Direction, SeriesKey, Verdict
from mlops_desk.domain.retraining import RetrainingRun
from mlops_desk.domain.schema import Kind
from mlops_desk.domain.slicing import Chunk
from mlops_desk.domain.threshold import Alert


class Period(Struct, frozen=True, kw_only=True):
    """Which chunks a page shows: the last `days` days of the log, or from `start` to `end` (half-open); all where nothing is set."""

    days: int | None = None
    start: datetime | None = None
    end: datetime | None = None


class ModelStatus(Struct, frozen=True, kw_only=True):
    """A line of the sidebar.

    Attributes
    ----------
    verdict : the worst of the firing alerts; UNTESTED before the first evaluation.
    trend : values of the model's leading metric over its latest chunks, for a sparkline.
    """

    id: str
    name: str
    version: str | None
    verdict: Verdict
    alerts: int
    warnings: int
    trend: tuple[float, ...]
    text: str


class Line(Struct, frozen=True, kw_only=True):
    """A series over the chunks of a page; all tuples are as long as `chunks` of the page.

    Attributes
    ----------
    errors : sampling errors (charts draw ±3). lowers, uppers, warn_lowers, warn_uppers : the limits that each value was judged by.
    """

    key: SeriesKey
    title: str
    direction: Direction
    values: tuple[float | None, ...]
    errors: tuple[float | None, ...]
    lowers: tuple[float | None, ...]
    uppers: tuple[float | None, ...]
    warn_lowers: tuple[float | None, ...]
    warn_uppers: tuple[float | None, ...]
    verdicts: tuple[Verdict, ...]
    reasons: tuple[str | None, ...]


class Tile(Struct, frozen=True, kw_only=True):
    """A number that matters: its latest value, how it changed since the chunk before, its limit and its course.

    Attributes
    ----------
    value_text : `0.791`, `4 / 14`, or `–`. change_text : `▼ 0.051`; empty where there is none. better : whether the change is for the better.
    limit_text : the limit or the criterion in words. note : `labels to 14 Nov`, or why there is no value.
    """

    title: str
    key: SeriesKey | None
    value: float | None
    value_text: str
    change_text: str
    better: bool | None
    verdict: Verdict
    limit_text: str
    note: str
    points: tuple[float | None, ...]


class DriftMatrix(Struct, frozen=True, kw_only=True):
    """Drift of each column in each chunk of the page, the most drifted columns first.

    Attributes
    ----------
    values, verdicts, uppers : a tuple for each column, as long as the chunks of the page.
    """

    metric: str
    title: str
    columns: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    verdicts: tuple[tuple[Verdict, ...], ...]
    uppers: tuple[tuple[float | None, ...], ...]


class Distribution(Struct, frozen=True, kw_only=True):
    """One column in the reference and in some chunks, in the same bins.

    Attributes
    ----------
    edges : (k + 1,) of a numeric column, empty else. categories : (k,) of a categorical one, empty else.
    reference, analysis : (k,) shares of the rows with a value. means : of a numeric column, else None.
    notes : drift values and what else is worth a line, as sentences.
    """

    column: str
    kind: Kind
    edges: tuple[float, ...]
    categories: tuple[str, ...]
    reference: tuple[float, ...]
    analysis: tuple[float, ...]
    reference_rows: int
    analysis_rows: int
    reference_mean: float | None
    analysis_mean: float | None
    reference_text: str
    analysis_text: str
    notes: tuple[str, ...]


class GroupBar(Struct, frozen=True, kw_only=True):
    """A protected group beside the best-off group of its attribute.

    Attributes
    ----------
    ratio : of the group's selection rate to the highest one of its attribute (regression: of mean predictions); None with a reason.
    is_best : whether it is the group the others are compared with.
    """

    attribute: str
    group: str
    rows: int
    rate: float | None
    ratio: float | None
    interval_lower: float | None
    interval_upper: float | None
    is_best: bool
    verdict: Verdict
    reason: str | None


class RetrainingStatus(Struct, frozen=True, kw_only=True):
    """What the retraining strip shows.

    Attributes
    ----------
    command : argv as it would be run, empty where no retraining is configured. trusted : whether this machine may run it.
    refusal : why a run cannot be started now, None where it can. why_now : the reason a run would be started with, from the alerts.
    """

    command: tuple[str, ...]
    cwd: str
    trusted: bool
    refusal: str | None
    why_now: str
    triggers_text: str
    runs: tuple[RetrainingRun, ...]


class NoteLevel(StrEnum):
    """How much a note about the data weighs."""

    NOTICE = "notice"
    WARNING = "warning"


class DataNote(Struct, frozen=True, kw_only=True):
    """Something about the data that a person should know: a quarantined file, unmatched labels, an ignored column."""

    level: NoteLevel
    code: str
    place: str
    text: str
    count: int | None = None


class Overview(Struct, frozen=True, kw_only=True):
    """Everything that the Overview page and the head of a report show about a model.

    Attributes
    ----------
    chunks : analysis chunks of the period, in time order. versions : model versions that the log names, the latest last.
    performance : lines of realised and estimated metrics, the leading one first. drift_share : share of drifted columns.
    evaluated_at, rows, scan_seconds : of the last evaluation; rows are all rows of the log.
    reference_text : the reference in words. fresh_text : how old the newest row is, in words.
    """

    model: str
    name: str
    task: str | None
    versions: tuple[str, ...]
    timezone: str
    failed: int
    warned: int
    chunks: tuple[Chunk, ...]
    tiles: tuple[Tile, ...]
    matrix: DriftMatrix | None
    performance: tuple[Line, ...]
    drift_share: Line | None
    row_counts: tuple[int, ...]
    groups: tuple[GroupBar, ...]
    group_limit: float
    alerts: tuple[Alert, ...]
    retraining: RetrainingStatus
    notes: tuple[DataNote, ...]
    evaluated_at: datetime | None
    newest_row: datetime | None
    rows: int
    scan_seconds: float
    reference_text: str
