"""Business SQL of desk.toml is one aggregate whatever the order of rows, or it does not reach the engine; sums are taken apart."""

from __future__ import annotations

import pytest

from mlops_desk.domain.errors import UserError
from mlops_desk.warehouse.aggregate_check import checked_aggregate
from mlops_desk.warehouse.connection import Connection

TYPES = {"age": "INTEGER", "amount": "DOUBLE", "price": "DECIMAL(9,2)", "country": "VARCHAR", 'Größe "q"': "DOUBLE"}


@pytest.fixture
def checked(tmp_path):
    with Connection([], tmp_path / "spill") as connection:
        yield lambda sql: checked_aggregate(connection, sql, TYPES, "here")


@pytest.mark.parametrize(
    ("sql", "terms", "types"),
    [
        ("sum(amount)", 1, ("DOUBLE",)),
        ("sum(age) / nullif(count(*), 0)", 2, ("HUGEINT", "BIGINT")),
        ("sum(case when country = 'it''s' then 300 else 0 end) - 2 * count_if(age > 3)", 2, ("HUGEINT", "HUGEINT")),
        ("count(amount) filter (where age > 18)", 1, ("BIGINT",)),
        ("coalesce(sum(\"Größe \"\"q\"\"\"), 0)", 1, ("DOUBLE",)),
        ("SUM(price)", 1, ("DOUBLE",)),
        ("greatest(sum(age), 0) + length('sum(age)')", 1, ("HUGEINT",)),
    ],
)  # fmt: skip
def test_sums_are_taken_apart(checked, sql, terms, types):
    found = checked(sql)
    assert len(found.terms) == terms
    assert found.types == types
    assert found.formula


@pytest.mark.parametrize(
    "sql",
    ["avg(amount)", "count(distinct age)", "sum(amount order by age)", "max(age) - min(age)", "sum(age) / max(age)"],
)
def test_what_does_not_add_has_no_terms(checked, sql):
    assert checked(sql).terms == ()


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("age", "has no aggregate"),
        ("1", "has no aggregate"),
        ("sum(age) + age", "age"),
        ("sum(ages)", "ages"),
        ("sum(country)", "sum"),
        ("sum(age) over ()", "window"),
        ("(select sum(age) from log)", "subquery"),
        ("sum(age), count(*)", "must be one number, not a TUPLE"),
        ("sum(age) from log; drop table log", "semicolon"),
        ("sum(age) -- more", "comment"),
        ("sum(sum(age))", "nested"),
        ("first(age)", "first is not allowed; its answer must not depend on the order of rows"),
        ("string_agg(country, ',')", "string_agg is not allowed"),
        ("approx_count_distinct(age)", "approx_count_distinct is not allowed"),
        ("sum(random())", "random is not allowed"),
        ("sum(age) + extract(epoch from now())", "is not allowed"),
        ("sum(age) filter (where amount > (select 1))", "subquery"),
        ("sum(len(read_csv('x')))", ""),
        ("sum(unnest([age]))", "unnest"),
        ("count(*) > 3 and country", "country"),
        ("max(country)", "must be one number, not a VARCHAR"),
        ("list(age)", "list is not allowed"),
    ],
)
def test_anything_else_is_refused_by_name(checked, sql, why):
    with pytest.raises(UserError, match="^here: ") as error:
        checked(sql)
    assert why in str(error.value)
