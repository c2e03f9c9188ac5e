"""From the outcomes of a slice to values of each family: of rows, or by weight where these have weights.

Rows decide whether there is a value at all (how many there are, whether both classes occur), so every value by weight is asked for of rows, too,
and where these tell why there is none, that is the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec.structs import replace

from mlops_desk.aggregates.expected import ExpectedTable
from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.aggregates.tables import ScoreTable
from mlops_desk.domain.metric import Convention, Measurement, untested
from mlops_desk.metrics.calibration import calibration
from mlops_desk.metrics.class_estimation import ClassCalibrators, estimated_classes
from mlops_desk.metrics.concept import accuracy_effects, class_estimation_gap, estimation_gap
from mlops_desk.metrics.estimated_fairness import estimated_class_fairness, estimated_group_fairness
from mlops_desk.metrics.estimation import Calibrator, estimated_performance
from mlops_desk.metrics.fairness import group_fairness
from mlops_desk.metrics.multiclass import multiclass_performance
from mlops_desk.metrics.performance import binary_performance
from mlops_desk.metrics.readings import Reading
from mlops_desk.metrics.regression import regression_performance
from mlops_desk.metrics.regression_fairness import regression_fairness
from mlops_desk.metrics.weighting import NO_WEIGHT, OF_ROWS_TOO, effective_scores, scaled

Matrix = Sequence[Sequence[float]]
Values = dict[str, Measurement]
SOME_WEIGHT = "among rows that weigh more than 0: {reason}"


def by_weight(rows: Values, weights: Mapping[str, Measurement]) -> Values:
    """The values by weight wherever there is one of rows; a metric that is of the rows as they are keeps its own."""
    return {
        name: one if one.value is None or name in OF_ROWS_TOO else _weighed(weights.get(name))
        for name, one in rows.items()
    }


def readings_by_weight(rows: Iterable[Reading], weights: Iterable[Reading]) -> list[Reading]:
    """The same of readings, which metric, group and class name."""
    found = {(one.metric, one.group, one.class_): one for one in weights}
    return [
        one
        if one.measurement.value is None or one.metric in OF_ROWS_TOO
        else replace(
            one,
            measurement=_weighed(
                found[key].measurement if (key := (one.metric, one.group, one.class_)) in found else None
            ),
        )
        for one in rows
    ]


def _weighed(value: Measurement | None) -> Measurement:
    """A value by weight, or why there is none though there are rows."""
    if value is None:
        return untested(NO_WEIGHT)
    return value if value.reason is None else untested(SOME_WEIGHT.format(reason=value.reason))


def effective_scores_of(outcomes: OutcomeTables | None) -> dict[str, ScoreTable]:
    """Scores by class, by weight and scaled to Kish's effective rows; none where rows count once."""
    weighted = None if outcomes is None else outcomes.weighted
    if weighted is None:
        return {}
    squares = weighted.squares.scores
    return {name: effective_scores(table, squares[name]) for name, table in weighted.amounts.scores.items()}


def binary_values(outcomes: OutcomeTables, min_rows: int, matrix: Matrix) -> Values:
    """Performance of a binary model."""
    found = binary_performance(outcomes.binary, outcomes.scores.get(""), min_rows=min_rows, value_matrix=matrix)
    weighted = outcomes.weighted
    if weighted is None:
        return found
    amounts = weighted.amounts
    return by_weight(
        found,
        binary_performance(
            amounts.binary, amounts.scores.get(""), min_rows=0, value_matrix=matrix, squares=weighted.squares
        ),
    )


def regression_values(outcomes: OutcomeTables, min_rows: int) -> Values:
    """Performance of a regression."""
    if outcomes.errors is None:
        return {}
    found, weighted = regression_performance(outcomes.errors, min_rows=min_rows), outcomes.weighted
    if weighted is None or weighted.amounts.errors is None:
        return found
    return by_weight(
        found, regression_performance(weighted.amounts.errors, min_rows=0, squares=weighted.squares.errors)
    )


def class_readings_of(outcomes: OutcomeTables, min_rows: int, matrix: Matrix) -> Iterable[Reading]:
    """Performance of a model of several classes."""
    if outcomes.confusion is None:
        return ()
    found = multiclass_performance(outcomes.confusion, outcomes.scores, min_rows=min_rows, value_matrix=matrix)
    weighted = outcomes.weighted
    if weighted is None or weighted.amounts.confusion is None:
        return found
    amounts, squares = weighted.amounts, weighted.squares
    return readings_by_weight(
        found,
        multiclass_performance(
            weighted.amounts.confusion, amounts.scores, min_rows=0, value_matrix=matrix, squares=squares
        ),
    )


def calibration_values(outcomes: OutcomeTables, min_rows: int) -> Values:
    """Calibration of a binary model."""
    found, weighted = calibration(outcomes.scores.get(""), min_rows=min_rows), outcomes.weighted
    if weighted is None:
        return found
    amounts, squares = (side.scores.get("") for side in (weighted.amounts, weighted.squares))
    return by_weight(found, calibration(amounts, min_rows=0, squares=squares))


def estimated_values(outcomes: OutcomeTables, calibrator: Calibrator, min_rows: int, matrix: Matrix) -> Values:
    """Estimated performance of a binary model."""
    predicted = outcomes.binary is not None
    found = estimated_performance(
        outcomes.scores.get(""), calibrator, predicted=predicted, min_rows=min_rows, value_matrix=matrix
    )
    weighted = outcomes.weighted
    if weighted is None:
        return found
    amounts, squares = (side.scores.get("") for side in (weighted.amounts, weighted.squares))
    return by_weight(
        found,
        estimated_performance(
            amounts, calibrator, predicted=predicted, min_rows=0, value_matrix=matrix, squares=squares
        ),
    )


def estimated_class_readings(
    expected: ExpectedTable | None, outcomes: OutcomeTables, unusable: str | None, min_rows: int, matrix: Matrix
) -> Iterable[Reading]:
    """Estimated performance of a model of several classes."""
    found = estimated_classes(expected, outcomes.scores, unusable, min_rows=min_rows, value_matrix=matrix)
    if expected is None or expected.weighted is None or outcomes.weighted is None:
        return found
    both = expected.weighted
    return readings_by_weight(
        found,
        estimated_classes(
            both.amounts,
            outcomes.weighted.amounts.scores,
            unusable,
            min_rows=0,
            value_matrix=matrix,
            squares=both.squares,
        ),
    )


def effects_of(before: OutcomeTables | None, outcomes: OutcomeTables, min_rows: int) -> Values:
    """The change of accuracy against the reference, in two parts."""
    tables = [None if one is None else one.scores.get("") for one in (before, outcomes)]
    effective = [effective_scores_of(one).get("") for one in (before, outcomes)]
    both = None if effective[0] is None or effective[1] is None else (effective[0], effective[1])
    return accuracy_effects(
        tables[0], tables[1], predicted=outcomes.binary is not None, min_rows=min_rows, effective=both
    )


def gap_of(
    outcomes: OutcomeTables, calibrator: Calibrator, realised: Measurement, estimated: Measurement
) -> Measurement:
    """Realised less estimated accuracy of a binary model; both are of rows, or both by weight."""
    confusion, scores, weighted = outcomes.binary, outcomes.scores.get(""), outcomes.weighted
    if weighted is not None and weighted.amounts.binary is not None and weighted.squares.binary is not None:
        confusion = scaled(weighted.amounts.binary, weighted.squares.binary)[0]
        scores = effective_scores_of(outcomes).get("")
    return estimation_gap(confusion, scores, calibrator, realised, estimated)


def class_gap_of(
    expected: ExpectedTable | None,
    outcomes: OutcomeTables,
    calibrators: ClassCalibrators,
    realised: Measurement,
    estimated: Measurement,
) -> Measurement:
    """The same of a model of several classes."""
    labelled = 0.0 if outcomes.confusion is None else float(outcomes.confusion.labelled)
    scores, weighted = outcomes.scores, outcomes.weighted
    if weighted is None or expected is None or expected.weighted is None:
        return class_estimation_gap(labelled, expected, scores, calibrators, realised, estimated)
    amounts, squares = weighted.amounts.confusion, weighted.squares.confusion
    if amounts is not None and squares is not None:
        labelled = float(scaled(amounts.counts, squares.counts)[0].sum())
    own, of_squares = expected.weighted.amounts, expected.weighted.squares
    size = own.rows**2 / of_squares.rows if of_squares.rows > 0 else 0.0
    return class_estimation_gap(labelled, own, weighted.amounts.scores, calibrators, realised, estimated, size=size)


def fairness_readings(
    outcomes: OutcomeTables, attribute: str, least: int, convention: Convention, wanted: Collection[str] | None
) -> Iterable[Reading]:
    """Fairness of one protected attribute: of a regression by means, of classes one against the rest."""
    weighted = outcomes.weighted
    if attribute in outcomes.means:
        means = None if weighted is None else (weighted.amounts.means[attribute], weighted.squares.means[attribute])
        return regression_fairness(outcomes.means[attribute], min_group_rows=least, weighted=means)
    return [
        reading
        for name, table in outcomes.groups.items()
        if table.attribute == attribute
        for reading in group_fairness(
            table,
            min_group_rows=least,
            convention=convention,
            wanted=wanted,
            weighted=None if weighted is None else (weighted.amounts.groups[name], weighted.squares.groups[name]),
        )
    ]


def estimated_group_readings(
    outcomes: OutcomeTables,
    attribute: str,
    calibrator: Calibrator,
    least: int,
    convention: Convention,
    wanted: Collection[str] | None,
) -> Iterable[Reading] | None:
    """Estimated fairness of one protected attribute of a binary model; None where its scores were not counted by group."""
    table, weighted = outcomes.group_scores.get(attribute), outcomes.weighted
    if table is None:
        return None
    both = None
    if weighted is not None:
        both = weighted.amounts.group_scores[attribute], weighted.squares.group_scores[attribute]
    return estimated_group_fairness(
        table, calibrator, min_group_rows=least, convention=convention, wanted=wanted, weighted=both
    )


def estimated_class_group_readings(
    expected: ExpectedTable, attribute: str, least: int, convention: Convention, wanted: Collection[str] | None
) -> Iterable[Reading]:
    """Estimated fairness of one protected attribute of a model of several classes."""
    both, weighted = None, expected.weighted
    if weighted is not None:
        both = weighted.amounts.groups[attribute], weighted.squares.groups[attribute]
    return estimated_class_fairness(
        expected.groups[attribute],
        expected.classes,
        min_group_rows=least,
        convention=convention,
        wanted=wanted,
        weighted=both,
    )
