"""Whether a monitor can give what it promises: a threshold and a convention that its metrics know, and values at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Convention, Definition, Family
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.threshold import ConstantThreshold, PValueThreshold
from mlops_desk.metrics import catalogue
from mlops_desk.metrics.business import business_definition
from mlops_desk.metrics.detectors import DETECTORS
from mlops_desk.monitoring.presets import DEFAULT, PRESETS, is_chosen, metric_ids

_FAIRNESS = frozenset({Family.FAIRNESS, Family.ESTIMATED_FAIRNESS})
_ELSEWHERE = frozenset(Family) - _FAIRNESS
SPEAKS_OF = {
    Convention.DESK: frozenset(Family),
    Convention.NANNYML: _ELSEWHERE,
    Convention.EVIDENTLY: _ELSEWHERE,
    Convention.FAIRLEARN: _FAIRNESS,
}
"""Families that a convention's tool computes: what it has no definition of there equals desk."""
NAMED = 6
"""Metrics that one message names."""


def definitions_named(model: Model, metric: str) -> tuple[Definition, ...]:
    """What the catalogue and desk.toml say of a metric in every family that has it; empty for an unknown id."""
    own = tuple(business_definition(one) for one in model.business if one.id == metric)
    return (*catalogue.definitions(metric), *own)


def definitions_of(model: Model, monitor: Monitor) -> list[Definition]:
    """What a monitor asks for, whether or not it fits the model."""
    if not monitor.metrics:
        own = (business_definition(one) for one in model.business)
        return [one for one in (*catalogue.DEFINITIONS, *own) if one.family is monitor.family and not one.opt_in]
    found = [one for metric in metric_ids(monitor) for one in definitions_named(model, metric)]
    return [one for one in found if monitor.family in (None, one.family)]


def place_of(model: Model, number: int) -> str:
    """A monitor of desk.toml, counted from 1, as messages name it."""
    return f"desk.toml: models.{model.id}.monitors[{number}]"


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, each once."""
    known = list(dict.fromkeys(names))
    return ", ".join(known[:NAMED]) + (" …" if len(known) > NAMED else "")


def check_preset(model: Model, number: int, monitor: Monitor) -> None:
    """Raises UserError where a monitor leaves the choice of metrics to a tool that makes none."""
    if DEFAULT in monitor.metrics and monitor.convention not in PRESETS:
        able = " or ".join(f'"{convention.value}"' for convention in PRESETS)
        raise UserError(
            f'{place_of(model, number)}.metrics: "{DEFAULT}" is what another tool chooses for each column, so it needs convention = {able},'
            f" not {monitor.convention.value}; the recommended metrics of this program are watched where [[models.monitors]] is left out"
        )
    if DEFAULT in monitor.metrics and monitor.family is not None and not definitions_of(model, monitor):
        families = dict.fromkeys(
            one.family.value for metric in metric_ids(monitor) for one in definitions_named(model, metric)
        )
        raise UserError(
            f'{place_of(model, number)}.family: what "{DEFAULT}" of {monitor.convention.value} chooses is of {listed(families)},'
            f" not of {monitor.family.value}: name one of those, or leave family out"
        )


def check_threshold(model: Model, number: int, monitor: Monitor) -> None:
    """Raises UserError where a threshold does not fit all of its metrics.

    By p-value nothing is judged that has none, a drift detector is judged by a number of drifts alone, and one threshold does not fit
    unlike metrics that a tool chooses.
    """
    asked = definitions_of(model, monitor)
    detectors = [one.id for one in asked if one.id in DETECTORS]
    if detectors and not isinstance(monitor.threshold, ConstantThreshold | None):
        raise UserError(
            f"{place_of(model, number)}.threshold: {listed(detectors)} alerts by its own rule, so only the number of its drifts"
            ' in a chunk can be limited: leave threshold out, or write { kind = "constant", upper = 2 }'
        )
    if monitor.threshold is not None and DEFAULT in monitor.metrics:
        chosen = [one for one in metric_ids(monitor) if is_chosen(monitor, one)]
        if len({one.endswith("_p") for one in chosen}) > 1:
            raise UserError(
                f'{place_of(model, number)}.threshold: "{DEFAULT}" chooses distances and p-values ({listed(chosen)}), which no threshold'
                " fits alike; leave it out, so that each has the tool's own, or name the metrics"
            )
    if not isinstance(monitor.threshold, PValueThreshold):
        return
    without = [one.id for one in asked if not _has_p_value(one, asked)]
    if without:
        families = {one.family for one in asked}
        having = [one.id for one in catalogue.DEFINITIONS if one.family in families and _has_p_value(one, ())]
        able = f"; of its families {listed(having)} have one" if having else ""
        raise UserError(
            f"{place_of(model, number)}.threshold: kind p_value needs a p-value, and {listed(without)} has none{able};"
            " name those, or choose another kind"
        )


def check_convention(model: Model, number: int, monitor: Monitor) -> None:
    """Raises UserError where a monitor follows a tool that computes none of its metrics."""
    asked = definitions_of(model, monitor)
    if asked and all(one.family not in SPEAKS_OF[monitor.convention] for one in asked):
        able = [word.value for word in Convention if any(one.family in SPEAKS_OF[word] for one in asked)]
        raise UserError(
            f"{place_of(model, number)}.convention: {monitor.convention.value} says nothing of"
            f" {listed(one.id for one in asked)}; possible are {', '.join(able)}"
        )


def _has_p_value(definition: Definition, asked: Sequence[Definition]) -> bool:
    """Whether a metric is a p-value or has one beside it."""
    return definition.id.endswith("_p") or any(
        one.family is definition.family for one in catalogue.definitions(definition.id + "_p")
    )
