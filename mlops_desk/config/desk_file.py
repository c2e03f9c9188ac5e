"""Reads desk.toml. Every error is a UserError of one line that names file, line, key and the way out.

Older formats are lifted step by step, in memory, to the newest before anything is looked at; the file stays as it is.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

from mlops_desk.config import monitors, retraining, sections, values
from mlops_desk.config.source import Source, shown
from mlops_desk.config.table import Table
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Desk, Model
from mlops_desk.domain.schema import Task

FILE_NAME = "desk.toml"
DESK_KEYS = ("version", "name", "models", "store")
STORE_KEYS = ("keep", "objects")
ALERTING_KEYS = ("false_alarms_per_month",)
MODEL_KEYS = (
    "id",
    "name",
    "task",
    "logs",
    "reference",
    "labels",
    "columns",
    "chunks",
    "monitors",
    "business",
    "alerting",
    "business_value",
    "expectations",
    "retraining",
    "triggers",
    "gate",
)
DAY_SECONDS = 86400
HISTORY_DAYS = 400
"""How long superseded values are kept where desk.toml does not say."""
LONGEST_HISTORY_DAYS = 36525

Migration = Callable[[dict[str, object]], dict[str, object]]
"""From the content of one format version to that of the next."""
MIGRATIONS: tuple[Migration, ...] = ()
"""The first lifts version 1 to 2, and so on; the newest version is one more than there are migrations."""


def read_desk(path: Path, migrations: tuple[Migration, ...] = MIGRATIONS) -> Desk:
    """The configuration in a workspace folder or of a desk.toml; raises UserError."""
    file = desk_file(path)
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"{file} does not exist: `mlops-desk init` writes one, or name the folder that holds desk.toml"
        ) from None
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{file}:{line}: this is not UTF-8 text: save the file in UTF-8") from None
    return parse_desk(text, file, migrations)


def desk_file(path: Path) -> Path:
    """The absolute path of the desk.toml that a person names by itself or by its folder."""
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps `..`
    if absolute.suffix == ".toml" and not absolute.is_dir():
        return absolute
    if absolute.is_file():
        raise UserError(f"{absolute} is not a workspace: name a folder that holds desk.toml, or the desk.toml")
    return absolute / FILE_NAME


def parse_desk(text: str, file: Path, migrations: tuple[Migration, ...] = MIGRATIONS) -> Desk:
    """The configuration that a text says, as if it stood in `file` (an absolute path); raises UserError."""
    content = _toml(text, file)
    newest = len(migrations) + 1
    source = Source(file, text)
    version = Table(source, (), content, ()).whole("version", None, least=1)
    if version is None:
        raise source.error(("version",), f"is missing; write for example version = {newest}")
    if version > newest:
        raise source.error(("version",), f"{version} is newer than this program knows ({newest}): update MLOps Desk")
    for migrate in migrations[version - 1 :]:
        content = migrate(content)
    return _desk(Table(Source(file, text, _model_names(content)), (), content, DESK_KEYS), newest)


def _toml(text: str, file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = re.search(r" \(at line (\d+), column (\d+)\)$", message)
        if place:
            line, sentence = int(place[1]), f"{message[: place.start()]} (column {place[2]})"
        else:
            line, sentence = text.count("\n") + 1, message.removesuffix(" (at end of document)")
        raise UserError(f"{file}:{line}: this is not TOML: {sentence[0].lower()}{sentence[1:]}") from None
    except RecursionError:
        raise UserError(f"{file}:1: lists are nested too deeply to be read") from None
    except ValueError:  # the only one left: Python refuses whole numbers of thousands of digits
        raise UserError(f"{file}:1: a whole number has too many digits to be read") from None


def _model_names(content: dict[str, object]) -> list[str | None]:
    """The ids of the models as far as they are usable, to name them in messages."""
    models = content.get("models")
    ids = [model.get("id") if isinstance(model, dict) else None for model in models] if isinstance(models, list) else []
    return [str(name) if values.is_model_id(name) and ids.count(name) == 1 else None for name in ids]


def _desk(table: Table, version: int) -> Desk:
    file = table.source.file
    models: dict[str, Model] = {}
    for entry in table.tables("models", MODEL_KEYS):
        name = values.model_id(entry)
        if name in models:
            raise entry.error("id", f"is {name} a second time: every model needs an id of its own")
        models[name] = _model(entry, name)
    if not models:
        raise table.error("models", 'are missing: add [[models]] with id = "car-loan"')
    return Desk(
        name=table.text("name", file.parent.name or str(file.parent)),
        folder=file.parent,
        file=file,
        models=tuple(models.values()),
        version=version,
        history_days=_history_days(table),
        objects_bytes=_objects_bytes(table),
    )


def _history_days(desk: Table) -> int:
    table = desk.table("store", STORE_KEYS)
    if table is None or "keep" not in table:
        return HISTORY_DAYS
    days, rest = divmod(values.seconds(table, "keep", 0.0), DAY_SECONDS)
    if rest or not 1 <= days <= LONGEST_HISTORY_DAYS:
        raise table.error(
            "keep", f'must be whole days up to a century, such as "400d", not {shown(table.values["keep"])}'
        )
    return int(days)


def _objects_bytes(desk: Table) -> int | None:
    """How much a model's copies of objects may take on disk."""
    table = desk.table("store", STORE_KEYS)
    return None if table is None or "objects" not in table else values.size_bytes(table, "objects")


def _model(table: Table, id: str) -> Model:
    task = table.choice("task", Task, None)
    logs = sections.logs(table)
    columns = sections.columns(table, task)
    chunks = sections.chunks(table, columns)
    spec = retraining.retraining(table)
    alerting = table.table("alerting", ALERTING_KEYS)
    return Model(
        id=id,
        name=table.text("name", id),
        task=task,
        logs=logs,
        reference=sections.reference(table, columns, chunks, logs),
        columns=columns,
        chunks=chunks,
        labels=sections.labels(table, columns, logs),
        monitors=monitors.monitors(table),
        business=sections.business(table),
        value_matrix=sections.value_matrix(table, task),
        expectations=sections.expectations(table),
        false_alarms_per_month=alerting.positive("false_alarms_per_month", 1.0) if alerting else 1.0,
        retraining=spec,
        triggers=retraining.triggers(table, spec),
        gate=retraining.gate(table),
    )
