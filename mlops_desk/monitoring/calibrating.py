"""Limits of calibrated thresholds: what a metric reaches by chance, fitted once per reference on a grid of chunk sizes and kept.

The budget of false alarms is shared among all calibrated series of the model: by linearity the expected number is the budget, whatever the
correlation between them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from msgspec import Struct

from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.metric import Convention, Limits, SeriesKey
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.metrics.binning import NoBins
from mlops_desk.metrics.null import CALIBRATED, POWERS, SIZES, null_limits
from mlops_desk.metrics.univariate import binned
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.discovery import digest

HOURS_OF_A_MONTH = 365.2425 / 12 * 24
GREATEST_LEVEL = 0.01
Tables = Sequence[ValueTable] | Sequence[CategoryTable]


class Level(Struct, frozen=True, kw_only=True):
    """How often one series may alert and warn by chance, as a share of its chunks."""

    alpha: float
    warn_alpha: float


FORMAT = 2
"""Raised whenever limits are kept of other sizes, so that those that were kept are passed over."""
Known = dict[int, tuple[float | None, float | None]]
"""Upper limits of alert and warning by chunk size."""


def sizes_around(rows: Sequence[int]) -> list[int]:
    """The sizes at which the null is resampled between which chunks of so many rows lie."""
    places = {min(max(bisect_right(SIZES, count) - 1, 0), len(SIZES) - 2) for count in set(rows) if count > 0}
    return [SIZES[index] for index in sorted({*places, *(place + 1 for place in places)})]


def limits_at(known: Known, rows: int, reference_rows: int, power: float) -> Limits:
    """Limits for a chunk of so many rows, interpolated between the two sizes around it as the null itself is."""
    sizes = sizes_around([rows])
    pairs = [known[size] for size in sizes]
    uppers, warns = ([pair[which] for pair in pairs] for which in (0, 1))
    return Limits(
        upper=_interpolated(sizes, uppers, rows, reference_rows, power),
        warn_upper=_interpolated(sizes, warns, rows, reference_rows, power),
    )


def _interpolated(
    sizes: Sequence[int], limits: Sequence[float | None], rows: int, reference_rows: int, power: float
) -> float | None:
    """Interpolation in the logarithm of the size of logarithms of limits over their leading order."""

    def order(size: int) -> float:
        return math.pow(1.0 / size + 1.0 / reference_rows, power)

    known = [
        (math.log(size), math.log(limit / order(size))) for size, limit in zip(sizes, limits, strict=True) if limit
    ]
    if len(known) < 2:
        return None
    (left, low), (right, high) = known
    share = min(max((math.log(rows) - left) / (right - left), 0.0), 1.0)
    return math.exp(low + (high - low) * share) * order(rows)


def level(
    false_alarms_per_month: float, chunks: Sequence[Chunk], chunk_hours: float | None, series: int, warn_factor: float
) -> Level:
    """The level of one of `series` calibrated series of a model."""
    hours = chunk_hours or _average_hours(chunks)
    alpha = min(GREATEST_LEVEL, false_alarms_per_month * hours / HOURS_OF_A_MONTH / max(series, 1))
    return Level(alpha=alpha, warn_alpha=min(0.5, alpha * warn_factor))


def _average_hours(chunks: Sequence[Chunk]) -> float:
    """The average length of the reference's chunks; a day where they have no times."""
    spans = [
        chunk
        for chunk in chunks
        if chunk.split is Split.REFERENCE and chunk.start is not None and chunk.end is not None
    ]
    if not spans:
        return 24.0
    starts, ends = [chunk.start for chunk in spans if chunk.start], [chunk.end for chunk in spans if chunk.end]
    return max((max(ends) - min(starts)).total_seconds() / 3600 / len(spans), 1 / 60)


class NullLimits:
    """Fits the limits of calibrated series, and remembers them with the reference that they are of."""

    def __init__(self, cache: Cache, model: str) -> None:
        self._cache = cache
        self._model = model

    def limits(
        self,
        key: SeriesKey,
        reference_name: str,
        at_level: Level,
        rows: Sequence[int],
        reference: ValueTable | CategoryTable,
        reference_chunks: Callable[[], Tables],
    ) -> list[Limits]:
        """Limits of a series for chunks of so many rows with a value; where rows have weights, of so many effective ones."""
        named = digest((), str(FORMAT), reference_name, repr((key, at_level)))
        name = f"{self._model}:N:{named}"
        body = self._cache.get([name]).get(name)
        known: Known = {} if body is None else msgspec.json.decode(body, type=Known)
        missing = [size for size in sizes_around(rows) if size not in known]
        if missing:
            known |= _fitted(key, at_level, missing, reference, reference_chunks())
            self._cache.put({name: msgspec.json.encode(known)})
        power = POWERS.get(key.metric, 0.5)
        of_count = {
            count: limits_at(known, count, max(reference.n, 1), power) if count > 0 else Limits() for count in set(rows)
        }
        return [of_count[count] for count in rows]


def _fitted(
    key: SeriesKey, at_level: Level, sizes: Sequence[int], reference: ValueTable | CategoryTable, chunks: Tables
) -> Known:
    """Limits at some sizes from the null of the metric."""
    nothing: Known = dict.fromkeys(sizes, (None, None))
    if key.metric not in CALIBRATED:
        return nothing
    try:
        counts = binned(key.metric, Convention(key.convention), reference, chunks)
    except NoBins:  # one bin only, or bins that every chunk has of its own: there is no null, so the series is untested
        return nothing
    found = null_limits(
        key.metric,
        np.maximum(np.rint(counts.reference), counts.reference > 0).astype(
            np.int64
        ),  # effective rows are no whole ones
        sizes,
        alpha=at_level.alpha,
        warn_alpha=at_level.warn_alpha,
        reference_chunks=counts.chunks if len(counts.chunks) else None,
        positions=counts.positions,
        spread=counts.spread,
    )
    return {size: (one.upper, one.warn_upper) for size, one in zip(sizes, found, strict=True)}
