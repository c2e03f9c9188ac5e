"""One column in the reference and in the analysis: shares, and what is worth a sentence about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from mlops_desk import theme
from mlops_desk.domain.metric import Family, SeriesKey, Verdict
from mlops_desk.domain.overview import Distribution
from mlops_desk.domain.schema import Kind
from mlops_desk.reporting.charts.bars import bin_text
from mlops_desk.reporting.naming import limits_text, metric_name, value_text
from mlops_desk.reporting.page import Cells, latest, number_of, numbers, verdict_of, worst
from mlops_desk.reporting.texts import plural, say

LEAST_MOVE = 0.01
"""A bin that gained or lost less than this share of the rows is not worth a sentence."""
SENTENCE_SHARE = 0.1
"""Numeric bins are told of in pieces that hold at least this share of the reference."""
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
    told = "" if verdict in (Verdict.OK, Verdict.UNTESTED) else say(": ") + theme.word(verdict)
    cell = cells[place]
    limit = "" if cell is None else f" ({limits_text(key, cell.limits, number_of(cell))})"
    if len(known) == 1:
        return f"{name} {value_text(key, known[0])}{limit}{told}"
    if told:
        told += say(" in {chunks}", chunks=plural(sum(verdict_of(cell) is verdict for cell in cells), "chunk"))
    low, high = value_text(key, min(known)), value_text(key, max(known))
    return (
        say(
            "{metric} {low} to {high} over {chunks}",
            metric=name,
            low=low,
            high=high,
            chunks=plural(len(known), "chunk"),
        )
        + told
    )


def largest_move(found: Distribution) -> str | None:
    """The bin or category whose share of the rows changed most; None where none changed by LEAST_MOVE."""
    return next(iter(moves(found, 1)), None)


def moves(found: Distribution, most: int = 3) -> tuple[str, ...]:
    """The bins or categories whose share of the rows changed most, as sentences; those that changed by less than LEAST_MOVE are left out."""
    if not found.analysis_rows or not found.reference_rows:
        return ()
    found = _coarse(found)
    changes = [abs(after - before) for before, after in zip(found.reference, found.analysis, strict=True)]
    places = sorted(range(len(changes)), key=lambda at: -changes[at])[:most]
    return tuple(
        say(
            "{bin}: {before} of the rows in the reference, {after} here",
            bin=bin_name(found, at),
            before=theme.percent(found.reference[at]),
            after=theme.percent(found.analysis[at]),
        )
        for at in places
        if changes[at] >= LEAST_MOVE
    )


def _coarse(found: Distribution) -> Distribution:
    """A numeric column in bins that hold about a tenth of the reference each, which a sentence can speak of."""
    if found.kind is not Kind.NUMERIC or not found.edges:
        return found
    edges, reference, analysis = [found.edges[0]], [0.0], [0.0]
    for at, (before, after) in enumerate(zip(found.reference, found.analysis, strict=True)):
        reference[-1] += before
        analysis[-1] += after
        if reference[-1] >= SENTENCE_SHARE and at + 1 < len(found.reference):
            edges.append(found.edges[at + 1])
            reference.append(0.0)
            analysis.append(0.0)
    return replace(found, edges=(*edges, found.edges[-1]), reference=tuple(reference), analysis=tuple(analysis))


def bin_name(found: Distribution, place: int) -> str:
    """A category, or the range of a numeric bin."""
    if found.kind is Kind.NUMERIC:
        return bin_text(found.edges, place)
    return found.categories[place]
