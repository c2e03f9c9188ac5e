"""Columns that desk.toml names and the log does not have are errors that tell where, and what was meant."""

import re
from pathlib import Path

import pytest

from mlops_desk.config.desk_file import parse_desk
from mlops_desk.domain.errors import UserError
from mlops_desk.warehouse.schema import check_columns

LOG = {"id": "BIGINT", "when": "TIMESTAMP", "amount": "DOUBLE", "region": "VARCHAR", "y": "BIGINT"}
DESK = """\
version = 1
name = "n"
[[models]]
id = "m"
name = "m"
task = "binary"
logs = { path = "logs" }
reference = { path = "reference.parquet" }
labels = { path = "labels", key = "id", target = "truth" }
chunks = { number = 2 }
"""


def check(more: str, reference: dict[str, str] | None = None) -> None:
    [model] = parse_desk(DESK + more, Path("/w/desk.toml")).models
    check_columns(model, LOG, LOG if reference is None else reference)


def columns(more: str) -> str:
    return f'[models.columns]\nid = "id"\nprediction = "y"\n{more}\n'


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            columns('numeric = ["amont"]'),
            "models.m.columns.numeric: the log has no column 'amont'; did you mean amount?",
        ),
        (
            columns('ignore = ["amount", "regon"]'),
            "models.m.columns.ignore[2]: the log has no column 'regon'; did you mean region?",
        ),
        (
            columns("") + "[[models.expectations]]\ncolumn = 'amount'\nmin = 0\n"
            "[[models.expectations]]\ncolumn = 'Region'\nnot_null = true\n",
            "models.m.expectations[2].column: the log has no column 'Region'; did you mean region?",
        ),
        (
            columns("") + "[[models.expectations]]\ncolumn = 'qqqq'\nnot_null = true\n",
            "models.m.expectations[1].column: the log has no column 'qqqq'; it has amount, id, region, when, y",
        ),
    ],
)
def test_a_column_that_is_not_there(more: str, message: str) -> None:
    with pytest.raises(UserError, match=re.escape(f"desk.toml: {message}") + "$"):
        check(more)


def test_columns_that_are_there_or_come_from_elsewhere() -> None:
    check(columns('ignore = ["region", "only_there"]'), {**LOG, "only_there": "VARCHAR"})
    check(columns("") + "[[models.expectations]]\ncolumn = 'truth'\nallowed = [0, 1]\n")
    check(columns("") + "[[models.expectations]]\ncolumn = 'amount'\nmin = 0\n")
