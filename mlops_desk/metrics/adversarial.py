"""Signs that somebody plays against the model: rows far off, close to the decision, nearly repeated, by one requester, or made by rule.

All are shares of the rows of a chunk and are held against the reference's own chunks, because some outliers, repeats and busy clients are
normal. A busy chunk repeats more than a quiet one, so near-duplicates are compared between chunks of like length.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from mlops_desk.aggregates.signals import NO_OUTCOME, RowGroups
from mlops_desk.aggregates.tables import Counts, Floats
from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.performance import too_few
from mlops_desk.metrics.quality import rate

OUTLIER_RATE, BOUNDARY_RATE, NEAR_DUPLICATE_RATE = "outlier_rate", "boundary_rate", "near_duplicate_rate"
FLIP_RATE, REQUESTER_CONCENTRATION, QUERY_SIMILARITY = "flip_rate", "requester_concentration", "query_similarity"
LEAST_DISTANCES = 30
"""Fewer distances of a requester say nothing of their distribution."""
QUERIES_AT_MOST = 2000
"""Queries of one requester that are looked at."""
REQUESTERS_AT_MOST = 20
"""Requesters of a chunk that are looked at, the busiest."""
BLOCK_ROWS = 500


def near_duplicate_rate(rounded: RowGroups, min_rows: int = 30) -> Measurement:
    """Share of rows that equal an earlier one of the chunk after rounding: 1 - distinct rounded rows / rows.

    Numeric features are rounded to the cells of the reference, categories are taken as they are, and NULL, NaN and infinite numbers are
    one value. Range [0, 1], lower is better; rounded rows are told apart by 64 bits of hash.
    """
    return rate(rounded.rows - rounded.distinct, rounded.rows, min_rows)


def flip_rate(rounded: RowGroups, min_rows: int = 30) -> Measurement:
    """Share of the rows with a prediction that have a near-duplicate in the chunk with another prediction. Range [0, 1], lower is better."""
    known = rounded.outcomes != NO_OUTCOME
    hashes, counts = rounded.hashes[known], rounded.counts[known]
    _, place, outcomes = np.unique(hashes, return_inverse=True, return_counts=True)
    return rate(int(counts[outcomes[place] > 1].sum()), int(counts.sum()), min_rows)


def requester_concentration(requesters: RowGroups, min_rows: int = 30) -> Measurement:
    """Share of the busiest requester among the rows that name one. Range [0, 1], lower is better."""
    few = too_few(requesters.rows, min_rows, "rows with a requester")
    return untested(few) if few else rate(int(requesters.counts.max()), requesters.rows, min_rows)


class Queries(Struct, frozen=True, kw_only=True):
    """Queries of one requester in the order of their times.

    Attributes
    ----------
    points : (n, d) numeric features in robust standard deviations of the reference. categories : (n, c) codes. predictions : (n,) codes.
    """

    points: Floats
    categories: Counts
    predictions: Counts


def nearest_earlier(queries: Queries) -> Floats:
    """The distance of each query to the nearest earlier one of the same predicted class; queries that have none are left out.

    Euclidean over the numeric features, a category that differs counting 1.
    """
    from scipy.spatial.distance import cdist

    found = [np.zeros(0)]
    for prediction in np.unique(queries.predictions):
        own = np.flatnonzero(queries.predictions == prediction)
        points, categories = queries.points[own], queries.categories[own]
        for start in range(0, len(own), BLOCK_ROWS):
            rows = np.arange(start, min(start + BLOCK_ROWS, len(own)))
            earlier = np.arange(rows[-1] + 1)
            squares = np.zeros((len(rows), len(earlier)))
            if points.shape[1]:
                squares += cdist(points[rows], points[earlier], "sqeuclidean")
            for column in categories.T:
                squares += column[rows, None] != column[None, earlier]
            squares[earlier[None, :] >= rows[:, None]] = np.inf
            found.append(np.sqrt(squares.min(axis=1)[rows > 0]))
    return np.concatenate(found)


def query_similarity(requesters: Sequence[Queries]) -> Measurement:
    """The lowest Shapiro-Wilk W, over the busiest requesters, of the distances of their queries to the nearest earlier one of the same class.

    Natural queries have distances that are about normal (W near 1); those that an extraction attack makes up by rule have not (low W).
    Range (0, 1], higher is better. Requesters with fewer than 30 distances, or all of whose distances are equal, are passed over.
    Source: Juuti et al., PRADA: Protecting against DNN Model Stealing Attacks, EuroS&P 2019.
    """
    values = [one for one in map(_normality, requesters) if one is not None]
    if not values:
        return untested(f"no requester has {LEAST_DISTANCES} queries at different distances")
    return Measurement(min(values))


def _normality(queries: Queries) -> float | None:
    """W of one requester."""
    from scipy.stats import shapiro

    distances = nearest_earlier(queries)
    if len(distances) < LEAST_DISTANCES or np.ptp(distances) <= 1e-12 * distances.max():
        return None
    return float(min(shapiro(distances).statistic, 1.0))


def _definition(id: str, name: str, direction: Direction = Direction.LOWER, tasks: tuple[str, ...] = ()) -> Definition:
    return Definition(id=id, family=Family.ADVERSARIAL, name=name, direction=direction, range=(0.0, 1.0), tasks=tasks)


DEFINITIONS: tuple[Definition, ...] = (
    _definition(OUTLIER_RATE, "Rows far off"),
    _definition(BOUNDARY_RATE, "Scores close to the decision", tasks=("binary",)),
    _definition(NEAR_DUPLICATE_RATE, "Rows nearly repeated"),
    _definition(FLIP_RATE, "Near-duplicates with another prediction", tasks=("binary", "multiclass")),
    _definition(REQUESTER_CONCENTRATION, "Share of the busiest requester"),
    _definition(QUERY_SIMILARITY, "Naturalness of queries", Direction.HIGHER),
)
