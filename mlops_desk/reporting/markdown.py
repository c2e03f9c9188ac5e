"""The report as Markdown (GitHub's), to stand in a pull request or a chat: marks and words in place of colours, sentences in place of charts.

Text of the data can neither be markup nor call anybody: it is escaped, names stand as code, and what GitHub would turn into a mention, a reference
or a link is kept apart by an invisible word joiner.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from mlops_desk import theme
from mlops_desk.reporting.blocks import (
    Block,
    Cell,
    Facts,
    Group,
    Kind,
    Line,
    ModelView,
    Picture,
    Section,
    Side,
    Table,
    Titled,
)
from mlops_desk.reporting.charts.standalone import words
from mlops_desk.reporting.charts.svg import without_forbidden
from mlops_desk.reporting.content import Report
from mlops_desk.reporting.texts import say
from mlops_desk.reporting.view import model_views

BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 24
FOLDED = ("columns", "distributions", "wholes", "others", "notes", "about")
"""Sections that are opened on demand."""
ALIGNED_RIGHT = (Kind.NUMBER, Kind.QUIET)
_MARKUP = re.compile(r"([\\`*_\[\]|~#$])")
_CALLING = re.compile(r"(?<=@)(?=\w)|(?<=[#!])(?=\d)|(?<=://)|(?<=\bwww)(?=\.)|(?<=mailto:)", re.IGNORECASE)
_JOINER = "\u2060"


def markdown(report: Report) -> str:
    """The text of the report, ending in a line feed; the same for the same content."""
    with theme.speaking(report.language):
        parts = [part for view in model_views(report) for part in view_parts(view)]
        made = theme.moment_text(report.generated_at, "UTC")
        by = say("made {moment} UTC by MLOps Desk {version}", moment=made, version=report.program_version)
        parts += ["---", f"<sub>{plain(report.workspace)} · {plain(by)}</sub>"]
    return "\n\n".join(parts) + "\n"


def view_parts(view: ModelView) -> Iterator[str]:
    """A model's part, paragraph by paragraph."""
    yield f"# {plain(view.overview.name)}: {theme.MARKS[view.verdict]} {view.verdict_text}"
    yield plain(" · ".join(view.headline))
    if view.tiles:
        yield tile_table(view)
    for section in view.sections:
        yield from section_parts(section)


def tile_table(view: ModelView) -> str:
    """The key figures as a table."""
    head = [say("Key figure"), say("Value"), say("Change"), say("Course"), say("Limit"), say("Status"), ""]
    rows = [
        [
            plain(tile.title),
            f"**{plain(tile.value_text)}**",
            plain(tile.change_text),
            bars(tile.points),
            plain(tile.limit_text),
            f"{theme.MARKS[tile.verdict]} {theme.word(tile.verdict)}",
            plain(tile.note),
        ]
        for tile, _ in view.tiles
    ]
    return grid(head, rows, [":-", "-:", "-:", ":-", ":-", ":-", ":-"])


def section_parts(section: Section) -> Iterator[str]:
    """A section: its heading and its blocks, folded where it is for those who look deeper."""
    parts = [part for block in section.blocks for part in block_parts(block)]
    title = plain(section.title)
    subtitle = [f"*{plain(section.subtitle)}*"] if section.subtitle else []
    if section.name in FOLDED and title:
        yield f"<details><summary><b>{title}</b></summary>"
        yield from (*subtitle, *listed(parts))
        yield "</details>"
        return
    if title and section.name != "empty":
        yield f"## {title}"
    yield from (*subtitle, *listed(parts))


def listed(parts: Sequence[str]) -> Iterator[str]:
    """Paragraphs, with those together that are items of one list."""
    for is_item, group in groupby(parts, key=lambda part: part.startswith("- ")):
        some = list(group)
        yield from ["\n".join(some)] if is_item else some


def block_parts(block: Block) -> Iterator[str]:
    """A block, paragraph by paragraph."""
    match block:
        case Table():
            yield from table_parts(block)
        case Picture():
            yield picture_text(block)
        case Line():
            mark = "" if block.verdict is None else f"{theme.MARKS[block.verdict]} "
            yield f"{'- ' if mark else ''}{mark}{plain(block.text)}"
        case Facts():
            yield "\n".join(fact(term, cells) for term, cells in block.pairs)
        case Titled():
            yield f"### {plain(block.title)}"
            yield from (part for one in block.blocks for part in block_parts(one))
        case Group() | Side():
            yield from (part for one in block.blocks for part in block_parts(one))


def fact(term: str, cells: Sequence[Cell]) -> str:
    """A term with its text, its marks or a list of texts."""
    head = f"- **{plain(term)}**{say(': ')}".rstrip()
    if len(cells) == 1 or cells[0].verdict is not None:
        return f"{head} {' '.join(map(inside, cells))}"
    return "\n".join([head, *(f"  - {inside(cell)}" for cell in cells)])


def picture_text(picture: Picture) -> str:
    """What a chart shows, in words; of a column, its notes."""
    if picture.named:
        return "\n".join([code(picture.title), "", *(f"- {plain(note)}" for note in picture.notes)])
    text, title = words(picture.svg), picture.title
    if not title:
        return plain(text)
    return f"**{plain(title)}**{plain(text.removeprefix(title)) if text.startswith(title) else f' {plain(text)}'}"


def table_parts(table: Table) -> Iterator[str]:
    """A table; the rows that are folded, in a part that can be opened."""
    head = [plain(column.title) for column in table.columns]
    rule = ["-:" if column.kind in ALIGNED_RIGHT else ":-" for column in table.columns]
    rows = [[inside(cell, column.kind) for cell, column in zip(row, table.columns, strict=True)] for row in table.rows]
    if table.shown:
        yield f"*{plain(table.caption)}*"
    yield grid(head, rows[: table.folded], rule)
    if table.folded is not None:
        yield f"<details><summary>{say('{count} more', count=len(rows) - table.folded)}</summary>"
        yield grid(head, rows[table.folded :], rule)
        yield "</details>"


def inside(cell: Cell, kind: Kind = Kind.TEXT) -> str:
    """What stands in a cell."""
    if cell.points:
        return bars(cell.points)
    parts = []
    if cell.verdict is not None:
        parts.append(f"{theme.MARKS[cell.verdict]} {plain(cell.word or theme.word(cell.verdict))}")
    if cell.text:
        parts.append(code(cell.text) if kind is Kind.NAME else plain(cell.text))
    parts += [f"*{plain(text)}*" for text in (cell.tag, cell.note) if text]
    return " ".join(parts)


def grid(head: Sequence[str], rows: Sequence[Sequence[str]], rule: Sequence[str]) -> str:
    """A table of cells that are Markdown already."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def bars(points: Sequence[float | None]) -> str:
    """The last MOST_BARS numbers as a line of bars, a space where there is none."""
    last = points[-MOST_BARS:]
    known = [point for point in last if point is not None]
    if not known:
        return theme.ABSENT
    low, high = min(known), max(known)
    room = high - low or 1.0
    line = ("\u2007" if one is None else BARS[round((one - low) / room * (len(BARS) - 1))] for one in last)
    return "".join(line)


def plain(text: str) -> str:
    """Text of the data in one line, of which nothing is markup, a mention, a reference or a link."""
    line = " ".join(without_forbidden(text).split())
    kept = _CALLING.sub(_JOINER, line)
    escaped = kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", escaped)


def code(text: str) -> str:
    """Text of the data as code, in a table too."""
    line = " ".join(without_forbidden(text).split())
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{room}{line}{room}{fence}".replace("|", "\\|")
