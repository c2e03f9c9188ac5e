"""What columns are taken for: kinds by the reference, roles by desk.toml, and the reason in words."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlops_desk.domain.model import Logs, Model, Reference
from mlops_desk.domain.schema import Column, ColumnRoles, Kind, Role, Task
from mlops_desk.domain.slicing import ChunkRule
from mlops_desk.warehouse import schema
from mlops_desk.warehouse.schema import ReferenceRows, common_types, understood_columns
from tests.aggregates.logs import opened, written

N, C = Kind.NUMERIC, Kind.CATEGORICAL


def understood(
    folder: Path, columns: Mapping[str, Any], task: Task | None = Task.BINARY, **roles: Any
) -> dict[str, Column]:
    written(folder / "a.parquet", columns)
    return of_folder(folder, task, **roles)


def of_folder(folder: Path, task: Task | None = Task.BINARY, **roles: Any) -> dict[str, Column]:
    model = Model(
        id="m",
        name="M",
        task=task,
        logs=Logs(paths=(".",)),
        reference=Reference(paths=(".",)),
        columns=ColumnRoles(**roles),
        chunks=ChunkRule(size=10),
    )
    connection, footers = opened(folder)
    rows = ReferenceRows(footers=tuple(footers), predicate="true", rows=sum(one.rows for one in footers))
    with connection:
        return {one.name: one for one in understood_columns(connection, model, common_types(footers), rows)}


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (np.linspace(0, 1, 120), N),
        (np.zeros(120, dtype=np.float32), N),
        ([Decimal("1.50")] * 120, N),
        (np.arange(120) % 21, N),
        (np.arange(120) % 20, C),
        (np.arange(120), None),
        ([None, *range(119)], None),
        ([True, False] * 60, C),
        ([f"word {row % 60}" for row in range(120)], C),
        ([f"word {row % 61}" for row in range(120)], None),
        (pa.array(["a", "b"] * 60).dictionary_encode(), C),
        ([datetime(2024, 1, 1)] * 120, None),
        ([[1, 2]] * 120, None),
        ([{"a": 1}] * 120, None),
        (pa.array([None] * 120, pa.string()), C),
    ],
    ids="float float32 decimal 21-whole 20-whole id id-with-null boolean half-text text dictionary time list struct null".split(),
)
def test_kinds_are_inferred_from_the_reference(tmp_path: Path, column: Any, kind: Kind | None) -> None:
    found = understood(tmp_path, {"column": column})["column"]
    assert found.kind is kind
    assert found.role is (Role.IGNORED if kind is None else Role.FEATURE)
    assert found.reason


def test_desk_toml_overrides_kinds_and_gives_roles(tmp_path: Path) -> None:
    columns = {
        "id": list(range(40)),
        "ts": [datetime(2024, 1, 1)] * 40,
        "code": [0, 1] * 20,
        "size": np.linspace(0, 1, 40),
        "sex": ["f", "m"] * 20,
        "area": list(range(40)),
        "comment": ["x", "y"] * 20,
        "v": ["1"] * 40,
        "score": [0.5] * 40,
        "y_pred": [0.0, 1.0] * 20,
        "truth": [0, 1] * 20,
    }
    found = understood(
        tmp_path,
        columns,
        timestamp="ts",
        id="id",
        prediction="y_pred",
        score="score",
        target="truth",
        version="v",
        numeric=("code",),
        categorical=("size",),
        protected=("sex×area",),
        ignore=("comment",),
    )
    kinds = {name: (one.role, one.kind) for name, one in found.items()}
    assert kinds == {
        "id": (Role.ID, None),
        "ts": (Role.TIMESTAMP, None),
        "code": (Role.FEATURE, N),
        "size": (Role.FEATURE, C),
        "sex": (Role.FEATURE, C),
        "area": (Role.FEATURE, C),
        "comment": (Role.IGNORED, None),
        "v": (Role.VERSION, None),
        "score": (Role.SCORE, N),
        "y_pred": (Role.PREDICTION, C),
        "truth": (Role.TARGET, C),
    }


@pytest.mark.parametrize(("task", "kind"), [(Task.REGRESSION, N), (Task.MULTICLASS, C), (None, N)])
def test_the_task_says_what_a_prediction_is(tmp_path: Path, task: Task | None, kind: Kind) -> None:
    found = understood(tmp_path, {"y": np.arange(60) % 30}, task, prediction="y")
    assert found["y"].kind is kind


def test_what_cannot_be_counted_is_told(tmp_path: Path) -> None:
    found = understood(tmp_path, {"a": ["x"] * 3, "s": ["0.5"] * 3}, numeric=("a",), score="s")
    assert (found["a"].kind, found["a"].reason) == (None, "VARCHAR is not numeric")
    assert (found["s"].kind, found["s"].reason) == (None, "a score of type VARCHAR cannot be counted")


def test_a_sample_decides_only_where_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few values in the first rows and many later; texts that repeat only later."""
    monkeypatch.setattr(schema, "SAMPLED_ROWS", 50)
    for index in range(6):
        rows = np.arange(400)
        written(
            tmp_path / f"{index}.parquet",
            {
                "late": np.where(rows < 60, 1, rows),
                "codes": rows % 7,
                "many": rows,
                "repeats": [f"word {row % 100}" for row in rows],
                "free": [f"{index} {row}" for row in rows],
            },
        )
    kinds = {name: one.kind for name, one in of_folder(tmp_path).items()}
    assert kinds == {"late": N, "codes": C, "many": N, "repeats": C, "free": None}
