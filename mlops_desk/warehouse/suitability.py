"""Whether files, columns and expressions can be what desk.toml takes them for, asked before anything is counted.

What only some rows show, such as a text that is no number, is looked for in all rows of the column in question.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Model
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.expression_check import check_predicate
from mlops_desk.warehouse.footers import Footer, first_line, unreadable_files
from mlops_desk.warehouse.schema import log_relation


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
