"""A workspace that this user may only read is read: by a process of root that gave up the right to write whatever it likes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import CommandLine

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="needs the rights of root to give them up"
)
COMMAND = """
import ctypes, sys
header = (ctypes.c_uint32 * 2)(0x20080522, 0)
rights = (ctypes.c_uint32 * 6)()
libc = ctypes.CDLL(None, use_errno=True)
assert libc.capset(header, rights) == 0
from mlops_desk.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def as_reader(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", COMMAND, *(str(one) for one in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def close(folder: Path) -> None:
    """Leaves a folder to be read only, as if on a share, with nothing beside the archive."""
    for name in ("store.sqlite-wal", "store.sqlite-shm"):
        (folder / ".desk" / name).unlink(missing_ok=True)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.mark.parametrize("command", ["alerts", "metrics", "report", "explain", "audit", "runs"])
def test_what_is_there_can_be_read(mlops_desk: CommandLine, workspace: Path, tmp_path: Path, command: str) -> None:
    more = {
        "metrics": ["-o", tmp_path / "m.csv"],
        "report": ["-o", tmp_path / "r.html"],
        "explain": ["--alert", mlops_desk.document("alerts", workspace)[0]["id"]],
        "audit": ["--verify"],
    }
    close(workspace)
    before = {path: path.stat().st_mtime_ns for path in workspace.rglob("*")}
    found = as_reader(command, workspace, *more.get(command, []))
    assert (found.returncode, found.stderr) == (0, "")
    assert {path: path.stat().st_mtime_ns for path in workspace.rglob("*")} == before


def test_what_would_write_says_in_one_line_that_it_cannot(workspace: Path) -> None:
    close(workspace)
    for arguments in (("run", workspace, "--full"), ("ack", workspace, 1)):
        found = as_reader(*arguments)
        assert found.returncode == 2
        assert found.stderr.count("\n") == 1
        assert str(workspace) in found.stderr
        assert "defect" not in found.stderr
