"""Kept limits are those that the null gives for the size itself."""

import numpy as np
import pytest

from mlops_desk.metrics import null
from mlops_desk.monitoring.calibrating import limits_at, sizes_around


@pytest.mark.parametrize("metric", ["psi", "jensen_shannon", "chi_squared"])
@pytest.mark.parametrize("reference_rows", [3_000, 3_000_000])
def test_limits_between_the_kept_sizes_are_those_of_the_null(metric: str, reference_rows: int) -> None:
    counts = np.full(10, reference_rows // 10)
    for rows in (40, 70, 256, 700, 5_000):
        [direct] = null.null_limits(metric, counts, [rows], alpha=0.002, warn_alpha=0.02)
        sizes = sizes_around([rows])
        fitted = null.null_limits(metric, counts, sizes, alpha=0.002, warn_alpha=0.02)
        known = {size: (one.upper, one.warn_upper) for size, one in zip(sizes, fitted, strict=True)}
        found = limits_at(known, rows, reference_rows, null.POWERS.get(metric, 0.5))
        assert found.upper == pytest.approx(direct.upper, rel=1e-9)
        assert found.warn_upper == pytest.approx(direct.warn_upper, rel=1e-9)
