"""The JSON report follows its published schema and holds the report's own numbers."""

import json
import math
from datetime import datetime
from pathlib import Path

import jsonschema
import pytest

from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import Period, RetrainingStatus
from mlops_desk.reporting.content import Report, report
from mlops_desk.reporting.document import write_report
from mlops_desk.reporting.json_report import json_text, plain_value
from mlops_desk.resources import resource
from mlops_desk.store.archive import Store


@pytest.fixture(scope="module")
def content(filled: Store, model: Model, now: datetime, retraining: RetrainingStatus) -> Report:
    return report(filled, "Consumer lending", [model], Period(), now=now, retraining={model.id: retraining})


@pytest.fixture(scope="module")
def schema() -> dict[str, object]:
    return json.loads(resource("schema", "report.json").read_text(encoding="utf-8"))


def test_the_schema_is_a_schema(schema: dict[str, object]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


def test_a_report_follows_its_schema(content: Report, schema: dict[str, object]) -> None:
    jsonschema.validate(json.loads(json_text(content)), schema, cls=jsonschema.Draft202012Validator)


def test_the_schema_notices_what_is_missing_or_too_much(
    filled: Store, model: Model, now: datetime, retraining: RetrainingStatus, schema: dict[str, object]
) -> None:
    content = report(filled, "short", [model], Period(days=1), now=now, retraining={model.id: retraining})
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(json.loads(json_text(content)))
    for spoil in (
        lambda found: found["models"][0]["overview"].pop("alerts"),
        lambda found: found["models"][0]["overview"].update(extra=1),
        lambda found: found["models"][0]["columns"][0].update(verdict="fine"),
        lambda found: found.update(version=2),
    ):
        found = json.loads(json_text(content))
        spoil(found)
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(found)


def test_numbers_and_names_are_those_of_the_report(content: Report) -> None:
    found = json.loads(json_text(content))
    overview = content.models[0].overview
    told = found["models"][0]["overview"]
    assert (found["format"], found["version"], found["generated_at"]) == (
        "mlops-desk-report",
        1,
        "2026-11-18T06:12:00+00:00",
    )
    assert told["name"] == overview.name
    assert [tile["value"] for tile in told["tiles"]] == [tile.value for tile in overview.tiles]
    assert told["matrix"]["values"] == [list(row) for row in overview.matrix.values]
    assert told["performance"][0]["key"]["class"] is None
    assert told["chunks"][0]["start"] == "2026-09-19T00:00:00+00:00"
    assert told["alerts"][0]["severity"] == "alert"


def test_the_file_is_the_same_each_time(content: Report, tmp_path: Path) -> None:
    write_report(content, tmp_path / "a.json")
    assert (tmp_path / "a.json").read_bytes() == json_text(content).encode()
    assert json_text(content) == json_text(content)


def test_open_ends_of_bins_are_null() -> None:
    assert plain_value((-math.inf, 0.5, math.nan)) == [None, 0.5, None]


def test_what_has_no_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no form"):
        plain_value(object())
