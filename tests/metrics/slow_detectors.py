"""Drift detectors row by row, from the formulas of their papers: an oracle for those that take whole arrays."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from mlops_desk.metrics.window_detectors import DRAWS_OF_NUMBERS


@dataclass
class Ddm:
    n: int = 0
    wrong: int = 0
    best: tuple[float, float] | None = None

    def __call__(self, x: float) -> tuple[bool, bool]:
        self.n += 1
        self.wrong += int(x)
        p = self.wrong / self.n
        s = math.sqrt(p * (1 - p) / self.n)
        if self.n <= 30:
            return False, False
        if self.best is None or p + s <= sum(self.best):
            self.best = (p, s)
        return p + s > self.best[0] + 3 * self.best[1], p + s > self.best[0] + 2 * self.best[1]


@dataclass
class Eddm:
    n: int = 0
    gaps: list[int] = field(default_factory=list)
    last: int = 0
    most: float = -1.0
    zone: bool = False

    def __call__(self, x: float) -> tuple[bool, bool]:
        self.n += 1
        if not x:
            return False, self.zone
        self.gaps.append(self.n - self.last)
        self.last = self.n
        spread = float(np.std(self.gaps, ddof=1)) if len(self.gaps) > 1 else 0.0
        level = float(np.mean(self.gaps)) + 2 * spread
        if self.n > 30 and level > self.most:
            self.most = level
        elif self.n > 30 and len(self.gaps) > 30:
            self.zone = level / self.most < 0.95
            return level / self.most < 0.90, self.zone
        return False, self.zone


@dataclass
class HddmA:
    seen: list[float] = field(default_factory=list)
    cut: int = 0

    def __call__(self, x: float) -> tuple[bool, bool]:
        self.seen.append(x)

        def upper(n: int) -> float:
            return sum(self.seen[:n]) / n + math.sqrt(math.log(1 / 0.001) / (2 * n))

        n = len(self.seen)
        if not self.cut or upper(n) <= upper(self.cut):
            self.cut = n
        if self.cut == n:
            return False, False
        rise = sum(self.seen) / n - sum(self.seen[: self.cut]) / self.cut
        m = 1 / self.cut - 1 / n
        return tuple(rise >= math.sqrt(m / 2 * math.log(2 / level)) for level in (0.001, 0.005))  # type: ignore[return-value]


@dataclass
class HddmW:
    seen: list[float] = field(default_factory=list)
    cut: int = 0
    least: float = math.inf

    @staticmethod
    def _average(rows: Sequence[float]) -> tuple[float, float]:
        mean, weights = rows[0], 0.05**2 + 0.95**2
        for x in rows[1:]:
            mean, weights = 0.05 * x + 0.95 * mean, 0.05**2 + 0.95**2 * weights
        return mean, weights

    def __call__(self, x: float) -> tuple[bool, bool]:
        self.seen.append(x)
        mean, weights = self._average(self.seen)
        upper = mean + math.sqrt(weights * math.log(1000) / 2)
        if upper < self.least:
            self.least, self.cut = upper, len(self.seen)
            return False, False
        before, after = self._average(self.seen[: self.cut]), self._average(self.seen[self.cut :])
        bounds = [math.sqrt((before[1] + after[1]) * math.log(1 / level) / 2) for level in (0.001, 0.005)]
        return after[0] - before[0] > bounds[0], after[0] - before[0] > bounds[1]


@dataclass
class PageHinkley:
    seen: int = 0
    total: float = 0.0
    up: float = 0.0
    down: float = 0.0
    least: float = math.inf
    most: float = -1.0

    def __call__(self, x: float) -> tuple[bool, bool]:
        self.seen += 1
        self.total += x
        off = x - self.total / self.seen
        self.up = 0.9999 * self.up + off - 0.005
        self.down = 0.9999 * self.down + off + 0.005
        self.least, self.most = min(self.least, self.up), max(self.most, self.down)
        return self.seen >= 30 and (self.up - self.least > 50 or self.most - self.down > 50), False


@dataclass
class Adwin:
    """Every row is kept; `sizes` are those of the buckets, the oldest first."""

    seen: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def __call__(self, x: float) -> tuple[bool, bool]:
        self.seen.append(x)
        self.sizes.append(1)
        size = 1
        while self.sizes.count(size) > 5:
            at = self.sizes.index(size)
            self.sizes[at : at + 2] = [2 * size]
            size *= 2
        n = len(self.seen)
        if n % 32:
            return False, False
        d = math.log(2 * math.log(n) / 0.002)
        for cut in np.cumsum(self.sizes)[:-1].tolist():
            if min(cut, n - cut) < 5:
                continue
            m = 1 / (cut - 4) + 1 / (n - cut - 4)
            bound = math.sqrt(2 * m * float(np.var(self.seen)) * d) + 2 / 3 * m * d
            if abs(np.mean(self.seen[:cut]) - np.mean(self.seen[cut:])) > bound:
                return True, False
        return False, False


@dataclass
class Kswin:
    """Of numbers, drawing with the same keys as what it judges."""

    seed: int
    row: int = -1
    window: deque[float] = field(default_factory=lambda: deque(maxlen=100))

    def __call__(self, x: float) -> tuple[bool, bool]:
        self.row += 1
        self.window.append(x)
        if len(self.window) < 100:
            return False, False
        block, at = divmod(self.row, DRAWS_OF_NUMBERS)
        keys = np.random.default_rng((self.seed, block)).random((DRAWS_OF_NUMBERS, 70))[at]
        rows = list(self.window)
        drawn = [rows[one] for one in np.argsort(keys)[:30]]
        likely = (
            stats.ks_2samp(drawn, rows[70:], method="asymp").statistic < 0.2
        )  # SciPy has no exact p for some of these
        if likely or stats.ks_2samp(drawn, rows[70:], method="exact").pvalue > 1e-4:
            return False, False
        self.window = deque(rows[70:], maxlen=100)
        return True, False


SLOW: dict[str, Callable[[], Callable[[float], tuple[bool, bool]]]] = {
    "ddm": Ddm, "eddm": Eddm, "hddm_a": HddmA, "hddm_w": HddmW, "page_hinkley": PageHinkley, "adwin": Adwin,
}  # fmt: skip


def slow_signals(metric: str, errors: Sequence[float]) -> tuple[list[int], list[int]]:
    """(drifts, rows at which the warning zone was entered), one row after the other; a drift begins anew."""
    detector, zone = SLOW[metric](), False
    drifts: list[int] = []
    entered: list[int] = []
    for row, x in enumerate(errors):
        drift, there = detector(x)
        if drift:
            drifts.append(row)
            detector, zone = SLOW[metric](), False
            continue
        if there and not zone:
            entered.append(row)
        zone = there
    return drifts, entered
