"""The report as JSON: the fields of its content by their names, as resources/schema/report.json describes them.

Times are ISO 8601 with their offset, absent things are null, numbers are never NaN or infinite, and keys stand in the order of the fields.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from enum import Enum

from msgspec import Struct
from msgspec.structs import asdict

from mlops_desk.reporting.content import Report

FORMAT, VERSION = "mlops-desk-report", 1
_NAMES = {"class_": "class"}
"""Fields that Python does not let have their right name."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def json_text(report: Report) -> str:
    """The text of the report, ending in a line feed; the same for the same content."""
    content = plain_value(report)
    fields = content if isinstance(content, dict) else {}
    return (
        json.dumps({"format": FORMAT, "version": VERSION, **fields}, ensure_ascii=False, indent=1, allow_nan=False)
        + "\n"
    )


def plain_value(value: object) -> Json:
    """A value as JSON has it: fields of structs as an object, tuples as arrays, enumerations by value.

    Infinite edges of bins become null. Raises TypeError for what has no such form.
    """
    if value is None or (isinstance(value, str | bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return plain_value(value.value)
    if isinstance(value, tuple | list):
        return [plain_value(one) for one in value]
    if isinstance(value, Struct):
        return {_NAMES.get(name, name): plain_value(field) for name, field in asdict(value).items()}
    raise TypeError(f"{type(value).__name__} has no form in a report")
