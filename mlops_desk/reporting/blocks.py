"""What a report is built of, whatever it is written as: sections of tables, charts, facts and lines of text, worded and in order."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import Overview, Tile


class Kind(StrEnum):
    """What a column of a table holds: how it is aligned and set."""

    HEAD = "head"
    TEXT = "text"
    NUMBER = "number"
    QUIET = "quiet"
    LIMIT = "limit"
    STATUS = "status"
    NAME = "name"
    TIGHT = "tight"
    PROSE = "prose"
    COURSE = "course"


class Cell(Struct, frozen=True, kw_only=True):
    """A cell of a table.

    Attributes
    ----------
    text : what stands there. verdict : its mark and word (or `word`) come first. tag : said quietly beside it. note : said quietly below it.
    tip : shown where the pointer rests on it. chart : a sparkline as SVG, in place of text; `points` are its numbers.
    """

    text: str = ""
    verdict: Verdict | None = None
    word: str = ""
    tag: str = ""
    note: str = ""
    tip: str = ""
    chart: str = ""
    points: tuple[float | None, ...] = ()


class Column(Struct, frozen=True):
    """A column of a table: its heading and what it holds."""

    title: str
    kind: Kind = Kind.TEXT


class Table(Struct, frozen=True, kw_only=True):
    """Rows of cells, as long as `columns`.

    Attributes
    ----------
    caption : what the table holds, for those who hear it; `shown` where everybody reads it.
    folded : so many rows are shown at once, the rest can be opened where that is possible; None shows all.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    shown: bool = False
    folded: int | None = None


class Picture(Struct, frozen=True, kw_only=True):
    """A chart as SVG, the heading above it (empty where none), whether that names a column, and lines below it.

    A `short` one takes no more than a third of a printed page, however much it has to show.
    """

    svg: str
    title: str = ""
    named: bool = False
    short: bool = False
    notes: tuple[str, ...] = ()


class Line(Struct, frozen=True, kw_only=True):
    """A line of text; with a verdict its mark stands before it."""

    text: str
    verdict: Verdict | None = None
    quiet: bool = False


class Facts(Struct, frozen=True, kw_only=True):
    """Terms, each with one text or several."""

    pairs: tuple[tuple[str, tuple[Cell, ...]], ...]


class Titled(Struct, frozen=True, kw_only=True):
    """Blocks under a heading of their own."""

    title: str
    blocks: tuple[Block, ...]


class Group(Struct, frozen=True, kw_only=True):
    """Blocks that stay together, one below the other."""

    blocks: tuple[Block, ...]


class Side(Struct, frozen=True, kw_only=True):
    """Blocks side by side, so many in a row."""

    blocks: tuple[Block, ...]
    columns: int


Block = Table | Picture | Line | Facts | Titled | Group | Side


class Section(Struct, frozen=True, kw_only=True):
    """A card of the report.

    Attributes
    ----------
    name : of SECTIONS. subtitle : said quietly beside the title. key : what marks or colours mean, on the right; `swatches` are their colours.
    whole : whether it is better not torn apart by the end of a page.
    """

    name: str
    title: str
    blocks: tuple[Block, ...]
    subtitle: str = ""
    key: str = ""
    swatches: tuple[str, str] | None = None
    whole: bool = False


class ModelView(Struct, frozen=True, kw_only=True):
    """A model's part of the report, for one role and in one language.

    Attributes
    ----------
    id : of its place in the document. headline : what is told under its name.
    """

    id: str
    overview: Overview
    verdict: Verdict
    verdict_text: str
    headline: tuple[str, ...]
    tiles: tuple[tuple[Tile, str], ...]
    sections: tuple[Section, ...]
