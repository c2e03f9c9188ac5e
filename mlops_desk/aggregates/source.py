"""A batch of files as the FROM clause of a query, and the slots that rows of its results belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlops_desk.aggregates.expressions import LOG, SIDE, Expressions
from mlops_desk.aggregates.parts import NO_PART, Batch
from mlops_desk.aggregates.plan import OutcomePlan, ScanPlan
from mlops_desk.aggregates.tables import Amounts
from mlops_desk.domain.schema import INTERSECTION
from mlops_desk.warehouse.connection import Columns, Connection, literal, quoted
from mlops_desk.warehouse.footers import file_list, partition_keys

Slot = tuple[int, str | None]
"""Index of a part in its batch, and the value of the segment column (None for all rows)."""
LABEL = "label"
ONE_PART = "0::UTINYINT p"
"""The grouping column of a batch of one part."""
LAYERS = ("", "1", "2")
"""What ends the names of a result's columns that tell rows, sums over rows of their weights, and sums of the squares of these."""


class Source(Struct, frozen=True, kw_only=True):
    """A batch as the FROM clause of a query, and its parts as an expression.

    Attributes
    ----------
    relation : the FROM clause. part : expression of a part's index, NULL for rows that belong to none.
    derived : whether the columns are computed, so that footers say nothing of them. single : whether every row belongs to the one part there is.
    """

    connection: Connection
    batch: Batch
    plan: ScanPlan
    relation: str
    part: str
    expressions: Expressions
    has_labels: bool
    positional: bool
    derived: bool = False
    single: bool = False

    @property
    def keys(self) -> str:
        """The grouping columns of a query: p, and s where rows are counted by segment."""
        if self.plan.segment is None:
            return f"{self.part} p"
        return f"{self.part} p, {self._segment(self.plan.segment)} s"

    @property
    def keys_beside(self) -> str:
        """The same for a query that groups by more: one part is told by a constant, which keeps the engine's table of groups small.

        Alone, a constant would group no rows into one.
        """
        return ONE_PART if self.tells_parts_by_constant else self.keys

    @property
    def tells_parts_by_constant(self) -> bool:
        """Whether there is one part only, which all rows belong to, and no segment."""
        return self.single and not self.derived and self.plan.segment is None

    def _segment(self, name: str) -> str:
        """The values of a column as text, or those of several columns (joined by ×) joined; NULL where one of them is."""
        names = [name] if name in self.expressions.types else name.split(INTERSECTION)
        return f" || {literal(INTERSECTION)} || ".join(self.expressions.text(one) for one in names)

    @property
    def is_stated(self) -> bool:
        """Whether what footers say of a file holds of the part: its slots are whole files."""
        return not self.derived and self.batch.numbers is None and self.plan.segment is None

    @property
    def weight(self) -> str | None:
        """The weight of a row as DOUBLE, None where rows count once."""
        return None if self.plan.weight is None else self.expressions.number(self.plan.weight)

    @property
    def layers(self) -> tuple[str, ...]:
        """The endings of the columns that a result has: of rows alone, or of their weights and the squares of these, too."""
        return LAYERS[:1] if self.plan.weight is None else LAYERS

    @property
    def carried(self) -> str:
        """The weight as one more column, w, of a subquery; nothing where rows count once."""
        return "" if self.weight is None else f", {self.weight} w"

    def amounts(self, weight: str = "w") -> str:
        """Terms that count rows as n, and where they have weights add these as n1 and their squares as n2."""
        return (
            "count(*) n" if self.plan.weight is None else f"count(*) n, sum({weight}) n1, sum({weight} * {weight}) n2"
        )

    def factors(self, weight: str = "w") -> list[tuple[str, str]]:
        """(ending, what a row's number is multiplied by before it is added) of each layer."""
        return list(zip(self.layers, ("", f"{weight} * ", f"{weight} * {weight} * "), strict=False))

    @property
    def key_names(self) -> str:
        """Names of the grouping columns."""
        return "p" if self.plan.segment is None else "p, s"


def source(
    connection: Connection, batch: Batch, plan: ScanPlan, name: str, labels: NDArray[Any] | None = None
) -> Source:
    """Prepares a batch for scanning; `labels` are codes or numbers by row (masked where there is none). `name` must be new to the connection."""
    keys = sorted({key for footer in batch.footers[:1] for key in partition_keys(footer.path)})
    hive = ", hive_partitioning = true" if keys else ""
    relation = f"read_parquet({file_list([footer.path for footer in batch.footers])}{hive}) as {LOG}"
    by_file = batch.numbers is None and "file_index" not in dict(batch.footers[0].columns)
    part = f"{LOG}.file_index::UTINYINT"
    arrays: dict[str, NDArray[Any]] = {}
    expressions: list[str] = []
    if not by_file:
        numbers = batch.numbers
        if numbers is None:
            numbers = np.repeat(np.arange(len(batch.footers), dtype=np.uint16), [one.rows for one in batch.footers])
        arrays["part"] = numbers
        small = "UTINYINT" if len(batch.parts) < 255 else "USMALLINT"
        expressions.append(f"cast(nullif(part, {NO_PART}) as {small}) as part")
        part = f"{SIDE}.part"
    if labels is not None:
        arrays[LABEL] = labels
        expressions.append(LABEL)
    if arrays:
        connection.load(name, arrays, expressions)
        relation += f" positional join {quoted(name)} as {SIDE}"
    return Source(
        connection=connection,
        batch=batch,
        plan=plan,
        relation=relation,
        part=part,
        expressions=Expressions(types=dict(batch.footers[0].columns), common=dict(plan.features.types)),
        has_labels=labels is not None,
        positional=bool(arrays),
        single=by_file and len(batch.parts) == 1,
    )


class Slots:
    """The slots (part and segment) that rows of query results belong to, numbered as they are met."""

    def __init__(self) -> None:
        self._numbers: dict[Slot, int] = {}

    def of(self, result: Columns) -> NDArray[np.int64]:
        """The slot of each row of a result with columns p and perhaps s; -1 where p or s is NULL."""
        parts = np.ma.filled(result["p"].astype(np.int64), -1)
        if "s" not in result:
            pairs = {int(part): self._number((int(part), None)) for part in np.unique(parts) if part >= 0}
            lookup = np.full(int(parts.max(initial=0)) + 2, -1, dtype=np.int64)
            for part, number in pairs.items():
                lookup[part] = number
            return lookup[parts]
        missing = np.ma.getmaskarray(result["s"])
        texts = np.ma.getdata(result["s"])
        return np.array(
            [
                -1 if part < 0 or gone else self._number((int(part), str(text)))
                for part, text, gone in zip(parts, texts, missing, strict=True)
            ],
            dtype=np.int64,
        )

    def _number(self, slot: Slot) -> int:
        return self._numbers.setdefault(slot, len(self._numbers))

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def all(self) -> list[Slot]:
        """The slots in the order of their numbers."""
        return list(self._numbers)


def pieces(slots: NDArray[np.int64], order_by: NDArray[Any] | None = None) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """(slot, indices of its rows), slot by slot, the rows sorted by `order_by`; rows of slot -1 are passed over."""
    order = np.lexsort((slots,) if order_by is None else (order_by, slots))
    ordered = slots[order]
    borders = np.flatnonzero(np.diff(ordered)) + 1
    for rows in np.split(order, borders):
        if len(rows) and slots[rows[0]] >= 0:
            yield int(slots[rows[0]]), rows


def values_of(result: Columns, name: str) -> NDArray[Any]:
    """A column of a result, whatever stands where it is NULL."""
    return np.asarray(np.ma.getdata(result[name]))


def is_missing(result: Columns, name: str) -> NDArray[np.bool_]:
    """Where a column of a result is NULL."""
    return np.ma.getmaskarray(result[name])


def inside_labels(source: Source, plan: OutcomePlan) -> str | None:
    """The column of the batch that holds labels, None where there is none."""
    return next((column for column in plan.inside if column in source.expressions.types), None)


def amounts_of(result: Columns, layers: Sequence[str]) -> list[Amounts]:
    """Rows, and where they have weights Σw and Σw², by row of a result."""
    return [values_of(result, f"n{layer}").astype(np.float64 if layer else np.int64) for layer in layers]


def by_part(found: Mapping[Slot, Any], batch: Batch) -> list[dict[str | None, Any]]:
    """What was found by slot, as a list along the batch's parts of what was found by segment."""
    parts: list[dict[str | None, Any]] = [{} for _ in batch.parts]
    for (part, segment), value in found.items():
        parts[part][segment] = value
    return parts
