"""Fairness: rates by protected group, and how far groups are apart or from all rows together.

A group of fewer rows than `min_group_rows` is untested and left out of every comparison. So is a group for which a rate does not exist
(the true positive rate of a group without positives), except under the fairlearn convention, which calls that rate 0.0. Everything else
equals fairlearn: differences are greatest - least, ratios least / greatest; to overall, the greatest |group - overall| and the least
of group / overall or its inverse. Intervals are of the two rates compared, chosen as they are, with no allowance for the choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec import Struct

from mlops_desk.aggregates.tables import Counts, Floats, GroupTable
from mlops_desk.domain.metric import Convention, Definition, Direction, Family, Measurement, untested
from mlops_desk.metrics.intervals import (
    Rate,
    difference_error,
    difference_interval,
    proportion,
    ratio_error,
    ratio_interval,
)
from mlops_desk.metrics.readings import Reading

PARITIES = {
    "demographic_parity": ("prediction_rate",),
    "equal_opportunity": ("recall",),
    "equalized_odds": ("recall", "false_positive_rate"),
    "predictive_parity": ("precision",),
    "false_positive_rate": ("false_positive_rate",),
    "false_negative_rate": ("false_negative_rate",),
    "accuracy": ("accuracy",),
}
"""What each comparison compares; of two rates the worse one counts."""
NO_ROWS_FOR = {
    "prediction_rate": "no row has a prediction",
    "recall": "no labelled row is positive",
    "specificity": "no labelled row is negative",
    "false_positive_rate": "no labelled row is negative",
    "false_negative_rate": "no labelled row is positive",
    "precision": "no labelled row is predicted positive",
    "accuracy": "no row has a label",
    "label_rate": "no row has a label",
}
"""Rates by group, and why one of them does not exist."""

COUNTS = {"true_negative": (0, 0), "false_negative": (0, 1), "false_positive": (1, 0), "true_positive": (1, 1)}
"""Counts by group, and where they stand by prediction and label."""

NEGLIGIBLE = 1e-9
"""So few expected rows, or fewer, are none: they are what is left of a sum that should be 0."""
ALL_ZERO = "the rate is 0 in every group"


class GroupRate(Struct, frozen=True):
    """A group's rate; `rate` is None where the convention puts a 0 in place of one that does not exist."""

    group: str
    value: float
    rate: Rate | None


def rates_of(counts: Counts | Floats) -> dict[str, Rate]:
    """The hits and rows of every rate, rows may be 0; (2, 3) rows by prediction and label (negative, positive, unlabelled)."""
    (tn, fn, rejected), (fp, tp, selected) = counts.tolist()
    labelled, predicted = float(tp + tn + fp + fn), float(fp + tp + selected)
    positives, negatives = float(tp + fn), float(tn + fp)
    return {
        "prediction_rate": Rate(predicted, predicted + float(tn + fn + rejected)),
        "recall": Rate(float(tp), positives),
        "specificity": Rate(float(tn), negatives),
        "false_positive_rate": Rate(float(fp), negatives),
        "false_negative_rate": Rate(float(fn), positives),
        "precision": Rate(float(tp), float(tp + fp)),
        "accuracy": Rate(float(tp + tn), labelled),
        "label_rate": Rate(positives, labelled),
    }


def group_fairness(
    table: GroupTable,
    *,
    min_group_rows: int = 30,
    convention: Convention = Convention.DESK,
    wanted: Collection[str] | None = None,
) -> tuple[Reading, ...]:
    """Fairness of one protected attribute in a slice: rates and counts by group, then the comparisons over groups.

    `min_group_rows` counts rows with a prediction for `prediction_rate` and labelled rows for all else. `wanted` names the metrics to
    compute, None for all.
    """
    return fairness_of_counts(
        table.groups, table.counts, table.class_, min_group_rows=min_group_rows, convention=convention, wanted=wanted
    )


def fairness_of_counts(
    groups: Sequence[str],
    by_group: Counts | Floats,
    class_: str | None,
    *,
    min_group_rows: int,
    convention: Convention,
    wanted: Collection[str] | None,
) -> tuple[Reading, ...]:
    """The same of (g, 2, 3) rows by group, prediction and label; fractions of rows are allowed."""
    comparisons = [
        (parity + suffix, metrics, compare, worse)
        for parity, metrics in PARITIES.items()
        for suffix, (compare, worse) in COMPARISONS.items()
        if wanted is None or parity + suffix in wanted
    ]
    compared = {metric for _, metrics, _, _ in comparisons for metric in metrics}
    readings: list[Reading] = []
    held: dict[str, list[GroupRate]] = {}
    of_groups = [(group, rates_of(counts)) for group, counts in zip(groups, by_group, strict=True)]
    for metric in NO_ROWS_FOR:
        asked = wanted is None or metric in wanted
        if not asked and metric not in compared:
            continue
        held[metric] = []
        for group, rates in of_groups:
            found = _group_rate(metric, group, rates, min_group_rows, convention)
            if not isinstance(found, str):
                held[metric].append(found)
            if asked:
                readings.append(Reading(metric=metric, measurement=_told(found), group=group, class_=class_))
    for metric, place in COUNTS.items():
        if wanted is None or metric in wanted:
            for group, counts in zip(groups, by_group, strict=True):
                count = Measurement(float(counts[place]))
                readings.append(Reading(metric=metric, measurement=count, group=group, class_=class_))
    overall = rates_of(by_group.sum(axis=0))
    for name, metrics, compare, worse in comparisons:
        found_values = [compare(held[metric], overall[metric]) for metric in metrics]
        readings.append(Reading(metric=name, measurement=_worst(found_values, worse), class_=class_))
    return tuple(readings)


def _told(found: GroupRate | str) -> Measurement:
    """A group's rate with its interval, or the reason why there is none."""
    if isinstance(found, str):
        return untested(found)
    return proportion(found.rate.hits, found.rate.rows) if found.rate else Measurement(found.value)


def _group_rate(
    metric: str, group: str, rates: Mapping[str, Rate], min_group_rows: int, convention: Convention
) -> GroupRate | str:
    """The rate of a group, or the reason why it is untested."""
    rate = rates[metric]
    rows = round(rates["prediction_rate" if metric == "prediction_rate" else "label_rate"].rows)
    if rows < max(min_group_rows, 1):
        what = "rows" if metric == "prediction_rate" else "labelled rows"
        return f"no {what}" if rows == 0 else f"too small: {rows:,} {what}, fewer than {min_group_rows}"
    if rate.rows > NEGLIGIBLE:
        return GroupRate(group, rate.value, rate)
    return GroupRate(group, 0.0, None) if convention is Convention.FAIRLEARN else NO_ROWS_FOR[metric]


def _worst(values: list[Measurement], worse: Callable[[float, float], bool]) -> Measurement:
    """The worst of several comparisons; one untested leaves all untested, save a ratio of rates that are 0 in every group."""
    told = [value for value in values if value.reason != ALL_ZERO] or values
    worst = told[0]
    for value in told:
        if value.value is None or worst.value is None:
            return value if value.value is None else worst
        if worse(value.value, worst.value):
            worst = value
    return worst


def _apart(lower: float, upper: float, value: float, error: float) -> Measurement:
    """A difference or ratio with its interval, within 0 and 1 and around the value."""
    known = error if math.isfinite(error) else None
    return Measurement(value, None, 0.0, known, max(0.0, min(lower, value)), min(1.0, max(upper, value)))


def _too_few_groups(rates: list[GroupRate]) -> str | None:
    return "fewer than two groups can be compared" if len(rates) < 2 else None


def difference(rates: list[GroupRate], overall: Rate) -> Measurement:
    """Greatest minus least rate, with Newcombe's interval."""
    del overall
    few = _too_few_groups(rates)
    if few:
        return untested(few)
    most, least = max(rates, key=lambda one: one.value), min(rates, key=lambda one: one.value)
    value = most.value - least.value
    if most.rate is None or least.rate is None:
        return Measurement(value)
    return _apart(*difference_interval(most.rate, least.rate), value, difference_error(most.rate, least.rate))


def ratio(rates: list[GroupRate], overall: Rate) -> Measurement:
    """Least over greatest rate, with the interval of a ratio of proportions."""
    del overall
    few = _too_few_groups(rates)
    if few:
        return untested(few)
    most, least = max(rates, key=lambda one: one.value), min(rates, key=lambda one: one.value)
    if most.value <= 0:
        return untested(ALL_ZERO)
    value = least.value / most.value
    if most.rate is None or least.rate is None:
        return Measurement(value)
    return _apart(*ratio_interval(least.rate, most.rate), value, ratio_error(least.rate, most.rate))


def difference_to_overall(rates: list[GroupRate], overall: Rate) -> Measurement:
    """Greatest distance of a group's rate from that of all groups together; the group is part of the whole, and the interval knows it."""
    few = _too_few_groups(rates)
    if few:
        return untested(few)
    whole = overall.value if overall.rows > 0 else 0.0
    far = max(rates, key=lambda one: abs(one.value - whole))
    value = abs(far.value - whole)
    if far.rate is None or far.rate.rows >= overall.rows:
        return Measurement(value)
    rest = Rate(max(overall.hits - far.rate.hits, 0.0), overall.rows - far.rate.rows)
    weight = rest.rows / overall.rows
    pair = (far.rate, rest) if far.value >= whole else (rest, far.rate)
    lower, upper = difference_interval(*pair)
    return _apart(lower * weight, upper * weight, value, difference_error(*pair) * weight)


def ratio_to_overall(rates: list[GroupRate], overall: Rate) -> Measurement:
    """Least of group / overall or its inverse; the group is part of the whole, and the interval knows it."""
    few = _too_few_groups(rates)
    if few:
        return untested(few)
    if overall.hits <= NEGLIGIBLE:
        return untested(ALL_ZERO)
    whole = overall.value

    def closeness(one: GroupRate) -> float:
        return min(one.value, whole) / max(one.value, whole)

    far = min(rates, key=closeness)
    value = closeness(far)
    if far.rate is None or far.rate.rows >= overall.rows:
        return Measurement(value)
    rest = Rate(max(overall.hits - far.rate.hits, 0.0), overall.rows - far.rate.rows)
    part = far.rate.rows / overall.rows
    if far.value > whole or rest.hits <= 0:
        # overall / group = part + (1 - part) · rest / group
        lower, upper = ratio_interval(rest, far.rate)
        return _apart(
            part + (1 - part) * lower, part + (1 - part) * upper, value, (1 - part) * ratio_error(rest, far.rate)
        )
    # group / overall = 1 / (part + (1 - part) / (group / rest)); far.value ≤ whole, so the rest has hits
    lower, upper = ratio_interval(far.rate, rest)
    ends = [0.0 if end <= 0 else 1 / (part + (1 - part) / end) for end in (lower, upper)]
    plain = far.rate.value / rest.value
    error = ratio_error(far.rate, rest) * (1 - part) / (part * plain + 1 - part) ** 2
    return _apart(ends[0], ends[1], value, error)


def _greater(left: float, right: float) -> bool:
    return left > right


def _less(left: float, right: float) -> bool:
    return left < right


COMPARISONS: dict[str, tuple[Callable[[list[GroupRate], Rate], Measurement], Callable[[float, float], bool]]] = {
    "_difference": (difference, _greater),
    "_ratio": (ratio, _less),
    "_difference_to_overall": (difference_to_overall, _greater),
    "_ratio_to_overall": (ratio_to_overall, _less),
}
"""Suffix of the metric id: how groups are compared, and whether one comparison is worse than another."""

_NAMES = {
    "prediction_rate": "Prediction rate", "recall": "Recall", "specificity": "Specificity", "precision": "Precision",
    "accuracy": "Accuracy", "label_rate": "Label rate", "false_positive_rate": "False positive rate",
    "false_negative_rate": "False negative rate", "demographic_parity": "Demographic parity",
    "equal_opportunity": "Equal opportunity", "equalized_odds": "Equalized odds", "predictive_parity": "Predictive parity",
}  # fmt: skip
_BETTER = {
    "recall": Direction.HIGHER, "specificity": Direction.HIGHER, "precision": Direction.HIGHER, "accuracy": Direction.HIGHER,
    "false_positive_rate": Direction.LOWER, "false_negative_rate": Direction.LOWER,
}  # fmt: skip
_SUFFIXES = {
    "_difference": ("difference", Direction.LOWER), "_ratio": ("ratio", Direction.HIGHER),
    "_difference_to_overall": ("difference to overall", Direction.LOWER),
    "_ratio_to_overall": ("ratio to overall", Direction.HIGHER),
}  # fmt: skip


def _definition(id: str, name: str, direction: Direction, metrics: tuple[str, ...]) -> Definition:
    return Definition(
        id=id,
        family=Family.FAIRNESS,
        name=name,
        direction=direction,
        range=(0.0, 1.0),
        tasks=("binary", "multiclass"),
        conventions=(Convention.DESK, Convention.FAIRLEARN),
        needs_labels=metrics != ("prediction_rate",),
    )


def _count_definition(id: str) -> Definition:
    return Definition(
        id=id,
        family=Family.FAIRNESS,
        name=id.replace("_", " ").capitalize() + "s",
        direction=Direction.NEITHER,
        range=(0.0, math.inf),
        tasks=("binary", "multiclass"),
        conventions=(Convention.DESK, Convention.FAIRLEARN),
        needs_labels=True,
    )


DEFINITIONS: tuple[Definition, ...] = (
    *(_definition(rate, _NAMES[rate], _BETTER.get(rate, Direction.NEITHER), (rate,)) for rate in NO_ROWS_FOR),
    *(_count_definition(count) for count in COUNTS),
    *(
        _definition(parity + suffix, f"{_NAMES[parity]} {told}", direction, metrics)
        for parity, metrics in PARITIES.items()
        for suffix, (told, direction) in _SUFFIXES.items()
    ),
)
