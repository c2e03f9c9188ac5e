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
    pq.write_table(pa.table({"age": [20, 30], "country": ["DE", "FR"], "localtime": [1, 2]}), path)
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
        "split_part(country, 'random()', 1) = 'now'",
        "list_max([age, 3]) > 1 and if(age > 1, true, false)",
        "age(date '2024-01-01', date '2020-01-01') > interval 3 years",
        "localtime = 1",
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
        ("geomean(age) > 1", "function geomean"),
        ("SUM(age) > 1", "function sum"),
        ("random() < 0.5", "random is not allowed"),
        ("RANDOM() < 0.5", "random is not allowed"),
        ("system.main.random() < 0.5", "random is not allowed"),
        ("len([x for x in [age] if random() < x]) = 1", "random is not allowed"),
        ("uuid()::text > '8'", "uuid is not allowed"),
        ("now() > timestamp '2024-01-01'", "now is not allowed"),
        ("today() > date '2024-01-01'", "today is not allowed"),
        ("current_date > date '2024-01-01'", "current_date is not allowed"),
        ("Current_Timestamp > timestamp '2024-01-01'", "current_timestamp is not allowed"),
        ("ago(interval 1 day) > timestamp '2024-01-01'", "ago is not allowed"),
        ("age(timestamp '2024-01-01') > interval 1 day", "age is not allowed"),
        ("current_localtimestamp() > timestamp '2024-01-01'", "current_localtimestamp is not allowed"),
        ("current_setting('threads') = 2", "current_setting is not allowed"),
        ("getvariable('x') = 2", "getvariable is not allowed"),
        ("getenv('HOME') = ''", "getenv is not allowed"),
        ("nextval('s') = 1", "nextval is not allowed"),
        ("current_query() = ''", "current_query is not allowed"),
    ],
)
def test_anything_else_is_refused_by_name(checked, sql, why):
    with pytest.raises(UserError, match="^here: ") as error:
        checked(sql)
    assert why in str(error.value)
