"""What everything that is fitted on the reference has in common: which rows those are, which columns they have, and where it is kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from msgspec import Struct

from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.aggregates.rows import CodedColumn, RowPlan
from mlops_desk.aggregates.slices import FeatureTables
from mlops_desk.domain.model import Model
from mlops_desk.domain.schema import Kind, Role, Task
from mlops_desk.monitoring.preparation import Prepared
from mlops_desk.monitoring.row_pass import Files, RowPass
from mlops_desk.warehouse.cache import Cache

Body = dict[str, Any]
"""Texts, numbers and arrays by name."""


class Study(Struct, frozen=True, kw_only=True, dict=True):
    """The reference of one model, to be fitted on.

    Attributes
    ----------
    chunks : its chunks with their files. tables : of the whole reference, counted when they are first asked for.
    rows : reads the rows of all segments together. name, labelled_name : name what a fit depends on, without and with labels.
    fresh : whether everything is to be computed anew.
    """

    model: Model
    prepared: Prepared
    cache: Cache
    chunks: Files
    tables: Callable[[], FeatureTables]
    rows: RowPass
    name: str
    labelled_name: str
    fresh: bool

    @cached_property
    def plan(self) -> RowPlan:
        """The features that have values in the reference, by name; the prediction of a regression beside them."""
        tables = self.tables()
        features = sorted(
            column.name for column in self.prepared.columns if column.role is Role.FEATURE and column.kind
        )
        kinds = {column.name: column.kind for column in self.prepared.columns}
        pooled = {one.column for one in self.prepared.plan.features.categorical if one.kept}
        known = {name for name, table in tables.numeric.items() if table.n}
        known |= {name for name, table in tables.categorical.items() if table.n}
        return RowPlan(
            numeric=tuple(name for name in features if kinds[name] is Kind.NUMERIC and name in known),
            categorical=tuple(
                CodedColumn(column=name, categories=tables.categorical[name].categories, pooled=name in pooled)
                for name in features
                if kinds[name] is Kind.CATEGORICAL and name in known
            ),
            prediction=self.model.columns.prediction if self.model.task is Task.REGRESSION else None,
        )

    @property
    def files(self) -> frozenset[str]:
        """Fingerprints of the files that hold rows of the reference."""
        return frozenset(file for files in self.chunks.values() for file in files)

    def key(self, name: str) -> str:
        """The cache key of what was fitted under a name."""
        return f"{self.model.id}:G:{name}"

    def kept(self, name: str, make: Callable[[], Body]) -> Body:
        """What was fitted under a name, from the cache; fitted where it is not there, or everything is to be computed anew."""
        key = self.key(name)
        body = None if self.fresh else self.cache.get([key]).get(key)
        if body is None:
            fitted = make()
            self.cache.put({key: packed(fitted)})
            return fitted
        known: Body = unpacked(body)
        return known
