"""Expectations of columns: how many of their checks a chunk breaks."""

from pathlib import Path

import pytest

from tests.monitoring.desks import BY_PERIOD, COLUMNS, DAILY, LOGS, kept, run, write_day, write_desk

MONITOR = '[[models.monitors]]\nmetrics = ["expectation_failures"]\n'


@pytest.mark.parametrize(
    ("expected", "failures"),
    [
        (("max = 50",), 1),
        (("max = 50", "max = 200"), 1),
        (("max = 200", "max = 50"), 1),
        (("max = 50", "max_missing_rate = 0.5"), 1),
        (("max = 50", "max = 60"), 2),
        (("max = 50\nmin = 30", "min = 1"), 2),
    ],
)
def test_each_of_several_expectations_of_a_column_counts_its_own_checks(
    tmp_path: Path, expected: tuple[str, ...], failures: int
) -> None:
    stated = [f'[[models.expectations]]\ncolumn = "age"\n{text}\n' for text in expected]
    write_desk(tmp_path, LOGS, BY_PERIOD, COLUMNS, DAILY, MONITOR, *stated)
    for day in range(6):
        write_day(tmp_path / "logs", day)
    assert run(tmp_path).failure is None
    rows = [row for row in kept(tmp_path).values.values() if row["split"] == "analysis"]
    assert [row["value"] for row in rows] == [failures] * 2
