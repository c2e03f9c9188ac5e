"""What a slice holds by group of a protected attribute, as frozen arrays that add: the law of all tables holds."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from mlops_desk.aggregates.tables import Amounts, Floats


class GroupTable(Struct, frozen=True, kw_only=True):
    """Predictions and labels of a binary model (or of one class against the rest) by group of one protected attribute.

    Attributes
    ----------
    attribute : the column, or columns joined by ×. groups : as text, sorted (parts joined by ×; NULL is no group).
    counts : (g, 2, 3) rows by group, prediction and label (negative, positive, unlabelled).
    class_ : the class that counts as positive, None for a binary model.
    """

    attribute: str
    groups: tuple[str, ...]
    counts: Amounts
    class_: str | None = None

    def in_groups(self, groups: tuple[str, ...]) -> GroupTable:
        """The same table over more groups, sorted."""
        if groups == self.groups:
            return self
        counts = np.zeros((len(groups), 2, 3), dtype=self.counts.dtype)
        if self.groups:
            counts[[groups.index(group) for group in self.groups]] = self.counts
        return GroupTable(attribute=self.attribute, groups=groups, counts=counts, class_=self.class_)

    def __add__(self, other: GroupTable) -> GroupTable:
        """The table of both slices' rows; raises ValueError for different attributes or classes."""
        if (self.attribute, self.class_) != (other.attribute, other.class_):
            raise ValueError("tables of different attributes do not add")
        groups = tuple(sorted({*self.groups, *other.groups}))
        counts = self.in_groups(groups).counts + other.in_groups(groups).counts
        return GroupTable(attribute=self.attribute, groups=groups, counts=counts, class_=self.class_)


class GroupMeans(Struct, frozen=True, kw_only=True):
    """Predictions and errors of a regression by group of one protected attribute, in one slice.

    Attributes
    ----------
    rows, labelled : (g,) rows with a prediction, and of those with a label too.
    prediction, prediction_squares : (g,) Σ(prediction - centre) and its squares. absolute, absolute_squares : (g,) Σ|e| and Σe².
    centre : a constant of the model.
    """

    attribute: str
    groups: tuple[str, ...]
    rows: Amounts
    labelled: Amounts
    prediction: Floats
    prediction_squares: Floats
    absolute: Floats
    absolute_squares: Floats
    centre: float

    def __add__(self, other: GroupMeans) -> GroupMeans:
        """The table of both slices' rows; raises ValueError for different attributes or centres."""
        if (self.attribute, self.centre) != (other.attribute, other.centre):
            raise ValueError("tables of different attributes or centres do not add")
        groups = tuple(sorted({*self.groups, *other.groups}))
        arrays = {}
        for name in ("rows", "labelled", "prediction", "prediction_squares", "absolute", "absolute_squares"):
            total = np.zeros(len(groups), dtype=getattr(self, name).dtype)
            for table in (self, other):
                if table.groups:
                    total[[groups.index(group) for group in table.groups]] += getattr(table, name)
            arrays[name] = total
        return GroupMeans(attribute=self.attribute, groups=groups, centre=self.centre, **arrays)
