"""One table of desk.toml on its way to a noun of the domain: each getter checks one key and names what is wrong with it.

A getter returns `default` where the key is absent (TOML has no null). Keys that the table may not have are refused when it is made,
before any value is looked at, so that a misspelt key is called by its name and not reported as missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import isfinite
from typing import TypeVar

from mlops_desk.config.lines import KeyPath
from mlops_desk.config.source import Source, nearest, shown
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.schema import Scalar

WHOLE_NUMBERS_BELOW = 2**63

Default = TypeVar("Default")
Choice = TypeVar("Choice", bound=StrEnum)


class Table:
    """The values of one table, its place, and typed access to its keys."""

    __slots__ = ("path", "source", "values")

    def __init__(self, source: Source, path: KeyPath, values: dict[str, object], keys: Sequence[str]) -> None:
        """Raises UserError for a key that is not one of `keys`; an empty `keys` allows any."""
        self.source = source
        self.path = path
        self.values = values
        for key in values:
            if keys and key not in keys:
                raise self.error(key, f"is not a key here; {nearest(key, keys, 'the keys are')}")

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def error(self, key: str | KeyPath | None, message: str) -> UserError:
        """An error of a key (or of a path below this table, or of the table itself)."""
        below = () if key is None else (key,) if isinstance(key, str) else key
        return self.source.error((*self.path, *below), message)

    def wrong(self, key: str | KeyPath, wanted: str, value: object) -> UserError:
        """The error of a value that is not what is wanted there."""
        return self.error(key, f"must be {wanted}, not {shown(value)}")

    def require(self, key: str, example: str) -> None:
        """Raises UserError where a key is absent; `example` is a line that would do."""
        if key not in self.values:
            raise self.error(key, f"is missing; write for example {example}")

    def exactly_one(self, choices: Sequence[str], example: str) -> str:
        """Which of the keys the table has; raises UserError unless it is one."""
        given = [key for key in choices if key in self.values]
        if not given:
            raise self.error(None, f"needs one of {', '.join(choices)}; write for example {example}")
        if len(given) > 1:
            raise self.error(
                given[1], f"cannot stand beside {given[0]}: only one of {', '.join(choices)} can be chosen"
            )
        return given[0]

    def text(self, key: str, default: Default) -> str | Default:
        """Text that is not blank."""
        value = self.values.get(key)
        return default if value is None else self.checked_text((key,), value)

    def required_text(self, key: str, example: str) -> str:
        """Text that must be there."""
        self.require(key, example)
        return self.text(key, "")

    def checked_text(self, below: KeyPath, value: object) -> str:
        """A value somewhere below this table, as text that is not blank."""
        if not isinstance(value, str):
            raise self.wrong(below, "text in quotes", value)
        if not value.strip():
            raise self.error(below, "is empty")
        if "\0" in value:
            raise self.error(below, "holds a NUL character")
        return value

    def texts(self, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts, each once."""
        value = self.values.get(key)
        if value is None:
            return default
        if isinstance(value, str):
            raise self.error(key, f"must be a list: write {key} = [{shown(value)}]")
        if not isinstance(value, list):
            raise self.wrong(key, "a list of texts", value)
        found: list[str] = []
        for index, item in enumerate(value):
            text = self.checked_text((key, index), item)
            if text in found:
                raise self.error((key, index), f"is {shown(text)} a second time")
            found.append(text)
        return tuple(found)

    def paths(self, key: str, example: str) -> tuple[str, ...]:
        """One path or a list of them; at least one."""
        self.require(key, example)
        if isinstance(self.values[key], str):
            return (self.text(key, ""),)
        found = self.texts(key)
        if not found:
            raise self.error(key, f"is an empty list; write for example {example}")
        return found

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false", value)
        return value

    def whole(self, key: str, default: Default, *, least: int = 0) -> int | Default:
        """A whole number of at least `least`."""
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(key, "a whole number", value)
        if not least <= value < WHOLE_NUMBERS_BELOW:
            raise self.wrong(key, f"at least {least}" if value < least else "a smaller number", value)
        return value

    def number(
        self, key: str, default: Default, *, least: float | None = None, most: float | None = None
    ) -> float | Default:
        """A finite number, within its bounds where there are any."""
        value = self.values.get(key)
        if value is None:
            return default
        number = self.checked_number((key,), value)
        if (least is not None and number < least) or (most is not None and number > most):
            bounds = f"from {least:g} to {most:g}" if least is not None and most is not None else f"at least {least:g}"
            raise self.wrong(key, bounds, value)
        return number

    def positive(self, key: str, default: Default) -> float | Default:
        """A finite number above 0."""
        number = self.number(key, default)
        if isinstance(number, float) and number <= 0:
            raise self.wrong(key, "above 0", self.values[key])
        return number

    def checked_number(self, below: KeyPath, value: object) -> float:
        """A value somewhere below this table, as a finite number."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong(below, "a number", value)
        try:
            number = float(value)
        except OverflowError:
            raise self.error(below, "is too large a number") from None
        if not isfinite(number):
            raise self.wrong(below, "a finite number", value)
        return number

    def scalar(self, key: str | KeyPath, value: object) -> Scalar:
        """A value of a column: text, number, true or false."""
        if isinstance(value, float):
            return self.checked_number((key,) if isinstance(key, str) else key, value)
        if not isinstance(value, str | int):
            raise self.wrong(key, "text, a number, true or false", value)
        return value

    def choice(self, key: str, choices: type[Choice], default: Default) -> Choice | Default:
        """One of the words of an enumeration."""
        value = self.values.get(key)
        return default if value is None else choices(self.word(key, value, list(choices)))

    def word(self, key: str, value: object, words: Sequence[str]) -> str:
        """A text that must be one of some words."""
        text = self.checked_text((key,), value)
        if text not in words:
            raise self.error(key, f"cannot be {shown(text)}; {nearest(text, words, 'it can be')}")
        return text

    def table(self, key: str, keys: Sequence[str]) -> Table | None:
        """A table below this one, None where there is none; an empty `keys` allows any."""
        return self.required_table(key, keys, "") if key in self.values else None

    def required_table(self, key: str, keys: Sequence[str], example: str) -> Table:
        """A table below this one that must be there."""
        self.require(key, example)
        value = self.values[key]
        if isinstance(value, list):
            raise self.error(key, f"is one table: write [{self.header(key)}] with single brackets, once")
        if not isinstance(value, dict):
            raise self.wrong(key, "a table", value)
        return Table(self.source, (*self.path, key), value, keys)

    def tables(self, key: str, keys: Sequence[str]) -> tuple[Table, ...]:
        """A list of tables below this one."""
        value = self.values.get(key)
        if value is None:
            return ()
        if isinstance(value, dict):
            raise self.error(key, f"is a list of tables: write [[{self.header(key)}]] with double brackets")
        if not isinstance(value, list):
            raise self.wrong(key, "a list of tables", value)
        for index, item in enumerate(value):
            if not isinstance(item, dict):
                raise self.wrong((key, index), "a table", item)
        return tuple(Table(self.source, (*self.path, key, index), item, keys) for index, item in enumerate(value))

    def header(self, key: str) -> str:
        """How the header of a table below this one is written."""
        return ".".join([part for part in self.path if isinstance(part, str)] + [key])
