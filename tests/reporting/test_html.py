"""The HTML page: one self-contained, well-formed file that says what the store holds, and the same bytes each time."""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Family, SeriesKey
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import Period, RetrainingStatus
from mlops_desk.domain.schema import Task
from mlops_desk.reporting.content import Report, report
from mlops_desk.reporting.document import write_report
from mlops_desk.reporting.html import html
from mlops_desk.store.archive import Store

VOID = {"meta", "br", "link", "hr", "img", "input"}


class Page(HTMLParser):
    """Reads a page strictly: every tag must be closed by its own; keeps elements, attributes and the text outside <style>."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.parts: list[str] = []
        self.cells: list[list[str]] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.parts.append(data)
        if ("td" in self.open or "th" in self.open) and "title" not in self.open:
            self.cells[-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.parts).split())

    def row(self, first: str) -> list[str]:
        return next(cells for cells in self.cells if cells and cells[0].split()[:1] == [first])


@pytest.fixture(scope="module")
def content(filled: Store, model: Model, now: datetime, retraining: RetrainingStatus) -> Report:
    return report(filled, "Consumer lending", [model], Period(), now=now, retraining={model.id: retraining})


@pytest.fixture(scope="module")
def text(content: Report) -> str:
    return html(content)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_fetches_and_runs_nothing(text: str, page: Page) -> None:
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert not {"script", "iframe", "object", "embed", "link", "img", "form", "base"} & set(page.tags)
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("src", "srcset", "action", "data"), (tag, name)
        assert name != "href" or (value or "").startswith("#"), (tag, value)


def test_the_page_is_small_enough_for_60_chunks_and_25_columns(text: str, content: Report) -> None:
    overview = content.models[0].overview
    assert overview.matrix is not None
    assert (len(overview.chunks), len(overview.matrix.columns)) == (60, 25)
    assert len(text.encode()) < 1_000_000


def test_texts_of_the_data_stay_texts(text: str, page: Page) -> None:
    assert "<script>" not in text
    assert "<bureau>" not in text
    assert "<b>" not in text
    for name in (
        "<script>alert(1)</script>",
        'it\'s "quoted" & co',
        "月收入",
        "信用风险 <Credit risk>",
        "known: new <bureau> feed",
        "<b>south</b>",
    ):
        assert name in page.text


def test_every_tile_is_there(page: Page, content: Report) -> None:
    for tile in content.models[0].overview.tiles:
        for part in (tile.title, tile.value_text, tile.change_text, tile.limit_text, tile.note):
            assert part in page.text


def test_alerts_tell_since_when_value_and_limit(page: Page) -> None:
    rows = {cells[1]: cells for cells in page.cells if len(cells) == 7 and cells[0].split()[-1] in ("alert", "warning")}
    assert rows["Jensen–Shannon distance of debt_ratio"][2:] == ["28 Oct 2026", "21", "0.371", "0.113", "firing"]
    assert rows["Jensen–Shannon distance of credit_util"][6].startswith("acknowledged by lin")
    assert len(rows) == 6


def test_columns_tell_latest_greatest_and_status(page: Page, filled: Store) -> None:
    values = [
        value.measurement.value
        for value in filled.values(
            "credit-risk", family=Family.DATA_DRIFT, metric="jensen_shannon", column="debt_ratio"
        )
        if value.split == "analysis"
    ]
    row = page.row("debt_ratio")
    assert row[2] == f"{values[-1]:.3f}"
    assert row[4] == f"{max(values):.3f}"
    assert row[-1] == "■ alert"
    assert page.row("tenure")[-1].startswith("○ untested")
    assert "the chunk has no values of this column" in page.row("tenure")[-1]
    assert page.row("y_proba")[0] == "y_proba score"


def test_accuracy_tells_realised_and_estimated(page: Page, filled: Store) -> None:
    def last(family: Family) -> float:
        values = filled.values("credit-risk", family=family, metric="roc_auc", split="analysis")
        return [value.measurement.value for value in values if value.measurement.value is not None][-1]

    row = next(cells for cells in page.cells if len(cells) == 7 and cells[:1] == ["ROC AUC"])
    assert row[1] == f"{last(Family.PERFORMANCE):.3f}"
    assert row[4] == "Sat 14 Nov 2026"
    assert row[5] == f"{last(Family.ESTIMATED_PERFORMANCE):.3f}"


def test_notes_runs_and_conventions_are_told(page: Page) -> None:
    for part in (
        "the file is torn: no footer", "labels whose ids <b>no row</b> has", "the gate said no: roc_auc 0.79 < 0.80", "02:41",
        "reference.parquet, 1 Jan – 31 Mar 2026", "1,131,204 rows", "desk: the definition of the literature",
        "Concept drift: label shift with p < 0.001", "made 18 Nov 2026 06:12 UTC", "evaluated 18 Nov 2026 06:08 UTC", "4 alerts, 2 warnings",
    ):  # fmt: skip
        assert part in page.text, part


def test_ids_are_unique_and_charts_are_named(text: str, page: Page) -> None:
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    named = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-labelledby"]
    assert len(named) >= 12
    assert {one for value in named for one in (value or "").split()} <= set(ids)
    hidden = [1 for tag, name, value in page.attributes if tag == "svg" and (name, value) == ("aria-hidden", "true")]
    assert len(named) + len(hidden) == page.tags.count("svg")


def test_tables_have_captions_and_headers(page: Page) -> None:
    assert page.tags.count("caption") == page.tags.count("table") >= 7
    scopes = [value for tag, name, value in page.attributes if tag == "th" and name == "scope"]
    assert len(scopes) == page.tags.count("th")


def test_dark_light_and_paper_are_all_served(text: str) -> None:
    assert "@media screen and (prefers-color-scheme: dark)" in text
    assert "@media print" in text
    declared = set(re.findall(r"--([a-z0-9-]+):", text))
    assert set(re.findall(r"var\(--([a-z0-9-]+)\)", text)) <= declared


def test_the_same_content_is_the_same_bytes(
    filled: Store, model: Model, now: datetime, retraining: RetrainingStatus, text: str
) -> None:
    again = report(filled, "Consumer lending", [model], Period(), now=now, retraining={model.id: retraining})
    assert html(again) == text


def test_the_same_bytes_come_from_another_process(tmp_path: Path, content: Report, text: str) -> None:
    import pickle

    (tmp_path / "content").write_bytes(pickle.dumps(content))
    script = (
        "import pickle, sys; from pathlib import Path; from mlops_desk.reporting.document import write_report;"
        "write_report(pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]))"
    )
    target = tmp_path / "report.html"
    command = [sys.executable, "-c", script, str(tmp_path / "content"), str(target)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2], env={"PYTHONHASHSEED": "123", "PATH": ""})
    assert target.read_text(encoding="utf-8") == text


def test_several_models_stand_on_one_page(
    new_store: Store,
    write: Callable[..., object],
    plain_model: Callable[..., Model],
    now: datetime,
    retraining: RetrainingStatus,
) -> None:
    models = [
        plain_model(id="one"),
        plain_model(Task.REGRESSION, id="two"),
        plain_model(None, id="three"),
        plain_model(id="never"),
    ]
    write(new_store, {SeriesKey(Family.PERFORMANCE, "roc_auc"): [0.8, 0.7]}, model="one")
    write(new_store, {SeriesKey(Family.PERFORMANCE, "mae"): [3.0]}, model="two")
    write(new_store, {}, model="three")
    made = report(new_store, "desk", models, Period(), now=now, retraining={model.id: retraining for model in models})
    page = Page(html(made))
    assert [value for tag, name, value in page.attributes if (tag, name) == ("article", "id")] == ["m1", "m2", "m3"]
    assert [value for tag, name, value in page.attributes if (tag, name) == ("a", "href")] == ["#m1", "#m2", "#m3"]
    assert "Mean absolute error" in page.text
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_a_period_without_rows_is_nothing_to_report(
    filled: Store, model: Model, now: datetime, retraining: RetrainingStatus
) -> None:
    empty = Period(start=datetime(2030, 1, 1))
    with pytest.raises(
        UserError, match=r"no chunk lies in the period from 2030-01-01.*credit-risk are 19 Sep – 17 Nov 2026"
    ):
        report(filled, "desk", [model], empty, now=now, retraining={model.id: retraining})


def test_a_model_without_rows_in_the_period_says_so(
    new_store: Store,
    fill_store: Callable[[Store], None],
    write: Callable[..., object],
    plain_model: Callable[..., Model],
    model: Model,
    now: datetime,
    retraining: RetrainingStatus,
) -> None:
    fill_store(new_store)
    other = plain_model()
    write(new_store, {SeriesKey(Family.PERFORMANCE, "roc_auc"): [0.8, 0.7]})
    late = Period(start=datetime(2026, 11, 1))
    known = {model.id: retraining, other.id: retraining}
    page = Page(html(report(new_store, "desk", [model, other], late, now=now, retraining=known)))
    assert page.text.count("No rows of the log lie in this period.") == 1
    assert "Jensen–Shannon distance of debt_ratio" in page.text


def test_chunks_without_times_can_be_told(
    new_store: Store,
    write: Callable[..., object],
    plain_model: Callable[..., Model],
    now: datetime,
    retraining: RetrainingStatus,
) -> None:
    from msgspec.structs import replace

    days = write(new_store, {SeriesKey(Family.PERFORMANCE, "roc_auc"): [0.8, 0.7]})
    rows = [replace(chunk, key=f"row:{n * 1000}", start=None, end=None, rows=1000) for n, chunk in enumerate(days)]
    write(new_store, {SeriesKey(Family.PERFORMANCE, "roc_auc"): [0.8, "no labelled rows"]}, chunks=rows)
    model = plain_model(every=None)
    text = Page(html(report(new_store, "desk", [model], Period(), now=now, retraining={"m": retraining}))).text
    assert "labels to chunk 1" in text
    assert "Predictions / chunk" in text
    assert "rows 0 to 999" in text


def test_nothing_evaluated_is_nothing_to_report(
    new_store: Store, plain_model: Callable[..., Model], now: datetime, retraining: RetrainingStatus
) -> None:
    with pytest.raises(UserError, match="no model was evaluated"):
        report(new_store, "desk", [plain_model()], Period(), now=now, retraining={"m": retraining})


def test_reports_are_written_whole_or_not_at_all(tmp_path: Path, content: Report, text: str) -> None:
    target = tmp_path / "report.HTML"
    write_report(content, target)
    assert target.read_text(encoding="utf-8") == text
    with pytest.raises(UserError, match=r"written as \.html, \.pdf, \.md, \.json or \.xml, and \.docx is none"):
        write_report(content, tmp_path / "report.docx")
    with pytest.raises(UserError, match="cannot be written"):
        write_report(content, tmp_path / "missing" / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.HTML"]
