"""The report as PDF, set by typst: tagged for readers of screens, with bookmarks, page numbers and embedded fonts, and the same bytes each time.

The words, numbers and charts go to the template as JSON, so nothing of them can be read as markup. Fonts are the shipped ones; where they lack
a character of the data, fonts of the machine that have it are used, and what no font has is told.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Final, Literal

from msgspec.structs import asdict

from mlops_desk import theme
from mlops_desk.reporting.blocks import (
    Block,
    Cell,
    Facts,
    Group,
    Line,
    ModelView,
    Picture,
    Section,
    Side,
    Table,
    Titled,
)
from mlops_desk.reporting.charts.standalone import standalone, words
from mlops_desk.reporting.charts.svg import without_forbidden
from mlops_desk.reporting.content import Report
from mlops_desk.reporting.fonts import help_with
from mlops_desk.reporting.texts import say
from mlops_desk.reporting.view import model_views
from mlops_desk.resources import resource

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
FONTS = ["Inter", "Noto Sans SC"]
MONO = ["DejaVu Sans Mono", "Noto Sans SC"]
"""The first one is within typst itself."""
STANDARD: Final = "ua-1"
"""PDF/UA-1: tagged, titled, and every picture with words in its place."""
LONGEST_WORD = 28
MOST_CHARACTERS = 12
_LONG = re.compile(rf"[!-~]{{{LONGEST_WORD},}}")
_BREAKS = re.compile(r"(?<=[_./\\,;:=&-])(?=\w)")
_RUN = re.compile(r"[^\W_]{16}(?=[^\W_])")
JOINERS = "\u00ad\u200c\u200d\u2060\ufe0e\ufe0f"
"""Characters that nobody sees, which fonts seldom have."""
BOX = "□"
"""Stands for a character that cannot be set."""


def pdf(report: Report) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of the document, and what is not right with it, in words."""
    import typst

    with theme.speaking(report.language):
        told = document(report)
    needed = help_with("".join(texts(told)))
    families: list[Json] = [*needed.families]
    told["fonts"], told["mono"] = [*FONTS, *families], [*MONO, *families]
    boxes = dict.fromkeys([0xFFFD, *map(ord, needed.without)], BOX)
    content = json.dumps(told, ensure_ascii=False).translate(boxes)
    system = bool(needed.families)
    troubles = [unset_text(needed.without)] if needed.without else []
    try:
        return compiled(content, [STANDARD], system_fonts=system), tuple(troubles)
    except typst.TypstError as error:
        if not error.message.startswith("PDF/UA"):
            raise
        troubles.append(f"readers of screens may stumble over it ({error.message})")
        return compiled(content, [], system_fonts=system), tuple(troubles)


def compiled(content: str, standards: list[Literal["ua-1"]], *, system_fonts: bool) -> bytes:
    """The document that the template makes of its content."""
    import typst

    templates, fonts = resource("templates"), str(resource("fonts"))
    made = typst.Compiler(
        (templates / "report.typ").read_bytes(),
        root=templates,
        font_paths=typst.Fonts(include_system_fonts=system_fonts, font_paths=[fonts]),
        sys_inputs={"report": content},
    ).compile(format="pdf", pdf_standards=[*standards])
    if not isinstance(made, bytes):
        raise TypeError("typst gave no document")
    return made


def unset_text(characters: str) -> str:
    """What is told of characters that stand as empty boxes."""
    some = " ".join(characters[:MOST_CHARACTERS])
    more = f" and {len(characters) - MOST_CHARACTERS} more" if len(characters) > MOST_CHARACTERS else ""
    return f"no font of this machine has {some}{more}, which stand as boxes: install one that has, such as Noto Sans"


def document(report: Report) -> dict[str, Json]:
    """What the template is told."""
    views = model_views(report)
    name = views[0].overview.name if len(views) == 1 else report.workspace
    made = theme.moment_text(report.generated_at, "UTC")
    by = say("made {moment} UTC by MLOps Desk {version}", moment=made, version=report.program_version)
    colors: dict[str, Json] = {
        name: color for name, color in asdict(theme.LIGHT).items() if isinstance(color, str) and color.startswith("#")
    }
    found: dict[str, Json] = {
        "language": report.language,
        "region": "cn" if report.language == "zh" else "gb",
        "title": clean(say("{name}: monitoring report", name=name)),
        "keywords": [clean(view.overview.model) for view in views],
        "footer": clean(f"{report.workspace} · {by}"),
        "page": say("Page {page} of {pages}"),
        "page-of": say("page {page}"),
        "colors": colors,
        "views": [view_told(view) for view in views],
    }
    return found


def view_told(view: ModelView) -> Json:
    """A model's part."""
    tiles: list[Json] = [
        {
            "title": clean(tile.title),
            "value": clean(tile.value_text),
            "change": tile.change_text,
            "better": tile.better,
            "verdict": tile.verdict.value,
            "mark": theme.MARKS[tile.verdict],
            "limit": clean(tile.limit_text),
            "note": clean(tile.note),
            "spark": standalone(spark),
        }
        for tile, spark in view.tiles
    ]
    return {
        "id": view.id,
        "name": clean(view.overview.name),
        "verdict": view.verdict.value,
        "mark": theme.MARKS[view.verdict],
        "verdict_text": view.verdict_text,
        "headline": clean(" · ".join(view.headline)),
        "tiles": tiles,
        "sections": [section_told(section) for section in view.sections],
    }


def section_told(section: Section) -> Json:
    """A card."""
    return {
        "title": clean(section.title),
        "subtitle": clean(section.subtitle),
        "key": section.key,
        "swatches": None if section.swatches is None else [clean(text) for text in section.swatches],
        "whole": section.whole,
        "blocks": [block_told(block) for block in section.blocks],
    }


def block_told(block: Block) -> Json:
    """A block, by its kind."""
    match block:
        case Table():
            return {
                "kind": "table",
                "caption": clean(block.caption),
                "shown": block.shown,
                "columns": [{"title": clean(column.title), "kind": column.kind.value} for column in block.columns],
                "rows": [[cell_told(cell) for cell in row] for row in block.rows],
            }
        case Picture():
            return {
                "kind": "picture",
                "svg": standalone(block.svg),
                "alt": clean(words(block.svg)),
                "title": clean(block.title),
                "named": block.named,
                "short": block.short,
                "notes": [clean(note) for note in block.notes],
            }
        case Line():
            verdict = block.verdict
            return {
                "kind": "line",
                "text": clean(block.text),
                "verdict": None if verdict is None else verdict.value,
                "mark": "" if verdict is None else theme.MARKS[verdict],
                "quiet": block.quiet,
            }
        case Facts():
            pairs: list[Json] = [
                {"term": term, "marks": cells[0].verdict is not None, "cells": [cell_told(cell) for cell in cells]}
                for term, cells in block.pairs
            ]
            return {"kind": "facts", "pairs": pairs}
        case Titled():
            return {"kind": "titled", "title": clean(block.title), "blocks": [block_told(one) for one in block.blocks]}
        case Group():
            return {"kind": "group", "blocks": [block_told(one) for one in block.blocks]}
        case Side():
            blocks = [block_told(one) for one in block.blocks]
            return {"kind": "side", "columns": block.columns, "blocks": blocks}


def cell_told(cell: Cell) -> Json:
    """A cell of a table."""
    verdict = cell.verdict
    return {
        "text": clean(cell.text),
        "tag": clean(cell.tag),
        "note": clean(cell.note),
        "verdict": None if verdict is None else verdict.value,
        "mark": "" if verdict is None else theme.MARKS[verdict],
        "word": "" if verdict is None else cell.word or theme.word(verdict),
        "chart": standalone(cell.chart) if cell.chart else "",
    }


def clean(text: str) -> str:
    """The text without characters that cannot be set, and with places to break in words that are too long for a line."""
    shown = "".join(one for one in without_forbidden(text) if one not in JOINERS)
    return _LONG.sub(lambda match: _RUN.sub("\\g<0>\u200b", _BREAKS.sub("\u200b", match[0])), shown)


def texts(told: Json) -> Iterable[str]:
    """Every text of what the template is told."""
    if isinstance(told, str):
        yield told
    elif isinstance(told, list):
        for one in told:
            yield from texts(one)
    elif isinstance(told, dict):
        for one in told.values():
            yield from texts(one)
