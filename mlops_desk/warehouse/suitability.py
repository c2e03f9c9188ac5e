"""Whether files, columns and expressions can be what desk.toml takes them for, asked before anything is counted.

What only some rows show, such as a text that is no number, is looked for in all rows of the column in question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Model
from mlops_desk.warehouse.connection import Connection, literal, quoted
from mlops_desk.warehouse.expression_check import check_predicate
from mlops_desk.warehouse.footers import Footer, first_line, unreadable_files
from mlops_desk.warehouse.schema import is_number, log_relation


def check_filter(connection: Connection, model: Model, groups: Sequence[Sequence[Footer]], *, rows: bool) -> None:
    """Raises UserError where the filter is no predicate on the rows of the log and the reference; `rows` has it asked of each of them."""
    if model.logs.filter is None:
        return
    place = f"desk.toml: models.{model.id}.logs.filter"
    for footers in groups:
        if footers:
            relation = log_relation(footers)
            check_predicate(connection, model.logs.filter, relation, place)
            if rows:
                _check_filter_of_rows(connection, model.logs.filter, relation, footers, place)


def _check_filter_of_rows(
    connection: Connection, sql: str, relation: str, footers: Sequence[Footer], place: str
) -> None:
    try:
        connection.rows(f"select count(*) from {relation} where ({sql})")
    except connection.engine_errors as error:
        if not unreadable_files(connection, footers):
            raise UserError(
                f"{place}: it has no answer for some rows ({first_line(error)}); try_cast gives NULL where a value does not fit"
            ) from error


def check_numbers(connection: Connection, model: Model, types: Mapping[str, str], footers: Sequence[Footer]) -> None:
    """Raises UserError for a column that is to hold numbers (a score, one with a least or greatest value) and does not."""
    for key, column in _number_columns(model):
        kind = types.get(column)
        if kind is None or is_number(kind) or kind == "BOOLEAN":
            continue
        place = f"desk.toml: models.{model.id}.{key}"
        if kind != "VARCHAR":
            raise UserError(f"{place}: {column!r} is of type {kind}, not of numbers; name a column of numbers")
        there = [footer for footer in footers if column in dict(footer.columns)]
        text = f"cast({quoted(column)} as VARCHAR)"
        query = f"select min({text}) from {log_relation(there)} where {text} is not null and try_cast({text} as DOUBLE) is null"
        odd = connection.rows(query)[0][0] if there else None
        if odd is not None:
            raise UserError(
                f"{place}: {column!r} is text that is no number, such as {odd!r}; name a column of numbers, or store numbers"
            )


def _number_columns(model: Model) -> Iterator[tuple[str, str]]:
    """(key, column) of what desk.toml takes for numbers whatever the column's kind."""
    if model.columns.score is not None:
        yield "columns.score", model.columns.score
    for name, column in model.columns.scores:
        yield f"columns.score.{name}", column
    for number, one in enumerate(model.expectations, 1):
        for side, limit in (("min", one.min), ("max", one.max)):
            if limit is not None:
                yield f"expectations[{number}].{side}", one.column


def check_patterns(connection: Connection, model: Model) -> None:
    """Raises UserError for a pattern of an expectation that the engine cannot read."""
    for number, one in enumerate(model.expectations, 1):
        if one.pattern is not None:
            try:
                connection.rows(f"select regexp_full_match('', {literal(one.pattern)})")
            except connection.engine_errors as error:
                raise UserError(
                    f"desk.toml: models.{model.id}.expectations[{number}].pattern: {one.pattern!r}, expected of column {one.column!r},"
                    f" is no regular expression ({first_line(error)}); a mark that stands for itself needs a backslash before it"
                ) from error
