"""The estimator of a regression's losses, fitted on a sample of the labelled reference and kept, and what it expects of every row."""

from __future__ import annotations

from functools import reduce
from importlib.metadata import version
from operator import add
from typing import Any

from msgspec import Struct

from mlops_desk.aggregates.outcomes import target_number
from mlops_desk.aggregates.plan import OutcomePlan
from mlops_desk.aggregates.rows import Rows
from mlops_desk.aggregates.sample import RowSample
from mlops_desk.aggregates.sampling import row_sample
from mlops_desk.aggregates.tables import Floats
from mlops_desk.metrics.direct_loss import FITTED_ROWS, LossEstimator, LossTrees, fitted_estimator
from mlops_desk.monitoring.row_pass import Scorer, parts_in
from mlops_desk.monitoring.study import Body, Study

FORMAT = 1
"""Raised whenever the same rows would be fitted or scored in another way."""


class FittedLosses(Struct, frozen=True, kw_only=True):
    """An estimator under the name of what it depends on."""

    estimator: LossEstimator
    name: str

    @property
    def scorer(self) -> Scorer:
        """The losses to expect of each row."""
        return Scorer(name=self.name, score=self._expected)

    def _expected(self, rows: Rows) -> Floats:
        return self.estimator.expected(rows.matrix, rows.predictions)


def losses_of(study: Study, plan: OutcomePlan) -> FittedLosses:
    """The estimator of the reference."""
    name = f"dle{FORMAT}:{version('scikit-learn')}:{study.labelled_name}"
    body = study.kept(name, lambda: _body_of(_fitted(study, plan)))
    trees = tuple(LossTrees(**one) for one in body.pop("trees", ()))
    return FittedLosses(estimator=LossEstimator(trees=trees, **body), name=name)


def _body_of(estimator: LossEstimator) -> Body:
    if estimator.unusable is not None:
        return {"unusable": estimator.unusable}
    trees: list[dict[str, Any]] = [
        {"nodes": one.nodes, "sizes": one.sizes, "baseline": one.baseline, "scale": one.scale}
        for one in estimator.trees
    ]
    return {"trees": trees, "spreads": estimator.spreads, "below_log": estimator.below_log}


def _fitted(study: Study, plan: OutcomePlan) -> LossEstimator:
    """The estimator fitted on a sample of the reference's labelled rows."""
    samples: list[RowSample] = []
    for batch, scanned in study.rows.sources(study.files, with_labels=True):
        parts = parts_in(batch, study.chunks)
        if not parts:
            continue
        sample = row_sample(
            scanned,
            study.plan,
            study.prepared.slicing,
            parts,
            salt=f"{study.model.id}:dle",
            size=FITTED_ROWS,
            id_column=study.model.columns.id,
            target=target_number(scanned, plan),
        )
        samples.append(sample)
        study.rows.tell(len(sample.keys))
    rows = reduce(add, samples)
    return fitted_estimator(rows.matrix, rows.extras[:, 0], rows.extras[:, 1])
