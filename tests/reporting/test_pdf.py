"""The PDF: tagged, titled, with bookmarks, page numbers and embedded fonts, the store's own words, and the same bytes each time."""

import re
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from mlops_desk.domain.metric import Family, SeriesKey
from mlops_desk.domain.model import Model
from mlops_desk.domain.overview import Period, RetrainingStatus
from mlops_desk.reporting import fonts
from mlops_desk.reporting.actions import Action
from mlops_desk.reporting.content import ROLES, Report, report
from mlops_desk.reporting.document import write_report
from mlops_desk.reporting.fonts import characters, embeddable, help_with, missing
from mlops_desk.reporting.pdf import clean, document, pdf, texts
from mlops_desk.resources import resource
from mlops_desk.store.archive import Store


class Document:
    """A PDF with all of its streams inflated, which is enough to look for its objects."""

    def __init__(self, data: bytes) -> None:
        parts = [data]
        for match in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
            try:
                parts.append(zlib.decompress(match[1]))
            except zlib.error:
                continue  # a stream that is not deflated
        self.raw = b"\n".join(parts)

    @property
    def pages(self) -> int:
        return len(re.findall(rb"/Type\s*/Page\b", self.raw))

    @property
    def bookmarks(self) -> list[str]:
        found = re.findall(rb"/Title\s*\(((?:[^()\\]|\\.)*)\)\s*/(?:Parent|Dest|Prev|Next|First)", self.raw)
        return [one.decode("latin-1") for one in found]


@pytest.fixture(scope="module")
def make(filled: Store, model: Model, now: datetime, retraining: RetrainingStatus) -> Callable[[str], Report]:
    def made(role: str) -> Report:
        known = {model.id: retraining}
        return report(filled, "Consumer lending", [model], Period(), now=now, retraining=known, role=role)

    return made


@pytest.fixture(scope="module")
def engineers(make: Callable[[str], Report]) -> bytes:
    return pdf(make("engineer"))[0]


def test_the_document_is_tagged_titled_and_has_bookmarks(engineers: bytes) -> None:
    found = Document(engineers)
    assert b"/MarkInfo" in found.raw
    assert b"/StructTreeRoot" in found.raw
    assert b"/Lang(en-GB)" in found.raw
    assert b"pdfuaid:part" in found.raw
    assert "Open alerts" in found.bookmarks
    assert "Distributions" in found.bookmarks
    assert found.raw.count(b"/TH") > 20
    assert "信用风险 <Credit risk>: monitoring report".encode(
        "utf-16-be"
    ).hex().upper().encode() in found.raw.upper() or (
        "信用风险 &lt;Credit risk&gt;: monitoring report".encode() in found.raw
    )


def test_every_font_is_embedded(engineers: bytes) -> None:
    raw = Document(engineers).raw
    named = set(re.findall(rb"/FontName\s*/([\w+-]+)", raw))
    assert {name.split(b"+")[-1] for name in named} >= {b"Inter-Regular", b"Inter-SemiBold", b"NotoSansSC-Regular"}
    assert len(re.findall(rb"/FontFile[23]?", raw)) == len(named)


def test_the_same_report_is_the_same_bytes_and_has_no_date_but_its_own(
    engineers: bytes, make: Callable[[str], Report]
) -> None:
    assert pdf(make("engineer"))[0] == engineers
    raw = Document(engineers).raw
    for word in (b"/CreationDate", b"/ModDate", b"CreateDate", b"ModifyDate"):
        assert word not in raw


def test_a_manager_gets_one_page(make: Callable[[str], Report], engineers: bytes) -> None:
    assert Document(pdf(make("manager"))[0]).pages == 1
    assert Document(engineers).pages > 2


def test_a_manager_gets_one_page_however_many_groups_and_deeds_there_are(make: Callable[[str], Report]) -> None:
    content = make("manager")
    (model,) = content.models
    groups = tuple(replace(bar, group=f"{bar.group} {number}") for number in range(6) for bar in model.overview.groups)
    deeds = tuple(Action(at=content.generated_at, by="lin", text=f"deed {number}", note="") for number in range(12))
    model = replace(model, overview=replace(model.overview, groups=groups), actions=deeds)
    made = replace(content, models=(model,))
    assert len(groups) > 50
    assert Document(pdf(made)[0]).pages == 1
    assert "deed 3" in "".join(texts(document(made)))
    assert "deed 4" not in "".join(texts(document(made)))


def test_several_models_have_a_page_each_after_one_of_all(
    new_store: Store,
    write: Callable[..., object],
    plain_model: Callable[..., Model],
    now: datetime,
    retraining: RetrainingStatus,
) -> None:
    models = [plain_model(id="one"), plain_model(id="two")]
    for one in models:
        write(new_store, {SeriesKey(Family.PERFORMANCE, "roc_auc"): [0.8, 0.7]}, model=one.id)
    known = {one.id: retraining for one in models}
    made = report(new_store, "desk", models, Period(), now=now, retraining=known, role="manager")
    found = Document(pdf(made)[0])
    assert found.pages == 3
    assert [name for name in found.bookmarks if name in ("ONE", "TWO")] == ["ONE", "TWO"]
    assert found.raw.count(b"/Subtype/Link") == 2


@pytest.mark.parametrize("role", ROLES)
def test_what_a_reader_hears_of_a_chart_says_what_it_shows(make: Callable[[str], Report], role: str) -> None:
    told = document(make(role))
    view = told["views"][0]
    pictures = []

    def look(blocks: list) -> None:
        for block in blocks:
            if block["kind"] == "picture":
                pictures.append(block)
            look(block.get("blocks", []))

    for section in view["sections"]:
        look(section["blocks"])
    assert all(len(picture["alt"]) > 20 for picture in pictures)
    assert len(pictures) == {"operator": 0, "manager": 2, "engineer": 15}[role]


def test_charts_carry_their_own_colours_and_answer_to_nothing(make: Callable[[str], Report]) -> None:
    drawn = [text for text in texts(document(make("engineer"))) if text.startswith("<svg")]
    assert len(drawn) > 30
    for svg in drawn:
        assert "var(--" not in svg
        assert ":hover" not in svg
        assert 'class="hit"' not in svg
        assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert any("fill:#B3261E" in svg for svg in drawn)


def test_long_words_can_be_broken_and_forbidden_characters_are_not_set() -> None:
    assert (
        clean("a_rather_long_name_of_a_column_that")
        == "a_\u200brather_\u200blong_\u200bname_\u200bof_\u200ba_\u200bcolumn_\u200bthat"
    )
    assert max(map(len, clean("x" * 200).split("\u200b"))) <= 17
    assert clean("short_name") == "short_name"
    assert clean("a\x00b\u202e") == "a\ufffdb\\u202e"


def test_shipped_fonts_have_chinese_and_what_the_charts_write() -> None:
    assert missing("信用风险监控报告，。：；（）、 ABC äöß ●▲■○▼ ≥≤±–…χ²×− €ΔΩ") == set()
    assert missing("臺") == {ord("臺")}


def test_characters_are_read_from_the_font_itself() -> None:
    found = characters(resource("fonts", "Inter-Regular.ttf"))
    assert {ord(one) for one in "Az09é≥●"} <= found
    assert ord("信") not in found
    assert embeddable(resource("fonts", "NotoSansSC-Regular.ttf"))


def test_a_file_that_is_no_font_has_no_characters(tmp_path: Path) -> None:
    for name, data in (("empty", b""), ("text", b"no font at all, however long this text may be"), ("none", None)):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        assert characters(tmp_path / name) == frozenset()
        assert not embeddable(tmp_path / name)


def test_fonts_of_the_machine_help_out_in_the_order_of_the_theme(monkeypatch: pytest.MonkeyPatch) -> None:
    have = {"A Font": {ord("臺"), ord("灣")}, "WenQuanYi Micro Hei": {ord("臺")}, "Locked": {ord("한")}}
    monkeypatch.setattr(fonts, "system_fonts", lambda: {(name, Path(name), 0) for name in have})
    monkeypatch.setattr(fonts, "missing", lambda text: set(map(ord, text)))
    monkeypatch.setattr(fonts, "characters", lambda path, index=0: frozenset(have[str(path)]))
    monkeypatch.setattr(fonts, "embeddable", lambda path, index=0: str(path) != "Locked")
    found = help_with("臺灣한")
    assert found.families == ("WenQuanYi Micro Hei", "A Font")
    assert found.without == "한"


def test_what_no_font_has_is_told(
    make: Callable[[str], Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fonts, "system_fonts", set)
    content = make("manager")
    assert write_report(content, tmp_path / "fine.pdf") == ()
    (trouble,) = write_report(replace(content, workspace="臺灣"), tmp_path / "boxes.pdf")
    assert (
        trouble
        == f"{tmp_path / 'boxes.pdf'}: no font of this machine has 灣 臺, which stand as boxes: install one that has, such as Noto Sans"
    )
    assert b"pdfuaid:part" in Document((tmp_path / "boxes.pdf").read_bytes()).raw
    assert (tmp_path / "boxes.pdf").read_bytes().startswith(b"%PDF-1.7")


def test_a_document_that_readers_of_screens_stumble_over_is_made_and_told(
    make: Callable[[str], Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fonts, "missing", lambda text: set())
    data, (trouble,) = pdf(replace(make("manager"), workspace="臺灣"))
    assert data.startswith(b"%PDF")
    assert trouble.startswith("readers of screens may stumble over it (PDF/UA-1 error")


def test_markup_in_the_data_is_text(make: Callable[[str], Report]) -> None:
    hostile = '#import "x": * $ #panic("no") \\ ` <label> @ref [x] = Heading'
    content = replace(make("operator"), workspace=hostile)
    assert pdf(content)[0].startswith(b"%PDF")
    assert any(hostile in text for text in texts(document(content)))
