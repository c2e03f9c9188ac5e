"""The tables of the archive, as scripts that lead from one `user_version` to the next; forward only.

A script that was released is never edited: a change is a new script at the end. Each runs in one transaction with the raise of
`user_version`, so a crash leaves the former format. Before a store that holds anything is migrated, a copy is made beside it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from mlops_desk.domain.errors import UserError

TABLES = """
create table model (
    id integer primary key,
    name text not null unique
);

create table evaluation (
    id integer primary key,
    model integer not null references model (id),
    started text not null,
    finished text,
    inputs_hash text not null,
    rows_scanned integer not null default 0,
    seconds real not null default 0,
    log_rows integer,
    newest_row text,
    versions text not null default '[]',
    reference_text text not null default '',
    values_added integer not null default 0,
    values_changed integer not null default 0,
    values_removed integer not null default 0
);
create index evaluation_of_model on evaluation (model, id);

create table note (
    evaluation integer not null references evaluation (id),
    position integer not null,
    level text not null,
    code text not null,
    place text not null,
    text text not null,
    count integer,
    primary key (evaluation, position)
) without rowid;

-- idx is null once the log holds no such chunk any more; history and alerts still name it
create table chunk (
    id integer primary key,
    model integer not null references model (id),
    split text not null check (split in ('reference', 'analysis')),
    key text not null,
    idx integer,
    start text,
    "end" text,
    rows integer not null,
    complete integer not null,
    fingerprint text,
    unique (model, split, key)
);

create table series (
    id integer primary key,
    model integer not null references model (id),
    family text not null,
    metric text not null,
    convention text not null,
    "column" text,
    "group" text,
    class text,
    segment text
);
create index series_of_model on series (model, family, metric);

create table current_value (
    chunk integer not null references chunk (id),
    series integer not null references series (id),
    evaluation integer not null references evaluation (id),
    rows integer not null,
    value real,
    reason text,
    error_bound real,
    sampling_error real,
    interval_lower real,
    interval_upper real,
    lower real,
    upper real,
    warn_lower real,
    warn_upper real,
    verdict integer not null check (verdict between 0 and 3),
    primary key (chunk, series),
    check ((value is null) <> (reason is null))
) without rowid;

-- append-only, in the order of superseded_by
create table former_value (
    chunk integer not null references chunk (id),
    series integer not null references series (id),
    evaluation integer not null references evaluation (id),
    rows integer not null,
    value real,
    reason text,
    error_bound real,
    sampling_error real,
    interval_lower real,
    interval_upper real,
    lower real,
    upper real,
    warn_lower real,
    warn_upper real,
    verdict integer not null,
    superseded_by integer not null references evaluation (id)
);

create table axis (
    id integer primary key,
    model integer not null references model (id),
    "column" text not null,
    segment text,
    kind text not null,
    bins text not null
);
create index axis_of_column on axis (model, "column");

create table distribution (
    chunk integer not null references chunk (id),
    axis integer not null references axis (id),
    counts blob not null,
    total real,
    primary key (chunk, axis)
) without rowid;

create table alert (
    id integer primary key autoincrement,
    fingerprint text not null,
    series integer not null references series (id),
    severity text not null,
    state text not null,
    opened_chunk text not null,
    last_chunk text not null,
    opened_start text,
    last_start text,
    chunks integer not null,
    value real not null,
    "limit" real,
    opened_at text not null,
    changed_at text not null,
    changed_by text,
    note text,
    silenced_until text
);
create unique index open_alert on alert (fingerprint) where state <> 'resolved';
create index alert_of_fingerprint on alert (fingerprint, id);

create table alert_event (
    id integer primary key,
    alert integer not null references alert (id),
    at text not null,
    kind text not null,
    actor text,
    text text
);
create index event_of_alert on alert_event (alert, id);

create table audit (
    seq integer primary key autoincrement,
    at text not null,
    actor text not null,
    action text not null,
    model text,
    detail text not null,
    previous text not null,
    hash text not null
);
create trigger audit_is_never_changed before update on audit
begin
    select raise(abort, 'the audit chain is append-only');
end;
create trigger audit_is_never_shortened before delete on audit
begin
    select raise(abort, 'the audit chain is append-only');
end;
"""

VIEW_COLUMNS = """
    m.name as model, c.split as split, c.idx as chunk, c.start as start, c."end" as "end", v.rows as rows, s.segment as segment,
    s.family as family, s.metric as metric, s.convention as convention, s."column" as "column", s."group" as "group",
    v.value as value, v.reason as reason, v.error_bound as error_bound, v.sampling_error as sampling_error,
    v.interval_lower as interval_lower, v.interval_upper as interval_upper, v.lower as lower, v.upper as upper,
    v.warn_lower as warn_lower, v.warn_upper as warn_upper, s.class as class,
    case v.verdict when 0 then 'ok' when 1 then 'warning' when 2 then 'alert' else 'untested' end as verdict,
    e.started as evaluated_at
"""
VIEW_TABLES = """
    join chunk c on c.id = v.chunk
    join series s on s.id = v.series
    join model m on m.id = c.model
    join evaluation e on e.id = v.evaluation
"""
VIEWS = f"""
create view metric_values as select {VIEW_COLUMNS} from current_value v {VIEW_TABLES};

create view metric_value_history as select {VIEW_COLUMNS}, c.key as chunk_key, later.started as superseded_at
from former_value v {VIEW_TABLES} join evaluation later on later.id = v.superseded_by;
"""

DETECTIONS = """
-- row and stream_row count from 0 the labelled rows of the chunk, and of all chunks of its split
create table detection (
    chunk integer not null references chunk (id),
    series integer not null references series (id),
    row integer not null,
    stream_row integer not null,
    at text,
    primary key (chunk, series, row)
) without rowid;
"""

MIGRATIONS: tuple[str, ...] = (TABLES + VIEWS, DETECTIONS)
"""Script i leads from user_version i to i + 1."""


def statements(script: str) -> Iterator[str]:
    """The statements of a script, one after the other; a trigger with its body is one."""
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""
    if pending.strip():
        raise ValueError(f"a statement without an end: {pending.strip()}")


def format_version(connection: sqlite3.Connection) -> int:
    """The `user_version` of an open store; 0 of an empty file."""
    version: int = connection.execute("pragma user_version").fetchone()[0]
    return version


def refuse_newer(version: int, path: Path, newest: int = len(MIGRATIONS)) -> None:
    """Raises UserError if a store's format is newer than this program."""
    if version > newest:
        raise UserError(
            f"{path}: written by a newer mlops-desk (store format {version}, this one knows up to {newest}): update mlops-desk"
        )


def migrate(connection: sqlite3.Connection, path: Path, scripts: tuple[str, ...] = MIGRATIONS) -> None:
    """Brings an open store to the newest format; raises UserError if it is newer than that."""
    version = format_version(connection)
    refuse_newer(version, path, len(scripts))
    if version == len(scripts):
        return
    if version > 0:
        copy_store(connection, path.with_name(f"{path.stem}-format{version}{path.suffix}"))
    connection.execute("begin immediate")
    try:
        already = format_version(connection)  # asked again: another process may have done it meanwhile
        for number in range(already, len(scripts)):
            for statement in statements(scripts[number]):
                connection.execute(statement)
            connection.execute(f"pragma user_version = {number + 1}")
        connection.execute("commit")
    except BaseException:
        connection.rollback()
        raise


def copy_store(connection: sqlite3.Connection, target: Path) -> None:
    """Writes a copy of an open store, complete or not at all."""
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(part)) as copy:
        connection.backup(copy)
    part.replace(target)
