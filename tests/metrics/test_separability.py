"""The domain classifier against scikit-learn's own cross-validation, and where it has no value."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from mlops_desk.metrics.reconstruction import NO_COLUMNS
from mlops_desk.metrics.separability import ALL_ALIKE, domain_classifier_auc


def sides(shift: float, seed: int = 0, rows: int = 600) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    both = rng.normal(size=(2 * rows, 3))
    both[:, 2] = rng.integers(-2, 4, 2 * rows)
    both[rng.random(both.shape) < 0.05] = np.nan
    both[rows:, 0] += shift
    return both[:rows], both[rows : rows + 400]


@pytest.mark.parametrize("shift", [0.0, 0.7])
def test_areas_equal_cross_validation_by_scikit_learn(shift: float) -> None:
    reference, chunk = sides(shift)
    found = domain_classifier_auc(reference, chunk, seed=7)
    rows, labels = np.concatenate([reference, chunk]), np.repeat([0, 1], [len(reference), len(chunk)])
    classifier = HistGradientBoostingClassifier(random_state=7, early_stopping=False)
    folds = StratifiedKFold(5, shuffle=True, random_state=7)
    scores = cross_val_predict(classifier, rows, labels, cv=folds, method="predict_proba")[:, 1]
    assert found.value == pytest.approx(roc_auc_score(labels, scores), rel=1e-9)
    low, high = found.interval_lower, found.interval_upper
    assert low is not None
    assert high is not None
    assert (low < 0.5 < high) == (shift == 0.0)


def test_it_grows_with_the_drift_and_is_the_same_again() -> None:
    values = [domain_classifier_auc(*sides(shift), seed=1).value for shift in (0.0, 0.4, 1.0, 3.0)]
    assert values == sorted(values)
    assert values[-1] > 0.95
    assert values[0] == domain_classifier_auc(*sides(0.0), seed=1).value


@pytest.mark.parametrize(
    ("reference", "chunk", "reason"),
    [
        (np.zeros((50, 0)), np.zeros((50, 0)), NO_COLUMNS),
        (np.ones((50, 2)), np.ones((40, 2)), ALL_ALIKE),
        (np.full((50, 2), np.nan), np.full((40, 2), np.nan), ALL_ALIKE),
        (sides(0)[0], sides(0)[1][:29], "29 rows, fewer than 30"),
        (sides(0)[0][:0], sides(0)[1], "no reference rows to compare with"),
    ],
)
def test_what_cannot_be_compared_says_why(reference: np.ndarray, chunk: np.ndarray, reason: str) -> None:
    found = domain_classifier_auc(reference, chunk, seed=0)
    assert (found.value, found.reason) == (None, reason)


def test_a_column_without_values_does_no_harm() -> None:
    reference, chunk = sides(0.7)
    reference[:, 1] = chunk[:, 1] = np.nan
    chunk[3, 1] = 5.0
    assert domain_classifier_auc(reference, chunk, seed=0).value == pytest.approx(0.65, abs=0.08)


def test_it_can_be_stopped_between_folds() -> None:
    class Stopped(Exception):
        """Somebody has asked to stop."""

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        domain_classifier_auc(*sides(0), seed=0, pause=stop)
