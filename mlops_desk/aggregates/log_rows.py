"""The rows of a batch, or of several, as a subquery with every column under its own name and labels under the names of the target.

For SQL that somebody else wrote. The columns that name part and segment are called so that no column of a log is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlops_desk.aggregates.expressions import SIDE
from mlops_desk.aggregates.plan import LabelPlan
from mlops_desk.aggregates.source import LABEL, Source
from mlops_desk.warehouse.connection import literal, quoted
from mlops_desk.warehouse.schema import FLOATS

PART, SEGMENT, TIME = '"·part"', '"·segment"', '"·time"'


def labelled_rows(source: Source, label: LabelPlan | None, *, part: str | None = None, time: str | None = None) -> str:
    """All rows of a batch that belong to a part; `part` is an expression in place of the part's index, `time` one of nanoseconds."""
    expressions = source.expressions
    names = dict.fromkeys([*expressions.types, *expressions.common])
    chosen = [f"{part or source.part} {PART}"]
    if source.plan.segment is not None:
        chosen.append(f"{expressions.text(source.plan.segment)} {SEGMENT}")
    if time is not None:
        chosen.append(f"{time} {TIME}")
    targets = () if label is None else label.names
    chosen += [f"{expressions.plain(name)} as {quoted(name)}" for name in names if name not in targets]
    if label is not None:
        chosen += [f"{_label(source, label)} as {quoted(name)}" for name in targets]
    return f"(select {', '.join(chosen)} from {source.relation} where {source.part} is not null)"


def rows_of_chunks(
    sources: Sequence[Source],
    chunks: Sequence[Mapping[int, int]],
    label: LabelPlan | None,
    columns: Mapping[str, str],
    times: Sequence[str] = (),
) -> str:
    """The rows of some chunks over several batches; `chunks` numbers the chunk of those parts of each batch that are of one.

    `columns` are those of all files, so that batches go together; `times` are expressions of nanoseconds along the batches, if wanted.
    """
    found = []
    targets = {} if label is None else dict.fromkeys(label.names, label.type)
    names = ", ".join(quoted(name) for name in {**columns, **targets})
    for place, (source, numbers) in enumerate(zip(sources, chunks, strict=True)):
        cases = " ".join(f"when {part} then {chunk}" for part, chunk in numbers.items())
        part = f"case {source.part} {cases} end"
        rows = labelled_rows(source, label, part=part, time=times[place] if times else None)
        segment = "" if source.plan.segment is None else f"{SEGMENT}, "
        found.append(
            f"select {PART}, {segment}{f'{TIME}, ' if times else ''}{names} from {rows} where {PART} is not null"
        )
    return f"({' union all '.join(found)})"


def _label(source: Source, label: LabelPlan) -> str:
    """The label of a row: the joined one, else the one in the log; NULL where there is none."""
    expressions = source.expressions
    column = next((name for name in label.names if name in expressions.types), None)
    inside = f"cast(null as {label.type})"
    if column is not None:
        plain = expressions.plain(column)
        there = f"case when isfinite({plain}) then {plain} end" if expressions.kind(column) in FLOATS else plain
        inside = f"cast({there} as {label.type})"
    if not source.has_labels:
        return inside
    code = f"{SIDE}.{LABEL}"
    joined = f"case when isfinite({code}) then {code} end"
    if not label.numeric:
        classes = "[" + ", ".join(literal(one) for one in label.classes) + "]"
        joined = f"case when {code} >= 0 then {classes}[{code} + 1] end"
    return f"coalesce(cast({joined} as {label.type}), {inside})"
