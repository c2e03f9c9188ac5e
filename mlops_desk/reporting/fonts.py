"""Which characters a font has, read from its own table, and which fonts of the machine help out where the shipped ones lack some.

Only what is needed of OpenType is read: the directory of tables, the character maps of formats 4 and 12, and whether embedding is allowed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from mlops_desk import theme
from mlops_desk.resources import resource

SHIPPED = (*theme.FONT_FILES, "NotoSansSC-Regular.ttf", "NotoSansSC-SemiBold.ttf")
_INVISIBLE = frozenset(map(ord, " \n\t\u00a0\u2002\u200b\u2009\ufffd"))
_NO_EMBEDDING = 0x0002
"""The bit of OS/2.fsType that says that a licence forbids embedding."""


class Help(Struct, frozen=True, kw_only=True):
    """Families of the machine's fonts that have characters which the shipped fonts lack, and the characters that no font has."""

    families: tuple[str, ...] = ()
    without: str = ""


def missing(text: str) -> set[int]:
    """The characters of a text that no shipped font has."""
    shipped = set().union(*(characters(resource("fonts", name)) for name in SHIPPED))
    return set(map(ord, text)) - shipped - _INVISIBLE


def help_with(text: str) -> Help:
    """Which of the machine's fonts have the characters that the shipped ones lack; they may be embedded."""
    lacking = missing(text)
    if not lacking:
        return Help()
    families = []
    for family, path, index in sorted(system_fonts(), key=lambda font: (rank(font[0]), font)):
        found = lacking & characters(path, index) if lacking else set()
        if found and embeddable(path, index):
            families.append(family)
            lacking -= found
    return Help(families=tuple(dict.fromkeys(families)), without="".join(map(chr, sorted(lacking))))


def rank(family: str) -> int:
    """Families that the theme names come first, in its order."""
    return theme.SANS_FAMILIES.index(family) if family in theme.SANS_FAMILIES else len(theme.SANS_FAMILIES)


def system_fonts() -> Iterable[tuple[str, Path, int]]:
    """Upright regular fonts of the machine: family, file, and place in a collection."""
    import typst

    found = typst.Fonts(include_system_fonts=True, include_embedded_fonts=False).fonts()
    return {
        (font.family, Path(font.path), font.index)
        for font in found
        if font.path is not None and font.style == "normal" and font.weight == 400
    }


@lru_cache(maxsize=64)
def characters(path: Path, index: int = 0) -> frozenset[int]:
    """The characters that a font has; none where the file cannot be read as a font."""
    try:
        data = path.read_bytes()
        start = tables(data, index)["cmap"]
        count = struct.unpack_from(">H", data, start + 2)[0]
        offsets = {struct.unpack_from(">HHI", data, start + 4 + 8 * place)[2] for place in range(count)}
        return frozenset().union(*(_mapped(data, start + offset) for offset in offsets))
    except (OSError, KeyError, struct.error):
        return frozenset()


def embeddable(path: Path, index: int = 0) -> bool:
    """Whether the font's licence lets a document carry it."""
    try:
        data = path.read_bytes()
        kind = struct.unpack_from(">H", data, tables(data, index)["OS/2"] + 8)[0]
    except (OSError, KeyError, struct.error):
        return False
    return not kind & _NO_EMBEDDING


def tables(data: bytes, index: int) -> dict[str, int]:
    """Where the tables of a font begin, by their tags; of a collection, of its font number `index`."""
    start = struct.unpack_from(">I", data, 12 + 4 * index)[0] if data[:4] == b"ttcf" else 0
    count = struct.unpack_from(">H", data, start + 4)[0]
    entries = (struct.unpack_from(">4sIII", data, start + 12 + 16 * place) for place in range(count))
    return {tag.decode("latin-1"): offset for tag, _, offset, _ in entries}


def _mapped(data: bytes, at: int) -> set[int]:
    """The characters of one map; of formats other than 4 and 12, none."""
    kind = struct.unpack_from(">H", data, at)[0]
    if kind == 12:
        groups = struct.unpack_from(">I", data, at + 12)[0]
        spans = (struct.unpack_from(">III", data, at + 16 + 12 * place) for place in range(groups))
        return {code for first, last, _ in spans for code in range(first, last + 1)}
    if kind != 4:
        return set()
    double = struct.unpack_from(">H", data, at + 6)[0]
    ends = struct.unpack_from(f">{double // 2}H", data, at + 14)
    starts = struct.unpack_from(f">{double // 2}H", data, at + 16 + double)
    return {code for first, last in zip(starts, ends, strict=True) if last != 0xFFFF for code in range(first, last + 1)}
