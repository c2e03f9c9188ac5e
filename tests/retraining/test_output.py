"""The log of a run: unicode, bytes that are no text, much of it, pieces of it, and progress in it."""

import sys
import threading

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.domain.retraining import RunState, progress_of
from mlops_desk.retraining import runner
from mlops_desk.retraining.ledger import record_of
from mlops_desk.retraining.output_log import output_since


def test_unicode_comes_whole_though_it_is_printed_byte_by_byte(workspace, python_model, started):
    text = "épöque ∑ 模型 🚗\n" * 20
    code = f"import os\nfor byte in {text!r}.encode(): os.write(1, bytes([byte]))\nwait_for('release')"
    run = started(python_model(code))
    seen = []

    def follow():
        runner.wait(workspace, run.id, on_output=seen.append)

    follower = threading.Thread(target=follow)
    follower.start()
    (workspace / "release").touch()
    follower.join(20)
    assert "".join(seen) == text


def test_bytes_that_are_no_text_are_replaced_and_the_log_stays_utf_8(workspace, python_model, finished):
    run = finished(python_model("import os; os.write(1, bytes(range(256))); os.write(1, b'\\xe6\\xa8')"))
    assert run.state is RunState.SUCCEEDED
    raw = (workspace / ".desk" / "runs" / "1" / "output.log").read_bytes()
    assert raw.decode("utf-8") == bytes(range(256)).decode("utf-8", "replace") + "\ufffd"


def test_fifty_megabytes_pass_through_a_supervisor_that_stays_small(workspace, python_model, started, until):
    code = "import sys\nfor _ in range(50): sys.stdout.write(('x' * 99 + '\\n') * 10000)\nsys.stdout.flush(); wait_for('release')"
    run = started(python_model(code))
    log = workspace / ".desk" / "runs" / "1" / "output.log"
    until(lambda: log.exists() and log.stat().st_size == 50_000_000)
    supervisor = record_of(workspace, run.id)[1].supervisor
    assert psutil.Process(supervisor.pid).memory_info().rss < 45_000_000
    (workspace / "release").touch()
    longest, total = 0, 0

    def count(text):
        nonlocal longest, total
        longest, total = max(longest, len(text)), total + len(text)

    assert runner.wait(workspace, run.id, on_output=count).state is RunState.SUCCEEDED
    assert total == 50_000_000
    assert longest <= 1 << 20


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_a_log_that_cannot_be_written_stops_no_command_and_is_told(workspace, python_model, other_program):
    model = python_model("print('x' * 300_000); open('made.txt', 'w').write('made')")
    code = f"""
import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from datetime import UTC, datetime; from pathlib import Path
from types import SimpleNamespace; from mlops_desk.domain.retraining import *
from mlops_desk.retraining import runner
model = SimpleNamespace(id="car-loan", retraining={model.retraining!r})
runner.start(Path(sys.argv[1]), model, reason="x", asked_by="anna", now=datetime.now(UTC), trusted=True)
"""
    other_program(code, str(workspace)).wait()
    ended = runner.wait(workspace, 1)
    assert ended.state is RunState.SUCCEEDED
    assert ended.outcome.endswith("; output.log is not complete (File too large)")
    assert (workspace / "made.txt").read_text() == "made"


def test_output_arrives_while_the_command_runs(workspace, python_model, started, until):
    run = started(python_model("print('progress 1/2'); wait_for('release'); print('progress 2/2')"))
    text, position = until(lambda: (found := runner.output(workspace, run.id, 0))[0] and found)
    assert progress_of(text) == (1, 2)
    assert runner.output(workspace, run.id, position) == ("", position)
    (workspace / "release").touch()
    runner.wait(workspace, run.id)
    assert runner.output(workspace, run.id, position)[0].strip() == "progress 2/2"


@given(
    text=st.text(alphabet="aé模🚗\n", max_size=60),
    cuts=st.lists(st.integers(0, 240), max_size=6),
    tail=st.integers(1, 300),
)
def test_pieces_of_a_growing_log_add_up_to_its_text(tmp_path_factory, text, cuts, tail):
    file = tmp_path_factory.mktemp("log") / "output.log"
    assert output_since(file, 0) == ("", 0)
    content = text.encode()
    seen, position = "", 0
    for cut in (*sorted(cuts), len(content)):
        file.write_bytes(content[:cut])
        piece, position = output_since(file, position)
        seen += piece
    assert (seen, position) == (text, len(content))
    end, position = output_since(file, -tail)
    assert text.endswith(end)
    assert position == len(content)
    assert len(content) - tail < 4 or len(end.encode()) > min(tail, len(content)) - 4
    assert output_since(file, len(content) + 5) == ("", len(content))


@pytest.mark.parametrize(
    ("text", "progress"),
    [
        ("", None),
        ("loading\n", None),
        ("progress 3/12\n", (3, 12)),
        ("epoch 3/12", (3, 12)),
        ("Epoch 3 / 12 - loss 0.31", (3, 12)),
        ("Epoch [3/12], Step [40/100]", (3, 12)),
        ("fold 2 of 5", (2, 5)),
        ("Epoch 1/12\nEpoch 2/12\nsaving\n", (2, 12)),
        ("Epoch 2/12\nbatch 40/100\nbatch 41/100\n", (2, 12)),
        ("batch 40/100\nbatch 41/100\n", (41, 100)),
        ("42%", (42, 100)),
        ("  42.7 % done\r", (42, 100)),
        ("[ 42%]\n", (42, 100)),
        ("fit:  42%|████▏     | 42/100 [00:01<00:01]\r", (42, 100)),
        ("10%\r20%\r30%", (30, 100)),
        ("accuracy 93%\n", None),
        ("93% of the rows have labels\n", None),
        ("142%", None),
        ("read 2024/12/01.parquet\n", None),
        ("epoch 13/12", None),
        ("epoch 0/0", None),
        ("progress 5/5\naccuracy 0.93\n", (5, 5)),
    ],
)
def test_progress_is_read_from_the_latest_line_that_tells_it(text, progress):
    assert progress_of(text) == progress
