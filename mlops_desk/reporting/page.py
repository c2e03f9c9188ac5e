"""What one page reads of the archive: the chunks of its period, and each series laid out along them.

A series is a tuple as long as the page's chunks with None where the archive has no value for a chunk. Nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct, field

from mlops_desk.domain.metric import Convention, Family, Limits, MetricValue, SeriesKey, Verdict
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import Line, Period
from mlops_desk.domain.periods import in_utc
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.reporting.naming import direction, series_title
from mlops_desk.reporting.texts import say
from mlops_desk.store.archive import Store

Cells = tuple[MetricValue | None, ...]
"""A series along the chunks of a page."""
Grid = Mapping[SeriesKey, Cells]
NOT_COMPUTED = "not computed for this chunk"
DRIFT_FAMILIES = (Family.DATA_DRIFT, Family.PREDICTION_DRIFT, Family.LABEL_DRIFT)
OTHER_FAMILIES = (
    Family.MULTIVARIATE_DRIFT, Family.CALIBRATION, Family.ESTIMATED_FAIRNESS, Family.ADVERSARIAL, Family.SYSTEM,
)  # fmt: skip
FAIRNESS_METRICS = ("prediction_rate", "mean_prediction", "demographic_parity_ratio", "mean_prediction_ratio")
"""What the tiles and the bars of fairness are made of."""
_RANKED_CONVENTIONS = tuple(Convention)
_RANKED_VERDICTS = (Verdict.UNTESTED, Verdict.OK, Verdict.WARNING, Verdict.ALERT)


class Page(Struct, frozen=True, kw_only=True):
    """A model's values in one period and segment.

    Attributes
    ----------
    newest_row : latest timestamp of the log. drift : of the three families of drift of one column.
    fairness, quality : only FAIRNESS_METRICS and rows, unless everything was asked for. business, others : empty unless it was.
    """

    model: Model
    segment: str | None
    chunks: tuple[Chunk, ...]
    newest_row: datetime | None
    performance: Grid
    estimated: Grid
    drift: Grid
    concept: Grid
    fairness: Grid
    quality: Grid
    business: Grid = field(default_factory=dict)
    others: Grid = field(default_factory=dict)

    @property
    def timezone(self) -> str:
        """The zone on whose clock times are told."""
        return self.model.chunks.timezone


def read_page(store: Store, model: Model, period: Period, segment: str | None, *, everything: bool = False) -> Page:
    """Reads what a page about a model shows; `everything` adds what only the full report shows."""
    chunks = chunks_of(store.chunks(model.id, Split.ANALYSIS), period, model.chunks.timezone)

    def grid(*families: Family, metric: str | None = None) -> dict[SeriesKey, Cells]:
        values = (
            value
            for family in families
            for value in store.values(model.id, family=family, metric=metric, segment=segment, split=Split.ANALYSIS)
        )
        return aligned(values, chunks)

    if everything:
        fairness = grid(Family.FAIRNESS)
    else:
        fairness = {}
        for metric in FAIRNESS_METRICS:
            fairness |= grid(Family.FAIRNESS, metric=metric)
    record = store.last_evaluation(model.id)
    return Page(
        model=model,
        segment=segment,
        chunks=chunks,
        newest_row=None if record is None else record.log.newest_row,
        performance=grid(Family.PERFORMANCE),
        estimated=grid(Family.ESTIMATED_PERFORMANCE),
        drift=grid(*DRIFT_FAMILIES),
        concept=grid(Family.CONCEPT_DRIFT),
        fairness=fairness,
        quality=grid(Family.DATA_QUALITY, metric=None if everything else "rows"),
        business=grid(Family.BUSINESS) if everything else {},
        others=grid(*OTHER_FAMILIES) if everything else {},
    )


def chunks_of(chunks: Sequence[Chunk], period: Period, timezone: str) -> tuple[Chunk, ...]:
    """The chunks that a period touches; all of them where it sets nothing or the chunks have no times.

    The last `days` days end with the last chunk. Naive ends of a period are on the clock of `timezone`.
    """
    start, end = (None if at is None else aware(at, timezone) for at in (period.start, period.end))
    if period.days is not None and chunks and chunks[-1].end is not None:
        start = chunks[-1].end - timedelta(days=period.days)
    return tuple(chunk for chunk in chunks if _touches(chunk, start, end))


def aware(moment: datetime, timezone: str) -> datetime:
    """A moment with a zone, in UTC."""
    return in_utc(moment, timezone) if moment.tzinfo is None else moment.astimezone(UTC)


def _touches(chunk: Chunk, start: datetime | None, end: datetime | None) -> bool:
    if chunk.start is None or chunk.end is None:
        return True
    after_start = start is None or chunk.end > start or chunk.start >= start
    return after_start and (end is None or chunk.start < end)


def aligned(values: Iterable[MetricValue], chunks: Sequence[Chunk]) -> dict[SeriesKey, Cells]:
    """Values laid out along chunks, series by series in the order of their keys; series without a value in them are left out."""
    places = {chunk.key: place for place, chunk in enumerate(chunks)}
    rows: dict[SeriesKey, list[MetricValue | None]] = {}
    for value in values:
        place = places.get(value.chunk_key)
        if place is not None:
            rows.setdefault(value.key, [None] * len(chunks))[place] = value
    return {key: tuple(rows[key]) for key in sorted(rows, key=_order)}


def _order(key: SeriesKey) -> tuple[str, ...]:
    texts = (key.column, key.group, key.class_, key.segment)
    return (key.family, key.metric, f"{_RANKED_CONVENTIONS.index(key.convention)}", *(text or "" for text in texts))


def number_of(cell: MetricValue | None) -> float | None:
    """The number of a cell, None where there is none."""
    return None if cell is None else cell.measurement.value


def numbers(cells: Cells) -> tuple[float | None, ...]:
    """The numbers of a series."""
    return tuple(number_of(cell) for cell in cells)


def verdict_of(cell: MetricValue | None) -> Verdict:
    """The verdict of a cell, untested where there is no value."""
    return Verdict.UNTESTED if cell is None or cell.verdict is None else cell.verdict


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst of some verdicts; untested counts as the mildest."""
    return max(verdicts, key=_RANKED_VERDICTS.index, default=Verdict.UNTESTED)


def latest(cells: Cells) -> int | None:
    """The place of the last cell that holds a number, None where none does."""
    return next((place for place in reversed(range(len(cells))) if number_of(cells[place]) is not None), None)


def last_reason(cells: Cells) -> str:
    """Why the last cell that says why has no number."""
    reasons = (cell.measurement.reason for cell in reversed(cells) if cell is not None)
    return next((reason for reason in reasons if reason is not None), say("not computed"))


def plain(grid: Grid, metric: str) -> tuple[SeriesKey, Cells] | None:
    """The series of a metric of no column, group or class, in the first convention that has a number."""
    found = [
        (key, cells)
        for key, cells in grid.items()
        if key.metric == metric and key.column is None and key.group is None and key.class_ is None
    ]
    with_numbers = [pair for pair in found if latest(pair[1]) is not None]
    return next(iter(with_numbers or found), None)


def line_of(key: SeriesKey, cells: Cells) -> Line:
    """A series as charts draw it."""
    limits = [Limits() if cell is None else cell.limits for cell in cells]
    return Line(
        key=key,
        title=series_title(key),
        direction=direction(key.family, key.metric),
        values=numbers(cells),
        errors=tuple(None if cell is None else cell.measurement.sampling_error for cell in cells),
        lowers=tuple(limit.lower for limit in limits),
        uppers=tuple(limit.upper for limit in limits),
        warn_lowers=tuple(limit.warn_lower for limit in limits),
        warn_uppers=tuple(limit.warn_upper for limit in limits),
        verdicts=tuple(verdict_of(cell) for cell in cells),
        reasons=tuple(say(NOT_COMPUTED) if cell is None else cell.measurement.reason for cell in cells),
    )
