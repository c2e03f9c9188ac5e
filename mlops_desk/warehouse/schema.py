"""What the columns of a log are: their common type over all files, their role, and the kind by which they are compared.

Kinds are decided on the reference: a column of whole numbers with more than 20 distinct values is numeric, text of which most values differ
is no category. Large references are looked at through a sample of their first rows in several files, and wholly where that leaves doubt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Model
from mlops_desk.domain.schema import Column, Kind, Role, Task
from mlops_desk.warehouse.connection import Connection, quoted
from mlops_desk.warehouse.footers import Footer, file_list

INTEGERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "UHUGEINT",
)
FLOATS = ("FLOAT", "DOUBLE")
ZONED = "TIMESTAMP WITH TIME ZONE"
COLUMNS_AT_ONCE = 12
"""Columns whose values one query tells apart, so that its tables stay small."""
CODES_AT_MOST = 20
"""Whole numbers with at most so many distinct values are categories."""
DISTINCT_SHARE = 0.5
SAMPLED_FILES, SAMPLED_ROWS = 5, 40_000


class ReferenceRows(Struct, frozen=True, kw_only=True):
    """The rows of the reference as files and a predicate (`true` for all of them), and how many they are at the most."""

    footers: tuple[Footer, ...]
    predicate: str
    rows: int

    @property
    def relation(self) -> str:
        """All of them as a subquery; files whose columns differ are united by name."""
        return f"(select * from {log_relation(self.footers)} where {self.predicate})"

    @property
    def sample(self) -> str:
        """The first rows of some of the files as a subquery; all rows where they are few."""
        if self.rows <= SAMPLED_FILES * SAMPLED_ROWS:
            return self.relation
        step = max(1, len(self.footers) // SAMPLED_FILES)
        chosen = self.footers[::step][:SAMPLED_FILES]
        most = SAMPLED_FILES * SAMPLED_ROWS // len(chosen)
        some = (f"(select * from {log_relation([one])} where {self.predicate} limit {most})" for one in chosen)
        return "(" + " union all by name ".join(some) + ")"

    def counted(self, connection: Connection) -> ReferenceRows:
        """The same rows with their number as it really is, without the files that have none of them."""
        if any("filename" in dict(footer.columns) for footer in self.footers):
            rows = int(connection.rows(f"select count(*) from {self.relation}")[0][0])
            return replace(self, rows=rows)
        named = f"{log_relation(self.footers)[:-1]}, filename = true)"
        counts = dict(connection.rows(f"select filename, count(*) from {named} where {self.predicate} group by 1"))
        footers = tuple(footer for footer in self.footers if str(footer.path) in counts)
        return replace(self, footers=footers, rows=sum(counts.values()))


def log_relation(footers: Sequence[Footer]) -> str:
    """Files as a table function, united by name where their columns differ."""
    alike = len({footer.columns for footer in footers}) == 1
    united = "" if alike else ", union_by_name = true"
    return f"read_parquet({file_list([footer.path for footer in footers])}{united}, hive_partitioning = true)"


def common_types(footers: Iterable[Footer]) -> dict[str, str]:
    """Each column's type over all files: the widest of its numbers (a truth is 0 or 1), VARCHAR where types do not go together."""
    found: dict[str, set[str]] = {}
    for columns in dict.fromkeys(footer.columns for footer in footers):
        for name, kind in columns:
            found.setdefault(name, set()).add(kind)
    return {name: widest(types) for name, types in found.items()}


def widest(types: set[str]) -> str:
    """The type that values of all these types are compared as."""
    if len(types) == 1:
        return next(iter(types))
    if all(is_number(one) or one == "BOOLEAN" for one in types):
        types = {"TINYINT" if one == "BOOLEAN" else one for one in types}
    if all(one in INTEGERS for one in types):
        return "BIGINT" if not types & {"HUGEINT", "UHUGEINT", "UBIGINT"} else "HUGEINT"
    if all(is_number(one) for one in types):
        return "DOUBLE"
    if all(is_time(one) for one in types):
        return ZONED if any(is_zoned(one) for one in types) else "TIMESTAMP"
    return "VARCHAR"


def is_number(type: str) -> bool:
    """Whether an engine type is of numbers."""
    return type in INTEGERS or type in FLOATS or type.startswith("DECIMAL")


def is_time(type: str) -> bool:
    """Whether an engine type is of moments or days."""
    return type.startswith("TIMESTAMP") or type == "DATE"


def is_zoned(type: str) -> bool:
    """Whether an engine type is of instants, in microseconds or in nanoseconds."""
    return type in (ZONED, "TIMESTAMPTZ_NS")


def check_columns(model: Model, types: Mapping[str, str], reference: Mapping[str, str]) -> None:
    """Raises UserError for a column that desk.toml names and the log does not have, with the nearest of those it has."""
    roles = model.columns
    required = {
        "timestamp": roles.timestamp,
        "prediction": roles.prediction,
        "score": roles.score,
        "version": roles.version,
        "weight": roles.weight,
        "latency": roles.latency,
        "requester": roles.requester,
        "id": roles.id,
        **{f"score.{name}": column for name, column in roles.scores},
    }
    lists = {
        "numeric": roles.numeric,
        "categorical": roles.categorical,
        "protected": roles.protected_columns,
        "segments": roles.segments,
    }
    named = [(key, column) for key, column in required.items() if column is not None]
    named += [(key, column) for key, columns in lists.items() for column in columns]
    named += [(f"ignore[{number}]", column) for number, column in enumerate(roles.ignore, 1) if column not in reference]
    named = [(f"columns.{key}", column) for key, column in named]
    joined = model.labels.target if model.labels else None
    expected = [(f"expectations[{number}].column", one.column) for number, one in enumerate(model.expectations, 1)]
    named += [(key, column) for key, column in expected if column != joined]
    for key, column in named:
        if column not in types and not (column == roles.target and column in reference):
            raise UserError(_unknown(model, key, column, types))
    if (
        roles.target is not None
        and roles.target not in types
        and roles.target not in reference
        and model.labels is None
    ):
        raise UserError(_unknown(model, "columns.target", roles.target, types))


def _unknown(model: Model, key: str, column: str, types: Mapping[str, str]) -> str:
    near = get_close_matches(column, types, n=3, cutoff=0.5)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"it has {', '.join(sorted(types)[:12])}{' …' if len(types) > 12 else ''}"
    )
    return f"desk.toml: models.{model.id}.{key}: the log has no column {column!r}; {hint}"


def understood_columns(
    connection: Connection, model: Model, types: Mapping[str, str], reference: ReferenceRows
) -> tuple[Column, ...]:
    """Every column of the log with its role and kind, in the order of the log."""
    given = _given_roles(model)
    open_names = [name for name in types if name not in given or given[name] in (Role.PREDICTION, Role.TARGET)]
    distinct = _distinct(connection, [name for name in open_names if _needs_counting(types[name])], types, reference)
    return tuple(
        _column(model, name, kind, given.get(name, Role.FEATURE), distinct.get(name)) for name, kind in types.items()
    )


def _given_roles(model: Model) -> dict[str, Role]:
    """Roles that desk.toml gives."""
    columns = model.columns
    named = (
        (Role.TIMESTAMP, columns.timestamp),
        (Role.ID, columns.id),
        (Role.PREDICTION, columns.prediction),
        (Role.SCORE, columns.score),
        (Role.TARGET, columns.target or (model.labels.target if model.labels else None)),
        (Role.VERSION, columns.version),
        (Role.WEIGHT, columns.weight),
        (Role.LATENCY, columns.latency),
        (Role.REQUESTER, columns.requester),
        *((Role.SCORE, name) for _, name in columns.scores),
    )
    return dict.fromkeys(columns.ignore, Role.IGNORED) | {name: role for role, name in named if name is not None}


def _needs_counting(type: str) -> bool:
    """Whether the kind of a column of this type depends on how many values differ."""
    return type in INTEGERS or type == "VARCHAR"


def _distinct(
    connection: Connection, names: Sequence[str], types: Mapping[str, str], reference: ReferenceRows
) -> dict[str, tuple[int, int]]:
    """(distinct values, rows with a value) of columns in the reference, from a sample where that decides."""
    names = [name for name in names if name in dict(common_types(reference.footers))]
    if not names or not reference.footers:
        return {}
    counted = _counted(connection, names, reference.sample)
    whole = reference.rows <= SAMPLED_FILES * SAMPLED_ROWS
    doubtful = [
        name
        for name, (distinct, rows) in counted.items()
        if not whole and (distinct <= CODES_AT_MOST if types[name] in INTEGERS else distinct > DISTINCT_SHARE * rows)
    ]
    return counted | _counted(connection, doubtful, reference.relation) if doubtful else counted


def _counted(connection: Connection, names: Sequence[str], relation: str) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for at in range(0, len(names), COLUMNS_AT_ONCE):
        some = names[at : at + COLUMNS_AT_ONCE]
        terms = ", ".join(f"count(distinct {quoted(name)}), count({quoted(name)})" for name in some)
        row = connection.rows(f"select {terms} from {relation}")[0]
        found |= {name: (row[2 * index], row[2 * index + 1]) for index, name in enumerate(some)}
    return found


def _column(model: Model, name: str, type: str, role: Role, distinct: tuple[int, int] | None) -> Column:
    """One column with its role, kind and the reason."""
    kind, reason = _kind(model, name, type, role, distinct)
    if role is Role.FEATURE and kind is None:
        role = Role.IGNORED
    return Column(name=name, type=type, role=role, kind=kind, reason=reason)


def _kind(model: Model, name: str, type: str, role: Role, distinct: tuple[int, int] | None) -> tuple[Kind | None, str]:
    """The kind of a column and why; None where it is not compared."""
    if name in model.columns.numeric:
        return (
            (Kind.NUMERIC, "desk.toml says so")
            if is_number(type) or type == "BOOLEAN"
            else (None, f"{type} is not numeric")
        )
    if role is Role.IGNORED:
        return None, "desk.toml ignores it"
    if role is Role.SCORE:
        return (Kind.NUMERIC, "a score") if is_number(type) else (None, f"a score of type {type} cannot be counted")
    if role in (Role.PREDICTION, Role.TARGET) and model.task is not None:
        numeric = model.task is Task.REGRESSION
        return (Kind.NUMERIC, "a number is predicted") if numeric else (Kind.CATEGORICAL, "a class is predicted")
    if name in model.columns.categorical or name in model.columns.protected_columns or name in model.columns.segments:
        return Kind.CATEGORICAL, "desk.toml names it as categorical, protected or segment"
    if role not in (Role.FEATURE, Role.PREDICTION, Role.TARGET):
        return None, f"it is the {role.value}"
    return _inferred_kind(type, distinct)


def _inferred_kind(type: str, distinct: tuple[int, int] | None) -> tuple[Kind | None, str]:
    """The kind of a feature that desk.toml does not speak of."""
    if type in FLOATS or type.startswith("DECIMAL"):
        return Kind.NUMERIC, f"of type {type}"
    if type == "BOOLEAN" or type.startswith("ENUM"):
        return Kind.CATEGORICAL, f"of type {type}"
    if distinct is None:
        return None, f"columns of type {type} are not compared"
    values, rows = distinct
    if type in INTEGERS:
        if rows >= 100 and values == rows:
            return None, "whole numbers that all differ: an id"
        if values > CODES_AT_MOST:
            return Kind.NUMERIC, f"whole numbers with {values:,} distinct values in the reference"
        return Kind.CATEGORICAL, f"whole numbers with only {values} distinct values in the reference"
    if rows and values > DISTINCT_SHARE * rows and values > CODES_AT_MOST:
        return None, f"{values:,} distinct texts in {rows:,} rows: free text or an id"
    return Kind.CATEGORICAL, f"text with {values:,} distinct values in the reference"
