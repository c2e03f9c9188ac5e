"""Guesses what the columns of unknown files are for, from their names, types and values, and says why; it reads no file itself.

A guess is a beginning that a person corrects in desk.toml, so each one carries its reason, and what could not be told is a remark.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

from msgspec import Struct, field
from msgspec.structs import replace

from mlops_desk.domain.schema import ColumnRoles, Scalar, Task

UNNAMED = 1000
"""The rank of a name that says nothing."""
MOST_CLASSES = 50
CODES_AT_MOST = 20
MOST_GROUPS = 12
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")

TIME_NAMES = "timestamp event_timestamp event_time prediction_time predicted_at scored_at logged_at created_at datetime ts time date day".split()
TIME_WORDS = frozenset("timestamp datetime time date at day month hour ts when".split())
ID_NAMES = "id prediction_id request_id row_id uid uuid event_id record_id".split()
ID_WORDS = frozenset("id uuid guid uid identifier key".split())
SCORE_NAMES = (
    "y_pred_proba y_proba y_score pred_proba predicted_probability predicted_proba prediction_proba prediction_probability "
    "predict_proba probability proba prob score model_score prediction_score predicted_score"
).split()
SCORE_WORDS = frozenset("proba probability prob probabilities score scores confidence p".split())
PREDICTION_NAMES = (
    "y_pred prediction pred predicted y_hat yhat predicted_label predicted_class prediction_label decision".split()
)
PREDICTION_WORDS = frozenset("pred prediction predicted predictions predict yhat hat forecast".split())
TARGET_NAMES = "target label y y_true actual ground_truth truth true_label outcome actual_label class response".split()
TARGET_WORDS = frozenset("target label actual truth outcome true".split())
VERSION_NAMES = frozenset(("model_version", "version", "model_ver"))
LATENCY_NAMES = frozenset(("latency_ms", "latency", "response_time_ms"))
PROTECTED_WORDS = frozenset("sex gender race ethnicity ethnic religion disability disabled nationality".split())
AGE_WORDS = frozenset(("age",))
POSITIVE_WORDS = frozenset("1 yes y true t positive pos".split())


class Nature(StrEnum):
    """What the values of a column are, whatever the exact type."""

    TIME = "time"
    NUMBER = "number"
    FLAG = "flag"
    TEXT = "text"
    OTHER = "other"


class ColumnFacts(Struct, frozen=True, kw_only=True):
    """What was seen of a column in some rows.

    Attributes
    ----------
    rows, missing : with and without a value. distinct : different values. values : all of them in order where they are few, else none.
    low, high : of finite numbers. whole : whether all numbers are whole. reads_as_time : text of which every value looks like a date.
    """

    name: str
    nature: Nature
    rows: int
    missing: int = 0
    distinct: int = 0
    low: float | None = None
    high: float | None = None
    whole: bool = False
    reads_as_time: bool = False
    values: tuple[Scalar, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the name in lower case."""
        return words(self.name)

    @property
    def is_share(self) -> bool:
        """Whether all numbers lie from 0 to 1 and some between."""
        inside = self.low is not None and self.high is not None and self.low >= 0 and self.high <= 1
        return self.nature is Nature.NUMBER and inside and not self.whole

    @property
    def is_class(self) -> bool:
        """Whether the values could be classes."""
        if self.nature is Nature.NUMBER:
            return self.whole and self.distinct <= CODES_AT_MOST
        return self.nature is Nature.FLAG or (self.nature is Nature.TEXT and self.distinct <= MOST_CLASSES)

    @property
    def names_each_row(self) -> bool:
        """Whether no two rows have the same value and none lacks one."""
        kind = (
            self.nature is Nature.TEXT or self.nature is Nature.OTHER or (self.nature is Nature.NUMBER and self.whole)
        )
        return kind and self.rows > 1 and self.missing == 0 and self.distinct == self.rows


class Guess(Struct, frozen=True, kw_only=True):
    """What the columns seem to be for.

    Attributes
    ----------
    key, target : columns of the label files, None without them. reasons : by column of the log, why it has its role.
    classes : values of target and prediction where they are classes. remarks : what a person should look at.
    """

    roles: ColumnRoles
    task: Task | None
    key: str | None = None
    target: str | None = None
    classes: tuple[Scalar, ...] = ()
    reasons: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def words(name: str) -> tuple[str, ...]:
    """The words of a name in lower case: of `yPredProba`, `y_pred_proba` and `Y-PRED-PROBA` the same three."""
    return tuple(word.lower() for word in _WORD.findall(name))


def guess(
    log: Sequence[ColumnFacts],
    reference: Sequence[ColumnFacts] = (),
    labels: Sequence[ColumnFacts] = (),
    task: Task | None = None,
) -> Guess:
    """The roles of the columns of a log, with those of a reference and of label files where there are some."""
    return _Guessing(log, reference, labels, task).made()


def with_positive(guessed: Guess, mean_scores: Mapping[Scalar, float]) -> Guess:
    """The guess with a positive class where two classes do not name it themselves: the one that is scored higher."""
    if guessed.task is not Task.BINARY or len(guessed.classes) != 2 or set(guessed.classes) == {0, 1}:
        return guessed
    named = [one for one in guessed.classes if str(one).casefold() in POSITIVE_WORDS]
    if len(named) == 1:
        positive, why = named[0], "by its name"
    elif len(mean_scores) == 2:
        positive, why = max(mean_scores, key=lambda one: mean_scores[one]), "its rows have the higher scores"
    else:
        positive, why = guessed.classes[-1], "a mere guess: look at it"
    remark = f"the positive class is taken to be {positive!r}, {why}"
    return replace(guessed, roles=replace(guessed.roles, positive=positive), remarks=(*guessed.remarks, remark))


class _Guessing:
    """One guess on its way; a column that got a role is no longer in `_free`."""

    def __init__(
        self,
        log: Sequence[ColumnFacts],
        reference: Sequence[ColumnFacts],
        labels: Sequence[ColumnFacts],
        task: Task | None,
    ) -> None:
        self._log = {column.name: column for column in log}
        self._reference = {column.name: column for column in reference}
        self._labels = {column.name: column for column in labels}
        self._task = task
        self._free = dict(self._log)
        self._reasons: dict[str, str] = {}
        self._remarks: list[str] = []

    def made(self) -> Guess:
        """All roles, the plainest first."""
        timestamp = self._timestamp()
        identity, key = self._id()
        score, prediction = self._score(), self._prediction()
        target = self._target(prediction, key)
        if score is None and prediction is not None and prediction.is_share and target is not None and target.is_class:
            score, prediction = prediction, None
            self._reasons[score.name] = "numbers from 0 to 1 where the labels are classes: a score"
        classes = self._classes(target, prediction)
        task = self._task or _task(target or prediction, score, classes)
        scores: tuple[tuple[str, str], ...] = ()
        if task is Task.MULTICLASS:
            scores = self._class_scores(classes)
        if score is not None and task is not Task.BINARY:
            self._reasons.pop(score.name)
            score = None
        threshold = 0.5 if score is not None and prediction is None else None
        if threshold is not None:
            self._remarks.append("the log has scores only: from 0.5 on they are taken as positive predictions")
        if task is None:
            self._remarks.append("no prediction was found: only the data is watched until [models.columns] names it")
        elif target is None:
            self._remarks.append("no labels were found: accuracy is not measured until --labels or a target is given")
        in_log = target is not None and (target.name in self._log or target.name in self._reference)
        roles = ColumnRoles(
            timestamp=timestamp,
            id=identity,
            prediction=None if prediction is None else prediction.name,
            score=None if score is None else score.name,
            scores=scores,
            decision_threshold=threshold,
            target=target.name if target is not None and in_log else None,
            version=self._named(VERSION_NAMES, "its name says that it is the model's version"),
            latency=self._named(LATENCY_NAMES, "its name says that it is the time an answer took"),
            protected=self._protected(),
        )
        return Guess(
            roles=roles,
            task=task,
            key=key,
            target=target.name if target is not None and self._labels else None,
            classes=classes if task in (Task.BINARY, Task.MULTICLASS) else (),
            reasons=self._reasons,
            remarks=tuple(self._remarks),
        )

    def _take(self, column: ColumnFacts | None, reason: str) -> ColumnFacts | None:
        if column is not None and self._free.pop(column.name, None) is not None:
            self._reasons[column.name] = reason
        return column

    def _timestamp(self) -> str | None:
        times = [column for column in self._free.values() if column.nature is Nature.TIME and column.rows]
        best = min(times, key=lambda one: (_rank(one, TIME_NAMES, TIME_WORDS), one.missing), default=None)
        if best is not None:
            others = [column.name for column in times if column is not best]
            beside = f"; the nearest by name of {len(times)} columns of times" if others else ""
            self._take(best, f"holds times{beside}")
            return best.name
        for column in self._free.values():
            if column.reads_as_time and TIME_WORDS & set(column.words):
                self._remarks.append(
                    f"{column.name!r} is text that looks like times: written as a Parquet timestamp it could cut the log by time"
                )
        return None

    def _id(self) -> tuple[str | None, str | None]:
        """The id of the log and the column of the labels that holds it."""
        unique = [column for column in self._free.values() if column.names_each_row]
        named = [column for column in self._free.values() if _rank(column, ID_NAMES, ID_WORDS) < UNNAMED]
        if self._labels:
            shared = [column for column in (*unique, *named) if column.name in self._labels]
            best = min(shared, key=lambda one: (_rank(one, ID_NAMES, ID_WORDS), not one.names_each_row), default=None)
            if best is not None:
                self._take(best, "the labels have a column of this name")
                return best.name, best.name
            keys = [column for column in self._labels.values() if _rank(column, ID_NAMES, ID_WORDS) < UNNAMED]
            key = min(keys, key=lambda one: _rank(one, ID_NAMES, ID_WORDS), default=None)
        else:
            key = None
        candidates = [column for column in unique if _rank(column, ID_NAMES, ID_WORDS) < UNNAMED]
        best = min(candidates, key=lambda one: _rank(one, ID_NAMES, ID_WORDS), default=None)
        self._take(best, "its name says so, and no two rows share a value")
        return (None if best is None else best.name), (None if key is None else key.name)

    def _score(self) -> ColumnFacts | None:
        shares = [column for column in self._free.values() if column.is_share]
        exact = [column for column in shares if column.name.casefold() in SCORE_NAMES]
        both = [one for one in shares if SCORE_WORDS & set(one.words) and PREDICTION_WORDS & set(one.words)]
        probable = [column for column in shares if {"proba", "probability", "prob"} & set(column.words)]
        scored = [column for column in shares if {"score", "confidence"} & set(column.words)]
        for found in (sorted(exact, key=lambda one: SCORE_NAMES.index(one.name.casefold())), both, probable, scored):
            if found:
                return self._take(found[0], "its name says so, and its numbers lie from 0 to 1")
        return None

    def _prediction(self) -> ColumnFacts | None:
        named = [
            column for column in self._free.values() if _rank(column, PREDICTION_NAMES, PREDICTION_WORDS) < UNNAMED
        ]
        usable = [column for column in named if column.is_class or column.nature is Nature.NUMBER]
        best = min(usable, key=lambda one: _rank(one, PREDICTION_NAMES, PREDICTION_WORDS), default=None)
        return self._take(best, "its name says so")

    def _target(self, prediction: ColumnFacts | None, key: str | None) -> ColumnFacts | None:
        """What came true: from the label files, from a column that only the reference has, or from the log."""
        stem = (
            ""
            if prediction is None
            else "_".join(word for word in prediction.words if word not in PREDICTION_WORDS | {"y"})
        )

        def rank(column: ColumnFacts) -> tuple[bool, int]:
            return "_".join(column.words) != stem, _rank(column, TARGET_NAMES, TARGET_WORDS)

        if self._labels:
            others = [one for one in self._labels.values() if one.name != key and one.nature is not Nature.TIME]
            best = min(others, key=rank, default=None)
            if best is not None and best.name in self._free:
                self._take(best, "the labels have a column of this name")
            return best
        only = [one for name, one in self._reference.items() if name not in self._log and one.nature is not Nature.TIME]
        likely = [one for one in only if one.is_class or one.nature is Nature.NUMBER]
        if likely:
            return min(likely, key=rank)
        named = [
            one
            for one in self._free.values()
            if rank(one) < (True, UNNAMED) and (one.is_class or one.nature is Nature.NUMBER)
        ]
        return self._take(min(named, key=rank, default=None), "its name says that it is what came true")

    def _classes(self, target: ColumnFacts | None, prediction: ColumnFacts | None) -> tuple[Scalar, ...]:
        """The classes of target and prediction together; none where one of them has none."""
        known = [column for column in (target, prediction) if column is not None and column.rows]
        if not known or not all(column.is_class for column in known):
            return ()
        return tuple(dict.fromkeys(value for column in known for value in column.values))

    def _class_scores(self, classes: Iterable[Scalar]) -> tuple[tuple[str, str], ...]:
        """A column of scores for each class, none unless every class has one."""
        found: dict[str, str] = {}
        for one in classes:
            ending = words(str(one))
            for column in self._log.values():
                inside = (
                    column.nature is Nature.NUMBER
                    and column.low is not None
                    and column.low >= 0
                    and (column.high or 0) <= 1
                )
                start, end = column.words[: -len(ending) or None], column.words[-len(ending) or None :]
                if inside and end == ending and SCORE_WORDS & set(start):
                    found.setdefault(str(one), column.name)
        if not found or len(found) != len(tuple(classes)):
            return ()
        for one, name in found.items():
            self._take(self._log[name], f"its name says that it is the score of class {one}")
        return tuple(found.items())

    def _named(self, names: Collection[str], reason: str) -> str | None:
        found = next((column for column in self._free.values() if column.name.casefold() in names), None)
        self._take(found, reason)
        return None if found is None else found.name

    def _protected(self) -> tuple[str, ...]:
        """Attributes by which people must not be treated differently, by their names and where they have few values."""
        found = []
        for column in list(self._free.values()):
            banded = bool(AGE_WORDS & set(column.words)) and column.nature is Nature.TEXT
            if not (PROTECTED_WORDS & set(column.words) or banded):
                continue
            if 2 <= column.distinct <= MOST_GROUPS and column.nature is not Nature.TIME:
                self._take(column, "by its name an attribute by which people must not be treated differently")
                found.append(column.name)
        for column in self._free.values():
            if AGE_WORDS & set(column.words) and column.nature is Nature.NUMBER:
                self._remarks.append(f"{column.name!r} is a number: fairness by age needs a column of age bands")
        return tuple(found)


def _task(outcome: ColumnFacts | None, score: ColumnFacts | None, classes: Sequence[Scalar]) -> Task | None:
    """What is predicted, from what came true or else from the prediction."""
    if outcome is None:
        return None if score is None else Task.BINARY
    if not classes:
        return Task.REGRESSION if outcome.nature is Nature.NUMBER else None
    return Task.BINARY if len(classes) <= 2 else Task.MULTICLASS


def _rank(column: ColumnFacts, names: Sequence[str], likely: Collection[str]) -> int:
    """How near a name is to the usual ones: their position, less near if it only shares a word, UNNAMED if it shares none."""
    name = "_".join(column.words)
    if name in names:
        return names.index(name)
    return len(names) if set(column.words) & set(likely) else UNNAMED
