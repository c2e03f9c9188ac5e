"""A watched model as desk.toml describes it, and the workspace that holds several."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from msgspec import Struct

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Direction
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.retraining import Gate, RetrainingSpec, TriggerSpec
from mlops_desk.domain.schema import ColumnRoles, Scalar, Task
from mlops_desk.domain.slicing import ChunkRule


class ObjectAccess(Struct, frozen=True, kw_only=True):
    """How an object store is reached where the environment does not say it; never a secret.

    Attributes
    ----------
    region : of the bucket. endpoint : the address of a server other than the cloud's own. anonymous : whether to ask without credentials.
    """

    region: str | None = None
    endpoint: str | None = None
    anonymous: bool = False


class Logs(Struct, frozen=True, kw_only=True):
    """Where the prediction log lies: files, folders or globs relative to desk.toml or in an object store, and an SQL predicate on its rows."""

    paths: tuple[str, ...]
    filter: str | None = None
    access: ObjectAccess = ObjectAccess()


class Reference(Struct, frozen=True, kw_only=True):
    """What the analysis is compared with; exactly one of the choices is set.

    Attributes
    ----------
    paths : files of its own. start, end : a half-open period inside the logs (naive means in the chunks' time zone).
    rolling : a period such as 30d before each chunk. previous_chunks : so many chunks before each. expanding : all before each.
    """

    paths: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    rolling: str | None = None
    previous_chunks: int | None = None
    expanding: bool = False
    access: ObjectAccess = ObjectAccess()

    @property
    def moves(self) -> bool:
        """Whether each chunk has a reference of its own: chunks before it."""
        return self.rolling is not None or self.previous_chunks is not None or self.expanding


class Labels(Struct, frozen=True, kw_only=True):
    """Ground truth that arrives late: files with (key, target)."""

    paths: tuple[str, ...]
    key: str
    target: str
    access: ObjectAccess = ObjectAccess()


class BusinessMetric(Struct, frozen=True, kw_only=True):
    """A SQL aggregate over the rows of a chunk."""

    id: str
    sql: str
    higher_is: Direction = Direction.HIGHER


EXPECTED_TYPES = ("integer", "number", "text", "boolean", "date", "timestamp")
"""What an expectation can ask a column's type to be; a number may have a fraction."""


class Expectation(Struct, frozen=True, kw_only=True):
    """What a column's values should be; each field that is set is one check (`type` is one of EXPECTED_TYPES)."""

    column: str
    type: str | None = None
    not_null: bool = False
    unique: bool = False
    allowed: tuple[Scalar, ...] = ()
    min: float | None = None
    max: float | None = None
    pattern: str | None = None
    max_missing_rate: float | None = None
    max_unseen_rate: float | None = None


class Model(Struct, frozen=True, kw_only=True):
    """One entry of `[[models]]`.

    Attributes
    ----------
    task : None where only the data families can be computed.
    monitors : empty means the recommended set.
    value_matrix : rows true class, columns predicted class, in sorted order; empty where none.
    false_alarms_per_month : the budget of calibrated thresholds, for the whole model.
    """

    id: str
    name: str
    task: Task | None
    logs: Logs
    reference: Reference
    columns: ColumnRoles
    chunks: ChunkRule
    labels: Labels | None = None
    monitors: tuple[Monitor, ...] = ()
    business: tuple[BusinessMetric, ...] = ()
    value_matrix: tuple[tuple[float, ...], ...] = ()
    expectations: tuple[Expectation, ...] = ()
    false_alarms_per_month: float = 1.0
    retraining: RetrainingSpec | None = None
    triggers: tuple[TriggerSpec, ...] = ()
    gate: Gate | None = None


class Desk(Struct, frozen=True, kw_only=True):
    """A workspace's configuration: what its desk.toml says.

    Attributes
    ----------
    folder : the workspace folder, absolute. file : its desk.toml.
    objects_bytes : how much a model's copies of objects may take on disk, None for as much as is free.
    """

    name: str
    folder: Path
    file: Path
    models: tuple[Model, ...]
    version: int = 1
    history_days: int = 400
    objects_bytes: int | None = None

    def model(self, id: str) -> Model:
        """The model of an id; raises UserError with the nearest one."""
        known = {model.id: model for model in self.models}
        if id in known:
            return known[id]
        from difflib import get_close_matches

        near = get_close_matches(id, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"its models are {', '.join(known)}"
        raise UserError(f"{self.file}: there is no model {id!r}; {hint}")
