"""One measurement among several of the same metric: of one class, of one protected group, or of one pair of classes."""

from __future__ import annotations

from msgspec import Struct

from mlops_desk.domain.metric import Measurement


class Reading(Struct, frozen=True, kw_only=True):
    """A metric's measurement, and which class or group it is of.

    Attributes
    ----------
    group : a protected group, or `true|predicted` of a confusion count; None for all rows.
    class_ : the class of a per-class or one-vs-rest value, else None.
    """

    metric: str
    measurement: Measurement
    group: str | None = None
    class_: str | None = None
