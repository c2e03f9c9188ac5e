"""Tests of a categorical column on its contingency table: two rows (reference, chunk), one column a category.

Categories without rows on both sides do not count. A column with one category in reference and chunk together has nothing to test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from mlops_desk.aggregates.tables import Amounts, CategoryTable, Counts
from mlops_desk.domain.metric import Convention, Direction
from mlops_desk.metrics.binning import category_bins
from mlops_desk.metrics.series import (
    CATEGORICAL,
    P_VALUE,
    CategoricalMetric,
    Floats,
    Series,
    drift_definitions,
)

ONE_CATEGORY = "reference and chunk together have one category only"
NOT_TWO = "needs exactly two categories in reference and chunk together"
UNSEEN = "the chunk has a category that the reference lacks, so Evidently's χ² is infinite"

DEFINITIONS = (
    *drift_definitions(
        "chi_squared", "χ² statistic", Direction.LOWER, (0, math.inf), (CATEGORICAL,), Convention.EVIDENTLY
    ),
    *drift_definitions("chi_squared_p", "χ² p-value", Direction.HIGHER, P_VALUE, (CATEGORICAL,), Convention.EVIDENTLY),
    *drift_definitions("cramers_v", "Cramér's V, bias-corrected", Direction.LOWER, (0, 1), (CATEGORICAL,)),
    *drift_definitions("g_test", "G statistic", Direction.LOWER, (0, math.inf), (CATEGORICAL,)),
    *drift_definitions("g_test_p", "G-test p-value", Direction.HIGHER, P_VALUE, (CATEGORICAL,)),
    *drift_definitions("z_test", "Two-proportion z", Direction.NEITHER, (-math.inf, math.inf), (CATEGORICAL,)),
    *drift_definitions("z_test_p", "Two-proportion z-test p-value", Direction.HIGHER, P_VALUE, (CATEGORICAL,)),
    *drift_definitions("fisher_exact", "Odds ratio", Direction.NEITHER, (0, math.inf), (CATEGORICAL,)),
    *drift_definitions("fisher_exact_p", "Fisher's exact p-value", Direction.HIGHER, P_VALUE, (CATEGORICAL,)),
)


def _expected(reference: Amounts, chunks: Amounts) -> tuple[Floats, Floats, Counts]:
    """Expected counts of both rows of each table, 1 where a category has no rows at all, and the degrees of freedom."""
    totals = reference + chunks
    rows, chunk_rows = reference.sum(axis=-1, keepdims=True), chunks.sum(axis=-1, keepdims=True)
    share = np.where(totals > 0, totals, 1) / (rows + chunk_rows)
    return share * rows, share * chunk_rows, (totals > 0).sum(axis=-1) - 1


def chi_squared(reference: Amounts, chunks: Amounts, *, yates: bool = True) -> tuple[Floats, Counts]:
    """Pearson's χ² Σ(O - E)²/E of each chunk's table and its degrees of freedom k - 1; `yates` corrects 2×2 tables for continuity.

    Equal to scipy.stats.chi2_contingency; in [0, ∞), 0 where the shares are equal.

    >>> chi_squared(np.array([50, 50, 0]), np.array([[50, 50, 0], [40, 40, 20]]))[0].round(4).tolist()
    [0.0, 22.2222]
    """
    of_reference, of_chunks, freedom = _expected(reference, chunks)
    off_reference, off_chunks = np.abs(reference - of_reference), np.abs(chunks - of_chunks)
    absent = reference + chunks == 0
    if yates:
        corrected = (freedom == 1)[..., np.newaxis]
        off_reference = np.where(corrected, off_reference - np.minimum(0.5, off_reference), off_reference)
        off_chunks = np.where(corrected, off_chunks - np.minimum(0.5, off_chunks), off_chunks)
    terms = off_reference**2 / of_reference + off_chunks**2 / of_chunks
    return np.where(absent, 0.0, terms).sum(axis=-1), freedom


def _goodness_of_fit(reference: Counts, chunks: Counts) -> tuple[Floats, Counts]:
    """Evidently's χ² of the chunk's counts against the reference's shares; infinite with a category that the reference lacks."""
    expected = reference * (chunks.sum(axis=-1, keepdims=True) / reference.sum())
    present = reference + chunks > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(present, (chunks - expected) ** 2 / expected, 0.0)
    return terms.sum(axis=-1), present.sum(axis=-1) - 1


def _tail(statistics: Floats, freedom: Counts) -> Floats:
    """Upper tail of the χ² distribution; NaN without degrees of freedom."""
    from scipy.special import chdtrc

    return np.where(freedom > 0, chdtrc(np.maximum(freedom, 1), statistics), np.nan)


def _statistic(convention: Convention, reference: Counts, chunks: Counts) -> tuple[Floats, Counts]:
    return _goodness_of_fit(reference, chunks) if convention is Convention.EVIDENTLY else chi_squared(reference, chunks)


def _chi_squared(convention: Convention, reference: Counts, chunks: Counts) -> Series:
    values, freedom = _statistic(convention, reference, chunks)
    if convention is Convention.EVIDENTLY:
        undefined = UNSEEN if np.isinf(values).any() else ONE_CATEGORY
        return Series(values=np.where(freedom > 0, values, np.nan), undefined=undefined)
    errors = np.sqrt(2.0 * freedom + 4.0 * np.maximum(values - freedom, 0.0))
    return Series(values=np.where(freedom > 0, values, np.nan), undefined=ONE_CATEGORY, sampling_errors=errors)


def _chi_squared_p(convention: Convention, reference: Counts, chunks: Counts) -> Series:
    return Series(values=_tail(*_statistic(convention, reference, chunks)), undefined=ONE_CATEGORY)


def _cramers_v(_: Convention, reference: Counts, chunks: Counts) -> Series:
    """Bergsma's bias-corrected V (J. Korean Stat. Soc. 42, 2013), in [0, 1], from χ² without Yates' correction."""
    statistics, freedom = chi_squared(reference, chunks, yates=False)
    n = reference.sum() + chunks.sum(axis=-1)
    excess = np.maximum(statistics / n - freedom / (n - 1.0), 0.0)
    categories = freedom + 1.0 - freedom**2 / (n - 1.0)
    samples = 2.0 - 1.0 / (n - 1.0)
    values = np.sqrt(excess / np.where(freedom > 0, np.minimum(categories, samples) - 1.0, np.nan))
    return Series(values=np.minimum(values, 1.0), undefined=ONE_CATEGORY)  # sums round


def _log_likelihood_ratio(reference: Counts, chunks: Counts) -> tuple[Floats, Counts]:
    """G = 2ΣO ln(O/E) and its degrees of freedom."""
    of_reference, of_chunks, freedom = _expected(reference, chunks)
    terms = [
        np.where(counts > 0, counts * np.log(np.where(counts > 0, counts, 1) / expected), 0.0)
        for counts, expected in ((reference, of_reference), (chunks, of_chunks))
    ]
    return np.maximum(2.0 * (terms[0] + terms[1]).sum(axis=-1), 0.0), freedom


def _g_test(_: Convention, reference: Counts, chunks: Counts) -> Series:
    values, freedom = _log_likelihood_ratio(reference, chunks)
    return Series(values=np.where(freedom > 0, values, np.nan), undefined=ONE_CATEGORY)


def _g_test_p(_: Convention, reference: Counts, chunks: Counts) -> Series:
    return Series(values=_tail(*_log_likelihood_ratio(reference, chunks)), undefined=ONE_CATEGORY)


def _twofold(reference: Counts, chunk: Counts) -> Counts | None:
    """The 2×2 table of one chunk, None where there are not two categories."""
    present = reference + chunk > 0
    return np.array([reference[present], chunk[present]]) if present.sum() == 2 else None


def _by_table(
    measure: Callable[[Counts], float], reference: Counts, chunks: Counts, undefined: str = NOT_TWO
) -> Series:
    tables = [_twofold(reference, chunk) for chunk in chunks]
    return Series(
        values=np.array([math.nan if table is None else measure(table) for table in tables]), undefined=undefined
    )


def _z(table: Counts) -> float:
    """Pooled z of the second category's share, positive where the reference has more of it."""
    rows = table.sum(axis=1)
    share = table[:, 1].sum() / rows.sum()
    spread = math.sqrt(share * (1.0 - share) * (1.0 / rows[0] + 1.0 / rows[1]))
    return float(table[0, 1] / rows[0] - table[1, 1] / rows[1]) / spread


def _z_test(_: Convention, reference: Counts, chunks: Counts) -> Series:
    return _by_table(_z, reference, chunks)


def _z_test_p(_: Convention, reference: Counts, chunks: Counts) -> Series:
    return _by_table(lambda table: math.erfc(abs(_z(table)) / math.sqrt(2.0)), reference, chunks)


def _odds_ratio(table: Counts) -> float:
    across = int(table[0, 1]) * int(table[1, 0])
    return int(table[0, 0]) * int(table[1, 1]) / across if across else math.nan


def _fisher_exact(_: Convention, reference: Counts, chunks: Counts) -> Series:
    return _by_table(_odds_ratio, reference, chunks, f"{NOT_TWO}, and rows in both for the odds")


def _fisher_p(table: Counts) -> float:
    from scipy.stats import fisher_exact

    return float(fisher_exact(table).pvalue)


def _fisher_exact_p(_: Convention, reference: Counts, chunks: Counts) -> Series:
    return _by_table(_fisher_p, reference, chunks)


def _on_categories(measure: Callable[[Convention, Counts, Counts], Series]) -> CategoricalMetric:
    def measured(convention: Convention, reference: CategoryTable, chunks: Sequence[CategoryTable]) -> Series:
        bins = Convention.DESK if convention is Convention.NANNYML else convention
        binned = category_bins(bins, reference, chunks)
        return measure(convention, binned.reference, binned.chunks)

    return measured


CATEGORICAL_METRICS: dict[str, CategoricalMetric] = {
    "chi_squared": _on_categories(_chi_squared),
    "chi_squared_p": _on_categories(_chi_squared_p),
    "cramers_v": _on_categories(_cramers_v),
    "g_test": _on_categories(_g_test),
    "g_test_p": _on_categories(_g_test_p),
    "z_test": _on_categories(_z_test),
    "z_test_p": _on_categories(_z_test_p),
    "fisher_exact": _on_categories(_fisher_exact),
    "fisher_exact_p": _on_categories(_fisher_exact_p),
}
