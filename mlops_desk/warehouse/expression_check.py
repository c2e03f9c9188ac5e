"""Checks SQL of desk.toml before it reaches the engine: one scalar expression over the log's columns, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from mlops_desk.domain.errors import UserError
from mlops_desk.warehouse.connection import Connection, literal
from mlops_desk.warehouse.footers import first_line

FORBIDDEN_CLASSES = ("SUBQUERY", "WINDOW", "PARAMETER", "STAR", "DEFAULT")
FORBIDDEN_TYPES = ("SUBQUERY", "TABLE_FUNCTION", "JOIN", "EXPRESSION_LIST", "EMPTY")
QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
AGGREGATES = "select distinct function_name from duckdb_functions() where function_type in ('aggregate', 'table', 'table_macro', 'pragma')"


def check_predicate(connection: Connection, sql: str, relation: str, place: str) -> None:
    """Raises UserError, naming `place` in desk.toml, where `sql` is no scalar expression that the rows of a relation have a value for."""
    bare = QUOTED.sub("''", sql)
    if "--" in bare or "/*" in bare or ";" in bare:
        raise UserError(f"{place}: a comment or a semicolon does not belong into an expression: {sql}")
    _check_tree(_tree(connection, sql, place), connection, place)
    try:
        connection.rows(f"select ({sql})::boolean from {relation} limit 0")
    except connection.engine_errors as error:
        raise UserError(f"{place}: {first_line(error)}") from error


def _tree(connection: Connection, sql: str, place: str) -> dict[str, Any]:
    """The engine's own reading of the expression."""
    text = connection.rows(f"select json_serialize_sql({literal(f'select ({sql}) from log')})")[0][0]
    tree: dict[str, Any] = json.loads(text)
    if tree.get("error"):
        raise UserError(f"{place}: {sql!r} is no SQL expression: {tree.get('error_message', '')}")
    return tree


def _check_tree(tree: dict[str, Any], connection: Connection, place: str) -> None:
    """Raises UserError for anything but one scalar expression over one table."""
    statements = tree["statements"]
    node = statements[0]["node"] if len(statements) == 1 else {}
    only = node.get("type") == "SELECT_NODE" and len(node.get("select_list", ())) == 1
    if not only or node.get("from_table", {}).get("type") != "BASE_TABLE" or node.get("where_clause") is not None:
        raise UserError(f"{place}: it must be one expression, such as country = 'DE'")
    aggregates = {row[0] for row in connection.rows(AGGREGATES)}
    for part in _parts(node["select_list"][0]):
        kind, function = part.get("class"), part.get("function_name")
        if kind in FORBIDDEN_CLASSES or part.get("type") in FORBIDDEN_TYPES:
            raise UserError(f"{place}: a {str(kind or part.get('type')).lower()} is not allowed in an expression")
        if function in aggregates:
            raise UserError(f"{place}: the function {function} is not allowed; an expression looks at one row")


def _parts(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in a tree of JSON."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from _parts(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _parts(value)
