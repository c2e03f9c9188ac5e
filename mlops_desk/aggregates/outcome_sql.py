"""Predictions, labels and errors of rows as SQL: the two classes of a binary model as codes, classes as text, numbers of a regression.

A label that was joined wins over one that stands in the log; whatever is missing is NULL (the code 2 of labels).
"""

from __future__ import annotations

from mlops_desk.aggregates.expressions import SIDE, is_same_class
from mlops_desk.aggregates.plan import OutcomePlan
from mlops_desk.aggregates.source import LABEL, Source, inside_labels
from mlops_desk.domain.schema import Task
from mlops_desk.warehouse.connection import literal
from mlops_desk.warehouse.schema import FLOATS


def _not_nan(source: Source, column: str) -> str:
    """A condition that a label or a prediction is there."""
    plain = source.expressions.plain(column)
    kind = source.expressions.kind(column)
    return f"isfinite({plain})" if kind in FLOATS else f"{plain} is not null"


def label_text(source: Source, plan: OutcomePlan) -> str:
    """The label as text, NULL where there is none."""
    column = inside_labels(source, plan)
    inside = "null::VARCHAR" if column is None else source.expressions.text(column)
    if not source.has_labels:
        return inside
    classes = "[" + ", ".join(literal(one) for one in plan.classes) + "]"
    joined = f"case when {SIDE}.{LABEL} >= 0 then {classes}[{SIDE}.{LABEL} + 1] end"
    return f"coalesce({joined}, {inside})"


def label_code(source: Source, plan: OutcomePlan, positive: str) -> str:
    """The label as 0, 1 (the positive class) or 2 (none)."""
    column = inside_labels(source, plan)
    inside = "2"
    if column is not None:
        is_positive = source.expressions.is_value(column, positive)
        inside = f"case when {_not_nan(source, column)} then case when {is_positive} then 1 else 0 end else 2 end"
    if not source.has_labels:
        return f"({inside})::TINYINT"
    label = f"{SIDE}.{LABEL}"
    codes = ", ".join(str(code) for code, one in enumerate(plan.classes) if is_same_class(one, positive))
    is_positive = f"when {label} in ({codes}) then 1 " if codes else ""
    return f"(case {is_positive}when {label} >= 0 then 0 else {inside} end)::TINYINT"


def prediction_code(source: Source, plan: OutcomePlan, positive: str) -> str:
    """The prediction as 0 or 1 (the positive class), NULL where there is none."""
    if plan.prediction is not None:
        is_positive = source.expressions.is_value(plan.prediction, positive)
        return f"(case when {_not_nan(source, plan.prediction)} then case when {is_positive} then 1 else 0 end end)::TINYINT"
    if plan.threshold is None or not plan.scores:
        return "0::TINYINT"
    score = source.expressions.number(plan.scores[0].column)
    return f"(case when isfinite({score}) then case when {score} >= {plan.threshold!r} then 1 else 0 end end)::TINYINT"


def target_number(source: Source, plan: OutcomePlan) -> str:
    """The label as DOUBLE, NULL or NaN where there is none."""
    column = inside_labels(source, plan)
    inside = "null::DOUBLE" if column is None else source.expressions.number(column)
    if not source.has_labels:
        return inside
    joined = f"{SIDE}.{LABEL}"
    return f"case when isfinite({joined}) then {joined} else {inside} end"


def predicts(plan: OutcomePlan) -> bool:
    """Whether rows have a prediction: one that is logged, or one that a threshold makes of a score."""
    return plan.prediction is not None or (plan.threshold is not None and bool(plan.scores))


def error_sql(source: Source, plan: OutcomePlan) -> str:
    """The error of a row: of a classifier 1 where prediction and label differ and else 0, of a regression |prediction - label|; NULL without either."""
    if plan.task is Task.REGRESSION:
        prediction = "null::DOUBLE" if plan.prediction is None else source.expressions.number(plan.prediction)
        error = f"abs({prediction} - {target_number(source, plan)})"
        return f"case when isfinite({error}) then {error} end"
    if plan.task is Task.BINARY:
        label = label_code(source, plan, plan.positive)
        return f"case when {label} < 2 then ({prediction_code(source, plan, plan.positive)} <> {label})::TINYINT end"
    prediction = "null::VARCHAR" if plan.prediction is None else source.expressions.text(plan.prediction)
    return f"({prediction} <> {label_text(source, plan)})::TINYINT"
