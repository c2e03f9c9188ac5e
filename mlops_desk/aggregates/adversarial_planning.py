"""Fits on the reference what adversarial metrics are measured by: medians and spreads, the cutoff of outliers, cells, the decision's threshold.

Where something cannot be fitted, the plan says why, metric by metric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.aggregates.adversarial import deviation_sql
from mlops_desk.aggregates.cellmap import fitted_map
from mlops_desk.aggregates.expressions import LOG, Expressions
from mlops_desk.aggregates.plan import (
    BoundaryPlan,
    NumericPlan,
    OutlierPlan,
    QueryPlan,
    RoundedPlan,
    ScanPlan,
    SignalPlan,
)
from mlops_desk.aggregates.planning import column_samples
from mlops_desk.domain.model import Model
from mlops_desk.domain.schema import Column, Kind, Role
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.schema import ReferenceRows, common_types

EXACT_ROWS = 1_000_000
"""Reference rows up to which all of them are looked at; of more, a sample."""
IQR_OF_NORMAL = 1.349
CUTOFF_LEVEL = 0.999
MARGIN = 0.02
NO_NUMBERS = "no numeric feature has a spread in the reference: its quartiles are equal, or it has no values"
NO_FEATURES = "no feature has values in the reference"
NO_REQUESTER = "columns.requester names no column"


class QueryLimits(Struct, frozen=True, kw_only=True):
    """How many requesters and queries of each are looked at, and how many each must have."""

    requesters: int
    queries: int
    least: int


class AdversarialFit:
    """Fits the plan of one model's adversarial metrics."""

    def __init__(
        self, connection: Connection, model: Model, columns: Sequence[Column], scan: ScanPlan, reference: ReferenceRows
    ) -> None:
        self._connection = connection
        self._model = model
        self._scan = scan
        self._reference = reference
        rows = reference.relation if reference.rows <= EXACT_ROWS else reference.sample
        self._rows = f"{rows} as {LOG}"
        self._expressions = Expressions(types=common_types(reference.footers), common=dict(scan.features.types))
        features = {column.name for column in columns if column.role is Role.FEATURE}
        self._numeric = [one for one in scan.features.numeric if one.column in features and one.lowest is not None]
        self._categorical = tuple(
            column.name for column in columns if column.name in features and column.kind is Kind.CATEGORICAL
        )
        self._reasons: dict[str, str] = {}

    def added_to(self, plan: SignalPlan, asked: Set[str], limits: QueryLimits) -> SignalPlan:
        """A plan of signals with what the asked metrics need."""
        queries = "query_similarity" in asked
        outliers = self._outliers() if queries or "outlier_rate" in asked else None
        rounded = self._rounded() if queries or asked & {"near_duplicate_rate", "flip_rate"} else None
        boundary = self._boundary() if "boundary_rate" in asked else None
        requester = self._model.columns.requester
        if outliers is None:
            self._reasons["outlier_rate"] = NO_NUMBERS
        if rounded is None:
            self._reasons |= dict.fromkeys(("near_duplicate_rate", "flip_rate"), NO_FEATURES)
        elif rounded.prediction is None and rounded.threshold is None:
            self._reasons["flip_rate"] = "the model logs no prediction"
        if requester is None:
            self._reasons["requester_concentration"] = NO_REQUESTER
        return replace(
            plan,
            outliers=outliers if "outlier_rate" in asked else None,
            boundary=boundary,
            rounded=rounded if asked & {"near_duplicate_rate", "flip_rate"} else None,
            requester=requester if "requester_concentration" in asked else None,
            queries=self._queries(outliers, rounded, limits) if queries else None,
            reasons=tuple((metric, reason) for metric, reason in sorted(self._reasons.items()) if metric in asked),
        )

    def _outliers(self) -> OutlierPlan | None:
        """Medians, spreads and the cutoff; None where no column has a spread."""
        found = {}
        for one in self._numeric:
            x = self._expressions.number(one.column)
            query = f"select quantile_cont({x}, [0.25, 0.5, 0.75]) filter (isfinite({x})) from {self._rows}"
            low, median, high = self._connection.rows(query)[0][0]
            scale = (high - low) / IQR_OF_NORMAL
            if 0 < scale < math.inf:
                found[one.column] = (float(median), float(scale))
        if not found:
            return None
        plan = OutlierPlan(
            columns=tuple(found),
            medians=tuple(median for median, _ in found.values()),
            scales=tuple(scale for _, scale in found.values()),
            cutoff=0.0,
        )
        inner = f"(select {deviation_sql(self._expressions, plan)} d from {self._rows})"
        cutoff = self._connection.rows(f"select quantile_cont(d, {CUTOFF_LEVEL}) from {inner} where isfinite(d)")[0][0]
        return None if cutoff is None else replace(plan, cutoff=float(cutoff))

    def _rounded(self) -> RoundedPlan | None:
        """The columns of a rounded row; a column that is counted exactly gets cells of its own."""
        exact = [plan.column for plan in self._numeric if plan.cells is None]
        samples = column_samples(self._connection, exact, self._reference)
        numeric = [
            plan if plan.cells else self._with_cells(plan, np.sort(samples[plan.column])) for plan in self._numeric
        ]
        if not numeric and not self._categorical:
            return None
        columns, outcome = self._model.columns, self._scan.outcome
        predicted = columns.prediction if outcome is not None and outcome.task.value != "regression" else None
        return RoundedPlan(
            numeric=tuple(numeric),
            categorical=self._categorical,
            prediction=predicted,
            score=columns.score,
            threshold=columns.decision_threshold,
        )

    @staticmethod
    def _with_cells(plan: NumericPlan, sample: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> NumericPlan:
        return replace(plan, cells=fitted_map(sample, plan.lowest or 0.0, plan.highest or 0.0))

    def _boundary(self) -> BoundaryPlan | None:
        """Scores within the margin of the threshold; None, with the reason, where there is no score or no threshold."""
        score = self._model.columns.score
        known = next((plan for plan in self._scan.features.numeric if plan.column == score), None)
        if score is None or known is None or known.lowest is None or known.highest is None:
            self._reasons["boundary_rate"] = "the reference has no score"
            return None
        if known.lowest < 0 or known.highest > 1:
            self._reasons["boundary_rate"] = "scores outside [0, 1] are ranks, of which 0.02 means nothing"
            return None
        threshold = self._model.columns.decision_threshold
        threshold = self._threshold_of_predictions(score) if threshold is None else threshold
        if threshold is None:
            self._reasons["boundary_rate"] = (
                "predictions follow no one threshold of the score: name columns.decision_threshold"
            )
            return None
        return BoundaryPlan(column=score, lowest=threshold - MARGIN, highest=threshold + MARGIN)

    def _threshold_of_predictions(self, score: str) -> float | None:
        """The threshold that the reference's predictions follow: 0.5 if they may, else midway; None where there is none."""
        prediction, outcome = self._model.columns.prediction, self._scan.outcome
        if prediction is None or outcome is None:
            return None
        x, positive = self._expressions.number(score), self._expressions.is_value(prediction, outcome.positive)
        query = (
            f"select max({x}) filter (isfinite({x}) and not {positive}), min({x}) filter (isfinite({x}) and {positive})"
            f" from {self._reference.relation} as {LOG}"
        )
        negative, least = self._connection.rows(query)[0]
        if negative is None or least is None or negative >= least:
            return None
        return 0.5 if negative < 0.5 <= least else float((negative + least) / 2)

    def _queries(
        self, outliers: OutlierPlan | None, rounded: RoundedPlan | None, limits: QueryLimits
    ) -> QueryPlan | None:
        """How queries are looked at; None, with the reason, where requesters, times or features are missing."""
        columns = self._model.columns
        if columns.requester is None or columns.timestamp is None or rounded is None:
            missing = NO_REQUESTER if columns.requester is None else "columns.timestamp names no column"
            self._reasons["query_similarity"] = NO_FEATURES if rounded is None else missing
            return None
        scale = outliers or OutlierPlan(columns=(), medians=(), scales=(), cutoff=0.0)
        return QueryPlan(
            requester=columns.requester,
            scale=scale,
            rounded=rounded,
            requesters=limits.requesters,
            queries=limits.queries,
            least=limits.least,
        )
