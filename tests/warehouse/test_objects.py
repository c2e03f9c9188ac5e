"""Objects are found by the rules that hold for files, and copied whole, whatever happens beside it."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.model import ObjectAccess
from mlops_desk.domain.progress import Progress
from mlops_desk.warehouse import object_copies, object_listing
from mlops_desk.warehouse.discovery import SourceFile, find_files
from mlops_desk.warehouse.object_copies import ObjectsChanged, fetch, keep_only, missing_copies
from mlops_desk.warehouse.object_listing import find_objects
from tests.s3 import Bucket, Proxy, use

KEYS = (
    "a.parquet",
    "b.PARQUET",
    "notes.txt",
    "_hidden.parquet",
    ".dot.parquet",
    "half.parquet.tmp",
    "in/a.parquet",
    "in/deep/c.parquet",
    "in/_tmp/d.parquet",
    "in/.git/e.parquet",
    "year=2024/month=1/f.parquet",
    "year=2024/month=2/g.pq",
    "_year=2024/h.parquet",
    "läuft/日.parquet",
    "x[1].parquet",
)
PATHS = (
    "", "in", "in/", "*.parquet", "**/*.parquet", "*/*.parquet", "**", "in/**", "in/**/c.parquet", "year=*/**/*.p*",
    "year=2024/month=[12]/*", "?.parquet", "[ab].*", "x[1].parquet", "läuft/*", "in/*", ".dot*", "*/deep/*.parquet",
)  # fmt: skip


@pytest.fixture(autouse=True)
def old_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_listing, "YOUNG_SECONDS", -1e9)


@pytest.fixture(scope="module")
def tree(s3_endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Bucket]]:
    """The same names in a folder and in a bucket."""
    folder, bucket = tmp_path_factory.mktemp("tree"), Bucket(s3_endpoint, "tree")
    for key in KEYS:
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(key.encode())
        bucket.put(key, key.encode())
    with pytest.MonkeyPatch.context() as patch:
        use(patch, s3_endpoint, folder / "aws")
        yield folder, bucket


def found(bucket: Bucket, path: str, copies: Path) -> list[SourceFile]:
    return list(
        find_files(copies, [f"{bucket.url}/{path}"], "k", lambda one: find_objects(copies, one, "k", ObjectAccess()))
    )


@pytest.mark.parametrize("path", PATHS)
def test_a_path_names_the_same_objects_as_files(tree: tuple[Path, Bucket], path: str, tmp_path: Path) -> None:
    folder, bucket = tree
    expected = [file.path.relative_to(folder).as_posix() for file in find_files(folder, [path or "."], "k")]
    files = found(bucket, path, tmp_path)
    assert [file.shown.removeprefix(f"{bucket.url}/") for file in files] == expected
    fetch(files, tmp_path)
    assert [file.path.read_bytes().decode() for file in files] == expected
    assert len({file.path for file in files}) == len(files)


def test_an_object_of_many_blocks_is_copied_whole(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_copies, "BLOCK_BYTES", 1000)
    body = os.urandom(25_001)
    bucket.put("big.parquet", body)
    bucket.put("none.parquet", b"")
    files = found(bucket, "", tmp_path)
    told: list[Progress] = []
    assert fetch(files, tmp_path, progress=told.append) == len(body)
    assert [file.path.read_bytes() for file in files] == [body, b""]
    assert fetch(files, tmp_path) == 0, "what is here is not fetched again"


def test_a_copy_that_lost_its_end_is_fetched_again(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put("a.parquet", b"0123456789")
    (file,) = found(bucket, "a.parquet", tmp_path)
    fetch([file], tmp_path)
    file.path.write_bytes(b"01234")
    assert missing_copies([file]) == [file]
    fetch([file], tmp_path)
    assert file.path.read_bytes() == b"0123456789"


@pytest.mark.parametrize("change", ["rewritten", "removed"])
def test_an_object_that_changes_while_it_is_fetched_is_no_copy(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(object_copies, "BLOCK_BYTES", 10)
    bucket.put("a.parquet", b"x" * 40)
    done: list[str] = []

    def answer(method: str, path: str) -> None:
        if method == "GET" and path.endswith("a.parquet") and not done:
            done.append(path)
            bucket.put("a.parquet", b"y" * 50) if change == "rewritten" else bucket.remove("a.parquet")

    with Proxy(bucket.endpoint, answer) as proxy:
        use(monkeypatch, proxy.endpoint, tmp_path / "aws")
        (file,) = found(bucket, "a.parquet", tmp_path / "copies")
        with pytest.raises((ObjectsChanged, UserError)):
            fetch([file], tmp_path / "copies")
    assert not file.path.exists()


def test_two_that_fetch_the_same_objects_do_each_other_no_harm(bucket: Bucket, tmp_path: Path) -> None:
    for number in range(12):
        bucket.put(f"{number}.parquet", os.urandom(3000))
    files = found(bucket, "", tmp_path)
    failures: list[BaseException] = []

    def both() -> None:
        try:
            fetch(files, tmp_path)
        except BaseException as error:  # noqa: BLE001 - told on the main thread
            failures.append(error)

    threads = [threading.Thread(target=both) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert missing_copies(files) == []
    assert list((tmp_path / ".unfinished").iterdir()) == []


def test_a_disk_that_is_full_is_told_in_words(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.put("a.parquet", b"x" * 40)
    (file,) = found(bucket, "a.parquet", tmp_path / "copies")

    def full(self: Path, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(UserError, match="the disk is full"):
            fetch([file], tmp_path / "copies")


def test_what_nobody_needs_any_more_is_removed_and_what_is_being_fetched_is_not(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        bucket.put(f"{name}.parquet", name.encode())
    a, b, c = found(bucket, "", tmp_path)
    fetch([a, b, c], tmp_path)
    keep_only(tmp_path, "one", [a, b], ["one", "two"])
    assert missing_copies([a, b, c]) == [], "another process may just have fetched what nobody has written down"
    keep_only(tmp_path, "two", [b], ["one", "two"])
    keep_only(tmp_path, "one", [a], ["one", "two"])
    assert missing_copies([a, b, c]) == []
    keep_only(tmp_path, "two", [], ["one", "two"])
    assert missing_copies([a, b, c]) == [b]
    monkeypatch.setattr(object_copies, "ABANDONED_SECONDS", -1.0)
    keep_only(tmp_path, "one", [a], ["one"])
    assert missing_copies([a, b, c]) == [b, c]
    assert sorted(entry.name for entry in tmp_path.glob("*.needed")) == ["one.needed"]


def test_a_key_that_is_no_name_of_a_file_is_read_all_the_same(bucket: Bucket, tmp_path: Path) -> None:
    keys = ['q":<>|.parquet', "l" * 240 + ".parquet", "tab\t.parquet"]
    for key in keys:
        bucket.put(key, key.encode())
    files = found(bucket, "", tmp_path)
    assert len(files) == len(keys)
    fetch(files, tmp_path)
    for file in files:
        assert file.path.read_bytes().decode() == file.shown.removeprefix(f"{bucket.url}/")
        assert file.path.resolve().is_relative_to(tmp_path)
