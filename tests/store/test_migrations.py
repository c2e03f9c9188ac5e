"""Formats of the store: made, brought forward with a copy kept, refused when newer, and plainly told when damaged."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.domain.errors import UserError
from mlops_desk.store import connection, migrations
from mlops_desk.store.archive import Store
from mlops_desk.store.connection import store_path
from mlops_desk.store.migrations import MIGRATIONS, format_version, migrate, statements
from tests.store.examples import day, value_of

NEXT = "create table colour (name text);\ninsert into colour values ('red');\n"


def names(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as opened:
        return {name for (name,) in opened.execute("select name from sqlite_master")}


def test_a_script_is_cut_into_statements_and_a_trigger_is_one() -> None:
    script = "create table a (x);\n-- a note\ncreate trigger t after insert on a\nbegin\n  delete from a;\n  select 1;\nend;\n"
    assert [statement.split()[-1] for statement in statements(script)] == ["(x);", "end;"]
    with pytest.raises(ValueError, match="without an end"):
        list(statements("create table a (x)"))


def test_an_older_store_is_copied_and_brought_forward(tmp_path, evaluate) -> None:
    evaluate([day(0)], [value_of(day(0), 0.1)])
    path = store_path(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        migrate(opened, path, (*MIGRATIONS, NEXT))
        assert format_version(opened) == len(MIGRATIONS) + 1
        assert opened.execute("select name from colour").fetchall() == [("red",)]
        assert opened.execute("select value from metric_values").fetchall() == [(0.1,)]
    copy = path.with_name(f"store-format{len(MIGRATIONS)}.sqlite")
    assert "colour" not in names(copy)
    with closing(sqlite3.connect(copy)) as opened:
        assert opened.execute("select value from metric_values").fetchall() == [(0.1,)]
    with pytest.raises(UserError, match=r"store\.sqlite: written by a newer mlops-desk .*update mlops-desk"):
        Store.open(tmp_path)
    with pytest.raises(UserError, match="written by a newer mlops-desk"):
        Store.open(tmp_path, read_only=True)


def test_a_migration_that_fails_leaves_the_former_format(tmp_path) -> None:
    Store.open(tmp_path).close()
    path = store_path(tmp_path)
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            migrate(opened, path, (*MIGRATIONS, NEXT + "insert into nowhere values (1);\n"))
        assert format_version(opened) == len(MIGRATIONS)
    assert "colour" not in names(path)


def test_a_store_that_another_process_makes_meanwhile_is_made_once(tmp_path, monkeypatch) -> None:
    path = store_path(tmp_path)
    path.parent.mkdir()
    looked = threading.Event()
    failures: list[BaseException] = []

    def seen(connection: sqlite3.Connection) -> int:
        version = format_version(connection)
        looked.set()
        return version

    def open_too() -> None:
        try:
            Store.open(tmp_path).close()
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    with closing(sqlite3.connect(path, isolation_level=None)) as first:
        first.execute("pragma journal_mode = wal")
        first.execute("begin immediate")
        monkeypatch.setattr(migrations, "format_version", seen)
        second = threading.Thread(target=open_too)
        second.start()
        assert looked.wait(20)
        for statement in statements(MIGRATIONS[0]):
            first.execute(statement)
        first.execute(f"pragma user_version = {len(MIGRATIONS)}")
        first.execute("commit")
        second.join(20)
    assert failures == []


def test_a_new_store_makes_no_copy(tmp_path) -> None:
    Store.open(tmp_path).close()
    assert [file.name for file in (tmp_path / ".desk").glob("*.sqlite")] == ["store.sqlite"]


def test_an_older_store_that_is_only_read_says_what_brings_it_forward(tmp_path, monkeypatch) -> None:
    Store.open(tmp_path).close()
    monkeypatch.setattr(connection, "MIGRATIONS", (*MIGRATIONS, NEXT))
    with pytest.raises(UserError, match="of an older format: `mlops-desk run"):
        Store.open(tmp_path, read_only=True)


def test_a_workspace_without_a_store_that_is_only_read_says_what_makes_one(tmp_path) -> None:
    with pytest.raises(UserError, match="nothing has been evaluated here yet: `mlops-desk run"):
        Store.open(tmp_path, read_only=True)
    assert not (tmp_path / ".desk").exists()


def test_a_store_that_was_overwritten_is_told_plainly(tmp_path) -> None:
    path = store_path(tmp_path)
    path.parent.mkdir()
    path.write_text("no database at all " * 100)
    for read_only in (False, True):
        with pytest.raises(UserError, match=r"store\.sqlite: not a readable store"):
            Store.open(tmp_path, read_only=read_only)


def test_a_file_system_without_shared_memory_gets_a_rollback_journal(tmp_path, monkeypatch, evaluate) -> None:
    real = sqlite3.connect

    def on_a_share(address: str, **options: object) -> sqlite3.Connection:
        return real(f"{address}&vfs=unix-dotfile", **options)  # locks by files: SQLite has no WAL there, as on a share

    monkeypatch.setattr(connection.sqlite3, "connect", on_a_share)
    if "unix-dotfile" not in available_file_systems():
        pytest.skip("this SQLite has no file system without shared memory")
    evaluate([day(0)], [value_of(day(0), 0.1)])
    with Store.open(tmp_path) as store:
        assert store.journal_mode == "delete"
        assert [value.measurement.value for value in store.values("credit")] == [0.1]


def available_file_systems() -> set[str]:
    try:
        sqlite3.Connection("file::memory:?vfs=unix-dotfile", uri=True).close()
    except sqlite3.OperationalError:
        return set()
    return {"unix-dotfile"}


def test_the_released_scripts_are_complete() -> None:
    for script in migrations.MIGRATIONS:
        assert list(statements(script))
