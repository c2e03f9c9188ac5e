"""Where each metric of the catalogue is held to a route of its own: SciPy, scikit-learn, fairlearn, another tool's numbers, or brute force.

A metric that is in none of these tables has no such test yet, and tests/metrics/test_oracles.py says so.
"""

from mlops_desk.domain.metric import Definition, Family

BY_ROWS = "tests/parity/test_made_logs.py::test_every_judged_number_is_that_of_the_rows"
"""Counted from the rows of made and of shipped logs by tests/parity/oracle.py, which raises KeyError for a metric it does not know."""
FAMILIES_BY_ROWS = (
    Family.DATA_DRIFT, Family.PREDICTION_DRIFT, Family.LABEL_DRIFT, Family.PERFORMANCE, Family.FAIRNESS, Family.DATA_QUALITY,
)  # fmt: skip

_DRAWN = "tests/metrics/test_estimation.py::test_estimates_are_the_mean_over_labels_drawn_from_the_probabilities"
_CLASSES = (
    "tests/metrics/test_class_estimation.py::test_estimates_equal_scikit_learn_on_rows_weighted_by_their_probabilities"
)
_LOSSES = "tests/metrics/test_direct_loss.py::test_losses_are_scikit_learns"
_GROUPS = (
    "tests/metrics/test_estimated_fairness.py::test_rates_by_group_are_sums_of_probabilities_and_comparisons_follow"
)
_BINS = "tests/metrics/test_calibration.py::test_binned_errors_equal_brute_force"
_LOGISTIC = "tests/metrics/test_calibration.py::test_recalibration_equals_an_unpenalised_logistic_regression"
_EFFECTS = "tests/metrics/test_concept.py::test_effects_equal_rows_reweighted_one_by_one"
_FORMULAS = "tests/metrics/test_detectors.py::test_any_stream_signals_where_the_formulas_do"
_KERNEL = "tests/metrics/test_discrepancy.py::test_it_equals_its_formula"
_AGES = "tests/metrics/test_quality.py::test_counts_and_ages"
_LATENCY = "tests/metrics/test_system.py::test_an_exact_quantile_is_numpys"
_SYSTEM = "tests/monitoring/test_system_metrics.py::test_they_are_those_of_the_rows_step_by_step_and_however_files_lie"
_ADVERSARIAL = (
    "tests/monitoring/test_adversarial_metrics.py::test_they_are_those_of_the_rows_step_by_step_and_however_files_lie"
)

ALIKE: dict[Family, str] = {Family.ESTIMATED_FAIRNESS: _GROUPS, Family.ESTIMATED_PERFORMANCE: _DRAWN}
"""Families all of whose metrics one test goes through, by their definitions."""
OTHERS: dict[Family, dict[str, str]] = {
    **{
        family: {"mmd": _KERNEL, "mmd_p": "tests/metrics/test_discrepancy.py::test_p_values_are_even_without_drift_and_small_with_it"}
        for family in (Family.DATA_DRIFT, Family.PREDICTION_DRIFT, Family.LABEL_DRIFT)
    },
    Family.MULTIVARIATE_DRIFT: {
        "pca_reconstruction": "tests/monitoring/test_learning.py::test_reconstruction_equals_nannyml_on_the_golden_set",
        "domain_classifier_auc": "tests/metrics/test_separability.py::test_areas_equal_cross_validation_by_scikit_learn",
    },
    Family.PERFORMANCE: {"lift_at_10": "tests/metrics/test_performance.py::test_lift_counts_the_best_tenth"},
    Family.ESTIMATED_PERFORMANCE: {
        "f1_micro": _CLASSES, "f1_weighted": _CLASSES, "confusion": _CLASSES,
        "mae": _LOSSES, "mse": _LOSSES, "rmse": _LOSSES, "mape": _LOSSES, "msle": _LOSSES, "rmsle": _LOSSES,
    },
    Family.CALIBRATION: {
        "expected_calibration_error": _BINS, "maximum_calibration_error": _BINS, "brier_reliability": _BINS, "brier_resolution": _BINS,
        "calibration_slope": _LOGISTIC, "calibration_intercept": _LOGISTIC,
    },
    Family.CONCEPT_DRIFT: {
        "label_shift_given_score": BY_ROWS, "label_shift_given_score_p": BY_ROWS, "label_odds_ratio": BY_ROWS,
        "estimation_gap": "tests/metrics/test_concept.py::test_the_gap_is_the_difference_and_widens_only_with_the_concept",
        "covariate_effect": _EFFECTS, "concept_effect": _EFFECTS,
        "ddm": _FORMULAS, "eddm": _FORMULAS, "hddm_a": _FORMULAS, "hddm_w": _FORMULAS, "page_hinkley": _FORMULAS, "adwin": _FORMULAS,
        "kswin": "tests/metrics/test_detectors.py::test_kswin_gap_and_draws_are_those_of_scipy",
    },
    Family.DATA_QUALITY: {
        "row_rate": _AGES, "freshness_hours": _AGES, "label_lag_hours": _AGES,
        "constant_columns": "tests/metrics/test_structure.py::test_it_is_the_count_of_columns_with_one_value_that_had_more",
        "schema_changes": "tests/metrics/test_structure.py::test_schema_changes",
        "expectation_failures": "tests/monitoring/test_expectations.py::test_each_of_several_expectations_of_a_column_counts_its_own_checks",
    },
    Family.SYSTEM: {
        "latency_p50": _LATENCY, "latency_p95": _LATENCY, "latency_p99": _LATENCY, "throughput_per_s": _SYSTEM, "error_rate": _SYSTEM,
    },
    Family.ADVERSARIAL: dict.fromkeys(
        ("outlier_rate", "boundary_rate", "near_duplicate_rate", "flip_rate", "requester_concentration", "query_similarity"), _ADVERSARIAL
    ),
}  # fmt: skip
OTHERS[Family.DATA_DRIFT] |= {
    "drifted_share": "tests/parity/test_evidently_default.py::test_every_column_has_the_test_the_value_and_the_verdict_of_evidently"
}


def oracle_of(one: Definition) -> str | None:
    """The node of the test that holds a metric to another route, None where there is none."""
    own = OTHERS.get(one.family, {}).get(one.id)
    if own is None and one.family in FAMILIES_BY_ROWS:
        return BY_ROWS
    return own or ALIKE.get(one.family)
