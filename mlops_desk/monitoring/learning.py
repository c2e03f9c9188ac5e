"""What is fitted on the reference and says something of every row: fitted once for a reference, kept, and applied file by file.

Nothing is read or fitted unless a monitor asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from mlops_desk.aggregates.plan import ScanPlan
from mlops_desk.aggregates.slices import FeatureTables
from mlops_desk.domain.metric import Family
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.slicing import Split
from mlops_desk.metrics.reconstruction import PCA_RECONSTRUCTION
from mlops_desk.monitoring.counting import CountedFiles
from mlops_desk.monitoring.learned import LearnedChunks
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.monitoring.projecting import FittedProjection, projection_of
from mlops_desk.monitoring.requests import requests_of
from mlops_desk.monitoring.row_pass import Files, RowPass
from mlops_desk.monitoring.study import Study
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.discovery import digest


class Learning:
    """Fits on one model's reference what its monitors ask for, and applies it."""

    def __init__(
        self,
        connection: Connection,
        cache: Cache,
        model: Model,
        monitors: Sequence[Monitor],
        prepared: Prepared,
        files: CountedFiles,
        tables: Callable[[], FeatureTables],
        tell: Callable[[int], None],
        *,
        fresh: bool,
    ) -> None:
        requests = [request for one in monitors for request in requests_of(model, one, prepared.columns)]
        self._asked = {(request.definition.id, request.definition.family) for request in requests}
        self._row_pass: Callable[[ScanPlan], RowPass] = lambda plan: RowPass(
            connection, cache, model.id, prepared, plan, tell
        )
        reference = {chunk: some for chunk, some in files.by_chunk().items() if chunk[0] is Split.REFERENCE}
        own = sorted({file for some in reference.values() for file in some})
        name = digest((), prepared.plan.feature_digest, prepared.order, *(files.features[file] for file in own))
        self._study = Study(
            model=model,
            prepared=prepared,
            cache=cache,
            chunks=reference,
            tables=tables,
            rows=self._row_pass(prepared.plan),
            name=name,
            labelled_name=digest((), name, *(files.outcomes.get(file, "") for file in own)),
            fresh=fresh,
        )

    @cached_property
    def _projection(self) -> FittedProjection:
        return projection_of(self._study)

    def learned(self, plan: ScanPlan, chunks: Files) -> LearnedChunks:
        """What is learned of some chunks (and of the reference) by the segments of a plan."""
        if (PCA_RECONSTRUCTION, Family.MULTIVARIATE_DRIFT) not in self._asked:
            return LearnedChunks()
        fitted = self._projection
        if fitted.projection.unusable is not None:
            return LearnedChunks(no_projection=fitted.projection.unusable)
        everything = {**self._study.chunks, **chunks}
        errors = self._row_pass(plan).sums(fitted.scorer, self._study.plan, everything, fresh=self._study.fresh)
        return LearnedChunks(errors=errors)
