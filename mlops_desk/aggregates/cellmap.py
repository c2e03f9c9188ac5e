"""Cell maps: one arithmetic formula that puts every finite number into one of some 250 small intervals.

The formula is monotone and cheap in SQL, so one GROUP BY over (chunk, cell) holds all that binned statistics need, and cells add.
`line` cells have equal widths and clamp at both ends; `curve` cells follow u / (1 + |u|) with u = (x - centre) / scale, which has fine
cells around the centre and reaches any finite number. The map is fitted once per column and reference, to spread the rows most evenly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.aggregates.tables import Floats

CELLS = 254
"""Cells of a numeric column: with NULL they fit one byte."""
HALF = (CELLS - 1) / 2
SLACK = 1e-12
"""Relative widening of computed cell borders, so that rounding never puts a value outside its cell's bounds."""
FIT_ROWS = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CellMap:
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
        u = f"({x} - ({self.centre!r})) * ({1 / self.scale!r})"
        if self.kind == "line":
            return f"case when isfinite({x}) then greatest(0, least({self.cells - 1}, {u})) end"
        half = (self.cells - 1) / 2
        return f"{half!r} + {half!r} * ({u}) / (1.0::double + abs({u}))"

    def cell_of(self, values: Floats) -> NDArray[np.int64]:
        """The cells of finite numbers, as the engine computes them but for ties at borders."""
        u = (values - self.centre) * (1 / self.scale)
        position = u if self.kind == "line" else (self.cells - 1) / 2 * (1 + u / (1 + np.abs(u)))
        return np.clip(np.floor(position + 0.5), 0, self.cells - 1).astype(np.int64)

    def bounds(self, cells: NDArray[np.int64], lowest: float, highest: float) -> tuple[Floats, Floats]:
        """Bounds of the values in these cells, given the least and the greatest value of the whole."""
        lowers, uppers = self._border(cells - 0.5), self._border(cells + 0.5)
        lowers = np.where(cells == 0, -np.inf, lowers - SLACK * (np.abs(lowers) + self.scale))
        uppers = np.where(cells == self.cells - 1, np.inf, uppers + SLACK * (np.abs(uppers) + self.scale))
        return np.clip(lowers, lowest, highest), np.clip(uppers, lowest, highest)

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
        centre = lowest if math.isfinite(lowest) else 0.0
        return CellMap(kind="curve", centre=centre, scale=max(abs(centre), 1.0))
    whole = bool(np.all(sample == np.floor(sample))) and lowest == math.floor(lowest) and highest == math.floor(highest)
    if whole and highest - lowest <= CELLS - 3:
        return CellMap(kind="line", centre=lowest - 1, scale=1.0)
    values = np.sort(sample[:: max(1, len(sample) // FIT_ROWS)])
    return min(_candidates(values, lowest, highest), key=lambda candidate: _unevenness(candidate, values))


def _candidates(values: Floats, lowest: float, highest: float) -> list[CellMap]:
    """Maps worth trying: a line over the whole range, and curves around several centres at several scales."""
    q = np.quantile(values, [0.02, 0.1, 0.25, 0.5, 0.75])
    spread = max(float(q[4] - q[2]), (highest - lowest) * 1e-9)
    candidates = [CellMap(kind="line", centre=lowest, scale=(highest - lowest) / (CELLS - 1))]
    for centre in dict.fromkeys(float(value) for value in q[:4]):
        candidates += [CellMap(kind="curve", centre=centre, scale=spread * factor) for factor in (0.4, 0.8, 1.6, 3.2)]
    return candidates


def _unevenness(candidate: CellMap, values: Floats) -> float:
    """Σ(share of a cell)²: the chance that two rows fall into the same cell."""
    shares = np.bincount(candidate.cell_of(values), minlength=candidate.cells) / len(values)
    return float(np.dot(shares, shares))
