"""The second look at a model's files: expected labels by chunk and segment, once the reference says how scores are calibrated.

A file's expected labels are cached under the calibrators that they come of, beside everything that its outcomes depend on but its own
labels: one more file costs its own rows, a late label in the analysis none, and a reference that calibrates otherwise all rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from mlops_desk.aggregates.expected import ExpectedTable
from mlops_desk.aggregates.numbering import Slicing
from mlops_desk.aggregates.packing import packed, unpacked
from mlops_desk.aggregates.plan import ScanPlan
from mlops_desk.aggregates.slices import OutcomeTables, together
from mlops_desk.domain.slicing import Split
from mlops_desk.metrics.class_estimation import ClassCalibrators, fit_class_calibrators
from mlops_desk.metrics.performance import NO_PREDICTIONS
from mlops_desk.monitoring.counting import ChunkId, batches_for, body_of, merged, parts_by_file
from mlops_desk.monitoring.outcome_values import effective_scores_of
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection
from mlops_desk.warehouse.discovery import digest
from mlops_desk.warehouse.footers import Footer

Groups = Sequence[tuple[Sequence[Footer], Split | None]]
"""Files by source, with the split that they belong to if all their rows do."""


class ExpectedCounter:
    """Counts expected labels of one model under one plan; `reference` holds the reference's outcomes by segment value, `fresh` counts all anew."""

    def __init__(
        self,
        connection: Connection,
        cache: Cache,
        model: str,
        plan: ScanPlan,
        slicing: Slicing,
        reference: Mapping[str, OutcomeTables | None],
        *,
        fresh: bool,
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._plan = plan
        self._slicing = slicing
        self._fresh = fresh
        self._prefix = f"{model}:X:{plan.outcome_digest}"
        self._keys: dict[str, str] = {}
        self.calibrators = {
            segment: self._calibrators(outcomes) for segment, outcomes in reference.items() if outcomes is not None
        }
        self._usable = {segment: one for segment, one in self.calibrators.items() if one.unusable is None}

    def _calibrators(self, outcomes: OutcomeTables) -> ClassCalibrators:
        """The calibrators of a reference; none without predictions, or where a class that it knows has no score."""
        outcome = self._plan.outcome
        if outcome is None or outcome.prediction is None:
            return ClassCalibrators(missing=NO_PREDICTIONS)
        scored = [score.class_ for score in outcome.scores]
        weighted = effective_scores_of(outcomes)
        return fit_class_calibrators(
            outcomes.scores, scored if {*outcome.classes} <= {*scored} else (), weighted=weighted
        )

    def count(self, groups: Groups, order: str, wanted: Collection[str], tell: Callable[[], None]) -> None:
        """Scans those of the wanted files (by fingerprint) that were not counted with these calibrators; `tell` is told of each batch."""
        if not self._usable:
            return
        told = digest((), *(f"{segment!r}:{one.digest}" for segment, one in sorted(self._usable.items())))
        for footers, split in groups:
            for footer in footers:
                file = footer.file.fingerprint
                self._keys[file] = f"{self._prefix}:{told}:{order}:{split or 'both'}:{file}"
        present = set() if self._fresh else self._cache.present(self._keys.values())
        for footers, split in groups:
            missing = [
                footer
                for footer in footers
                if footer.file.fingerprint in wanted and self._keys[footer.file.fingerprint] not in present
            ]
            scanned = list(footers) if missing and self._slicing.periods is None else missing
            if scanned:
                self._scan(scanned, split, tell)

    def _scan(self, footers: Sequence[Footer], split: Split | None, tell: Callable[[], None]) -> None:
        """Scans files and keeps what they hold."""
        from mlops_desk.aggregates.expecting import scan_expected
        from mlops_desk.aggregates.source import by_part, source

        if self._plan.outcome is None:
            return
        functions = {segment: one.probabilities for segment, one in self._usable.items()}
        for batch in batches_for(self._connection, footers, self._slicing, split):
            scanned = source(self._connection, batch, self._plan, "expected_side")
            tables = by_part(scan_expected(scanned, self._plan.outcome, functions), batch)
            if scanned.positional:
                self._connection.drop("expected_side")
            files = parts_by_file(batch).items()
            self._cache.put({self._keys[file]: body_of(batch, indices, tables) for file, indices in files})
            tell()

    def expected(self, chunks: Mapping[ChunkId, Sequence[str]]) -> dict[ChunkId, dict[str, ExpectedTable]]:
        """Expected labels of chunks by segment value, all of whose files were counted."""
        return merged(self._cache, self._keys, chunks)

    def whole(self, chunks: Mapping[ChunkId, Sequence[str]]) -> dict[str, ExpectedTable]:
        """Expected labels of all these chunks together by segment value, kept once they are added."""
        names = sorted(self._keys.get(file, "") for files in chunks.values() for file in files)
        key = f"{self._prefix}:whole:{digest((), *names)}"
        body = None if self._fresh else self._cache.get([key]).get(key)
        if body is None:
            pieces: dict[str, list[ExpectedTable]] = {}
            for found in self.expected(chunks).values():
                for segment, table in found.items():
                    pieces.setdefault(segment, []).append(table)
            body = packed({segment: together(tables) for segment, tables in pieces.items()})
            self._cache.put({key: body})
        restored: dict[str, ExpectedTable] = unpacked(body)
        return restored
