"""The sidebar: the models with their state, filtered by what is typed, and the pages."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import (
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import ModelStatus
from mlops_desk.gui.appearance import Appearance, color, font
from mlops_desk.gui.icons import icon, pixmap
from mlops_desk.gui.plots.sparkline import draw_sparkline
from mlops_desk.gui.text import Label, tooltip

STATUS_ROLE = Qt.ItemDataRole.UserRole
MODEL_HEIGHT = 46
PAGE_HEIGHT = 32
SPARKLINE_WIDTH = 50


def draw_status(painter: QPainter, centre: QPointF, verdict: Verdict, palette: theme.Palette) -> None:
    """Paints a square (alert), triangle (warning), disc (fine) or ring (untested)."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    ink = color(theme.verdict_color(palette, verdict))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    x, y = centre.x(), centre.y()
    if verdict is Verdict.ALERT:
        painter.drawRoundedRect(QRectF(x - 4.5, y - 4.5, 9, 9), 1, 1)
    elif verdict is Verdict.WARNING:
        painter.drawPolygon(QPolygonF([QPointF(x, y - 5), QPointF(x + 5.2, y + 4.2), QPointF(x - 5.2, y + 4.2)]))
    elif verdict is Verdict.OK:
        painter.drawEllipse(centre, 4.4, 4.4)
    else:
        painter.setPen(QPen(ink, 1.4))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(centre, 4, 4)
    painter.restore()


class RowDelegate(QStyledItemDelegate):
    """Paints the rows of both lists: chosen, hovered and focused ones show it."""

    def __init__(self, appearance: Appearance, parent: QWidget) -> None:
        super().__init__(parent)
        self.appearance = appearance

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Models are two lines high, pages one."""
        return QSize(160, MODEL_HEIGHT if isinstance(index.data(STATUS_ROLE), ModelStatus) else PAGE_HEIGHT)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paints a row."""
        palette = self.appearance.palette
        place: QRect = option.rect.adjusted(0, 1, 0, -1)
        state: QStyle.StateFlag = option.state
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        if chosen or state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(color(palette.accent_soft if chosen else palette.raised))
            painter.drawRoundedRect(QRectF(place), 6, 6)
        if chosen:
            painter.setBrush(color(palette.accent))
            painter.drawRoundedRect(QRectF(place.left(), place.top() + 8, 3, place.height() - 16), 1.5, 1.5)
        if state & QStyle.StateFlag.State_HasFocus and state & QStyle.StateFlag.State_KeyboardFocusChange:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(color(palette.accent), 1.5))
            painter.drawRoundedRect(QRectF(place).adjusted(0.75, 0.75, -0.75, -0.75), 6, 6)
        status = index.data(STATUS_ROLE)
        if isinstance(status, ModelStatus):
            self._paint_model(painter, QRectF(place), status)
        else:
            self._paint_page(painter, QRectF(place), index, chosen=chosen)
        painter.restore()

    def _paint_model(self, painter: QPainter, place: QRectF, status: ModelStatus) -> None:
        palette = self.appearance.palette
        draw_status(painter, QPointF(place.left() + 15, place.top() + 14), status.verdict, palette)
        strong, small = font(theme.BASE_PIXELS, QFont.Weight.DemiBold), font(theme.SMALL_PIXELS)
        whole = place.right() - place.left() - 36
        beside = whole - (SPARKLINE_WIDTH + 6 if status.trend else 0)
        tall = QFontMetricsF(strong).horizontalAdvance(status.name) <= beside
        line = QRectF(
            place.right() - SPARKLINE_WIDTH - 8, place.top() + (9 if tall else 25), SPARKLINE_WIDTH, 24 if tall else 12
        )
        ink = {Verdict.UNTESTED: palette.reference}.get(status.verdict, theme.verdict_color(palette, status.verdict))
        draw_sparkline(painter, line, status.trend, ink)
        for top, text, face, ink, room in (
            (6, status.name, strong, palette.text, beside if tall else whole),
            (23, status_line(status), small, palette.muted, beside),
        ):
            painter.setFont(face)
            painter.setPen(color(ink))
            shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(room))
            painter.drawText(
                QRectF(place.left() + 28, place.top() + top, room, 16), Qt.AlignmentFlag.AlignVCenter, shown
            )

    def _paint_page(
        self, painter: QPainter, place: QRectF, index: QModelIndex | QPersistentModelIndex, *, chosen: bool
    ) -> None:
        palette = self.appearance.palette
        ink = palette.accent if chosen else palette.text
        ratio = painter.device().devicePixelRatioF()
        image = pixmap(str(index.data(STATUS_ROLE)), palette.accent if chosen else palette.muted, size=15, ratio=ratio)
        painter.drawPixmap(QPointF(place.left() + 12, place.center().y() - 7), image)
        painter.setFont(font(theme.BASE_PIXELS, QFont.Weight.DemiBold if chosen else QFont.Weight.Medium))
        painter.setPen(color(ink))
        painter.drawText(place.adjusted(36, 0, -8, 0), Qt.AlignmentFlag.AlignVCenter, str(index.data()))


def status_line(status: ModelStatus) -> str:
    """Version and state in words."""
    return " · ".join(part for part in (status.version, status.text) if part)


class RowList(QListWidget):
    """A list of rows painted by RowDelegate."""

    def __init__(self, appearance: Appearance, name: str) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.setItemDelegate(RowDelegate(appearance, self))
        self.setMouseTracking(True)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QListWidget.ScrollMode.ScrollPerPixel)
        appearance.changed.connect(self.viewport().update)


class Sidebar(QWidget):
    """Models and pages.

    Signals
    -------
    model_chosen, page_chosen : by hand; the model's id, the page's number.
    """

    model_chosen = Signal(str)
    page_chosen = Signal(int)

    def __init__(self, appearance: Appearance, pages: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self.appearance = appearance
        self.setProperty("role", "sidebar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(180)
        self.filter = QLineEdit()
        self.filter.setPlaceholderText("Filter models")
        self.filter.setAccessibleName("Filter models")
        self.filter.setClearButtonEnabled(True)
        self._search = self.filter.addAction(
            icon("search", appearance.palette.muted, disabled=appearance.palette.faint),
            QLineEdit.ActionPosition.LeadingPosition,
        )
        appearance.dress(self._search, "search", "muted")
        self.models = RowList(appearance, "Models")
        self.empty = Label("No model matches.", tone="muted")
        self.empty.hide()
        self.pages = RowList(appearance, "Pages")
        for title, name in pages:
            item = QListWidgetItem(title)
            item.setData(STATUS_ROLE, name)
            self.pages.addItem(item)
        self.pages.setCurrentRow(0)
        self.pages.setFixedHeight(PAGE_HEIGHT * len(pages) + 4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 12, 11, 10)
        layout.setSpacing(6)
        for widget, stretch in (
            (self.filter, 0),
            (Label("MODELS", tone="section"), 0),
            (self.models, 1),
            (self.empty, 0),
            (Label("VIEWS", tone="section"), 0),
            (self.pages, 0),
        ):
            layout.addWidget(widget, stretch)
        self.filter.textChanged.connect(self._filter)
        self.models.currentItemChanged.connect(self._chosen)
        self.pages.currentRowChanged.connect(self.page_chosen)

    def show_statuses(self, statuses: Sequence[ModelStatus], chosen: str | None) -> None:
        """Shows the models, with one of them marked."""
        self.models.blockSignals(True)
        while self.models.count() > len(statuses):
            self.models.takeItem(self.models.count() - 1)
        while self.models.count() < len(statuses):
            self.models.addItem(QListWidgetItem())
        for row, status in enumerate(statuses):
            item = self.models.item(row)
            item.setText(status.name)
            item.setData(STATUS_ROLE, status)
            words = f"{status.name} · {status_line(status)} · {theme.WORDS[status.verdict]}"
            item.setData(Qt.ItemDataRole.AccessibleTextRole, words)
            item.setToolTip(tooltip(words))
            if status.id == chosen:
                self.models.setCurrentItem(item)
        self.models.blockSignals(False)
        self._filter(self.filter.text())

    def _filter(self, text: str) -> None:
        wanted = text.strip().casefold()
        hits = 0
        for row in range(self.models.count()):
            status: ModelStatus = self.models.item(row).data(STATUS_ROLE)
            hit = wanted in status.name.casefold() or wanted in status.id.casefold()
            self.models.item(row).setHidden(not hit)
            hits += hit
        self.empty.setVisible(hits == 0 and self.models.count() > 0)

    def _chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            self.model_chosen.emit(item.data(STATUS_ROLE).id)
