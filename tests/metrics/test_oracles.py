"""Every metric of the catalogue has a test by an independent route, which is there, and a help page, a range, a direction and a threshold."""

import ast
import math
from pathlib import Path

import pytest

from mlops_desk.domain.metric import Definition, Direction
from mlops_desk.metrics.catalogue import CATALOGUE
from mlops_desk.monitoring.thresholds import default_threshold
from mlops_desk.reporting.help import help_page
from tests.conftest import CHECKOUT
from tests.metrics.oracles import ALIKE, BY_ROWS, OTHERS, oracle_of


def nodes_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {one.name for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")}


def test_every_metric_has_an_oracle() -> None:
    without = [f"{one.id} ({one.family.value})" for one in CATALOGUE if oracle_of(one) is None]
    assert not without, f"name the tests of {', '.join(without)} in tests/metrics/oracles.py"


@pytest.mark.parametrize("node", sorted({node for one in CATALOGUE if (node := oracle_of(one))}))
def test_an_oracle_is_there_and_speaks_of_its_metrics(node: str) -> None:
    file, name = node.split("::")
    source = CHECKOUT / file
    assert source.is_file()
    assert name in nodes_in(source)
    if node == BY_ROWS:
        return  # asks for every such metric, and fails for one that it cannot count
    text = source.read_text(encoding="utf-8")
    held = {one.id for one in CATALOGUE if oracle_of(one) == node}
    silent = [
        one
        for one in held
        if f'"{one}"' not in text and "DEFINITIONS" not in text and one.rsplit("_p", 1)[0] not in text
    ]
    assert not silent, f"{file} does not mention {silent}"


def test_the_table_names_nothing_that_is_not_in_the_catalogue() -> None:
    known = {(one.family, one.id) for one in CATALOGUE}
    assert {(family, metric) for family, named in OTHERS.items() for metric in named} <= known
    assert {*ALIKE} <= {family for family, _ in known}


@pytest.mark.parametrize("one", CATALOGUE, ids=lambda one: f"{one.family.value}-{one.id}")
def test_a_metric_is_completely_described(one: Definition) -> None:
    assert one.name
    assert one.direction in Direction
    assert one.range[0] < one.range[1]
    assert not any(math.isnan(end) for end in one.range)
    page = help_page(one.id)
    (edge,) = [section.text for section in page.sections if section.title == "Empty, constant and one-sided data"]
    assert len(edge.split()) >= 5
    text = " ".join(page.markdown.lower().split())
    threshold = default_threshold(one, chunk_hours=24)
    if threshold is None:
        assert "default threshold: none" in text or "no default threshold" in text
    else:
        kind = type(threshold).__name__.removesuffix("Threshold").replace("PValue", "p_value").lower()
        assert f"default threshold: {kind}" in text
