"""What becomes of each metric where rows have weights: it honours them, it is of the rows as they are, or it refuses and says why.

A metric that honours weights is a function of the weighted distribution: rows of weight 2 count as two rows would. One that is of the rows
as they are counts them (a request is one request, however much it weighs) or takes the greatest of them. One that refuses has no value
while `columns.weight` names a column: it has a null distribution of counts, or is learned from rows drawn without regard to weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.aggregates.tables import Amounts, ScoreTable
from mlops_desk.domain.metric import Convention, Definition, Family

NO_WEIGHT = "all of these rows weigh 0"


class Weighting(StrEnum):
    """What a metric does with the weights of rows."""

    HONOURED = "honoured"
    ROWS = "rows as they are"
    REFUSED = "refused"


class WeightRule(Struct, frozen=True):
    """What one metric does with weights; `reason` says why it does not honour them, and `way_out` what to do where it refuses."""

    weighting: Weighting
    reason: str = ""
    way_out: str = ""

    @property
    def refusal(self) -> str | None:
        """Why there is no value while rows have weights, None where there is one."""
        return (
            f"it does not take weights: {self.reason}; {self.way_out}" if self.weighting is Weighting.REFUSED else None
        )


COUNTS = "its null distribution is of counts of rows, which weights are not"
LEARNED = "it is learned from rows that are drawn without regard to weights"
PAIRS = "it compares rows drawn without regard to weights"
ERRORS = "it watches errors row by row, each once"
OF_TOOLS = "{name}'s own definition knows no weights"
UNWEIGH = "remove columns.weight to have it of the rows as they are"
BY_DISTANCE = f"watch kolmogorov_smirnov, wasserstein, jensen_shannon or psi instead, or {UNWEIGH}"
BY_SHARES = f"watch jensen_shannon, psi or total_variation instead, or {UNWEIGH}"
BY_EFFECT = f"watch concept_effect or estimation_gap instead, or {UNWEIGH}"
IN_DESK = f'write convention = "desk", or {UNWEIGH}'

OF_COUNTS = (
    "accuracy", "balanced_accuracy", "cohen_kappa", "precision", "recall", "specificity", "f1", "mcc", "true_positive", "true_negative",
    "false_positive", "false_negative", "label_rate", "business_value", "f1_micro", "f1_weighted", "confusion",
)  # fmt: skip
OF_SCORES = ("roc_auc", "average_precision", "lift_at_10", "log_loss", "brier")
OF_ERRORS = ("mae", "mse", "rmse", "mape", "msle", "rmsle", "r2", "mean_error", "median_absolute_error")
OF_GROUPS = (
    "prediction_rate", "recall", "specificity", "false_positive_rate", "false_negative_rate", "precision", "accuracy", "label_rate",
    "true_negative", "false_negative", "false_positive", "true_positive",
)  # fmt: skip
BETWEEN_GROUPS = tuple(
    f"{parity}_{comparison}"
    for parity in (
        "demographic_parity", "equal_opportunity", "equalized_odds", "predictive_parity", "false_positive_rate", "false_negative_rate",
        "accuracy",
    )
    for comparison in ("difference", "ratio", "difference_to_overall", "ratio_to_overall")
)  # fmt: skip
OF_MEANS = tuple(
    f"{mean}{comparison}" for mean in ("mean_prediction", "mae") for comparison in ("", "_difference", "_ratio")
)
HONOURED: Mapping[Family, tuple[str, ...]] = {
    Family.DATA_DRIFT: (
        "psi", "jensen_shannon", "hellinger", "kl_divergence", "total_variation", "l_infinity", "kolmogorov_smirnov", "wasserstein",
        "energy", "mean", "std", "sum", "median", "mean_shift", "std_ratio", "median_shift",
    ),
    Family.PERFORMANCE: (*OF_COUNTS, *OF_SCORES, *OF_ERRORS, "prediction_rate"),
    Family.ESTIMATED_PERFORMANCE: (*OF_COUNTS, *OF_SCORES),
    Family.CALIBRATION: (
        "expected_calibration_error", "maximum_calibration_error", "calibration_slope", "calibration_intercept", "brier_reliability",
        "brier_resolution",
    ),
    Family.CONCEPT_DRIFT: ("estimation_gap", "covariate_effect", "concept_effect"),
    Family.FAIRNESS: (*OF_GROUPS, *BETWEEN_GROUPS, *OF_MEANS),
    Family.ESTIMATED_FAIRNESS: (*OF_GROUPS, *BETWEEN_GROUPS),
}  # fmt: skip
"""By family (the drift families as data_drift) the metrics that honour weights."""
REFUSED_IN: Mapping[Family, Mapping[str, tuple[str, str]]] = {
    Family.ESTIMATED_PERFORMANCE: dict.fromkeys(("mae", "mse", "rmse", "mape", "msle", "rmsle"), (LEARNED, UNWEIGH)),
}
"""Metrics that refuse weights in one family alone."""
REFUSED: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(
        (
            "kolmogorov_smirnov_p", "cramer_von_mises", "cramer_von_mises_p", "anderson_darling", "anderson_darling_p", "mann_whitney",
            "mann_whitney_p", "t_test", "t_test_p", "epps_singleton", "epps_singleton_p",
        ),
        (COUNTS, BY_DISTANCE),
    ),
    **dict.fromkeys(
        (
            "chi_squared", "chi_squared_p", "cramers_v", "g_test", "g_test_p", "z_test", "z_test_p", "fisher_exact", "fisher_exact_p",
        ),
        (COUNTS, BY_SHARES),
    ),
    **dict.fromkeys(("mmd", "mmd_p"), (PAIRS, BY_DISTANCE)),
    **dict.fromkeys(("pca_reconstruction", "domain_classifier_auc"), (LEARNED, UNWEIGH)),
    **dict.fromkeys(("label_shift_given_score", "label_shift_given_score_p", "label_odds_ratio"), (COUNTS, BY_EFFECT)),
    **dict.fromkeys(("ddm", "eddm", "hddm_a", "hddm_w", "page_hinkley", "adwin", "kswin"), (ERRORS, BY_EFFECT)),
}  # fmt: skip
"""Metrics that refuse weights in every family, why, and what to do."""
OF_ROWS: Mapping[Family, str] = {
    Family.DATA_QUALITY: "it tells of rows as they were logged",
    Family.SYSTEM: "a request is one request, whatever its row weighs",
    Family.ADVERSARIAL: "a request is one request, whatever its row weighs",
    Family.BUSINESS: "it is what its SQL says: weigh the rows there",
}
"""Families that are of the rows as they are, and why."""
EXTREMES = "the least or greatest of the rows does not depend on what they weigh"
OF_ROWS_TOO: Mapping[str, str] = {
    **dict.fromkeys(("min", "max", "max_error"), EXTREMES),
    "drifted_share": "it is a share of columns",
}
"""Single metrics that are of the rows as they are."""
DRIFT = (Family.DATA_DRIFT, Family.PREDICTION_DRIFT, Family.LABEL_DRIFT)
UNKNOWN = "it is not made for them"


def scaled(amounts: Amounts, squares: Amounts) -> tuple[Amounts, Amounts]:
    """Sums of weights and of their squares, of weights scaled so that they add to Kish's effective rows, (Σw)² / Σw²."""
    total, of_squares = float(amounts.sum()), float(squares.sum())
    scale = total / of_squares if of_squares > 0 else 1.0
    return amounts * scale, squares * scale**2


def effective_scores(amounts: ScoreTable, squares: ScoreTable) -> ScoreTable:
    """A table of scores by weight, scaled so that its weights add to Kish's effective rows."""
    counts, _ = scaled(amounts.counts, squares.counts)
    scale = counts.sum() / amounts.n if amounts.n > 0 else 1.0
    return replace(
        amounts,
        counts=counts,
        log_loss_total=float(amounts.log_loss_total * scale),
        brier_total=float(amounts.brier_total * scale),
    )


def weight_rule(definition: Definition, convention: Convention = Convention.DESK) -> WeightRule:
    """What a metric under a convention does with weights; one that no table here names refuses them."""
    name, family = definition.id, definition.family
    if family in OF_ROWS:
        return WeightRule(Weighting.ROWS, OF_ROWS[family])
    if name in OF_ROWS_TOO:
        return WeightRule(Weighting.ROWS, OF_ROWS_TOO[name])
    refused = REFUSED_IN.get(family, {}).get(name) or REFUSED.get(name)
    if refused is not None:
        return WeightRule(Weighting.REFUSED, *refused)
    own = convention in (Convention.NANNYML, Convention.EVIDENTLY) and convention in definition.conventions
    if own:
        tool = {Convention.NANNYML: "NannyML", Convention.EVIDENTLY: "Evidently"}[convention]
        return WeightRule(Weighting.REFUSED, OF_TOOLS.format(name=tool), IN_DESK)
    if name in HONOURED.get(Family.DATA_DRIFT if family in DRIFT else family, ()):
        return WeightRule(Weighting.HONOURED)
    return WeightRule(Weighting.REFUSED, UNKNOWN, UNWEIGH)
