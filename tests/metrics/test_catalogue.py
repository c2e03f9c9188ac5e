"""The catalogue is complete, free of doubles, and cheap to load."""

import subprocess
import sys

import pytest

from mlops_desk.domain.metric import Family
from mlops_desk.metrics import catalogue
from mlops_desk.metrics.univariate import CATEGORICAL_METRICS, NUMERIC_METRICS

HEAVY = ("scipy", "sklearn", "pyarrow", "_duckdb", "duckdb", "PySide6", "pandas", "matplotlib")


def test_a_metric_is_defined_once_in_a_family():
    keys = [(one.id, one.family) for one in catalogue.CATALOGUE]
    assert len(keys) == len(set(keys))
    for one in catalogue.CATALOGUE:
        assert one.range[0] < one.range[1], one
        assert one.name.strip() == one.name
        assert one.name
        assert set(one.tasks) <= {"binary", "multiclass", "regression"}, one
        assert set(one.kinds) <= {"numeric", "categorical"}, one
        assert catalogue.definition(one.id, one.family) is one
        assert one in catalogue.definitions(one.id)


def test_every_drift_metric_that_can_be_computed_is_defined_and_every_defined_one_computed():
    for family in (Family.DATA_DRIFT, Family.PREDICTION_DRIFT, Family.LABEL_DRIFT):
        told = {(one.id, kind) for one in catalogue.CATALOGUE if one.family is family for kind in one.kinds}
        made = {(name, "numeric") for name in NUMERIC_METRICS} | {(name, "categorical") for name in CATEGORICAL_METRICS}
        assert told == made


def test_recommended_metrics_exist_and_cover_every_task():
    assert len(catalogue.RECOMMENDED) == len(set(catalogue.RECOMMENDED))
    known = [catalogue.definition(metric, family) for metric, family in catalogue.RECOMMENDED]
    for task in ("binary", "multiclass", "regression"):
        families = {one.family for one in known if not one.tasks or task in one.tasks}
        assert {Family.PERFORMANCE, Family.FAIRNESS, Family.DATA_DRIFT, Family.DATA_QUALITY} <= families
    for one in catalogue.CATALOGUE:
        if one.family in (Family.PERFORMANCE, Family.ESTIMATED_PERFORMANCE):
            assert one in known


def test_an_id_of_several_families_and_an_unknown_one():
    families = {one.family for one in catalogue.definitions("recall")}
    assert families == {
        Family.PERFORMANCE,
        Family.ESTIMATED_PERFORMANCE,
        Family.FAIRNESS,
        Family.ESTIMATED_FAIRNESS,
    }
    assert catalogue.definitions("recal") == ()
    with pytest.raises(KeyError):
        catalogue.definition("recall", Family.DATA_DRIFT)


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [("recal", "recall"), ("roc-auc", "roc_auc"), ("Jensen Shannon", "jensen_shannon"), ("qqqqqq", None)],
)
def test_the_nearest_id_is_named(misspelt, meant):
    assert catalogue.nearest(misspelt) == meant


def test_loading_it_loads_nothing_heavy():
    told = f"import sys, mlops_desk.metrics.catalogue; print([m for m in {HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
