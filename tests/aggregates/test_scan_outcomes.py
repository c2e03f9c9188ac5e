"""What a scan counts of predictions, scores and labels, against a count row by row."""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace

from mlops_desk.aggregates.cellmap import fitted_map
from mlops_desk.aggregates.plan import (
    SCORE_CELLS,
    FeaturePlan,
    NumericPlan,
    OutcomePlan,
    ScorePlan,
)
from mlops_desk.aggregates.slices import OutcomeTables
from mlops_desk.aggregates.tables import ScoreTable
from mlops_desk.domain.schema import Task
from tests.aggregates import oracle
from tests.aggregates.scanned_logs import (
    DAY,
    Row,
    as_text,
    day_of,
    rows_of,
    scanned,
    write,
)
from tests.aggregates.test_scan import assert_cells, cell_of

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
