"""The header: which model is shown and how it fares, over which period and segment, and what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from mlops_desk.domain.overview import Overview, Period
from mlops_desk.gui.appearance import Appearance
from mlops_desk.gui.card import chip
from mlops_desk.gui.choice import Choice
from mlops_desk.gui.text import Label

NARROW = 1090
NO_CHUNKS = ("○ no chunk in this period", "○ not evaluated")
PERIODS = (("7 d", 7), ("30 d", 30), ("60 d", 60), ("All", None))


class Header(QWidget):
    """The line above every page.

    Signals
    -------
    period_chosen, segment_chosen : by hand; a Period, a segment's label or None. custom_asked : for a period of other days.
    """

    period_chosen = Signal(object)
    segment_chosen = Signal(object)
    custom_asked = Signal()

    def __init__(self, appearance: Appearance) -> None:
        super().__init__()
        self.setProperty("role", "header")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.name = Label(tone="title", elide=True)
        self.version = chip("", "accent")
        self.failed = chip("", "alert")
        self.live = QPushButton("Live")
        self.refresh = QPushButton("Refresh")
        self.export = QPushButton("Export report")
        self.theme = QPushButton()
        self.segment = Choice(appearance, "Segment")
        self._periods = QButtonGroup(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(16, 9, 14, 9)
        layout.setSpacing(8)
        self.name.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        layout.addWidget(self.name)
        layout.addWidget(self.version)
        layout.addWidget(self.failed)
        layout.addStretch(1)
        segments = QHBoxLayout()
        segments.setSpacing(0)
        for place, (text, days) in enumerate(PERIODS):
            button = QPushButton(text)
            button.setCheckable(True)
            button.setProperty("role", "segment")
            button.setProperty("edge", "" if place else "first")
            button.setToolTip(f"Show the last {days} days of the log" if days else "Show the whole log")
            button.setAccessibleName(f"Period: {f'last {days} days' if days else 'all'}")
            self._periods.addButton(button, place)
            segments.addWidget(button)
        self.custom = QPushButton("Custom")
        self.custom.setCheckable(True)
        self.custom.setProperty("role", "segment")
        self.custom.setProperty("edge", "last")
        segments.addWidget(self.custom)
        layout.addLayout(segments)
        self.segment.setToolTip("Show one segment of the rows")
        self.segment.setMaximumWidth(240)
        self.segment.addItem("Segment: all", None)
        for widget in (self.segment, self.live, self.refresh, self.export, self.theme):
            layout.addWidget(widget)
        self.live.setCheckable(True)
        self.refresh.setToolTip("Look for new data and evaluate it (F5)")
        self.export.setToolTip("Write this model's report as HTML or JSON (Ctrl+E)")
        self.theme.setToolTip("Light or dark (Ctrl+T)")
        self.theme.setAccessibleName("Light or dark theme")
        self.theme.setFixedWidth(38)
        self.refresh.setAccessibleName("Refresh")
        self.export.setAccessibleName("Export report")
        self._appearance = appearance
        self._narrow = False
        appearance.changed.connect(self._dress)
        self._dress()
        self._periods.idClicked.connect(self._choose_period)
        self.custom.clicked.connect(lambda _: self.custom_asked.emit())
        self.show_period(Period())
        self.segment.activated.connect(lambda _: self.segment_chosen.emit(self.segment.currentData()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leaves the words off the buttons where there is little room."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        narrow = self.width() < NARROW
        if narrow != self._narrow:
            self._narrow = narrow
            self.refresh.setText("" if narrow else "Refresh")
            self.export.setText("" if narrow else "Export report")
            self.segment.setMaximumWidth(150 if narrow else 240)
            self._dress()

    def show_overview(self, overview: Overview) -> None:
        """Shows whose page it is and how the model fares."""
        self.name.set_text(overview.name)
        version = overview.versions[-1] if overview.versions else ""
        self.version.set_text(version)
        self.version.setVisible(bool(version))
        texts = [f"■ {overview.failed} failed"] * (overview.failed > 0) + [f"▲ {overview.warned} warned"] * (
            overview.warned > 0
        )
        verdict = "alert" if overview.failed else "warning" if overview.warned else "ok"
        self.failed.set_text(
            " · ".join(texts) or ("● all criteria met" if overview.chunks else NO_CHUNKS[overview.evaluated_at is None])
        )
        self.failed.show()
        self.failed.set_state("verdict", verdict if overview.chunks else "untested")
        timeless = bool(overview.chunks) and all(chunk.start is None for chunk in overview.chunks)
        self.custom.setEnabled(not timeless)
        if timeless:
            self.custom.setToolTip("These chunks have no times, so there are no days to choose")
        self.failed.setToolTip(f"{overview.failed} criteria failed and {overview.warned} warned in the latest chunk")

    def show_name(self, name: str) -> None:
        """Shows whose page it is before there is more to tell."""
        self.name.set_text(name)
        for label in (self.version, self.failed):
            label.hide()

    def show_period(self, period: Period) -> None:
        """Marks the period in force."""
        custom = period.start is not None or period.end is not None
        self._periods.setExclusive(False)
        for place, (_, days) in enumerate(PERIODS):
            self._periods.button(place).setChecked(not custom and days == period.days)
        self._periods.setExclusive(not custom)
        self.custom.setChecked(custom)
        self.custom.setToolTip(f"{_days_text(period)}; press for other days" if custom else "Show other days (Ctrl+D)")
        self.custom.setAccessibleName(f"Period: {_days_text(period)}" if custom else "Period: other days")

    def show_segments(self, labels: Sequence[str], chosen: str | None) -> None:
        """Offers the segments, with one of them in force."""
        self.segment.clear()
        self.segment.addItem("Segment: all", None)
        for label in labels:
            self.segment.addItem(label, label)
        self.segment.setCurrentIndex(max(self.segment.findData(chosen), 0) if chosen is not None else 0)
        self.segment.setEnabled(bool(labels))

    def show_live(self, live: bool) -> None:
        """Shows whether new data is looked for."""
        self.live.setChecked(live)
        self.live.setText("Live" if live else "Paused")
        self._appearance.dress(self.live, "pause" if live else "play", "ok" if live else "muted")
        self.live.setToolTip(
            "New data is looked for every 2 s; press to pause" if live else "Nothing is looked for; press to go on"
        )
        self.live.setAccessibleName("Live: press to pause" if live else "Paused: press to go live")

    def _choose_period(self, place: int) -> None:
        self.period_chosen.emit(Period(days=PERIODS[place][1]))

    def _dress(self) -> None:
        for button, name in ((self.refresh, "refresh"), (self.export, "report")):
            self._appearance.dress(button, name)
        self._appearance.dress(self.theme, "sun" if self._appearance.palette.dark else "moon")


def _days_text(period: Period) -> str:
    """A custom period in words, by its days."""
    last = None if period.end is None else period.end - timedelta(microseconds=1)
    days = (
        "the beginning" if period.start is None else f"{period.start:%Y-%m-%d}",
        "now" if last is None else f"{last:%Y-%m-%d}",
    )
    return f"from {days[0]} to {days[1]}"
