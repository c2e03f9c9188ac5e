"""The desk: sidebar, header, troubles and pages of the open workspace."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.domain.overview import Overview, Period
from mlops_desk.gui.appearance import Appearance
from mlops_desk.gui.banner import Banner
from mlops_desk.gui.confirm import ConfirmRetraining
from mlops_desk.gui.desk import Desk
from mlops_desk.gui.header import Header
from mlops_desk.gui.pages import PAGES
from mlops_desk.gui.pages.overview import OverviewPage
from mlops_desk.gui.period import ChoosePeriod, days_of
from mlops_desk.gui.selection import Selection
from mlops_desk.gui.settings import Settings
from mlops_desk.gui.sidebar import Sidebar

SIDEBAR_WIDTH = 256


class Shell(QWidget):
    """Everything but menus and status bar.

    Signals
    -------
    export_asked, theme_asked : the header's buttons.
    """

    export_asked = Signal()
    theme_asked = Signal()

    def __init__(self, appearance: Appearance, desk: Desk, settings: Settings) -> None:
        super().__init__()
        self.appearance, self.desk, self.settings = appearance, desk, settings
        self.sidebar = Sidebar(appearance, PAGES)
        self.header = Header(appearance)
        self.banner = Banner(appearance)
        self.overview = OverviewPage(appearance, desk)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.overview)
        self.confirmation: ConfirmRetraining | None = None
        self.choosing: ChoosePeriod | None = None
        right = QWidget()
        right.setProperty("role", "page")
        right.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(self.banner)
        column.addWidget(self.pages, 1)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(self.sidebar)
        self.splitter.addWidget(right)
        self.splitter.setStretchFactor(0, 0)
        self.splitter.setStretchFactor(1, 1)
        self.splitter.setHandleWidth(1)
        self.splitter.setCollapsible(1, False)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.splitter)
        self._connect()
        self.restore_layout()
        self.header.show_live(desk.live)
        self.header.show_period(Period())

    def _connect(self) -> None:
        desk, header = self.desk, self.header
        self.sidebar.model_chosen.connect(desk.choose_model)
        self.sidebar.page_chosen.connect(self.pages.setCurrentIndex)
        header.period_chosen.connect(lambda period: desk.change(period=period, chunks=(), brushed=None))
        header.custom_asked.connect(self.ask_period)
        header.segment_chosen.connect(lambda segment: desk.change(segment=segment, brushed=None))
        header.live.clicked.connect(desk.set_live)
        header.refresh.clicked.connect(desk.refresh)
        header.export.clicked.connect(self.export_asked)
        header.theme.clicked.connect(self.theme_asked)
        desk.live_changed.connect(lambda _: header.show_live(desk.live))
        desk.statuses_changed.connect(self._show_statuses)
        desk.overview_changed.connect(self._show_overview)
        desk.segments_changed.connect(
            lambda labels: header.show_segments(labels, desk.selection.segment if desk.selection else None)
        )
        desk.selection_changed.connect(self._show_selection)
        desk.trouble.connect(self.banner.show_trouble)
        self.overview.retrain_asked.connect(self.ask_retraining)

    def ask_period(self) -> None:
        """Asks for a period of other days: those that are brushed or shown, to begin with."""
        overview, selection = self.desk.overview, self.desk.selection
        if overview is None or selection is None or self.choosing is not None:
            return
        period = selection.brushed or selection.period
        days = days_of(period, overview.chunks, overview.timezone)
        self.header.show_period(selection.period)
        if days is None:
            return
        dialog = ChoosePeriod(self.appearance, days, overview.timezone, self)
        self.choosing = dialog
        dialog.finished.connect(lambda result: self._period_chosen(dialog, bool(result)))
        dialog.open()

    def ask_retraining(self) -> None:
        """Shows what would be run and why, and runs it once that is confirmed."""
        overview = self.desk.overview
        if overview is not None and overview.retraining.command and self.confirmation is None:
            if overview.retraining.trusted:
                self._confirm(overview, ())
            else:
                self.desk.ask_parts(lambda parts: self._confirm(overview, parts))

    def cancel_retraining(self) -> None:
        """Stops the run that is under way."""
        active = self.desk.runs.active
        if active is not None:
            self.desk.cancel_run(active.id)

    def clear_brush(self) -> None:
        """Takes back the brushed period."""
        self.overview.timeline.pick(None, dragged=False)

    def show_all(self) -> None:
        """Takes back the zoom."""
        self.overview.timeline.show_all()

    def step_model(self, by: int) -> None:
        """Goes to the next or previous model that the filter shows."""
        models = self.sidebar.models
        shown = [row for row in range(models.count()) if not models.item(row).isHidden()]
        if shown:
            here = shown.index(models.currentRow()) if models.currentRow() in shown else -1
            models.setCurrentRow(shown[(here + by) % len(shown)])

    def save_layout(self) -> None:
        """Remembers where the splitters stand."""
        self.settings.put("desk/sidebar", self.splitter.saveState())
        if self.overview.ready:
            self.settings.put("desk/overview", self.overview.save_layout())

    def restore_layout(self) -> None:
        """Puts the splitters where they stood."""
        self.splitter.setSizes([SIDEBAR_WIDTH, 1200])
        self.splitter.restoreState(self.settings.bytes("desk/sidebar"))
        state = self.settings.bytes("desk/overview")
        if not state.isEmpty():
            self.overview.restore_layout(state)

    def reset_layout(self) -> None:
        """Puts the splitters where they stand at first."""
        self.settings.forget("desk")
        self.splitter.setSizes([SIDEBAR_WIDTH, max(self.width() - SIDEBAR_WIDTH, 1)])
        self.overview.reset_layout()

    def _confirm(self, overview: Overview, parts: tuple[str, ...]) -> None:
        dialog = ConfirmRetraining(overview.name, overview.retraining, parts, self)
        self.confirmation = dialog
        dialog.finished.connect(lambda result: self._confirmed(dialog, bool(result)))
        dialog.open()

    def _confirmed(self, dialog: ConfirmRetraining, wanted: bool) -> None:
        self.confirmation = None
        if wanted:
            self.desk.retrain(dialog.reason.full_text, trust=dialog.trust_wanted)
        dialog.deleteLater()

    def _period_chosen(self, dialog: ChoosePeriod, wanted: bool) -> None:
        self.choosing = None
        if wanted:
            self.desk.change(period=dialog.period, chunks=(), brushed=None)
        dialog.deleteLater()

    def _show_statuses(self, statuses: object) -> None:
        chosen = self.desk.selection
        self.sidebar.show_statuses(self.desk.statuses, chosen.model if chosen else None)

    def _show_overview(self, overview: Overview) -> None:
        self.header.show_overview(overview)

    def _show_selection(self, selection: Selection) -> None:
        overview = self.desk.overview
        if overview is None or overview.model != selection.model:
            self.header.show_name(
                next((status.name for status in self.desk.statuses if status.id == selection.model), selection.model)
            )
        self.header.show_period(selection.period)
        self.overview.show_selection(selection)
