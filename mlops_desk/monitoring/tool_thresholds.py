"""What other tools hold their metrics against where nobody says otherwise: the default limits of the conventions nannyml and evidently.

Sources: NannyML 0.13.1 (the default thresholds of its calculators) and Evidently 0.7.23 (the default threshold of each statistical test).
Neither warns before it alerts.
"""

from __future__ import annotations

from mlops_desk.domain.metric import Convention, Definition, Family
from mlops_desk.domain.threshold import ConstantThreshold, DeviationThreshold, PValueThreshold, Threshold

DRIFT = (Family.DATA_DRIFT, Family.PREDICTION_DRIFT, Family.LABEL_DRIFT)
EVIDENTLY_DISTANCES = ("psi", "jensen_shannon", "hellinger", "kl_divergence", "wasserstein")
"""Evidently calls these drifted from 0.1 on; `energy` only above it."""
EVIDENTLY_LEVELS = {
    "kolmogorov_smirnov": 0.05,
    "mann_whitney": 0.05,
    "t_test": 0.05,
    "epps_singleton": 0.05,
    "chi_squared": 0.05,
    "z_test": 0.05,
    "cramer_von_mises": 0.1,
    "anderson_darling": 0.1,
    "g_test": 0.1,
    "fisher_exact": 0.1,
    "mmd": 0.1,
}
"""Evidently judges these tests by p below this."""
NANNYML_DISTANCES = ("jensen_shannon", "kolmogorov_smirnov", "wasserstein", "hellinger", "l_infinity")
NANNYML_STATISTICS = ("mean", "std", "sum", "median")
NANNYML_PERFORMANCE = (Family.PERFORMANCE, Family.ESTIMATED_PERFORMANCE)

_DEVIATION = DeviationThreshold(lower=3.0, upper=3.0)
_NONE = ConstantThreshold(upper=0.0)
_NANNYML_OTHERS: dict[tuple[Family, str], Threshold] = {
    (Family.MULTIVARIATE_DRIFT, "pca_reconstruction"): _DEVIATION,
    (Family.MULTIVARIATE_DRIFT, "domain_classifier_auc"): ConstantThreshold(lower=0.45, upper=0.65),
    (Family.DATA_QUALITY, "missing_rate"): _DEVIATION,
    (Family.DATA_QUALITY, "unseen_rate"): _NONE,
    (Family.DATA_QUALITY, "out_of_range_rate"): _NONE,
    (Family.DATA_QUALITY, "rows"): _DEVIATION,
}


def tool_threshold(definition: Definition, convention: Convention) -> Threshold | None:
    """The default threshold that a convention's tool has for a metric; None where it has none of its own, so that desk's holds."""
    match convention:
        case Convention.EVIDENTLY:
            return _evidently(definition)
        case Convention.NANNYML:
            return _nannyml(definition)
        case _:
            return None


def _evidently(definition: Definition) -> Threshold | None:
    metric = definition.id
    if metric == "drifted_share":
        return ConstantThreshold(upper=0.5, inclusive=True)
    if definition.family not in DRIFT:
        return None
    if metric == "energy":
        return ConstantThreshold(upper=0.1)
    if metric in EVIDENTLY_DISTANCES:
        return ConstantThreshold(upper=0.1, inclusive=True)
    level = EVIDENTLY_LEVELS.get(metric.removesuffix("_p"))
    return None if level is None else PValueThreshold(max=level)


def _nannyml(definition: Definition) -> Threshold | None:
    family, metric = definition.family, definition.id
    if family in NANNYML_PERFORMANCE:
        return _DEVIATION
    if family not in DRIFT:
        return _NANNYML_OTHERS.get((family, metric))
    if metric in NANNYML_DISTANCES:
        return DeviationThreshold(upper=3.0)
    if metric in NANNYML_STATISTICS:
        return _DEVIATION
    return PValueThreshold() if metric == "chi_squared" else None
