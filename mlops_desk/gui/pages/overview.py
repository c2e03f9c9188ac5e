"""The Overview page: tiles, drift matrix, distribution, performance and drift over time, fairness, retraining and data notes, all linked.

Everything is built and shown in stages; a plot never sees values of another number of chunks than its timeline has.
"""

from __future__ import annotations

from PySide6.QtCore import QByteArray, Qt, Signal
from PySide6.QtWidgets import QPushButton, QScrollArea, QSplitter, QVBoxLayout, QWidget

from mlops_desk import theme
from mlops_desk.domain.errors import Cancelled
from mlops_desk.domain.metric import Family
from mlops_desk.domain.overview import Distribution, Line, Overview, Period
from mlops_desk.gui.appearance import Appearance
from mlops_desk.gui.card import Card, chip
from mlops_desk.gui.choice import Choice
from mlops_desk.gui.desk import Desk
from mlops_desk.gui.follower import Follower
from mlops_desk.gui.notes import NotesCard
from mlops_desk.gui.plots.bars import BarsPlot
from mlops_desk.gui.plots.distribution import DistributionPlot
from mlops_desk.gui.plots.legend import Legend
from mlops_desk.gui.plots.matrix import EMPTY, MatrixPlot
from mlops_desk.gui.plots.scale import chunk_scale
from mlops_desk.gui.plots.series import SeriesContent, SeriesPlot
from mlops_desk.gui.plots.timeline import Timeline
from mlops_desk.gui.retraining import RetrainingCard
from mlops_desk.gui.selection import Selection
from mlops_desk.gui.stages import Stages
from mlops_desk.gui.text import Label
from mlops_desk.gui.tiles import TileRow

LEFT, RIGHT = 132.0, 66.0
"""Gutters of all plots over time: the same, so that a chunk stands below itself."""
ROWS = ((300, 240), (300, 240), (150, 132))
"""Stretch and least height of the rows of cards."""
COLUMNS = (63, 37)
METRIC_WIDTH = 150
HINT = "drag to select a period · Ctrl+wheel zooms"
NO_CHUNKS = "Nothing has been evaluated yet. The first evaluation shows here as soon as it is done."
NO_DAYS = "No chunk lies in this period. Choose other days above, or All."
NO_DRIFT = "No drift is monitored for this model. Add a monitor of a drift metric to desk.toml, or leave out [[models.monitors]] for the recommended set."
NO_GROUPS = (
    "No groups have been compared. Name protected attributes under [models.columns] in desk.toml,"
    ' as in protected = ["sex"], and press Refresh.'
)
NO_COLUMN = "Click a cell of the matrix to compare a column with the reference."


class OverviewPage(Follower):
    """The page of one model.

    Signals
    -------
    retrain_asked : the button in the strip.
    """

    retrain_asked = Signal()

    def __init__(self, appearance: Appearance, desk: Desk) -> None:
        super().__init__()
        self.appearance = appearance
        self.desk = desk
        self.overview: Overview | None = None
        self._metric: str | None = None
        self._shown: tuple[str, Period, str | None] | None = None
        self.stages = Stages(self)
        self.timeline = Timeline(self)
        self.tiles = TileRow(appearance)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        building = (
            self._build_matrix,
            self._build_distribution,
            self._build_series,
            self._build_bars,
            self._build_rest,
            self._arrange,
            self._arrange_left,
            self._arrange_right,
        )
        self.stages.run("build", building)

    @property
    def ready(self) -> bool:
        """Whether the page is built and shows what it was given."""
        return not self.stages.busy and self.settled

    def _build_matrix(self) -> None:
        self.matrix = MatrixPlot(self.appearance, self.timeline, left=LEFT, right=RIGHT)
        self.matrix_card = Card(self.appearance, "Drift matrix", menu=self.matrix.menu)
        self.matrix_card.add_control(Label("● warning   ■ alert", tone="muted"))
        self.matrix_card.body.addWidget(self.matrix, 1)

    def _build_distribution(self) -> None:
        self.distribution = DistributionPlot(self.appearance)
        self.distribution.set_empty(NO_COLUMN)
        self.distribution_card = Card(self.appearance, "Distribution", menu=self.distribution.menu, elide=True)
        self.legend = Legend(self.appearance)
        self.distribution_notes = Label(tone="muted", elide=True)
        self.distribution_card.body.addWidget(self.legend)
        self.distribution_card.body.addWidget(self.distribution, 1)
        self.distribution_card.body.addWidget(self.distribution_notes)

    def _build_series(self) -> None:
        self.series = SeriesPlot(self.appearance, self.timeline, left=LEFT, right=RIGHT)
        self.series_card = Card(self.appearance, "Performance and drift", menu=self.series.menu)
        self.metrics = Choice(self.appearance, "Metric", small=True)
        self.metrics.setMaximumWidth(METRIC_WIDTH)
        self.brush_chip = chip("", "accent", elide=True)
        self.zoom_brush, self.clear_brush = QPushButton("Zoom in"), QPushButton("Clear")
        for widget in (self.zoom_brush, self.clear_brush):
            widget.setProperty("role", "link")
        for control in (self.brush_chip, self.zoom_brush, self.clear_brush, self.metrics):
            self.series_card.add_control(control)
        self.series_card.body.addWidget(self.series, 1)
        self.metrics.activated.connect(self._choose_metric)
        self.zoom_brush.clicked.connect(self.timeline.show_brush)
        self.clear_brush.clicked.connect(lambda: self.timeline.pick(None, dragged=False))

    def _build_bars(self) -> None:
        self.bars = BarsPlot(self.appearance)
        self.bars_card = Card(self.appearance, "Fairness", menu=self.bars.menu)
        self.bars_card.body.addWidget(self.bars, 1)

    def _build_rest(self) -> None:
        self.retraining = RetrainingCard(self.appearance)
        self.notes = NotesCard(self.appearance)

    def _arrange(self) -> None:
        self.splitter.setChildrenCollapsible(False)
        self.splitter.setHandleWidth(theme.GUTTER_PIXELS)
        inside = QWidget()
        inside.setProperty("role", "page")
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(16, 14, 16, 14)
        layout.setSpacing(theme.GUTTER_PIXELS)
        layout.addWidget(self.tiles)
        layout.addWidget(self.splitter, 1)
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFrameShape(QScrollArea.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(inside)
        self.hold(area)

    def _arrange_column(self, cards: tuple[Card, ...], stretch: int) -> None:
        column = QWidget()
        layout = QVBoxLayout(column)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(theme.GUTTER_PIXELS)
        for card, (share, least) in zip(cards, ROWS, strict=True):
            card.setMinimumHeight(least)
            layout.addWidget(card, share)
        self.splitter.addWidget(column)
        self.splitter.setStretchFactor(self.splitter.count() - 1, stretch)

    def _arrange_left(self) -> None:
        self._arrange_column((self.matrix_card, self.series_card, self.retraining), COLUMNS[0])

    def _arrange_right(self) -> None:
        self._arrange_column((self.distribution_card, self.bars_card, self.notes), COLUMNS[1])
        self.reset_layout()
        self._connect()
        self._show_brush()

    def _connect(self) -> None:
        desk = self.desk
        desk.opened.connect(self._forget)
        desk.overview_failed.connect(self._show_no_overview)
        desk.overview_changed.connect(self.show_overview)
        desk.brushed_changed.connect(self._show_brushed)
        desk.runs.runs_changed.connect(self.retraining.show_runs)
        desk.runs.output.connect(self.retraining.add_output)
        self.retraining.retrain_asked.connect(self.retrain_asked)
        self.retraining.cancel_asked.connect(desk.cancel_run)
        self.matrix.chosen.connect(lambda column: desk.change(column=column))
        self.timeline.picked.connect(self._picked)
        self.timeline.brush_changed.connect(self._show_brush)
        self.retraining.show_runs(desk.runs.runs)
        self.retraining.add_output(0, desk.runs.log, True)
        if desk.overview is not None:
            self.show_overview(desk.overview)

    def _forget(self) -> None:
        self._shown = self.overview = None

    def column_shown(self) -> str | None:
        """The column whose distribution is shown."""
        return self.distribution.shown.column if self.distribution.shown else None

    def save_layout(self) -> QByteArray:
        """Where the splitter stands."""
        return self.splitter.saveState()

    def restore_layout(self, state: QByteArray) -> None:
        """Puts the splitter where it stood."""
        self.stages.run("layout", (lambda: None if self.splitter.restoreState(state) else self.reset_layout(),))

    def reset_layout(self) -> None:
        """Puts the splitter where it stands at first."""
        self.splitter.setSizes([share * 20 for share in COLUMNS])

    def show_selection(self, selection: Selection) -> None:
        """Follows a selection: the distribution of its column and chunks."""
        if self.overview is not None and self.overview.model == selection.model:
            self.stages.run("selection", (self._follow_selection,))

    def show_overview(self, overview: Overview) -> None:
        """Shows a model's values; zoom and brush stay where the model, period and segment are the same."""
        self.stages.run(
            "overview",
            (
                lambda: self._show_tiles(overview),
                lambda: self._show_times(overview),
                lambda: self._show_groups(overview),
                lambda: self._show_rest(overview),
                self._follow_selection,
            ),
        )

    def _show_no_overview(self, text: str) -> None:
        self._forget()
        self.stages.run("overview", ())
        self.tiles.show_tiles((), brushed=False)
        for plot in (self.matrix, self.series, self.bars):
            plot.set_empty(text)
        self._show_no_column(text)

    def _show_tiles(self, overview: Overview) -> None:
        chosen = self.desk.selection
        if chosen is None or chosen.brushed is None:
            self.tiles.show_tiles(overview.tiles, brushed=False)

    def _show_times(self, overview: Overview) -> None:
        chosen = self.desk.selection
        same = chosen is not None and self._shown == (overview.model, chosen.period, chosen.segment)
        if chosen is not None:
            self._shown = (overview.model, chosen.period, chosen.segment)
        self.overview = overview
        matrix = overview.matrix if overview.chunks and overview.matrix is not None else EMPTY
        scrolled = self.matrix.first_row if same else 0.0
        self.matrix.show_matrix(EMPTY, None)
        self.series.show_content(SeriesContent())
        self.timeline.set_scale(chunk_scale(overview.chunks, overview.timezone), keep=same)
        whole = theme.ABSENT if not overview.chunks else self.timeline.scale.name(0, len(overview.chunks) - 1)
        column = chosen.column if chosen else None
        self.matrix.show_matrix(matrix, column if column in matrix.columns else next(iter(matrix.columns), None))
        self.matrix.scroll(scrolled - self.matrix.first_row)
        self.matrix.set_empty("" if matrix.columns else NO_DRIFT if overview.chunks else _without_chunks(overview))
        self.matrix.subtitle = f"{matrix.title or matrix.metric} against the reference · {whole}"
        self.matrix_card.subtitle.set_text(self.matrix.subtitle if matrix.columns else "")
        self._show_series(overview)

    def _show_series(self, overview: Overview) -> None:
        choices = metric_choices(overview.performance)
        names = list(choices)
        self._metric = self._metric if self._metric in names else next(iter(names), None)
        if [self.metrics.itemText(place) for place in range(self.metrics.count())] != names:
            self.metrics.clear()
            self.metrics.addItems(names)
        self.metrics.setVisible(len(names) > 1)
        self.metrics.setCurrentText(self._metric or "")
        lines = choices.get(self._metric or "", [])
        realised = [line for line in lines if line.key.family is not Family.ESTIMATED_PERFORMANCE]
        estimated = [line for line in lines if line.key.family is Family.ESTIMATED_PERFORMANCE]
        line = next(iter(realised or estimated), None)
        estimate = next(iter(estimated), None) if realised else None
        share = overview.drift_share if overview.chunks else None
        self.series.show_content(SeriesContent(line=line, estimate=estimate, share=share, counts=overview.row_counts))
        self.series.set_empty("" if overview.chunks else _without_chunks(overview))
        self.series.subtitle = " · ".join([*(["dashed: estimated before the labels"] if estimate else []), HINT])
        self.series_card.subtitle.set_text(self.series.subtitle)

    def _show_groups(self, overview: Overview) -> None:
        chosen = self.desk.selection
        if chosen is None or chosen.brushed is None:
            self._show_bars(overview)

    def _show_bars(self, overview: Overview) -> None:
        self.bars.show_bars(overview.groups, overview.group_limit)
        self.bars.set_empty("" if overview.groups else NO_GROUPS)
        what = "mean-prediction ratio" if overview.task == "regression" else "selection-rate ratio"
        self.bars.subtitle = f"{what} to the best-off group · limit {overview.group_limit:.2f}"
        self.bars_card.subtitle.set_text(self.bars.subtitle if overview.groups else "")

    def _show_rest(self, overview: Overview) -> None:
        self.retraining.show_status(overview.retraining)
        self.retraining.show_runs(self.desk.runs.runs)
        self.notes.show_notes(overview.notes)

    def _show_brushed(self, overview: Overview | None) -> None:
        shown = overview or self.desk.overview
        chosen = self.desk.selection
        if shown is None or chosen is None or (overview is None) != (chosen.brushed is None):
            return
        self.stages.run(
            "brushed",
            (lambda: self.tiles.show_tiles(shown.tiles, brushed=overview is not None), lambda: self._show_bars(shown)),
        )

    def _choose_metric(self, place: int) -> None:
        self._metric = self.metrics.itemText(place)
        if self.overview is not None:
            self._show_series(self.overview)

    def _picked(self, dragged: bool) -> None:
        brush, scale = self.timeline.brush, self.timeline.scale
        if brush is None:
            self.desk.change(chunks=(), brushed=None)
            return
        keys = tuple(chunk.key for chunk in scale.chunks[brush[0] : brush[1] + 1])
        start, end = scale.chunks[brush[0]].start, scale.chunks[brush[1]].end
        brushed = Period(start=start, end=end) if dragged and start is not None and end is not None else None
        self.desk.change(chunks=keys, brushed=brushed)

    def _show_brush(self) -> None:
        brush = self.timeline.brush
        for widget in (self.brush_chip, self.zoom_brush, self.clear_brush):
            widget.setVisible(brush is not None)
        if brush is not None:
            count = brush[1] - brush[0] + 1
            self.brush_chip.set_text(self.timeline.scale.name(*brush) + (f" · {count} chunks" if count > 1 else ""))
            self.zoom_brush.setVisible(count > 1)

    def _follow_selection(self) -> None:
        chosen, overview = self.desk.selection, self.overview
        if chosen is None or overview is None or overview.model != chosen.model:
            return
        columns = self.matrix.matrix.columns
        column = chosen.column if chosen.column in columns else next(iter(columns), None)
        keys = chosen.chunks or tuple(chunk.key for chunk in overview.chunks[-1:])
        if column is None or not keys:
            self._show_no_column(NO_COLUMN if columns else "There is no column to compare yet.")
            return
        if self.matrix.column != column:
            self.matrix.choose(column)
        self.desk.ask_distribution(column, keys, self._show_distribution, self._show_no_distribution)

    def _show_distribution(self, distribution: Distribution) -> None:
        self.distribution.set_empty(
            "" if distribution.reference else f"{distribution.column} has no values to compare."
        )
        self.distribution.show_distribution(distribution)
        self.distribution_card.title.set_text(distribution.column)
        rows = f"{theme.count(distribution.analysis_rows)} rows against {theme.count(distribution.reference_rows)}"
        self.distribution.subtitle = rows
        self.distribution_card.subtitle.set_text(rows)
        self.legend.show_names(distribution.reference_text, distribution.analysis_text)
        self.distribution_notes.set_text(" · ".join(distribution.notes))

    def _show_no_distribution(self, error: Exception) -> None:
        if not isinstance(error, Cancelled):
            self._show_no_column(str(error))

    def _show_no_column(self, text: str) -> None:
        self.distribution.show_distribution(None)
        self.distribution.set_empty(text)
        self.distribution_card.title.set_text("Distribution")
        self.distribution_card.subtitle.set_text("")
        self.distribution_notes.set_text("")
        self.legend.hide()


def metric_choices(lines: tuple[Line, ...]) -> dict[str, list[Line]]:
    """The lines by the name they are chosen by: the realised and the estimated course of a metric are one choice."""
    courses: dict[tuple[str | None, ...], list[Line]] = {}
    for line in lines:
        courses.setdefault((line.key.metric, line.key.column, line.key.group, line.key.class_), []).append(line)
    named: dict[str, list[Line]] = {}
    for course in courses.values():
        realised = next((line for line in course if line.key.family is not Family.ESTIMATED_PERFORMANCE), course[0])
        extra = next(
            (
                part
                for part in (realised.key.class_, realised.key.group)
                if part is not None and part not in realised.title
            ),
            None,
        )
        named.setdefault(realised.title if extra is None else f"{realised.title} ({extra})", []).extend(course)
    return named


def _without_chunks(overview: Overview) -> str:
    """Why there is no chunk to show."""
    return NO_CHUNKS if overview.evaluated_at is None else NO_DAYS
