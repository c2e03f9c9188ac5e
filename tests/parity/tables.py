"""What a workspace's results table says, looked up by what names a value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.store.archive import Store
from tests.monitoring.desks import run, write_desk

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """The rows of a results table."""

    rows: tuple[Row, ...]

    def where(self, **named: object) -> list[Row]:
        """The rows with these values in these columns, in the order of chunks."""
        found = [row for row in self.rows if all(row[name] == value for name, value in named.items())]
        return sorted(found, key=lambda row: (str(row["split"]), row["chunk"]))

    def one(self, **named: object) -> Row:
        """The only row with these values in these columns."""
        (found,) = self.where(**named)
        return found


def results_of(folder: Path, *parts: str, task: str | None) -> Results:
    """Writes desk.toml, runs the workspace, and returns its results table."""
    write_desk(folder, *parts, task="" if task is None else f'task = "{task}"\n')
    outcome = run(folder)
    assert outcome.failure is None, outcome.failure
    with Store.open(folder) as store:
        table = store.value_table(["m"])
    return Results(tuple(dict(zip(table.names, row, strict=True)) for row in zip(*table.columns, strict=True)))


def monitor(metrics: Iterable[str] = (), **keys: object) -> str:
    """One entry of `[[models.monitors]]`; a table of a threshold is given as its text."""
    named = list(metrics)
    lines = ["[[models.monitors]]", *([f"metrics = {named!r}".replace("'", '"')] if named else [])]
    for key, value in keys.items():
        text = value if key == "threshold" else repr(value).replace("'", '"')
        lines.append(f"{key} = {str(text).lower() if isinstance(value, bool) else text}")
    return "\n".join(lines) + "\n"
