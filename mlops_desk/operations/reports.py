"""A report on the models of a workspace, from its archive and its runs to a file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from mlops_desk import theme
from mlops_desk.domain.model import Desk
from mlops_desk.domain.overview import Period
from mlops_desk.operations.retraining import status_now
from mlops_desk.reporting import content, document
from mlops_desk.reporting.checks import all_checks
from mlops_desk.store.archive import Store


def write_report(
    desk: Desk, path: Path, model: str | None, period: Period, *, now: datetime, role: str, language: str
) -> tuple[str, ...]:
    """Writes a report on a model, or on all, for a role and in a language; returns what is not right with the file.

    Raises UserError for an ending that is no format, before anything is read.
    """
    kind = document.checked_format(path)
    models = desk.models if model is None else (desk.model(model),)
    with theme.speaking(language), Store.open(desk.folder, read_only=True) as store:
        if kind == "junit":
            document.write_checks(all_checks(store, desk.name, models, period, now), desk.name, path, now)
            return ()
        retraining = {one.id: status_now(desk, store, one, now) for one in models}
        report = content.report(store, desk.name, models, period, now=now, retraining=retraining, role=role)
    return document.write_report(report, path)
