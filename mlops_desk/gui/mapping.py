"""The mapping step before dropped files become a workspace: what each column is for, why, some of its values, and what is wrong, in place.

Uses are changed in the table: a click, F2 or Enter opens the choice. What is wrong is asked of the sketch; nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QAbstractItemModel, QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QBrush, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from mlops_desk import theme
from mlops_desk.gui.appearance import Appearance, color
from mlops_desk.gui.choice import Choice, draw_arrow
from mlops_desk.gui.facade import SketchedColumnProtocol, SketchProtocol
from mlops_desk.gui.text import Label, tooltip

HEADINGS = ("Column", "Role", "Kind", "First values", "Why")
COLUMN, USE, KIND, VALUES, WHY = range(len(HEADINGS))
WIDTHS = (170, 130, 90, 260)
ROW_HEIGHT = 30
SIZE = (980, 640)
SHOWN_REMARKS = 3
ALONE = frozenset(("timestamp", "id", "ignored"))
"""Uses in which a column is not compared and so has no kind."""
CHOSEN = "you chose it"
Index = QModelIndex | QPersistentModelIndex


class MappingModel(QAbstractTableModel):
    """The columns of a sketch with the uses that somebody gave them.

    Signals
    -------
    uses_changed : one was given another use.
    """

    uses_changed = Signal()

    def __init__(self, appearance: Appearance, sketch: SketchProtocol, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.appearance = appearance
        self.sketch = sketch
        self.uses = {column.name: column.use for column in sketch.columns}
        self.troubles = sketch.troubles(self.uses)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """Number of columns of the log."""
        return 0 if parent.isValid() else len(self.sketch.columns)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        """Number of headings."""
        return 0 if parent.isValid() else len(HEADINGS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Headings across."""
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return HEADINGS[section]
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Uses can be changed."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == USE else flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Texts, and the colour of what is wrong."""
        column = self.sketch.columns[index.row()]
        trouble = self.troubles.get(column.name)
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return self._text(column, index.column(), trouble)
        if role == Qt.ItemDataRole.ToolTipRole:
            return tooltip(self._text(column, index.column(), trouble))
        if role == Qt.ItemDataRole.ForegroundRole:
            palette = self.appearance.palette
            if trouble is not None and index.column() in (USE, WHY):
                return QBrush(color(palette.bad))
            return QBrush(color(palette.muted if index.column() in (KIND, VALUES, WHY) else palette.text))
        return None

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Gives a column another use and looks for troubles anew."""
        name = self.sketch.columns[index.row()].name
        if role != Qt.ItemDataRole.EditRole or index.column() != USE or value not in self.sketch.uses:
            return False
        if self.uses[name] != value:
            self.uses[name] = str(value)
            self.troubles = self.sketch.troubles(self.uses)
            self.dataChanged.emit(self.index(0, 0), self.index(self.rowCount() - 1, len(HEADINGS) - 1))
            self.uses_changed.emit()
        return True

    @property
    def changed(self) -> bool:
        """Whether any use differs from what was guessed."""
        return any(self.uses[column.name] != column.use for column in self.sketch.columns)

    def _text(self, column: SketchedColumnProtocol, place: int, trouble: str | None) -> str:
        use = self.uses[column.name]
        if place == COLUMN:
            return column.name
        if place == USE:
            return use
        if place == KIND:
            return theme.ABSENT if use in ALONE or column.kind is None else column.kind
        if place == VALUES:
            return "  ·  ".join(column.values) or theme.ABSENT
        return f"■ {trouble}" if trouble is not None else column.reason if use == column.use else CHOSEN


class UseDelegate(QStyledItemDelegate):
    """Shows that a use can be chosen, and the choice."""

    def __init__(self, appearance: Appearance, uses: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        self._appearance, self._uses = appearance, uses

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paints the use with an arrow."""
        super().paint(painter, option, index)
        place = option.rect
        draw_arrow(painter, place.right() - 13.0, place.center().y() + 0.5, self._appearance.palette.muted)

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """Opens the choice; choosing ends it."""
        made = Choice(self._appearance, "Role", small=True)
        made.setParent(parent)
        made.addItems(list(self._uses))

        def take() -> None:
            self.commitData.emit(made)
            self.closeEditor.emit(made)

        made.activated.connect(take)
        return made

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Marks the use in force."""
        if isinstance(editor, QComboBox):
            editor.setCurrentText(str(index.data()))

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        """Takes what was chosen."""
        if isinstance(editor, QComboBox):
            model.setData(index, editor.currentText())


class MappingDialog(QDialog):
    """Shows a sketch and takes corrections.

    Signals
    -------
    create_asked : a workspace of these uses should be written (column to use).
    """

    create_asked = Signal(object)

    def __init__(self, appearance: Appearance, sketch: SketchProtocol, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("What the columns are for")
        self.resize(*SIZE)
        self.sketch = sketch
        self.model = MappingModel(appearance, sketch, self)
        self._refusal = sketch.failure or ""
        self._busy = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(10)
        layout.addWidget(Label("What the columns are for", tone="title"))
        parts = " · ".join(f"{name}: {', '.join(paths)}" for name, paths in sketch.parts)
        layout.addWidget(Label(f"{theme.count(sketch.rows)} rows · {parts}", tone="muted", elide=True))
        self.view = self._table(appearance)
        layout.addWidget(self.view, 1)
        if sketch.reasons:
            layout.addWidget(Label(" · ".join(sketch.reasons), tone="muted", lines=2))
        for remark in sketch.remarks[:SHOWN_REMARKS]:
            layout.addWidget(Label(f"▲ {remark}", tone="muted", elide=True))
        self.state = Label(lines=2)
        layout.addWidget(self.state)
        layout.addWidget(Label(f"desk.toml is written into {sketch.folder}", tone="muted", elide=True))
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.write = QPushButton("Create the workspace")
        self.write.setProperty("role", "primary")
        self.write.clicked.connect(self._create)
        self.buttons.addButton(self.write, QDialogButtonBox.ButtonRole.ActionRole)
        self.buttons.rejected.connect(self.reject)
        layout.addWidget(self.buttons)
        self.model.uses_changed.connect(self._corrected)
        self._show_state()
        self.view.setCurrentIndex(self.model.index(0, USE))
        self.view.setFocus()

    def show_refusal(self, text: str) -> None:
        """Shows why the workspace was not written."""
        self._busy = False
        self._refusal = text
        self._show_state()

    def _table(self, appearance: Appearance) -> QTableView:
        view = QTableView()
        view.setModel(self.model)
        view.setAccessibleName("Columns and their roles")
        view.setItemDelegateForColumn(USE, UseDelegate(appearance, self.sketch.uses, view))
        view.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        view.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        view.clicked.connect(self._open_choice)
        view.activated.connect(self._open_choice)
        view.setShowGrid(False)
        view.setAlternatingRowColors(True)
        view.setWordWrap(False)
        view.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        view.verticalHeader().hide()
        header = view.horizontalHeader()
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setStretchLastSection(True)
        for section, width in enumerate(WIDTHS):
            header.resizeSection(section, width)
        return view

    def _open_choice(self, index: QModelIndex) -> None:
        if index.column() != USE or self._busy:
            return
        self.view.edit(index)
        editor = self.view.indexWidget(index)
        if isinstance(editor, QComboBox):
            editor.showPopup()

    def _corrected(self) -> None:
        self._refusal = self.sketch.failure or "" if not self.model.changed else ""
        self._show_state()

    def _create(self) -> None:
        self._busy = True
        self._show_state()
        self.create_asked.emit(dict(self.model.uses))

    def _show_state(self) -> None:
        troubles = self.model.troubles
        named = [f"{name}: {text}" if name else text for name, text in troubles.items()]
        wrong = "; ".join(named) or self._refusal
        text = "Looking at the files and writing desk.toml …" if self._busy else f"■ {wrong}" if wrong else ""
        self.state.set_state("tone", "bad" if wrong and not self._busy else "muted")
        self.state.set_text(text or "Every column has a role. It can be changed in desk.toml later.")
        self.write.setEnabled(not wrong and not self._busy)
        self.view.setEnabled(not self._busy)
