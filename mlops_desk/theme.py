"""How the product looks and how it writes numbers and dates: one table that the window and the report both read.

Colours are `#RRGGBB`. Every colour that carries text keeps a contrast of at least 4.5:1 on the backgrounds it is used on, every colour
that carries a shape 3:1; `faint` is for what may be overlooked. A verdict is never shown by its colour alone: it has a mark and a word.
Absent numbers are written as an en dash. Months are written in letters, so that no date can be read two ways. Numbers and dates are written
in the language that is spoken where they are made (`speaking`), which is English unless somebody says otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from mlops_desk.domain.metric import Verdict

SANS_FAMILIES = (
    "Inter",
    "Noto Sans SC",
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "PingFang SC",
    "Microsoft YaHei",
)
"""In order of preference: the shipped face first, then faces that have Chinese."""
MONO_FAMILIES = ("JetBrains Mono", "SF Mono", "Consolas", "DejaVu Sans Mono", "WenQuanYi Micro Hei Mono", "monospace")
FONT_FILES = ("Inter-Regular.ttf", "Inter-Medium.ttf", "Inter-SemiBold.ttf", "Inter-Bold.ttf")
"""Names of the shipped files in the folder of fonts."""
BASE_PIXELS = 12.5
SMALL_PIXELS = 11.0
FIGURE_PIXELS = 21.0
GUTTER_PIXELS = 12
RADIUS_PIXELS = 8

DIRECTION_MARKS = "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
"""Characters that nobody sees and that turn the direction of writing or break a line: a text of data shows them as escapes."""
ABSENT = "–"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LANGUAGES = {"en": "English", "zh": "简体中文"}
"""Languages of texts, by their codes."""
_CHINESE_WEEKDAYS = "一二三四五六日"
_UNITS = {
    "en": ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1e3, " k")),
    "zh": ((1e12, " 万亿"), (1e8, " 亿"), (1e4, " 万")),
}
_SPOKEN: ContextVar[str] = ContextVar("language", default="en")


class Palette(Struct, frozen=True, kw_only=True):
    """The colours of one theme.

    Attributes
    ----------
    bg, surface, raised : of the window, of cards, of what lies on cards. border : of cards and controls. grid : lines behind a chart.
    text, muted : of text. faint : of what may be overlooked. on_accent : of text on `accent`.
    accent : of what can be pressed and of the analysis. reference : of the reference in charts.
    ok, warn, bad : of verdicts; `_soft` are backgrounds for text of that colour.
    heat : seven stops from nothing to much.
    """

    name: str
    dark: bool
    bg: str
    surface: str
    raised: str
    border: str
    grid: str
    text: str
    muted: str
    faint: str
    accent: str
    accent_soft: str
    on_accent: str
    ok: str
    warn: str
    bad: str
    ok_soft: str
    warn_soft: str
    bad_soft: str
    reference: str
    heat: tuple[str, ...]


LIGHT = Palette(
    name="light",
    dark=False,
    bg="#F5F6F8",
    surface="#FFFFFF",
    raised="#FAFBFC",
    border="#E1E5EB",
    grid="#EEF1F5",
    text="#1B2330",
    muted="#566375",
    faint="#8C98A8",
    accent="#2459C9",
    accent_soft="#E6EDFB",
    on_accent="#FFFFFF",
    ok="#1B7556",
    warn="#955400",
    bad="#B3261E",
    ok_soft="#E1F2EB",
    warn_soft="#FCEFD9",
    bad_soft="#FBE4E2",
    reference="#7A8798",
    heat=("#F3F6FA", "#CFDDEE", "#9FBEDD", "#8E8FC6", "#8A5AAE", "#7A2A82", "#4B0A4F"),
)
DARK = Palette(
    name="dark",
    dark=True,
    bg="#12161D",
    surface="#1A2029",
    raised="#202732",
    border="#2C3542",
    grid="#242C37",
    text="#E7ECF3",
    muted="#A2AFC0",
    faint="#76849A",
    accent="#6EA0FF",
    accent_soft="#1F3257",
    on_accent="#0B1220",
    ok="#58C79B",
    warn="#F2B551",
    bad="#FF8A80",
    ok_soft="#173529",
    warn_soft="#3B2C12",
    bad_soft="#45201F",
    reference="#8E9BAD",
    heat=("#1E2632", "#25395A", "#35528A", "#6A55A6", "#B0569F", "#E8757B", "#FBC77E"),
)
PALETTES = {palette.name: palette for palette in (LIGHT, DARK)}

MARKS = {Verdict.OK: "●", Verdict.WARNING: "▲", Verdict.ALERT: "■", Verdict.UNTESTED: "○"}
WORDS = {Verdict.OK: "ok", Verdict.WARNING: "warning", Verdict.ALERT: "alert", Verdict.UNTESTED: "untested"}


_CHINESE_WORDS = {Verdict.OK: "正常", Verdict.WARNING: "警告", Verdict.ALERT: "告警", Verdict.UNTESTED: "未检验"}


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Makes texts, numbers and dates in a language of LANGUAGES while it lasts, in this thread or task alone."""
    if language not in LANGUAGES:
        raise ValueError(f"{language!r} is none of {', '.join(LANGUAGES)}")
    token = _SPOKEN.set(language)
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def spoken() -> str:
    """The code of the language that texts are made in."""
    return _SPOKEN.get()


def _chinese() -> bool:
    return _SPOKEN.get() == "zh"


def word(verdict: Verdict) -> str:
    """What a verdict is called."""
    return (_CHINESE_WORDS if _chinese() else WORDS)[verdict]


def verdict_color(palette: Palette, verdict: Verdict) -> str:
    """The colour of text and shapes that stand for a verdict."""
    return {
        Verdict.OK: palette.ok,
        Verdict.WARNING: palette.warn,
        Verdict.ALERT: palette.bad,
        Verdict.UNTESTED: palette.muted,
    }[verdict]


def verdict_soft(palette: Palette, verdict: Verdict) -> str:
    """The background for text in the colour of a verdict."""
    return {
        Verdict.OK: palette.ok_soft,
        Verdict.WARNING: palette.warn_soft,
        Verdict.ALERT: palette.bad_soft,
        Verdict.UNTESTED: palette.raised,
    }[verdict]


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of `#RRGGBB`."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def mixed(first: str, second: str, share: float) -> str:
    """The colour that lies at `share` (0 to 1) of the way from the first to the second."""
    pairs = zip(rgb(first), rgb(second), strict=True)
    return "#" + "".join(f"{round(one + (other - one) * share):02X}" for one, other in pairs)


def heat(palette: Palette, share: float) -> str:
    """The colour of the heat ramp at `share`; what lies outside 0 to 1 takes the end's."""
    place = min(max(share, 0.0), 1.0) * (len(palette.heat) - 1)
    stop = min(int(place), len(palette.heat) - 2)
    return mixed(palette.heat[stop], palette.heat[stop + 1], place - stop)


def luminance(color: str) -> float:
    """Relative luminance, 0 to 1, as the contrast rule of WCAG 2.1 defines it."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in rgb(color))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.1)."""
    darker, lighter = sorted((luminance(first), luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def ink(background: str) -> str:
    """Whichever of black and white is easier to see on a background: at least 4.58 to 1 on any, which a softer black would not reach."""
    return max(("#000000", "#FFFFFF"), key=lambda color: contrast(color, background))


def number(value: float | None) -> str:
    """A metric's value to read at a glance: three to five figures."""
    if value is None:
        return ABSENT
    size = abs(value)
    if size >= 1_000_000:
        return compact(value)
    if size >= 1000:
        return minus(f"{value:,.0f}")
    if size >= 100:
        return minus(f"{value:.1f}")
    if size >= 10:
        return minus(f"{value:.2f}")
    return minus(f"{value:.3f}") if size >= 0.001 or size == 0 else minus(f"{value:.2g}")


def exact(value: float | None) -> str:
    """A metric's value to read out and to copy: up to eight figures, a plain minus, no separators."""
    return ABSENT if value is None else f"{value:.8g}"


def precise(value: float | None) -> str:
    """A metric's value to read out beside a crosshair: five figures."""
    return ABSENT if value is None else minus(f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:#.5g}".rstrip("."))


def signed(value: float | None) -> str:
    """A change: as `number`, with its sign."""
    if value is None:
        return ABSENT
    return number(value) if value < 0 else f"+{number(value)}"


def count(value: float | None) -> str:
    """A whole number with its thousands apart: `1,131,204`."""
    return ABSENT if value is None else minus(f"{value:,.0f}")


def compact(value: float | None) -> str:
    """A large number to read at a glance: `19.4 k`, `1.13 M`; `1.94 万` in Chinese."""
    if value is None:
        return ABSENT
    for size, unit in _UNITS[spoken()]:
        if abs(value) >= size * 0.9995:
            return f"{minus(three_figures(value / size))}{unit}"
    return minus(f"{value:,.0f}" if value == round(value) else three_figures(value))


def three_figures(value: float) -> str:
    """A number from 1 to 1000 with three figures."""
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share in per cent: `21.4 %`."""
    return ABSENT if share is None else f"{minus(f'{100 * share:.{digits}f}')}{'%' if _chinese() else ' %'}"


def minus(text: str) -> str:
    """The text with a minus sign as wide as a plus in place of a hyphen; `-0.000` loses it."""
    if text.startswith("-") and not text.strip("-0.,"):
        return text[1:]
    return text.replace("-", "−") if text.startswith("-") else text


def local(moment: datetime, timezone: str) -> datetime:
    """A moment on the clock of a time zone; one without a zone is taken to be on it already."""
    return moment if moment.tzinfo is None else moment.astimezone(ZoneInfo(timezone))


def day(moment: datetime) -> str:
    """`2 Nov`, `11月2日`."""
    if _chinese():
        return f"{moment.month}月{moment.day}日"
    return f"{moment.day} {MONTHS[moment.month - 1]}"


def date(moment: datetime) -> str:
    """`2 Nov 2026`, `2026年11月2日`."""
    if _chinese():
        return f"{moment.year}年{day(moment)}"
    return f"{day(moment)} {moment.year}"


def long_date(moment: datetime) -> str:
    """`Mon 2 Nov 2026`, `2026年11月2日 周一`."""
    if _chinese():
        return f"{date(moment)} 周{_CHINESE_WEEKDAYS[moment.weekday()]}"
    return f"{WEEKDAYS[moment.weekday()]} {date(moment)}"


def month(moment: datetime) -> str:
    """`Nov 2026`, `2026年11月`."""
    if _chinese():
        return f"{moment.year}年{moment.month}月"
    return f"{MONTHS[moment.month - 1]} {moment.year}"


def moment_text(moment: datetime | None, timezone: str) -> str:
    """A moment to the minute on the clock of a time zone: `2 Nov 2026 06:12`."""
    if moment is None:
        return ABSENT
    there = local(moment, timezone)
    return f"{date(there)} {there:%H:%M}"


def span(start: datetime | None, end: datetime | None, timezone: str) -> str:
    """A half-open period in words: `Mon 2 Nov 2026`, `Nov 2026`, `2026`, `2 – 8 Nov 2026`, `2 Nov 2026 06:00 – 12:00`."""
    if start is None or end is None:
        return ABSENT
    first, after = local(start, timezone), local(end, timezone)
    if any((moment.hour, moment.minute, moment.second) != (0, 0, 0) for moment in (first, after)):
        same_day = first.date() == (after - timedelta(microseconds=1)).date()
        ending = f"{after:%H:%M}" if same_day else f"{date(after)} {after:%H:%M}"
        return f"{date(first)} {first:%H:%M} {ABSENT} {ending}"
    last = after - timedelta(days=1)
    if last.date() <= first.date():
        return long_date(first)
    if first.day == 1 and after.day == 1:
        return whole_months(first, last)
    if first.year != last.year:
        return f"{date(first)} {ABSENT} {date(last)}"
    if _chinese():
        return f"{date(first)} {ABSENT} {day(last)}"
    return f"{first.day if first.month == last.month else day(first)} {ABSENT} {date(last)}"


def whole_months(first: datetime, last: datetime) -> str:
    """A period of whole months in words, from its first and last day."""
    if _chinese():
        return _chinese_months(first, last)
    if (first.month, last.month) == (1, 12):
        return f"{first.year}" if first.year == last.year else f"{first.year} {ABSENT} {last.year}"
    if (first.year, first.month) == (last.year, last.month):
        return month(first)
    return f"{MONTHS[first.month - 1] if first.year == last.year else month(first)} {ABSENT} {month(last)}"


def _chinese_months(first: datetime, last: datetime) -> str:
    if (first.month, last.month) == (1, 12):
        return f"{first.year}年" if first.year == last.year else f"{first.year} {ABSENT} {last.year}年"
    if (first.year, first.month) == (last.year, last.month):
        return month(first)
    return f"{month(first)} {ABSENT} {f'{last.month}月' if first.year == last.year else month(last)}"


def elapsed(seconds: float) -> str:
    """A running time as a clock: `02:41`, `1:02:41`."""
    whole = max(int(seconds), 0)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes:02}:{whole % 60:02}"


def duration(seconds: float) -> str:
    """How long something took: `48 ms`, `1.2 s`, `3 min 05 s`."""
    milliseconds, second, minute = ("毫秒", "秒", "分") if _chinese() else ("ms", "s", "min")
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} {milliseconds}"
    if seconds < 59.95:
        return f"{seconds:.1f} {second}"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} {minute} {rest:02} {second}"


def ago(moment: datetime, now: datetime) -> str:
    """How long ago a moment was, in the largest fitting unit: `just now`, `3 min ago`, `2 days ago`."""
    seconds = (now - moment).total_seconds()
    if seconds < 60:
        return "刚刚" if _chinese() else "just now"
    for size, unit, chinese in ((86400.0, "day", "天"), (3600.0, "h", "小时"), (60.0, "min", "分钟")):
        if seconds >= size:
            whole = int(seconds / size)
            if _chinese():
                return f"{whole} {chinese}前"
            return f"{whole} {unit}{'s' if unit == 'day' and whole != 1 else ''} ago"
    raise AssertionError("a minute and more fits a unit")


def nice_steps(low: float, high: float, most: int) -> tuple[float, ...]:
    """At most `most` + 1 round numbers (multiples of 1, 2 or 5 times a power of ten) inside low … high, evenly apart."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low or most < 1:
        return ()
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(place * step for place in range(first, last + 1))


def step_texts(steps: Sequence[float]) -> tuple[str, ...]:
    """Axis labels of evenly spaced numbers with as many decimals as tell them apart; thousands are written as `20 k`, `2 万`."""
    if len(steps) < 2:
        return tuple(number(step) for step in steps)
    gap = steps[1] - steps[0]
    largest = max(abs(step) for step in steps)
    for size, unit in (*_UNITS[spoken()], (1.0, "")):
        if largest >= 2 * size or size == 1.0:
            digits = max(0, -math.floor(math.log10(gap / size) + 1e-9))
            digits += any(abs(round(step / size, digits) - step / size) > 0.01 * gap / size for step in steps)
            return tuple(minus(f"{step / size:.{digits}f}") + (unit if step else "") for step in steps)
    raise AssertionError("the last size fits all")
