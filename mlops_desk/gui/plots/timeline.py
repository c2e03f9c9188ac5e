"""What the plots over time share: the chunks, the stretch in view, the crosshair and the brush. Plots follow its signals."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from mlops_desk.gui.plots.scale import ChunkScale, Tick, chunk_scale

LEAST_CHUNKS = 3


class Timeline(QObject):
    """One stretch of time for several plots.

    Signals
    -------
    view_changed : `visible` or `scale` changed. cursor_changed, brush_changed : those did.
    picked : somebody chose `brush` by hand; True where by a drag over a period, False where by a click on one chunk.
    """

    view_changed = Signal()
    cursor_changed = Signal()
    brush_changed = Signal()
    picked = Signal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.scale: ChunkScale = chunk_scale((), "UTC")
        self.visible: tuple[float, float] = self.scale.ends
        self.cursor: int | None = None
        self.brush: tuple[int, int] | None = None

    @property
    def shows_all(self) -> bool:
        """Whether nothing is zoomed."""
        return self.visible == self.scale.ends

    def set_scale(self, scale: ChunkScale, *, keep: bool) -> None:
        """Takes other chunks; keeps zoom and brush on the same chunks where asked, else shows all and brushes nothing."""
        old, brush, cursor, zoomed = self.scale, self.brush, self.cursor, not self.shows_all
        self.scale = scale
        if not (keep and zoomed and self._inside(self.visible)):
            self.visible = scale.ends
        self.cursor = scale.index_of(old.chunks[cursor].key) if keep and cursor is not None else None
        self.brush = self._same_brush(old, brush) if keep else None
        self.view_changed.emit()
        self.cursor_changed.emit()
        self.brush_changed.emit()

    def ticks(self, low: float, high: float, most: int) -> tuple[Tick, ...]:
        """Marks inside a stretch of the scale."""
        return self.scale.ticks(low, high, most)

    def zoom(self, factor: float, about: float) -> None:
        """Shows `factor` times as much, keeping a place where it is."""
        low, high = self.visible
        self._show(about - (about - low) * factor, about + (high - about) * factor)

    def pan(self, distance: float) -> None:
        """Moves the view by a distance of the scale, as far as there are chunks."""
        low, high = self.visible
        first, last = self.scale.ends
        distance = min(max(distance, first - low), last - high)
        self._show(low + distance, high + distance)

    def show_all(self) -> None:
        """Shows all chunks."""
        self._show(*self.scale.ends)

    def show_brush(self) -> None:
        """Shows the brushed chunks alone."""
        if self.brush is not None:
            self._show(self.scale.lefts[self.brush[0]], self.scale.rights[self.brush[1]])

    def point(self, index: int | None) -> None:
        """Puts the crosshair on a chunk, or takes it away."""
        if index != self.cursor:
            self.cursor = index
            self.cursor_changed.emit()

    def step(self, by: int) -> None:
        """Moves the crosshair by some chunks; it starts at the brush, else at the last chunk."""
        if not len(self.scale):
            return
        start = self.cursor if self.cursor is not None else self.brush[1] if self.brush else len(self.scale) - 1
        index = min(max(start + by, 0), len(self.scale) - 1)
        self.point(index)
        low, high = self.visible
        self.pan(min(self.scale.lefts[index] - low, 0) or max(self.scale.rights[index] - high, 0))

    def set_brush(self, brush: tuple[int, int] | None) -> None:
        """Marks the chunks from one to another, both inclusive, in either order."""
        ordered = None if brush is None else (min(brush), max(brush))
        if ordered != self.brush:
            self.brush = ordered
            self.brush_changed.emit()

    def pick(self, brush: tuple[int, int] | None, *, dragged: bool) -> None:
        """Marks chunks on somebody's behalf, and tells."""
        self.set_brush(brush)
        self.picked.emit(dragged)

    def _show(self, low: float, high: float) -> None:
        first, last = self.scale.ends
        least = min(last - first, LEAST_CHUNKS * (last - first) / max(len(self.scale), 1))
        if high - low < least:
            middle = (low + high) / 2
            low, high = middle - least / 2, middle + least / 2
        width = min(high - low, last - first)
        low = min(max(low, first), last - width)
        visible = (low, last if low + width > last - 1e-9 * (last - first) else low + width)
        if visible != self.visible:
            self.visible = visible
            self.view_changed.emit()

    def _inside(self, stretch: tuple[float, float]) -> bool:
        first, last = self.scale.ends
        return first <= stretch[0] and stretch[1] <= last

    def _same_brush(self, old: ChunkScale, brush: tuple[int, int] | None) -> tuple[int, int] | None:
        if brush is None:
            return None
        first, last = (self.scale.index_of(old.chunks[index].key) for index in brush)
        return None if first is None or last is None else (first, last)
