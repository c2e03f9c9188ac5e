"""Checks SQL of desk.toml that is one aggregate expression over rows, and takes it apart into sums that add where it is made of such.

`sum(a) / count(*)` becomes the terms `sum(a)` and `count(*)`, which are counted file by file, and the formula that makes the number of their
totals. Where another aggregate is in it, the expression has no terms and must be asked of all rows together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from mlops_desk.domain.errors import UserError
from mlops_desk.warehouse.connection import Connection, literal, quoted
from mlops_desk.warehouse.expression_check import check_parts, parts_of, selected_expression
from mlops_desk.warehouse.footers import first_line
from mlops_desk.warehouse.schema import is_number

ADDING = frozenset(("sum", "count", "count_star", "count_if", "countif"))
"""Aggregates of which those of parts add up to that of the whole."""
AGGREGATES = ADDING | frozenset(
    (
        *("avg", "mean", "min", "max", "median", "quantile", "quantile_cont", "quantile_disc", "mad", "product"),
        *(
            "stddev",
            "stddev_pop",
            "stddev_samp",
            "variance",
            "var_pop",
            "var_samp",
            "skewness",
            "kurtosis",
            "kurtosis_pop",
        ),
        *(
            "corr",
            "covar_pop",
            "covar_samp",
            "regr_slope",
            "regr_intercept",
            "regr_r2",
            "entropy",
            "bool_and",
            "bool_or",
        ),
    )
)
"""Aggregates whose answer does not depend on the order of rows."""
BEFORE, AFTER = "SELECT ", " FROM log"


class Aggregate(Struct, frozen=True, kw_only=True):
    """A checked aggregate expression.

    Attributes
    ----------
    terms : SQL of the aggregates in it, if parts of all of them add; else empty. types : engine types of the terms.
    formula : a query for the number, from a table `log` with a column a0, a1, … for each term; empty without terms.
    """

    terms: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    formula: str = ""


def checked_aggregate(connection: Connection, sql: str, types: Mapping[str, str], place: str) -> Aggregate:
    """An aggregate over rows with columns of these types; raises UserError, naming `place` in desk.toml, where it is none."""
    selected = selected_expression(connection, sql, place, "sum(amount)")
    columns = {name.lower() for name in types}
    check_parts(selected, connection, columns, place, AGGREGATES)
    if not any(_is_aggregate(part) for part in parts_of(selected)):
        raise UserError(
            f"{place}: it must add up the rows of a chunk to one number, such as sum(amount); {sql!r} has no aggregate"
        )
    nothing = ", ".join(f"cast(null as {kind}) as {quoted(name)}" for name, kind in types.items())
    try:
        kind = str(connection.rows(f"describe select ({sql}) from (select {nothing})")[0][1])
        if not is_number(kind) and kind != "BOOLEAN":
            raise UserError(f"{place}: it must be one number, not a {kind}: {sql}")
        taken = list(_outermost(selected))
        if not all(_adds(part) for part in taken):
            return Aggregate()
        terms = tuple(_text(connection, part) for part in taken)
        listed = ", ".join(terms)
        kinds = tuple(str(row[1]) for row in connection.rows(f"describe select {listed} from (select {nothing})"))
        if not all(is_number(kind) for kind in kinds):
            return Aggregate()
        kinds = tuple("DOUBLE" if kind.startswith("DECIMAL") else kind for kind in kinds)
        for number, part in enumerate(taken):
            part.clear()
            part.update({"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "column_names": [f"a{number}"]})
        return Aggregate(terms=terms, types=kinds, formula=f"{BEFORE}({_text(connection, selected)})::double{AFTER}")
    except connection.engine_errors as error:
        raise UserError(f"{place}: {first_line(error)}") from error


def _is_aggregate(part: Mapping[str, Any]) -> bool:
    return part.get("class") == "FUNCTION" and str(part.get("function_name", "")).lower() in AGGREGATES


def _outermost(tree: Any) -> Iterator[dict[str, Any]]:
    """The aggregates in a tree."""
    if isinstance(tree, dict):
        if _is_aggregate(tree):
            yield tree
        else:
            for value in tree.values():
                yield from _outermost(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _outermost(value)


def _adds(part: Mapping[str, Any]) -> bool:
    """Whether an aggregate of parts of the rows adds up to that of all."""
    plain = not part.get("distinct") and not (part.get("order_bys") or {}).get("orders")
    return plain and str(part.get("function_name", "")).lower() in ADDING


def _text(connection: Connection, expression: Mapping[str, Any]) -> str:
    """A part of an expression as SQL."""
    read = connection.rows(f"select json_serialize_sql({literal(f'{BEFORE}1{AFTER}')})")[0][0]
    tree = json.loads(read)
    tree["statements"][0]["node"]["select_list"] = [expression]
    text = str(connection.rows(f"select json_deserialize_sql({literal(json.dumps(tree))}::json)")[0][0])
    return text.removeprefix(BEFORE).removesuffix(AFTER)
