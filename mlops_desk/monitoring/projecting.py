"""The projection of the reference, fitted in one pass over its rows and kept, and what it loses of every row."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from mlops_desk.aggregates.rows import Rows, row_pieces
from mlops_desk.aggregates.sums import CrossProducts, cross_products
from mlops_desk.aggregates.tables import Floats
from mlops_desk.metrics.reconstruction import (
    NO_COLUMNS,
    Encoding,
    Projection,
    centre_of,
    fitted_projection,
    reference_encoding,
)
from mlops_desk.monitoring.row_pass import Scorer, parts_in
from mlops_desk.monitoring.study import Body, Study

FORMAT = 1
"""Raised whenever the same rows would be projected in another way."""


class FittedProjection(Struct, frozen=True, kw_only=True):
    """A projection with the encoding it was fitted on."""

    encoding: Encoding
    projection: Projection
    name: str

    @property
    def scorer(self) -> Scorer:
        """The norm of what is lost of each row."""
        return Scorer(name=self.name, score=self._errors)

    def _errors(self, rows: Rows) -> Floats:
        return self.projection.errors(self.encoding.numbers(rows.matrix))


def projection_of(study: Study) -> FittedProjection:
    """The projection of the reference."""
    if not study.plan.width:
        return FittedProjection(
            encoding=Encoding(means=np.zeros(0)), projection=Projection(unusable=NO_COLUMNS), name=""
        )
    tables = study.tables()
    encoding = reference_encoding(
        [tables.numeric[column] for column in study.plan.numeric],
        [tables.categorical[coded.column] for coded in study.plan.categorical],
    )
    name = f"pca{FORMAT}:{study.name}"
    body = study.kept(name, lambda: _fitted(study, encoding))
    return FittedProjection(encoding=encoding, projection=Projection(**body), name=name)


def _fitted(study: Study, encoding: Encoding) -> Body:
    """The parts of a projection fitted on the rows of the reference."""
    centre = centre_of(encoding)
    products: CrossProducts | None = None
    for batch, scanned in study.rows.sources(study.files):
        parts = parts_in(batch, study.chunks)
        for rows in row_pieces(scanned, study.plan, parts) if parts else ():
            more = cross_products(encoding.numbers(rows.matrix) - centre)
            products = more if products is None else products + more
            study.rows.tell(len(rows.parts))
    found = fitted_projection(products, centre)
    parts_of = {"centre": found.centre, "scales": found.scales, "axes": found.axes}
    return parts_of if found.unusable is None else {"unusable": found.unusable}
