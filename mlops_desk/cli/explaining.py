"""`explain`: why an alert was raised, in sentences and tables, and the rows behind it."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_desk import theme
from mlops_desk.cli.call import Call
from mlops_desk.cli.interruption import interruptible
from mlops_desk.cli.terminal import Terminal, unbroken
from mlops_desk.cli.workspaces import SEVERITY_MARKS, Json, alert_json, key_json, opened
from mlops_desk.domain.explanation import Attribution, Explanation, RankedColumn, WeakSlice
from mlops_desk.domain.metric import Detection, Family
from mlops_desk.operations.explaining import explained, rows_behind
from mlops_desk.reporting.naming import (
    chunk_text,
    detection_text,
    metric_name,
    p_value_text,
    segment_text,
    series_title,
    value_text,
)

COLUMNS_SHOWN, SEGMENTS_SHOWN, DETECTIONS_SHOWN = 8, 8, 12


def explain(call: Call) -> int:
    """Tells why an alert was raised, or writes its SQL or rows."""
    arguments, terminal = call.arguments, call.terminal
    desk = opened(arguments).desk
    if arguments.rows is not None:
        found = interruptible(
            terminal, lambda cancel: rows_behind(desk, arguments.alert, arguments.rows, cancel=cancel)
        )
        if arguments.json:
            terminal.document([dict(zip(found.names, row, strict=True)) for row in found.rows])
        else:
            terminal.table(
                found.names, [[theme.ABSENT if text is None else text for text in row] for row in found.rows]
            )
        return 0
    explanation = interruptible(
        terminal, lambda cancel: explained(desk, arguments.alert, progress=terminal.progress, cancel=cancel)
    )
    if arguments.sql:
        terminal.line(explanation.sql)
    elif arguments.json:
        terminal.document(explanation_json(explanation))
    else:
        tell(terminal, explanation, desk.model(explanation.alert.model).chunks.timezone)
    return 0


def tell(terminal: Terminal, found: Explanation, timezone: str) -> None:
    """Writes an explanation for a person."""
    alert = found.alert
    title = unbroken(series_title(alert.key))
    terminal.line(f"{SEVERITY_MARKS[alert.severity]} {alert.severity}: {title} of {alert.model}")
    limit = "" if alert.limit is None else f", limit {value_text(alert.key, alert.limit)}"
    before = (
        "" if found.reference_value is None else f"; {value_text(alert.key, found.reference_value)} in the reference"
    )
    where = f"{chunk_text(found.chunk, timezone)}, {found.chunk.rows:,} rows"
    terminal.line(f"{value_text(alert.key, alert.value)}{limit}{before} ({where})")
    for column, sentences in found.moves:
        terminal.line()
        terminal.line(f"{unbroken(column)}: what moved most")
        for sentence in sentences:
            terminal.line(f"  {unbroken(sentence)}")
    _tell_groups(terminal, found)
    if found.detections:
        _tell_detections(terminal, found.detections, timezone)
    if found.attribution is not None:
        _tell_attribution(terminal, found.attribution)
    if found.weak:
        _tell_weak(terminal, found.weak)
    if found.columns:
        _tell_columns(terminal, found)
    terminal.line()
    terminal.line(f"the rows: --rows 20; what the number is made of: --sql (alert {alert.id})")


def _tell_groups(terminal: Terminal, found: Explanation) -> None:
    if not found.groups:
        return
    terminal.line()
    terminal.line(unbroken(f"groups of {found.alert.key.column}"))
    rows = [
        (
            metric_name(Family.FAIRNESS, one.metric),
            one.group,
            theme.number(one.reference_value),
            theme.number(one.value),
            theme.count(one.rows),
        )
        for one in found.groups
    ]
    terminal.table(("metric", "group", "reference", "here", "rows"), rows, right=(2, 3, 4))


def _tell_detections(terminal: Terminal, detections: Sequence[Detection], timezone: str) -> None:
    terminal.line()
    terminal.line("where it signalled: labelled rows in the order of time, counted from 0")
    rows = [
        (detection_text(one), theme.count(one.row), theme.count(one.stream_row), theme.moment_text(one.at, timezone))
        for one in detections[:DETECTIONS_SHOWN]
    ]
    terminal.table(("what", "row of the chunk", "row of all", "time"), rows, right=(1, 2))
    more = len(detections) - DETECTIONS_SHOWN
    if more > 0:
        terminal.line(f"… and {more} more: --json has them all")


def _tell_attribution(terminal: Terminal, found: Attribution) -> None:
    change = found.chunk_value - found.reference_value
    name = metric_name(Family.PERFORMANCE, found.metric)
    terminal.line()
    terminal.line(
        f"{name} went from {theme.number(found.reference_value)} to {theme.number(found.chunk_value)}"
        f" ({change:+.4f}); of each column the parts sum to that"
    )
    rows = [
        (
            f"{one.column} = {one.value}",
            f"{one.total:+.4f}",
            f"{one.mix:+.4f}",
            f"{one.within:+.4f}",
            f"{theme.percent(one.reference_share)} → {theme.percent(one.chunk_share)}",
            f"{theme.number(one.reference_value)} → {theme.number(one.chunk_value)}",
        )
        for one in found.shares[:SEGMENTS_SHOWN]
    ]
    terminal.table(("segment", "part", "by mix", "within", "share of rows", name.lower()), rows, right=(1, 2, 3))


def _tell_weak(terminal: Terminal, weak: Sequence[WeakSlice]) -> None:
    terminal.line()
    terminal.line("weakest slices: worse than the rest beyond chance, allowing for all that were looked at")
    rows = [
        (
            " and ".join(segment_text(part) for part in one.parts),
            theme.count(one.rows),
            theme.percent(one.share),
            theme.number(one.value),
            theme.number(one.rest),
            p_value_text(one.p),
        )
        for one in weak[:SEGMENTS_SHOWN]
    ]
    terminal.table(("slice", "rows", "share", "here", "elsewhere", "p"), rows, right=(1, 2, 3, 4, 5))


def _tell_columns(terminal: Terminal, found: Explanation) -> None:
    terminal.line()
    with_what = "" if found.performance is None else f" and how they go along with {found.performance}"
    terminal.line(f"features by drift in this chunk{with_what}")
    head = ("feature", "drift", "limit", "verdict", "chunks with alert", "correlation", "p")
    rows = [_column_row(one) for one in found.columns[:COLUMNS_SHOWN]]
    terminal.table(head, rows, right=(1, 2, 4, 5, 6))


def _column_row(one: RankedColumn) -> tuple[str, ...]:
    return (
        one.column,
        value_text(one.drift, one.value),
        value_text(one.drift, one.upper),
        theme.WORDS[one.verdict],
        theme.count(one.alerts),
        theme.number(one.correlation),
        p_value_text(one.correlation_p),
    )


def explanation_json(found: Explanation) -> Json:
    """An explanation for a script."""
    attribution = found.attribution
    return {
        "alert": alert_json(found.alert),
        "rows": found.chunk.rows,
        "reference_value": found.reference_value,
        "performance": found.performance,
        "columns": [
            {
                "column": one.column,
                "drift": key_json(one.drift),
                "value": one.value,
                "upper": one.upper,
                "verdict": one.verdict,
                "alerts": one.alerts,
                "correlation": one.correlation,
                "correlation_p": one.correlation_p,
            }
            for one in found.columns
        ],
        "moves": {column: list(sentences) for column, sentences in found.moves},
        "groups": [
            {
                "metric": one.metric,
                "group": one.group,
                "reference_value": one.reference_value,
                "value": one.value,
                "rows": one.rows,
            }
            for one in found.groups
        ],
        "attribution": None
        if attribution is None
        else {
            "metric": attribution.metric,
            "reference_value": attribution.reference_value,
            "chunk_value": attribution.chunk_value,
            "shares": [
                {
                    "column": one.column,
                    "value": one.value,
                    "reference_share": one.reference_share,
                    "chunk_share": one.chunk_share,
                    "reference_value": one.reference_value,
                    "chunk_value": one.chunk_value,
                    "mix": one.mix,
                    "within": one.within,
                }
                for one in attribution.shares
            ],
        },
        "weak": [
            {
                "parts": list(one.parts),
                "rows": one.rows,
                "share": one.share,
                "value": one.value,
                "rest": one.rest,
                "p": one.p,
            }
            for one in found.weak
        ],
        "detections": [
            {
                "what": detection_text(one),
                "row": one.row,
                "stream_row": one.stream_row,
                "at": None if one.at is None else one.at.isoformat(),
            }
            for one in found.detections
        ],
        "sql": found.sql,
    }
