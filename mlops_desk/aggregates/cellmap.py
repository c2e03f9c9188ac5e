"""Cell maps: one arithmetic formula that puts every finite number into one of some 250 small intervals.

The formula is monotone and cheap in SQL, so one GROUP BY over (chunk, cell) holds all that binned statistics need, and cells add.
`line` cells have equal widths and clamp at both ends; `curve` cells follow d / (scale + |d|) with d = x - centre, which has fine cells
around the centre and reaches any finite number. The map is fitted once per column and reference, to spread the rows most evenly.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from mlops_desk.aggregates.tables import Floats

CELLS = 254
"""Cells of a numeric column: with NULL they fit one byte."""
SLACK = 1e-12
"""Relative widening of computed cell borders, so that rounding never puts a value outside its cell's bounds."""
FIT_ROWS = 40_000
LEAST_SCALE, GREATEST = 1e-290, 1e290
"""Scales and centres stay within these, so that neither the formula nor its inverse leaves the finite numbers."""


class CellMap(Struct, frozen=True, kw_only=True):
    """A monotone formula from a number to a cell.

    Attributes
    ----------
    kind : `line` or `curve`. centre : of a line the middle of cell 0, of a curve the middle of all cells.
    scale : of a line the width of a cell, of a curve the distance from the centre that takes a quarter of the cells. cells : how many.
    """

    kind: str
    centre: float
    scale: float
    cells: int = CELLS

    def sql(self, x: str) -> str:
        """The cell of a DOUBLE expression as SQL text that rounds to an integer when cast; NULL, NaN and infinities have none."""
        d = f"({x} - ({self.centre!r}))"
        if self.kind == "line":
            return f"case when isfinite({x}) then greatest(0, least({self.cells - 1}, {d} * ({1 / self.scale!r}))) end"
        half = (self.cells - 1) / 2
        return f"{half!r} + {half!r} * ({d} / ({self.scale!r}::double + abs({d})))"

    def cell_of(self, values: Floats) -> NDArray[np.int64]:
        """The cells of finite numbers, as the engine computes them but for ties at borders."""
        d = values - self.centre
        half = (self.cells - 1) / 2
        with np.errstate(over="ignore"):
            position = d * (1 / self.scale) if self.kind == "line" else half + half * (d / (self.scale + np.abs(d)))
        return np.clip(np.floor(position + 0.5), 0, self.cells - 1).astype(np.int64)

    def bounds(self, cells: NDArray[np.int64], lowest: float, highest: float) -> tuple[Floats, Floats]:
        """Bounds of the values in these cells, given the least and the greatest value of the whole."""
        lowers, uppers = self._border(cells - 0.5), self._border(cells + 0.5)
        lowers = np.where(cells == 0, -np.inf, lowers - self._slack(lowers))
        uppers = np.where(cells == self.cells - 1, np.inf, uppers + self._slack(uppers))
        return np.clip(lowers, lowest, highest), np.clip(uppers, lowest, highest)

    def _slack(self, borders: Floats) -> Floats:
        """How far rounding may take a border."""
        return SLACK * (np.abs(borders) + np.abs(borders - self.centre) + self.scale)

    def _border(self, position: NDArray[np.floating[Any]]) -> Floats:
        """The number at a position between cells; infinite beyond the outermost."""
        if self.kind == "line":
            return np.asarray(self.centre + self.scale * position, dtype=np.float64)
        half = (self.cells - 1) / 2
        t = position / half - 1
        inside = np.abs(t) < 1
        u = np.divide(t, 1 - np.abs(t), out=np.where(t < 0, -np.inf, np.inf), where=inside)
        return np.asarray(self.centre + self.scale * u, dtype=np.float64)


def fitted_map(sample: Floats, lowest: float, highest: float) -> CellMap:
    """The map that spreads a sample of finite values most evenly; `lowest` and `highest` are of all values of the reference."""
    if len(sample) == 0 or not lowest < highest:
        return _curve(lowest if math.isfinite(lowest) else 0.0, max(abs(lowest), 1.0))
    whole = bool(np.all(sample == np.floor(sample))) and lowest == math.floor(lowest) and highest == math.floor(highest)
    if whole and highest - lowest <= CELLS - 3:
        return CellMap(kind="line", centre=lowest - 1, scale=1.0)
    values = np.sort(sample[:: max(1, len(sample) // FIT_ROWS)])
    return min(_candidates(values, lowest, highest), key=lambda candidate: _unevenness(candidate, values))


def _candidates(values: Floats, lowest: float, highest: float) -> list[CellMap]:
    """Maps worth trying: a line over the whole range, and curves around several centres at several scales, those of halves that lie apart too."""
    q = [float(value) for value in values[[int(share * (len(values) - 1)) for share in (0.02, 0.1, 0.25, 0.5, 0.75)]]]
    spread = max(q[4] - q[2], (highest - lowest) * 1e-9)
    spreads = [spread, *(one for one in (q[4] - q[3], q[3] - q[2]) if 0 < one < spread / 10)]
    candidates = [
        _curve(centre, one * factor)
        for one in spreads
        for centre in dict.fromkeys(q[:4])
        for factor in (0.4, 0.8, 1.6, 3.2)
    ]
    width = (highest - lowest) / (CELLS - 1)
    if LEAST_SCALE <= width <= GREATEST and abs(lowest) <= GREATEST:
        candidates.insert(0, CellMap(kind="line", centre=lowest, scale=width))
    return candidates


def _curve(centre: float, scale: float) -> CellMap:
    return CellMap(
        kind="curve",
        centre=min(max(centre, -GREATEST), GREATEST),
        scale=min(max(scale, LEAST_SCALE), GREATEST),
    )


def _unevenness(candidate: CellMap, values: Floats) -> float:
    """Σ(share of a cell)²: the chance that two rows fall into the same cell."""
    shares = np.bincount(candidate.cell_of(values), minlength=candidate.cells) / len(values)
    return float(np.dot(shares, shares))
