"""Why an alert was raised: which columns moved, which segments carry the change, and which rows stand behind the number."""

from __future__ import annotations

from msgspec import Struct

from mlops_desk.domain.metric import SeriesKey, Verdict
from mlops_desk.domain.slicing import Chunk
from mlops_desk.domain.threshold import Alert


class RankedColumn(Struct, frozen=True, kw_only=True):
    """A column as a suspect.

    Attributes
    ----------
    drift : its drift series that is ranked. value, upper, verdict : of the alert's chunk; None and UNTESTED where it has none there.
    alerts : analysis chunks in which that series alerted.
    correlation : Pearson's, of its drift and the distance of `performance` from its mean in the reference, over all chunks; None where one
    of them does not vary. correlation_p : its two-sided p-value.
    """

    column: str
    drift: SeriesKey
    value: float | None
    upper: float | None
    verdict: Verdict
    alerts: int
    correlation: float | None = None
    correlation_p: float | None = None


class SegmentShare(Struct, frozen=True, kw_only=True):
    """What the rows of one segment contribute to the change of a mean over all rows.

    Attributes
    ----------
    reference_share, chunk_share : of the rows. reference_value, chunk_value : the mean over the segment, None where it has no rows there.
    mix : because its share of the rows changed. within : because its own mean changed. Over a column's segments both sum to the change.
    """

    column: str
    value: str
    reference_share: float
    chunk_share: float
    reference_value: float | None
    chunk_value: float | None
    mix: float
    within: float

    @property
    def total(self) -> float:
        """Its share of the change."""
        return self.mix + self.within


class Attribution(Struct, frozen=True, kw_only=True):
    """The change of a mean (`metric`) from the reference to the alert's chunk, split among the segments of some columns.

    Attributes
    ----------
    reference_value, chunk_value : over all rows. shares : those of each column sum to the change, largest contributions first.
    """

    metric: str
    reference_value: float
    chunk_value: float
    shares: tuple[SegmentShare, ...]


class WeakSlice(Struct, frozen=True, kw_only=True):
    """A segment of the chunk, or a pair of them, that fares worse than the rest beyond chance.

    Attributes
    ----------
    parts : `column=value`. share : of the labelled rows. value, rest : accuracy (of a regression the mean absolute error) in it and outside.
    p : adjusted for all slices that were looked at.
    """

    parts: tuple[str, ...]
    rows: int
    share: float
    value: float
    rest: float
    p: float


class GroupValue(Struct, frozen=True, kw_only=True):
    """A protected group beside the others: its value of a metric that the alert compares, and its rows in the chunk; None where untested."""

    metric: str
    group: str
    reference_value: float | None
    value: float | None
    rows: int


class Explanation(Struct, frozen=True, kw_only=True):
    """Everything that speaks for the cause of an alert.

    Attributes
    ----------
    chunk : the latest that breached. reference_value : the mean of the series over the reference chunks, None where they have none.
    columns : suspects, the most drifted first. performance : the metric that their correlation is with, None where there is none.
    moves : sentences on the bins or categories that moved most, by column. groups : of a fairness alert.
    attribution, weak : of accuracy, None and empty where the alert is about something else. sql : finds the rows behind the number.
    """

    alert: Alert
    chunk: Chunk
    reference_value: float | None
    columns: tuple[RankedColumn, ...]
    performance: str | None
    moves: tuple[tuple[str, tuple[str, ...]], ...]
    groups: tuple[GroupValue, ...]
    attribution: Attribution | None
    weak: tuple[WeakSlice, ...]
    sql: str


class FoundRows(Struct, frozen=True, kw_only=True):
    """Rows of a log as text; None where a value is missing."""

    names: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
