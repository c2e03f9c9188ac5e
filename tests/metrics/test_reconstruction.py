"""The reconstruction error against scikit-learn's PCA, its sums and its degenerate references."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.aggregates.sums import RowSums, cross_products, row_sums
from mlops_desk.aggregates.tables import CategoryTable
from mlops_desk.metrics.reconstruction import (
    CONSTANT,
    NO_COLUMNS,
    TOO_LARGE,
    Encoding,
    Projection,
    centre_of,
    fitted_projection,
    reconstruction_error,
    reference_encoding,
)
from tests.metrics.drift_tables import exact_table

PLAIN = Encoding(means=np.zeros(6))


def correlated(rows: int, seed: int, scale: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, 2))
    return scale * (hidden @ rng.normal(size=(2, 6)) + 0.4 * rng.normal(size=(rows, 6))) + [0, 1e6, -3, 5, 0, 1]


def projection(matrix: np.ndarray, pieces: int = 1) -> Projection:
    centre = matrix[:100].mean(axis=0)
    parts = [cross_products(piece - centre) for piece in np.array_split(matrix, pieces)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return fitted_projection(total, centre)


@pytest.mark.parametrize("pieces", [1, 7])
def test_errors_equal_scikit_learns(pieces: int) -> None:
    reference, chunk = correlated(3000, 1), correlated(400, 2, scale=1.4)
    found = projection(reference, pieces).errors(chunk)[:, 0]
    scaler = StandardScaler().fit(reference)
    pca = PCA(0.65).fit(scaler.transform(reference))
    z = scaler.transform(chunk)
    expected = np.linalg.norm(z - pca.inverse_transform(pca.transform(z)), axis=1)
    assert found == pytest.approx(expected, rel=1e-8)
    measured = reconstruction_error(row_sums(found[:, None]))
    assert measured.value == pytest.approx(expected.mean(), rel=1e-8)
    assert measured.sampling_error == pytest.approx(expected.std(ddof=1) / 20, rel=1e-8)
    assert measured.error_bound == 0


def test_a_constant_column_counts_in_its_own_units() -> None:
    reference = correlated(500, 3)
    reference[:, 4] = 0.1
    scaler = StandardScaler().fit(reference)
    pca = PCA(0.65).fit(scaler.transform(reference))
    chunk = correlated(60, 4)
    z = scaler.transform(chunk)
    expected = np.linalg.norm(z - pca.inverse_transform(pca.transform(z)), axis=1)
    assert projection(reference).errors(chunk)[:, 0] == pytest.approx(expected, rel=1e-8)


def test_encoding_fills_numbers_and_counts_categories() -> None:
    table = CategoryTable(categories=("a", "b"), counts=np.array([6, 3]), missing=1)
    encoding = reference_encoding([exact_table(np.array([1.0, 3.0, np.nan, np.inf]))], [table])
    matrix = np.array([[np.nan, 0], [7.0, 1], [0.0, -1], [0.0, -2]])
    assert encoding.numbers(matrix).tolist() == [[2.0, 0.6], [7.0, 0.3], [0.0, 0.1], [0.0, 0.0]]
    assert np.isnan(matrix[0, 0])
    assert centre_of(encoding)[0] == 2.0


def test_sums_add_and_are_kept() -> None:
    values = np.random.default_rng(0).normal(size=(100, 2))
    left, right = row_sums(values[:37]), row_sums(values[37:])
    whole, added = row_sums(values), left + right
    assert added.rows == whole.rows == 100
    assert added.totals == pytest.approx(whole.totals, rel=1e-12)
    assert added.squares == pytest.approx(whole.squares, rel=1e-12)
    again = unpacked(packed({"": added}))[""]
    assert isinstance(again, RowSums)
    assert again.totals.tolist() == added.totals.tolist()


def test_references_that_have_no_projection_say_why() -> None:
    assert fitted_projection(None, np.zeros(0)).unusable == NO_COLUMNS
    assert projection(np.ones((50, 3))).unusable == CONSTANT
    assert projection(np.array([[1e300, 1.0], [-1e300, 2.0], [1e300, 3.0]])).unusable == TOO_LARGE
    assert reconstruction_error(None, unusable=CONSTANT).reason == CONSTANT


@pytest.mark.parametrize(
    ("sums", "reason"),
    [
        (None, "no rows"),
        (row_sums(np.ones((29, 1))), "29 rows, fewer than 30"),
        (row_sums(np.full((40, 1), np.inf)), TOO_LARGE),
        (row_sums(np.full((40, 1), 1e300)), TOO_LARGE),
    ],
)
def test_slices_without_a_value_say_why(sums: RowSums | None, reason: str) -> None:
    found = reconstruction_error(sums)
    assert (found.value, found.reason) == (None, reason)
