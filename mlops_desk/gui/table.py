"""Tables: the twin of every plot, to read exactly, to copy and to save."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from msgspec import Struct
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QHeaderView, QTableView, QVBoxLayout, QWidget

from mlops_desk import theme

Cell = str | int | float | None
Index = QModelIndex | QPersistentModelIndex


class Table(Struct, frozen=True, kw_only=True):
    """A title, headings and rows; every row is as long as the headings. A number that is absent is None."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def cell_text(cell: Cell) -> str:
    """A cell as it is shown and copied: numbers in full, empty where there is nothing."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return theme.exact(cell)
    return str(cell)


def separated(table: Table, separator: str) -> str:
    """The table as text with a separator, quoted where a cell needs it."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    writer.writerow(table.headings)
    writer.writerows([cell_text(cell) for cell in row] for row in table.rows)
    return out.getvalue()


def copy_table(table: Table) -> None:
    """Puts the table on the clipboard, ready to paste into a spreadsheet."""
    QGuiApplication.clipboard().setText(separated(table, "\t"))


def write_table(table: Table, path: Path) -> None:
    """Writes the table as CSV in UTF-8."""
    path.write_text(separated(table, ","), encoding="utf-8", newline="")


class TableModel(QAbstractTableModel):
    """A Table for Qt's views."""

    def __init__(self, table: Table, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table = table

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """Number of rows."""
        return 0 if parent.isValid() else len(self._table.rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """Number of columns."""
        return 0 if parent.isValid() else len(self._table.headings)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Text and alignment of a cell."""
        cell = self._table.rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return cell_text(cell)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignLeft if isinstance(cell, str) else Qt.AlignmentFlag.AlignRight
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Headings across, row numbers down."""
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return self._table.headings[section] if orientation == Qt.Orientation.Horizontal else str(section + 1)


class TableDialog(QDialog):
    """A table in a window of its own."""

    def __init__(self, table: Table, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(table.title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.resize(760, 520)
        self._table = table
        self.view = QTableView()
        self.view.setModel(TableModel(table, self))
        self.view.setAccessibleName(table.title)
        self.view.setAlternatingRowColors(True)
        self.view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.view.verticalHeader().setDefaultSectionSize(24)
        self.view.verticalHeader().hide()
        header = self.view.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        self.view.resizeColumnsToContents()
        for section in range(len(table.headings)):
            header.resizeSection(section, min(max(header.sectionSize(section) + 12, 80), 260))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        copy = buttons.addButton("Copy all", QDialogButtonBox.ButtonRole.ActionRole)
        copy.clicked.connect(lambda: copy_table(table))
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.view)
        layout.addWidget(buttons)
        QShortcut(QKeySequence.StandardKey.Copy, self.view, self.copy_chosen)

    def copy_chosen(self) -> None:
        """Copies the chosen cells, row by row; the whole table where none is chosen."""
        chosen = self.view.selectedIndexes()
        if not chosen:
            copy_table(self._table)
            return
        rows = sorted({index.row() for index in chosen})
        columns = sorted({index.column() for index in chosen})
        cells = {(index.row(), index.column()) for index in chosen}
        lines = [
            "\t".join(cell_text(self._table.rows[row][column]) if (row, column) in cells else "" for column in columns)
            for row in rows
        ]
        QGuiApplication.clipboard().setText("\n".join(lines))
