"""From a model's files to what is needed to count them: footers, columns with their kinds, joined labels and the plan of the scan.

The plan is made once for a reference and kept, so that every later file is counted in the same cells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mlops_desk.aggregates.adversarial_planning import AdversarialFit
from mlops_desk.aggregates.numbering import Slicing, local_sql
from mlops_desk.aggregates.parts import ReferencePeriod, TimeColumn, has_offset, split_of_file
from mlops_desk.aggregates.plan import FORMAT, LabelPlan, ScanPlan
from mlops_desk.aggregates.planning import Wanted, scan_plan
from mlops_desk.domain.errors import UserError
from mlops_desk.domain.metric import Family
from mlops_desk.domain.model import Model
from mlops_desk.domain.monitor import Monitor
from mlops_desk.domain.overview import DataNote, NoteLevel
from mlops_desk.domain.periods import Periods, in_local, parse_periods, periods_of_instants
from mlops_desk.domain.schema import Column, Kind, Role
from mlops_desk.domain.slicing import ChunkRule, Split
from mlops_desk.monitoring.inputs import Inputs, configuration_digest
from mlops_desk.monitoring.preparation_notes import misfit_notes, pooled_notes, threshold_notes, unread_note
from mlops_desk.monitoring.requests import DUPLICATE_RATE, asks_for, asks_for_family, requests_of
from mlops_desk.monitoring.signal_planning import label_plan, signal_plan
from mlops_desk.monitoring.signals import check_latency, latency_columns, output_columns
from mlops_desk.monitoring.weights import (
    and_weighs,
    check_weight,
    rows_that_count,
    unweighed_rows,
    weighed_reference,
    weight_notes,
)
from mlops_desk.warehouse.cache import Cache
from mlops_desk.warehouse.connection import Connection, literal, quoted
from mlops_desk.warehouse.discovery import SourceFile, digest
from mlops_desk.warehouse.footers import Footer, Quarantined, footer_bytes, footer_of, read_footers
from mlops_desk.warehouse.labels import as_number
from mlops_desk.warehouse.schema import (
    ReferenceRows,
    check_columns,
    common_types,
    is_number,
    is_time,
    is_zoned,
    log_relation,
    understood_columns,
)
from mlops_desk.warehouse.suitability import check_filter, check_numbers, check_patterns

if TYPE_CHECKING:
    from mlops_desk.monitoring.labelling import Labelling

CHUNKS_AT_MOST = 20_000
"""Of one split cut by size or number: what they take in memory and time nobody means to spend."""


class Prepared(Struct, frozen=True, kw_only=True):
    """Everything that counting needs.

    Attributes
    ----------
    log, reference, label_files : footers; `reference` is empty where the reference is a period of the log. columns : of the log.
    order : names what a row's chunk depends on beside its own file. notes : what a person should know of the files and columns.
    unweighed : rows that are left out for their weight.
    """

    log: tuple[Footer, ...]
    reference: tuple[Footer, ...]
    columns: tuple[Column, ...]
    plan: ScanPlan
    slicing: Slicing
    labelling: Labelling | None
    order: str
    reference_digest: str
    notes: tuple[DataNote, ...]
    label_files: tuple[Footer, ...] = ()
    unweighed: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of joined labels; none without them, and of a regression."""
        return () if self.labelling is None else self.labelling.classes

    @property
    def groups(self) -> tuple[tuple[tuple[Footer, ...], Split | None], ...]:
        """Files by source, with the split that they belong to if all their rows do."""
        if self.reference:
            return ((self.reference, Split.REFERENCE), (self.log, Split.ANALYSIS))
        return ((self.log, None),)


def _periods(rule: ChunkRule, time: TimeColumn | None) -> Periods | None:
    """The periods of a rule by time."""
    if rule.every is None:
        return None
    return (periods_of_instants if time is not None and time.zoned else parse_periods)(rule.every, rule.timezone)


class Preparation:
    """Prepares one model for counting."""

    def __init__(
        self,
        connection: Connection,
        cache: Cache,
        model: Model,
        monitors: Sequence[Monitor],
        *,
        fresh: bool = False,
        broken: Mapping[Path, str] | None = None,
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._model = model
        self._monitors = monitors
        self._fresh = fresh
        self._broken = broken or {}
        self._notes: list[DataNote] = []
        self._name: Callable[[Path], str] = str
        self._greatest_reference = 0

    def prepared(self, inputs: Inputs) -> Prepared:
        """Reads footers, joins labels and plans the scan; raises UserError where nothing of the model can be judged."""
        self._name = inputs.name
        log = self._footers(inputs.log, "log")
        reference = self._footers(inputs.reference, "reference")
        labels = self._footers(inputs.labels, "labels")
        self._refuse_nothing(inputs, log, reference)
        types, reference_types = common_types(log), common_types(reference)
        check_columns(self._model, types, reference_types)
        check_latency(self._model, self._monitors, types)
        check_weight(self._model, types, reference_types)
        check_filter(self._connection, self._model, (log, reference), rows=self._fresh)
        check_patterns(self._connection, self._model)
        slicing = self._slicing(common_types([*reference, *log]))
        slicing = self._with_readable_times([*reference, *log], slicing)
        rows = self._reference_rows(log, reference, slicing)
        check_numbers(self._connection, self._model, common_types(rows.footers), rows.footers)
        moves, logged = self._model.reference.moves, sum(one.rows for one in log)
        self._check_chunks(rows.rows, logged - (0 if reference or moves else rows.rows))
        if self._model.reference.expanding:
            self._greatest_reference = logged
        labelling = None
        if self._model.labels is not None:
            from mlops_desk.monitoring.labelling import LabelJoin

            join = LabelJoin(self._connection, self._cache, self._model, self._model.labels)
            labelling = join.joined([*reference, *log], labels, fresh=self._fresh)
            self._notes += labelling.notes
        both = common_types([*log, *reference])
        differing = {name: kind for name, kind in both.items() if self._differs(name, [*log, *reference])}
        classes = labelling.classes if labelling else ()
        truths = self._truths_that_are_numbers(both, labels)
        if truths is not None:
            differing |= dict.fromkeys(truths, "TINYINT")
            classes = tuple(as_number(one) for one in classes)
        reference_digest = digest([footer.file for footer in rows.footers], rows.predicate, *self._too_large)
        label = label_plan(self._model, labels, both, classes)
        columns, plan = self._planned(types, both, rows, slicing, classes, differing, reference_digest, label)
        for monitor in self._monitors:
            requests_of(self._model, monitor, columns)
        self._notes += misfit_notes(self._model, columns)
        unweighed = unweighed_rows(
            self._connection, self._cache, self._model, [*reference, *log], slicing, fresh=self._fresh
        )
        self._notes += weight_notes(self._model, self._monitors, columns, unweighed)
        self._note_columns(columns)
        self._notes += [*pooled_notes(plan), *threshold_notes(self._model, plan)]
        numbers = {name for name, kind in plan.features.types if kind == "DOUBLE"}
        self._note_conflicts([*reference, *log], numbers)
        order = ""
        if slicing.periods is None:
            order = digest([footer.file for footer in (*reference, *log)])
        return Prepared(
            log=tuple(log),
            reference=tuple(reference),
            columns=columns,
            plan=plan,
            slicing=slicing,
            labelling=labelling,
            order=order,
            reference_digest=reference_digest,
            notes=tuple(self._notes),
            label_files=tuple(labels),
            unweighed=unweighed,
        )

    def _truths_that_are_numbers(self, types: Mapping[str, str], labels: Sequence[Footer]) -> list[str] | None:
        """The boolean columns of predictions and labels, where others of them are numbers; None where none is."""
        roles, given = self._model.columns, self._model.labels
        names = dict.fromkeys((roles.prediction, roles.target, given.target if given else None))
        known = {name: types[name] for name in names if name is not None and name in types}
        kinds = {*known.values(), *(dict(one.columns)[given.target] for one in labels if given is not None)}
        if not any(is_number(kind) for kind in kinds):
            return None
        return [name for name, kind in known.items() if kind == "BOOLEAN"]

    def _footers(self, files: Sequence[SourceFile], what: str) -> list[Footer]:
        """Footers of files, those known from before without reading them again; what cannot be read is noted and left out."""
        prefix = f"{self._model.id}:T:"
        for file in files:
            if file.path in self._broken:
                self._quarantine(Quarantined(file=file, reason=self._broken[file.path]), what)
        files = [file for file in files if file.path not in self._broken]
        known = {} if self._fresh else self._cache.get(prefix + file.fingerprint for file in files)
        found = {
            file.path: footer_of(file, known[key]) for file in files if (key := prefix + file.fingerprint) in known
        }
        new = [file for file in files if file.path not in found]
        if new:
            footers, quarantined = read_footers(self._connection, new)
            self._cache.put({prefix + footer.file.fingerprint: footer_bytes(footer) for footer in footers})
            found |= {footer.path: footer for footer in footers}
            for one in quarantined:
                self._quarantine(one, what)
        empty = [footer for footer in found.values() if footer.rows == 0]
        for footer in empty:
            self._note(NoteLevel.NOTICE, "file_empty", footer.file.shown, f"{self._name(footer.path)} has no rows")
        return [found[file.path] for file in files if file.path in found and found[file.path].rows]

    def _quarantine(self, one: Quarantined, what: str) -> None:
        name = self._name(one.path)
        text = f"{name} of the {what} is left out: {one.reason.replace(str(one.path), name)}"
        self._note(NoteLevel.WARNING, "file_quarantined", one.shown, text)

    def _note(self, level: NoteLevel, code: str, place: str, text: str, count: int | None = None) -> None:
        self._notes.append(DataNote(level=level, code=code, place=place, text=text, count=count))

    def _refuse_nothing(self, inputs: Inputs, log: Sequence[Footer], reference: Sequence[Footer]) -> None:
        """Raises UserError where no row is left to judge."""
        reasons = "; ".join(note.text for note in self._notes[:3])
        if not log:
            raise UserError(
                f"models.{self._model.id}.logs: none of the {len(inputs.log)} files has rows that can be read: {reasons}"
            )
        if inputs.reference and not reference:
            raise UserError(
                f"models.{self._model.id}.reference: the reference has no rows that can be read: {reasons or 'its files are empty'}"
            )

    def _with_readable_times(self, footers: Sequence[Footer], slicing: Slicing) -> Slicing:
        """The slicing, told whether texts of time name their offsets; raises UserError where they cannot be read without being told how."""
        time = slicing.time
        there = [footer for footer in footers if time is not None and time.is_in(footer)]
        if time is None or not time.text or not there:
            return slicing
        name, files = quoted(time.name), f"from {log_relation(there)}"
        if time.format is None:
            offsets = bool(self._connection.rows(f"select bool_or({has_offset(name)}) {files}")[0][0])
            time = replace(time, zoned=offsets, offsets=offsets)
        unread = f"{files} where {name} is not null and {time.sql()} is null"
        found = self._connection.rows(f"select min({name}), count(*) {unread}")[0]
        if found[1]:
            how = "are neither ISO 8601" if time.format is None else f"do not fit {time.format!r}"
            raise UserError(
                f"desk.toml: models.{self._model.id}.columns.timestamp: {found[1]:,} texts of {time.name!r} {how}, such as {found[0]!r};"
                ' day and month can be mistaken, so say how to read them: timestamp_format = "%d/%m/%Y %H:%M:%S", or store timestamps'
            )
        return replace(slicing, time=time, periods=_periods(slicing.rule, time))

    def _slicing(self, types: dict[str, str]) -> Slicing:
        """How rows are cut; raises UserError where the timestamp column is no time."""
        model, rule = self._model, self._model.chunks
        time = None
        if model.columns.timestamp is not None:
            kind = types[model.columns.timestamp]
            text = kind == "VARCHAR"
            if not is_time(kind) and not text:
                raise UserError(self._no_time(model.columns.timestamp, kind))
            given = model.columns.timestamp_format if text else None
            offsets = given is not None and "%z" in given.replace("%%", "").lower()
            time = TimeColumn(
                name=model.columns.timestamp,
                zoned=is_zoned(kind) or offsets,
                text=text,
                format=given,
                offsets=offsets,
                timezone=rule.timezone,
            )
        if rule.every is not None and time is None:
            raise UserError(
                f"models.{model.id}.chunks.every: chunks of time need columns.timestamp; name it, or cut by size or number"
            )
        reference = None
        if model.reference.start is not None and model.reference.end is not None:
            start, end = (in_local(moment, rule.timezone) for moment in (model.reference.start, model.reference.end))
            reference = ReferencePeriod(start=start, end=end)
        return Slicing(
            rule=rule,
            periods=_periods(rule, time),
            time=time,
            reference=reference,
            filter=model.logs.filter,
            weight=model.columns.weight,
        )

    def _no_time(self, column: str, kind: str) -> str:
        return (
            f"models.{self._model.id}.columns.timestamp: {column!r} is of type {kind}, not a date or timestamp;"
            " write it as a Parquet timestamp (day and month of a text can be mistaken)"
        )

    def _reference_rows(self, log: Sequence[Footer], reference: Sequence[Footer], slicing: Slicing) -> ReferenceRows:
        """The rows of the reference; raises UserError where there are none."""
        if reference:
            count, counted = sum(one.rows for one in reference), rows_that_count(self._model)
            whole = ReferenceRows(footers=tuple(reference), predicate=counted, rows=count)
            return weighed_reference(self._connection, self._model, whole)
        if slicing.reference is None or slicing.time is None:
            from mlops_desk.monitoring.moving_rows import first_reference_rows

            return first_reference_rows(self._connection, self._cache, self._model, log, slicing, fresh=self._fresh)
        inside, mixed = [], []
        for footer in log:
            split = self._split_of(footer, slicing)
            if split is Split.REFERENCE:
                inside.append(footer)
            elif split is None:
                mixed.append(footer)
        local = local_sql(slicing.time, slicing.rule.timezone)
        start, end = (literal(one.isoformat(sep=" ")) for one in (slicing.reference.start, slicing.reference.end))
        predicate = f"{local} >= timestamp {start} and {local} < timestamp {end}" if mixed else "true"
        if rows_that_count(self._model) != "true":
            predicate = f"{predicate} and {rows_that_count(self._model)}"
        footers = [footer for footer in log if footer in inside or footer in mixed] if mixed else inside
        rows = ReferenceRows(footers=tuple(footers), predicate=predicate, rows=sum(one.rows for one in inside))
        if predicate != "true" and footers:
            rows = rows.counted(self._connection)
        if not rows.rows:
            raise UserError(
                f"models.{self._model.id}.reference: no row of the log lies from {self._model.reference.start}"
                f" to {self._model.reference.end}{and_weighs(self._model)}; choose a period that the log covers"
            )
        return rows

    def _check_chunks(self, *rows_of_splits: int) -> None:
        """Raises UserError where the rows of a split are cut into more chunks than anybody could look at."""
        size, number = self._model.chunks.size, self._model.chunks.number
        for rows in rows_of_splits:
            chunks = -(-rows // size) if size else min(number or 0, rows)
            if chunks > CHUNKS_AT_MOST:
                key, least = ("size", -(-rows // CHUNKS_AT_MOST)) if size else ("number", CHUNKS_AT_MOST)
                way = f"{key} = {least}" + (" or more" if size else " or fewer")
                raise UserError(
                    f"desk.toml: models.{self._model.id}.chunks.{key}: {rows:,} rows would be {chunks:,} chunks,"
                    f" more than {CHUNKS_AT_MOST:,}: write {way}"
                )

    def _split_of(self, footer: Footer, slicing: Slicing) -> Split | None:
        """The split of all rows of a file, None where they may belong to both."""
        if slicing.time is None or slicing.reference is None:
            return None
        return split_of_file(footer, slicing.time, slicing.rule.timezone, slicing.reference)

    @staticmethod
    def _differs(name: str, footers: Sequence[Footer]) -> bool:
        """Whether files give a column different types, or some do not have it."""
        kinds = {dict(columns).get(name) for columns in dict.fromkeys(footer.columns for footer in footers)}
        return len(kinds) > 1

    def _planned(
        self,
        types: dict[str, str],
        both: dict[str, str],
        rows: ReferenceRows,
        slicing: Slicing,
        classes: Sequence[str],
        differing: Mapping[str, str],
        reference_digest: str,
        label: LabelPlan | None,
    ) -> tuple[tuple[Column, ...], ScanPlan]:
        """Columns and plan, from the cache where nothing they depend on changed."""
        named = digest(
            (),
            configuration_digest(self._model),
            reference_digest,
            repr((FORMAT, types, both, tuple(differing.items()), tuple(classes), slicing.name, label)),
        )
        key = f"{self._model.id}:P:{named}"
        body = None if self._fresh else self._cache.get([key]).get(key)
        if body is None:
            columns, differing = self._understood(types, rows, differing)
            plan = scan_plan(
                self._connection,
                self._model,
                columns,
                rows,
                self._wanted(),
                slicing=slicing.name,
                labels=classes,
                differing=differing.items(),
            )
            fit = partial(AdversarialFit, self._connection, self._model, columns, plan, rows)
            signals = signal_plan(self._connection, self._model, self._monitors, both, label, fit)
            plan = replace(plan, signals=signals)
            body = msgspec.json.encode((columns, plan))
            self._cache.put({key: body})
        return msgspec.json.decode(body, type=tuple[tuple[Column, ...], ScanPlan])

    def _understood(
        self, types: Mapping[str, str], rows: ReferenceRows, differing: Mapping[str, str]
    ) -> tuple[tuple[Column, ...], dict[str, str]]:
        """Columns, and the common types where files differ: what are numbers in the reference stay numbers though a file holds text."""
        reference = common_types(rows.footers)
        kept = {name: reference[name] for name in differing if is_number(reference.get(name, ""))}
        kept = {name: kind for name, kind in kept.items() if differing[name] == "VARCHAR"}
        asked = {name: kept.get(name, kind) for name, kind in types.items()}
        columns = understood_columns(self._connection, self._model, asked, rows)
        numbers = {one.name for one in columns if one.name in kept and one.kind is Kind.NUMERIC}
        columns = tuple(one if one.name in numbers else replace(one, type=types[one.name]) for one in columns)
        return columns, {name: "DOUBLE" if name in numbers else kind for name, kind in differing.items()}

    @property
    def _exact_rows(self) -> int:
        """Up to how many rows of the reference columns are counted exactly."""
        return max((monitor.exact_rows for monitor in self._monitors), default=200_000)

    @property
    def _too_large(self) -> tuple[str, ...]:
        """Says where a reference that grows with the log has grown too large to be counted exactly, though it began small."""
        return ("by cell",) if self._greatest_reference > self._exact_rows else ()

    def _wanted(self) -> Wanted:
        """Which columns the monitors want exactly."""
        exact = [monitor for monitor in self._monitors if monitor.exact]
        return Wanted(
            exact_rows=-1 if self._too_large else self._exact_rows,
            exact_columns=frozenset(column for monitor in exact for column in monitor.columns),
            everything=any("*" in monitor.columns or not monitor.columns for monitor in exact),
            repeats=self._repeats(),
            group_scores=any(asks_for_family(monitor, Family.ESTIMATED_FAIRNESS) for monitor in self._monitors),
            numbers=latency_columns(self._model, self._monitors),
            outputs=output_columns(self._model, self._monitors),
        )

    def _repeats(self) -> tuple[str, ...]:
        """Columns whose repeated values are asked for: whole rows (the empty name), the id, and columns that should be unique."""
        unique = [one.column for one in self._model.expectations if one.unique]
        rates = any(asks_for(monitor, DUPLICATE_RATE, Family.DATA_QUALITY) for monitor in self._monitors)
        whole = ["", *([self._model.columns.id] if self._model.columns.id else [])] if rates else []
        return tuple(dict.fromkeys([*unique, *whole]))

    def _note_conflicts(self, footers: Sequence[Footer], numbers: Collection[str]) -> None:
        """Notes the columns that are numbers in one file and text in another: they are compared as text, or else as `numbers`."""
        first: dict[str, tuple[str, str]] = {}
        told: set[str] = set()
        for footer in {footer.columns: footer for footer in footers}.values():
            for name, kind in footer.columns:
                other, file = first.setdefault(name, (kind, self._name(footer.path)))
                if is_number(other) != is_number(kind) and "VARCHAR" in (other, kind) and name not in told:
                    told.add(name)
                    if name in numbers:
                        self._notes.append(unread_note(self._connection, name, footers, self._name))
                        continue
                    text = f"column {name!r} is {other} in {file} and {kind} in {self._name(footer.path)}: its values are taken as text"
                    self._note(NoteLevel.WARNING, "column_conflict", name, text)

    def _note_columns(self, columns: Sequence[Column]) -> None:
        """Notes the columns that are not compared though nobody said so."""
        said = set(self._model.columns.ignore)
        for column in columns:
            if column.role is Role.IGNORED and column.name not in said:
                text = f"column {column.name!r} is not compared: {column.reason}"
                self._note(NoteLevel.NOTICE, "column_ignored", column.name, text)
        if self._model.gate is not None:
            self._note(
                NoteLevel.NOTICE,
                "gate_unused",
                "gate",
                "the gate is not judged: this version leaves the candidate to you",
            )
        if any(trigger.armed for trigger in self._model.triggers):
            text = "armed triggers start nothing: this version retrains by the button and the command line only"
            self._note(NoteLevel.WARNING, "trigger_unused", "triggers", text)
