"""Checks as JUnit XML: elements that build servers know, a case for each judged series, and failures exactly where alerts are open."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mlops_desk import theme
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Family, Limits, SeriesKey, Verdict
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import Period
from mlops_desk.domain.threshold import AlertState, Severity
from mlops_desk.reporting.checks import all_checks
from mlops_desk.reporting.document import write_checks
from mlops_desk.reporting.junit import junit
from mlops_desk.store.archive import Store

CHILDREN = {
    "testsuites": ("testsuite",),
    "testsuite": ("properties", "testcase"),
    "properties": ("property",),
    "property": (),
    "testcase": ("skipped", "failure", "system-out"),
    "skipped": (),
    "failure": (),
    "system-out": (),
}
"""What may stand in each element that is used here, in order; junit-10.xsd of Jenkins' xUnit plugin lets it."""
REQUIRED = {
    "testsuites": {"name", "tests", "failures", "errors", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"},
    "properties": set(),
    "property": {"name", "value"},
    "testcase": {"classname", "name", "time"},
    "skipped": {"message"},
    "failure": {"message", "type"},
    "system-out": set(),
}


def checked(element: ET.Element) -> None:
    assert set(element.attrib) == REQUIRED[element.tag]
    places = [CHILDREN[element.tag].index(child.tag) for child in element]
    assert places == sorted(places)
    for child in element:
        checked(child)


def written(store: Store, models: list[Model], now: datetime, period: Period | None = None) -> ET.Element:
    text = junit(all_checks(store, "desk", models, period or Period(), now), "desk", now, "en")
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n')
    assert text == junit(all_checks(store, "desk", models, period or Period(), now), "desk", now, "en")
    return ET.fromstring(text.encode())


@pytest.fixture(scope="module")
def root(filled: Store, model: Model, now: datetime) -> ET.Element:
    return written(filled, [model], now)


def test_the_document_is_what_build_servers_read(root: ET.Element) -> None:
    checked(root)
    (suite,) = root
    cases = suite.findall("testcase")
    assert int(root.attrib["tests"]) == int(suite.attrib["tests"]) == len(cases) > 50
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure"))
    assert int(suite.attrib["skipped"]) == len(suite.findall("testcase/skipped"))
    assert suite.attrib["timestamp"] == "2026-11-18T06:12:00"
    names = [(case.attrib["classname"], case.attrib["name"]) for case in cases]
    assert len(names) == len(set(names))


def test_failures_are_the_open_alerts(root: ET.Element, filled: Store) -> None:
    expected = {
        alert.key.metric
        for alert in filled.alerts(model="credit-risk")
        if alert.severity is Severity.ALERT and alert.state is not AlertState.RESOLVED
    }
    failing = [case for case in root.iter("testcase") if case.find("failure") is not None]
    assert len(failing) == 4
    assert expected == {"jensen_shannon", "roc_auc", "label_shift_given_score_p"}
    by_name = {case.attrib["name"]: case.find("failure") for case in failing}
    failure = by_name["Jensen–Shannon distance of debt_ratio"]
    assert failure is not None
    assert (
        failure.attrib["message"]
        == "Jensen–Shannon distance of debt_ratio: 0.371, beyond the limit of 0.113 since 28 Oct 2026"
    )
    known = by_name["Jensen–Shannon distance of credit_util"]
    assert known is not None
    assert "acknowledged by lin" in known.attrib["message"]
    assert "known: new <bureau> feed" in (known.text or "")


def test_warnings_pass_and_are_told(root: ET.Element) -> None:
    case = next(
        one
        for one in root.iter("testcase")
        if one.attrib["name"].endswith("of <script>alert(1)</script>") and "stability" in one.attrib["name"]
    )
    assert case.find("failure") is None
    assert "beyond the limit of 0.200" in (case.findtext("system-out") or "")


def test_what_cannot_be_judged_is_skipped_and_what_has_no_limit_is_left_out(
    new_store: Store, write: Callable[..., object], plain_model: Callable[..., Model], now: datetime
) -> None:
    judged, late, never, free = (SeriesKey(Family.PERFORMANCE, metric) for metric in ("roc_auc", "f1", "recall", "mcc"))
    series = {judged: [0.8, 0.7], late: [0.8, "no labelled rows"], never: ["no labelled rows"] * 2, free: [0.5, 0.5]}
    untested = {free: [Verdict.UNTESTED] * 2}
    write(new_store, series, limits=Limits(lower=0.6), verdicts=untested)
    cases = {case.attrib["name"]: case for case in written(new_store, [plain_model()], now).iter("testcase")}
    assert set(cases) == {"ROC AUC", "F1", "Recall"}
    assert cases["ROC AUC"].findtext("system-out") == "ROC AUC 0.700, limit ≥ 0.600: ok (Sun 20 Sep 2026)"
    assert cases["F1"].findtext("system-out") == "F1 0.800, limit ≥ 0.600: ok (Sat 19 Sep 2026)"
    skipped = cases["Recall"].find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "no labelled rows"


def test_silenced_alerts_are_skipped(
    new_store: Store, fill_store: Callable[[Store], None], model: Model, now: datetime
) -> None:
    fill_store(new_store)
    alert = next(one for one in new_store.alerts() if one.key.metric == "roc_auc")
    new_store.silence(alert.id, until=now + timedelta(days=2), by="lin", at=now)
    case = next(one for one in written(new_store, [model], now).iter("testcase") if one.attrib["name"] == "ROC AUC")
    skipped = case.find("skipped")
    assert skipped is not None
    assert skipped.attrib["message"] == "silenced until 20 Nov 2026 06:12 by lin"
    assert case.find("failure") is None
    later = written(new_store, [model], now + timedelta(days=3))
    case = next(one for one in later.iter("testcase") if one.attrib["name"] == "ROC AUC")
    assert case.find("failure") is not None


def test_a_file_is_written_whole_in_the_language_that_is_spoken(
    filled: Store, model: Model, now: datetime, tmp_path: Path
) -> None:
    with theme.speaking("zh"):
        write_checks(all_checks(filled, "desk", [model], Period(), now), "desk", tmp_path / "c.xml", now)
    assert "debt_ratio 的 Jensen–Shannon 距离" in (tmp_path / "c.xml").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written"):
        write_checks((), "desk", tmp_path / "none" / "c.xml", now)


def test_nothing_to_check_is_an_error(
    filled: Store, new_store: Store, model: Model, plain_model: Callable[..., Model], now: datetime
) -> None:
    with pytest.raises(UserError, match="nothing to check, because no model was evaluated"):
        all_checks(new_store, "desk", [plain_model()], Period(), now)
    with pytest.raises(UserError, match="no chunk lies in the period from 2030"):
        all_checks(filled, "desk", [model], Period(start=datetime(2030, 1, 1)), now)
