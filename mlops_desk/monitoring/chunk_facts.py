"""Small facts on every chunk, kept so that what is told of all chunks does not depend on which of them a pass looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import msgspec

from mlops_desk.aggregates.slices import FeatureTables, OutcomeTables
from mlops_desk.aggregates.tables import CategoryTable, ValueTable
from mlops_desk.monitoring.counting import ChunkId
from mlops_desk.warehouse.cache import Cache

Fact = TypeVar("Fact")


class ChunkRemarks(msgspec.Struct, frozen=True):
    """What is remarkable about a chunk.

    Attributes
    ----------
    empty : columns of which no row has a value. classes : labelled rows by class.
    """

    empty: tuple[str, ...]
    classes: dict[str, int]


def remarks_of(features: FeatureTables, outcomes: OutcomeTables | None) -> ChunkRemarks:
    """What is remarkable about the rows of some tables."""
    tables: Mapping[str, ValueTable | CategoryTable] = {**features.numeric, **features.categorical}
    labels = None if outcomes is None else outcomes.target_categories
    counts = {} if labels is None else dict(zip(labels.categories, labels.counts.tolist(), strict=True))
    return ChunkRemarks(
        empty=tuple(name for name, table in tables.items() if table.n == 0),
        classes={name: int(count) for name, count in counts.items() if count},
    )


def facts_of_chunks(
    cache: Cache,
    names: Mapping[ChunkId, str],
    kind: type[Fact],
    at_hand: Mapping[ChunkId, Fact],
    read: Callable[[Sequence[ChunkId]], Mapping[ChunkId, Fact]],
) -> list[Fact]:
    """A fact of every chunk, in the order of `names` (their cache keys): at hand, kept from an earlier pass, or else read and kept."""
    known = cache.get(name for ident, name in names.items() if ident not in at_hand)
    facts = {ident: msgspec.msgpack.decode(known[name], type=kind) for ident, name in names.items() if name in known}
    missing = [ident for ident, name in names.items() if ident not in at_hand and name not in known]
    found = {ident: fact for ident, fact in at_hand.items() if ident in names} | (
        dict(read(missing)) if missing else {}
    )
    if found:
        cache.put({names[ident]: msgspec.msgpack.encode(fact) for ident, fact in found.items()})
    facts |= found
    return [facts[ident] for ident in names if ident in facts]


SEGMENTS_AT_MOST = 200


def watched_segments(rows: Mapping[str, int]) -> list[str]:
    """The segment values that are watched in every chunk: those with most reference rows."""
    return sorted(sorted(rows, key=lambda name: (-rows[name], name))[:SEGMENTS_AT_MOST])


def new_segments(names: Iterable[str], reference: Mapping[str, object]) -> tuple[list[str], int]:
    """The values of a chunk that are watched though the reference has none of them, and how many more there are.

    A chunk's own rows alone decide, so a later chunk changes nothing of an earlier one.
    """
    new = sorted(name for name in names if name not in reference)
    room = max(SEGMENTS_AT_MOST - len(reference), 0)
    return new[:room], len(new[room:])
