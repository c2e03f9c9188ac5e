"""What a results table should say of a made log, from its rows alone: SciPy, scikit-learn, and the formulas of fairlearn written out.

An answer is a number, or None where there is none to give: too few rows, a constant, an absent class or group.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import scipy.stats as sps
from scipy.spatial import distance
from sklearn import metrics as sk

MIN_ROWS = 30
Answer = float | None
Rows = np.ndarray


def finite(values: Iterable[Any]) -> Rows:
    return np.array([float(one) for one in values if one is not None and math.isfinite(one)])


def text(value: Any) -> str:
    """A category as it is named: a truth is true or false."""
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)


# ---- drift ----


def quantile_bins(x: Rows, y: Rows, parts: int) -> tuple[Rows, Rows] | None:
    """Counts in the reference's quantile bins with open ends; None where all rows are in one."""
    edges = np.unique(np.quantile(x, np.arange(1, parts) / parts))
    edges = edges[edges > x.min()]
    if not len(edges):
        return None
    x, y = (np.bincount(np.searchsorted(edges, rows, side="right"), minlength=len(edges) + 1) for rows in (x, y))
    return x, y


def _js(a: Rows, b: Rows) -> float:
    return float(distance.jensenshannon(a / a.sum(), b / b.sum(), 2))


def _hellinger(a: Rows, b: Rows) -> float:
    return float(np.linalg.norm(np.sqrt(a / a.sum()) - np.sqrt(b / b.sum())) / math.sqrt(2))


def _smooth(a: Rows, b: Rows) -> tuple[Rows, Rows]:
    present = (a > 0) | (b > 0)
    a, b = a[present], b[present]
    return tuple((rows + 0.5) / (rows.sum() + 0.5 * len(rows)) for rows in (a, b))


def _psi(a: Rows, b: Rows) -> float:
    p, q = _smooth(a, b)
    return float(((q - p) * np.log(q / p)).sum())


def _kl(a: Rows, b: Rows) -> float:
    return float(sps.entropy(*_smooth(a, b)))


SHARES: dict[str, tuple[int, Callable[[Rows, Rows], float]]] = {
    "psi": (10, _psi),
    "kl_divergence": (10, _kl),
    "jensen_shannon": (20, _js),
    "hellinger": (20, _hellinger),
    "total_variation": (10, lambda a, b: float(np.abs(a / a.sum() - b / b.sum()).sum() / 2)),
    "l_infinity": (10, lambda a, b: float(np.abs(a / a.sum() - b / b.sum()).max())),
}


def _epps(x: Rows, y: Rows) -> Any:
    pooled = np.concatenate([x, y])
    return None if sps.iqr(pooled) == 0 else sps.epps_singleton_2samp(x, y)


def _of(test: Any, name: str) -> Answer:
    return None if test is None or math.isnan(getattr(test, name)) else float(getattr(test, name))


def _anderson(x: Rows, y: Rows) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sps.anderson_ksamp([x, y])


def _over(value: float, spread: float) -> Answer:
    return value / spread if spread > 0 else None


TESTS: dict[str, Callable[[Rows, Rows], Answer]] = {
    "kolmogorov_smirnov": lambda x, y: sps.ks_2samp(x, y).statistic,
    "kolmogorov_smirnov_p": lambda x, y: sps.ks_2samp(x, y).pvalue,
    "wasserstein": lambda x, y: _over(sps.wasserstein_distance(x, y), x.std()),
    "energy": lambda x, y: _over(sps.energy_distance(x, y), math.sqrt(x.std())),
    "cramer_von_mises": lambda x, y: sps.cramervonmises_2samp(x, y).statistic,
    "cramer_von_mises_p": lambda x, y: sps.cramervonmises_2samp(x, y).pvalue,
    "anderson_darling": lambda x, y: _anderson(x, y).statistic,
    "anderson_darling_p": lambda x, y: _anderson(x, y).pvalue,
    "mann_whitney": lambda x, y: sps.mannwhitneyu(x, y).statistic,
    "mann_whitney_p": lambda x, y: sps.mannwhitneyu(x, y).pvalue,
    "t_test": lambda x, y: sps.ttest_ind(x, y, equal_var=False).statistic,
    "t_test_p": lambda x, y: sps.ttest_ind(x, y, equal_var=False).pvalue,
    "epps_singleton": lambda x, y: _of(_epps(x, y), "statistic"),
    "epps_singleton_p": lambda x, y: _of(_epps(x, y), "pvalue"),
    "mean_shift": lambda x, y: _over(y.mean() - x.mean(), x.std(ddof=1)),
    "std_ratio": lambda x, y: _over(y.std(ddof=1), x.std(ddof=1)),
    "median_shift": lambda x, y: _over(np.median(y) - np.median(x), x.std(ddof=1)),
}
PLAIN: dict[str, Callable[[Rows], float]] = {
    "mean": lambda y: y.mean(),
    "std": lambda y: y.std(ddof=1),
    "sum": math.fsum,
    "median": np.median,
    "min": lambda y: y.min(),
    "max": lambda y: y.max(),
}


def number_drift(metric: str, reference: Sequence[Any], chunk: Sequence[Any]) -> Answer:
    x, y = finite(reference), finite(chunk)
    if metric in PLAIN:
        return None if len(y) < MIN_ROWS else float(PLAIN[metric](y))
    if min(len(x), len(y)) < MIN_ROWS or len(np.unique(np.concatenate([x, y]))) == 1:
        return None
    if metric in SHARES:
        parts, formula = SHARES[metric]
        bins = quantile_bins(x, y, parts)
        return None if bins is None else formula(*bins)
    centre = float(np.median(x))
    if (
        abs(centre) > 1e3 * x.std()
    ):  # the mean of large numbers loses digits, and none of these looks at where the numbers lie
        x, y = x - centre, y - centre
    found = TESTS[metric](x, y)
    return None if found is None else float(found)


def _g(table: Rows) -> Any:
    return sps.chi2_contingency(table, correction=False, lambda_="log-likelihood")


def _v(table: Rows) -> float:
    """Bergsma's correction, written out."""
    n, (r, k) = table.sum(), table.shape
    phi = max(sps.chi2_contingency(table, correction=False).statistic / n - (r - 1) * (k - 1) / (n - 1), 0)
    return math.sqrt(phi / min(k - (k - 1) ** 2 / (n - 1) - 1, r - (r - 1) ** 2 / (n - 1) - 1))


def _z(table: Rows) -> float:
    rows, hits = table.sum(axis=1), table[:, 1]
    pooled = hits.sum() / rows.sum()
    return float((hits[0] / rows[0] - hits[1] / rows[1]) / math.sqrt(pooled * (1 - pooled) * (1 / rows).sum()))


TWOFOLD: dict[str, Callable[[Rows], Answer]] = {
    "z_test": _z,
    "z_test_p": lambda table: 2 * sps.norm.sf(abs(_z(table))),
    "fisher_exact": lambda table: _over(float(table[0, 0] * table[1, 1]), float(table[0, 1] * table[1, 0])),
    "fisher_exact_p": lambda table: sps.fisher_exact(table).pvalue,
}
TABLES: dict[str, Callable[[Rows], Answer]] = {
    "chi_squared": lambda table: sps.chi2_contingency(table).statistic,
    "chi_squared_p": lambda table: sps.chi2_contingency(table).pvalue,
    "cramers_v": _v,
    "g_test": lambda table: _g(table).statistic,
    "g_test_p": lambda table: _g(table).pvalue,
}


def category_drift(metric: str, reference: Sequence[Any], chunk: Sequence[Any]) -> Answer:
    x, y = ([text(one) for one in rows if one is not None] for rows in (reference, chunk))
    names = sorted({*x, *y})
    if min(len(x), len(y)) < MIN_ROWS or len(names) < 2:
        return None
    table = np.array([[rows.count(name) for name in names] for rows in (x, y)])
    if metric in SHARES:
        return SHARES[metric][1](table[0].astype(float), table[1].astype(float))
    if metric in TABLES:
        return TABLES[metric](table)
    return TWOFOLD[metric](table) if len(names) == 2 else None


# ---- accuracy ----


def _safe(found: float) -> Answer:
    return None if math.isnan(found) else float(found)


def binary_performance(
    scores: Sequence[Any], told: Sequence[Any], labels: Sequence[Any], matrix: Any
) -> dict[str, Answer]:
    """Over the rows that have what each metric needs."""
    both = [(p, t) for p, t in zip(told, labels, strict=True) if p is not None and t is not None]
    ranked = [
        (s, t)
        for s, p, t in zip(scores, told, labels, strict=True)
        if s is not None and p is not None and t is not None
    ]
    found: dict[str, Answer] = {}
    p, t = (np.array(part) for part in zip(*both, strict=True)) if both else (np.zeros(0), np.zeros(0))
    known = [one for one in told if one is not None]
    enough = len(both) >= MIN_ROWS
    (tn, fp), (fn, tp) = sk.confusion_matrix(t, p, labels=[0, 1]) if both else np.zeros((2, 2))
    classes = len(set(t.tolist())) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found |= (
            {
                "accuracy": sk.accuracy_score(t, p),
                "balanced_accuracy": sk.balanced_accuracy_score(t, p) if classes else None,
                "cohen_kappa": _safe(sk.cohen_kappa_score(t, p)),
                "precision": _over(tp, tp + fp),
                "recall": _over(tp, tp + fn),
                "specificity": _over(tn, tn + fp),
                "f1": _over(2 * tp, 2 * tp + fp + fn),
                "mcc": sk.matthews_corrcoef(t, p) if classes and len(set(p.tolist())) == 2 else None,
                "true_positive": tp,
                "true_negative": tn,
                "false_positive": fp,
                "false_negative": fn,
                "label_rate": t.mean(),
                "business_value": float((np.array([[tn, fp], [fn, tp]]) * np.array(matrix)).sum()),
            }
            if enough
            else {}
        )
        found["prediction_rate"] = float(np.mean(known)) if len(known) >= MIN_ROWS else None
        if len(ranked) >= MIN_ROWS:
            s, t = (np.array(part, dtype=float) for part in zip(*ranked, strict=True))
            two = len(set(t.tolist())) == 2
            found["roc_auc"] = sk.roc_auc_score(t, s) if two else None
            found["average_precision"] = sk.average_precision_score(t, s) if t.any() else None
            eps = np.finfo(np.float64).eps
            found["log_loss"] = float(-np.log(np.where(t == 1, s, 1 - s).clip(eps, 1 - eps)).mean())
            found["brier"] = float(((s - t) ** 2).mean())
    return found


def class_performance(
    scores: Sequence[Sequence[Any]], told: Sequence[Any], labels: Sequence[Any], classes: Sequence[str], matrix: Any
) -> dict[tuple[str, str | None, str | None], Answer]:
    """By metric, class and group."""
    both = [(p, t) for p, t in zip(told, labels, strict=True) if p is not None and t is not None]
    found: dict[tuple[str, str | None, str | None], Answer] = {}
    if len(both) < MIN_ROWS:
        return found
    p, t = (np.array(part) for part in zip(*both, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found["accuracy", None, None] = sk.accuracy_score(t, p)
        for metric, score in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
            each = score(t, p, labels=list(classes), average=None, zero_division=math.nan)
            found[metric, None, None] = _safe(each.mean())
            found |= {(metric, one, None): _safe(value) for one, value in zip(classes, each, strict=True)}
        each = [sk.recall_score(t != one, p != one, zero_division=math.nan) for one in classes]
        found["specificity", None, None] = _safe(np.mean(each))
        found |= {("specificity", one, None): _safe(value) for one, value in zip(classes, each, strict=True)}
        found["f1_micro", None, None] = sk.f1_score(t, p, average="micro")
        found["f1_weighted", None, None] = sk.f1_score(t, p, average="weighted")
    counts = sk.confusion_matrix(t, p, labels=list(classes))
    for row, true in enumerate(classes):
        for column, predicted in enumerate(classes):
            found["confusion", None, f"{true}|{predicted}"] = counts[row, column]
    found["business_value", None, None] = float((counts * np.array(matrix)).sum())
    kept = [at for at, (p, t) in enumerate(zip(told, labels, strict=True)) if p is not None and t is not None]
    s, t = np.array(scores, dtype=float)[kept], np.array(labels, dtype=object)[kept]
    for metric, score in (("roc_auc", sk.roc_auc_score), ("average_precision", sk.average_precision_score)):
        each = [
            score((t == one).astype(int), s[:, at]) if 0 < (t == one).sum() < len(t) else None
            for at, one in enumerate(classes)
        ]
        found |= {(metric, one, None): value for one, value in zip(classes, each, strict=True)}
        found[metric, None, None] = None if None in each else float(np.mean(each))
    chosen = s[np.arange(len(t)), [list(classes).index(one) for one in t]]
    found["log_loss", None, None] = float(-np.log(chosen).mean())
    return found


def regression_performance(told: Sequence[Any], labels: Sequence[Any]) -> dict[str, Answer]:
    both = [(p, t) for p, t in zip(told, labels, strict=True) if p is not None and t is not None]
    if len(both) < MIN_ROWS:
        return {}
    p, t = (np.array(part) for part in zip(*both, strict=True))
    negative = min(p.min(), t.min()) < 0
    return {
        "mae": sk.mean_absolute_error(t, p),
        "mse": sk.mean_squared_error(t, p),
        "rmse": sk.root_mean_squared_error(t, p),
        "mape": sk.mean_absolute_percentage_error(t, p),
        "msle": None if negative else sk.mean_squared_log_error(t, p),
        "rmsle": None if negative else sk.root_mean_squared_log_error(t, p),
        "r2": None if len(set(t)) == 1 else sk.r2_score(t, p),
        "mean_error": float((p - t).mean()),
        "median_absolute_error": sk.median_absolute_error(t, p),
        "max_error": sk.max_error(t, p),
    }


# ---- fairness: fairlearn's MetricFrame, written out ----

RATES: dict[str, Callable[[float, float, float, float], tuple[float, float]]] = {
    "recall": lambda tn, fp, fn, tp: (tp, tp + fn),
    "specificity": lambda tn, fp, fn, tp: (tn, tn + fp),
    "false_positive_rate": lambda tn, fp, fn, tp: (fp, tn + fp),
    "false_negative_rate": lambda tn, fp, fn, tp: (fn, tp + fn),
    "precision": lambda tn, fp, fn, tp: (tp, tp + fp),
    "accuracy": lambda tn, fp, fn, tp: (tp + tn, tn + fp + fn + tp),
    "label_rate": lambda tn, fp, fn, tp: (tp + fn, tn + fp + fn + tp),
}
COUNTS = ("true_negative", "false_positive", "false_negative", "true_positive")
PARITIES = {
    "demographic_parity": ("prediction_rate",),
    "equal_opportunity": ("recall",),
    "equalized_odds": ("recall", "false_positive_rate"),
    "predictive_parity": ("precision",),
    "false_positive_rate": ("false_positive_rate",),
    "false_negative_rate": ("false_negative_rate",),
    "accuracy": ("accuracy",),
}


def group_fairness(
    groups: Sequence[Any], told: Sequence[Any], labels: Sequence[Any]
) -> dict[tuple[str, str | None], Answer]:
    """By metric and group; predictions and labels are 0 or 1. Groups of fewer than MIN_ROWS rows are left out of comparisons."""
    rows = [(g, p, t) for g, p, t in zip(groups, told, labels, strict=True) if g is not None and p is not None]
    names = sorted({g for g, _, _ in rows})
    found: dict[tuple[str, str | None], Answer] = {}
    held: dict[str, list[float]] = {}
    overall: dict[str, float] = {}
    for name in [*names, None]:
        own = [(p, t) for g, p, t in rows if name is None or g == name]
        known = [(p, t) for p, t in own if t is not None]
        counts = [float(sum(one == (p, t) for one in known)) for t, p in ((0, 0), (0, 1), (1, 0), (1, 1))]
        rates: dict[str, tuple[float, float, int]] = {"prediction_rate": (sum(p for p, _ in own), len(own), len(own))}
        rates |= {metric: (*rate(*counts), len(known)) for metric, rate in RATES.items()}
        for metric, (hits, of, size) in rates.items():
            if name is None:
                overall[metric] = hits / of if of else 0.0
            elif size >= MIN_ROWS and of:
                found[metric, name] = hits / of
                held.setdefault(metric, []).append(hits / of)
            else:
                found[metric, name] = None
        if name is not None:
            found |= {(metric, name): count for metric, count in zip(COUNTS, counts, strict=True)}
    for parity, metrics in PARITIES.items():
        for suffix, compare, worst in COMPARISONS:
            values = [compare(held.get(metric, []), overall[metric]) for metric in metrics]
            told_apart = [one for one in values if one is not ZERO] or values
            lost = any(one is None or one is ZERO for one in told_apart)
            found[parity + suffix, None] = None if lost else worst(told_apart)
    return found


ZERO = object()
"""The rate is 0 in every group: there is no ratio, and nothing unequal."""


def _difference(rates: list[float], _: float) -> Any:
    return max(rates) - min(rates) if len(rates) > 1 else None


def _ratio(rates: list[float], _: float) -> Any:
    if len(rates) < 2:
        return None
    return min(rates) / max(rates) if max(rates) else ZERO


def _difference_to_overall(rates: list[float], whole: float) -> Any:
    return max(abs(one - whole) for one in rates) if len(rates) > 1 else None


def _ratio_to_overall(rates: list[float], whole: float) -> Any:
    if len(rates) < 2:
        return None
    return min(min(one, whole) / max(one, whole) for one in rates) if whole else ZERO


COMPARISONS = (
    ("_difference", _difference, max),
    ("_ratio", _ratio, min),
    ("_difference_to_overall", _difference_to_overall, max),
    ("_ratio_to_overall", _ratio_to_overall, min),
)


def mean_fairness(
    groups: Sequence[Any], told: Sequence[Any], labels: Sequence[Any]
) -> dict[tuple[str, str | None], Answer]:
    """Mean prediction and mean absolute error by group, and compared."""
    rows = [(g, p, t) for g, p, t in zip(groups, told, labels, strict=True) if g is not None and p is not None]
    found: dict[tuple[str, str | None], Answer] = {}
    for metric in ("mean_prediction", "mae"):
        held = []
        for name in sorted({g for g, _, _ in rows}):
            own = [
                (p if metric == "mean_prediction" else None if t is None else abs(p - t))
                for g, p, t in rows
                if g == name
            ]
            known = [one for one in own if one is not None]
            found[metric, name] = float(np.mean(known)) if len(known) >= MIN_ROWS else None
            held += [found[metric, name]] if len(known) >= MIN_ROWS else []
        found[f"{metric}_difference", None] = max(held) - min(held) if len(held) > 1 else None
        found[f"{metric}_ratio", None] = min(held) / max(held) if len(held) > 1 and min(held) > 0 else None
    return found


# ---- concept drift ----


def label_shift(reference: tuple[Rows, Rows], chunk: tuple[Rows, Rows]) -> dict[str, Answer]:
    """Cochran, Mantel and Haenszel over the deciles of the reference's scores, stratum by stratum; rows are (scores, labels)."""
    borders = np.quantile(reference[0], np.arange(1, 10) / 10, method="inverted_cdf")
    surplus = variance = agreeing = against = 0.0
    for stratum in range(10):
        cells = []
        for scores, labels in (chunk, reference):
            held = labels[np.searchsorted(borders, scores, side="left") == stratum]
            cells.append((held.sum(), len(held) - held.sum()))
        (a, b), (c, d) = cells
        n = a + b + c + d
        if n < 2:
            continue
        surplus += a - (a + b) * (a + c) / n
        variance += (a + b) * (c + d) * (a + c) * (b + d) / (n**2 * (n - 1))
        agreeing += a * d / n
        against += b * c / n
    statistic = surplus**2 / variance
    return {
        "label_shift_given_score": statistic,
        "label_shift_given_score_p": float(sps.chi2.sf(statistic, 1)),
        "label_odds_ratio": _over(agreeing, against),
    }


# ---- data quality ----


def quality(metric: str, reference: Sequence[Any], chunk: Sequence[Any]) -> Answer:
    """A rate of one column: of all rows, NULLs among them."""
    if len(chunk) < MIN_ROWS:
        return None
    known = [one for one in chunk if one is not None]
    hits: float
    if metric == "missing_rate":
        hits = len(chunk) - len(known)
    elif metric == "nan_rate":
        hits = sum(math.isnan(one) for one in known)
    elif metric == "infinite_rate":
        hits = sum(math.isinf(one) for one in known)
    elif metric == "unseen_rate":
        seen = {text(one) for one in reference if one is not None}
        hits = sum(text(one) not in seen for one in known)
    else:
        x, y = finite(reference), finite(chunk)
        if not len(x):
            return None
        hits = int(((y < x.min()) | (y > x.max())).sum()) + sum(math.isinf(one) for one in known)
    return hits / len(chunk)
