"""What else ships in resources/: the icon in every size, and the fonts with their licences."""

import struct
from pathlib import Path

import pytest
import resvg_py
from PySide6.QtGui import QFontDatabase, QImage, QRawFont
from pytestqt.qtbot import QtBot

from mlops_desk.reporting.fonts import characters

RESOURCES = Path(__file__).resolve().parents[2] / "resources"
SIZES = (16, 24, 32, 48, 64, 128, 256, 512)


@pytest.mark.parametrize("size", SIZES)
def test_each_png_is_the_drawing_at_its_size(size: int) -> None:
    shipped = QImage(str(RESOURCES / "icons" / f"mlops-desk-{size}.png"))
    drawn = QImage()
    svg = (RESOURCES / "icons" / "mlops-desk.svg").read_text(encoding="utf-8")
    drawn.loadFromData(bytes(resvg_py.svg_to_bytes(svg_string=svg, width=size, height=size)))
    assert (shipped.width(), shipped.height()) == (size, size)
    pixels = [(x, y) for x in range(0, size, max(1, size // 32)) for y in range(0, size, max(1, size // 32))]
    for x, y in pixels:
        one, other = shipped.pixelColor(x, y), drawn.pixelColor(x, y)
        assert abs(one.alpha() - other.alpha()) <= 8, (x, y)
        assert max(abs(one.red() - other.red()), abs(one.green() - other.green()), abs(one.blue() - other.blue())) <= 8
    assert shipped.pixelColor(0, 0).alpha() == 0
    assert shipped.pixelColor(size // 2, size // 8).alpha() == 255


@pytest.mark.parametrize(("style", "weight"), [("Regular", 400), ("Medium", 500), ("SemiBold", 600), ("Bold", 700)])
def test_inter_comes_in_four_weights_with_figures_of_one_width(qtbot: QtBot, style: str, weight: int) -> None:
    file = RESOURCES / "fonts" / f"Inter-{style}.ttf"
    loaded = QFontDatabase.addApplicationFont(str(file))
    try:
        assert "Inter" in QFontDatabase.applicationFontFamilies(loaded)
        assert QFontDatabase.weight("Inter", style) == weight
        face = QRawFont.fromFont(QFontDatabase.font("Inter", style, 12))
        assert face.familyName().startswith("Inter")
        assert not [letter for letter in "0aZ€×−σéЖΩ…→" if not face.supportsCharacter(ord(letter))]
    finally:
        QFontDatabase.removeApplicationFont(loaded)
    content = file.read_bytes()
    assert struct.unpack(">I", content[:4]) == (0x00010000,), "a TrueType file, not a compressed web font"
    assert b"tnum" in content


def test_the_font_is_small_and_has_its_licence() -> None:
    licence = (RESOURCES / "fonts" / "Inter-LICENSE.txt").read_text(encoding="utf-8")
    assert "The Inter Project Authors" in licence
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert size_of("Inter-*") <= 1_600_000


def test_the_chinese_font_is_cut_to_size_and_has_its_licence() -> None:
    licence = (RESOURCES / "fonts" / "NotoSansSC-LICENSE.txt").read_text(encoding="utf-8")
    assert "with Reserved Font Name 'Source'" in licence
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    weights = [characters(RESOURCES / "fonts" / f"NotoSansSC-{style}.ttf") for style in ("Regular", "SemiBold")]
    common = {ord(bytes((high, low)).decode("gb2312")) for high in range(0xB0, 0xD7) for low in range(0xA1, 0xFF)}
    assert len(common) == 39 * 94, "all full rows of the frequent characters of GB 2312"
    assert all(common <= weight for weight in weights)
    assert weights[0] == weights[1]
    assert size_of("NotoSansSC-*") <= 4_500_000
    assert size_of("*") == size_of("Inter-*") + size_of("NotoSansSC-*") + size_of("README.md")


def size_of(pattern: str) -> int:
    return sum(file.stat().st_size for file in (RESOURCES / "fonts").glob(pattern))
