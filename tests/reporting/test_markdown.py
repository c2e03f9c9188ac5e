"""The Markdown report: GitHub's tables, the store's numbers, and nothing of the data that becomes markup, a mention or a link."""

import re
from collections.abc import Callable
from datetime import datetime

import pytest

from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import Period, RetrainingStatus
from mlops_desk.reporting.content import Report, report
from mlops_desk.reporting.markdown import bars, code, listed, markdown, plain
from mlops_desk.store.archive import Store


@pytest.fixture(scope="module")
def make(filled: Store, model: Model, now: datetime, retraining: RetrainingStatus) -> Callable[[str], Report]:
    def made(role: str) -> Report:
        known = {model.id: retraining}
        return report(filled, "Consumer lending", [model], Period(), now=now, retraining=known, role=role)

    return made


@pytest.fixture(scope="module")
def text(make: Callable[[str], Report]) -> str:
    return markdown(make("engineer"))


def rows(text: str) -> list[list[str]]:
    """The cells of every line that is a row of a table."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_headline_tells_name_and_state(text: str) -> None:
    assert text.splitlines()[0] == "# 信用风险 &lt;Credit risk&gt;: ■ 4 alerts, 2 warnings"
    assert text.endswith("</sub>\n")
    assert "made 18 Nov 2026 06:12 UTC" in text


def test_tables_have_as_many_cells_in_every_row(text: str) -> None:
    blocks = re.split(r"\n\n", text)
    tables = [rows(block) for block in blocks if block.startswith("|")]
    assert len(tables) >= 8
    for table in tables:
        assert len({len(row) for row in table}) == 1
        assert all(re.fullmatch(r":-|-:", cell) for cell in table[1])


def test_alerts_and_tiles_are_the_stores(text: str, make: Callable[[str], Report]) -> None:
    found = {row[1]: row for row in rows(text) if len(row) == 7}
    assert found["Jensen–Shannon distance of debt\\_ratio"][2:] == ["28 Oct 2026", "21", "0.371", "0.113", "firing"]
    assert (
        found["Jensen–Shannon distance of credit\\_util"][6] == "acknowledged by lin *known: new &lt;bureau&gt; feed*"
    )
    for tile in make("engineer").models[0].overview.tiles:
        assert f"**{tile.value_text}**".replace("<", "&lt;") in text


def test_charts_stand_as_sentences(text: str) -> None:
    assert "<svg" not in text
    assert re.search(r"ROC AUC: 0\.\d+ in Sat 14 Nov 2026, from 0\.\d+ to 0\.\d+ over 57 chunks, alert in \d+\.", text)
    assert "Chunks with an alert:" in text


def test_names_stand_as_code_and_nothing_of_the_data_is_markup(text: str) -> None:
    assert "`<script>alert(1)</script>`" in text
    outside = re.sub(r"(`+).*?\1", "", text)
    tags = set(re.findall(r"</?[a-z]+", outside))
    assert tags <= {"<details", "</details", "<summary", "</summary", "<b", "</b", "<sub", "</sub"}
    assert outside.count("<details>") == outside.count("</details>") >= 4


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("a|b\nc", r"a\|b c"),
        ("*bold* _it_ `x` [l](u) #1 ~~s~~", "\\*bold\\* \\_it\\_ \\`x\\` \\[l\\](u) \\#\u20601 \\~\\~s\\~\\~"),
        ("@team see #12", "@\u2060team see \\#\u206012"),
        ("https://evil.example", "https://\u2060evil.example"),
        ("www.evil.example", "www\u2060.evil.example"),
        ("<b> & </b>", "&lt;b&gt; &amp; &lt;/b&gt;"),
        ("a\\|b", r"a\\\|b"),
        ("x\x00\u202ey", "x\ufffd\\\\u202ey"),
    ],
)
def test_text_of_the_data_calls_nobody(raw: str, safe: str) -> None:
    assert plain(raw) == safe


@pytest.mark.parametrize(
    ("raw", "safe"), [("a", "`a`"), ("a|b", r"`a\|b`"), ("a`b", "``a`b``"), ("`", "`` ` ``"), ("a\n b", "`a b`")]
)
def test_code_holds_any_name(raw: str, safe: str) -> None:
    assert code(raw) == safe


def test_bars_reach_from_the_least_to_the_greatest() -> None:
    assert bars([0.0, 1.0, None, 0.5]) == "▁█\u2007▅"
    assert bars([2.0, 2.0]) == "▁▁"
    assert bars([None]) == "–"
    assert len(bars([float(number) for number in range(100)])) == 24


def test_items_of_a_list_stand_together(make: Callable[[str], Report]) -> None:
    told = markdown(make("manager"))
    items = [line for line in told.split("## State")[1].split("\n\n")[1].splitlines() if line.startswith("- ")]
    assert len(items) == 4
    assert "- **Alert**:\n  - Data drift: beyond what chance does" in markdown(make("operator"))
    assert list(listed(["- a", "- b", "c", "- d"])) == ["- a\n- b", "c", "- d"]


def test_the_same_report_is_the_same_text(make: Callable[[str], Report], text: str) -> None:
    assert markdown(make("engineer")) == text


@pytest.mark.parametrize(
    ("role", "there", "missing"),
    [
        ("manager", ["## State", "## Trend and value", "## Fairness", "## Actions taken"], ["## Open alerts", "Columns"]),
        ("operator", ["## Open alerts", "## Freshness and data quality", "## Retraining runs"], ["## Fairness", "## Drift matrix"]),
        ("engineer", ["## Open alerts", "## Drift matrix", "## Fairness", "<b>Columns</b>"], ["## State"]),
    ],
)  # fmt: skip
def test_each_role_gets_its_own(make: Callable[[str], Report], role: str, there: list[str], missing: list[str]) -> None:
    told = markdown(make(role))
    assert all(part in told for part in there)
    assert not any(part in told for part in missing)
