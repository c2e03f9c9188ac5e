"""The second look at a log: expected labels are what summing row by row gives, whatever lies in the files."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from mlops_desk.aggregates.expected import ExpectedPositives, ExpectedTable
from mlops_desk.aggregates.expecting import Probabilities, scan_expected
from mlops_desk.aggregates.numbering import Slicing, batches_of
from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.aggregates.parts import TimeColumn
from mlops_desk.aggregates.plan import SCORE_CELLS, OutcomePlan, ScanPlan, ScorePlan
from mlops_desk.aggregates.source import by_part, source
from mlops_desk.domain.schema import Task
from mlops_desk.domain.slicing import ChunkRule, Split
from tests.aggregates import oracle
from tests.aggregates.logs import opened
from tests.aggregates.scanned_logs import DAYS, LAYOUTS, Row, day_number, day_of, rows_of
from tests.aggregates.test_scan_outcomes import NO_FEATURES, PROTECTED, group_of

NAMES = ("a", "b", "it's")
SCORES = ("score", "s1", "s2")
Key = tuple[int, str | None]


def squared(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    totals = (scores**2).sum(axis=1)
    return scores**2 / totals[:, None], totals


def linear(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return scores / scores.sum(axis=1, keepdims=True), scores.sum(axis=1)


def even(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.full_like(scores, 1 / 3), np.zeros(len(scores))


def log_rows(seed: int) -> list[Row]:
    """Rows with predictions of the classes and of one more, and scores that may be missing."""
    rng = np.random.default_rng(seed)
    rows = rows_of(seed, 300)
    for row in rows:
        scores = [math.nan if rng.random() < 0.03 else float(one) for one in rng.dirichlet([1, 1, 1])]
        row |= dict(zip(SCORES, scores, strict=True))
        row["s1"] = None if rng.random() < 0.05 else row["s1"]
        row["y_pred"] = None if rng.random() < 0.1 else str(rng.choice([*NAMES, "new"], p=[0.3, 0.3, 0.3, 0.1]))
    return rows


def plan_of(exact: bool, *, groups: bool = False) -> OutcomePlan:
    scores = tuple(ScorePlan(column=s, exact=exact, class_=n) for s, n in zip(SCORES, NAMES, strict=True))
    return OutcomePlan(
        task=Task.MULTICLASS, prediction="y_pred", scores=scores, classes=NAMES, groups=PROTECTED, group_scores=groups
    )


def found_in(
    folder: Path, plan: OutcomePlan, segments: Mapping[str, Probabilities], segment: str | None
) -> dict[Key, ExpectedTable]:
    slicing = Slicing(
        rule=ChunkRule(every="1d"), periods=DAYS, time=TimeColumn(name="ts", zoned=False), reference=None, filter=None
    )
    connection, footers = opened(folder)
    scan = ScanPlan(features=NO_FEATURES, outcome=plan, filter=None, slicing="", slicing_time="ts", segment=segment)
    found: dict[Key, ExpectedTable] = {}
    with connection:
        for number, batch in enumerate(batches_of(connection, footers, slicing, Split.ANALYSIS)):
            tables = by_part(scan_expected(source(connection, batch, scan, f"side{number}"), plan, segments), batch)
            for part, by_segment in zip(batch.parts, tables, strict=True):
                for name, table in by_segment.items():
                    key = day_number(part), name
                    found[key] = found[key] + table if key in found else table
    return found


def expected_of(rows: list[Row], exact: bool, function: Probabilities) -> ExpectedTable:
    """Row by row."""
    kept = [
        row
        for row in rows
        if row["y_pred"] is not None and all(row[s] is not None and math.isfinite(row[s]) for s in SCORES)
    ]
    classes = sorted({*NAMES, *(row["y_pred"] for row in kept)})
    counts = np.zeros((len(classes), len(classes)))
    positives: dict[str, dict[float, list[tuple[float, float]]]] = {name: {} for name in NAMES}
    loss = squares = right_squares = 0.0
    for row in kept:
        scores = np.array([[row[s] for s in SCORES]])
        shares, totals = function(scores)
        chances = shares[0].tolist()
        right = chances[NAMES.index(row["y_pred"])] if row["y_pred"] in NAMES else 0.0
        right_squares += right**2
        for name, score, chance in zip(NAMES, scores[0].tolist(), chances, strict=True):
            counts[classes.index(name), classes.index(row["y_pred"])] += chance
            mark = score if exact else float(min(math.floor(score * SCORE_CELLS), SCORE_CELLS - 1))
            positives[name].setdefault(mark, []).append((chance, ((name == row["y_pred"]) - right) / totals[0]))
            each = -math.log(max(score / scores.sum(), 1e-300))
            loss, squares = loss + chance * each, squares + chance * each**2
    return ExpectedTable(
        classes=tuple(classes),
        rows=len(kept),
        counts=counts,
        right_squares=right_squares,
        loss=loss,
        loss_squares=squares,
        positives={
            name: ExpectedPositives(
                marks=oracle.floats(sorted(of)),
                positives=oracle.floats(math.fsum(one for one, _ in of[mark]) for mark in sorted(of)),
                rows=oracle.ints(len(of[mark]) for mark in sorted(of)),
                pulls=oracle.floats(math.fsum(pull for _, pull in of[mark]) for mark in sorted(of)),
            )
            for name, of in positives.items()
        },
    )


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("where", LAYOUTS)
def test_expected_labels_are_what_summing_rows_gives(
    tmp_path: Path, where: str, exact: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_desk.aggregates.expecting.ROWS_AT_ONCE", 8)
    rows = log_rows(21)
    LAYOUTS[where](tmp_path, rows)
    found = found_in(tmp_path, plan_of(exact), {"": squared}, None)
    assert {day for day, _ in found} == {0, 1, 2}
    for (day, _), table in found.items():
        expected = expected_of([row for row in rows if day_of(row) == day], exact, squared)
        oracle.assert_same(table, expected)
        oracle.assert_same(unpacked(packed(table)), table)


def test_segments_have_calibrators_of_their_own_and_others_are_left_out(tmp_path: Path) -> None:
    rows = log_rows(22)
    LAYOUTS["one_file"](tmp_path, rows)
    segments = {"a": squared, "it's": linear}
    found = found_in(tmp_path, plan_of(True), segments, "k")
    assert {name for _, name in found} == {"a", "it's"}
    for (day, name), table in found.items():
        assert name is not None
        some = [row for row in rows if day_of(row) == day and row["k"] == name]
        oracle.assert_same(table, expected_of(some, True, segments[name]))


def test_scores_without_a_sum_leave_the_loss_unknown_and_no_rows_leave_nothing(tmp_path: Path) -> None:
    rows = log_rows(23)
    for row in rows:
        row.update(dict.fromkeys(SCORES, 0.0))
    LAYOUTS["one_file"](tmp_path, rows)
    tables = found_in(tmp_path, plan_of(True), {"": even}, None)
    assert {table.loss for table in tables.values()} == {None}
    assert all(np.isfinite(table.counts).all() for table in tables.values())
    (tmp_path / "all.parquet").unlink()
    for row in rows:
        row["s2"] = None
    LAYOUTS["one_file"](tmp_path, rows)
    assert found_in(tmp_path, plan_of(True), {"": even}, None) == {}


def test_batches_stream_and_tell_of_errors(tmp_path: Path) -> None:
    LAYOUTS["one_file"](tmp_path, log_rows(24))
    connection, _ = opened(tmp_path)
    with connection:
        sizes = [len(one["a"]) for one in connection.pieces("select range a from range(5000)", 2048)]
        assert (sum(sizes), max(sizes)) == (5000, 2048)
        broken = "select case when range = 90000 then error('boom') else range end a from range(100000)"
        with pytest.raises(connection.engine_errors, match="boom"):
            list(connection.pieces(broken, 2048))


def test_expected_labels_by_group_are_those_of_their_rows(tmp_path: Path) -> None:
    rows = log_rows(25)
    LAYOUTS["several_files_across_days"](tmp_path, rows)
    for (day, _), table in found_in(tmp_path, plan_of(True, groups=True), {"": squared}, None).items():
        of_day = [row for row in rows if day_of(row) == day]
        assert set(table.groups) == {attribute for attribute, _ in PROTECTED}
        for attribute, columns in PROTECTED:
            found = table.groups[attribute]
            for group, counts in zip(found.groups, found.counts, strict=True):
                expected = expected_of([row for row in of_day if group_of(row, columns) == group], True, squared)
                where = [table.classes.index(one) for one in expected.classes]
                np.testing.assert_allclose(counts[np.ix_(where, where)], expected.counts, atol=1e-12)
                assert counts.sum() == pytest.approx(expected.rows)
        oracle.assert_same(unpacked(packed(table)), table)
