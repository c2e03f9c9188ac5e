"""Places of chunks, labels of times, zoom, crosshair and brush."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.gui.plots.scale import chunk_scale, time_ticks
from mlops_desk.gui.plots.timeline import Timeline

START = datetime(2026, 9, 19, tzinfo=UTC)


def day_chunk(day: int, index: int | None = None) -> Chunk:
    start = START + timedelta(days=day)
    return Chunk(
        split=Split.ANALYSIS,
        key=start.isoformat(),
        index=index or day,
        start=start,
        end=start + timedelta(days=1),
        rows=5,
    )


def row_chunk(index: int) -> Chunk:
    return Chunk(split=Split.ANALYSIS, key=f"row:{5000 * index}", index=index, start=None, end=None, rows=5000)


def days(*numbers: int) -> tuple[Chunk, ...]:
    return tuple(day_chunk(day, place) for place, day in enumerate(numbers))


def test_a_day_without_rows_is_a_gap() -> None:
    scale = chunk_scale(days(0, 1, 4), "UTC")
    assert scale.rights[0] == scale.lefts[1]
    assert scale.lefts[2] - scale.rights[1] == 2 * 86400
    gap = scale.rights[1]
    assert [scale.nearest(gap + hours * 3600) for hours in (1, 23, 25, 47)] == [1, 1, 2, 2]
    assert scale.nearest(scale.lefts[0] - 1e9) == 0
    assert scale.nearest(scale.rights[2] + 1e9) == 2
    assert scale.name(0) == "Sat 19 Sep 2026"
    assert scale.name(0, 2) == "19 – 23 Sep 2026"


def test_chunks_of_rows_lie_side_by_side() -> None:
    scale = chunk_scale([row_chunk(index) for index in range(3, 9)], "UTC")
    assert (scale.lefts, scale.ends) == ((3, 4, 5, 6, 7, 8), (3, 9))
    assert (scale.name(0), scale.name(0, 2)) == ("chunk 3", "chunks 3 – 5")
    assert [tick.text for tick in scale.ticks(3, 9, 10)] == ["3", "4", "5", "6", "7", "8"]
    assert scale.index_of("row:20000") == 1


def test_no_chunks() -> None:
    scale = chunk_scale((), "UTC")
    assert (scale.nearest(0), scale.ticks(0, 1, 5), scale.ends) == (None, (), (0.0, 1.0))


@given(low=st.floats(0, 59), width=st.floats(0.01, 59))
def test_chunks_between_are_those_that_touch(low: float, width: float) -> None:
    scale = chunk_scale([row_chunk(index) for index in range(60)], "UTC")
    touching = [index for index in range(60) if scale.rights[index] > low and scale.lefts[index] < low + width]
    assert list(scale.between(low, low + width)) == touching


@pytest.mark.parametrize(
    ("hours", "most", "texts"),
    [
        (24 * 60, 9, ["21 Sep 2026", "28 Sep", "5 Oct", "12 Oct", "19 Oct", "26 Oct", "2 Nov", "9 Nov", "16 Nov"]),
        (24 * 4, 5, ["19 Sep 2026", "20 Sep", "21 Sep", "22 Sep", "23 Sep"]),
        (12, 5, ["19 Sep 2026", "03:00", "06:00", "09:00", "12:00"]),
        (24 * 365, 6, ["Oct 2026", "Jan 2027", "Apr", "Jul"]),
        (24 * 365 * 8, 5, ["2028", "2030", "2032", "2034"]),
    ],
)
def test_labels_name_the_year_where_it_changes(hours: float, most: int, texts: list[str]) -> None:
    ticks = time_ticks(START.timestamp(), (START + timedelta(hours=hours)).timestamp(), most, "UTC")
    assert [tick.text for tick in ticks] == texts


@given(
    start=st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)),
    hours=st.floats(2, 24 * 365 * 20),
    most=st.integers(2, 15),
    timezone=st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]),
)
def test_labels_are_round_in_their_zone_ordered_and_different(
    start: datetime, hours: float, most: int, timezone: str
) -> None:
    low = start.replace(tzinfo=UTC).timestamp()
    ticks = time_ticks(low, low + 3600 * hours, most, timezone)
    assert len(ticks) <= most + 2
    places = [tick.place for tick in ticks]
    assert places == sorted(set(places))
    for place in places:
        there = datetime.fromtimestamp(place, ZoneInfo(timezone))
        assert (there.second, there.microsecond) == (0, 0)


def ready(count: int = 60) -> Timeline:
    timeline = Timeline()
    timeline.set_scale(chunk_scale(days(*range(count)), "UTC"), keep=False)
    return timeline


def test_live_data_extends_the_view_unless_it_is_zoomed() -> None:
    timeline = ready()
    assert timeline.shows_all
    timeline.set_scale(chunk_scale(days(*range(61)), "UTC"), keep=True)
    assert timeline.shows_all
    timeline.set_brush((50, 55))
    timeline.point(52)
    timeline.zoom(0.5, timeline.scale.centre(52))
    zoomed = timeline.visible
    timeline.set_scale(chunk_scale(days(*range(62)), "UTC"), keep=True)
    assert timeline.visible == zoomed
    assert (timeline.brush, timeline.cursor) == ((50, 55), 52)
    timeline.set_scale(chunk_scale(days(*range(10, 62)), "UTC"), keep=True)
    assert (timeline.brush, timeline.cursor) == ((40, 45), 42)
    timeline.set_scale(chunk_scale(days(*range(62)), "UTC"), keep=False)
    assert (timeline.brush, timeline.cursor, timeline.shows_all) == (None, None, True)


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("zoom"), st.floats(0.1, 10), st.floats(0, 1)),
            st.tuples(st.just("pan"), st.floats(-3, 3), st.just(0.0)),
        ),
        max_size=20,
    )
)
def test_the_view_never_leaves_the_chunks_nor_shrinks_to_nothing(steps: list[tuple[str, float, float]]) -> None:
    timeline = ready(20)
    first, last = timeline.scale.ends
    for kind, amount, place in steps:
        low, high = timeline.visible
        if kind == "zoom":
            timeline.zoom(amount, low + (high - low) * place)
        else:
            timeline.pan(amount * (high - low))
        low, high = timeline.visible
        assert first <= low < high <= last
        assert high - low >= 3 * 86400 * (1 - 1e-9)


def test_the_crosshair_steps_and_the_view_follows() -> None:
    timeline = ready(20)
    timeline.step(-1)
    assert timeline.cursor == 18
    timeline.zoom(0.2, timeline.scale.centre(18))
    for _ in range(40):
        timeline.step(-1)
    assert timeline.cursor == 0
    assert timeline.visible[0] == timeline.scale.lefts[0]
    Timeline().step(1)


def test_a_brush_has_its_ends_in_order() -> None:
    timeline = ready()
    timeline.set_brush((9, 3))
    assert timeline.brush == (3, 9)
    timeline.show_brush()
    assert timeline.visible == (timeline.scale.lefts[3], timeline.scale.rights[9])
