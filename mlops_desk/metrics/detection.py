"""What every drift detector has in common: errors come in time order, a drift ends what was learned so far and begins anew.

A detector is a frozen state and a step. A step reads rows up to the first drift and no further, so the runner may hand it short pieces after
a drift and long ones otherwise; whatever the pieces, drifts are the same. States hold plain numbers, so they can be kept and resumed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlops_desk.aggregates.tables import Counts, Floats

Errors = NDArray[np.int8] | Floats
"""(n,) 0 for a right and 1 for a wrong prediction (of integers), or absolute errors of any size (of floats)."""
Flags = NDArray[np.bool_]
SHORTEST_PIECE, LONGEST_PIECE = 256, 65_536
"""Rows handed to a step at once: few after a drift, because another may be near, then four times as many each time."""
State = TypeVar("State")


class Step(Struct, Generic[State], frozen=True, kw_only=True):
    """What a detector makes of the next rows: of all of them, or of those up to and with the first drift.

    Attributes
    ----------
    state : to go on with. rows : how many were read. drift : whether the last of them is a drift.
    zone : (rows,) whether the detector is in its warning zone after each row, which a drift ends; None where it has none.
    """

    state: State
    rows: int
    drift: bool = False
    zone: Flags | None = None


class Signals(Struct, frozen=True, kw_only=True):
    """What a detector found in some rows, by the number of the row among them.

    Attributes
    ----------
    drifts : rows at which it found drift. warnings : rows at which it entered its warning zone.
    zones : warning zones that the detector was in after some of these rows, or before the first.
    """

    drifts: tuple[int, ...]
    warnings: tuple[int, ...]
    zones: int


def signals_of(
    state: State, errors: Errors, step: Callable[[State, Errors, int], Step[State]], *, in_zone: bool
) -> tuple[State, Signals, bool]:
    """The state after some rows, what was found in them, and whether they end in the warning zone.

    `step` is given a state, rows and the number of the first of them.
    """
    drifts: list[int] = []
    entered: list[int] = []
    zones = int(in_zone)
    at, width = 0, SHORTEST_PIECE
    while at < len(errors):
        done = step(state, errors[at : at + width], at)
        if done.zone is not None:
            before = np.concatenate([[in_zone], done.zone[:-1]])
            begun = np.flatnonzero(done.zone & ~before) + at
            entered += begun.tolist()
            zones += len(begun)
            in_zone = bool(done.zone[-1])
        at += done.rows
        state, width = done.state, min(4 * width, LONGEST_PIECE)
        if done.drift:
            drifts.append(at - 1)
            width = SHORTEST_PIECE
    return state, Signals(drifts=tuple(drifts), warnings=tuple(entered), zones=zones), in_zone


def first(flags: Flags) -> int | None:
    """The place of the first flag that is set."""
    places = np.flatnonzero(flags)
    return int(places[0]) if len(places) else None


def running_sums(before: float, values: NDArray[Any]) -> Floats:
    """(n,) sums up to each value, added one after the other so that they do not depend on how a stream is cut."""
    return np.cumsum(np.concatenate([[before], values]), dtype=np.float64)[1:]


def latest_best(levels: Floats, best: float, *, ties: bool) -> Counts:
    """(n,) the place of the least level so far at each place, -1 where it is still `best`; the last of equal ones with `ties`, else the first."""
    so_far = np.minimum.accumulate(np.concatenate([[best], levels]))[:-1]
    better = levels <= so_far if ties else levels < so_far
    better &= np.isfinite(levels)
    return np.maximum.accumulate(np.where(better, np.arange(len(levels)), -1))
