"""The rows of the first complete reference of a model whose reference moves with the chunks: the cells of all columns come from them.

Which chunks hold rows must be known before anything is counted, so each file's are kept under what numbers them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from mlops_desk.aggregates.numbering import Slicing, local_sql
from mlops_desk.aggregates.parts import NO_PART, Batch
from mlops_desk.domain.model import Model
from mlops_desk.domain.slicing import Split
from mlops_desk.monitoring.chunking import chunks_now
from mlops_desk.monitoring.counting import CountedFiles, PartRecord, batches_for, parts_by_file
from mlops_desk.monitoring.moving import own_references
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection, literal
from mlops_desk.warehouse.discovery import digest
from mlops_desk.warehouse.footers import Footer
from mlops_desk.warehouse.schema import ReferenceRows

Numbers = dict[int, int]
"""Rows of a file by the number of their chunk."""


def first_reference_rows(
    connection: Connection, cache: Cache, model: Model, log: Sequence[Footer], slicing: Slicing, *, fresh: bool
) -> ReferenceRows:
    """The rows of the first complete reference (of the whole log where none is complete yet).

    Of chunks of a size or number they are all rows of the files that hold them, counted as those of the reference itself.
    """
    numbers = _numbers(connection, cache, model, log, slicing, fresh=fresh)
    records = {
        file: tuple(PartRecord(Split.ANALYSIS.value, number, rows, None, None) for number, rows in own.items())
        for file, own in numbers.items()
    }
    files = CountedFiles(records=records)
    chunks = chunks_now(files, files.by_chunk(), slicing, None)
    chosen = {number for _, number in own_references(model, chunks).first}
    footers = [one for one in log if chosen & numbers[one.file.fingerprint].keys()]
    rows = sum(own.get(number, 0) for own in numbers.values() for number in chosen)
    predicate = f"({slicing.filter})" if slicing.filter else "true"
    mixed = any(
        sum(own.get(number, 0) for number in chosen) < one.rows
        for one in footers
        for own in (numbers[one.file.fingerprint],)
    )
    if mixed and slicing.periods is not None and slicing.time is not None:
        local = local_sql(slicing.time, slicing.periods.timezone)
        starts = (slicing.periods.local_start(number) for number in (min(chosen), max(chosen) + 1))
        start, end = (literal(one.isoformat(sep=" ")) for one in starts)
        predicate = f"{local} >= timestamp {start} and {local} < timestamp {end} and {predicate}"
    return ReferenceRows(footers=tuple(footers or log), predicate=predicate, rows=rows)


def _numbers(
    connection: Connection, cache: Cache, model: Model, log: Sequence[Footer], slicing: Slicing, *, fresh: bool
) -> Mapping[str, Numbers]:
    """Rows by chunk of every file, by fingerprint."""
    by_order = slicing.periods is None
    order = digest([footer.file for footer in log]) if by_order else ""
    prefix = f"{model.id}:M:{digest((), slicing.name, order)}:"
    keys = {footer.file.fingerprint: prefix + footer.file.fingerprint for footer in log}
    known = {} if fresh else cache.get(keys.values())
    missing = [footer for footer in log if keys[footer.file.fingerprint] not in known]
    found = {file: msgspec.json.decode(known[key], type=Numbers) for file, key in keys.items() if key in known}
    counted: dict[str, Numbers] = {}
    for batch in batches_for(connection, log if by_order else missing, slicing, Split.ANALYSIS) if missing else ():
        counted |= _of_batch(batch)
    cache.put({keys[file]: msgspec.json.encode(own) for file, own in counted.items()})
    return found | counted


def _of_batch(batch: Batch) -> dict[str, Numbers]:
    """Rows by chunk of the files of one batch."""
    if batch.numbers is None:
        rows = [part.footer.rows for part in batch.parts]
    else:
        there = batch.numbers[batch.numbers != NO_PART]
        rows = np.bincount(there, minlength=len(batch.parts)).tolist()
    return {
        file: {batch.parts[index].number: int(rows[index]) for index in indices}
        for file, indices in parts_by_file(batch).items()
    }
