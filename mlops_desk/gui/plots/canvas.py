"""The widget below every plot: theme, context menu, pictures and the table twin; the mouse is the plot's own.

Pictures are painted by Qt itself (QSvgGenerator for SVG): pyqtgraph's exporters break on text and dashes.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QContextMenuEvent, QFocusEvent, QFont, QGuiApplication, QImage, QPainter, QWheelEvent
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from mlops_desk import theme
from mlops_desk.gui.appearance import Appearance, color, font, logical_dpi
from mlops_desk.gui.plots.layer import pen
from mlops_desk.gui.table import Table, TableDialog, copy_table, write_table

PICTURE_MARGIN = 12
TITLE_HEIGHT = 26
PICTURES = {"png": "PNG picture (*.png)", "svg": "SVG drawing (*.svg)", "csv": "CSV table (*.csv)"}


class Canvas(pg.GraphicsLayoutWidget):
    """A plot that can be saved, copied and read as a table; subclasses lay out boxes and paint layers."""

    def __init__(self, appearance: Appearance, title: str) -> None:
        super().__init__()
        self.appearance = appearance
        self.title = title
        self.subtitle = ""
        self.empty_text = ""
        self.setAccessibleName(title)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.setMinimumHeight(90)
        self.ci.layout.setContentsMargins(0, 0, 0, 0)
        self.ci.layout.setSpacing(0)
        self.ci.setContentsMargins(0, 0, 0, 0)
        self.retheme()
        appearance.changed.connect(self.retheme)

    def retheme(self) -> None:
        """Paints everything in the palette in force."""
        self.setBackground(self.appearance.palette.surface)
        for item in self.scene().items():
            item.update()

    def set_empty(self, text: str) -> None:
        """Shows a text in place of a plot that has nothing to show; the empty text shows the plot."""
        if text != self.empty_text:
            self.empty_text = text
            self.viewport().update()

    def drawForeground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        """Paints the text of an empty plot, and the frame of one that has the keyboard's focus."""
        palette = self.appearance.palette
        painter.resetTransform()
        if self.empty_text:
            painter.fillRect(self.viewport().rect(), color(palette.surface))
            painter.setFont(font())
            painter.setPen(color(palette.muted))
            place = QRectF(self.viewport().rect()).adjusted(24, 8, -24, -8)
            painter.drawText(place, int(Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap), self.empty_text)
        if self.hasFocus() and painter.device() is self.viewport():
            painter.setPen(pen(palette.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.viewport().rect()).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Shows the frame of the focus."""
        super().focusInEvent(event)
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Takes the frame of the focus away."""
        super().focusOutEvent(event)
        self.viewport().update()

    def table(self) -> Table:
        """What is plotted, as a table."""
        raise NotImplementedError

    def boxed(self, row: int, *, left: Any, bottom: Any, right: Any = None) -> Any:
        """A new view box of a row with axes around it; a bare box is built in a tenth of the time of pyqtgraph's PlotItem."""
        box = pg.ViewBox(enableMouse=False, enableMenu=False, defaultPadding=0.0)
        box.disableAutoRange()
        self.ci.addItem(left, 2 * row, 0)
        self.ci.addItem(box, 2 * row, 1)
        self.ci.addItem(bottom, 2 * row + 1, 1)
        if right is not None:
            self.ci.addItem(right, 2 * row, 2)
        for axis in (left, bottom, right):
            if axis is not None:
                axis.linkToView(box)
        return box

    def close(self) -> bool:
        """Closes as any widget does; pyqtgraph's way takes the scene from under events that are still to come."""
        return QWidget.close(self)

    def place_in(self, box: Any, position: QPointF) -> QPointF:
        """The values of a view box below a position on the widget."""
        where: QPointF = box.mapSceneToView(self.mapToScene(position.toPoint()))
        return where

    def rect_of(self, box: Any) -> QRectF:
        """Where a view box lies on the widget."""
        return QRectF(self.mapFromScene(box.sceneBoundingRect()).boundingRect())

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Shows what can be done with the plot."""
        self.menu().popup(event.globalPos())

    def menu(self) -> QMenu:
        """What can be done with the plot."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction("Show as table", self.show_table)
        menu.addAction("Copy table", lambda: copy_table(self.table()))
        menu.addAction("Copy picture", self.copy_picture)
        menu.addSeparator()
        for kind in PICTURES:
            menu.addAction(f"Save as {kind.upper()}…", self._saver(kind))
        return menu

    def show_table(self) -> TableDialog:
        """Opens the table twin."""
        dialog = TableDialog(self.table(), self.window())
        dialog.show()
        return dialog

    def copy_picture(self) -> None:
        """Puts the plot on the clipboard, at twice the screen's density."""
        QGuiApplication.clipboard().setImage(self.picture(2.0))

    def save(self, path: Path) -> None:
        """Writes the plot as the name's ending says: png, svg or csv; raises OSError."""
        if not path.parent.is_dir():
            raise OSError(f"{path} cannot be written: there is no such folder")
        kind = path.suffix.lower()
        if kind == ".csv":
            write_table(self.table(), path)
        elif kind == ".svg":
            self._write_svg(path)
        elif not self.picture(2.0).save(str(path)):
            raise OSError(f"{path} cannot be written")

    def picture(self, ratio: float) -> QImage:
        """The plot with its title, as an image of `ratio` pixels a point."""
        size = self._picture_size()
        image = QImage(size * ratio, QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        painter = QPainter(image)
        self._paint_picture(painter, size)
        painter.end()
        return image

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leaves the wheel to the page."""
        event.ignore()

    def _saver(self, kind: str) -> Callable[[], None]:
        return lambda: self._ask_and_save(kind)

    def _ask_and_save(self, kind: str) -> None:
        suggestion = f"{self.title.lower().replace(' ', '-').replace('/', '-')}.{kind}"
        name, _ = QFileDialog.getSaveFileName(self.window(), f"Save {self.title}", suggestion, PICTURES[kind])
        if name:
            self.save(Path(name) if Path(name).suffix else Path(f"{name}.{kind}"))

    def _picture_size(self) -> QSize:
        return QSize(self.width() + 2 * PICTURE_MARGIN, self.height() + 2 * PICTURE_MARGIN + TITLE_HEIGHT)

    def _write_svg(self, path: Path) -> None:
        size = self._picture_size()
        generator = QSvgGenerator()
        generator.setFileName(str(path))
        generator.setSize(size)
        generator.setResolution(round(logical_dpi()))
        generator.setViewBox(QRect(0, 0, size.width(), size.height()))
        generator.setTitle(self.title)
        painter = QPainter()
        if not painter.begin(generator):
            raise OSError(f"{path} cannot be written")
        self._paint_picture(painter, size)
        painter.end()

    def _paint_picture(self, painter: QPainter, size: QSize) -> None:
        palette = self.appearance.palette
        painter.fillRect(QRect(0, 0, size.width(), size.height()), color(palette.surface))
        strong = font(theme.BASE_PIXELS, QFont.Weight.DemiBold)
        painter.setFont(strong)
        painter.setPen(color(palette.text))
        painter.drawText(QPointF(PICTURE_MARGIN, PICTURE_MARGIN + 13), self.title)
        offset = painter.fontMetrics().horizontalAdvance(self.title) + 8
        painter.setFont(font())
        painter.setPen(color(palette.muted))
        painter.drawText(QPointF(PICTURE_MARGIN + offset, PICTURE_MARGIN + 13), self.subtitle)
        target = QRectF(PICTURE_MARGIN, PICTURE_MARGIN + TITLE_HEIGHT, self.width(), self.height())
        kept = [item for item in self.scene().items() if item.cacheMode() != item.CacheMode.NoCache]
        for item in kept:  # what is kept as pixels would be pixels in a drawing, too
            item.setCacheMode(item.CacheMode.NoCache)
        self.render(painter, target, self.rect())
        for item in kept:
            item.setCacheMode(item.CacheMode.DeviceCoordinateCache)
