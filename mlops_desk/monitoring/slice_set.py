"""What is measured together: the slices of all rows or of one segment, with the tables of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct, field

from mlops_desk.aggregates.expected import ExpectedTable
from mlops_desk.aggregates.signals import SignalTables
from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables
from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.metric import Measurement
from mlops_desk.domain.slicing import Chunk
from mlops_desk.metrics.class_estimation import ClassCalibrators
from mlops_desk.monitoring.detections import ChunkDetections
from mlops_desk.monitoring.learned import NOTHING_LEARNED, Learned


class Slice(Struct, frozen=True, kw_only=True):
    """One chunk, or a segment of it, with its tables.

    Attributes
    ----------
    outcomes : None for a model without a task. signals : None where nobody asks for any.
    answers : of what the engine must be asked for each chunk, by metric.
    expected : expected labels of a multiclass model, where estimates are asked for. learned : what is learned of its rows.
    detected : what drift detectors found, None where none has a stream of it.
    """

    chunk: Chunk
    features: FeatureTables
    outcomes: OutcomeTables | None
    signals: SignalTables | None = None
    answers: Mapping[str, Measurement] = field(default_factory=dict)
    expected: ExpectedTable | None = None
    learned: Learned = NOTHING_LEARNED
    detected: ChunkDetections | None = None


def tables_of(one: Slice) -> Mapping[str, ValueTable | CategoryTable]:
    """Tables of a slice's columns."""
    return {**one.features.numeric, **one.features.categorical}


class SliceSet(Struct, frozen=True, kw_only=True):
    """The slices of all rows or of one segment, and the whole reference they are compared with.

    Attributes
    ----------
    segment : `column=value`, None for all rows. newest : time of the newest row of the log.
    class_calibrators : of a multiclass model, where estimates are asked for and the reference has such rows.
    reasons : why signals that are asked for cannot be counted, by metric.
    ranges : least and greatest value of each numeric column in the whole reference where that is of one chunk only, so that rows outside
        are not counted; else None. no_reference : why there is none yet.
    """

    segment: str | None
    slices: tuple[Slice, ...]
    reference: Slice
    newest: datetime | None
    now: datetime
    reasons: Mapping[str, str] = field(default_factory=dict)
    class_calibrators: ClassCalibrators | None = None
    ranges: Mapping[str, tuple[float, float]] | None = None
    no_reference: str | None = None

    @property
    def no_estimate(self) -> str | None:
        """Why a multiclass model has no estimates, None where it has."""
        known = self.class_calibrators
        return "the reference has no rows of this segment" if known is None else known.unusable


def values_of_no_row(like: ValueTable) -> ValueTable:
    """An empty table, exact or of cells as another one."""
    import numpy as np

    floats, counts = np.zeros(0), np.zeros(0, dtype=np.int64)
    if like.exact:
        return ValueTable(values=floats, counts=counts)
    return ValueTable(values=floats, counts=counts, lowers=floats, uppers=floats, cells=counts, squares=floats)


def categories_of_no_row() -> CategoryTable:
    """An empty table of categories."""
    import numpy as np

    return CategoryTable(categories=(), counts=np.zeros(0, dtype=np.int64))
