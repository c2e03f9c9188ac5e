"""DDM, EDDM and both HDDMs: detectors of a rising rate of errors, in steps over whole arrays.

Each has a warning zone. Positions agree with River 0.26, whose readings of the papers they follow where these leave something open.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_desk.metrics.detection import Errors, Step, first, latest_best

Array = NDArray[Any]
WARM_UP = 30
"""Rows (of EDDM errors) that must lie behind before DDM and EDDM say anything."""


class DDMState(msgspec.Struct, frozen=True, tag="ddm"):
    """Rows and errors since the last drift, and those at the least p + s so far (0 rows where there is none yet)."""

    rows: int = 0
    errors: int = 0
    best_rows: int = 0
    best_errors: int = 0


def ddm_step(state: DDMState, errors: Errors, _: int = 0) -> Step[DDMState]:
    """Drift detection method (Gama, Medas, Castillo and Rodrigues 2004).

    With p the error rate of the n rows since the last drift and s = √(p(1 - p)/n): warning zone while p + s > p_min + 2 s_min, drift where
    p + s > p_min + 3 s_min, p_min and s_min being those at the least p + s so far; from the 31st row on.
    """
    n = state.rows + np.arange(1, len(errors) + 1)
    k = state.errors + np.cumsum(errors, dtype=np.int64)
    level, rate, spread = _levels(n, k)
    ready = n > WARM_UP
    best_level, best_rate, best_spread = math.inf, 0.0, 0.0
    if state.best_rows:
        best_level, best_rate, best_spread = (
            float(one) for one in _levels(np.array(state.best_rows), np.array(state.best_errors))
        )
    best = latest_best(np.where(ready, level, np.inf), best_level, ties=True)
    known = ready & ((best >= 0) | (state.best_rows > 0))
    p_min, s_min = np.where(best >= 0, rate[best], best_rate), np.where(best >= 0, spread[best], best_spread)
    drift = first(known & (level > p_min + 3.0 * s_min))
    rows = len(errors) if drift is None else drift + 1
    zone = (known & (level > p_min + 2.0 * s_min))[:rows]
    if drift is not None:
        zone[-1] = False
        return Step(state=DDMState(), rows=rows, drift=True, zone=zone)
    place = int(best[-1])
    kept = (int(n[place]), int(k[place])) if place >= 0 else (state.best_rows, state.best_errors)
    after = DDMState(rows=int(n[-1]), errors=int(k[-1]), best_rows=kept[0], best_errors=kept[1])
    return Step(state=after, rows=rows, zone=zone)


def _levels(n: Array, k: Array) -> tuple[Array, Array, Array]:
    """p + s, p and s of k errors in n rows."""
    rate = k / n
    spread = np.sqrt(rate * (1.0 - rate) / n)
    return rate + spread, rate, spread


class EDDMState(msgspec.Struct, frozen=True, tag="eddm"):
    """Since the last drift: rows, the row of the last error, errors, Σ and Σ of squares of the rows from error to error, the greatest p' + 2s'."""

    rows: int = 0
    last: int = 0
    errors: int = 0
    distances: int = 0
    squares: int = 0
    greatest: float = -1.0
    in_zone: bool = False


def eddm_step(state: EDDMState, errors: Errors, _: int = 0) -> Step[EDDMState]:
    """Early drift detection method (Baena-García and others 2006).

    With p' and s' the mean and standard deviation (ddof 1) of the rows from one error to the next since the last drift, judged at each error:
    warning zone from (p' + 2s') / max(p' + 2s') < 0.95 on until an error is judged otherwise, drift below 0.90. The greatest is over errors
    after the 30th row; judged is from the 31st error on, and not where it is itself the greatest.
    """
    at = np.flatnonzero(errors)
    row = state.rows + at + 1
    distance = np.diff(np.concatenate([[state.last], row]))
    m = state.errors + np.arange(1, len(at) + 1)
    total = state.distances + np.cumsum(distance)
    squares = state.squares + np.cumsum(distance**2)
    variance = np.maximum(squares - total.astype(np.float64) ** 2 / m, 0.0) / np.maximum(m - 1, 1)
    level = total / m + 2.0 * np.sqrt(variance)
    ready = row > WARM_UP
    so_far = np.maximum.accumulate(np.concatenate([[state.greatest], np.where(ready, level, -1.0)]))
    judged = ready & (level <= so_far[:-1]) & (m > WARM_UP)
    share = np.divide(level, so_far[1:], out=np.ones(len(at)), where=judged)
    drift = first(judged & (share < 0.90))
    done = len(at) if drift is None else drift + 1
    rows = len(errors) if drift is None else int(at[drift]) + 1
    decided = np.maximum.accumulate(np.where(judged, np.arange(len(at)), -1))[:done]
    after_error = np.where(decided >= 0, (share < 0.95)[decided], state.in_zone)
    zone = np.concatenate([[state.in_zone], after_error])[np.cumsum(errors[:rows] != 0)]
    if drift is not None:
        zone[-1] = False
        return Step(state=EDDMState(), rows=rows, drift=True, zone=zone)
    after = EDDMState(
        rows=state.rows + len(errors),
        last=int(row[-1]) if len(at) else state.last,
        errors=state.errors + len(at),
        distances=int(total[-1]) if len(at) else state.distances,
        squares=int(squares[-1]) if len(at) else state.squares,
        greatest=float(so_far[-1]),
        in_zone=bool(zone[-1]),
    )
    return Step(state=after, rows=rows, zone=zone)


DRIFT_LEVEL, WARNING_LEVEL = 0.001, 0.005


class HDDMAState(msgspec.Struct, frozen=True, tag="hddm_a"):
    """Rows and errors since the last drift, and those up to the cut (0 rows where there is none yet)."""

    rows: int = 0
    errors: int = 0
    cut_rows: int = 0
    cut_errors: int = 0


def hddm_a_step(state: HDDMAState, errors: Errors, _: int = 0) -> Step[HDDMAState]:
    """Drift detection by Hoeffding's bounds on moving averages (Frías-Blanco and others 2015), one-sided.

    The cut is where mean + √(ln(1/0.001)/(2n)) was least. Drift where the mean of all n rows exceeds that of the c rows up to the cut by
    √((1/c - 1/n)/2 · ln(2/α)) or more with α = 0.001, warning zone while it does with α = 0.005.
    """
    n = state.rows + np.arange(1, len(errors) + 1)
    k = state.errors + np.cumsum(errors, dtype=np.int64)
    upper = _hoeffding(n, k)
    least = float(_hoeffding(np.array(state.cut_rows), np.array(state.cut_errors))) if state.cut_rows else math.inf
    cut = latest_best(upper, least, ties=True)
    c_rows, c_errors = np.where(cut >= 0, n[cut], state.cut_rows), np.where(cut >= 0, k[cut], state.cut_errors)
    m = (n - c_rows) / c_rows / n
    rise = k / n - c_errors / c_rows
    beyond = n > c_rows
    drift = first(beyond & (rise >= np.sqrt(m / 2.0 * math.log(2.0 / DRIFT_LEVEL))))
    rows = len(errors) if drift is None else drift + 1
    zone = (beyond & (rise >= np.sqrt(m / 2.0 * math.log(2.0 / WARNING_LEVEL))))[:rows]
    if drift is not None:
        zone[-1] = False
        return Step(state=HDDMAState(), rows=rows, drift=True, zone=zone)
    after = HDDMAState(rows=int(n[-1]), errors=int(k[-1]), cut_rows=int(c_rows[-1]), cut_errors=int(c_errors[-1]))
    return Step(state=after, rows=rows, zone=zone)


def _hoeffding(n: Array, k: Array) -> Array:
    """The upper bound of the mean of k errors in n rows."""
    bound: Array = k / n + np.sqrt(math.log(1.0 / DRIFT_LEVEL) / (2.0 * n))
    return bound


WEIGHT = 0.05
"""Of the newest row in HDDM-W's averages."""
FORGOTTEN = 2_000
"""Rows after which a weight is too small to change any sum (and powers would become slow)."""


class HDDMWState(msgspec.Struct, frozen=True, tag="hddm_w"):
    """Rows and weighted mean since the last drift; rows, mean and bound at the cut; how the mean after the cut began to differ from that of all.

    The mean after the cut is that of all rows plus `offset` times (1 - WEIGHT) to the power of `age`, the rows since its first one.
    """

    rows: int = 0
    mean: float = 0.0
    cut_rows: int = 0
    cut_mean: float = 0.0
    offset: float = 0.0
    age: int = -1


def hddm_w_step(state: HDDMWState, errors: Errors, _: int = 0) -> Step[HDDMWState]:
    """Drift detection by McDiarmid's bounds on weighted averages (Frías-Blanco and others 2015), one-sided.

    Means weigh the newest row by λ = 0.05: z_1 = x_1, z_i = z_(i-1) + λ(x_i - z_(i-1)); the sum of squared weights is b_i = λ² + (1 - λ)² b_(i-1),
    b_0 = 1. The cut is where z + √(b ln(1/0.001)/2) was least. Drift where the mean of the rows after the cut exceeds that up to it by more than
    √((b_cut + b_after) ln(1/α)/2) with α = 0.001, warning zone while it does with α = 0.005.
    """
    from scipy.signal import lfilter

    x = errors.astype(np.float64)
    n = state.rows + np.arange(1, len(x) + 1)
    mean = np.empty(len(x))
    before, begin = state.mean, 0
    if state.rows == 0:
        mean[0] = before = x[0]
        begin = 1
    if begin < len(x):
        mean[begin:] = lfilter([WEIGHT], [1.0, WEIGHT - 1.0], x[begin:], zi=[(1.0 - WEIGHT) * before])[0]
    least = math.inf
    if state.cut_rows:
        least = state.cut_mean + float(_mcdiarmid(_squared_weights(np.array(state.cut_rows)), DRIFT_LEVEL))
    cut = latest_best(mean + _mcdiarmid(_squared_weights(n), DRIFT_LEVEL), least, ties=False)
    c_mean = np.where(cut >= 0, mean[cut], state.cut_mean)
    c_rows = np.where(cut >= 0, n[cut], state.cut_rows)
    age, offset = _after_cut(state, x, mean, cut)
    ready = age >= 0
    rise = mean + offset * (1.0 - WEIGHT) ** np.clip(age, 0, FORGOTTEN) - c_mean
    weights = _squared_weights(c_rows) + _squared_weights(np.maximum(age + 1, 0))
    drift = first(ready & (rise > _mcdiarmid(weights, DRIFT_LEVEL)))
    rows = len(x) if drift is None else drift + 1
    zone = (ready & (rise > _mcdiarmid(weights, WARNING_LEVEL)))[:rows]
    if drift is not None:
        zone[-1] = False
        return Step(state=HDDMWState(), rows=rows, drift=True, zone=zone)
    after = HDDMWState(
        rows=int(n[-1]),
        mean=float(mean[-1]),
        cut_rows=int(c_rows[-1]),
        cut_mean=float(c_mean[-1]),
        offset=float(offset[-1]),
        age=int(age[-1]),
    )
    return Step(state=after, rows=rows, zone=zone)


def _after_cut(state: HDDMWState, x: Array, mean: Array, cut: Array) -> tuple[Array, Array]:
    """At each row: the rows since the first one after the latest cut (-1 at the cut itself), and how that one differed from the mean."""
    place = np.arange(len(x))
    begun = cut + 1  # the first row after the cut; 0 where the cut lies before these rows
    inside = (cut >= 0) | (state.age < 0)
    age = np.where(inside, place - begun, state.age + 1 + place)
    there = np.minimum(begun, len(x) - 1)
    return age, np.where(inside, (x - mean)[there], state.offset)


def _squared_weights(n: Array) -> Array:
    """The sum of squared weights of an average over n rows."""
    kept = (1.0 - WEIGHT) ** 2
    limit = WEIGHT**2 / (1.0 - kept)
    found: Array = limit + kept ** np.minimum(n, FORGOTTEN) * (1.0 - limit)
    return found


def _mcdiarmid(weights: Array, level: float) -> Array:
    bound: Array = np.sqrt(weights * math.log(1.0 / level) / 2.0)
    return bound
