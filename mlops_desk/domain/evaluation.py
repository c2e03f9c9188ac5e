"""What came of one pass over a workspace."""

from __future__ import annotations

from msgspec import Struct

from mlops_desk.domain.overview import DataNote
from mlops_desk.domain.threshold import Alert


class ModelOutcome(Struct, frozen=True, kw_only=True):
    """What one evaluation did for one model.

    Attributes
    ----------
    changed : whether any stored value may differ from before. chunks_evaluated : analysis chunks whose values were computed anew.
    rows_scanned : rows of files that were read. seconds : wall time.
    failure : why nothing of the model can be judged, None where something was.
    """

    model: str
    changed: bool
    chunks_evaluated: int
    rows_scanned: int
    seconds: float
    notes: tuple[DataNote, ...] = ()
    opened: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()
    failure: str | None = None


class EvaluationOutcome(Struct, frozen=True, kw_only=True):
    """What one evaluation did, model by model."""

    models: tuple[ModelOutcome, ...]
    seconds: float

    @property
    def changed(self) -> bool:
        """Whether any stored value may differ from before."""
        return any(model.changed for model in self.models)
