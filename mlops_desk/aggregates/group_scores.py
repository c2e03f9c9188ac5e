"""Scores and predictions of a binary model by group of one protected attribute, for what is estimated of groups before labels arrive."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from mlops_desk.aggregates.tables import Counts, Floats


class GroupScoreTable(Struct, frozen=True, kw_only=True):
    """Rows with a group, a finite score and a prediction, in one slice; exact where the slice's ScoreTable is.

    Attributes
    ----------
    groups : as text, sorted (parts joined by ×; NULL is no group).
    places, marks : (k,) index of the group, and the distinct score or number of the cell; ascending in this order.
    counts : (k, 2) rows by prediction. totals : (k,) Σ of the scores of a cell, None where exact.
    """

    attribute: str
    groups: tuple[str, ...]
    places: Counts
    marks: Floats
    counts: Counts
    totals: Floats | None = None

    @property
    def scores(self) -> Floats:
        """(k,) the distinct score, or the mean of a cell's scores in the group."""
        return self.marks if self.totals is None else self.totals / self.counts.sum(axis=1)

    def __add__(self, other: GroupScoreTable) -> GroupScoreTable:
        """The table of both slices' rows; raises ValueError for different attributes, or an exact table and one of cells."""
        if self.attribute != other.attribute or (self.totals is None) != (other.totals is None):
            raise ValueError("tables of different attributes or kinds do not add")
        groups = tuple(sorted({*self.groups, *other.groups}))
        number = {group: place for place, group in enumerate(groups)}
        renumbered = [
            np.array([number[group] for group in table.groups], dtype=np.int64)[table.places] for table in (self, other)
        ]
        totals = None if self.totals is None or other.totals is None else np.concatenate([self.totals, other.totals])
        return group_scores(
            self.attribute,
            groups,
            np.concatenate(renumbered),
            np.concatenate([self.marks, other.marks]),
            np.concatenate([self.counts, other.counts]),
            totals,
        )


def group_scores(
    attribute: str, groups: tuple[str, ...], places: Counts, marks: Floats, counts: Counts, totals: Floats | None
) -> GroupScoreTable:
    """The table of entries in any order, those of the same group and mark added."""
    order = np.lexsort((marks, places))
    places, marks, counts = places[order], marks[order], counts[order]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = (np.diff(places) != 0) | (np.diff(marks) != 0)
    starts = np.flatnonzero(new)
    if not len(starts):
        return GroupScoreTable(
            attribute=attribute, groups=groups, places=places, marks=marks, counts=counts, totals=totals
        )
    return GroupScoreTable(
        attribute=attribute,
        groups=groups,
        places=places[starts],
        marks=marks[starts],
        counts=np.add.reduceat(counts, starts, axis=0),
        totals=None if totals is None else np.add.reduceat(totals[order], starts),
    )
