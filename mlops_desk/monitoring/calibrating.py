"""Limits of calibrated thresholds: what a metric reaches by chance, fitted once per reference on a grid of chunk sizes and kept.

The budget of false alarms is shared among all calibrated series of the model: by linearity the expected number is the budget, whatever the
correlation between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.metric import Convention, Limits, SeriesKey
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.metrics.null import null_limits
from mlops_desk.metrics.univariate import binned
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.discovery import digest

HOURS_OF_A_MONTH = 365.2425 / 12 * 24
GREATEST_LEVEL = 0.01
GRID = tuple(round(10 ** (exponent / 3)) for exponent in range(4, 25))
"""Chunk sizes from 22 to 100 million, three a decade."""
Tables = Sequence[ValueTable] | Sequence[CategoryTable]


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """How often one series may alert and warn by chance, as a share of its chunks."""

    alpha: float
    warn_alpha: float


@dataclass(frozen=True, slots=True)
class GridLimits:
    """Limits along GRID; None where there is none."""

    upper: tuple[float | None, ...]
    warn_upper: tuple[float | None, ...]

    def at(self, rows: int) -> Limits:
        """Limits for a chunk of so many rows, interpolated between the sizes of the grid."""
        return Limits(upper=_interpolated(self.upper, rows), warn_upper=_interpolated(self.warn_upper, rows))


def _interpolated(limits: Sequence[float | None], rows: int) -> float | None:
    known = [(size, limit) for size, limit in zip(GRID, limits, strict=True) if limit is not None and limit > 0]
    if not known or rows <= 0:
        return None
    sizes, values = np.log([size for size, _ in known]), np.log([limit for _, limit in known])
    return float(np.exp(np.interp(np.log(rows), sizes, values)))


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
        """Limits of a series for chunks of so many rows with a value."""
        named = digest((), reference_name, repr((key, at_level)))
        name = f"{self._model}:N:{named}"
        body = self._cache.get([name]).get(name)
        if body is None:
            grid = self._fitted(key, at_level, reference, reference_chunks())
            self._cache.put({name: msgspec.json.encode(grid)})
        else:
            grid = msgspec.json.decode(body, type=GridLimits)
        return [grid.at(count) for count in rows]

    @staticmethod
    def _fitted(key: SeriesKey, at_level: Level, reference: ValueTable | CategoryTable, chunks: Tables) -> GridLimits:
        """Limits along the grid from the null of the metric."""
        counts = binned(key.metric, Convention(key.convention), reference, chunks)
        if counts is None:
            none: tuple[float | None, ...] = (None,) * len(GRID)
            return GridLimits(none, none)
        found = null_limits(
            key.metric,
            counts.reference,
            GRID,
            alpha=at_level.alpha,
            warn_alpha=at_level.warn_alpha,
            reference_chunks=counts.chunks,
            seed=repr((key.metric, key.column, key.segment)),
        )
        return GridLimits(tuple(one.upper for one in found), tuple(one.warn_upper for one in found))
