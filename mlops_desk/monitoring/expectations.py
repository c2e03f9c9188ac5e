"""Which checks of a column's expectations a slice breaks, as sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_desk.aggregates.planning import MISSING, check_name
from mlops_desk.aggregates.slices import FeatureTables
from mlops_desk.domain.model import Expectation, Model
from mlops_desk.metrics import quality


def broken_checks(
    model: Model, types: Mapping[str, str], column: str, features: FeatureTables, reference: FeatureTables
) -> list[str]:
    """The checks of a column that do not hold in a slice."""
    return [
        text
        for index, expectation in enumerate(model.expectations)
        if expectation.column == column
        for text in _broken(index, expectation, types, features, reference)
    ]


def _broken(
    index: int,
    expectation: Expectation,
    types: Mapping[str, str],
    features: FeatureTables,
    reference: FeatureTables,
) -> Iterator[str]:
    column = expectation.column
    for name, rows in features.failures.items():
        of, _, kind = name.partition(":")
        if of == str(index) and rows and kind != MISSING:
            yield f"{rows:,} rows break {kind}"
    if expectation.type is not None and not same_type(expectation.type, types.get(column)):
        yield f"the column is {types.get(column, 'absent')}, not {expectation.type}"
    rows_of = features.distinct.get(column)
    if expectation.unique and rows_of is not None and rows_of.distinct < rows_of.rows:
        yield f"{rows_of.rows - rows_of.distinct:,} rows repeat a value"
    if expectation.max_missing_rate is not None and features.rows:
        rate = features.failures.get(check_name(index, MISSING), 0) / features.rows
        if rate > expectation.max_missing_rate:
            yield f"{rate:.2%} of the rows have no value"
    categories, known = features.categorical.get(column), reference.categorical.get(column)
    if expectation.max_unseen_rate is not None and categories is not None and known is not None:
        unseen = quality.unseen_rate(categories, known, min_rows=1).value
        if unseen is not None and unseen > expectation.max_unseen_rate:
            yield f"{unseen:.2%} of the rows have an unseen value"


FAMILIES = {
    "integer": ("INT",),
    "number": ("INT", "DOUBLE", "FLOAT", "DECIMAL"),
    "text": ("VARCHAR",),
    "boolean": ("BOOLEAN",),
    "timestamp": ("TIMESTAMP",),
    "date": ("DATE",),
}


def same_type(expected: str, found: str | None) -> bool:
    """Whether an engine type is what an expectation names: a word such as integer, number or text, or the type itself."""
    if found is None:
        return False
    words = FAMILIES.get(expected.lower())
    return any(word in found for word in words) if words else found.upper() == expected.upper()
