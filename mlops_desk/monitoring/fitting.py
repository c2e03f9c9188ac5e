"""Whether a monitor can give what it promises: a threshold and a convention that its metrics know, and values at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Definition
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.threshold import PValueThreshold
from mlops_desk.metrics import catalogue

NAMED = 6
"""Metrics that one message names."""


def definitions_of(monitor: Monitor) -> list[Definition]:
    """What a monitor asks for, whether or not it fits the model."""
    if not monitor.metrics:
        return [one for one in catalogue.DEFINITIONS if one.family is monitor.family]
    found = [one for metric in monitor.metrics for one in catalogue.definitions(metric)]
    return [one for one in found if monitor.family in (None, one.family)]


def place_of(model: Model, number: int) -> str:
    """A monitor of desk.toml, counted from 1, as messages name it."""
    return f"desk.toml: models.{model.id}.monitors[{number}]"


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, each once."""
    known = list(dict.fromkeys(names))
    return ", ".join(known[:NAMED]) + (" …" if len(known) > NAMED else "")


def check_threshold(model: Model, number: int, monitor: Monitor) -> None:
    """Raises UserError where a monitor judges by p-value what has none."""
    if not isinstance(monitor.threshold, PValueThreshold):
        return
    asked = definitions_of(monitor)
    without = [one.id for one in asked if not _has_p_value(one, asked)]
    if without:
        families = {one.family for one in asked}
        having = [one.id for one in catalogue.DEFINITIONS if one.family in families and _has_p_value(one, ())]
        able = f"; of its families {listed(having)} have one" if having else ""
        raise UserError(
            f"{place_of(model, number)}.threshold: kind p_value needs a p-value, and {listed(without)} has none{able};"
            " name those, or choose another kind"
        )


def _has_p_value(definition: Definition, asked: Sequence[Definition]) -> bool:
    """Whether a metric is a p-value or has one beside it."""
    return definition.id.endswith("_p") or any(
        one.family is definition.family for one in catalogue.definitions(definition.id + "_p")
    )
