"""When a run may start, as a table."""

from datetime import UTC, datetime, timedelta

import pytest

from mlops_desk.domain.retraining import RetrainingRun, RetrainingSpec, RunState
from mlops_desk.retraining.policy import refusal
from mlops_desk.retraining.wording import duration_text

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OK, FAIL, STOP, LOST, GOING = RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.LOST, RunState.RUNNING


def run(id, state, asked_hours_ago, *, hours=0.5, model="m", launched=True):
    asked = NOW - timedelta(hours=asked_hours_ago)
    ended = state.final and state is not LOST
    return RetrainingRun(
        id=id,
        model=model,
        state=state,
        asked_by="anna",
        reason="x",
        command=("train",),
        requested_at=asked,
        started_at=asked if launched else None,
        finished_at=asked + timedelta(hours=hours) if ended else None,
    )


@pytest.mark.parametrize(
    ("limits", "runs", "orphaned", "hours_to_wait", "words"),
    [
        ({}, [], (), None, None),
        ({}, [run(1, OK, 1)], (), None, None),
        ({}, [run(1, GOING, 1)], (), "unknown", "run 1 of m is still going (asked for by anna, 2026-03-01 11:00 UTC)"),
        ({}, [run(1, RunState.STARTING, 0)], (), "unknown", "still going"),
        ({}, [run(1, GOING, 1, model="other")], (), None, None),
        ({}, [run(1, LOST, 1)], (), None, None),
        ({}, [run(1, LOST, 1)], (1,), "unknown", "run 1 of m is lost, but its command is still running"),
        (
            {"cooldown_seconds": 7200},
            [run(1, OK, 1)],
            (),
            1.5,
            "run 1 ended at 2026-03-01 11:30 UTC and the cooldown is 2 h: ",
        ),
        (
            {"cooldown_seconds": 7200},
            [run(1, OK, 1)],
            (),
            1.5,
            "possible again at 2026-03-01 13:30 UTC (in 1 h 30 min)",
        ),
        ({"cooldown_seconds": 7200}, [run(1, FAIL, 1)], (), 1.5, "cooldown"),
        ({"cooldown_seconds": 7200}, [run(1, LOST, 1)], (), 1.0, "cooldown"),
        ({"cooldown_seconds": 7200}, [run(1, RunState.TIMED_OUT, 1)], (), 1.5, "cooldown"),
        ({"cooldown_seconds": 7200}, [run(1, OK, 4), run(2, FAIL, 3)], (), None, None),
        ({"cooldown_seconds": 7200}, [run(1, OK, 2.5)], (), None, None),
        ({"cooldown_seconds": 7200}, [run(1, STOP, 1)], (), None, None),
        ({"cooldown_seconds": 7200}, [run(1, FAIL, 1, launched=False)], (), None, None),
        ({"cooldown_seconds": 7200}, [run(1, OK, 1, model="other")], (), None, None),
        ({"max_runs_per_day": 2}, [run(1, OK, 1)], (), None, None),
        ({"max_runs_per_day": 2}, [run(1, OK, 30), run(2, OK, 1)], (), None, None),
        ({"max_runs_per_day": 2}, [run(1, OK, 24), run(2, OK, 1)], (), None, None),
        (
            {"max_runs_per_day": 2},
            [run(1, OK, 20), run(2, OK, 1)],
            (),
            4,
            "max_runs_per_day = 2 and 2 started in the last 24 h",
        ),
        ({"max_runs_per_day": 2}, [run(1, OK, 20), run(2, STOP, 5), run(3, FAIL, 1)], (), 19, "possible again at"),
        ({"max_runs_per_day": 1}, [run(1, FAIL, 1, launched=False)], (), None, None),
        ({"max_runs_per_day": 0}, [], (), "unknown", "max_runs_per_day = 0 allows no run at all"),
        ({"max_runs_per_day": 1, "cooldown_seconds": 7200}, [run(1, OK, 1)], (), 23, "max_runs_per_day"),
        ({"max_runs_per_day": 1, "cooldown_seconds": 86400}, [run(1, OK, 1)], (), 23.5, "cooldown"),
    ],
)
def test_a_run_may_start(limits, runs, orphaned, hours_to_wait, words):
    spec = RetrainingSpec(command=("train",), **limits)
    found = refusal(spec, runs, model="m", now=NOW, orphaned=orphaned)
    if hours_to_wait is None:
        assert found is None
        return
    assert words in found.reason
    if hours_to_wait == "unknown":
        assert found.possible_at is None
    else:
        assert found.possible_at == NOW + timedelta(hours=hours_to_wait)
        assert refusal(spec, runs, model="m", now=found.possible_at) is None
        assert refusal(spec, runs, model="m", now=found.possible_at - timedelta(seconds=1)) is not None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (3599.7, "1 h"),
        (90000, "1 d 1 h"),
        (-3, "0 s"),
    ],
)
def test_durations_are_told_in_their_two_largest_units(seconds, text):
    assert duration_text(seconds) == text
