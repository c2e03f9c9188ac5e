"""Drift of one column: the entry that says of every chunk either a value or why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.domain.metric import Convention, Measurement, untested
from mlops_desk.metrics import contingency, discrepancy, divergence, sample_tests, statistics, two_sample
from mlops_desk.metrics.binning import Binned, NoBins, category_bins, fine_bins, nannyml_bins, quantile_bins
from mlops_desk.metrics.series import NEEDS_EXACT, CategoricalMetric, NumericMetric, Series

Table = TypeVar("Table", ValueTable, CategoryTable)
NUMERIC_METRICS: dict[str, NumericMetric] = {
    **divergence.NUMERIC_METRICS,
    **two_sample.NUMERIC_METRICS,
    **sample_tests.NUMERIC_METRICS,
    **discrepancy.NUMERIC_METRICS,
    **statistics.NUMERIC_METRICS,
}
CATEGORICAL_METRICS: dict[str, CategoricalMetric] = {
    **divergence.CATEGORICAL_METRICS,
    **contingency.CATEGORICAL_METRICS,
}
EXTREMES = ("min", "max")
"""Of rows, whatever they weigh."""
CONSTANT = "reference and chunk have one and the same value only: {value}"


def numeric_drift(
    metric: str,
    convention: Convention,
    reference: ValueTable,
    chunks: Sequence[ValueTable],
    *,
    min_rows: int = 30,
    seeds: Sequence[int] = (),
) -> list[Measurement]:
    """One measurement a chunk of a numeric column; `seeds`, one a chunk, are those of metrics that draw samples.

    Untested where the reference or the chunk has fewer than `min_rows` finite values, where both are one and the same constant, and where
    the metric says so itself. Plain statistics (mean, std, sum, median, min, max) look at the chunk only.
    Raises KeyError for a metric that numeric columns do not have, and ValueError where exact tables meet tables of cells.
    """
    plain = metric in statistics.PLAIN
    if not plain and any(chunk.exact != reference.exact for chunk in chunks if chunk.n):
        raise ValueError("an exact table and a table of cells do not compare")
    constant = _constant(reference) if not plain and reference.n else None

    def reason(chunk: ValueTable) -> str | None:
        if constant is not None and chunk.lowest == chunk.highest == constant:
            return CONSTANT.format(value=f"{constant:g}")
        return None

    measure, seeded = NUMERIC_METRICS[metric], discrepancy.SEEDED_METRICS.get(metric)

    def series(rest: list[ValueTable], places: list[int]) -> Series:
        if seeded is None or not seeds:
            return measure(convention, reference, rest)
        return seeded(reference, rest, [seeds[place] for place in places])

    return _measured(series, None if plain else reference, chunks, min_rows, reason, weighs=metric not in EXTREMES)


def categorical_drift(
    metric: str,
    convention: Convention,
    reference: CategoryTable,
    chunks: Sequence[CategoryTable],
    *,
    min_rows: int = 30,
) -> list[Measurement]:
    """One measurement a chunk of a categorical column; untested as for numeric columns.

    Raises KeyError for a metric that categorical columns do not have.
    """
    present = np.flatnonzero(reference.counts)
    constant = reference.categories[present[0]] if len(present) == 1 else None

    def reason(chunk: CategoryTable) -> str | None:
        if constant is not None and chunk.counts_of([constant])[0] == chunk.n:
            return CONSTANT.format(value=constant)
        return None

    measure = CATEGORICAL_METRICS[metric]
    return _measured(lambda rest, _: measure(convention, reference, rest), reference, chunks, min_rows, reason)


def few_numbers_drift(
    metric: str,
    convention: Convention,
    reference: ValueTable,
    chunks: Sequence[ValueTable],
    *,
    min_rows: int = 30,
) -> list[Measurement]:
    """One measurement a chunk of a numeric column whose values are taken as categories; untested on cells.

    Raises KeyError for a metric that categorical columns do not have.
    """
    if not reference.exact:
        return [untested(NEEDS_EXACT)] * len(chunks)
    of_chunks = [_as_categories(chunk) for chunk in chunks]
    return categorical_drift(metric, convention, _as_categories(reference), of_chunks, min_rows=min_rows)


def _as_categories(table: ValueTable) -> CategoryTable:
    """The values of an exact table as categories."""
    names = [repr(value) for value in table.values.tolist()]
    order = sorted(range(len(names)), key=names.__getitem__)
    categories = tuple(names[place] for place in order)
    return CategoryTable(categories=categories, counts=table.counts[order], missing=table.rows - table.n)


def binned(
    metric: str,
    convention: Convention,
    reference: ValueTable | CategoryTable,
    chunks: Sequence[ValueTable] | Sequence[CategoryTable],
) -> Binned:
    """Rows by the bins of a metric that is a function of such counts, as its null needs them.

    Raises NoBins saying why where there are none: one bin only, or Evidently's bins, which every chunk has of its own.
    """
    if convention is Convention.EVIDENTLY and metric in (*divergence.EVIDENTLY, "chi_squared"):
        raise NoBins("Evidently's own definition has no calibrated limits")
    if isinstance(reference, CategoryTable):
        pooled = metric in divergence.NANNYML_BINNED
        tables = [chunk for chunk in chunks if isinstance(chunk, CategoryTable)]
        return category_bins(convention if pooled else Convention.DESK, reference, tables)
    values = [chunk for chunk in chunks if isinstance(chunk, ValueTable)]
    if metric == "kolmogorov_smirnov":
        return fine_bins(reference, values)
    if metric == "wasserstein":
        return fine_bins(reference, values, two_sample.wasserstein_unit(convention, reference.effective))
    if convention is Convention.NANNYML and metric in divergence.NANNYML_BINNED:
        if not reference.exact:
            raise NoBins(NEEDS_EXACT)
        return nannyml_bins(reference, values)
    return quantile_bins(reference, values, divergence.SHARE_DISTANCES[metric].parts)


def _constant(table: ValueTable) -> float | None:
    return table.lowest if table.lowest == table.highest else None


def _measured(
    measure: Callable[[list[Table], list[int]], Series],
    reference: Table | None,
    chunks: Sequence[Table],
    min_rows: int,
    reason: Callable[[Table], str | None],
    *,
    weighs: bool = True,
) -> list[Measurement]:
    """The measurements of the chunks that can be tested (`measure` is given them and their places), in their places among the others' reasons."""
    if reference is not None and (short := _unusable("reference", reference, min_rows, weighs=weighs)):
        return [untested(short)] * len(chunks)
    why = [_unusable("chunk", chunk, min_rows, weighs=weighs) or reason(chunk) for chunk in chunks]
    places = [place for place, text in enumerate(why) if text is None]
    if not places:
        return [untested(text) for text in why if text is not None]
    with np.errstate(all="ignore"):  # a value that is not finite becomes a reason
        found = iter(measure([chunks[place] for place in places], places).measurements())
    return [next(found) if text is None else untested(text) for text in why]


def _unusable(what: str, table: ValueTable | CategoryTable, min_rows: int, *, weighs: bool) -> str | None:
    """Why a side cannot be measured: too few rows with a value, or none that weighs anything."""
    rows = table.n
    if rows == 0:
        return f"the {what} has no values of this column"
    if rows < min_rows:
        return f"the {what} has {rows} values of this column, fewer than {min_rows}"
    if weighs and table.weighted is not None and table.weighted.n <= 0:
        return f"all values of this column in the {what} weigh 0"
    return None
