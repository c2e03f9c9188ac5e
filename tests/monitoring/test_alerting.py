"""Alerts open once, go on, and are resolved; against a course told chunk by chunk, and through the store."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Convention, Family, Limits, Measurement, MetricValue, SeriesKey, Verdict
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.domain.threshold import Alert, AlertState, Severity
from mlops_desk.monitoring.alerting import AlertChanges, AlertRule, alert_changes, fingerprint, update_alerts
from mlops_desk.store.archive import Store

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CODES = {"o": Verdict.OK, "w": Verdict.WARNING, "a": Verdict.ALERT, "u": Verdict.UNTESTED}
NUMBERS = {"o": 0.1, "w": 0.45, "a": 0.9}
AGE = SeriesKey(Family.DATA_DRIFT, "psi", column="age")
AGE_TOO = SeriesKey(Family.DATA_DRIFT, "psi", Convention.EVIDENTLY, column="age")
INCOME = SeriesKey(Family.DATA_DRIFT, "psi", column="income")

Courses = dict[SeriesKey, str]


def chunk(number: int) -> Chunk:
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    return Chunk(
        split=Split.ANALYSIS,
        key=start.isoformat(),
        index=number,
        start=start,
        end=start + timedelta(days=1),
        rows=100,
    )


def values_of(courses: Courses) -> list[MetricValue]:
    return [
        MetricValue(
            key=key,
            split="analysis",
            chunk_key=chunk(position).key,
            rows=100,
            measurement=Measurement(NUMBERS.get(code), None if code in NUMBERS else "too few rows"),
            limits=Limits(upper=0.5, warn_upper=0.4),
            verdict=CODES[code],
        )
        for key, course in courses.items()
        for position, code in enumerate(course)
    ]


def breaches_of(courses: Courses) -> list[MetricValue]:
    """Warnings and alerts behind the last ok of each course."""
    values = iter(values_of(courses))
    found = []
    for course in courses.values():
        for position, (code, value) in enumerate(zip(course, values, strict=False)):
            if code in "wa" and "o" not in course[position:]:
                found.append(value)
    return found


class Desk:
    """The alerts of one model, kept in memory as the store would."""

    def __init__(self, rule: AlertRule | None = None) -> None:
        self.alerts: dict[int, Alert] = {}
        self.rule = rule or AlertRule()
        self.now = NOW

    def judge(self, courses: Courses) -> AlertChanges:
        self.now += timedelta(hours=1)
        length = max(map(len, courses.values()), default=0)
        standing = [
            alert
            for alert in self.alerts.values()
            if alert.state is not AlertState.RESOLVED or (alert.silenced_until or NOW) > self.now
        ]
        chunks = [chunk(i) for i in range(length)]
        changes = alert_changes("credit", standing, breaches_of(courses), chunks, lambda _: self.rule, self.now)
        numbered = [replace(alert, id=len(self.alerts) + i + 1) for i, alert in enumerate(changes.opened)]
        self.alerts |= {alert.id: alert for alert in (*changes.resolved, *changes.updated, *numbered)}
        return changes

    def set(self, number: int, **changed: object) -> None:
        self.alerts[number] = replace(self.alerts[number], **changed)

    @property
    def open(self) -> list[Alert]:
        return [alert for alert in self.alerts.values() if alert.state is not AlertState.RESOLVED]


def run_at_the_end(course: str) -> str:
    """Verdicts behind the last ok, without the untested."""
    return course[course.rfind("o") + 1 :].replace("u", "")


def severity_of(run: str, consecutive: int) -> Severity | None:
    if len(run) < consecutive:
        return None
    return Severity.ALERT if set(run[-consecutive:]) == {"a"} else Severity.WARNING


courses_of_two = st.lists(st.tuples(*[st.sampled_from("oowaau")] * 2), min_size=1, max_size=12)


@given(courses_of_two, st.integers(1, 3))
def test_whatever_the_course_an_alert_is_open_while_its_run_lasts_and_opens_once(course, consecutive) -> None:
    """Chunk by chunk, against the text of the course; every step is then evaluated anew, which changes nothing."""
    desk = Desk(AlertRule(consecutive=consecutive))
    opened = dict.fromkeys((AGE, INCOME), 0)
    expected = dict.fromkeys((AGE, INCOME), 0)
    was_open = dict.fromkeys((AGE, INCOME), False)
    for length in range(1, len(course) + 1):
        courses = {key: "".join(step[i] for step in course[:length]) for i, key in enumerate((AGE, INCOME))}
        changes = desk.judge(courses)
        for alert in changes.opened:
            opened[alert.key] += 1
        standing = {alert.key: alert for alert in desk.open}
        assert len(standing) == len(desk.open)
        for key, text in courses.items():
            run = run_at_the_end(text)
            severity = severity_of(run, consecutive) if run else None
            expected[key] += severity is not None and not was_open[key]
            was_open[key] = severity is not None
            assert (key in standing) == was_open[key]
            if severity is not None:
                alert = standing[key]
                positions = [i for i, code in enumerate(text) if code in "wa" and "o" not in text[i:]]
                assert alert.severity is severity
                assert (alert.opened_chunk, alert.last_chunk) == (chunk(positions[0]).key, chunk(positions[-1]).key)
                assert (alert.opened_start, alert.last_start) == (chunk(positions[0]).start, chunk(positions[-1]).start)
                assert alert.chunks == len(positions)
                assert alert.value == NUMBERS[text[positions[-1]]]
                assert alert.limit == (0.5 if text[positions[-1]] == "a" else 0.4)
        before = dict(desk.alerts)
        assert desk.judge(courses) == AlertChanges()
        assert desk.alerts == before
    assert opened == expected


@given(courses_of_two)
def test_all_at_once_leaves_the_same_open_alerts_as_chunk_by_chunk(course) -> None:
    slow, fast = Desk(), Desk()
    courses: Courses = {}
    for length in range(1, len(course) + 1):
        courses = {key: "".join(step[i] for step in course[:length]) for i, key in enumerate((AGE, INCOME))}
        slow.judge(courses)
    fast.judge(courses)

    def told(desk: Desk) -> set[tuple[object, ...]]:
        return {(a.fingerprint, a.severity, a.opened_chunk, a.last_chunk, a.chunks, a.value) for a in desk.open}

    assert told(slow) == told(fast)


def test_an_acknowledged_alert_stays_so_while_it_goes_on_and_a_new_one_fires() -> None:
    desk = Desk()
    desk.judge({AGE: "oa"})
    desk.set(1, state=AlertState.ACKNOWLEDGED, changed_by="ann", note="seen")
    desk.judge({AGE: "oaa"})
    assert [(a.state, a.changed_by, a.note, a.chunks) for a in desk.open] == [
        (AlertState.ACKNOWLEDGED, "ann", "seen", 2)
    ]
    changes = desk.judge({AGE: "oaao"})
    assert [alert.id for alert in changes.resolved] == [1]
    desk.judge({AGE: "oaaoa"})
    assert [(alert.id, alert.state) for alert in desk.open] == [(2, AlertState.FIRING)]


def test_a_silence_outlives_the_alert_and_ends_when_it_was_to_end() -> None:
    desk = Desk()
    desk.judge({AGE: "a", INCOME: "a"})
    until = desk.now + timedelta(hours=3, minutes=30)
    desk.set(1, state=AlertState.SILENCED, silenced_until=until)
    desk.judge({AGE: "ao", INCOME: "ao"})
    desk.judge({AGE: "aoa", INCOME: "aoa"})
    assert {(a.key, a.state, a.silenced_until) for a in desk.open} == {
        (AGE, AlertState.SILENCED, until),
        (INCOME, AlertState.FIRING, None),
    }
    desk.judge({AGE: "aoaa", INCOME: "aoaa"})
    assert {(a.key, a.state) for a in desk.open} == {(AGE, AlertState.SILENCED), (INCOME, AlertState.FIRING)}
    desk.judge({AGE: "aoaa", INCOME: "aoaa"})  # the fourth hour
    assert {(a.key, a.state, a.silenced_until) for a in desk.open} == {
        (AGE, AlertState.FIRING, None),
        (INCOME, AlertState.FIRING, None),
    }


def test_history_that_is_rewritten_moves_splits_or_resolves_an_alert() -> None:
    desk = Desk()
    desk.judge({AGE: "oaaa"})
    desk.judge({AGE: "ooaa"})
    assert [(alert.id, alert.opened_chunk) for alert in desk.open] == [(1, chunk(2).key)]
    desk.judge({AGE: "ooaaoa"})
    assert [(alert.id, alert.opened_chunk) for alert in desk.open] == [(2, chunk(5).key)]
    assert desk.alerts[1].state is AlertState.RESOLVED
    desk.judge({AGE: "oooooo"})
    assert desk.open == []
    desk.judge({AGE: "oooooa"})
    desk.judge({})
    assert desk.open == []


def test_an_alert_whose_chunks_are_gone_goes_on_with_those_that_are_left() -> None:
    desk = Desk()
    desk.judge({AGE: "oaaa"})
    desk.judge({AGE: "oa"})
    assert [(alert.id, alert.last_chunk, alert.chunks) for alert in desk.open] == [(1, chunk(1).key, 1)]


def test_series_of_one_fingerprint_are_one_alert_and_the_worst_speaks_for_it() -> None:
    assert fingerprint("credit", AGE) == fingerprint("credit", AGE_TOO)
    desk = Desk()
    desk.judge({AGE: "aw", AGE_TOO: "oa"})
    assert [(alert.key, alert.severity) for alert in desk.open] == [(AGE_TOO, Severity.ALERT)]
    desk.judge({AGE: "awa", AGE_TOO: "oaa"})
    assert [(alert.id, alert.key, alert.chunks) for alert in desk.open] == [(1, AGE, 3)]
    desk.judge({AGE: "awao", AGE_TOO: "oaaa"})
    assert [(alert.id, alert.key) for alert in desk.open] == [(1, AGE_TOO)]
    desk.judge({AGE: "awaoo", AGE_TOO: "oaaao"})
    assert desk.open == []


def test_a_fingerprint_tells_apart_what_the_contract_names() -> None:
    keys = [
        AGE,
        INCOME,
        replace(AGE, family=Family.LABEL_DRIFT),
        replace(AGE, metric="hellinger"),
        replace(AGE, group="f"),
        replace(AGE, segment="region=north"),
        replace(AGE, column=None),
        replace(AGE, column=None, group="age"),
    ]
    marks = {fingerprint(model, key) for model, key in itertools.product(("credit", "fraud"), keys)}
    assert len(marks) == 2 * len(keys)


def test_breaches_of_a_monitor_that_only_warns_weigh_as_warnings() -> None:
    desk = Desk(AlertRule(severity=Severity.WARNING))
    desk.judge({AGE: "aaa"})
    assert [alert.severity for alert in desk.open] == [Severity.WARNING]


class StoredDesk:
    """The same through a store in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW

    def judge(self, courses: Courses, length: int | None = None) -> AlertChanges:
        self.now += timedelta(hours=1)
        chunks = [chunk(i) for i in range(length or max(map(len, courses.values())))]
        with Store.open(self.folder) as store, store.evaluation("credit", "state", self.now) as writer:
            writer.replace_chunks("analysis", chunks)
            writer.write_values(values_of(courses))
            writer.remove_stale("analysis", [each.key for each in chunks])
            return update_alerts(writer, lambda _: AlertRule(), self.now)

    def alerts(self, **options: object) -> tuple[Alert, ...]:
        with Store.open(self.folder) as store:
            return store.alerts(**options)

    def log(self, number: int) -> list[tuple[str, str | None, str | None]]:
        with Store.open(self.folder) as store:
            return [(event.kind, event.actor, event.text) for event in store.alert_events(number)]


def test_the_store_keeps_alerts_as_the_verdicts_make_them(tmp_path) -> None:
    desk = StoredDesk(tmp_path)
    opened = desk.judge({AGE: "ouwa", INCOME: "aaao"})
    assert [(alert.id, alert.key) for alert in opened.opened] == [(1, AGE)]
    assert desk.alerts() == opened.opened
    assert desk.judge({AGE: "ouwa", INCOME: "aaao"}) == AlertChanges()
    desk.judge({AGE: "ouwaw", INCOME: "aaaoa"})
    desk.judge({AGE: "ouwawa", INCOME: "aaaoaa"})
    age, income = sorted(desk.alerts(), key=lambda alert: alert.id)
    assert (age.id, age.chunks, age.opened_at) == (1, 4, opened.opened[0].opened_at)
    assert (income.key, income.chunks) == (INCOME, 2)
    changes = desk.judge({AGE: "ouwawao", INCOME: "aaaoaaa"})
    assert [alert.id for alert in changes.resolved] == [1]
    assert desk.alerts(states=[AlertState.RESOLVED])[0].changed_at == desk.now
    assert [alert.id for alert in desk.alerts(states=[AlertState.FIRING])] == [2]
    assert [kind for kind, _, _ in desk.log(1)] == ["opened", "eased", "escalated", "resolved"]


@settings(max_examples=40)
@given(st.lists(courses_of_two, min_size=1, max_size=4))
def test_the_store_finds_the_breaches_at_the_end_of_each_series(archive, histories: Sequence) -> None:
    """Also where chunks come and go between evaluations."""
    with Store.open(archive) as store:
        for course in histories:
            courses = {key: "".join(step[i] for step in course) for i, key in enumerate((AGE, INCOME))}
            chunks = [chunk(i) for i in range(len(course))]
            with store.evaluation("credit", "state", NOW) as writer:
                writer.replace_chunks("analysis", chunks)
                writer.write_values(values_of(courses))
                found = writer.trailing_breaches()
            assert sorted(found, key=lambda value: (value.key.column or "", value.chunk_key)) == breaches_of(courses)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("archive")


def test_people_acknowledge_and_silence_and_the_chain_remembers(tmp_path) -> None:
    desk = StoredDesk(tmp_path)
    desk.judge({AGE: "a", INCOME: "a"})
    at = desk.now + timedelta(minutes=1)
    until = at + timedelta(days=1)
    with Store.open(tmp_path) as store:
        seen = store.acknowledge(1, by="ann", at=at, note="looking")
        assert (seen.state, seen.changed_by, seen.note) == (AlertState.ACKNOWLEDGED, "ann", "looking")
        store.silence(2, until=until, by="bob", at=at)
        assert [(entry.actor, entry.action, entry.model) for entry in store.audit_entries()] == [
            ("bob", "alert.silenced", "credit"),
            ("ann", "alert.acknowledged", "credit"),
        ]
        assert store.verify_audit() is None
    desk.judge({AGE: "aa", INCOME: "aa"})
    assert {(a.id, a.state, a.chunks) for a in desk.alerts()} == {
        (1, AlertState.ACKNOWLEDGED, 2),
        (2, AlertState.SILENCED, 2),
    }
    assert [a.id for a in desk.alerts(states=[AlertState.FIRING], now=until)] == [2]
    assert desk.alerts(states=[AlertState.FIRING], now=until - timedelta(seconds=1)) == ()
    assert desk.alerts(model="fraud") == ()
    assert desk.log(1) == [("opened", None, None), ("acknowledged", "ann", "looking")]
    desk.judge({AGE: "aao", INCOME: "aao"})
    desk.judge({AGE: "aaoa", INCOME: "aaoa"})
    assert {(a.key, a.state) for a in desk.alerts() if a.state is not AlertState.RESOLVED} == {
        (AGE, AlertState.FIRING),
        (INCOME, AlertState.SILENCED),
    }
    desk.now = until
    desk.judge({AGE: "aaoa", INCOME: "aaoa"})
    silenced = next(a for a in desk.alerts() if a.key == INCOME and a.state is not AlertState.RESOLVED)
    assert (silenced.state, silenced.silenced_until) == (AlertState.FIRING, None)
    assert desk.log(silenced.id)[-1] == ("lapsed", None, None)


def test_what_cannot_be_acknowledged_or_silenced_is_told_plainly(tmp_path) -> None:
    desk = StoredDesk(tmp_path)
    desk.judge({AGE: "a", INCOME: "a"})
    desk.judge({AGE: "ao", INCOME: "aa"})
    with Store.open(tmp_path) as store:
        with pytest.raises(UserError, match="there is no alert 9"):
            store.acknowledge(9, by="ann", at=NOW)
        with pytest.raises(UserError, match="alert 1 is resolved already"):
            store.silence(1, until=NOW + timedelta(days=1), by="ann", at=NOW)
        with pytest.raises(UserError, match="that is past"):
            store.silence(2, until=NOW, by="ann", at=NOW)
        assert store.audit_entries() == ()
