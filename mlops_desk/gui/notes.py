"""The card of data notes: what is odd about the files, labels and columns, the warnings first."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QScrollArea, QVBoxLayout, QWidget

from mlops_desk import theme
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.gui.appearance import Appearance
from mlops_desk.gui.card import Card
from mlops_desk.gui.icons import pixmap
from mlops_desk.gui.table import Table, TableDialog, copy_table
from mlops_desk.gui.text import Label, tooltip

EMPTY = "Nothing to report: all files were read, all labels matched."
MOST = 200


class NotesCard(Card):
    """Notes about a model's data."""

    def __init__(self, appearance: Appearance) -> None:
        super().__init__(appearance, "Data notes", menu=self.menu)
        self.appearance = appearance
        self.notes: tuple[DataNote, ...] = ()
        self._icons: list[tuple[QLabel, DataNote]] = []
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setProperty("role", "clear")
        area.viewport().setAutoFillBackground(False)
        area.setAccessibleName("Data notes")
        self._list = QWidget()
        self._list.setProperty("role", "clear")
        self._rows = QVBoxLayout(self._list)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(4)
        self._rows.addStretch(1)
        area.setWidget(self._list)
        self.body.addWidget(area, 1)
        appearance.changed.connect(self._paint_icons)

    def show_notes(self, notes: tuple[DataNote, ...]) -> None:
        """Shows notes, if they are others than those shown."""
        ordered = tuple(sorted(notes, key=lambda note: note.level is not NoteLevel.WARNING))
        if ordered == self.notes and self._rows.count() > 1:
            return
        self.notes = ordered
        while self._rows.count() > 1:
            item = self._rows.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.deleteLater()
        self._icons.clear()
        warnings = sum(note.level is NoteLevel.WARNING for note in notes)
        self.subtitle.set_text(
            " · ".join(
                counted(number, word)
                for number, word in ((warnings, "warning"), (len(notes) - warnings, "notice"))
                if number
            )
        )
        for note in ordered[:MOST]:
            self._rows.insertWidget(self._rows.count() - 1, self._row(note))
        if not notes:
            nothing = Label(EMPTY, tone="muted")
            nothing.setWordWrap(True)
            self._rows.insertWidget(0, nothing)
        if len(ordered) > MOST:
            self._rows.insertWidget(MOST, Label(f"and {len(ordered) - MOST} more in the table", tone="muted"))
        self._paint_icons()

    def table(self) -> Table:
        """All notes."""
        rows = tuple((str(note.level), note.code, note.place, note.text, note.count) for note in self.notes)
        return Table(title="Data notes", headings=("level", "code", "place", "text", "count"), rows=rows)

    def menu(self) -> QMenu:
        """What can be done with the notes."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Show as table", lambda: TableDialog(self.table(), self.window()).show())
        menu.addAction("Copy table", lambda: copy_table(self.table()))
        return menu

    def _row(self, note: DataNote) -> QWidget:
        row = QWidget()
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 4, 0)
        layout.setSpacing(7)
        mark = QLabel()
        mark.setFixedWidth(15)
        mark.setAccessibleName(str(note.level))
        self._icons.append((mark, note))
        layout.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
        words = note_text(note)
        text = Label(words)
        text.setWordWrap(True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout.addWidget(text, 1)
        row.setToolTip(tooltip(f"{note.place}: {note.text}" if note.place else note.text))
        return row

    def _paint_icons(self) -> None:
        palette = self.appearance.palette
        for label, note in self._icons:
            warning = note.level is NoteLevel.WARNING
            name, ink = ("warning", palette.warn) if warning else ("untested", palette.muted)
            label.setPixmap(pixmap(name, ink, size=13, ratio=self.devicePixelRatioF(), hole=palette.surface))


def counted(number: int, word: str) -> str:
    """`1 warning`, `2 warnings`."""
    return f"{theme.count(number)} {word}{'' if number == 1 else 's'}"


def note_text(note: DataNote) -> str:
    """A note in one line: where, what, and how often where the text does not say."""
    counted = (
        f" ({theme.count(note.count)})"
        if note.count is not None and theme.count(note.count) not in note.text and str(note.count) not in note.text
        else ""
    )
    place = f"{note.place}: " if note.place and note.place not in note.text else ""
    return f"{place}{note.text}{counted}"
