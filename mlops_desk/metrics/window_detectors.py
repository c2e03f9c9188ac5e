"""Page-Hinkley, ADWIN and KSWIN: detectors of a change of the mean or of the distribution, of errors that are 0 or 1 or of any size.

None has a warning zone. Page-Hinkley and ADWIN begin anew after a drift, as River 0.26 has them.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from mlops_desk.aggregates.tables import Counts, Floats
from mlops_desk.metrics.detection import Errors, Flags, Step, first, running_sums

HINKLEY_DELTA, HINKLEY_THRESHOLD, HINKLEY_FADING, HINKLEY_ROWS = 0.005, 50.0, 0.9999, 30


class PageHinkleyState(msgspec.Struct, frozen=True, tag="page_hinkley"):
    """Rows and sum of the errors since the last drift; the faded sums of rises and falls, the least of the one and the greatest of the other."""

    rows: int = 0
    total: float = 0.0
    rise: float = 0.0
    fall: float = 0.0
    least_rise: float = math.inf
    greatest_fall: float = -1.0


def page_hinkley_step(state: PageHinkleyState, errors: Errors, _: int = 0) -> Step[PageHinkleyState]:
    """Page-Hinkley test (Page 1954; Hinkley 1971), of rises and of falls.

    With d_i the error less the mean so far, U_i = α U_(i-1) + d_i - δ and L_i = α L_(i-1) + d_i + δ, both 0 at first: drift where
    U - min U > λ or max(L, -1) - L > λ, from the 30th row on; δ = 0.005, λ = 50, α = 0.9999.
    """
    from scipy.signal import lfilter

    x = errors.astype(np.float64)
    n = state.rows + np.arange(1, len(x) + 1)
    totals = running_sums(state.total, x)
    off = x - totals / n
    fading = [1.0, -HINKLEY_FADING]
    rise = lfilter([1.0], fading, off - HINKLEY_DELTA, zi=[HINKLEY_FADING * state.rise])[0]
    fall = lfilter([1.0], fading, off + HINKLEY_DELTA, zi=[HINKLEY_FADING * state.fall])[0]
    least = np.minimum.accumulate(np.concatenate([[state.least_rise], rise]))[1:]
    greatest = np.maximum.accumulate(np.concatenate([[state.greatest_fall], fall]))[1:]
    beyond = (rise - least > HINKLEY_THRESHOLD) | (greatest - fall > HINKLEY_THRESHOLD)
    drift = first(beyond & (n >= HINKLEY_ROWS))
    if drift is not None:
        return Step(state=PageHinkleyState(), rows=drift + 1, drift=True)
    after = PageHinkleyState(
        rows=int(n[-1]),
        total=float(totals[-1]),
        rise=float(rise[-1]),
        fall=float(fall[-1]),
        least_rise=float(least[-1]),
        greatest_fall=float(greatest[-1]),
    )
    return Step(state=after, rows=len(x))


ADWIN_DELTA, ADWIN_CLOCK, ADWIN_BUCKETS, ADWIN_PART = 0.002, 32, 5, 5
"""Level, rows from one look to the next, most buckets of one size, least rows of each part."""
LOOKS_AT_ONCE = 256


class ADWINState(msgspec.Struct, frozen=True, tag="adwin"):
    """Rows of the window, the error that sums are taken from, their sum of squares, and the sums at the start and at the end of each bucket."""

    rows: int = 0
    centre: float = 0.0
    squares: float = 0.0
    sums: tuple[float, ...] = (0.0,)


def adwin_step(state: ADWINState, errors: Errors, _: int = 0) -> Step[ADWINState]:
    """Adaptive windowing (Bifet and Gavaldà 2007), ADWIN2: an exponential histogram with at most 5 buckets of each size, looked at every 32 rows.

    With n rows in the window, of variance σ², cut at the end of a bucket into n0 and n1 rows of at least 5: drift where the two means differ by
    more than √(2 m σ² d) + 2/3 m d, d = ln(2 ln(n)/δ), m = 1/(n0 - 4) + 1/(n1 - 4), δ = 0.002. What the buckets hold depends on the number of
    rows alone, so their ends at every look are known beforehand and sums up to each row tell the means of all parts.
    """
    x = errors[: LOOKS_AT_ONCE * ADWIN_CLOCK].astype(np.float64)
    centre = state.centre if state.rows else float(x[0])
    n = state.rows + np.arange(1, len(x) + 1)
    sums = running_sums(state.sums[-1], x - centre)
    squares = running_sums(state.squares, (x - centre) ** 2)
    before = _ends(np.array([state.rows]))[0]
    ends, at_ends = np.concatenate([np.unique(before[before >= 0]), n]), np.concatenate([state.sums, sums])
    looks = np.flatnonzero(n % ADWIN_CLOCK == 0)
    if len(looks):
        drift = first(_differ(n[looks], sums[looks], squares[looks], ends, at_ends))
        if drift is not None:
            return Step(state=ADWINState(), rows=int(looks[drift]) + 1, drift=True)
    kept = _ends(n[-1:])[0]
    places = np.searchsorted(ends, np.unique(kept[kept >= 0]))
    after = ADWINState(rows=int(n[-1]), centre=centre, squares=float(squares[-1]), sums=tuple(at_ends[places].tolist()))
    return Step(state=after, rows=len(x))


def _ends(rows: Counts) -> Counts:
    """(n, b) how many rows lie before each end of a bucket, the newest first, after so many rows came in; -1 pads."""
    levels = max(int(rows.max(initial=0)).bit_length(), 1)
    arrived, newer = rows.copy(), np.zeros_like(rows)
    found = [rows[:, None]]
    for level in range(levels):
        held = np.where(arrived < ADWIN_BUCKETS, arrived, ADWIN_BUCKETS - 1 + (arrived & 1))
        place = np.arange(1, ADWIN_BUCKETS + 1)
        end = rows[:, None] - newer[:, None] - (place << level)
        found.append(np.where(place <= held[:, None], end, -1))
        newer = newer + (held << level)
        arrived = (arrived - held) // 2
    return np.concatenate(found, axis=1)


def _differ(n: Counts, total: Floats, squares: Floats, ends: Counts, at_ends: Floats) -> Flags:
    """(looks,) whether at some end of a bucket the window falls into two parts of different means."""
    cut = _ends(n)
    older, newer = cut, n[:, None] - cut
    usable = (older >= ADWIN_PART) & (newer >= ADWIN_PART)
    older, newer = np.where(usable, older, ADWIN_PART), np.where(usable, newer, ADWIN_PART)
    up_to = at_ends[np.searchsorted(ends, np.where(usable, cut, ends[-1]))]
    gap = np.abs(up_to / older - (total[:, None] - up_to) / newer)
    variance = np.maximum(squares / n - (total / n) ** 2, 0.0)
    level = np.log(2.0 * np.log(n) / ADWIN_DELTA)
    m = 1.0 / (older - ADWIN_PART + 1) + 1.0 / (newer - ADWIN_PART + 1)
    bound = np.sqrt(2.0 * m * (variance * level)[:, None]) + 2.0 / 3.0 * level[:, None] * m
    beyond: Flags = (usable & (gap > bound)).any(axis=1)
    return beyond


KSWIN_LEVEL, KSWIN_WINDOW, KSWIN_PART = 1e-4, 100, 30
KSWIN_OLDER = KSWIN_WINDOW - KSWIN_PART
DRAWS_OF_BITS, DRAWS_OF_NUMBERS = 65_536, 1_024
"""Rows whose draws come of one seed, where errors are 0 or 1 and where they are numbers."""


class KSWINState(msgspec.Struct, frozen=True, tag="kswin"):
    """The newest errors of the window, at most 99."""

    window: tuple[float, ...] = ()


@cache
def kswin_gap() -> int:
    """By how many of 30 two samples must differ somewhere for a two-sample Kolmogorov-Smirnov p of at most 1e-4.

    P(D ≥ g/n) of two samples of n is 2 Σ_j (-1)^(j-1) C(2n, n - jg)/C(2n, n) over j = 1, 2, … (Gnedenko and Korolyuk 1951).
    """
    n, every = KSWIN_PART, math.comb(2 * KSWIN_PART, KSWIN_PART)
    for gap in range(1, n + 1):
        terms = ((-1) ** (j - 1) * math.comb(2 * n, n - j * gap) for j in range(1, n // gap + 1))
        if 2 * sum(terms) / every <= KSWIN_LEVEL:
            return gap
    raise AssertionError("thirty against thirty are told apart")


@cache
def _drawn_errors() -> Floats:
    """(71, 30) by how many of the 70 older rows are errors: the chance that at most so many (0 … 29) of 30 drawn rows are."""
    every = math.comb(KSWIN_OLDER, KSWIN_PART)
    chances = [
        [math.comb(errors, k) * math.comb(KSWIN_OLDER - errors, KSWIN_PART - k) / every for k in range(KSWIN_PART)]
        for errors in range(KSWIN_OLDER + 1)
    ]
    return np.cumsum(np.array(chances), axis=1)


def kswin_step(state: KSWINState, errors: Errors, at: int, seed: int) -> Step[KSWINState]:
    """Kolmogorov-Smirnov windowing (Raab, Heusinger and Schleif 2020) over a window of 100 rows, at each row of a full one.

    Drift where the two-sample test of the newest 30 rows against 30 drawn without replacement from the 70 before has p ≤ 1e-4; the window goes on
    with the newest 30. What is drawn at a row depends on `seed` and its number `at` alone. Of errors that are 0 or 1 only their number among the
    drawn rows matters, which is drawn from its distribution.
    """
    bits = errors.dtype.kind in "iu"
    block_rows = DRAWS_OF_BITS if bits else DRAWS_OF_NUMBERS
    block, begin = divmod(at, block_rows)
    x = errors[: block_rows - begin]
    known = np.concatenate([np.asarray(state.window, dtype=x.dtype), x])
    draws = np.random.default_rng((seed, block))
    tested = max(KSWIN_WINDOW - 1 - len(state.window), 0)  # rows before the window is full
    if tested >= len(x):
        return Step(state=_window(known), rows=len(x))
    if bits:
        uniform = draws.random(begin + len(x))[begin + tested :]
        beyond = _differ_in_bits(known, uniform)
    else:
        keys = draws.random((begin + len(x), KSWIN_OLDER))[begin + tested :]
        beyond = _differ_in_numbers(known, keys)
    drift = first(beyond)
    if drift is None:
        return Step(state=_window(known), rows=len(x))
    end = len(state.window) + tested + drift + 1
    return Step(
        state=KSWINState(window=tuple(known[end - KSWIN_PART : end].tolist())), rows=tested + drift + 1, drift=True
    )


def _window(known: NDArray[Any]) -> KSWINState:
    return KSWINState(window=tuple(known[-(KSWIN_WINDOW - 1) :].tolist()))


def _differ_in_bits(known: NDArray[Any], uniform: Floats) -> Flags:
    """(n,) for each full window over errors of 0 and 1 whether newest and drawn rows differ; only where they can is anything drawn."""
    sums = np.concatenate([[0], np.cumsum(known, dtype=np.int64)])
    end = np.arange(KSWIN_WINDOW, len(known) + 1)
    newest = sums[end] - sums[end - KSWIN_PART]
    older = sums[end - KSWIN_PART] - sums[end - KSWIN_WINDOW]
    gap = kswin_gap()
    most, least = np.minimum(KSWIN_PART, older), np.maximum(0, older - (KSWIN_OLDER - KSWIN_PART))
    able = np.flatnonzero((most - newest >= gap) | (newest - least >= gap))
    drawn = (uniform[able, None] > _drawn_errors()[older[able]]).sum(axis=1)
    beyond = np.zeros(len(end), dtype=np.bool_)
    beyond[able] = np.abs(drawn - newest[able]) >= gap
    return beyond


def _differ_in_numbers(known: NDArray[Any], keys: Floats) -> Flags:
    """(n,) the same over errors of any size; drawn are the rows of the 30 least keys."""
    windows = np.lib.stride_tricks.sliding_window_view(known, KSWIN_WINDOW)
    chosen = np.argpartition(keys, KSWIN_PART, axis=1)[:, :KSWIN_PART]
    drawn = np.take_along_axis(windows[:, :KSWIN_OLDER], chosen, axis=1)
    both = np.concatenate([drawn, windows[:, KSWIN_OLDER:]], axis=1)
    order = np.argsort(both, axis=1)
    ahead = np.cumsum(np.where(order < KSWIN_PART, 1, -1), axis=1)
    ordered = np.take_along_axis(both, order, axis=1)
    last = np.concatenate([ordered[:, 1:] != ordered[:, :-1], np.ones((len(both), 1), dtype=np.bool_)], axis=1)
    beyond: Flags = (np.abs(ahead) * last).max(axis=1) >= kswin_gap()
    return beyond
