"""The tiles at the head of the Overview: the numbers that matter, each with its change, its course and its limit."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QContextMenuEvent, QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QSizePolicy, QVBoxLayout, QWidget

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import Tile
from mlops_desk.gui.appearance import Appearance
from mlops_desk.gui.card import chip
from mlops_desk.gui.icons import pixmap
from mlops_desk.gui.plots.sparkline import Sparkline
from mlops_desk.gui.table import Table, TableDialog, copy_table
from mlops_desk.gui.text import Label, tooltip

TOKENS = {Verdict.OK: "accent", Verdict.WARNING: "warn", Verdict.ALERT: "bad", Verdict.UNTESTED: "reference"}
SIDES = 24
ICONS = {Verdict.OK: "ok", Verdict.WARNING: "warning", Verdict.ALERT: "alert", Verdict.UNTESTED: "untested"}


class TileCard(QFrame):
    """One tile; it takes the focus, and copies its value."""

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self.appearance = appearance
        self.tile: Tile | None = None
        self.setProperty("role", "card")
        self.setMinimumWidth(112)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.title = Label(tone="muted", elide=True)
        self.icon = Label()
        self.value = Label(tone="figure")
        self.change = chip("")
        self.course = Sparkline(appearance)
        self.limit = Label(tone="muted", elide=True)
        head, figures = QHBoxLayout(), QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.icon)
        figures.setSpacing(8)
        figures.addWidget(self.value)
        figures.addWidget(self.change)
        figures.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(13, 8, SIDES - 13, 8)
        layout.setSpacing(1)
        layout.addLayout(head)
        layout.addLayout(figures)
        layout.addWidget(self.course, 1)
        layout.addWidget(self.limit)
        appearance.changed.connect(self._paint_icon)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leaves the change out where it does not fit beside the value; the tooltip has it."""
        super().resizeEvent(event)
        self._fit_change()

    def _fit_change(self) -> None:
        wanted = self.value.sizeHint().width() + self.change.sizeHint().width() + 8
        room = self.contentsRect().width() - SIDES
        self.change.setVisible(bool(self.change.full_text) and wanted <= room)

    def sizeHint(self) -> QSize:
        """As high as all tiles are."""
        return QSize(170, 112)

    def show_tile(self, tile: Tile) -> None:
        """Shows a number."""
        self.tile = tile
        self.title.set_text(tile.title)
        self.value.set_text(tile.value_text)
        self.change.set_text(tile.change_text)
        self.change.set_state("verdict", change_tone(tile))
        self._fit_change()
        self.course.show_points(tile.points, TOKENS[tile.verdict])
        below = " · ".join(part for part in (tile.limit_text, tile.note) if part)
        self.limit.set_text(below)
        exact = f" (exactly {theme.exact(tile.value)})" if tile.value is not None else ""
        change = f", {tile.change_text}" if tile.change_text else ""
        words = f"{tile.title}: {tile.value_text}{exact}{change} · {theme.WORDS[tile.verdict]}" + (
            f"\n{below}" if below else ""
        )
        self.setToolTip(tooltip(words))
        self.setAccessibleName(words.replace("\n", " · "))
        self._paint_icon()

    def table(self) -> Table:
        """The tile's course."""
        points = self.tile.points if self.tile else ()
        rows = tuple((place + 1, value) for place, value in enumerate(points))
        return Table(title=self.title.full_text, headings=("chunk of the period", "value"), rows=rows)

    def copy(self) -> None:
        """Puts the number on the clipboard: in full where it is known, else as it is shown."""
        if self.tile is not None:
            text = self.tile.value_text if self.tile.value is None else theme.exact(self.tile.value)
            QGuiApplication.clipboard().setText(text)

    def menu(self) -> QMenu:
        """What can be done with the number."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Copy value", self.copy)
        menu.addAction("Copy course", lambda: copy_table(self.table()))
        menu.addAction("Show as table", lambda: TableDialog(self.table(), self.window()).show())
        return menu

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Shows what can be done with the number."""
        if self.tile is not None:
            self.menu().popup(event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copies with the usual keys."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def _paint_icon(self) -> None:
        if self.tile is None:
            return
        palette, verdict = self.appearance.palette, self.tile.verdict
        made = pixmap(
            ICONS[verdict],
            theme.verdict_color(palette, verdict),
            size=14,
            ratio=self.devicePixelRatioF(),
            hole=palette.surface,
        )
        self.icon.setPixmap(made)
        self.icon.setAccessibleName(theme.WORDS[verdict])


def change_tone(tile: Tile) -> str:
    """The colour of a change: of the verdict where it is for the worse, green where for the better."""
    if tile.better is None:
        return "untested"
    if tile.better:
        return "ok"
    return "alert" if tile.verdict is Verdict.ALERT else "warning"


class TileRow(QWidget):
    """All tiles of a model, side by side."""

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self.appearance = appearance
        self.cards: list[TileCard] = []
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(theme.GUTTER_PIXELS)

    def show_tiles(self, tiles: tuple[Tile, ...], *, brushed: bool) -> None:
        """Shows numbers, framed in the accent's colour where they are of a brushed period."""
        while len(self.cards) < len(tiles):
            card = TileCard(self.appearance)
            self.cards.append(card)
            self._layout.addWidget(card, 1)
        for place, card in enumerate(self.cards):
            card.setVisible(place < len(tiles))
            if place < len(tiles):
                card.show_tile(tiles[place])
            if bool(card.property("brushed")) != brushed:
                card.setProperty("brushed", brushed)
                card.style().unpolish(card)
                card.style().polish(card)
