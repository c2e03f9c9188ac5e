"""What values are held against, and the alerts that come of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from mlops_desk.domain.metric import SeriesKey


class ConstantThreshold(Struct, frozen=True, kw_only=True):
    """Alert strictly below `lower` or above `upper`; where `inclusive`, on them too."""

    lower: float | None = None
    upper: float | None = None
    warn: ConstantThreshold | None = None
    consecutive: int = 1
    inclusive: bool = False


class DeviationThreshold(Struct, frozen=True, kw_only=True):
    """Alert strictly outside mean - lower·std … mean + upper·std (ddof 0) over the reference chunks; None leaves a side open."""

    lower: float | None = None
    upper: float | None = None
    warn: DeviationThreshold | None = None
    consecutive: int = 1


class QuantileThreshold(Struct, frozen=True, kw_only=True):
    """Alert strictly outside these quantiles (0 to 1) of the values of the reference chunks."""

    lower: float | None = None
    upper: float | None = None
    warn: QuantileThreshold | None = None
    consecutive: int = 1


class PValueThreshold(Struct, frozen=True, kw_only=True):
    """Alert if a p-value (the metric itself or its `_p` twin) is below `max`."""

    max: float = 0.05
    warn: PValueThreshold | None = None
    consecutive: int = 1


class CalibratedThreshold(Struct, frozen=True, kw_only=True):
    """Alert beyond the (1 - alpha) quantile of the metric's null, so that false alarms stay within the model's monthly budget.

    `warn_factor` times alpha is the level of the warning.
    """

    warn_factor: float = 10.0
    consecutive: int = 1


class IntervalThreshold(Struct, frozen=True, kw_only=True):
    """Alert if the whole 95 % interval lies beyond the limit, warn if only the value does (fairness)."""

    lower: float | None = None
    upper: float | None = None
    consecutive: int = 1


class RateThreshold(Struct, frozen=True, kw_only=True):
    """Alert if a rate is above the reference's by more than `sampling_errors` of them and by more than `margin`."""

    sampling_errors: float = 3.0
    margin: float = 0.01
    consecutive: int = 1


Threshold = (
    ConstantThreshold
    | DeviationThreshold
    | QuantileThreshold
    | PValueThreshold
    | CalibratedThreshold
    | IntervalThreshold
    | RateThreshold
)


class Severity(StrEnum):
    """How much a breach of a monitor's limits weighs."""

    ALERT = "alert"
    WARNING = "warning"


class AlertState(StrEnum):
    """Where an alert is in its life."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    RESOLVED = "resolved"


class Alert(Struct, frozen=True, kw_only=True):
    """A breach that goes on: opened once, not once a chunk.

    Attributes
    ----------
    id : counts up in the workspace. fingerprint : hash of model, family, metric, column, group and segment.
    opened_chunk, last_chunk : keys of the first and of the latest breaching chunk.
    value, limit : of the latest breaching chunk; `limit` is the one that it breaches.
    """

    id: int
    fingerprint: str
    model: str
    key: SeriesKey
    severity: Severity
    state: AlertState
    opened_chunk: str
    last_chunk: str
    opened_start: datetime | None
    last_start: datetime | None
    chunks: int
    value: float
    limit: float | None
    opened_at: datetime
    changed_at: datetime
    changed_by: str | None = None
    note: str | None = None
    silenced_until: datetime | None = None
