"""What is fitted on the reference and says something of every row: fitted once for a reference, kept, and applied file by file.

Nothing is read or fitted unless a monitor asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from msgspec.structs import replace

from mlops_desk.aggregates.plan import ScanPlan
from mlops_desk.aggregates.slices import FeatureTables
from mlops_desk.domain.metric import Family
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.schema import Task
from mlops_desk.domain.slicing import Split
from mlops_desk.metrics.reconstruction import PCA_RECONSTRUCTION
from mlops_desk.metrics.separability import DOMAIN_CLASSIFIER_AUC
from mlops_desk.monitoring.counting import ChunkId, CountedFiles
from mlops_desk.monitoring.learned import BySegment, LearnedChunks
from mlops_desk.monitoring.loss_fitting import FittedLosses, losses_of
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.monitoring.projecting import FittedProjection, projection_of
from mlops_desk.monitoring.requests import requests_of
from mlops_desk.monitoring.row_pass import Files, RowPass, Scorer
from mlops_desk.monitoring.separating import separability
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
        self._files = files
        self._least_rows: dict[str, int] = {}
        self._estimates = False
        for request in (request for one in monitors for request in requests_of(model, one, prepared.columns)):
            if request.definition.family is Family.MULTIVARIATE_DRIFT:
                metric, least = request.definition.id, request.monitor.min_rows
                self._least_rows[metric] = min(least, self._least_rows.get(metric, least))
            elif request.definition.family is Family.ESTIMATED_PERFORMANCE:
                self._estimates = model.task is Task.REGRESSION
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
        found = LearnedChunks()
        if PCA_RECONSTRUCTION in self._least_rows:
            unusable = self._projection.projection.unusable
            sums = {} if unusable is not None else self._sums(plan, chunks, self._projection.scorer)
            found = replace(found, errors=sums, no_projection=unusable)
        if DOMAIN_CLASSIFIER_AUC in self._least_rows and plan.segment is None:
            least = self._least_rows[DOMAIN_CLASSIFIER_AUC]
            found = replace(found, separability=separability(self._study, self._files, chunks, least, self._pause))
        if self._losses is not None:
            estimator = self._losses.estimator
            sums = {} if estimator.unusable is not None else self._sums(plan, chunks, self._losses.scorer)
            found = replace(found, losses=sums, estimator=estimator)
        return found

    @cached_property
    def _losses(self) -> FittedLosses | None:
        """The estimator of a regression's losses, where estimates are asked for and predictions logged."""
        outcome = self._study.prepared.plan.outcome
        if not self._estimates or outcome is None or self._study.plan.prediction is None:
            return None
        return losses_of(self._study, outcome)

    def _sums(self, plan: ScanPlan, chunks: Files, scorer: Scorer) -> Mapping[ChunkId, BySegment]:
        """What a scorer says of some chunks and of the reference."""
        everything = {**self._study.chunks, **chunks}
        return self._row_pass(plan).sums(scorer, self._study.plan, everything, fresh=self._study.fresh)

    def _pause(self) -> None:
        """Lets a cancel be noticed between two steps of learning."""
        self._study.rows.tell(0)
