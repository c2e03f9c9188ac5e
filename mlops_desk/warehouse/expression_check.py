"""Checks SQL of desk.toml before it reaches the engine: one scalar or aggregate expression over the log's columns, and nothing else.

A row's answer must be the same whenever it is asked for, or an evaluation of what is new would differ from one of everything. So only
functions pass that the engine calls consistent, less those that it calls so and that look at the clock, and macros made of such functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator, Sequence
from typing import Any

from mlops_desk.domain.errors import UserError
from mlops_desk.warehouse.connection import Connection, literal, quoted
from mlops_desk.warehouse.footers import first_line
from mlops_desk.warehouse.schema import is_number

FORBIDDEN_CLASSES = ("SUBQUERY", "WINDOW", "PARAMETER", "STAR", "DEFAULT")
FORBIDDEN_TYPES = ("SUBQUERY", "TABLE_FUNCTION", "JOIN", "EXPRESSION_LIST", "EMPTY")
QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
TEXTS = re.compile(r"'(?:[^']|'')*'")
CALLED = re.compile(r'(\w+)"?\(')
BARE = (
    "current_catalog",
    "current_date",
    "current_schema",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
)
"""Words that are functions without parentheses, where no column has their name."""
UNSTEADY = frozenset({*BARE, "current_localtime", "current_localtimestamp", "current_setting", "getenv", "getvariable"})
"""Functions whose answer depends on the moment or the session, whatever the engine says of them."""
LITERAL_ERRORS = ("Conversion Error", "Out of Range Error")
MANY_ROWS = "select distinct lower(function_name) from duckdb_functions() where function_type in ('aggregate', 'table', 'table_macro', 'pragma')"
INCONSISTENT = "select distinct lower(function_name) from duckdb_functions() where stability <> 'CONSISTENT'"
MACROS = "select lower(function_name), macro_definition from duckdb_functions() where function_type = 'macro'"


def check_predicate(connection: Connection, sql: str, relation: str, place: str) -> None:
    """Raises UserError, naming `place` in desk.toml, where `sql` is no scalar expression that the rows of a relation have a value for."""
    selected = selected_expression(connection, sql, place, "country = 'DE'")
    try:
        described = connection.rows(f"describe select * from {relation}")
        check_parts(selected, connection, {row[0].lower() for row in described}, place)
        kind: str = connection.rows(f"describe select ({sql}) from {relation}")[0][1]
        if kind not in ("BOOLEAN", '"NULL"') and not is_number(kind):
            raise UserError(
                f"{place}: {sql} is of type {kind}, neither true nor false; compare it, such as country = 'DE'"
            )
        _check_literals(connection, sql, described, place)
    except connection.engine_errors as error:
        raise UserError(f"{place}: {first_line(error)}") from error


def selected_expression(connection: Connection, sql: str, place: str, example: str) -> dict[str, Any]:
    """The engine's own reading of an expression; raises UserError, with an example of one, where the text is anything else."""
    bare = QUOTED.sub("''", sql)
    if "--" in bare or "/*" in bare or ";" in bare:
        raise UserError(f"{place}: a comment or a semicolon does not belong into an expression: {sql}")
    return _selected(_tree(connection, sql, place), place, example)


def _check_literals(connection: Connection, sql: str, columns: Sequence[tuple[Any, ...]], place: str) -> None:
    """Raises UserError for a literal that is none of its type, which the engine only finds at a row; one of NULLs reads no file."""
    nulls = ", ".join(f"null::{column[1]} {quoted(column[0])}" for column in columns)
    connection.execute(f"create or replace table one_row as select {nulls}")
    try:
        connection.rows(f"select ({sql})::boolean from one_row log")
    except connection.engine_errors as error:
        if first_line(error).startswith(LITERAL_ERRORS):  # of other errors NULLs alone may be the cause
            raise UserError(f"{place}: {first_line(error)}") from error
    finally:
        connection.drop("one_row")


def _tree(connection: Connection, sql: str, place: str) -> dict[str, Any]:
    """The engine's own reading of a query for the expression."""
    text = connection.rows(f"select json_serialize_sql({literal(f'select ({sql}) from log')})")[0][0]
    tree: dict[str, Any] = json.loads(text)
    if tree.get("error"):
        raise UserError(f"{place}: {sql!r} is no SQL expression: {tree.get('error_message', '')}")
    return tree


def _selected(tree: dict[str, Any], place: str, example: str) -> dict[str, Any]:
    """The expression in the engine's reading; raises UserError for anything but one over one table."""
    statements = tree["statements"]
    node: dict[str, Any] = statements[0]["node"] if len(statements) == 1 else {}
    only = node.get("type") == "SELECT_NODE" and len(node.get("select_list", ())) == 1
    if not only or node.get("from_table", {}).get("type") != "BASE_TABLE" or node.get("where_clause") is not None:
        raise UserError(f"{place}: it must be one expression, such as {example}")
    selected: dict[str, Any] = node["select_list"][0]
    return selected


def check_parts(
    selected: dict[str, Any],
    connection: Connection,
    columns: Container[str],
    place: str,
    aggregates: Container[str] = (),
) -> None:
    """Raises UserError for a part of an expression that is more than a steady answer about one row, or one of these aggregates."""
    macros = connection.rows(MACROS)
    many_rows = _with_macros({row[0] for row in connection.rows(MANY_ROWS)}, macros)
    unsteady = _with_macros({row[0] for row in connection.rows(INCONSISTENT)} | UNSTEADY, macros)
    for part in parts_of(selected):
        kind, function = part.get("class"), str(part.get("function_name", "")).lower()
        if kind in FORBIDDEN_CLASSES or part.get("type") in FORBIDDEN_TYPES:
            raise UserError(f"{place}: a {str(kind or part.get('type')).lower()} is not allowed in an expression")
        if function in aggregates:
            continue
        if function in many_rows:
            why = "its answer must not depend on the order of rows" if aggregates else "an expression looks at one row"
            raise UserError(f"{place}: the function {function} is not allowed; {why}")
        names: list[str] = part.get("column_names") or []
        bare = names[0].lower() if len(names) == 1 else ""
        word = bare if bare in BARE and bare not in columns else function
        if word in unsteady or (word == "age" and len(part.get("arguments", ())) == 1):
            raise UserError(
                f"{place}: {word} is not allowed; its answer about a row changes from one evaluation to the next"
            )


def _with_macros(functions: set[str], macros: Sequence[tuple[str, str]]) -> set[str]:
    """Functions, and the macros that come down to one of them or to a query."""
    found = set(functions)
    while True:
        more = {name for name, definition in macros if name not in found and _words(definition) & found}
        if not more:
            return found
        found |= more


def _words(definition: str) -> set[str]:
    """The functions that a macro calls."""
    bare = TEXTS.sub("''", definition.lower())
    return set(CALLED.findall(bare)) | {word for word in BARE if word in bare}


def parts_of(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in a tree of JSON."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from parts_of(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from parts_of(value)
