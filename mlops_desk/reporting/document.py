"""A report as a file, in the format that its suffix names."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from mlops_desk import theme
from mlops_desk.domain.errors import UserError
from mlops_desk.reporting.content import Report
from mlops_desk.reporting.files import replace_file

if TYPE_CHECKING:
    from mlops_desk.reporting.checks import ModelChecks

FORMATS = {".html": "html", ".htm": "html", ".pdf": "pdf", ".md": "markdown", ".json": "json", ".xml": "junit"}


def checked_format(path: Path) -> str:
    """The format that a file's suffix names; raises UserError for another suffix."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UserError(
            f"{path}: reports are written as .html, .pdf, .md, .json or .xml, and {suffix or 'no suffix'} is none of them"
        )
    return FORMATS[suffix]


def write_report(report: Report, path: Path) -> tuple[str, ...]:
    """Writes a report for people or programs in the format that the file's suffix names and returns what is not right with it, in words.

    The checks of .xml are no such report: `write_checks` writes them. The file is complete or not there at all. Raises UserError for another
    suffix, and where the file cannot be written.
    """
    data, troubles = encoded(report, checked_format(path))
    replace_file(path, lambda part: part.write_bytes(data))
    return tuple(f"{path}: {trouble}" for trouble in troubles)


def write_checks(models: Sequence[ModelChecks], workspace: str, path: Path, now: datetime) -> None:
    """Writes checks as JUnit XML, in the language that is spoken; raises UserError where the file cannot be written."""
    from mlops_desk.reporting.junit import junit

    text = junit(models, workspace, now, theme.spoken())
    replace_file(path, lambda part: part.write_bytes(text.encode()))


def encoded(report: Report, format: str) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of a report, and what is not right with them."""
    if format == "pdf":
        from mlops_desk.reporting.pdf import pdf

        return pdf(report)
    if format == "html":
        from mlops_desk.reporting.html import html

        text = html(report)
    elif format == "markdown":
        from mlops_desk.reporting.markdown import markdown

        text = markdown(report)
    elif format == "json":
        from mlops_desk.reporting.json_report import json_text

        text = json_text(report)
    else:
        raise ValueError(f"{format} is no format of reports")
    return text.encode(), ()
