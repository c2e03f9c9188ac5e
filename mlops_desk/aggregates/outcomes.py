"""Counts predictions, scores and labels of a batch of files: the half of a scan that late labels change.

Labels stand inside the log, or come by row from the label join as codes (classifiers: an index into the plan's classes, -1 for none)
or as numbers (regressions: NaN for none); where both have one, the joined label wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.aggregates.expressions import SIDE, is_same_class
from mlops_desk.aggregates.group_scan import scan_group_scores
from mlops_desk.aggregates.group_scores import GroupScoreTable
from mlops_desk.aggregates.plan import SCORE_CELLS, OutcomePlan, ScorePlan
from mlops_desk.aggregates.scan import category_tables, cell_query, cell_tables, exact_tables, value_ranges
from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.aggregates.source import LABEL, Slot, Slots, Source, is_missing, pieces, values_of
from mlops_desk.aggregates.tables import (
    UNLABELLED,
    CategoryTable,
    ConfusionTable,
    Counts,
    ErrorTable,
    Floats,
    GroupMeans,
    GroupTable,
    ScoreTable,
    ValueTable,
)
from mlops_desk.domain.schema import INTERSECTION, Task
from mlops_desk.warehouse.connection import literal
from mlops_desk.warehouse.schema import FLOATS

EPSILON = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to EPSILON … 1 - EPSILON before a logarithm, as scikit-learn does."""


def scan_outcomes(source: Source, plan: OutcomePlan) -> dict[Slot, OutcomeTables]:
    """The outcomes' half of every slot of a batch."""
    slots = Slots()
    if plan.task is Task.REGRESSION:
        found = _regression(source, plan, slots)
    elif plan.task is Task.BINARY:
        found = _binary(source, plan, slots)
    else:
        found = _multiclass(source, plan, slots)
    return {slots.all[slot]: tables for slot, tables in found.items()}


def _inside(source: Source, plan: OutcomePlan) -> str | None:
    """The column of the batch that holds labels, None where there is none."""
    return next((column for column in plan.inside if column in source.expressions.types), None)


def _not_nan(source: Source, column: str) -> str:
    """A condition that a label or a prediction is there."""
    plain = source.expressions.plain(column)
    kind = source.expressions.kind(column)
    return f"isfinite({plain})" if kind in FLOATS else f"{plain} is not null"


def _label_text(source: Source, plan: OutcomePlan) -> str:
    """The label as text, NULL where there is none."""
    column = _inside(source, plan)
    inside = "null::VARCHAR" if column is None else source.expressions.text(column)
    if not source.has_labels:
        return inside
    classes = "[" + ", ".join(literal(one) for one in plan.classes) + "]"
    joined = f"case when {SIDE}.{LABEL} >= 0 then {classes}[{SIDE}.{LABEL} + 1] end"
    return f"coalesce({joined}, {inside})"


def _label_code(source: Source, plan: OutcomePlan, positive: str) -> str:
    """The label as 0, 1 (the positive class) or 2 (none)."""
    column = _inside(source, plan)
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


def _prediction_code(source: Source, plan: OutcomePlan, positive: str) -> str:
    """The prediction as 0 or 1 (the positive class), NULL where there is none."""
    if plan.prediction is not None:
        is_positive = source.expressions.is_value(plan.prediction, positive)
        return f"(case when {_not_nan(source, plan.prediction)} then case when {is_positive} then 1 else 0 end end)::TINYINT"
    if plan.threshold is None or not plan.scores:
        return "0::TINYINT"
    score = source.expressions.number(plan.scores[0].column)
    return f"(case when isfinite({score}) then case when {score} >= {plan.threshold!r} then 1 else 0 end end)::TINYINT"


def _binary(source: Source, plan: OutcomePlan, slots: Slots) -> dict[int, OutcomeTables]:
    """Tables of a binary model by slot."""
    prediction = _prediction_code(source, plan, plan.positive)
    label = _label_code(source, plan, plan.positive)
    binary, groups = _groups(source, plan.groups, prediction, label, slots)
    scores = {score.class_: _scores(source, score, prediction, label, slots) for score in plan.scores}
    targets = _target_categories(source, plan, slots)
    has_prediction = plan.prediction is not None or (plan.threshold is not None and bool(plan.scores))
    by_group: dict[str, dict[int, GroupScoreTable]] = {}
    if plan.group_scores and plan.scores and has_prediction:
        by_group = scan_group_scores(source, plan, _score_cell(plan.scores[0]), prediction, slots)
    found = {}
    for slot, target in targets.items():
        counts = binary.get(slot, np.zeros((2, 3), dtype=np.int64))
        found[slot] = OutcomeTables(
            rows=target.rows,
            labelled=target.n,
            binary=counts if has_prediction else None,
            scores={name: tables[slot] for name, tables in scores.items() if slot in tables},
            groups={name: tables[slot] for name, tables in groups.items() if slot in tables} if has_prediction else {},
            group_scores={name: tables[slot] for name, tables in by_group.items() if slot in tables},
            target_categories=target,
        )
    return found


def _target_categories(source: Source, plan: OutcomePlan, slots: Slots) -> dict[int, CategoryTable]:
    """The labels as categories by slot, every row counted."""
    query = f"select {source.keys}, {_label_text(source, plan)} t, count(*) n from {source.relation} group by all"
    result = source.connection.columns(query)
    counts = values_of(result, "n").astype(np.int64)
    return category_tables(slots.of(result), values_of(result, "t"), is_missing(result, "t"), counts)


def _groups(
    source: Source,
    attributes: tuple[tuple[str, tuple[str, ...]], ...],
    prediction: str,
    label: str,
    slots: Slots,
    class_: str | None = None,
) -> tuple[dict[int, Counts], dict[str, dict[int, GroupTable]]]:
    """(2, 3) counts by slot, and group tables by attribute and slot, in one query of grouping sets."""
    columns = list(dict.fromkeys(column for _, joined in attributes for column in joined))
    names = {column: f"g{index}" for index, column in enumerate(columns)}
    texts = "".join(f", {source.expressions.text(column)} {name}" for column, name in names.items())
    keys = f"{source.key_names}, y, t"
    told = dict.fromkeys(tuple(name for column, name in names.items() if column in joined) for _, joined in attributes)
    sets = [f"({keys})", *(f"({keys}, {', '.join(some)})" for some in told)]
    mask = f", grouping({', '.join(names.values())}) m" if names else ", 0 m"
    chosen = "".join(f", {name}" for name in names.values())
    query = (
        f"select {keys}{chosen}{mask}, count(*) n from (select {source.keys}, {prediction} y, {label} t{texts}"
        f" from {source.relation}) group by grouping sets ({', '.join(sets)})"
    )
    result = source.connection.columns(query)
    everything = (1 << len(columns)) - 1
    where = np.where(is_missing(result, "y"), -1, slots.of(result))
    masks = values_of(result, "m").astype(np.int64)
    y, t, n = (values_of(result, name).astype(np.int64) for name in ("y", "t", "n"))
    binary: dict[int, Counts] = {}
    for slot, rows in pieces(np.where(masks == everything, where, -1)):
        binary[slot] = np.zeros((2, 3), dtype=np.int64)
        np.add.at(binary[slot], (y[rows], t[rows]), n[rows])
    tables: dict[str, dict[int, GroupTable]] = {}
    for attribute, joined in attributes:
        wanted = everything
        for column in joined:
            wanted &= ~(1 << (len(columns) - 1 - columns.index(column)))
        gone = np.any([is_missing(result, names[column]) for column in joined], axis=0)
        texts_of = [values_of(result, names[column]) for column in joined]
        own: dict[int, GroupTable] = {}
        for slot, rows in pieces(np.where((masks == wanted) & ~gone, where, -1)):
            labels = [INTERSECTION.join(str(part[row]) for part in texts_of) for row in rows.tolist()]
            groups = tuple(sorted(set(labels)))
            place = {group: index for index, group in enumerate(groups)}
            counts = np.zeros((len(groups), 2, 3), dtype=np.int64)
            np.add.at(counts, (np.array([place[one] for one in labels]), y[rows], t[rows]), n[rows])
            own[slot] = GroupTable(attribute=attribute, groups=groups, counts=counts, class_=class_)
        tables[attribute if class_ is None else f"{attribute}|{class_}"] = own
    return binary, tables


def _scores(source: Source, plan: ScorePlan, prediction: str, label: str, slots: Slots) -> dict[int, ScoreTable]:
    """Score tables by slot."""
    x = source.expressions.number(plan.column)
    inner = f"select {source.keys}, {x} x, {prediction} y, {label} t from {source.relation}"
    there = f"({inner}) where isfinite(x) and y is not null"
    keys = source.key_names
    if plan.exact:
        query = f"select {keys}, x v, y, t, count(*) n from {there} group by all"
    else:
        query = f"select {keys}, {_score_cell(plan)} v, y, t, count(*) n, sum(x) total from {there} group by all"
    result = source.connection.columns(query)
    where = slots.of(result)
    v, y, t, n = (values_of(result, name) for name in ("v", "y", "t", "n"))
    totals = n if plan.exact else values_of(result, "total")
    losses = {} if plan.exact else _losses(source, inner, slots)
    ranges = {} if plan.exact else value_ranges(source, plan.column, slots)
    tables = {}
    for slot, rows in pieces(where, v):
        distinct, place = np.unique(v[rows], return_inverse=True)
        counts = np.zeros((len(distinct), 2, 3), dtype=np.int64)
        np.add.at(counts, (place, y[rows].astype(np.int64), t[rows].astype(np.int64)), n[rows].astype(np.int64))
        if plan.exact:
            tables[slot] = exact_scores(distinct.astype(np.float64), counts)
        else:
            sums = np.bincount(place, weights=totals[rows]).astype(np.float64)
            tables[slot] = _score_cells(
                plan, distinct.astype(np.int64), counts, sums, ranges[slot], losses.get(slot, (0.0, 0.0))
            )
    return tables


def _score_cell(plan: ScorePlan) -> str:
    """The cell of a score x; what lies beyond the outermost cells belongs to them."""
    width = (plan.highest - plan.lowest) or 1.0
    position = f"floor((x - ({plan.lowest!r})) * ({SCORE_CELLS / width!r}))"
    return f"cast(greatest(0, least({SCORE_CELLS - 1}, {position})) as USMALLINT)"


def _score_cells(
    plan: ScorePlan,
    cells: Counts,
    counts: Counts,
    sums: Floats,
    bounds: tuple[float, float],
    losses: tuple[float, float],
) -> ScoreTable:
    """A score table of cells, whose bounds are those of the grid within those of the slot."""
    width = ((plan.highest - plan.lowest) or 1.0) / SCORE_CELLS
    slack = width * 1e-9
    lowers = np.where(cells == 0, -np.inf, plan.lowest + cells * width - slack)
    uppers = np.where(cells == SCORE_CELLS - 1, np.inf, plan.lowest + (cells + 1) * width + slack)
    lowers, uppers = np.clip(lowers, *bounds), np.clip(uppers, *bounds)
    return ScoreTable(
        scores=np.clip(sums / counts.sum(axis=(1, 2)), lowers, uppers),
        counts=counts,
        lowers=lowers,
        uppers=uppers,
        cells=cells,
        log_loss_total=losses[0],
        brier_total=losses[1],
        in_unit_interval=bounds[0] >= 0 and bounds[1] <= 1,
    )


def exact_scores(scores: NDArray[np.float64], counts: Counts) -> ScoreTable:
    """An exact score table with its totals."""
    labelled = counts[:, :, :UNLABELLED].sum(axis=1)
    clipped = np.clip(scores, EPSILON, 1 - EPSILON)
    loss = -(labelled[:, 1] * np.log(clipped) + labelled[:, 0] * np.log(1 - clipped)).sum()
    brier = (labelled[:, 1] * (scores - 1) ** 2 + labelled[:, 0] * scores**2).sum()
    return ScoreTable(
        scores=scores,
        counts=counts,
        log_loss_total=float(loss),
        brier_total=float(brier),
        in_unit_interval=bool(len(scores) == 0 or (scores[0] >= 0 and scores[-1] <= 1)),
    )


def _losses(source: Source, inner: str, slots: Slots) -> dict[int, tuple[float, float]]:
    """Σ log loss and Σ squared error of the labelled rows by slot."""
    clipped = f"greatest({EPSILON!r}, least({1 - EPSILON!r}, case when t = 1 then x else 1 - x end))"
    query = (
        f"select {source.key_names}, sum(-ln({clipped})) l, sum((x - t) * (x - t)) b from ({inner})"
        f" where isfinite(x) and y is not null and t < 2 group by {source.key_names}"
    )
    result = source.connection.columns(query)
    totals = zip(
        slots.of(result).tolist(), values_of(result, "l").tolist(), values_of(result, "b").tolist(), strict=True
    )
    return {slot: (loss, brier) for slot, loss, brier in totals if slot >= 0}


def _multiclass(source: Source, plan: OutcomePlan, slots: Slots) -> dict[int, OutcomeTables]:
    """Tables of a multiclass model by slot."""
    targets = _target_categories(source, plan, slots)
    confusion = _confusion(source, plan, slots)
    scores: dict[str, dict[int, ScoreTable]] = {}
    groups: dict[str, dict[int, GroupTable]] = {}
    for class_ in plan.classes:
        prediction, label = _prediction_code(source, plan, class_), _label_code(source, plan, class_)
        if plan.groups and plan.prediction is not None:
            groups |= _groups(source, plan.groups, prediction, label, slots, class_)[1]
        for score in plan.scores:
            if score.class_ == class_:
                scores[class_] = _scores(source, score, prediction, label, slots)
    return {
        slot: OutcomeTables(
            rows=target.rows,
            labelled=target.n,
            confusion=confusion.get(slot),
            scores={name: tables[slot] for name, tables in scores.items() if slot in tables},
            groups={name: tables[slot] for name, tables in groups.items() if slot in tables},
            target_categories=target,
        )
        for slot, target in targets.items()
    }


def _confusion(source: Source, plan: OutcomePlan, slots: Slots) -> dict[int, ConfusionTable]:
    """Confusion tables by slot; the log loss where every class has a score."""
    if plan.prediction is None:
        return {}
    prediction = source.expressions.text(plan.prediction)
    complete = len(plan.scores) > 1
    loss = "0.0"
    if complete:
        columns = [source.expressions.number(score.column) for score in plan.scores]
        cases = " ".join(
            f"when {literal(score.class_)} then {column}" for score, column in zip(plan.scores, columns, strict=True)
        )
        own = f"(case {_label_text(source, plan)} {cases} end) / ({' + '.join(columns)})"
        loss = f"case when isfinite({own}) then -ln(greatest({EPSILON!r}, least({1 - EPSILON!r}, {own}))) end"
    query = (
        f"select {source.keys}, {prediction} y, {_label_text(source, plan)} t, count(*) n,"
        f" case when count({loss}) = count(*) then sum({loss}) end l from {source.relation} group by all"
    )
    result = source.connection.columns(query)
    where = np.where(is_missing(result, "y"), -1, slots.of(result))
    y, t, n, losses = (values_of(result, name) for name in ("y", "t", "n", "l"))
    gone, no_loss = is_missing(result, "t"), is_missing(result, "l")
    tables = {}
    for slot, rows in pieces(where):
        classes = tuple(sorted({str(y[row]) for row in rows} | {str(t[row]) for row in rows if not gone[row]}))
        place = {one: index for index, one in enumerate(classes)}
        counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
        predicted = np.zeros(len(classes), dtype=np.int64)
        for row in rows.tolist():
            predicted[place[str(y[row])]] += int(n[row])
            if not gone[row]:
                counts[place[str(t[row])], place[str(y[row])]] += int(n[row])
        labelled = rows[~gone[rows]]
        known = complete and not no_loss[labelled].any()
        total = float(np.sum(losses[labelled])) if known else None
        tables[slot] = ConfusionTable(classes=classes, counts=counts, predicted=predicted, log_loss_total=total)
    return tables


def _regression(source: Source, plan: OutcomePlan, slots: Slots) -> dict[int, OutcomeTables]:
    """Tables of a regression by slot."""
    target = target_number(source, plan)
    prediction = "null::DOUBLE" if plan.prediction is None else source.expressions.number(plan.prediction)
    inner = f"(select {source.keys}, {prediction} y, {target} t from {source.relation})"
    both = "isfinite(y) and isfinite(t)"
    c = f"({plan.centre!r})"
    query = f"""select {source.key_names}, count(*) m, count_if(isfinite(t)) labelled, count_if(isfinite(y)) r,
        count_if({both}) n, sum(y - t) filter ({both}) e, sum(abs(y - t)) filter ({both}) a,
        sum((y - t) * (y - t)) filter ({both}) sq, sum(abs(y - t) / greatest(abs(t), {EPSILON!r})) filter ({both}) rel,
        count_if({both} and (y <= -1 or t <= -1)) neg,
        sum((ln(1 + y) - ln(1 + t)) ** 2) filter ({both} and y > -1 and t > -1) l,
        sum(t - {c}) filter ({both}) v, sum((t - {c}) * (t - {c})) filter ({both}) w
        from {inner} group by {source.key_names}"""
    result = source.connection.columns(query)
    where = slots.of(result)
    absolute = _absolute_errors(source, plan, f"{inner} where {both}", slots)
    targets = _target_values(source, plan, target, slots)
    means = _means(source, plan, prediction, target, slots)
    filled = {name: np.ma.filled(result[name], 0) for name in result if name not in ("p", "s")}
    found = {}
    empty = _no_errors(plan)
    for row, slot in enumerate(where.tolist()):
        if slot < 0:
            continue
        errors = ErrorTable(
            n=int(filled["n"][row]),
            rows=int(filled["r"][row]),
            error=float(filled["e"][row]),
            absolute=float(filled["a"][row]),
            squares=float(filled["sq"][row]),
            relative=float(filled["rel"][row]),
            log_squares=float(filled["l"][row]),
            negative=int(filled["neg"][row]),
            target=float(filled["v"][row]),
            target_squares=float(filled["w"][row]),
            centre=plan.centre,
            absolute_values=absolute.get(slot, empty),
        )
        found[slot] = OutcomeTables(
            rows=int(filled["m"][row]),
            labelled=int(filled["labelled"][row]),
            errors=errors,
            target_values=targets.get(slot),
            means={name: tables[slot] for name, tables in means.items() if slot in tables},
        )
    return found


def _no_errors(plan: OutcomePlan) -> ValueTable:
    """The table of no |error|, counted as the plan counts them."""
    floats, counts = np.zeros(0), np.zeros(0, dtype=np.int64)
    if plan.errors is None or plan.errors.cells is None:
        return ValueTable(values=floats, counts=counts)
    return ValueTable(values=floats, counts=counts, lowers=floats, uppers=floats, cells=counts, squares=floats)


def target_number(source: Source, plan: OutcomePlan) -> str:
    """The label as DOUBLE, NULL or NaN where there is none."""
    column = _inside(source, plan)
    inside = "null::DOUBLE" if column is None else source.expressions.number(column)
    if not source.has_labels:
        return inside
    joined = f"{SIDE}.{LABEL}"
    return f"case when isfinite({joined}) then {joined} else {inside} end"


def _absolute_errors(source: Source, plan: OutcomePlan, relation: str, slots: Slots) -> dict[int, ValueTable]:
    """|error| by slot."""
    if plan.errors is None or plan.errors.cells is None:
        query = f"select {source.key_names}, abs(y - t) v, count(*) n from {relation} group by all"
        result = source.connection.columns(query)
        counts = values_of(result, "n")
        return exact_tables(slots.of(result), values_of(result, "v"), is_missing(result, "v"), counts)
    derived = _derived(source, f"(select {source.key_names}, abs(y - t) x from {relation})")
    return _cells_of(derived, plan.errors.cells, slots)


def _cells_of(source: Source, cells: Any, slots: Slots) -> dict[int, ValueTable]:
    """Cell tables of the column x of a derived source."""
    result = source.connection.columns(cell_query(source, "x", cells, None, None))
    return {slot: table for slot, (table, _) in cell_tables(source, "x", cells, result, slots).items()}


def _derived(source: Source, relation: str) -> Source:
    """A source over a subquery with the key columns and one column x."""
    from msgspec.structs import replace

    from mlops_desk.aggregates.expressions import Expressions

    segment = None if source.plan.segment is None else "s"
    expressions = Expressions(types={"x": "DOUBLE", "s": "VARCHAR"}, common={})
    return replace(
        source,
        relation=f"{relation} as log",
        part="log.p",
        plan=replace(source.plan, segment=segment),
        expressions=expressions,
        derived=True,
    )


def _target_values(source: Source, plan: OutcomePlan, target: str, slots: Slots) -> dict[int, ValueTable]:
    """The labels as numbers by slot, every row counted."""
    if plan.target_values is None or plan.target_values.cells is None:
        query = f"select {source.keys}, {target} v, count(*) n from {source.relation} group by all"
        result = source.connection.columns(query)
        values, missing = values_of(result, "v"), is_missing(result, "v")
        return exact_tables(slots.of(result), values, missing | np.isnan(values), values_of(result, "n"))
    derived = _derived(source, f"(select {source.keys}, {target} x from {source.relation})")
    return _cells_of(derived, plan.target_values.cells, slots)


def _means(
    source: Source, plan: OutcomePlan, prediction: str, target: str, slots: Slots
) -> Mapping[str, Mapping[int, GroupMeans]]:
    """Predictions and errors by group of each protected attribute and slot."""
    tables: dict[str, dict[int, GroupMeans]] = {}
    c = f"({plan.centre!r})"
    for attribute, joined in plan.groups:
        texts = [source.expressions.text(column) for column in joined]
        group = f" || {literal(INTERSECTION)} || ".join(texts)
        query = f"""select {source.key_names}, g, count(*) r, count_if(isfinite(t)) l, sum(y - {c}) a, sum((y - {c}) * (y - {c})) b,
            coalesce(sum(abs(y - t)) filter (isfinite(t)), 0) d, coalesce(sum((y - t) * (y - t)) filter (isfinite(t)), 0) e
            from (select {source.keys}, {group} g, {prediction} y, {target} t from {source.relation})
            where isfinite(y) and g is not null group by {source.key_names}, g"""
        result = source.connection.columns(query)
        g = values_of(result, "g")
        own: dict[int, GroupMeans] = {}
        for slot, unsorted in pieces(slots.of(result)):
            rows = unsorted[np.argsort(g[unsorted].astype(str), kind="stable")]
            r, labelled, a, b, d, e = (values_of(result, name)[rows] for name in ("r", "l", "a", "b", "d", "e"))
            own[slot] = GroupMeans(
                attribute=attribute,
                groups=tuple(str(one) for one in g[rows]),
                rows=r.astype(np.int64),
                labelled=labelled.astype(np.int64),
                prediction=a.astype(np.float64),
                prediction_squares=b.astype(np.float64),
                absolute=d.astype(np.float64),
                absolute_squares=e.astype(np.float64),
                centre=plan.centre,
            )
        tables[attribute] = own
    return tables
