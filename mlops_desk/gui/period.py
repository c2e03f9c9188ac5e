"""The question which days a page shows."""

from __future__ import annotations

from datetime import datetime, timedelta

from PySide6.QtCore import QDate, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QCalendarWidget,
    QDateEdit,
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from mlops_desk.domain.overview import Period
from mlops_desk.domain.periods import in_local
from mlops_desk.domain.slicing import Chunk
from mlops_desk.gui.appearance import Appearance
from mlops_desk.gui.choice import draw_arrow
from mlops_desk.gui.text import Label

FORMAT = "yyyy-MM-dd"
Days = tuple[datetime, datetime]
"""The first and the last day, at midnight, on the clock of the chunks."""


def days_of(period: Period | None, chunks: tuple[Chunk, ...], timezone: str) -> Days | None:
    """The days of a period, or of all chunks where it names none; None where nothing has a time."""
    starts = [chunk.start for chunk in chunks if chunk.start is not None]
    ends = [chunk.end for chunk in chunks if chunk.end is not None]
    start, end = (None, None) if period is None else (period.start, period.end)
    start = min(starts, default=None) if start is None else start
    end = max(ends, default=None) if end is None else end
    if start is None or end is None:
        return None
    first, beyond = (_local(moment, timezone) for moment in (start, end))
    return _midnight(first), _midnight(max(beyond - timedelta(microseconds=1), first))


def _local(moment: datetime, timezone: str) -> datetime:
    return moment if moment.tzinfo is None else in_local(moment, timezone)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


class DayEdit(QDateEdit):
    """A day, typed or picked from a calendar whose weeks start on Monday."""

    def __init__(self, appearance: Appearance, day: datetime) -> None:
        super().__init__(QDate(day.year, day.month, day.day))
        self._appearance = appearance
        self.setDisplayFormat(FORMAT)
        self.setCalendarPopup(True)
        calendar = self.calendarWidget()
        calendar.setVerticalHeaderFormat(QCalendarWidget.VerticalHeaderFormat.NoVerticalHeader)
        calendar.setFirstDayOfWeek(Qt.DayOfWeek.Monday)
        for weekend in (Qt.DayOfWeek.Saturday, Qt.DayOfWeek.Sunday):
            calendar.setWeekdayTextFormat(weekend, calendar.weekdayTextFormat(Qt.DayOfWeek.Monday))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paints the box and its arrow."""
        super().paintEvent(event)
        painter = QPainter(self)
        draw_arrow(painter, self.width() - 13.0, self.height() / 2, self._appearance.palette.muted)
        painter.end()


class ChoosePeriod(QDialog):
    """Asks for the first and the last day."""

    def __init__(self, appearance: Appearance, days: Days, timezone: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Custom period")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(20, 18, 20, 16)
        layout.setSpacing(10)
        layout.addWidget(Label("Show which days?", tone="title"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.setColumnStretch(1, 1)
        self.first, self.last = (DayEdit(appearance, day) for day in days)
        for row, (name, edit) in enumerate((("From", self.first), ("To, inclusive", self.last))):
            edit.setAccessibleName(name)
            label = Label(name, tone="muted")
            label.setBuddy(edit)
            grid.addWidget(label, row, 0)
            grid.addWidget(edit, row, 1)
            edit.dateChanged.connect(self._check)
        layout.addLayout(grid)
        self.remark = Label(tone="muted", lines=2)
        self._remark = f"Days of the clock in {timezone}. Every chunk that they touch is shown."
        layout.addWidget(self.remark)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.show_days = QPushButton("Show these days")
        self.show_days.setProperty("role", "primary")
        self.show_days.setDefault(True)
        buttons.addButton(self.show_days, QDialogButtonBox.ButtonRole.AcceptRole)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout.addWidget(buttons)
        self.setMinimumWidth(340)
        self._check()
        self.first.setFocus()

    @property
    def period(self) -> Period:
        """From the beginning of the first day to the end of the last."""
        start, last = (_moment(edit.date()) for edit in (self.first, self.last))
        return Period(start=start, end=last + timedelta(days=1))

    def _check(self) -> None:
        upside_down = self.last.date() < self.first.date()
        self.show_days.setEnabled(not upside_down)
        self.remark.set_text("The last day lies before the first: choose a later one." if upside_down else self._remark)
        self.remark.set_state("tone", "bad" if upside_down else "muted")


def _moment(day: QDate) -> datetime:
    return datetime.fromisoformat(day.toString(FORMAT))
