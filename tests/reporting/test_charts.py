"""Charts are well-formed SVG that says what the numbers say, whatever the texts of the data hold."""

import math
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk import theme
from mlops_desk.domain.metric import Direction, Family, SeriesKey, Verdict
from mlops_desk.domain.overview import Distribution, DriftMatrix, GroupBar, Line
from mlops_desk.domain.schema import Kind
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.reporting.charts.axis import Frame, bunches, chunk_names, value_range
from mlops_desk.reporting.charts.bars import distribution_chart, finite_edges, group_chart
from mlops_desk.reporting.charts.heat import drift_matrix, heat_level, scale_top
from mlops_desk.reporting.charts.lines import course_chart, limit_path, row_area, runs_of, share_bars, sparkline
from mlops_desk.reporting.charts.style import HEAT_LEVELS, properties, rules
from mlops_desk.reporting.charts.svg import escaped, shortened, text_width
from mlops_desk.theme import DIRECTION_MARKS

OK, WARNING, ALERT, UNTESTED = Verdict.OK, Verdict.WARNING, Verdict.ALERT, Verdict.UNTESTED
WILD = st.text(max_size=30) | st.sampled_from(
    ["<script>alert(1)</script>", '"><svg onload=x>', "]]>", "&amp;", "\x00\x1b", "月收入", "\u202eabc"]
)


def days(count: int, step: timedelta = timedelta(days=1)) -> list[Chunk]:
    first = datetime(2026, 9, 19, tzinfo=UTC)
    return [
        Chunk(split=Split.ANALYSIS, key=f"{n}", index=n, start=first + n * step, end=first + (n + 1) * step, rows=9)
        for n in range(count)
    ]


def line(
    values: list[float | None],
    *,
    family: Family = Family.PERFORMANCE,
    lower: float | None = None,
    verdicts: list[Verdict] | None = None,
) -> Line:
    empty = (None,) * len(values)
    return Line(
        key=SeriesKey(family, "roc_auc"),
        title="ROC AUC",
        direction=Direction.HIGHER,
        values=tuple(values),
        errors=(0.01,) * len(values),
        lowers=(lower,) * len(values),
        uppers=empty,
        warn_lowers=empty,
        warn_uppers=empty,
        verdicts=tuple(verdicts or [OK] * len(values)),
        reasons=tuple("no labels" if value is None else None for value in values),
    )


def matrix(columns: list[str], values: list[list[float | None]], *, upper: float = 0.2) -> DriftMatrix:
    judged = [
        [UNTESTED if v is None else ALERT if v > upper else WARNING if v > upper / 2 else OK for v in row]
        for row in values
    ]
    return DriftMatrix(
        metric="jensen_shannon",
        title="Jensen–Shannon distance",
        columns=tuple(columns),
        values=tuple(map(tuple, values)),
        verdicts=tuple(map(tuple, judged)),
        uppers=tuple((upper,) * len(row) for row in values),
    )


def parsed(svg: str) -> ET.Element:
    root = ET.fromstring(svg)
    assert root.tag == "svg"
    return root


def titles(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter("title")]


def cells(root: ET.Element) -> list[ET.Element]:
    return [element for element in root.iter("rect") if (element.get("class") or "").startswith("cell")]


@given(WILD, WILD, WILD)
def test_no_text_breaks_out_of_a_chart(first: str, second: str, third: str) -> None:
    bar = GroupBar(
        attribute=first, group=second, rows=3, rate=0.2, ratio=0.5, interval_lower=0.4, interval_upper=0.6, is_best=False,
        verdict=ALERT, reason=third,
    )  # fmt: skip
    columns = Distribution(
        column=first, kind=Kind.CATEGORICAL, edges=(), categories=(second, third), reference=(0.5, 0.5), analysis=(0.2, 0.8),
        reference_rows=2, analysis_rows=5, reference_mean=None, analysis_mean=None, reference_text=third, analysis_text=first,
        notes=(second,),
    )  # fmt: skip
    for svg in (
        drift_matrix("a", matrix([first, second], [[0.1, 0.3], [None, 0.2]]), days(2), "UTC", {first: third}),
        group_chart("a", first, [bar], 0.8),
        distribution_chart("a", columns),
        course_chart("a", first, [line([0.5, None])], days(2), "UTC"),
    ):
        root = parsed(svg)
        assert {element.tag for element in root.iter()} <= {"svg", "title", "desc", "rect", "path", "text", "circle"}
        names = {name for element in root.iter() for name in element.attrib}
        assert not any(name.startswith("on") or name.endswith("href") for name in names)


@given(WILD)
def test_escaped_text_reads_back_as_it_was(text: str) -> None:
    back = ET.fromstring(f"<a b={chr(34)}{escaped(text)}{chr(34)}>{escaped(text)}</a>")
    readable = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]", "\ufffd", text)
    readable = readable.translate({ord(mark): ascii(mark)[1:-1] for mark in DIRECTION_MARKS})
    assert (back.text or "") == re.sub("\r\n?", "\n", readable)


def test_the_matrix_has_a_cell_for_each_value_with_its_tooltip() -> None:
    root = parsed(
        drift_matrix("m", matrix(["a", "b"], [[0.05, 0.15, 0.25], [None, 0.0, 0.4]]), days(3), "UTC", {"b": "score"})
    )
    assert len(cells(root)) == 6
    told = [element.find("title").text for element in cells(root)]
    assert told[2] == "a\nMon 21 Sep 2026\nJensen–Shannon distance 0.250, limit ≤ 0.200: alert"
    assert told[3] == "b (score)\nSat 19 Sep 2026\nuntested"
    assert cells(root)[3].get("class") == "cell c-none"
    assert root.find("desc").text == "Chunks with an alert: a in 1, b in 1."
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "m-t m-d"


def test_marks_of_the_matrix_are_squares_and_dots() -> None:
    root = parsed(drift_matrix("m", matrix(["a"], [[0.05, 0.15, 0.25, 0.3]]), days(4), "UTC", {}))
    marks = [
        element.get("d") or "" for element in root.iter("path") if re.fullmatch(r"i\d+", element.get("class") or "")
    ]
    drawn = "".join(marks)
    assert drawn.count("h4v4h-4Z") == 2
    assert drawn.count("a1.3 1.3") == 2  # two arcs, one dot


def test_many_chunks_share_cells_that_show_the_worst() -> None:
    values = [0.01] * 365
    values[200] = 0.9
    root = parsed(drift_matrix("m", matrix(["a"], [values]), days(365), "UTC", {}))
    assert len(cells(root)) <= 120
    assert sum("0.900" in title for title in titles(root)) == 1


@pytest.mark.parametrize(("greatest", "top"), [(0.1, 0.4), (0.5, 0.5), (7.0, 0.8)])
def test_the_ramp_ends_between_two_and_four_limits(greatest: float, top: float) -> None:
    assert scale_top(matrix(["a"], [[0.0, greatest]])) == pytest.approx(top)


@given(st.floats(0, 10), st.floats(0.01, 10))
def test_heat_levels_stay_on_the_ramp(value: float, top: float) -> None:
    assert 0 <= heat_level(value, top) < HEAT_LEVELS


def test_courses_break_where_there_is_no_number() -> None:
    assert runs_of([1.0, None, 2.0, 3.0, None]) == [[0], [2, 3]]
    root = parsed(course_chart("c", "t", [line([0.8, None, 0.7, 0.75])], days(4), "UTC"))
    drawn = next(
        element.get("d") or ""
        for element in root.iter("path")
        if element.get("class") == "line" and "L" in (element.get("d") or "")
    )
    assert drawn.count("M") == 2
    assert len(list(root.iter("circle"))) == 1


def test_the_course_is_drawn_where_its_numbers_lie() -> None:
    values = [0.70, 0.80, 0.75]
    root = parsed(course_chart("c", "t", [line(values)], days(3), "UTC"))
    drawn = next(
        element.get("d") or ""
        for element in root.iter("path")
        if element.get("class") == "line" and (element.get("d") or "").count("L") == 2
    )
    points = [tuple(map(float, pair.split())) for pair in re.split("[ML]", drawn) if pair]
    low, high = 0.70 - 0.007, 0.80 + 0.007
    height, top = 196 - 44, 22
    for value, (_, y) in zip(values, points, strict=True):
        assert y == pytest.approx(top + height * (high - value) / (high - low), abs=0.06)
    gaps = [points[1][0] - points[0][0], points[2][0] - points[1][0]]
    assert gaps[0] == pytest.approx(gaps[1], abs=0.11)


def test_alerts_and_warnings_of_a_course_are_marked_and_told() -> None:
    one = line([0.8, 0.7, 0.6], lower=0.65, verdicts=[OK, WARNING, ALERT])
    estimated = line([0.81, 0.72, 0.66], family=Family.ESTIMATED_PERFORMANCE)
    root = parsed(course_chart("c", "t", [one, estimated], days(3), "UTC"))
    classes = [element.get("class") for element in root.iter("path")]
    assert classes.count("dot c-bad") == classes.count("dot c-warn") == 1
    assert "beyond" in classes
    assert "Mon 21 Sep 2026\nrealised 0.600 ± 0.030, limit ≥ 0.650: alert\nestimated 0.660 ± 0.030" in titles(root)
    words = [element.text for element in root.iter("text")]
    assert {"realised", "estimated", "limit", "± 3 sampling errors"} <= set(words)


def test_a_missing_value_tells_why() -> None:
    assert "realised: no labels" in " ".join(
        titles(parsed(course_chart("c", "t", [line([0.8, None])], days(2), "UTC")))
    )


def test_limits_step_from_chunk_to_chunk() -> None:
    frame = Frame(left=0, top=0, width=30, height=10)
    assert limit_path(frame, [0.5, 0.5, 1.0]) == "M0 5H10H20V0H30"
    assert limit_path(frame, [None, 0.5, None]) == "M10 5H20"


def test_shares_are_bars_in_the_colours_of_their_verdicts() -> None:
    one = line([0.0, 0.2, 0.4, 0.6], verdicts=[OK, OK, WARNING, ALERT])
    root = parsed(share_bars("s", "Share", one, days(4), "UTC"))
    assert [element.get("class") for element in root.iter("path") if (element.get("class") or "").startswith("c-")] == [
        "c-reference",
        "c-warn",
        "c-bad",
    ]
    assert any("60.0 % of the features drifted" in title for title in titles(root))


@pytest.mark.parametrize("counts", [[], [5], [0, 0], [1, 10_000]])
def test_rows_can_be_few(counts: list[int]) -> None:
    root = parsed(row_area("r", "Rows", counts, days(len(counts)), "UTC"))
    assert len([title for title in titles(root) if title.endswith((" row", " rows"))]) == len(counts)


@given(st.lists(st.none() | st.floats(-1e300, 1e300), max_size=20))
def test_sparklines_take_any_numbers(points: list[float | None]) -> None:
    svg = sparkline(points, ALERT)
    assert parsed(svg).get("aria-hidden") == "true"
    assert "nan" not in svg
    assert "inf" not in svg


@given(st.lists(st.none() | st.floats(-1e200, 1e200), min_size=1), st.booleans())
def test_a_range_holds_its_values(values: list[float | None], zero: bool) -> None:
    low, high = value_range(values, zero=zero)
    assert low < high
    assert all(low <= value <= high for value in values if value is not None)


def test_group_bars_tell_who_fails() -> None:
    def bar(group: str, ratio: float | None, verdict: Verdict, **more: object) -> GroupBar:
        fields = {"interval_lower": None, "interval_upper": None, "is_best": False, "reason": None, **more}
        return GroupBar(attribute="sex", group=group, rows=99, rate=0.1, ratio=ratio, verdict=verdict, **fields)

    root = parsed(
        group_chart(
            "g", "t",
            [
                bar("f", 0.61, ALERT, interval_lower=0.5, interval_upper=0.7), bar("m", 1.0, OK, is_best=True),
                bar("d", 0.79, WARNING), bar("x", None, UNTESTED, reason="too small"),
            ],
            0.8,
        )
    )  # fmt: skip
    words = {element.text for element in root.iter("text")}
    assert {"0.61 fails", "1.00 highest", "0.79 may fail", "○ too small"} <= words
    assert root.find("desc").text == "Below the limit of 0.800: sex = f 0.61, sex = d 0.79."
    assert any("95 % interval 0.500 to 0.700, limit 0.800: alert" in title for title in titles(root))
    assert [element.get("class") for element in root.iter("path")].count("whisker") == 1


def numeric(edges: tuple[float, ...], reference: tuple[float, ...], analysis: tuple[float, ...]) -> Distribution:
    return Distribution(
        column="x", kind=Kind.NUMERIC, edges=edges, categories=(), reference=reference, analysis=analysis, reference_rows=9,
        analysis_rows=9, reference_mean=0.5, analysis_mean=0.6, reference_text="Reference", analysis_text="now", notes=(),
    )  # fmt: skip


def test_bins_of_unequal_width_have_equal_areas_for_equal_shares() -> None:
    root = parsed(distribution_chart("d", numeric((0.0, 1.0, 3.0), (0.5, 0.5), (0.0, 0.0))))
    steps = next(element.get("d") or "" for element in root.iter("path") if element.get("class") == "step r")
    corners = [tuple(map(float, pair.split())) for pair in re.split("[ML]", steps) if pair]
    (left, floor), (_, high), (middle, _), (_, low), (right, _) = corners[:5]
    assert (middle - left) * (floor - high) == pytest.approx((right - middle) * (floor - low), rel=0.01)


@pytest.mark.parametrize("edges", [(0.0, 0.5, 1.0), (-1e6, 0.0, 1e6), (0.0, 1e-7, 2e-7)])
def test_numbers_below_a_distribution_stay_inside_the_picture(edges: tuple[float, ...]) -> None:
    root = parsed(distribution_chart("d", numeric(edges, (0.5, 0.5), (0.2, 0.8))))
    width = float(root.attrib["viewBox"].split()[2])
    labels = [element for element in root.iter("text") if element.get("class") == "mid"]
    assert len(labels) >= 2
    for element in labels:
        middle, half = float(element.attrib["x"]), text_width(element.text or "") / 2
        assert middle - half >= -0.1
        assert middle + half <= width + 0.1


def test_open_ends_are_as_wide_as_their_neighbours() -> None:
    assert finite_edges((-math.inf, 0.0, 2.0, 3.0, math.inf)) == [-2.0, 0.0, 2.0, 3.0, 4.0]
    parsed(distribution_chart("d", numeric((-math.inf, 0.0, 1.0, math.inf), (0.2, 0.5, 0.3), (0.1, 0.4, 0.5))))


def test_rare_categories_are_summed() -> None:
    shares = tuple(share / 55 for share in range(10, 0, -1))
    found = Distribution(
        column="x", kind=Kind.CATEGORICAL, edges=(), categories=tuple("abcdefghij"), reference=shares, analysis=shares,
        reference_rows=9, analysis_rows=9, reference_mean=None, analysis_mean=None, reference_text="", analysis_text="", notes=(),
    )  # fmt: skip
    root = parsed(distribution_chart("d", found))
    assert "4 others" in {element.text for element in root.iter("text")}
    assert any("4 others\nreference 18.2 %" in title for title in titles(root))


def test_what_the_store_sums_up_already_joins_the_others() -> None:
    shares = (0.6, *(0.01,) * 10, 0.0)
    found = Distribution(
        column="x", kind=Kind.CATEGORICAL, edges=(), categories=("…", *"abcdefghij", "gone"), reference=shares, analysis=shares,
        reference_rows=9, analysis_rows=9, reference_mean=None, analysis_mean=None, reference_text="", analysis_text="", notes=(),
    )  # fmt: skip
    told = titles(parsed(distribution_chart("d", found)))
    assert "all others\nreference 64.0 %\nanalysis 64.0 %" in told
    assert not any(title.startswith("gone") for title in told)


@pytest.mark.parametrize(
    ("step", "count", "names"),
    [
        (timedelta(hours=1), 3, ["19 Sep 00:00", "19 Sep 01:00", "19 Sep 02:00"]),
        (timedelta(days=1), 3, ["19 Sep", "20 Sep", "21 Sep"]),
        (timedelta(days=30), 3, ["Sep 2026", "Oct 2026", "Nov 2026"]),
        (timedelta(days=365), 3, ["2026", "2027", "2028"]),
    ],
)
def test_ticks_say_as_much_as_tells_chunks_apart(step: timedelta, count: int, names: list[str]) -> None:
    assert chunk_names(days(count, step), "UTC") == names


def test_chunks_without_times_are_numbered() -> None:
    chunks = [Chunk(split=Split.ANALYSIS, key=f"row:{n}", index=n, start=None, end=None, rows=5) for n in range(2)]
    assert chunk_names(chunks, "UTC") == ["1", "2"]
    assert any(
        title.startswith("chunk 2")
        for title in titles(parsed(course_chart("c", "t", [line([0.1, 0.2])], chunks, "UTC")))
    )


@given(st.integers(0, 2000))
def test_bunches_hold_every_place_once(count: int) -> None:
    found = bunches(count)
    assert [place for bunch in found for place in bunch] == list(range(count))
    assert len(found) <= 120


@given(WILD, st.floats(20, 200))
def test_shortened_text_fits(text: str, width: float) -> None:
    found = shortened(text, width)
    assert text_width(found) <= width or found == "…"


def test_every_class_and_colour_is_styled() -> None:
    style = rules()
    for palette in (theme.LIGHT, theme.DARK):
        declared = set(re.findall(r"--([a-z0-9-]+):", properties(palette)))
        assert set(re.findall(r"var\(--([a-z0-9-]+)\)", style)) <= declared
    svg = "".join(
        [
            drift_matrix("m", matrix(["a"], [[0.05, None, 0.25]]), days(3), "UTC", {}),
            course_chart(
                "c",
                "t",
                [line([0.8, 0.7], lower=0.75), line([0.8, 0.7], family=Family.ESTIMATED_PERFORMANCE)],
                days(2),
                "UTC",
            ),
            share_bars("s", "t", line([0.2, 0.3]), days(2), "UTC"),
            row_area("r", "t", [3, 4], days(2), "UTC"),
            *(sparkline([1, 2], verdict) for verdict in Verdict),
        ]
    )
    for name in {name for names in re.findall(r'class="([^"]+)"', svg) for name in names.split()} - {"spark"}:
        assert re.search(rf"\.{name}\b", style), name


def test_marks_that_turn_the_direction_of_writing_are_shown_as_escapes() -> None:
    assert escaped("a\u202eb<\u2066") == "a\\u202eb&lt;\\u2066"
