"""What the two shapes of a distribution stand for."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.gui.appearance import Appearance, color
from mlops_desk.gui.text import Label


class Swatch(QWidget):
    """A small sample of a shape: dashed and grey for the reference, solid and coloured for the analysis."""

    def __init__(self, appearance: Appearance, *, reference: bool) -> None:
        super().__init__()
        self._appearance = appearance
        self._reference = reference
        self.setFixedSize(20, 12)
        appearance.changed.connect(self.update)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paints the sample."""
        palette = self._appearance.palette
        ink = palette.reference if self._reference else palette.accent
        painter = QPainter(self)
        place = QRectF(0.75, 1.75, 18.5, 8.5)
        painter.fillRect(place, color(ink, 0.3))
        pen = QPen(color(ink), 1.5)
        pen.setStyle(Qt.PenStyle.DashLine if self._reference else Qt.PenStyle.SolidLine)
        painter.setPen(pen)
        painter.drawRect(place)
        painter.end()


class Legend(QWidget):
    """Reference and analysis, each with what it is made of."""

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self.reference, self.analysis = Label(tone="muted", elide=True), Label(tone="muted", elide=True)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for label, is_reference in ((self.reference, True), (self.analysis, False)):
            layout.addWidget(Swatch(appearance, reference=is_reference))
            layout.addWidget(label)
            layout.addSpacing(10)
        layout.addStretch(1)
        self.hide()

    def show_names(self, reference: str, analysis: str) -> None:
        """Says what the shapes are made of."""
        self.reference.set_text(reference or "Reference")
        self.analysis.set_text(f"Analysis: {analysis}" if analysis else "Analysis")
        self.show()
