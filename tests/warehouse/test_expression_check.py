"""SQL of desk.toml is one scalar expression over a row, or it does not reach the engine."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlops_desk.domain.errors import UserError
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.expression_check import check_predicate
from mlops_desk.warehouse.footers import file_list


@pytest.fixture
def checked(tmp_path):
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"age": [20, 30], "country": ["DE", "FR"]}), path)
    with Connection([path], tmp_path / "spill") as connection:
        yield lambda sql: check_predicate(connection, sql, f"read_parquet({file_list([path])})", "here")


@pytest.mark.parametrize(
    "sql",
    [
        "age > 18",
        "country = 'DE' and age between 18 and 65",
        "upper(country) like 'D%'",
        "country = '--;'",
        "nullif(age, 20) > 1",
    ],
)
def test_a_predicate_passes(checked, sql):
    checked(sql)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("1 = 1) from log; drop table log", "semicolon"),
        ("age > 1 -- true", "comment"),
        ("age > 1 /* */", "comment"),
        ("exists (select 1)", "subquery"),
        ("age in (select age from log)", "subquery"),
        ("sum(age) > 1", "function sum"),
        ("row_number() over () = 1", "window"),
        ("unnest([true])", "function unnest"),
        ("age = ?", "parameter"),
        ("*", "star"),
        ("age >", "no SQL expression"),
        ("years > 1", '"years" not found'),
    ],
)
def test_anything_else_is_refused_by_name(checked, sql, why):
    with pytest.raises(UserError, match="^here: ") as error:
        checked(sql)
    assert why in str(error.value)
