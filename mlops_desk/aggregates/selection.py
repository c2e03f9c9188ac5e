"""The rows of one chunk as SQL that a person can read and run: which files, which moments, which labels, and nothing computed in Python."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from mlops_desk.aggregates.expressions import LOG, Expressions
from mlops_desk.aggregates.numbering import Slicing, local_sql
from mlops_desk.aggregates.weights import usable_sql
from mlops_desk.domain.periods import in_local
from mlops_desk.domain.slicing import Chunk, Split
from mlops_desk.warehouse.connection import literal, quoted
from mlops_desk.warehouse.footers import Footer
from mlops_desk.warehouse.schema import common_types, log_relation

ROWS = "chunk_rows"
"""Name of the chunk's rows in a query."""
PLACE = "row_in_split"
"""Name of a row's place in its split, where chunks are cut by it."""
LINE = "row_in_files"
"""Name of a row's place in the list of files, which the engine reads in order."""
TOLD_COPIES = 4
"""Objects named in comments of a query."""


class JoinedLabels(Struct, frozen=True, kw_only=True):
    """Label files to join: by which column of theirs, to which of the log, and which column holds the label."""

    footers: tuple[Footer, ...]
    key: str
    id: str
    target: str


class Selection(Struct, frozen=True, kw_only=True):
    """Where the rows of a chunk lie.

    Attributes
    ----------
    footers : files of the chunk's split. first_row : of a chunk of size or number its first row's place in the split.
    """

    footers: tuple[Footer, ...]
    slicing: Slicing
    chunk: Chunk
    first_row: int = 0
    labels: JoinedLabels | None = None
    conditions: tuple[str, ...] = ()

    @property
    def expressions(self) -> Expressions:
        """The log's columns in conditions."""
        return Expressions(types=common_types(self.footers), common={}, prefix="")

    @property
    def label_expressions(self) -> Expressions:
        """The columns of the chunk's rows once their labels are joined, in conditions."""
        types = common_types(self.footers)
        if self.labels is not None:
            target = self.labels.target
            kind = common_types(self.labels.footers)[target]
            types[target] = kind if types.get(target, kind) == kind else "VARCHAR"
        return Expressions(types=types, common={}, prefix="")

    def sql(self) -> str:
        """The chunk's rows with their labels, as one common table expression `with chunk_rows as (…)`."""
        by_time = self.slicing.periods is not None
        where = self._of_split() + (self._of_period() if by_time else [])
        rows = f"select * from {log_relation(self.footers)}{_where(where)}"
        if not by_time:
            rows = self._numbered(rows)
        if self.labels is not None:
            rows = self._labelled(rows, self.labels)
        if self.conditions:
            rows = f"select * from ({rows}){_where(self.conditions)}"
        return f"with {ROWS} as (\n  {rows}\n)"

    def _numbered(self, rows: str) -> str:
        """The chunk's rows of those of its split, told by their place in it: by time, then as they lie in the list of files."""
        place, line = self._unused(PLACE), self._unused(LINE)
        first, last, helpers = self.first_row, self.first_row + self.chunk.rows, place
        numbered = rows.replace("select *", f"select *, row_number() over () - 1 as {place}", 1)
        if self.slicing.time is not None:
            helpers = f"{place}, {line}"
            lined = rows.replace("select *", f"select *, row_number() over () as {line}", 1)
            order = f"order by {self.slicing.time.sql()}, {line}"
            numbered = f"select *, row_number() over ({order}) - 1 as {place} from ({lined})"
        return f"select * exclude ({helpers}) from ({numbered}) where {place} >= {first} and {place} < {last}"

    def _unused(self, name: str) -> str:
        """A name like this one that no column of the log has."""
        taken = {column.lower() for column in common_types(self.footers)}
        while name in taken:
            name += "_"
        return name

    def _of_split(self) -> list[str]:
        """Conditions of the chunk's split: filter, a time that is known, and in or out of the reference period."""
        slicing, found = self.slicing, []
        if slicing.filter:
            found.append(f"({slicing.filter})")
        if slicing.weight is not None and slicing.weight in common_types(self.footers):
            found.append(usable_sql(slicing.weight))
        if slicing.time is not None:
            found.append(f"{slicing.time.sql()} is not null")
            if slicing.reference is not None:
                local = local_sql(slicing.time, slicing.rule.timezone)
                start, end = (
                    literal(one.isoformat(sep=" ")) for one in (slicing.reference.start, slicing.reference.end)
                )
                inside = f"({local} >= timestamp {start} and {local} < timestamp {end})"
                found.append(inside if self.chunk.split is Split.REFERENCE else f"not {inside}")
        return found

    def _of_period(self) -> list[str]:
        """Conditions of a chunk of time."""
        slicing = self.slicing
        if slicing.time is None or slicing.periods is None or self.chunk.start is None or self.chunk.end is None:
            return []
        local = local_sql(slicing.time, slicing.periods.timezone)
        start, end = (
            literal(in_local(one, slicing.periods.timezone).isoformat(sep=" "))
            for one in (self.chunk.start, self.chunk.end)
        )
        return [f"{local} >= timestamp {start}", f"{local} < timestamp {end}"]

    def _labelled(self, rows: str, labels: JoinedLabels) -> str:
        """Rows with their label: one an id, none where label files disagree; where log and files both hold labels, the files win."""
        log, files = common_types(self.footers), common_types(labels.footers)
        key = Expressions(types=files, common={}, prefix="").text(labels.key)
        own_id = Expressions(types=log, common={}, prefix=f"{LOG}.").text(labels.id)
        target = quoted(labels.target)
        one = (
            f"select {key} as label_id, any_value({target}) as label from {log_relation(labels.footers)}"
            f" where {target} is not null group by 1 having count(distinct {target}) = 1"
        )
        kept, label = f"{LOG}.*", "labels.label"
        if labels.target in log:
            kept = f"{LOG}.* exclude ({target})"
            own = f"{LOG}.{target}"
            joined = Expressions(types={"label": files[labels.target]}, common={}, prefix="labels.").text("label")
            same = log[labels.target] == files[labels.target]
            label = (
                f"coalesce(labels.label, {own})"
                if same
                else f"coalesce({joined}, {Expressions(types=log, common={}, prefix=f'{LOG}.').text(labels.target)})"
            )
        return f"select {kept}, {label} as {target} from ({rows}) as {LOG} left join ({one}) as labels on labels.label_id = {own_id}"


def _where(conditions: Sequence[str]) -> str:
    return f" where {' and '.join(conditions)}" if conditions else ""


def counted_sql(selection: Selection, columns: Sequence[str], weight: str | None = None) -> str:
    """How often each combination of some columns' values occurs in the chunk, and how much it weighs: what its numbers are made of."""
    names = ", ".join(quoted(name) for name in columns)
    rows = "count(*) as rows"
    if weight is not None:
        rows += f", sum(cast({quoted(weight)} as DOUBLE)) as weight"
    what = (
        f"select {names}, {rows} from {ROWS} group by all order by rows desc" if names else f"select {rows} from {ROWS}"
    )
    return f"{_copies_told(selection)}{selection.sql()}\n{what}"


def _copies_told(selection: Selection) -> str:
    """Comments on which objects of a store the files of a query are copies of, as lines before it; none where all files lie here."""
    labels = selection.labels.footers if selection.labels else ()
    files = [footer.file for footer in (*selection.footers, *labels) if footer.file.origin is not None]
    lines = [f"-- {'/'.join(file.path.parts[-2:])} is a copy of {file.shown}" for file in files[:TOLD_COPIES]]
    if len(files) > TOLD_COPIES:
        lines.append(f"-- and {len(files) - TOLD_COPIES:,} more are copies of objects beside it")
    shown = ("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line) for line in lines)
    return "".join(f"{line}\n" for line in shown)


def shown_sql(selection: Selection, columns: Sequence[str], limit: int) -> str:
    """Some rows of the chunk, every value as text."""
    names = ", ".join(f"cast({quoted(name)} as VARCHAR) as {quoted(name)}" for name in columns)
    return f"{selection.sql()}\nselect {names} from {ROWS} limit {limit}"
