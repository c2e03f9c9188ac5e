"""Bad input gets one clear line: where nothing can be judged a failure, else a note, and the rest is judged."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.evaluation import ModelOutcome
from mlops_desk.domain.overview import NoteLevel
from tests.aggregates.logs import written
from tests.monitoring.desks import (
    BY_PATH,
    BY_PERIOD,
    COLUMNS,
    DAILY,
    FIRST_DAY,
    INSIDE,
    LABELS,
    LOGS,
    day_rows,
    kept,
    run,
    truth,
    write_day,
    write_desk,
    write_labels,
)

MONITORS = """
[[models.monitors]]
metrics = ["jensen_shannon", "psi", "missing_rate", "rows", "accuracy", "roc_auc", "mean", "out_of_range_rate"]
"""


def workspace(folder: Path, *parts: str, days: int = 7, columns: str = COLUMNS + INSIDE, **options: Any) -> Path:
    """A workspace of labelled days with a reference period, unless `parts` say otherwise."""
    reference = [] if any("models.reference" in part for part in parts) else [BY_PERIOD]
    chunks = [] if any("models.chunks" in part for part in parts) else [DAILY]
    monitors = [] if any("monitors" in part for part in parts) else [MONITORS]
    write_desk(folder, LOGS, *reference, columns, *chunks, *monitors, *parts, **options)
    for day in range(days):
        write_day(folder / "logs", day, inside=True)
    return folder


def rewritten(folder: Path, day: int, **columns: Any) -> None:
    """A day of the log with some columns another way; None takes a column away."""
    rows = {**day_rows(day), "repaid": truth(day), **columns}
    written(folder / f"{day:02}.parquet", {name: column for name, column in rows.items() if column is not None})


def notes(outcome: ModelOutcome) -> dict[str, str]:
    return {note.code: note.text for note in outcome.notes}


def values(folder: Path, **wanted: Any) -> list[dict[str, Any]]:
    """Rows of the results table for all rows of the log."""
    wanted.setdefault("segment", None)
    rows = [dict(row) for row in kept(folder).values.values()]
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def refusal(folder: Path) -> str:
    """Why nothing can be judged, in one line; nothing may be stored."""
    outcome = run(folder)
    assert outcome.failure is not None
    assert "\n" not in outcome.failure
    assert not outcome.changed
    return outcome.failure


def test_a_log_folder_without_files(tmp_path: Path) -> None:
    workspace(tmp_path, days=0)
    (tmp_path / "logs").mkdir()
    assert "logs.path: no Parquet file is found under logs" in refusal(tmp_path)


def test_a_log_path_that_is_not_there(tmp_path: Path) -> None:
    assert "logs.path: there is no file or folder" in refusal(workspace(tmp_path, days=0))


def test_only_files_that_cannot_be_read(tmp_path: Path) -> None:
    workspace(tmp_path, days=0)
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.parquet").write_text("id,ts\n1,2024-01-01\n")
    message = refusal(tmp_path)
    assert "none of the 1 files has rows that can be read" in message
    assert "a.parquet of the log is left out: it is not a Parquet file" in message


@pytest.mark.parametrize("trouble", ["text", "empty", "cut", "torn rows"])
def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_judged(tmp_path: Path, trouble: str) -> None:
    workspace(tmp_path)
    path = tmp_path / "logs" / "05.parquet"
    body = path.read_bytes()
    torn = bytearray(body)
    torn[4:1200] = bytes(byte ^ 0xFF for byte in torn[4:1200])
    bodies = {"text": b"id,ts\n" * 200, "empty": b"", "cut": body[: len(body) // 2], "torn rows": bytes(torn)}
    path.write_bytes(bodies[trouble])
    outcome = run(tmp_path)
    assert outcome.failure is None
    assert [note.place for note in outcome.notes if note.code == "file_quarantined"] == [str(path)]
    assert "05.parquet of the log is left out" in notes(outcome)["file_quarantined"]
    assert outcome.chunks_evaluated == 2
    path.write_bytes(body)
    assert run(tmp_path).chunks_evaluated == 1
    assert len(values(tmp_path, metric="rows", split="analysis")) == 3


@pytest.mark.parametrize("column", ["x", "kind", "score"])
def test_torn_rows_of_the_reference_are_found_whatever_reads_them_first(tmp_path: Path, column: str) -> None:
    workspace(tmp_path, BY_PATH)
    for day in range(4):
        (tmp_path / "logs" / f"{day:02}.parquet").rename(_made(tmp_path / "reference") / f"{day:02}.parquet")
    path = tmp_path / "reference" / "02.parquet"
    import pyarrow.parquet as pq

    place = next(
        pq.read_metadata(path).row_group(0).column(index)
        for index, name in enumerate(pq.read_schema(path).names)
        if name == column
    )
    start = place.dictionary_page_offset or place.data_page_offset
    body = bytearray(path.read_bytes())
    body[start : start + 30] = bytes(byte ^ 0xFF for byte in body[start : start + 30])
    path.write_bytes(bytes(body))
    outcome = run(tmp_path)
    assert outcome.failure is None
    assert [note.place for note in outcome.notes if note.code == "file_quarantined"] == [str(path)]
    assert len(values(tmp_path, metric="rows", split="reference")) == 3


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def test_torn_rows_of_labels_are_found(tmp_path: Path) -> None:
    workspace(tmp_path, LABELS, columns=COLUMNS)
    write_labels(tmp_path, "a", [4])
    path = write_labels(tmp_path, "b", [5])
    body = bytearray(path.read_bytes())
    body[4:60] = bytes(byte ^ 0xFF for byte in body[4:60])
    path.write_bytes(bytes(body))
    outcome = run(tmp_path)
    assert outcome.failure is None
    assert "b.parquet of the labels is left out" in notes(outcome)["file_quarantined"]


@pytest.mark.parametrize("empty", ["no rows", "another period", "no file", "all filtered"])
def test_a_reference_with_no_rows(tmp_path: Path, empty: str) -> None:
    if empty == "another period":
        message = refusal(workspace(tmp_path, "[models.reference]\nfrom = 2019-01-01\nto = 2019-02-01\n"))
        assert "no row of the log lies from 2019-01-01" in message
        assert "choose a period that the log covers" in message
        return
    workspace(tmp_path, BY_PATH)
    (tmp_path / "reference").mkdir()
    if empty == "no rows":
        columns = {name: pa.array(column)[:0] for name, column in day_rows(0).items()}
        written(tmp_path / "reference" / "a.parquet", columns)
        assert "the reference has no rows that can be read: reference/a.parquet has no rows" in refusal(tmp_path)
    elif empty == "no file":
        assert "reference.path: no Parquet file is found under reference" in refusal(tmp_path)
    else:
        write_day(tmp_path / "reference", 0, inside=True)
        text = (tmp_path / "desk.toml").read_text()
        (tmp_path / "desk.toml").write_text(text.replace('path = "logs"\n', 'path = "logs"\nfilter = "id > 3000"\n'))
        assert "reference" in refusal(tmp_path)


def test_a_period_that_leaves_nothing_to_compare(tmp_path: Path) -> None:
    message = refusal(workspace(tmp_path, "[models.reference]\nfrom = 2024-01-01\nto = 2025-01-01\n"))
    assert "the log beyond the reference has no rows" in message


def test_a_column_without_values_is_untested_with_a_reason(tmp_path: Path) -> None:
    workspace(tmp_path)
    for day in range(7):
        rewritten(
            tmp_path / "logs", day, x=pa.array([None] * 40, pa.float64()), kind=pa.array([None] * 40, pa.string())
        )
    outcome = run(tmp_path)
    assert outcome.failure is None
    drift = values(tmp_path, column="x", family="data_drift") + values(tmp_path, column="kind", family="data_drift")
    assert drift
    assert all(row["verdict"] == "untested" and row["value"] is None and row["reason"] for row in drift)
    assert all(row["value"] == 1.0 for row in values(tmp_path, column="x", metric="missing_rate"))
    assert all(row["value"] is not None for row in values(tmp_path, column="age", metric="psi"))


def test_a_column_without_values_from_some_day_on(tmp_path: Path) -> None:
    workspace(tmp_path)
    rewritten(tmp_path / "logs", 5, x=pa.array([None] * 40, pa.float64()))
    rewritten(tmp_path / "logs", 6, x=None)
    assert run(tmp_path).failure is None
    found = {row["start"].day: row for row in values(tmp_path, column="x", metric="psi", split="analysis")}
    assert [found[day]["verdict"] == "untested" for day in sorted(found)] == [False, True, True]
    rates = values(tmp_path, column="x", metric="missing_rate", split="analysis")
    assert sorted((row["start"].day, row["verdict"]) for row in rates)[1:] == [(2, "alert"), (3, "alert")]


def test_one_class_only(tmp_path: Path) -> None:
    workspace(tmp_path)
    for day in range(7):
        rewritten(tmp_path / "logs", day, repaid=np.ones(40, dtype=np.int8))
    assert run(tmp_path).failure is None
    rows = values(tmp_path, metric="roc_auc", family="performance")
    assert rows
    assert all(row["value"] is None and row["reason"] for row in rows)
    assert all(row["value"] is not None for row in values(tmp_path, metric="accuracy", family="performance"))


def test_a_constant_column(tmp_path: Path) -> None:
    workspace(tmp_path)
    for day in range(7):
        rewritten(tmp_path / "logs", day, x=np.full(40, 3.5), kind=["a"] * 40)
    assert run(tmp_path).failure is None
    assert all(row["value"] == 3.5 for row in values(tmp_path, column="x", metric="mean"))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("number", [1e200, -1e308, 5e-324, float(np.finfo(np.float64).max), np.inf, np.nan])
@pytest.mark.parametrize("exact_rows", [200_000, 0])
def test_numbers_of_any_size_do_not_end_an_evaluation(tmp_path: Path, number: float, exact_rows: int) -> None:
    metrics = (
        "jensen_shannon psi hellinger kolmogorov_smirnov wasserstein mean std sum median out_of_range_rate".split()
    )
    monitors = f"[[models.monitors]]\nmetrics = {metrics}\nexact_rows = {exact_rows}\n"
    workspace(tmp_path, monitors, days=6)
    for day in (1, 5):
        x = np.asarray(day_rows(day)["x"]).astype(np.float64)
        x[3] = number
        rewritten(tmp_path / "logs", day, x=x)
    assert run(tmp_path).failure is None
    assert all(row["value"] is None or np.isfinite(row["value"]) for row in values(tmp_path))


def test_labels_whose_ids_do_not_match(tmp_path: Path) -> None:
    workspace(tmp_path, LABELS, columns=COLUMNS)
    for day in range(7):
        rewritten(tmp_path / "logs", day, repaid=None)
    written(tmp_path / "labels" / "a.parquet", {"id": ["c-1", "c-2"], "repaid": [0, 1]})
    outcome = run(tmp_path)
    assert outcome.failure is None
    assert notes(outcome)["labels_unmatched"].startswith("none of the 2 labels has an id of the log")
    assert all(row["verdict"] == "untested" for row in values(tmp_path, family="performance", split="analysis"))
    assert any(row["value"] is not None for row in values(tmp_path, family="data_drift"))


def test_no_label_file_yet(tmp_path: Path) -> None:
    workspace(tmp_path, LABELS, columns=COLUMNS)
    for day in range(7):
        rewritten(tmp_path / "logs", day, repaid=None)
    (tmp_path / "labels").mkdir()
    assert run(tmp_path).failure is None
    write_labels(tmp_path, "a", range(6))
    assert run(tmp_path).failure is None
    accuracies = values(tmp_path, metric="accuracy", family="performance", split="analysis")
    assert sorted((row["start"].day, row["value"] is None) for row in accuracies) == [(1, False), (2, False), (3, True)]


def test_a_timestamp_column_of_strings(tmp_path: Path) -> None:
    workspace(tmp_path)
    for day in range(7):
        rewritten(tmp_path / "logs", day, ts=["03/04/2024 10:00"] * 40)
    message = refusal(tmp_path)
    assert "columns.timestamp" in message
    assert "'03/04/2024 10:00'" in message
    assert "day and month can be mistaken" in message
    assert "timestamp_format" in message


def test_one_file_whose_timestamps_are_strings(tmp_path: Path) -> None:
    workspace(tmp_path)
    rewritten(tmp_path / "logs", 5, ts=["03/04/2024 10:00"] * 40)
    assert "40 texts of 'ts'" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ('score = "scor"', "columns.score: the log has no column 'scor'; did you mean score?"),
        ('prediction = "ypred"', "columns.prediction: the log has no column 'ypred'; did you mean y_pred"),
        ('version = "zzz"', "columns.version: the log has no column 'zzz'; it has age, id, kind"),
        ('protected = ["sex", "sexe×region"]', "columns.protected: the log has no column 'sexe'; did you mean sex?"),
        ('target = "repayed"', "columns.target: the log has no column 'repayed'; did you mean repaid?"),
    ],
)
def test_an_unknown_column_names_the_candidates(tmp_path: Path, wrong: str, hint: str) -> None:
    key = wrong.partition(" ")[0]
    lines = [wrong if line.partition(" ")[0] == key else line for line in (COLUMNS + INSIDE).splitlines()]
    assert hint in refusal(workspace(tmp_path, columns="\n".join(lines) + "\n"))


def test_an_unknown_column_of_a_monitor_and_of_a_segment(tmp_path: Path) -> None:
    message = refusal(workspace(tmp_path / "a", '[[models.monitors]]\nmetrics = ["psi"]\ncolumns = ["agee"]\n'))
    assert "the log has no column 'agee'" in message
    message = refusal(workspace(tmp_path / "b", '[[models.monitors]]\nmetrics = ["psi"]\nsegments = ["kin"]\n'))
    assert "the log has no column 'kin'" in message


def test_a_misspelt_metric_names_the_nearest(tmp_path: Path) -> None:
    folder = workspace(tmp_path, '[[models.monitors]]\nmetrics = ["jensen_shanon"]\n')
    try:
        message = refusal(folder)
    except UserError as error:
        message = str(error)
    assert "'jensen_shanon'" in message
    assert "jensen_shannon" in message.replace("jensen_shanon", "")


def test_a_filter_that_the_log_cannot_answer(tmp_path: Path) -> None:
    workspace(tmp_path)
    text = (tmp_path / "desk.toml").read_text()
    (tmp_path / "desk.toml").write_text(text.replace('path = "logs"\n', 'path = "logs"\nfilter = "colour = 1"\n'))
    message = refusal(tmp_path)
    assert "colour" in message
    assert "filter" in message


def test_rows_without_a_time_are_counted_and_left_out(tmp_path: Path) -> None:
    workspace(tmp_path)
    times = day_rows(5)["ts"].to_pylist()
    rewritten(tmp_path / "logs", 5, ts=pa.array([None] * 7 + [datetime(9999, 12, 31)] + times[8:], pa.timestamp("us")))
    outcome = run(tmp_path)
    assert outcome.failure is None
    assert [(note.level, note.count) for note in outcome.notes if note.code == "rows_left_out"] == [
        (NoteLevel.WARNING, 8)
    ]
    assert {row["start"].day: row["value"] for row in values(tmp_path, metric="rows", split="analysis")}[2] == 32


@pytest.mark.parametrize("chunks", ["size = 50", "number = 4", 'every = "1w"'])
def test_other_chunks_cover_all_rows(tmp_path: Path, chunks: str) -> None:
    workspace(tmp_path, f"[models.chunks]\n{chunks}\n")
    assert run(tmp_path).failure is None
    rows = [row["value"] for row in values(tmp_path, metric="rows", split="analysis")]
    assert sum(rows) == 120
    assert len(rows) == {"s": 3, "n": 4, "e": 1}[chunks[0]]


def test_a_log_without_timestamps_is_cut_by_its_order(tmp_path: Path) -> None:
    columns = (COLUMNS + INSIDE).replace('timestamp = "ts"\n', "")
    workspace(tmp_path, BY_PATH, "[models.chunks]\nsize = 60\n", columns=columns)
    write_day(tmp_path / "reference", 0, inside=True)
    assert run(tmp_path).failure is None
    rows = values(tmp_path, metric="rows", split="analysis")
    assert [row["value"] for row in sorted(rows, key=lambda row: row["chunk"])] == [60, 60, 60, 60, 40]
    assert all(row["start"] is None for row in rows)


def test_periods_without_a_timestamp_are_refused(tmp_path: Path) -> None:
    columns = (COLUMNS + INSIDE).replace('timestamp = "ts"\n', "")
    folder = workspace(tmp_path, BY_PATH, columns=columns)
    write_day(tmp_path / "reference", 0, inside=True)
    try:
        message = refusal(folder)
    except UserError as error:
        message = str(error)
    assert "timestamp" in message


def test_a_period_that_cuts_a_file_and_a_chunk(tmp_path: Path) -> None:
    """One file holds everything; the reference ends at noon."""
    workspace(tmp_path, "[models.reference]\nfrom = 2024-02-26\nto = 2024-03-01T12:00:00\n", days=0)
    days = [{**day_rows(day), "repaid": truth(day)} for day in range(7)]
    whole = pa.concat_tables([pa.table(day) for day in days], promote_options="permissive")
    written(tmp_path / "logs" / "all.parquet", whole)
    assert run(tmp_path).failure is None
    noon = FIRST_DAY + timedelta(days=4, hours=12)
    early = sum(time < noon for time in whole["ts"].to_pylist())
    rows = {
        split: [row["value"] for row in values(tmp_path, metric="rows", split=split)]
        for split in ("reference", "analysis")
    }
    assert (len(rows["reference"]), sum(rows["reference"])) == (5, early)
    assert (len(rows["analysis"]), sum(rows["analysis"])) == (3, 280 - early)


def test_several_models_go_on_where_one_cannot_be_judged(tmp_path: Path) -> None:
    from mlops_desk.config.desk_file import read_desk
    from mlops_desk.monitoring.evaluation import evaluate
    from tests.monitoring.desks import NOW

    workspace(tmp_path)
    text = (tmp_path / "desk.toml").read_text()
    second = (
        text[text.index("[[models]]") :]
        .replace('id = "m"', 'id = "other"', 1)
        .replace('path = "logs"', 'path = "none"')
    )
    (tmp_path / "desk.toml").write_text(text + "\n" + second)
    outcome = evaluate(read_desk(tmp_path), now=NOW)
    assert [one.failure is None for one in outcome.models] == [True, False]
    with pytest.raises(UserError, match="there is no model 'third'; it has m, other"):
        evaluate(read_desk(tmp_path), models=["third"], now=NOW)
