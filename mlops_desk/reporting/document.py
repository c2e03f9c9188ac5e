"""A report as a file, in the format that its suffix names."""

from __future__ import annotations

from pathlib import Path

from mlops_desk.domain.errors import UserError
from mlops_desk.reporting.content import Report
from mlops_desk.reporting.files import replace_file


def write_report(report: Report, path: Path) -> None:
    """Writes a report in the format that the file's suffix names (.html, .htm, .json).

    The file is complete or not there at all. Raises UserError for another suffix, and where the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix in (".html", ".htm"):
        from mlops_desk.reporting.html import html

        text = html(report)
    elif suffix == ".json":
        from mlops_desk.reporting.json_report import json_text

        text = json_text(report)
    else:
        raise UserError(f"{path}: reports are written as .html or .json, and {suffix or 'no suffix'} is none of them")
    replace_file(path, lambda part: part.write_bytes(text.encode()))
