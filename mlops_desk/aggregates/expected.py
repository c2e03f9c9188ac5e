"""What the labels of a slice are expected to be, given calibrated scores: sums over rows that need the scores of all classes at once.

They are counted in a second look at the log, once the reference has said how scores are to be calibrated, and add like every other table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec import Struct, field

from mlops_desk.aggregates.tables import Counts, Floats, merged_entries


class ExpectedPositives(Struct, frozen=True, kw_only=True):
    """How many rows of each score are expected to be of one class.

    Attributes
    ----------
    marks : (k,) ascending: distinct scores, or numbers of cells, as in the class's ScoreTable. positives : (k,) expected rows of the class.
    rows : (k,) all rows. pulls : (k,) by how much the expected rows that are predicted right rise with the class's own probability, before
        the probabilities of a row are divided by their sum.
    """

    marks: Floats
    positives: Floats
    rows: Counts
    pulls: Floats

    def __add__(self, other: ExpectedPositives) -> ExpectedPositives:
        """The table of both slices' rows."""
        marks, left, right = merged_entries(self.marks, other.marks)
        positives, pulls, rows = np.zeros(len(marks)), np.zeros(len(marks)), np.zeros(len(marks), dtype=np.int64)
        for table, at in ((self, left), (other, right)):
            positives[at] += table.positives
            pulls[at] += table.pulls
            rows[at] += table.rows
        return ExpectedPositives(marks=marks, positives=positives, rows=rows, pulls=pulls)

    def at(self, marks: Floats) -> tuple[Floats, Floats]:
        """(k,) expected rows of the class and of the others at these marks, which hold all of its own."""
        where = np.searchsorted(marks, self.marks)
        positives, rows = np.zeros(len(marks)), np.zeros(len(marks))
        positives[where], rows[where] = self.positives, self.rows
        return positives, np.maximum(rows - positives, 0.0)

    def pulls_at(self, marks: Floats) -> Floats:
        """(k,) the pulls at these marks."""
        pulls = np.zeros(len(marks))
        pulls[np.searchsorted(marks, self.marks)] = self.pulls
        return pulls


class ExpectedGroups(Struct, frozen=True, kw_only=True):
    """Expected labels against predictions by group of one protected attribute.

    Attributes
    ----------
    groups : as text, sorted. counts : (g, c, c) expected rows by group, true and predicted class; classes are those of the slice's table.
    """

    groups: tuple[str, ...]
    counts: Floats


class ExpectedTable(Struct, frozen=True, kw_only=True):
    """Expected labels against predictions of a classifier in one slice, over the rows with a prediction and a score of every class.

    Attributes
    ----------
    classes : as text, sorted. rows : how many there are. counts : (c, c) expected rows by true and predicted class.
    right_squares : Σ of the squared probability that a row is predicted right.
    loss, loss_squares : Σ of the expected log loss of each row and of its square; None where a row's scores have no positive sum.
    positives : by class, for the metrics of ranking. groups : by protected attribute, over the rows that have a group.
    """

    classes: tuple[str, ...]
    rows: int
    counts: Floats
    right_squares: float
    loss: float | None = None
    loss_squares: float | None = None
    positives: Mapping[str, ExpectedPositives] = field(default_factory=dict)
    groups: Mapping[str, ExpectedGroups] = field(default_factory=dict)

    def __add__(self, other: ExpectedTable) -> ExpectedTable:
        """The table of both slices' rows."""
        classes = tuple(sorted({*self.classes, *other.classes}))
        both = {
            name: self.positives[name] + other.positives[name] for name in self.positives if name in other.positives
        }
        return ExpectedTable(
            classes=classes,
            rows=self.rows + other.rows,
            counts=_in_classes(self.counts, self.classes, classes) + _in_classes(other.counts, other.classes, classes),
            right_squares=self.right_squares + other.right_squares,
            loss=_sum(self.loss, other.loss),
            loss_squares=_sum(self.loss_squares, other.loss_squares),
            positives={**self.positives, **other.positives, **both},
            groups={
                attribute: _groups_added([self, other], attribute, classes)
                for attribute in dict.fromkeys([*self.groups, *other.groups])
            },
        )


def _in_classes(counts: Floats, own: tuple[str, ...], classes: tuple[str, ...]) -> Floats:
    """(…, c, c) expected rows over more classes, sorted."""
    if own == classes:
        return counts
    found = np.zeros((*counts.shape[:-2], len(classes), len(classes)))
    where = np.array([classes.index(one) for one in own], dtype=np.int64)
    found[..., where[:, None], where] = counts
    return found


def _groups_added(tables: Sequence[ExpectedTable], attribute: str, classes: tuple[str, ...]) -> ExpectedGroups:
    """Expected labels by group of all slices' rows."""
    held = [(table.groups[attribute], table.classes) for table in tables if attribute in table.groups]
    groups = tuple(sorted({group for of, _ in held for group in of.groups}))
    number = {group: place for place, group in enumerate(groups)}
    counts = np.zeros((len(groups), len(classes), len(classes)))
    for of, own in held:
        counts[[number[group] for group in of.groups]] += _in_classes(of.counts, own, classes)
    return ExpectedGroups(groups=groups, counts=counts)


def _sum(left: float | None, right: float | None) -> float | None:
    """The sum of two numbers, None where one of them is unknown."""
    return None if left is None or right is None else left + right
