"""Draws a sample of rows from a batch, in an order of their own that does not depend on files: by hashes of what they hold.

A row's key is the hash of its time, its id, its columns and how many rows like it were met before, so that of rows that are all alike a fair
share is drawn. Only rows that are alike and lie in different batches (beyond 250 files, or of other columns) share keys.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlops_desk.aggregates.numbering import Slicing, nanoseconds_sql
from mlops_desk.aggregates.rows import RowPlan, column_terms, in_parts, matrix_of, numbers_of
from mlops_desk.aggregates.sample import RowSample
from mlops_desk.aggregates.source import Source
from mlops_desk.warehouse.connection import literal, quoted

CHOSEN = "chosen_rows"
"""Name of the table of the hashes that are drawn."""


def row_sample(
    source: Source,
    plan: RowPlan,
    slicing: Slicing,
    parts: Sequence[int],
    *,
    salt: str,
    size: int,
    id_column: str | None,
    target: str | None = None,
) -> RowSample:
    """A sample of the rows of some parts of a batch.

    `salt` draws another sample. Where `target` (an expression of a number) is given, only rows that have it and a prediction are drawn,
    and both are the extras.
    """
    inner = _relation(source, plan, slicing, parts, salt, id_column, target)
    lowest = (
        "select (hash(h, o) >> 1)::BIGINT k, h from (select h, row_number() over (partition by h) o"
        f" from ({inner})) order by k, h limit {size}"
    )
    drawn = source.connection.columns(lowest)
    keys, hashes = np.asarray(drawn["k"], dtype=np.int64), np.asarray(drawn["h"], dtype=np.uint64)
    names = [f"c{index}" for index in range(plan.width)] + (["y", "t"] if target is not None else [])
    values = "".join(f", any_value({name}) {name}" for name in names)
    source.connection.load(CHOSEN, {"h": np.unique(hashes)}, ["h"])
    query = f"select h, any_value(p) p{values} from ({inner}) where h in (select h from {quoted(CHOSEN)}) group by h"
    found = source.connection.columns(query)
    source.connection.drop(CHOSEN)
    held = np.asarray(found["h"], dtype=np.uint64)
    order = np.argsort(held)
    rows = order[np.searchsorted(held, hashes, sorter=order)] if len(hashes) else np.zeros(0, dtype=np.int64)
    numbers = np.array([part.number for part in source.batch.parts], dtype=np.int64)
    extras = [numbers_of(found, name)[rows] for name in (("y", "t") if target is not None else ())]
    return RowSample(
        size=size,
        keys=keys,
        matrix=matrix_of(found, plan)[rows],
        chunks=numbers[np.asarray(found["p"], dtype=np.int64)[rows]],
        extras=np.stack(extras, axis=1) if extras else np.zeros((len(rows), 0)),
    )


def _relation(
    source: Source,
    plan: RowPlan,
    slicing: Slicing,
    parts: Sequence[int],
    salt: str,
    id_column: str | None,
    target: str | None,
) -> str:
    """The rows that may be drawn as a query of p, the columns of the plan and the hash h of each row."""
    moment = nanoseconds_sql(slicing, source.batch.footers[0], "log.") or "null"
    id_text = "null" if id_column is None else source.expressions.text(id_column)
    chunks = ", ".join(str(part.number) for part in source.batch.parts)
    terms = [f"{source.part} p", f"[{chunks}][{source.part}::INTEGER + 1] n", f"{moment} m", f"{id_text} i"]
    terms += column_terms(source, plan)
    names = [f"c{index}" for index in range(plan.width)] + (["y"] if plan.prediction is not None else [])
    if target is not None:
        terms.append(f"{target} t")
        names.append("t")
    there = "where isfinite(y) and isfinite(t)" if target is not None else ""
    hashed = f"hash({', '.join([literal(salt), 'n', 'm', 'i', *names])})"
    inner = f"select {', '.join(terms)} from {source.relation} where {in_parts(source, parts)}"
    return f"select p, {', '.join([*names, hashed])} h from ({inner}) {there}"
