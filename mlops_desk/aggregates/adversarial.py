"""Counts what adversarial metrics need: rows far off or close to the decision, rounded rows with their predictions, and requesters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlops_desk.aggregates.expressions import LOG, Expressions
from mlops_desk.aggregates.log_rows import PART, SEGMENT, TIME, rows_of_chunks
from mlops_desk.aggregates.plan import BoundaryPlan, OutlierPlan, QueryPlan, RoundedPlan, SignalPlan
from mlops_desk.aggregates.signals import NO_OUTCOME, RowGroups, row_groups
from mlops_desk.aggregates.source import Slots, Source, is_missing, pieces, values_of
from mlops_desk.aggregates.tables import Counts, Floats
from mlops_desk.warehouse.connection import Columns

FARTHEST = 1e6
"""Robust standard deviations beyond which a query is as far off as can be."""


def deviation_sql(expressions: Expressions, plan: OutlierPlan) -> str:
    """The largest robust deviation of a row over the numeric columns, infinite for an infinite number, NULL for a row without numbers."""
    terms = []
    for column, median, scale in zip(plan.columns, plan.medians, plan.scales, strict=True):
        x = expressions.number(column)
        terms.append(
            f"case when isfinite({x}) then abs({x} - ({median!r})) / {scale!r} when isinf({x}) then 'inf'::double end"
        )
    return f"greatest({', '.join(terms)})"


def outliers(source: Source, plan: OutlierPlan, slots: Slots) -> dict[int, tuple[int, int]]:
    """(rows beyond the cutoff, rows with a number) by slot."""
    return _shares(source, deviation_sql(source.expressions, plan), f"x > {plan.cutoff!r}", slots)


def near_boundary(source: Source, plan: BoundaryPlan, slots: Slots) -> dict[int, tuple[int, int]]:
    """(rows whose score lies within the margin of the threshold, rows with a score) by slot."""
    x = source.expressions.number(plan.column)
    score = f"case when isfinite({x}) then {x} end"
    return _shares(source, score, f"x >= {plan.lowest!r} and x <= {plan.highest!r}", slots)


def _shares(source: Source, x: str, condition: str, slots: Slots) -> dict[int, tuple[int, int]]:
    """(rows of a condition on x, rows with an x) by slot."""
    inner = f"(select {source.keys}, {x} x from {source.relation})"
    query = f"select {source.key_names}, count_if({condition}) h, count(x) n from {inner} group by {source.key_names}"
    result = source.connection.columns(query)
    counted = zip(
        slots.of(result).tolist(), values_of(result, "h").tolist(), values_of(result, "n").tolist(), strict=True
    )
    return {slot: (int(hits), int(rows)) for slot, hits, rows in counted if slot >= 0}


def rounded_rows(source: Source, plan: RoundedPlan, slots: Slots) -> dict[int, RowGroups]:
    """Rows after rounding with their predictions, by slot."""
    expressions = source.expressions
    cells = [
        f"try_cast({one.cells.sql(expressions.number(one.column))} as utinyint)" for one in plan.numeric if one.cells
    ]
    texts = [expressions.text(name) for name in plan.categorical]
    return _groups(source, f"hash({', '.join([*cells, *texts])})", outcome_sql(expressions, plan), slots)


def outcome_sql(expressions: Expressions, plan: RoundedPlan) -> str:
    """The prediction of a row as a code."""
    if plan.prediction is not None:
        text = expressions.text(plan.prediction)
        return f"case when {text} is null then {NO_OUTCOME} else hash({text}) end"
    if plan.score is not None and plan.threshold is not None:
        x = expressions.number(plan.score)
        return (
            f"case when isfinite({x}) then case when {x} >= {plan.threshold!r} then 2 else 1 end else {NO_OUTCOME} end"
        )
    return str(NO_OUTCOME)


def requesters(source: Source, column: str, slots: Slots) -> dict[int, RowGroups]:
    """Rows by requester, by slot; rows that name none are left out."""
    text = source.expressions.text(column)
    return _groups(source, f"case when {text} is not null then hash({text}) end", str(NO_OUTCOME), slots)


def _groups(source: Source, value: str, outcome: str, slots: Slots) -> dict[int, RowGroups]:
    """Values with outcomes by slot."""
    query = f"select {source.keys}, {value} h, ({outcome})::UBIGINT o, count(*) n from {source.relation} group by all"
    result = source.connection.columns(query)
    where = np.where(is_missing(result, "h"), -1, slots.of(result))
    hashes, outcomes = (values_of(result, name).astype(np.uint64).view(np.int64) for name in ("h", "o"))
    counts = values_of(result, "n").astype(np.int64)
    return {slot: row_groups(hashes[rows], outcomes[rows], counts[rows]) for slot, rows in pieces(where)}


def queries_of_requesters(
    signals: SignalPlan,
    plan: QueryPlan,
    sources: Sequence[Source],
    chunks: Sequence[Mapping[int, int]],
    times: Sequence[str],
) -> list[tuple[int, str, Floats, Counts, Counts]]:
    """(number of the chunk, segment value or empty, points, categories, predictions) of the busiest requesters, in the order of time.

    Which queries are taken does not depend on how rows lie in files: those with the least hash of everything that is looked at.
    """
    connection, segmented = sources[0].connection, sources[0].plan.segment is not None
    expressions = Expressions(types=dict(signals.columns), common={})
    segment = SEGMENT if segmented else "''"
    numbers = [
        f"case when isfinite({x}) then greatest(-{FARTHEST}, least({FARTHEST}, ({x} - ({median!r})) / {scale!r})) else 0 end x{place}"
        for place, (x, median, scale) in enumerate(
            zip(map(expressions.number, plan.scale.columns), plan.scale.medians, plan.scale.scales, strict=True)
        )
    ]
    texts = [f"hash({expressions.text(name)}) c{place}" for place, name in enumerate(plan.rounded.categorical)]
    looked_at = [f"x{place}" for place in range(len(numbers))] + [f"c{place}" for place in range(len(texts))]
    chosen = ", ".join([*numbers, *texts, f"({outcome_sql(expressions, plan.rounded)})::UBIGINT o"])
    rows = rows_of_chunks(sources, chunks, signals.label, dict(signals.columns), times)
    query = f"""with queries as (select {PART} p, {segment} s, {expressions.text(plan.requester)} r, {TIME} t, {chosen} from {rows} as {LOG}),
        busy as (select p, s, r, count(*) n from queries where r is not null group by p, s, r
            qualify row_number() over (partition by p, s order by n desc, r) <= {plan.requesters}),
        drawn as (select queries.*, hash({", ".join(["t", "o", *looked_at])}) h from queries join busy using (p, s, r) where n > {plan.least}),
        kept as (select * from drawn qualify row_number() over (partition by p, s, r order by h) <= {plan.queries})
        select * exclude (r), dense_rank() over (order by p, s, r) g from kept order by g, t, h"""
    return _by_requester(connection.columns(query), len(numbers), len(texts))


def _by_requester(result: Columns, numbers: int, texts: int) -> list[tuple[int, str, Floats, Counts, Counts]]:
    """The rows of a result cut by requester."""
    group = values_of(result, "g").astype(np.int64)
    if not len(group):
        return []
    nothing = np.zeros((len(group), 0))
    points = np.stack([values_of(result, f"x{place}") for place in range(numbers)], axis=1) if numbers else nothing
    codes = [values_of(result, f"c{place}").astype(np.uint64).view(np.int64) for place in range(texts)]
    categories = np.stack(codes, axis=1) if codes else nothing.astype(np.int64)
    predictions = values_of(result, "o").astype(np.uint64).view(np.int64)
    chunk, segment, gone = values_of(result, "p"), values_of(result, "s"), is_missing(result, "s")
    borders = np.flatnonzero(np.diff(group)) + 1
    return [
        (
            int(chunk[rows[0]]),
            str(segment[rows[0]]),
            points[rows].astype(np.float64),
            categories[rows],
            predictions[rows],
        )
        for rows in np.split(np.arange(len(group)), borders)
        if not gone[rows[0]]
    ]
