"""References that move with the chunks: each chunk as though files of its own held its reference, step by step as at once."""

import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.domain.slicing import Split
from mlops_desk.store.archive import Store
from tests.monitoring.desks import (
    BY_PATH,
    COLUMNS,
    DAILY,
    INSIDE,
    KEY,
    LOGS,
    run,
    write_day,
    write_desk,
)

EVERYTHING = """
[[models.monitors]]
family = "data_drift"
min_rows = 20
[[models.monitors]]
family = "prediction_drift"
min_rows = 20
[[models.monitors]]
family = "label_drift"
min_rows = 20
[[models.monitors]]
family = "performance"
min_rows = 20
segments = ["*", "sex"]
[[models.monitors]]
family = "estimated_performance"
min_rows = 20
[[models.monitors]]
family = "calibration"
min_rows = 20
[[models.monitors]]
family = "concept_drift"
min_rows = 20
[[models.monitors]]
family = "fairness"
min_group_rows = 5
[[models.monitors]]
family = "estimated_fairness"
min_group_rows = 5
[[models.monitors]]
family = "data_quality"
min_rows = 20
segments = ["*", "sex"]
[[models.monitors]]
metrics = ["std_ratio", "energy"]
family = "data_drift"
threshold = { kind = "quantile", upper = 0.9 }
convention = "nannyml"
columns = ["x", "age"]
[[models.monitors]]
metrics = ["jensen_shannon", "psi"]
columns = ["kind", "x"]
segments = ["sex"]
min_rows = 10
"""
OF_NOW = ("freshness_hours", "label_lag_hours")
"""What depends on the whole log, and not on the chunk and its reference alone."""
MOVING = {
    "previous_chunks = 3": 3,
    'rolling = "4d"': 4,
    "expanding = true": 99,
}


def moving(choice: str) -> str:
    return f"[models.reference]\n{choice}\n"


def of_chunk(folder: Path, key: str) -> dict[tuple[object, ...], Mapping[str, Any]]:
    """The analysis values of one chunk by their series."""
    with Store.open(folder) as store:
        table = store.value_table(["m"])
        numbers = {chunk.index for chunk in store.chunks("m", Split.ANALYSIS) if chunk.key == key}
    rows = [dict(zip(table.names, row, strict=True)) for row in zip(*table.columns, strict=True)]
    names = [name for name in KEY if name != "chunk"]
    return {
        tuple(row[name] for name in names): row
        for row in rows
        if row["split"] == "analysis" and row["chunk"] in numbers and row["metric"] not in OF_NOW
    }


def differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, tuple[object, object]]:
    """The fields in which two values differ."""
    differing = {}
    for name, other in expected.items():
        one = found[name]
        if name not in ("chunk", "evaluated_at") and one != other:
            numbers = isinstance(one, float) and isinstance(other, float)
            if not (numbers and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)):
                differing[name] = (one, other)
    return differing


@pytest.mark.parametrize("choice", MOVING)
def test_a_chunk_is_judged_as_by_files_that_hold_its_reference(tmp_path: Path, choice: str) -> None:
    length, days = MOVING[choice], range(8)
    folder = tmp_path / "moving"
    write_desk(folder, LOGS, moving(choice), COLUMNS + INSIDE, DAILY, EVERYTHING)
    files = [write_day(folder / "logs", day, rows=60, inside=True) for day in days]
    assert run(folder).failure is None
    with Store.open(folder) as store:
        chunks = store.chunks("m", Split.ANALYSIS)
        assert not store.chunks("m", Split.REFERENCE)
    assert len(chunks) == len(days)
    least = 5 if length == 99 else length
    for day in (least, days[-1]):
        own = tmp_path / f"own{day}"
        write_desk(own, LOGS, BY_PATH, COLUMNS + INSIDE, DAILY, EVERYTHING)
        for name, some in (("reference", files[max(0, day - length) : day]), ("logs", files[day:])):
            (own / name).mkdir()
            for file in some:
                shutil.copy(file, own / name)
        assert run(own).failure is None
        found, expected = of_chunk(folder, chunks[day].key), of_chunk(own, chunks[day].key)
        assert found.keys() == expected.keys()
        differing = {key: apart for key, row in expected.items() if (apart := differences(found[key], row))}
        assert differing == {}
