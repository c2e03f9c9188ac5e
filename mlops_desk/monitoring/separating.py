"""How well the rows of each chunk can be told from the reference: samples of both, a classifier for each chunk, and values that are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import add

import msgspec
from msgspec.structs import asdict

from mlops_desk.aggregates.sample import RowSample
from mlops_desk.aggregates.sampling import row_sample
from mlops_desk.aggregates.source import Source
from mlops_desk.domain.metric import Measurement
from mlops_desk.domain.slicing import Split
from mlops_desk.metrics.separability import DOMAIN_CLASSIFIER_AUC, SAMPLED_ROWS, domain_classifier_auc
from mlops_desk.monitoring.counting import ChunkId, CountedFiles
from mlops_desk.monitoring.row_pass import Files, parts_in
from mlops_desk.monitoring.seeds import seed_of
from mlops_desk.monitoring.study import Body, Study
from mlops_desk.warehouse.discovery import digest

FORMAT = 1
"""Raised whenever the same rows would be told apart in another way."""


def separability(
    study: Study, files: CountedFiles, chunks: Files, min_rows: int, pause: Callable[[], None]
) -> dict[ChunkId, Measurement]:
    """The area under the curve of each chunk; one that was computed from the same rows before is kept.

    A chunk of the reference is told from the rest of it.
    """
    names = {chunk: _name(study, files, chunk, some, min_rows) for chunk, some in files.by_chunk().items()}
    sample = f"sample{FORMAT}:{study.name}"
    study.cache.present([*names.values(), study.key(sample)])  # so that none is swept
    known = {} if study.fresh else study.cache.get(names[chunk] for chunk in chunks)
    found = {
        chunk: msgspec.json.decode(known[names[chunk]], type=Measurement) for chunk in chunks if names[chunk] in known
    }
    missing = {chunk: some for chunk, some in chunks.items() if chunk not in found}
    if not missing:
        return found
    reference = RowSample(**study.kept(sample, lambda: _parts_of(_drawn_reference(study))))
    for chunk, rows in _samples(study, missing):
        split, number = chunk
        other = reference.without(number) if split is Split.REFERENCE else reference
        seed = seed_of(study.model.id, DOMAIN_CLASSIFIER_AUC, None, f"{split.value}:{number}")
        measured = domain_classifier_auc(other.matrix, rows.matrix, seed=seed, min_rows=min_rows, pause=pause)
        found[chunk] = measured
        study.cache.put({names[chunk]: msgspec.json.encode(measured)})
    return found


def _name(study: Study, files: CountedFiles, chunk: ChunkId, own: Sequence[str], min_rows: int) -> str:
    """The cache key of a chunk's value."""
    rows = (files.features[file] for file in own)
    named = digest((), str(FORMAT), study.name, repr((chunk, min_rows)), *sorted(rows))
    return f"{study.model.id}:D:{named}"


def _parts_of(sample: RowSample) -> Body:
    return asdict(sample)


def _drawn_reference(study: Study) -> RowSample:
    samples = [
        _sample(study, scanned, parts)
        for batch, scanned in study.rows.sources(study.files)
        if (parts := parts_in(batch, study.chunks))
    ]
    return reduce(add, samples)


def _samples(study: Study, chunks: Files) -> Iterator[tuple[ChunkId, RowSample]]:
    """The sample of each chunk, as soon as all its files were read."""
    waiting = {chunk: set(files) for chunk, files in chunks.items()}
    held: dict[ChunkId, RowSample] = {}
    for batch, scanned in study.rows.sources({file for files in chunks.values() for file in files}):
        seen = {footer.file.fingerprint for footer in batch.footers}
        for chunk in dict.fromkeys((part.split, part.number) for part in batch.parts):
            if chunk not in waiting:
                continue
            sample = _sample(study, scanned, parts_in(batch, {chunk}))
            held[chunk] = held[chunk] + sample if chunk in held else sample
            waiting[chunk] -= seen
            if not waiting[chunk]:
                yield chunk, held.pop(chunk)


def _sample(study: Study, scanned: Source, parts: Sequence[int]) -> RowSample:
    """The sample of some parts of a batch."""
    found = row_sample(
        scanned,
        study.plan,
        study.prepared.slicing,
        parts,
        salt=f"{study.model.id}:{DOMAIN_CLASSIFIER_AUC}",
        size=SAMPLED_ROWS,
        id_column=study.model.columns.id,
    )
    study.rows.tell(sum(scanned.batch.parts[part].footer.rows for part in parts))
    return found
