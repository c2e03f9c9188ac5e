"""Models and series under the integers that stand for them in the archive; both are only ever added, so an integer never changes its meaning."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from mlops_desk.domain.metric import Convention, Family, SeriesKey

_COLUMNS = 'family, metric, convention, "column", "group", class, segment'


def model_names(connection: sqlite3.Connection) -> tuple[str, ...]:
    """Ids of the models that were ever evaluated, in that order."""
    return tuple(name for (name,) in connection.execute("select name from model order by id"))


def model_number(connection: sqlite3.Connection, model: str) -> int | None:
    """The integer of a model, None if it was never evaluated."""
    row = connection.execute("select id from model where name = ?", (model,)).fetchone()
    return None if row is None else int(row[0])


def intern_model(connection: sqlite3.Connection, model: str) -> int:
    """The integer of a model, given to it now if it has none."""
    connection.execute("insert into model (name) values (?) on conflict do nothing", (model,))
    number: int = connection.execute("select id from model where name = ?", (model,)).fetchone()[0]
    return number


def series_keys(connection: sqlite3.Connection, model: int) -> dict[int, SeriesKey]:
    """Every series of a model by its integer."""
    rows = connection.execute(f"select id, {_COLUMNS} from series where model = ?", (model,))
    return {number: series_key(*columns) for number, *columns in rows}


def series_key(
    family: str,
    metric: str,
    convention: str,
    column: str | None,
    group: str | None,
    class_: str | None,
    segment: str | None,
) -> SeriesKey:
    """The key of a stored series, from its columns in the order of the table."""
    return SeriesKey(Family(family), metric, Convention(convention), column, group, class_, segment)


class SeriesIndex:
    """The integers of a model's series for a writer, who alone may add some while its transaction lasts."""

    def __init__(self, connection: sqlite3.Connection, model: int) -> None:
        self._connection = connection
        self._model = model
        self._numbers = {key: number for number, key in series_keys(connection, model).items()}

    def number(self, key: SeriesKey) -> int:
        """The integer of a series, given to it now if it has none."""
        number = self._numbers.get(key)
        if number is None:
            columns = (key.family, key.metric, key.convention, key.column, key.group, key.class_, key.segment)
            cursor = self._connection.execute(
                f"insert into series (model, {_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?)", (self._model, *columns)
            )
            number = self._numbers[key] = int(cursor.lastrowid or 0)
        return number

    def numbers(self, families: Collection[Family]) -> set[int]:
        """The integers of all series of some families."""
        return {number for key, number in self._numbers.items() if key.family in families}
