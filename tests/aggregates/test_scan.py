"""What a scan counts, against a count row by row: every path through the engine, every odd value, names that queries use themselves."""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace

from mlops_desk.aggregates.cellmap import CellMap, fitted_map
from mlops_desk.aggregates.numbering import Slicing, batches_of, nanoseconds_sql
from mlops_desk.aggregates.outcomes import scan_outcomes
from mlops_desk.aggregates.parts import Part, TimeColumn
from mlops_desk.aggregates.plan import (
    OTHER,
    SCORE_CELLS,
    CategoricalPlan,
    FeaturePlan,
    NumericPlan,
    OutcomePlan,
    ScanPlan,
    ScorePlan,
)
from mlops_desk.aggregates.scan import scan_features
from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables
from mlops_desk.aggregates.source import by_part, source
from mlops_desk.aggregates.tables import ScoreTable, ValueTable
from mlops_desk.domain.periods import parse_periods
from mlops_desk.domain.schema import Task
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


FEATURES = FeaturePlan(
    numeric=numeric("f32", "whole", "d", "flag", "naïve \"k' ;", *CLASHING),
    categorical=(
        CategoricalPlan(column="k"),
        CategoricalPlan(column="kf"),
        CategoricalPlan(column="flag"),
        CategoricalPlan(column="d"),
        CategoricalPlan(column="race", kept=("x", "é")),
    ),
)


@pytest.mark.parametrize("where", LAYOUTS)
def test_features_are_what_counting_rows_gives(tmp_path: Path, where: str) -> None:
    rows = rows_of(1)
    LAYOUTS[where](tmp_path, rows)
    found = scanned(tmp_path, FEATURES)
    assert set(found) == {(day, None) for day in range(3)}
    for (day, _), (features, _) in found.items():
        assert_features(features, [row for row in rows if day_of(row) == day], FEATURES)


def test_features_of_filtered_rows_and_of_segments(tmp_path: Path) -> None:
    rows = rows_of(2)
    for path, some in (("a.parquet", rows[::2]), ("b.parquet", rows[1::2])):
        write(tmp_path / path, some)
    found = scanned(tmp_path, FEATURES, filter="whole > 20 or k = 'it''s'")
    kept = [row for row in rows if (row["whole"] or 0) > 20 or row["k"] == "it's"]
    for (day, _), (features, _) in found.items():
        assert_features(features, [row for row in kept if day_of(row) == day], FEATURES)
    segments = scanned(tmp_path, FEATURES, segment="k")
    assert {value for _, value in segments} == {row["k"] for row in rows} - {None}
    for (day, value), (features, _) in segments.items():
        assert_features(features, [row for row in rows if day_of(row) == day and row["k"] == value], FEATURES)


def test_columns_that_appear_and_widen_are_counted_as_one(tmp_path: Path) -> None:
    rows = rows_of(3)
    old = [
        {**row, "whole": None if row["whole"] is None else row["whole"] % 100, "new": None}
        for row in rows
        if day_of(row) == 0
    ]
    new = [{**row, "new": row["k"], "whole": as_number(row["whole"])} for row in rows if day_of(row) > 0]
    written(tmp_path / "a.parquet", {n: pa.array([r[n] for r in old], TYPES.get(n)) for n in old[0] if n != "new"})
    write(tmp_path / "b.parquet", new, whole=pa.float64(), f32=pa.float64(), ts=pa.timestamp("ns"))
    plan = FeaturePlan(
        numeric=numeric("whole", "f32"), categorical=(CategoricalPlan(column="new"), CategoricalPlan(column="whole"))
    )
    for (day, _), (features, _) in scanned(tmp_path, plan).items():
        assert_features(features, [row for row in [*old, *new] if day_of(row) == day], plan)


def test_a_column_called_file_index_does_not_stand_in_for_the_file(tmp_path: Path) -> None:
    rows = [{**row, "file_index": 7} for row in rows_of(4, 60)]
    file_a_day(tmp_path, rows)
    plan = FeaturePlan(numeric=numeric("p", "file_index"), categorical=(CategoricalPlan(column="k"),))
    found = scanned(tmp_path, plan)
    assert set(found) == {(day, None) for day in range(3)}
    for (day, _), (features, _) in found.items():
        assert_features(features, [row for row in rows if day_of(row) == day], plan)


def test_a_log_of_a_hundred_categories_and_of_none_is_counted(tmp_path: Path) -> None:
    rows = [{"ts": DAY, **{f"k{index}": f"v{index % 7}" for index in range(150)}} for _ in range(5)]
    write(tmp_path / "a.parquet", rows)
    plan = FeaturePlan(numeric=(), categorical=tuple(CategoricalPlan(column=f"k{index}") for index in range(150)))
    found = scanned(tmp_path, plan)[0, None][0]
    assert {name: table.categories for name, table in found.categorical.items()} == {
        f"k{index}": (f"v{index % 7}",) for index in range(150)
    }
    assert scanned(tmp_path, FeaturePlan(numeric=(), categorical=()))[0, None][0].rows == 5


@pytest.mark.parametrize("where", ["file_a_day", "several_files_across_days"])
def test_cells_hold_what_their_rows_hold(tmp_path: Path, where: str) -> None:
    rows = rows_of(5, 400)
    names = ("x", "p", "f32", "whole")
    maps = {}
    for name in names:
        finite = np.array([row[name] for row in rows if row[name] is not None and math.isfinite(row[name])])
        maps[name] = fitted_map(finite, float(finite.min()), float(finite.max()))
    plan = FeaturePlan(
        numeric=tuple(NumericPlan(column=name, cells=maps[name], lowest=-1.0, highest=1.0) for name in names),
        categorical=(),
    )
    LAYOUTS[where](tmp_path, rows)
    for (day, _), (features, _) in scanned(tmp_path, plan).items():
        for name in names:
            column = [as_number(row[name]) for row in rows if day_of(row) == day]
            expected = oracle.celled(column, cell_of(maps[name]))
            assert_cells(features.numeric[name], expected)
            beyond = sum(x is not None and not math.isnan(x) and not -1 <= x <= 1 for x in column)
            assert features.outside[name] == beyond


def cell_of(cells: CellMap) -> Callable[[float], int]:
    """The cell as the engine rounds it, ties to even."""

    def cell(x: float) -> int:
        d, half = x - cells.centre, (cells.cells - 1) / 2
        position = d / cells.scale if cells.kind == "line" else half + half * (d / (cells.scale + abs(d)))
        return min(max(round(position), 0), cells.cells - 1)

    return cell


def assert_cells(found: ValueTable, expected: ValueTable) -> None:
    """Counts to the letter, means and squares as far as sums are exact, and bounds that hold."""
    for name in ("counts", "cells"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    odd = ("missing", "nan", "positive_infinite", "negative_infinite")
    assert [getattr(found, name) for name in odd] == [getattr(expected, name) for name in odd]
    assert found.lowers is not None
    assert found.uppers is not None
    assert np.all(found.lowers <= expected.lowers)
    assert np.all(found.uppers >= expected.uppers)
    assert np.all((found.values >= found.lowers) & (found.values <= found.uppers))
    if found.n:
        assert (found.lowest, found.highest) == (expected.lowest, expected.highest)
    usual = np.abs(expected.values) < 1e100
    np.testing.assert_allclose(found.values[usual], expected.values[usual], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.squares[usual], expected.squares[usual], rtol=1e-6, atol=1e-6)
    assert not np.isnan(found.squares).any()


def test_an_empty_column_by_cell_and_one_that_a_file_lacks(tmp_path: Path) -> None:
    rows = [{**row, "empty": None} for row in rows_of(6, 60)]
    days = [[row for row in rows if day_of(row) == day] for day in range(3)]
    write(tmp_path / "0.parquet", days[0], empty=pa.float64())
    write(tmp_path / "1.parquet", [{**row, "late": 1.5} for row in days[1]], empty=pa.float64())
    cells = fitted_map(np.zeros(0), 0.0, 0.0)
    plan = FeaturePlan(
        numeric=tuple(NumericPlan(column=name, cells=cells, lowest=None, highest=None) for name in ("empty", "late")),
        categorical=(),
    )
    found = scanned(tmp_path, plan)
    for day in range(2):
        empty, late = (found[day, None][0].numeric[name] for name in ("empty", "late"))
        assert (empty.missing, empty.n) == (len(days[day]), 0)
        assert (late.n, late.missing) == ((len(days[1]), 0) if day else (0, len(days[0])))
    both = found[0, None][0] + found[1, None][0]
    assert both.numeric["late"].n == len(days[1])


# --- outcomes -----------------------------------------------------------------------------------------------------

PREDICTIONS: dict[str, tuple[str, Callable[[int], Any], pa.DataType]] = {
    "int as 1": ("1", int, pa.int32()),
    "bool as 1": ("1", bool, pa.bool_()),
    "bool as true": ("true", bool, pa.bool_()),
    "int as true": ("true", int, pa.int64()),
    "double as 1": ("1", float, pa.float64()),
    "int as 1.0": ("1.0", int, pa.int64()),
    "text": ("yes", lambda one: "yes" if one else "no", pa.string()),
    "dictionary": ("yes", lambda one: "yes" if one else "no", pa.dictionary(pa.int32(), pa.string())),
    "decimal": ("1", Decimal, pa.decimal128(3, 1)),
    "negative class": ("0", lambda one: 1 - one, pa.int8()),
}


def binary_rows(seed: int, say: Callable[[int], Any], count: int = 150) -> list[Row]:
    """Rows with predictions and labels in a way of saying them; `_y`, `_t` are the truth (1 for the positive class)."""
    rng = np.random.default_rng(seed)
    rows = rows_of(seed, count)
    for number, row in enumerate(rows):
        prediction, label = (int(one) if one < 2 else None for one in rng.integers(0, 3, 2))
        row |= {"_y": prediction, "_t": label, "n_row": number}
        row |= {
            "y_pred": None if prediction is None else say(prediction),
            "repaid": None if label is None else say(label),
        }
    return rows


def stored(rows: list[Row]) -> list[Row]:
    """Rows without what only the test knows."""
    return [{name: value for name, value in row.items() if not name.startswith("_")} for row in rows]


NO_FEATURES = FeaturePlan(numeric=(), categorical=())
PROTECTED = (("sex", ("sex",)), ("race", ("race",)), ("sex×race", ("sex", "race")), ("race×sex", ("race", "sex")))


def triple(row: Row, label: str = "_t") -> oracle.Row:
    return row["score"], row["_y"], row[label]


def group_of(row: Row, columns: Sequence[str]) -> str | None:
    parts = [as_text(row[column]) for column in columns]
    return None if None in parts else "×".join(str(part) for part in parts)


def assert_binary(found: OutcomeTables, rows: list[Row], texts: Sequence[str | None], label: str = "_t") -> None:
    assert (found.rows, found.labelled) == (len(rows), sum(text is not None for text in texts))
    np.testing.assert_array_equal(found.binary, oracle.binary(triple(row, label) for row in rows))
    oracle.assert_same(found.scores[""], oracle.scores(triple(row, label) for row in rows), where="scores")
    oracle.assert_same(found.target_categories, oracle.categories(texts), where="labels")
    for attribute, columns in PROTECTED:
        expected = oracle.groups(attribute, ((group_of(row, columns), triple(row, label)) for row in rows))
        oracle.assert_same(found.groups[attribute], expected, where=attribute)


@pytest.mark.parametrize("kind", PREDICTIONS)
@pytest.mark.parametrize("where", ["file_a_day", "one_file"])
def test_binary_outcomes_are_what_counting_rows_gives(tmp_path: Path, kind: str, where: str) -> None:
    positive, say, type_ = PREDICTIONS[kind]
    rows = binary_rows(7, say)
    for name, some in _files(rows, where).items():
        write(tmp_path / name, stored(some), y_pred=type_, repaid=type_)
    plan = OutcomePlan(
        task=Task.BINARY,
        prediction="y_pred",
        scores=(ScorePlan(column="score", exact=True),),
        positive=positive,
        groups=PROTECTED,
        inside=("repaid",),
    )
    found = scanned(tmp_path, NO_FEATURES, plan)
    assert len(found) == 3
    for (day, _), (_, outcomes) in found.items():
        some = [row for row in rows if day_of(row) == day]
        assert_binary(outcomes, some, [as_text(row["repaid"]) for row in some])


def _files(rows: list[Row], where: str) -> dict[str, list[Row]]:
    if where == "one_file":
        return {"all.parquet": rows}
    return {f"{day}.parquet": [row for row in rows if day_of(row) == day] for day in range(3)}


def test_predictions_and_labels_that_are_nan_are_none(tmp_path: Path) -> None:
    rows = binary_rows(8, float)
    for row in rows[::5]:
        row |= {"_y": None, "y_pred": math.nan}
    for row in rows[::7]:
        row |= {"_t": None, "repaid": math.nan}
    write(tmp_path / "a.parquet", stored(rows), y_pred=pa.float64(), repaid=pa.float64())
    plan = OutcomePlan(
        task=Task.BINARY,
        prediction="y_pred",
        scores=(ScorePlan(column="score", exact=True),),
        groups=PROTECTED,
        inside=("repaid",),
    )
    for (day, _), (_, outcomes) in scanned(tmp_path, NO_FEATURES, plan).items():
        some = [row for row in rows if day_of(row) == day]
        assert_binary(outcomes, some, [as_text(row["repaid"]) for row in some])


@pytest.mark.parametrize("where", ["file_a_day", "one_file"])
@pytest.mark.parametrize(
    ("positive", "classes"),
    [
        ("1", ("0", "1")),
        ("1", ("false", "true")),
        ("true", ("1", "0")),
        ("1", ("0",)),
        ("1.0", ("1", "0")),
        ("yes", ("yes", "no")),
    ],
)
def test_joined_labels_win_and_conflicting_ones_are_none(
    tmp_path: Path, where: str, positive: str, classes: tuple[str, ...]
) -> None:
    """Where the log holds a label too it stands in, also for an id whose joined labels conflict (code -2)."""
    say = (lambda one: "yes" if one else "no") if positive == "yes" else int
    rows = binary_rows(9, say)
    rng = np.random.default_rng(9)
    truth = {"1": 1, "true": 1, "yes": 1, "0": 0, "false": 0, "no": 0}
    joined: dict[int, float] = {}
    for row in rows:
        code = int(rng.integers(-2, len(classes)))
        joined[row["n_row"]] = code
        row["_text"] = as_text(row["repaid"]) if code < 0 else classes[code]
        row["_joined"] = None if row["_text"] is None else truth[row["_text"]]
    for name, some in _files(rows, where).items():
        write(tmp_path / name, stored(some))
    plan = OutcomePlan(
        task=Task.BINARY,
        prediction="y_pred",
        scores=(ScorePlan(column="score", exact=True),),
        positive=positive,
        groups=PROTECTED,
        inside=("repaid",),
        classes=classes,
    )
    for (day, _), (_, outcomes) in scanned(tmp_path, NO_FEATURES, plan, labels=joined).items():
        some = [row for row in rows if day_of(row) == day]
        assert_binary(outcomes, some, [row["_text"] for row in some], "_joined")
    apart = replace(plan, inside=())
    for (day, _), (_, outcomes) in scanned(tmp_path, NO_FEATURES, apart, labels=joined).items():
        some = [row for row in rows if day_of(row) == day]
        for row in some:
            row["_apart"] = truth[classes[int(joined[row["n_row"]])]] if joined[row["n_row"]] >= 0 else None
        np.testing.assert_array_equal(outcomes.binary, oracle.binary(triple(row, "_apart") for row in some))


def test_labels_of_no_class_at_all_are_none(tmp_path: Path) -> None:
    rows = binary_rows(10, int, 30)
    write(tmp_path / "a.parquet", stored(rows))
    plan = OutcomePlan(task=Task.BINARY, prediction="y_pred", classes=())
    for _, outcomes in scanned(tmp_path, NO_FEATURES, plan, labels=dict.fromkeys(range(30), -1)).values():
        assert outcomes.labelled == 0
        assert outcomes.binary[:, :2].sum() == 0


def test_a_threshold_makes_predictions_where_none_are_logged(tmp_path: Path) -> None:
    rows = binary_rows(11, int)
    for row in rows:
        score = row["score"]
        row["_y"] = None if score is None or math.isnan(score) else int(score >= 0.5)
    write(tmp_path / "a.parquet", [{k: v for k, v in row.items() if k != "y_pred"} for row in stored(rows)])
    plan = OutcomePlan(
        task=Task.BINARY,
        prediction=None,
        threshold=0.5,
        scores=(ScorePlan(column="score", exact=True),),
        groups=PROTECTED,
        inside=("repaid",),
    )
    for (day, _), (_, outcomes) in scanned(tmp_path, NO_FEATURES, plan).items():
        some = [row for row in rows if day_of(row) == day]
        assert_binary(outcomes, some, [as_text(row["repaid"]) for row in some])
    without = scanned(tmp_path, NO_FEATURES, replace(plan, threshold=None))
    for (day, _), (_, outcomes) in without.items():
        assert outcomes.binary is None
        assert outcomes.groups == {}
        scored = [row for row in rows if day_of(row) == day and row["_y"] is not None]
        assert outcomes.scores[""].n == len(scored)


@pytest.mark.parametrize("ranks", [False, True])
@pytest.mark.parametrize("where", ["file_a_day", "one_file"])
def test_score_cells_hold_what_their_rows_hold(tmp_path: Path, ranks: bool, where: str) -> None:
    rows = binary_rows(12, int, 400)
    if ranks:
        for row in rows:
            row["score"] = None if row["score"] is None else row["score"] * 7 - 3
    lowest, highest = (-3.0, 4.0) if ranks else (0.0, 1.0)
    for name, some in _files(rows, where).items():
        write(tmp_path / name, stored(some))
    score = ScorePlan(column="score", exact=False, lowest=lowest, highest=highest)
    plan = OutcomePlan(task=Task.BINARY, prediction="y_pred", scores=(score,), inside=("repaid",))

    def score_cell(x: float) -> int:
        return min(max(math.floor((x - lowest) * (SCORE_CELLS / (highest - lowest))), 0), SCORE_CELLS - 1)

    for (day, _), (_, outcomes) in scanned(tmp_path, NO_FEATURES, plan).items():
        expected = oracle.scores((triple(row) for row in rows if day_of(row) == day), score_cell)
        assert_score_cells(outcomes.scores[""], expected)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("segment", [None, "k"])
def test_scores_by_group_are_what_counting_rows_gives(tmp_path: Path, exact: bool, segment: str | None) -> None:
    rows = binary_rows(16, int, 300)
    for name, some in _files(rows, "file_a_day").items():
        write(tmp_path / name, stored(some))
    score = ScorePlan(column="score", exact=exact)
    plan = OutcomePlan(
        task=Task.BINARY, prediction="y_pred", scores=(score,), groups=PROTECTED, inside=("repaid",), group_scores=True
    )
    for (day, value), (_, outcomes) in scanned(tmp_path, NO_FEATURES, plan, segment=segment).items():
        some = [row for row in rows if day_of(row) == day and (segment is None or row[segment] == value)]
        for attribute, columns in PROTECTED:
            named = [(group_of(row, columns), triple(row)) for row in some]
            kept = [(group, x, y) for group, (x, y, _) in named if group is not None and y is not None]
            kept = [(group, x, y) for group, x, y in kept if x is not None and math.isfinite(x)]
            table = outcomes.group_scores.get(attribute)
            if not kept:
                assert table is None
                continue
            assert table.groups == tuple(sorted({group for group, _, _ in kept}))
            expected: dict[tuple[str, float], list[tuple[float, int]]] = {}
            for group, x, y in kept:
                mark = x if exact else float(min(math.floor(x * SCORE_CELLS), SCORE_CELLS - 1))
                expected.setdefault((group, mark), []).append((x, y))
            found = [
                (table.groups[place], mark) for place, mark in zip(table.places.tolist(), table.marks, strict=True)
            ]
            assert found == sorted(expected)
            assert table.counts.tolist() == [
                [sum(y == label for _, y in expected[key]) for label in (0, 1)] for key in found
            ]
            means = [math.fsum(x for x, _ in expected[key]) / len(expected[key]) for key in found]
            np.testing.assert_allclose(table.scores, means, rtol=1e-12)


def assert_score_cells(found: ScoreTable, expected: ScoreTable) -> None:
    np.testing.assert_array_equal(found.cells, expected.cells)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-12, atol=1e-12)
    assert np.all(found.lowers <= expected.lowers)
    assert np.all(found.uppers >= expected.uppers)
    assert found.in_unit_interval == expected.in_unit_interval
    assert found.log_loss_total == pytest.approx(expected.log_loss_total, rel=1e-12)
    assert found.brier_total == pytest.approx(expected.brier_total, rel=1e-12)


SAID: dict[str, tuple[Callable[[int], Any], pa.DataType]] = {
    "text": (lambda one: "abc"[one], pa.string()),
    "whole": (int, pa.int16()),
    "double": (float, pa.float64()),
}


@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("where", ["file_a_day", "one_file"])
def test_multiclass_outcomes_are_what_counting_rows_gives(tmp_path: Path, kind: str, where: str) -> None:
    say, type_ = SAID[kind]
    names = [str(as_text(say(one))) for one in range(3)]
    rng = np.random.default_rng(13)
    rows = rows_of(13)
    for number, row in enumerate(rows):
        scores = rng.dirichlet([1, 1, 1]).tolist()
        y, t = (None if rng.random() < 0.1 else int(rng.integers(3)) for _ in range(2))
        row |= {"n_row": number, "_y": y, "_t": t, **{f"s{one}": scores[one] for one in range(3)}}
        row |= {"y_pred": None if y is None else say(y), "kind": None if t is None else say(t)}
    for name, some in _files(rows, where).items():
        write(tmp_path / name, stored(some), y_pred=type_, kind=type_)
    plan = OutcomePlan(
        task=Task.MULTICLASS,
        prediction="y_pred",
        scores=tuple(ScorePlan(column=f"s{one}", exact=True, class_=name) for one, name in enumerate(names)),
        groups=PROTECTED[:1],
        inside=("kind",),
        classes=tuple(names),
    )
    for (day, _), (_, outcomes) in scanned(tmp_path, NO_FEATURES, plan).items():
        some = [row for row in rows if day_of(row) == day]
        loss = [
            -math.log(max(row[f"s{row['_t']}"] / sum(row[f"s{one}"] for one in range(3)), oracle.EPSILON))
            for row in some
            if row["_t"] is not None and row["_y"] is not None
        ]
        said = [(as_text(row["y_pred"]), as_text(row["kind"])) for row in some]
        oracle.assert_same(outcomes.confusion, oracle.confusion(said, loss), where="confusion")
        for one, name in enumerate(names):
            versus = [
                (
                    row[f"s{one}"],
                    None if row["_y"] is None else int(row["_y"] == one),
                    None if row["_t"] is None else int(row["_t"] == one),
                )
                for row in some
            ]
            oracle.assert_same(outcomes.scores[name], oracle.scores(versus), where=name)
            expected = oracle.groups(
                "sex", ((as_text(row["sex"]), v) for row, v in zip(some, versus, strict=True)), name
            )
            oracle.assert_same(outcomes.groups[f"sex|{name}"], expected, where=f"sex|{name}")


@pytest.mark.parametrize("trouble", ["an unknown class", "a missing score", "no number", "no sum"])
def test_the_log_loss_is_unknown_where_a_true_class_has_no_score(tmp_path: Path, trouble: str) -> None:
    rows = [{"ts": DAY, "y_pred": "a", "kind": "a", "sa": 0.7, "sb": 0.3} for _ in range(4)]
    change = {
        "an unknown class": {"kind": "c"},
        "a missing score": {"sb": None},
        "no number": {"sa": math.nan},
        "no sum": {"sa": 0.0, "sb": 0.0},
    }
    rows[2] |= change[trouble]
    write(tmp_path / "a.parquet", rows)
    scores = tuple(ScorePlan(column=f"s{one}", exact=True, class_=one) for one in "ab")
    plan = OutcomePlan(task=Task.MULTICLASS, prediction="y_pred", scores=scores, inside=("kind",), classes=("a", "b"))
    outcomes = scanned(tmp_path, NO_FEATURES, plan)[0, None][1]
    assert outcomes.confusion.log_loss_total is None
    rows[2] = rows[1]
    write(tmp_path / "a.parquet", rows)
    outcomes = scanned(tmp_path, NO_FEATURES, plan)[0, None][1]
    assert outcomes.confusion.log_loss_total == pytest.approx(-4 * math.log(0.7))


def regression_rows(seed: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    rows = rows_of(seed)
    odd = [None, math.nan, math.inf, -5.0, 0.0]
    for number, row in enumerate(rows):
        y, t = (
            odd[int(rng.integers(len(odd)))] if rng.random() < 0.2 else float(np.round(rng.lognormal(1, 1), 2))
            for _ in range(2)
        )
        row |= {"n_row": number, "y_pred": y, "price": t}
    return rows


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("where", ["file_a_day", "one_file"])
@pytest.mark.parametrize("joined", [False, True])
def test_regression_outcomes_are_what_counting_rows_gives(
    tmp_path: Path, cells: bool, where: str, joined: bool
) -> None:
    """The log has columns x and s of its own, which the queries over errors must not mistake for theirs."""
    rows = regression_rows(14)
    labels: dict[int, float] | None = None
    if joined:
        labels = {row["n_row"]: round(row["n_row"] * 0.37, 2) for row in rows if row["n_row"] % 3}
        for row in rows:
            row["_t"] = labels.get(row["n_row"], row["price"])
    else:
        for row in rows:
            row["_t"] = row["price"]
    for name, some in _files(rows, where).items():
        write(tmp_path / name, stored(some), y_pred=pa.float64(), price=pa.float64())
    targets = np.array([0.0, 3.123, 60.0])
    errors_map, target_map = fitted_map(np.array([0.0, 1.0, 20.123]), 0.0, 60.0), fitted_map(targets, 0.0, 60.0)
    plan = OutcomePlan(
        task=Task.REGRESSION,
        prediction="y_pred",
        centre=2.5,
        groups=(("sex", ("sex",)), ("sex×race", ("sex", "race"))),
        inside=("price",),
        errors=NumericPlan(column="", cells=errors_map, lowest=None, highest=None) if cells else None,
        target_values=NumericPlan(column="", cells=target_map, lowest=0.0, highest=60.0) if cells else None,
    )
    found = scanned(tmp_path, NO_FEATURES, plan, labels=labels, numeric_labels=True)
    assert len(found) == 3
    for (day, _), (_, outcomes) in found.items():
        some = [row for row in rows if day_of(row) == day]
        said = [(row["y_pred"], row["_t"]) for row in some]
        expected = oracle.errors(said, 2.5, cell_of(errors_map) if cells else None)
        table = [row["_t"] if row["_t"] is None or not math.isnan(row["_t"]) else None for row in some]
        if cells:
            assert_cells(outcomes.errors.absolute_values, expected.absolute_values)
            expected = replace(expected, absolute_values=outcomes.errors.absolute_values)
            wanted = oracle.celled([row["_t"] for row in some], cell_of(target_map))
            assert_cells(outcomes.target_values, wanted)
        else:
            oracle.assert_same(outcomes.target_values, oracle.exact(table), where="labels")
        oracle.assert_same(outcomes.errors, expected, where="errors")
        finite = sum(row["_t"] is not None and math.isfinite(row["_t"]) for row in some)
        assert (outcomes.rows, outcomes.labelled) == (len(some), finite)
        for attribute, columns in plan.groups:
            by_group = [(group_of(row, columns), pair) for row, pair in zip(some, said, strict=True)]
            oracle.assert_same(outcomes.means[attribute], oracle.means(attribute, by_group, 2.5), where=attribute)


def test_a_day_whose_second_file_has_no_labels_adds_up(tmp_path: Path) -> None:
    rows = [{"ts": DAY, "y_pred": float(row), "price": float(row) + 1} for row in range(6)]
    write(tmp_path / "a.parquet", rows[:3])
    write(tmp_path / "b.parquet", [{**row, "price": None} for row in rows[3:]], price=pa.float64())
    cells = fitted_map(np.array([0.0, 1.0]), 0.0, 2.0)
    by_cell = NumericPlan(column="", cells=cells, lowest=None, highest=None)
    plan = OutcomePlan(
        task=Task.REGRESSION, prediction="y_pred", inside=("price",), errors=by_cell, target_values=by_cell
    )
    outcomes = scanned(tmp_path, NO_FEATURES, plan)[0, None][1]
    assert (outcomes.rows, outcomes.labelled, outcomes.errors.n, outcomes.errors.absolute_values.n) == (6, 3, 3, 3)


@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
def test_outcomes_of_segments_are_those_of_their_rows(tmp_path: Path, task: Task) -> None:
    rows = binary_rows(15, int) if task is Task.BINARY else regression_rows(15)
    write(tmp_path / "a.parquet", stored(rows))
    plan = OutcomePlan(
        task=task,
        prediction="y_pred",
        scores=(ScorePlan(column="score", exact=True),) if task is Task.BINARY else (),
        groups=PROTECTED,
        inside=("repaid" if task is Task.BINARY else "price",),
    )
    found = scanned(tmp_path, NO_FEATURES, plan, segment="k")
    assert {value for _, value in found} == {row["k"] for row in rows} - {None}
    for (day, value), (_, outcomes) in found.items():
        some = [row for row in rows if day_of(row) == day and row["k"] == value]
        if task is Task.BINARY:
            assert_binary(outcomes, some, [as_text(row["repaid"]) for row in some])
        else:
            oracle.assert_same(outcomes.errors, oracle.errors([(row["y_pred"], row["price"]) for row in some], 0.0))
