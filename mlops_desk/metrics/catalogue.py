"""Every metric there is, as one explicit tuple of definitions, and which of them watch a model that names no monitors.

A definition is found by metric id and family: the same id may stand in several families. Importing this loads NumPy and nothing heavier.
"""

from __future__ import annotations

import difflib

from mlops_desk.domain.metric import Definition, Family
from mlops_desk.metrics import (
    adversarial,
    calibration,
    concept,
    contingency,
    detectors,
    direct_loss,
    discrepancy,
    divergence,
    estimated_fairness,
    estimation,
    fairness,
    multiclass,
    performance,
    quality,
    reconstruction,
    regression,
    regression_fairness,
    sample_tests,
    separability,
    statistics,
    system,
    two_sample,
)

CATALOGUE: tuple[Definition, ...] = (
    *divergence.DEFINITIONS,
    *two_sample.DEFINITIONS,
    *sample_tests.DEFINITIONS,
    *discrepancy.DEFINITIONS,
    *contingency.DEFINITIONS,
    *statistics.DEFINITIONS,
    *reconstruction.DEFINITIONS,
    *separability.DEFINITIONS,
    *performance.DEFINITIONS,
    *multiclass.DEFINITIONS,
    *regression.DEFINITIONS,
    *estimation.DEFINITIONS,
    *direct_loss.DEFINITIONS,
    *calibration.DEFINITIONS,
    *concept.DEFINITIONS,
    *detectors.DEFINITIONS,
    *fairness.DEFINITIONS,
    *regression_fairness.DEFINITIONS,
    *estimated_fairness.DEFINITIONS,
    *quality.DEFINITIONS,
    *system.DEFINITIONS,
    *adversarial.DEFINITIONS,
)
DEFINITIONS = CATALOGUE

_BY_KEY = {(one.id, one.family): one for one in CATALOGUE}
_BY_ID: dict[str, tuple[Definition, ...]] = {}
for _one in CATALOGUE:
    _BY_ID[_one.id] = (*_BY_ID.get(_one.id, ()), _one)

OPT_IN = frozenset(one.id for one in CATALOGUE if one.opt_in)
"""Metrics that only a monitor asks for that names them."""

_PARITIES = ("demographic_parity", "equalized_odds", "equal_opportunity")
RECOMMENDED: tuple[tuple[str, Family], ...] = (
    ("jensen_shannon", Family.DATA_DRIFT),
    ("psi", Family.DATA_DRIFT),
    ("drifted_share", Family.DATA_DRIFT),
    ("jensen_shannon", Family.PREDICTION_DRIFT),
    ("jensen_shannon", Family.LABEL_DRIFT),
    *((one.id, one.family) for one in (*performance.DEFINITIONS, *multiclass.DEFINITIONS, *regression.DEFINITIONS)),
    *((one.id, one.family) for one in (*estimation.DEFINITIONS, *direct_loss.DEFINITIONS)),
    ("expected_calibration_error", Family.CALIBRATION),
    ("label_shift_given_score", Family.CONCEPT_DRIFT),
    ("estimation_gap", Family.CONCEPT_DRIFT),
    ("prediction_rate", Family.FAIRNESS),
    ("mean_prediction", Family.FAIRNESS),
    *((f"{parity}_{how}", Family.FAIRNESS) for parity in _PARITIES for how in ("difference", "ratio")),
    *((f"{metric}_ratio", Family.FAIRNESS) for metric in regression_fairness.METRICS),
    ("missing_rate", Family.DATA_QUALITY),
    ("unseen_rate", Family.DATA_QUALITY),
    ("out_of_range_rate", Family.DATA_QUALITY),
    ("rows", Family.DATA_QUALITY),
    ("freshness_hours", Family.DATA_QUALITY),
    ("label_coverage", Family.DATA_QUALITY),
)
"""Metric and family of what a model without monitors is watched by; each applies to the tasks of its definition."""


def definition(metric_id: str, family: Family) -> Definition:
    """What the catalogue says of a metric in a family; raises KeyError where it has none."""
    return _BY_KEY[metric_id, family]


def definitions(metric_id: str) -> tuple[Definition, ...]:
    """What the catalogue says of a metric in every family that has it; empty for an unknown id."""
    return _BY_ID.get(metric_id, ())


def nearest(metric_id: str) -> str | None:
    """The known id that is spelt most like this one, None where none is near."""
    close = difflib.get_close_matches(metric_id.strip().lower().replace("-", "_").replace(" ", "_"), _BY_ID, n=1)
    return close[0] if close else None
