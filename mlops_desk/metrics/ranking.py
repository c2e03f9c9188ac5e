"""What an ordering of positive and negative rows is worth: area under the ROC curve, average precision, lift.

Entries are in ascending order of score; rows of one entry are tied. Where an entry is a cell of several scores (`wide`), its rows are
in truth ordered in some unknown way, and every value carries a bound that holds for each of these ways.
"""

from __future__ import annotations

import math

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlops_desk.aggregates.tables import Floats, ScoreTable
from mlops_desk.domain.metric import Measurement
from mlops_desk.metrics.intervals import Z, measured


class Ranking(Struct, frozen=True, kw_only=True, eq=False):
    """Positive and negative rows by ascending score; fractions of rows are allowed.

    Attributes
    ----------
    positives, negatives : (k,) of each entry, together > 0. wide : (k,) whether an entry is a cell of several scores.
    """

    positives: Floats
    negatives: Floats
    wide: NDArray[np.bool_]

    @property
    def total_positives(self) -> float:
        """Positive rows."""
        return float(self.positives.sum())

    @property
    def total_negatives(self) -> float:
        """Negative rows."""
        return float(self.negatives.sum())


def several_scores(table: ScoreTable) -> NDArray[np.bool_]:
    """(k,) whether an entry of a table is a cell that holds more than one score."""
    if table.lowers is None or table.uppers is None:
        return np.zeros(len(table.scores), dtype=np.bool_)
    return np.asarray(table.lowers < table.uppers)


def ranking(table: ScoreTable, positives: Floats | None = None, negatives: Floats | None = None) -> Ranking:
    """The ranking of a table's labelled rows, or of these (k,) positive and negative rows."""
    if positives is None or negatives is None:
        positives, negatives = table.labelled[:, 1].astype(np.float64), table.labelled[:, 0].astype(np.float64)
    held = positives + negatives > 0
    return Ranking(positives=positives[held], negatives=negatives[held], wide=several_scores(table)[held])


def roc_auc(rows: Ranking) -> Measurement:
    """Probability that a positive outranks a negative, ties counting one half; both classes must occur.

    Range 0 to 1, higher is better, 0.5 is chance. Standard error after DeLong, DeLong and Clarke-Pearson (1988), interval on the
    logit scale. The bound is half of the pairs that share a cell.
    """
    positives, negatives = rows.total_positives, rows.total_negatives
    below = np.cumsum(rows.negatives) - rows.negatives / 2
    above = positives - np.cumsum(rows.positives) + rows.positives / 2
    value = min(1.0, max(0.0, float(np.dot(rows.positives, below)) / positives / negatives))
    bound = float(np.dot(rows.positives[rows.wide], rows.negatives[rows.wide])) / 2 / positives / negatives
    error = _auc_error(rows, below / negatives, above / positives, value)
    lower, upper = _logit_interval(value, error)
    return Measurement(value, None, bound, error, lower, upper)


def _auc_error(rows: Ranking, below: Floats, above: Floats, value: float) -> float:
    """DeLong's standard error, and Hanley and McNeil's (1982) at a shrunken value where the classes do not overlap or are tiny."""
    positives, negatives = rows.total_positives, rows.total_negatives
    if min(positives, negatives) > 1:
        of_positives = float(np.dot(rows.positives, (below - value) ** 2)) / (positives - 1)
        of_negatives = float(np.dot(rows.negatives, (above - value) ** 2)) / (negatives - 1)
        error = math.sqrt(of_positives / positives + of_negatives / negatives)
        if error > 0:
            return error
    margin = 0.5 / (min(positives, negatives) + 1)
    area = min(1 - margin, max(margin, value))
    first, second = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
    spread = area * (1 - area) + max(positives - 1, 0) * first + max(negatives - 1, 0) * second
    return math.sqrt(spread / positives / negatives)


def _logit_interval(value: float, error: float) -> tuple[float, float]:
    if value <= 0 or value >= 1:
        return max(0.0, value - Z * error), min(1.0, value + Z * error)
    centre, reach = math.log(value / (1 - value)), Z * error / (value * (1 - value))
    ends = [
        1 / (1 + math.exp(min(700.0, max(-700.0, reach - centre)))),
        1 / (1 + math.exp(max(-700.0, -reach - centre))),
    ]
    return min(value, ends[0]), max(value, ends[1])


def average_precision(rows: Ranking) -> Measurement:
    """Mean, over the positives, of the precision among the rows that score as high or higher; a positive must occur.

    Range 0 to 1, higher is better, chance is the share of positives. Not interpolated (scikit-learn's definition). The standard
    error comes from the influence function. The bound compares with all positives of a cell tied at its top, and with all of its
    negatives before its positives.
    """
    positives = rows.total_positives
    held = rows.positives + rows.negatives
    hits, taken = np.cumsum(rows.positives[::-1])[::-1], np.cumsum(held[::-1])[::-1]
    precision = hits / taken
    gained = rows.positives * precision
    value = min(1.0, float(gained.sum()) / positives)
    error = _precision_error(rows, hits, taken, value)
    return measured(value, error, bound=_precision_bound(rows, hits, taken, gained), least=0.0, greatest=1.0)


def _precision_error(rows: Ranking, hits: Floats, taken: Floats, value: float) -> float:
    """Standard error of average precision: the spread of its influence function over the rows."""
    n, share = float(taken[0]), rows.total_positives / float(taken[0])
    precision = hits / taken
    first = np.cumsum(rows.positives / taken)
    second = np.cumsum(rows.positives * precision / taken)
    area = value * share
    of_positives = (precision + first - second - area - value * (1 - share)) / share
    of_negatives = (-second - area + value * share) / share
    spread = np.dot(rows.positives, of_positives**2) + np.dot(rows.negatives, of_negatives**2)
    return math.sqrt(float(spread)) / n


def _precision_bound(rows: Ranking, hits: Floats, taken: Floats, gained: Floats) -> float:
    at = rows.wide & (rows.positives > 0)
    positives, negatives = rows.positives[at], rows.negatives[at]
    hits_before, taken_before = hits[at] - positives, taken[at] - positives - negatives
    best = positives * (hits_before + positives) / (taken_before + positives)
    before = taken_before + negatives
    ahead = np.divide(positives, before, out=np.zeros_like(positives), where=before > 0)
    worst = positives - (before - hits_before) * np.log1p(ahead)
    return max(float((best - gained[at]).sum()), float((gained[at] - worst).sum()), 0.0) / rows.total_positives


def lift(rows: Ranking, share: float = 0.1) -> Measurement:
    """Share of positives among the best scoring `share` of the rows, over the share of positives among all; a positive must occur.

    Range 0 to 1/share, higher is better, 1 is chance. Where the border falls among tied rows, they count in proportion.
    """
    held = rows.positives + rows.negatives
    n, positives = float(held.sum()), rows.total_positives
    top = share * n
    taken, hits = np.cumsum(held[::-1]), np.cumsum(rows.positives[::-1])
    at = min(int(np.searchsorted(taken, top)), len(taken) - 1)
    of_entry, of_positives, wide = float(held[::-1][at]), float(rows.positives[::-1][at]), bool(rows.wide[::-1][at])
    part = min(of_entry, top - (float(taken[at]) - of_entry))
    counted = part * of_positives / of_entry
    found = float(hits[at]) - of_positives + counted
    scale = n / top / positives
    bound = 0.0
    if wide:
        bound = scale * max(min(part, of_positives) - counted, counted - max(0.0, part - (of_entry - of_positives)))
    inside, outside = (found + 0.5) / (top + 1), (positives - found + 0.5) / (n - top + 1)
    spread = (positives - found) ** 2 * top * inside * (1 - inside) + found**2 * (n - top) * outside * (1 - outside)
    error = n / top * math.sqrt(max(spread, 0.0)) / positives**2
    return measured(found * scale, error, bound=bound, least=0.0, greatest=1 / share)
