"""The same values in another type are the same values: times with a zone, truths and numbers, whichever file holds which."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace

from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.slicing import Split
from mlops_desk.operations.dropped import Parts
from mlops_desk.operations.guess import proposal
from tests.aggregates.logs import written
from tests.monitoring.desks import (
    BY_PATH,
    BY_PERIOD,
    COLUMNS,
    INSIDE,
    LABELS,
    LOGS,
    Kept,
    assert_same,
    day_rows,
    kept,
    run,
    truth,
    write_desk,
)

DAYS = 7
MONITORS = """
[[models.monitors]]
metrics = ["jensen_shannon", "missing_rate", "rows", "accuracy", "roc_auc", "mean", "prediction_rate"]
"""
Change = Callable[[int, dict[str, Any]], dict[str, Any]]


def workspace(folder: Path, change: Change = lambda _, rows: rows, *parts: str, days: int = DAYS) -> Path:
    """A workspace of daily files with labels inside, each as `change` makes it of its number and columns."""
    given = "".join(parts)
    reference = "" if "models.reference" in given else BY_PERIOD
    columns = "" if "models.columns" in given else COLUMNS + INSIDE
    chunks = "" if "models.chunks" in given else '[models.chunks]\nevery = "1d"\n'
    write_desk(folder, LOGS, reference, columns, chunks, MONITORS, *parts)
    for day in range(days):
        written(folder / "logs" / f"{day:02}.parquet", change(day, {**day_rows(day), "repaid": truth(day)}))
    return folder


def evaluated(folder: Path, **options: Any) -> Kept:
    """What is stored after a run that must not fail."""
    outcome = run(folder, **options)
    assert outcome.failure is None, outcome.failure
    return kept(folder)


def assert_like_full(folder: Path) -> None:
    """Whether a full evaluation leaves what is stored."""
    before = kept(folder)
    assert_same(before, evaluated(folder, full=True))


def zoned(unit: str) -> Change:
    return lambda _, rows: {**rows, "ts": with_zone(rows["ts"], unit)}


def with_zone(times: pa.Array, unit: str) -> pa.Array:
    return times.cast(pa.timestamp(unit)).cast(pa.int64()).cast(pa.timestamp(unit, "UTC"))


CHUNKS = {
    "days of Berlin": '[models.chunks]\nevery = "1d"\ntimezone = "Europe/Berlin"\n',
    "hours": '[models.chunks]\nevery = "6h"\n',
    "size": "[models.chunks]\nsize = 50\n",
    "number": "[models.chunks]\nnumber = 3\n",
}


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
@pytest.mark.parametrize("which", [lambda day: True, lambda day: day % 2], ids=["all", "some"])
def test_nanoseconds_with_a_zone_are_read_like_microseconds(
    tmp_path: Path, chunks: str, which: Callable[[int], bool]
) -> None:
    micro, nano = zoned("us"), zoned("ns")
    one = workspace(tmp_path / "us", micro, chunks)
    other = workspace(tmp_path / "ns", lambda day, rows: (nano if which(day) else micro)(day, rows), chunks)
    assert_same(evaluated(other), evaluated(one))
    assert_like_full(other)


def test_nanoseconds_with_a_zone_beside_times_without(tmp_path: Path) -> None:
    nano, chunks = zoned("ns"), CHUNKS["size"]
    one = workspace(tmp_path / "naive", lambda _, rows: rows, chunks)
    other = workspace(tmp_path / "mixed", lambda day, rows: nano(day, rows) if day % 2 else rows, chunks)
    assert_same(evaluated(other), evaluated(one))


def test_another_column_of_nanoseconds_with_a_zone_is_no_trouble(tmp_path: Path) -> None:
    def change(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        return {**rows, "seen": with_zone(rows["ts"], "ns") if day % 2 else rows["ts"]}

    assert_same(
        evaluated(workspace(tmp_path / "a", change)),
        evaluated(workspace(tmp_path / "b", lambda day, rows: {**rows, "seen": rows["ts"]})),
    )


def test_init_reads_nanoseconds_with_a_zone(tmp_path: Path) -> None:
    folder = workspace(tmp_path, zoned("ns"))
    (folder / "desk.toml").unlink()
    made = proposal(folder, Parts(logs=("logs",)))
    assert made.failure is None
    assert made.model.columns.timestamp == "ts"
    assert made.model.chunks.every is not None


def truths(*names: str) -> Change:
    return lambda _, rows: {**rows, **{name: np.asarray(rows[name]).astype(bool) for name in names}}


def numbers(kind: str, *names: str) -> Change:
    return lambda _, rows: {**rows, **{name: np.asarray(rows[name]).astype(kind) for name in names}}


def some_days(change: Change, which: Callable[[int], bool]) -> Change:
    return lambda day, rows: change(day, rows) if which(day) else rows


def with_flag(change: Change) -> Change:
    """A protected column of truths as numbers, before the change."""
    return lambda day, rows: change(day, {**rows, "sex": (np.asarray(rows["sex"]) == "f").astype(np.int8)})


TRUTHS = {
    "predictions": truths("y_pred"),
    "labels": truths("repaid"),
    "both": truths("y_pred", "repaid"),
    "floating predictions": numbers("float64", "y_pred"),
    "groups": truths("sex"),
}
DAYS_OF = {"all": lambda day: True, "odd": lambda day: bool(day % 2), "log": lambda day: day > 3}


@pytest.mark.parametrize("change", TRUTHS.values(), ids=TRUTHS)
@pytest.mark.parametrize("which", ["odd", "log"])
def test_a_truth_is_the_number_it_stands_for(tmp_path: Path, change: Change, which: str) -> None:
    one = workspace(tmp_path / "numbers", with_flag(lambda _, rows: rows))
    other = workspace(tmp_path / "truths", with_flag(some_days(change, DAYS_OF[which])))
    assert_same(evaluated(other), evaluated(one))
    assert_like_full(other)


@pytest.mark.parametrize("change", [truths("y_pred"), truths("repaid")], ids=["predictions", "labels"])
def test_a_column_of_truths_goes_with_one_of_numbers(tmp_path: Path, change: Change) -> None:
    """Everywhere true in its own column, while the other of the two holds numbers."""
    one = workspace(tmp_path / "numbers")
    other = workspace(tmp_path / "truths", change)
    assert_same(evaluated(other), evaluated(one))


def test_reference_files_of_numbers_and_a_log_of_truths(tmp_path: Path) -> None:
    kinds = {"numbers": lambda _, rows: rows, "truths": truths("y_pred", "repaid")}
    found = {}
    for name, change in kinds.items():
        folder = workspace(tmp_path / name, some_days(change, DAYS_OF["log"]), BY_PATH)
        (folder / "reference").mkdir()
        for day in range(4):
            (folder / "logs" / f"{day:02}.parquet").rename(folder / "reference" / f"{day:02}.parquet")
        found[name] = evaluated(folder)
    assert_same(found["truths"], found["numbers"])


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("kinds", [("bool", "int8"), ("int64", "bool"), ("bool", "float64"), ("bool", "bool")])
def test_label_files_of_truths_and_of_numbers_agree(tmp_path: Path, kinds: tuple[str, str], task: str) -> None:
    """The second file repeats some labels of the first, and arrives later."""
    found = {}
    columns = COLUMNS if task == "binary" else COLUMNS.replace('score = "score"', "")
    for name, (first, second) in {"same": ("int8", "int8"), "other": kinds}.items():
        folder = workspace(
            tmp_path / name, lambda _, rows: {k: v for k, v in rows.items() if k != "repaid"}, columns, LABELS
        )
        text = (folder / "desk.toml").read_text().replace('"binary"', f'"{task}"')
        (folder / "desk.toml").write_text(text)
        write_typed(folder, "1", range(5), first)
        evaluated(folder)
        write_typed(folder, "2", range(4, 7), second)
        found[name] = evaluated(folder)
        assert_like_full(folder)
    assert_same(found["other"], found["same"])


def write_typed(folder: Path, name: str, days: range, kind: str) -> None:
    ids = np.concatenate([day_rows(day)["id"] for day in days])
    labels = np.concatenate([truth(day) for day in days]).astype(kind)
    written(folder / "labels" / f"{name}.parquet", {"id": ids, "repaid": labels})


def test_truths_alone_keep_their_names(tmp_path: Path) -> None:
    found = evaluated(workspace(tmp_path, truths("y_pred", "repaid")))
    assert {name for held, bins in found.histograms.items() if "y_pred" in held for name in bins} == {"true", "false"}
    assert {row["value"] for row in found.values.values() if row["metric"] == "accuracy"} != {None}


BERLIN = ZoneInfo("Europe/Berlin")
EAST = timezone(timedelta(hours=5))


def texts(write: Callable[[int, datetime], str]) -> Change:
    """The instants of a day as text; `write` is told the row's place and the time in UTC."""

    def change(_: int, rows: dict[str, Any]) -> dict[str, Any]:
        moments = [one.replace(tzinfo=UTC) for one in rows["ts"].to_pylist()]
        return {**rows, "ts": [write(place, one) for place, one in enumerate(moments)]}

    return change


def mixed(place: int, one: datetime) -> str:
    """With an offset, with a Z, or as the local time of Berlin, row by row."""
    local = one.astimezone(BERLIN).replace(tzinfo=None)
    ways = (one.astimezone(EAST).isoformat(), f"{one:%Y-%m-%dT%H:%M:%SZ}", local.isoformat(sep=" "))
    return ways[place % 3]


ISO = {
    "offset of the east": texts(lambda _, one: one.astimezone(EAST).isoformat()),
    "offset of Berlin": texts(lambda _, one: f"{one.astimezone(BERLIN):%Y-%m-%d %H:%M:%S%z}"),
    "Z": texts(lambda _, one: f"{one:%Y-%m-%dT%H:%M:%SZ}"),
    "a space and Z": texts(lambda _, one: f"{one:%Y-%m-%d %H:%M:%S Z}"),
    "a zone": texts(lambda _, one: f"{one:%Y-%m-%d %H:%M:%S} UTC"),
    "row by row": texts(mixed),
    "local": texts(lambda _, one: one.astimezone(BERLIN).replace(tzinfo=None).isoformat()),
}
IN_BERLIN = {
    name: text if "timezone" in text else text + 'timezone = "Europe/Berlin"\n' for name, text in CHUNKS.items()
}


@pytest.mark.parametrize("way", ISO.values(), ids=ISO)
@pytest.mark.parametrize("chunks", ["days of Berlin", "size"])
def test_a_text_with_an_offset_is_that_instant(tmp_path: Path, way: Change, chunks: str) -> None:
    one = workspace(tmp_path / "times", zoned("us"), IN_BERLIN[chunks])
    other = workspace(tmp_path / "texts", way, IN_BERLIN[chunks])
    assert_same(evaluated(other), evaluated(one))
    assert_like_full(other)


@pytest.mark.parametrize("zone", [EAST, UTC, BERLIN])
@pytest.mark.parametrize("chunks", ["days of Berlin", "number"])
def test_a_format_with_an_offset_is_that_instant(tmp_path: Path, zone: tzinfo, chunks: str) -> None:
    end = "Z" if zone is UTC else "%z"
    way = texts(lambda _, one: f"{one.astimezone(zone):%d/%m/%Y %H:%M:%S}{one.astimezone(zone).strftime(end)}")
    columns = COLUMNS + INSIDE + 'timestamp_format = "%d/%m/%Y %H:%M:%S%z"\n'
    one = workspace(tmp_path / "times", zoned("us"), IN_BERLIN[chunks])
    other = workspace(tmp_path / "texts", way, columns, IN_BERLIN[chunks])
    assert_same(evaluated(other), evaluated(one))


def test_a_file_of_texts_with_offsets_goes_with_files_of_times(tmp_path: Path) -> None:
    one = workspace(tmp_path / "times", zoned("us"), IN_BERLIN["size"])
    way = ISO["offset of the east"]
    other = workspace(
        tmp_path / "both", lambda day, rows: way(day, rows) if day % 2 else zoned("ns")(day, rows), IN_BERLIN["size"]
    )
    assert_same(evaluated(other), evaluated(one))


def test_the_first_offset_that_arrives_changes_no_local_time(tmp_path: Path) -> None:
    """Texts without an offset stay local times when a later file has texts with one."""
    way = lambda day, rows: ISO["local" if day < 6 else "offset of the east"](day, rows)  # noqa: E731
    one = workspace(tmp_path / "times", zoned("us"), IN_BERLIN["days of Berlin"])
    other = workspace(tmp_path / "texts", way, IN_BERLIN["days of Berlin"], days=6)
    evaluated(other)
    written(other / "logs" / "06.parquet", way(6, {**day_rows(6), "repaid": truth(6)}))
    assert_same(evaluated(other), evaluated(one))
    assert_like_full(other)


def as_texts(*names: str, every: int = 7) -> Change:
    """Columns as text, of which every so many values are no number."""
    return lambda _, rows: {
        **rows,
        **{
            name: [
                None if x is None else "n/a" if at % every == 3 else str(x) for at, x in enumerate(listed(rows[name]))
            ]
            for name in names
        },
    }


def without(*names: str, every: int = 7) -> Change:
    """Columns of which those values are missing."""
    return lambda _, rows: {
        **rows,
        **{name: [None if at % every == 3 else x for at, x in enumerate(listed(rows[name]))] for name in names},
    }


def listed(column: Any) -> list[Any]:
    return column.to_pylist() if isinstance(column, pa.Array) else column.tolist()


@pytest.mark.parametrize("times", ["times", "texts"])
def test_a_file_of_texts_leaves_numbers_what_they_are_in_the_reference(tmp_path: Path, times: str) -> None:
    """Texts that are no numbers count as missing, and nothing else of the column changes."""
    way = ISO["local"] if times == "texts" else lambda _, rows: rows
    found = {}
    for name, change in {"missing": without("x", "age", "score"), "texts": as_texts("x", "age", "score")}.items():
        folder = workspace(
            tmp_path / name, lambda day, rows, do=change: some_days(do, lambda one: one == 5)(day, way(day, rows))
        )
        evaluated(folder)
        found[name] = kept(folder)
        assert_like_full(folder)
    conflicts = [(code, count) for code, count in found["texts"].notes if code == "column_conflict"]
    assert conflicts == [("column_conflict", 6)] * 3
    assert_same(replace(found["texts"], notes=found["missing"].notes), found["missing"])


def test_texts_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    outcome = run(workspace(tmp_path, some_days(as_texts("x"), lambda day: day > 4)))
    [note] = [one for one in outcome.notes if one.code == "column_conflict"]
    assert note.level is NoteLevel.WARNING
    for told in ("'x'", "05.parquet and 1 more file", "12 values", "'n/a'", "missing"):
        assert told in note.text


@pytest.mark.parametrize(
    "columns", [COLUMNS + INSIDE + 'categorical = ["age"]\n', COLUMNS + INSIDE], ids=["said", "codes"]
)
def test_categories_stay_categories_where_a_file_holds_text(tmp_path: Path, columns: str) -> None:
    """Those that desk.toml names, and codes of the reference."""
    name = "age" if "categorical" in columns else "code"

    def change(day: int, rows: dict[str, Any]) -> dict[str, Any]:
        rows = {**rows, "code": rows["age"] % 5}
        return as_texts(name)(day, rows) if day == 5 else rows

    found = evaluated(workspace(tmp_path, change, columns))
    metrics = {row["metric"] for row in found.values.values() if row["column"] == name}
    assert "jensen_shannon" in metrics
    assert "mean" not in metrics


def labelled_as(*words: str) -> Change:
    """Labels as the words of their place among 0, 1 and, of every ninth row, 2."""

    def change(_: int, rows: dict[str, Any]) -> dict[str, Any]:
        labels = np.asarray(rows["repaid"]).astype(int)
        if len(words) > 2:
            labels[::9] = 2
        return {**rows, "repaid": [words[label] for label in labels]}

    return change


def named_note(folder: Path) -> DataNote | None:
    notes = [note for note in run(folder, full=True).notes if note.code == "labels_unknown"]
    assert len(notes) < 2
    return notes[0] if notes else None


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("inside", [True, False], ids=["inside", "label files"])
def test_labels_that_are_no_class_of_the_predictions_are_named_and_not_compared(
    tmp_path: Path, inside: bool, task: str
) -> None:
    change = labelled_as("no", "yes")
    columns = COLUMNS if task == "binary" else COLUMNS.replace('score = "score"', "")
    if inside:
        folder = workspace(tmp_path, change, columns + INSIDE)
    else:
        folder = workspace(tmp_path, lambda _, rows: {k: v for k, v in rows.items() if k != "repaid"}, columns, LABELS)
        ids = np.concatenate([day_rows(day)["id"] for day in range(DAYS)])
        words = [change(day, {"repaid": truth(day)})["repaid"] for day in range(DAYS)]
        written(folder / "labels" / "a.parquet", {"id": ids, "repaid": [word for day in words for word in day]})
    (folder / "desk.toml").write_text((folder / "desk.toml").read_text().replace('"binary"', f'"{task}"'))
    found = evaluated(folder)
    accuracies = [row for row in found.values.values() if row["metric"] == "accuracy"]
    assert accuracies
    for row in accuracies:
        assert row["value"] is None
        assert "no label is a class of the predictions" in str(row["reason"])
    rates = {row["value"] for row in found.values.values() if row["metric"] == "prediction_rate"}
    assert task != "binary" or rates - {None}, "what needs no labels is there"
    note = named_note(folder)
    assert note is not None
    assert note.level is NoteLevel.WARNING
    for told in ("'no', 'yes'", "'0', '1'", "'repaid'", "target", "untested"):
        assert told in note.text
    assert ("columns.positive" in note.text) == (task == "binary")


def test_a_third_label_of_a_binary_model_is_named(tmp_path: Path) -> None:
    folder = workspace(tmp_path, labelled_as("0", "1", "2"))
    found = evaluated(folder)
    note = named_note(folder)
    assert note is not None
    assert "'repaid' are '2'" in note.text
    assert "columns.positive" in note.text
    assert {row["value"] for row in found.values.values() if row["metric"] == "accuracy"} - {None}


@pytest.mark.parametrize("words", [("0", "1"), ("false", "true"), ("0.0", "1.0")])
def test_labels_that_the_model_knows_are_no_news(tmp_path: Path, words: tuple[str, str]) -> None:
    assert named_note(workspace(tmp_path, labelled_as(*words))) is None


def test_one_label_that_is_never_predicted_is_no_news(tmp_path: Path) -> None:
    """The reference predicts one class, and a chunk has labels of the other alone."""

    def change(_: int, rows: dict[str, Any]) -> dict[str, Any]:
        return {**rows, "y_pred": np.ones(40, dtype=np.int8), "repaid": np.zeros(40, dtype=np.int8)}

    folder = workspace(tmp_path, change)
    found = evaluated(folder)
    assert named_note(folder) is None
    realised = [row for row in found.values.values() if (row["family"], row["metric"]) == ("performance", "accuracy")]
    assert {row["value"] for row in realised} == {0.0}


AUTUMN = datetime(2024, 10, 26, 22, tzinfo=UTC)
"""Midnight of Berlin before the clock is set back: the day has 25 hours, two of them begin at 02:00."""
HOURLY = '[models.chunks]\nevery = "1h"\ntimezone = "Europe/Berlin"\n'


def autumn(
    folder: Path, make: Callable[[datetime], object], kind: pa.DataType, chunks: str = HOURLY
) -> list[tuple[datetime, int]]:
    """Start and rows of each chunk, of a log that has a row every ten minutes of the day, in one file an hour and one for all."""
    write_desk(folder, LOGS, BY_PATH, '[models.columns]\ntimestamp = "ts"\n', chunks, task="")
    moments = [AUTUMN + timedelta(minutes=10 * step) for step in range(25 * 6)]
    for hour in range(25):
        some = moments[6 * hour : 6 * hour + 6]
        written(
            folder / "logs" / f"{hour:02}.parquet", {"ts": pa.array([make(one) for one in some], kind), "x": [0.5] * 6}
        )
    written(folder / "logs" / "all.parquet", {"ts": pa.array([make(one) for one in moments], kind), "x": [0.5] * 150})
    before = [one - timedelta(days=30) for one in moments]
    written(folder / "reference" / "a.parquet", {"ts": pa.array([make(one) for one in before], kind), "x": [0.5] * 150})
    found = evaluated(folder, now=AUTUMN + timedelta(days=2))
    assert_same(evaluated(folder, now=AUTUMN + timedelta(days=2), full=True), found)
    return [(chunk[3], chunk[5]) for chunk in found.chunks if chunk[0] is Split.ANALYSIS]


@pytest.mark.parametrize("unit", ["us", "ns"])
def test_the_hour_that_the_clock_repeats_is_two_chunks_where_instants_are_known(tmp_path: Path, unit: str) -> None:
    chunks = autumn(tmp_path, lambda one: one, pa.timestamp(unit, "UTC"))
    assert chunks == [(AUTUMN + timedelta(hours=hour), 12) for hour in range(25)]


def test_texts_with_offsets_tell_the_repeated_hours_apart(tmp_path: Path) -> None:
    chunks = autumn(tmp_path, lambda one: one.astimezone(BERLIN).isoformat(), pa.string())
    assert chunks == [(AUTUMN + timedelta(hours=hour), 12) for hour in range(25)]


def test_local_times_cannot_tell_them_apart(tmp_path: Path) -> None:
    chunks = autumn(tmp_path, lambda one: one.astimezone(BERLIN).replace(tzinfo=None), pa.timestamp("us"))
    assert [rows for _, rows in chunks] == [12, 12, 24, *[12] * 21]


def test_days_and_half_days_stay_on_the_local_clock(tmp_path: Path) -> None:
    days = autumn(tmp_path / "days", lambda one: one, pa.timestamp("us", "UTC"), HOURLY.replace("1h", "1d"))
    assert days == [(AUTUMN, 300)]
    halves = autumn(tmp_path / "halves", lambda one: one, pa.timestamp("us", "UTC"), HOURLY.replace("1h", "12h"))
    assert halves == [(AUTUMN, 156), (AUTUMN + timedelta(hours=13), 144)]


def test_hours_of_files_with_and_without_a_zone(tmp_path: Path) -> None:
    one = workspace(tmp_path / "zoned", zoned("us"), HOURLY)

    def local(_: int, rows: dict[str, Any]) -> dict[str, Any]:
        moments = [one.replace(tzinfo=UTC).astimezone(BERLIN) for one in rows["ts"].to_pylist()]
        return {**rows, "ts": pa.array([one.replace(tzinfo=None) for one in moments])}

    other = workspace(tmp_path / "mixed", lambda day, rows: (local if day > 4 else zoned("us"))(day, rows), HOURLY)
    assert evaluated(other).chunks == evaluated(one).chunks


def test_a_log_whose_labels_only_the_reference_knows_is_told_what_is_untested(tmp_path: Path) -> None:
    folder = workspace(tmp_path, some_days(labelled_as("no", "yes"), DAYS_OF["log"]))
    found = evaluated(folder)
    realised = [row for row in found.values.values() if (row["family"], row["metric"]) == ("performance", "accuracy")]
    assert {str(row["split"]) for row in realised if row["value"] is not None} == {"reference"}
    note = named_note(folder)
    assert note is not None
    assert "untested" in note.text
    assert "'no', 'yes'" in note.text
