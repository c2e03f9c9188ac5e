"""The tables of a model that say where its rows are and what they hold: logs, reference, labels, columns, chunks, expectations."""

from __future__ import annotations

from datetime import datetime

from mlops_desk.config import values
from mlops_desk.config.object_access import ACCESS_KEYS, inherited, object_access, paths, refuse_secrets
from mlops_desk.config.table import Table
from mlops_desk.domain.metric import Direction
from mlops_desk.domain.model import EXPECTED_TYPES, BusinessMetric, Expectation, Labels, Logs, ObjectAccess, Reference
from mlops_desk.domain.periods import in_utc, parse_periods
from mlops_desk.domain.schema import INTERSECTION, ColumnRoles, Scalar, Task
from mlops_desk.domain.slicing import ChunkRule, Incomplete

SINGLE_ROLES = ("timestamp", "id", "prediction", "score", "target", "version", "weight", "latency", "requester")
LIST_ROLES = ("numeric", "categorical", "protected", "segments", "ignore")

LOGS_KEYS = ("path", "filter", *ACCESS_KEYS)
REFERENCE_CHOICES = ("path", "from", "rolling", "previous_chunks", "expanding")
REFERENCE_KEYS = (*REFERENCE_CHOICES, "to", *ACCESS_KEYS)
LABELS_KEYS = ("path", "key", "target", *ACCESS_KEYS)
COLUMNS_KEYS = (*SINGLE_ROLES, "timestamp_format", "positive", "decision_threshold", *LIST_ROLES)
CHUNKS_KEYS = ("every", "size", "number", "incomplete", "timezone")
BUSINESS_KEYS = ("id", "sql", "higher_is")
BUSINESS_VALUE_KEYS = ("matrix",)
EXPECTATION_KEYS = (
    "column",
    "type",
    "not_null",
    "unique",
    "allowed",
    "min",
    "max",
    "pattern",
    "max_missing_rate",
    "max_unseen_rate",
)
HIGHER_IS = {"better": Direction.HIGHER, "worse": Direction.LOWER, "neither": Direction.NEITHER}


def logs(model: Table) -> Logs:
    """Where the prediction log lies."""
    refuse_secrets(model, "logs")
    table = model.required_table("logs", LOGS_KEYS, '[models.logs] with path = "logs/**/*.parquet"')
    found = paths(table, 'path = "logs/**/*.parquet"')
    return Logs(paths=found, filter=table.text("filter", None), access=object_access(table, found, ObjectAccess()))


def reference(model: Table, columns: ColumnRoles, chunks: ChunkRule, logs: Logs) -> Reference:
    """What the analysis is compared with."""
    refuse_secrets(model, "reference")
    table = model.required_table("reference", REFERENCE_KEYS, '[models.reference] with path = "reference.parquet"')
    if "to" in table and "from" not in table:
        raise table.error("to", "needs a from beside it; write for example from = 2018-01-01")
    chosen = table.exactly_one(REFERENCE_CHOICES, 'path = "reference.parquet"')
    if chosen in ("from", "rolling") and columns.timestamp is None:
        raise table.error(chosen, "needs to know the times of the rows: name the column in columns.timestamp")
    if chosen != "path":
        object_access(table, (), ObjectAccess())
    match chosen:
        case "path":
            found = paths(table, "")
            return Reference(paths=found, access=object_access(table, found, inherited(logs, found)))
        case "from":
            start, end = _between(table, chunks.timezone)
            return Reference(start=start, end=end)
        case "rolling":
            return Reference(rolling=_rolling(table, chunks))
        case "previous_chunks":
            return Reference(previous_chunks=table.whole("previous_chunks", None, least=1))
        case _:
            if not table.flag("expanding", False):
                raise table.error("expanding", "can only be true; leave it out to choose another reference")
            return Reference(expanding=True)


def _rolling(table: Table, chunks: ChunkRule) -> str:
    """The period before each chunk; raises UserError where no chunk can lie in it."""
    length = values.period(table, "rolling")
    if chunks.every is None:
        raise table.error(
            "rolling",
            "needs chunks of time: cut by chunks.every, or take previous_chunks = 7 or expanding = true instead",
        )
    if parse_periods(length).shortest_days < parse_periods(chunks.every).longest_days and not _in_months(
        length, chunks.every
    ):
        raise table.error(
            "rolling", f"is shorter than a chunk ({chunks.every}), so no chunk lies in it: make it longer"
        )
    return length


def _in_months(length: str, every: str) -> bool:
    """Whether a period of months holds one of a chunk of months, however long the months are."""
    return parse_periods(length).months >= parse_periods(every).months > 0


def _between(table: Table, timezone: str) -> tuple[datetime, datetime]:
    """Both ends of a reference inside the logs, in order."""
    table.require("to", "to = 2018-11-01 (rows of that time are analysis already)")
    start, end = values.moment(table, "from"), values.moment(table, "to")
    try:
        first, last = (moment if moment.tzinfo else in_utc(moment, timezone) for moment in (start, end))
    except OverflowError:
        raise table.error("from", "and to are too near to the beginning or the end of the calendar") from None
    if first >= last:
        raise table.error("to", f"must be later than from ({start.isoformat()}), not {end.isoformat()}")
    return start, end


def labels(model: Table, columns: ColumnRoles, logs: Logs) -> Labels | None:
    """Ground truth that arrives late, where the model has any."""
    refuse_secrets(model, "labels")
    table = model.table("labels", LABELS_KEYS)
    if table is None:
        return None
    where = paths(table, 'path = "labels/*.parquet"')
    found = Labels(
        paths=where,
        key=table.required_text("key", 'key = "id"'),
        target=table.required_text("target", 'target = "label"'),
        access=object_access(table, where, inherited(logs, where)),
    )
    if columns.id is None:
        raise table.error("key", "has nothing to be joined to: name the log's column of ids in columns.id")
    return found


def columns(model: Table, task: Task | None) -> ColumnRoles:
    """Which column is what; raises UserError where the roles contradict each other or the task."""
    table = model.table("columns", COLUMNS_KEYS)
    if table is None:
        return ColumnRoles()
    score, scores = _score(table, task)
    roles = ColumnRoles(
        timestamp=table.text("timestamp", None),
        timestamp_format=_timestamp_format(table),
        id=table.text("id", None),
        prediction=table.text("prediction", None),
        target=table.text("target", None),
        version=table.text("version", None),
        weight=table.text("weight", None),
        latency=table.text("latency", None),
        requester=table.text("requester", None),
        numeric=table.texts("numeric"),
        categorical=table.texts("categorical"),
        protected=table.texts("protected"),
        segments=table.texts("segments"),
        ignore=table.texts("ignore"),
        score=score,
        scores=scores,
        positive=table.scalar("positive", table.values["positive"]) if "positive" in table else None,
        decision_threshold=table.number("decision_threshold", None),
    )
    _check_task(table, roles, task)
    _check_lists(table, roles)
    return roles


def _timestamp_format(table: Table) -> str | None:
    """The format of timestamps that are text."""
    found = table.text("timestamp_format", None)
    if found is not None and "timestamp" not in table:
        raise table.error("timestamp_format", "needs columns.timestamp: name the column that it is the format of")
    if found is not None and "%" not in found:
        raise table.error("timestamp_format", 'is no format: write the parts with %, such as "%d/%m/%Y %H:%M"')
    return found


def _score(table: Table, task: Task | None) -> tuple[str | None, tuple[tuple[str, str], ...]]:
    """The column of the score, or the column of each class."""
    if not isinstance(table.values.get("score"), dict):
        if "score" in table and task is Task.MULTICLASS:
            example = 'score = { yes = "p_yes", no = "p_no" }'
            raise table.error("score", f"must name a column for each class of a multiclass model: write {example}")
        return table.text("score", None), ()
    classes = table.required_table("score", (), "")
    if task is not Task.MULTICLASS:
        raise table.error("score", 'names one column unless the task is "multiclass": write score = "p"')
    if len(classes.values) < 2:
        raise table.error("score", "must name a column for each class, of two classes at least")
    found = tuple((name, classes.text(name, "")) for name in classes.values)
    seen: dict[str, str] = {}
    for name, column in found:
        if column in seen:
            raise classes.error(name, f"is the column {column} of the class {seen[column]} again")
        seen[column] = name
    return None, found


def _check_task(table: Table, roles: ColumnRoles, task: Task | None) -> None:
    """Raises UserError for roles that the task does not have."""
    for key in ("positive", "decision_threshold"):
        if key in table and task is not Task.BINARY:
            raise table.error(key, 'is only for task = "binary"')
    if roles.decision_threshold is not None and roles.score is None:
        raise table.error("decision_threshold", "needs a score to hold against it: name the column in columns.score")
    if roles.score is not None and task is Task.REGRESSION:
        raise table.error("score", "is not for a regression: its number is the prediction")
    if task is None:
        for key in ("prediction", "score"):
            if key in table:
                raise table.error(key, 'needs a task: add task = "binary", "multiclass" or "regression" to the model')


def _check_lists(table: Table, roles: ColumnRoles) -> None:
    """Raises UserError for a column in lists that exclude each other, and for an intersection that is none."""
    single = {getattr(roles, role): role for role in SINGLE_ROLES} | {column: "score" for _, column in roles.scores}
    for index, column in enumerate(roles.categorical):
        if column in roles.numeric:
            raise table.error(("categorical", index), f"names {column}, which numeric names too")
    for index, column in enumerate(roles.ignore):
        used = next((role for role in LIST_ROLES[:-1] if column in getattr(roles, role)), single.get(column))
        if used:
            raise table.error(("ignore", index), f"names {column}, which {used} names too")
    for index, attribute in enumerate(roles.protected):
        parts = [part.strip() for part in attribute.split(INTERSECTION)]
        if "" in parts or len(set(parts)) < len(parts):
            raise table.error(("protected", index), f"must join different columns by {INTERSECTION}, as in sex×race")
        if len(parts) > 1 and attribute != INTERSECTION.join(parts):
            raise table.error(
                ("protected", index), f"has blanks around {INTERSECTION}: write {INTERSECTION.join(parts)}"
            )


def chunks(model: Table, roles: ColumnRoles) -> ChunkRule:
    """How rows are cut into chunks."""
    table = model.required_table("chunks", CHUNKS_KEYS, '[models.chunks] with every = "1d"')
    chosen = table.exactly_one(("every", "size", "number"), 'every = "1d"')
    if chosen == "every" and roles.timestamp is None:
        raise table.error("every", "needs to know the times of the rows: name the column in columns.timestamp")
    return ChunkRule(
        every=values.period(table, "every") if chosen == "every" else None,
        size=table.whole("size", None, least=1),
        number=table.whole("number", None, least=1),
        incomplete=table.choice("incomplete", Incomplete, Incomplete.KEEP),
        timezone=values.timezone(table, "timezone", "UTC"),
    )


def business(model: Table) -> tuple[BusinessMetric, ...]:
    """The metrics that the user wrote in SQL."""
    found: dict[str, BusinessMetric] = {}
    for table in model.tables("business", BUSINESS_KEYS):
        name = values.metric_id(table, "id", 'id = "profit"')
        if name in found:
            raise table.error("id", f"is {name} a second time")
        higher_is = HIGHER_IS[table.word("higher_is", table.values.get("higher_is", "better"), list(HIGHER_IS))]
        sql = table.required_text("sql", 'sql = "sum(amount)"')
        found[name] = BusinessMetric(id=name, sql=sql, higher_is=higher_is)
    return tuple(found.values())


def value_matrix(model: Table, task: Task | None) -> tuple[tuple[float, ...], ...]:
    """What each pair of a true and a predicted class is worth."""
    table = model.table("business_value", BUSINESS_VALUE_KEYS)
    if table is None:
        return ()
    if task not in (Task.BINARY, Task.MULTICLASS):
        raise table.error(None, 'is only for task = "binary" or "multiclass"')
    table.require("matrix", "matrix = [[0, -1], [-2, 3]]")
    rows = table.values["matrix"]
    wanted = "a list of rows such as [[0, -1], [-2, 3]]"
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise table.wrong("matrix", wanted, rows)
    size = len(rows)
    if size < 2 or any(len(row) != size for row in rows):
        shape = f"{size} rows of {', '.join(str(len(row)) for row in rows) or 'no'} numbers"
        raise table.error("matrix", f"must have a row and a column for each class, not {shape}")
    if task is Task.BINARY and size != 2:
        raise table.error("matrix", f"must have 2 rows and 2 columns for a binary model, not {size}")
    return tuple(
        tuple(table.checked_number(("matrix", i, j), value) for j, value in enumerate(row))
        for i, row in enumerate(rows)
    )


def expectations(model: Table) -> tuple[Expectation, ...]:
    """What the values of columns should be."""
    return tuple(_expectation(table) for table in model.tables("expectations", EXPECTATION_KEYS))


def _expectation(table: Table) -> Expectation:
    column = table.required_text("column", 'column = "age"')
    expected_type = table.text("type", None)
    if expected_type is not None:
        table.word("type", expected_type, EXPECTED_TYPES)
    found = Expectation(
        column=column,
        type=expected_type,
        not_null=table.flag("not_null", False),
        unique=table.flag("unique", False),
        allowed=_allowed(table),
        min=table.number("min", None),
        max=table.number("max", None),
        pattern=table.text("pattern", None),
        max_missing_rate=table.number("max_missing_rate", None, least=0, most=1),
        max_unseen_rate=table.number("max_unseen_rate", None, least=0, most=1),
    )
    if found == Expectation(column=column):
        raise table.error(None, f"expects nothing of {column}: add one of {', '.join(EXPECTATION_KEYS[1:])}")
    if found.min is not None and found.max is not None and found.min > found.max:
        raise table.error("max", f"must be at least min ({found.min:g}), not {found.max:g}")
    return found


def _allowed(table: Table) -> tuple[Scalar, ...]:
    value = table.values.get("allowed")
    if value is None:
        return ()
    if not isinstance(value, list):
        raise table.wrong("allowed", 'a list such as ["a", "b"]', value)
    if not value:
        raise table.error("allowed", "is an empty list: no value would do")
    return tuple(table.scalar(("allowed", index), item) for index, item in enumerate(value))
