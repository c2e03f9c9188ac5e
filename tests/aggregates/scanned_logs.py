"""Made logs with every odd value, the ways in which they lie in files, and a scan of them: what tests of scans start from."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from mlops_desk.aggregates.numbering import Slicing, batches_of, nanoseconds_sql
from mlops_desk.aggregates.outcomes import scan_outcomes
from mlops_desk.aggregates.parts import Part, TimeColumn
from mlops_desk.aggregates.plan import (
    OTHER,
    FeaturePlan,
    NumericPlan,
    OutcomePlan,
    ScanPlan,
)
from mlops_desk.aggregates.scan import scan_features
from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables
from mlops_desk.aggregates.source import by_part, source
from mlops_desk.domain.periods import parse_periods
from mlops_desk.domain.slicing import ChunkRule, Split
from mlops_desk.warehouse.schema import common_types
from tests.aggregates import oracle
from tests.aggregates.logs import opened, written

Row = dict[str, Any]
DAY = datetime(2024, 2, 28)
DAYS = parse_periods("1d")
CLASHING = ("p", "s", "c", "n", "v", "g", "m", "x", "y", "t", "z", "log", "side", "part", "label", "c0", "g0")
"""Names that the queries of a scan use themselves."""
TYPES = {
    "ts": pa.timestamp("us"),
    "f32": pa.float32(),
    "whole": pa.int32(),
    "d": pa.decimal128(9, 2),
    "flag": pa.bool_(),
    "score": pa.float64(),
    **dict.fromkeys(CLASHING, pa.float64()),
}


def rows_of(seed: int, count: int = 160) -> list[Row]:
    """Rows with everything odd that a log can hold, over three days."""
    rng = np.random.default_rng(seed)

    def pick(*choices: Any) -> Any:
        return choices[int(rng.integers(len(choices)))]

    found = []
    for _ in range(count):
        number = float(rng.normal())
        found.append(
            {
                "ts": DAY + timedelta(seconds=int(rng.integers(3 * 86400))),
                "f32": pick(float(np.float32(number)), float(np.float32(0.1)), None),
                "whole": pick(int(rng.integers(-5, 300)), None),
                "d": pick(Decimal(int(number * 100)).scaleb(-2), None),
                "flag": pick(True, False, None),
                "k": pick("a", "b", "", "it's", 'q"', "größe", "日本", None),
                "kf": pick(1.0, 2.5, math.nan, None, -3.0),
                "naïve \"k' ;": pick(number, 1.0, None),
                "sex": pick("f", "m", "m", None),
                "race": pick("x", "y", "é"),
                "score": pick(float(rng.random()), 0.0, 1.0, 0.5, None, math.nan),
                **{
                    name: pick(number, 0.0, -0.0, 1.0, math.inf, -math.inf, math.nan, None, 1e300, 5e-324)
                    for name in CLASHING
                },
            }
        )
    return found


def write(path: Path, rows: Sequence[Row], **types: pa.DataType) -> None:
    kinds = {**TYPES, **types}
    written(path, {name: pa.array([row[name] for row in rows], kinds.get(name)) for name in rows[0]}, row_group_size=50)


def day_of(row: Row) -> int:
    return (row["ts"] - DAY).days


LAYOUTS: dict[str, Callable[[Path, list[Row]], None]] = {}


def layout(write_rows: Callable[[Path, list[Row]], None]) -> Callable[[Path, list[Row]], None]:
    LAYOUTS[write_rows.__name__] = write_rows
    return write_rows


@layout
def file_a_day(folder: Path, rows: list[Row]) -> None:
    for day in range(3):
        write(folder / f"{day}.parquet", [row for row in rows if day_of(row) == day])


@layout
def one_file(folder: Path, rows: list[Row]) -> None:
    write(folder / "all.parquet", rows)


@layout
def several_files_across_days(folder: Path, rows: list[Row]) -> None:
    for index in range(3):
        write(folder / f"{index}.parquet", rows[index::3])


@layout
def partitions_and_days(folder: Path, rows: list[Row]) -> None:
    for day in range(3):
        some = [row for row in rows if day_of(row) == day]
        write(folder / f"day={day}" / "it's [1].parquet", some[::2])
        write(folder / f"day={day}" / "b.parquet", some[1::2])


Scanned = dict[tuple[int, str | None], tuple[FeatureTables, OutcomeTables | None]]


def scanned(
    folder: Path,
    features: FeaturePlan,
    outcome: OutcomePlan | None = None,
    *,
    filter: str | None = None,
    segment: str | None = None,
    labels: Mapping[int, float] | None = None,
    numeric_labels: bool = False,
) -> Scanned:
    """What a scan finds by day and segment; `labels` by the row number that the column `n_row` holds."""
    slicing = Slicing(
        rule=ChunkRule(every="1d"), periods=DAYS, time=TimeColumn(name="ts", zoned=False), reference=None, filter=filter
    )
    connection, footers = opened(folder)
    both = common_types(footers)
    kinds = {name: {dict(footer.columns).get(name) for footer in footers} for name in both}
    types = tuple((name, kind) for name, kind in both.items() if len(kinds[name]) > 1)
    plan = ScanPlan(
        features=replace(features, types=types),
        outcome=outcome,
        filter=filter,
        slicing="",
        slicing_time="ts",
        segment=segment,
    )
    found: dict[tuple[int, str | None], list[tuple[FeatureTables, OutcomeTables | None]]] = {}
    with connection:
        for number, batch in enumerate(batches_of(connection, footers, slicing, Split.ANALYSIS)):
            joined = None
            if labels is not None:
                codes = [one for footer in batch.footers for one in row_numbers(footer.path)]
                none = math.nan if numeric_labels else -1
                kind = np.float64 if numeric_labels else np.int16
                joined = np.array([labels.get(code, none) for code in codes], dtype=kind)
            scan = source(connection, batch, plan, f"side{number}", joined)
            halves = by_part(scan_features(scan, nanoseconds_sql(slicing, batch.footers[0], "log.")), batch)
            outcomes = by_part(scan_outcomes(scan, outcome), batch) if outcome else [{} for _ in batch.parts]
            for part, half, other in zip(batch.parts, halves, outcomes, strict=True):
                for value in half:
                    found.setdefault((day_number(part), value), []).append((half[value], other.get(value)))
    return {key: _summed(some) for key, some in found.items()}


def _summed(some: list[tuple[FeatureTables, OutcomeTables | None]]) -> tuple[FeatureTables, OutcomeTables | None]:
    features, outcomes = some[0]
    for other, more in some[1:]:
        features = features + other
        outcomes = None if outcomes is None or more is None else outcomes + more
    return features, outcomes


def day_number(part: Part) -> int:
    return part.number - DAYS.number_of(DAY)


def row_numbers(path: Path) -> list[int]:
    import pyarrow.parquet as pq

    numbers: list[int] = pq.read_table(path, columns=["n_row"], partitioning=None)["n_row"].to_pylist()
    return numbers


def numeric(*columns: str, lowest: float | None = -1.0, highest: float | None = 1.0) -> tuple[NumericPlan, ...]:
    return tuple(NumericPlan(column=name, cells=None, lowest=lowest, highest=highest) for name in columns)


def as_number(value: Any) -> float | None:
    return None if value is None else float(value)


def as_text(value: Any) -> str | None:
    """A value as a category: whole numbers without a fraction, NaN as none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal):
        if math.isnan(value):
            return None
        return str(int(value)) if value == int(value) else str(value)
    return None if value is None else str(value)


def assert_features(found: FeatureTables, rows: list[Row], plan: FeaturePlan) -> None:
    assert found.rows == len(rows)
    times = [int((row["ts"] - datetime(1970, 1, 1)) / timedelta(microseconds=1)) * 1000 for row in rows]
    assert (found.first, found.last) == (min(times), max(times))
    for one in plan.numeric:
        column = [as_number(row[one.column]) for row in rows]
        oracle.assert_same(found.numeric[one.column], oracle.exact(column), within=1e-12, where=one.column)
        beyond = sum(x is not None and not math.isnan(x) and not one.lowest <= x <= one.highest for x in column)
        assert found.outside[one.column] == beyond, one.column
    for other in plan.categorical:
        texts = [as_text(row[other.column]) for row in rows]
        kept = set(other.kept)
        texts = [text if not kept or text is None or text in kept else OTHER for text in texts]
        oracle.assert_same(found.categorical[other.column], oracle.categories(texts), where=other.column)
