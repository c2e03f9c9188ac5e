"""Decides how each column of a model is counted: by value or by cell, from which least to which greatest value, with which cell map."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from msgspec import Struct

from mlops_desk.aggregates.cellmap import fitted_map
from mlops_desk.aggregates.expressions import LOG, Expressions
from mlops_desk.aggregates.plan import (
    KEPT_CATEGORIES,
    OTHER,
    CategoricalPlan,
    CheckPlan,
    FeaturePlan,
    NumericPlan,
    OutcomePlan,
    ScanPlan,
    ScorePlan,
)
from mlops_desk.aggregates.tables import Floats
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Expectation, Model
from mlops_desk.domain.schema import INTERSECTION, Column, Kind, Role, Scalar, Task
from mlops_desk.warehouse.connection import Connection, quoted
from mlops_desk.warehouse.schema import ReferenceRows, common_types


class Wanted(Struct, frozen=True, kw_only=True):
    """What the monitors want of the scan.

    Attributes
    ----------
    exact_rows : up to how many reference rows every column is counted exactly. exact_columns : counted exactly at any size.
    everything : whether all columns are. repeats : columns whose repeated values are counted.
    group_scores : whether scores are counted by protected group.
    numbers : columns counted as numbers though they are not compared. outputs : columns that each row should have a value of.
    """

    exact_rows: int
    exact_columns: frozenset[str] = frozenset()
    everything: bool = False
    repeats: tuple[str, ...] = ()
    group_scores: bool = False
    numbers: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def exact(self, column: str, reference_rows: int) -> bool:
        """Whether a column is counted by value."""
        return self.everything or reference_rows <= self.exact_rows or column in self.exact_columns


def scan_plan(
    connection: Connection,
    model: Model,
    columns: Sequence[Column],
    reference: ReferenceRows,
    wanted: Wanted,
    *,
    slicing: str,
    labels: Sequence[str],
    differing: Iterable[tuple[str, str]],
) -> ScanPlan:
    """The plan of all rows of a model. `labels` are the classes of joined labels, `differing` (column, type) where files differ."""
    numeric = [column.name for column in columns if column.kind is Kind.NUMERIC and column.role is not Role.TARGET]
    numeric += [name for name in wanted.numbers if name not in numeric]
    categorical = [
        column.name for column in columns if column.kind is Kind.CATEGORICAL and column.role is not Role.TARGET
    ]
    if model.columns.version is not None and model.columns.version not in categorical:
        categorical.append(model.columns.version)
    plans = _numeric_plans(connection, numeric, reference, wanted)
    differing = tuple(differing)
    texts = Expressions(types=common_types(reference.footers), common=dict(differing))
    features = FeaturePlan(
        numeric=tuple(plans.values()),
        categorical=_categorical_plans(connection, categorical, reference, texts),
        types=tuple(differing),
        checks=(
            *(check for index, expectation in enumerate(model.expectations) for check in _checks(index, expectation)),
            *_outputs(wanted),
        ),
        distinct=wanted.repeats,
    )
    return ScanPlan(
        features=features,
        outcome=_outcome_plan(connection, model, plans, reference, wanted, labels, texts),
        filter=model.logs.filter,
        slicing=slicing,
        slicing_time=model.columns.timestamp,
        weight=model.columns.weight,
    )


UNANSWERED = "unanswered"
"""Name of the check that counts rows without some output of the model; no column is named so, as those of expectations hold a colon."""
MISSING = "missing"
"""Name of the check that counts rows without a value, for a limit on their rate."""


def check_name(index: int, kind: str) -> str:
    """Names a check by the place of its expectation in desk.toml: a column may have several expectations."""
    return f"{index}:{kind}"


def _checks(index: int, expectation: Expectation) -> Iterator[CheckPlan]:
    """The checks of single rows that the expectation of an index asks for."""
    column = expectation.column
    if expectation.not_null:
        yield CheckPlan(name=check_name(index, "not_null"), column=column, kind="not_null")
    if expectation.max_missing_rate is not None:
        yield CheckPlan(name=check_name(index, MISSING), column=column, kind="not_null")
    if expectation.allowed:
        values = tuple(_text(value) for value in expectation.allowed)
        yield CheckPlan(name=check_name(index, "allowed"), column=column, kind="allowed", values=values)
    if expectation.min is not None:
        yield CheckPlan(name=check_name(index, "min"), column=column, kind="min", number=float(expectation.min))
    if expectation.max is not None:
        yield CheckPlan(name=check_name(index, "max"), column=column, kind="max", number=float(expectation.max))
    if expectation.pattern is not None:
        yield CheckPlan(name=check_name(index, "pattern"), column=column, kind="pattern", values=(expectation.pattern,))


def _outputs(wanted: Wanted) -> Iterator[CheckPlan]:
    """The check that a row has all outputs of the model."""
    if wanted.outputs:
        yield CheckPlan(name=UNANSWERED, column="", kind="outputs", values=wanted.outputs)


def _text(value: Scalar) -> str:
    """A value of desk.toml as the text that columns are compared with."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _numeric_plans(
    connection: Connection, names: Sequence[str], reference: ReferenceRows, wanted: Wanted
) -> dict[str, NumericPlan]:
    """Plans of numeric columns."""
    there = common_types(reference.footers)
    ranges = _ranges(connection, [name for name in names if name in there], reference)
    by_cell = [name for name in names if name in ranges and not wanted.exact(name, reference.rows)]
    samples = column_samples(connection, by_cell, reference)
    plans = {}
    for name in names:
        lowest, highest = ranges.get(name, (None, None))
        cells = None
        if not wanted.exact(name, reference.rows):
            cells = fitted_map(samples.get(name, np.zeros(0)), lowest or 0.0, highest or 0.0)
        plans[name] = NumericPlan(column=name, cells=cells, lowest=lowest, highest=highest)
    return plans


def _ranges(connection: Connection, names: Sequence[str], reference: ReferenceRows) -> dict[str, tuple[float, float]]:
    """Least and greatest finite value of each column in the reference; columns without one are left out."""
    found: dict[str, tuple[float, float]] = {}
    asked = []
    for name in names:
        spans = [footer.ranges.get(name) for footer in reference.footers if footer.rows]
        lows = [span.lowest for span in spans if span is not None and span.lowest is not None]
        highs = [span.highest for span in spans if span is not None and span.highest is not None]
        if reference.predicate == "true" and spans and len(lows) == len(highs) == len(spans):
            found[name] = (min(lows), max(highs))
        else:
            asked.append(name)
    if asked:
        ends = _extremes(connection, asked, reference, "")
        odd = [
            name for name, two in ends.items() if not all(map(math.isfinite, two))
        ]  # a test of each row costs more than these
        found |= {name: two for name, two in ends.items() if name not in odd} | _extremes(
            connection, odd, reference, "filter (isfinite({x}))"
        )
    return found


def _extremes(
    connection: Connection, names: Sequence[str], reference: ReferenceRows, filtered: str
) -> dict[str, tuple[float, float]]:
    """Least and greatest value of each column among those that a filter leaves; NaN counts as the greatest."""
    if not names:
        return {}
    numbers = [f"cast({quoted(name)} as DOUBLE)" for name in names]
    terms = ", ".join(f"{end}({x}) {filtered.format(x=x)}" for x in numbers for end in ("min", "max"))
    row = connection.rows(f"select {terms} from {reference.relation}")[0]
    return {name: (row[2 * i], row[2 * i + 1]) for i, name in enumerate(names) if row[2 * i] is not None}


def column_samples(connection: Connection, names: Sequence[str], reference: ReferenceRows) -> dict[str, Floats]:
    """Finite values of each column in a sample of the reference."""
    if not names:
        return {}
    terms = ", ".join(f"cast({quoted(name)} as DOUBLE) c{index}" for index, name in enumerate(names))
    result = connection.columns(f"select {terms} from {reference.sample}")
    return {name: _finite(result[f"c{index}"]) for index, name in enumerate(names)}


def _finite(column: Floats) -> Floats:
    values = np.asarray(np.ma.compressed(np.ma.asarray(column)), dtype=np.float64)
    return values[np.isfinite(values)]


def _categorical_plans(
    connection: Connection, names: Sequence[str], reference: ReferenceRows, texts: Expressions
) -> tuple[CategoricalPlan, ...]:
    """Which values of categorical columns are told apart: all, or the most frequent of the reference where there are too many."""
    there = [name for name in names if name in texts.types]
    sampled: dict[str, int] = {}
    if there:
        terms = ", ".join(f"approx_count_distinct({quoted(name)})" for name in there)
        sampled = dict(zip(there, connection.rows(f"select {terms} from {reference.sample}")[0], strict=True))
    return tuple(
        CategoricalPlan(column=name)
        if sampled.get(name, 0) <= KEPT_CATEGORIES // 2
        else _most_frequent(connection, name, reference, texts)
        for name in names
    )


def _most_frequent(connection: Connection, name: str, reference: ReferenceRows, texts: Expressions) -> CategoricalPlan:
    """The plan of a column that may have too many values."""
    query = f"""select {texts.text(name)} v, count(*) n from {reference.relation} as {LOG} group by 1 having v is not null
        order by 2 desc, 1 limit {KEPT_CATEGORIES + 1}"""
    values = [row[0] for row in connection.rows(query)]
    if len(values) <= KEPT_CATEGORIES:
        return CategoricalPlan(column=name)
    return CategoricalPlan(column=name, kept=tuple(one for one in values if one != OTHER)[:KEPT_CATEGORIES])


def _outcome_plan(
    connection: Connection,
    model: Model,
    numeric: dict[str, NumericPlan],
    reference: ReferenceRows,
    wanted: Wanted,
    labels: Sequence[str],
    texts: Expressions,
) -> OutcomePlan | None:
    """The plan of predictions and labels; None for a model without a task."""
    if model.task is None:
        return None
    columns = model.columns
    label_column = model.labels.target if model.labels else None
    inside = tuple(dict.fromkeys(name for name in (columns.target, label_column) if name is not None))
    scores = ((columns.score, ""),) if columns.score else tuple((column, name) for name, column in columns.scores)
    groups = tuple((attribute, tuple(attribute.split(INTERSECTION))) for attribute in columns.protected)
    plan = OutcomePlan(
        task=model.task,
        prediction=columns.prediction,
        scores=tuple(
            _score_plan(column, name, numeric, reference, wanted) for column, name in scores if column is not None
        ),
        positive=positive_class(model),
        threshold=columns.decision_threshold,
        groups=groups,
        inside=inside,
        classes=tuple(labels),
        group_scores=wanted.group_scores,
    )
    if model.task is Task.REGRESSION:
        return _with_errors(connection, plan, reference, wanted)
    if model.task is Task.MULTICLASS:
        return _with_classes(connection, plan, reference, texts)
    _check_positive(connection, model, plan, reference)
    return plan


def _check_positive(connection: Connection, model: Model, plan: OutcomePlan, reference: ReferenceRows) -> None:
    """Raises UserError where the reference has predictions or labels, and none of them is the positive class."""
    types = common_types(reference.footers)
    expressions = Expressions(types=types, common={}, prefix="")
    names = [name for name in (plan.prediction, *plan.inside) if name is not None and name in types]
    if not names:
        return
    terms = ", ".join(f"count_if({expressions.is_value(name, plan.positive)}), count({quoted(name)})" for name in names)
    row = connection.rows(f"select {terms} from {reference.relation}")[0]
    if any(row[0::2]) or not any(row[1::2]):
        return
    found: set[str] = set()
    for name in names:
        there = f"from {reference.relation} where {quoted(name)} is not null limit 10"
        found |= {str(one[0]) for one in connection.rows(f"select distinct {expressions.text(name)} v {there}")}
    if model.reference.moves and len(found) < 2:
        return  # of some chunks at the beginning, which a rare class may be missing from
    raise UserError(
        f"desk.toml: models.{model.id}.columns.positive: no prediction and no label of the reference is {plan.positive!r};"
        f" it has {', '.join(sorted(found))}: name the positive class"
    )


def positive_class(model: Model) -> str:
    """The positive class as text."""
    positive = model.columns.positive
    if positive is None:
        return "1"
    return _text(positive)


def _score_plan(
    column: str, class_: str, numeric: dict[str, NumericPlan], reference: ReferenceRows, wanted: Wanted
) -> ScorePlan:
    """How a score is counted; cells span the unit interval, or the reference's range where scores are ranks."""
    known = numeric.get(column)
    exact = wanted.exact(column, reference.rows)
    if known is None or known.lowest is None or known.highest is None or (known.lowest >= 0 and known.highest <= 1):
        return ScorePlan(column=column, class_=class_, exact=exact)
    return ScorePlan(column=column, class_=class_, exact=exact, lowest=known.lowest, highest=known.highest)


def _with_errors(connection: Connection, plan: OutcomePlan, reference: ReferenceRows, wanted: Wanted) -> OutcomePlan:
    """A regression's plan with cell maps of its errors and targets, and the centre of its sums."""
    from msgspec.structs import replace

    there = common_types(reference.footers)
    target = next((name for name in plan.inside if name in there), None)
    if plan.prediction is None or plan.prediction not in there:
        return plan
    truth = "null" if target is None else quoted(target)
    terms = f"cast({quoted(plan.prediction)} as DOUBLE) y, cast({truth} as DOUBLE) t"
    result = connection.columns(f"select {terms} from {reference.sample}")
    y, t = (np.ma.filled(np.ma.asarray(result[name], dtype=np.float64), np.nan) for name in ("y", "t"))
    targets = t[np.isfinite(t)]
    errors = np.abs(y - t)
    errors = errors[np.isfinite(errors)]
    near = targets if len(targets) else y[np.isfinite(y)]  # labels may lie elsewhere, and predictions are as large
    centre = float(np.round(np.median(near), 6)) if len(near) else 0.0
    if target is None or wanted.exact(target, reference.rows) or not len(errors):
        return replace(plan, centre=centre)
    lowest, highest = float(targets.min()), float(targets.max())
    return replace(
        plan,
        centre=centre if math.isfinite(centre) else 0.0,
        errors=NumericPlan(column="", cells=fitted_map(errors, 0.0, float(errors.max())), lowest=None, highest=None),
        target_values=NumericPlan(
            column="", cells=fitted_map(targets, lowest, highest), lowest=lowest, highest=highest
        ),
    )


def _with_classes(
    connection: Connection, plan: OutcomePlan, reference: ReferenceRows, texts: Expressions
) -> OutcomePlan:
    """A multiclass plan whose classes are those of joined labels, of scores and of the reference's labels and predictions."""
    from msgspec.structs import replace

    found = {*plan.classes, *(score.class_ for score in plan.scores)}
    for name in (*plan.inside, plan.prediction):
        if name is not None and name in texts.types:
            query = f"select distinct {texts.text(name)} v from {reference.relation} as {LOG}"
            found |= {row[0] for row in connection.rows(query) if row[0] is not None}
    return replace(plan, classes=(*plan.classes, *sorted(found - {*plan.classes})))
