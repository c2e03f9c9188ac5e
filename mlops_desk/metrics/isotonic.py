"""Isotonic regression by pooling adjacent violators: the non-decreasing step function nearest to shares in weighted squares."""

from __future__ import annotations

import numpy as np

from mlops_desk.aggregates.tables import Counts, Floats

ROUNDS = 60
"""Rounds of pooling all violators at once; after them the few blocks that are left are pooled one by one."""


def isotonic_blocks(positives: Floats, rows: Floats) -> tuple[Counts, Floats, Floats]:
    """Blocks of (k,) entries over which the fitted share of positives is constant and between which it rises.

    Returns
    -------
    (b,) first entry of each block, and (b,) positives and rows in it; rows of an entry must be > 0.

    Notes
    -----
    Neighbours that fall belong to one block of the solution whatever else is pooled (Ayer et al. 1955), so each round pools every
    falling run at once.
    """
    starts = np.arange(len(rows), dtype=np.int64)
    for _ in range(ROUNDS):
        rising = positives[1:] * rows[:-1] > positives[:-1] * rows[1:]
        if rising.all():
            return starts, positives, rows
        firsts = np.flatnonzero(np.concatenate([[True], rising]))
        starts, positives, rows = starts[firsts], np.add.reduceat(positives, firsts), np.add.reduceat(rows, firsts)
    return _pooled_one_by_one(starts, positives, rows)


def _pooled_one_by_one(starts: Counts, positives: Floats, rows: Floats) -> tuple[Counts, Floats, Floats]:
    kept: list[tuple[int, float, float]] = []
    for start, hits, held in zip(starts.tolist(), positives.tolist(), rows.tolist(), strict=True):
        while kept and hits * kept[-1][2] <= kept[-1][1] * held:
            start, hits, held = kept[-1][0], hits + kept[-1][1], held + kept[-1][2]  # noqa: PLW2901
            kept.pop()
        kept.append((start, hits, held))
    first, hits_of, rows_of = zip(*kept, strict=True)
    return np.array(first, dtype=np.int64), np.array(hits_of), np.array(rows_of)
