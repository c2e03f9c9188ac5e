"""Fairness before labels arrive: every comparison of groups on the labels that calibrated scores lead to expect of each group (CBPE).

One calibrator serves all groups, so a group for which scores mean something else than for the rest is misjudged in the same way as its
accuracy would be: what is estimated is what the scores imply. Sampling errors and intervals are those of as many labelled rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from msgspec.structs import replace

from mlops_desk.aggregates.expected import ExpectedGroups
from mlops_desk.aggregates.group_scores import GroupScoreTable
from mlops_desk.aggregates.tables import Floats
from mlops_desk.domain.metric import Convention, Definition, Family, untested
from mlops_desk.metrics import fairness
from mlops_desk.metrics.estimation import Calibrator
from mlops_desk.metrics.fairness import COMPARISONS, NO_ROWS_FOR, PARITIES, fairness_of_counts
from mlops_desk.metrics.readings import Reading


def estimated_group_fairness(
    table: GroupScoreTable,
    calibrator: Calibrator,
    *,
    min_group_rows: int = 30,
    convention: Convention = Convention.DESK,
    wanted: Collection[str] | None = None,
) -> tuple[Reading, ...]:
    """Estimated fairness of one protected attribute of a binary model, by group and between groups.

    `min_group_rows` counts rows with a score and a prediction. The calibrator must be usable; on tables of cells it is one of cells.
    """
    return fairness_of_counts(
        table.groups,
        expected_by_group(table, calibrator),
        None,
        min_group_rows=min_group_rows,
        convention=convention,
        wanted=wanted,
    )


def expected_by_group(table: GroupScoreTable, calibrator: Calibrator) -> Floats:
    """(g, 2, 3) expected rows by group, prediction and label; none is without a label."""
    chance = np.clip(calibrator.probability(table.scores), 0.0, 1.0)[:, None]
    counts = np.zeros((len(table.groups), 2, 3))
    np.add.at(counts[:, :, 0], table.places, table.counts * (1 - chance))
    np.add.at(counts[:, :, 1], table.places, table.counts * chance)
    return counts


def estimated_class_fairness(
    expected: ExpectedGroups,
    classes: Sequence[str],
    *,
    min_group_rows: int = 30,
    convention: Convention = Convention.DESK,
    wanted: Collection[str] | None = None,
) -> tuple[Reading, ...]:
    """Estimated fairness of one protected attribute of several classes, each against the rest; `classes` are those of the counts."""
    readings: list[Reading] = []
    for at, one in enumerate(classes):
        counts = np.zeros((len(expected.groups), 2, 3))
        true = expected.counts[:, at], np.delete(expected.counts, at, axis=1).sum(axis=1)
        for label, by_prediction in ((1, true[0]), (0, true[1])):
            counts[:, 1, label] = by_prediction[:, at]
            counts[:, 0, label] = np.delete(by_prediction, at, axis=1).sum(axis=1)
        readings += fairness_of_counts(
            expected.groups, counts, one, min_group_rows=min_group_rows, convention=convention, wanted=wanted
        )
    return tuple(readings)


def untested_fairness(reason: str, groups: Iterable[str], wanted: Collection[str] | None = None) -> tuple[Reading, ...]:
    """Rates of these groups and comparisons, each untested for one reason."""
    comparisons = [parity + suffix for parity in PARITIES for suffix in COMPARISONS]
    named = [(rate, group) for rate in NO_ROWS_FOR for group in groups] + [(one, None) for one in comparisons]
    return tuple(
        Reading(metric=metric, measurement=untested(reason), group=group)
        for metric, group in named
        if wanted is None or metric in wanted
    )


DEFINITIONS: tuple[Definition, ...] = tuple(
    replace(
        definition,
        family=Family.ESTIMATED_FAIRNESS,
        name=f"{definition.name} (estimated)",
        needs_labels=False,
        needs_score=True,
    )
    for definition in fairness.DEFINITIONS
)
