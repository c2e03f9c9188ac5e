"""Columns of a log as SQL expressions of one batch: numbers, texts, times, predictions and labels, whatever type the file gives them.

No query may compare with NaN, or call isnan: what footers state of a column leaves NaN out, and where a query reads a single file the engine
concludes from them that there is none. isfinite and casts do not fall for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from mlops_desk.warehouse.connection import literal, quoted
from mlops_desk.warehouse.schema import FLOATS, is_number

TRUTHS = {"1": ("1", "1.0", "true", "True"), "0": ("0", "0.0", "false", "False")}
"""Texts of the same truth: where files differ, a truth and a number may both have become text."""
LOG = "log"
SIDE = "side"
_BOOLEANS = {"true": "1", "false": "0"}


class Expressions(Struct, frozen=True, kw_only=True):
    """Expressions over the columns of one batch.

    Attributes
    ----------
    types : engine types of the batch's columns. common : types of columns over all files, where some file has another.
    """

    types: Mapping[str, str]
    common: Mapping[str, str]
    prefix: str = f"{LOG}."

    def plain(self, column: str) -> str:
        """The column as its common type; NULL where the file does not have it, or has a text that is no number in place of one."""
        if column not in self.types:
            return f"cast(null as {self.common.get(column, 'VARCHAR')})"
        name = f"{self.prefix}{quoted(column)}"
        wanted = self.common.get(column, self.types[column])
        if wanted == self.types[column]:
            return name
        is_text = self.types[column] == "VARCHAR" and is_number(wanted)
        return f"{'try_cast' if is_text else 'cast'}({name} as {wanted})"

    def kind(self, column: str) -> str:
        """The engine type of `plain`."""
        return self.common.get(column, self.types.get(column, "VARCHAR"))

    def number(self, column: str) -> str:
        """The column as DOUBLE; a boolean is 0 or 1, text that is no number raises."""
        kind, plain = self.kind(column), self.plain(column)
        return plain if kind == "DOUBLE" else f"cast({plain} as DOUBLE)"

    def text(self, column: str) -> str:
        """The column as VARCHAR; a NaN is no category, it is NULL, and 1.0 is the category 1."""
        kind, plain = self.kind(column), self.plain(column)
        if kind in FLOATS or kind.startswith("DECIMAL"):
            whole = f"{plain} = floor({plain}) and abs({plain}) < 1e15"
            text = f"nullif(cast({plain} as VARCHAR), 'nan')"
            return f"case when {whole} then cast(try_cast({plain} as BIGINT) as VARCHAR) else {text} end"
        return plain if kind == "VARCHAR" else f"cast({plain} as VARCHAR)"

    def is_value(self, column: str, value: str) -> str:
        """Whether the column equals a value given as text: by number where it is of numbers, so that 1 equals 1.0 and true."""
        kind, plain = self.kind(column), self.plain(column)
        number = _BOOLEANS.get(value.lower(), value)
        if kind == "BOOLEAN":
            return plain if number in ("1", "1.0") else f"(not {plain})"
        if is_number(kind) and _is_float(number):
            return f"({plain} = {float(number)!r})"
        texts = {value, *(one for one in TRUTHS.get(number, ()) if kind == "VARCHAR")}
        return f"({self.text(column)} in ({', '.join(literal(one) for one in sorted(texts))}))"

    def is_class(self, column: str, value: str) -> str:
        """Whether a column of labels is the class that a value given as text means, as `is_same_class` sees it."""
        if self.kind(column) != "VARCHAR":
            return self.is_value(column, value)
        alike = [one for one in (value, _number_text(value), *_BOOLEANS) if is_same_class(one, value)]
        return f"({self.plain(column)} in ({', '.join(literal(one) for one in dict.fromkeys(alike))}))"


def is_same_class(one: str, value: str) -> bool:
    """Whether a class of the labels is the one that a value given as text means: 1, 1.0 and true are the same."""
    return one == value or _number_text(value) == _BOOLEANS.get(one, one)


def _number_text(value: str) -> str:
    """A class as the text of a whole number where it is one or a boolean."""
    number = _BOOLEANS.get(value.lower(), value)
    return str(int(float(number))) if _is_float(number) and float(number).is_integer() else number


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
