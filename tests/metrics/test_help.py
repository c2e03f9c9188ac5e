"""Every metric has a help page of the right shape, and the pages agree with the catalogue."""

import re

import pytest

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Family
from mlops_desk.metrics.catalogue import CATALOGUE, definitions
from mlops_desk.monitoring.thresholds import default_threshold
from mlops_desk.reporting.help import (
    GUIDES,
    METRIC_SECTIONS,
    HelpPage,
    help_names,
    help_page,
    nearest_page,
    parsed_page,
    range_line,
)
from mlops_desk.resources import resource
from tests.cli.conftest import CommandLine

IDS = sorted({one.id for one in CATALOGUE})
PAGES = help_names()
WORDS = {
    "min_rows", "min_group_rows", "exact_rows", "error_bound", "false_alarms_per_month", "sampling_error", "interval_lower",
    "interval_upper", "p_value", "not_null", "decision_threshold", *(family.value for family in Family),
}  # fmt: skip
"""Words of desk.toml and of the results table that look like metric ids."""


@pytest.fixture
def mlops_desk(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)


def words_in_backticks(page: HelpPage) -> set[str]:
    return {word for word in re.findall(r"`([^`\n]+)`", page.markdown) if re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", word)}


@pytest.mark.parametrize("metric", IDS)
def test_a_metric_has_a_page_that_agrees_with_the_catalogue(metric: str) -> None:
    page = help_page(metric)
    for one in definitions(metric):
        assert page.title == one.name.removesuffix(" (estimated)")
        reading = page.sections[METRIC_SECTIONS.index("How to read it")]
        assert reading.text.splitlines()[0] == range_line(one)


@pytest.mark.parametrize("name", [name for name in PAGES if name not in GUIDES])
def test_a_page_of_a_metric_has_all_sections_in_order(name: str) -> None:
    page = help_page(name)
    assert tuple(section.title for section in page.sections) == METRIC_SECTIONS
    assert all(len(section.text) > 3 for section in page.sections)
    assert page.summary.endswith(".")
    assert re.match(r"Range: \S+ to \S+ · \w+ (is|direction is) better$", page.sections[1].text.splitlines()[0])


@pytest.mark.parametrize("name", PAGES)
def test_ids_that_a_page_mentions_exist(name: str) -> None:
    assert words_in_backticks(help_page(name)) <= {*PAGES, *WORDS}


@pytest.mark.parametrize("name", PAGES)
def test_pages_name_no_address_and_fit_a_window(name: str) -> None:
    text = help_page(name).markdown
    assert re.search("https?://", text) is None
    assert "\t" not in text
    assert max(len(line) for line in text.splitlines()) <= 160


def test_guides_are_pages_and_the_index_lists_every_page() -> None:
    assert set(GUIDES) <= set(PAGES)
    index = resource("help", "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"\[[^\]]+\]\(([a-z0-9_-]+)\.md\)", index)
    assert set(linked) == set(PAGES)


@pytest.mark.parametrize(
    ("typed", "meant"), [("recal", "recall"), ("ROC-AUC", "roc_auc"), ("error bounds", "error-bounds")]
)
def test_the_nearest_page_is_named(typed: str, meant: str) -> None:
    assert nearest_page(typed) == meant
    with pytest.raises(UserError, match=f"did you mean {meant}"):
        help_page(typed)


@pytest.mark.parametrize("name", ["", "../help/psi", "/etc/passwd", "README", "qqqqqq", "psi.md"])
def test_a_name_that_is_no_page_opens_no_file(name: str) -> None:
    with pytest.raises(UserError):
        help_page(name)


@pytest.mark.parametrize("text", ["", "no title", "# Only a title\n", "## Formula\nx"])
def test_text_of_another_shape_is_no_page(text: str) -> None:
    with pytest.raises(ValueError, match="begins with"):
        parsed_page(text)


def test_command_prints_a_page(mlops_desk: CommandLine) -> None:
    assert mlops_desk("help", "roc_auc") == 0
    assert mlops_desk.out == help_page("roc_auc").markdown + "\nWeights: honoured\n"
    assert mlops_desk.err == ""
    assert mlops_desk("help", "error-bounds") == 0
    assert mlops_desk.out.startswith("# ")


def test_command_lists_every_metric_by_family(mlops_desk: CommandLine) -> None:
    assert mlops_desk("help") == 0
    for family in {one.family for one in CATALOGUE}:
        assert f"{family.value} " in mlops_desk.out
    for metric in (*IDS, *GUIDES):
        assert f"{help_page(metric).summary}\n" in mlops_desk.out


def test_command_names_the_nearest_id(mlops_desk: CommandLine) -> None:
    assert mlops_desk("help", "jensen_shanon") == 2
    assert mlops_desk.out == ""
    assert mlops_desk.err == "mlops-desk: there is no help on 'jensen_shanon'; did you mean jensen_shannon?\n"


@pytest.mark.parametrize("metric", [one for one in IDS if definitions(one)[0].family is Family.DATA_DRIFT])
def test_a_page_names_the_threshold_that_a_drift_metric_has_by_default(metric: str) -> None:
    threshold = default_threshold(definitions(metric)[0])
    kind = type(threshold).__name__.removesuffix("Threshold").replace("PValue", "p_value").lower()
    assert f"Default threshold: {kind}" in help_page(metric).markdown
