"""What to watch: a monitor names metrics, columns and segments, and what their values are held against."""

from __future__ import annotations

from msgspec import Struct

from mlops_desk.domain.metric import Convention, Family
from mlops_desk.domain.threshold import Severity, Threshold


class Monitor(Struct, frozen=True, kw_only=True):
    """One entry of `[[models.monitors]]`.

    Attributes
    ----------
    metrics : metric ids; empty means all metrics of `family`.
    family : narrows `metrics` to this family; None means every family that has them.
    columns : column names, `*` for every column that fits. segments : `*` for all rows, else columns whose values are segments.
    threshold : None means the default of each family.
    exact : judges exactly at any size. exact_rows : reference rows up to which a column is judged exactly anyway.
    min_rows, min_group_rows : fewer rows than this are untested.
    """

    metrics: tuple[str, ...] = ()
    family: Family | None = None
    columns: tuple[str, ...] = ("*",)
    segments: tuple[str, ...] = ("*",)
    convention: Convention = Convention.DESK
    exact: bool = False
    exact_rows: int = 200_000
    min_rows: int = 30
    min_group_rows: int = 30
    threshold: Threshold | None = None
    severity: Severity = Severity.ALERT
