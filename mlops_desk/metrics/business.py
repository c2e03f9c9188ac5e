"""Business metrics: what a user's own SQL says of the rows of a chunk. The catalogue cannot know them; their definitions come from desk.toml."""

from __future__ import annotations

import math

from mlops_desk.domain.metric import Definition, Family, Measurement, untested
from mlops_desk.domain.model import BusinessMetric

NO_VALUE = "the SQL gives NULL for these rows"
NOT_FINITE = "the SQL gives no finite number for these rows (a division by 0, or numbers that are NaN or infinite)"


def business_definition(metric: BusinessMetric) -> Definition:
    """The definition of a metric of desk.toml: any finite number, better in the direction that `higher_is` gives."""
    return Definition(
        id=metric.id, family=Family.BUSINESS, name=metric.id.replace("_", " "), direction=metric.higher_is
    )


def business_value(value: float | None) -> Measurement:
    """The number that the SQL gave, untested where that is NULL, NaN or infinite."""
    if value is None:
        return untested(NO_VALUE)
    return Measurement(value) if math.isfinite(value) else untested(NOT_FINITE)
