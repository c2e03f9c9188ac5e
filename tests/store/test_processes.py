"""Real processes on one workspace: one that is killed in the middle of writing, and two that want to write at once."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_desk.domain.errors import UserError, WorkspaceBusy
from mlops_desk.store import connection
from mlops_desk.store.archive import Store
from mlops_desk.store.connection import store_path
from mlops_desk.store.lock import WorkspaceLock
from tests.store.examples import DAY_ONE, day, value_of

CHECKOUT = Path(__file__).resolve().parents[2]

WRITER = """
import sys
from pathlib import Path
from mlops_desk.store.archive import Store
from tests.store.examples import DAY_ONE, day, value_of
with Store.open(Path(sys.argv[1])) as store, store.evaluation("credit", "unfinished", DAY_ONE) as writer:
    writer.replace_chunks("analysis", [day(i) for i in range(90)])
    writer.write_values([value_of(day(i), 0.9, metric=f"metric {j}") for i in range(90) for j in range(100)])
    print("written", flush=True)
    sys.stdin.readline()
"""
HOLDER = """
import sys
from pathlib import Path
from mlops_desk.store.connection import store_path
from mlops_desk.store.lock import WorkspaceLock
with WorkspaceLock(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.readline()
print("released", flush=True)
sys.stdin.readline()
"""

CHRONICLER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from mlops_desk.store.archive import Store
print("ready", flush=True)
sys.stdin.readline()
for number in range(60):
    with Store.open(Path(sys.argv[1])) as store:
        store.append_audit(at=datetime.now(UTC), actor="ann", action="test", detail={"number": number})
print("done", flush=True)
"""

Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program on the workspace and wait for its first line."""
    started: list[subprocess.Popen[str]] = []

    def begin(program: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=CHECKOUT,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline()
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def told(process: subprocess.Popen[str], line: str) -> str:
    """Send a line and return the next one that comes back."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline()


def test_a_process_that_is_killed_while_it_writes_leaves_the_former_state(tmp_path, evaluate, start) -> None:
    evaluate([day(0)], [value_of(day(0), 0.1)])
    with Store.open(tmp_path, read_only=True) as store:
        before = store.value_table()
    process = start(WRITER)
    process.kill()
    process.wait()
    with Store.open(tmp_path) as store:
        assert store.value_table() == before
        assert len(store.chunks("credit", "analysis")) == 1
        record = store.last_evaluation("credit")
        with store.evaluation("credit", "next", DAY_ONE) as writer:
            writer.replace_chunks("analysis", [day(0)])
    assert record is not None
    assert record.inputs_hash == "state"


def test_a_second_writer_of_the_store_gives_up_with_one_line(tmp_path, start, monkeypatch) -> None:
    Store.open(tmp_path).close()
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_SECONDS", 0.2)
    process = start(WRITER)
    with Store.open(tmp_path) as store:
        with pytest.raises(WorkspaceBusy, match="another process is writing"):
            store.append_audit(at=DAY_ONE, actor="ann", action="test")
        assert store.models() == ()
        assert told(process, "go on") == ""
        process.wait()
        store.append_audit(at=DAY_ONE, actor="ann", action="test")
        assert store.models() == ("credit",)


def test_processes_that_write_at_once_make_one_unbroken_chain(tmp_path, start) -> None:
    """They also make the store at once, which only one of them does."""
    writers = [start(CHRONICLER) for _ in range(3)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "done\n"
    with Store.open(tmp_path) as store:
        assert store.verify_audit() is None
        assert len(store.audit_entries()) == 180


def test_wal_is_waited_for_while_another_process_writes_a_new_store(tmp_path, start) -> None:
    path = store_path(tmp_path)
    path.parent.mkdir()
    writer = start(
        f"import sqlite3, sys\nc = sqlite3.connect({str(path)!r}, isolation_level=None)\nc.execute('begin immediate')\n"
        "print('locked', flush=True)\nsys.stdin.readline()\nc.execute('commit')\n"
    )
    opening = start_opening(tmp_path)
    assert told(opening, "open") == "opening\n"
    assert told(writer, "commit") == ""
    assert opening.communicate(timeout=20)[0] == "wal\n"


def start_opening(folder: Path) -> subprocess.Popen[str]:
    program = (
        "import sys\nfrom pathlib import Path\nfrom mlops_desk.store.archive import Store\n"
        "sys.stdin.readline()\nprint('opening', flush=True)\n"
        "with Store.open(Path(sys.argv[1])) as store:\n    print(store.journal_mode, flush=True)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )


def test_one_process_at_a_time_holds_the_lock_and_the_error_says_who(tmp_path, start) -> None:
    holder = start(HOLDER)
    with pytest.raises(WorkspaceBusy, match=rf"process {holder.pid} of \S+ \(since .* UTC\).* within 0.2 s") as refusal:
        WorkspaceLock(tmp_path, timeout_seconds=0.2).__enter__()
    assert refusal.value.exit_code == 4
    assert told(holder, "release") == "released\n"
    with WorkspaceLock(tmp_path, timeout_seconds=0):
        pass


def test_the_lock_is_free_once_its_holder_is_killed(tmp_path, start) -> None:
    holder = start(HOLDER)
    holder.kill()
    holder.wait()
    assert (tmp_path / ".desk" / "lock").read_text()  # what the dead one wrote means nothing
    with WorkspaceLock(tmp_path, timeout_seconds=0):
        pass


def test_a_waiting_process_gets_the_lock_when_it_is_released(tmp_path, start) -> None:
    holder = start(HOLDER)
    waiting = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CHECKOUT,
    )
    assert told(holder, "release") == "released\n"
    assert waiting.communicate("\n\n", timeout=20)[0] == "locked\nreleased\n"


def test_the_lock_excludes_a_second_holder_of_the_same_process_too(tmp_path) -> None:
    with (
        WorkspaceLock(tmp_path),
        pytest.raises(WorkspaceBusy, match=f"process {os.getpid()}"),
    ):
        WorkspaceLock(tmp_path, timeout_seconds=0).__enter__()


def test_a_folder_that_cannot_hold_a_store_is_told_plainly(tmp_path) -> None:
    (tmp_path / ".desk").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"\.desk"):
        WorkspaceLock(tmp_path).__enter__()
    with pytest.raises(UserError, match=r"\.desk: cannot be made"):
        Store.open(tmp_path)
