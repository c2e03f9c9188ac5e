"""How metrics, series, limits and chunks are called in front of a person. Numbers and dates are written by `theme`.

A metric that the catalogue does not know (a business metric of desk.toml) is called by its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from mlops_desk import theme
from mlops_desk.domain.metric import Definition, Detection, Direction, Family, Limits, SeriesKey
from mlops_desk.domain.slicing import Chunk
from mlops_desk.metrics.catalogue import CATALOGUE
from mlops_desk.metrics.detectors import DETECTORS, WARNING, WARNING_DETECTORS
from mlops_desk.reporting.texts import apart, say

FAMILY_NAMES = {
    Family.DATA_DRIFT: "Data drift",
    Family.MULTIVARIATE_DRIFT: "Drift of all columns together",
    Family.PREDICTION_DRIFT: "Prediction drift",
    Family.LABEL_DRIFT: "Label drift",
    Family.CONCEPT_DRIFT: "Concept drift",
    Family.PERFORMANCE: "Accuracy",
    Family.ESTIMATED_PERFORMANCE: "Estimated accuracy",
    Family.CALIBRATION: "Calibration",
    Family.FAIRNESS: "Fairness",
    Family.ESTIMATED_FAIRNESS: "Estimated fairness",
    Family.DATA_QUALITY: "Data quality",
    Family.ADVERSARIAL: "Adversarial",
    Family.BUSINESS: "Business",
    Family.SYSTEM: "System",
}
REALISED_FAMILY = {Family.ESTIMATED_PERFORMANCE: Family.PERFORMANCE, Family.ESTIMATED_FAIRNESS: Family.FAIRNESS}
ROW_KEY = "row:"
"""Begins the key of a chunk of rows; the number of its first row follows."""


@lru_cache(maxsize=1)
def _definitions() -> dict[tuple[Family, str], Definition]:
    return {(definition.family, definition.id): definition for definition in CATALOGUE}


def definition(family: Family, metric: str) -> Definition | None:
    """What the catalogue says of a metric; an estimated one is described by the realised one where it has no entry of its own."""
    known = _definitions()
    return known.get((family, metric)) or known.get((REALISED_FAMILY.get(family, family), metric))


def metric_name(family: Family, metric: str) -> str:
    """`ROC AUC`, `ROC AUC (estimated)`; the id with spaces where the catalogue has no name."""
    realised = REALISED_FAMILY.get(family)
    found = definition(realised or family, metric)
    name = metric.replace("_", " ") if found is None else say(found.name.removesuffix(" (estimated)"))
    return say("{metric} (estimated)", metric=name) if realised else name


def direction(family: Family, metric: str) -> Direction:
    """Which way a metric gets better; neither where the catalogue does not know it."""
    found = definition(family, metric)
    return Direction.NEITHER if found is None else found.direction


def series_title(key: SeriesKey) -> str:
    """`Jensen–Shannon distance of debt_ratio`, `Recall of sex = female, in region = S`."""
    title = metric_name(key.family, key.metric)
    of = key.column
    if key.group is not None:
        of = f"{key.column} = {key.group}" if key.column else key.group
    if is_of_zones(key):
        title = say("{detector}, warning zones", detector=title)
    elif of is not None:
        title = say("{metric} of {column}", metric=apart(title), column=of)
    if key.class_ is not None:
        title = say("{title}, class {name}", title=title, name=key.class_)
    if key.segment is not None:
        title = say("{title}, in {segment}", title=title, segment=segment_text(key.segment))
    if key.convention != "desk":
        title += f" ({key.convention})"
    return title


def is_of_zones(key: SeriesKey) -> bool:
    """Whether a series is of the warning zones of a drift detector."""
    return key.metric in WARNING_DETECTORS and key.group == WARNING


def detection_text(one: Detection) -> str:
    """What a drift detector signalled."""
    return say("warning zone entered") if is_of_zones(one.key) else say("drift")


def segment_text(label: str) -> str:
    """`region = S` of the label `region=S`."""
    column, _, value = label.partition("=")
    return f"{column} = {value}"


def value_text(key: SeriesKey, value: float | None) -> str:
    """A metric's value to read at a glance; shares of rows and of columns in per cent."""
    if value is None:
        return theme.ABSENT
    found = definition(key.family, key.metric)
    if key.metric.endswith("_p"):
        return p_value_text(value)
    is_share = key.family is Family.DATA_QUALITY and found is not None and found.range == (0.0, 1.0)
    if is_share or key.metric == "drifted_share":
        return theme.percent(value)
    if key.metric in ("rows", "confusion", *DETECTORS) or (
        key.metric.startswith(("true_", "false_")) and "rate" not in key.metric
    ):
        return theme.count(value)
    return theme.number(value)


def p_value_text(value: float | None) -> str:
    """`0.004`; what is too small to matter is `< 0.001`."""
    return "< 0.001" if value is not None and 0 < value < 0.001 else theme.number(value)


def limits_text(key: SeriesKey, limits: Limits, value: float | None) -> str:
    """The limit that a value is beyond, or else those that matter: `limit ≥ 0.810`, `limits 0.81 to 0.86`, `no limit`.

    A value that is beyond the limit of a warning only has that limit told too.
    """
    lower, upper, warns_only = limits.lower, limits.upper, False
    if lower is None and upper is None:
        lower, upper, warns_only = limits.warn_lower, limits.warn_upper, True
    word = say("warned") if warns_only else say("limit")
    if lower is not None and upper is not None and lower != upper:
        lower, upper = sides_that_matter(lower, upper, value, direction(key.family, key.metric))
    if lower is not None and upper is not None:
        if lower == upper:
            return f"{word} = {value_text(key, lower)}"
        range_text = say("warned {low} to {high}") if warns_only else say("limits {low} to {high}")
        return range_text.format(low=value_text(key, lower), high=value_text(key, upper))
    if lower is not None:
        text = f"{word} ≥ {value_text(key, lower)}"
        warned = limits.warn_lower is not None and value is not None and lower <= value < limits.warn_lower
        return (
            say("{limit}, warned {sign} {value}", limit=text, sign="<", value=value_text(key, limits.warn_lower))
            if warned
            else text
        )
    if upper is None:
        return say("no limit")
    text = f"{word} ≤ {value_text(key, upper)}"
    warned = limits.warn_upper is not None and value is not None and limits.warn_upper < value <= upper
    return (
        say("{limit}, warned {sign} {value}", limit=text, sign=">", value=value_text(key, limits.warn_upper))
        if warned
        else text
    )


def sides_that_matter(
    lower: float, upper: float, value: float | None, better: Direction
) -> tuple[float | None, float | None]:
    """Of two limits the one that a value is beyond; within both, the one on the side where a metric gets worse."""
    if value is not None and not lower <= value <= upper:
        return (lower, None) if value < lower else (None, upper)
    return (None if better is Direction.LOWER else lower), (None if better is Direction.HIGHER else upper)


def chunk_text(chunk: Chunk, timezone: str) -> str:
    """A chunk in words: its period, or its rows and the times that they reach over."""
    if not chunk.key.startswith(ROW_KEY):
        return theme.span(chunk.start, chunk.end, timezone)
    first = int(chunk.key.removeprefix(ROW_KEY))
    rows = say("rows {first} to {last}", first=theme.count(first), last=theme.count(first + chunk.rows - 1))
    return (
        rows
        if chunk.start is None
        else say("{first}, {then}", first=rows, then=theme.span(chunk.start, chunk.end, timezone))
    )


def chunk_key_text(key: str, start: datetime | None, timezone: str) -> str:
    """When a chunk began, of which only the key and the start are known."""
    if start is None:
        return (
            say("row {number}", number=theme.count(int(key.removeprefix(ROW_KEY)))) if key.startswith(ROW_KEY) else key
        )
    there = theme.local(start, timezone)
    return theme.date(there) if (there.hour, there.minute) == (0, 0) else f"{theme.date(there)} {there:%H:%M}"


def reach_text(chunk: Chunk, chunks: Sequence[Chunk], timezone: str) -> str:
    """The last day of a chunk, with its year where that is not the year of the last of `chunks`: `14 Nov`."""
    if chunk.end is None:
        return say("chunk {number}", number=chunk.index + 1)
    last, newest = (
        theme.local(end, timezone) - timedelta(microseconds=1) for end in (chunk.end, chunks[-1].end or chunk.end)
    )
    text = theme.day(last) if last.year == newest.year else theme.date(last)
    short = chunk.start is not None and chunk.end - chunk.start < timedelta(hours=23)
    return f"{text} {theme.local(chunk.end, timezone):%H:%M}" if short else text


def chunks_text(chunks: Sequence[Chunk], timezone: str) -> str:
    """Several chunks in words, from the first's start to the last's end."""
    if not chunks:
        return theme.ABSENT
    if len(chunks) == 1:
        return chunk_text(chunks[0], timezone)
    if chunks[0].start is None or chunks[-1].end is None:
        return say("chunks {first} to {last}", first=chunks[0].index + 1, last=chunks[-1].index + 1)
    return theme.span(chunks[0].start, chunks[-1].end, timezone)
