"""Labels of classes that the model does not know: they are named, and where no label is a class of the predictions nothing is compared."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec import Struct

from mlops_desk.aggregates.expressions import TRUTHS
from mlops_desk.aggregates.planning import positive_class
from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables
from mlops_desk.aggregates.tables import CategoryTable
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.schema import Task
from mlops_desk.domain.slicing import Split
from mlops_desk.monitoring.requests import target_column
from mlops_desk.monitoring.slice_set import SliceSet

NAMED = 5
"""Classes that one sentence names."""
NUMBER_OF = {text: number for number, texts in TRUTHS.items() for text in texts}


class KnownClasses(Struct, frozen=True, kw_only=True):
    """The classes of a classifier.

    Attributes
    ----------
    predicted : what it predicts in the reference, as texts. labels : of the reference, where some of them are predicted.
    """

    task: Task
    predicted: tuple[str, ...]
    positive: str | None
    labels: tuple[str, ...]

    @property
    def _classes(self) -> set[str]:
        """What is predicted, and the positive class."""
        return _numbered([*self.predicted, *([] if self.positive is None else [self.positive])])

    def foreign(self, outcomes: OutcomeTables | None) -> str | None:
        """Why a slice's labels cannot be compared with predictions, None where they can (or there are none)."""
        found = [] if outcomes is None else present(outcomes.target_categories)
        if not found or _numbered(found) & (self._classes | _numbered(self.labels)):
            return None
        if len(_numbered(found) | self._classes) <= 2:
            return None
        return f"no label is a class of the predictions: the labels are {named(found)}, the predictions {named(self.predicted)}"

    def notes(self, labels: Collection[str], place: str, *, foreign: bool) -> Iterator[DataNote]:
        """A warning of the labels that are no class of the predictions; `foreign` where all labels of some slice are none."""
        known = self._classes if self.task is Task.BINARY else self._classes | _numbered(self.labels)
        strange = sorted(one for one in labels if NUMBER_OF.get(one, one) not in known)
        if not strange or len(_numbered(labels) | known) <= 2:
            return
        text = f"labels of {place!r} are {named(strange)}, which the model never predicts (it predicts {named(self.predicted)})"
        if foreign:
            text += ": where no label is one of these, what needs labels is untested"
        elif self.task is Task.BINARY:
            text += f"; a binary model has two classes, and all but {self.positive!r} count as the other one"
        text += "; "
        text += "set columns.positive and " if self.task is Task.BINARY else ""
        text += "name the column of the classes as target"
        yield DataNote(level=NoteLevel.WARNING, code="labels_unknown", place=place, text=text, count=len(strange))


def known_classes(model: Model, features: FeatureTables, outcomes: OutcomeTables | None) -> KnownClasses | None:
    """The classes by the tables of the whole reference; None where there is no classifier or no prediction."""
    predicted = present(features.categorical.get(model.columns.prediction or ""))
    if model.task is None or model.task is Task.REGRESSION or not predicted:
        return None
    classes = dict.fromkeys([*predicted, *(name for name, _ in model.columns.scores)])
    positive = positive_class(model) if model.task is Task.BINARY else None
    known = KnownClasses(task=model.task, predicted=tuple(classes), positive=positive, labels=())
    labels = () if outcomes is None else tuple(present(outcomes.target_categories))
    if not _numbered(labels) & known._classes:
        labels = ()
    return KnownClasses(task=model.task, predicted=tuple(classes), positive=positive, labels=labels)


def present(table: CategoryTable | None) -> list[str]:
    """The categories that some row has."""
    if table is None:
        return []
    return [name for name, count in zip(table.categories, table.counts.tolist(), strict=True) if count]


def named(classes: Collection[str]) -> str:
    """Some classes by name."""
    return ", ".join(repr(one) for one in sorted(classes)[:NAMED]) + (" …" if len(classes) > NAMED else "")


def _numbered(classes: Iterable[str]) -> set[str]:
    """Classes with 1 and 0 in place of truths."""
    return {NUMBER_OF.get(one, one) for one in classes}


def unknown_classes(model: Model, slices: SliceSet, joined: Sequence[str]) -> list[DataNote]:
    """Notes on labels of classes that the model does not know, in the reference and the chunks at hand; `joined` are those of joined labels."""
    reference, analysis = slices.reference, [one for one in slices.slices if one.chunk.split is Split.ANALYSIS]
    known = known_classes(model, reference.features, reference.outcomes)
    if known is None:
        return []
    labels = set(joined)
    for one in (reference, *analysis):
        labels |= set(present(one.outcomes.target_categories)) if one.outcomes is not None else set()
    foreign = any(known.foreign(one.outcomes) is not None for one in (reference, *analysis))
    return list(known.notes(labels, target_column(model) or "", foreign=foreign))
