"""Rank, moment and characteristic-function tests of two samples of a numeric column; statistics and p-values are SciPy's.

Of cells, Welch's t is exact, and Mann-Whitney and Cramér-von Mises statistics carry a bound that allows for every order of the rows within
a cell; the rest is untested there. scipy.stats is imported only for samples so small that SciPy counts arrangements.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mlops_desk.aggregates.tables import ValueTable, mean_difference
from mlops_desk.domain.metric import Convention, Direction
from mlops_desk.metrics.binning import quantiles
from mlops_desk.metrics.samples import Order, Samples, samples
from mlops_desk.metrics.series import (
    NEEDS_EXACT,
    NUMERIC,
    P_VALUE,
    Floats,
    NumericMetric,
    Series,
    drift_definitions,
    without_values,
)
from mlops_desk.metrics.two_sample import ROUNDING, joined

BOTH_CONSTANT = "reference and chunk are both constant, or one is a single value, so there is no variance to compare by"
NO_QUARTILE_RANGE = "half of all rows have one and the same value, or reference and chunk are both constant, so there is nothing to scale by"

DEFINITIONS = (
    *drift_definitions("cramer_von_mises", "Cramér–von Mises statistic", Direction.LOWER, (0, math.inf), (NUMERIC,)),
    *drift_definitions("cramer_von_mises_p", "Cramér–von Mises p-value", Direction.HIGHER, P_VALUE, (NUMERIC,)),
    *drift_definitions(
        "anderson_darling", "Anderson–Darling statistic", Direction.LOWER, (-math.inf, math.inf), (NUMERIC,)
    ),
    *drift_definitions("anderson_darling_p", "Anderson–Darling p-value", Direction.HIGHER, (0.001, 0.25), (NUMERIC,)),
    *drift_definitions("mann_whitney", "Mann–Whitney U", Direction.NEITHER, (0, math.inf), (NUMERIC,)),
    *drift_definitions("mann_whitney_p", "Mann–Whitney p-value", Direction.HIGHER, P_VALUE, (NUMERIC,)),
    *drift_definitions("t_test", "Welch's t", Direction.NEITHER, (-math.inf, math.inf), (NUMERIC,)),
    *drift_definitions("t_test_p", "Welch's t-test p-value", Direction.HIGHER, P_VALUE, (NUMERIC,)),
    *drift_definitions("epps_singleton", "Epps–Singleton statistic", Direction.LOWER, (0, math.inf), (NUMERIC,)),
    *drift_definitions("epps_singleton_p", "Epps–Singleton p-value", Direction.HIGHER, P_VALUE, (NUMERIC,)),
)


def _pairs(both: Samples, order: Order, unknown: float) -> Floats:
    """By entry: the pairs of a reference row above a chunk row, half for ties, and a share `unknown` where the order is."""
    product = both.reference.counts * both.chunk.counts
    share = np.where(order.reference_first, 0.0, np.where(order.chunk_first, 1.0, np.where(order.tied, 0.5, unknown)))
    return np.asarray(product * share)


def _rank_sum(both: Samples) -> tuple[Floats, Floats]:
    """Mann–Whitney's U and its bound."""
    pairs, least, most = (
        _pairs(both, order, unknown).sum(axis=-1)
        for order, unknown in ((both.apparent, 0.5), (both.certain, 0.0), (both.certain, 1.0))
    )
    apart = (both.reference.counts * both.chunk.before).sum(axis=-1)
    return apart + pairs, np.maximum(pairs - least, most - pairs)


def _mann_whitney(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """U of the reference: the pairs in which its row is the greater one, half for ties."""
    values, bounds = joined([_rank_sum(both) for both in samples(reference, chunks)])
    sizes = np.array([chunk.n for chunk in chunks], dtype=np.float64)
    errors = np.sqrt(reference.n * sizes * (reference.n + sizes + 1.0) / 12.0)
    return Series(values=values, error_bounds=bounds, sampling_errors=errors)


def _mann_whitney_p(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """Two-sided, by the normal limit with ties and continuity corrected; exact for at most 8 rows without ties (SciPy's 'auto')."""
    if not reference.exact:
        return without_values(len(chunks), NEEDS_EXACT)
    values = np.full(len(chunks), np.nan)
    for place, (chunk, both) in enumerate(zip(chunks, samples(reference, chunks), strict=True)):
        ties = both.reference.counts + both.chunk.counts
        if min(reference.n, chunk.n) <= 8 and ties.max() == 1:
            from scipy.stats import mannwhitneyu

            values[place] = mannwhitneyu(reference.values, chunk.values).pvalue
            continue
        n = float(reference.n + chunk.n)
        correction = float((ties**3 - ties).sum()) / (n * (n - 1.0))
        spread = math.sqrt(reference.n * chunk.n / 12.0 * (n + 1.0 - correction))
        if spread > 0:
            product = float(reference.n) * chunk.n
            u = float(_rank_sum(both)[0])
            score = (max(u, product - u) - product / 2.0 - 0.5) / spread
            values[place] = min(math.erfc(score / math.sqrt(2.0)), 1.0)
    return Series(values=values, undefined="all rows have one and the same value, so there are no ranks to compare")


def _scaled_squares(both: Samples) -> tuple[Floats, Floats]:
    """Cramér–von Mises T and its bound, from U = NΣ(r - i)² + MΣ(s - j)² over ranks r, s in the pooled and i, j in the own sample.

    In a cell of a and b rows, after A and B rows, a pairs K and own ties, NΣ(r - i)² = N(aB² + 2BK + Q), so that the order within the
    cell moves only 2K(NB - MA) and the Qs, and K²/a <= Q <= bK + a(a² - 1)/12 (Jensen; each term at most b; all a tied).
    """
    a, b = np.broadcast_arrays(both.reference.counts, both.chunk.counts)
    n, m = both.reference.n, both.chunk.n
    ahead, behind = both.reference.before, both.chunk.before
    scale = (n * m * (n + m))[..., 0]
    ties_a, ties_b = a * (a**2 - 1.0) / 12.0, b * (b**2 - 1.0) / 12.0
    fixed = n * a * behind**2 + m * b * (ahead**2 + 2.0 * ahead * a)
    slope = 2.0 * (n * behind - m * ahead)

    def within(order: Order) -> Floats:
        """What the order within cells adds: half of the pairs and no ties where it is unknown."""
        pairs = _pairs(both, order, 0.5)
        of_pairs = _quotient(pairs**2, a) * n + _quotient((a * b - pairs) ** 2, b) * m
        own_ties = n * np.where(order.reference_point, ties_a, 0.0) + m * np.where(order.chunk_point, ties_b, 0.0)
        mixed = (n * a * b**2 + m * b * a**2) / 3.0
        return np.asarray(slope * pairs + np.where(order.unknown, mixed, of_pairs + own_ties))

    value = within(both.apparent)
    t = (fixed + value).sum(axis=-1) / scale - ((4.0 * n * m - 1.0) / (6.0 * (n + m)))[..., 0]
    if both.exact:
        return t, np.zeros_like(t)
    free_ties = n * ties_a + m * ties_b
    best = np.clip(
        _quotient(2.0 * m * a - slope, 2.0 * (n * _quotient(b, a * b) + m * _quotient(a, a * b))), 0.0, a * b
    )
    least = slope * best + n * _quotient(best**2, a) + m * _quotient((a * b - best) ** 2, b)
    greatest = np.maximum(m * a**2 * b, slope * a * b + n * a * b**2) + free_ties
    known = within(both.certain)
    more_ties = n * np.where(both.certain.reference_point, 0.0, ties_a) + m * np.where(
        both.certain.chunk_point, 0.0, ties_b
    )
    low = np.where(both.certain.unknown, least, known).sum(axis=-1)
    high = np.where(both.certain.unknown, greatest, known + more_ties).sum(axis=-1)
    values = value.sum(axis=-1)
    return t, np.maximum(values - low, high - values) / scale + ROUNDING * (n + m)[..., 0]


def _quotient(dividend: Floats, divisor: Floats) -> Floats:
    """The quotient, 0 where the divisor is."""
    return np.where(divisor > 0, dividend / np.where(divisor > 0, divisor, 1.0), 0.0)


def _cramer_von_mises(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """T of Anderson, Ann. Math. Stat. 33 (1962), with mid-ranks for ties."""
    values, bounds = joined([_scaled_squares(both) for both in samples(reference, chunks)])
    return Series(values=values, error_bounds=bounds)


def _limiting_cramer_von_mises(x: float) -> float:
    """The limiting distribution function (Csörgő and Faraway, J. R. Stat. Soc. B 58, 1996, eq. 1.2), terms down to 1e-7."""
    from scipy.special import gammaln, kv

    total, k = 0.0, 0
    while True:
        y = 4 * k + 1
        q = y**2 / (16 * x)
        weight = math.exp(gammaln(k + 0.5) - gammaln(k + 1)) / (math.pi**1.5 * math.sqrt(x))
        term = float(weight * math.sqrt(y) * math.exp(-q) * kv(0.25, q))
        total += term
        if abs(term) < 1e-7:
            return total
        k += 1


def _cramer_von_mises_p(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """By the limiting distribution at T brought to its mean and variance (Anderson 1962); exact for at most 20 rows, as in SciPy."""
    if not reference.exact:
        return without_values(len(chunks), NEEDS_EXACT)
    values = np.full(len(chunks), np.nan)
    for place, (chunk, both) in enumerate(zip(chunks, samples(reference, chunks), strict=True)):
        if min(reference.n, chunk.n) < 2:
            continue
        if max(reference.n, chunk.n) <= 20:
            from scipy.stats import cramervonmises_2samp

            rows = (np.repeat(table.values, table.counts) for table in (reference, chunk))
            values[place] = cramervonmises_2samp(*rows).pvalue
            continue
        product, n = float(reference.n) * chunk.n, float(reference.n + chunk.n)
        mean = (1.0 + 1.0 / n) / 6.0
        smaller = 4.0 * product * n - 3.0 * (float(reference.n) ** 2 + float(chunk.n) ** 2) - 2.0 * product
        variance = (n + 1.0) / (45.0 * n**2 * (4.0 * product)) * smaller
        t = 1.0 / 6.0 + (float(_scaled_squares(both)[0]) - mean) / math.sqrt(45.0 * variance)
        values[place] = 1.0 if t < 0.003 else max(0.0, 1.0 - _limiting_cramer_von_mises(t))
    return Series(values=values)


# Significance levels and coefficients of the critical values of the k-sample statistic: Scholz and Stephens, J. Amer. Statist. Assoc. 82
# (1987), table 2, with the levels 0.005 and 0.001 that SciPy adds.
ANDERSON_LEVELS = np.array([0.25, 0.1, 0.05, 0.025, 0.01, 0.005, 0.001])
ANDERSON_BY_SAMPLES = np.array(
    [
        [0.675, 1.281, 1.645, 1.96, 2.326, 2.573, 3.085],
        [-0.245, 0.25, 0.678, 1.149, 1.822, 2.364, 3.615],
        [-0.105, -0.305, -0.362, -0.391, -0.396, -0.345, -0.154],
    ]
)


def _standardised_anderson(both: Samples) -> float:
    """The two-sample Anderson–Darling statistic with mid-ranks, less its mean and over its standard deviation."""
    a, b = both.reference.counts, both.chunk.counts
    rows = (float(a.sum()), float(b.sum()))
    n = rows[0] + rows[1]
    pooled = a + b
    middle = np.cumsum(pooled) - pooled / 2.0
    weight = pooled / n / (middle * (n - middle) - n * pooled / 4.0)
    statistic = 0.0
    for counts, size in zip((a, b), rows, strict=True):
        own = np.cumsum(counts) - counts / 2.0
        statistic += float((weight * (n * own - middle * size) ** 2).sum()) / size
    statistic *= (n - 1.0) / n
    inverse = 1.0 / rows[0] + 1.0 / rows[1]
    harmonic = np.cumsum(1.0 / np.arange(n - 1, 0, -1))
    h, g = float(harmonic[-1]), float((harmonic[:-1] / np.arange(2, n)).sum())
    cubic = (4.0 * g - 6.0) + (10.0 - 6.0 * g) * inverse
    square = (2.0 * g - 4.0) * 4.0 + 16.0 * h + (2.0 * g - 14.0 * h - 4.0) * inverse - 8.0 * h + 4.0 * g - 6.0
    linear = (6.0 * h + 2.0 * g - 2.0) * 4.0 + (4.0 * h - 4.0 * g + 6.0) * 2.0 + (2.0 * h - 6.0) * inverse + 4.0 * h
    constant = (2.0 * h + 6.0) * 4.0 - 8.0 * h
    variance = (cubic * n**3 + square * n**2 + linear * n + constant) / ((n - 1.0) * (n - 2.0) * (n - 3.0))
    return (statistic - 1.0) / math.sqrt(variance)


def _anderson_values(reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    if not reference.exact:
        return without_values(len(chunks), NEEDS_EXACT)
    values = [
        math.nan if len(both.reference.counts) < 2 else _standardised_anderson(both)
        for both in samples(reference, chunks)
    ]
    return Series(values=np.array(values), undefined="all rows have one and the same value")


def _anderson_darling(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """Scholz and Stephens' standardised statistic, mid-ranks for ties."""
    return _anderson_values(reference, chunks)


def _anderson_darling_p(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """By a parabola through the logarithms of the tabled levels, kept within [0.001, 0.25] (SciPy's)."""
    series = _anderson_values(reference, chunks)
    critical = ANDERSON_BY_SAMPLES[0] + ANDERSON_BY_SAMPLES[1] + ANDERSON_BY_SAMPLES[2]
    parabola = np.polyfit(critical, np.log(ANDERSON_LEVELS), 2)
    fitted = np.exp(np.polyval(parabola, np.clip(series.values, critical.min(), critical.max())))
    inside = np.where(series.values > critical.max(), ANDERSON_LEVELS.min(), fitted)
    values = np.where(series.values < critical.min(), ANDERSON_LEVELS.max(), inside)
    return Series(values=values, undefined=series.undefined)


def _welch(reference: ValueTable, chunk: ValueTable) -> tuple[float, float]:
    """Welch's t (reference less chunk) and its degrees of freedom; NaN where both are constant, or one is a single value.

    Variances are taken in units of the greater one, whose squares neither vanish nor run over.
    """
    tables = (reference, chunk)
    if min(table.n for table in tables) < 2:
        return math.nan, math.nan
    parts = [table.deviation_squares / (table.n - 1) / table.n for table in tables]
    unit = max(parts)
    if unit == 0 or not math.isfinite(unit):
        return math.nan, math.nan
    shares = [part / unit for part in parts]
    freedom = sum(shares) ** 2 / sum(share**2 / (table.n - 1) for share, table in zip(shares, tables, strict=True))
    return mean_difference(reference, chunk) / (math.sqrt(unit) * math.sqrt(sum(shares))), freedom


def _t_test(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """Welch's t, positive where the reference's mean is the greater; of cells exact, for their sums of squares are."""
    values = np.array([_welch(reference, chunk)[0] for chunk in chunks])
    return Series(values=values, undefined=BOTH_CONSTANT, sampling_errors=np.ones(len(chunks)))


def _t_test_p(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """Two-sided p-value of Welch's t."""
    from scipy.special import stdtr

    tests = [_welch(reference, chunk) for chunk in chunks]
    return Series(values=np.array([2.0 * stdtr(df, -abs(t)) for t, df in tests]), undefined=BOTH_CONSTANT)


def _epps_singleton_parts(both: Samples) -> tuple[float, int]:
    """W and its degrees of freedom (Epps and Singleton, J. Stat. Comput. Simul. 26, 1986), at 0.4 and 0.8 semi-quartile ranges.

    W is the same wherever the values lie, so they are moved to 0, where angles keep their digits.
    """
    values = both.reference.means - both.reference.means[len(both.reference.means) // 2]
    pooled = (both.reference.counts + both.chunk.counts).astype(np.int64)
    quartiles = quantiles(ValueTable(values=values, counts=pooled), np.array([0.25, 0.75]))
    half_range = float(quartiles[1] - quartiles[0]) / 2.0
    both_constant = np.count_nonzero(both.reference.counts) == 1 == np.count_nonzero(both.chunk.counts)
    if half_range == 0 or both_constant:
        return math.nan, 0
    angles = np.array([[0.4], [0.8]]) / half_range * values
    if not np.isfinite(angles).all():
        return math.nan, 0
    functions = np.vstack([np.cos(angles), np.sin(angles)])
    n = float(pooled.sum())
    means, covariance = [], np.zeros((4, 4))
    for side in (both.reference, both.chunk):
        shares = side.counts / side.n
        mean = functions @ shares
        centred = functions - mean[:, np.newaxis]
        covariance += n / float(side.n[0]) * (centred * shares) @ centred.T
        means.append(mean)
    inverse = np.linalg.pinv(covariance)
    difference = means[0] - means[1]
    w = n * float(difference @ inverse @ difference)
    rows = float(both.reference.n[0]), float(both.chunk.n[0])
    if max(rows) < 25:
        w /= 1.0 + n ** (-0.45) + 10.1 * (rows[0] ** (-1.7) + rows[1] ** (-1.7))
    return w, int(np.linalg.matrix_rank(inverse))


def _epps_singleton(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """W, approximately χ² of 4 degrees where the distributions are equal."""
    if not reference.exact:
        return without_values(len(chunks), NEEDS_EXACT)
    values = [_epps_singleton_parts(both)[0] for both in samples(reference, chunks)]
    return Series(values=np.array(values), undefined=NO_QUARTILE_RANGE)


def _epps_singleton_p(_: Convention, reference: ValueTable, chunks: Sequence[ValueTable]) -> Series:
    """Upper tail of the χ² distribution."""
    from scipy.special import chdtrc

    if not reference.exact:
        return without_values(len(chunks), NEEDS_EXACT)
    tests = [_epps_singleton_parts(both) for both in samples(reference, chunks)]
    return Series(values=np.array([chdtrc(df, w) for w, df in tests]), undefined=NO_QUARTILE_RANGE)


NUMERIC_METRICS: dict[str, NumericMetric] = {
    "cramer_von_mises": _cramer_von_mises,
    "cramer_von_mises_p": _cramer_von_mises_p,
    "anderson_darling": _anderson_darling,
    "anderson_darling_p": _anderson_darling_p,
    "mann_whitney": _mann_whitney,
    "mann_whitney_p": _mann_whitney_p,
    "t_test": _t_test,
    "t_test_p": _t_test_p,
    "epps_singleton": _epps_singleton,
    "epps_singleton_p": _epps_singleton_p,
}
