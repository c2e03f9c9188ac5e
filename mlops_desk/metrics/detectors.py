"""Drift detectors on the stream of a model's errors, in time order: which there are, how a stream is resumed, and what a chunk's value is.

The value of a chunk is how many drifts a detector found among its rows; its warning zones are a value of their own (group `warning`). Both are
held against 0. A stream goes on from chunk to chunk, so a state is kept at the end of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Struct

from mlops_desk.domain.metric import Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.detection import Errors, Signals, Step, signals_of
from mlops_desk.metrics.error_rate_detectors import (
    DDMState,
    EDDMState,
    HDDMAState,
    HDDMWState,
    ddm_step,
    eddm_step,
    hddm_a_step,
    hddm_w_step,
)
from mlops_desk.metrics.readings import Reading
from mlops_desk.metrics.window_detectors import (
    KSWIN_WINDOW,
    ADWINState,
    KSWINState,
    PageHinkleyState,
    adwin_step,
    kswin_step,
    page_hinkley_step,
)

WARNING = "warning"
"""The group of the values that count warning zones."""
KSWIN = "kswin"
State = DDMState | EDDMState | HDDMAState | HDDMWState | PageHinkleyState | ADWINState | KSWINState


class _Detector(Struct, frozen=True, kw_only=True):
    """How a detector begins and goes on; `least` is how many rows a stream must have before it can find anything."""

    begin: State
    step: Callable[[Any, Errors, int], Step[Any]] | None
    least: int
    warns: bool


_DETECTORS: Mapping[str, _Detector] = {
    "ddm": _Detector(begin=DDMState(), step=ddm_step, least=31, warns=True),
    "eddm": _Detector(begin=EDDMState(), step=eddm_step, least=31, warns=True),
    "hddm_a": _Detector(begin=HDDMAState(), step=hddm_a_step, least=2, warns=True),
    "hddm_w": _Detector(begin=HDDMWState(), step=hddm_w_step, least=2, warns=True),
    "page_hinkley": _Detector(begin=PageHinkleyState(), step=page_hinkley_step, least=30, warns=False),
    "adwin": _Detector(begin=ADWINState(), step=adwin_step, least=32, warns=False),
    KSWIN: _Detector(begin=KSWINState(), step=None, least=KSWIN_WINDOW, warns=False),
}
DETECTORS = tuple(_DETECTORS)
"""Metric ids, all opt-in."""
WARNING_DETECTORS = tuple(name for name, one in _DETECTORS.items() if one.warns)


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stream of errors stands: how many rows it has had, the state of each detector, and which are in their warning zone."""

    rows: int = 0
    states: dict[str, State] = {}
    zones: tuple[str, ...] = ()


def advanced(
    stream: Stream, metrics: Sequence[str], errors: Errors, seeds: Mapping[str, int]
) -> tuple[Stream, dict[str, Signals]]:
    """A stream after the next rows, which must be those of one chunk, and what each detector found in them; `seeds` are of what draws at random.

    Examples
    --------
    >>> import numpy as np
    >>> quiet, loud = np.zeros(200, dtype=np.int8), np.ones(20, dtype=np.int8)
    >>> stream, found = advanced(Stream(), ["hddm_a"], quiet, {})
    >>> found["hddm_a"].drifts
    ()
    >>> stream, found = advanced(stream, ["hddm_a"], loud, {})
    >>> found["hddm_a"].drifts, stream.rows
    ((3,), 220)
    """
    states: dict[str, State] = {}
    zones: list[str] = []
    found: dict[str, Signals] = {}
    for metric in metrics:
        detector = _DETECTORS[metric]
        step: Callable[[Any, Errors, int], Step[Any]] = detector.step or partial(kswin_step, seed=seeds[metric])
        state = stream.states.get(metric, detector.begin)
        states[metric], found[metric], in_zone = signals_of(state, errors, step, in_zone=metric in stream.zones)
        zones += [metric] if in_zone else []
    return Stream(rows=stream.rows + len(errors), states=states, zones=tuple(zones)), found


class Detected(Struct, frozen=True, kw_only=True):
    """What a detector found in a chunk: labelled rows of the chunk and of the stream up to its end, drifts, and warning zones."""

    rows: int
    stream_rows: int
    drifts: int
    zones: int


def detector_readings(found: Mapping[str, Detected]) -> list[Reading]:
    """Drifts in a chunk by detector, and the warning zones of those that warn, 0 beside a drift, which says more.

    Both are untested without rows, and before the stream has as many as the detector needs.
    """
    readings = []
    for metric, one in found.items():
        least = _DETECTORS[metric].least
        reason = None
        if not one.rows:
            reason = "no labelled row with a prediction"
        elif one.stream_rows < least:
            reason = f"{one.stream_rows:,} labelled rows so far, fewer than the {least} that it needs"
        zones = 0 if one.drifts else one.zones
        values = {None: one.drifts} | ({WARNING: zones} if _DETECTORS[metric].warns else {})
        for group, value in values.items():
            measurement = untested(reason) if reason else Measurement(float(value))
            readings.append(Reading(metric=metric, measurement=measurement, group=group))
    return readings


def untested_detector(metric: str, reasons: Mapping[str, str]) -> list[Reading]:
    """Why a detector has no stream to look at; nothing where there is no reason."""
    return [Reading(metric=metric, measurement=untested(reasons[metric]))] if metric in reasons else []


_CLASSES = ("binary", "multiclass")


def _definition(id: str, name: str, tasks: tuple[str, ...] = _CLASSES) -> Definition:
    return Definition(
        id=id,
        family=Family.CONCEPT_DRIFT,
        name=name,
        direction=Direction.LOWER,
        range=(0.0, math.inf),
        tasks=tasks,
        needs_labels=True,
        opt_in=True,
    )


DEFINITIONS: tuple[Definition, ...] = (
    _definition("ddm", "Drift detection method"),
    _definition("eddm", "Early drift detection method"),
    _definition("hddm_a", "HDDM, moving averages"),
    _definition("hddm_w", "HDDM, weighted averages"),
    _definition("page_hinkley", "Page–Hinkley test", (*_CLASSES, "regression")),
    _definition("adwin", "ADWIN", (*_CLASSES, "regression")),
    _definition(KSWIN, "KSWIN", (*_CLASSES, "regression")),
)
