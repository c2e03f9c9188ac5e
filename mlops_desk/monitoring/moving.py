"""The reference of each chunk where it moves with the chunks, by what counting knows: which chunks, and a name for all that they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from mlops_desk.domain.model import Model
from mlops_desk.domain.moving import first_reference, preceding_chunks
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.monitoring.counting import ChunkId, CountedFiles
from mlops_desk.warehouse.discovery import digest

NEEDS_FIXED = (
    "what is extreme is fitted once, so it needs a reference that does not move: give reference.path, or from and to"
)
DETECTORS_NEED_FIXED = (
    "a detector goes through all chunks from a reference that does not move: give reference.path, or from and to"
)
UNCOUNTED: Mapping[str, str] = {"outlier_rate": NEEDS_FIXED}
"""Metrics that say nothing where every chunk has a reference of its own, and why."""


class OwnReference(Struct, frozen=True, kw_only=True):
    """What one chunk is judged against: other chunks, or a reason why there is nothing."""

    chunks: tuple[ChunkId, ...]
    reason: str | None


class OwnReferences(Struct, frozen=True, kw_only=True):
    """The reference of each chunk, and the first complete one, which decides how all chunks are counted and shown."""

    of: Mapping[ChunkId, OwnReference]
    first: tuple[ChunkId, ...]


def own_references(model: Model, chunks: Mapping[ChunkId, Chunk]) -> OwnReferences:
    """The reference of each analysis chunk of a model whose reference moves."""
    idents = sorted(ident for ident in chunks if ident[0] is Split.ANALYSIS)
    found = preceding_chunks(model.reference, [chunks[ident] for ident in idents], model.chunks.timezone)
    first = first_reference(found)
    of = {
        ident: OwnReference(chunks=tuple(idents[one.places.start : one.places.stop]), reason=one.reason)
        for ident, one in zip(idents, found, strict=True)
    }
    return OwnReferences(of=of, first=tuple(idents[first.start : first.stop]))


def name_of_chunks(files: CountedFiles, by_chunk: Mapping[ChunkId, Sequence[str]], chunks: Sequence[ChunkId]) -> str:
    """Names everything that the tables of some chunks depend on."""
    return digest((), *(f"{number}:{files.chunk_fingerprint(by_chunk[split, number])}" for split, number in chunks))


def fingerprints(
    base: str,
    files: CountedFiles,
    by_chunk: Mapping[ChunkId, Sequence[str]],
    chunks: Mapping[ChunkId, Chunk],
    own: OwnReferences | None,
) -> dict[ChunkId, str]:
    """Names everything that the values of each chunk depend on: `base`, its rows and labels and, where it has one of its own, its reference."""
    plain = {ident: digest((), base, files.chunk_fingerprint(by_chunk[ident])) for ident in chunks}
    if own is None:
        return plain
    features = sorted({files.features[file] for ident in own.first for file in by_chunk[ident]})
    first = digest((), repr(own.first), *features)
    return {
        ident: digest((), plain[ident], first, name_of_chunks(files, by_chunk, one.chunks), str(one.reason))
        for ident, one in own.of.items()
    }


def fronts_before(own: OwnReferences, fronts: Mapping[ChunkId, int | None]) -> dict[ChunkId, str]:
    """Names how far labels had come in the chunks of each reference, which depends on all chunks before those, too."""
    return {ident: digest((), *(str(fronts.get(chunk)) for chunk in one.chunks)) for ident, one in own.of.items()}
