"""Plots paint what they were given, in the theme's colours, and can be saved, copied and read as tables."""

import csv
import gc
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter
from PySide6.QtTest import QTest
from pytestqt.plugin import QtBot

from mlops_desk import theme
from mlops_desk.domain.metric import Verdict
from mlops_desk.domain.overview import DriftMatrix, GroupBar
from mlops_desk.gui.appearance import Appearance, Mode
from mlops_desk.gui.plots.bars import BarsPlot
from mlops_desk.gui.plots.canvas import Canvas
from mlops_desk.gui.plots.distribution import DistributionPlot, finite_edges, heights
from mlops_desk.gui.plots.matrix import MatrixPlot
from mlops_desk.gui.plots.panels import runs, value_range
from mlops_desk.gui.plots.scale import chunk_scale
from mlops_desk.gui.plots.series import SeriesContent, SeriesPlot
from mlops_desk.gui.plots.sparkline import Sparkline, draw_sparkline
from mlops_desk.gui.plots.timeline import Timeline
from mlops_desk.gui.runwatch import share_in
from mlops_desk.gui.table import Table, TableDialog, separated
from mlops_desk.gui.text import tooltip
from tests.gui.fake_numbers import day_chunks, group_bars, metric_line, share_line
from tests.gui.fake_workspace import FakeWorkspace

SIZE = (860, 320)
COUNT = 40
DAYS = range(COUNT)


@pytest.fixture
def timeline() -> Timeline:
    made = Timeline()
    made.set_scale(chunk_scale(day_chunks(COUNT), "UTC"), keep=False)
    return made


def shown(plot: Canvas, qtbot: QtBot) -> Canvas:
    qtbot.addWidget(plot)
    plot.resize(*SIZE)
    plot.show()
    qtbot.waitExposed(plot)
    return plot


def matrix_of(values: tuple[tuple[float | None, ...], ...], upper: float | None = 0.2) -> DriftMatrix:
    def verdict(value: float | None) -> Verdict:
        if value is None:
            return Verdict.UNTESTED
        return Verdict.ALERT if upper is not None and value > upper else Verdict.WARNING if value > 0.1 else Verdict.OK

    return DriftMatrix(
        metric="psi",
        title="PSI",
        columns=tuple(f"column {row}" for row in range(len(values))),
        values=values,
        verdicts=tuple(tuple(verdict(value) for value in row) for row in values),
        uppers=tuple(tuple(upper for _ in row) for row in values),
    )


@pytest.fixture
def matrix(appearance: Appearance, timeline: Timeline, qtbot: QtBot) -> MatrixPlot:
    appearance.set_mode(Mode.LIGHT)
    plot = MatrixPlot(appearance, timeline, left=120, right=60)
    shown(plot, qtbot)
    rows = tuple(tuple(None if (row, index) == (2, 7) else row * 0.1 for index in DAYS) for row in range(5))
    plot.show_matrix(matrix_of(rows), None)
    return plot


@pytest.fixture
def series(appearance: Appearance, timeline: Timeline, qtbot: QtBot) -> SeriesPlot:
    appearance.set_mode(Mode.LIGHT)
    plot = SeriesPlot(appearance, timeline, left=120, right=60)
    shown(plot, qtbot)
    line = metric_line(DAYS, "roc_auc", "ROC AUC", 0.82, 0.81)
    plot.show_content(
        SeriesContent(line=line, estimate=line, share=share_line(DAYS), counts=tuple(range(100, 100 + COUNT)))
    )
    return plot


@pytest.fixture
def bars(appearance: Appearance, qtbot: QtBot) -> BarsPlot:
    appearance.set_mode(Mode.LIGHT)
    plot = BarsPlot(appearance)
    shown(plot, qtbot)
    plot.show_bars(group_bars(), 0.8)
    return plot


@pytest.fixture
def distribution(appearance: Appearance, qtbot: QtBot, tmp_path: Path) -> DistributionPlot:
    appearance.set_mode(Mode.LIGHT)
    plot = DistributionPlot(appearance)
    shown(plot, qtbot)
    plot.show_distribution(FakeWorkspace(tmp_path).distribution("m", "age", ["k"]))
    return plot


@pytest.fixture(params=["matrix", "series", "bars", "distribution"])
def plot(request: pytest.FixtureRequest) -> Canvas:
    made: Canvas = request.getfixturevalue(request.param)
    return made


def pixels(image: QImage) -> np.ndarray:
    """Height × width of 0xRRGGBB."""
    plain = image.convertToFormat(QImage.Format.Format_RGB32)
    rows = np.frombuffer(plain.constBits(), np.uint32).reshape(plain.height(), plain.bytesPerLine() // 4)
    return rows[:, : plain.width()] & 0xFFFFFF


def colors_of(image: QImage) -> set[str]:
    return {f"#{value:06X}" for value in np.unique(pixels(image))}


def pixel(plot: Canvas, place: QPointF) -> str:
    return plot.viewport().grab().toImage().pixelColor(place.toPoint()).name().upper()


class TestEveryPlot:
    def test_switching_the_theme_changes_all_its_colours_at_once(self, plot: Canvas, appearance: Appearance) -> None:
        light = plot.viewport().grab().toImage()
        assert theme.LIGHT.surface in colors_of(light)
        appearance.set_mode(Mode.DARK)
        dark = plot.viewport().grab().toImage()
        assert theme.DARK.surface in colors_of(dark)
        assert np.mean(pixels(light) == pixels(dark)) < 0.01
        appearance.set_mode(Mode.LIGHT)
        assert plot.viewport().grab().toImage() == light

    def test_it_is_saved_as_png_svg_and_csv(self, plot: Canvas, tmp_path: Path) -> None:
        plot.title = "a <b> & title"
        for kind in ("png", "svg", "csv"):
            plot.save(tmp_path / f"plot.{kind}")
        image = QImage(str(tmp_path / "plot.png"))
        assert image.width() > 2 * SIZE[0]
        assert len(colors_of(image)) > 10
        drawing = (tmp_path / "plot.svg").read_text(encoding="utf-8")
        assert "<image" not in drawing
        assert "a &lt;b&gt; &amp; title" in drawing
        assert drawing.count("<text") > 5
        rows = list(csv.reader((tmp_path / "plot.csv").read_text(encoding="utf-8").splitlines()))
        assert rows[0] == list(plot.table().headings)
        assert len(rows) == len(plot.table().rows) + 1
        with pytest.raises(OSError, match="cannot be written"):
            plot.save(tmp_path / "no such folder" / "plot.png")
        with pytest.raises(OSError, match="cannot be written"):
            plot.save(tmp_path / "no such folder" / "plot.svg")

    def test_it_is_copied_as_a_picture_and_shown_as_a_table(self, plot: Canvas, qtbot: QtBot) -> None:
        plot.copy_picture()
        assert QGuiApplication.clipboard().image().width() > SIZE[0]
        dialog = plot.show_table()
        assert isinstance(dialog, TableDialog)
        assert dialog.view.model().rowCount() == len(plot.table().rows) > 3
        dialog.view.selectRow(0)
        dialog.view.setFocus()
        dialog.copy_chosen()
        assert len(QGuiApplication.clipboard().text().split("\t")) == len(plot.table().headings)
        dialog.close()
        names = [action.text() for action in plot.menu().actions() if action.text()]
        assert names == ["Show as table", "Copy table", "Copy picture", "Save as PNG…", "Save as SVG…", "Save as CSV…"]

    def test_an_empty_one_says_so_in_words(self, plot: Canvas) -> None:
        before = plot.viewport().grab().toImage()
        plot.set_empty("nothing <b>yet</b>")
        inside = plot.viewport().grab().toImage().copy(4, 4, SIZE[0] - 8, SIZE[1] - 8)
        assert theme.LIGHT.accent not in colors_of(inside)
        plot.set_empty("")
        assert plot.viewport().grab().toImage() == before

    def test_redraws_do_not_lose_references(self, plot: Canvas) -> None:
        def redraw() -> None:
            for item in plot.scene().items():
                item.update()
            plot.viewport().grab()

        plot.resize(360, 200)
        for _ in range(5):
            redraw()
        while gc.collect():  # what earlier tests left may take more than one round
            pass
        before = sys.getrefcount(None)
        for _ in range(200):
            redraw()
        gc.collect()
        assert sys.getrefcount(None) >= before - 100, "a redraw drops references to None"


class TestMatrix:
    def test_cells_have_the_colour_of_their_value_over_their_limit(self, matrix: MatrixPlot) -> None:
        for row in range(5):
            place = matrix.cell_rect(row, 20)
            corner = QPointF(place.left() + 3, place.top() + 4)
            wanted = QColor(theme.heat(theme.LIGHT, row * 0.1 / 0.4))
            got = QColor(pixel(matrix, corner))
            assert (
                max(abs(got.red() - wanted.red()), abs(got.green() - wanted.green()), abs(got.blue() - wanted.blue()))
                <= 3
            ), row
        assert pixel(matrix, matrix.cell_rect(2, 7).topLeft() + QPointF(3, 4)) == theme.LIGHT.raised

    def test_alerts_and_warnings_carry_a_mark_that_can_be_seen(self, matrix: MatrixPlot) -> None:
        marked = [
            row
            for row in range(5)
            if theme.contrast(
                pixel(matrix, matrix.cell_rect(row, 20).center()),
                pixel(matrix, matrix.cell_rect(row, 20).topLeft() + QPointF(3, 4)),
            )
            > 3
        ]
        assert marked == [2, 3, 4]

    def test_the_ramp_tells_its_unit(self, matrix: MatrixPlot) -> None:
        assert matrix.ramp_texts == ("0.0", "0.2", "≥ 0.4")
        rows = ((0.1,) * COUNT, (0.3,) * COUNT)
        matrix.show_matrix(matrix_of(rows, None), None)
        assert matrix.ramp_texts == ("0.00", "0.15", "0.30")
        uneven = replace(matrix_of(rows), uppers=((0.1,) * COUNT, (0.2,) * COUNT))
        matrix.show_matrix(uneven, None)
        assert matrix.ramp_texts == ("0", "limit", "≥ 2 ×")

    def test_many_rows_are_scrolled_to(self, matrix: MatrixPlot, qtbot: QtBot) -> None:
        matrix.show_matrix(matrix_of(tuple((0.1,) * COUNT for _ in range(80))), "column 70")
        fit = matrix.rows_shown()
        assert 10 < fit < 40
        assert matrix.first_row <= 70 < matrix.first_row + fit
        matrix.choose("column 0")
        assert matrix.first_row == 0
        matrix.setFocus()
        for _ in range(60):
            qtbot.keyClick(matrix, Qt.Key.Key_Down)
        chosen: list[str] = []
        matrix.chosen.connect(chosen.append)
        qtbot.keyClick(matrix, Qt.Key.Key_Return)
        assert chosen == ["column 60"]
        assert matrix.first_row <= 60 < matrix.first_row + fit
        assert matrix.scroll(500)
        assert not matrix.scroll(1)
        assert matrix.first_row == 80 - fit

    def test_the_wheel_zooms_with_ctrl_only(self, matrix: MatrixPlot, timeline: Timeline, qtbot: QtBot) -> None:
        place = matrix.cell_rect(1, 30).center()
        held = timeline.scale.centre(30)

        def share() -> float:
            low, high = timeline.visible
            return (held - low) / (high - low)

        before = share()
        for modifier, zoomed in ((Qt.KeyboardModifier.NoModifier, False), (Qt.KeyboardModifier.ControlModifier, True)):
            turn_wheel(matrix, place, modifier)
            assert timeline.shows_all is not zoomed
        assert share() == pytest.approx(before, abs=0.02)
        QTest.mouseDClick(matrix.viewport(), Qt.MouseButton.LeftButton, pos=place.toPoint())
        assert timeline.shows_all


def turn_wheel(plot: Canvas, place: QPointF, modifier: Qt.KeyboardModifier) -> None:
    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QWheelEvent

    buttons, phase = Qt.MouseButton.NoButton, Qt.ScrollPhase.NoScrollPhase
    event = QWheelEvent(
        place, QPointF(plot.mapToGlobal(place.toPoint())), QPoint(), QPoint(0, 120), buttons, modifier, phase, False
    )
    plot.wheelEvent(event)


class TestSeries:
    def test_the_band_the_limit_and_the_marks_are_where_the_numbers_are(self, series: SeriesPlot) -> None:
        box, line = series.panels[0].box, series.content.line
        assert line is not None
        (left, right), (bottom, top) = box.viewRange()
        assert (left, right) == pytest.approx(series.timeline.scale.ends)
        values = [value for value in line.values if value is not None]
        assert bottom < min(values) - 0.0129 < max(values) + 0.0129 < top
        image = series.viewport().grab().toImage()

        def color_at(index: int, value: float) -> QColor:
            place = series.mapFromScene(box.mapViewToScene(QPointF(series.timeline.scale.centre(index), value)))
            return image.pixelColor(place)

        value = line.values[10]
        assert value is not None
        assert line.verdicts[10] in (Verdict.OK, Verdict.WARNING)
        assert color_at(10, value + 0.005) != QColor(theme.LIGHT.surface)
        assert color_at(10, top - 0.001) == QColor(theme.LIGHT.surface)

    def test_shift_and_drag_moves_the_view(self, series: SeriesPlot, timeline: Timeline) -> None:
        timeline.zoom(0.5, timeline.scale.centre(20))
        before = timeline.visible
        middle = series.rect_of(series.panels[0].box).center().toPoint()
        shift = Qt.KeyboardModifier.ShiftModifier
        QTest.mousePress(series.viewport(), Qt.MouseButton.LeftButton, shift, middle)
        for step in range(1, 6):
            middle.setX(middle.x() + 10 * step)
            QTest.mouseMove(series.viewport(), middle)
        QTest.mouseRelease(series.viewport(), Qt.MouseButton.LeftButton, shift, middle)
        assert timeline.visible[0] < before[0]
        assert timeline.brush is None

    def test_a_gap_is_a_gap(self) -> None:
        assert runs([1.0, None, 2.0, 3.0, None], range(5)) == [[0], [2, 3]]
        assert runs([], range(0)) == []

    @given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 10))
    def test_all_values_and_near_limits_are_in_view(self, values: list[float], limit_gap: float) -> None:
        line = metric_line(range(len(values)), "m", "M", 0.0, 0.0)
        line = replace(line, values=tuple(values), lowers=(min(values) - 1e-3 * limit_gap,) * len(values))
        low, high = value_range([line], range(len(values)))
        assert low < min(values) <= max(values) < high
        far = replace(line, lowers=(-1e12,) * len(values))
        assert value_range([far], range(len(values)))[0] > -1e11

    def test_nothing_to_show(self, series: SeriesPlot, timeline: Timeline) -> None:
        series.show_content(SeriesContent())
        timeline.set_scale(chunk_scale((), "UTC"), keep=False)
        series.grab()
        assert series.table().rows == ()


class TestDistribution:
    def test_categories_are_pairs_of_bars(self, distribution: DistributionPlot, tmp_path: Path) -> None:
        shown = FakeWorkspace(tmp_path).distribution("m", "region", ["k"])
        distribution.show_distribution(shown)
        image = distribution.viewport().grab().toImage()
        rect = distribution.rect_of(distribution.box)
        step = distribution.pair_height(rect.height())
        for index, (reference, analysis) in enumerate(zip(shown.reference, shown.analysis, strict=True)):
            middle = rect.top() + step * (index + 0.5)
            widths = []
            for offset in (-4, 4):
                row = [image.pixelColor(x, round(middle + offset)) for x in range(round(rect.left()), image.width())]
                widths.append(sum(found != QColor(theme.LIGHT.surface) for found in row) / rect.width() * 1.12 * 0.61)
            assert widths == pytest.approx([reference, analysis], abs=0.01)
        QTest.mouseMove(distribution.viewport(), QPointF(rect.left() + 40, rect.top() + step * 1.5).toPoint())
        assert distribution.hovered == 1

    @given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=20, unique=True))
    def test_uneven_bins_compare_by_area(self, places: list[float]) -> None:
        edges = tuple(sorted(places))
        shares = tuple(1 / (len(edges) - 1) for _ in edges[1:])
        tall, even = heights(shares, edges)
        if not even:
            areas = [height * (after - before) for height, before, after in zip(tall, edges, edges[1:], strict=False)]
            assert sum(areas) == pytest.approx(1)

    def test_open_ends_are_closed(self) -> None:
        infinite = float("inf")
        assert finite_edges((-infinite, 0.0, 1.0, 3.0, infinite)) == (-2.0, 0.0, 1.0, 3.0, 5.0)
        assert finite_edges((0.0, 1.0)) == (0.0, 1.0)


class TestBars:
    def test_a_bar_ends_at_its_ratio_and_says_what_it_means(self, bars: BarsPlot) -> None:
        image = bars.viewport().grab().toImage()
        wanted = {1: theme.LIGHT.warn, 2: theme.LIGHT.reference, 3: theme.LIGHT.accent, 9: theme.LIGHT.bad}
        for row, ink in wanted.items():
            bar = bars.rows[row]
            assert isinstance(bar, GroupBar)
            assert bar.ratio is not None
            inside = bars.mapFromScene(bars.box.mapViewToScene(QPointF(bar.ratio * 0.5, row + 0.5)))
            assert image.pixelColor(inside) == QColor(ink)
        assert (
            bars.text_of(9)
            == "region = South · ratio 0.72 · 95 % interval 0.685 to 0.755 · rate 0.3024 · 12,444 rows · alert"
        )
        assert bars.text_of(11) == "region = Islands · 17 rows · 17 rows, fewer than 30"

    def test_each_attribute_is_named_above_its_groups(self, bars: BarsPlot) -> None:
        named = [row if isinstance(row, str) else row.group for row in bars.rows]
        assert named[:7] == ["age_band", "under 25", "25 – 60", "over 60", "sex", "female", "male"]
        assert bars.text_of(4) == "sex"

    def test_many_groups_are_scrolled_to(self, bars: BarsPlot, qtbot: QtBot) -> None:
        bars.show_bars(group_bars() * 6, 0.8)
        bars.setFocus()
        for _ in range(5):
            qtbot.keyClick(bars, Qt.Key.Key_Down)
        assert bars.first_row == 5
        for _ in range(100):
            qtbot.keyClick(bars, Qt.Key.Key_Down)
        assert bars.first_row == len(bars.rows) - bars.rows_shown()


def test_a_sparkline_spans_its_values_and_leaves_gaps(qtbot: QtBot, appearance: Appearance) -> None:
    image = QImage(200, 60, QImage.Format.Format_RGB32)

    def painted(points: tuple[float | None, ...]) -> QImage:
        image.fill(Qt.GlobalColor.white)
        painter = QPainter(image)
        draw_sparkline(painter, QRectF(10, 10, 180, 40), points, "#000000")
        painter.end()
        return image

    def dark(column: int) -> list[int]:
        return [y for y in range(60) if image.pixelColor(column, y).lightness() < 128]

    painted((0.0, 1.0))
    assert dark(12)[-1] == pytest.approx(50, abs=2)
    assert dark(187)[0] == pytest.approx(10, abs=3)
    painted((0.0, 1.0, None, None, 1.0, 0.0))
    assert dark(100) == []
    for points in ((), (None,), (1.0,), (1.0, 1.0)):
        painted(points)
    spark = Sparkline(appearance)
    qtbot.addWidget(spark)
    spark.show_points((1.0, 2.0, 1.5), "bad")
    spark.resize(100, 30)
    assert theme.LIGHT.bad in colors_of(spark.grab().toImage())


def test_tables_quote_what_needs_it() -> None:
    table = Table(title="t", headings=("a", "b"), rows=(("x,y", 1.5), ('say "hi"', None), ("two\nlines", 3)))
    assert list(csv.reader(separated(table, ",").splitlines(keepends=True))) == [
        ["a", "b"],
        ["x,y", "1.5"],
        ['say "hi"', ""],
        ["two\nlines", "3"],
    ]


def test_tooltips_show_markup_as_text() -> None:
    assert tooltip("<img src=x> & co") == "<qt>&lt;img src=x&gt; &amp; co</qt>"


@pytest.mark.parametrize(
    ("output", "share"), [("epoch 7/12 loss 0.2\nsaved", 7 / 12), ("45 % done", 0.45), ("2026/11/02", None), ("", None)]
)
def test_progress_is_read_from_the_log(output: str, share: float | None) -> None:
    assert share_in(output) == (None if share is None else pytest.approx(share))


def test_the_plot_with_the_focus_shows_it(matrix: MatrixPlot, qtbot: QtBot) -> None:
    edge = QPointF(40, 0)
    matrix.activateWindow()
    matrix.setFocus()
    qtbot.waitUntil(matrix.hasFocus)
    assert pixel(matrix, edge) != theme.LIGHT.surface
    matrix.clearFocus()
    qtbot.waitUntil(lambda: not matrix.hasFocus())
    assert pixel(matrix, edge) == theme.LIGHT.surface
