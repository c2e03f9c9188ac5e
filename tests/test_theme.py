"""The look is legible, and numbers and dates read one way only."""

import itertools
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict

BACKGROUNDS = ("bg", "surface", "raised", "accent_soft")


@pytest.mark.parametrize("palette", theme.PALETTES.values(), ids=list(theme.PALETTES))
class TestPalette:
    def test_text_can_be_read_on_every_background(self, palette: theme.Palette) -> None:
        weak = {
            (ink, background): theme.contrast(getattr(palette, ink), getattr(palette, background))
            for ink in ("text", "muted", "accent")
            for background in BACKGROUNDS
        }
        assert {pair: value for pair, value in weak.items() if value < 4.5} == {}

    def test_verdicts_can_be_read_on_cards_and_on_their_soft_background(self, palette: theme.Palette) -> None:
        for verdict in Verdict:
            color = theme.verdict_color(palette, verdict)
            for background in (palette.bg, palette.surface, palette.raised, theme.verdict_soft(palette, verdict)):
                assert theme.contrast(color, background) >= 4.5, (verdict, background)
        for soft in (palette.ok_soft, palette.warn_soft, palette.bad_soft):
            assert theme.contrast(palette.text, soft) >= 4.5
            assert theme.contrast(palette.muted, soft) >= 4.5

    def test_text_on_the_accent_and_shapes_on_cards_can_be_seen(self, palette: theme.Palette) -> None:
        assert theme.contrast(palette.on_accent, palette.accent) >= 4.5
        for shape in (palette.reference, palette.accent, palette.ok, palette.warn, palette.bad):
            assert theme.contrast(shape, palette.surface) >= 3

    @pytest.mark.parametrize("part", range(10))
    def test_marks_can_be_seen_anywhere_on_the_heat_ramp(self, palette: theme.Palette, part: int) -> None:
        for share in range(100 * part, 100 * part + 101):
            color = theme.heat(palette, share / 1000)
            assert theme.contrast(theme.ink(color), color) >= 4.5

    def test_heat_passes_through_its_stops_and_its_brightness_runs_one_way(self, palette: theme.Palette) -> None:
        stops = len(palette.heat) - 1
        assert tuple(theme.heat(palette, stop / stops) for stop in range(stops + 1)) == palette.heat
        brightness = [theme.luminance(theme.heat(palette, share / 100)) for share in range(101)]
        steps = [after - before for before, after in itertools.pairwise(brightness)]
        assert all(step >= -1e-3 for step in steps) if palette.dark else all(step <= 1e-3 for step in steps)


def test_contrast_is_that_of_the_rule() -> None:
    assert theme.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert theme.contrast("#777777", "#FFFFFF") == pytest.approx(4.478, abs=1e-3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0.000"),
        (0.7912, "0.791"),
        (-0.0514, "−0.051"),
        (-0.0, "0.000"),
        (0.00004213, "4.2e-05"),
        (12.345, "12.35"),
        (-123.45, "−123.5"),
        (19_402.0, "19,402"),
        (1_131_204.0, "1.13 M"),
    ],
)
def test_numbers_read_at_a_glance(value: float | None, text: str) -> None:
    assert theme.number(value) == text


def test_large_numbers_counts_shares_and_changes() -> None:
    texts = [
        theme.compact(value) for value in (0, 999, 999.4, 999.96, 1000, 19_402, 99_960, 999_900, 1_131_204, -2.5e9)
    ]
    assert texts == ["0", "999", "999", "1.00 k", "1.00 k", "19.4 k", "100 k", "1.00 M", "1.13 M", "−2.50 G"]
    assert theme.count(1_131_204) == "1,131,204"
    assert theme.percent(0.2143) == "21.4 %"
    assert theme.signed(0.05) == "+0.050"
    assert theme.signed(-0.05) == "−0.050"
    assert theme.exact(-0.1234567891) == "-0.12345679"


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_exact_numbers_can_be_read_back(value: float) -> None:
    assert float(theme.exact(value)) == pytest.approx(value, rel=1e-7)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (utc(2026, 11, 2), utc(2026, 11, 3), "Mon 2 Nov 2026"),
        (utc(2026, 11, 2), utc(2026, 11, 9), "2 – 8 Nov 2026"),
        (utc(2026, 10, 28), utc(2026, 11, 4), "28 Oct – 3 Nov 2026"),
        (utc(2026, 12, 28), utc(2027, 1, 4), "28 Dec 2026 – 3 Jan 2027"),
        (utc(2026, 11, 1), utc(2026, 12, 1), "Nov 2026"),
        (utc(2026, 10, 1), utc(2027, 1, 1), "Oct – Dec 2026"),
        (utc(2026, 12, 1), utc(2027, 2, 1), "Dec 2026 – Jan 2027"),
        (utc(2026, 1, 1), utc(2027, 1, 1), "2026"),
        (utc(2025, 1, 1), utc(2027, 1, 1), "2025 – 2026"),
        (utc(2026, 11, 2, 6), utc(2026, 11, 2, 12), "2 Nov 2026 06:00 – 12:00"),
        (utc(2026, 11, 2, 18), utc(2026, 11, 3), "2 Nov 2026 18:00 – 00:00"),
        (utc(2026, 11, 2, 18), utc(2026, 11, 3, 6), "2 Nov 2026 18:00 – 3 Nov 2026 06:00"),
        (None, None, "–"),
    ],
)
def test_periods_are_named_as_a_person_would(start: datetime | None, end: datetime | None, text: str) -> None:
    assert theme.span(start, end, "UTC") == text


def test_periods_are_named_on_the_clock_of_their_time_zone() -> None:
    assert theme.span(utc(2026, 11, 1, 16), utc(2026, 11, 2, 16), "Asia/Shanghai") == "Mon 2 Nov 2026"
    assert theme.moment_text(utc(2026, 11, 1, 22, 12), "Asia/Shanghai") == "2 Nov 2026 06:12"
    assert theme.moment_text(None, "UTC") == "–"


def test_durations() -> None:
    assert [theme.elapsed(seconds) for seconds in (-1, 161.9, 3761)] == ["00:00", "02:41", "1:02:41"]
    assert [theme.duration(seconds) for seconds in (0.048, 1.234, 59.96, 185)] == [
        "48 ms",
        "1.2 s",
        "1 min 00 s",
        "3 min 05 s",
    ]
    now = utc(2026, 11, 2)
    texts = [theme.ago(now - timedelta(seconds=seconds), now) for seconds in (5, 61, 7300, 86400, 200_000)]
    assert texts == ["just now", "1 min ago", "2 h ago", "1 day ago", "2 days ago"]


@given(
    low=st.floats(-1e6, 1e6, allow_nan=False),
    width=st.floats(1e-3, 1e6, allow_nan=False),
    most=st.integers(1, 12),
)
def test_axis_steps_are_round_inside_and_told_apart(low: float, width: float, most: int) -> None:
    high = low + width
    steps = theme.nice_steps(low, high, most)
    assert len(steps) <= most + 1
    assert all(low - width * 1e-6 <= step <= high + width * 1e-6 for step in steps)
    texts = theme.step_texts(steps)
    assert len(set(texts)) == len(steps)


def test_axis_steps_of_nothing() -> None:
    assert theme.nice_steps(1, 1, 5) == ()
    assert theme.nice_steps(math.nan, 1, 5) == ()
    assert theme.step_texts((0.78, 0.8, 0.82)) == ("0.78", "0.80", "0.82")
    assert theme.step_texts((0, 10_000, 20_000)) == ("0", "10 k", "20 k")
    assert theme.step_texts((0.0, 0.15, 0.3)) == ("0.00", "0.15", "0.30")
    assert theme.step_texts((-0.5, 0.0, 0.5)) == ("−0.5", "0.0", "0.5")
