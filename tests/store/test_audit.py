"""The chain that shows when somebody tampered with what was done."""

import hashlib
import json
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from mlops_desk.store.audit import AuditBreak
from mlops_desk.store.connection import store_path
from tests.store.examples import DAY_ONE


@pytest.fixture
def chain(store, tmp_path):
    """Five rows of the chain, and a connection that can break it."""
    for number in range(5):
        store.append_audit(
            at=DAY_ONE + timedelta(hours=number),
            actor="ann",
            action="run.requested",
            model="credit" if number else None,
            detail={"run": number, "why": "déjà vu"},
        )
    with closing(sqlite3.connect(store_path(tmp_path), isolation_level=None)) as connection:
        yield connection


def without_triggers(connection: sqlite3.Connection, statement: str) -> None:
    for (name,) in connection.execute("select name from sqlite_master where type = 'trigger'").fetchall():
        connection.execute(f"drop trigger {name}")
    connection.execute(statement)


def test_the_chain_holds_and_its_hashes_are_what_the_description_says(store, chain) -> None:
    assert store.verify_audit() is None
    entries = store.audit_entries()
    assert [entry.seq for entry in entries] == [5, 4, 3, 2, 1]
    assert entries[0].detail == {"run": 4, "why": "déjà vu"}
    assert store.audit_entries(limit=2) == entries[:2]
    previous = "0" * 64
    for seq, at, actor, action, model, detail, _, digest in chain.execute("select * from audit order by seq"):
        row = json.dumps([seq, at, actor, action, model, detail], separators=(",", ":"), ensure_ascii=False)
        assert digest == hashlib.sha256(f"{previous}\n{row}".encode()).hexdigest()
        previous = digest


@pytest.mark.parametrize(
    "statement", ["update audit set actor = 'bob' where seq = 3", "delete from audit where seq = 3"]
)
def test_the_store_itself_refuses_to_change_the_chain(chain, statement) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        chain.execute(statement)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("update audit set actor = 'bob' where seq = 3", AuditBreak(seq=3, text="row 3 was changed after it was written")),
        ("update audit set detail = '{}' where seq = 1", AuditBreak(seq=1, text="row 1 was changed after it was written")),
        (f"update audit set hash = '{'1' * 64}' where seq = 2", AuditBreak(seq=2, text="row 2 was changed after it was written")),
        (f"update audit set previous = '{'1' * 64}' where seq = 4", AuditBreak(seq=4, text="row 4 does not follow row 3")),
        ("delete from audit where seq = 2", AuditBreak(seq=2, text="row 2 is missing")),
        ("delete from audit where seq > 3", AuditBreak(seq=4, text="row 4 is missing")),
        ("delete from audit", AuditBreak(seq=1, text="row 1 is missing")),
    ],
)  # fmt: skip
def test_what_is_done_to_the_chain_by_force_is_found(store, chain, statement, found) -> None:
    without_triggers(chain, statement)
    assert store.verify_audit() == found


def test_a_chain_cut_at_its_end_stays_broken_when_it_goes_on(store, chain) -> None:
    without_triggers(chain, "delete from audit where seq = 5")
    store.append_audit(at=DAY_ONE, actor="ann", action="run.requested")
    assert store.verify_audit() == AuditBreak(seq=5, text="row 5 is missing")


def test_an_empty_chain_holds(store) -> None:
    assert store.verify_audit() is None
    assert store.audit_entries() == ()
