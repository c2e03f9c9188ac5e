"""What each metric does with weights: every metric of the catalogue is named in one table, and the help says the same."""

import re

import pytest

from mlops_desk.domain.metric import Convention, Definition, Direction, Family
from mlops_desk.metrics import weighting
from mlops_desk.metrics.catalogue import CATALOGUE
from mlops_desk.metrics.weighting import Weighting, weight_rule
from mlops_desk.reporting.help import help_page, weight_lines
from tests.cli.conftest import CommandLine

SECTIONS = {"Honoured": Weighting.HONOURED, "Of the rows as they are": Weighting.ROWS, "Refused": Weighting.REFUSED}


@pytest.fixture
def mlops_desk(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)


@pytest.mark.parametrize("definition", CATALOGUE, ids=lambda one: f"{one.family.value} {one.id}")
def test_every_metric_is_named_in_a_table(definition: Definition) -> None:
    """One that no table names would refuse, for want of anybody who thought of it."""
    rule = weight_rule(definition)
    assert rule.reason != weighting.UNKNOWN
    assert (rule.weighting is Weighting.HONOURED) == (rule.reason == "")
    assert (rule.weighting is Weighting.REFUSED) == (rule.refusal is not None)


def test_a_metric_of_no_table_refuses() -> None:
    strange = Definition(id="strange", family=Family.PERFORMANCE, name="Strange", direction=Direction.HIGHER)
    assert weight_rule(strange).refusal is not None


def test_own_definitions_of_tools_refuse() -> None:
    shannon = next(one for one in CATALOGUE if one.id == "jensen_shannon")
    refusal = weight_rule(shannon, Convention.EVIDENTLY).refusal
    assert refusal is not None
    assert "Evidently's own definition knows no weights" in refusal
    statistic = next(one for one in CATALOGUE if one.id == "kolmogorov_smirnov")
    assert weight_rule(statistic, Convention.NANNYML).refusal is None


def named_in(section: str) -> set[str]:
    """The ids that a section of the guide names."""
    text = next(one.text for one in help_page("weights").sections if one.title == section)
    return set(re.findall(r"`([a-z0-9_]+)`", text))


@pytest.mark.parametrize("section", [*SECTIONS])
def test_the_guide_says_what_the_tables_say(section: str) -> None:
    ids = {one.id for one in CATALOGUE}
    for name in named_in(section) & ids:
        rules = {weight_rule(one).weighting for one in CATALOGUE if one.id == name}
        assert SECTIONS[section] in rules, name


def test_the_guide_names_every_metric_that_refuses_and_every_one_that_honours() -> None:
    whole_families = {Family.DATA_QUALITY, Family.SYSTEM, Family.ADVERSARIAL}
    for one in CATALOGUE:
        if one.family in whole_families or one.id.endswith(("_ratio", "_to_overall")):
            continue
        section = next(name for name, kind in SECTIONS.items() if kind is weight_rule(one).weighting)
        assert one.id in named_in(section), (one.id, section)


def test_help_of_a_metric_tells_of_weights(mlops_desk: CommandLine) -> None:
    assert mlops_desk("help", "mmd") == 0
    assert "Weights: it does not take weights: it compares rows drawn" in mlops_desk.out
    assert weight_lines("missing_rate") == ("Weights: rows as they are, for it tells of rows as they were logged",)
    lines = weight_lines("mae")
    assert lines[0] == "Weights (performance, fairness): honoured"
    assert lines[1].startswith("Weights (estimated_performance): it does not take weights")
    assert any(line.startswith("Weights (convention evidently): it does not take") for line in weight_lines("psi"))
    for one in CATALOGUE:
        assert weight_lines(one.id), one.id
