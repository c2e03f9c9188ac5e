"""One column in the reference and in the analysis: shares, and what is worth a sentence about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlops_desk import theme
from mlops_desk.domain.metric import Family, SeriesKey, Verdict
from mlops_desk.domain.overview import Distribution
from mlops_desk.domain.schema import Kind
from mlops_desk.reporting.naming import limits_text, metric_name, plural, value_text
from mlops_desk.reporting.page import Cells, latest, number_of, numbers, verdict_of, worst

LEAST_MOVE = 0.01
"""A bin that gained or lost less than this share of the rows is not worth a sentence."""
QUALITY_METRICS = ("missing_rate", "unseen_rate", "out_of_range_rate")


def shares(counts: Sequence[int]) -> tuple[float, ...]:
    """Counts over their sum; zeros where there is nothing."""
    total = sum(counts)
    return tuple(count / total if total else 0.0 for count in counts)


def distribution_notes(found: Distribution, series: Mapping[SeriesKey, Cells]) -> tuple[str, ...]:
    """What a column's metrics say of the chosen chunks, and the bin that moved most."""
    drift = [metric_note(key, cells) for key, cells in series.items() if key.family is not Family.DATA_QUALITY]
    quality = [
        metric_note(key, cells)
        for key, cells in series.items()
        if key.metric in QUALITY_METRICS and any(number_of(cell) for cell in cells)
    ]
    notes = (*drift, *quality, largest_move(found))
    return tuple(note for note in notes if note is not None)


def metric_note(key: SeriesKey, cells: Cells) -> str | None:
    """`Jensen–Shannon distance 0.368 (limit ≤ 0.113): alert`; over several chunks from least to greatest."""
    place = latest(cells)
    if place is None:
        return None
    name = metric_name(key.family, key.metric)
    known = [value for value in numbers(cells) if value is not None]
    verdict = worst(verdict_of(cell) for cell in cells)
    told = "" if verdict in (Verdict.OK, Verdict.UNTESTED) else f": {theme.WORDS[verdict]}"
    cell = cells[place]
    limit = "" if cell is None else f" ({limits_text(key, cell.limits, number_of(cell))})"
    if len(known) == 1:
        return f"{name} {value_text(key, known[0])}{limit}{told}"
    if told:
        told += f" in {plural(sum(verdict_of(cell) is verdict for cell in cells), 'chunk')}"
    return f"{name} {value_text(key, min(known))} to {value_text(key, max(known))} over {plural(len(known), 'chunk')}{told}"


def largest_move(found: Distribution) -> str | None:
    """The bin or category whose share of the rows changed most; None where none changed by LEAST_MOVE."""
    pairs = list(zip(found.reference, found.analysis, strict=True))
    if not pairs or not found.analysis_rows or not found.reference_rows:
        return None
    place = max(range(len(pairs)), key=lambda at: abs(pairs[at][1] - pairs[at][0]))
    before, after = pairs[place]
    if abs(after - before) < LEAST_MOVE:
        return None
    name = bin_name(found, place)
    return f"{name}: {theme.percent(before)} of the rows in the reference, {theme.percent(after)} here"


def bin_name(found: Distribution, place: int) -> str:
    """A category, or the range of a numeric bin."""
    if found.kind is Kind.NUMERIC:
        return f"{theme.number(found.edges[place])} to {theme.number(found.edges[place + 1])}"
    return found.categories[place]
