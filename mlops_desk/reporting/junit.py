"""Checks as JUnit XML, which build servers show as the results of tests: a suite for each model, a case for each series.

A case fails where its series has an open alert that nobody silenced; a warning passes and is told in its output. Silenced ones, and series that
could not be judged, are skipped. Elements and attributes are those of junit-10.xsd of Jenkins' xUnit plugin; nothing is run, so every time is 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree

from mlops_desk import theme
from mlops_desk.domain.threshold import AlertState, Severity
from mlops_desk.reporting.charts.svg import without_forbidden
from mlops_desk.reporting.checks import Check, ModelChecks
from mlops_desk.reporting.naming import chunks_text, series_title
from mlops_desk.reporting.sections.state import alert_sentence, alert_state


def junit(models: Sequence[ModelChecks], workspace: str, now: datetime, language: str) -> str:
    """The text of the document, ending in a line feed; the same for the same checks."""
    with theme.speaking(language):
        suites = [suite(model, now) for model in models]
    root = ElementTree.Element("testsuites", {"name": without_forbidden(workspace), **totals(suites)})
    root.extend(suites)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def suite(model: ModelChecks, now: datetime) -> ElementTree.Element:
    """The checks of a model."""
    cases = [case(check, model) for check in model.checks]
    attributes = {
        "name": without_forbidden(model.model),
        **counts(cases),
        "timestamp": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
    }
    found = ElementTree.Element("testsuite", attributes)
    properties = ElementTree.SubElement(found, "properties")
    told = {"name": model.name, "period": chunks_text(model.chunks, model.timezone), "version": model.version}
    for name, value in told.items():
        if value:
            ElementTree.SubElement(properties, "property", {"name": name, "value": without_forbidden(value)})
    found.extend(cases)
    return found


def case(check: Check, model: ModelChecks) -> ElementTree.Element:
    """A series as a test."""
    alert = check.alert
    group = without_forbidden(f"{model.model}.{check.key.family}")
    found = ElementTree.Element(
        "testcase", {"classname": group, "name": without_forbidden(series_title(check.key)), "time": "0"}
    )
    told = [check.text]
    if alert is not None:
        told.append(alert_sentence(alert, model.timezone))
    if alert is not None and alert.state is AlertState.SILENCED:
        skipped(found, alert_state(alert, model.timezone))
    elif alert is not None and alert.severity is Severity.ALERT:
        message = without_forbidden(alert_sentence(alert, model.timezone))
        failure = ElementTree.SubElement(found, "failure", {"message": message, "type": alert.severity.value})
        failure.text = without_forbidden("\n".join(part for part in (message, check.text, alert.note or "") if part))
    elif check.reason is not None:
        skipped(found, check.reason)
    output = without_forbidden("\n".join(part for part in told if part))
    if output:
        ElementTree.SubElement(found, "system-out").text = output
    return found


def skipped(case: ElementTree.Element, why: str) -> None:
    """Marks a case as skipped."""
    ElementTree.SubElement(case, "skipped", {"message": without_forbidden(why)})


def counts(cases: Sequence[ElementTree.Element]) -> dict[str, str]:
    """How many cases there are, fail and are skipped."""
    return {
        "tests": str(len(cases)),
        "failures": str(sum(one.find("failure") is not None for one in cases)),
        "errors": "0",
        "skipped": str(sum(one.find("skipped") is not None for one in cases)),
        "time": "0",
    }


def totals(suites: Iterable[ElementTree.Element]) -> dict[str, str]:
    """The sums over several suites."""
    found = list(suites)
    names = ("tests", "failures", "errors")
    return {**{name: str(sum(int(one.attrib[name]) for one in found)) for name in names}, "time": "0"}
