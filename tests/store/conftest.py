"""A workspace that tests evaluate again and again."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mlops_desk.domain.metric import MetricValue
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.store.archive import Store
from mlops_desk.store.records import LogSummary
from tests.store.examples import DAY_ONE

Evaluate = Callable[..., datetime]


@pytest.fixture
def evaluate(tmp_path: Path) -> Evaluate:
    """Evaluates the workspace at tmp_path anew each time, an hour after the time before, and returns that time."""
    clock = [DAY_ONE + timedelta(days=365)]

    def once(analysis: Sequence[Chunk], values: Sequence[MetricValue], *, reference: Sequence[Chunk] = ()) -> datetime:
        clock[0] += timedelta(hours=1)
        with Store.open(tmp_path) as store, store.evaluation("credit", "state", clock[0]) as writer:
            writer.replace_chunks(Split.REFERENCE, reference)
            writer.replace_chunks(Split.ANALYSIS, analysis)
            writer.write_values(values)
            writer.remove_stale(Split.REFERENCE, [chunk.key for chunk in reference])
            writer.remove_stale(Split.ANALYSIS, [chunk.key for chunk in analysis])
            writer.conclude(clock[0] + timedelta(seconds=2), LogSummary(rows=sum(chunk.rows for chunk in analysis)))
        return clock[0]

    return once


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path) as opened:
        yield opened
