"""Which stored chunks some chunks are compared with: those of the reference, or the ones before them where it moves with the chunks."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from mlops_desk.domain.model import Model
from mlops_desk.domain.moving import preceding_chunks
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.reporting.naming import chunks_text
from mlops_desk.reporting.texts import say
from mlops_desk.store.archive import Store


class ReferenceSide(Struct, frozen=True, kw_only=True):
    """The chunks of a reference.

    Attributes
    ----------
    split : under which they are stored. keys : of them, None for all of the split. reason : why there are none, None where there are.
    """

    split: Split
    chunks: Sequence[Chunk]
    keys: Collection[str] | None = None
    reason: str | None = None


def reference_side(store: Store, model: Model, chunks: Sequence[Chunk]) -> ReferenceSide:
    """What some analysis chunks are compared with; where the reference moves with the chunks, what the first of them is compared with."""
    if not model.reference.moves:
        return ReferenceSide(split=Split.REFERENCE, chunks=store.chunks(model.id, Split.REFERENCE))
    known = store.chunks(model.id, Split.ANALYSIS)
    first = chunks[0].index if chunks else 0
    if first >= len(known):
        return ReferenceSide(split=Split.ANALYSIS, chunks=(), keys=())
    own = preceding_chunks(model.reference, known, model.chunks.timezone)[first]
    before = [known[place] for place in own.places]
    return ReferenceSide(
        split=Split.ANALYSIS, chunks=before, keys=frozenset(one.key for one in before), reason=own.reason
    )


def reference_name(side: ReferenceSide, timezone: str) -> str:
    """What a legend calls the reference: `Reference (Sep – Nov 2013)`."""
    if side.chunks:
        return say("Reference ({period})", period=chunks_text(side.chunks, timezone))
    return say("Reference") if side.reason is None else say("No reference yet")
