"""What a model's rows hold: tasks, kinds and roles of columns."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

INTERSECTION = "×"
"""Joins protected attributes into an intersection: `sex×race`."""


class Task(StrEnum):
    """What a model predicts."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class Kind(StrEnum):
    """How the values of a column are compared."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


class Role(StrEnum):
    """What a column is for."""

    FEATURE = "feature"
    TIMESTAMP = "timestamp"
    ID = "id"
    PREDICTION = "prediction"
    SCORE = "score"
    TARGET = "target"
    VERSION = "version"
    WEIGHT = "weight"
    LATENCY = "latency"
    REQUESTER = "requester"
    IGNORED = "ignored"


Scalar = str | int | float | bool


class ColumnRoles(Struct, frozen=True, kw_only=True):
    """The table `[models.columns]`.

    Attributes
    ----------
    timestamp_format : of timestamps that are text, such as `%d/%m/%Y %H:%M`; None where they are ISO 8601 or no text.
    score : column of the positive class's score (binary). scores : (class, column) pairs (multiclass).
    positive : the positive class, None for 1 / true. decision_threshold : makes the prediction where only a score is logged.
    protected : column names, or several joined by × for an intersection.
    numeric, categorical : override the inferred kinds.
    """

    timestamp: str | None = None
    timestamp_format: str | None = None
    id: str | None = None
    prediction: str | None = None
    score: str | None = None
    scores: tuple[tuple[str, str], ...] = ()
    positive: Scalar | None = None
    decision_threshold: float | None = None
    target: str | None = None
    version: str | None = None
    weight: str | None = None
    latency: str | None = None
    requester: str | None = None
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    @property
    def protected_columns(self) -> tuple[str, ...]:
        """The plain columns behind the protected attributes, each once."""
        return tuple(dict.fromkeys(name for attribute in self.protected for name in attribute.split(INTERSECTION)))


class Column(Struct, frozen=True, kw_only=True):
    """A column of a prediction log as it is understood.

    Attributes
    ----------
    type : the engine's name of its type (`DOUBLE`, `VARCHAR`, …). kind : None where it is not compared (ignored, id, timestamp).
    reason : why it has this role and kind, in words.
    """

    name: str
    type: str
    role: Role
    kind: Kind | None
    reason: str
