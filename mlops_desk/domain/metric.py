"""What is measured: families, conventions, definitions, and values with their uncertainty or the reason why there is none."""

from __future__ import annotations

import math
from enum import StrEnum

from msgspec import Struct, field


class Family(StrEnum):
    """Groups of metrics; the same metric id may occur in several (recall in performance, estimated_performance and fairness)."""

    DATA_DRIFT = "data_drift"
    MULTIVARIATE_DRIFT = "multivariate_drift"
    PREDICTION_DRIFT = "prediction_drift"
    LABEL_DRIFT = "label_drift"
    CONCEPT_DRIFT = "concept_drift"
    PERFORMANCE = "performance"
    ESTIMATED_PERFORMANCE = "estimated_performance"
    CALIBRATION = "calibration"
    FAIRNESS = "fairness"
    ESTIMATED_FAIRNESS = "estimated_fairness"
    DATA_QUALITY = "data_quality"
    ADVERSARIAL = "adversarial"
    BUSINESS = "business"
    SYSTEM = "system"


class Convention(StrEnum):
    """Whose definition of a metric a value follows."""

    DESK = "desk"
    NANNYML = "nannyml"
    EVIDENTLY = "evidently"
    FAIRLEARN = "fairlearn"


class Direction(StrEnum):
    """Which way a metric gets better."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Definition(Struct, frozen=True, kw_only=True):
    """What the catalogue says of one metric of one family.

    Attributes
    ----------
    range : least and greatest possible value; infinite where there is no bound.
    kinds : of columns it applies to (`numeric`, `categorical`), empty where it is of no single column.
    tasks : of models it applies to (`binary`, `multiclass`, `regression`), empty where any.
    conventions : those with a definition of their own; any other accepted one equals desk.
    """

    id: str
    family: Family
    name: str
    direction: Direction
    range: tuple[float, float] = (-math.inf, math.inf)
    kinds: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    conventions: tuple[Convention, ...] = (Convention.DESK,)
    needs_labels: bool = False
    needs_score: bool = False


class SeriesKey(Struct, frozen=True):
    """What names one series of values of a model over its chunks.

    Attributes
    ----------
    column : the column, protected attribute, or None. group : the protected group or `true|predicted` of a confusion count.
    class_ : the class of one-vs-rest and per-class values. segment : `column=value`, None for all rows.
    """

    family: Family
    metric: str
    convention: Convention = Convention.DESK
    column: str | None = None
    group: str | None = None
    class_: str | None = None
    segment: str | None = None


class Measurement(Struct, frozen=True):
    """A number and how sure it is, or the reason why there is none; never NaN.

    Attributes
    ----------
    error_bound : greatest possible |value - exact|, 0 where exact.
    sampling_error : standard error of the value at the chunk's size, where known.
    interval_lower, interval_upper : 95 % interval, where known.
    """

    value: float | None
    reason: str | None = None
    error_bound: float = 0.0
    sampling_error: float | None = None
    interval_lower: float | None = None
    interval_upper: float | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a measurement has either a value or a reason")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a measurement is finite, not {self.value}")


def untested(reason: str) -> Measurement:
    """A measurement that says why it has no value."""
    return Measurement(None, reason)


class Limits(Struct, frozen=True, kw_only=True):
    """What a value is held against; None where there is no limit. A value on a limit is within it."""

    lower: float | None = None
    upper: float | None = None
    warn_lower: float | None = None
    warn_upper: float | None = None


class Verdict(StrEnum):
    """What came of holding a value against its limits."""

    OK = "ok"
    WARNING = "warning"
    ALERT = "alert"
    UNTESTED = "untested"


class MetricValue(Struct, frozen=True, kw_only=True):
    """One row of the results table, less the model and the time of evaluation.

    Attributes
    ----------
    chunk_key : the key of the chunk in its split. rows : rows of the slice the number is of.
    """

    key: SeriesKey
    split: str
    chunk_key: str
    rows: int
    measurement: Measurement
    limits: Limits = field(default_factory=Limits)
    verdict: Verdict | None = None
