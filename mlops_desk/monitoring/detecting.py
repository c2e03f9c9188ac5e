"""Drift detectors in a pass over a model: whether they are asked for, what they start from, and what they found in some chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.progress import CancelToken, Progress, ProgressSink
from mlops_desk.domain.slicing import Chunk
from mlops_desk.monitoring.counting import ChunkId
from mlops_desk.monitoring.detections import Detections
from mlops_desk.monitoring.extras import Tally
from mlops_desk.monitoring.moving import DETECTORS_NEED_FIXED
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.monitoring.requests import WHOLE_SEGMENT
from mlops_desk.monitoring.streaming import ErrorStreams, asked_detectors, error_scale
from mlops_desk.warehouse.cache import Cache


class Detecting:
    """Asks the streams of errors; `share` is how far the whole work is meanwhile."""

    def __init__(
        self,
        cache: Cache,
        model: Model,
        monitors: Sequence[Monitor],
        *,
        progress: ProgressSink,
        cancel: CancelToken,
        share: float,
        fresh: bool,
    ) -> None:
        self._cache = cache
        self._model = model
        self._monitors = monitors
        self._progress = progress
        self._cancel = cancel
        self._share = share
        self._fresh = fresh
        self._rows = 0
        self._scale: float | None = None

    def is_asked(self, prepared: Prepared) -> bool:
        """Whether a monitor asks for a drift detector."""
        columns = dict.fromkeys(name for monitor in self._monitors for name in monitor.segments)
        return any(asked_detectors(self._model, self._monitors, prepared.columns, name) for name in columns)

    def measure_errors_by(self, reference: OutcomeTables | None) -> None:
        """Takes the size of errors from the reference."""
        self._scale = error_scale(self._model, reference)

    def found(
        self,
        prepared: Prepared,
        tally: Tally,
        chunks: Mapping[ChunkId, Chunk],
        wanted: Sequence[ChunkId],
        segments: Sequence[str],
        column: str | None,
    ) -> Detections:
        """What the detectors that are asked for found in some chunks, by the values of a segment column or in all rows (of None)."""
        metrics = asked_detectors(self._model, self._monitors, prepared.columns, column or WHOLE_SEGMENT)
        if not metrics or tally.moves:
            return Detections(reasons=dict.fromkeys(metrics, DETECTORS_NEED_FIXED))

        def tell(rows: int) -> None:
            self._cancel.raise_if_cancelled()
            self._rows += rows
            self._progress(Progress(stage=f"streaming errors: {self._rows:,} rows", share=self._share))

        streams = ErrorStreams(self._cache, self._model, prepared, tally, tell, fresh=self._fresh)
        return streams.detections(metrics, segments if column else [""], self._scale, chunks, wanted)
