"""Late labels joined to the rows of a log, against a dictionary: whatever ids and labels are, and in whatever order files arrive."""

import math
import shutil
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import Labels, Logs, Model, Reference
from mlops_desk.domain.schema import ColumnRoles, Task
from mlops_desk.domain.slicing import ChunkRule
from mlops_desk.monitoring.counting import UnreadableFiles
from mlops_desk.monitoring.labelling import LabelJoin, Labelling
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.discovery import find_files
from mlops_desk.warehouse.footers import read_footers
from mlops_desk.warehouse.labels import CONFLICT, NONE
from tests.aggregates.logs import written

few = settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
steps = settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Pair = tuple[Any, Any]


def model_of(task: Task = Task.BINARY, id: str | None = "id", key: str = "key") -> Model:
    return Model(
        id="m",
        name="M",
        task=task,
        logs=Logs(paths=("logs",)),
        reference=Reference(paths=("reference",)),
        columns=ColumnRoles(id=id, prediction="y_pred"),
        chunks=ChunkRule(every="1d"),
        labels=Labels(paths=("labels",), key=key, target="truth"),
    )


def joined(folder: Path, model: Model, *, fresh: bool = False) -> tuple[list[list[Any]], Labelling]:
    """The label of every row of every log file (None for none, `clash` for several), and all that the join says."""
    assert model.labels is not None
    logs, labels = (find_files(folder, [name], "k") for name in ("logs", "labels"))
    with (
        Connection([file.path for file in (*logs, *labels)], folder / "spill") as connection,
        Cache(folder / "cache") as cache,
    ):
        footers, truths = (read_footers(connection, files)[0] for files in (logs, labels))
        found = LabelJoin(connection, cache, model, model.labels).joined(footers, truths, fresh=fresh)
        rows = [
            told(found.labels[footer.file.fingerprint], found.classes, model)
            for footer in footers
            if footer.file.fingerprint in found.labels
        ]
    return rows, found


def told(codes: np.ndarray, classes: Sequence[str], model: Model) -> list[Any]:
    if model.task is Task.REGRESSION:
        return [None if math.isnan(one) else "clash" if math.isinf(one) else one for one in codes.tolist()]
    return [None if code == NONE else "clash" if code == CONFLICT else classes[code] for code in codes.tolist()]


def looked_up(ids: Sequence[Any], pairs: Sequence[Pair]) -> list[Any]:
    """What a dictionary gives: one label an id, several are a clash."""
    truth: dict[Any, set[Any]] = {}
    for key, label in pairs:
        if key is not None and is_label(label):
            truth.setdefault(key, set()).add(label)
    found = []
    for one in ids:
        labels = truth.get(one, set()) if one is not None else set()
        found.append(None if not labels else next(iter(labels)) if len(labels) == 1 else "clash")
    return found


def is_label(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def write_labels(path: Path, pairs: Sequence[Pair], key: pa.DataType, target: pa.DataType) -> None:
    written(
        path, {"key": pa.array([one for one, _ in pairs], key), "truth": pa.array([one for _, one in pairs], target)}
    )


IDS: dict[str, tuple[st.SearchStrategy[Any], pa.DataType, pa.DataType]] = {
    "whole": (st.integers(-3, 12) | st.sampled_from([2**62, -(2**63), 2**63 - 1]), pa.int64(), pa.int64()),
    "whole of other width": (st.integers(0, 12), pa.int16(), pa.uint32()),
    "huge": (st.sampled_from([1, 2**63, 2**64 - 1, 7]), pa.uint64(), pa.uint64()),
    "text": (st.sampled_from(["", "a", "A", "a ", "it's", "größe", "日本", "1", "01"]), pa.string(), pa.string()),
    "dictionary and text": (st.sampled_from(["a", "b", "c"]), pa.dictionary(pa.int32(), pa.string()), pa.string()),
    "whole and double": (st.integers(0, 12), pa.int64(), pa.float64()),
    "decimal and whole": (st.integers(0, 12).map(Decimal), pa.decimal128(9, 2), pa.int32()),
}  # fmt: skip


@pytest.mark.parametrize("kind", IDS)
@few
@given(drawn=st.data())
def test_every_row_gets_the_label_of_its_id(tmp_path: Path, kind: str, drawn: st.DataObject) -> None:
    numbers, log_type, label_type = IDS[kind]
    ids = drawn.draw(st.lists(numbers | st.none(), min_size=8, max_size=30))
    pairs = drawn.draw(
        st.lists(st.tuples(numbers | st.none(), st.sampled_from(["yes", "yes", "no", None])), min_size=4, max_size=20)
    )
    shutil.rmtree(tmp_path)
    written(tmp_path / "logs" / "a.parquet", {"id": pa.array(ids, log_type)})
    write_labels(tmp_path / "labels" / "a.parquet", pairs, label_type, pa.string())
    rows, _ = joined(tmp_path, model_of())
    assert rows == [looked_up(ids, pairs)]


def test_text_ids_meet_whole_ones(tmp_path: Path) -> None:
    written(tmp_path / "logs" / "a.parquet", {"id": ["1", "2", "x", "03"]})
    write_labels(tmp_path / "labels" / "a.parquet", [(1, "yes"), (3, "no")], pa.int64(), pa.string())
    assert joined(tmp_path, model_of())[0] == [["yes", None, None, None]]


LABELS: dict[str, tuple[Task, list[Any], pa.DataType, dict[Any, Any]]] = {
    "text": (Task.MULTICLASS, ["a", "it's", "größe", None], pa.string(), {}),
    "whole": (Task.BINARY, [0, 1, None], pa.int8(), {0: "0", 1: "1"}),
    "double": (Task.BINARY, [0.0, 1.0, math.nan, None], pa.float64(), {0.0: "0", 1.0: "1"}),
    "boolean": (Task.BINARY, [True, False, None], pa.bool_(), {True: "true", False: "false"}),
    "decimal": (Task.BINARY, [Decimal("0"), Decimal("1"), None], pa.decimal128(4, 2), {Decimal(0): "0", Decimal(1): "1"}),
    "fraction": (Task.MULTICLASS, [0.5, 2.0, -1.5], pa.float64(), {0.5: "0.5", 2.0: "2", -1.5: "-1.5"}),
    "number": (Task.REGRESSION, [0.5, -1.0, 1e300, math.nan, None], pa.float64(), {}),
    "whole number": (Task.REGRESSION, [5, -1, 2**40, None], pa.int64(), {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", LABELS)
@few
@given(drawn=st.data())
def test_labels_of_every_type_arrive_in_any_order_of_files(tmp_path: Path, kind: str, drawn: st.DataObject) -> None:
    """Joined file by file, with the log growing in between, and joined at once: the same labels and the same words."""
    task, choices, type_, texts = LABELS[kind]
    model = model_of(task)
    pair = st.tuples(st.integers(0, 6), st.sampled_from(choices))
    logs = drawn.draw(st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=6), min_size=1, max_size=3))
    files = drawn.draw(st.lists(st.lists(pair, min_size=1, max_size=5), min_size=1, max_size=4))
    arrivals = drawn.draw(
        st.permutations(
            [*((True, index) for index in range(len(logs))), *((False, index) for index in range(len(files)))]
        )
    )
    shutil.rmtree(tmp_path)
    (tmp_path / "labels").mkdir(parents=True)
    for is_log, index in arrivals:
        if is_log:
            written(tmp_path / "logs" / f"{index}.parquet", {"id": pa.array(logs[index], pa.int64())})
        else:
            write_labels(tmp_path / "labels" / f"{index}.parquet", files[index], pa.int64(), type_)
        if (tmp_path / "logs").is_dir() and drawn.draw(st.booleans()):
            joined(tmp_path, model)
    rows, found = joined(tmp_path, model)
    pairs = [(key, texts.get(label, label)) for some in files for key, label in some if is_label(label)]
    assert rows == [looked_up(ids, pairs) for ids in logs]
    at_once, whole = joined(tmp_path, model, fresh=True)
    assert at_once == rows
    assert set(whole.classes) == set(found.classes)
    clashes = len(
        {key for ids, row in zip(logs, rows, strict=True) for key, one in zip(ids, row, strict=True) if one == "clash"}
    )
    for one in (found, whole):
        assert [note.count for note in one.notes if note.code == "labels_conflicting"] == [clashes] * bool(clashes)


def test_a_conflict_stays_one_whatever_arrives_later(tmp_path: Path) -> None:
    for task, type_, one, other in ((Task.BINARY, pa.int8(), 1, 0), (Task.REGRESSION, pa.float64(), 1.5, 2.5)):
        folder = tmp_path / task.value
        written(folder / "logs" / "a.parquet", {"id": [1, 2]})
        for index, label in enumerate([one, other, one]):
            write_labels(folder / "labels" / f"{index}.parquet", [(1, label)], pa.int64(), type_)
            rows, _ = joined(folder, model_of(task))
            assert rows[0][0] == ("clash" if index else joined(folder, model_of(task), fresh=True)[0][0][0])
            assert rows[0][1] is None


def test_labels_of_files_whose_types_differ(tmp_path: Path) -> None:
    """Text in one file must never become part of a query on another that holds numbers."""
    evil = "1 then 0 else (select 7) end --"
    written(tmp_path / "logs" / "a.parquet", {"id": list(range(6))})
    write_labels(tmp_path / "labels" / "a.parquet", [(0, 0), (1, 1)], pa.int64(), pa.int32())
    write_labels(tmp_path / "labels" / "b.parquet", [(2, "1"), (3, evil), (4, "no")], pa.int64(), pa.string())
    write_labels(tmp_path / "labels" / "c.parquet", [(5, True)], pa.int64(), pa.bool_())
    rows, found = joined(tmp_path, model_of(Task.MULTICLASS))
    assert rows[0][:5] == ["0", "1", "1", evil, "no"]
    assert evil in found.classes


def test_a_removed_or_rewritten_label_file_leaves_no_trace(tmp_path: Path) -> None:
    model = model_of()
    written(tmp_path / "logs" / "a.parquet", {"id": [1, 2, 3]})
    write_labels(tmp_path / "labels" / "a.parquet", [(1, "yes"), (2, "yes")], pa.int64(), pa.string())
    write_labels(tmp_path / "labels" / "b.parquet", [(2, "no"), (3, "maybe"), (9, "no")], pa.int64(), pa.string())
    assert joined(tmp_path, model)[0] == [["yes", "clash", "maybe"]]
    (tmp_path / "labels" / "b.parquet").unlink()
    rows, found = joined(tmp_path, model)
    assert rows == [["yes", "yes", None]]
    assert (found.classes, found.notes) == (("yes",), ())
    write_labels(tmp_path / "labels" / "a.parquet", [(3, "no"), (4, "no"), (5, "no")], pa.int64(), pa.string())
    rows, found = joined(tmp_path, model)
    assert rows == [[None, None, "no"]]
    assert found.classes == ("no",)
    (tmp_path / "labels" / "a.parquet").unlink()
    rows, found = joined(tmp_path, model)
    assert rows in ([], [[None, None, None]])
    assert found.classes == ()


def test_a_removed_or_rewritten_log_file_is_counted_as_it_is_now(tmp_path: Path) -> None:
    model = model_of()
    written(tmp_path / "logs" / "a.parquet", {"id": [1, 2]})
    written(tmp_path / "logs" / "b.parquet", {"id": [3]})
    write_labels(tmp_path / "labels" / "a.parquet", [(key, "yes") for key in (1, 2, 3, 4)], pa.int64(), pa.string())
    counts = {note.code: note.count for note in joined(tmp_path, model)[1].notes}
    assert counts == {"labels_unmatched": 1}
    written(tmp_path / "logs" / "a.parquet", {"id": [1, 2, 5]})
    counts = {note.code: note.count for note in joined(tmp_path, model)[1].notes}
    assert counts == {"labels_unmatched": 1}
    (tmp_path / "logs" / "b.parquet").unlink()
    counts = {note.code: note.count for note in joined(tmp_path, model)[1].notes}
    assert counts == {"labels_unmatched": 2}


def test_what_became_of_label_rows_is_told(tmp_path: Path) -> None:
    written(tmp_path / "logs" / "a.parquet", {"id": [1, 2, 2, 3, 4]})
    pairs = [(1, "yes"), (1, "yes"), (1, "yes"), (2, "yes"), (2, "no"), (None, "no"), (3, None), (8, "no"), (9, "no")]
    write_labels(tmp_path / "labels" / "a.parquet", pairs, pa.int64(), pa.string())
    rows, found = joined(tmp_path, model_of())
    assert rows == [["yes", "clash", "clash", None, None]]
    counts = {note.code: note.count for note in found.notes}
    assert counts == {"labels_unmatched": 2, "labels_duplicated": 3, "labels_conflicting": 1, "labels_empty": 2}


def test_ids_that_do_not_meet_are_told_in_one_line(tmp_path: Path) -> None:
    written(tmp_path / "logs" / "a.parquet", {"id": [1, 2]})
    write_labels(tmp_path / "labels" / "a.parquet", [("c-1", "yes"), ("c-2", "no")], pa.string(), pa.string())
    rows, found = joined(tmp_path, model_of())
    assert rows == [[None, None]]
    assert [note.text for note in found.notes] == [
        "none of the 2 labels has an id of the log: are 'key' and 'id' the same ids?"
    ]


def test_columns_that_are_not_there_are_named_with_those_that_are(tmp_path: Path) -> None:
    written(tmp_path / "logs" / "a.parquet", {"client": [1]})
    write_labels(tmp_path / "labels" / "a.parquet", [(1, "yes")], pa.int64(), pa.string())
    with pytest.raises(UserError, match=r"columns\.id: the log has no column 'key' to join labels by; it has client"):
        joined(tmp_path, model_of(id=None))
    written(tmp_path / "logs" / "a.parquet", {"id": [1]})
    with pytest.raises(UserError, match=r"a\.parquet has no column 'code'; it has key, truth"):
        joined(tmp_path, model_of(key="code"))


def test_numbers_are_no_classes(tmp_path: Path) -> None:
    written(tmp_path / "logs" / "a.parquet", {"id": [1]})
    pairs = [(row, row / 7) for row in range(1500)]
    write_labels(tmp_path / "labels" / "a.parquet", pairs, pa.int64(), pa.float64())
    with pytest.raises(UserError, match="more than 1000 values, so it holds no classes"):
        joined(tmp_path, model_of())


def test_many_ids_in_any_order_find_their_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    ids = rng.permutation(60_000)
    labels = rng.permutation(60_000)[:40_000]
    text = np.char.add("c-", ids.astype(str))
    written(tmp_path / "logs" / "a.parquet", {"id": ids})
    written(tmp_path / "logs-text" / "a.parquet", {"id": text})
    truth = {int(key): int(key) % 5 for key in labels}
    write_labels(tmp_path / "labels" / "a.parquet", [(key, truth[key]) for key in truth], pa.int64(), pa.int8())
    rows, _ = joined(tmp_path, model_of(Task.MULTICLASS))
    expected = [None if int(one) not in truth else str(int(one) % 5) for one in ids]
    assert rows == [expected]
    shutil.rmtree(tmp_path / "logs")
    (tmp_path / "logs-text").rename(tmp_path / "logs")
    write_labels(tmp_path / "labels" / "a.parquet", [(f"c-{key}", truth[key]) for key in truth], pa.string(), pa.int8())
    assert joined(tmp_path, model_of(Task.MULTICLASS))[0] == [expected]


def step(drawn: st.DataObject, folder: Path, number: int, choices: Sequence[Any], type_: pa.DataType) -> None:
    """One log or label file comes, is rewritten, or goes; one log file always stays."""
    what = drawn.draw(st.sampled_from(["log", "label", "label", "label", "rewrite", "gone log", "gone label"]))
    logs, labels = (sorted((folder / name).glob("*")) for name in ("logs", "labels"))
    ids = drawn.draw(st.lists(st.integers(0, 5) | st.none(), min_size=1, max_size=5))
    pairs = drawn.draw(
        st.lists(st.tuples(st.integers(0, 9) | st.none(), st.sampled_from(choices)), min_size=1, max_size=6)
    )
    if what == "gone log" and len(logs) > 1:
        logs[0].unlink()
    elif what == "gone label" and labels:
        labels[0].unlink()
    elif what == "rewrite":
        written(logs[0], {"id": pa.array([*ids, *([None] * number)], pa.int64())})
    elif what == "log":
        written(folder / "logs" / f"{number}.parquet", {"id": pa.array(ids, pa.int64())})
    else:
        write_labels(folder / "labels" / f"{number}.parquet", pairs, pa.int64(), type_)


def told_by_hand(folder: Path) -> dict[str, int]:
    """What a full count of the files says of the label rows, by the code of the note."""
    import pyarrow.parquet as pq

    ids = {one for path in (folder / "logs").glob("*") for one in pq.read_table(path)["id"].to_pylist()} - {None}
    rows = [
        (row["key"], row["truth"]) for path in (folder / "labels").glob("*") for row in pq.read_table(path).to_pylist()
    ]
    usable = [(key, label) for key, label in rows if key is not None and is_label(label)]
    matched = [(key, label) for key, label in usable if key in ids]
    labels = {key: {label for other, label in matched if other == key} for key, _ in matched}
    counts = {
        "labels_unmatched": len(usable) - len(matched),
        "labels_duplicated": len(matched) - len(labels),
        "labels_conflicting": sum(len(some) > 1 for some in labels.values()),
        "labels_empty": len(rows) - len(usable),
    }
    return {code: count for code, count in counts.items() if count}


@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.REGRESSION])
@steps
@given(drawn=st.data())
def test_whatever_comes_and_goes_labels_and_notes_are_those_of_a_full_join(
    tmp_path: Path, task: Task, drawn: st.DataObject
) -> None:
    model = model_of(task)
    choices, type_ = (["a", "b", None], pa.string()) if task is Task.MULTICLASS else ([1.5, -2.0, None], pa.float64())
    shutil.rmtree(tmp_path)
    written(tmp_path / "logs" / "first.parquet", {"id": pa.array([0, 1, 1, None], pa.int64())})
    (tmp_path / "labels").mkdir()
    whole = tmp_path / "whole"
    for number in range(drawn.draw(st.integers(2, 5))):
        step(drawn, tmp_path, number, choices, type_)
        if drawn.draw(st.booleans()):
            continue
        shutil.rmtree(whole, ignore_errors=True)
        for name in ("logs", "labels"):
            shutil.copytree(tmp_path / name, whole / name)
        rows, found = joined(tmp_path, model)
        at_once, full = joined(whole, model, fresh=True)
        assert rows == at_once
        assert [(note.code, note.count, note.text) for note in found.notes] == [
            (note.code, note.count, note.text) for note in full.notes
        ]
        assert {note.code: note.count for note in found.notes} == told_by_hand(tmp_path)


@pytest.mark.parametrize(
    ("ids", "keys"),
    [
        (pa.array([1.0, 2.0, None, math.nan, 0.5]), pa.array([1, 2, 3], pa.int64())),
        (pa.array([1, 2, None, None, 0], pa.int64()), pa.array([1.0, 2.0, math.nan])),
        (pa.array([1.0, 2.0, None, math.nan, -math.inf]), pa.array([1.0, 2.0, math.nan])),
        (pa.array([1, 2, None, None, 0], pa.uint64()), pa.array(["1", "2", "x"])),
        (pa.array(["1", "2", None, "01", "1.0"]), pa.array([1.0, 2.0, math.inf], pa.float32())),
        (pa.array([1.0, 2.0, None, 0.25, -1.0]), pa.array([Decimal("1.00"), Decimal("2.00"), Decimal("3.10")])),
    ],
)
def test_whole_ids_meet_whatever_their_types(tmp_path: Path, ids: pa.Array, keys: pa.Array) -> None:
    written(tmp_path / "logs" / "a.parquet", {"id": ids})
    written(tmp_path / "labels" / "a.parquet", {"key": keys, "truth": ["yes", "no", "no"]})
    assert joined(tmp_path, model_of())[0] == [["yes", "no", None, None, None]]


def test_ids_that_are_no_whole_numbers_and_very_large_ones_meet(tmp_path: Path) -> None:
    written(tmp_path / "logs" / "a.parquet", {"id": pa.array([0.5, 2.0**70, -0.0, 1e300])})
    keys = pa.array([Decimal("0.50"), Decimal(2**70), Decimal(0)], pa.decimal128(38, 2))
    written(tmp_path / "labels" / "a.parquet", {"key": keys, "truth": ["a", "b", "c"]})
    assert joined(tmp_path, model_of())[0] == [["a", "b", "c", None]]


def test_classes_are_the_same_texts_in_files_of_every_type(tmp_path: Path) -> None:
    written(tmp_path / "logs" / "a.parquet", {"id": list(range(8))})
    some: list[tuple[list[Any], pa.DataType]] = [
        ([1, 2**60 + 1], pa.int64()),
        ([1.0, math.inf, -math.inf, math.nan, 0.1], pa.float64()),
        ([1.0, 0.1], pa.float32()),
        ([Decimal("1.00")], pa.decimal128(5, 2)),
        (["1", "true", "it's"], pa.string()),
        ([True], pa.bool_()),
        ([None], pa.null()),
    ]
    places = [[0, 1], [0, 4, 4, 4, 2], [0, 2], [0], [0, 3, 5], [3], [6]]
    for number, ((labels, type_), keys) in enumerate(zip(some, places, strict=True)):
        pairs = list(zip(keys, labels, strict=True))
        write_labels(tmp_path / "labels" / f"{number}.parquet", pairs, pa.int64(), type_)
        rows, found = joined(tmp_path, model_of(Task.MULTICLASS))
    expected = [["1", str(2**60 + 1), "0.1", "1", None, "it's", None, None]]
    assert rows == expected == joined(tmp_path, model_of(Task.MULTICLASS), fresh=True)[0]
    assert {note.code: note.count for note in found.notes} == {"labels_duplicated": 6, "labels_empty": 4}


@pytest.mark.parametrize(
    ("task", "label", "type_", "kind"),
    [
        (Task.BINARY, date(2024, 1, 1), pa.date32(), "DATE"),
        (Task.REGRESSION, date(2024, 1, 1), pa.date32(), "DATE"),
        (Task.REGRESSION, "1.5", pa.string(), "VARCHAR"),
        (Task.MULTICLASS, [1], pa.list_(pa.int32()), "INTEGER[]"),
    ],
)
def test_values_that_can_be_no_labels_are_refused(
    tmp_path: Path, task: Task, label: Any, type_: pa.DataType, kind: str
) -> None:
    written(tmp_path / "logs" / "a.parquet", {"id": [1, 2]})
    write_labels(tmp_path / "labels" / "a.parquet", [(1, 1)], pa.int64(), pa.int64())
    write_labels(tmp_path / "labels" / "b.parquet", [(2, label)], pa.int64(), type_)
    with pytest.raises(UserError) as caught:
        joined(tmp_path, model_of(task))
    assert f"b.parquet: column 'truth' is of type {kind}, which can be no label" in str(caught.value)


@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
@pytest.mark.parametrize("place", ["labels", "logs"])
def test_a_damaged_file_is_named(tmp_path: Path, task: Task, place: str) -> None:
    rows = np.random.default_rng(0).permutation(3000)
    written(tmp_path / "logs" / "a.parquet", {"id": rows})
    for name in ("a", "b"):
        written(tmp_path / "labels" / f"{name}.parquet", {"key": rows, "truth": rows % 2})
    broken = tmp_path / place / "a.parquet"
    content = bytearray(broken.read_bytes())
    content[20 : len(content) // 2] = bytes(255 - one for one in content[20 : len(content) // 2])
    broken.write_bytes(content)
    with pytest.raises(UnreadableFiles) as caught:
        joined(tmp_path, model_of(task))
    assert list(caught.value.reasons) == [broken]
    assert "its rows cannot be read" in caught.value.reasons[broken]


def test_foreign_ids_that_repeat_and_conflict_do_not_meet_either(tmp_path: Path) -> None:
    written(tmp_path / "logs" / "a.parquet", {"id": [1, 2]})
    pairs = [("a", "yes"), ("a", "yes"), ("b", "yes"), ("b", "no"), (None, "no")]
    for name in ("a", "b"):
        write_labels(tmp_path / "labels" / f"{name}.parquet", pairs, pa.string(), pa.string())
        _, found = joined(tmp_path, model_of())
        assert found.notes[0].text.startswith(f"none of the {4 if name == 'a' else 8} labels has an id of the log")
        assert [note.code for note in found.notes] == ["labels_unmatched", "labels_empty"]
