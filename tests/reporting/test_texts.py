"""Every fixed text of the reports is there in both languages, none is there that is not used, and a Chinese report holds no English of its own."""

import ast
import html
import re
import string
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import NoteLevel, Period, RetrainingStatus
from mlops_desk.domain.retraining import RunState
from mlops_desk.domain.threshold import AlertState
from mlops_desk.metrics.catalogue import CATALOGUE
from mlops_desk.reporting import page, summary, tiles, wording
from mlops_desk.reporting.content import ROLES, report
from mlops_desk.reporting.document import write_report
from mlops_desk.reporting.naming import FAMILY_NAMES
from mlops_desk.reporting.pdf import document, texts
from mlops_desk.reporting.texts import plural, say, table
from mlops_desk.resources import resource
from mlops_desk.store.archive import Store

ROOMS = Path(page.__file__).parent
NAMED_ELSEWHERE = {
    *(one.name.removesuffix(" (estimated)") for one in CATALOGUE),
    *FAMILY_NAMES.values(),
    *wording.CONVENTIONS.values(),
    *wording.DEFAULTS.values(),
    *wording.TOOL_DEFAULTS.values(),
    *tiles.FAIRNESS_RATIOS.values(),
    *tiles.ROWS_TITLES.values(),
    *("below {}", "above {}", "mean - {}", "mean + {}", "quantile {}"),
    *(state.value.replace("_", " ") for state in RunState),
    *(state.value for state in AlertState if state is not AlertState.SILENCED),
    *(level.value for level in NoteLevel),
    *("prediction", "score", "target"),
    *("alerts", "warnings"),
    *("open alerts", "new rows", "new labels"),
    page.NOT_COMPUTED,
    "Predictions / chunk",
    summary.UNEVALUATED,
}
"""Texts that reach `say` under a name, not as they stand."""


def said_in_code() -> Iterator[str]:
    """Every text that stands in a call of `say` or `plural`."""
    for file in ROOMS.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                continue
            place = {"say": 0, "plural": 1}.get(node.func.id)
            if place is None:
                continue
            chosen = node.args[place]
            for one in [chosen.body, chosen.orelse] if isinstance(chosen, ast.IfExp) else [chosen]:
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    yield one.value + "s" * place


def said_in_templates() -> Iterator[str]:
    for file in resource("templates").glob("*.html"):
        yield from (found[1] for found in re.findall(r"""say\((['"])(.*?)\1""", file.read_text(encoding="utf-8")))


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_text_is_in_the_table_and_nothing_else() -> None:
    said = {*said_in_code(), *said_in_templates(), *NAMED_ELSEWHERE}
    assert len(said) > 350
    assert said - set(table("zh")) == set()
    assert set(table("zh")) - said == set()


def test_both_languages_put_in_the_same_values() -> None:
    for english, chinese in table("zh").items():
        assert fields(english) == fields(chinese), english
        assert chinese.strip(), english


def test_templates_hold_no_text_of_their_own() -> None:
    for file in resource("templates").glob("*.html"):
        source = re.sub(r"\{[{%].*?[%}]\}", " ", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        text = re.sub(r"<style>.*?</style>|<[^>]*>|&\w+;", " ", source, flags=re.DOTALL)
        assert re.findall(r"[A-Za-z]{2,}", text) == [], file.name


def test_a_text_is_said_in_the_language_that_is_spoken() -> None:
    assert say("labels to {date}", date="14 Nov") == "labels to 14 Nov"
    assert plural(1, "alert") == "1 alert"
    with theme.speaking("zh"):
        assert say("labels to {date}", date="{date}") == "标签至 {date}"
        assert plural(4, "alert") == "4 个告警"
        assert theme.word(Verdict.ALERT) == "告警"
        with theme.speaking("en"):
            assert say("Open alerts") == "Open alerts"
        assert say("Open alerts") == "未解决的告警"
    assert theme.spoken() == "en"
    with pytest.raises(ValueError, match="'fr' is none of en, zh"), theme.speaking("fr"):
        pass


NOON = datetime(2026, 11, 2, 12)


def test_numbers_and_dates_are_those_of_the_language() -> None:
    day, month = timedelta(days=1), datetime(2026, 11, 1)
    with theme.speaking("zh"):
        assert theme.long_date(NOON) == "2026年11月2日 周一"
        assert theme.span(month, month + day, "UTC") == "2026年11月1日 周日"
        assert theme.span(month, datetime(2026, 12, 1), "UTC") == "2026年11月"
        assert theme.span(datetime(2026, 1, 1), datetime(2026, 4, 1), "UTC") == "2026年1月 – 3月"
        assert theme.span(datetime(2025, 11, 1), datetime(2026, 4, 1), "UTC") == "2025年11月 – 2026年3月"
        assert theme.span(datetime(2026, 1, 1), datetime(2027, 1, 1), "UTC") == "2026年"
        assert theme.span(datetime(2025, 1, 1), datetime(2027, 1, 1), "UTC") == "2025 – 2026年"
        assert theme.span(month, month + 8 * day, "UTC") == "2026年11月1日 – 11月8日"
        assert theme.span(NOON, NOON + day / 4, "UTC") == "2026年11月2日 12:00 – 18:00"
        assert theme.moment_text(NOON, "UTC") == "2026年11月2日 12:00"
        assert (theme.compact(19_412), theme.compact(1_131_204), theme.compact(2.5e8)) == (
            "1.94 万",
            "113 万",
            "2.50 亿",
        )
        assert theme.step_texts((0.0, 10_000.0, 20_000.0)) == ("0", "1 万", "2 万")
        assert theme.percent(0.214) == "21.4%"
        assert theme.duration(185) == "3 分 05 秒"
        assert theme.ago(NOON, NOON + 2 * day) == "2 天前"
        assert theme.ago(NOON, NOON) == "刚刚"


OF_THE_DATA = (
    "Consumer lending", "Credit risk", "credit-risk", "known: new", "bureau", "feed", "a_rather_long_name_of_a_column_",
    "lin", "script", "alert(1)", "reference.parquet, 1 Jan – 31 Mar 2026",
    "the chunk has no values of this column", "no labelled rows", "too small: 12 rows, fewer than 30", "the file is torn: no footer",
    "labels whose ids", "no row", "has", "the gate said no: roc_auc 0.79", "4 alerts since 7 Nov", "logs/2026-10-19.parquet", "labels", "v14", "v13",
    "south", "wild", "under 25", "over 60", "25 to 60", "female", "male", "other", "east", "west", "sex", "region", "age_band",
)  # fmt: skip
KEPT = ("MLOps Desk", "UTC", "ROC AUC", "F1", "Jensen–Shannon", "Brier", "desk", "toml", "models.business", "AUC")
"""Names that Chinese keeps."""


@pytest.mark.parametrize("role", ROLES)
def test_a_chinese_report_holds_no_english_of_its_own(
    filled: Store, model: Model, now: datetime, retraining: RetrainingStatus, role: str, tmp_path: Path
) -> None:
    with theme.speaking("zh"):
        made = report(
            filled, "Consumer lending", [model], Period(), now=now, retraining={model.id: retraining}, role=role
        )
    known = sorted((*OF_THE_DATA, *KEPT, *(row.column for row in made.models[0].columns)), key=len, reverse=True)
    write_report(made, tmp_path / "r.html")
    page_text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert '<html lang="zh-Hans">' in page_text
    parts = [re.sub(r"<style>.*?</style>", "", page_text, flags=re.DOTALL).replace("&ensp;", " ")]
    parts = re.findall(r">([^<]+)<", parts[0]) + re.findall(r' (?:title|aria-label)="([^"]*)"', parts[0])
    parts += [text for text in texts(document(made)["views"]) if "<svg" not in text and re.search("[一-鿿]", text)]
    left = []
    for text in parts:
        rest = html.unescape(text)
        for name in known:
            rest = rest.replace(name, " ")
        left += [(word, text) for word in re.findall(r"[A-Za-z]{2,}", rest)]
    assert left == []
