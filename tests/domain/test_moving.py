"""Which chunks before it a chunk is compared with."""

from datetime import UTC, datetime, timedelta

import pytest

from mlops_desk.domain.model import Reference
from mlops_desk.domain.moving import NOT_YET, first_reference, moved_back, preceding_chunks, words
from mlops_desk.domain.slicing import Chunk, Split

BERLIN = "Europe/Berlin"


def chunks(*starts: datetime | None) -> list[Chunk]:
    return [
        Chunk(split=Split.ANALYSIS, key=str(place), index=place, start=start, end=None, rows=1)
        for place, start in enumerate(starts)
    ]


def days(*of_march: int) -> list[Chunk]:
    return chunks(*(datetime(2024, 3, day, tzinfo=UTC) for day in of_march))


def places(reference: Reference, some: list[Chunk], timezone: str = "UTC") -> list[list[int]]:
    return [list(one.places) for one in preceding_chunks(reference, some, timezone)]


def test_previous_chunks_count_those_that_hold_rows() -> None:
    some = days(1, 2, 9, 10, 11)
    assert places(Reference(previous_chunks=2), some) == [[], [], [0, 1], [1, 2], [2, 3]]
    reasons = [one.reason for one in preceding_chunks(Reference(previous_chunks=2), some, "UTC")]
    assert reasons == [f"{NOT_YET}: it has 0 of 2 chunks", f"{NOT_YET}: it has 1 of 2 chunks", None, None, None]


def test_an_expanding_reference_begins_with_five_chunks() -> None:
    found = places(Reference(expanding=True), chunks(*[None] * 7))
    assert found == [[], [], [], [], [], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]]


def test_a_rolling_reference_needs_a_log_that_reaches_back_and_a_row() -> None:
    some = days(1, 2, 3, 5, 12, 13)
    found = preceding_chunks(Reference(rolling="3d"), some, "UTC")
    assert [list(one.places) for one in found] == [[], [], [], [1, 2], [], [4]]
    assert [one.reason for one in found] == [
        *[f"{NOT_YET}: the log does not reach 3d back"] * 3,
        None,
        "no rows lie in the 3d before the chunk",
        None,
    ]
    assert first_reference(found) == range(1, 3)


def test_where_no_reference_is_complete_the_first_one_is_of_all_chunks() -> None:
    assert first_reference(preceding_chunks(Reference(previous_chunks=9), days(1, 2), "UTC")) == range(2)


@pytest.mark.parametrize(
    ("moment", "length", "earlier"),
    [
        (datetime(2024, 3, 31, 22, tzinfo=UTC), "1d", datetime(2024, 3, 30, 23, tzinfo=UTC)),
        (datetime(2024, 3, 31, 22, tzinfo=UTC), "23h", datetime(2024, 3, 30, 23, tzinfo=UTC)),
        (datetime(2024, 3, 30, 23, tzinfo=UTC), "1mo", datetime(2024, 2, 28, 23, tzinfo=UTC)),
        (datetime(2024, 1, 31, 11, tzinfo=UTC), "2mo", datetime(2023, 11, 30, 11, tzinfo=UTC)),
        (datetime(2024, 12, 31, 11, tzinfo=UTC), "1q", datetime(2024, 9, 30, 10, tzinfo=UTC)),
        (datetime(2024, 2, 29, 11, tzinfo=UTC), "1y", datetime(2023, 2, 28, 11, tzinfo=UTC)),
        (datetime(2024, 2, 29, 11, tzinfo=UTC), "2w", datetime(2024, 2, 15, 11, tzinfo=UTC)),
    ],
)
def test_days_and_longer_are_counted_back_by_the_calendar(moment: datetime, length: str, earlier: datetime) -> None:
    assert moved_back(moment, length, BERLIN) == earlier


def test_a_period_before_all_times_is_no_error() -> None:
    assert moved_back(datetime(2024, 1, 1, tzinfo=UTC), "9999y", "UTC") < datetime(1700, 1, 1, tzinfo=UTC)
    assert timedelta(days=69000) < datetime(2024, 1, 1, tzinfo=UTC) - moved_back(
        datetime(2024, 1, 1, tzinfo=UTC), "9999w", "UTC"
    )


def test_words_say_what_is_meant() -> None:
    known = [
        Reference(rolling="30d"),
        Reference(rolling="1q"),
        Reference(previous_chunks=1),
        Reference(previous_chunks=7),
        Reference(expanding=True),
        Reference(paths=("a",)),
    ]
    assert [words(one) for one in known] == [
        "the 30 days before each chunk",
        "the quarter before each chunk",
        "the chunk before each chunk",
        "the 7 chunks before each chunk",
        "all chunks before each chunk, from 5 on",
        "",
    ]
