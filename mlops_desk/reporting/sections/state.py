"""How the model stands: open alerts, the worst of them in sentences, what people did, retraining runs, notes, and how to read all this."""

from __future__ import annotations

from collections.abc import Sequence

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import NoteLevel, Overview
from mlops_desk.domain.retraining import RetrainingRun
from mlops_desk.domain.threshold import Alert, AlertState, Severity
from mlops_desk.reporting.actions import Action
from mlops_desk.reporting.blocks import Block, Cell, Column, Facts, Kind, Line, Section, Table
from mlops_desk.reporting.content import ModelReport
from mlops_desk.reporting.naming import chunk_key_text, series_title, value_text
from mlops_desk.reporting.texts import plural, say

MOST_RUNS = 10
MOST_ALERTS = 15
"""More open alerts than this are folded, all but the first."""
NEARLY = 3
"""So many more are not worth folding."""
TOLD_ALERTS = 4
TOLD_ACTIONS = 4
SEVERITIES = {Severity.ALERT: Verdict.ALERT, Severity.WARNING: Verdict.WARNING}


def overall(overview: Overview) -> Verdict:
    """The verdict on a model, from its alerts."""
    if overview.evaluated_at is None:
        return Verdict.UNTESTED
    return Verdict.ALERT if overview.failed else Verdict.WARNING if overview.warned else Verdict.OK


def verdict_text(overview: Overview) -> str:
    """`4 alerts, 1 warning`, `no alerts`."""
    parts = [plural(count, noun) for count, noun in ((overview.failed, "alert"), (overview.warned, "warning")) if count]
    return say(", ").join(parts) or say("no alerts")


def alerts(content: ModelReport, _: str) -> Section:
    """Every alert that is not resolved."""
    overview = content.overview
    found = overview.alerts
    if not found:
        text = say("None: every value that was judged lies within its limits, or its alert is resolved.")
        return Section(name="alerts", title=say("Open alerts"), blocks=(Line(text=text, quiet=True),))
    columns = (
        Column(say("Severity"), Kind.STATUS), Column(say("What"), Kind.HEAD), Column(say("Since"), Kind.TIGHT), Column(say("Chunks"), Kind.NUMBER),
        Column(say("Value"), Kind.NUMBER), Column(say("Limit"), Kind.NUMBER), Column(say("State"), Kind.TEXT),
    )  # fmt: skip
    rows = tuple(alert_row(alert, overview.timezone) for alert in found)
    table = Table(
        caption=say("Alerts that are not resolved"),
        columns=columns,
        rows=rows,
        folded=MOST_ALERTS if len(rows) > MOST_ALERTS + NEARLY else None,
    )
    return Section(name="alerts", title=say("Open alerts"), blocks=(table,))


def alert_row(alert: Alert, timezone: str) -> tuple[Cell, ...]:
    """What a table tells of an alert."""
    return (
        Cell(verdict=SEVERITIES[alert.severity]),
        Cell(text=series_title(alert.key)),
        Cell(text=alert_since(alert, timezone)),
        Cell(text=theme.count(alert.chunks)),
        Cell(text=value_text(alert.key, alert.value)),
        Cell(text=value_text(alert.key, alert.limit)),
        Cell(text=alert_state(alert, timezone), note=alert.note or ""),
    )


def alert_since(alert: Alert, timezone: str) -> str:
    """When the first chunk of an alert began."""
    return chunk_key_text(alert.opened_chunk, alert.opened_start, timezone)


def alert_state(alert: Alert, timezone: str) -> str:
    """`firing`, `acknowledged by lin`, `silenced until 2 Nov 2026 06:00`."""
    if alert.state is AlertState.SILENCED:
        until = theme.moment_text(alert.silenced_until, timezone)
        text = say("silenced until {moment}", moment=until)
    else:
        text = say(alert.state.value)
    if not alert.changed_by or alert.state not in (AlertState.SILENCED, AlertState.ACKNOWLEDGED):
        return text
    return say("{state} by {person}", state=text, person=alert.changed_by)


def worst_alerts(content: ModelReport, _: str) -> Section:
    """The state of a model in a few sentences: the alerts that matter most."""
    overview = content.overview
    told = overview.alerts[:TOLD_ALERTS]
    lines: list[Block] = [
        Line(text=alert_sentence(one, overview.timezone), verdict=SEVERITIES[one.severity]) for one in told
    ]
    more = len(overview.alerts) - len(told)
    if more:
        lines.append(Line(text=say("and {count} more open alerts and warnings", count=theme.count(more)), quiet=True))
    if not lines:
        lines = [Line(text=say("Everything that was judged lies within its limits."), verdict=overall(overview))]
    return Section(name="state", title=say("State"), blocks=tuple(lines), whole=True)


def alert_sentence(alert: Alert, timezone: str) -> str:
    """`Accuracy: 0.855, beyond the limit of 0.897 since 1 Apr 2013 (acknowledged by lin)`."""
    text = say(
        "{what}: {value}, beyond the limit of {limit} since {date}",
        what=series_title(alert.key),
        value=value_text(alert.key, alert.value),
        limit=value_text(alert.key, alert.limit),
        date=alert_since(alert, timezone),
    )
    return text if alert.state is AlertState.FIRING else f"{text} ({alert_state(alert, timezone)})"


def actions(content: ModelReport, _: str) -> Section:
    """What people did about the model."""
    return actions_section(content, content.actions)


def latest_actions(content: ModelReport, _: str) -> Section:
    """The last few things that people did about the model."""
    return actions_section(content, content.actions[:TOLD_ACTIONS])


def actions_section(content: ModelReport, found: Sequence[Action]) -> Section:
    """A table of things that were done."""
    zone = content.overview.timezone
    if not found:
        text = say("Nothing yet: no alert was acknowledged or silenced, and no retraining was asked for.")
        return Section(name="actions", title=say("Actions taken"), blocks=(Line(text=text, quiet=True),), whole=True)
    table = Table(
        caption=say("Who did what, the latest first"),
        columns=(
            Column(say("When"), Kind.TIGHT),
            Column(say("Who")),
            Column(say("What"), Kind.HEAD),
            Column(say("Note"), Kind.PROSE),
        ),
        rows=tuple(
            (
                Cell(text=theme.moment_text(one.at, zone)),
                Cell(text=one.by),
                Cell(text=one.text),
                Cell(text=one.note or theme.ABSENT),
            )
            for one in found
        ),
    )
    return Section(name="actions", title=say("Actions taken"), blocks=(table,))


def runs(content: ModelReport, _: str) -> Section | None:
    """The latest runs of the retraining command."""
    found, zone = content.overview.retraining.runs, content.overview.timezone
    if not found:
        return None
    columns = (
        Column(say("Run"), Kind.HEAD), Column(say("State")), Column(say("Asked for"), Kind.TIGHT), Column(say("By")), Column(say("Took"), Kind.NUMBER),
        Column(say("Reason"), Kind.PROSE), Column(say("Outcome"), Kind.PROSE),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(text=str(run.id)),
            Cell(text=say(run.state.value.replace("_", " "))),
            Cell(text=theme.moment_text(run.requested_at, zone)),
            Cell(text=run.asked_by),
            Cell(text=run_length(run)),
            Cell(text=run.reason),
            Cell(text=run.outcome or theme.ABSENT),
        )
        for run in found[:MOST_RUNS]
    )
    table = Table(caption=say("The latest runs of the retraining command"), columns=columns, rows=rows)
    return Section(name="runs", title=say("Retraining runs"), blocks=(table,))


def run_length(run: RetrainingRun) -> str:
    """How long a run took, as a clock."""
    if run.started_at is None or run.finished_at is None:
        return theme.ABSENT
    return theme.elapsed((run.finished_at - run.started_at).total_seconds())


def notes(content: ModelReport, _: str) -> Section | None:
    """What the last evaluation had to say about the data."""
    if not content.overview.notes:
        return None
    columns = (
        Column(say("Weight"), Kind.STATUS), Column(say("Where"), Kind.NAME), Column(say("What"), Kind.PROSE), Column(say("Count"), Kind.NUMBER),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(
                verdict=Verdict.WARNING if note.level is NoteLevel.WARNING else Verdict.UNTESTED,
                word=say(note.level.value),
            ),
            Cell(text=note.place),
            Cell(text=note.text),
            Cell(text=theme.count(note.count)),
        )
        for note in content.overview.notes
    )
    table = Table(caption=say("What the last evaluation had to say about the data"), columns=columns, rows=rows)
    return Section(name="notes", title=say("Notes on the data"), blocks=(table,))


def about(content: ModelReport, _: str) -> Section:
    """Where the numbers come from and what marks and limits mean."""
    overview = content.overview
    zone = overview.timezone
    log = [plural(overview.rows, "row")]
    if overview.newest_row is not None:
        log.append(say("the newest of {moment}", moment=theme.moment_text(overview.newest_row, zone)))
    clock = say("times are on the clock of {timezone}", timezone=zone)
    evaluated = say("by the evaluation of {moment}", moment=theme.moment_text(overview.evaluated_at, zone))
    marks = [Cell(verdict=verdict) for verdict in (Verdict.OK, Verdict.WARNING, Verdict.ALERT)]
    untested = Cell(
        verdict=Verdict.UNTESTED, text=say("(no value, for the reason that is given, or nothing to hold it against)")
    )
    pairs = [
        (say("Reference"), (Cell(text=overview.reference_text or theme.ABSENT),)),
        (say("Log"), (Cell(text=f"{say(', ').join(log)}{say('; ')}{clock}"),)),
        (say("Stored"), (Cell(text=evaluated),)),
        (say("Conventions"), tuple(Cell(text=text) for text in content.conventions)),
        (say("Alert"), tuple(Cell(text=text) for text in content.thresholds)),
        (say("Marks"), (*marks, untested)),
    ]
    facts = Facts(pairs=tuple(pair for pair in pairs if pair[1]))
    return Section(name="about", title=say("How to read this"), blocks=(facts,))
